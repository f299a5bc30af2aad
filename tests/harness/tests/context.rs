//! From where and when: source regions by the direct peer's address or an edge's word, and times, on a real Envoy.

mod common;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use common::{AP, EU, Issuers, NOWHERE, Site, US, bundle, get, policy, token};
use regionguard_harness::client::Request;
use regionguard_harness::config::Base;
use serde_json::{Value, json};

/// The short form as it stands, with `default: allow` to let in what meets it.
fn from_two_regions() -> Value {
    policy(
        "from-two-regions",
        json!({
            "context": {"geo_restrictions": [{"allowed_regions": ["us-east-1", "eu-west-1"]}]},
            "default": "allow",
        }),
    )
}

/// Whatever a client may write about where it comes from.
fn claiming(request: Request, address: &str) -> Vec<Request> {
    let names = [
        "x-forwarded-for",
        "x-real-ip",
        "x-envoy-external-address",
        "x-client-ip",
        "true-client-ip",
        "cf-connecting-ip",
    ];
    let mut requests: Vec<Request> = names.iter().map(|name| request.clone().header(name, address)).collect();
    requests.push(request.clone().header("forwarded", format!("for={address}")));
    requests.push(
        request
            .clone()
            .header("x-forwarded-for", format!("{address}, {address}, {address}")),
    );
    requests.push(
        request
            .clone()
            .header("x-forwarded-for", address)
            .header("x-forwarded-for", address),
    );
    requests.push(
        names
            .iter()
            .fold(request, |request, name| request.header(name, address)),
    );
    requests
}

#[tokio::test]
async fn the_source_region_is_where_the_direct_peer_stands() {
    let issuers = Issuers::new();
    let alice = token(&issuers.us, "alice", &[]);
    for base in [Base::Sidecar, Base::Gateway] {
        let bundle = bundle(41, &issuers.regions(), &[from_two_regions()]);
        let site = Site::start_with("context-source", base, &bundle, |config| config).await;
        let request = || get("/anything").bearer(&alice);

        for (source, region) in [(US, "us-east-1"), (EU, "eu-west-1"), ("127.0.2.255", "eu-west-1")] {
            let seen = site.ask_from(source, request()).await;
            seen.allowed("policy.default_allow", "default");
            let decision = seen.decision();
            assert_eq!(decision.rule, "from-two-regions/-");
            assert_eq!(decision.regions, format!("us-east-1>{region}>us-east-1"));
            assert_eq!(seen.entry.text("peer"), source);
        }
        let seen = site.ask_from(AP, request()).await;
        seen.denied(403, "context.source_region", "inline");
        assert_eq!(seen.decision().regions, "us-east-1>ap-southeast-1>us-east-1");
        for unknown in [NOWHERE, "127.0.4.1", "127.0.0.3"] {
            let seen = site.ask_from(unknown, request()).await;
            seen.denied(403, "context.source_unknown", "inline");
            assert_eq!(seen.decision().regions, "us-east-1>?>us-east-1");
        }
        // A default lets in nobody without a token, from wherever.
        site.ask_from(US, get("/anything"))
            .await
            .denied(401, "identity.missing", "inline");

        // What a client says of itself counts for nothing, in either direction.
        for spoofed in claiming(request(), US) {
            site.ask_from(AP, spoofed.clone())
                .await
                .denied(403, "context.source_region", "inline");
            site.ask_from(NOWHERE, spoofed)
                .await
                .denied(403, "context.source_unknown", "inline");
        }
        for spoofed in claiming(request(), AP) {
            site.ask_from(US, spoofed)
                .await
                .allowed("policy.default_allow", "default");
        }
    }
}

