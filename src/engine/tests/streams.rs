//! What upgrades have opened: how long it lasts, what ends it, and what it costs everybody else.

mod bounds;

use core::time::Duration;

use serde_json::{Value as Json, json};

use super::super::StreamId;
use super::super::streams::STREAMS_MAX;
use super::documents::{bundle, policy};
use super::grants::grant;
use super::host::{Reply, Request, World, get};
use super::proofs;
use super::tokens::{ISSUER, START, Signer, at, token, token_with};
use crate::audit::Counter;
use crate::reason::Reason;

const SECOND: Duration = Duration::from_secs(1);

fn websocket(path: &str) -> Request {
    get(path).header("connection", "Upgrade").header("upgrade", "websocket")
}

fn lives() -> Request {
    websocket("/live").bearer(&token("us-east-1"))
}

/// A token that ends long after the tests do.
fn long(subject: &str) -> String {
    token_with("us-east-1", &json!({"sub": subject, "exp": START + 40_000}))
}

fn rules() -> Json {
    json!([
        {"name": "live", "paths": ["/live"], "permissions": {"anyOf": ["read:profile"]}, "upgrades": ["websocket"], "effect": "allow"},
        {"name": "tunnel", "hosts": ["db.us-east-1.com:5432"], "methods": ["CONNECT"], "effect": "allow"},
        {"name": "kept", "paths": ["/kept", "/both"], "upgrades": ["websocket"], "streams": "untilClosed", "effect": "allow"},
        {"name": "zz", "paths": ["/both"], "upgrades": ["websocket"], "effect": "allow"},
        {"name": "admins", "paths": ["/kept"], "roles": {"anyOf": ["admin"]}, "upgrades": ["websocket"], "effect": "allow"},
        {"name": "ask", "paths": ["/ask"], "upgrades": ["websocket"], "effect": "defer", "defer": {"cache": "1h"}},
        {"name": "open", "paths": ["/open", "/plain"], "identity": "none", "upgrades": ["websocket"], "effect": "allow"},
        {"name": "plain", "paths": ["/plain", "/live"], "effect": "allow"},
    ])
}

/// A bundle of this version with these rules.
fn version(version: u64, rules: Json) -> Json {
    let mut bundle = bundle(&[policy("shop", json!({"rules": rules}))]);
    bundle["metadata"]["version"] = json!(version);
    bundle
}

/// The same with more in it.
fn with(version_: u64, document: Json) -> Json {
    let mut bundle = version(version_, rules());
    bundle["documents"].as_array_mut().expect("a list").push(document);
    bundle
}

/// Without the rule of this name.
fn without(name: &str) -> Json {
    let mut rules = rules();
    rules
        .as_array_mut()
        .expect("a list")
        .retain(|rule| rule["name"] != name);
    rules
}

fn world() -> World {
    World::new(&version(41, rules()))
}

/// Opens a stream that is looked after.
#[track_caller]
fn open(world: &mut World, request: &Request) -> StreamId {
    let decision = world.decide(request);
    decision.stream.unwrap_or_else(|| panic!("{}", decision.line))
}

/// Lets so much time pass, tick by tick; the streams that ended.
fn after(world: &mut World, time: Duration) -> Vec<StreamId> {
    let mut left = time;
    while left > Duration::ZERO {
        let step = left.min(SECOND);
        world.pass(step);
        world.wake();
        left = left.saturating_sub(step);
    }
    core::mem::take(&mut world.ended)
}

/// The next tick; the streams that ended.
fn tick(world: &mut World) -> Vec<StreamId> {
    after(world, SECOND)
}

/// How many were opened and ended since this was asked last.
fn counted(world: &mut World) -> [u64; 4] {
    let counters = world.counted().0;
    [
        Counter::StreamOpened,
        Counter::StreamExpired,
        Counter::StreamRevoked,
        Counter::StreamDenied,
    ]
    .map(|which| {
        counters
            .iter()
            .find(|(counter, _)| *counter == which)
            .map_or(0, |(_, sum)| *sum)
    })
}

