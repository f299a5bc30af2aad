//! Random rules: about which requests they are, for whom, and what they do.

use std::time::Duration;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use regionguard::bundle::document::{
    About, Defer, Effect, From, IdentityNeed, Matcher, Refusal, Rule, StepUp, ValueTest, WhenAway, Words,
};
use regionguard::context::{Country, parse_network};
use regionguard::identity::SpiffePattern;
use regionguard::policy::{Reach, When};
use regionguard::request::{PathOptions, PathTemplate, Upgrade};

use super::{ACR, CLAIMS, COUNTRIES, HOSTS, REGIONS, WORDS, owned, patterns, some_of, words_of};

const TEMPLATES: &[&str] = &[
    "/", "/x", "/x/", "/y", "/x/y", "/x/y/y", "/%C3%89", "/{a}", "/*", "/{a}/y", "/x/{a}", "/x/*/y", "/{a}/{b}",
    "/*/*/y", "/**", "/x/**", "/x/y/**", "/{a}/**", "/x/*/**", "/X",
];

/// Those that capture `a`.
const CAPTURING: &[&str] = &["/{a}", "/{a}/y", "/x/{a}", "/{a}/{b}", "/{b}/{a}", "/{a}/**"];

const METHODS: &[&str] = &["GET", "HEAD", "POST", "PUT", "CONNECT"];

const VALUES: &[&str] = &["1", "2", "1,2"];

const NAMES: &[&str] = &["a", "b-c"];

const NETWORKS: &[&str] = &["127.0.1.0/24", "127.0.0.0/16", "2001:db8::/32", "0.0.0.0/0"];

const WORKLOAD_PATTERNS: &[&str] = &["spiffe://a/x", "spiffe://a/*", "spiffe://a/x/*", "spiffe://b/*"];

const AGES: &[u64] = &[60, 900, 3_600];

/// Services and methods of gRPC that are a path of [`TEMPLATES`] as well.
const SERVICES: &[&str] = &["x", "y", "*"];

const CALLS: &[&str] = &["x", "y"];

/// Conditions. What they say, the oracle knows by itself.
pub(crate) const WHENS: &[Condition] = &[
    Condition::new("request.method == 'POST' || request.path == '/x/y'").known(),
    Condition::new("source.region == 'eu-west-1'"),
    Condition::new("source.country != 'DE' && local.region == 'us-east-1'"),
    Condition::new("source.workload == 'spiffe://a/x'"),
    Condition::new("request.host == 'a.com' || has(source.region)").known(),
    Condition::new("token.acr == 'gold'").of_token(),
    Condition::new("has(token.acr) && request.method == 'GET'").of_token(),
    Condition::new("device.managed || request.method == 'POST'").of_token(),
    Condition::new("'mfa' in token.amr || source.region == 'us-east-1'").of_token(),
    Condition::new("path.a == 'x' || request.method == 'POST'")
        .of_path()
        .known(),
    Condition::new("path.a == token.tenant").of_token().of_path(),
    Condition::new("path.a.startsWith('y') && has(request.query.a)").of_path(),
    Condition::new("request.headers['a'] == '1' || request.headers['a'] == '1, 2'"),
    Condition::new("has(request.headers['b-c']) && request.headers['b-c'] != '2'"),
    Condition::new("!('a' in request.headers) || request.headers['a'].endsWith('2')").known(),
    Condition::new("has(request.headers['x-tenant'])").known(),
    Condition::new("request.query['a'] == '1'"),
    Condition::new("identity.clearance >= 3").of_token(),
    Condition::new("has(identity.clearance) && request.method == 'GET'").of_token(),
    Condition::new("identity.teams == ['a', 'b'] || request.method == 'POST'").of_token(),
    Condition::new("risk.score < 50").of_token(),
    Condition::new("has(risk.score) && risk.score >= 50").of_token().known(),
    Condition::new("risk.failures > 1 || request.method == 'POST'"),
    Condition::new("has(request.query.b) || request.method == 'POST'"),
    Condition::new("!('a' in request.query) && request.headers['b-c'] == request.query.b"),
];

