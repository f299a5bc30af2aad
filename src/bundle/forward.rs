//! `forward`: what the upstream gets of those whom a policy governs.

use super::diagnostic::{Problem, Read, Sink, secret};
use super::document::Forward;
use super::limits;
use super::path::Path;
use super::reader::{At, Shape};
use crate::sort::Arrange as _;

const FORWARD: Shape = Shape {
    fields: &["token", "claims"],
    later: &[],
};

/// Headers that no claim may fill: framing, routing, credentials, what a hop means for the next one only (RFC 9110 §7.6.1), and what proxies and this filter write.
const RESERVED: &[&str] = &[
    "authorization",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "cookie",
    "expect",
    "forwarded",
    "host",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "set-cookie",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
    "x-real-ip",
    "x-request-id",
];

const RESERVED_PREFIXES: &[&str] = &["x-forwarded-", "x-regionguard-", "x-envoy-"];

pub(super) fn read(at: &At<'_>, sink: &mut Sink) -> Read<Forward> {
    let fields = at.fields(&FORWARD, sink)?;
    let strip_token = fields.optional("token", sink, |at, sink| {
        at.word(&[("strip", true), ("pass", false)], sink)
    });
    let claims = fields.optional("claims", sink, |at, sink| claims(at, sink));
    Ok(Forward {
        strip_token: strip_token?.unwrap_or_default(),
        claims: claims?.unwrap_or_default(),
    })
}

/// Header and claim, sorted by header.
fn claims(at: &At<'_>, sink: &mut Sink) -> Read<Vec<(String, String)>> {
    let members = at.members(sink)?;
    if members.len() > limits::FORWARD_CLAIMS {
        let message = format!("too many: {}, {} at most", members.len(), limits::FORWARD_CLAIMS);
        return Err(sink.error(&at.path, message));
    }
    let mut wrong = None;
    let mut claims: Vec<(String, String)> = Vec::with_capacity(members.len());
    for (header, claim) in members {
        let path = Path::Member(&at.path, header);
        let valid = check_header(header, &path, sink);
        let claim = At::new(claim, path).text(sink);
        if let Some((other, _)) = claims.iter().find(|(other, _)| same_header(other, header)) {
            wrong = Some(sink.error(
                &path,
                format!("`{other}` and `{header}` are one header to servers that take `_` for `-`"),
            ));
        }
        match (valid, claim) {
            (Ok(()), Ok(claim)) => claims.push((header.to_string(), claim.to_owned())),
            (Err(reported), _) | (_, Err(reported)) => wrong = Some(reported),
        }
    }
    claims.arrange();
    wrong.map_or(Ok(claims), Err)
}

/// Whether two header names are one, taking `_` for `-`.
pub(super) fn same_header(left: &str, right: &str) -> bool {
    folded(left) == folded(right)
}

/// `name` in lower case, with `-` for `_`.
pub(super) fn folded(name: &str) -> String {
    name.to_ascii_lowercase().replace('_', "-")
}

/// A lower-case token (RFC 9110 §5.6.2) that is nobody else's header.
fn check_header(name: &str, path: &Path<'_>, sink: &mut Sink) -> Read<()> {
    check_name(name, path, sink)?;
    let folded = folded(name);
    if is_reserved(&folded) {
        return Err(sink.error(
            path,
            format!("no claim may fill `{folded}`: take a header of your own, like `x-user`"),
        ));
    }
    check_case(name, path, sink)
}

/// Whether a header, [`folded`], is framing, a credential, or somebody else's to write.
pub(super) fn is_reserved(folded: &str) -> bool {
    RESERVED.contains(&folded) || RESERVED_PREFIXES.iter().any(|prefix| folded.starts_with(prefix))
}

/// A token (RFC 9110 §5.6.2).
pub(super) fn check_name(name: &str, path: &Path<'_>, sink: &mut Sink) -> Read<()> {
    if name.is_empty() || name.len() > limits::NAME || !name.bytes().all(is_token) {
        return Err(sink.error(path, "not a header name: lower-case letters, digits and `-`"));
    }
    Ok(())
}

/// In lower case. It is asked last: what is refused in lower case, too, is no suggestion.
pub(super) fn check_case(name: &str, path: &Path<'_>, sink: &mut Sink) -> Read<()> {
    if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        let problem = Problem::new("header names are lower case here")
            .suggest(secret(name).is_none().then(|| name.to_ascii_lowercase()));
        return Err(sink.error(path, problem));
    }
    Ok(())
}

/// `tchar` of RFC 9110 §5.6.2.
pub(super) fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}