#[tokio::test]
async fn networks_and_regions_of_a_rule_are_those_of_the_direct_peer() {
    let issuers = Issuers::new();
    let rules = policy(
        "rules",
        json!({"rules": [
            {"name": "office", "paths": ["/office"], "from": {"networks": ["127.0.1.16/28", "127.0.9.9/32"]}, "effect": "allow"},
            {"name": "european", "paths": ["/europe"], "from": {"sourceRegions": ["eu-west-1"]}, "effect": "allow"},
            {"name": "public", "paths": ["/blocked"], "identity": "none", "effect": "allow"},
            {"name": "block", "paths": ["/blocked"], "from": {"networks": ["127.0.3.0/24"]}, "effect": "deny",
             "response": {"hide": true}},
        ]}),
    );
    let site = Site::start("context-networks", &bundle(41, &issuers.regions(), &[rules])).await;
    let alice = token(&issuers.us, "alice", &[]);
    let ask = async |source: &str, path: &str| site.ask_from(source, get(path).bearer(&alice)).await;

    for inside in ["127.0.1.16", "127.0.1.31", "127.0.9.9"] {
        let seen = ask(inside, "/office").await;
        seen.allowed("rule.allowed", "inline");
        assert_eq!(seen.decision().rule, "rules/office");
    }
    for outside in ["127.0.1.15", "127.0.1.32", "127.0.9.8", NOWHERE] {
        ask(outside, "/office").await.denied(403, "rule.source", "inline");
    }
    for spoofed in claiming(get("/office").bearer(&alice), "127.0.1.16") {
        site.ask_from(NOWHERE, spoofed)
            .await
            .denied(403, "rule.source", "inline");
    }
    ask(EU, "/europe").await.allowed("rule.allowed", "inline");
    for elsewhere in [US, AP, NOWHERE] {
        ask(elsewhere, "/europe").await.denied(403, "rule.source", "inline");
    }
    // A deny that hides what it denies: before anybody has to say who they are.
    let seen = site.ask_from(AP, get("/blocked")).await;
    let found = (seen.answer.status, seen.decision().reason, seen.upstream.len());
    assert_eq!(found, (404, "rule.denied".to_owned(), 0), "{seen:#?}");
    assert_eq!(seen.answer.json().unwrap()["code"], "not_found");
    site.ask_from(US, get("/blocked"))
        .await
        .allowed("rule.public", "inline");
}

#[tokio::test]
async fn business_hours_are_those_of_the_home_region_and_else_of_the_local_one() {
    let issuers = Issuers::new();
    let in_hours = policy(
        "in-hours",
        json!({
            "context": {"time_restrictions": [{"business_hours": true}]},
            "rules": [
                {"name": "any", "paths": ["/any"], "effect": "allow"},
                {"name": "public", "paths": ["/public"], "identity": "none", "effect": "allow"},
            ],
        }),
    );
    let noon = Noon::now();
    let everyday: Vec<&str> = DAYS.to_vec();
    let other_days: Vec<&str> = DAYS.iter().copied().filter(|day| *day != noon.day).collect();
    let open = noon.hours(&[noon.day], "10:00", "15:00");
    let closed = noon.hours(&everyday, "15:00", "10:00");
    let bundle_of = |version: u64, us: &Option<Value>, eu: &Option<Value>| {
        let mut regions = issuers.regions();
        for (region, calendar) in regions.iter_mut().zip([us, eu]) {
            for member in ["timezone", "businessHours"] {
                if let Some(calendar) = calendar {
                    region["spec"][member] = calendar[member].clone();
                }
            }
        }
        bundle(version, &regions, std::slice::from_ref(&in_hours))
    };
    let (open, closed) = (Some(open), Some(closed));
    let site = Site::start("context-hours", &bundle_of(1, &open, &closed)).await;
    let (alice, bob) = (token(&issuers.us, "alice", &[]), token(&issuers.eu, "bob", &[]));
    let allowed = "rule.allowed";
    let outside = "context.business_hours";
    let missing = "context.calendar_missing";
    let cases = [
        (
            "home open, other closed",
            open.clone(),
            closed.clone(),
            allowed,
            outside,
        ),
        (
            "and the other way round",
            closed.clone(),
            open.clone(),
            outside,
            allowed,
        ),
        ("no calendar", None, open.clone(), missing, allowed),
        (
            "the right hour of other days",
            Some(noon.hours(&other_days, "00:00", "24:00")),
            Some(noon.hours(&everyday, "00:00", "24:00")),
            outside,
            allowed,
        ),
        (
            "over midnight, round the clock but for the noon",
            Some(noon.hours(&everyday, "14:30", "09:30")),
            Some(noon.hours(&everyday, "09:30", "09:29")),
            outside,
            allowed,
        ),
        (
            "the same hours in another zone",
            Some(noon.elsewhere(&everyday, "10:00", "15:00")),
            open.clone(),
            outside,
            allowed,
        ),
    ];
    for (version, (what, us, eu, local, foreign)) in cases.into_iter().enumerate() {
        println!("{what}");
        let pushed = bundle_of(version as u64 + 2, &us, &eu);
        site.envoy
            .push(&site.folder, |folder| folder.write(&pushed))
            .await
            .unwrap();
        let public = if local == allowed { "rule.public" } else { local };
        for (request, reason) in [
            (get("/any").bearer(&alice), local),
            (get("/any").bearer(&bob), foreign),
            // The time is a requirement of the context: `identity: none` does not lift it.
            (get("/public"), public),
        ] {
            let seen = site.ask(request).await;
            match reason {
                "rule.allowed" | "rule.public" => seen.allowed(reason, "inline"),
                _ => seen.denied(403, reason, "inline"),
            };
            assert!(
                seen.decision().bundle.starts_with(&format!("shop@{}+", version + 2)),
                "{what}"
            );
        }
    }
}

/// The edge of the next test, a network beside those of the regions.
const EDGE: &str = "127.0.9.1";

