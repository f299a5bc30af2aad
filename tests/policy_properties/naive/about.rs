//! What `selector`, `headers`, `query`, `grpc`, `upgrades`, `preflight` and `probes` say of one request.

use regionguard::bundle::document::{Effect, Matcher, Policy, Rule, ServedPattern, ValueTest};
use regionguard::reason::Reason;
use regionguard::request::{ContentKind, Upgrade};

use super::Asked;
use super::conditions::all;

/// Whether the policy stands where this proxy does.
pub(super) fn stands(policy: &Policy, asked: &Asked<'_>) -> Option<bool> {
    let local = asked.facts.regions[asked.plan.local.index()].name.clone();
    let region = policy
        .place
        .regions
        .as_ref()
        .is_none_or(|regions| regions.contains(&local));
    let workload = match &policy.place.workloads {
        None => Some(true),
        Some(patterns) => any(&patterns
            .iter()
            .map(|pattern| is_served(pattern, asked))
            .collect::<Vec<_>>()),
    };
    all(&[Some(region), workload])
}

fn is_served(pattern: &ServedPattern, asked: &Asked<'_>) -> Option<bool> {
    let served = &asked.plan.served;
    let fits = |id: &str| {
        let id = regionguard::identity::SpiffeId::parse(id.as_bytes()).unwrap();
        pattern.pattern.matches(&id)
    };
    let in_domain = |path: &str| fits(&format!("spiffe://{}/{path}", pattern.pattern.trust_domain()));
    match (&served.id, &served.service_account) {
        (Some(id), _) if pattern.any_domain => {
            let path: Vec<&str> = id.splitn(4, '/').collect();
            Some(in_domain(path[3]))
        }
        (Some(id), _) => Some(fits(id)),
        (None, None) => None,
        (None, Some(account)) => {
            let fits = in_domain(&format!("ns/x/sa/{account}"));
            // Of the whole id, the node does not tell the trust domain.
            if fits && !pattern.any_domain { None } else { Some(fits) }
        }
    }
}

/// What the rule says of the request beside its host, method and path.
pub(super) fn looks(rule: &Rule, asked: &Asked<'_>) -> Option<bool> {
    let about = &rule.about;
    let is_call = asked.method == "POST" && asked.plan.content != ContentKind::Other;
    let mut values = vec![Some(takes(rule, asked.plan.upgrade))];
    values.push(if about.grpc && !is_call { None } else { Some(true) });
    values.extend(about.headers.iter().map(|matcher| header(matcher, asked)));
    values.extend(about.query.iter().map(|matcher| parameter(matcher, asked)));
    all(&values)
}

fn takes(rule: &Rule, upgrade: Option<Upgrade>) -> bool {
    let connect = rule.methods.iter().flatten().any(|method| method == "CONNECT");
    match (&rule.about.upgrades, upgrade) {
        (None, None) => true,
        (Some(_), None) => false,
        (Some(named), Some(upgrade)) => named.contains(&upgrade),
        (None, Some(upgrade)) => {
            let lets_in = matches!(rule.effect, Effect::Allow | Effect::Defer(_));
            !lets_in || connect && upgrade == Upgrade::Connect
        }
    }
}

/// Each line of the name, and whether it has that very name; `_` may be `-`.
fn header(matcher: &Matcher, asked: &Asked<'_>) -> Option<bool> {
    let mut found = Vec::new();
    for (name, value) in &asked.plan.lines {
        let name = name.to_lowercase();
        if name == matcher.name {
            found.push((true, readings_of_line(value)));
        } else if name.replace('_', "-") == matcher.name {
            found.push((false, readings_of_line(value)));
        }
    }
    let several = found.len() > 1;
    weigh(&matcher.test, &found, several)
}

fn readings_of_line(line: &str) -> Vec<String> {
    let parts = line.split(',').map(|part| part.trim().to_owned());
    std::iter::once(line.to_owned()).chain(parts).collect()
}

fn parameter(matcher: &Matcher, asked: &Asked<'_>) -> Option<bool> {
    let all = parameters(asked)?;
    let of_the_name = all.into_iter().filter(|(name, _)| name.to_lowercase() == matcher.name);
    let found = of_the_name.map(|(name, value)| (name == matcher.name, vec![value]));
    weigh(&matcher.test, &found.collect::<Vec<_>>(), false)
}

/// Name and value of each parameter, that with a `+` in both of its readings; `None` for a query that some servers take apart otherwise.
pub(super) fn parameters(asked: &Asked<'_>) -> Option<Vec<(String, String)>> {
    let query = asked.path.query().unwrap_or_default();
    if query.contains(';') {
        return None;
    }
    let mut all = Vec::new();
    for part in query.split('&').filter(|part| !part.is_empty()) {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        // No other encoding is in any random path.
        let value = value.replace("%31", "1");
        if value.contains('+') {
            all.push((name.to_owned(), value.replace('+', " ")));
        }
        all.push((name.to_owned(), value));
    }
    Some(all)
}

/// Known where all readings of all values agree: the first reading of each is the value as it stands.
fn weigh(test: &ValueTest, found: &[(bool, Vec<String>)], joined: bool) -> Option<bool> {
    let there = found.iter().any(|(certain, _)| *certain);
    match test {
        ValueTest::Absent if found.is_empty() => return Some(true),
        ValueTest::Absent if there => return Some(false),
        ValueTest::Absent => return None,
        ValueTest::Present if there => return Some(true),
        ValueTest::Present if found.is_empty() => return Some(false),
        ValueTest::Present => return None,
        _ => {}
    }
    let fits = |value: &String| match test {
        ValueTest::In(all) => all.contains(value),
        ValueTest::Prefix(prefix) => value.starts_with(prefix),
        ValueTest::Suffix(suffix) => value.ends_with(suffix),
        ValueTest::Present | ValueTest::Absent => unreachable!(),
    };
    if there && found.iter().all(|(_, readings)| fits(&readings[0])) {
        return Some(true);
    }
    let names_a_list = match test {
        ValueTest::In(all) => all.iter().any(|value| value.contains(',')),
        ValueTest::Prefix(text) | ValueTest::Suffix(text) => text.contains(','),
        ValueTest::Present | ValueTest::Absent => false,
    };
    let may_fit = found.iter().any(|(_, readings)| readings.iter().any(fits)) || joined && names_a_list;
    if may_fit { None } else { Some(false) }
}

/// Why the policy lets the request in without a token beside its public rules.
pub(super) fn opening(policy: &Policy, asked: &Asked<'_>) -> Option<Reason> {
    if stands(policy, asked) != Some(true) || asked.plan.upgrade.is_some() {
        return None;
    }
    let count = |name: &str| asked.plan.lines.iter().filter(|(line, _)| *line == name).count();
    let is_preflight = asked.method == "OPTIONS"
        && asked.plan.has_no_body
        && count("origin") == 1
        && count("access-control-request-method") == 1;
    if policy.openings.preflight && is_preflight {
        return Some(Reason::PreflightAllowed);
    }
    let is_probe = matches!(asked.method, "GET" | "HEAD")
        && policy
            .openings
            .probes
            .iter()
            .any(|probe| Some(probe.port) == asked.plan.port && probe.path.matches(asked.path).is_some());
    is_probe.then_some(Reason::ProbeAllowed)
}

fn any(values: &[Option<bool>]) -> Option<bool> {
    if values.contains(&Some(true)) {
        Some(true)
    } else if values.contains(&None) {
        None
    } else {
        Some(false)
    }
}
