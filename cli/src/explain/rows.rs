//! What is wanted, what was found, and whether that is enough: one row for each thing that a rule or policy looks at, the same for people and for programs.

use regionguard::identity::ClaimPath;
use regionguard::policy::{Explanation, Holds, PartSaid, PolicySaid, RuleSaid, Seen};
use serde_json::{Value, json};

use super::{Told, times, written};
use crate::documents::member;
use crate::lint::when::reads;
use crate::report;
use crate::trial::find_claim;

/// One thing that is wanted.
pub(super) struct Row {
    /// The field of the document.
    pub(super) field: String,
    pub(super) holds: Holds,
    pub(super) wanted: Option<String>,
    pub(super) found: Option<String>,
}

impl Row {
    /// Of a condition, which tells whether a rule matches.
    pub(super) fn as_condition(&self) -> Value {
        self.json(self.holds.as_str())
    }

    /// Of what has to be met.
    pub(super) fn as_demand(&self) -> Value {
        self.json(met(self.holds))
    }

    fn json(&self, holds: &str) -> Value {
        json!({"field": self.field, "holds": holds, "wanted": self.wanted, "found": self.found})
    }

    /// In a line, behind whether it holds.
    pub(super) fn text(&self) -> String {
        let wanted = self.wanted.as_deref().unwrap_or("nothing of it");
        let found = self.found.as_ref().map(|found| format!("; found: {found}"));
        format!("{}: {wanted}{}", self.field, found.unwrap_or_default())
    }
}

/// Whether something that is demanded is met.
pub(super) fn met(holds: Holds) -> &'static str {
    match holds {
        Holds::Yes => "met",
        Holds::Unknown => "unknown",
        Holds::No => "not met",
    }
}

/// The conditions of a rule that is about the request: what it says of the request first, then of who asks.
pub(super) fn conditions(told: &Told<'_>, explanation: &Explanation, rule: &RuleSaid) -> Vec<Row> {
    let document = written::rule(told.bundle, &format!("{}/{}", rule.policy, rule.name));
    let mut rows = parts(told, explanation, &rule.policy, document, &rule.parts);
    for (field, holds) in rule.conditions.iter().filter(|(field, _)| *field != "about") {
        let wanted = written::wanted(document, field);
        // What restricts nothing is not worth a row.
        if wanted.is_none() && *holds == Holds::Yes {
            continue;
        }
        rows.push(Row {
            field: (*field).to_owned(),
            holds: *holds,
            wanted: wanted.or_else(|| Some("a valid token".to_owned())),
            found: match *field {
                "when" => read_by_when(told, &explanation.seen, document),
                field => written::found(&explanation.seen, field),
            },
        });
    }
    rows
}

/// The claims that an expression names, as the token has them, and what is known of the risk.
fn read_by_when(told: &Told<'_>, seen: &Seen, rule: Option<&Value>) -> Option<String> {
    let expression = member(rule?, "when")?.as_str()?;
    let is_of_name = |character: char| character.is_alphanumeric() || matches!(character, '_' | '.');
    let mut found: Vec<String> = Vec::new();
    for (at, _) in expression.match_indices("token.") {
        let before = expression.get(..at)?.chars().next_back();
        let rest = expression.get(at + "token.".len()..)?;
        let end = rest.find(|character| !is_of_name(character)).unwrap_or(rest.len());
        let mut name = rest.get(..end)?;
        // What is called is no claim.
        if rest.get(end..)?.starts_with('(') {
            name = name.rsplit_once('.').map_or("", |(claim, _)| claim);
        }
        if before.is_some_and(is_of_name) || name.is_empty() {
            continue;
        }
        let path = ClaimPath::new(name)?;
        let value = told.trial.token.as_ref().and_then(|token| token.claim(&path));
        let said = match value {
            Some(value) => format!("token.{name} {value}"),
            None if told.trial.token.is_none() => format!("no token, so no {name}"),
            None => format!("no token.{name}"),
        };
        if !found.contains(&said) {
            found.push(said);
        }
    }
    let names: Vec<String> = reads(expression).into_iter().map(|read| read.path).collect();
    let reads = |name: &str| names.iter().any(|read| read == name);
    for name in names.iter().filter_map(|name| name.strip_prefix("identity.")) {
        let path = ClaimPath::new(name)?;
        let value = told
            .trial
            .identity
            .as_ref()
            .and_then(|attributes| find_claim(&path, attributes));
        let said = match value {
            Some(value) => format!("identity.{name} {value}"),
            None if told.trial.identity.is_none() => format!("no identity, so no {name}"),
            None => format!("no identity.{name}"),
        };
        if !found.contains(&said) {
            found.push(said);
        }
    }
    if reads("risk.score") {
        found.push(match seen.risk.score {
            Some(score) => format!("risk.score {score}"),
            None => "no risk.score".to_owned(),
        });
    }
    if reads("risk.failures") {
        found.push(format!("risk.failures {}", seen.risk.failures.unwrap_or_default()));
    }
    (!found.is_empty()).then(|| found.join(", "))
}

