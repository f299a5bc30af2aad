//! `expected`: what is to become of which request of whom.

use super::{Center, Expectation, Fixtures, Tried, Verdict, header_name, named, once};
use crate::bundle::diagnostic::{Problem, Read, Sink};
use crate::bundle::limits;
use crate::bundle::path::Path;
use crate::bundle::reader::{At, Fields, Shape};
use crate::reason::{self, Reason};

const EXPECTED: Shape = Shape {
    fields: &[
        "principals",
        "requests",
        "verdict",
        "rule",
        "reason",
        "status",
        "upstream",
        "upstreamWithout",
        "shadow",
        "candidate",
    ],
    later: &[],
};

const VERDICTS: [(&str, Verdict); 4] = [
    ("allow", Verdict::Allow),
    ("deny", Verdict::Deny),
    ("stepUp", Verdict::StepUp),
    ("defer", Verdict::Defer),
];

const TRIED: [(&str, Tried); 4] = [
    ("same", Tried::Same),
    ("allow", Tried::Allow),
    ("deny", Tried::Deny),
    ("ask", Tried::Ask),
];

/// The test that expects.
pub(super) struct Around<'t> {
    pub(super) principals: &'t [usize],
    pub(super) requests: &'t [usize],
    pub(super) center: Option<Center>,
    pub(super) fixtures: &'t Fixtures<'t>,
}

/// All of one test, in their order; no two are about the same request of the same principal.
pub(super) fn all(at: &At<'_>, around: &Around<'_>, sink: &mut Sink) -> Read<Vec<Expectation>> {
    let all = at.list(limits::TEST_EXPECTATIONS, sink, |at, sink| one(at, around, sink))?;
    let mut wrong = None;
    for (index, later) in all.iter().enumerate() {
        for (before, earlier) in all.iter().enumerate().take(index) {
            let (Some(principal), Some(request)) = (
                shared(&earlier.principals, &later.principals),
                shared(&earlier.requests, &later.requests),
            ) else {
                continue;
            };
            let name = |names: &[&str], place: usize| names.get(place).copied().unwrap_or_default().to_owned();
            let message = format!(
                "{}[{before}] says already what is expected of `{}` and `{}`",
                at.path,
                name(&around.fixtures.principals, principal),
                name(&around.fixtures.requests, request),
            );
            wrong = Some(sink.error(&Path::Item(&at.path, index), message));
        }
    }
    wrong.map_or(Ok(all), Err)
}

fn shared(left: &[usize], right: &[usize]) -> Option<usize> {
    left.iter().copied().find(|place| right.contains(place))
}

fn one(at: &At<'_>, around: &Around<'_>, sink: &mut Sink) -> Read<Expectation> {
    let fields = at.fields(&EXPECTED, sink)?;
    let principals = of_test(
        &fields,
        "principals",
        around.principals,
        &around.fixtures.principals,
        sink,
    );
    let requests = of_test(&fields, "requests", around.requests, &around.fixtures.requests, sink);
    let verdict = fields.required("verdict", sink, |at, sink| verdict(at, around.center, sink));
    let rule = fields.optional("rule", sink, |at, sink| decider(at, around.fixtures, sink));
    let told = verdict.ok();
    let reason = fields.optional("reason", sink, |at, sink| self::reason(at, told, sink));
    let status = fields.optional("status", sink, |at, sink| status(at, told, sink));
    let upstream = fields.optional("upstream", sink, |at, sink| {
        goes_on(at, told, sink)?;
        upstream(at, sink)
    });
    let upstream_without = fields.optional("upstreamWithout", sink, |at, sink| {
        goes_on(at, told, sink)?;
        at.list(limits::RULE_ITEMS, sink, |at, sink| {
            let name = at.text(sink)?;
            header_name(name, &at.path, sink)
        })
    });
    let tried = |at: &At<'_>, sink: &mut Sink| {
        if told == Some(Verdict::Defer) {
            let message = "what is tried is told once the center has answered: say what it answers by `center`";
            return Err(sink.error(&at.path, message));
        }
        at.word(&TRIED, sink)
    };
    let shadow = fields.optional("shadow", sink, tried);
    let candidate = fields.optional("candidate", sink, tried);
    Ok(Expectation {
        principals: principals?,
        requests: requests?,
        verdict: verdict?,
        rule: rule?,
        reason: reason?,
        status: status?,
        upstream: upstream?.unwrap_or_default(),
        upstream_without: upstream_without?.unwrap_or_default(),
        shadow: shadow?,
        candidate: candidate?,
    })
}

