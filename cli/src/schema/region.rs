//! Region, and the hours of calendars.

use super::form::{
    any, at, claim, clock, country, duration, list, map, network, only, region, text, text_of, texts, word, words,
    workload, zone,
};
use super::table::{Definition, Field, define, may, must, value};

/// The definitions.
pub(super) fn definitions() -> Vec<Definition> {
    let mut all = region_itself();
    all.extend(calendar());
    all
}

fn region_itself() -> Vec<Definition> {
    vec![
        define!("Region" in "document",
        "Whose tokens count and how they are verified. The local one also says who is asked and whose foreign tokens count.",
        [("Region", "documents.md#region"), ("tokens", "tokens.md")],
        [
            must("issuer", text(), "`iss` of its tokens, compared as it is. Several Regions may share one"),
            must("audiences", texts(), "of which `aud` of a token must hold one where this Region is the local one; 32 at most"),
            may("trustDomains", list(text_of("trust domain", &["prod.us-east-1.example"])), "none: no workload is at home here", "names of the SPIFFE trust domains whose workloads are at home here, 32 at most. One in two Regions is an error"),
            must("keys", at("Keys"), "what verifies its tokens"),
            may("revocation", at("Revocation"), "none: only Revocations documents revoke", "what its issuer publishes of tokens that count no more"),
            may("claims", at("Claims"), "each of its fields as if left out", "where its tokens hold what counts"),
            may("accepts", list(at("Acceptance")), "none: nobody's but its own", "whose tokens and workloads count here beside its own, one entry for each home region, where this Region is the local one; 64 at most"),
            may("identity", at("IdentityReplica"), "none: what conditions read as `identity` is unknown of its subjects", "its identity replica"),
            may("center", at("Center"), "none: a rule with `effect: defer` is an error where this is the local Region", "its policy decision point"),
            may("networks", list(network()), "none: no address tells that a request is from here", "networks from which its requests come, 4,096 at most. The longest prefix wins; one in two Regions is an error"),
            may("country", country(), "none: the source country is unknown", "the country in which it lies, and from which the requests of its networks come"),
            may("timezone", zone(), "none; `businessHours` demand it", "the zone of its business hours"),
            may("businessHours", at("BusinessHours"), "none: `businessHours: true` in a policy is never met for its tokens", "when it is open, by the clocks in its `timezone`"),
            may("maxTokenLifetime", duration("1s", "8784h"), "none: any lifetime will do", "the longest time from `iat` to `exp`; a token without `iat` is refused then. Of the home Region's and the local one's, the shorter holds"),
        ]),
        define!("Acceptance" in "region-spec",
        "What counts here of another Region's tokens and workloads. What is not listed is dropped before any rule sees it.",
        [("Region", "documents.md#region"), ("whose workloads count", "services.md#whose-workloads-count")],
        [
            must("home", region(), "the other Region"),
            may("permissions", texts(), "none of them", "permissions of its tokens that are kept, exact or with a `*` at the end; 256 at most"),
            may("roles", texts(), "none of them", "roles of its tokens that are kept, likewise"),
            may("workloads", list(workload()), "none of them", "its workloads that count here, of trust domains that it lists; 256 at most"),
        ]),
        define!("Center" in "region-spec",
        "The policy decision point of a region, which rules with `effect: defer` ask.",
        [("the regional center", "center.md")],
        [
            must("cluster", text(), "the Envoy cluster of the center"),
            may("authority", text_of("authority", &["center.us-east-1.internal"]), "the cluster's name, where that can stand as a host", "`:authority` of the question"),
            may("protocol", word(&["authzen"]), value("authzen"), "how it is asked: the access evaluation of AuthZEN 1.0"),
            may("path", text_of("path", &["/access/v1/evaluation"]), value("/access/v1/evaluation"), "where the question is posted"),
            may("timeout", duration("10ms", "10s"), value("250ms"), "the deadline of one question"),
        ]),
        define!("IdentityReplica" in "region-spec",
        "The region's copy of the identity store: it tells what conditions read as `identity` of the subjects of this Region.",
        [("attributes of the subject", "conditions.md#attributes-of-the-subject")],
        [
            must("cluster", text(), "the Envoy cluster of the replica"),
            may("authority", text_of("authority", &["people.us-east-1.internal"]), "the cluster's name, where that can stand as a host", "`:authority` of the question"),
            may("path", text_of("path with `{sub}` as one segment", &["/identities/{sub}"]), value("/identities/{sub}"), "where a subject is looked up"),
            may("ttl", duration("1s", "24h"), value("1h"), "how long what it tells is kept; its `Cache-Control: max-age` may shorten that"),
            may("timeout", duration("10ms", "10s"), value("250ms"), "the deadline of one question"),
        ]),
        define!("Claims" in "region-spec",
        "Where the tokens of a Region hold what counts. Map only claims that users cannot write themselves.",
        [("the home region", "tokens.md#the-home-region"), ("identity providers", "idp/README.md")],
        [
            may("region", any(&[claim(), at("FromIssuer")]), value("region"), "the claim that must equal this Region's name, or that the issuer is this Region's alone"),
            may("permissions", claim(), value("permissions"), "the claim that holds the permissions"),
            may("roles", claim(), value("roles"), "the claim that holds the roles"),
            may("grants", claim(), "none: such a claim is not looked at", "the claim that holds permissions for a time"),
            may("device", claim(), "`device` in a bundle without any DeviceIssuer; none in one with such", "the claim that holds the posture of the user's device"),
            may("audience", claim(), "none: a token without `aud` is refused", "the claim that stands for `aud` in a token that has none, like `client_id` of AWS Cognito"),
            may("require", map("claims", text()), "none", "claims that must be exactly these strings, 16 at most: what tells an access token from an ID token, or a tenant from another"),
        ]),
        define!("FromIssuer" in "region-spec",
            "In place of a claim that names the Region.",
            [("the home region", "tokens.md#the-home-region")],
            [must("fromIssuer", only(true), "each token of this issuer is of this Region; an error where another Region has the same issuer")]),
    ]
}

