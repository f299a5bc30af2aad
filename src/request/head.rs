//! What every decision needs of the headers, collected in one pass over them.

use super::{HeadError, Headers, Scheme};
use crate::sort::Arrange as _;

/// Longest method that is read, in bytes. The longest registered one has 17.
const MAX_METHOD: usize = 64;
/// Longest request id that is repeated to others, in bytes.
const MAX_REQUEST_ID: usize = 128;
/// Header names that begin so are this filter's to write: a client's own are always removed.
const OWN_PREFIX: &[u8] = b"x-regionguard-";

/// The parts of a request that each decision needs. All of it is as the client sent it, but for what the types say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestHead<'a> {
    /// The method: an upper-case token.
    pub method: &'a str,
    /// The request target, to be made canonical. Empty only with `CONNECT`.
    pub path: &'a [u8],
    /// The authority, to be parsed: `:authority`, or the Host header where there is none.
    pub authority: &'a [u8],
    /// The scheme, absent only with `CONNECT`. Over HTTP/2 and HTTP/3 it is the client's word.
    pub scheme: Option<Scheme>,
    /// The first Authorization header.
    pub authorization: Option<&'a [u8]>,
    /// How many Authorization headers there are.
    pub authorization_count: usize,
    /// The first `x-request-id`, unless it is longer than 128 bytes or holds anything but visible ASCII: then it counts as absent, since it
    /// is repeated in answers, logs and questions.
    pub request_id: Option<&'a str>,
    /// In which protocol the caller expects its answer.
    pub content: ContentKind,
    /// Whether the request asks for another protocol, by an Upgrade header or by `:protocol` (RFC 8441).
    pub upgrade: bool,
}

impl<'a> RequestHead<'a> {
    /// Collects the head, and adds to `removals` the name, as received, of each header in `strip`, each spelling once and in no
    /// particular order. `removals` is complete even where the head is refused.
    ///
    /// # Errors
    /// A part missing, repeated or malformed.
    pub fn read(headers: &Headers<'a>, strip: &StripSet, removals: &mut Vec<&'a [u8]>) -> Result<Self, HeadError> {
        Self::read_with(headers, strip, removals, None)
    }

    /// As [`read`](Self::read), and shows each header to `also` on the way.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn read_with(
        headers: &Headers<'a>,
        strip: &StripSet,
        removals: &mut Vec<&'a [u8]>,
        mut also: Option<&mut dyn Collect<'a>>,
    ) -> Result<Self, HeadError> {
        let mut parts = Parts::default();
        let mut refused = None;
        for (name, value) in headers {
            if strip.contains(name) {
                removals.push(name);
            }
            if let Some(also) = &mut also {
                also.header(name, value);
            }
            if let Err(error) = parts.take(name, value) {
                refused = refused.or(Some(error));
            }
        }
        if removals.len() > 1 {
            // Sorting, not a search for each name: a client may send a thousand spellings of one name.
            removals.arrange();
            removals.dedup();
        }
        refused.map_or_else(|| parts.finish(), Err)
    }

    /// Whether this is a request for a tunnel (RFC 9110 section 9.3.6).
    #[must_use]
    pub fn is_connect(&self) -> bool {
        self.method == "CONNECT"
    }
}

/// Whoever wants to see each header in the one pass over them.
pub trait Collect<'a> {
    /// One line, as received; pseudo-headers too.
    fn header(&mut self, name: &'a [u8], value: &'a [u8]);
}

/// What the content type says about the protocol of request and answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ContentKind {
    /// `application/grpc`, with or without a subtype.
    Grpc,
    /// `application/grpc-web` or `application/grpc-web-text`, with or without a subtype.
    GrpcWeb,
    /// Anything else, and no content type.
    #[default]
    Other,
}

impl ContentKind {
    /// Reads a Content-Type header. Parameters and letter case do not count.
    #[must_use]
    pub fn parse(value: &[u8]) -> Self {
        let end = value
            .iter()
            .position(|byte| matches!(byte, b'+' | b';' | b' ' | b'\t'))
            .unwrap_or(value.len());
        let essence = value.get(..end).unwrap_or(value);
        let is = |name: &str| essence.eq_ignore_ascii_case(name.as_bytes());
        if is("application/grpc") {
            Self::Grpc
        } else if is("application/grpc-web") || is("application/grpc-web-text") {
            Self::GrpcWeb
        } else {
            Self::Other
        }
    }
}

/// The names of headers that are the filter's alone to write, and so are removed from every request.
///
/// Letter case does not count, and `_` counts as `-`: servers that hand headers on as variables (CGI, WSGI, FastCGI) do not tell them
/// apart. Each name that begins with `x-regionguard-` is in every set.
#[derive(Debug, Clone, Default)]
pub struct StripSet {
    /// Folded names, sorted by [`order`].
    names: Vec<Box<[u8]>>,
    /// Bit n is set if a name of n bytes is in the set; the last bit stands for all longer ones.
    lengths: u64,
}

impl StripSet {
    /// Makes the set of these names, in any letter case, and of all that begin with `x-regionguard-`.
    pub fn new<I>(names: I) -> Self
    where
        I: IntoIterator,
        I::Item: AsRef<str>,
    {
        let mut names: Vec<Box<[u8]>> = names
            .into_iter()
            .map(|name| name.as_ref().bytes().map(fold).collect::<Box<[u8]>>())
            .collect();
        names.arrange_by(|a, b| order(a, b));
        names.dedup();
        let lengths = names.iter().fold(0, |bits, name| bits | length_bit(name.len()));
        Self { names, lengths }
    }