/// The fixtures that are named, all of which the test has; those of the test where none are named.
fn of_test(fields: &Fields<'_>, field: &str, test: &[usize], names: &[&str], sink: &mut Sink) -> Read<Vec<usize>> {
    let listed = fields.optional(field, sink, |at, sink| {
        let places = at.list(limits::MEMBERS, sink, |at, sink| {
            let place = named(at, field, names, sink)?;
            if test.contains(&place) {
                return Ok(place);
            }
            let message = format!("is not in `{field}` of this test");
            Err(sink.error(&at.path, Problem::new(message).found(at.value)))
        })?;
        once(at, &places, sink).map(|()| places)
    })?;
    Ok(listed.unwrap_or_else(|| test.to_vec()))
}

fn verdict(at: &At<'_>, center: Option<Center>, sink: &mut Sink) -> Read<Verdict> {
    let verdict = at.word(&VERDICTS, sink)?;
    if verdict == Verdict::Defer && center.is_some() {
        let message =
            "`center` of this test says what the center answers: expect `allow` or `deny`, or leave `center` out";
        return Err(sink.error(&at.path, message));
    }
    Ok(verdict)
}

/// What may decide: a rule, or a policy by a requirement or its default.
fn decider(at: &At<'_>, fixtures: &Fixtures<'_>, sink: &mut Sink) -> Read<String> {
    let text = at.text(sink)?;
    if !text.contains('/') {
        let message = "write it as the decision line does: `policy/rule`, or `policy/-` for a requirement or a default";
        let meant = fixtures
            .known
            .filter(|known| known.suggests && sink.may_suggest())
            .and_then(|known| {
                let is_rule = |decider: &&&str| decider.split_once('/').is_some_and(|(_, rule)| rule == text);
                known.deciders.iter().find(is_rule).copied()
            });
        return Err(sink.error(&at.path, Problem::new(message).found(at.value).suggest(meant)));
    }
    match fixtures.known {
        Some(known) if known.deciders.binary_search(&text).is_err() => {
            let near = known.deciders.iter().copied().filter(|_| known.suggests);
            let problem = Problem::new("the bundle has no such rule")
                .found(at.value)
                .suggest(sink.nearest(text, near));
            Err(sink.error(&at.path, problem))
        }
        _ => Ok(text.to_owned()),
    }
}

/// A reason code, which must be one of this verdict.
fn reason(at: &At<'_>, verdict: Option<Verdict>, sink: &mut Sink) -> Read<Reason> {
    let text = at.text(sink)?;
    let Some(reason) = Reason::ALL.iter().copied().find(|reason| reason.code() == text) else {
        let codes = Reason::ALL.iter().map(|reason| reason.code());
        let problem = Problem::new("no such reason code")
            .found(at.value)
            .suggest(sink.nearest(text, codes));
        return Err(sink.error(&at.path, problem));
    };
    let fits = match verdict {
        None => true,
        Some(Verdict::Allow) => reason.verdict() == reason::Verdict::Allow,
        Some(Verdict::Deny | Verdict::StepUp) => reason.verdict() == reason::Verdict::Deny,
        Some(Verdict::Defer) => {
            let message = "a request that waits for its center has no reason yet: leave it out";
            return Err(sink.error(&at.path, message));
        }
    };
    if fits {
        return Ok(reason);
    }
    let message = format!(
        "is the reason of a request that is {}",
        match reason.verdict() {
            reason::Verdict::Allow => "let in",
            reason::Verdict::Deny => "refused",
        }
    );
    Err(sink.error(&at.path, Problem::new(message).found(at.value)))
}

fn status(at: &At<'_>, verdict: Option<Verdict>, sink: &mut Sink) -> Read<u16> {
    let status = at.integer(400, 599, sink)?;
    if matches!(verdict, Some(Verdict::Allow | Verdict::Defer)) {
        return Err(sink.error(
            &at.path,
            "only a request that is refused is answered here: leave it out",
        ));
    }
    Ok(u16::try_from(status).unwrap_or(u16::MAX))
}

fn goes_on(at: &At<'_>, verdict: Option<Verdict>, sink: &mut Sink) -> Read<()> {
    match verdict {
        None | Some(Verdict::Allow) => Ok(()),
        Some(_) => Err(sink.error(
            &at.path,
            "the upstream gets nothing of a request that does not go on: leave it out",
        )),
    }
}

fn upstream(at: &At<'_>, sink: &mut Sink) -> Read<Vec<(String, String)>> {
    let mut all = Vec::new();
    for (name, value) in at.members(sink)? {
        let path = Path::Member(&at.path, name);
        let name = match name.strip_prefix(':') {
            // What may be rewritten on the way.
            Some("path" | "authority") => name.to_string(),
            _ => header_name(name, &path, sink)?,
        };
        all.push((name, At::new(value, path).text(sink)?.to_owned()));
    }
    Ok(all)
}
