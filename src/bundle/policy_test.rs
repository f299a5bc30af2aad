//! The PolicyTest document: who asks for what, and what is expected to become of it. It stands beside the documents of a bundle and in none of them; the
//! command reads it, a filter never does.

mod expectation;
mod principal;
mod request;

use core::net::IpAddr;
use core::time::Duration;

use serde_json::{Map, Value as Json};

use super::diagnostic::{Diagnostic, Problem, Read, Sink};
use super::instant;
use super::limits;
use super::path::Path;
use super::reader::{At, Fields, Shape};
use super::root::{DOCUMENT, METADATA};
use super::value::{self, Encoding, Member, Value};
use crate::device::Field;
use crate::identity::SpiffeId;
use crate::policy::Served;
use crate::reason::Reason;
use crate::risk::Risk;
use crate::time::WallTime;

/// A PolicyTest document. A principal or a request is named by its place in the lists here.
#[derive(Clone, Debug)]
pub struct PolicyTest {
    /// `metadata.name`.
    pub name: String,
    /// `locality`: the region in which the node stands, for a bundle without `region`.
    pub locality: Option<String>,
    /// `serves`: whom the proxy serves, as the node tells it.
    pub serves: Served,
    /// Who asks, in the order of the document, and behind them the one who is always there: `anonymous`.
    pub principals: Vec<Principal>,
    /// What is asked, in the order of the document.
    pub requests: Vec<Request>,
    /// In the order of the document.
    pub tests: Vec<Test>,
}

/// One of `principals`.
#[derive(Clone, Debug, Default)]
pub struct Principal {
    /// Its name.
    pub name: String,
    /// `None`: it has no token.
    pub token: Option<Token>,
    /// The address of the direct peer.
    pub address: Option<IpAddr>,
    /// The SPIFFE id in the certificate of the direct peer.
    pub workload: Option<String>,
    /// The device that it asks from.
    pub device: Option<Device>,
    /// What the identity replica of its home Region tells of it; `None`: that does not know it.
    pub identity: Option<Map<String, Json>>,
    /// What is known of its risk; `None`: a center has not said anything, and nothing failed.
    pub risk: Option<Risk>,
}

/// What is said of a device, and by whom.
#[derive(Clone, Debug, Default)]
pub struct Device {
    /// `deviceIssuer`: the name of the DeviceIssuer whose posture token says it. `None`: the bundle's first, or where it has none, the user's own token.
    pub issuer: Option<String>,
    /// The parts of the posture, each of any form.
    pub parts: Vec<(Field, Json)>,
    /// `deviceSignedAt`: when a posture token was made; `None`: just now.
    pub signed_at: Option<WallTime>,
}

/// What a principal's token says, and how it is signed.
#[derive(Clone, Debug, Default)]
pub struct Token {
    /// `home`: the name of the Region that signs it.
    pub home: Option<String>,
    /// `claims`; `sub` is the principal's name where it is not given.
    pub claims: Map<String, Json>,
    /// `without`: claims that are not filled in.
    pub without: Vec<String>,
    /// `key`: the `kid` of the key that signs it.
    pub key: Option<String>,
    /// `bound: certificate`: to the certificate of the direct peer (RFC 8705).
    pub bound: bool,
    /// `revoked: true`: by the list that its Region publishes.
    pub revoked: bool,
}

/// One of `requests`.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// Its name.
    pub name: String,
    /// `method`.
    pub method: String,
    /// `scheme`.
    pub scheme: String,
    /// `host`.
    pub host: String,
    /// `path`, with its query.
    pub path: String,
    /// Names in lower case, and values.
    pub headers: Vec<(String, String)>,
    /// The address of the direct peer, instead of the principal's.
    pub address: Option<IpAddr>,
    /// The port that the connection is made to.
    pub port: Option<u16>,
}

