//! Hosts, paths, headers and parameters that a rule is about.

use std::net::IpAddr;

use ipnet::IpNet;
use regionguard::bundle::document::{Matcher, Policy, Rule, ValueTest};
use regionguard::request::{Authority, HostMatch, HostPattern, PathTemplate, Scheme, Segment, Upgrade};

use crate::trial::Request;

/// What stands for a segment, a label or a value that may be anything.
pub(super) const ANY: &str = "any";
/// A value that nothing wants.
const OTHER: &str = "something-else";

/// The hosts of requests that a rule is about, of those that are served.
pub(super) fn hosts(policy: &Policy, rule: Option<&Rule>, served: Option<&[HostPattern]>) -> Vec<String> {
    let lists = [
        rule.and_then(|rule| rule.hosts.as_deref()),
        policy.hosts.as_deref(),
        served,
    ];
    let is_meant = |host: &String| lists.iter().flatten().all(|list| matches(list, host));
    let mut hosts: Vec<String> = lists.iter().flatten().flat_map(|list| list.iter().map(host)).collect();
    if hosts.is_empty() {
        hosts.push("any.example.com".to_owned());
    }
    hosts.retain(is_meant);
    hosts.dedup();
    hosts
}

/// Whether a host is one of these.
pub(super) fn matches(list: &[HostPattern], host: &str) -> bool {
    let authority = Authority::parse(host.as_bytes(), Scheme::parse(b"https"));
    authority.is_ok_and(|authority| list.iter().any(|pattern| pattern.matches(&authority)))
}

/// A host that the pattern matches.
pub(super) fn host(pattern: &HostPattern) -> String {
    let host = match pattern.host() {
        HostMatch::Exact(host) => host.to_owned(),
        HostMatch::Suffix(suffix) => format!("{ANY}{suffix}"),
    };
    match pattern.port() {
        None => host,
        Some(port) => format!("{host}:{port}"),
    }
}

/// Paths that the template matches.
pub(super) fn paths(template: &PathTemplate) -> Vec<String> {
    filled(template, |_| None)
}

/// The same with these texts in place of what is captured.
pub(super) fn filled<'v>(template: &PathTemplate, value: impl Fn(&str) -> Option<&'v str>) -> Vec<String> {
    let mut path = String::new();
    for segment in template.segments() {
        match segment {
            Segment::Literal(literal) => push(&mut path, literal),
            Segment::Capture(name) => push(&mut path, value(name).unwrap_or(ANY)),
            Segment::Any => push(&mut path, ANY),
            Segment::Rest => {
                let itself = if path.is_empty() { "/".to_owned() } else { path.clone() };
                return vec![format!("{path}/{ANY}"), format!("{path}/{ANY}/below"), itself];
            }
        }
    }
    if path.is_empty() {
        path.push('/');
    }
    vec![path]
}

fn push(path: &mut String, segment: &str) {
    path.push('/');
    path.push_str(&encoded(segment, b"-._~!$&'()*+,=:@"));
}

fn encoded(text: &str, plain: &[u8]) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || plain.contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

/// Makes a request one that `rule` is about, as far as its headers, query, calls and upgrades go.
pub(super) fn complete(request: &mut Request, rule: &Rule) {
    let about = &rule.about;
    if about.grpc {
        request.method = "POST".to_owned();
        set_header(request, "content-type", Some("application/grpc"));
    }
    for matcher in &about.headers {
        set_header(request, &matcher.name, fitting(matcher).as_deref());
    }
    for matcher in &about.query {
        set_parameter(request, &matcher.name, fitting(matcher).as_deref());
    }
    match about.upgrades.as_ref().and_then(|upgrades| upgrades.first()) {
        None => {}
        Some(Upgrade::Connect | Upgrade::ConnectUdp) => {
            request.method = "CONNECT".to_owned();
            request.path = "/".to_owned();
        }
        Some(upgrade) => {
            set_header(request, "connection", Some("upgrade"));
            set_header(request, "upgrade", Some(upgrade.name()));
        }
    }
}