#[test]
fn a_stream_ends_with_its_token_and_not_before() {
    let mut world = world();
    let connect = get("/").method("CONNECT").without(":path").without(":scheme");
    let streams = [
        open(&mut world, &lives()),
        open(
            &mut world,
            &connect.host("db.us-east-1.com:5432").bearer(&token("us-east-1")),
        ),
        open(&mut world, &websocket("/open").bearer(&token("us-east-1"))),
    ];
    let longer = open(&mut world, &websocket("/live").bearer(&long("alice")));
    let nobodys = open(&mut world, &websocket("/open"));
    // An hour of ten-second looks would miss it by up to ten seconds.
    assert_eq!(after(&mut world, Duration::from_millis(629_900)), []);
    assert_eq!(
        after(&mut world, Duration::from_millis(100)),
        streams,
        "`exp` and leeway: when a request would be refused"
    );
    let told: Vec<&str> = world.logs.iter().map(|(_, line)| line.as_str()).collect();
    let label = &world.label;
    assert!(
        told.contains(&&*format!(
            "stream ended: identity.expired (request r-1): deny;identity.expired;shop/live;inline;{label};->->us-east-1"
        )),
        "{told:?}"
    );
    assert_eq!(counted(&mut world), [5, 3, 0, 0]);
    assert_eq!(after(&mut world, Duration::from_secs(3_600)), []);
    assert_eq!(world.engine.open_streams(), 2);
    for stream in [longer, nobodys] {
        world.closed(stream);
    }
    assert_eq!(world.engine.open_streams(), 0);
}

#[test]
fn what_is_no_upgrade_or_is_refused_is_not_looked_after() {
    let mut world = world();
    for (request, reason) in [
        (get("/plain").bearer(&token("us-east-1")), Reason::RuleAllowed),
        (websocket("/live"), Reason::IdentityMissing),
        (websocket("/no").bearer(&token("us-east-1")), Reason::UpgradeNotAllowed),
        (websocket("/kept").bearer(&token("us-east-1")), Reason::RuleAllowed),
    ] {
        let decision = world.decide(&request);
        assert_eq!((decision.reason, decision.stream), (reason, None), "{}", decision.line);
    }
    assert_eq!((world.engine.open_streams(), counted(&mut world)), (0, [0; 4]));
}

/// Where a rule that says nothing of streams lets it in as well, its word holds.
#[test]
fn until_closed_is_for_every_rule_that_lets_it_in_to_say() {
    let mut world = world();
    let admin = token_with("us-east-1", &json!({"roles": ["admin"]}));
    assert_eq!(
        world.decide(&websocket("/kept").bearer(&token("us-east-1"))).stream,
        None
    );
    assert!(world.decide(&websocket("/kept").bearer(&admin)).stream.is_some());
    let both = world.decide(&websocket("/both").bearer(&token("us-east-1")));
    assert!(
        both.line.contains(";shop/kept;") && both.stream.is_some(),
        "{}",
        both.line
    );
}

#[test]
fn a_revocation_ends_it_at_the_next_tick() {
    for spec in [
        json!({"tokens": [{"issuer": ISSUER, "jti": "token-one"}]}),
        json!({"subjects": [{"home": "us-east-1", "issuer": ISSUER, "sub": "alice", "notBefore": at(0)}]}),
    ] {
        let mut world = world();
        let streams = [
            open(&mut world, &lives()),
            open(&mut world, &websocket("/open").bearer(&token("us-east-1"))),
        ];
        let other = token_with("us-east-1", &json!({"jti": "token-two", "sub": "bob"}));
        open(&mut world, &websocket("/live").bearer(&other));
        let revocations = json!({"apiVersion": "security.io/v1", "kind": "Revocations", "metadata": {"name": "stolen"}, "spec": spec});
        world.push(&with(42, revocations));
        assert_eq!(
            tick(&mut world),
            streams,
            "the upstream of a public one was told who asks, too"
        );
        assert_eq!(counted(&mut world), [3, 0, 2, 0]);
    }
}

