//! What a bundle says of a token, check by check, and what comes of it: that last word is the kernel's own.

mod claims;
mod verdict;

use std::rc::Rc;

use regionguard::bundle::document::{KeySource, Region};
use regionguard::bundle::{self, Encoding, Generation};
use regionguard::identity::{Algorithm, Crypto, RegionClaim, RingVerifier, SignatureVerifier, Times, verify_compact};
use regionguard::reason::Reason;
use regionguard::time::WallTime;
use serde_json::{Value, json};

use super::Decoded;
use crate::input;
use crate::trial::{Token, find_claim};

/// One check.
pub(super) struct Check {
    /// What is checked.
    pub(super) name: &'static str,
    pub(super) outcome: Outcome,
    /// What was found.
    pub(super) said: String,
}

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Ok,
    Failed,
    /// It cannot be told here.
    Unknown,
}

impl Outcome {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Failed => "no",
            Self::Unknown => "unknown",
        }
    }
}

/// Where a token is judged.
struct Place<'p> {
    token: &'p Decoded,
    generation: &'p Generation,
    local: &'p Region,
    at: WallTime,
}

/// All checks of `token` under `bundle` in the Region `local` at `at`; the last one is the verdict. `jwks` are keys of Regions that fetch them.
///
/// # Errors
/// When the arguments make no sense with this bundle.
pub(super) fn all(
    token: &Decoded,
    bundle: &Value,
    local: Option<&str>,
    jwks: &[String],
    at: WallTime,
) -> Result<Vec<Check>, String> {
    let generation = compiled(bundle, jwks)?;
    let id = match local {
        Some(name) => generation
            .region_named(name)
            .ok_or_else(|| format!("the bundle has no Region `{name}`"))?,
        None => generation
            .local
            .ok_or("the bundle has no `region`: say where the proxy stands by `--for REGION`")?,
    };
    let local = generation.region(id).ok_or("the bundle has no such Region")?;
    let place = Place {
        token,
        generation: &generation,
        local,
        at,
    };
    let home = place.home();
    let judged = place.judge(id);
    let mut checks = vec![place.form(), place.issuer(), place.region(home), place.accepted(home)];
    checks.extend(place.signature(home, judged.is_ok()));
    checks.extend([
        place.claims(home),
        place.times(home),
        place.audience(home),
        place.binding(),
        place.revoked(home, judged.as_deref().ok()),
    ]);
    if let Err(refused) = &judged
        && refused.awaits.is_none()
    {
        blame(&mut checks, refused.reason);
    }
    checks.push(place.verdict(judged, &checks));
    Ok(checks)
}

/// The check that a reason belongs to; `None`: it is no property of a token.
fn check_of(reason: Reason) -> Option<&'static str> {
    Some(match reason {
        Reason::TokenMalformed | Reason::TokenTooLarge | Reason::TokenType | Reason::TokenCritical => "form",
        Reason::IssuerUnknown => "issuer",
        Reason::RegionMismatch => "region",
        Reason::RegionNotAccepted | Reason::WorkloadNotAccepted => "accepted",
        Reason::KeyUnknown | Reason::KeysUnavailable | Reason::TokenAlgorithm => "key",
        Reason::TokenSignature => "signature",
        Reason::TokenClaims => "claims",
        Reason::TokenExpired | Reason::TokenNotYetValid | Reason::TokenLifetime => "times",
        Reason::TokenAudience => "audience",
        Reason::TokenBound => "binding",
        Reason::TokenRevoked | Reason::TokenStatus => "revoked",
        _ => return None,
    })
}

/// Says the kernel's reason in the check that it belongs to, unless that has found something itself: what refuses a token is never in the verdict alone.
fn blame(checks: &mut [Check], reason: Reason) {
    let blamed = checks.iter_mut().find(|check| Some(check.name) == check_of(reason));
    if let Some(check) = blamed.filter(|check| check.outcome != Outcome::Failed) {
        check.outcome = Outcome::Failed;
        check.said = because(reason);
    }
}

/// The bundle, with these keys in place of those that Regions fetch.
fn compiled(bundle: &Value, jwks: &[String]) -> Result<Generation, String> {
    let mut bundle = bundle.clone();
    for given in jwks {
        let (name, path) = given
            .split_once('=')
            .ok_or_else(|| format!("`--jwks {given}`: write REGION=FILE"))?;
        let text = input::text(path)?;
        let set: Value = serde_json::from_str(&text).map_err(|error| format!("{path}: not JSON: {error}"))?;
        let set = set
            .get("keys")
            .ok_or_else(|| format!("{path}: no JWK Set: it has no `keys`"))?;
        let documents = bundle.get_mut("documents").and_then(Value::as_array_mut);
        let region = documents.into_iter().flatten().find(|document| {
            let text = |pointer: &str| document.pointer(pointer).and_then(Value::as_str);
            text("/kind") == Some("Region") && text("/metadata/name") == Some(name)
        });
        let keys = region.and_then(|region| region.pointer_mut("/spec/keys"));
        let keys = keys.ok_or_else(|| format!("the bundle has no Region `{name}`"))?;
        let mut own = json!({"jwks": {"keys": set}});
        if let Some(algorithms) = keys.get("algorithms") {
            own["algorithms"] = algorithms.clone();
        }
        *keys = own;
    }
    bundle::compile(&bundle.to_string().into_bytes(), Encoding::Json).map_err(|diagnostics| {
        let first = diagnostics.first().map(ToString::to_string).unwrap_or_default();
        format!("the bundle does not compile with these keys: {first}")
    })
}

