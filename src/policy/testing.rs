//! Policies and requests in one line each, for the tables of the tests.

use std::time::Duration;

use ipnet::IpNet;

use super::{Asked, By, Candidates, Facts, Outcome, PolicySet, Reach, Requested, Source, When};
use crate::bundle::RegionId;
use crate::bundle::document::{
    About, Acceptance, Defer, Effect, Forward, From, IdentityNeed, MultiFactor, Openings, Place, Policy, Refusal,
    Region, Requirement, Rule, SourceRestriction, StepUp, WhenAway, Words,
};
use crate::context::{BusinessHours, Calendar, Country, MaintenanceWindow, Span, Zone, parse_network};
use crate::device::{Check, Minimum, Posture};
use crate::identity::{ClaimMapping, Claims, KeyRing, SpiffeId, SpiffePattern, Subject, counting_home};
use crate::reason::Reason;
use crate::request::{Authority, Headers, HostPattern, PathOptions, PathTemplate, StripSet, canonicalise, encode};
use crate::time::WallTime;

/// A Tuesday, 12:00 UTC: business hours in `eu`, not in `us`; `xx` has none.
const NOON: WallTime = WallTime(1_763_467_200 * 1_000_000_000);
/// The headers of every request.
const HEADERS: &[(&[u8], &[u8])] = &[
    (b":path", b"/"),
    (b"X-One", b"1"),
    (b"x-two", b"a"),
    (b"X-Two", b"b"),
    (b"cookie", b"a=1"),
    (b"cookie", b"b=2"),
    (b"x-bytes", b"\xff"),
    (b"X-Alike", b"1"),
    (b"x_alike", b"2"),
    (b"x_under", b"3"),
    (b"X-Regionguard-Subject", b"mallory"),
];
const REGIONS: [(&str, Option<&str>); 3] = [
    ("eu", Some("Europe/Dublin")),
    ("us", Some("America/New_York")),
    ("xx", None),
];

/// The Regions of the tables, each with a trust domain of its name; `us` is the local one, and accepts `spiffe://eu/pay/*` and nothing of `xx`.
pub(super) fn regions() -> Vec<Region> {
    let hours = BusinessHours::parse(&["mon", "tue", "wed", "thu", "fri"], "09:00", "17:30").unwrap();
    let region = |(name, zone): (&str, Option<&str>)| Region {
        name: name.to_owned(),
        issuer: "identity.global.com".to_owned(),
        audiences: Vec::new(),
        keys: KeyRing::default().into(),
        revocation: None,
        claims: ClaimMapping::default(),
        trust_domains: vec![name.to_owned()],
        accepts: if name == "us" { accepts() } else { Vec::new() },
        center: None,
        replica: None,
        networks: Vec::new(),
        country: None,
        calendar: zone.map(|zone| Calendar::new(Zone::named(zone).unwrap(), hours)),
        max_token_lifetime: None,
    };
    REGIONS.into_iter().map(region).collect()
}

fn accepts() -> Vec<Acceptance> {
    let pay = SpiffePattern::parse("spiffe://eu/pay/*").unwrap();
    let entry = |home: &str, workloads| Acceptance {
        home: home.to_owned(),
        permissions: Vec::new(),
        roles: Vec::new(),
        workloads,
    };
    vec![entry("eu", vec![pay]), entry("xx", Vec::new())]
}

