//! What a rule says of the request beside host, method and path: `headers`, `query`, `grpc`, `upgrades`.

use super::cross;
use super::diagnostic::{Problem, Read, Sink};
use super::document::{About, Matcher, Policy, ValueTest};
use super::forward;
use super::limits;
use super::reader::{At, Fields, Shape};
use super::root::{Known, Placed};
use super::value::Value;
use crate::identity::{TokenSources, same_name};
use crate::request::{PathTemplate, Upgrade};
use crate::sort::Arrange as _;

const MATCHER: Shape = Shape {
    fields: &["name", "exact", "in", "prefix", "suffix", "present", "absent"],
    later: &[],
};

const GRPC: Shape = Shape {
    fields: &["services", "methods"],
    later: &[],
};

/// Pseudo-headers, and what says the same.
const PSEUDO: &[(&str, &str)] = &[
    (":method", "`methods`"),
    (":path", "`paths` and `query`"),
    (":authority", "`hosts`"),
    (":scheme", "a port of `hosts`"),
    (":protocol", "`upgrades`"),
];

/// Headers that no rule looks at, and why.
const REFUSED: &[(&[&str], &str)] = &[
    (
        &["authorization", "proxy-authorization", "cookie", "dpop"],
        "holds a credential: who asks is for `identity`, `permissions` and `roles` to say",
    ),
    (&["host"], "is the authority: write `hosts`"),
    (&["upgrade"], "asks for another protocol: write `upgrades`"),
    (
        &[
            "connection",
            "keep-alive",
            "proxy-connection",
            "te",
            "trailer",
            "transfer-encoding",
        ],
        "is about the connection, and another one behind this proxy",
    ),
    (
        &["x-forwarded-for", "x-real-ip", "forwarded", "true-client-ip"],
        "may be written by anybody: write `from.networks`, and `trust.edges` for the proxies whose word counts",
    ),
    (
        &["x-forwarded-client-cert"],
        "may be written by anybody: write `from.workloads`",
    ),
];

/// What a rule says of the request itself; `grpc` has become paths.
pub(super) fn read(
    fields: &Fields<'_>,
    known: &Known<'_>,
    sink: &mut Sink,
) -> Read<(About, Option<Vec<PathTemplate>>)> {
    let matchers = |at: &At<'_>, sink: &mut Sink, name: fn(&At<'_>, &mut Sink) -> Read<String>| {
        at.list(limits::MATCHERS, sink, |at, sink| matcher(at, name, sink))
    };
    let headers = fields.optional("headers", sink, |at, sink| matchers(at, sink, header));
    let query = fields.optional("query", sink, |at, sink| matchers(at, sink, parameter));
    let upgrades = fields.optional("upgrades", sink, |at, sink| at.list(limits::MATCHERS, sink, upgrade));
    let until_closed = streams(fields, sink);
    let grpc = grpc(fields, known, sink);
    let (headers, query, upgrades, paths) = (headers?, query?, upgrades?, grpc?);
    let about = About {
        headers: headers.unwrap_or_default(),
        query: query.unwrap_or_default(),
        grpc: paths.is_some(),
        upgrades,
        until_closed: until_closed?,
    };
    fits_methods(fields, &about, sink)?;
    Ok((about, paths))
}

/// `streams: untilClosed`, of a rule that lets upgrades in. By default a stream ends when the policy would let it in no more.
fn streams(fields: &Fields<'_>, sink: &mut Sink) -> Read<bool> {
    let until_closed = fields.optional("streams", sink, |at, sink| match at.value {
        Value::String(text) if text == "until_closed" => Ok(true),
        _ => at.word(&[("untilClosed", true)], sink),
    })?;
    let Some(at) = fields.field("streams") else {
        return Ok(false);
    };
    if fields.field("upgrades").is_none() {
        let message = "says how long an upgrade lasts, and this rule lets none in: name them in `upgrades` (`upgrades: [websocket]`), or leave it out";
        return Err(sink.error(&at.path, message));
    }
    let effect = fields.field("effect").map(|at| at.value);
    if matches!(effect, Some(Value::String(effect)) if effect != "allow" && effect != "defer") {
        let message = "is for rules that let in (`effect: allow`, `effect: defer`): leave it out";
        return Err(sink.error(&at.path, message));
    }
    Ok(until_closed.unwrap_or_default())
}

