//! What is compared: each variant is a listener of one Envoy, with a chain of HTTP filters and a load of its own.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use regionguard_harness::Result;
use regionguard_harness::config::{Base, Config, http_filter};
use regionguard_harness::issuer::{Alg, Issuer};
use regionguard_harness::policy_folder::PolicyFolder;
use serde_json::{Value, json};

use crate::mutual::Mutual;
use crate::revoked;
use crate::rules::{self, CENTER_TIMEOUT, HOST, ISSUER, PAYLOAD, REGION};

/// One thing to measure.
pub struct Variant {
    /// Its name on the command line, and its listener's.
    pub name: &'static str,
    /// What it is, for people.
    pub about: &'static str,
    /// What is sent.
    pub load: Load,
    /// Which answers show that the filters are there and decide.
    pub guards: Guards,
    /// What it is measured above: the same without filters.
    pub above: &'static str,
    chain: &'static [Part],
}

/// What is sent to a variant.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Load {
    /// One token, for the rule of this number.
    Warm(usize),
    /// A token that was never seen before with each request, for rule 5.
    Cold(Alg),
    /// One token of about 1 KB, with a department and the posture of a device, for rule 5.
    Conditional,
    /// One token over TLS with a client certificate, for rule 5.
    Tls,
    /// The same with a token that is bound to that certificate.
    Certificate,
    /// One token that is bound to a key, with another proof for each request, for rule 5.
    Proof,
    /// One token, and a question to the center: another with each request.
    Center,
    /// One token, and the same question to the center.
    SameQuestion,
}

/// What is not let in.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Guards {
    /// Everything is.
    Nothing,
    /// A request without a token.
    Token,
    /// That, and one whose token has not the permission.
    Permission,
    /// A request that the center denies.
    Center,
}

#[derive(Clone, Copy)]
enum Part {
    /// `jwt_authn`, the payload in dynamic metadata.
    Jwt {
        cache: bool,
        payload_header: bool,
    },
    Rbac(usize),
    ExtAuthz,
    DirectPeer,
    /// Ours, with a bundle of so many rules.
    Ours(usize),
    /// The same, each rule with a condition.
    OursConditional(usize),
    /// The same, where a million tokens are revoked.
    OursRevoked(usize),
    /// The same as ours, of clients whose certificates count.
    OursVerified(usize),
    /// Ours, with one rule that asks the center.
    OursDeferring,
    Interlock,
}

const CACHED: Part = Part::Jwt {
    cache: true,
    payload_header: false,
};
const UNCACHED: Part = Part::Jwt {
    cache: false,
    payload_header: false,
};
/// What most are measured above.
pub const NONE: &str = "none";
/// What those over TLS are measured above.
const NONE_TLS: &str = "none-tls";

