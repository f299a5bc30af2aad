//! Where requests present their tokens (`tokens.sources`), and the one token of a request.
//!
//! Servers differ in what they take for a name: some decode it, some fold its letter case or take `.` for `_`, some split at `;` or `,`. What only some of them
//! would take for the token counts here as a token that is malformed: beside a good one it makes the request ambiguous, and alone it lets nobody in.

mod cookies;
mod names;
mod origin;
mod query;

use super::bearer::{self, Credential, Place, Scheme};
use crate::decision::Strip;
use crate::reason::Reason;
use crate::request::{Authority, Collect, RequestHead};

pub use names::{is_header, same_name};
use origin::Once;

/// A place in which tokens are looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenSource {
    /// The Authorization header, with the schemes `Bearer` and `DPoP`.
    Authorization,
    /// Another header.
    Header {
        /// Its name, in lower case; `_` and `-` are one.
        name: String,
        /// The scheme before the token, in lower case; `None`: the token stands alone.
        scheme: Option<String>,
    },
    /// The cookie of this name.
    Cookie(String),
    /// The parameter of the query with this name.
    Query(String),
}

/// All places in which tokens are looked for; by default the Authorization header alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenSources {
    authorization: bool,
    headers: Vec<(String, Option<String>)>,
    cookies: Vec<String>,
    parameters: Vec<String>,
}

impl Default for TokenSources {
    fn default() -> Self {
        Self::new([TokenSource::Authorization])
    }
}

impl TokenSources {
    /// Looks in these places and nowhere else.
    #[must_use]
    pub fn new(sources: impl IntoIterator<Item = TokenSource>) -> Self {
        let mut all = Self {
            authorization: false,
            headers: Vec::new(),
            cookies: Vec::new(),
            parameters: Vec::new(),
        };
        for source in sources {
            match source {
                TokenSource::Authorization => all.authorization = true,
                TokenSource::Header { name, scheme } => all.headers.push((name, scheme)),
                TokenSource::Cookie(name) => all.cookies.push(name),
                TokenSource::Query(name) => all.parameters.push(name),
            }
        }
        all
    }

    /// The headers, but for Authorization.
    pub fn headers(&self) -> impl Iterator<Item = &str> {
        self.headers.iter().map(|(name, _)| name.as_str())
    }

    /// The parameters of the query.
    pub fn parameters(&self) -> impl Iterator<Item = &str> {
        self.parameters.iter().map(String::as_str)
    }

    /// Whether anything but the Authorization header and the query has to be looked at.
    fn need_headers(&self) -> bool {
        !self.headers.is_empty() || !self.cookies.is_empty()
    }
}

/// What one request presents, beside its Authorization header: collected while its headers are read.
#[derive(Debug)]
pub struct Presented<'r> {
    sources: &'r TokenSources,
    /// The one token so far, wherever it stands.
    found: Result<Credential<'r>, Reason>,
    /// Bit n: the nth of the headers that are looked at was there. (A bundle names a handful; beyond 32, two share a bit, and both together are refused.)
    headers_seen: u32,
    cookies: Vec<&'r [u8]>,
    origin: Once<'r>,
    fetch_site: Once<'r>,
}

impl<'r> Presented<'r> {
    /// Nothing yet. It allocates nothing until a Cookie header comes that may hold a token.
    #[must_use]
    pub fn new(sources: &'r TokenSources) -> Self {
        Self {
            sources,
            found: Ok(Credential::None),
            headers_seen: 0,
            cookies: Vec::new(),
            origin: Once::None,
            fetch_site: Once::None,
        }
    }

