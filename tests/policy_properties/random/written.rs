//! The same policies as the text of a bundle, as people write it.

use std::time::Duration;

use regionguard::bundle::document::{Defer, Effect, From, IdentityNeed, Matcher, Place, ValueTest, WhenAway, Words};
use regionguard::request::PathOptions;
use serde_json::{Map, Value, json};

use super::demand::{Demand, Written};
use super::{PolicyPlan, REGIONS, RulePlan};

/// A bundle of these policies and of the Regions. Names have the spelling with `_` where `snake_case` says so.
pub(crate) fn bundle(plans: &[(String, PolicyPlan)], options: &PathOptions, snake_case: bool) -> Value {
    let mut paths = json!({"caseInsensitive": options.case_insensitive});
    if options.empty_segments {
        paths["allow"] = json!(["emptySegments"]);
    }
    let policies = plans
        .iter()
        .map(|(name, plan)| document("ZeroTrustPolicy", name, policy(plan)));
    let documents: Vec<Value> = policies.chain(regions()).collect();
    let bundle = json!({
        "metadata": {"name": "properties", "version": 1},
        "trust": {"peerVerification": "required", "paths": paths},
        "documents": documents,
    });
    if snake_case { respelt(bundle) } else { bundle }
}

fn document(kind: &str, name: &str, spec: Value) -> Value {
    json!({"apiVersion": "security.io/v1", "kind": kind, "metadata": {"name": name}, "spec": spec})
}

/// What [`super::regions`] are.
fn regions() -> impl Iterator<Item = Value> {
    let zones = [Some("Asia/Singapore"), Some("Europe/Dublin"), None];
    REGIONS.into_iter().zip(zones).map(|(name, zone)| {
        let mut spec = json!({
            "issuer": "identity.global.com",
            "audiences": [format!("api.{name}.com")],
            "keys": {"remote": {"cluster": "keys", "authority": format!("keys.{name}.com"), "path": "/jwks"}},
            "identity": {"cluster": "people"},
        });
        if let Some(zone) = zone {
            spec["timezone"] = json!(zone);
            spec["businessHours"] =
                json!({"days": ["mon", "tue", "wed", "thu", "fri"], "from": "09:00", "to": "17:30"});
        }
        if name == REGIONS[0] {
            spec["trustDomains"] = json!(["a"]);
        }
        if name == REGIONS[2] {
            spec["accepts"] = json!([{"home": REGIONS[0], "workloads": ["spiffe://a/x/*"]}]);
        }
        document("Region", name, spec)
    })
}

fn policy(plan: &PolicyPlan) -> Value {
    let mut spec = Members::default();
    // A policy says something.
    spec.some("mode", Some("enforce"));
    spec.list("rules", plan.rules.iter().map(|(name, plan)| rule(name, plan)));
    spec.object("selector", selector(plan.hosts.as_deref(), &plan.place));
    spec.some("default", plan.default_allow.then_some("allow"));
    spec.some("preflight", plan.openings.preflight.then_some("allow"));
    let probes = plan.openings.probes.iter();
    spec.list(
        "probes",
        probes.map(|probe| json!({"path": probe.path.as_str(), "port": probe.port})),
    );
    spec.some(
        "forward",
        plan.forward.as_ref().map(|forward| {
            let mut said = Members::default();
            said.some("token", Some(if forward.strip_token { "strip" } else { "pass" }));
            let claims = forward
                .claims
                .iter()
                .map(|(header, claim)| (header.clone(), json!(claim)));
            said.object("claims", Members(claims.collect()));
            said.0
        }),
    );
    demand(&plan.demands, &mut spec);
    let versions = plan.os_versions.iter();
    let versions = versions.map(|(platform, version)| (platform.name().to_owned(), json!(version)));
    spec.object("osVersions", Members(versions.collect()));
    spec.0.into()
}

fn demand(demands: &[Demand], spec: &mut Members) {
    let [mut authentication, mut compliance, mut places, mut times] = [const { Vec::new() }; 4];
    for demand in demands {
        match &demand.written {
            Written::Authentication(entry) => authentication.push(entry.clone()),
            Written::Compliance(entry) => compliance.push(entry.clone()),
            Written::Place(entry) => places.push(entry.clone()),
            Written::Time(entry) => times.push(entry.clone()),
        }
    }
    for (field, lists) in [
        ("identity", vec![("authentication", authentication)]),
        ("device", vec![("compliance", compliance)]),
        (
            "context",
            vec![("geoRestrictions", places), ("timeRestrictions", times)],
        ),
    ] {
        let mut said = Members::default();
        for (name, list) in lists {
            said.list(name, list);
        }
        spec.object(field, said);
    }
}

