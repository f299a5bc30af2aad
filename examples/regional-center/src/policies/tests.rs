use std::collections::BTreeSet;

use regorus::{Engine, Value};
use serde_json::{Value as Json, json};

use super::{ANSWER, Decision, LoadError, Policies, Sources, decision};
use crate::question::Question;

/// One row: the question, whether it is allowed, and the beginning of the reason, which tells the case that decided.
type Row = (Json, bool, &'static str);

fn ask(subject: Json, method: &str, template: &str, id: &str, context: Json) -> Json {
    json!({
        "subject": subject,
        "action": {"name": method, "properties": {}},
        "resource": {"type": "route", "id": template, "properties": {"captures": {"id": id}}},
        "context": context,
    })
}

fn person(home: &str, sub: &str) -> Json {
    json!({"type": "identity", "id": sub, "properties": {"home": home, "iss": "identity.global.com"}})
}

fn profile(home: &str, id: &str, local: &str, source: Option<&str>) -> Json {
    let mut context = json!({"local": local, "source": {"address": "127.0.1.1"}});
    if let Some(region) = source {
        context["source"]["region"] = json!(region);
    }
    ask(person(home, "alice"), "GET", "/v1/profiles/{id}", id, context)
}

fn approval(subject: Json, id: &str) -> Json {
    ask(
        subject,
        "POST",
        "/v1/postings/{id}/approve",
        id,
        json!({"local": "us-east-1"}),
    )
}

/// The same question with the member at `pointer` replaced, or taken away.
fn with(mut question: Json, pointer: &str, value: Option<Json>) -> Json {
    let (parent, member) = pointer.rsplit_once('/').unwrap();
    let parent = question.pointer_mut(parent).unwrap().as_object_mut().unwrap();
    match value {
        Some(value) => drop(parent.insert(member.to_owned(), value)),
        None => drop(parent.remove(member).unwrap()),
    }
    question
}

fn gdpr() -> Vec<Row> {
    let inside = || profile("eu-west-1", "42", "eu-west-1", None);
    vec![
        (
            profile("us-east-1", "41", "us-east-1", None),
            true,
            "GDPR: profile 41 resides in us-east-1, outside the EU",
        ),
        (
            profile("ap-southeast-1", "41", "us-east-1", Some("mars-1")),
            true,
            "GDPR: profile 41 resides in us-east-1",
        ),
        (
            inside(),
            true,
            "GDPR: profile 42 resides in eu-west-1 and stays in the EU",
        ),
        (
            profile("eu-central-1", "42", "eu-west-1", Some("eu-west-1")),
            true,
            "GDPR: profile 42 resides in eu-west-1 and stays",
        ),
        // Each of the three regions alone is enough to take the data out of the EU.
        (
            profile("eu-west-1", "42", "us-east-1", None),
            false,
            "GDPR: profile 42 resides in eu-west-1 and may not go to us-east-1",
        ),
        (
            profile("us-east-1", "42", "eu-west-1", None),
            false,
            "GDPR: profile 42 resides in eu-west-1 and may not go to us-east-1",
        ),
        (
            profile("eu-west-1", "42", "eu-west-1", Some("us-east-1")),
            false,
            "GDPR: profile 42 resides in eu-west-1 and may not go to us-east-1",
        ),
        // A region that the data does not know is outside.
        (
            profile("eu-west-1", "42", "mars-1", None),
            false,
            "GDPR: profile 42 resides in eu-west-1 and may not go to mars-1",
        ),
        (
            profile("us-east-1", "43", "us-east-1", None),
            true,
            "GDPR: profile 43 resides in eu-west-1 and may go to us-east-1",
        ),
        (
            profile("us-east-1", "44", "us-east-1", Some("us-east-1")),
            true,
            "GDPR: profile 44 resides in eu-west-1 and may go to us-east-1",
        ),
        // Consent for one region is none for another; consent and contract may cover different ones.
        (
            profile("us-east-1", "43", "ap-southeast-1", None),
            false,
            "GDPR: profile 43 resides in eu-west-1 and may not go to ap-southeast-1",
        ),
        (
            profile("us-east-1", "45", "us-east-1", Some("ap-southeast-1")),
            true,
            "GDPR: profile 45 resides in eu-central-1 and may go to ap-southeast-1, us-east-1",
        ),
        (
            with(inside(), "/resource/id", Some(json!("/v1/profiles/{id}/export"))),
            true,
            "GDPR: profile 42 resides in eu-west-1 and stays",
        ),
        (
            with(
                profile("us-east-1", "42", "us-east-1", None),
                "/resource/id",
                Some(json!("/v1/profiles/{id}/export")),
            ),
            false,
            "GDPR: profile 42",
        ),
        (
            profile("eu-west-1", "46", "eu-west-1", None),
            false,
            "GDPR: the residency of profile 46 is not a known region",
        ),
        (
            profile("eu-west-1", "99", "eu-west-1", None),
            false,
            "GDPR: no record of profile 99",
        ),
        (with(inside(), "/context", None), false, "GDPR: the question lacks"),
        (
            with(inside(), "/context/local", None),
            false,
            "GDPR: the question lacks",
        ),
        (
            with(inside(), "/context/local", Some(json!(["eu-west-1"]))),
            false,
            "GDPR: the question lacks",
        ),
        (with(inside(), "/context/source", None), true, "GDPR: profile 42"),
        (
            with(inside(), "/context/source", Some(json!(false))),
            false,
            "GDPR: the question lacks",
        ),
        (
            with(inside(), "/context/source/region", Some(json!(false))),
            false,
            "GDPR: the question lacks",
        ),
        (
            with(inside(), "/context/source/region", Some(json!(null))),
            false,
            "GDPR: the question lacks",
        ),
        (
            with(inside(), "/subject/type", Some(json!("anonymous"))),
            false,
            "GDPR: the question lacks",
        ),
        (
            with(inside(), "/subject/properties/home", None),
            false,
            "GDPR: the question lacks",
        ),
        (
            with(inside(), "/subject/properties/home", Some(json!(true))),
            false,
            "GDPR: the question lacks",
        ),
        (
            with(inside(), "/resource/properties/captures", None),
            false,
            "GDPR: the question lacks",
        ),
        (
            with(inside(), "/resource/properties/captures/id", Some(json!({"a": 1}))),
            false,
            "GDPR: the question lacks",
        ),
        (
            with(inside(), "/resource/type", Some(json!("path"))),
            false,
            "no policy allows GET on /v1/profiles/{id}",
        ),
        (
            with(inside(), "/resource/id", Some(json!("/v1/profiles/42"))),
            false,
            "no policy allows GET on /v1/profiles/42",
        ),
    ]
}

fn sox() -> Vec<Row> {
    let alice = || person("us-east-1", "alice");
    let anonymous_issuer = || with(json!({"x": alice()}), "/x/properties/iss", None)["x"].clone();
    vec![
        (
            approval(alice(), "1001"),
            false,
            "SOX: alice of us-east-1 prepared posting 1001 and may not",
        ),
        (
            approval(person("us-east-1", "bob"), "1001"),
            true,
            "SOX: alice of us-east-1 prepared posting 1001, and bob of us-east-1",
        ),
        // Who somebody is hangs on home, issuer and subject together.
        (
            approval(person("eu-west-1", "alice"), "1001"),
            true,
            "SOX: alice of us-east-1 prepared posting 1001, and alice of eu-west-1",
        ),
        (
            approval(
                with(json!({"x": alice()}), "/x/properties/iss", Some(json!("other.com")))["x"].clone(),
                "1001",
            ),
            true,
            "SOX: alice",
        ),
        // What is missing, on either side, does not make two people of one.
        (
            approval(anonymous_issuer(), "1001"),
            false,
            "SOX: alice of us-east-1 prepared posting 1001 and may not",
        ),
        (
            approval(alice(), "1003"),
            false,
            "SOX: alice of us-east-1 prepared posting 1003 and may not",
        ),
        (
            approval(
                with(json!({"x": alice()}), "/x/properties/iss", Some(json!(1)))["x"].clone(),
                "1001",
            ),
            false,
            "SOX: alice",
        ),
        (
            approval(person("eu-west-1", "bob"), "1002"),
            false,
            "SOX: bob of eu-west-1 prepared posting 1002 and may not",
        ),
        (
            approval(alice(), "1002"),
            true,
            "SOX: bob of eu-west-1 prepared posting 1002, and alice of us-east-1",
        ),
        (
            approval(alice(), "1004"),
            false,
            "SOX: no record of who prepared posting 1004",
        ),
        (approval(alice(), "9999"), false, "SOX: no record of posting 9999"),
        (
            with(approval(alice(), "1002"), "/subject/type", Some(json!("anonymous"))),
            false,
            "SOX: the question lacks",
        ),
        (
            with(approval(alice(), "1002"), "/subject/properties", None),
            false,
            "SOX: the question lacks",
        ),
        (
            with(approval(alice(), "1002"), "/resource/properties/captures/id", None),
            false,
            "SOX: the question lacks",
        ),
        (
            with(approval(alice(), "1002"), "/action/name", Some(json!("GET"))),
            false,
            "no policy allows GET on",
        ),
        (
            with(approval(alice(), "1002"), "/action/name", Some(json!("post"))),
            false,
            "no policy allows post on",
        ),
        (
            with(
                approval(alice(), "1002"),
                "/resource/id",
                Some(json!("/v1/postings/{id}")),
            ),
            false,
            "no policy allows POST on",
        ),
    ]
}

fn embedded() -> Policies {
    let mut sources = Sources::embedded();
    // A record that contradicts the other data: nothing in the embedded data does.
    sources.data.push((
        "odd.json".to_owned(),
        r#"{"profiles": {"46": {"residency": "mars-1"}}}"#.to_owned(),
    ));
    Policies::compile(&sources).unwrap()
}

fn decide(policies: &Policies, question: &Json) -> Decision {
    policies
        .decide(&Question::parse(question.to_string().as_bytes()).unwrap())
        .unwrap()
}

#[test]
fn each_case_of_each_regime() {
    let policies = embedded();
    for (question, allow, reason) in [gdpr(), sox()].concat() {
        let decision = decide(&policies, &question);
        assert_eq!(decision.allow, allow, "{question}: {decision:?}");
        assert!(decision.reason_admin.starts_with(reason), "{question}: {decision:?}");
        assert!(!decision.reason_user.is_empty());
    }
}

/// The reasons for users are the same for all records, subjects and regions.
#[test]
fn a_user_learns_no_facts() {
    let policies = embedded();
    let texts: BTreeSet<String> = [gdpr(), sox()]
        .concat()
        .iter()
        .map(|(question, ..)| decide(&policies, question).reason_user)
        .collect();
    for text in &texts {
        for fact in [
            "alice", "bob", "us-east", "eu-west", "4", "1", "GDPR", "SOX", "identity",
        ] {
            assert!(!text.contains(fact), "{text}");
        }
    }
}

#[test]
fn how_long_a_decision_may_be_remembered() {
    let policies = embedded();
    for (question, ttl) in [
        (profile("eu-west-1", "42", "eu-west-1", None), 60),
        (profile("us-east-1", "42", "eu-west-1", None), 10),
        (approval(person("us-east-1", "bob"), "1001"), 0),
        (approval(person("us-east-1", "alice"), "1001"), 0),
        (
            with(
                approval(person("us-east-1", "bob"), "1001"),
                "/action/name",
                Some(json!("PUT")),
            ),
            10,
        ),
    ] {
        assert_eq!(decide(&policies, &question).ttl, ttl, "{question}");
    }
}

/// The virtual machine evaluates what the policies mean: the engine's interpreter, which shares little with it, agrees.
#[test]
fn the_interpreter_says_the_same() {
    let policies = embedded();
    let mut interpreter = Engine::new();
    for (name, text) in Sources::embedded().policies {
        interpreter.add_policy(name, text).unwrap();
    }
    interpreter.add_data(policies.data().clone()).unwrap();
    for (question, ..) in [gdpr(), sox()].concat() {
        interpreter.set_input(Value::from_json_str(&question.to_string()).unwrap());
        let expected = decision(&interpreter.eval_rule(ANSWER.to_owned()).unwrap()).unwrap();
        assert_eq!(decide(&policies, &question), expected, "{question}");
    }
}

/// Two regimes that speak about one question: the denial decides, and the shortest memory.
#[test]
fn a_denial_of_one_regime_outweighs_the_allow_of_another() {
    let mut sources = Sources::embedded();
    let center = sources
        .policies
        .iter_mut()
        .find(|(name, _)| name == "center.rego")
        .unwrap();
    center.1.push_str("\nfindings contains data.regimes.hold.finding\n");
    sources.policies.push((
        "hold.rego".to_owned(),
        r#"package regimes.hold
           finding := {"allow": input.subject.id != "held", "admin": "HOLD: judged", "user": "Held.", "ttl": 3}"#
            .to_owned(),
    ));
    let policies = Policies::compile(&sources).unwrap();
    let question = profile("eu-west-1", "42", "eu-west-1", None);
    let both = decide(&policies, &question);
    assert_eq!((both.allow, both.ttl), (true, 3));
    assert!(
        both.reason_admin.contains("GDPR: ") && both.reason_admin.contains("; HOLD: judged"),
        "{both:?}"
    );
    let held = decide(&policies, &with(question, "/subject/id", Some(json!("held"))));
    assert_eq!((held.allow, held.reason_admin.as_str()), (false, "HOLD: judged"));
}

#[test]
fn what_does_not_load_is_named() {
    let compile = |policy: &str, data: &str| -> LoadError {
        let sources = Sources {
            policies: vec![("p.rego".to_owned(), policy.to_owned())],
            data: vec![
                ("a.json".to_owned(), r#"{"a": 1}"#.to_owned()),
                ("d.json".to_owned(), data.to_owned()),
            ],
        };
        Policies::compile(&sources).err().expect("these sources do not load")
    };
    let answer = "package center\nanswer := 1";
    for (error, complaint) in [
        (
            compile("package center\nanswer {", "{}"),
            "the policy `p.rego` does not load",
        ),
        (
            compile("package other", "{}"),
            "do not compile to a rule `data.center.answer`",
        ),
        (compile(answer, "{"), "the data `d.json` is not JSON"),
        (compile(answer, r#"{"a": 2}"#), "the data `d.json` does not load"),
        (
            compile(answer, r#"{"center": {"answer": 2}}"#),
            "the data and the policies name the same thing",
        ),
    ] {
        assert!(error.to_string().contains(complaint), "{error}");
    }
}

/// Policies of someone's own that answer badly, or take too long: no decision, and the next question is judged as ever.
#[test]
fn policies_at_fault_give_no_decision() {
    let shape = "lacks `decision`, `reason_admin`, `reason_user` or `ttl`";
    for (answer, complaint) in [
        (
            r#"answer := {"decision": "yes", "reason_admin": "", "reason_user": "", "ttl": 1}"#,
            shape,
        ),
        (r#"answer := {"decision": true}"#, shape),
        (
            r#"answer := {"decision": true, "reason_admin": "", "reason_user": "", "ttl": -1}"#,
            shape,
        ),
        ("answer := true if input.never", shape),
        (
            "answer := count([1 | some x in numbers.range(1, 1000); some y in numbers.range(1, 1000)])",
            "instruction limit",
        ),
    ] {
        let sources = Sources {
            policies: vec![("p.rego".to_owned(), format!("package center\n{answer}"))],
            data: Vec::new(),
        };
        let policies = Policies::compile(&sources).unwrap();
        let question = Question::parse(profile("a", "1", "b", None).to_string().as_bytes()).unwrap();
        for _ in 0..2 {
            let error = policies.decide(&question).unwrap_err().to_string();
            assert!(error.contains(complaint), "{answer}: {error}");
        }
    }
}
