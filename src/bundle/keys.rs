//! `keys` of a Region: the public keys that sign its tokens, inline, or where they are fetched.

use core::time::Duration;
use std::sync::Arc;

use super::diagnostic::{Code, Problem, Read, Sink, short};
use super::document::{Address, Discovery, Host, KeySource, Keys, Remote, Schedule};
use super::limits;
use super::reader::{At, Shape, one_of};
use super::value::Value;
use super::{Url, remote};
use crate::bundle::path::Path;
use crate::identity::{Algorithm, Jwk, KeyProblem, KeyRing};

const KEYS: Shape = Shape {
    fields: &["algorithms", "jwks", "remote", "discovery"],
    later: &[],
};

/// A SPIFFE bundle has two members more, which say how to fetch it (SPIFFE Trust Domain and Bundle §4.1): they mean nothing inline.
const JWKS: Shape = Shape {
    fields: &["keys", "spiffeSequence", "spiffeRefreshHint"],
    later: &[],
};

/// As [`remote::REMOTE`], and where the keys are.
const DISCOVERY: Shape = Shape {
    fields: &[
        "cluster",
        "authority",
        "path",
        "jwks",
        "refresh",
        "staleFor",
        "timeout",
        "waitFor",
    ],
    later: &[],
};

const HOST: Shape = Shape {
    fields: &["cluster", "authority"],
    later: &[],
};

/// What an issuer's configuration stands under (OpenID Connect Discovery 1.0 §4).
const CONFIGURATION: &str = "/.well-known/openid-configuration";
/// Where a JWKS stands if nothing else is said.
const JWKS_PATH: &str = "/.well-known/jwks.json";
/// How keys are fetched where the Region does not say.
const USUAL: Schedule = Schedule {
    refresh: Duration::from_secs(300),
    stale_for: Duration::from_secs(24 * 3_600),
    timeout: Duration::from_secs(5),
    wait_for: Duration::from_secs(2),
};

/// `keys` of the Region of this issuer, as far as that could be read.
pub(super) fn read(at: &At<'_>, issuer: Option<&str>, sink: &mut Sink) -> Read<Keys> {
    let fields = at.fields(&KEYS, sink)?;
    let algorithms = fields.optional("algorithms", sink, |at, sink| {
        at.list(limits::ALGORITHMS, sink, algorithm)
    });
    let jwks = fields.optional("jwks", sink, |at, sink| {
        let fields = at.fields(&JWKS, sink)?;
        fields.required("keys", sink, |at, sink| at.list(limits::KEYS, sink, jwk))
    });
    let remote = fields.optional("remote", sink, |at, sink| remote::remote(at, JWKS_PATH, USUAL, sink));
    let discovery = fields.optional("discovery", sink, |at, sink| discovery(at, issuer, sink));
    let (algorithms, jwks, remote, discovery) = (algorithms?, jwks?, remote?, discovery?);
    let source = match (jwks, remote, discovery) {
        (Some(jwks), None, None) => KeySource::Inline(Arc::new(inline(at, &jwks, algorithms.as_deref(), sink)?)),
        (None, Some(remote), None) => KeySource::Remote(remote),
        (None, None, Some(discovery)) => KeySource::Discovery(discovery),
        (None, None, None) => {
            let problem =
                Problem::new("`jwks` is missing, or `remote` or `discovery`: where are the keys?").code(Code::Missing);
            return Err(sink.error(&at.path, problem));
        }
        _ => {
            let message = "keys come from one place: keep one of `jwks`, `remote` and `discovery`";
            return Err(sink.error(&at.path, message));
        }
    };
    Ok(Keys { algorithms, source })
}

/// The configuration's place follows from the issuer where that is a URL: its host, and its path with the well-known one behind it.
fn discovery(at: &At<'_>, issuer: Option<&str>, sink: &mut Sink) -> Read<Discovery> {
    let fields = at.fields(&DISCOVERY, sink)?;
    let issuer = issuer.and_then(Url::parse);
    let usual = issuer.as_ref().map(|issuer| issuer.authority.to_string());
    let host = remote::host(at, &fields, usual.as_deref(), sink);
    let path = fields.optional("path", sink, remote::path);
    let schedule = remote::schedule(&fields, USUAL, sink);
    let jwks = fields.optional("jwks", sink, |at, sink| {
        let fields = at.fields(&HOST, sink)?;
        remote::host(at, &fields, None, sink)
    });
    let Host { cluster, authority } = host?;
    let path = match (path?, issuer) {
        (Some(path), _) => path.to_owned(),
        (None, Some(issuer)) if !issuer.path.contains('?') => {
            format!("{}{CONFIGURATION}", issuer.path.trim_end_matches('/'))
        }
        (None, _) => {
            let message = "the issuer is no URL that its configuration could stand under: give `path`";
            return Err(sink.error(&at.path, message));
        }
    };
    Ok(Discovery {
        document: Remote {
            address: Address {
                cluster,
                authority,
                path,
            },
            schedule: schedule?,
        },
        jwks: jwks?,
    })
}