impl<'p> Place<'p> {
    fn form(&self) -> Check {
        let text = |name: &str| self.token.header.get(name).map(ToString::to_string);
        let said =
            ["alg", "typ", "kid"].map(|name| format!("{name} {}", text(name).unwrap_or_else(|| "absent".to_owned())));
        let known = self.algorithm().is_some();
        let said = said.join(", ");
        match known {
            true => check("form", Outcome::Ok, said),
            false => check(
                "form",
                Outcome::Failed,
                format!("{said}: no algorithm that is taken for tokens"),
            ),
        }
    }

    fn issuer(&self) -> Check {
        let Some(issuer) = self.text("iss") else {
            return match self.is_workload() {
                true => check("issuer", Outcome::Ok, "none, which a workload's token may lack"),
                false => check("issuer", Outcome::Failed, "the token has no `iss`"),
            };
        };
        let of: Vec<&str> = self.of_issuer(issuer).map(|region| region.name.as_str()).collect();
        match of.is_empty() {
            true => check(
                "issuer",
                Outcome::Failed,
                format!("no Region has the issuer `{issuer}`"),
            ),
            false => check(
                "issuer",
                Outcome::Ok,
                format!("`{issuer}`, of Region {}", of.join(", ")),
            ),
        }
    }

    fn region(&self, home: Option<&Region>) -> Check {
        match home {
            Some(home) => check("region", Outcome::Ok, format!("at home in {}", home.name)),
            None => check(
                "region",
                Outcome::Failed,
                "no Region of this issuer has the name that the token's region claim says",
            ),
        }
    }

    fn accepted(&self, home: Option<&Region>) -> Check {
        let local = &self.local.name;
        let Some(home) = home else {
            return check("accepted", Outcome::Unknown, "nobody knows whose token it is");
        };
        if home.name == *local {
            return check("accepted", Outcome::Ok, format!("{local} is where it is used"));
        }
        match self.local.accepts.iter().any(|entry| entry.home == home.name) {
            true => check(
                "accepted",
                Outcome::Ok,
                format!("{local} accepts tokens of {}", home.name),
            ),
            false => check(
                "accepted",
                Outcome::Failed,
                format!("`accepts` of {local} does not list {}", home.name),
            ),
        }
    }

    /// The key, and the signature.
    fn signature(&self, home: Option<&Region>, is_valid: bool) -> [Check; 2] {
        let untold = |key: Check| {
            [
                key,
                check("signature", Outcome::Unknown, "without a key nobody can tell"),
            ]
        };
        let Some(home) = home else {
            return untold(check("key", Outcome::Unknown, "nobody knows whose token it is"));
        };
        let KeySource::Inline(ring) = &home.keys.source else {
            let said = format!(
                "{} fetches its keys: give them by `--jwks {}=FILE`",
                home.name, home.name
            );
            return untold(check("key", Outcome::Unknown, said));
        };
        let Some(algorithm) = self.algorithm() else {
            return untold(check("key", Outcome::Failed, "no key is for this `alg`"));
        };
        let kid = self.token.header.get("kid").and_then(Value::as_str);
        let chosen = match self.is_workload() {
            true => ring.select_for_svid(kid, algorithm),
            false => ring.select(kid, algorithm),
        };
        let key = match chosen {
            Ok(_) => check(
                "key",
                Outcome::Ok,
                format!("{} has it, for {}", home.name, algorithm.name()),
            ),
            Err(reason) => return untold(check("key", Outcome::Failed, because(reason))),
        };
        let verifier: Rc<dyn SignatureVerifier> = Rc::new(RingVerifier);
        let verified = Crypto::install()
            .map_err(|_| Reason::ForeignVerifier)
            .and_then(|crypto| verify_compact(self.token.text.as_bytes(), ring, crypto, &verifier));
        let signature = match verified {
            // A JWT-SVID is read by the kernel alone.
            _ if is_valid => check("signature", Outcome::Ok, "the key's"),
            Ok(_) => check("signature", Outcome::Ok, "the key's"),
            Err(Reason::TokenSignature) => check(
                "signature",
                Outcome::Failed,
                "not the key's: another key signed it, or it was changed",
            ),
            Err(reason) => check("signature", Outcome::Unknown, because(reason)),
        };
        [key, signature]
    }

