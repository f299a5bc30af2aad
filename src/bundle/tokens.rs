//! `tokens`: where requests present their tokens, and what is demanded of proofs.

use core::time::Duration;

use super::diagnostic::{Problem, Read, Sink};
use super::forward;
use super::limits;
use super::path::Path;
use super::reader::{At, Fields, Shape};
use super::value::Value;
use crate::identity::{DpopOptions, TokenSource, TokenSources, same_name};

const TOKENS: Shape = Shape {
    fields: &["sources", "refreshBefore", "dpop"],
    later: &[],
};

const SOURCE: Shape = Shape {
    fields: &["header", "prefix", "cookie", "query"],
    later: &[],
};

/// Headers that mean something else to browsers, to proxies, or to this filter.
const TAKEN: &[&str] = &["dpop", "origin", "referer", "sec-fetch-site", "user-agent"];

/// The least and the most for `refreshBefore`.
const REFRESH_BEFORE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(24 * 3_600));

const DPOP: Shape = Shape {
    fields: &["nonce", "maxAge"],
    later: &[],
};

/// What `tokens` says.
#[derive(Default)]
pub(super) struct Tokens {
    pub(super) sources: TokenSources,
    pub(super) refresh_before: Option<Duration>,
    pub(super) dpop: Option<DpopOptions>,
}

pub(super) fn read(at: &At<'_>, sink: &mut Sink) -> Read<Tokens> {
    let fields = at.fields(&TOKENS, sink)?;
    let sources = fields.optional("sources", sink, sources);
    let refresh_before = fields.optional("refreshBefore", sink, |at, sink| {
        at.duration(REFRESH_BEFORE.0, REFRESH_BEFORE.1, sink)
    });
    let dpop = fields.optional("dpop", sink, dpop);
    Ok(Tokens {
        sources: sources?.map(TokenSources::new).unwrap_or_default(),
        refresh_before: refresh_before?,
        dpop: dpop?,
    })
}

fn dpop(at: &At<'_>, sink: &mut Sink) -> Read<DpopOptions> {
    let fields = at.fields(&DPOP, sink)?;
    let nonce = fields.optional("nonce", sink, |at, sink| {
        at.word(&[("onRestart", false), ("required", true)], sink)
    });
    let max_age = fields.optional("maxAge", sink, |at, sink| {
        at.duration(Duration::from_secs(5), Duration::from_secs(300), sink)
    });
    let usual = DpopOptions::default();
    Ok(DpopOptions {
        nonce_required: nonce?.unwrap_or(usual.nonce_required),
        max_age: max_age?.unwrap_or(usual.max_age),
    })
}

fn sources(at: &At<'_>, sink: &mut Sink) -> Read<Vec<TokenSource>> {
    let sources = at.list(limits::TOKEN_SOURCES, sink, source)?;
    let mut wrong = None;
    for (index, source) in sources.iter().enumerate() {
        let mut earlier = sources.iter().take(index);
        if let Some(other) = earlier.position(|earlier| is_same(earlier, source)) {
            let message = format!("is the same place as {}[{other}]: keep one of them", at.path);
            wrong = Some(sink.error(&Path::Item(&at.path, index), message));
        }
    }
    wrong.map_or(Ok(sources), Err)
}

/// Whether some server takes the two for one.
fn is_same(left: &TokenSource, right: &TokenSource) -> bool {
    match (left, right) {
        (TokenSource::Authorization, TokenSource::Authorization) => true,
        (TokenSource::Header { name: left, .. }, TokenSource::Header { name: right, .. }) => {
            forward::same_header(left, right)
        }
        (TokenSource::Cookie(left), TokenSource::Cookie(right))
        | (TokenSource::Query(left), TokenSource::Query(right)) => same_name(left.as_bytes(), right),
        _ => false,
    }
}