#[tokio::test]
async fn an_edge_says_region_and_country_and_nobody_else_does() {
    let issuers = Issuers::new();
    let mut regions = issuers.regions();
    regions[0]["spec"]["networks"] = json!(["127.0.1.0/24", "2001:db8:1::/48"]);
    regions[0]["spec"]["country"] = json!("US");
    regions[1]["spec"]["networks"] = json!(["127.0.2.0/24", "2001:db8:2::/48"]);
    let places = policy(
        "places",
        json!({
            "context": {"geo_restrictions": [{"allowed_regions": ["us-east-1", "eu-west-1"], "denied_countries": ["KP"]}]},
            "rules": [
                {"name": "any", "paths": ["/any"], "identity": "none", "effect": "allow"},
                {"name": "not-from-france", "paths": ["/any"], "from": {"sourceCountries": ["FR"]}, "effect": "deny"},
            ],
        }),
    );
    let mut pushed = bundle(41, &regions, &[places]);
    pushed["trust"]["edges"] = json!([{
        "peers": [format!("{EDGE}/32")], "addressHeader": "x-forwarded-for", "regionHeader": "x-client-region", "countryHeader": "x-client-country",
    }, {"peers": ["127.0.9.2/32"], "addressHeader": "x-forwarded-for"}]);
    let site = Site::start("context-edge", &pushed).await;
    let says = |region: &str, country: &str| {
        get("/any")
            .header("x-client-region", region)
            .header("X-Client-Country", country)
    };

    let seen = site.ask_from(EDGE, says("eu-west-1", "DE")).await;
    seen.allowed("rule.public", "inline");
    assert_eq!(seen.decision().regions, "->eu-west-1>us-east-1");
    // The upstream may go by what the edge says.
    assert_eq!(seen.forwarded("x-client-region"), ["eu-west-1"]);
    assert_eq!(seen.forwarded("x-client-country"), ["DE"]);
    for (region, country, reason) in [
        ("ap-southeast-1", "SG", "context.source_region"),
        ("mars", "DE", "context.source_unknown"),
        ("us-east-1", "KP", "context.source_country"),
        ("us-east-1", "FR", "rule.denied"),
    ] {
        site.ask_from(EDGE, says(region, country))
            .await
            .denied(403, reason, "inline");
    }
    // Nobody can tell that an unknown country is not the one that is denied.
    for request in [
        says("us-east-1", "XX"),
        get("/any").header("x-client-region", "us-east-1"),
    ] {
        site.ask_from(EDGE, request)
            .await
            .denied(403, "rule.condition_unknown", "inline");
    }

    // Everybody else is who they are, and the upstream does not get what they write.
    let seen = site
        .ask_from(US, says("eu-west-1", "DE").header("x_client_country", "DE"))
        .await;
    seen.allowed("rule.public", "inline");
    assert_eq!(seen.decision().regions, "->us-east-1>us-east-1");
    for name in ["x-client-region", "x-client-country", "x_client_country"] {
        assert!(seen.forwarded(name).is_empty(), "{seen:#?}");
    }
    site.ask_from(EU, says("us-east-1", "US"))
        .await
        .denied(403, "rule.condition_unknown", "inline");
    site.ask_from(NOWHERE, says("us-east-1", "US"))
        .await
        .denied(403, "rule.condition_unknown", "inline");

    // An edge that says addresses only, of either kind; the country is that of the region.
    for (address, region) in [
        ("2001:db8:1::7", "us-east-1"),
        ("[2001:db8:1::7]:4711", "us-east-1"),
        ("::ffff:127.0.1.9", "us-east-1"),
        ("203.0.113.9, 2001:db8:1::7", "us-east-1"),
    ] {
        let seen = site
            .ask_from("127.0.9.2", says("eu-west-1", "FR").header("x-forwarded-for", address))
            .await;
        seen.allowed("rule.public", "inline");
        assert_eq!(seen.decision().regions, format!("->{region}>us-east-1"), "{address}");
    }
    for address in ["2001:db8:2::7", "2001:db8:3::7", "unknown"] {
        site.ask_from("127.0.9.2", get("/any").header("x-forwarded-for", address))
            .await
            .denied(403, "rule.condition_unknown", "inline");
    }
}

