//! The Helm chart: the same templates as without Helm, with expressions where values stand.

use super::bundle::Bundle;
use super::node::Node;
use super::settings::Settings;
use super::template::{Helm, Template, Values};
use super::{Failure, File, envoy, istio};

/// For each name of the templates its expression in the chart.
const EXPRESSIONS: &[(&str, &str)] = &[
    ("name", "$.Values.name | quote"),
    ("interlock_name", r#"printf "%s-interlock" $.Values.name | quote"#),
    ("direct_peer_name", r#"printf "%s-direct-peer" $.Values.name | quote"#),
    ("policy_name", r#"printf "%s-policy" $.Values.name | quote"#),
    ("http_only_name", r#"printf "%s-http-only" $.Values.name | quote"#),
    ("bootstrap_name", r#""regionguard-bootstrap" | quote"#),
    ("admission_name", ADMISSION_NAME),
    ("namespace", "$.Release.Namespace | quote"),
    ("selector", "toYaml $.Values.selector"),
    ("gateway", "$.Values.gateway | quote"),
    ("url", "$.Values.image.url | quote"),
    ("sha256", "$.Values.image.sha256 | quote"),
    ("pull_policy", "$.Values.image.pullPolicy | quote"),
    ("secret", "$.Values.image.pullSecret | quote"),
    ("mode", r#"ternary "CLIENT" "SERVER" (eq $.Values.scope "gateway")"#),
    (
        "context",
        r#"ternary "GATEWAY" "SIDECAR_INBOUND" (eq $.Values.scope "gateway")"#,
    ),
    ("policy_configmap", "$.Values.policy.configMap | quote"),
    ("policy_file", "$.Values.policy.file | quote"),
    ("policy_folder", "dir $.Values.policy.file | quote"),
    ("module_file", "$.Values.policy.moduleFile | quote"),
    ("file_selector", r#"include "regionguard.fileSelector" $"#),
    ("holds_policy", HOLDS_POLICY),
    ("operator_groups", "$.Values.admission.operatorGroups | toJson | quote"),
    ("operator_users", "$.Values.admission.operatorUsers | toJson | quote"),
    (
        "referenced_services",
        r#"include "regionguard.referencedServices" $ | quote"#,
    ),
    ("ecds", r#"include "regionguard.ecds" $"#),
    ("bundle", r#"include "regionguard.bundle" $"#),
    ("centers", "$.Values.centers"),
    ("item.name", ".name | quote"),
    ("item.host", ".host | quote"),
    ("item.port", ".port | int"),
    ("item.identity", ".identity | quote"),
    ("if selector", "$.Values.selector"),
    ("if keep", "true"),
    ("if refreshes", "(($.Values.bundle).tokens).refreshBefore"),
    ("if own_namespace", r#"ne $.Values.scope "mesh""#),
    ("if target", "$.Values.gateway"),
    ("if policy_selector", "not $.Values.gateway"),
    ("if pull_secret", "$.Values.image.pullSecret"),
    (
        "if annotations",
        r#"and $.Values.centers (has $.Values.scope (list "gateway" "waypoint"))"#,
    ),
];

/// The same name that is rendered without Helm.
const ADMISSION_NAME: &str = concat!(
    r#"ternary "regionguard-policy" (printf "%s-regionguard" $.Values.policy.configMap) "#,
    r#"(eq $.Values.policy.configMap "regionguard-policy") | quote"#,
);

/// The same expression of CEL that is rendered without Helm.
const HOLDS_POLICY: &str = concat!(
    "printf `[object, oldObject].exists(each, each != null && ",
    r#"(has(each.metadata.name) && each.metadata.name in ["%s", "regionguard-bootstrap"] || "#,
    r#"has(each.metadata.labels) && "app.kubernetes.io/name" in each.metadata.labels && "#,
    r#"each.metadata.labels["app.kubernetes.io/name"] == "regionguard"))`"#,
    " $.Values.policy.configMap | quote",
);

/// The templates of the chart, and when each of them makes an object.
const FILES: &[(&str, &str, &str)] = &[
    ("interlock.yaml", istio::INTERLOCK, "true"),
    (
        "direct-peer.yaml",
        istio::DIRECT_PEER,
        r#"ne $.Values.scope "waypoint""#,
    ),
    (
        "wasmplugin.yaml",
        istio::WASMPLUGIN,
        r#"and (eq $.Values.policyFrom "plugin") (eq $.Values.resource "WasmPlugin")"#,
    ),
    (
        "trafficextension.yaml",
        istio::TRAFFICEXTENSION,
        r#"and (eq $.Values.policyFrom "plugin") (eq $.Values.resource "TrafficExtension")"#,
    ),
    (
        "configmap.yaml",
        istio::CONFIGMAP,
        r#"eq $.Values.policyFrom "configmap""#,
    ),
    ("policy.yaml", istio::POLICY, r#"eq $.Values.policyFrom "configmap""#),
    ("admission.yaml", istio::ADMISSION, "$.Values.admission.create"),
    ("centers.yaml", istio::CENTERS, "$.Values.centers"),
    (
        "http-only.yaml",
        istio::HTTP_ONLY,
        r#"and $.Values.httpOnly (ne $.Values.scope "mesh")"#,
    ),
    ("telemetry.yaml", istio::TELEMETRY, "$.Values.telemetry"),
    ("stats-tags.yaml", istio::STATS_TAGS, "$.Values.statsTags"),
];

/// The values for one bundle, in the folder of the chart. Helm does not load them by itself: it merges maps, so that a policy in the chart's own values
/// would become a part of every other one.
const POLICY: &str = "values-policy.yaml";

/// All files of the chart.
///
/// # Errors
/// When a center's address is not known.
pub(crate) fn chart(settings: &Settings, bundle: &Bundle) -> Result<Vec<File>, Failure> {
    let mut version = settings.values();
    version.set("chart_version", env!("CARGO_PKG_VERSION"));
    let head = include_str!("../../templates/chart/Chart.yaml");
    let ecds = Template::parse(envoy::ECDS).write(&Helm(EXPRESSIONS));
    let mut files = vec![
        file("Chart.yaml", Template::parse(head).write(&version)),
        file(
            "values.yaml",
            Template::parse(include_str!("../../templates/chart/values.yaml")).write(&place(settings)),
        ),
        File {
            path: POLICY.to_owned(),
            ..values(settings, bundle)?
        },
        file(
            "values.schema.json",
            include_str!("../../templates/chart/values.schema.json").to_owned(),
        ),
        file(
            "templates/_helpers.tpl",
            include_str!("../../templates/chart/_helpers.tpl").to_owned(),
        ),
        file(
            "templates/_ecds.tpl",
            format!("{{{{- define \"regionguard.ecds\" -}}}}\n{ecds}{{{{- end -}}}}\n"),
        ),
        file(
            "templates/NOTES.txt",
            include_str!("../../templates/chart/NOTES.txt").to_owned(),
        ),
    ];
    for (path, template, condition) in FILES {
        let text = Template::parse(template).write(&Helm(EXPRESSIONS));
        files.push(file(
            &format!("templates/{path}"),
            format!("{{{{- if {condition} }}}}\n{text}{{{{- end }}}}\n"),
        ));
    }
    Ok(files)
}

/// The values of the chart for one bundle.
///
/// # Errors
/// When a center is no cluster of Istio, or the policy is too large for one object.
pub(crate) fn values(settings: &Settings, bundle: &Bundle) -> Result<File, Failure> {
    istio::fits("values.yaml", bundle.bytes)?;
    let mut values = place(settings);
    values
        .set("centers", Node::List(istio::centers(settings, &bundle.centers())?))
        .set("bundle", bundle.node.clone());
    let template = include_str!("../../templates/chart/values-policy.yaml");
    Ok(file("values.yaml", Template::parse(template).write(&values)))
}

/// The values without a policy.
fn place(settings: &Settings) -> Values {
    let mut values = settings.values();
    values
        .set("scope", settings.scope().as_str())
        .set("policy_from", settings.policy_from().as_str())
        .set("module_file", settings.mounted_module());
    values
}

fn file(path: &str, text: String) -> File {
    File {
        path: path.to_owned(),
        text,
    }
}
