//! Every reason that there is, with a request that ends so: status, public code and decision line.

mod device;
mod revocation;
mod sender;

use std::collections::BTreeSet;

use serde_json::{Value as Json, json};

use super::super::exchange::WAITING_MAX;
use super::documents::{bundle, policy};
use super::grants::{grant, granting};
use super::host::{Reply, Request, World, answer, forwarded, get, header};
use super::sources::sources;
use super::tokens::{Signer, claims, claims_with, token, token_with};
use crate::decision::Decision;
use crate::identity::peer_certificate;
use crate::reason::{Reason, Verdict};

/// The place field of a request that was decided before anybody asked where it comes from and who sent it.
const NOWHERE: &str = "->->us-east-1";
const AT_HOME: &str = "us-east-1>->us-east-1";

/// A bundle in which every reason of policy can arise.
pub(super) fn everything() -> Json {
    let shop = json!({"rules": [
        {"name": "read-profile", "methods": ["GET"], "paths": ["/v1/profiles/{id}"], "permissions": {"anyOf": ["read:profile"]}, "effect": "allow"},
        {"name": "write-profile", "methods": ["PUT"], "paths": ["/v1/profiles/{id}"], "permissions": {"anyOf": ["write:profile"]}, "effect": "allow"},
        {"name": "admin", "paths": ["/v1/admin"], "roles": {"anyOf": ["admin"]}, "effect": "allow"},
        {"name": "europeans", "paths": ["/v1/europe"], "from": {"homeRegions": ["eu-west-1"]}, "effect": "allow"},
        {"name": "near", "paths": ["/v1/near"], "from": {"sourceRegions": ["us-east-1"]}, "effect": "allow"},
        {"name": "own", "paths": ["/v1/own/{id}"], "when": "path.id == token.sub", "effect": "allow"},
        {"name": "web", "paths": ["/v1/web"], "from": {"workloads": ["spiffe://prod/ns/web/*"]}, "effect": "allow"},
        {"name": "services", "paths": ["/v1/services"], "identity": "workload", "effect": "allow"},
        {"name": "public", "paths": ["/public/**"], "identity": "none", "effect": "allow"},
        {"name": "blocked", "paths": ["/blocked/**"], "effect": "deny"},
        {"name": "hidden", "paths": ["/hidden/**"], "effect": "deny", "response": {"status": 404, "hide": true}},
        {"name": "blocked-net", "paths": ["/net/**"], "from": {"networks": ["10.0.0.0/8"]}, "effect": "deny"},
        {"name": "cleared", "paths": ["/cleared"], "when": "identity.clearance >= 3", "effect": "allow"},
        {"name": "ask", "paths": ["/ask/{id}"], "effect": "defer"},
        {"name": "ask-last", "paths": ["/last/{id}"], "effect": "defer", "defer": {"onUnavailable": "lastDecision"}},
        {"name": "ask-open", "paths": ["/open/{id}"], "effect": "defer", "defer": {"onUnavailable": "allow"}},
    ]});
    let land = json!({"selector": {"hosts": ["land.us-east-1.com"]}, "default": "allow",
        "context": {"geo_restrictions": [{"denied_countries": ["US"]}]}});
    let geo = json!({"selector": {"hosts": ["geo.us-east-1.com"]}, "default": "allow",
        "context": {"geo_restrictions": [{"allowed_regions": ["us-east-1"]}]}});
    let hours = json!({"selector": {"hosts": ["hours.us-east-1.com"]}, "default": "allow",
        "context": {"time_restrictions": [{"business_hours": true}]}});
    let time = |host: &str, restriction: Json| {
        json!({"selector": {"hosts": [format!("{host}.us-east-1.com")]}, "default": "allow",
            "context": {"time_restrictions": [restriction]}})
    };
    let login = json!({"selector": {"hosts": ["login.us-east-1.com"]}, "default": "allow",
        "identity": {"authentication": [{"method": "multi-factor", "acr": ["gold"]}]},
        "rules": [{"name": "fresh", "paths": ["/fresh"], "effect": "stepUp", "stepUp": {"maxAge": "15m"}}]});
    let certificate = json!({"selector": {"hosts": ["cert.us-east-1.com"]}, "default": "allow",
        "identity": {"authentication": [{"method": "certificate"}]}});
    let open = json!({"selector": {"hosts": ["open.us-east-1.com"]}, "preflight": "allow",
        "probes": [{"path": "/healthz", "port": 8080}],
        "rules": [{"name": "socket", "paths": ["/socket"], "upgrades": ["websocket"], "effect": "allow"}]});
    let any = json!({"selector": {"hosts": ["any.us-east-1.com"]}, "default": "allow", "forward": {"claims": {"x-long": "profile.text"}}});
    let mut bundle = bundle(&[
        policy("shop", shop),
        policy("geo", geo),
        policy("land", land),
        policy("hours", hours),
        policy(
            "night",
            time(
                "night",
                json!({"hours": {"timezone": "UTC", "days": ["mon"], "from": "00:00", "to": "00:01"}}),
            ),
        ),
        policy("past", time("past", json!({"not_after": "2026-01-01T00:00:00Z"}))),
        policy(
            "mend",
            time(
                "mend",
                json!({"maintenance": [{"notBefore": "1970-01-01T00:00:00Z", "notAfter": "2038-01-01T00:00:00Z"}]}),
            ),
        ),
        policy("any", any),
        policy("open", open),
        policy("login", login),
        policy("cert", certificate),
    ]);
    bundle["trust"]["peerVerification"] = json!("required");
    bundle["documents"][0]["spec"]["identity"] = json!({"cluster": "people"});
    bundle["tokens"] = sources();
    bundle
}

