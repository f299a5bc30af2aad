//! One request of one principal in one test: what was expected, and what was found.

use regionguard::bundle::policy_test::{Expectation, Principal, Request, Test, Tried, Verdict};

use crate::documents::{Loaded, Suite};
use crate::problem::{Place, Problem};
use crate::trial::{self, Found, Stage, Trial};

/// A request that was tried.
pub(super) struct Case<'r> {
    pub(super) suite: &'r Suite,
    pub(super) test: &'r Test,
    /// Where the test stands in its document.
    index: usize,
    pub(super) principal: &'r Principal,
    pub(super) request: &'r Request,
    /// What is listed of it, and where in the test; `None`: nothing, so it is expected to be denied.
    pub(super) listed: Option<(usize, &'r Expectation)>,
    /// What became of it, or why it could not be tried.
    pub(super) found: Result<Found, String>,
    /// In what that is not what was expected.
    pub(super) failures: Vec<String>,
}

/// All requests of the tests that are meant.
pub(super) fn all<'r>(suite: &'r Suite, meant: &dyn Fn(&str) -> bool, stage: &Stage) -> Vec<Case<'r>> {
    let mut cases = Vec::new();
    let tests = suite.test.tests.iter().enumerate();
    for (index, test) in tests.filter(|(_, test)| meant(&test.name)) {
        for &principal in &test.principals {
            for &request in &test.requests {
                let listed = test.expected.iter().enumerate().find(|(_, expectation)| {
                    expectation.principals.contains(&principal) && expectation.requests.contains(&request)
                });
                let principals = suite.test.principals.get(principal);
                let Some((principal, request)) = principals.zip(suite.test.requests.get(request)) else {
                    continue;
                };
                let found = stage.run(&trial(suite, test, principal, request));
                let failures = match &found {
                    Ok(found) => differences(listed.map(|(_, listed)| listed), found),
                    Err(error) => vec![format!("it could not be tried: {error}")],
                };
                cases.push(Case {
                    suite,
                    test,
                    index,
                    principal,
                    request,
                    listed,
                    found,
                    failures,
                });
            }
        }
    }
    cases
}

impl Case<'_> {
    pub(super) fn passed(&self) -> bool {
        self.failures.is_empty()
    }

    /// `alice: read-profile`.
    pub(super) fn name(&self) -> String {
        format!("{}: {}", self.principal.name, self.request.name)
    }

    /// The verdict that is expected.
    pub(super) fn expected(&self) -> Verdict {
        self.listed.map_or(Verdict::Deny, |(_, listed)| listed.verdict)
    }

    /// The path of what says what is expected: an entry of `expected`, or else the test.
    fn field(&self) -> String {
        match self.listed {
            Some((entry, _)) => format!("spec.tests[{}].expected[{entry}]", self.index),
            None => format!("spec.tests[{}].name", self.index),
        }
    }

    /// Where that stands.
    pub(super) fn place(&self) -> Option<Place> {
        self.suite.place(&self.field())
    }

    /// What is wrong, for people; the rule that decided is in `bundle`.
    pub(super) fn problem(&self, bundle: &Loaded) -> Problem {
        let message = format!(
            "{}: `{}` sends `{}`: {}",
            self.test.name,
            self.principal.name,
            self.request.name,
            self.failures.join("; ")
        );
        let problem = Problem::error("test-failed", self.place(), message);
        let problem = Problem {
            document: Some(format!("PolicyTest {}", self.suite.test.name)),
            field: self.field(),
            ..problem
        };
        let Ok(found) = &self.found else { return problem };
        let problem = problem.help(explained(found));
        match super::coverage::path_of(&bundle.value, &found.by).and_then(|path| bundle.place(&path)) {
            Some(place) => problem.related(place, "this rule"),
            None => problem,
        }
    }
}