/// A condition of a rule, with what the rule has to have for it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Condition {
    pub(crate) source: &'static str,
    /// It reads the token or the device.
    pub(crate) reads_token: bool,
    /// It reads `{a}` of the path.
    reads_path: bool,
    /// Nothing that it reads can be missing or unclear.
    pub(crate) always_known: bool,
}

impl Condition {
    const fn new(source: &'static str) -> Self {
        Self {
            source,
            reads_token: false,
            reads_path: false,
            always_known: false,
        }
    }

    const fn of_token(self) -> Self {
        Self {
            reads_token: true,
            ..self
        }
    }

    const fn known(self) -> Self {
        Self {
            always_known: true,
            ..self
        }
    }

    const fn of_path(self) -> Self {
        Self {
            reads_path: true,
            ..self
        }
    }
}

#[derive(Debug, Clone)]
pub(crate) struct RulePlan {
    pub(super) hosts: Option<Vec<&'static str>>,
    pub(super) methods: Option<Vec<String>>,
    pub(super) paths: Option<Vec<&'static str>>,
    /// `grpc`: services and methods.
    pub(super) calls: Option<Calls>,
    /// The rest of what it is about.
    pub(super) about: About,
    pub(super) from: From,
    pub(super) identity: IdentityNeed,
    pub(super) permissions: Words,
    pub(super) roles: Words,
    pub(super) when: Option<Condition>,
    pub(super) effect: Effect,
}

impl RulePlan {
    /// The rule of this name that it describes.
    pub(super) fn document(&self, name: &str, options: &PathOptions) -> Rule {
        let written = self
            .paths
            .as_ref()
            .map(|paths| paths.iter().map(|path| (*path).to_owned()).collect());
        let written: Option<Vec<String>> = self.calls.as_ref().map(Calls::paths).or(written);
        let template = |text: &String| PathTemplate::parse_with(text, options).unwrap();
        let paths: Option<Vec<PathTemplate>> = written.map(|texts| texts.iter().map(template).collect());
        Rule {
            name: name.to_owned(),
            shadow: false,
            hosts: self.hosts.as_deref().map(patterns),
            methods: self.methods.clone(),
            about: About {
                grpc: self.calls.is_some(),
                ..self.about.clone()
            },
            from: self.from.clone(),
            identity: self.identity,
            permissions: self.permissions.clone(),
            roles: self.roles.clone(),
            when: self.when.map(|condition| {
                let reach = Reach {
                    paths: paths.as_deref().unwrap_or_default(),
                    identity: Some(self.identity),
                    peers: true,
                    suggests: true,
                };
                When::compile(condition.source, &reach).unwrap()
            }),
            paths,
            effect: self.effect.clone(),
        }
    }
}

/// Services of gRPC, and methods of theirs, of which all may be meant.
#[derive(Debug, Clone)]
pub(super) struct Calls {
    pub(super) services: Option<Vec<&'static str>>,
    pub(super) methods: Option<Vec<&'static str>>,
}

impl Calls {
    /// "The path of a call is `/SERVICE/METHOD`."
    fn paths(&self) -> Vec<String> {
        let every = || vec!["*"];
        let services = self.services.clone().unwrap_or_else(every);
        let methods = self.methods.clone().unwrap_or_else(every);
        let pairs = services
            .iter()
            .flat_map(|service| methods.iter().map(move |method| (service, method)));
        pairs.map(|(service, method)| format!("/{service}/{method}")).collect()
    }
}