fn calendar() -> Vec<Definition> {
    let zone = must("timezone", zone(), "whose clocks they go by");
    vec![
        define!("BusinessHours" in "region-spec",
            "Hours of a week, with holidays and exceptions: `days`, `from` and `to`, or `weekly`. An end does not belong to its hours.",
            [("hours", "context.md#hours")],
            hours(Vec::new())),
        define!("ZonedHours" in "policy-spec",
            "The same with a zone of their own.",
            [("hours", "context.md#hours")],
            hours(vec![zone])),
        define!("WeeklyHours" in "region-spec",
        "The same hours on some days of each week.",
        [("hours", "context.md#hours")],
        [
            must("days", words(&DAYS), "the days on which they begin"),
            must("from", clock(), "their beginning"),
            must("to", clock(), "their end; before `from`, it is on the next day"),
        ]),
        define!("HoursException" in "region-spec",
        "A date with other hours than its day of the week. It comes before a holiday on the same date.",
        [("hours", "context.md#hours")],
        [
            must("date", text_of("date", &["2026-12-24"]), "the date on which these hours begin, like `\"2026-12-24\"`; each once"),
            must("hours", list(at("Interval")), "the hours of that date, 16 at most"),
        ]),
        define!("Interval" in "region-spec",
        "Hours of one day.",
        [("hours", "context.md#hours")],
        [
            must("from", clock(), "the beginning, which belongs to it"),
            must("to", clock(), "the end, which does not"),
        ]),
    ]
}

/// Hours of a calendar, behind what stands there.
fn hours(mut all: Vec<Field>) -> Vec<Field> {
    all.extend([
        may(
            "days",
            words(&DAYS),
            "none: `weekly` says all",
            "days on which the hours begin",
        ),
        may(
            "from",
            clock(),
            "none: `weekly` says all",
            "their beginning, on each of `days`",
        ),
        may(
            "to",
            clock(),
            "none: `weekly` says all",
            "their end; before `from`, it is on the next day",
        ),
        may(
            "weekly",
            list(at("WeeklyHours")),
            "`days`, `from` and `to` say all",
            "hours that differ from day to day, or several on one day, 64 at most; they add up",
        ),
        may(
            "holidays",
            list(text_of("date, or day of each year", &["12-25"])),
            "none",
            "dates on which no hours begin, 512 at most: `\"2026-12-25\"`, or `\"12-25\"` of each year",
        ),
        may(
            "exceptions",
            list(at("HoursException")),
            "none",
            "dates with other hours, 512 at most",
        ),
    ]);
    all
}

pub(super) const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
