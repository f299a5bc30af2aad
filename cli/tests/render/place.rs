//! Where it is applied, from which folder and with which image: what is not said, and what was there before.

use super::{Folder, printed, refused, render, stderr};

const DOCUMENTS: &str = "envoy-config/istio/documents";

/// An example's namespace or label in some of the objects would leave the user's workloads without an interlock.
#[test]
fn nothing_is_rendered_for_a_place_that_nobody_named() {
    for target in [
        "istio",
        "kustomize",
        "wasmplugin",
        "trafficextension",
        "envoyfilter",
        "configmap",
    ] {
        for (place, option) in [
            ("", "`--namespace`"),
            ("--scope mesh", "`--namespace`"),
            ("--scope workload --namespace shop", "`--selector KEY=VALUE`"),
            ("--scope gateway --namespace shop", "`--gateway`"),
            ("--scope waypoint --namespace shop", "`--gateway`"),
        ] {
            let args: Vec<&str> = [target, DOCUMENTS]
                .into_iter()
                .chain(place.split_whitespace())
                .collect();
            let said = refused(&args);
            assert!(
                said.starts_with("error: it is not said ") && said.contains(option),
                "{args:?}: {said}"
            );
        }
    }
    for target in ["helm", "helm-values"] {
        let said = refused(&[target, DOCUMENTS, "--scope", "workload"]);
        assert!(said.contains("`--selector KEY=VALUE`"), "{target}: {said}");
    }
}

#[test]
fn an_image_without_a_digest_is_said_to_be_one() {
    let warned = |args: &[&str]| stderr(&render(args)).contains("warning: without `--sha256`");
    let digest = "1".repeat(64);
    for target in [
        "istio",
        "kustomize",
        "wasmplugin",
        "trafficextension",
        "helm",
        "helm-values",
        "deployment-patch",
    ] {
        let args = match target {
            "deployment-patch" => vec![target],
            _ => vec![target, DOCUMENTS, "--namespace", "shop"],
        };
        assert!(warned(&args), "{target}");
        assert!(!warned(&[&args[..], &["--sha256", &digest]].concat()), "{target}");
    }
    assert!(!warned(&["ecds", DOCUMENTS]));
    assert!(!warned(&["envoyfilter", "--namespace", "shop"]));
}

/// `kubectl apply -f` takes all that is in a folder.
#[test]
fn what_an_earlier_run_left_is_not_applied_with_the_next() {
    let folder = Folder::new("leftovers", &[("mine.yaml", "{}")]);
    let there = |name: &str| folder.0.join(name).exists();
    let args = |more: &str| -> Vec<String> {
        let all = format!("{more} --namespace shop --out {}", folder.as_str());
        all.replace("DOCUMENTS", DOCUMENTS)
            .split(' ')
            .map(str::to_owned)
            .collect()
    };
    let succeeds = |more: &str| drop(printed(&args(more).iter().map(String::as_str).collect::<Vec<_>>()));
    let fails = |more: &str, names: &[&str]| {
        let said = refused(&args(more).iter().map(String::as_str).collect::<Vec<_>>());
        for name in names {
            assert!(said.contains(&format!("`{name}`")), "{more}: {said}");
        }
        assert!(
            said.contains("`--out`") && !said.contains("mine.yaml"),
            "{more}: {said}"
        );
    };
    let remove = |name: &str| std::fs::remove_file(folder.0.join(name)).expect("a file");

    succeeds("istio DOCUMENTS");
    succeeds("istio DOCUMENTS");
    fails("istio DOCUMENTS --policy-from configmap", &["wasmplugin.yaml"]);
    assert!(!there("policy.yaml") && !there("configmap.yaml"), "nothing is written");
    fails("istio DOCUMENTS --scope waypoint --gateway edge", &["direct-peer.yaml"]);
    fails("istio DOCUMENTS --scope mesh", &["http-only.yaml"]);
    fails("envoyfilter --policy-from configmap", &["wasmplugin.yaml"]);
    fails("trafficextension DOCUMENTS", &["wasmplugin.yaml"]);
    // A part of the folder by itself.
    succeeds("envoyfilter");
    succeeds("wasmplugin DOCUMENTS");
    remove("wasmplugin.yaml");
    succeeds("istio DOCUMENTS --policy-from configmap");
    fails("istio DOCUMENTS", &["configmap.yaml", "policy.yaml"]);
    fails("wasmplugin DOCUMENTS", &["policy.yaml"]);
    fails("envoyfilter", &["policy.yaml"]);
}

#[test]
fn a_login_is_rendered_for_a_provider_that_is_named_and_a_policy_that_reads_the_cookie() {
    let mut args = vec!["envoy-oauth2", "envoy-config/documents"];
    for (option, value) in [
        ("--login-host", "shop.example.com"),
        ("--login-client", "shop"),
        ("--login-authorization", "https://login.example.com/authorize"),
        ("--login-token", "https://login.example.com/token"),
    ] {
        let said = refused(&args);
        assert!(said.contains(&format!("error: give `{option}`")), "{said}");
        args.extend([option, value]);
    }
    let output = render(&args);
    let said = stderr(&output);
    assert!(output.status.success(), "{said}");
    assert!(
        said.contains("no token is read from the cookie `__Host-token`"),
        "{said}"
    );
    args.extend(["--login-logout", "http://login.example.com/logout"]);
    assert!(refused(&args).contains("https://HOST"), "not over HTTPS");
}