/// One of `tests`: each of its principals sends each of its requests.
#[derive(Clone, Debug)]
pub struct Test {
    /// Its name.
    pub name: String,
    /// When all of it happens.
    pub at: WallTime,
    /// What the center answers; `None`: nobody says, and what is for the center to decide is [`Verdict::Defer`].
    pub center: Option<Center>,
    /// `revocationLists: away`.
    pub lists_away: bool,
    /// `replicas: away`.
    pub replicas_away: bool,
    /// Places in [`PolicyTest::principals`].
    pub principals: Vec<usize>,
    /// Places in [`PolicyTest::requests`].
    pub requests: Vec<usize>,
    /// What is not listed here is expected to be denied.
    pub expected: Vec<Expectation>,
}

/// One of `expected`.
#[derive(Clone, Debug)]
pub struct Expectation {
    /// Places in [`PolicyTest::principals`].
    pub principals: Vec<usize>,
    /// Places in [`PolicyTest::requests`].
    pub requests: Vec<usize>,
    /// What becomes of them.
    pub verdict: Verdict,
    /// What decides, as the decision line names it: `policy/rule`.
    pub rule: Option<String>,
    /// Why.
    pub reason: Option<Reason>,
    /// The status of the answer.
    pub status: Option<u16>,
    /// Headers that the upstream gets, with these values.
    pub upstream: Vec<(String, String)>,
    /// Headers that the upstream does not get.
    pub upstream_without: Vec<String>,
    /// What would become of them by all that is in shadow mode.
    pub shadow: Option<Tried>,
    /// What would become of them by the candidate.
    pub candidate: Option<Tried>,
}

/// What would become of a request by policies that are tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tried {
    /// The same: for shadow parts the same verdict, for a candidate its reason too.
    Same,
    /// It would go on.
    Allow,
    /// It would be refused, or challenged.
    Deny,
    /// The center would be asked.
    Ask,
}

impl Tried {
    /// As documents, and the lines of what is tried, spell it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::Allow => "allow",
            Self::Deny => "deny",
            Self::Ask => "ask",
        }
    }
}

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It goes on to the upstream.
    Allow,
    /// It is refused.
    Deny,
    /// Its subject is told to log in otherwise, or anew.
    StepUp,
    /// It is for the center to decide, and nobody says what that answers.
    Defer,
}

impl Verdict {
    /// As documents spell it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
            Self::StepUp => "stepUp",
            Self::Defer => "defer",
        }
    }
}

/// What a center answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Center {
    /// Yes.
    Allow,
    /// No.
    Deny,
    /// Nothing: it cannot be reached, or is too late.
    Away,
    /// Something that is no answer.
    Wrong,
}

/// What the bundle has that a PolicyTest may name.
#[derive(Clone, Copy, Debug)]
pub struct Known<'k> {
    /// The names of its Regions.
    pub regions: &'k [&'k str],
    /// The names of its DeviceIssuers.
    pub device_issuers: &'k [&'k str],
    /// What may decide, as `policy/rule`, `policy/-` and `-/-`; sorted.
    pub deciders: &'k [&'k str],
    /// Whether to look for what was probably meant by a name that is none of these, which takes a look at each.
    pub suggests: bool,
}

/// The name of the principal who has nothing to show.
pub const ANONYMOUS: &str = "anonymous";

const SPEC: Shape = Shape {
    fields: &["at", "locality", "serves", "host", "principals", "requests", "tests"],
    later: &[],
};

const TEST: Shape = Shape {
    fields: &[
        "name",
        "at",
        "center",
        "revocationLists",
        "replicas",
        "principals",
        "requests",
        "expected",
    ],
    later: &[],
};

/// Reads a PolicyTest from its JSON text. `known` is what the bundle beside it has; `None`: that cannot be told, and names are taken as they are.
///
/// # Errors
/// All that is wrong with it, and its warnings. Paths begin at the document.
pub fn read(json: &[u8], known: Option<&Known<'_>>) -> Result<(PolicyTest, Vec<Diagnostic>), Vec<Diagnostic>> {
    let mut sink = Sink::ample();
    let read = value::read(json, Encoding::Json, &mut sink).and_then(|value| document(&value, known, &mut sink));
    sink.judge(read)
}

