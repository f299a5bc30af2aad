//! Conditions in CEL that look at what may not be there.

use regionguard::bundle::document::Effect;

use super::Lint;
use super::model::Model;

pub(super) const WHEN_WITHOUT_HAS: Lint = Lint {
    id: "lint/when-without-has",
    about: "a deny whose `when` reads something that may be absent, without `has()`",
    help: "where it is not there the condition is unknown, and an unknown deny refuses: ask `has(…) && …` if only those are meant who have it",
};

pub(super) const WHEN_CONSTANT: Lint = Lint {
    id: "lint/when-constant",
    about: "a `when` that reads nothing of the request",
    help: "it says the same of every request, so the rule matches each or none: compare something of the request, or take the condition or the rule away",
};

/// Claims that every valid token has.
const ALWAYS: [&str; 4] = ["token.aud", "token.exp", "token.iss", "token.sub"];

pub(super) fn find(model: &mut Model<'_>) {
    let mut found = Vec::new();
    for rule in &model.rules {
        let Some(source) = rule.when() else {
            continue;
        };
        if reads(source).iter().all(|read| LITERALS.contains(&read.path.as_str())) {
            let message = "reads nothing of the request".to_owned();
            found.push((&WHEN_CONSTANT, format!("{}.when", rule.path), message));
        }
        if !matches!(rule.rule.effect, Effect::Deny(_)) || rule.is_shadow() {
            continue;
        }
        let names = unasked(source, |path| is_required(path, model));
        if let Some((first, more)) = names.split_first() {
            let more = match more.len() {
                0 => String::new(),
                more => format!(" (and {more} more)"),
            };
            let message = format!("`{first}`{more} may be absent, and then this refuses");
            found.push((&WHEN_WITHOUT_HAS, format!("{}.when", rule.path), message));
        }
    }
    for (lint, path, message) in found {
        model.say(lint, &path, message);
    }
}

/// Words that look like names.
const LITERALS: [&str; 4] = ["true", "false", "null", "in"];

/// Whether an expression that compiles reads the host.
pub(super) fn reads_host(source: &str) -> bool {
    reads(source).iter().any(|read| read.path == "request.host")
}

/// Whether each Region demands this claim.
fn is_required(path: &str, model: &Model<'_>) -> bool {
    let regions = &model.bundle.regions;
    let demands = |claims: &[(regionguard::identity::ClaimPath, String)]| {
        claims
            .iter()
            .any(|(claim, _)| path.strip_prefix("token.") == Some(claim.as_str()))
    };
    !regions.is_empty() && regions.iter().all(|region| demands(&region.claims.require))
}

/// What an expression reads of what may be absent, and does not ask for by `has()`, each once.
fn unasked(source: &str, is_there: impl Fn(&str) -> bool) -> Vec<String> {
    let reads = reads(source);
    let asked = |path: &str| {
        let covers = |longer: &str, shorter: &str| {
            longer
                .strip_prefix(shorter)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        reads
            .iter()
            .any(|read| read.asked && (covers(&read.path, path) || covers(path, &read.path)))
    };
    let mut names: Vec<String> = Vec::new();
    for read in reads.iter().filter(|read| !read.asked) {
        let optional = [
            "token.",
            "device.",
            "identity.",
            "risk.score",
            "request.headers.",
            "request.query.",
        ]
        .iter()
        .any(|root| read.path.starts_with(root));
        if optional
            && !ALWAYS.contains(&read.path.as_str())
            && !is_there(&read.path)
            && !asked(&read.path)
            && !names.contains(&read.path)
        {
            names.push(read.path.clone());
        }
    }
    names
}

/// A name with what is selected of it: `token.department`, `request.headers.x-client`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Read {
    pub(crate) path: String,
    /// In `has(…)`.
    asked: bool,
}

/// The names in an expression that compiles, in its order.
pub(crate) fn reads(source: &str) -> Vec<Read> {
    let mut rest = source;
    let mut reads = Vec::new();
    let mut asked = false;
    let mut behind_dot = false;
    while let Some(next) = rest.chars().next() {
        if let Some((_, after)) = text(rest) {
            rest = after;
        } else if let Some(after) = rest.strip_prefix("//") {
            rest = after.find('\n').and_then(|end| after.get(end..)).unwrap_or_default();
            continue;
        } else if let Some((name, after)) = word(rest) {
            let call = after.trim_start().strip_prefix('(');
            if let Some(arguments) = call.filter(|_| name == "has" && !behind_dot) {
                asked = true;
                rest = arguments;
                continue;
            }
            if behind_dot || call.is_some() {
                rest = after;
            } else {
                let (path, after) = chain(name, after);
                reads.push(Read { path, asked });
                rest = after;
            }
            asked = false;
        } else {
            rest = rest.get(next.len_utf8()..).unwrap_or_default();
        }
        if !next.is_whitespace() {
            behind_dot = next == '.';
        }
    }
    reads
}