/// `NAME default shadow cert mfa=ACR,… dev=managed,encrypted,VERSION,… geo=us,eu nogeo=us land=US noland=US hours within=HH:MM-HH:MM mend=HH:MM-HH:MM dates=SECONDS..SECONDS outage=SECONDS..SECONDS sel=HOST,… strip x-user=sub`, and its rules.
pub(super) fn policy(head: &str, rules: &[&str]) -> Policy {
    let (name, fields) = words(head);
    let mut policy = Policy {
        name,
        hosts: None,
        place: Place::default(),
        openings: Openings::default(),
        shadow: false,
        default_allow: false,
        forward: None,
        requirements: Vec::new(),
        rules: rules.iter().map(|text| rule(text)).collect(),
    };
    let mut forward = Forward {
        strip_token: false,
        claims: Vec::new(),
    };
    for (key, value) in fields {
        match key {
            "default" => policy.default_allow = true,
            "shadow" => policy.shadow = true,
            "geo" => policy.requirements.push(Requirement::Source(SourceRestriction {
                allowed_regions: Some(list(value)),
                ..SourceRestriction::default()
            })),
            "nogeo" => policy.requirements.push(Requirement::Source(SourceRestriction {
                denied_regions: Some(list(value)),
                ..SourceRestriction::default()
            })),
            "land" => policy.requirements.push(Requirement::Source(SourceRestriction {
                allowed_countries: Some(countries(value)),
                ..SourceRestriction::default()
            })),
            "noland" => policy.requirements.push(Requirement::Source(SourceRestriction {
                denied_countries: Some(countries(value)),
                ..SourceRestriction::default()
            })),
            "cert" => policy.requirements.push(Requirement::Certificate),
            "mfa" => policy.requirements.push(Requirement::MultiFactor(MultiFactor {
                amr: vec!["mfa".to_owned()],
                acr: value
                    .split(',')
                    .filter(|acr| !acr.is_empty())
                    .map(str::to_owned)
                    .collect(),
            })),
            "dev" => policy
                .requirements
                .extend(value.split(',').map(check).map(Requirement::Device)),
            "hours" => policy.requirements.push(Requirement::BusinessHours),
            "within" => policy.requirements.push(Requirement::Hours(daily(value))),
            "mend" => {
                let window = MaintenanceWindow::Weekly(daily(value));
                policy.requirements.push(Requirement::Maintenance(vec![window]));
            }
            "dates" => policy.requirements.push(Requirement::Dates(span(value))),
            "outage" => {
                let window = MaintenanceWindow::Once(span(value));
                policy.requirements.push(Requirement::Maintenance(vec![window]));
            }
            "sel" => policy.hosts = Some(hosts(value)),
            "strip" => forward.strip_token = true,
            header => forward.claims.push((header.to_owned(), value.to_owned())),
        }
    }
    policy.forward = Some(forward).filter(|forward| forward.strip_token || !forward.claims.is_empty());
    policy
}

/// `NAME allow|deny|defer|stepup shadow public token service acr=V,… age=S host=… method=… path=… home=… src=… land=… net=… work=… perm=ANY perms=ALL role=ANY roles=ALL cache=S ask=CLAIM,… lenient last=S unless pass when EXPRESSION`
pub(super) fn rule(text: &str) -> Rule {
    let (text, when) = match text.split_once(" when ") {
        Some((text, when)) => (text, Some(when)),
        None => (text, None),
    };
    let (name, fields) = words(text);
    let mut rule = Rule {
        name,
        shadow: false,
        hosts: None,
        methods: None,
        paths: None,
        about: About::default(),
        from: From::default(),
        identity: IdentityNeed::Required,
        permissions: Words::default(),
        roles: Words::default(),
        when: None,
        effect: Effect::Allow,
    };
    let mut options = Defer::default();
    let mut step_up = StepUp::default();
    let mut needs = None;
    for (key, value) in fields {
        match key {
            "allow" => rule.effect = Effect::Allow,
            "shadow" => rule.shadow = true,
            "deny" => {
                rule.effect = Effect::Deny(Refusal {
                    status: 404,
                    hide: true,
                    body: None,
                });
                rule.identity = IdentityNeed::Anybody;
            }
            "stepup" => rule.effect = Effect::StepUp(StepUp::default()),
            "acr" => step_up.acr = list(value),
            "age" => step_up.max_age = Some(Duration::from_secs(value.parse().unwrap())),
            "defer" => rule.effect = Effect::Defer(Defer::default()),
            "public" => rule.identity = IdentityNeed::None,
            "service" => needs = Some(IdentityNeed::Workload),
            "token" => needs = Some(IdentityNeed::Required),
            "host" => rule.hosts = Some(hosts(value)),
            "method" => rule.methods = Some(list(value)),
            "path" => rule.paths = Some(value.split(',').map(template).collect()),
            "home" => rule.from.home_regions = Some(list(value)),
            "src" => rule.from.source_regions = Some(list(value)),
            "land" => rule.from.source_countries = Some(countries(value)),
            "net" => rule.from.networks = Some(value.split(',').map(network).collect()),
            "work" => {
                let patterns = value.split(',').map(|text| SpiffePattern::parse(text).unwrap());
                rule.from.workloads = Some(patterns.collect());
            }
            "perm" => rule.permissions.any_of = Some(list(value)),
            "perms" => rule.permissions.all_of = Some(list(value)),
            "role" => rule.roles.any_of = Some(list(value)),
            "roles" => rule.roles.all_of = Some(list(value)),
            "cache" => options.cache = Some(Duration::from_secs(value.parse().unwrap())),
            "ask" => options.claims = list(value),
            "lenient" => options.when_away = WhenAway::Allow,
            "last" => options.when_away = WhenAway::LastDecision(Duration::from_secs(value.parse().unwrap())),
            "unless" => options.unless_allowed = true,
            "pass" => options.pass_reason = true,
            other => panic!("{other}"),
        }
    }
    if let Some(need) = needs {
        rule.identity = need;
    }
    rule.when = when.map(|source| {
        let reach = Reach {
            paths: rule.paths.as_deref().unwrap_or_default(),
            identity: Some(rule.identity),
            peers: true,
            suggests: true,
        };
        When::compile(source, &reach).unwrap_or_else(|issues| panic!("{source}: {issues:?}"))
    });
    match &mut rule.effect {
        Effect::Defer(defer) => *defer = options,
        Effect::StepUp(demand) => *demand = step_up,
        _ => {}
    }
    rule
}