/// The fixtures of a document, by name.
struct Fixtures<'f> {
    principals: Vec<&'f str>,
    requests: Vec<&'f str>,
    known: Option<&'f Known<'f>>,
}

fn document(value: &Value, known: Option<&Known<'_>>, sink: &mut Sink) -> Read<PolicyTest> {
    let at = At::new(value, Path::Root);
    let fields = at.fields(&DOCUMENT, sink)?;
    let version = fields.required("apiVersion", sink, |at, sink| at.word(&[("security.io/v1", ())], sink));
    let kind = fields.required("kind", sink, |at, sink| at.word(&[("PolicyTest", ())], sink));
    let name = fields.required("metadata", sink, |at, sink| {
        let fields = at.fields(&METADATA, sink)?;
        fields.required("name", sink, At::name).map(str::to_owned)
    });
    if let Ok(name) = &name {
        sink.enter(Some(format!("PolicyTest {name}")));
    }
    let spec = fields.required("spec", sink, |at, sink| spec(at, known, sink));
    let (name, ()) = (name?, version.and(kind)?);
    let spec = spec?;
    Ok(PolicyTest { name, ..spec })
}

fn spec(at: &At<'_>, known: Option<&Known<'_>>, sink: &mut Sink) -> Read<PolicyTest> {
    let fields = at.fields(&SPEC, sink)?;
    let time = fields.required("at", sink, time);
    let locality = fields.optional("locality", sink, |at, sink| region(at, known, sink));
    let serves = fields.optional("serves", sink, serves);
    let host = fields.optional("host", sink, |at, sink| at.text(sink).map(str::to_owned));
    let principals = fields.optional("principals", sink, |at, sink| principal::all(at, known, sink));
    let default_host = host.as_ref().ok().and_then(Option::as_deref);
    let requests = fields.required("requests", sink, |at, sink| request::all(at, default_host, sink));
    let mut principals = principals.map(Option::unwrap_or_default);
    if let Ok(principals) = &mut principals {
        principals.push(Principal {
            name: ANONYMOUS.to_owned(),
            ..Principal::default()
        });
    }
    // Whatever is wrong with what they stand for, the names are known: all errors at once.
    let tests = match (written_names(&fields, "principals"), written_names(&fields, "requests")) {
        (Some(mut principals), Some(requests)) => {
            principals.push(ANONYMOUS);
            let fixtures = Fixtures {
                principals,
                requests,
                known,
            };
            let tests = fields.required("tests", sink, |at, sink| {
                at.list(limits::TESTS, sink, |at, sink| test(at, time.ok(), &fixtures, sink))
            });
            if let Ok(tests) = &tests {
                check(&fields, tests, &fixtures, sink);
            }
            Some(tests?)
        }
        _ => None,
    };
    time?;
    host?;
    let (principals, requests) = (principals?, requests?);
    Ok(PolicyTest {
        name: String::new(),
        locality: locality?,
        serves: serves?.unwrap_or_default(),
        principals,
        requests,
        // INVARIANT: where the fixtures could be read, so could this.
        tests: tests.unwrap_or_default(),
    })
}

/// The names of fixtures; `None` where there can be none.
fn written_names<'v>(fields: &Fields<'v>, field: &str) -> Option<Vec<&'v str>> {
    match fields.field(field).map(|at| at.value) {
        None => Some(Vec::new()),
        Some(Value::Object(members)) => Some(members.iter().map(|(name, _)| &**name).collect()),
        Some(_) => None,
    }
}