fn selector(hosts: Option<&[&'static str]>, place: &Place) -> Members {
    let mut said = Members::default();
    said.some("hosts", hosts);
    said.some("localRegions", place.regions.as_ref());
    said.some(
        "workloads",
        place.workloads.as_ref().map(|patterns| {
            let text = |pattern: &regionguard::bundle::document::ServedPattern| {
                let text = pattern.pattern.as_str();
                let path = text.strip_prefix("spiffe://any/").filter(|_| pattern.any_domain);
                starred(path.unwrap_or(text))
            };
            patterns.iter().map(text).collect::<Vec<_>>()
        }),
    );
    said
}

fn rule(name: &str, plan: &RulePlan) -> Value {
    let mut said = Members::default();
    said.some("name", Some(name));
    said.some("hosts", plan.hosts.as_ref());
    said.some("methods", plan.methods.as_ref());
    said.some("paths", plan.paths.as_ref());
    said.some(
        "grpc",
        plan.calls.as_ref().map(|calls| {
            let mut said = Members::default();
            said.some("services", calls.services.as_ref());
            said.some("methods", calls.methods.as_ref());
            said.0
        }),
    );
    said.list("headers", plan.about.headers.iter().map(matcher));
    said.list("query", plan.about.query.iter().map(matcher));
    let upgrades = plan.about.upgrades.iter().flatten();
    said.list("upgrades", upgrades.map(|upgrade| json!(upgrade.name())));
    said.object("from", from(&plan.from));
    // A deny that says nothing is for everybody, anything else for those with a token.
    let is_deny = matches!(plan.effect, Effect::Deny(_));
    said.some(
        "identity",
        match plan.identity {
            IdentityNeed::None => Some("none"),
            IdentityNeed::Workload => Some("workload"),
            IdentityNeed::Required => is_deny.then_some("required"),
            IdentityNeed::Anybody => None,
        },
    );
    said.object("permissions", words(&plan.permissions));
    said.object("roles", words(&plan.roles));
    said.some("when", plan.when.map(|when| when.source));
    effect(&plan.effect, &mut said);
    said.0.into()
}

fn matcher(matcher: &Matcher) -> Value {
    let mut said = Members::default();
    said.some("name", Some(&matcher.name));
    match &matcher.test {
        ValueTest::In(one) if one.len() == 1 => said.some("exact", one.first()),
        ValueTest::In(all) => said.some("in", Some(all)),
        ValueTest::Prefix(text) => said.some("prefix", Some(text)),
        ValueTest::Suffix(text) => said.some("suffix", Some(text)),
        ValueTest::Present => said.some("present", Some(true)),
        ValueTest::Absent => said.some("absent", Some(true)),
    }
    said.0.into()
}

fn from(from: &From) -> Members {
    let texts = |list: Vec<String>| json!(list);
    let mut said = Members::default();
    said.some("sourceRegions", from.source_regions.as_ref());
    let countries = from.source_countries.as_ref();
    said.some(
        "sourceCountries",
        countries.map(|all| texts(all.iter().map(ToString::to_string).collect())),
    );
    said.some("homeRegions", from.home_regions.as_ref());
    let networks = from.networks.as_ref();
    said.some(
        "networks",
        networks.map(|all| texts(all.iter().map(ToString::to_string).collect())),
    );
    let workloads = from.workloads.as_ref();
    said.some(
        "workloads",
        workloads.map(|all| texts(all.iter().map(|one| starred(one.as_str())).collect())),
    );
    said
}

/// A pattern with the `*` that it has been read without: what is left of it ends as no workload does.
fn starred(text: &str) -> String {
    let star = if text.ends_with('/') { "*" } else { "" };
    format!("{text}{star}")
}

fn words(words: &Words) -> Members {
    let mut said = Members::default();
    said.some("anyOf", words.any_of.as_ref());
    said.some("allOf", words.all_of.as_ref());
    said
}

fn effect(effect: &Effect, said: &mut Members) {
    let verb = match effect {
        Effect::Allow => "allow",
        Effect::Deny(refusal) => {
            said.some(
                "response",
                Some(json!({"status": refusal.status, "hide": refusal.hide})),
            );
            "deny"
        }
        Effect::StepUp(wanted) => {
            let mut step_up = Members::default();
            step_up.list("acr", wanted.acr.iter().map(|acr| json!(acr)));
            step_up.some("maxAge", wanted.max_age.map(seconds));
            said.object("stepUp", step_up);
            "stepUp"
        }
        Effect::Defer(options) => {
            said.object("defer", defer(options));
            "defer"
        }
    };
    said.some("effect", Some(verb));
}

fn defer(options: &Defer) -> Members {
    let mut said = Members::default();
    said.some("cache", options.cache.map(seconds));
    let (word, time) = match options.when_away {
        WhenAway::Deny => ("deny", None),
        WhenAway::LastDecision(time) => ("lastDecision", Some(seconds(time))),
        WhenAway::Allow => ("allow", None),
    };
    said.some("onUnavailable", Some(word));
    said.some("lastDecisionFor", time);
    said.some("unless", options.unless_allowed.then_some("allowed"));
    said.list("claims", options.claims.iter().map(|claim| json!(claim)));
    said.some("reasonUser", Some(if options.pass_reason { "pass" } else { "drop" }));
    said
}

fn seconds(duration: Duration) -> String {
    format!("{}s", duration.as_secs())
}

/// The members of an object. What is empty is left out: only absence means not restricted.
#[derive(Default)]
struct Members(Map<String, Value>);

impl Members {
    fn some(&mut self, name: &str, value: Option<impl serde::Serialize>) {
        if let Some(value) = value {
            self.0.insert(name.to_owned(), json!(value));
        }
    }

    fn list(&mut self, name: &str, items: impl IntoIterator<Item = Value>) {
        let items: Vec<Value> = items.into_iter().collect();
        self.some(name, (!items.is_empty()).then_some(items));
    }

    fn object(&mut self, name: &str, members: Self) {
        self.some(name, (!members.0.is_empty()).then_some(members.0));
    }
}

/// With `_` and a small letter for each capital in the names of fields.
fn respelt(value: Value) -> Value {
    let name = |name: String| {
        let letters = name.chars().map(|letter| {
            if letter.is_ascii_uppercase() {
                format!("_{}", letter.to_ascii_lowercase())
            } else {
                letter.to_string()
            }
        });
        letters.collect()
    };
    match value {
        Value::Array(items) => items.into_iter().map(respelt).collect(),
        Value::Object(members) => {
            let members = members.into_iter().map(|(key, value)| (name(key), respelt(value)));
            Value::Object(members.collect())
        }
        other => other,
    }
}