pub(super) fn rule() -> impl Strategy<Value = RulePlan> {
    let hosts = option::weighted(0.4, subsequence(HOSTS, 1..8));
    let methods = option::of(some_of(METHODS));
    let paths = option::weighted(0.7, subsequence(TEMPLATES, 1..5));
    let refusal = (select(&[403, 404, 410, 451][..]), any::<bool>()).prop_map(|(status, hide)| Refusal {
        status,
        hide: hide && status == 404,
        body: None,
    });
    let effect = prop_oneof![
        4 => Just(Effect::Allow),
        1 => refusal.prop_map(Effect::Deny),
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
    let when = option::weighted(0.3, select(WHENS));
    let capturing = subsequence(CAPTURING, 1..4);
    (
        hosts,
        methods,
        (paths, capturing, option::weighted(0.08, calls())),
        (from(), about),
        identity,
        (words(), words()),
        when,
        effect,
    )
        .prop_map(
            |(
                hosts,
                methods,
                (paths, capturing, calls),
                (from, about),
                identity,
                (permissions, roles),
                when,
                effect,
            )| {
                let plan = RulePlan {
                    hosts,
                    methods,
                    paths,
                    calls,
                    about,
                    from,
                    identity,
                    permissions,
                    roles,
                    when,
                    effect,
                };
                sayable(plan, capturing)
            },
        )
}

/// The rule, without what would be an error of the bundle. A condition that reads a capture gets paths that have it.
fn sayable(mut rule: RulePlan, capturing: Vec<&'static str>) -> RulePlan {
    // Nobody but a deny is for everybody with and without a token, and a deny for those without one is for all; nobody without a token can log in again.
    rule.identity = match (&rule.effect, rule.identity) {
        (Effect::StepUp(_), _) => IdentityNeed::Required,
        (Effect::Deny(_), IdentityNeed::None) => IdentityNeed::Anybody,
        (Effect::Allow | Effect::Defer(_), IdentityNeed::Anybody) => IdentityNeed::Required,
        (_, identity) => identity,
    };
    // Those without a token have no permissions, roles and claims.
    if matches!(rule.identity, IdentityNeed::None | IdentityNeed::Workload) {
        rule.permissions = Words::default();
        rule.roles = Words::default();
        rule.when = rule.when.filter(|when| !when.reads_token);
    }
    // A call has its own path and method, and is no upgrade.
    if rule.calls.is_some() {
        rule.paths = None;
        rule.methods = None;
        rule.about.upgrades = None;
    }
    // A CONNECT has a method of its own, and no path.
    if let Some(upgrades) = &mut rule.about.upgrades {
        let names_connect = rule.methods.iter().flatten().any(|method| method == "CONNECT");
        if names_connect && !upgrades.contains(&Upgrade::Connect) {
            upgrades.push(Upgrade::Connect);
        }
        if *upgrades == [Upgrade::Connect] {
            rule.paths = None;
            rule.methods = rule.methods.filter(|_| names_connect);
        }
    }
    let only_connect = rule.about.upgrades.as_deref() == Some(&[Upgrade::Connect]);
    if rule.when.is_some_and(|when| when.reads_path) {
        if rule.calls.is_some() || only_connect {
            rule.when = None;
        } else {
            rule.paths = Some(capturing);
        }
    }
    rule
}

fn calls() -> impl Strategy<Value = Calls> {
    let services = option::of(subsequence(SERVICES, 1..=2));
    let methods = option::of(subsequence(CALLS, 1..=2));
    (services, methods).prop_map(|(services, methods)| Calls {
        // Something is said of them.
        services: services.or_else(|| methods.is_none().then(|| vec!["*"])),
        methods,
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
        option::weighted(0.3, upgrades),
    )
        .prop_map(|(headers, query, upgrades)| About {
            headers,
            query,
            grpc: false,
            upgrades,
            until_closed: false,
        })
}

fn step_up() -> impl Strategy<Value = StepUp> {
    let max_age = option::of(select(AGES).prop_map(Duration::from_secs));
    (subsequence(ACR, 0..=2), max_age).prop_map(|(acr, max_age)| StepUp {
        // It wants something.
        max_age: max_age.or_else(|| acr.is_empty().then(|| Duration::from_secs(60))),
        acr: owned(acr),
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

fn words() -> impl Strategy<Value = Words> {
    let list = || option::weighted(0.2, some_of(WORDS));
    (list(), list()).prop_map(|(any_of, all_of)| Words { any_of, all_of })
}

fn some_countries() -> impl Strategy<Value = Vec<Country>> {
    subsequence(COUNTRIES, 1..=2)
        .prop_map(|codes| codes.into_iter().map(|code| Country::parse(code).unwrap()).collect())
}
