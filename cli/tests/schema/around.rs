//! What stands around an example, so that the kernel can read it.

use regionguard::bundle::{Diagnostic, Encoding, compile, policy_test};
use serde_json::{Value, json};

/// The bundle in whose place, or into which, an example comes.
pub(crate) const SHOP: &str = include_str!("shop.yaml");

/// What the kernel makes of an example in its frame: all of it, without what tells versions of a bundle apart; or its errors.
pub(crate) fn compiled(frame: &str, example: &Value) -> Result<(String, Vec<Diagnostic>), Vec<Diagnostic>> {
    if let Some(test) = as_policy_test(frame, example) {
        let (test, warnings) = policy_test::read(test.to_string().as_bytes(), None)?;
        return Ok((lines(&format!("{test:#?}")), warnings));
    }
    let bundle = as_bundle(frame, example);
    let mut generation = compile(bundle.to_string().as_bytes(), Encoding::Json)?;
    generation.digest = [0; 32];
    generation.label.clear();
    let warnings = std::mem::take(&mut generation.warnings);
    Ok((lines(&format!("{generation:#?}")), warnings))
}

/// The lines, sorted: maps tell their entries in any order.
fn lines(debug: &str) -> String {
    let mut lines: Vec<&str> = debug.lines().collect();
    lines.sort_unstable();
    lines.join("\n")
}

/// The definitions that an example begins with, and its part that is of them.
pub(crate) fn roots<'e>(frame: &str, example: &'e Value) -> Vec<(&'static str, Vec<String>, &'e Value)> {
    let root = match frame {
        "bundle" | "head" => "Bundle",
        "document" | "policy-test" => {
            let kinds = [
                "Region",
                "ZeroTrustPolicy",
                "Revocations",
                "Grants",
                "DeviceIssuer",
                "PolicyTest",
            ];
            let kind = kinds
                .into_iter()
                .find(|kind| example["kind"] == **kind)
                .expect("a kind");
            return vec![
                ("Document", Vec::new(), example),
                (kind, vec!["spec".to_owned()], &example["spec"]),
            ];
        }
        "rule" => match example {
            Value::Array(rules) => {
                let rules = rules.iter().enumerate();
                return rules
                    .map(|(index, rule)| ("Rule", vec![index.to_string()], rule))
                    .collect();
            }
            _ => "Rule",
        },
        other => kind_of(other),
    };
    vec![(root, Vec::new(), example)]
}

/// The kind of which a frame has fields of `spec`.
fn kind_of(frame: &str) -> &'static str {
    match frame {
        "region-spec" => "Region",
        "policy-spec" => "ZeroTrustPolicy",
        "revocations-spec" => "Revocations",
        "grants-spec" => "Grants",
        "device-issuer-spec" => "DeviceIssuer",
        "policy-test-spec" => "PolicyTest",
        other => panic!("no frame `{other}`"),
    }
}

/// The PolicyTest that an example is, or is a part of.
pub(crate) fn as_policy_test(frame: &str, example: &Value) -> Option<Value> {
    let base = json!({
        "at": "2026-11-25T15:00:00Z", "host": "api.us-east-1.com",
        "requests": {"read": {"path": "/v1/profiles/alice"}}
    });
    match frame {
        "policy-test" => Some(example.clone()),
        "policy-test-spec" => Some(document("PolicyTest", "example", merged(&base, example))),
        _ => None,
    }
}

fn as_bundle(frame: &str, example: &Value) -> Value {
    let mut bundle: Value = serde_saphyr::from_str(SHOP).expect("YAML");
    let added = match frame {
        "bundle" => return example.clone(),
        "head" => return merged(&bundle, example),
        "document" => example.clone(),
        "rule" => {
            let rules = match example {
                Value::Array(_) => example.clone(),
                rule => json!([rule]),
            };
            document("ZeroTrustPolicy", "example", json!({"rules": rules}))
        }
        "region-spec" => {
            let region = bundle["documents"][0]["spec"].clone();
            document("Region", "us-east-1", merged(&region, example))
        }
        "device-issuer-spec" => {
            let issuer = bundle["documents"][2]["spec"].clone();
            document("DeviceIssuer", "mdm", merged(&issuer, example))
        }
        other => document(kind_of(other), "example", example.clone()),
    };
    let documents = bundle["documents"].as_array_mut().expect("documents");
    let is_same = |one: &Value| (&one["kind"], &one["metadata"]) == (&added["kind"], &added["metadata"]);
    documents.retain(|one| !is_same(one));
    documents.push(added);
    // Somebody lets somebody in, whatever the example is.
    documents.push(document("ZeroTrustPolicy", "everybody", json!({"default": "allow"})));
    bundle
}

fn document(kind: &str, name: &str, spec: Value) -> Value {
    json!({"apiVersion": "security.io/v1", "kind": kind, "metadata": {"name": name}, "spec": spec})
}

/// `base` with the members of `more` in place of its own.
fn merged(base: &Value, more: &Value) -> Value {
    let mut all = base.as_object().expect("an object").clone();
    all.extend(more.as_object().expect("an object").clone());
    Value::Object(all)
}