/// A world whose requests are all of one kind: plain, or gRPC.
struct Table {
    grpc: bool,
    seen: BTreeSet<Reason>,
}

impl Table {
    fn world(&self) -> World {
        World::new(&everything())
    }

    fn kind(&self, request: Request) -> Request {
        if self.grpc {
            request.header("content-type", "application/grpc+proto")
        } else {
            request
        }
    }

    /// A request that is decided at once.
    #[track_caller]
    fn row(&mut self, reason: Reason, by: &str, place: &str, request: Request) {
        self.row_in(self.world(), reason, by, place, request);
    }

    #[track_caller]
    fn row_in(&mut self, mut world: World, reason: Reason, by: &str, place: &str, request: Request) {
        let request = self.kind(request);
        let decision = world.decide(&request);
        self.expect(&mut world, &decision, reason, by, place);
    }

    /// A request that the center decides.
    #[track_caller]
    fn asked(&mut self, reason: Reason, by: &str, path: &str, reply: Reply) {
        let mut world = self.world();
        let request = self.kind(get(path).bearer(&token("us-east-1")));
        let decision = world.answered(&request, &reply);
        self.expect(&mut world, &decision, reason, by, "us-east-1>us-east-1>us-east-1");
    }

    /// `by` is `policy/rule;decided-by`.
    #[track_caller]
    fn expect(&mut self, world: &mut World, decision: &Decision, reason: Reason, by: &str, place: &str) {
        let row = reason.row();
        assert_eq!(
            decision.line,
            format!("{};{};{by};{};{place}", row.verdict.as_str(), row.code, world.label)
        );
        assert_eq!(decision.reason, reason);
        let (_, decisions) = world.counted();
        assert!(decisions.contains(&(reason, 1)), "it is counted once: {decisions:?}");
        match row.verdict {
            Verdict::Allow => {
                forwarded(decision);
            }
            Verdict::Deny => self.expect_answer(decision),
        }
        self.seen.insert(reason);
    }

    #[track_caller]
    fn expect_answer(&self, decision: &Decision) {
        let (row, answer) = (decision.reason.row(), answer(decision));
        assert_eq!(answer.status, row.status);
        assert_eq!(header(answer, "cache-control"), Some("no-store"));
        let challenge = header(answer, "www-authenticate");
        assert_eq!(challenge.is_some(), row.status == 401);
        assert!(
            challenge.is_none_or(|challenge| {
                let scheme = if row.code.starts_with("identity.proof_") {
                    "DPoP"
                } else {
                    "Bearer"
                };
                challenge.starts_with(&format!("{scheme} realm=\"us-east-1\""))
            }),
            "{challenge:?}"
        );
        assert_eq!(header(answer, "retry-after").is_some(), matches!(row.status, 429 | 503));
        // What cannot be read at all is not known to be gRPC either.
        if self.grpc && !matches!(decision.reason, Reason::RequestMalformed) {
            let status = match row.status {
                400 => 3,
                401 => 16,
                421 => 5,
                429 => 8,
                500 => 13,
                503 => 14,
                _ => 7,
            };
            assert_eq!(answer.grpc_status, Some(status), "{}", decision.line);
            assert!(!answer.body.contains(row.code), "{}", answer.body);
            return;
        }
        assert_eq!(answer.grpc_status, None);
        assert_eq!(header(answer, "content-type"), Some("application/problem+json"));
        let body: Json = serde_json::from_str(&answer.body).expect("JSON");
        assert_eq!(
            (&body["code"], &body["status"]),
            (&json!(row.public), &json!(row.status))
        );
        assert_eq!(body["type"], format!("urn:regionguard:problem:{}", row.public));
        assert!(
            !answer.body.contains(row.code),
            "the full reason is not the caller's to know: {}",
            answer.body
        );
    }
}