/// A whole SPIFFE id, or namespace and service account as a node in Istio tells them.
fn serves(at: &At<'_>, sink: &mut Sink) -> Read<Served> {
    let text = at.text(sink)?;
    let mut served = Served::default();
    let parts: Vec<&str> = text.split('/').collect();
    let pod = match parts[..] {
        ["ns", namespace, "sa", account] => Some((namespace, account)),
        _ => None,
    };
    let whole = match pod {
        Some(_) => format!("spiffe://any/{text}"),
        None => text.to_owned(),
    };
    if SpiffeId::parse(whole.as_bytes()).is_none() {
        let message = "not a workload: write its SPIFFE id, or `ns/NAMESPACE/sa/SERVICE-ACCOUNT`";
        return Err(sink.error(&at.path, Problem::new(message).found(at.value)));
    }
    match pod {
        Some((namespace, account)) => {
            served.namespace = Some(namespace.to_owned());
            served.service_account = Some(account.to_owned());
        }
        None => served.id = Some(whole),
    }
    Ok(served)
}

fn test(at: &At<'_>, time_of_all: Option<WallTime>, fixtures: &Fixtures<'_>, sink: &mut Sink) -> Read<Test> {
    let fields = at.fields(&TEST, sink)?;
    let name = fields.required("name", sink, At::text).map(str::to_owned);
    let own_time = fields.optional("at", sink, time);
    let center = fields.optional("center", sink, |at, sink| {
        let words = [
            ("allow", Center::Allow),
            ("deny", Center::Deny),
            ("away", Center::Away),
            ("wrong", Center::Wrong),
        ];
        at.word(&words, sink)
    });
    let replicas_away = fields.optional("replicas", sink, |at, sink| at.word(&[("away", true)], sink));
    let lists_away = fields.optional("revocationLists", sink, |at, sink| at.word(&[("away", true)], sink));
    // Who has nothing to show is there if somebody names it.
    let written = fixtures.principals.len().saturating_sub(1);
    let principals = names(&fields, "principals", &fixtures.principals, written, sink);
    let requests = names(&fields, "requests", &fixtures.requests, fixtures.requests.len(), sink);
    let (principals, requests, center) = (principals?, requests?, center?);
    if principals.is_empty() {
        return Err(fields.wrong(
            "nobody asks: there are no `principals` in this document, so say `principals: [anonymous]`",
            sink,
        ));
    }
    let of_test = expectation::Around {
        principals: &principals,
        requests: &requests,
        center,
        fixtures,
    };
    let expected = fields.optional("expected", sink, |at, sink| expectation::all(at, &of_test, sink));
    Ok(Test {
        name: name?,
        // INVARIANT: without a time of all, its error stands in the sink.
        at: own_time?.or(time_of_all).unwrap_or_default(),
        center,
        lists_away: lists_away?.unwrap_or_default(),
        replicas_away: replicas_away?.unwrap_or_default(),
        expected: expected?.unwrap_or_default(),
        principals,
        requests,
    })
}

/// What cannot be told of one test alone.
fn check(spec: &Fields<'_>, tests: &[Test], fixtures: &Fixtures<'_>, sink: &mut Sink) {
    let Some(list) = spec.field("tests") else { return };
    let mut cases = 0_usize;
    for (index, test) in tests.iter().enumerate() {
        let mut earlier = tests.iter().take(index);
        if let Some(first) = earlier.position(|earlier| earlier.name == test.name) {
            let item = Path::Item(&list.path, index);
            let message = format!("{}[{first}] has this name already", list.path);
            sink.error(&Path::Member(&item, "name"), message);
        }
        cases = cases.saturating_add(test.principals.len().saturating_mul(test.requests.len()));
    }
    if cases > limits::TEST_CASES {
        let message = format!(
            "too many: each principal sends each request, {cases} in all tests, {} at most",
            limits::TEST_CASES
        );
        sink.error(&list.path, message);
    }
    let unused = |field: &str, names: &[&str], used: &dyn Fn(&Test) -> &[usize], sink: &mut Sink| {
        let Some(fixture) = spec.field(field) else { return };
        for (place, name) in names.iter().enumerate() {
            if *name != ANONYMOUS && !tests.iter().any(|test| used(test).contains(&place)) {
                sink.warn(&Path::Member(&fixture.path, name), "no test uses it");
            }
        }
    };
    unused("principals", &fixtures.principals, &|test| &test.principals, sink);
    unused("requests", &fixtures.requests, &|test| &test.requests, sink);
}