/// What the effect of a rule wants to know.
pub(super) fn demands(rule: &RuleSaid) -> Vec<Row> {
    let demands = rule.demands.iter().map(|demand| Row {
        field: demand.field.to_owned(),
        holds: demand.holds,
        wanted: Some(demand.wanted.clone()),
        found: Some(demand.found.clone()),
    });
    demands.collect()
}

/// Parts of what a rule or its policy says of the request itself.
pub(super) fn parts(
    told: &Told<'_>,
    explanation: &Explanation,
    policy: &str,
    rule: Option<&Value>,
    parts: &[PartSaid],
) -> Vec<Row> {
    let rows = parts.iter().map(|part| {
        let document = match part.field {
            "selector" | "preflight" | "probes" => {
                let document = written::document(told.bundle, "ZeroTrustPolicy", policy);
                document.and_then(|document| member(document, "spec"))
            }
            _ => rule,
        };
        let value = document.and_then(|document| member(document, part.field));
        let wanted = match (part.index, part.field) {
            (Some(index), _) => value.and_then(|list| list.get(index)).map(written::short),
            (None, "selector") => value.map(written::place),
            (None, "upgrades") if value.is_none() => Some("plain HTTP: it names no upgrade".to_owned()),
            (None, _) => value.map(written::short),
        };
        let name = wanted_name(value, part.index);
        Row {
            field: part.field.to_owned(),
            holds: part.holds,
            wanted,
            found: found_in_request(told, explanation, part.field, name),
        }
    });
    rows.collect()
}

fn wanted_name(list: Option<&Value>, index: Option<usize>) -> Option<&str> {
    member(list?.get(index?)?, "name")?.as_str()
}

/// What the request has of what such a part looks at.
fn found_in_request(told: &Told<'_>, explanation: &Explanation, field: &str, name: Option<&str>) -> Option<String> {
    let trial = &told.trial;
    let request = &trial.request;
    let header = |name: &str| {
        let own = request
            .headers
            .iter()
            .filter(|(found, _)| found.eq_ignore_ascii_case(name));
        let values: Vec<&str> = own.map(|(_, value)| value.as_str()).collect();
        (!values.is_empty()).then(|| values.join(", "))
    };
    let of_header = |name: &str| header(name).map_or(format!("no {name}"), |value| format!("{name} {value}"));
    Some(match field {
        "headers" => of_header(name?),
        "query" => match request.path.split_once('?') {
            Some((_, query)) => format!("?{query}"),
            None => "no query".to_owned(),
        },
        "grpc" => format!("{}, {}", request.method, of_header("content-type")),
        "upgrades" if request.method == "CONNECT" => "CONNECT".to_owned(),
        "upgrades" => of_header("upgrade"),
        "preflight" => {
            let asked = ["origin", "access-control-request-method"].map(of_header);
            format!("{}, {}", request.method, asked.join(", "))
        }
        "probes" => {
            let port = trial
                .port
                .map_or("a port that cannot be told".to_owned(), |port| format!("port {port}"));
            format!("{} {} at {port}", request.method, request.path)
        }
        "selector" => {
            let local = explanation.seen.local.as_deref().unwrap_or("unknown");
            let serves = &trial.serves;
            let own = [&serves.id, &serves.namespace, &serves.service_account];
            let own: Vec<&str> = own.into_iter().flatten().map(String::as_str).collect();
            let whom = if own.is_empty() {
                "whom cannot be told".to_owned()
            } else {
                own.join("/")
            };
            format!("local region {local}, serves {whom}")
        }
        _ => return None,
    })
}

/// What a policy requires, in the order of the kernel.
pub(super) fn requirements(told: &Told<'_>, explanation: &Explanation, policy: &PolicySaid) -> Vec<Row> {
    let mut times = times::Times::new(told.bundle, &policy.name, &explanation.seen);
    let rows = policy.requirements.iter().map(|requirement| {
        let (wanted, found) = match requirement.field.strip_prefix("context.timeRestrictions: ") {
            Some(kind) => times.next(kind),
            None if requirement.field == "context.geoRestrictions" => {
                (requirement.wanted.clone(), Some(written::source(&explanation.seen)))
            }
            None => (requirement.wanted.clone(), requirement.found.clone()),
        };
        Row {
            field: requirement.field.to_owned(),
            holds: requirement.holds,
            wanted: wanted.map(|wanted| report::printable(&wanted)),
            found,
        }
    });
    rows.collect()
}