/// Reports headers that the filter takes out of every request, and what carries tokens.
pub(super) fn check(policies: &[Placed<Policy>], tokens: &TokenSources, sink: &mut Sink) {
    let filled: Vec<String> = policies
        .iter()
        .flat_map(|policy| policy.document.forward.iter().flat_map(|forward| &forward.claims))
        .map(|(header, _)| forward::folded(header))
        .collect();
    let mut filled: Vec<&str> = filled.iter().map(String::as_str).collect();
    filled.arrange();
    for policy in policies {
        for (index, rule) in policy.document.rules.iter().enumerate() {
            for (place, matcher) in rule.about.headers.iter().enumerate() {
                let name = matcher.name.as_str();
                let message = if !filled.is_empty() && filled.binary_search(&forward::folded(name).as_str()).is_ok() {
                    format!(
                        "`{name}` is filled by `forward.claims`, so what a client writes there is removed: look at the claim"
                    )
                } else if tokens.headers().any(|header| forward::same_header(header, name)) {
                    format!("`tokens.sources` takes tokens from `{name}`: no rule looks at a token")
                } else {
                    continue;
                };
                let rest = format!(".spec.rules[{index}].headers[{place}].name");
                cross::policy_error(policy, &rest, message, sink);
            }
            for (place, matcher) in rule.about.query.iter().enumerate() {
                let name = matcher.name.as_str();
                if tokens.parameters().any(|known| same_name(name.as_bytes(), known)) {
                    let message = format!("`tokens.sources` takes tokens from `{name}`: no rule looks at a token");
                    let rest = format!(".spec.rules[{index}].query[{place}].name");
                    cross::policy_error(policy, &rest, message, sink);
                }
            }
        }
    }
}

fn matcher(at: &At<'_>, name: fn(&At<'_>, &mut Sink) -> Read<String>, sink: &mut Sink) -> Read<Matcher> {
    let fields = at.fields(&MATCHER, sink)?;
    let name = fields.required("name", sink, name);
    let text = |at: &At<'_>, sink: &mut Sink| at.text(sink).map(str::to_owned);
    let tests = [
        fields.optional("exact", sink, |at, sink| Ok(ValueTest::In(vec![text(at, sink)?]))),
        fields.optional("in", sink, |at, sink| {
            Ok(ValueTest::In(at.list(limits::RULE_ITEMS, sink, text)?))
        }),
        fields.optional("prefix", sink, |at, sink| Ok(ValueTest::Prefix(text(at, sink)?))),
        fields.optional("suffix", sink, |at, sink| Ok(ValueTest::Suffix(text(at, sink)?))),
        fields.optional("present", sink, |at, sink| {
            if at.boolean(sink)? {
                return Ok(ValueTest::Present);
            }
            Err(sink.error(&at.path, "write `absent: true`"))
        }),
        fields.optional("absent", sink, |at, sink| {
            if at.boolean(sink)? {
                return Ok(ValueTest::Absent);
            }
            Err(sink.error(&at.path, "write `present: true`"))
        }),
    ];
    let tests: Vec<ValueTest> = tests
        .into_iter()
        .collect::<Read<Vec<_>>>()?
        .into_iter()
        .flatten()
        .collect();
    let name = name?;
    match <[ValueTest; 1]>::try_from(tests) {
        Ok([test]) => Ok(Matcher { name, test }),
        Err(_) => {
            let message = "must have exactly one of `exact`, `in`, `prefix`, `suffix`, `present` and `absent`";
            Err(sink.error(&at.path, message))
        }
    }
}

/// A header that a rule may look at, in lower case.
fn header(at: &At<'_>, sink: &mut Sink) -> Read<String> {
    let name = at.text(sink)?;
    if let Some((_, instead)) = PSEUDO.iter().find(|(pseudo, _)| name.eq_ignore_ascii_case(pseudo)) {
        return Err(sink.error(&at.path, format!("`{name}` is no header: write {instead}")));
    }
    forward::check_name(name, &at.path, sink)?;
    let folded = forward::folded(name);
    if let Some((_, why)) = REFUSED.iter().find(|(names, _)| names.contains(&folded.as_str())) {
        return Err(sink.error(&at.path, format!("`{folded}` {why}")));
    }
    if folded.starts_with("x-regionguard-") {
        let message = format!("`{folded}` is removed from every request: only the filter writes it");
        return Err(sink.error(&at.path, message));
    }
    forward::check_case(name, &at.path, sink)?;
    Ok(name.to_owned())
}

/// A name that no encoder has to encode (RFC 3986 §2.3).
fn parameter(at: &At<'_>, sink: &mut Sink) -> Read<String> {
    let name = at.text(sink)?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    if name.len() > limits::NAME || !name.bytes().all(plain) {
        let message = "not a parameter's name: letters, digits, `-`, `.`, `_` and `~`";
        return Err(sink.error(&at.path, Problem::new(message).found(at.value)));
    }
    Ok(name.to_owned())
}