    /// Whether this header has to go.
    #[must_use]
    pub fn contains(&self, name: &[u8]) -> bool {
        // Most headers end at one of these two checks.
        (self.lengths & length_bit(name.len()) != 0 && self.has_name(name)) || is_own(name)
    }

    fn has_name(&self, name: &[u8]) -> bool {
        self.names.binary_search_by(|candidate| order(candidate, name)).is_ok()
    }
}

fn is_own(name: &[u8]) -> bool {
    name.split_at_checked(OWN_PREFIX.len())
        .is_some_and(|(start, _)| start.iter().zip(OWN_PREFIX).all(|(byte, own)| fold(*byte) == *own))
}

/// Shorter names first, then by their folded bytes.
fn order(a: &[u8], b: &[u8]) -> std::cmp::Ordering {
    a.len()
        .cmp(&b.len())
        .then_with(|| a.iter().copied().map(fold).cmp(b.iter().copied().map(fold)))
}

fn fold(byte: u8) -> u8 {
    if byte == b'_' { b'-' } else { byte.to_ascii_lowercase() }
}

fn length_bit(len: usize) -> u64 {
    1_u64.wrapping_shl(u32::try_from(len).unwrap_or(u32::MAX).min(63))
}

/// What was found so far.
#[derive(Default)]
struct Parts<'a> {
    method: Option<&'a [u8]>,
    path: Option<&'a [u8]>,
    authority: Option<&'a [u8]>,
    host: Option<&'a [u8]>,
    scheme: Option<&'a [u8]>,
    protocol: Option<&'a [u8]>,
    authorization: Option<&'a [u8]>,
    authorization_count: usize,
    request_id: Option<&'a [u8]>,
    content_type: Option<&'a [u8]>,
    upgrade: bool,
}

impl<'a> Parts<'a> {
    fn take(&mut self, name: &'a [u8], value: &'a [u8]) -> Result<(), HeadError> {
        if let [b':', name @ ..] = name {
            return self.take_pseudo(name, value);
        }
        // The length tells most headers apart before a byte of the name is compared.
        let is = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
        match name.len() {
            4 if is("host") => return once(&mut self.host, value, HeadError::AuthorityRepeated),
            7 if is("upgrade") => self.upgrade = true,
            12 if is("content-type") => self.content_type = self.content_type.or(Some(value)),
            12 if is("x-request-id") => self.request_id = self.request_id.or(Some(value)),
            13 if is("authorization") => {
                self.authorization = self.authorization.or(Some(value));
                self.authorization_count = self.authorization_count.saturating_add(1);
            }
            _ => {}
        }
        Ok(())
    }

    fn take_pseudo(&mut self, name: &[u8], value: &'a [u8]) -> Result<(), HeadError> {
        match name {
            b"method" => once(&mut self.method, value, HeadError::MethodRepeated),
            b"path" => once(&mut self.path, value, HeadError::PathRepeated),
            b"authority" => once(&mut self.authority, value, HeadError::AuthorityRepeated),
            b"scheme" => once(&mut self.scheme, value, HeadError::SchemeRepeated),
            b"protocol" => once(&mut self.protocol, value, HeadError::PseudoHeader),
            _ => Err(HeadError::PseudoHeader),
        }
    }

    fn finish(self) -> Result<RequestHead<'a>, HeadError> {
        let method = parse_method(self.method.ok_or(HeadError::MethodMissing)?)?;
        let connect = method == "CONNECT";
        let authority = match (self.authority, self.host) {
            (None, None) => return Err(HeadError::AuthorityMissing),
            // RFC 9113 section 8.3.1 has them agree; which one an upstream would believe is anyone's guess.
            (Some(authority), Some(host)) if authority != host => return Err(HeadError::AuthorityRepeated),
            (Some(one), _) | (None, Some(one)) => one,
        };
        let scheme = match self.scheme {
            Some(scheme) => Some(Scheme::parse(scheme).ok_or(HeadError::SchemeInvalid)?),
            None if connect => None,
            None => return Err(HeadError::SchemeMissing),
        };
        let path = match self.path {
            Some(path) => path,
            None if connect => &[],
            None => return Err(HeadError::PathMissing),
        };
        Ok(RequestHead {
            method,
            path,
            authority,
            scheme,
            authorization: self.authorization,
            authorization_count: self.authorization_count,
            request_id: self.request_id.and_then(parse_request_id),
            content: self.content_type.map(ContentKind::parse).unwrap_or_default(),
            upgrade: self.upgrade || self.protocol.is_some(),
        })
    }
}

fn once<'a>(slot: &mut Option<&'a [u8]>, value: &'a [u8], repeated: HeadError) -> Result<(), HeadError> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(repeated),
    }
}

/// A token (RFC 9110 section 5.6.2) without lower-case letters. The standard tells `get` from `GET`, but some servers do not:
/// a deny for `DELETE` must not be walked around by `delete`.
fn parse_method(method: &[u8]) -> Result<&str, HeadError> {
    let is_allowed =
        |byte: &u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || b"!#$%&'*+-.^_`|~".contains(byte);
    if method.is_empty() || method.len() > MAX_METHOD || !method.iter().all(is_allowed) {
        return Err(HeadError::MethodInvalid);
    }
    std::str::from_utf8(method).map_err(|_| HeadError::MethodInvalid)
}

fn parse_request_id(value: &[u8]) -> Option<&str> {
    let fits = (1..=MAX_REQUEST_ID).contains(&value.len()) && value.iter().all(u8::is_ascii_graphic);
    if fits { std::str::from_utf8(value).ok() } else { None }
}

#[cfg(test)]
mod tests;