/// `-` for a request without a token, `!` for one whose token is not valid, or `HOME PERMISSION… role:R… elsewhere:P… refused:P… granted:P… acr:V amr:V age:SECONDS dev:managed,encrypted,VERSION,… bound`.
pub(super) fn subject(text: &str) -> Option<Subject> {
    let mut words = text.split(' ');
    let home = words.next().filter(|home| !matches!(*home, "-" | "!"))?;
    let mut subject = Subject {
        home: region(home).unwrap(),
        permissions: Vec::new(),
        roles: Vec::new(),
        elsewhere: Vec::new(),
        refused: Vec::new(),
        granted: Vec::new(),
        grants: Vec::new(),
    };
    for word in words {
        let (list, word) = match word.split_once(':') {
            Some(("acr" | "amr" | "age" | "dev" | "claim", _)) => continue,
            Some(("role", word)) => (&mut subject.roles, word),
            Some(("elsewhere", word)) => (&mut subject.elsewhere, word),
            Some(("refused", word)) => (&mut subject.refused, word),
            Some(("granted", word)) => {
                subject.permissions.push(word.to_owned());
                (&mut subject.granted, word)
            }
            _ => (&mut subject.permissions, word),
        };
        list.push(word.to_owned());
        list.sort();
        subject.permissions.sort();
    }
    Some(subject)
}

/// What a policy demands of a device: the name of a flag, or a version.
fn check(word: &str) -> Check {
    match word {
        "managed" => Check::Managed,
        "encrypted" => Check::Encryption,
        version => Check::OsVersion(Minimum::Any(version.to_owned())),
    }
}

/// The posture in which these flags are set; a word that is neither a flag nor a version makes it malformed.
fn device(parts: &str) -> serde_json::Value {
    let part = |word: &str| match word {
        "managed" | "encrypted" => (word.to_owned(), serde_json::Value::from(true)),
        version => ("os_version".to_owned(), serde_json::Value::from(version)),
    };
    let parts = parts.split(',').filter(|word| !word.is_empty());
    serde_json::Value::Object(parts.map(part).collect())
}

/// `acr:VALUE`, `amr:VALUE`, `age:SECONDS`, `dev:…` and `claim:NAME=JSON` of those words.
fn claims(who: &str) -> Claims {
    let mut claims = serde_json::Map::new();
    for word in who.split(' ') {
        match word.split_once(':') {
            Some(("acr", value)) => claims.insert("acr".to_owned(), value.into()),
            Some(("amr", value)) => claims.insert("amr".to_owned(), vec![value].into()),
            Some(("age", seconds)) => {
                let time = NOON.unix_seconds().saturating_sub(seconds.parse().unwrap());
                claims.insert("auth_time".to_owned(), time.into())
            }
            Some(("claim", value)) => {
                let (name, value) = value.split_once('=').unwrap();
                claims.insert(name.to_owned(), serde_json::from_str(value).unwrap())
            }
            Some(("dev", parts)) => claims.insert("device".to_owned(), device(parts)),
            _ => None,
        };
    }
    Claims::parse(&serde_json::Value::Object(claims).to_string()).unwrap()
}

/// `?` where it is unknown, or `REGION`, or `ADDRESS`, or `REGION ADDRESS`, each with a country and with a SPIFFE id or without.
pub(super) fn source(text: &str) -> Source {
    let address = text.split(' ').find_map(|word| word.parse().ok());
    let region = text.split(' ').find_map(region);
    let country = text.split(' ').find_map(|word| Country::parse(word).ok());
    Source {
        address,
        region,
        country,
    }
}

/// What is found for `METHOD HOST PATH`.
pub(super) fn candidates(set: &PolicySet, request: &str) -> Candidates {
    let [method, host, path] = request.split(' ').collect::<Vec<_>>()[..] else {
        panic!("{request}");
    };
    let authority = Authority::parse(host.as_bytes(), None).unwrap();
    let path = canonicalise(path.as_bytes(), &PathOptions::default()).unwrap();
    let mut candidates = Candidates::default();
    set.candidates(&Asked::new(&authority, method, &path), &mut candidates);
    candidates
}

/// The labels of the rules that are found for `METHOD HOST PATH`.
pub(super) fn found(set: &PolicySet, request: &str) -> Vec<String> {
    let candidates = candidates(set, request);
    candidates
        .rules()
        .iter()
        .map(|rule| set.label(By::Rule(*rule)).to_owned())
        .collect()
}