#[tokio::test]
async fn hours_dates_and_maintenance_are_those_of_now() {
    let issuers = Issuers::new();
    let noon = Noon::now();
    let of = |days: &[&str], from: &str, to: &str| {
        let mut hours = noon.hours(days, from, to)["businessHours"].take();
        hours["timezone"] = noon.hours(days, from, to)["timezone"].clone();
        hours
    };
    let about = |from: i64, until: i64| json!({"notBefore": hours_from_now(from), "notAfter": hours_from_now(until)});
    let today = noon.today();
    let with = |mut hours: Value, field: &str, value: Value| {
        hours[field] = value;
        hours
    };
    let open = of(&DAYS, "10:00", "15:00");
    let holiday = with(open.clone(), "holidays", json!([today.to_string()]));
    let every_year = with(open.clone(), "holidays", json!([today.strftime("%m-%d").to_string()]));
    let exception = |from: &str, to: &str| json!([{"date": today.to_string(), "hours": [{"from": from, "to": to}]}]);
    let cases = [
        ("within hours", json!({"hours": open}), None),
        (
            "after hours",
            json!({"hours": of(&DAYS, "15:00", "10:00")}),
            Some("context.hours"),
        ),
        ("on a holiday", json!({"hours": holiday}), Some("context.hours")),
        (
            "on the holiday of every year",
            json!({"hours": every_year}),
            Some("context.hours"),
        ),
        (
            "with other hours today",
            json!({"hours": with(open.clone(), "exceptions", exception("15:00", "16:00"))}),
            Some("context.hours"),
        ),
        (
            "with hours on a holiday",
            json!({"hours": with(holiday.clone(), "exceptions", exception("11:00", "14:00"))}),
            None,
        ),
        ("within dates", about(-1, 1), None),
        ("before them", about(1, 2), Some("context.dates")),
        ("after them", about(-2, -1), Some("context.dates")),
        (
            "in a window of each week",
            json!({"maintenance": [of(&[noon.day], "11:00", "14:00")]}),
            Some("context.maintenance"),
        ),
        (
            "outside of it",
            json!({"maintenance": [of(&[noon.day], "14:00", "15:00"), about(1, 2)]}),
            None,
        ),
        (
            "in a window of its own",
            json!({"maintenance": [of(&[noon.day], "14:00", "15:00"), about(-1, 1)]}),
            Some("context.maintenance"),
        ),
    ];
    let bundle_of = |version: u64, restriction: &Value| {
        let timed = policy(
            "timed",
            json!({
                "context": {"time_restrictions": [restriction]},
                "rules": [{"name": "any", "paths": ["/any"], "identity": "none", "effect": "allow"}],
            }),
        );
        bundle(version, &issuers.regions(), &[timed])
    };
    let site = Site::start("context-times", &bundle_of(1, &cases[0].1)).await;
    for (version, (what, restriction, reason)) in (2_u64..).zip(cases) {
        println!("{what}");
        let pushed = bundle_of(version, &restriction);
        site.envoy
            .push(&site.folder, |folder| folder.write(&pushed))
            .await
            .unwrap();
        let seen = site.ask(get("/any")).await;
        match reason {
            None => seen.allowed("rule.public", "inline"),
            Some(reason) => seen.denied(403, reason, "inline"),
        };
        assert!(
            seen.decision().bundle.starts_with(&format!("shop@{version}+")),
            "{what}"
        );
    }
}

fn now() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap()
}

/// RFC 3339.
fn hours_from_now(hours: i64) -> String {
    jiff::Timestamp::from_second(now() + hours * 3_600).unwrap().to_string()
}

const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// A zone without daylight saving in which it is between 12:00 and 13:00 right now, and the day there: whatever the hour of a
/// test run, midnight is far away.
struct Noon {
    ahead: i64,
    day: &'static str,
}

impl Noon {
    fn now() -> Self {
        // In the last half minute of an hour, the next one is awaited.
        while now() % 3600 > 3570 {
            std::thread::sleep(Duration::from_secs(1));
        }
        let hours = now() / 3600;
        let ahead = 12 - hours % 24;
        // 1970 began on a Thursday.
        let day = (hours + ahead).div_euclid(24) + 3;
        Self {
            ahead,
            day: DAYS[usize::try_from(day % 7).unwrap()],
        }
    }

    fn hours(&self, days: &[&str], from: &str, to: &str) -> Value {
        calendar(self.ahead, days, from, to)
    }

    /// The date there.
    fn today(&self) -> jiff::civil::Date {
        let there = jiff::Timestamp::from_second(now() + self.ahead * 3_600).unwrap();
        there.to_zoned(jiff::tz::TimeZone::UTC).date()
    }

    /// The same where it is six hours earlier or later.
    fn elsewhere(&self, days: &[&str], from: &str, to: &str) -> Value {
        let ahead = if self.ahead > 0 { self.ahead - 6 } else { self.ahead + 6 };
        calendar(ahead, days, from, to)
    }
}

fn calendar(ahead: i64, days: &[&str], from: &str, to: &str) -> Value {
    // The signs of these names are those of POSIX: what is ahead of Greenwich is minus.
    let zone = match ahead {
        0 => "Etc/UTC".to_owned(),
        1.. => format!("Etc/GMT-{ahead}"),
        _ => format!("Etc/GMT+{}", -ahead),
    };
    json!({"timezone": zone, "businessHours": {"days": days, "from": from, "to": to}})
}