fn allowed(table: &mut Table) {
    let token = token("us-east-1");
    table.row(
        Reason::RuleAllowed,
        "shop/read-profile;inline",
        AT_HOME,
        get("/v1/profiles/7").bearer(&token),
    );
    table.row(Reason::RulePublic, "shop/public;inline", NOWHERE, get("/public/a"));
    let world = World::new(&granting(&json!([grant("us-east-1", "alice", -60, 60)])));
    let ledger = get("/ledger").bearer(&token);
    table.row_in(world, Reason::GrantAllowed, "shop/write;inline", AT_HOME, ledger);
    table.row(
        Reason::DefaultAllowed,
        "any/-;default",
        AT_HOME,
        get("/x").host("any.us-east-1.com").bearer(&token),
    );
    table.asked(
        Reason::CenterAllowed,
        "shop/ask;center:us-east-1",
        "/ask/7",
        Reply::decision(true),
    );
    table.asked(
        Reason::CenterUnavailableAllowed,
        "shop/ask-open;center:us-east-1",
        "/open/7",
        Reply::status(503),
    );
    last(table, Reason::CenterLastAllowed, true);
}

/// A center that answers once and then is away.
fn last(table: &mut Table, reason: Reason, allow: bool) {
    let mut world = table.world();
    let request = table.kind(get("/last/7").bearer(&token("us-east-1")));
    world.answered(&request, &Reply::decision(allow));
    let decision = world.answered(&request, &Reply::status(503));
    table.expect(
        &mut world,
        &decision,
        reason,
        "shop/ask-last;cache",
        "us-east-1>us-east-1>us-east-1",
    );
}

fn opened(table: &mut Table) {
    let open = |path| get(path).host("open.us-east-1.com");
    let mut world = table.world();
    world.port = Some(8080);
    table.row_in(world, Reason::ProbeAllowed, "open/-;default", NOWHERE, open("/healthz"));
    let preflight = open("/x")
        .method("OPTIONS")
        .header("origin", "https://shop.example")
        .header("access-control-request-method", "PUT");
    table.row(Reason::PreflightAllowed, "open/-;default", NOWHERE, preflight);
}

fn malformed(table: &mut Table) {
    for (reason, request) in [
        (Reason::RequestMalformed, get("/").method("get")),
        (Reason::RequestMalformed, get("/").without(":path")),
        (Reason::PathInvalid, get("a")),
        (Reason::PathInvalid, get("/../a")),
        (Reason::PathCharacter, get("/a\\b")),
        (Reason::PathEncoding, get("/%zz")),
        (Reason::PathEncoding, get("/%2561")),
        (Reason::PathEncodedSlash, get("/a%2fb")),
        (Reason::PathParameters, get("/a;b")),
        (Reason::PathEmptySegment, get("/a//b")),
        (Reason::QueryInvalid, get("/a?b c")),
        (Reason::AuthorityInvalid, get("/").host("a@api.us-east-1.com")),
        (Reason::TokenAmbiguous, get("/").bearer("a").bearer("a")),
        (Reason::AuthorityNotServed, get("/").host("api.eu-west-1.com")),
        (Reason::UpgradeNotAllowed, get("/public/a").header("upgrade", "h2c")),
    ] {
        table.row(reason, "-/-;inline", NOWHERE, request);
    }
    let mut strict = everything();
    strict["trust"]["paths"] = json!({"strict": true});
    table.row_in(
        World::new(&strict),
        Reason::PathNotCanonical,
        "-/-;inline",
        NOWHERE,
        get("/./a"),
    );
}