/// What became of a request, in a word and with its reason.
pub(super) fn told(found: &Found) -> String {
    let status = found.status().map(|status| format!(" {status}")).unwrap_or_default();
    match found.reason {
        Some(reason) => format!(
            "`{}`{status} by `{}` ({})",
            found.verdict.as_str(),
            found.by,
            reason.code()
        ),
        None => format!("`{}` by `{}`", found.verdict.as_str(), found.by),
    }
}

/// Why it became that.
fn explained(found: &Found) -> String {
    match found.reason {
        Some(reason) => format!("{}: {}", reason.code(), reason.row().advice),
        None => format!(
            "`{}` asks the center, and this test does not say what that answers: `center: allow`, `deny`, `away` or `wrong`",
            found.by
        ),
    }
}

/// What the request of a principal in a test meets.
pub(crate) fn trial(suite: &Suite, test: &Test, principal: &Principal, request: &Request) -> Trial {
    Trial {
        request: trial::Request {
            method: request.method.clone(),
            scheme: request.scheme.clone(),
            host: request.host.clone(),
            path: request.path.clone(),
            headers: request.headers.clone(),
        },
        token: principal.token.as_ref().map(|token| trial::Token {
            home: token.home.clone(),
            claims: token.claims.clone(),
            without: token.without.clone(),
            kid: token.key.clone(),
            bound: token.bound,
            revoked: token.revoked,
        }),
        address: request.address.or(principal.address),
        workload: principal.workload.clone(),
        device: principal.device.clone(),
        identity: principal.identity.clone(),
        risk: principal.risk,
        locality: suite.test.locality.clone(),
        serves: suite.test.serves.clone(),
        port: request.port,
        at: test.at,
        center: test.center,
        lists_away: test.lists_away,
        replicas_away: test.replicas_away,
    }
}

/// In what `found` is not what was expected.
fn differences(listed: Option<&Expectation>, found: &Found) -> Vec<String> {
    let expected = listed.map_or(Verdict::Deny, |listed| listed.verdict);
    if found.verdict != expected {
        let unlisted = if listed.is_none() { ", as nothing is listed" } else { "" };
        return vec![format!(
            "expected `{}`{unlisted}; found {}",
            expected.as_str(),
            told(found)
        )];
    }
    let Some(listed) = listed else { return Vec::new() };
    let mut all = Vec::new();
    let mut differs = |what: &str, expected: &str, found: &str| {
        if expected != found {
            all.push(format!("expected {what} `{expected}`; found `{found}`"));
        }
    };
    if let Some(rule) = &listed.rule {
        differs("rule", rule, &found.by);
    }
    if let Some(reason) = listed.reason {
        differs(
            "reason",
            reason.code(),
            found.reason.map_or("none", |reason| reason.code()),
        );
    }
    if let Some(status) = listed.status {
        let found = found.status().map_or("none".to_owned(), |status| status.to_string());
        differs("status", &status.to_string(), &found);
    }
    let upstream = |name: &str| {
        let lines = found
            .upstream
            .iter()
            .filter(|(found, _)| found.eq_ignore_ascii_case(name));
        let values: Vec<&str> = lines.map(|(_, value)| value.as_str()).collect();
        (!values.is_empty()).then(|| values.join(", "))
    };
    for (name, value) in &listed.upstream {
        let found = upstream(name).unwrap_or_else(|| "nothing".to_owned());
        differs(&format!("`{name}` for the upstream,"), value, &found);
    }
    for name in &listed.upstream_without {
        if upstream(name).is_some() {
            all.push(format!("expected no `{name}` for the upstream; it gets one"));
        }
    }
    for (what, expected, line) in [
        ("in shadow", listed.shadow, &found.shadow),
        ("by the candidate", listed.candidate, &found.candidate),
    ] {
        let told = line
            .as_deref()
            .and_then(|line| line.split(';').next())
            .unwrap_or("same");
        if let Some(expected) = expected.map(Tried::as_str).filter(|expected| *expected != told) {
            let line = line
                .as_deref()
                .map_or_else(|| "`same`".to_owned(), |line| format!("`{line}`"));
            all.push(format!("expected {what} `{expected}`; found {line}"));
        }
    }
    all
}
