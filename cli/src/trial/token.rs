//! The token of a trial: what it says, what is filled in, and where it is put.

use std::io::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use flate2::Compression;
use flate2::write::ZlibEncoder;
use regionguard::bundle::document::Region;
use regionguard::bundle::{Generation, RegionId};
use regionguard::identity::{ClaimPath, RegionClaim};
use regionguard::time::WallTime;
use serde_json::{Map, Value, json};

use super::der::Certificate;
use super::issuer::Issuer;

/// For how long a token is valid, in seconds, where nothing is said and no Region wants it shorter.
const LIFETIME: u64 = 300;
/// The largest place in a status list that a trial makes a list for.
const STATUS_MAX: u64 = 1 << 20;

/// A token as a trial says it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Token {
    /// Whose it is: the name of a Region, which signs it. `None`: the Region that the claims name, or else the local one.
    pub(crate) home: Option<String>,
    /// What it says. `iss`, the claim of the region, `aud`, `iat`, `exp` and what the Region requires are filled in where they are absent.
    pub(crate) claims: Map<String, Value>,
    /// Claims that are not filled in.
    pub(crate) without: Vec<String>,
    /// The name of the key that signs it; `None`: one that nobody has revoked by its name.
    pub(crate) kid: Option<String>,
    /// It is bound to the certificate of the direct peer (RFC 8705).
    pub(crate) bound: bool,
    /// The list of its Region says that it is revoked.
    pub(crate) revoked: bool,
}

/// A token that was signed.
pub(super) struct Minted {
    pub(super) text: String,
    /// `jti`.
    pub(super) id: String,
    pub(super) revoked: bool,
    /// The Region that signed it.
    pub(super) home: String,
    claims: Map<String, Value>,
}

impl Token {
    /// The Region that the claims name: by the trust domain of a workload, or as the Region says where its name stands.
    pub(crate) fn told_home(&self, generation: &Generation) -> Option<RegionId> {
        let is_at_home = |region: &Region| {
            let workload = self.text("sub").and_then(|subject| subject.strip_prefix("spiffe://"));
            let domain = workload.and_then(|workload| workload.split('/').next());
            if domain.is_some_and(|domain| region.trust_domains.iter().any(|own| own == domain)) {
                return true;
            }
            match &region.claims.region {
                RegionClaim::Claim(path) => find(path, &self.claims).and_then(Value::as_str) == Some(&region.name),
                RegionClaim::FromIssuer => self.text("iss") == Some(&region.issuer),
            }
        };
        let found = generation.regions.iter().find(|region| is_at_home(region))?;
        generation.region_named(&found.name)
    }

    /// Signs it at `at`, for a proxy in the Region `local`.
    ///
    /// # Errors
    /// When there is no such key, or its Region has no list in which it could be revoked.
    pub(super) fn mint(
        &self,
        (home, issuer): (&Region, &Issuer),
        local: Option<&Region>,
        at: WallTime,
        certificate: Option<&Certificate>,
    ) -> Result<Minted, String> {
        let mut claims = self.filled(home, local, at);
        if self.bound
            && let Some(certificate) = certificate
        {
            claims.insert("cnf".to_owned(), json!({"x5t#S256": certificate.thumbprint()}));
        }
        if self.revoked {
            let revocation = home.revocation.as_ref();
            let listed = revocation.is_some_and(|revocation| revocation.list.is_some());
            let by_status =
                revocation.is_some_and(|revocation| revocation.status_lists.is_some()) && claims.contains_key("status");
            if !listed && !by_status {
                return Err(format!(
                    "Region {} has no list in which a token could be revoked (`revocation`): write a Revocations document",
                    home.name
                ));
            }
            claims.entry("jti").or_insert_with(|| json!("trial"));
        }
        let id = claims.get("jti").and_then(Value::as_str).unwrap_or_default().to_owned();
        Ok(Minted {
            text: issuer.sign(self.kid.as_deref(), "JWT", &claims)?,
            id,
            revoked: self.revoked,
            home: home.name.clone(),
            claims,
        })
    }

    /// The claims, with those that every token needs.
    pub(crate) fn filled(&self, home: &Region, local: Option<&Region>, at: WallTime) -> Map<String, Value> {
        let mut claims = self.claims.clone();
        let mut fill = |name: &str, value: Value| {
            if !self.without.iter().any(|without| without == name) && find_path(name, &claims).is_none() {
                insert(name, value, &mut claims);
            }
        };
        fill("iss", json!(home.issuer));
        if let RegionClaim::Claim(path) = &home.claims.region {
            fill(path.as_str(), json!(home.name));
        }
        let audience = home.claims.audience.as_ref().map_or("aud", ClaimPath::as_str);
        if let Some(first) = local.unwrap_or(home).audiences.first() {
            fill(audience, json!(first));
        }
        for (path, value) in &home.claims.require {
            fill(path.as_str(), json!(value));
        }
        let now = at.0 / 1_000_000_000;
        let limits = [Some(home), local]
            .into_iter()
            .flatten()
            .filter_map(|region| region.max_token_lifetime);
        let lifetime = limits.map(|limit| limit.as_secs()).chain([LIFETIME]).min();
        fill("iat", json!(now));
        fill("exp", json!(now.saturating_add(lifetime.unwrap_or(LIFETIME))));
        claims
    }