fn unidentified(table: &mut Table) {
    let own = Signer::new("us-east-1", 1);
    let header = |changes: Json| {
        let mut header = json!({"alg": "EdDSA", "kid": "key-of-us-east-1"});
        header
            .as_object_mut()
            .expect("an object")
            .append(changes.clone().as_object_mut().expect("an object"));
        own.token_with(&header, &claims("us-east-1"))
    };
    let with = |changes: Json| own.token(&claims_with("us-east-1", &changes));
    let start = super::tokens::START;
    for (reason, token) in [
        (Reason::TokenMalformed, "x.y".to_owned()),
        (Reason::TokenTooLarge, "x".repeat(16 * 1024 + 1)),
        (Reason::TokenType, header(json!({"typ": "dpop+jwt"}))),
        (Reason::TokenCritical, header(json!({"crit": ["exp"]}))),
        (Reason::TokenClaims, with(json!({"sub": null}))),
        (Reason::IssuerUnknown, with(json!({"iss": "identity.local.com"}))),
        (Reason::RegionMismatch, with(json!({"region": "mars"}))),
        (Reason::RegionNotAccepted, token("ap-southeast-1")),
        (Reason::KeyUnknown, header(json!({"kid": "other"}))),
        (Reason::TokenAlgorithm, header(json!({"alg": "none"}))),
        (Reason::TokenAlgorithm, header(json!({"alg": "HS256"}))),
        (Reason::TokenExpired, with(json!({"exp": start - 31}))),
        (Reason::TokenNotYetValid, with(json!({"nbf": start + 31}))),
        (Reason::TokenLifetime, with(json!({"exp": start + 86_400}))),
        (Reason::TokenAudience, with(json!({"aud": "api.eu-west-1.com"}))),
        (
            Reason::TokenSignature,
            Signer::new("us-east-1", 2).token(&claims("us-east-1")),
        ),
    ] {
        table.row(
            reason,
            "shop/read-profile;inline",
            NOWHERE,
            get("/v1/profiles/7").bearer(&token),
        );
    }
    table.row(
        Reason::IdentityMissing,
        "shop/read-profile;inline",
        NOWHERE,
        get("/v1/profiles/7"),
    );
    table.row(Reason::IdentityMissing, "-/-;inline", NOWHERE, get("/nowhere"));
    table.row(
        Reason::WorkloadMissing,
        "shop/services;inline",
        NOWHERE,
        get("/v1/services"),
    );
    let mut foreign = table.world();
    foreign.certificate = Some(peer_certificate(&["spiffe://eu-west-1.example/web"]));
    table.row_in(
        foreign,
        Reason::WorkloadNotAccepted,
        "shop/services;inline",
        NOWHERE,
        get("/v1/services"),
    );
    let basic = get("/v1/profiles/7").header("authorization", "Basic YTpi");
    table.row(Reason::IdentityScheme, "shop/read-profile;inline", NOWHERE, basic);
    let long = token_with("us-east-1", &json!({"profile": {"text": "é".repeat(1_400)}}));
    let any = get("/").host("any.us-east-1.com").bearer(&long);
    table.row(Reason::ClaimTooLarge, "any/-;inline", AT_HOME, any);
    let cookie = format!("session={}", token("us-east-1"));
    let write = get("/v1/profiles/7").method("PUT").header("cookie", cookie);
    table.row(Reason::CrossSite, "shop/write-profile;inline", NOWHERE, write);
    let mut world = table.world();
    let forged = get("/v1/profiles/7").bearer(&Signer::new("us-east-1", 2).token(&claims("us-east-1")));
    for _ in 0..20 {
        assert_eq!(world.reason(&forged), Reason::TokenSignature);
    }
    table.row_in(
        world,
        Reason::VerificationBudget,
        "shop/read-profile;inline",
        NOWHERE,
        forged,
    );
    let mut remote = everything();
    remote["documents"][0]["spec"]["keys"] = json!({"remote": {"cluster": "identity"}});
    let mut world = World::new(&remote);
    let waiting = world.wait(&table.kind(get("/v1/profiles/7").bearer(&token("us-east-1"))));
    world.pass(core::time::Duration::from_secs(2));
    world.wake();
    let decision = world.finished(waiting);
    table.expect(
        &mut world,
        &decision,
        Reason::KeysUnavailable,
        "shop/read-profile;inline",
        NOWHERE,
    );
}

