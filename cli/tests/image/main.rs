//! `regionguard image`, run as people run it: what it writes, that it writes the same each time, and what it refuses.

mod refusals;

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use flate2::read::GzDecoder;
use oci_spec::image::{Arch, Descriptor, ImageConfiguration, ImageIndex, ImageManifest, MediaType, OciLayout, Os};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

const MAX: usize = 2 * 1024 * 1024;

#[test]
fn two_builds_are_equal_to_the_byte() {
    let dir = Dir::new("equal");
    let one = dir.write("one.wasm", &module());
    let elsewhere = dir.0.join("elsewhere");
    std::fs::create_dir(&elsewhere).unwrap();
    let two = dir.write("elsewhere/two.wasm", &module());
    let long_ago = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000);
    std::fs::File::options()
        .write(true)
        .open(&two)
        .unwrap()
        .set_modified(long_ago)
        .unwrap();

    let arguments = [
        "--version",
        "1.2.3",
        "--revision",
        "abc",
        "--source-url",
        "https://example.com/regionguard",
    ];
    succeed(
        image(&one, &dir.0.join("a"))
            .args(arguments)
            .arg("--tar")
            .arg(dir.0.join("a.tar")),
    );
    let mut other = Command::new("sh");
    other.args(["-c", "umask 077; exec \"$0\" \"$@\""]);
    other.arg(env!("CARGO_BIN_EXE_regionguard"));
    other.args([
        "image",
        "--module",
        "two.wasm",
        "--out",
        "../b",
        "--tar",
        "../b.tar",
        "--workspace",
    ]);
    other.arg(root()).args(arguments).current_dir(&elsewhere);
    other
        .env("TZ", "Pacific/Kiritimati")
        .env("LC_ALL", "tr_TR.UTF-8")
        .env("SOURCE_DATE_EPOCH", "0");
    succeed(&mut other);

    let (a, b) = (files(&dir.0.join("a")), files(&dir.0.join("b")));
    assert_eq!(a.keys().collect::<Vec<_>>(), b.keys().collect::<Vec<_>>());
    assert_eq!(a.len(), 5, "{:?}", a.keys());
    assert!(a == b, "the layouts differ");
    assert!(std::fs::read(dir.0.join("a.tar")).unwrap() == std::fs::read(dir.0.join("b.tar")).unwrap());
}

#[test]
fn the_time_of_the_sources_is_the_only_one_that_counts() {
    let dir = Dir::new("time");
    let module = dir.write("m.wasm", &module());
    succeed(image(&module, &dir.0.join("a")).env("SOURCE_DATE_EPOCH", "1700000000"));
    let built = Image::open(&dir.0.join("a"));
    assert_eq!(built.config.created().as_deref(), Some("2023-11-14T22:13:20Z"));
    let mut archive = tar::Archive::new(built.layer.as_slice());
    for entry in archive.entries().unwrap() {
        assert_eq!(entry.unwrap().header().mtime().unwrap(), 1_700_000_000);
    }
    let error = refuse(image(&module, &dir.0.join("b")).env("SOURCE_DATE_EPOCH", "yesterday"));
    assert!(
        error.contains("`SOURCE_DATE_EPOCH` is `yesterday`: write whole seconds since 1970"),
        "{error}"
    );
}

#[test]
fn the_layout_is_valid_and_holds_what_is_documented() {
    let dir = Dir::new("valid");
    let bytes = module();
    let module = dir.write("m.wasm", &bytes);
    let arguments = [
        "--version",
        "1.2.3",
        "--revision",
        "abc",
        "--source-url",
        "https://example.com/regionguard",
    ];
    let printed = succeed(image(&module, &dir.0.join("a")).args(arguments));
    let image = Image::open(&dir.0.join("a"));

    for expected in [
        format!("image   {}", image.descriptor.digest()),
        format!("module  {}", digest(&bytes)),
        format!(
            "url: oci://registry.example.com/regionguard/http-authz@{}",
            image.descriptor.digest()
        ),
        format!("sha256: {}", image.descriptor.digest().digest()),
        format!(
            "regionguard render istio FOLDER --namespace NAMESPACE --image oci://registry.example.com/regionguard/http-authz:1.2.3 --sha256 {} ",
            image.descriptor.digest().digest()
        ),
    ] {
        assert!(printed.contains(&expected), "no `{expected}` in:\n{printed}");
    }

    assert_eq!(*image.config.architecture(), Arch::Wasm);
    assert_eq!(*image.config.os(), Os::Other("wasip1".to_owned()));
    assert_eq!(image.config.rootfs().diff_ids(), &[digest(&image.layer)]);
    let mut labels: BTreeMap<&str, &str> = BTreeMap::from([
        ("org.opencontainers.image.created", "1970-01-01T00:00:00Z"),
        ("org.opencontainers.image.title", "Regionguard"),
        (
            "org.opencontainers.image.description",
            "An Envoy and Istio authorization filter for region-scoped tokens, as a WebAssembly module",
        ),
        ("org.opencontainers.image.version", "1.2.3"),
        ("org.opencontainers.image.licenses", "Apache-2.0"),
        ("org.opencontainers.image.revision", "abc"),
        ("org.opencontainers.image.source", "https://example.com/regionguard"),
    ]);
    let config = image.config.config().as_ref().unwrap();
    let ordered = |pairs: &std::collections::HashMap<String, String>| -> BTreeMap<String, String> {
        pairs
            .iter()
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect()
    };
    let owned = |pairs: &BTreeMap<&str, &str>| -> BTreeMap<String, String> {
        pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    };
    assert_eq!(ordered(config.labels().as_ref().unwrap()), owned(&labels));
    labels.insert("module.wasm.image/variant", "compat");
    assert_eq!(ordered(image.manifest.annotations().as_ref().unwrap()), owned(&labels));

    let content = image.content();
    let paths: Vec<&str> = content.iter().map(|(path, _)| path.as_str()).collect();
    assert_eq!(
        paths,
        [
            "plugin.wasm",
            "regionguard/LICENSE",
            "regionguard/THIRD-PARTY-LICENSES",
            "regionguard/sbom.cdx.json"
        ]
    );
    assert!(content[0].1 == bytes, "the module was changed");
    assert!(content[1].1 == std::fs::read(root().join("LICENSE")).unwrap());
    let notices = String::from_utf8(content[2].1.clone()).unwrap();
    for expected in [
        "  ring 0.17.14: Apache-2.0 AND ISC",
        "BoringSSL",
        "base64 0.22.1",
        "Permission is hereby granted",
    ] {
        assert!(notices.contains(expected), "no `{expected}`");
    }
}