    /// Whom to show each header; `None` where it would take none.
    pub fn collector(&mut self) -> Option<&mut dyn Collect<'r>> {
        if self.sources.need_headers() { Some(self) } else { None }
    }

    /// Takes the token out of a request target, and gives the rest of it, in which all other parameters stand byte for byte; `None` where it holds none.
    pub fn take_query(&mut self, target: &'r [u8]) -> Option<Vec<u8>> {
        if self.sources.parameters.is_empty() {
            return None;
        }
        query::take(target, &self.sources.parameters, &mut |credential| {
            add(&mut self.found, Ok(credential));
        })
    }

    /// The one token of the request, in all configured places together. What `is_known` to be a token is not read to tell that it is a single one.
    ///
    /// # Errors
    /// [`Reason::TokenAmbiguous`] where there are two, equal ones too.
    pub fn credential(
        &self,
        head: &RequestHead<'r>,
        is_known: impl FnOnce(&[u8]) -> bool,
    ) -> Result<Credential<'r>, Reason> {
        self.in_all_places(head)?.single(is_known)
    }

    fn in_all_places(&self, head: &RequestHead<'r>) -> Result<Credential<'r>, Reason> {
        if !self.sources.authorization {
            return self.found;
        }
        let authorization = match (head.authorization_count, head.authorization) {
            (1, Some(value)) => bearer::in_authorization(value),
            (0, _) => Ok(Credential::None),
            _ => Err(Reason::TokenAmbiguous),
        };
        let mut found = self.found;
        add(&mut found, authorization);
        found
    }

    /// Whether a token from `place` may authorise this request. A browser sends cookies with whatever another site makes it send: such a request may read, but
    /// changes nothing unless it comes from this very origin.
    #[must_use]
    pub fn may_authorise(&self, place: Place<'_>, head: &RequestHead<'_>, authority: &Authority<'_>) -> bool {
        let safe = matches!(head.method, "GET" | "HEAD" | "OPTIONS") && !head.upgrade;
        place != Place::Cookie || safe || origin::is_same(self.origin, self.fetch_site, head.scheme, authority)
    }

    /// How a token is taken out of `place`; `None` where it is gone already.
    #[must_use]
    pub fn strip(&self, place: Place<'_>) -> Option<Strip> {
        match place {
            Place::Authorization => Some(Strip::AUTHORIZATION),
            Place::Header(name) => Some(Strip::Header(name.to_vec().into())),
            Place::Cookie => Some(Strip::Cookies(cookies::without(&self.cookies, &self.sources.cookies))),
            Place::Query => None,
        }
    }

    fn take_named(&mut self, name: &'r [u8], value: &'r [u8]) {
        let mut numbered = (0_u32..).zip(&self.sources.headers);
        let Some((number, (_, scheme))) = numbered.find(|(_, (known, _))| names::is_header(name, known)) else {
            return;
        };
        let bit = 1_u32.wrapping_shl(number);
        let place = Place::Header(name);
        let credential = if self.headers_seen & bit != 0 {
            Err(Reason::TokenAmbiguous)
        } else if let Some(scheme) = scheme {
            let is_it = |name: &[u8]| name.eq_ignore_ascii_case(scheme.as_bytes());
            bearer::in_header(value, place, |name| is_it(name).then_some(Scheme::Bearer))
        } else {
            bearer::bare(value, place)
        };
        self.headers_seen |= bit;
        add(&mut self.found, credential);
    }
}

impl<'r> Collect<'r> for Presented<'r> {
    fn header(&mut self, name: &'r [u8], value: &'r [u8]) {
        self.take_named(name, value);
        if self.sources.cookies.is_empty() {
            return;
        }
        let is = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
        match name.len() {
            6 if is("cookie") => {
                self.cookies.push(value);
                cookies::find(value, &self.sources.cookies, &mut |credential| {
                    add(&mut self.found, Ok(credential));
                });
            }
            6 if is("origin") => self.origin.see(value),
            14 if is("sec-fetch-site") => self.fetch_site.see(value),
            _ => {}
        }
    }
}

/// One more credential: another scheme is not a second token, and two tokens are none.
fn add<'r>(found: &mut Result<Credential<'r>, Reason>, more: Result<Credential<'r>, Reason>) {
    *found = match (*found, more) {
        (Err(reason), _) | (_, Err(reason)) => Err(reason),
        (Ok(Credential::None), Ok(other)) | (Ok(other), Ok(Credential::None)) => Ok(other),
        (Ok(Credential::OtherScheme), Ok(other)) | (Ok(other), Ok(Credential::OtherScheme)) => Ok(other),
        (Ok(_), Ok(_)) => Err(Reason::TokenAmbiguous),
    };
}

#[cfg(test)]
#[path = "sources_tests.rs"]
mod tests;
