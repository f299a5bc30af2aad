//! Whatever the bytes are, there is one answer and no panic.

use proptest::prelude::*;
use prost::Message as _;
use serde_json::json;

use super::*;

/// The same outcome twice, in a form that can be compared.
fn outcome(bytes: &[u8], encoding: Encoding) -> Result<(String, [u8; 32], [u8; 32]), String> {
    match compile(bytes, encoding) {
        Ok(generation) => Ok((generation.label, generation.digest, generation.trust_digest)),
        Err(errors) => Err(lines(&errors)),
    }
}

fn any_json() -> impl Strategy<Value = Json> {
    let scalar = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        (-1_000_000_i64..1_000_000).prop_map(Json::from),
        "[a-zA-Z0-9 /*{}.:_-]{0,12}".prop_map(Json::from),
        any::<String>().prop_map(Json::from),
        prop::sample::select(vec![
            "allow",
            "deny",
            "none",
            "us-east-1",
            "30s",
            "GET",
            "/v1/{id}",
            "10.0.0.0/8",
            "*"
        ])
        .prop_map(Json::from),
    ];
    scalar.prop_recursive(4, 24, 4, |inner| {
        let name = prop::sample::select(vec![
            "name", "spec", "rules", "effect", "hosts", "paths", "keys", "jwks", "kty", "from", "defer", "context",
            "center", "a",
        ]);
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Json::from),
            prop::collection::vec((name, inner), 0..4).prop_map(|members| Json::Object(
                members
                    .into_iter()
                    .map(|(name, value)| (name.to_owned(), value))
                    .collect()
            )),
        ]
    })
}

/// Every place of the sample, each to be overwritten.
fn places() -> Vec<String> {
    fn walk(json: &Json, path: String, out: &mut Vec<String>) {
        match json {
            Json::Object(members) => {
                for (name, value) in members {
                    walk(value, format!("{path}/{name}"), out);
                }
            }
            Json::Array(items) => {
                for (index, value) in items.iter().enumerate() {
                    walk(value, format!("{path}/{index}"), out);
                }
            }
            _ => {}
        }
        out.push(path);
    }
    let mut out = Vec::new();
    walk(&sample(), String::new(), &mut out);
    out
}

proptest! {
    #[test]
    fn any_bytes_have_one_answer(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        for encoding in [Encoding::Json, Encoding::Struct, Encoding::Detect] {
            prop_assert_eq!(outcome(&bytes, encoding), outcome(&bytes, encoding));
        }
    }

    #[test]
    fn any_json_has_one_answer_in_both_encodings(json in any_json()) {
        let bundle = json!({"metadata": {"name": "x", "version": 1}, "documents": json});
        let (json, of_struct) = (bundle.to_string(), to_struct(&bundle).encode_to_vec());
        let answer = outcome(json.as_bytes(), Encoding::Detect);
        prop_assert_eq!(&answer, &outcome(json.as_bytes(), Encoding::Detect));
        prop_assert_eq!(answer.is_ok(), compile(&of_struct, Encoding::Detect).is_ok());
    }

    #[test]
    fn a_spoiled_bundle_has_one_answer_in_both_encodings(place in prop::sample::select(places()), json in any_json()) {
        let mut bundle = sample();
        if let Some(value) = bundle.pointer_mut(&place) {
            *value = json;
        }
        prop_assume!(bundle.is_object());
        let text = bundle.to_string();
        let answer = outcome(text.as_bytes(), Encoding::Json);
        prop_assert_eq!(&answer, &outcome(text.as_bytes(), Encoding::Json));
        if text.contains("\\u0000") {
            return Ok(());
        }
        match (answer, outcome(&to_struct(&bundle).encode_to_vec(), Encoding::Struct)) {
            (Ok(json), Ok(of_struct)) => prop_assert_eq!(json, of_struct),
            (json, of_struct) => prop_assert_eq!(json.is_ok(), of_struct.is_ok()),
        }
    }

    #[test]
    fn spoiled_bytes_never_panic(place in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<prop::sample::Index>()) {
        let (text, message) = (sample().to_string().into_bytes(), to_struct(&sample()).encode_to_vec());
        for whole in [&text, &message] {
            let mut bytes = whole.clone();
            bytes[place.index(whole.len())] = byte;
            prop_assert_eq!(outcome(&bytes, Encoding::Detect), outcome(&bytes, Encoding::Detect));
            bytes.truncate(cut.index(whole.len()));
            prop_assert_eq!(outcome(&bytes, Encoding::Detect), outcome(&bytes, Encoding::Detect));
        }
        // A Struct may be cut between two entries and still be one; JSON text may not.
        let (kept, _) = text.split_at(cut.index(text.len()));
        prop_assert!(compile(kept, Encoding::Detect).is_err());
    }
}
