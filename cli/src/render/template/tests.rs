use super::*;

fn values() -> Values {
    let mut values = Values::default();
    values
        .set("name", "a: b")
        .set("number", Node::Number(7.into()))
        .set(
            "map",
            Node::Map(vec![("b".to_owned(), "c".into()), ("d".to_owned(), "e".into())]),
        )
        .set(
            "items",
            Node::List(vec![
                Node::Map(vec![("x".to_owned(), "1".into())]),
                Node::Map(vec![("x".to_owned(), "y".into())]),
            ]),
        )
        .set("lines", Value::Lines("f: 1\n\ng: 2\n".to_owned()))
        .set("if yes", true)
        .set("if no", false);
    values
}

#[test]
fn values_stand_where_their_names_stood() {
    let template = "# a comment\nname: <<name>> # <<number>>\nmap:\n  <<block map>>\n<<if yes>>\nyes: 1\n<<if no>>\nno: 1\n<<end>>\n<<end>>\n<<each items>>\n- <<item.x>>\n<<end>>\ntext: |\n    <<block lines>>\n";
    let expected = "# a comment\nname: \"a: b\" # 7\nmap:\n  b: c\n  d: e\nyes: 1\n- \"1\"\n- \"y\"\ntext: |\n    f: 1\n\n    g: 2\n";
    assert_eq!(Template::parse(template).write(&values()), expected);
}

#[test]
fn a_value_is_never_taken_for_a_template() {
    let mut values = values();
    values.set("name", "<<number>>");
    assert_eq!(Template::parse("<<name>>").write(&values), "\"<<number>>\"\n");
}

#[test]
fn helm_gets_an_expression_for_each_place() {
    let helm = Helm(&[
        ("name", ".Values.name | quote"),
        ("map", "toYaml .Values.map"),
        ("items", ".Values.items"),
        ("item.x", ".x | quote"),
        ("if yes", ".Values.yes"),
    ]);
    let template =
        "name: <<name>>\nmap:\n  <<block map>>\n<<if yes>>\n<<each items>>\n- <<item.x>>\n<<end>>\n<<end>>\n";
    let expected = "name: {{ .Values.name | quote }}\nmap:\n  {{- toYaml .Values.map | nindent 2 }}\n{{- if .Values.yes }}\n{{- range .Values.items }}\n- {{ .x | quote }}\n{{- end }}\n{{- end }}\n";
    assert_eq!(Template::parse(template).write(&helm), expected);
}

#[test]
fn a_template_with_a_mistake_panics() {
    for template in [
        "<<end>>",
        "<<if yes>>",
        "<<each items>>",
        "<<nobody>>",
        "<<map>>",
        "<<block nobody>>",
        "<<if nobody>>\n<<end>>",
        "<<each name>>\n<<end>>",
    ] {
        let result = std::panic::catch_unwind(|| Template::parse(template).write(&values()));
        assert!(result.is_err(), "{template}");
    }
}
