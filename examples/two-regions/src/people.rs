//! Who asks: one issuer, a key for each region, and tokens that are made for the run.

use std::time::Duration;

use regionguard_harness::Result;
use regionguard_harness::issuer::{Alg, Issuer, Kind, now, unsecured};
use serde_json::{Value, json};

/// The issuer of all tokens: one name, and keys of its own in each region.
const ISSUER: &str = "identity.global.com";

/// Somebody with a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Person {
    /// of us-east-1: reads, and approves postings
    Alice,
    /// of eu-west-1: reads and writes
    Bob,
    /// of us-east-1: may write orders, but in eu-west-1 only
    Carol,
    /// of ap-southeast-1: may do everything, at home
    Dave,
    /// of us-east-1: an administrator with emergency duty
    Erin,
}

impl Person {
    pub(crate) const ALL: [Self; 5] = [Self::Alice, Self::Bob, Self::Carol, Self::Dave, Self::Erin];

    /// The `sub` of the tokens.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Alice => "alice",
            Self::Bob => "bob",
            Self::Carol => "carol",
            Self::Dave => "dave",
            Self::Erin => "erin",
        }
    }

    /// The home region.
    pub(crate) fn home(self) -> &'static str {
        match self {
            Self::Alice | Self::Carol | Self::Erin => "us-east-1",
            Self::Bob => "eu-west-1",
            Self::Dave => "ap-southeast-1",
        }
    }

    fn permissions(self) -> Value {
        match self {
            Self::Alice => {
                json!({"global": ["read:orders", "read:inventory", "read:profile", "approve:postings"], "regional": {}})
            }
            Self::Bob => {
                json!({"global": ["read:orders", "write:orders", "read:profile", "read:segments"], "regional": {}})
            }
            Self::Carol => json!({"global": ["read:orders"], "regional": {"eu-west-1": ["write:orders"]}}),
            Self::Dave => json!({"global": ["read:orders", "write:orders"], "regional": {}}),
            Self::Erin => json!({"global": ["read:orders"], "regional": {}}),
        }
    }

    fn roles(self) -> Value {
        match self {
            Self::Erin => json!(["admin", "emergency"]),
            _ => json!([]),
        }
    }
}

/// What a request brings along.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Token {
    /// nothing
    None,
    /// a proper token
    Of(Person),
    /// proper, but its `exp` has passed an hour ago
    Expired(Person),
    /// names a key of the home region, but the other region's key has signed it
    OtherKey(Person),
    /// `alg: none`, without a signature
    Unsecured(Person),
    /// two proper ones
    Twice(Person),
}

/// The issuer's keys of all regions.
pub(crate) struct People {
    issuers: Vec<Issuer>,
    lifetime: Duration,
}

impl People {
    /// Makes keys for this run; proper tokens are valid for `lifetime`.
    pub(crate) fn new(lifetime: Duration) -> Result<Self> {
        let regions = ["us-east-1", "eu-west-1", "ap-southeast-1"];
        let issuer = |region| Issuer::without_keys(ISSUER, region).with_key(&kid(region), Kind::P256);
        Ok(Self {
            issuers: regions.into_iter().map(issuer).collect::<Result<_>>()?,
            lifetime,
        })
    }

    /// The public keys of `region`, as a JWK Set.
    pub(crate) fn jwks(&self, region: &str) -> Result<Value> {
        Ok(self.issuer(region)?.jwks())
    }

    /// The values of `authorization` that stand for `token`; each call makes a new one.
    pub(crate) fn authorization(&self, token: Token) -> Result<Vec<String>> {
        let tokens = match token {
            Token::None => Vec::new(),
            Token::Of(person) => vec![self.proper(person)?],
            Token::Expired(person) => {
                let mut claims = self.claims(person)?;
                claims["iat"] = json!(now() - 7200);
                claims["exp"] = json!(now() - 3600);
                vec![self.mint(person.home(), &claims)?]
            }
            Token::OtherKey(person) => {
                let home = person.home();
                let other = if home == "us-east-1" { "eu-west-1" } else { "us-east-1" };
                let header = json!({"alg": "ES256", "typ": "JWT", "kid": kid(home)});
                let claims = self.claims(person)?;
                let issuer = self.issuer(other)?;
                vec![issuer.mint_with_header(Alg::Es256, &kid(other), &header, &claims)?]
            }
            Token::Unsecured(person) => vec![unsecured(&self.claims(person)?)],
            Token::Twice(person) => vec![self.proper(person)?, self.proper(person)?],
        };
        Ok(tokens.into_iter().map(|token| format!("Bearer {token}")).collect())
    }

    fn proper(&self, person: Person) -> Result<String> {
        self.mint(person.home(), &self.claims(person)?)
    }

    fn claims(&self, person: Person) -> Result<Value> {
        let mut claims = self.issuer(person.home())?.claims(person.name());
        claims["aud"] = json!(["api.us-east-1.com", "api.eu-west-1.com"]);
        claims["exp"] = json!(now() + self.lifetime.as_secs());
        claims["permissions"] = person.permissions();
        claims["roles"] = person.roles();
        Ok(claims)
    }

    fn mint(&self, region: &str, claims: &Value) -> Result<String> {
        self.issuer(region)?.mint(Alg::Es256, &kid(region), claims)
    }

    fn issuer(&self, region: &str) -> Result<&Issuer> {
        let found = self.issuers.iter().find(|issuer| issuer.region() == region);
        found.ok_or_else(|| {
            format!("no keys for the region `{region}`: there are us-east-1, eu-west-1 and ap-southeast-1").into()
        })
    }
}

fn kid(region: &str) -> String {
    format!("{region}-1")
}
