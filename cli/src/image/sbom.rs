//! The SBOM: CycloneDX 1.6, JSON (<https://cyclonedx.org/docs/1.6/json/>), without a serial number and a time, so that the same
//! module has the same one.

use serde::Serialize;

use super::Result;
use super::crates::{Crates, Key, Package};

/// The SBOM of the module with the SHA-256 `digest`.
pub(super) fn of(crates: &Crates, digest: &str) -> Result<Vec<u8>> {
    let rust = rust(crates);
    let mut components = Vec::new();
    let mut dependencies = Vec::new();
    let mut module = None;
    for (key, package) in &crates.packages {
        let mut depends_on: Vec<String> = package.depends_on.iter().map(purl).collect();
        if *key == crates.root {
            module = Some(component("application", key, package, Some(digest)));
            depends_on.push(rust.bom_ref.clone());
        } else {
            components.push(component("library", key, package, package.checksum.as_deref()));
        }
        dependencies.push(Dependency {
            r#ref: purl(key),
            depends_on,
        });
    }
    components.push(rust);
    let bom = Bom {
        schema: "http://cyclonedx.org/schema/bom-1.6.schema.json",
        bom_format: "CycloneDX",
        spec_version: "1.6",
        version: 1,
        metadata: Metadata {
            component: module.ok_or("the module is not among its own crates")?,
        },
        components,
        dependencies,
    };
    let mut text = serde_json::to_vec_pretty(&bom).map_err(|error| format!("cannot write the SBOM: {error}"))?;
    text.push(b'\n');
    Ok(text)
}

/// A package URL (<https://github.com/package-url/purl-spec>); `+` is escaped in it.
fn purl(key: &Key) -> String {
    format!("pkg:cargo/{}@{}", key.name, key.version.replace('+', "%2B"))
}

fn component(kind: &'static str, key: &Key, package: &Package, sha256: Option<&str>) -> Component {
    let licence = package.licence.iter();
    let repository = package.repository.iter();
    Component {
        r#type: kind,
        bom_ref: purl(key),
        name: key.name.clone(),
        version: key.version.clone(),
        hashes: sha256.into_iter().map(Hash::sha256).collect(),
        licenses: licence.cloned().map(|expression| Licence { expression }).collect(),
        purl: purl(key),
        external_references: repository
            .cloned()
            .map(|url| Reference { r#type: "vcs", url })
            .collect(),
    }
}

/// The standard library, and the C library that it brings along for this target.
fn rust(crates: &Crates) -> Component {
    let purl = format!("pkg:github/rust-lang/rust@{}", crates.rust);
    Component {
        r#type: "library",
        bom_ref: purl.clone(),
        name: "rust".to_owned(),
        version: crates.rust.clone(),
        hashes: Vec::new(),
        licenses: vec![Licence {
            expression: "MIT OR Apache-2.0".to_owned(),
        }],
        purl,
        external_references: vec![Reference {
            r#type: "vcs",
            url: "https://github.com/rust-lang/rust".to_owned(),
        }],
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Bom {
    #[serde(rename = "$schema")]
    schema: &'static str,
    bom_format: &'static str,
    spec_version: &'static str,
    version: u32,
    metadata: Metadata,
    components: Vec<Component>,
    dependencies: Vec<Dependency>,
}

#[derive(Serialize)]
struct Metadata {
    component: Component,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Component {
    r#type: &'static str,
    #[serde(rename = "bom-ref")]
    bom_ref: String,
    name: String,
    version: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    hashes: Vec<Hash>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    licenses: Vec<Licence>,
    purl: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    external_references: Vec<Reference>,
}

#[derive(Serialize)]
struct Hash {
    alg: &'static str,
    content: String,
}

impl Hash {
    fn sha256(content: &str) -> Self {
        Self {
            alg: "SHA-256",
            content: content.to_owned(),
        }
    }
}

#[derive(Serialize)]
struct Licence {
    expression: String,
}

#[derive(Serialize)]
struct Reference {
    r#type: &'static str,
    url: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Dependency {
    r#ref: String,
    depends_on: Vec<String>,
}
