//! Whether a request comes from the origin that it goes to, as its browser says (RFC 6454 §7, Fetch Metadata).

use crate::request::{Authority, Scheme};

/// A header that may be there once.
#[derive(Clone, Copy, Debug)]
pub(super) enum Once<'r> {
    None,
    One(&'r [u8]),
    Several,
}

impl<'r> Once<'r> {
    pub(super) fn see(&mut self, value: &'r [u8]) {
        *self = match self {
            Self::None => Self::One(value),
            _ => Self::Several,
        };
    }
}

/// Whether both headers, as far as they are there, leave no doubt. `Sec-Fetch-Site: same-origin` is enough where the origin cannot be compared, as behind what
/// changes scheme or host; any other value of it is refused, whatever `Origin` says.
pub(super) fn is_same(
    origin: Once<'_>,
    fetch_site: Once<'_>,
    scheme: Option<Scheme>,
    authority: &Authority<'_>,
) -> bool {
    match (fetch_site, origin) {
        (_, Once::Several) => false,
        (Once::One(site), _) => site == b"same-origin",
        (Once::None, Once::One(origin)) => scheme.is_some_and(|scheme| is_origin(origin, scheme, authority)),
        _ => false,
    }
}

/// Whether `origin` is `scheme://authority`, ports compared with their defaults filled in.
fn is_origin(origin: &[u8], scheme: Scheme, authority: &Authority<'_>) -> bool {
    let Some(at) = origin.windows(3).position(|window| window == b"://") else {
        return false;
    };
    let Some((found, rest)) = origin.split_at_checked(at) else {
        return false;
    };
    let rest = rest.strip_prefix(b"://").unwrap_or(rest);
    Scheme::parse(found) == Some(scheme)
        && Authority::parse(rest, Some(scheme))
            .is_ok_and(|other| other.host() == authority.host() && other.effective_port() == authority.effective_port())
}