/// All variants, in the order of a round.
pub const ALL: [Variant; 28] = [
    Variant {
        name: "none",
        about: "no filter but the router",
        load: Load::Warm(5),
        guards: Guards::Nothing,
        above: NONE,
        chain: &[],
    },
    Variant {
        name: "pair-10",
        about: "jwt_authn with its cache, then rbac with 10 rules",
        load: Load::Warm(5),
        guards: Guards::Permission,
        above: NONE,
        chain: &[CACHED, Part::Rbac(10)],
    },
    Variant {
        name: "ours-10",
        about: "ours with the same 10 rules, token known; interlock included",
        load: Load::Warm(5),
        guards: Guards::Permission,
        above: NONE,
        chain: &[Part::Ours(10), Part::Interlock],
    },
    Variant {
        name: "ours-10-open",
        about: "the same without the interlock (never deploy this)",
        load: Load::Warm(5),
        guards: Guards::Permission,
        above: NONE,
        chain: &[Part::Ours(10)],
    },
    Variant {
        name: "ours-10-peer",
        about: "ours-10 behind the filter that tells the direct peer",
        load: Load::Warm(5),
        guards: Guards::Permission,
        above: NONE,
        chain: &[Part::DirectPeer, Part::Ours(10), Part::Interlock],
    },
    Variant {
        name: "pair-1000",
        about: "jwt_authn with its cache, then rbac with 1,000 rules",
        load: Load::Warm(500),
        guards: Guards::Permission,
        above: NONE,
        chain: &[CACHED, Part::Rbac(1000)],
    },
    Variant {
        name: "ours-1000",
        about: "ours with the same 1,000 rules, token known",
        load: Load::Warm(500),
        guards: Guards::Permission,
        above: NONE,
        chain: &[Part::Ours(1000), Part::Interlock],
    },
    Variant {
        name: "ours-10000",
        about: "ours with 10,000 rules, token known",
        load: Load::Warm(5000),
        guards: Guards::Permission,
        above: NONE,
        chain: &[Part::Ours(10_000), Part::Interlock],
    },
    Variant {
        name: "jwt-cold-rs256",
        about: "jwt_authn without its cache, each token new; no rbac",
        load: Load::Cold(Alg::Rs256),
        guards: Guards::Token,
        above: NONE,
        chain: &[UNCACHED],
    },
    Variant {
        name: "ours-cold-rs256",
        about: "ours with 10 rules, each token new",
        load: Load::Cold(Alg::Rs256),
        guards: Guards::Permission,
        above: NONE,
        chain: &[Part::Ours(10), Part::Interlock],
    },
    Variant {
        name: "jwt-cold-es256",
        about: "jwt_authn without its cache, each token new; no rbac",
        load: Load::Cold(Alg::Es256),
        guards: Guards::Token,
        above: NONE,
        chain: &[UNCACHED],
    },
    Variant {
        name: "ours-cold-es256",
        about: "ours with 10 rules, each token new",
        load: Load::Cold(Alg::Es256),
        guards: Guards::Permission,
        above: NONE,
        chain: &[Part::Ours(10), Part::Interlock],
    },
    Variant {
        name: "jwt-cold-ps256",
        about: "jwt_authn without its cache, each token new; no rbac",
        load: Load::Cold(Alg::Ps256),
        guards: Guards::Token,
        above: NONE,
        chain: &[UNCACHED],
    },
    Variant {
        name: "ours-cold-ps256",
        about: "ours with 10 rules, each token new",
        load: Load::Cold(Alg::Ps256),
        guards: Guards::Permission,
        above: NONE,
        chain: &[Part::Ours(10), Part::Interlock],
    },
    Variant {
        name: "jwt-cold-es384",
        about: "jwt_authn without its cache, each token new; no rbac",
        load: Load::Cold(Alg::Es384),
        guards: Guards::Token,
        above: NONE,
        chain: &[UNCACHED],
    },
    Variant {
        name: "ours-cold-es384",
        about: "ours with 10 rules, each token new",
        load: Load::Cold(Alg::Es384),
        guards: Guards::Permission,
        above: NONE,
        chain: &[Part::Ours(10), Part::Interlock],
    },
    Variant {
        name: "jwt-cold-eddsa",
        about: "jwt_authn without its cache, each token new; no rbac",
        load: Load::Cold(Alg::EdDsa),
        guards: Guards::Token,
        above: NONE,
        chain: &[UNCACHED],
    },
    Variant {
        name: "ours-cold-eddsa",
        about: "ours with 10 rules, each token new",
        load: Load::Cold(Alg::EdDsa),
        guards: Guards::Permission,
        above: NONE,
        chain: &[Part::Ours(10), Part::Interlock],
    },
    Variant {
        name: "ours-10-when",
        about: "ours-10 with a condition of four parts in each rule, on a token of 1 KB",
        load: Load::Conditional,
        guards: Guards::Permission,
        above: NONE,
        chain: &[Part::OursConditional(10), Part::Interlock],
    },
    Variant {
        name: "ours-10-revoked",
        about: "ours-10 with 1,000,000 revoked tokens in the worker",
        load: Load::Warm(5),
        guards: Guards::Permission,
        above: NONE,
        chain: &[Part::OursRevoked(10), Part::Interlock],
    },
    Variant {
        name: NONE_TLS,
        about: "no filter but the router, over TLS with a client certificate",
        load: Load::Tls,
        guards: Guards::Nothing,
        above: NONE,
        chain: &[],
    },
    Variant {
        name: "ours-10-tls",
        about: "ours with 10 rules, token known, over TLS",
        load: Load::Tls,
        guards: Guards::Permission,
        above: NONE_TLS,
        chain: &[Part::OursVerified(10), Part::Interlock],
    },
    Variant {
        name: "ours-10-cert",
        about: "the same with a token that is bound to the certificate",
        load: Load::Certificate,
        guards: Guards::Permission,
        above: NONE_TLS,
        chain: &[Part::OursVerified(10), Part::Interlock],
    },
    Variant {
        name: "ours-10-dpop",
        about: "ours-10 with a token that is bound to a key, and a new DPoP proof by ES256",
        load: Load::Proof,
        guards: Guards::Permission,
        above: NONE,
        chain: &[Part::Ours(10), Part::Interlock],
    },
    Variant {
        name: "ext-authz",
        about: "ext_authz alone asks the center; it believes the client's word on who asks",
        load: Load::Center,
        guards: Guards::Center,
        above: NONE,
        chain: &[Part::ExtAuthz],
    },
    Variant {
        name: "jwt-ext-authz",
        about: "jwt_authn with its cache, then ext_authz with the payload",
        load: Load::Center,
        guards: Guards::Center,
        above: NONE,
        chain: &[
            Part::Jwt {
                cache: true,
                payload_header: true,
            },
            Part::ExtAuthz,
        ],
    },
    Variant {
        name: "ours-deferred",
        about: "ours asks the center, token known; direct peer and interlock included",
        load: Load::Center,
        guards: Guards::Center,
        above: NONE,
        chain: &[Part::DirectPeer, Part::OursDeferring, Part::Interlock],
    },
    Variant {
        name: "ours-cached",
        about: "the same, the answer known",
        load: Load::SameQuestion,
        guards: Guards::Center,
        above: NONE,
        chain: &[Part::DirectPeer, Part::OursDeferring, Part::Interlock],
    },
];

