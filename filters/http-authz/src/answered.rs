//! What a call was answered, as the kernel reads it.

use regionguard::Response;
use regionguard::request::Headers;

/// The status of a call for which there was no room: a circuit breaker that is full. Whoever sends enough requests can fill it, so it is none of those that stand
/// for an absent center.
pub(crate) const NO_ROOM: u16 = 429;

/// An answer of these headers; one without a status that can be read is none that means anything.
pub(crate) fn response<'a>(block: &'a [u8], body: Option<&'a [u8]>) -> Response<'a> {
    let headers = Headers::parse(block).unwrap_or(Headers::NONE);
    let mut response = Response {
        status: 0,
        headers,
        body,
    };
    response.status = response.header(":status").map_or(0, status);
    if response.status == 503 && response.header("x-envoy-overloaded").is_some() {
        response.status = NO_ROOM;
    }
    response
}

/// A status that cannot be read is 0: no status that means anything.
fn status(value: &[u8]) -> u16 {
    core::str::from_utf8(value)
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(0)
}
