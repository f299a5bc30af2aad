//! Random requests: what is asked, who asks, and what else is seen.

use std::net::IpAddr;
use std::time::Duration;

use proptest::option;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use regionguard::bundle::RegionId;
use regionguard::bundle::document::Region;
use regionguard::context::Country;
use regionguard::identity::{SpiffeId, Subject, counting_home};
use regionguard::policy::{Served, Source};
use regionguard::request::{ContentKind, Scheme, Upgrade};
use regionguard::risk::Risk;
use regionguard::time::WallTime;
use serde_json::{Value, json};

use super::{ACR, AMR, COUNTRIES, VERSIONS, WORDS, owned, region};

const AUTHORITIES: &[&str] = &[
    "com",
    "a.com",
    "b.a.com",
    "c.b.a.com",
    "d.c.b.a.com",
    "b.com",
    "x.org",
    "a.com:8080",
    "b.a.com:8080",
    "a.com:80",
    "A.COM.",
    "[::1]",
    "10.0.0.1",
];

const PATHS: &[&str] = &[
    "/",
    "/x",
    "/x/",
    "/y",
    "/X",
    "/z",
    "/x/y",
    "/x/y/",
    "/x/z",
    "/x/y/y",
    "/x//y",
    "/z/y",
    "/y/z/y",
    "/z/z/z/z",
    "/%c3%89",
    "/%C3%A9",
    "/x/y?x=/z",
    "/x?a=1",
    "/x?a=2&b=1",
    "/x?a=1&a=2",
    "/x/y?A=1",
    "/y?a=1;b=2",
    "/x?a=%31",
    "/x/y?a=1+1",
    "/y?a=2",
    "/x/y?b=1",
];

const ASKED_METHODS: &[&str] = &["GET", "HEAD", "POST", "BREW", "get", "OPTIONS", "CONNECT"];

/// Lines that a request may have; the last two make a preflight of an OPTIONS, and the one before them has a name that policies may fill themselves.
const LINES: &[(&str, &str)] = &[
    ("a", "1"),
    ("a", "2"),
    ("A", "1, 2"),
    ("b-c", "1"),
    ("b_c", "2"),
    ("x-tenant", "x"),
    ("origin", "https://a.com"),
    ("access-control-request-method", "PUT"),
];

const SERVED: &[&str] = &["spiffe://a/ns/x/sa/y", "spiffe://b/ns/x/sa/y", "spiffe://a/ns/x/sa/z"];

const ADDRESSES: &[&str] = &["127.0.1.7", "127.0.2.7", "::ffff:127.0.1.7", "2001:db8::1", "::1"];

const WORKLOADS: &[&str] = &["spiffe://a/x", "spiffe://a/x/y", "spiffe://b/x", "spiffe://b/xy"];

/// A request, described.
#[derive(Debug, Clone)]
pub(crate) struct RequestPlan {
    pub(crate) authority: &'static str,
    pub(crate) scheme: Option<Scheme>,
    pub(crate) method: &'static str,
    pub(crate) path: &'static str,
    pub(crate) lines: Vec<(&'static str, &'static str)>,
    pub(crate) content: ContentKind,
    pub(crate) upgrade: Option<Upgrade>,
    pub(crate) served: Served,
    pub(crate) port: Option<u16>,
    pub(crate) has_no_body: bool,
    pub(crate) subject: Option<Subject>,
    pub(crate) source: Source,
    pub(crate) workload: Option<SpiffeId>,
    pub(crate) token_refused: bool,
    pub(crate) claims: String,
    pub(crate) certificate: bool,
    pub(crate) local: RegionId,
    pub(crate) at: WallTime,
    pub(crate) risk: Risk,
    /// What the identity replica tells of the subject, as JSON.
    pub(crate) attributes: String,
    pub(crate) replica_is_away: bool,
}

impl RequestPlan {
    /// The home region of the workload, where it counts.
    pub(crate) fn service(&self, regions: &[Region]) -> Option<RegionId> {
        counting_home(self.workload.as_ref()?, self.local, regions)
    }
}