fn inline(at: &At<'_>, jwks: &[Jwk], algorithms: Option<&[Algorithm]>, sink: &mut Sink) -> Read<KeyRing> {
    let built = KeyRing::build(jwks, algorithms);
    let keys = Path::Member(&at.path, "jwks");
    let list = Path::Member(&keys, "keys");
    for problem in &built.warnings {
        sink.warn(&Path::Item(&list, problem.index), spoken(problem));
    }
    let mut wrong = None;
    for problem in &built.errors {
        wrong = Some(sink.error(&Path::Item(&list, problem.index), spoken(problem)));
    }
    if let Some(reported) = wrong {
        return Err(reported);
    }
    if built.ring.is_empty() {
        return Err(sink.error(
            &list,
            "not one of the keys can be used here: no token could ever be verified",
        ));
    }
    Ok(built.ring)
}

/// The problem with the key's own name, which says more than its place.
fn spoken(problem: &KeyProblem) -> String {
    match &problem.kid {
        Some(kid) => format!("key `{}`: {}", short(kid), problem.message),
        None => problem.message.clone(),
    }
}

fn algorithm(at: &At<'_>, sink: &mut Sink) -> Read<Algorithm> {
    let name = at.text(sink)?;
    if let Some(algorithm) = Algorithm::named(name) {
        return Ok(algorithm);
    }
    if name.eq_ignore_ascii_case("none") || name.to_ascii_uppercase().starts_with("HS") {
        let name = short(name);
        let message = format!("`{name}` is never allowed: a token must be signed with a key that only its issuer has");
        return Err(sink.error(&at.path, message));
    }
    let known: Vec<&str> = Algorithm::ALL.iter().map(|algorithm| algorithm.name()).collect();
    let problem = Problem::new(format!("must be {}", one_of(&known))).found(at.value);
    let meant = sink.nearest(name, known.iter().copied());
    Err(sink.error(&at.path, problem.suggest(meant)))
}

/// A JWK (RFC 7517 §4). Members that are not known are left aside, as the RFC demands; those of private keys are refused. Nothing of a value is ever shown.
fn jwk(at: &At<'_>, sink: &mut Sink) -> Read<Jwk> {
    let members = at.members(sink)?;
    if size(at.value) > limits::KEY_NODES {
        return Err(sink.error(&at.path, format!("a key of more than {} values", limits::KEY_NODES)));
    }
    if let Some(secret) = Jwk::SECRET_MEMBERS
        .iter()
        .find(|name| members.iter().any(|(given, _)| **given == ***name))
    {
        let message = format!(
            "`{secret}` is a member of a private or symmetric key: secrets are never in a bundle, which stands in configuration dumps; give the public key only, and replace this one"
        );
        return Err(sink.error(&at.path, message));
    }
    let mut text = |name: &str| -> Read<Option<String>> {
        let Some((_, value)) = members.iter().find(|(given, _)| **given == *name) else {
            return Ok(None);
        };
        match value {
            Value::String(text) if text.len() <= limits::KEY_TEXT => Ok(Some(text.clone())),
            Value::String(_) => Err(sink.error(&Path::Member(&at.path, name), "is too long")),
            _ => Err(sink.error(&Path::Member(&at.path, name), "must be a string")),
        }
    };
    let (kty, kid, alg, usage, crv) = (text("kty"), text("kid"), text("alg"), text("use"), text("crv"));
    let (n, e, x, y) = (text("n"), text("e"), text("x"), text("y"));
    let operations = members
        .iter()
        .find(|(given, _)| **given == *"key_ops")
        .map(|(name, value)| {
            let at = At::new(value, Path::Member(&at.path, name));
            at.list(limits::ALGORITHMS, sink, |at, sink| at.text(sink).map(str::to_owned))
        });
    Ok(Jwk {
        kty: kty?,
        kid: kid?,
        alg: alg?,
        usage: usage?,
        key_ops: operations.transpose()?,
        crv: crv?,
        n: n?,
        e: e?,
        x: x?,
        y: y?,
        secret: None,
    })
}

/// The number of values in `value`; its depth is bounded.
fn size(value: &Value) -> usize {
    match value {
        Value::List(items) => items.iter().map(size).fold(1, usize::saturating_add),
        Value::Object(members) => members
            .iter()
            .map(|(_, value)| size(value))
            .fold(1, usize::saturating_add),
        _ => 1,
    }
}