#[test]
fn another_policy_ends_it_at_the_next_tick() {
    let mut world = world();
    let (live, asked) = (open(&mut world, &lives()), open(&mut world, &websocket("/open")));
    assert_eq!(after(&mut world, Duration::from_secs(3)), []);
    world.push(&version(42, without("live")));
    assert_eq!(tick(&mut world), [live]);
    // Of another plugin, nothing has changed.
    world.push_to("other", &version(43, json!([rules()[2]])), None);
    assert_eq!(after(&mut world, Duration::from_secs(30)), []);
    let mut soon = World::new(&{
        let mut bundle = version(41, rules());
        bundle["documents"][3]["spec"]["context"] = json!({"timeRestrictions": [{"notAfter": at(11)}]});
        bundle
    });
    let late = open(&mut soon, &lives());
    assert_eq!(after(&mut soon, Duration::from_secs(12)), []);
    for number in [43, 44] {
        soon.push_to("other", &version(number, rules()), None);
    }
    assert_eq!(tick(&mut soon), [], "its time has not come");
    assert_eq!(after(&mut soon, Duration::from_secs(10)), [late]);
    world.push(&version(43, json!([rules()[2]])));
    assert_eq!(tick(&mut world), [asked]);
    assert_eq!(counted(&mut world), [2, 0, 0, 2]);
    assert_eq!(world.engine.open_streams(), 0);
}

/// What no push tells of is seen within ten seconds.
#[test]
fn what_changes_by_itself_ends_it_soon() {
    let mut bundle = version(41, rules());
    bundle["documents"][3]["spec"]["context"] = json!({"timeRestrictions": [{"notAfter": at(60)}]});
    let mut world = World::new(&bundle);
    let live = open(&mut world, &lives());
    assert_eq!(after(&mut world, Duration::from_secs(59)), []);
    assert_eq!(after(&mut world, Duration::from_secs(10)), [live]);
}

#[test]
fn a_list_of_revocations_that_arrives_ends_it_at_the_next_tick() {
    let mut bundle = version(41, rules());
    bundle["documents"][0]["spec"]["revocation"] =
        json!({"list": {"cluster": "identity-us", "refresh": "60s", "staleFor": "5m"}});
    let mut world = World::new(&bundle);
    world.wake();
    let first = world.call();
    world.reply(first, &Reply::of(&json!({"tokens": []})));
    let request = websocket("/live").bearer(&long("alice"));
    let live = open(&mut world, &request);
    world.calls.clear();
    // The next list comes within 66 s; until then there are looks enough that could end the stream for another reason.
    let second = loop {
        assert_eq!(tick(&mut world), []);
        if let [call] = world.calls.as_slice() {
            break call.id;
        }
    };
    world.reply(
        second,
        &Reply::of(&json!({"tokens": [{"jti": "token-one", "exp": START + 40_000}]})),
    );
    assert_eq!(tick(&mut world), [live]);
    assert_eq!(counted(&mut world), [1, 0, 1, 0]);
    // A list that is away says nothing of a stream that is open, however old: a request would wait for it.
    let mut world = World::new(&bundle);
    world.wake();
    let first = world.call();
    world.reply(first, &Reply::of(&json!({"tokens": []})));
    let live = open(&mut world, &request);
    let short = open(&mut world, &lives());
    assert_eq!(after(&mut world, Duration::from_secs(400)), []);
    world.wait(&request);
    assert_eq!(
        after(&mut world, Duration::from_secs(240)),
        [short],
        "no stream outlasts its token"
    );
    assert_eq!(counted(&mut world), [2, 1, 0, 0]);
    world.closed(live);
}

