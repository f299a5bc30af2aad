//! The policy files: read, and filled with the keys of the run.

use std::path::{Path, PathBuf};

use regionguard_harness::config::parse_yaml;
use regionguard_harness::{Result, tools};
use serde_json::Value;

use crate::people::People;

/// Where the policy files lie in the checkout.
pub(crate) fn shipped_folder() -> PathBuf {
    tools::workspace_root().join("examples/two-regions/policies")
}

/// The policy file of `region` in `folder`.
pub(crate) fn file(folder: &Path, region: &str) -> PathBuf {
    folder.join(format!("{region}.yaml"))
}

/// Reads a bundle from a policy file, with each `${JWKS:REGION}` replaced by that region's public keys.
pub(crate) fn read(file: &Path, people: &People) -> Result<Value> {
    let text = std::fs::read_to_string(file)
        .map_err(|error| format!("cannot read the policy `{}`: {error}", file.display()))?;
    parse(&text, people).map_err(|error| format!("in the policy `{}`: {error}", file.display()).into())
}

fn parse(text: &str, people: &People) -> Result<Value> {
    let mut bundle = parse_yaml(text)?;
    fill(&mut bundle, people)?;
    Ok(bundle)
}

fn fill(value: &mut Value, people: &People) -> Result<()> {
    match value {
        Value::String(text) => {
            let region = text.strip_prefix("${JWKS:").and_then(|rest| rest.strip_suffix('}'));
            if let Some(region) = region {
                *value = people.jwks(region)?;
            }
            Ok(())
        }
        Value::Array(items) => items.iter_mut().try_for_each(|item| fill(item, people)),
        Value::Object(fields) => fields.values_mut().try_for_each(|field| fill(field, people)),
        Value::Null | Value::Bool(_) | Value::Number(_) => Ok(()),
    }
}

/// The list of rules of the policy `name` in a bundle.
pub(crate) fn rules<'a>(bundle: &'a mut Value, name: &str) -> Result<&'a mut Vec<Value>> {
    let documents = bundle["documents"].as_array_mut().into_iter().flatten();
    let mut policies = documents.filter(|document| document["kind"] == "ZeroTrustPolicy");
    policies
        .find(|policy| policy["metadata"]["name"] == name)
        .and_then(|policy| policy["spec"]["rules"].as_array_mut())
        .ok_or_else(|| format!("the bundle has no policy `{name}` with rules").into())
}

/// Makes `bundle` the next version of itself.
pub(crate) fn raise_version(bundle: &mut Value) {
    let version = bundle["metadata"]["version"].as_u64().unwrap_or(0);
    bundle["metadata"]["version"] = (version + 1).into();
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{file, parse, raise_version, read, rules, shipped_folder};
    use crate::people::People;

    #[test]
    fn keys_take_the_place_of_their_names() {
        let people = People::new(Duration::from_secs(60)).unwrap();
        let mut bundle = read(&file(&shipped_folder(), "us-east-1"), &people).unwrap();
        let text = bundle.to_string();
        assert!(!text.contains("JWKS"), "{text}");
        for region in ["us-east-1", "eu-west-1", "ap-southeast-1"] {
            assert!(text.contains(&people.jwks(region).unwrap().to_string()), "{region}");
        }
        assert!(rules(&mut bundle, "shop").unwrap().len() > 5);
        assert!(rules(&mut bundle, "shoe").is_err());
        raise_version(&mut bundle);
        assert_eq!(bundle["metadata"]["version"], 2);
    }

    #[test]
    fn a_region_without_keys_is_named() {
        let people = People::new(Duration::from_secs(60)).unwrap();
        let error = parse("a: ['${JWKS:mars}']", &people).unwrap_err().to_string();
        assert!(error.contains("`mars`"), "{error}");
    }
}
