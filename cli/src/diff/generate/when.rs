//! What makes the `when` of a rule hold: each part of it that has to is put to the engine beside the others, and what it names is varied until it does. It is a search
//! within bounds: an expression that it does not get to hold is told by its rule, which decides nothing.

use regionguard::bundle::document::Rule;
use regionguard::device::Field;
use regionguard::engine::Explained;
use regionguard::policy::Holds;
use regionguard::risk::Risk;
use regionguard::time::WallTime;
use serde_json::{Value, json};

use super::route;
use crate::documents::Loaded;
use crate::lint::when::{reads, text};
use crate::trial::{Stage, Token, Trial};

/// Requests that are put to expressions: of one rule, and of a bundle.
const TRIES: usize = 400;
const ALL_TRIES: usize = 20_000;
/// Values that are tried for one name.
const VALUES: usize = 24;
/// Values that are tried together with those of another name.
const PAIRED: usize = 10;

/// Solves the conditions of one bundle.
pub(super) struct Solver<'l> {
    loaded: &'l Loaded,
    tries: usize,
}

/// The parts of one expression.
struct Parts<'s> {
    stage: Stage,
    parts: Vec<&'s str>,
}

/// A change of a request: another value of something that an expression names.
type Change = Box<dyn Fn(&mut Trial)>;

impl<'l> Solver<'l> {
    pub(super) fn new(loaded: &'l Loaded) -> Self {
        Self {
            loaded,
            tries: ALL_TRIES,
        }
    }

    /// `base` so that the rule's condition holds, and one request for each part of it that does not hold then.
    pub(super) fn solve(&mut self, rule: &Rule, base: Trial, times: &[WallTime]) -> (Trial, Vec<Trial>) {
        let Some(source) = rule.when.as_ref().map(|when| when.source()) else {
            return (base, Vec::new());
        };
        let parts = conjuncts(source);
        let Some(parts) = self.staged(rule, parts) else {
            return (base, Vec::new());
        };
        let mut left = TRIES.min(self.tries);
        let mut trial = base;
        let mut held = parts.weigh(&trial);
        for index in 0..parts.parts.len() {
            if held.get(index) == Some(&Holds::Yes) {
                continue;
            }
            let is_better = |found: &[Holds]| {
                let keeps = held
                    .iter()
                    .zip(found)
                    .all(|(was, is)| *was != Holds::Yes || *is == Holds::Yes);
                keeps && found.get(index) == Some(&Holds::Yes)
            };
            if let Some((better, found)) = self.search(&parts, index, rule, &trial, times, &mut left, &is_better) {
                (trial, held) = (better, found);
            }
        }
        let mut more = Vec::new();
        for index in 0..parts.parts.len() {
            let just_this = |found: &[Holds]| {
                let others = held.iter().zip(found).enumerate();
                found.get(index) == Some(&Holds::No)
                    && others.filter(|(at, _)| *at != index).all(|(_, (was, is))| was == is)
            };
            let found = self.search(&parts, index, rule, &trial, times, &mut left, &just_this);
            more.extend(found.map(|(trial, _)| trial));
        }
        (trial, more)
    }

    /// A request with one or two things that this part names changed, so that `will_do`.
    #[expect(clippy::too_many_arguments, reason = "a search has a place, a goal and a bound")]
    fn search(
        &mut self,
        parts: &Parts<'_>,
        index: usize,
        rule: &Rule,
        base: &Trial,
        times: &[WallTime],
        left: &mut usize,
        will_do: &dyn Fn(&[Holds]) -> bool,
    ) -> Option<(Trial, Vec<Holds>)> {
        let source = parts.parts.get(index)?;
        let mut names: Vec<String> = reads(source).into_iter().map(|read| read.path).collect();
        names.sort_unstable();
        names.dedup();
        let changes: Vec<Vec<Change>> = names
            .iter()
            .map(|name| changes(name, source, rule, base, times))
            .collect();
        let mut attempt = |all: &[&Change]| {
            *left = left.checked_sub(1)?;
            self.tries = self.tries.checked_sub(1)?;
            let mut trial = base.clone();
            all.iter().for_each(|change| change(&mut trial));
            let found = parts.weigh(&trial);
            will_do(&found).then_some((trial, found))
        };
        for change in changes.iter().flatten() {
            if let Some(found) = attempt(&[change]) {
                return Some(found);
            }
        }
        for (at, one) in changes.iter().enumerate() {
            for other in changes.iter().skip(at + 1) {
                for one in one.iter().take(PAIRED) {
                    for other in other.iter().take(PAIRED) {
                        if let Some(found) = attempt(&[one, other]) {
                            return Some(found);
                        }
                    }
                }
            }
        }
        None
    }