#[test]
fn what_the_center_has_let_in_stays_as_it_said() {
    let mut world = world();
    let ask = websocket("/ask").bearer(&token("us-east-1"));
    let live = world.answered(&ask, &Reply::decision(true)).stream.expect("a stream");
    let kept = open(&mut world, &ask);
    let other = websocket("/ask").bearer(&long("bob"));
    assert_eq!(world.answered(&other, &Reply::decision(false)).stream, None);
    assert_eq!(world.engine.open_streams(), 2);
    world.calls.clear();
    world.push(&version(42, rules()));
    assert_eq!(after(&mut world, Duration::from_secs(60)), []);
    assert!(world.calls.is_empty(), "it is not asked again");
    assert_eq!(after(&mut world, Duration::from_secs(570)), [live, kept]);
    // Whoever hangs up while the center is asked gives up the place that was kept.
    for _ in 0..2 {
        let waiting: Vec<_> = (0..STREAMS_MAX / 2).map(|_| world.wait(&other)).collect();
        assert_eq!(world.reason(&other), Reason::StreamsFull);
        for request in waiting {
            world.close(request);
        }
    }
}

#[test]
fn what_is_away_when_it_is_asked_opens_no_stream_and_nobody_waits_for_one() {
    let mut world = world();
    let ask = websocket("/ask").bearer(&token("us-east-1"));
    assert_eq!(
        world.answered(&ask, &Reply::status(503)).reason,
        Reason::CenterUnavailable
    );
    assert_eq!((world.engine.open_streams(), counted(&mut world)), (0, [0; 4]));
}

/// A proof counts once, for the request that it came with; what it has opened needs no other.
#[test]
fn a_proof_is_not_asked_for_again() {
    let mut rules = rules();
    rules[0]["paths"] = json!(["/profile"]);
    let mut world = World::new(&version(41, rules.clone()));
    let token = proofs::bound(json!({}));
    let request = proofs::with_proof(&token, &proofs::proof(&token, "one"))
        .header("connection", "Upgrade")
        .header("upgrade", "websocket");
    let live = open(&mut world, &request);
    assert_eq!(world.reason(&request), Reason::ProofReplayed);
    world.push(&version(42, rules));
    assert_eq!(after(&mut world, Duration::from_secs(629)), []);
    assert_eq!(after(&mut world, SECOND), [live]);
}

#[test]
fn an_override_ends_and_keeps_streams_as_it_does_requests() {
    let over = |number, mode: &str, rules: Json| {
        let mut bundle = version(number, rules);
        bundle["override"] = json!({"mode": mode, "until": at(60), "who": "the owner", "why": "an incident"});
        bundle
    };
    let mut world = world();
    let live = open(&mut world, &lives());
    world.push(&over(42, "denyAll", rules()));
    assert_eq!(tick(&mut world), [live]);
    // What only an override lets in ends with it, within ten seconds.
    let mut world = World::new(&over(41, "observe", {
        let mut rules = rules();
        rules[0]["roles"] = json!({"anyOf": ["nobody"]});
        rules
    }));
    let observed = world.decide(&lives());
    assert_eq!(observed.reason, Reason::OverrideObserved);
    assert_eq!(after(&mut world, Duration::from_secs(59)), []);
    assert_eq!(
        after(&mut world, Duration::from_secs(10)),
        [observed.stream.expect("a stream")]
    );
}

#[test]
fn keys_that_are_away_end_nothing_and_other_keys_do() {
    let mut world = world();
    let live = open(&mut world, &websocket("/live").bearer(&long("alice")));
    let short = open(&mut world, &lives());
    let mut bundle = version(42, rules());
    bundle["documents"][0]["spec"]["keys"] = json!({"remote": {"cluster": "identity-us"}});
    world.push(&bundle);
    assert_eq!(after(&mut world, Duration::from_secs(629)), []);
    assert_eq!(tick(&mut world), [short], "no stream outlasts its token");
    assert_eq!(counted(&mut world), [2, 1, 0, 0]);
    let mut bundle = version(43, rules());
    bundle["documents"][0]["spec"]["keys"]["jwks"]["keys"] = json!([Signer::new("us-east-1", 2).jwk()]);
    world.push(&bundle);
    assert_eq!(tick(&mut world), [live]);
    assert_eq!(counted(&mut world), [0, 0, 0, 1]);
    // Nor where nothing is remembered of the token, because its claims mean something else now.
    let mut world = self::world();
    let short = open(&mut world, &lives());
    let mut bundle = version(42, rules());
    bundle["documents"][0]["spec"]["keys"] = json!({"remote": {"cluster": "identity-us"}});
    bundle["documents"][0]["spec"]["claims"] = json!({"roles": "groups"});
    world.push(&bundle);
    assert_eq!(after(&mut world, Duration::from_secs(629)), []);
    assert_eq!(tick(&mut world), [short]);
    assert_eq!(counted(&mut world), [1, 1, 0, 0]);
}