/// The fixtures that the list `field` names, each once; all of the first `written` where it is absent.
fn names(fields: &Fields<'_>, field: &str, known: &[&str], written: usize, sink: &mut Sink) -> Read<Vec<usize>> {
    let listed = fields.optional(field, sink, |at, sink| {
        let places = at.list(limits::MEMBERS, sink, |at, sink| named(at, field, known, sink))?;
        once(at, &places, sink).map(|()| places)
    })?;
    Ok(listed.unwrap_or_else(|| (0..written).collect()))
}

fn named(at: &At<'_>, field: &str, known: &[&str], sink: &mut Sink) -> Read<usize> {
    let name = at.text(sink)?;
    known.iter().position(|known| *known == name).ok_or_else(|| {
        let problem = Problem::new(format!("no such name in `{field}`"))
            .found(at.value)
            .suggest(sink.nearest(name, known.iter().copied()));
        sink.error(&at.path, problem)
    })
}

fn once(at: &At<'_>, places: &[usize], sink: &mut Sink) -> Read<()> {
    let twice = places
        .iter()
        .enumerate()
        .find(|(index, place)| places.iter().take(*index).any(|earlier| earlier == *place));
    match twice {
        Some((index, _)) => Err(sink.error(&Path::Item(&at.path, index), "is listed already")),
        None => Ok(()),
    }
}

/// A Region of the bundle.
fn region(at: &At<'_>, known: Option<&Known<'_>>, sink: &mut Sink) -> Read<String> {
    let name = at.text(sink)?;
    let Some(known) = known else {
        return Ok(name.to_owned());
    };
    if known.regions.contains(&name) {
        return Ok(name.to_owned());
    }
    let problem = Problem::new("the bundle has no such Region")
        .code(super::Code::UnknownRegion)
        .found(at.value)
        .suggest(sink.nearest(name, known.regions.iter().copied()));
    Err(sink.error(&at.path, problem))
}

fn address(at: &At<'_>, sink: &mut Sink) -> Read<IpAddr> {
    let message = "not an address: write one like `\"10.1.2.3\"` or `\"2001:db8::1\"`, without a port";
    at.parsed(|text| text.parse::<IpAddr>().map_err(|_| message), sink)
}

fn time(at: &At<'_>, sink: &mut Sink) -> Read<WallTime> {
    let seconds = instant::read(at, sink)?;
    let since = Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX);
    Ok(WallTime(0).after(since))
}

/// The header names of HTTP/2: a token of RFC 9110 §5.6.2 in lower case, and no pseudo-header.
fn header_name(name: &str, path: &Path<'_>, sink: &mut Sink) -> Read<String> {
    let is_one = |byte: u8| super::forward::is_token(byte) && !byte.is_ascii_uppercase();
    if !name.is_empty() && name.len() <= limits::NAME && name.bytes().all(is_one) {
        return Ok(name.to_owned());
    }
    Err(sink.error(path, "not the name of a header: write it in lower case, like `x-user`"))
}

/// The members of an object of fixtures: any visible name.
fn fixture<'v>((name, value): &'v Member, at: &'v At<'v>, sink: &mut Sink) -> Read<(&'v str, At<'v>)> {
    let path = Path::Member(&at.path, name);
    if name.is_empty() || name.len() > limits::NAME || name.chars().any(char::is_control) || name.trim() != &**name {
        let message = format!("not a name: visible characters, {} bytes at most", limits::NAME);
        return Err(sink.error(&path, message));
    }
    Ok((name, At::new(value, path)))
}

#[cfg(test)]
mod tests;
