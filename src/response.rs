//! What a call brought back.

use crate::request::Headers;

/// What the host brought back from a call.
#[derive(Clone, Copy, Debug)]
pub struct Response<'a> {
    /// `:status`; the host makes up 503 where there was no connection and 504 where the deadline passed.
    pub status: u16,
    /// All headers.
    pub headers: Headers<'a>,
    /// The body; `None` where it was larger than the call's [`response_max`](crate::engine::Outgoing::response_max).
    pub body: Option<&'a [u8]>,
}

impl Response<'_> {
    /// A status without headers and body, as of a host that got no answer.
    #[must_use]
    pub fn of_status(status: u16) -> Self {
        Self {
            status,
            headers: Headers::NONE,
            body: None,
        }
    }
}

impl<'a> Response<'a> {
    /// The value of the last line of this name, whose letter case does not count.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&'a [u8]> {
        self.headers.values(name).last()
    }
}