/// The outcome for `METHOD HOST PATH` by this subject from this source, as `allow|deny REASON LABEL`, `401 LABEL` or `defer LABEL`.
pub(super) fn decide(set: &PolicySet, request: &str, who: &str, whence: &str) -> String {
    match outcome(set, request, who, whence) {
        Outcome::Challenge { reason, by, demand } => format!(
            "401 {} {} [{}] {:?}",
            reason.code(),
            set.label(by),
            demand.acr.join(" "),
            demand.max_age.map(|age| age.as_secs())
        ),
        Outcome::Allow { reason, by } => format!("allow {} {}", reason.code(), set.label(by)),
        Outcome::Deny { reason, by, .. } => format!("deny {} {}", reason.code(), set.label(by)),
        Outcome::NeedsIdentity { by, reason } => match reason {
            Reason::IdentityMissing => format!("401 {}", set.label(by)),
            other => format!("401 {} {}", other.code(), set.label(by)),
        },
        Outcome::Defer { by, .. } => format!("defer {}", set.label(By::Rule(by))),
    }
}

/// The outcome itself.
pub(super) fn outcome(set: &PolicySet, request: &str, who: &str, whence: &str) -> Outcome {
    outcome_at(set, request, who, whence, NOON)
}

/// The outcome at another time.
pub(super) fn outcome_at(set: &PolicySet, request: &str, who: &str, whence: &str, at: WallTime) -> Outcome {
    let regions = regions();
    let subject = subject(who);
    let claims = subject.is_some().then(|| claims(who));
    let device = match &claims {
        Some(claims) => Posture::of_claim(claims.get("device")),
        None => Err(Reason::DeviceMissing),
    };
    let workload = whence.split(' ').find_map(|word| SpiffeId::parse(word.as_bytes()));
    let local = region("us").unwrap();
    let service = workload.as_ref().and_then(|id| counting_home(id, local, &regions));
    let [method, host, path] = request.split(' ').collect::<Vec<_>>()[..] else {
        panic!("{request}");
    };
    let authority = Authority::parse(host.as_bytes(), None).unwrap();
    let path = canonicalise(path.as_bytes(), &PathOptions::default()).unwrap();
    let headers = encode(HEADERS);
    let facts = Facts {
        risk: crate::risk::Risk::default(),
        attributes: super::Attributes::OfNobody,
        subject: subject.as_ref(),
        device: device.as_ref().map_err(|reason| *reason),
        source: source(whence),
        workload: workload.as_ref(),
        service,
        service_untold: false,
        token_refused: who == "!",
        claims: claims.as_ref(),
        certificate: who.ends_with(" bound"),
        request: Requested {
            method,
            host: authority.host(),
            path: &path,
            headers: Headers::parse(&headers).unwrap(),
            strip: &StripSet::default(),
            id: Some("id-1"),
        },
        local,
        at,
        regions: &regions,
    };
    set.decide(&candidates(set, request), &facts)
}

fn region(name: &str) -> Option<RegionId> {
    let at = REGIONS.iter().position(|(known, _)| *known == name)?;
    Some(RegionId(u16::try_from(at).unwrap()))
}

fn words(text: &str) -> (String, Vec<(&str, &str)>) {
    let mut words = text.split_whitespace();
    let name = words.next().unwrap().to_owned();
    (
        name,
        words.map(|word| word.split_once('=').unwrap_or((word, ""))).collect(),
    )
}

fn list(value: &str) -> Vec<String> {
    value.split(',').map(str::to_owned).collect()
}

/// The hours `HH:MM-HH:MM` of every day in UTC.
fn daily(hours: &str) -> Calendar {
    let days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
    let (from, to) = hours.split_once('-').unwrap();
    Calendar::new(
        Zone::named("UTC").unwrap(),
        BusinessHours::parse(&days, from, to).unwrap(),
    )
}

/// `SECONDS..SECONDS`, from and until so many seconds after [`NOON`]; either may be absent.
fn span(text: &str) -> Span {
    let time = |seconds: &str| {
        let nanoseconds = |seconds: i64| seconds.saturating_mul(1_000_000_000);
        let seconds: Option<i64> = seconds.parse().ok();
        seconds.map(|seconds| WallTime(NOON.0.saturating_add_signed(nanoseconds(seconds))))
    };
    let (from, until) = text.split_once("..").unwrap();
    Span {
        from: time(from),
        until: time(until),
    }
}

fn countries(value: &str) -> Vec<Country> {
    value.split(',').map(|code| Country::parse(code).unwrap()).collect()
}

fn hosts(value: &str) -> Vec<HostPattern> {
    value.split(',').map(|host| HostPattern::parse(host).unwrap()).collect()
}

fn template(text: &str) -> PathTemplate {
    PathTemplate::parse(text).unwrap()
}

fn network(text: &str) -> IpNet {
    parse_network(text).unwrap()
}
