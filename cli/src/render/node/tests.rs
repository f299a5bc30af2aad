use super::*;

/// What YAML 1.1 or 1.2 reads as something else than a text, or not at all, if it stands there plain.
#[test]
fn only_what_every_reader_takes_for_this_text_is_plain() {
    for text in [
        "shop",
        "us-east-1",
        "/healthz",
        "security.io/v1",
        "America/New_York",
        "GET",
        "P-256",
        "nope",
        "yesterday",
    ] {
        assert_eq!(scalar(text), text);
    }
    for text in [
        "", "y", "N", "Yes", "NO", "on", "Off", "true", "NULL", "~", "1", "0x1", "1e3", ".5", "-", "-a", "=", "<<",
        "09:00", "a: b", "a #b", "a,b", "[a]", "*a", "&a", "!a", "|", ">", "%a", "@a", "`a", "a b", "é", "a\u{85}b",
    ] {
        let quoted = scalar(text);
        assert!(quoted.starts_with(['"', '\'']), "{text:?} is {quoted}");
        let read: String = serde_saphyr::from_str(&quoted).expect("YAML");
        assert_eq!(read, text);
    }
}

#[test]
fn nothing_ends_a_line_or_a_quote() {
    for text in [
        "a\nb",
        "a\r\nb",
        "a\u{85}b",
        "a\u{2028}b",
        "a\u{2029}b",
        "a\u{202e}b",
        "a\u{2066}b",
        "a\u{200b}b",
        "a\u{feff}b",
        "a\tb",
        "a\u{0}b",
        "a\u{7f}b",
        "\"",
        "'",
        "\\",
        "'\"\\",
        "\\\"",
        "\"\n",
    ] {
        let quoted = scalar(text);
        assert!(
            !quoted.contains(|c: char| !c.is_ascii_graphic()),
            "{quoted:?}"
        );
        if !text.contains('\u{0}') {
            assert_eq!(serde_saphyr::from_str::<String>(&quoted).expect("YAML"), text);
        }
    }
    assert_eq!(scalar("it's"), "\"it's\"");
    assert_eq!(scalar("say \"it's\""), "'say \"it''s\"'");
}

#[test]
fn the_block_style_is_read_back_as_it_was() {
    let node = Node::Map(vec![
        ("y".to_owned(), "NO".into()),
        ("empty".to_owned(), Node::List(Vec::new())),
        ("nothing".to_owned(), Node::Map(Vec::new())),
        ("null".to_owned(), Node::Null),
        (
            "list".to_owned(),
            Node::List(vec![
                Node::List(vec![Node::Bool(true), Node::Number(7.into())]),
                Node::Map(vec![
                    (
                        "a b".to_owned(),
                        Node::List(vec![Node::Map(vec![("c".to_owned(), "x".repeat(80).as_str().into())])]),
                    ),
                    ("d".to_owned(), "e".into()),
                ]),
                Node::Map(Vec::new()),
            ]),
        ),
    ]);
    let expected = serde_json::json!({
        "y": "NO", "empty": [], "nothing": {}, "null": null,
        "list": [[true, 7], {"a b": [{"c": "x".repeat(80)}], "d": "e"}, {}],
    });
    for indent in [0, 2, 7] {
        let text = format!("at:\n{}{}\n", " ".repeat(indent + 1), node.yaml(indent + 1));
        let read: serde_json::Value = serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
        assert_eq!(read["at"], expected, "{text}");
    }
}
