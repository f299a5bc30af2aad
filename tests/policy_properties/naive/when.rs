//! What each condition of [`WHENS`](crate::random::WHENS) says of one request.

use regionguard::bundle::document::Rule;
use serde_json::Value;

use super::Asked;
use super::about::parameters;
use super::conditions::{all, claim, name_of};

/// What a condition says, in words of its own.
pub(super) fn holds(source: &str, rule: &Rule, asked: &Asked<'_>) -> Option<bool> {
    let facts = &asked.facts;
    let region = facts.source.region.map(|region| name_of(asked, region.index()));
    let acr = claim(asked, "acr");
    let or = |a: Option<bool>, b: Option<bool>| {
        if a == Some(true) || b == Some(true) {
            Some(true)
        } else {
            a.and(b)
        }
    };
    let text = |value: &Value, wanted: &str| value.as_str().map(|value| value == wanted);
    let is_post = Some(asked.method == "POST");
    match source {
        "request.method == 'POST' || request.path == '/x/y'" => {
            Some(asked.method == "POST" || asked.path.path() == "/x/y")
        }
        "source.region == 'eu-west-1'" => region.map(|region| region == "eu-west-1"),
        "source.country != 'DE' && local.region == 'us-east-1'" => {
            let elsewhere = facts.source.country.map(|country| country.code() != "DE");
            all(&[elsewhere, Some(name_of(asked, facts.local.index()) == "us-east-1")])
        }
        "source.workload == 'spiffe://a/x'" => facts.workload.map(|workload| workload.as_str() == "spiffe://a/x"),
        "request.host == 'a.com' || has(source.region)" => Some(asked.authority.host() == "a.com" || region.is_some()),
        "token.acr == 'gold'" => acr.and_then(|acr| text(acr, "gold")),
        // A claim that is there and malformed is neither there nor not.
        "has(token.acr) && request.method == 'GET'" => {
            let there = acr.map_or(Some(false), |acr| acr.as_str().map(|_| true));
            all(&[there, Some(asked.method == "GET")])
        }
        "device.managed || request.method == 'POST'" => {
            let managed = facts.device.ok().and_then(|device| device.managed);
            or(managed, Some(asked.method == "POST"))
        }
        "'mfa' in token.amr || source.region == 'us-east-1'" => {
            let used = claim(asked, "amr").and_then(|amr| match amr {
                Value::String(amr) => Some(amr == "mfa"),
                Value::Array(amr) if amr.iter().all(Value::is_string) => Some(amr.contains(&Value::from("mfa"))),
                _ => None,
            });
            or(used, region.map(|region| region == "us-east-1"))
        }
        "path.a == 'x' || request.method == 'POST'" => or(Some(capture(rule, asked) == "x"), is_post),
        // What is of another type is another thing.
        "path.a == token.tenant" => claim(asked, "tenant").map(|tenant| *tenant == capture(rule, asked).as_str()),
        "path.a.startsWith('y') && has(request.query.a)" => all(&[
            Some(capture(rule, asked).starts_with('y')),
            parameter("a", asked).is_there(),
        ]),
        "request.headers['a'] == '1' || request.headers['a'] == '1, 2'" => {
            header("a", asked).test(|value| value == "1" || value == "1, 2")
        }
        "has(request.headers['b-c']) && request.headers['b-c'] != '2'" => {
            let found = header("b-c", asked);
            all(&[found.is_there(), found.test(|value| value != "2")])
        }
        "!('a' in request.headers) || request.headers['a'].endsWith('2')" => {
            let found = header("a", asked);
            or(not(found.is_there()), found.test(|value| value.ends_with('2')))
        }
        "has(request.headers['x-tenant'])" => header("x-tenant", asked).is_there(),
        "request.query['a'] == '1'" => parameter("a", asked).test(|value| value == "1"),
        "has(request.query.b) || request.method == 'POST'" => or(parameter("b", asked).is_there(), is_post),
        "!('a' in request.query) && request.headers['b-c'] == request.query.b" => {
            let (left, right) = (header("b-c", asked), parameter("b", asked));
            let same = right.text().and_then(|right| left.test(|left| left == right));
            all(&[not(parameter("a", asked).is_there()), same])
        }
        "identity.clearance >= 3" => attribute(asked, "clearance")
            .ok()
            .flatten()
            .and_then(|found| found.as_i64().map(|found| found >= 3)),
        "has(identity.clearance) && request.method == 'GET'" => all(&[
            attribute(asked, "clearance").ok().map(|found| found.is_some()),
            Some(asked.method == "GET"),
        ]),
        "identity.teams == ['a', 'b'] || request.method == 'POST'" => {
            let teams = attribute(asked, "teams").ok().flatten();
            or(teams.map(|teams| teams == serde_json::json!(["a", "b"])), is_post)
        }
        "risk.score < 50" => facts.risk.score.map(|score| score < 50.0),
        "has(risk.score) && risk.score >= 50" => Some(facts.risk.score.is_some_and(|score| score >= 50.0)),
        "risk.failures > 1 || request.method == 'POST'" => or(facts.risk.failures.map(|count| count > 1), is_post),
        other => panic!("the oracle does not know {other}"),
    }
}

