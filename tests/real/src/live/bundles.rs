//! Bundles that can be told apart by what they let in, and what can be wrong with one.

use regionguard_harness::issuer::{Alg, Issuer, Kind};
use serde_json::{Value, json};

use crate::Result;

/// The authority that is served, and the audience of the local region.
pub const HOST: &str = "api.us-east-1.com";
const REGION: &str = "us-east-1";
const KID: &str = "us-east-1-p256";

/// Who signs the tokens, and whose key the bundles hold.
#[derive(Debug)]
pub struct Signer(Issuer);

impl Signer {
    /// With a key of its own.
    ///
    /// # Errors
    /// When no key can be made.
    pub fn new() -> Result<Self> {
        Ok(Self(
            Issuer::without_keys("identity.global.com", REGION).with_key(KID, Kind::P256)?,
        ))
    }

    /// A token that each bundle of [`bundle`](Self::bundle) takes.
    ///
    /// # Errors
    /// When it cannot be signed.
    pub fn token(&self) -> Result<String> {
        let mut claims = self.0.claims("alice");
        claims["aud"] = json!([HOST]);
        self.0.mint(Alg::Es256, KID, &claims)
    }

    /// The bundle of the push `number`, as this version of `shop`: it allows `/open/**`, `/marker/NUMBER`, and `/odd/**` where
    /// `number` is odd, each by a rule named `push-NUMBER…`. Nothing good allows `/never/**`.
    #[must_use]
    pub fn bundle(&self, number: usize, version: u64) -> Value {
        let mut rules = vec![
            rule(&format!("push-{number}"), "/open/**"),
            rule(&format!("push-{number}-marker"), &format!("/marker/{number}")),
        ];
        if is_odd(number) {
            rules.push(rule(&format!("push-{number}-odd"), "/odd/**"));
        }
        json!({
            "region": REGION,
            "metadata": {"name": "shop", "version": version},
            "trust": {"hosts": [HOST]},
            "documents": [
                {
                    "apiVersion": "security.io/v1", "kind": "Region", "metadata": {"name": REGION},
                    "spec": {
                        "issuer": "identity.global.com",
                        "audiences": [HOST],
                        "keys": {"algorithms": ["ES256"], "jwks": self.0.jwks()},
                        "networks": ["127.0.1.0/24"],
                    },
                },
                {
                    "apiVersion": "security.io/v1", "kind": "ZeroTrustPolicy", "metadata": {"name": "shop"},
                    "spec": {"rules": rules},
                },
            ],
        })
    }

    /// The bundle of the push `number`, which would let in `/never/**` too, and is wrong in one place.
    #[must_use]
    pub fn broken(&self, number: usize, version: u64, fault: &Fault) -> Value {
        let mut bundle = self.bundle(number, version);
        if let Some(rules) = bundle
            .pointer_mut("/documents/1/spec/rules")
            .and_then(Value::as_array_mut)
        {
            rules.push(rule("too-much", "/never/**"));
        }
        (fault.make)(&mut bundle);
        bundle
    }
}

/// Whether the bundle of this push allows `/odd/**`.
#[must_use]
pub fn is_odd(number: usize) -> bool {
    number % 2 == 1
}

/// The push whose bundle has a rule of this name, as the decision line gives it: `policy/rule`.
#[must_use]
pub fn number_of(rule: &str) -> Option<usize> {
    let rest = rule.strip_prefix("shop/push-")?;
    rest.split('-').next()?.parse().ok()
}

fn rule(name: &str, path: &str) -> Value {
    json!({"name": name, "paths": [path], "effect": "allow"})
}

/// A way in which a bundle can be wrong.
#[derive(Debug)]
pub struct Fault {
    /// What the diagnostic names: the place, and what was found there.
    pub named: [&'static str; 2],
    make: fn(&mut Value),
}

/// All kinds of what the filter refuses: fields, values, types, references, secrets.
pub const FAULTS: [Fault; 10] = [
    Fault {
        named: ["documents[1].spec.rules[0].efect", "`effect`"],
        make: |bundle| bundle["documents"][1]["spec"]["rules"][0]["efect"] = json!("allow"),
    },
    Fault {
        named: ["Region us-east-1: documents[0].spec.timezone", "Europe/Atlantis"],
        make: |bundle| bundle["documents"][0]["spec"]["timezone"] = json!("Europe/Atlantis"),
    },
    Fault {
        named: ["documents[1].spec.rules[0].effect", "permit"],
        make: |bundle| bundle["documents"][1]["spec"]["rules"][0]["effect"] = json!("permit"),
    },
    Fault {
        named: ["documents[1].spec.rules[0].paths", "an empty list"],
        make: |bundle| bundle["documents"][1]["spec"]["rules"][0]["paths"] = json!([]),
    },
    Fault {
        named: ["metadata.version", "must be a number"],
        make: |bundle| bundle["metadata"]["version"] = json!("7"),
    },
    Fault {
        named: ["region", "mars-1"],
        make: |bundle| bundle["region"] = json!("mars-1"),
    },
    Fault {
        named: ["documents[1].kind", "ZeroTrustPolitics"],
        make: |bundle| bundle["documents"][1]["kind"] = json!("ZeroTrustPolitics"),
    },
    Fault {
        named: ["documents[0].spec.keys.algorithms", "HS256"],
        make: |bundle| bundle["documents"][0]["spec"]["keys"]["algorithms"] = json!(["HS256"]),
    },
    Fault {
        named: ["documents[0].spec.keys.jwks", "secrets are never in a bundle"],
        make: |bundle| bundle["documents"][0]["spec"]["keys"]["jwks"]["keys"][0]["d"] = json!("AAAA"),
    },
    Fault {
        named: ["documents[2].metadata.name", "of this name already"],
        make: |bundle| {
            let again = bundle["documents"][1].clone();
            if let Some(documents) = bundle["documents"].as_array_mut() {
                documents.push(again);
            }
        },
    },
];