/// The name and what is selected of it, up to a call; and what stands behind.
fn chain<'s>(name: &str, after: &'s str) -> (String, &'s str) {
    let mut path = name.to_owned();
    let mut rest = after;
    loop {
        let trimmed = rest.trim_start();
        let selected = if let Some(behind) = trimmed.strip_prefix('.') {
            let behind = behind.trim_start();
            match behind.strip_prefix('`').and_then(|quoted| quoted.split_once('`')) {
                Some((quoted, after)) => Some((quoted, after)),
                None => word(behind).filter(|(_, after)| !after.trim_start().starts_with('(')),
            }
        } else if let Some(behind) = trimmed.strip_prefix('[') {
            text(behind.trim_start()).and_then(|(key, after)| Some((key, after.trim_start().strip_prefix(']')?)))
        } else {
            None
        };
        let Some((member, after)) = selected else {
            return (path, rest);
        };
        path.push('.');
        path.push_str(member);
        rest = after;
    }
}

/// The identifier that `text` begins with.
fn word(text: &str) -> Option<(&str, &str)> {
    let is_first = |character: char| character.is_ascii_alphabetic() || character == '_';
    let is_inner = |character: char| character.is_ascii_alphanumeric() || character == '_';
    let end = text
        .char_indices()
        .find(|(at, character)| {
            if *at == 0 {
                !is_first(*character)
            } else {
                !is_inner(*character)
            }
        })
        .map_or(text.len(), |(at, _)| at);
    text.split_at_checked(end).filter(|(word, _)| !word.is_empty())
}

/// The literal of a text or of bytes that `source` begins with: what stands in its quotes, and what behind them.
pub(crate) fn text(source: &str) -> Option<(&str, &str)> {
    let quoted = source.trim_start_matches(['r', 'R', 'b', 'B']);
    if source.len() - quoted.len() > 2 {
        return None;
    }
    let quote = ["\"\"\"", "'''", "\"", "'"]
        .into_iter()
        .find(|quote| quoted.starts_with(quote))?;
    let raw = source.get(..source.len() - quoted.len())?.contains(['r', 'R']);
    let inner = quoted.get(quote.len()..)?;
    let mut at = 0;
    loop {
        let rest = inner.get(at..)?;
        if rest.starts_with(quote) {
            return Some((inner.get(..at)?, rest.get(quote.len()..)?));
        }
        let next = rest.chars().next()?;
        at += next.len_utf8();
        if next == '\\' && !raw {
            at += inner.get(at..)?.chars().next()?.len_utf8();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::unasked;

    #[test]
    fn what_may_be_absent_is_asked_for() {
        for (source, expected) in [
            ("token.department == 'finance'", &["token.department"][..]),
            ("has(token.department) && token.department == 'finance'", &[]),
            ("!has(token.a.b) || token.a.b.startsWith('x')", &[]),
            ("token.sub == path.id && local.region == 'here'", &[]),
            (
                "token.name.startsWith('a') && 'x' in token.duties",
                &["token.name", "token.duties"],
            ),
            ("token['a/b'] == 1 || token.`a/b` == 2", &["token.a/b"]),
            ("request.headers['x-client'] == 'legacy'", &["request.headers.x-client"]),
            (
                "has(request.headers['x-client']) && request.headers['x-client'] == 'legacy'",
                &[],
            ),
            ("'token.department' == request.host // token.department", &[]),
            ("request.path == r'\\' && token.level > 3", &["token.level"]),
            ("token.duties.exists(duty, duty.token.x == 1)", &["token.duties"]),
            ("device.managed == false", &["device.managed"]),
            ("identity.locked == true", &["identity.locked"]),
            ("has(identity.locked) && identity.locked", &[]),
            ("risk.score >= 50 && risk.failures > 3", &["risk.score"]),
            ("has(risk.score) && risk.score >= 50", &[]),
            ("token . department == \"a\\\"token.b\"", &["token.department"]),
        ] {
            assert_eq!(unasked(source, |_| false), expected, "{source}");
        }
        assert_eq!(
            unasked("token.department == ''", |path| path == "token.department"),
            [""; 0]
        );
    }
}