fn forbidden(table: &mut Table) {
    let ours = token("us-east-1");
    let poor = |permissions: Json| token_with("us-east-1", &json!({"permissions": permissions}));
    let profile = || get("/v1/profiles/7");
    table.row(Reason::RuleDenied, "shop/blocked;inline", NOWHERE, get("/blocked/a"));
    table.row(
        Reason::PermissionMissing,
        "shop/read-profile;inline",
        AT_HOME,
        profile().bearer(&poor(json!([]))),
    );
    let elsewhere = poor(json!({"regional": {"eu-west-1": ["read:profile"]}}));
    table.row(
        Reason::PermissionOtherRegion,
        "shop/read-profile;inline",
        AT_HOME,
        profile().bearer(&elsewhere),
    );
    let foreign = token_with("eu-west-1", &json!({"permissions": ["write:profile"]}));
    let write = profile().method("PUT").bearer(&foreign);
    table.row(
        Reason::PermissionNotAccepted,
        "shop/write-profile;inline",
        "eu-west-1>->us-east-1",
        write,
    );
    table.row(
        Reason::RoleMissing,
        "shop/admin;inline",
        AT_HOME,
        get("/v1/admin").bearer(&ours),
    );
    table.row(
        Reason::ConditionNotMet,
        "shop/own;inline",
        AT_HOME,
        get("/v1/own/mallory").bearer(&ours),
    );
    table.row(
        Reason::HomeNotMatched,
        "shop/europeans;inline",
        AT_HOME,
        get("/v1/europe").bearer(&ours),
    );
    table.row(
        Reason::WorkloadNotMatched,
        "shop/web;inline",
        AT_HOME,
        get("/v1/web").bearer(&ours),
    );
    table.row(Reason::NoRule, "-/-;default", AT_HOME, get("/nowhere").bearer(&ours));

    let mut unknown = table.world();
    unknown.peer = None;
    table.row_in(
        unknown,
        Reason::ConditionUnknown,
        "shop/blocked-net;inline",
        "->?>us-east-1",
        get("/net/a").bearer(&ours),
    );
    let mut away = table.world();
    away.peer = Some(b"127.0.2.9".to_vec());
    let from_europe = "us-east-1>eu-west-1>us-east-1";
    table.row_in(
        away,
        Reason::SourceNotMatched,
        "shop/near;inline",
        from_europe,
        get("/v1/near").bearer(&ours),
    );
}

fn requirements(table: &mut Table) {
    let ours = token("us-east-1");
    let geo = || get("/a").host("geo.us-east-1.com").bearer(&ours);
    let mut away = table.world();
    away.peer = Some(b"127.0.2.9".to_vec());
    table.row_in(
        away,
        Reason::SourceRegionNotAllowed,
        "geo/-;inline",
        "us-east-1>eu-west-1>us-east-1",
        geo(),
    );
    let mut unknown = table.world();
    unknown.peer = Some(b"192.0.2.1".to_vec());
    table.row_in(
        unknown,
        Reason::SourceUnknown,
        "geo/-;inline",
        "us-east-1>?>us-east-1",
        geo(),
    );
    let land = || get("/a").host("land.us-east-1.com").bearer(&ours);
    let mut american = everything();
    american["documents"][0]["spec"]["country"] = json!("US");
    let from_home = "us-east-1>us-east-1>us-east-1";
    let by = "land/-;inline";
    table.row_in(
        World::new(&american),
        Reason::SourceCountryNotAllowed,
        by,
        from_home,
        land(),
    );
    table.row(Reason::SourceCountryUnknown, by, from_home, land());
    let login = |path: &str, token: &str| get(path).host("login.us-east-1.com").bearer(token);
    table.row(
        Reason::MultiFactorMissing,
        "login/-;inline",
        AT_HOME,
        login("/fresh", &ours),
    );
    let gold = token_with(
        "us-east-1",
        &json!({"acr": "gold", "auth_time": super::tokens::START - 901}),
    );
    table.row(
        Reason::StepUpRequired,
        "login/fresh;inline",
        AT_HOME,
        login("/fresh", &gold),
    );
    table.row(
        Reason::CertificateRequired,
        "cert/-;inline",
        AT_HOME,
        get("/a").host("cert.us-east-1.com").bearer(&ours),
    );
    for (host, reason) in [
        ("night", Reason::OutsideHours),
        ("past", Reason::OutsideDates),
        ("mend", Reason::Maintenance),
    ] {
        let request = get("/a").host(&format!("{host}.us-east-1.com")).bearer(&ours);
        table.row(reason, &format!("{host}/-;inline"), AT_HOME, request);
    }
    let hours = |token: &str| get("/a").host("hours.us-east-1.com").bearer(token);
    let mut night = table.world();
    night.wall = 10 * 3_600 * 1_000_000_000;
    let late = token_with("us-east-1", &json!({"exp": super::tokens::START + 11 * 3_600}));
    table.row_in(
        night,
        Reason::OutsideBusinessHours,
        "hours/-;inline",
        AT_HOME,
        hours(&late),
    );
    let foreign = hours(&token("eu-west-1"));
    table.row(
        Reason::CalendarMissing,
        "hours/-;inline",
        "eu-west-1>->us-east-1",
        foreign,
    );
}