    /// The bundle with one policy, whose rules each have a part of the condition.
    fn staged<'s>(&self, rule: &Rule, parts: Vec<&'s str>) -> Option<Parts<'s>> {
        let mut bundle = self.loaded.value.clone();
        let paths = rule
            .paths
            .as_ref()
            .map(|paths| paths.iter().map(ToString::to_string).collect::<Vec<_>>());
        let upgrades = rule.about.upgrades.as_ref();
        let upgrades = upgrades.map(|upgrades| upgrades.iter().map(|upgrade| upgrade.name()).collect::<Vec<_>>());
        let parts_of_rule: Vec<Value> = parts
            .iter()
            .enumerate()
            .map(|(index, part)| {
                let mut one = json!({"name": format!("part-{index}"), "effect": "deny", "when": part});
                if let Some(paths) = &paths {
                    one["paths"] = json!(paths);
                }
                if let Some(upgrades) = &upgrades {
                    one["upgrades"] = json!(upgrades);
                }
                one
            })
            .collect();
        // An upgrade that no rule lets in is refused before any condition is looked at.
        let lets_in = upgrades.map(|upgrades| json!({"name": "upgrades", "upgrades": upgrades, "effect": "allow"}));
        let rules: Vec<Value> = parts_of_rule.into_iter().chain(lets_in).collect();
        let members = bundle.as_object_mut()?;
        members.remove("candidate");
        members.remove("override");
        let documents = members.get_mut("documents")?.as_array_mut()?;
        documents.retain(|document| {
            let kind = document.get("kind").and_then(Value::as_str);
            matches!(kind, Some("Region" | "DeviceIssuer"))
        });
        documents.push(json!({
            "apiVersion": "security.io/v1",
            "kind": "ZeroTrustPolicy",
            "metadata": {"name": "parts"},
            "spec": {"rules": rules},
        }));
        let stage = Stage::of(&bundle, "").ok()?;
        Some(Parts { stage, parts })
    }
}

impl Parts<'_> {
    /// Whether each part holds.
    fn weigh(&self, trial: &Trial) -> Vec<Holds> {
        let explained = self.stage.explain(trial);
        let Ok(Explained::Weighed(explanation, _)) = explained else {
            return vec![Holds::Unknown; self.parts.len()];
        };
        let of = |index: usize| {
            let name = format!("part-{index}");
            let rule = explanation.rules.iter().find(|rule| rule.name == name);
            let when = rule.and_then(|rule| rule.conditions.iter().find(|(field, _)| *field == "when"));
            when.map_or(Holds::Unknown, |(_, holds)| *holds)
        };
        (0..self.parts.len()).map(of).collect()
    }
}

/// What an expression is a conjunction of.
fn conjuncts(source: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut at, mut begin, mut depth) = (0, 0, 0_usize);
    let mut is_whole = false;
    while let Some(rest) = source.get(at..).filter(|rest| !rest.is_empty()) {
        if let Some((_, after)) = text(rest) {
            at = source.len() - after.len();
            continue;
        }
        match rest.as_bytes().first() {
            Some(b'(' | b'[' | b'{') => depth += 1,
            Some(b')' | b']' | b'}') => depth = depth.saturating_sub(1),
            // What is chosen or denied as a whole is one part, and so is what has a comment.
            Some(b'?') if depth == 0 => is_whole = true,
            Some(b'|') if depth == 0 && rest.starts_with("||") => is_whole = true,
            Some(b'/') if rest.starts_with("//") => is_whole = true,
            Some(b'&') if depth == 0 && rest.starts_with("&&") => {
                parts.extend(source.get(begin..at));
                begin = at + 2;
            }
            _ => {}
        }
        at += rest.chars().next().map_or(1, char::len_utf8);
    }
    parts.extend(source.get(begin..));
    if is_whole { vec![source] } else { parts }
}