pub(crate) fn request() -> impl Strategy<Value = RequestPlan> {
    let asked = (
        select(AUTHORITIES),
        option::of(select(&[Scheme::Http, Scheme::Https][..])),
        select(ASKED_METHODS),
        select(PATHS),
        seen(),
    );
    // A Tuesday at noon, and a Sunday, UTC.
    let at = select(&[1_763_467_200_u64, 1_763_294_400][..])
        .prop_map(|seconds| WallTime::default().after(Duration::from_secs(seconds)));
    (
        asked,
        option::weighted(0.7, subject()),
        source(),
        (workload(), any::<bool>(), claims(), any::<bool>()),
        region(),
        (at, risk(), attributes(), any::<bool>()),
    )
        .prop_map(
            |(
                asked,
                subject,
                source,
                (workload, token_refused, claims, certificate),
                local,
                (at, risk, attributes, replica_is_away),
            )| RequestPlan {
                attributes,
                replica_is_away,
                // Of nobody there is no score.
                risk: Risk {
                    score: risk.score.filter(|_| subject.is_some()),
                    ..risk
                },
                authority: asked.0,
                scheme: asked.1,
                method: asked.2,
                path: asked.3,
                lines: asked.4.lines,
                content: asked.4.content,
                upgrade: asked.4.upgrade,
                served: asked.4.served,
                port: asked.4.port,
                has_no_body: asked.4.has_no_body,
                subject,
                source,
                workload,
                token_refused,
                claims,
                certificate,
                local,
                at,
            },
        )
}

fn attributes() -> impl Strategy<Value = String> {
    let clearance = select(vec![None, Some(json!(1)), Some(json!(5)), Some(json!("high"))]);
    let teams = select(vec![None, Some(json!(["a", "b"])), Some(json!([])), Some(json!("a"))]);
    (clearance, teams).prop_map(|(clearance, teams)| {
        let mut all = serde_json::Map::new();
        all.extend(clearance.map(|value| ("clearance".to_owned(), value)));
        all.extend(teams.map(|value| ("teams".to_owned(), value)));
        Value::Object(all).to_string()
    })
}

fn risk() -> impl Strategy<Value = Risk> {
    let score = option::of(select(&[0.0, 40.0, 50.0, 100.0][..]));
    (score, option::of(0..4_u32)).prop_map(|(score, failures)| Risk { score, failures })
}

/// What is seen of a request beside its host, method and path.
#[derive(Debug, Clone)]
struct Seen {
    lines: Vec<(&'static str, &'static str)>,
    content: ContentKind,
    upgrade: Option<Upgrade>,
    served: Served,
    port: Option<u16>,
    has_no_body: bool,
}

fn seen() -> impl Strategy<Value = Seen> {
    let served = (option::of(select(SERVED)), option::of(select(&["y", "z"][..]))).prop_map(|(id, account)| Served {
        id: id.map(str::to_owned),
        namespace: account.map(|_| "x".to_owned()),
        service_account: account.map(str::to_owned),
    });
    (
        prop_oneof![1 => subsequence(LINES, 0..=3), 1 => subsequence(LINES, 6..=8)],
        select(&[ContentKind::Other, ContentKind::Grpc, ContentKind::GrpcWeb][..]),
        option::weighted(0.15, select(&[Upgrade::Websocket, Upgrade::Connect, Upgrade::Spdy][..])),
        served,
        option::of(select(&[80, 81][..])),
        any::<bool>(),
    )
        .prop_map(|(lines, content, upgrade, served, port, has_no_body)| Seen {
            lines,
            content,
            upgrade,
            served,
            port,
            has_no_body,
        })
}