/// A value that fits; `None`: none does.
fn fitting(matcher: &Matcher) -> Option<String> {
    match &matcher.test {
        ValueTest::In(values) => values.first().cloned(),
        ValueTest::Prefix(prefix) => Some(format!("{prefix}{ANY}")),
        ValueTest::Suffix(suffix) => Some(format!("{ANY}{suffix}")),
        ValueTest::Present => Some(ANY.to_owned()),
        ValueTest::Absent => None,
    }
}

/// The other values of which any fits.
pub(super) fn others(matcher: &Matcher) -> impl Iterator<Item = &str> {
    let values = match &matcher.test {
        ValueTest::In(values) => values.as_slice(),
        _ => &[],
    };
    values.iter().skip(1).map(String::as_str)
}

/// A value that does not fit; `None`: that there is none.
pub(super) fn misfitting(matcher: &Matcher) -> Option<&'static str> {
    match &matcher.test {
        ValueTest::Present => None,
        _ => Some(OTHER),
    }
}

/// One header of this name, or none.
pub(super) fn set_header(request: &mut Request, name: &str, value: Option<&str>) {
    request.headers.retain(|(found, _)| found != name);
    if let Some(value) = value {
        request.headers.push((name.to_owned(), value.to_owned()));
    }
}

/// One parameter of this name in the query, or none.
pub(super) fn set_parameter(request: &mut Request, name: &str, value: Option<&str>) {
    let (path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
    let name = encoded(name, b"-._~");
    let is_other = |pair: &&str| !pair.is_empty() && pair.split('=').next() != Some(name.as_str());
    let mut pairs: Vec<String> = query.split('&').filter(is_other).map(str::to_owned).collect();
    pairs.extend(value.map(|value| format!("{name}={}", encoded(value, b"-._~"))));
    request.path = match pairs.is_empty() {
        true => path.to_owned(),
        false => format!("{path}?{}", pairs.join("&")),
    };
}

/// The first address behind that of the network itself, where there is one.
pub(super) fn first_host(network: &IpNet) -> IpAddr {
    network.hosts().next().unwrap_or_else(|| network.addr())
}

#[cfg(test)]
mod tests {
    use regionguard::request::{HostPattern, PathOptions, PathTemplate, canonicalise};

    use super::{Request, filled, host, paths, set_header, set_parameter};

    #[test]
    fn what_is_made_of_a_template_matches_it() {
        for text in ["/", "/a", "/a/{id}/b", "/a/*", "/**", "/a/**", "/ü/x", "/a%20b"] {
            let template = PathTemplate::parse(text).expect("a template");
            for path in paths(&template) {
                let canonical = canonicalise(path.as_bytes(), &PathOptions::default()).expect("a path");
                assert!(template.matches(&canonical).is_some(), "{text}: {path}");
            }
        }
        let template = PathTemplate::parse("/a/{id}/{b}").expect("a template");
        let of = |name: &str| (name == "id").then_some("x/y");
        assert_eq!(filled(&template, of), ["/a/x%2Fy/any"]);
    }

    #[test]
    fn hosts_have_their_ports() {
        for (pattern, made) in [("a.x", "a.x"), ("*.x", "any.x"), ("*.x:8443", "any.x:8443")] {
            assert_eq!(host(&HostPattern::parse(pattern).expect("a pattern")), made);
        }
    }

    #[test]
    fn headers_and_parameters_are_there_once() {
        let mut request = Request {
            path: "/a?b=1&c=2".to_owned(),
            ..Request::default()
        };
        set_parameter(&mut request, "b", Some("x y"));
        set_parameter(&mut request, "d", Some("3"));
        assert_eq!(request.path, "/a?c=2&b=x%20y&d=3");
        for name in ["b", "c", "d"] {
            set_parameter(&mut request, name, None);
        }
        assert_eq!(request.path, "/a");
        set_header(&mut request, "a", Some("1"));
        set_header(&mut request, "a", Some("2"));
        assert_eq!(request.headers, [("a".to_owned(), "2".to_owned())]);
    }
}
