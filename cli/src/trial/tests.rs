use std::net::IpAddr;

use serde_json::{Map, Value, json};

use super::{Center, Device, Found, Request, Stage, Token, Trial, Verdict};
use regionguard::device::Field;
use regionguard::policy::Served;
use regionguard::time::WallTime;

/// A Wednesday, 15:00 in UTC.
const AT: WallTime = WallTime(1_795_618_800 * 1_000_000_000);

fn bundle() -> Value {
    json!({
        "region": "us-east-1",
        "metadata": {"name": "shop", "version": 41},
        "trust": {"peerVerification": "required"},
        "documents": [
            {"apiVersion": "security.io/v1", "kind": "Region", "metadata": {"name": "us-east-1"}, "spec": {
                "issuer": "identity.global.com", "audiences": ["api.us-east-1.com"],
                "keys": {"remote": {"cluster": "identity-us"}},
                "networks": ["10.1.0.0/16"], "trustDomains": ["prod"],
                "center": {"cluster": "center-us"},
                "revocation": {"list": {"cluster": "identity-us"}},
                "maxTokenLifetime": "2m",
                "accepts": [{"home": "eu-west-1", "permissions": ["read:*"]}],
            }},
            {"apiVersion": "security.io/v1", "kind": "Region", "metadata": {"name": "eu-west-1"}, "spec": {
                "issuer": "login.eu", "audiences": ["api.eu-west-1.com"],
                "keys": {"remote": {"cluster": "identity-eu"}},
                "claims": {"region": "tenant.region", "require": {"token_use": "access"}},
                "revocation": {"statusLists": {"cluster": "lists", "uriPrefix": "https://lists.eu/status/"}},
            }},
            {"apiVersion": "security.io/v1", "kind": "Revocations", "metadata": {"name": "old"}, "spec": {
                "keys": [{"region": "us-east-1", "kid": "2025-01"}],
            }},
            {"apiVersion": "security.io/v1", "kind": "ZeroTrustPolicy", "metadata": {"name": "shop"}, "spec": {
                "forward": {"token": "strip", "claims": {"x-user": "sub"}},
                "rules": [
                    {"name": "public", "paths": ["/public/**"], "identity": "none", "effect": "allow"},
                    {"name": "read", "methods": ["GET"], "paths": ["/a"], "permissions": {"anyOf": ["read:a"]}, "effect": "allow"},
                    {"name": "near", "paths": ["/near"], "from": {"sourceRegions": ["us-east-1"]}, "effect": "allow"},
                    {"name": "service", "paths": ["/service"], "identity": "workload", "from": {"workloads": ["spiffe://prod/web"]}, "effect": "allow"},
                    {"name": "ask", "paths": ["/ask/{id}"], "effect": "defer", "defer": {"onUnavailable": "deny"}},
                    {"name": "fresh", "paths": ["/a"], "methods": ["DELETE"], "effect": "stepUp", "stepUp": {"acr": ["gold"]}},
                    {"name": "delete", "paths": ["/a"], "methods": ["DELETE"], "effect": "allow"},
                ],
            }},
        ],
    })
}

fn get(path: &str) -> Trial {
    Trial {
        request: Request {
            method: "GET".to_owned(),
            scheme: "https".to_owned(),
            host: "api.us-east-1.com".to_owned(),
            path: path.to_owned(),
            headers: vec![("x-user".to_owned(), "mallory".to_owned())],
        },
        at: AT,
        ..Trial::default()
    }
}

fn claims(claims: Value) -> Map<String, Value> {
    claims.as_object().cloned().expect("an object")
}

fn alice() -> Token {
    Token {
        claims: claims(json!({"sub": "alice", "permissions": ["read:a"]})),
        ..Token::default()
    }
}

fn with(token: Token, trial: Trial) -> Trial {
    Trial {
        token: Some(token),
        ..trial
    }
}

#[track_caller]
fn run(trial: &Trial) -> Found {
    let stage = Stage::of(&bundle(), "shop@41+abcdef012345").expect("a stage");
    stage.run(trial).expect("a trial")
}

#[track_caller]
fn reason(trial: &Trial) -> &'static str {
    run(trial).reason.expect("a reason").code()
}