    fn times(&self, home: Option<&Region>) -> Check {
        let number = |name: &str| self.token.payload.get(name).and_then(Value::as_f64);
        let Some(expires) = number("exp") else {
            return check("times", Outcome::Failed, "the token has no `exp`");
        };
        let times = Times {
            expires,
            not_before: number("nbf"),
            issued: number("iat"),
        };
        let now = self.at.numeric_date();
        let limits = [
            home.and_then(|home| home.max_token_lifetime),
            self.local.max_token_lifetime,
        ];
        let said = format!(
            "{}, {}",
            times
                .issued
                .map_or("issued nobody knows when".to_owned(), |issued| format!(
                    "issued {}",
                    relative(issued - now)
                )),
            if expires > now {
                format!("ends {}", relative(expires - now))
            } else {
                format!("ended {}", relative(expires - now))
            },
        );
        match times.check(now, limits.into_iter().flatten().min()) {
            Ok(()) => check("times", Outcome::Ok, said),
            Err(reason) => check("times", Outcome::Failed, format!("{said}: {}", because(reason))),
        }
    }

    fn audience(&self, home: Option<&Region>) -> Check {
        let instead = || find_claim(home?.claims.audience.as_ref()?, &self.token.payload);
        let audiences: Vec<&str> = match self.token.payload.get("aud").or_else(instead) {
            Some(Value::String(one)) => vec![one],
            Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        let ours = &self.local.audiences;
        match audiences
            .iter()
            .find(|audience| ours.iter().any(|own| own == *audience))
        {
            Some(audience) => check("audience", Outcome::Ok, format!("`{audience}`, of {}", self.local.name)),
            None => {
                let said = format!(
                    "`{}`; {} is `{}`",
                    audiences.join("`, `"),
                    self.local.name,
                    ours.join("`, `")
                );
                check("audience", Outcome::Failed, said)
            }
        }
    }

    fn binding(&self) -> Check {
        let Some(binding) = self.token.payload.get("cnf") else {
            return check("binding", Outcome::Ok, "a bearer token: whoever has it may use it");
        };
        let said = match (binding.get("x5t#S256"), binding.get("jkt")) {
            (Some(_), None) => "counts with the client certificate that it is bound to (RFC 8705)",
            (None, Some(_)) => "counts with a DPoP proof of the key that it is bound to (RFC 9449)",
            _ => return check("binding", Outcome::Failed, because(Reason::TokenBound)),
        };
        check("binding", Outcome::Ok, said)
    }

    /// The Region whose token it says it is.
    fn home(&self) -> Option<&'p Region> {
        let token = Token {
            claims: self.token.payload.clone(),
            ..Token::default()
        };
        if self.is_workload() {
            return self.generation.region(token.told_home(self.generation)?);
        }
        let mut named = self
            .of_issuer(self.text("iss")?)
            .filter(|region| match &region.claims.region {
                RegionClaim::Claim(path) => token.claim(path).and_then(Value::as_str) == Some(&region.name),
                RegionClaim::FromIssuer => true,
            });
        let first = named.next()?;
        named.next().is_none().then_some(first)
    }

    fn of_issuer(&self, issuer: &str) -> impl Iterator<Item = &'p Region> {
        let regions = self.generation.regions.iter();
        regions.filter(move |region| region.issuer == issuer)
    }

    /// Whether its subject is a workload of a trust domain that a Region lists.
    fn is_workload(&self) -> bool {
        let domain = self
            .text("sub")
            .and_then(|subject| subject.strip_prefix("spiffe://")?.split('/').next());
        let mut listed = self.generation.regions.iter().flat_map(|region| &region.trust_domains);
        domain.is_some_and(|domain| listed.any(|own| own == domain))
    }

    fn algorithm(&self) -> Option<Algorithm> {
        Algorithm::named(self.token.header.get("alg")?.as_str()?)
    }

    fn text(&self, claim: &str) -> Option<&'p str> {
        self.token.payload.get(claim)?.as_str()
    }
}

fn check(name: &'static str, outcome: Outcome, said: impl Into<String>) -> Check {
    Check {
        name,
        outcome,
        said: said.into(),
    }
}

fn because(reason: Reason) -> String {
    format!("{}: {}", reason.code(), reason.row().advice)
}

/// A time `seconds` from now, in the largest unit that tells something.
fn relative(seconds: f64) -> String {
    let length = seconds.abs();
    let (count, unit) = match length {
        _ if length < 120.0 => (length, "s"),
        _ if length < 7_200.0 => (length / 60.0, "min"),
        _ if length < 172_800.0 => (length / 3_600.0, "h"),
        _ => (length / 86_400.0, "days"),
    };
    match seconds < 0.0 {
        true => format!("{count:.0} {unit} ago"),
        false => format!("in {count:.0} {unit}"),
    }
}

#[cfg(test)]
mod tests;
