//! Random policies and requests over small alphabets, so that things collide.
//!
//! A policy is drawn as a plain description, because documents cannot be copied and a property needs the same ones twice.

use std::net::IpAddr;
use std::time::Duration;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use regionguard::bundle::RegionId;
use regionguard::bundle::document::{
    About, Acceptance, Defer, Effect, Forward, From, IdentityNeed, Matcher, MultiFactor, Openings, Place, Policy,
    Probe, Refusal, Region, Requirement, Rule, ServedPattern, SourceRestriction, StepUp, ValueTest, WhenAway, Words,
};
use regionguard::context::{
    BusinessHours, Calendar, Country, Holiday, Interval, MaintenanceWindow, Span, Zone, parse_date, parse_network,
};
use regionguard::device::{Check, Minimum, Platform};
use regionguard::identity::{ClaimMapping, KeyRing, SpiffeId, SpiffePattern, Subject, counting_home};
use regionguard::policy::{Reach, Served, Source, When};
use regionguard::request::{ContentKind, HostPattern, PathOptions, PathTemplate, Scheme, Upgrade};
use regionguard::time::WallTime;
use serde_json::{Value, json};

/// The Regions, sorted by name; the last has no calendar.
pub(crate) const REGIONS: [&str; 3] = ["ap-southeast-1", "eu-west-1", "us-east-1"];
const HOSTS: &[&str] = &[
    "com",
    "a.com",
    "b.a.com",
    "c.b.a.com",
    "b.com",
    "*.com",
    "*.a.com",
    "*.b.a.com",
    "a.com:80",
    "a.com:8080",
    "*.com:443",
    "*.a.com:8080",
    "[::1]",
    "10.0.0.1",
];
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
const TEMPLATES: &[&str] = &[
    "/", "/x", "/x/", "/y", "/x/y", "/x/y/y", "/%C3%89", "/{a}", "/*", "/{a}/y", "/x/{a}", "/x/*/y", "/{a}/{b}",
    "/*/*/y", "/**", "/x/**", "/x/y/**", "/{a}/**", "/x/*/**", "/X",
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
];
const METHODS: &[&str] = &["GET", "HEAD", "POST", "PUT", "CONNECT"];
const ASKED_METHODS: &[&str] = &["GET", "HEAD", "POST", "BREW", "get", "OPTIONS", "CONNECT"];
const VALUES: &[&str] = &["1", "2", "1,2"];
const NAMES: &[&str] = &["a", "b-c"];
/// Lines that a request may have; the last two make a preflight of an OPTIONS.
const LINES: &[(&str, &str)] = &[
    ("a", "1"),
    ("a", "2"),
    ("A", "1, 2"),
    ("b-c", "1"),
    ("b_c", "2"),
    ("origin", "https://a.com"),
    ("access-control-request-method", "PUT"),
];
const SERVED: &[&str] = &["spiffe://a/ns/x/sa/y", "spiffe://b/ns/x/sa/y", "spiffe://a/ns/x/sa/z"];
const SERVED_PATTERNS: &[&str] = &["spiffe://a/ns/x/*", "spiffe://b/ns/x/sa/y", "ns/x/sa/y", "ns/x/sa/z"];
const PROBES: &[(&str, u16)] = &[("/x", 80), ("/x/y", 80), ("/y", 81)];
const WORDS: &[&str] = &["p", "q", "r"];
const NETWORKS: &[&str] = &["127.0.1.0/24", "127.0.0.0/16", "2001:db8::/32", "0.0.0.0/0"];
const ADDRESSES: &[&str] = &["127.0.1.7", "127.0.2.7", "::ffff:127.0.1.7", "2001:db8::1", "::1"];
const COUNTRIES: &[&str] = &["DE", "SG", "US"];
const WORKLOADS: &[&str] = &["spiffe://a/x", "spiffe://a/x/y", "spiffe://b/x", "spiffe://b/xy"];
const WORKLOAD_PATTERNS: &[&str] = &["spiffe://a/x", "spiffe://a/*", "spiffe://a/x/*", "spiffe://b/*"];
const ACR: &[&str] = &["gold", "silver"];
const AMR: &[&str] = &["hwk", "mfa"];
const VERSIONS: &[&str] = &["9", "14.9", "14.10", "14.10.0", "15"];
const AGES: &[u64] = &[60, 900, 3_600];
const CLAIMS: &[&str] = &["email", "groups", "tenant"];
const HEADERS: &[&str] = &["x-tenant", "x-user"];
/// Conditions, each with whether it reads the token or the device. What they say, the oracle knows by itself.
pub(crate) const WHENS: &[(&str, bool)] = &[
    ("request.method == 'POST' || request.path == '/x/y'", false),
    ("source.region == 'eu-west-1'", false),
    ("source.country != 'DE' && local.region == 'us-east-1'", false),
    ("source.workload == 'spiffe://a/x'", false),
    ("request.host == 'a.com' || has(source.region)", false),
    ("token.acr == 'gold'", true),
    ("has(token.acr) && request.method == 'GET'", true),
    ("device.managed || request.method == 'POST'", true),
    ("'mfa' in token.amr || source.region == 'us-east-1'", true),
];