impl Variant {
    /// Whether an identity comes from the client's own headers.
    pub fn believes_the_client(&self) -> bool {
        matches!(self.chain, [Part::ExtAuthz])
    }

    /// Whether the chain has our filter in it.
    pub fn is_ours(&self) -> bool {
        self.chain.iter().any(|part| {
            matches!(
                part,
                Part::Ours(_) | Part::OursRevoked(_) | Part::OursVerified(_) | Part::OursDeferring
            )
        })
    }

    /// Whether its listener speaks TLS and demands a client's certificate.
    pub fn is_tls(&self) -> bool {
        matches!(self.load, Load::Tls | Load::Certificate)
    }
}

/// One Envoy with a listener for each of `variants`, made of the sidecar's bootstrap that ships. Requests are answered by the
/// route itself: an upstream would add the same noise to every variant. There is no access log, for the same reason.
pub fn config(
    variants: &[&Variant],
    issuer: &Issuer,
    mutual: &Mutual,
    dir: &Path,
    module: &Path,
    [center, list]: [SocketAddr; 2],
) -> Result<(Config, Vec<PolicyFolder>)> {
    let shipped = Config::shipped(Base::Sidecar)?
        .cluster(&format!("center-{REGION}"), center)
        .cluster(revoked::CLUSTER, list);
    let listener = shipped.bootstrap()["static_resources"]["listeners"][0].clone();
    let mut parts = Parts {
        issuer,
        mutual,
        dir,
        module,
        folders: Vec::new(),
    };
    let listeners = variants
        .iter()
        .map(|variant| parts.listener(&listener, variant))
        .collect::<Result<Vec<_>>>()?;
    let config = shipped.edit(|bootstrap| bootstrap["static_resources"]["listeners"] = json!(listeners));
    Ok((config.log_level("warning"), parts.folders))
}

struct Parts<'a> {
    issuer: &'a Issuer,
    mutual: &'a Mutual,
    dir: &'a Path,
    module: &'a Path,
    folders: Vec<PolicyFolder>,
}