fn unavailable(table: &mut Table) {
    table.asked(
        Reason::CenterDenied,
        "shop/ask;center:us-east-1",
        "/ask/7",
        Reply::decision(false),
    );
    table.asked(
        Reason::CenterUnavailable,
        "shop/ask;center:us-east-1",
        "/ask/7",
        Reply::status(503),
    );
    table.asked(
        Reason::CenterError,
        "shop/ask;center:us-east-1",
        "/ask/7",
        Reply::status(500),
    );
    last(table, Reason::CenterLastDenied, false);
    let ask = get("/ask/7").bearer(&token("us-east-1"));
    let mut full = table.world();
    for _ in 0..WAITING_MAX {
        full.wait(&ask);
    }
    table.row_in(
        full,
        Reason::Overloaded,
        "shop/ask;inline",
        "us-east-1>us-east-1>us-east-1",
        ask,
    );
    let mut away = table.world();
    let cleared = get("/cleared").bearer(&token("us-east-1"));
    let id = away.wait(&cleared);
    away.reply(away.calls.last().expect("a call").id, &Reply::status(503));
    away.finished(id);
    away.counted();
    table.row_in(
        away,
        Reason::AttributesUnavailable,
        "shop/cleared;inline",
        "us-east-1>->us-east-1",
        cleared,
    );
    let socket = get("/socket").host("open.us-east-1.com").bearer(&token("us-east-1"));
    let socket = socket.header("connection", "upgrade").header("upgrade", "websocket");
    let mut full = table.world();
    while full.decide(&socket).stream.is_some() {}
    full.counted();
    let home = "us-east-1>->us-east-1";
    table.row_in(full, Reason::StreamsFull, "-/-;inline", home, socket);
}

fn overridden(table: &mut Table) {
    let world = |mode: &str| {
        let mut bundle = everything();
        bundle["override"] =
            json!({"mode": mode, "until": "2027-01-15T10:00:00Z", "who": "the owner", "why": "an incident"});
        World::new(&bundle)
    };
    table.row_in(
        world("observe"),
        Reason::OverrideObserved,
        "shop/blocked;override:rule.denied",
        NOWHERE,
        get("/blocked/a"),
    );
    table.row_in(
        world("denyAll"),
        Reason::OverrideDenied,
        "-/-;override",
        NOWHERE,
        get("/public/a"),
    );
}

fn misconfigured(table: &mut Table) {
    let mut twice = table.world();
    twice.has_line = true;
    table.row_in(twice, Reason::DuplicateFilter, "-/-;inline", NOWHERE, get("/public/a"));

    let mut outbound = table.world();
    outbound.outbound = true;
    table.row_in(outbound, Reason::Direction, "-/-;inline", NOWHERE, get("/public/a"));

    let mut homeless = everything();
    homeless.as_object_mut().expect("an object").remove("region");
    let mut world = World::empty();
    world.push_to("regionguard", &homeless, Some("mars"));
    let decision = world.decide(&table.kind(get("/public/a")));
    table.expect(&mut world, &decision, Reason::RegionUnknown, "-/-;inline", "->->?");

    let decision = World::empty().decide(&get("/public/a"));
    assert_eq!(decision.line, "deny;config.no_bundle;-/-;inline;-;->->?");
    assert_eq!((decision.reason, answer(&decision).status), (Reason::NoBundle, 503));
    table.seen.insert(Reason::NoBundle);
}

fn table(grpc: bool) -> BTreeSet<Reason> {
    let mut table = Table {
        grpc,
        seen: BTreeSet::new(),
    };
    for part in [
        allowed,
        opened,
        malformed,
        unidentified,
        sender::unproven,
        revocation::revoked,
        forbidden,
        requirements,
        device::unfit,
        unavailable,
        overridden,
        misconfigured,
    ] {
        part(&mut table);
    }
    table.seen
}

/// `tests/foreign_verifier.rs` has the one reason that needs a process of its own.
#[test]
fn every_reason_has_a_request_that_ends_so() {
    let seen = table(false);
    let left: Vec<&Reason> = Reason::ALL.iter().filter(|reason| !seen.contains(reason)).collect();
    assert_eq!(left, [&Reason::ForeignVerifier]);
}

#[test]
fn every_denial_of_a_grpc_request_is_a_grpc_status() {
    assert_eq!(table(true).len() + 1, Reason::ALL.len());
}