/// A grant that keeps a stream open is told with the request that it lets in.
#[test]
fn a_grant_is_told_when_it_lets_a_request_in() {
    let mut world = world();
    let spec = json!({"grants": [grant("us-east-1", "alice", -60, 25)]});
    let granted =
        json!({"apiVersion": "security.io/v1", "kind": "Grants", "metadata": {"name": "on-call"}, "spec": spec});
    let live = open(&mut world, &websocket("/live").bearer(&long("alice")));
    let mut bundle = with(42, granted);
    bundle["documents"][3]["spec"]["rules"][0]["permissions"] = json!({"anyOf": ["close:ledger"]});
    world.push(&bundle);
    world.logs.clear();
    assert_eq!(after(&mut world, Duration::from_secs(20)), []);
    assert!(world.logs.is_empty(), "{:?}", world.logs);
    let second = world.decide(&websocket("/live").bearer(&long("alice")));
    assert_eq!(second.reason, Reason::GrantAllowed);
    assert!(
        world.logs[0].1.contains("is used for the first time here"),
        "{:?}",
        world.logs
    );
    let second = second.stream.expect("a stream");
    assert_eq!(
        after(&mut world, Duration::from_secs(11)),
        [second, live],
        "it has ended"
    );
}

/// A request that had to wait, for keys or for the center, opens what any other does.
#[test]
fn what_is_let_in_after_a_wait_is_looked_after() {
    let mut bundle = version(41, rules());
    bundle["documents"][0]["spec"]["keys"] = json!({"remote": {"cluster": "identity-us"}});
    let mut world = World::new(&bundle);
    let [live, asked] = [lives(), websocket("/ask").bearer(&token("us-east-1"))].map(|request| world.wait(&request));
    let keys = world.call();
    world.calls.clear();
    world.reply(keys, &Reply::of(&json!({"keys": [Signer::new("us-east-1", 1).jwk()]})));
    let live = world.finished(live).stream.expect("a stream");
    let question = world.calls.last().expect("a question").id;
    world.reply(question, &Reply::decision(true));
    let asked = world.finished(asked).stream.expect("a stream");
    assert_eq!(world.engine.open_streams(), 2);
    assert_eq!(after(&mut world, Duration::from_secs(640)), [live, asked]);
}

/// What the connection showed when the stream began still counts.
#[test]
fn the_peer_of_a_stream_is_the_one_that_opened_it() {
    let mut rules = rules();
    rules[0]["from"] = json!({"networks": ["127.0.1.0/24"]});
    let mut world = World::new(&version(41, rules.clone()));
    let live = open(&mut world, &websocket("/live").bearer(&long("alice")));
    world.peer = Some(b"127.0.2.2".to_vec());
    assert_eq!(world.reason(&lives()), Reason::SourceNotMatched);
    assert_eq!(after(&mut world, Duration::from_secs(30)), []);
    rules[0]["from"] = json!({"networks": ["127.0.2.0/24"]});
    world.push(&version(42, rules));
    assert_eq!(tick(&mut world), [live]);
}

#[test]
fn a_plugin_that_is_gone_takes_its_streams_with_it() {
    let mut world = world();
    let live = open(&mut world, &lives());
    let scope = world.scope.expect("a scope");
    // Another configuration of the same plugin: the scope lives on.
    world.push(&version(42, rules()));
    world.engine.release(scope);
    assert_eq!(after(&mut world, Duration::from_secs(20)), []);
    world.engine.release(scope);
    assert_eq!(after(&mut world, Duration::from_secs(10)), [live]);
}