    /// Says this at `path`, unless something stands there.
    pub(crate) fn fill(&mut self, path: &str, value: Value) {
        if find_path(path, &self.claims).is_none() {
            insert(path, value, &mut self.claims);
        }
    }

    /// What stands at this path.
    pub(crate) fn claim(&self, path: &ClaimPath) -> Option<&Value> {
        find(path, &self.claims)
    }

    fn text(&self, claim: &str) -> Option<&str> {
        self.claims.get(claim)?.as_str()
    }
}

impl Minted {
    /// What stands at this path.
    pub(super) fn claim(&self, path: &ClaimPath) -> Option<&Value> {
        find(path, &self.claims)
    }

    /// The claims of the status list that the token names, in which it is revoked or not.
    pub(super) fn status_list(&self) -> Option<Map<String, Value>> {
        let reference = self.claims.get("status")?.get("status_list")?;
        let index = reference.get("idx")?.as_u64().filter(|index| *index < STATUS_MAX)?;
        let mut bytes = vec![0_u8; usize::try_from(index / 8 + 1).ok()?];
        if self.revoked {
            *bytes.last_mut()? = 1 << (index % 8);
        }
        let mut list = ZlibEncoder::new(Vec::new(), Compression::default());
        list.write_all(&bytes).ok()?;
        let list = URL_SAFE_NO_PAD.encode(list.finish().ok()?);
        let claims = json!({
            "sub": reference.get("uri")?,
            "iat": self.claims.get("iat").cloned().unwrap_or_else(|| json!(0)),
            "status_list": {"bits": 1, "lst": list},
        });
        claims.as_object().cloned()
    }
}

/// Where a bundle looks for a token first.
pub(super) enum Place {
    Header { name: String, scheme: Option<String> },
    Cookie(String),
    Query(String),
}

impl Place {
    /// The first of `tokens.sources`.
    pub(super) fn of(bundle: &Value) -> Self {
        let first = bundle.pointer("/tokens/sources/0");
        let text = |name: &str| first?.get(name)?.as_str().map(str::to_owned);
        match (text("cookie"), text("query"), text("header")) {
            (Some(name), ..) => Self::Cookie(name),
            (_, Some(name), _) => Self::Query(name),
            (_, _, Some(name)) if name != "authorization" => Self::Header {
                name,
                scheme: match text("prefix") {
                    None => Some("Bearer".to_owned()),
                    Some(prefix) => Some(prefix.trim_end().to_owned()).filter(|scheme| !scheme.is_empty()),
                },
            },
            _ => Self::Header {
                name: "authorization".to_owned(),
                scheme: Some("Bearer".to_owned()),
            },
        }
    }

    /// Puts the token there.
    pub(super) fn put(&self, token: &str, lines: &mut Vec<(String, String)>) {
        match self {
            Self::Header { name, scheme } => {
                let value = scheme
                    .as_ref()
                    .map_or_else(|| token.to_owned(), |scheme| format!("{scheme} {token}"));
                lines.push((name.clone(), value));
            }
            Self::Cookie(name) => {
                let pair = format!("{name}={token}");
                match lines.iter_mut().find(|(found, _)| found == "cookie") {
                    Some((_, cookies)) => *cookies = format!("{cookies}; {pair}"),
                    None => lines.push(("cookie".to_owned(), pair)),
                }
            }
            Self::Query(name) => {
                for (_, path) in lines.iter_mut().filter(|(found, _)| found == ":path") {
                    let separator = if path.contains('?') { '&' } else { '?' };
                    path.push_str(&format!("{separator}{name}={token}"));
                }
            }
        }
    }
}

/// What stands at this path.
pub(crate) fn find<'c>(path: &ClaimPath, claims: &'c Map<String, Value>) -> Option<&'c Value> {
    find_path(path.as_str(), claims)
}

/// As the kernel finds it: the whole path as one name comes first.
fn find_path<'c>(path: &str, claims: &'c Map<String, Value>) -> Option<&'c Value> {
    if let Some(whole) = claims.get(path) {
        return Some(whole);
    }
    let (first, rest) = path.split_once('.')?;
    rest.split('.')
        .try_fold(claims.get(first)?, |value, name| value.as_object()?.get(name))
}

/// Where the kernel finds it: within other members where the path is names with dots between them, else as one name.
fn insert(path: &str, value: Value, claims: &mut Map<String, Value>) {
    let is_plain = |character: char| character.is_ascii_alphanumeric() || matches!(character, '_' | '-');
    let nested = path
        .split('.')
        .all(|name| !name.is_empty() && name.chars().all(is_plain));
    let names: Vec<&str> = path.split('.').collect();
    let (Some((last, parents)), true) = (names.split_last(), nested) else {
        claims.insert(path.to_owned(), value);
        return;
    };
    let mut inner = Some(&mut *claims);
    for parent in parents {
        inner = inner.and_then(|members| {
            members
                .entry((*parent).to_owned())
                .or_insert_with(|| json!({}))
                .as_object_mut()
        });
    }
    match inner {
        Some(members) => {
            members.insert((*last).to_owned(), value);
        }
        None => {
            claims.insert(path.to_owned(), value);
        }
    }
}