fn source(at: &At<'_>, sink: &mut Sink) -> Read<TokenSource> {
    let fields = at.fields(&SOURCE, sink)?;
    let header = fields.optional("header", sink, header);
    let cookie = fields.optional("cookie", sink, cookie);
    let query = fields.optional("query", sink, query);
    let prefix = prefix(&fields, sink);
    match (header?, cookie?, query?, prefix?) {
        (Some(name), None, None, None) if name == "authorization" => Ok(TokenSource::Authorization),
        (Some(name), None, None, Some(_)) if name == "authorization" => {
            let message = "the Authorization header has its schemes, `Bearer` and `DPoP`: leave `prefix` out";
            Err(sink.error(&at.path, message))
        }
        (Some(name), None, None, prefix) => {
            let scheme = prefix.unwrap_or_else(|| Some("bearer".to_owned()));
            Ok(TokenSource::Header { name, scheme })
        }
        (None, Some(name), None, None) => Ok(TokenSource::Cookie(name)),
        (None, None, Some(name), None) => Ok(TokenSource::Query(name)),
        (None, _, _, Some(_)) => Err(sink.error(&at.path, "a `prefix` belongs to a `header`")),
        _ => Err(sink.error(&at.path, "must have exactly one of `header`, `cookie` and `query`")),
    }
}

/// A header of lower-case letters that carries nothing else.
fn header(at: &At<'_>, sink: &mut Sink) -> Read<String> {
    let name = at.text(sink)?;
    if name.eq_ignore_ascii_case("authorization") {
        forward::check_case(name, &at.path, sink)?;
        return Ok(name.to_owned());
    }
    forward::check_name(name, &at.path, sink)?;
    let folded = forward::folded(name);
    if folded == "cookie" {
        return Err(sink.error(&at.path, "tokens in cookies are `{cookie: NAME}`"));
    }
    if forward::is_reserved(&folded) || TAKEN.contains(&folded.as_str()) {
        let message = format!("`{folded}` means something else: take a header of your own, like `x-access-token`");
        return Err(sink.error(&at.path, message));
    }
    forward::check_case(name, &at.path, sink)?;
    Ok(name.to_owned())
}

/// The scheme that `prefix` names; `Some(None)`: the token stands alone.
fn prefix(fields: &Fields<'_>, sink: &mut Sink) -> Read<Option<Option<String>>> {
    let Some(at) = fields.field("prefix") else {
        return Ok(None);
    };
    let Value::String(text) = at.value else {
        return Err(at.mismatch("a string", sink));
    };
    if text.is_empty() {
        return Ok(Some(None));
    }
    let scheme = text.strip_suffix(' ').unwrap_or_default();
    if scheme.is_empty() || scheme.len() > limits::NAME || !scheme.bytes().all(forward::is_token) {
        let message = "must be empty, or a word and one space: `\"\"`, `\"Bearer \"`";
        return Err(sink.error(&at.path, Problem::new(message).found(at.value)));
    }
    Ok(Some(Some(scheme.to_ascii_lowercase())))
}

/// A token of RFC 9110, as RFC 6265 §4.1.1 demands.
fn cookie(at: &At<'_>, sink: &mut Sink) -> Read<String> {
    named(
        at,
        "not a cookie's name: letters, digits, `-`, `_` and the like",
        forward::is_token,
        sink,
    )
}

/// Characters that no encoder has to encode (RFC 3986 §2.3).
fn query(at: &At<'_>, sink: &mut Sink) -> Read<String> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    named(
        at,
        "not a parameter's name: letters, digits, `-`, `.`, `_` and `~`",
        plain,
        sink,
    )
}

fn named(at: &At<'_>, message: &str, is_valid: impl Fn(u8) -> bool, sink: &mut Sink) -> Read<String> {
    let name = at.text(sink)?;
    if name.len() > limits::NAME || !name.bytes().all(is_valid) {
        return Err(sink.error(&at.path, Problem::new(message).found(at.value)));
    }
    Ok(name.to_owned())
}