#[test]
fn the_sbom_names_what_is_in_the_module_and_nothing_of_this_machine() {
    let dir = Dir::new("sbom");
    let bytes = module();
    let module = dir.write("m.wasm", &bytes);
    succeed(&mut image(&module, &dir.0.join("a")));
    let content = Image::open(&dir.0.join("a")).content();
    let text = String::from_utf8(content[3].1.clone()).unwrap();
    let sbom: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        (&sbom["bomFormat"], &sbom["specVersion"]),
        (&"CycloneDX".into(), &"1.6".into())
    );
    assert_eq!(sbom["metadata"]["component"]["name"], "regionguard-http-authz");
    assert_eq!(
        sbom["metadata"]["component"]["hashes"][0]["content"],
        digest(&bytes)["sha256:".len()..]
    );

    let components = sbom["components"].as_array().unwrap();
    let named = |name: &str| components.iter().find(|component| component["name"] == name);
    let lock = std::fs::read_to_string(root().join("Cargo.lock")).unwrap();
    for name in ["ring", "jiff", "serde_json", "jsonwebtoken"] {
        let component = named(name).unwrap_or_else(|| panic!("no {name}"));
        let checksum = component["hashes"][0]["content"].as_str().unwrap();
        assert!(lock.contains(&format!("checksum = \"{checksum}\"")), "{name}");
        assert!(component["licenses"][0]["expression"].is_string(), "{name}");
    }
    assert!(named("regionguard").is_some_and(|kernel| kernel["hashes"].is_null()));
    assert_eq!(named("rust").unwrap()["version"], "1.95.0");
    // What only runs at build time, in tests or in other programs.
    for name in ["serde_derive", "syn", "cc", "proptest", "tokio", "clap"] {
        assert!(named(name).is_none(), "{name} is not in the module");
    }
    let refs: Vec<&Value> = sbom["dependencies"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["ref"])
        .collect();
    assert_eq!(
        refs.len(),
        components.len(),
        "each but `rust` says what it depends on, the module too"
    );

    let home = std::env::var("HOME").unwrap();
    for (path, bytes) in &content[1..] {
        let text = String::from_utf8_lossy(bytes);
        for private in [root().to_str().unwrap(), ".cargo/registry", "file://", home.as_str()] {
            assert!(private.len() < 2 || !text.contains(private), "{path} holds `{private}`");
        }
    }
}

#[test]
fn the_tar_is_the_layout() {
    let dir = Dir::new("tar");
    let module = dir.write("m.wasm", &module());
    let file = dir.0.join("a.tar");
    succeed(image(&module, &dir.0.join("a")).arg("--tar").arg(&file));
    let archive = std::fs::read(&file).unwrap();
    let packed: BTreeMap<PathBuf, Vec<u8>> = entries(&archive)
        .into_iter()
        .map(|(path, content)| (PathBuf::from(path), content))
        .collect();
    assert!(packed == files(&dir.0.join("a")));
}

#[test]
fn an_earlier_image_is_replaced_and_anything_else_is_left_alone() {
    let dir = Dir::new("replace");
    let module = dir.write("m.wasm", &module());
    let out = dir.0.join("a");
    succeed(image(&module, &out).args(["--version", "1"]));
    let before = files(&out);
    succeed(image(&module, &out).args(["--version", "2"]));
    let after = files(&out);
    assert_eq!((before.len(), after.len()), (5, 5), "blobs of the first are left over");
    assert!(before != after);

    std::fs::write(out.join("notes.txt"), "mine").unwrap();
    let error = refuse(&mut image(&module, &out));
    assert!(
        error.contains("holds `notes.txt`, which is no part of an image"),
        "{error}"
    );
    assert_eq!(files(&out).len(), 6);

    // `blobs` alone may be anybody's.
    let foreign = dir.0.join("foreign");
    std::fs::create_dir_all(foreign.join("blobs")).unwrap();
    let error = refuse(&mut image(&module, &foreign));
    assert!(error.contains("holds `blobs`"), "{error}");
    assert!(foreign.join("blobs").is_dir());
}