#[test]
fn a_token_that_says_little_is_valid() {
    let found = run(&with(alice(), get("/a")));
    assert_eq!((found.verdict, found.by.as_str()), (Verdict::Allow, "shop/read"));
    assert_eq!(found.decided_by.as_deref(), Some("inline"));
    let line = "allow;rule.allowed;shop/read;inline;shop@41+abcdef012345;us-east-1>->us-east-1";
    assert_eq!(found.line.as_deref(), Some(line));
    assert_eq!(found.status(), None);
    let values = |name: &str| -> Vec<&str> {
        let lines = found.upstream.iter().filter(|(found, _)| found == name);
        lines.map(|(_, value)| value.as_str()).collect()
    };
    assert_eq!(values("x-user"), ["alice"]);
    assert_eq!(values("authorization"), Vec::<&str>::new());
    assert_eq!(values(":path"), ["/a"]);
}

#[test]
fn nothing_of_a_token_is_taken_on_trust() {
    type Case = (fn(&mut Token), &'static str);
    assert_eq!(reason(&get("/a")), "identity.missing");
    let token = |change: fn(&mut Token)| {
        let mut token = alice();
        change(&mut token);
        with(token, get("/a"))
    };
    let cases: [Case; 9] = [
        (|token| token.without = vec!["exp".to_owned()], "identity.claims"),
        (
            |token| token.claims = claims(json!({"sub": "a", "exp": 1})),
            "identity.expired",
        ),
        (
            |token| token.claims = claims(json!({"sub": "a", "aud": "x"})),
            "identity.audience",
        ),
        (
            |token| token.claims = claims(json!({"sub": "a", "iss": "x"})),
            "identity.issuer_unknown",
        ),
        (|token| token.claims = claims(json!({"sub": "a"})), "permission.missing"),
        (|token| token.claims = Map::new(), "identity.claims"),
        (|token| token.kid = Some("2025-01".to_owned()), "identity.revoked"),
        (|token| token.revoked = true, "identity.revoked"),
        // Another Region's key does not verify it.
        (
            |token| {
                token.home = Some("eu-west-1".to_owned());
                token.claims = claims(json!({"sub": "a", "iss": "identity.global.com", "region": "us-east-1"}));
            },
            "identity.signature",
        ),
    ];
    for (change, expected) in cases {
        assert_eq!(reason(&token(change)), expected);
    }
}

#[test]
fn tokens_of_other_regions_are_theirs() {
    let eu = Token {
        home: Some("eu-west-1".to_owned()),
        ..alice()
    };
    let found = run(&with(eu.clone(), get("/a")));
    assert_eq!(found.by, "shop/read");
    assert!(found.line.expect("a line").contains(";eu-west-1>->us-east-1"));
    // The Region that the claims name is found where that Region says.
    let told = Token {
        home: None,
        claims: claims(json!({"sub": "bob", "permissions": ["read:a"], "tenant": {"region": "eu-west-1"}})),
        ..eu.clone()
    };
    assert_eq!(run(&with(told, get("/a"))).verdict, Verdict::Allow);
    let nowhere = Token {
        home: Some("mars".to_owned()),
        ..alice()
    };
    let stage = Stage::of(&bundle(), "shop@41+abcdef012345").expect("a stage");
    assert!(
        stage
            .run(&with(nowhere, get("/a")))
            .is_err_and(|error| error.contains("`mars`"))
    );
    // By its status list, which is signed by its Region.
    let listed = |revoked| Token {
        claims: claims(json!({
            "sub": "bob", "permissions": ["read:a"],
            "status": {"status_list": {"idx": 11, "uri": "https://lists.eu/status/1"}},
        })),
        revoked,
        ..eu.clone()
    };
    assert_eq!(reason(&with(listed(false), get("/a"))), "rule.allowed");
    assert_eq!(reason(&with(listed(true), get("/a"))), "identity.revoked");
}

#[test]
fn lists_that_cannot_be_had_are_told() {
    let away = Trial {
        lists_away: true,
        ..with(alice(), get("/a"))
    };
    // The engine would wait: nobody else is there to come.
    assert_eq!(reason(&away), "identity.revocation_unavailable");
}

#[test]
fn a_center_answers_what_the_trial_says() {
    let ask = |center| Trial {
        center,
        ..with(alice(), get("/ask/7"))
    };
    let found = run(&ask(None));
    assert_eq!((found.verdict, found.by.as_str()), (Verdict::Defer, "shop/ask"));
    let question = found.question.expect("a question");
    assert_eq!(question["resource"]["properties"]["captures"]["id"], "7");
    assert_eq!(question["context"]["bundle"], "shop@41+abcdef012345");
    for (center, verdict, reason) in [
        (Center::Allow, Verdict::Allow, "center.allowed"),
        (Center::Deny, Verdict::Deny, "center.denied"),
        (Center::Away, Verdict::Deny, "center.unavailable"),
        (Center::Wrong, Verdict::Deny, "center.error"),
    ] {
        let found = run(&ask(Some(center)));
        assert_eq!(found.verdict, verdict);
        assert_eq!(found.reason.expect("a reason").code(), reason);
        assert_eq!(found.decided_by.as_deref(), Some("center:us-east-1"));
        assert!(found.question.is_some());
    }
}

#[test]
fn connections_have_an_address_and_a_workload() {
    let near = |address: &str| Trial {
        address: Some(address.parse::<IpAddr>().expect("an address")),
        ..with(alice(), get("/near"))
    };
    assert_eq!(reason(&near("10.1.2.3")), "rule.allowed");
    assert_eq!(reason(&near("10.2.2.3")), "rule.source");
    let service = |workload: &str| Trial {
        workload: Some(workload.to_owned()),
        ..get("/service")
    };
    assert_eq!(reason(&service("spiffe://prod/web")), "rule.allowed");
    assert_eq!(reason(&service("spiffe://prod/batch")), "rule.workload");
    let bound = Token { bound: true, ..alice() };
    assert_eq!(reason(&with(bound, get("/a"))), "rule.allowed");
}

#[test]
fn a_trial_tells_whom_the_proxy_serves_and_what_its_port_is() {
    let mut bundle = bundle();
    let own = json!({"apiVersion": "security.io/v1", "kind": "ZeroTrustPolicy", "metadata": {"name": "own"}, "spec": {
        "selector": {"workloads": ["ns/shop/*"]}, "preflight": "allow", "probes": [{"path": "/healthz", "port": 8080}],
    }});
    bundle["documents"].as_array_mut().expect("a list").push(own);
    let stage = Stage::of(&bundle, "label").expect("a stage");
    let reason = |trial: &Trial| stage.run(trial).expect("runs").reason.expect("decided").code();
    let served = |account: &str| Served {
        id: Some(format!("spiffe://prod/ns/{account}")),
        ..Served::default()
    };
    let at = |port, account| Trial {
        port,
        serves: served(account),
        ..get("/healthz")
    };
    assert_eq!(reason(&at(Some(8080), "shop/sa/api")), "policy.probe_allowed");
    assert_eq!(reason(&at(Some(9090), "shop/sa/api")), "identity.missing");
    assert_eq!(reason(&at(None, "shop/sa/api")), "identity.missing");
    assert_eq!(reason(&at(Some(8080), "web/sa/api")), "identity.missing");
    let mut preflight = at(None, "shop/sa/api");
    preflight.request.method = "OPTIONS".to_owned();
    let headers = [
        ("origin", "https://shop.example"),
        ("access-control-request-method", "PUT"),
    ];
    preflight
        .request
        .headers
        .extend(headers.map(|(name, value)| (name.to_owned(), value.to_owned())));
    assert_eq!(reason(&preflight), "policy.preflight_allowed");
    preflight
        .request
        .headers
        .push(("content-length".to_owned(), "7".to_owned()));
    assert_eq!(reason(&preflight), "identity.missing");
}

#[test]
fn a_challenge_is_no_plain_refusal() {
    let mut trial = with(alice(), get("/a"));
    trial.request.method = "DELETE".to_owned();
    let found = run(&trial);
    assert_eq!((found.verdict, found.status()), (Verdict::StepUp, Some(401)));
    assert_eq!(found.by, "shop/fresh");
}

#[test]
fn a_token_stands_where_the_bundle_looks_for_it() {
    for (source, path) in [
        (json!({"cookie": "session"}), "/a"),
        (json!({"query": "access_token"}), "/a?x=1"),
        (json!({"header": "x-token", "prefix": ""}), "/a"),
    ] {
        let mut bundle = bundle();
        bundle["tokens"] = json!({"sources": [source]});
        bundle["documents"][3]["spec"]["forward"]["token"] = json!("pass");
        let stage = Stage::of(&bundle, "shop@41+abcdef012345").expect("a stage");
        let found = stage.run(&with(alice(), get(path))).expect("a trial");
        assert_eq!(found.verdict, Verdict::Allow, "{source}");
        assert!(
            found.upstream.iter().all(|(_, value)| !value.contains("eyJ")),
            "{:?}",
            found.upstream
        );
    }
}

/// A bundle with a device manager, a rule in shadow mode, and a candidate.
fn tried() -> Value {
    let mut bundle = bundle();
    let documents = bundle["documents"].as_array_mut().expect("a list");
    documents.push(
        json!({"apiVersion": "security.io/v1", "kind": "DeviceIssuer", "metadata": {"name": "mdm"}, "spec": {
            "issuer": "https://mdm.example.com", "audiences": ["posture"], "keys": {"remote": {"cluster": "mdm"}},
            "type": "posture+jwt", "maxAge": "15m", "upstream": "pass",
            "binding": {"subject": "user.id", "home": "user.region", "issuer": "user.iss"},
            "claims": {"encrypted": "disk.encrypted"},
        }}),
    );
    documents.push(
        json!({"apiVersion": "security.io/v1", "kind": "ZeroTrustPolicy", "metadata": {"name": "tried"}, "spec": {
            "rules": [
                {"name": "encrypted", "paths": ["/device"], "when": "device.encrypted", "effect": "allow"},
                {"name": "not-a", "paths": ["/a"], "effect": "deny", "mode": "shadow"},
            ],
        }}),
    );
    let policy = documents[3].clone();
    bundle["candidate"] = json!({"sample": "0.01%", "documents": [policy]});
    bundle["candidate"]["documents"][0]["spec"]["rules"][1]["permissions"] = json!({"anyOf": ["read:b"]});
    bundle
}

#[test]
fn devices_are_believed_by_their_managers_word() {
    let stage = Stage::of(&tried(), "shop@41+abcdef012345").expect("a stage");
    let device = |encrypted: bool| Device {
        parts: vec![(Field::Encrypted, json!(encrypted))],
        ..Device::default()
    };
    let run = |device| {
        let trial = Trial {
            device,
            ..with(alice(), get("/device"))
        };
        stage.run(&trial).expect("a trial")
    };
    let found = run(Some(device(true)));
    assert_eq!(found.by, "tried/encrypted");
    assert_eq!(found.verdict, Verdict::Allow);
    let posture = found.upstream.iter().find(|(name, _)| name == "x-device-posture");
    assert_eq!(posture.map(|(_, value)| value.as_str()), Some("(the token)"));
    let stale = Device {
        signed_at: Some(WallTime(AT.0 - 3_600 * 1_000_000_000)),
        ..device(true)
    };
    for device in [None, Some(device(false)), Some(stale)] {
        assert_eq!(run(device).verdict, Verdict::Deny);
    }
    // Where nobody signs postures, the user's own token says it.
    let mut bundle = tried();
    bundle["documents"].as_array_mut().expect("a list").remove(4);
    let stage = Stage::of(&bundle, "shop@41+abcdef012345").expect("a stage");
    let trial = Trial {
        device: Some(device(true)),
        ..with(alice(), get("/device"))
    };
    assert_eq!(stage.run(&trial).expect("a trial").verdict, Verdict::Allow);
}

#[test]
fn what_is_tried_is_told_of_each_request() {
    let stage = Stage::of(&tried(), "shop@41+abcdef012345").expect("a stage");
    let found = stage.run(&with(alice(), get("/a"))).expect("a trial");
    assert_eq!(found.verdict, Verdict::Allow);
    let shadow = found.shadow.expect("a line");
    assert!(
        shadow.starts_with("deny;rule.denied;tried/not-a;inline;shop@41+abcdef012345;"),
        "{shadow}"
    );
    let candidate = found.candidate.expect("a line");
    assert!(
        candidate.starts_with("deny;permission.missing;shop/read;"),
        "{candidate}"
    );
    let found = stage.run(&get("/public/x")).expect("a trial");
    assert_eq!((found.shadow, found.candidate), (None, None));
}
