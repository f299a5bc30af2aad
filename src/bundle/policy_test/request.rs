//! `requests`: what is asked.

use super::{Request, address, fixture, header_name};
use crate::bundle::diagnostic::{Code, Problem, Read, Sink};
use crate::bundle::limits;
use crate::bundle::path::Path;
use crate::bundle::reader::{At, Shape};
use crate::bundle::value::Value;

const REQUEST: Shape = Shape {
    fields: &["method", "scheme", "host", "path", "headers", "address", "port"],
    later: &[],
};

/// All of them, in their order. `host` is that of a request that names none.
pub(super) fn all(at: &At<'_>, host: Option<&str>, sink: &mut Sink) -> Read<Vec<Request>> {
    let mut wrong = None;
    let mut all = Vec::new();
    for member in at.members(sink)? {
        let read = fixture(member, at, sink).and_then(|(name, at)| one(name, &at, host, sink));
        match read {
            Ok(request) => all.push(request),
            Err(reported) => wrong = Some(reported),
        }
    }
    wrong.map_or(Ok(all), Err)
}

fn one(name: &str, at: &At<'_>, default_host: Option<&str>, sink: &mut Sink) -> Read<Request> {
    let fields = at.fields(&REQUEST, sink)?;
    let own = |at: &At<'_>, sink: &mut Sink| at.text(sink).map(str::to_owned);
    let method = fields.optional("method", sink, own);
    let scheme = fields.optional("scheme", sink, |at, sink| {
        at.word(&[("https", "https"), ("http", "http")], sink)
    });
    let host = fields.optional("host", sink, own);
    let path = fields.required("path", sink, own);
    let headers = fields.optional("headers", sink, headers);
    let address = fields.optional("address", sink, address);
    let port = fields.optional("port", sink, |at, sink| at.integer(1, 65_535, sink));
    let host = match host?.or_else(|| default_host.map(str::to_owned)) {
        Some(host) => host,
        None => {
            let message = "`host` is missing: give it here, or in `spec.host` for all requests";
            return Err(sink.error(&at.path, Problem::new(message).code(Code::Missing)));
        }
    };
    Ok(Request {
        name: name.to_owned(),
        method: method?.unwrap_or_else(|| "GET".to_owned()),
        scheme: scheme?.unwrap_or("https").to_owned(),
        host,
        path: path?,
        headers: headers?.unwrap_or_default(),
        address: address?,
        port: port?.and_then(|port| u16::try_from(port).ok()),
    })
}

/// A header has one value, or a list of them: one line each.
fn headers(at: &At<'_>, sink: &mut Sink) -> Read<Vec<(String, String)>> {
    let mut lines = Vec::new();
    for (name, value) in at.members(sink)? {
        let path = Path::Member(&at.path, name);
        let name = header_name(name, &path, sink)?;
        let at = At::new(value, path);
        let own = |at: &At<'_>, sink: &mut Sink| at.text(sink).map(str::to_owned);
        let values = match value {
            Value::List(_) => at.list(limits::RULE_ITEMS, sink, own)?,
            _ => vec![own(&at, sink)?],
        };
        lines.extend(values.into_iter().map(|value| (name.clone(), value)));
    }
    Ok(lines)
}