/// What a token says of its subject's login, in the right form and in others.
fn claims() -> impl Strategy<Value = String> {
    let acr = option::of(prop_oneof![4 => select(ACR).prop_map(Value::from), 1 => Just(json!(["gold"]))]);
    let amr = option::of(prop_oneof![
        4 => subsequence(AMR, 0..=2).prop_map(|amr| json!(amr)),
        1 => Just(json!("mfa")),
        1 => Just(json!(["mfa", 1])),
    ]);
    // About the two times at which requests come.
    let times: [i64; 2] = [1_763_467_200, 1_763_294_400];
    let auth_time = (select(times.to_vec()), -5_000_i64..100).prop_map(|(at, age)| json!(at.saturating_add(age)));
    let auth_time = option::of(prop_oneof![6 => auth_time, 1 => Just(json!("1763467200"))]);
    // What a capture may be compared with.
    let tenant = option::of(prop_oneof![6 => select(&["x", "y", "z"][..]).prop_map(Value::from), 1 => Just(json!(7))]);
    let device = option::weighted(0.8, device());
    (acr, amr, auth_time, device, tenant).prop_map(|(acr, amr, auth_time, device, tenant)| {
        let members = [
            ("acr", acr),
            ("amr", amr),
            ("auth_time", auth_time),
            ("device", device),
            ("tenant", tenant),
        ];
        let members = members
            .into_iter()
            .filter_map(|(name, value)| Some((name.to_owned(), value?)));
        Value::Object(members.collect()).to_string()
    })
}

/// What a token says of its subject's device, in the right form and in others.
fn device() -> impl Strategy<Value = Value> {
    let flag = || option::of(any::<bool>().prop_map(Value::from));
    // About the two times at which requests come.
    let times: [i64; 2] = [1_763_467_200, 1_763_294_400];
    let patched_at = (select(times.to_vec()), -5_000_i64..100).prop_map(|(at, age)| json!(at.saturating_add(age)));
    let flags = (flag(), flag(), flag(), flag(), flag());
    let words = (
        option::weighted(
            0.8,
            select(&["macOS", "ios", "windows", "beos"][..]).prop_map(Value::from),
        ),
        option::weighted(
            0.8,
            prop_oneof![9 => select(VERSIONS).prop_map(Value::from), 1 => Just(json!(14.1))],
        ),
        option::of(patched_at),
    );
    (flags, words).prop_map(
        |((jailbroken, managed, encrypted, lock, certificate), (platform, version, patched_at))| {
            let members = [
                ("jailbroken", jailbroken),
                ("managed", managed),
                ("encrypted", encrypted),
                ("screen_lock", lock),
                ("certificate", certificate),
                ("platform", platform),
                ("os_version", version),
                ("patched_at", patched_at),
            ];
            let members = members
                .into_iter()
                .filter_map(|(name, value)| Some((name.to_owned(), value?)));
            Value::Object(members.collect())
        },
    )
}

fn subject() -> impl Strategy<Value = Subject> {
    let list = || subsequence(WORDS, 0..=3).prop_map(owned);
    // Most tokens are granted nothing. What is granted counts, and is named where nothing else would have done.
    let granted = prop_oneof![2 => Just(Vec::new()), 1 => subsequence(WORDS, 1..=3).prop_map(owned)];
    (region(), list(), granted, list(), (list(), list())).prop_map(
        |(home, held, mut granted, roles, (elsewhere, refused))| {
            granted.retain(|word| !held.contains(word));
            let mut permissions = [held, granted.clone()].concat();
            permissions.sort();
            Subject {
                home,
                permissions,
                roles,
                elsewhere,
                refused,
                granted,
                grants: Vec::new(),
            }
        },
    )
}

fn source() -> impl Strategy<Value = Source> {
    let address = select(ADDRESSES).prop_map(|text| text.parse::<IpAddr>().unwrap());
    (
        option::weighted(0.8, address),
        option::of(region()),
        option::of(select(COUNTRIES)),
    )
        .prop_map(|(address, region, country)| Source {
            address,
            region,
            country: country.map(|code| Country::parse(code).unwrap()),
        })
}

fn workload() -> impl Strategy<Value = Option<SpiffeId>> {
    option::weighted(
        0.7,
        select(WORKLOADS).prop_map(|text| SpiffeId::parse(text.as_bytes()).unwrap()),
    )
}