/// What the identity replica tells by this name, if it is there; an error where nobody has told anything.
fn attribute(asked: &Asked<'_>, name: &str) -> Result<Option<Value>, ()> {
    match (asked.plan.subject.is_some(), asked.plan.replica_is_away) {
        (false, _) => Ok(None),
        (true, true) => Err(()),
        (true, false) => {
            let all: Value = serde_json::from_str(&asked.plan.attributes).expect("JSON");
            Ok(all.get(name).cloned())
        }
    }
}

/// What is looked up by a name.
enum Found {
    One(String),
    Nothing,
    /// Servers read it in more than one way, so that nobody can tell.
    Unclear,
}

impl Found {
    /// What `has()` and `in` say.
    fn is_there(&self) -> Option<bool> {
        match self {
            Self::One(_) => Some(true),
            Self::Nothing => Some(false),
            Self::Unclear => None,
        }
    }

    fn text(&self) -> Option<&str> {
        match self {
            Self::One(text) => Some(text),
            Self::Nothing | Self::Unclear => None,
        }
    }

    /// What is not there is neither so nor not.
    fn test(&self, test: impl Fn(&str) -> bool) -> Option<bool> {
        self.text().map(test)
    }
}

fn not(value: Option<bool>) -> Option<bool> {
    value.map(|value| !value)
}

/// "Several lines of one name are one value with `, ` between them. One beside which there is another of nearly its name cannot be read. Those that no caller may set
/// are not there."
fn header(name: &str, asked: &Asked<'_>) -> Found {
    if asked.filled.iter().any(|filled| filled == name) {
        return Found::Nothing;
    }
    let lines = asked
        .plan
        .lines
        .iter()
        .map(|(name, value)| (name.to_lowercase(), *value));
    let lines: Vec<(String, &str)> = lines.collect();
    if lines
        .iter()
        .any(|(line, _)| line != name && line.replace('_', "-") == name)
    {
        return Found::Unclear;
    }
    let values: Vec<&str> = lines
        .iter()
        .filter(|(line, _)| line == name)
        .map(|(_, value)| *value)
        .collect();
    match values.is_empty() {
        true => Found::Nothing,
        false => Found::One(values.join(", ")),
    }
}

/// "One that is given several times, has a `+`, or stands under a name that some server takes for it cannot be read; no parameter can where the query has no single
/// reading."
fn parameter(name: &str, asked: &Asked<'_>) -> Found {
    let Some(all) = parameters(asked) else {
        return Found::Unclear;
    };
    let nearly: Vec<_> = all
        .into_iter()
        .filter(|(known, _)| known.to_lowercase() == name)
        .collect();
    match nearly.as_slice() {
        [] => Found::Nothing,
        [(known, value)] if known == name => Found::One(value.clone()),
        _ => Found::Unclear,
    }
}

/// "What `{a}` stands for", in the first of the rule's paths that the request has.
fn capture(rule: &Rule, asked: &Asked<'_>) -> String {
    let mut paths: Vec<_> = rule.paths.iter().flatten().collect();
    paths.sort_by_key(|path| path.as_str());
    let path = paths.into_iter().find(|path| path.matches(asked.path).is_some());
    let mut segments = path.unwrap().as_str().split('/').skip(1);
    let place = segments.position(|segment| segment == "{a}").unwrap();
    asked.path.segments().nth(place).unwrap().into_owned()
}
