//! Configuration, manifest and index of the image (OCI Image Format Specification 1.1). The structs fix the order of the
//! fields, which the digests depend on.

use std::collections::BTreeMap;

use serde::Serialize;

use super::layer::Layer;
use super::{Result, sha256};

const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// What the image says about itself, as `org.opencontainers.image.*`.
pub(super) struct Labels {
    pub(super) created: String,
    pub(super) title: &'static str,
    pub(super) description: &'static str,
    pub(super) version: String,
    /// An SPDX expression.
    pub(super) licenses: &'static str,
    pub(super) revision: Option<String>,
    pub(super) source: Option<String>,
}

/// The image: a manifest and what it names.
pub(super) struct Image {
    manifest: Blob,
    others: [Blob; 2],
}

/// Content and how others name it.
pub(super) struct Blob {
    pub(super) descriptor: Descriptor,
    pub(super) content: Vec<u8>,
}

/// How the specification points at content.
#[derive(Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Descriptor {
    media_type: &'static str,
    pub(super) digest: String,
    size: usize,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    annotations: BTreeMap<String, String>,
}

impl Image {
    /// The image of one layer.
    pub(super) fn of(layer: &Layer, labels: &Labels) -> Result<Self> {
        let labels_by_name = labels.by_name();
        let config = Config {
            created: &labels.created,
            architecture: "wasm",
            os: "wasip1",
            config: Execution {
                labels: &labels_by_name,
            },
            rootfs: Layers {
                r#type: "layers",
                diff_ids: [digest(&layer.tar)],
            },
            history: [History {
                created: &labels.created,
                created_by: "regionguard image",
            }],
        };
        let config = Blob::new(CONFIG, json(&config)?);
        let layer = Blob::new(LAYER, layer.packed.clone());
        let mut annotations = labels_by_name.clone();
        // Required by the variant, where the layer's type is OCI's.
        annotations.insert("module.wasm.image/variant".to_owned(), "compat".to_owned());
        let manifest = Manifest {
            schema_version: 2,
            media_type: MANIFEST,
            config: &config.descriptor,
            layers: [&layer.descriptor],
            annotations: &annotations,
        };
        Ok(Self {
            manifest: Blob::new(MANIFEST, json(&manifest)?),
            others: [config, layer],
        })
    }

    /// The digest of the manifest, by which the image is known: `sha256:…`.
    pub(super) fn digest(&self) -> &str {
        &self.manifest.descriptor.digest
    }

    /// Everything that a layout stores by its digest.
    pub(super) fn blobs(&self) -> impl Iterator<Item = &Blob> {
        self.others.iter().chain([&self.manifest])
    }

    /// A layout's `index.json`, in which the image has the tag `tag`.
    pub(super) fn index(&self, tag: &str) -> Result<Vec<u8>> {
        let mut manifest = self.manifest.descriptor.clone();
        let name = "org.opencontainers.image.ref.name".to_owned();
        manifest.annotations.insert(name, tag.to_owned());
        json(&Index {
            schema_version: 2,
            media_type: INDEX,
            manifests: [manifest],
        })
    }
}

impl Labels {
    fn by_name(&self) -> BTreeMap<String, String> {
        let labels = [
            ("created", Some(self.created.as_str())),
            ("title", Some(self.title)),
            ("description", Some(self.description)),
            ("version", Some(&self.version)),
            ("licenses", Some(self.licenses)),
            ("revision", self.revision.as_deref()),
            ("source", self.source.as_deref()),
        ];
        let given = labels.into_iter().filter_map(|(name, value)| Some((name, value?)));
        given
            .map(|(name, value)| (format!("org.opencontainers.image.{name}"), value.to_owned()))
            .collect()
    }
}

impl Blob {
    fn new(media_type: &'static str, content: Vec<u8>) -> Self {
        Self {
            descriptor: Descriptor {
                media_type,
                digest: digest(&content),
                size: content.len(),
                annotations: BTreeMap::new(),
            },
            content,
        }
    }
}

fn digest(content: &[u8]) -> String {
    format!("sha256:{}", sha256(content))
}

fn json(value: &impl Serialize) -> Result<Vec<u8>> {
    serde_json::to_vec(value).map_err(|error| format!("cannot write the image's JSON: {error}"))
}

#[derive(Serialize)]
struct Config<'a> {
    created: &'a str,
    architecture: &'static str,
    os: &'static str,
    config: Execution<'a>,
    rootfs: Layers,
    history: [History<'a>; 1],
}

#[derive(Serialize)]
struct Execution<'a> {
    #[serde(rename = "Labels")]
    labels: &'a BTreeMap<String, String>,
}

#[derive(Serialize)]
struct Layers {
    r#type: &'static str,
    diff_ids: [String; 1],
}

#[derive(Serialize)]
struct History<'a> {
    created: &'a str,
    created_by: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Manifest<'a> {
    schema_version: u8,
    media_type: &'static str,
    config: &'a Descriptor,
    layers: [&'a Descriptor; 1],
    annotations: &'a BTreeMap<String, String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Index {
    schema_version: u8,
    media_type: &'static str,
    manifests: [Descriptor; 1],
}
