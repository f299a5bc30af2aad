//! The Region document.

use core::time::Duration;

use super::diagnostic::{Problem, Read, Sink};
use super::document::{Acceptance, Address, Center, KeySource, Region, Wildcard};
use super::limits;
use super::path::Path;
use super::policy::region_name;
use super::reader::{At, Shape};
use super::root::Known;
use super::{claims, hours, keys, place, remote, replica, revocation, rule};
use crate::identity::{SpiffePattern, trust_domain_name};

const SPEC: Shape = Shape {
    fields: &[
        "issuer",
        "audiences",
        "trustDomains",
        "keys",
        "revocation",
        "claims",
        "accepts",
        "center",
        "identity",
        "networks",
        "country",
        "timezone",
        "businessHours",
        "maxTokenLifetime",
    ],
    later: &["endpoint"],
};

const ACCEPTANCE: Shape = Shape {
    fields: &["home", "permissions", "roles", "workloads"],
    later: &[],
};

const CENTER: Shape = Shape {
    fields: &["cluster", "authority", "protocol", "path", "timeout"],
    later: &["delegates"],
};

/// Where an AuthZEN center is asked (Authorization API 1.0, §10.1).
const EVALUATION: &str = "/access/v1/evaluation";
/// How long a center may take where the Region does not say.
pub(super) const TIMEOUT: Duration = Duration::from_millis(250);
/// The least and the most that a Region may say.
pub(super) const TIMEOUTS: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(10));
/// The least and the most for `maxTokenLifetime`.
const LIFETIMES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(366 * 24 * 3_600));

/// `name` and `spec` of a document of this kind.
pub(super) fn read(name: &str, spec: &At<'_>, known: &Known<'_>, sink: &mut Sink) -> Read<Region> {
    let fields = spec.fields(&SPEC, sink)?;
    let issuer = fields.required("issuer", sink, At::text);
    let audiences = fields.required("audiences", sink, |at, sink| {
        at.list(limits::AUDIENCES, sink, |at, sink| at.text(sink).map(str::to_owned))
    });
    let trust_domains = fields.optional("trustDomains", sink, |at, sink| {
        at.list(limits::TRUST_DOMAINS, sink, trust_domain)
    });
    let keys = fields.required("keys", sink, |at, sink| keys::read(at, issuer.ok(), sink));
    let revocation = fields.optional("revocation", sink, revocation::read);
    let claims = fields.optional("claims", sink, |at, sink| claims::read(at, sink));
    let accepts = fields.optional("accepts", sink, |at, sink| accepts(name, at, known, sink));
    let center = fields.optional("center", sink, |at, sink| center(at, sink));
    let replica = fields.optional("identity", sink, replica::read);
    let networks = fields.optional("networks", sink, |at, sink| {
        at.list(limits::NETWORKS, sink, rule::network)
    });
    let country = fields.optional("country", sink, place::country);
    let zone = fields.optional("timezone", sink, hours::zone);
    let hours = fields.optional("businessHours", sink, |at, sink| {
        if fields.field("timezone").is_none() {
            sink.error(
                &at.path,
                "a time without a zone means nothing: give `timezone`, like `America/New_York`",
            );
        }
        hours::business_hours(at, sink)
    });
    let max_token_lifetime = fields.optional("maxTokenLifetime", sink, |at, sink| {
        at.duration(LIFETIMES.0, LIFETIMES.1, sink)
    });
    let (keys, trust_domains) = (keys?, trust_domains?.unwrap_or_default());
    if let KeySource::Inline(ring) = &keys.source
        && ring.is_for_svids()
        && trust_domains.is_empty()
    {
        let message =
            "every key is for JWT-SVIDs alone (`use: jwt-svid`), and no workload is at home here: list `trustDomains`";
        sink.error(&Path::Member(&spec.path, "keys"), message);
    }
    Ok(Region {
        name: name.to_owned(),
        issuer: issuer?.to_owned(),
        audiences: audiences?,
        trust_domains,
        keys,
        revocation: revocation?,
        claims: claims?.unwrap_or_default(),
        accepts: accepts?.unwrap_or_default(),
        center: center?,
        replica: replica?,
        networks: networks?.unwrap_or_default(),
        country: country?,
        calendar: zone?.zip(hours?).map(|(zone, hours)| hours.in_zone(zone)),
        max_token_lifetime: max_token_lifetime?,
    })
}

fn accepts(own: &str, at: &At<'_>, known: &Known<'_>, sink: &mut Sink) -> Read<Vec<Acceptance>> {
    let accepts = at.list(limits::ACCEPTS, sink, |at, sink| acceptance(own, at, known, sink))?;
    let mut wrong = None;
    for (index, acceptance) in accepts.iter().enumerate() {
        if accepts
            .iter()
            .take(index)
            .any(|earlier| earlier.home == acceptance.home)
        {
            let item = Path::Item(&at.path, index);
            let message = format!(
                "`{}` is listed already: put what is accepted of one home region in one entry",
                acceptance.home
            );
            wrong = Some(sink.error(&Path::Member(&item, "home"), message));
        }
    }
    wrong.map_or(Ok(accepts), Err)
}

fn acceptance(own: &str, at: &At<'_>, known: &Known<'_>, sink: &mut Sink) -> Read<Acceptance> {
    let fields = at.fields(&ACCEPTANCE, sink)?;
    let home = fields.required("home", sink, |at, sink| {
        let home = region_name(at, known, sink)?;
        if home == own {
            return Err(sink.error(&at.path, "a Region accepts its own tokens anyway: take this entry out"));
        }
        Ok(home)
    });
    let words = |at: &At<'_>, sink: &mut Sink| at.list(limits::WORDS, sink, wildcard);
    let permissions = fields.optional("permissions", sink, words);
    let roles = fields.optional("roles", sink, words);
    let workloads = fields.optional("workloads", sink, |at, sink| {
        at.list(limits::RULE_ITEMS, sink, |at, sink| {
            at.parsed(SpiffePattern::parse, sink)
        })
    });
    Ok(Acceptance {
        home: home?,
        permissions: permissions?.unwrap_or_default(),
        roles: roles?.unwrap_or_default(),
        workloads: workloads?.unwrap_or_default(),
    })
}

/// A trust domain by its name alone, as it stands behind `spiffe://` (SPIFFE ID §2.1).
fn trust_domain(at: &At<'_>, sink: &mut Sink) -> Read<String> {
    at.parsed(|text| trust_domain_name(text).map(str::to_owned), sink)
}

fn wildcard(at: &At<'_>, sink: &mut Sink) -> Read<Wildcard> {
    let text = at.text(sink)?;
    if text.strip_suffix('*').unwrap_or(text).contains('*') {
        let message = "a `*` stands for any rest, at the end only";
        return Err(sink.error(&at.path, Problem::new(message).found(at.value)));
    }
    Ok(Wildcard::new(text))
}

fn center(at: &At<'_>, sink: &mut Sink) -> Read<Center> {
    let fields = at.fields(&CENTER, sink)?;
    let address = remote::address(at, &fields, EVALUATION, sink);
    let protocol = fields.optional("protocol", sink, |at, sink| {
        at.word_or_later(&[("authzen", ())], &["opa", "ext_authz", "extAuthz"], sink)
    });
    let timeout = fields.optional("timeout", sink, |at, sink| at.duration(TIMEOUTS.0, TIMEOUTS.1, sink));
    let Address {
        cluster,
        authority,
        path,
    } = address?;
    protocol?;
    Ok(Center {
        cluster,
        authority,
        path,
        timeout: timeout?.unwrap_or(TIMEOUT),
    })
}
