//! The files in `envoy-config/` are what the command writes. `REGIONGUARD_WRITE_MANIFESTS=1` writes them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::{Folder, printed, render, root, stderr};

/// What was typed for each folder of the shipped files. `PLAIN` and `MESH` are the two folders of documents.
const SHIPPED: &[(&str, &str)] = &[
    (".", "envoy PLAIN"),
    ("ecds", "ecds PLAIN"),
    (
        "oauth2",
        "envoy-oauth2 PLAIN --login-host api.us-east-1.com --login-client shop --login-authorization https://login.us-east-1.com/authorize \
         --login-token https://login.us-east-1.com/token --login-scope openid --login-scope read:profile",
    ),
    ("istio", "kustomize MESH --namespace us-east-1"),
    (
        "istio/workload",
        "wasmplugin MESH --scope workload --namespace us-east-1 --selector app=api",
    ),
    (
        "istio/workload",
        "envoyfilter --scope workload --namespace us-east-1 --selector app=api",
    ),
    ("istio/mesh", "wasmplugin MESH --scope mesh --namespace istio-system"),
    ("istio/mesh", "envoyfilter --scope mesh --namespace istio-system"),
    (
        "istio/gateway",
        "wasmplugin MESH --scope gateway --namespace istio-ingress --selector istio=ingressgateway",
    ),
    (
        "istio/gateway",
        "envoyfilter MESH --scope gateway --namespace istio-ingress --selector istio=ingressgateway",
    ),
    (
        "istio/waypoint",
        "wasmplugin MESH --scope waypoint --namespace us-east-1 --gateway waypoint",
    ),
    (
        "istio/waypoint",
        "envoyfilter MESH --scope waypoint --namespace us-east-1 --gateway waypoint",
    ),
    (
        "istio/trafficextension",
        "trafficextension MESH --scope workload --namespace us-east-1 --selector app=api",
    ),
    (
        "istio/policy-from-configmap",
        "istio MESH --scope workload --namespace us-east-1 --selector app=api --policy-from configmap",
    ),
    ("istio", "deployment-patch"),
    ("istio", "metrics-patch"),
    ("istio", "mesh-config"),
    ("istio/chart", "helm MESH"),
    ("envoy-gateway", "envoy-gateway PLAIN"),
];

const WRITTEN_BY_HAND: &[&str] = &[
    "README.md",
    "documents",
    "istio/README.md",
    "istio/documents",
    "envoy-gateway/README.md",
];

#[test]
fn the_shipped_files_are_what_it_writes() {
    let shipped = root().join("envoy-config");
    let folder = Folder::new("drift", &[]);
    for (place, typed) in SHIPPED {
        let out = folder.0.join(place);
        let typed = typed
            .replace("PLAIN", "envoy-config/documents")
            .replace("MESH", "envoy-config/istio/documents");
        let mut args: Vec<&str> = typed.split(' ').collect();
        args.extend(["--out", out.to_str().expect("UTF-8")]);
        let output = render(&args);
        assert!(output.status.success(), "{typed}: {}", stderr(&output));
    }
    let rendered = files(&folder.0);
    if std::env::var_os("REGIONGUARD_WRITE_MANIFESTS").is_some() {
        for path in &rendered {
            let to = shipped.join(path);
            std::fs::create_dir_all(to.parent().expect("a folder")).expect("a folder");
            std::fs::copy(folder.0.join(path), to).expect("a file");
        }
    }
    let there: BTreeSet<PathBuf> = files(&shipped)
        .into_iter()
        .filter(|path| !WRITTEN_BY_HAND.iter().any(|hand| path.starts_with(hand)))
        .collect();
    assert_eq!(
        there, rendered,
        "the files that are shipped, and those that are rendered"
    );
    for path in &rendered {
        let (old, new) = (read(&shipped.join(path)), read(&folder.0.join(path)));
        assert!(
            old == new,
            "`envoy-config/{}` is not what `regionguard render` writes: write it by REGIONGUARD_WRITE_MANIFESTS=1 cargo test -p regionguard-cli",
            path.display()
        );
    }
}

#[test]
fn rendering_twice_gives_the_same_bytes() {
    let args = ["istio", "envoy-config/istio/documents", "--namespace", "shop"];
    assert_eq!(printed(&args), printed(&args));
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// All files below `folder`, as paths below it.
fn files(folder: &Path) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    let mut open = vec![folder.to_owned()];
    while let Some(next) = open.pop() {
        for entry in std::fs::read_dir(&next).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                open.push(path);
            } else {
                found.insert(path.strip_prefix(folder).expect("below it").to_owned());
            }
        }
    }
    found
}
