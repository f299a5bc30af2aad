//! What is mounted into a workload's folder: what every sidecar has, and what the annotations of the pod ask for.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::Value;

use super::Spec;
use crate::Result;
use crate::error::Context as _;
use crate::kubelet::Source;

const VOLUMES: &str = "sidecar.istio.io/userVolume";
const MOUNTS: &str = "sidecar.istio.io/userVolumeMount";

/// The volumes, each with its path relative to the workload's folder.
pub(super) fn of(spec: &Spec) -> Result<Vec<(Source, PathBuf)>> {
    let root = Source {
        kind: "ConfigMap",
        namespace: spec.namespace.clone(),
        name: "istio-ca-root-cert".to_owned(),
    };
    let mut volumes = vec![(root, PathBuf::from("var/run/secrets/istio"))];
    let sources = annotation(spec, VOLUMES)?;
    let mounts = annotation(spec, MOUNTS)?;
    for (name, mount) in mounts.as_object().into_iter().flatten() {
        let path = mount["mountPath"].as_str().and_then(|path| path.strip_prefix('/'));
        let path = path.ok_or_else(|| format!("`{MOUNTS}` has no absolute `mountPath` for `{name}`"))?;
        volumes.push((source(spec, name, &sources[name])?, PathBuf::from(path)));
    }
    Ok(volumes)
}

/// A file of the downward API, as a kubelet writes one: a line `key="value"` for each entry.
pub(super) fn downward(entries: &BTreeMap<String, String>) -> String {
    let lines: Vec<String> = entries
        .iter()
        .map(|(key, value)| format!("{key}={}", Value::from(value.as_str())))
        .collect();
    lines.join("\n")
}

fn annotation(spec: &Spec, name: &str) -> Result<Value> {
    let Some(text) = spec.annotations.get(name) else {
        return Ok(Value::Null);
    };
    let value: Value = serde_json::from_str(text).context(|| format!("`{name}` is not JSON"))?;
    if value.is_object() {
        Ok(value)
    } else {
        // As a list, Istio's injector would name the volumes by their numbers.
        Err(format!("`{name}` is no JSON object from the names of volumes to what they are").into())
    }
}

fn source(spec: &Spec, name: &str, volume: &Value) -> Result<Source> {
    let of = |kind, found: Option<&Value>| {
        found.and_then(Value::as_str).map(|name| Source {
            kind,
            namespace: spec.namespace.clone(),
            name: name.to_owned(),
        })
    };
    of("ConfigMap", volume.pointer("/configMap/name"))
        .or_else(|| of("Secret", volume.pointer("/secret/secretName")))
        .ok_or_else(|| format!("`{VOLUMES}` says no `configMap.name` or `secret.secretName` for `{name}`").into())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{MOUNTS, Spec, VOLUMES, downward, of};

    #[test]
    fn volumes_of_annotations_are_mounted_beside_the_root_certificate() {
        let spec = Spec::new("shop", "api")
            .annotation(VOLUMES, r#"{"policy":{"configMap":{"name":"regionguard-policy"}}}"#)
            .annotation(
                MOUNTS,
                r#"{"policy":{"mountPath":"/etc/regionguard/policy","readOnly":true}}"#,
            );
        let volumes = of(&spec).unwrap();
        assert_eq!(volumes[0].1, Path::new("var/run/secrets/istio"));
        assert_eq!(volumes[1].0.name, "regionguard-policy");
        assert_eq!(volumes[1].1, Path::new("etc/regionguard/policy"));
    }

    #[test]
    fn an_annotation_that_the_injector_would_misread_is_refused() {
        for text in [
            "[]",
            "policy",
            r#"{"policy":{"mountPath":"relative"}}"#,
            r#"{"other":{"mountPath":"/x"}}"#,
        ] {
            let spec = Spec::new("shop", "api").annotation(MOUNTS, text);
            assert!(of(&spec).is_err(), "{text}");
        }
    }

    #[test]
    fn quotes_in_an_annotation_are_escaped() {
        let entries = [
            ("a".to_owned(), "{\"b\": 1}".to_owned()),
            ("c".to_owned(), "d".to_owned()),
        ];
        assert_eq!(downward(&entries.into()), "a=\"{\\\"b\\\": 1}\"\nc=\"d\"");
    }
}