/// An image, read again and checked against its digests.
struct Image {
    descriptor: Descriptor,
    manifest: ImageManifest,
    config: ImageConfiguration,
    /// The tar of its layer.
    layer: Vec<u8>,
}

impl Image {
    fn open(layout: &Path) -> Self {
        let version = OciLayout::from_file(layout.join("oci-layout")).unwrap();
        assert_eq!(version.image_layout_version(), "1.0.0");
        let index = ImageIndex::from_file(layout.join("index.json")).unwrap();
        let [descriptor] = index.manifests().as_slice() else {
            panic!("not one image: {index:?}");
        };
        let named = descriptor.annotations().as_ref().unwrap();
        assert!(named.contains_key("org.opencontainers.image.ref.name"));
        assert_eq!(*descriptor.media_type(), MediaType::ImageManifest);
        let manifest = ImageManifest::from_reader(blob(layout, descriptor).as_slice()).unwrap();
        assert_eq!(*manifest.config().media_type(), MediaType::ImageConfig);
        let config = ImageConfiguration::from_reader(blob(layout, manifest.config()).as_slice()).unwrap();
        let [layer] = manifest.layers().as_slice() else {
            panic!("the variant has one layer: {manifest:?}");
        };
        assert_eq!(*layer.media_type(), MediaType::ImageLayerGzip);
        let mut unpacked = Vec::new();
        GzDecoder::new(blob(layout, layer).as_slice())
            .read_to_end(&mut unpacked)
            .unwrap();
        Self {
            descriptor: descriptor.clone(),
            manifest,
            config,
            layer: unpacked,
        }
    }

    fn content(&self) -> Vec<(String, Vec<u8>)> {
        entries(&self.layer)
    }
}

fn blob(layout: &Path, descriptor: &Descriptor) -> Vec<u8> {
    let content = std::fs::read(layout.join("blobs/sha256").join(descriptor.digest().digest())).unwrap();
    assert_eq!(digest(&content), descriptor.digest().to_string());
    assert_eq!(content.len() as u64, descriptor.size());
    content
}

/// The files of a tar in their order, each checked for what could differ from one build to the next.
fn entries(tar: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut archive = tar::Archive::new(tar);
    let entries = archive.entries().unwrap().map(|entry| {
        let mut entry = entry.unwrap();
        let header = entry.header();
        assert_eq!(
            (header.mode().unwrap(), header.uid().unwrap(), header.gid().unwrap()),
            (0o644, 0, 0)
        );
        assert_eq!(
            (header.username().unwrap(), header.groupname().unwrap()),
            (Some(""), Some(""))
        );
        assert!(header.entry_type().is_file());
        let path = entry.path().unwrap().to_str().unwrap().to_owned();
        assert!(!path.starts_with('/') && !path.contains(".."), "{path}");
        let mut content = Vec::new();
        entry.read_to_end(&mut content).unwrap();
        (path, content)
    });
    entries.collect()
}

/// The smallest module that is an HTTP filter of proxy-wasm: it does nothing.
fn module() -> Vec<u8> {
    let mut exports = vec![2];
    for name in ["proxy_abi_version_0_2_1", "proxy_on_request_headers"] {
        exports.push(u8::try_from(name.len()).unwrap());
        exports.extend_from_slice(name.as_bytes());
        exports.extend_from_slice(&[0, 0]);
    }
    let mut module = b"\0asm\x01\0\0\0".to_vec();
    // One type () -> (), one function of it, the exports, one empty body.
    module.extend_from_slice(&[1, 4, 1, 0x60, 0, 0, 3, 2, 1, 0, 7, u8::try_from(exports.len()).unwrap()]);
    module.extend_from_slice(&exports);
    module.extend_from_slice(&[10, 4, 1, 2, 0, 0x0b]);
    module
}

fn image(module: &Path, out: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_regionguard"));
    command.arg("image").arg("--module").arg(module).arg("--out").arg(out);
    command.arg("--workspace").arg(root()).env_remove("SOURCE_DATE_EPOCH");
    command
}

fn succeed(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
    String::from_utf8(output.stdout).unwrap()
}

fn refuse(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(!output.status.success(), "it was not refused");
    assert!(output.stdout.is_empty());
    said(&output)
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn digest(bytes: &[u8]) -> String {
    format!("sha256:{:x}", Sha256::digest(bytes))
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// All files of a folder, by their path in it.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let content = std::fs::read(&path).unwrap();
                found.insert(path.strip_prefix(folder).unwrap().to_owned(), content);
            }
        }
    }
    found
}

/// A folder that goes with the test.
struct Dir(PathBuf);

impl Dir {
    fn new(name: &str) -> Self {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("image-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn write(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, content).unwrap();
        path
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