/// A policy, described.
#[derive(Debug, Clone)]
pub(crate) struct PolicyPlan {
    hosts: Option<Vec<&'static str>>,
    place: Place,
    openings: Openings,
    default_allow: bool,
    forward: Option<Forward>,
    requirements: Vec<Requirement>,
    rules: Vec<(String, RulePlan)>,
}

#[derive(Debug, Clone)]
struct RulePlan {
    hosts: Option<Vec<&'static str>>,
    methods: Option<Vec<String>>,
    paths: Option<Vec<&'static str>>,
    about: About,
    from: From,
    identity: IdentityNeed,
    permissions: Words,
    roles: Words,
    when: Option<(&'static str, bool)>,
    effect: Effect,
}

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
}

impl RequestPlan {
    /// The home region of the workload, where it counts.
    pub(crate) fn service(&self, regions: &[Region]) -> Option<RegionId> {
        counting_home(self.workload.as_ref()?, self.local, regions)
    }
}

/// Policies, each with the name that it is to have.
pub(crate) fn policies() -> impl Strategy<Value = Vec<(String, PolicyPlan)>> {
    vec(policy(), 0..5).prop_map(|plans| named("policy", plans))
}

/// How paths are read.
pub(crate) fn options() -> impl Strategy<Value = PathOptions> {
    (any::<bool>(), any::<bool>()).prop_map(|(empty_segments, case_insensitive)| PathOptions {
        empty_segments,
        case_insensitive,
        ..PathOptions::default()
    })
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
        at,
    )
        .prop_map(
            |(asked, subject, source, (workload, token_refused, claims, certificate), local, at)| RequestPlan {
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

/// The Regions, of which two have calendars.
pub(crate) fn regions() -> Vec<Region> {
    let zones = [Some("Asia/Singapore"), Some("Europe/Dublin"), None];
    REGIONS
        .iter()
        .zip(zones)
        .map(|(name, zone)| region_document(name, zone))
        .collect()
}

/// The documents that the plans describe, in their order.
pub(crate) fn documents(plans: &[(String, PolicyPlan)], options: &PathOptions) -> Vec<Policy> {
    let of_plan = |(name, plan): &(String, PolicyPlan)| Policy {
        name: name.clone(),
        shadow: false,
        hosts: plan.hosts.as_deref().map(patterns),
        place: plan.place.clone(),
        openings: plan.openings.clone(),
        default_allow: plan.default_allow,
        forward: plan.forward.clone(),
        requirements: plan.requirements.clone(),
        rules: plan
            .rules
            .iter()
            .map(|(name, rule)| rule_document(name, rule, options))
            .collect(),
    };
    plans.iter().map(of_plan).collect()
}

/// Puts some of them and of their rules into shadow mode, as the bits of `which` say.
pub(crate) fn put_in_shadow(policies: &mut [Policy], which: u64) {
    let mut bits = (0..64).map(|place| which >> place & 1 == 1).cycle();
    for policy in policies {
        // Fewer policies than rules.
        policy.shadow = bits.next() == Some(true) && bits.next() == Some(true);
        for rule in &mut policy.rules {
            rule.shadow = bits.next() == Some(true);
        }
    }
}

/// The same policies in another order, in which their rules stand in another order too.
pub(crate) fn shuffled(plans: &[(String, PolicyPlan)], by: usize) -> Vec<(String, PolicyPlan)> {
    let mut plans = plans.to_vec();
    for (_, plan) in &mut plans {
        turn(&mut plan.rules, by);
        for (_, rule) in &mut plan.rules {
            rule.hosts.iter_mut().for_each(|hosts| turn(hosts, by));
            rule.paths.iter_mut().for_each(|paths| turn(paths, by));
            rule.methods.iter_mut().for_each(|methods| turn(methods, by));
            turn(&mut rule.about.headers, by);
            turn(&mut rule.about.query, by);
            rule.about.upgrades.iter_mut().for_each(|upgrades| turn(upgrades, by));
            if let Effect::Defer(options) = &mut rule.effect {
                turn(&mut options.claims, by);
            }
        }
    }
    turn(&mut plans, by);
    plans
}

fn turn<T>(list: &mut [T], by: usize) {
    list.rotate_left(by.checked_rem(list.len()).unwrap_or(0));
    if by % 2 == 1 {
        list.reverse();
    }
}

fn named<T>(prefix: &str, items: Vec<T>) -> Vec<(String, T)> {
    // Letters that sort otherwise than they stand.
    let letters = "dbaecgf".chars().map(|letter| format!("{prefix}-{letter}"));
    letters.zip(items).collect()
}

fn policy() -> impl Strategy<Value = PolicyPlan> {
    let rules = vec(rule(), 0..7).prop_map(|rules| named("rule", rules));
    let requirement = prop_oneof![
        2 => restriction().prop_map(Requirement::Source),
        1 => Just(Requirement::BusinessHours),
        1 => calendar().prop_map(Requirement::Hours),
        1 => span().prop_map(Requirement::Dates),
        1 => vec(window(), 1..3).prop_map(Requirement::Maintenance),
        1 => Just(Requirement::Certificate),
        3 => check().prop_map(Requirement::Device),
        1 => (subsequence(AMR, 0..=2), subsequence(ACR, 0..=2)).prop_map(|(amr, acr)| {
            Requirement::MultiFactor(MultiFactor { amr: owned(amr), acr: owned(acr) })
        }),
    ];
    let requirements = prop_oneof![3 => Just(Vec::new()), 1 => vec(requirement, 1..3)];
    let forward =
        (any::<bool>(), vec((words_of(HEADERS), words_of(CLAIMS)), 0..3)).prop_map(|(strip_token, mut claims)| {
            claims.sort();
            claims.dedup_by_key(|(header, _)| header.clone());
            Forward { strip_token, claims }
        });
    let hosts = option::weighted(0.5, subsequence(HOSTS, 1..8));
    (
        hosts,
        prop::bool::weighted(0.2),
        option::of(forward),
        requirements,
        rules,
        (place(), openings()),
    )
        .prop_map(
            |(hosts, default_allow, forward, requirements, rules, (place, openings))| PolicyPlan {
                hosts,
                place,
                openings,
                default_allow,
                forward,
                requirements,
                rules,
            },
        )
}

fn check() -> impl Strategy<Value = Check> {
    let list = || {
        subsequence(&[Platform::Ios, Platform::MacOs, Platform::Windows][..], 0..=2).prop_flat_map(|platforms| {
            let versions = vec(words_of(VERSIONS), platforms.len());
            versions.prop_map(move |versions| platforms.iter().copied().zip(versions).collect())
        })
    };
    let minimum = prop_oneof![
        words_of(VERSIONS).prop_map(Minimum::Any),
        list().prop_map(Minimum::Each),
        list().prop_map(Minimum::Latest),
    ];
    let flags = [
        Check::NotJailbroken,
        Check::Managed,
        Check::Encryption,
        Check::ScreenLock,
        Check::Certificate,
    ];
    prop_oneof![
        5 => select(flags.to_vec()),
        4 => minimum.prop_map(Check::OsVersion),
        2 => select(AGES).prop_map(|age| Check::PatchAge(Duration::from_secs(age))),
    ]
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

fn rule() -> impl Strategy<Value = RulePlan> {
    let hosts = option::weighted(0.4, subsequence(HOSTS, 1..8));
    let methods = option::of(some_of(METHODS));
    let paths = option::weighted(0.7, subsequence(TEMPLATES, 1..5));
    let effect = prop_oneof![
        4 => Just(Effect::Allow),
        1 => (select(&[403, 404, 410, 451][..]), any::<bool>()).prop_map(|(status, hide)| Effect::Deny(Refusal { status, hide, body: None })),
        2 => defer().prop_map(Effect::Defer),
        1 => step_up().prop_map(Effect::StepUp),
    ];
    let identity = select(
        &[
            IdentityNeed::Required,
            IdentityNeed::Required,
            IdentityNeed::Workload,
            IdentityNeed::None,
            IdentityNeed::Anybody,
        ][..],
    );
    let about = prop_oneof![3 => Just(About::default()), 2 => about()];
    let when = option::weighted(0.2, select(WHENS));
    (
        hosts,
        methods,
        paths,
        (from(), about),
        identity,
        (words(), words()),
        when,
        effect,
    )
        .prop_map(
            |(hosts, methods, paths, (from, about), identity, (permissions, roles), when, effect)| {
                let is_deny = matches!(effect, Effect::Deny(_));
                let is_step_up = matches!(effect, Effect::StepUp(_));
                let identity = if is_step_up || !is_deny && identity == IdentityNeed::Anybody {
                    IdentityNeed::Required
                } else {
                    identity
                };
                // A rule for those without a token that demands permissions or roles is an error of the bundle.
                let (permissions, roles) = match identity {
                    IdentityNeed::None | IdentityNeed::Workload => Default::default(),
                    _ => (permissions, roles),
                };
                // So is one that reads their token.
                let no_token = matches!(identity, IdentityNeed::None | IdentityNeed::Workload);
                let when = when.filter(|(_, reads_token)| !(no_token && *reads_token));
                RulePlan {
                    hosts,
                    methods,
                    paths,
                    about,
                    from,
                    identity,
                    permissions,
                    roles,
                    when,
                    effect,
                }
            },
        )
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
        prop_oneof![1 => subsequence(LINES, 0..=3), 1 => subsequence(LINES, 5..=7)],
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

fn about() -> impl Strategy<Value = About> {
    let test = || {
        prop_oneof![
            3 => some_of(VALUES).prop_map(ValueTest::In),
            1 => words_of(VALUES).prop_map(ValueTest::Prefix),
            1 => words_of(VALUES).prop_map(ValueTest::Suffix),
            1 => Just(ValueTest::Present),
            2 => Just(ValueTest::Absent),
        ]
    };
    let matcher = move || (words_of(NAMES), test()).prop_map(|(name, test)| Matcher { name, test });
    let upgrades = subsequence(&[Upgrade::Websocket, Upgrade::Connect, Upgrade::Spdy][..], 1..=2);
    (
        vec(matcher(), 0..3),
        vec(matcher(), 0..2),
        prop::bool::weighted(0.2),
        option::weighted(0.3, upgrades),
    )
        .prop_map(|(headers, query, grpc, upgrades)| About {
            headers,
            query,
            grpc,
            upgrades,
        })
}

fn place() -> impl Strategy<Value = Place> {
    let workloads = subsequence(SERVED_PATTERNS, 1..3).prop_map(|texts| {
        let pattern = |text: &str| ServedPattern {
            any_domain: text.starts_with("ns/"),
            pattern: match text.strip_prefix("ns/") {
                Some(path) => SpiffePattern::parse(&format!("spiffe://any/ns/{path}")).unwrap(),
                None => SpiffePattern::parse(text).unwrap(),
            },
        };
        texts.into_iter().map(pattern).collect()
    });
    (
        option::weighted(0.15, some_of(&REGIONS)),
        option::weighted(0.15, workloads),
    )
        .prop_map(|(regions, workloads)| Place { regions, workloads })
}

fn openings() -> impl Strategy<Value = Openings> {
    let probes = prop_oneof![4 => Just(Vec::new()), 1 => subsequence(PROBES, 1..3)];
    (prop::bool::weighted(0.3), probes).prop_map(|(preflight, probes)| Openings {
        preflight,
        probes: probes
            .into_iter()
            .map(|(path, port)| Probe {
                path: PathTemplate::parse(path).unwrap(),
                port,
            })
            .collect(),
    })
}

fn step_up() -> impl Strategy<Value = StepUp> {
    let max_age = option::of(select(AGES).prop_map(Duration::from_secs));
    (subsequence(ACR, 0..=2), max_age).prop_map(|(acr, max_age)| StepUp {
        acr: owned(acr),
        max_age,
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
    (acr, amr, auth_time, option::weighted(0.8, device())).prop_map(|(acr, amr, auth_time, device)| {
        let members = [("acr", acr), ("amr", amr), ("auth_time", auth_time), ("device", device)];
        let members = members
            .into_iter()
            .filter_map(|(name, value)| Some((name.to_owned(), value?)));
        Value::Object(members.collect()).to_string()
    })
}

fn defer() -> impl Strategy<Value = Defer> {
    let cache = option::of(select(&[5_u64, 30][..]).prop_map(Duration::from_secs));
    let when_away = select(vec![
        WhenAway::Deny,
        WhenAway::LastDecision(Duration::from_secs(30)),
        WhenAway::LastDecision(Duration::from_secs(60)),
        WhenAway::Allow,
    ]);
    let options = (any::<bool>(), any::<bool>());
    (cache, when_away, subsequence(CLAIMS, 0..=3), options).prop_map(
        |(cache, when_away, claims, (pass_reason, unless_allowed))| Defer {
            cache,
            when_away,
            unless_allowed,
            claims: owned(claims),
            pass_reason,
        },
    )
}

fn from() -> impl Strategy<Value = From> {
    let networks = subsequence(NETWORKS, 1..3)
        .prop_map(|texts| texts.into_iter().map(|text| parse_network(text).unwrap()).collect());
    let regions = || option::weighted(0.2, some_of(&REGIONS));
    let countries = option::weighted(0.1, some_countries());
    let workloads = subsequence(WORKLOAD_PATTERNS, 1..3).prop_map(|texts| {
        texts
            .into_iter()
            .map(|text| SpiffePattern::parse(text).unwrap())
            .collect()
    });
    (
        regions(),
        countries,
        regions(),
        option::weighted(0.2, networks),
        option::weighted(0.1, workloads),
    )
        .prop_map(
            |(source_regions, source_countries, home_regions, networks, workloads)| From {
                source_regions,
                source_countries,
                home_regions,
                networks,
                workloads,
            },
        )
}

/// Calendars that differ at the times at which requests come.
fn calendar() -> impl Strategy<Value = Calendar> {
    let hours = |days: &[&str], from, to| BusinessHours::parse(days, from, to).unwrap();
    let weekly = vec![
        hours(&["tue"], "11:00", "12:00"),
        hours(&["tue"], "12:00", "13:00"),
        hours(&["mon", "sat"], "22:00", "14:00"),
        hours(&["sun"], "13:00", "14:00"),
    ];
    let holidays = ["2025-11-18", "11-16", "12-25"].map(|text| Holiday::parse(text).unwrap());
    let date = parse_date("2025-11-18").unwrap();
    let exception = (date, vec![Interval::parse("11:30", "12:30").unwrap()]);
    (
        select(&["UTC", "Europe/Berlin"][..]),
        subsequence(weekly, 1..4),
        subsequence(holidays.to_vec(), 0..3),
        prop::bool::weighted(0.3),
    )
        .prop_map(move |(zone, weekly, holidays, excepted)| {
            let exceptions = excepted.then(|| exception.clone()).into_iter().collect();
            Calendar::with(Zone::named(zone).unwrap(), weekly, holidays, exceptions)
        })
}

/// Spans that end before, between or after the times at which requests come, or at one of them.
fn span() -> impl Strategy<Value = Span> {
    let time = || {
        let seconds = select(&[0_u64, 1_763_294_400, 1_763_380_000, 1_763_467_200, 1_800_000_000][..]);
        option::of(seconds.prop_map(|seconds| WallTime::default().after(Duration::from_secs(seconds))))
    };
    (time(), time()).prop_map(|(from, until)| Span { from, until })
}

fn window() -> impl Strategy<Value = MaintenanceWindow> {
    prop_oneof![
        calendar().prop_map(MaintenanceWindow::Weekly),
        span().prop_map(MaintenanceWindow::Once),
    ]
}

fn restriction() -> impl Strategy<Value = SourceRestriction> {
    let regions = || option::weighted(0.4, some_of(&REGIONS));
    let countries = || option::weighted(0.3, some_countries());
    (regions(), regions(), countries(), countries()).prop_map(
        |(allowed_regions, denied_regions, allowed_countries, denied_countries)| SourceRestriction {
            allowed_regions,
            denied_regions,
            allowed_countries,
            denied_countries,
        },
    )
}

fn some_countries() -> impl Strategy<Value = Vec<Country>> {
    subsequence(COUNTRIES, 1..=2)
        .prop_map(|codes| codes.into_iter().map(|code| Country::parse(code).unwrap()).collect())
}

fn words() -> impl Strategy<Value = Words> {
    let list = || option::weighted(0.2, some_of(WORDS));
    (list(), list()).prop_map(|(any_of, all_of)| Words { any_of, all_of })
}

fn subject() -> impl Strategy<Value = Subject> {
    let list = || subsequence(WORDS, 0..=3).prop_map(owned);
    (region(), list(), list(), list(), list()).prop_map(|(home, permissions, roles, elsewhere, refused)| Subject {
        home,
        permissions,
        roles,
        elsewhere,
        refused,
        granted: Vec::new(),
        grants: Vec::new(),
    })
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

fn region() -> impl Strategy<Value = RegionId> {
    (0_u16..3).prop_map(RegionId)
}

/// At least one of a list.
fn some_of(list: &'static [&'static str]) -> impl Strategy<Value = Vec<String>> {
    subsequence(list, 1..=list.len()).prop_map(owned)
}

fn words_of(list: &'static [&'static str]) -> impl Strategy<Value = String> {
    select(list).prop_map(str::to_owned)
}

fn owned(list: Vec<&str>) -> Vec<String> {
    list.into_iter().map(str::to_owned).collect()
}

fn patterns(texts: &[&str]) -> Vec<HostPattern> {
    texts.iter().map(|text| HostPattern::parse(text).unwrap()).collect()
}

fn rule_document(name: &str, plan: &RulePlan, options: &PathOptions) -> Rule {
    let template = |text: &&str| PathTemplate::parse_with(text, options).unwrap();
    Rule {
        name: name.to_owned(),
        shadow: false,
        hosts: plan.hosts.as_deref().map(patterns),
        methods: plan.methods.clone(),
        paths: plan.paths.as_ref().map(|texts| texts.iter().map(template).collect()),
        about: plan.about.clone(),
        from: plan.from.clone(),
        identity: plan.identity,
        permissions: plan.permissions.clone(),
        roles: plan.roles.clone(),
        when: plan.when.map(|(source, _)| {
            let reach = Reach {
                paths: &[],
                identity: Some(plan.identity),
                peers: true,
                suggests: true,
            };
            When::compile(source, &reach).unwrap()
        }),
        effect: plan.effect.clone(),
    }
}

fn accepts() -> Vec<Acceptance> {
    vec![Acceptance {
        home: REGIONS[0].to_owned(),
        permissions: Vec::new(),
        roles: Vec::new(),
        workloads: vec![SpiffePattern::parse("spiffe://a/x/*").unwrap()],
    }]
}

fn region_document(name: &str, zone: Option<&str>) -> Region {
    let hours = BusinessHours::parse(&["mon", "tue", "wed", "thu", "fri"], "09:00", "17:30").unwrap();
    Region {
        name: name.to_owned(),
        issuer: "identity.global.com".to_owned(),
        audiences: Vec::new(),
        keys: KeyRing::default().into(),
        revocation: None,
        claims: ClaimMapping::default(),
        // `a` is at home in the first Region, which the last accepts some of; `b` in no Region.
        trust_domains: if name == REGIONS[0] {
            vec!["a".to_owned()]
        } else {
            Vec::new()
        },
        accepts: if name == REGIONS[2] { accepts() } else { Vec::new() },
        center: None,
        networks: Vec::new(),
        country: None,
        calendar: zone.map(|zone| Calendar::new(Zone::named(zone).unwrap(), hours)),
        max_token_lifetime: None,
    }
}