/// The values that an expression compares with.
fn values(source: &str) -> Vec<Value> {
    let mut values = Vec::new();
    let mut rest = source;
    while let Some(next) = rest.chars().next() {
        if let Some((inner, after)) = text(rest) {
            values.extend([
                json!(inner),
                json!([inner]),
                json!(format!("{inner}{}", route::ANY)),
                json!(format!("{}{inner}", route::ANY)),
            ]);
            rest = after;
            continue;
        }
        let digits = rest
            .find(|character: char| !character.is_ascii_digit())
            .unwrap_or(rest.len());
        if let Some(number) = rest.get(..digits).and_then(|digits| digits.parse::<i64>().ok()) {
            values.extend([
                json!(number),
                json!(number.saturating_add(1)),
                json!(number.saturating_sub(1)),
            ]);
            rest = rest.get(digits..).unwrap_or_default();
            continue;
        }
        rest = rest.get(next.len_utf8()..).unwrap_or_default();
    }
    // What stands in the path, and who asks, may be compared with a claim.
    for known in [route::ANY, "somebody"] {
        values.extend([json!(known), json!([known])]);
    }
    values.extend([json!(true), json!(false), json!(0)]);
    let mut seen = Vec::new();
    values.retain(|value| {
        let is_new = !seen.contains(value);
        seen.push(value.clone());
        is_new
    });
    values.truncate(VALUES);
    values
}

/// What may be tried for one name.
fn changes(name: &str, source: &str, rule: &Rule, base: &Trial, times: &[WallTime]) -> Vec<Change> {
    let texts = || {
        let values = values(source).into_iter();
        values.filter_map(|value| value.as_str().map(str::to_owned))
    };
    let (root, rest) = name.split_once('.').unwrap_or((name, ""));
    match (root, rest.split_once('.').unwrap_or((rest, ""))) {
        ("token", _) => {
            let of = |value: Option<Value>| -> Change {
                let path = rest.to_owned();
                Box::new(move |trial| {
                    let token = trial
                        .token
                        .get_or_insert_with(|| crate::recorded::of_somebody(Token::default()));
                    remove(&path, &mut token.claims);
                    if let Some(value) = &value {
                        token.fill(&path, value.clone());
                    }
                })
            };
            values(source).into_iter().map(Some).chain([None]).map(of).collect()
        }
        ("device", (part, _)) => {
            let Some(field) = Field::ALL.into_iter().find(|field| field.name() == part) else {
                return Vec::new();
            };
            let of = |value: Value| -> Change {
                Box::new(move |trial| {
                    let device = trial.device.get_or_insert_default();
                    device.parts.retain(|(of, _)| *of != field);
                    device.parts.push((field, value.clone()));
                })
            };
            values(source).into_iter().map(of).collect()
        }
        ("identity", _) => {
            let of = |value: Option<Value>| -> Change {
                let path = rest.to_owned();
                Box::new(move |trial| {
                    let attributes = trial.identity.get_or_insert_default();
                    remove(&path, attributes);
                    if let Some(value) = &value {
                        put(&path, value.clone(), attributes);
                    }
                })
            };
            values(source).into_iter().map(Some).chain([None]).map(of).collect()
        }
        ("risk", (part, _)) => {
            let is_score = part == "score";
            let of = |number: Option<u32>| -> Change {
                Box::new(move |trial| {
                    let risk = trial.risk.get_or_insert(Risk {
                        score: None,
                        failures: Some(0),
                    });
                    if is_score {
                        risk.score = number.map(f64::from);
                    } else {
                        risk.failures = number.or(Some(0));
                    }
                })
            };
            let numbers = values(source).into_iter().filter_map(|value| value.as_u64());
            let numbers = numbers.filter_map(|number| u32::try_from(number).ok()).map(Some);
            numbers.chain([Some(0), None]).map(of).collect()
        }
        ("request", ("headers", header)) => {
            let header = header.to_ascii_lowercase();
            let of = |value: Option<String>| -> Change {
                let header = header.clone();
                Box::new(move |trial| route::set_header(&mut trial.request, &header, value.as_deref()))
            };
            texts().map(Some).chain([None]).map(of).collect()
        }
        ("request", ("query", parameter)) => {
            let of = |value: Option<String>| -> Change {
                let parameter = parameter.to_owned();
                Box::new(move |trial| route::set_parameter(&mut trial.request, &parameter, value.as_deref()))
            };
            texts().map(Some).chain([None]).map(of).collect()
        }
        ("request", ("method", _)) => {
            let of = |method: String| -> Change { Box::new(move |trial| trial.request.method.clone_from(&method)) };
            texts().map(of).collect()
        }
        ("request", ("time", _)) => {
            let hours = (0..48_u64).map(|half| super::times::later(base.at, half * 1_800));
            let days = (1..8_u64).map(|day| super::times::later(base.at, day * 86_400));
            let all: Vec<WallTime> = hours.chain(days).chain(times.iter().copied().take(VALUES)).collect();
            let of = |at: WallTime| -> Change { Box::new(move |trial| trial.at = at) };
            all.into_iter().map(of).collect()
        }
        ("path", (capture, _)) => {
            let template = rule
                .paths
                .iter()
                .flatten()
                .find(|path| path.names().any(|name| name == capture));
            let Some(template) = template else { return Vec::new() };
            let paths = texts().filter_map(|value| {
                let of = |name: &str| (name == capture).then_some(value.as_str());
                route::filled(template, of).into_iter().next()
            });
            let of = |path: String| -> Change { Box::new(move |trial| trial.request.path.clone_from(&path)) };
            paths.map(of).collect()
        }
        ("source", ("address", _)) => {
            let addresses = texts().filter_map(|text| {
                let network: Result<ipnet::IpNet, _> = text.parse();
                network
                    .map(|network| route::first_host(&network))
                    .or_else(|_| text.parse())
                    .ok()
            });
            let of = |address| -> Change { Box::new(move |trial| trial.address = Some(address)) };
            addresses.map(of).collect()
        }
        ("source", ("workload", _)) => {
            let of = |id: String| -> Change { Box::new(move |trial| trial.workload = Some(id.clone())) };
            texts().filter(|text| text.starts_with("spiffe://")).map(of).collect()
        }
        _ => Vec::new(),
    }
}