impl Parts<'_> {
    fn listener(&mut self, shipped: &Value, variant: &Variant) -> Result<Value> {
        let mut listener = shipped.clone();
        listener["name"] = json!(variant.name);
        listener["address"]["socket_address"] = json!({"address": Ipv4Addr::LOCALHOST.to_string(), "port_value": 0});
        if variant.is_tls() {
            listener["filter_chains"][0]["transport_socket"] = self.mutual.listener()?;
        }
        let http = listener
            .pointer_mut("/filter_chains/0/filters/0/typed_config")
            .ok_or("the bootstrap that ships has no HTTP connection manager")?;
        let mut filters = Vec::new();
        for part in variant.chain {
            filters.push(self.filter(http, *part, variant.name)?);
        }
        filters.push(from_shipped(http, "envoy.filters.http.router")?);
        http["http_filters"] = json!(filters);
        http["stat_prefix"] = json!(variant.name);
        http["access_log"] = json!([]);
        http["route_config"]["virtual_hosts"][0]["routes"] = json!([
            {"match": {"prefix": "/"}, "direct_response": {"status": 200, "body": {"inline_string": "ok"}}},
        ]);
        Ok(listener)
    }

    fn filter(&mut self, http: &mut Value, part: Part, name: &str) -> Result<Value> {
        match part {
            Part::Jwt { cache, payload_header } => Ok(jwt_authn(self.issuer, cache, payload_header)),
            Part::Rbac(count) => Ok(json!({
                "name": "envoy.filters.http.rbac",
                "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC",
                    "rules": rules::rbac(count),
                },
            })),
            Part::ExtAuthz => Ok(ext_authz()),
            Part::DirectPeer => from_shipped(http, "direct-peer"),
            Part::Interlock => from_shipped(http, "regionguard-interlock"),
            Part::Ours(count) => {
                let bundle = rules::bundle(&format!("bench-{count}"), self.issuer, count)?;
                self.regionguard(http, name, &bundle)
            }
            Part::OursConditional(count) => {
                let mut bundle = rules::bundle(&format!("bench-when-{count}"), self.issuer, count)?;
                rules::add_condition(&mut bundle);
                self.regionguard(http, name, &bundle)
            }
            Part::OursRevoked(count) => {
                let mut bundle = rules::bundle(&format!("bench-revoked-{count}"), self.issuer, count)?;
                bundle["documents"][0]["spec"]["revocation"] = revoked::source();
                self.regionguard(http, name, &bundle)
            }
            Part::OursVerified(count) => {
                let mut bundle = rules::bundle(&format!("bench-verified-{count}"), self.issuer, count)?;
                bundle["trust"]["peerVerification"] = json!("required");
                self.regionguard(http, name, &bundle)
            }
            Part::OursDeferring => {
                let bundle = rules::deferring_bundle("bench-defer", self.issuer)?;
                self.regionguard(http, name, &bundle)
            }
        }
    }

    fn regionguard(&mut self, http: &mut Value, name: &str, bundle: &Value) -> Result<Value> {
        let folder = PolicyFolder::create(self.dir.join(name), self.module)?;
        folder.write(bundle)?;
        let mut filter = from_shipped(http, "regionguard")?;
        filter["config_discovery"]["config_source"]["path_config_source"] =
            json!({"path": folder.file(), "watched_directory": {"path": folder.path()}});
        self.folders.push(folder);
        Ok(filter)
    }
}

fn from_shipped(http: &mut Value, name: &str) -> Result<Value> {
    let found = http_filter(http, name).map(|filter| filter.clone());
    found.ok_or_else(|| format!("the bootstrap that ships has no filter `{name}`").into())
}

/// `jwt_authn` as users run it in front of `rbac`. The token stays in the request, as with ours.
fn jwt_authn(issuer: &Issuer, cache: bool, payload_header: bool) -> Value {
    let mut provider = json!({
        "issuer": ISSUER, "audiences": [HOST], "forward": true, "payload_in_metadata": PAYLOAD,
        "local_jwks": {"inline_string": issuer.jwks().to_string()},
    });
    if cache {
        provider["jwt_cache_config"] = json!({"jwt_cache_size": 1000});
    }
    if payload_header {
        provider["forward_payload_header"] = json!("x-jwt-payload");
    }
    json!({
        "name": "envoy.filters.http.jwt_authn",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication",
            "providers": {"region": provider},
            "rules": [{"match": {"prefix": "/"}, "requires": {"provider_name": "region"}}],
        },
    })
}

fn ext_authz() -> Value {
    let headers = [
        "x-request-id",
        "x-jwt-payload",
        "x-regionguard-subject",
        "x-regionguard-region",
    ];
    let patterns: Vec<Value> = headers.iter().map(|name| json!({"exact": name})).collect();
    let cluster = format!("center-{REGION}");
    json!({
        "name": "envoy.filters.http.ext_authz",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthz",
            "transport_api_version": "V3",
            "allowed_headers": {"patterns": patterns},
            "http_service": {
                "server_uri": {"uri": format!("http://{cluster}"), "cluster": cluster, "timeout": CENTER_TIMEOUT},
                "path_prefix": "/ext_authz",
            },
        },
    })
}