fn upgrade(at: &At<'_>, sink: &mut Sink) -> Read<Upgrade> {
    let text = at.text(sink)?;
    if text.eq_ignore_ascii_case("h2c") || text.to_ascii_lowercase().starts_with("http/") {
        let message = format!("`{text}` is HTTP once more: nobody would judge the requests behind it");
        return Err(sink.error(&at.path, message));
    }
    at.word(Upgrade::ALL, sink)
}

/// Templates for `/SERVICE/METHOD`; `None` where the rule says nothing of gRPC.
fn grpc(fields: &Fields<'_>, known: &Known<'_>, sink: &mut Sink) -> Read<Option<Vec<PathTemplate>>> {
    let Some(at) = fields.field("grpc") else {
        return Ok(None);
    };
    for (other, instead) in [
        (
            "paths",
            "the path of a call is `/SERVICE/METHOD`, as `services` and `methods` of `grpc` name it",
        ),
        (
            "methods",
            "the method of every call is POST; those of a service are `grpc: {methods: […]}`",
        ),
        ("upgrades", "a call is no upgrade"),
    ] {
        if let Some(other_at) = fields.field(other) {
            let message = format!("`{other}` does not go with `grpc`: {instead}");
            return Err(sink.error(&other_at.path, message));
        }
    }
    let own = at.fields(&GRPC, sink)?;
    let services = own.optional("services", sink, |at, sink| {
        at.list(limits::RULE_ITEMS, sink, |at, sink| proto_name(at, true, sink))
    });
    let methods = own.optional("methods", sink, |at, sink| {
        at.list(limits::RULE_ITEMS, sink, |at, sink| proto_name(at, false, sink))
    });
    let every = || vec!["*".to_owned()];
    let (services, methods) = (services?.unwrap_or_else(every), methods?.unwrap_or_else(every));
    let count = services.len().saturating_mul(methods.len());
    if count > limits::RULE_ITEMS {
        let message = format!(
            "too many pairs of service and method: {count}, {} at most",
            limits::RULE_ITEMS
        );
        return Err(sink.error(&at.path, message));
    }
    let mut templates = Vec::with_capacity(count);
    for service in &services {
        for method in &methods {
            let template = PathTemplate::parse_with(&format!("/{service}/{method}"), known.paths);
            templates.push(template.map_err(|error| sink.error(&at.path, error.to_string()))?);
        }
    }
    Ok(Some(templates))
}

/// `package.Service`, or `*` for every one; or a method's name. Letters, digits and `_`, as Protocol Buffers have it.
fn proto_name(at: &At<'_>, is_service: bool, sink: &mut Sink) -> Read<String> {
    let text = at.text(sink)?;
    let is_name = |name: &str| {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        name.bytes().all(plain) && name.bytes().next().is_some_and(|first| !first.is_ascii_digit())
    };
    let valid = match is_service {
        true => text == "*" || text.split('.').all(is_name),
        false => is_name(text),
    };
    if valid {
        return Ok(text.to_owned());
    }
    let message = match is_service {
        true => "not a service: write its package and its name, as in `shop.v1.Orders`, or `*` for every service",
        false => "not a method: write its name alone, as in `GetOrder`; leave `methods` out for all of them",
    };
    Err(sink.error(&at.path, Problem::new(message).found(at.value)))
}

/// A CONNECT has a method of its own and no path.
fn fits_methods(fields: &Fields<'_>, about: &About, sink: &mut Sink) -> Read<()> {
    let listed = |name: &str, word: &str| {
        let at = fields.field(name)?;
        let is_it = |item: &Value| matches!(item, Value::String(text) if text == word);
        let has = matches!(at.value, Value::List(items) if items.iter().any(is_it));
        Some((at, has))
    };
    let Some(upgrades) = &about.upgrades else {
        return Ok(());
    };
    let names_connect = upgrades.contains(&Upgrade::Connect);
    let only_connect = upgrades.iter().all(|upgrade| *upgrade == Upgrade::Connect);
    match listed("methods", "CONNECT") {
        Some((at, true)) if !names_connect => {
            let message =
                "the method `CONNECT` is the upgrade `connect`: name it in `upgrades` as well, or leave it out here";
            return Err(sink.error(&at.path, message));
        }
        Some((at, false)) if only_connect => {
            let message = "never matches: what asks for the upgrade `connect` has the method `CONNECT`";
            return Err(sink.error(&at.path, message));
        }
        _ => {}
    }
    if let Some(at) = fields.field("paths").filter(|_| only_connect) {
        return Err(sink.error(&at.path, "a CONNECT has an authority and no path: write `hosts`"));
    }
    Ok(())
}