/// Puts a value where this path leads.
fn put(path: &str, value: Value, attributes: &mut serde_json::Map<String, Value>) {
    match path.split_once('.') {
        None => {
            attributes.insert(path.to_owned(), value);
        }
        Some((first, rest)) => {
            let inner = attributes.entry(first).or_insert_with(|| json!({}));
            if let Some(inner) = inner.as_object_mut() {
                put(rest, value, inner);
            }
        }
    }
}

/// Takes out what stands at this path.
fn remove(path: &str, claims: &mut serde_json::Map<String, Value>) {
    if claims.remove(path).is_some() {
        return;
    }
    if let Some((first, rest)) = path.split_once('.')
        && let Some(inner) = claims.get_mut(first).and_then(Value::as_object_mut)
    {
        remove(rest, inner);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{conjuncts, values};

    #[test]
    fn conditions_are_taken_apart() {
        for (source, parts) in [
            ("a == 1", &["a == 1"][..]),
            ("a && b.c('&&') && [x && y]", &["a ", " b.c('&&') ", " [x && y]"]),
            ("a && (b || c)", &["a ", " (b || c)"]),
            ("a && b || c", &["a && b || c"]),
            ("a ? b : c && d", &["a ? b : c && d"]),
            ("a && b // && c", &["a && b // && c"]),
            ("", &[""]),
        ] {
            assert_eq!(conjuncts(source), parts, "{source}");
        }
    }

    #[test]
    fn values_are_those_that_are_compared_with() {
        let all = values("token.a == 'x' && token.b < 20");
        for value in [
            json!("x"),
            json!(["x"]),
            json!("xany"),
            json!(20),
            json!(19),
            json!(21),
            json!(true),
        ] {
            assert!(all.contains(&value), "{value}: {all:?}");
        }
    }
}
