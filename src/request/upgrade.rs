//! Requests for another protocol than HTTP: an Upgrade header (RFC 9110 §7.8), CONNECT (§9.3.6), or CONNECT with `:protocol` (RFC 8441).

use super::{Headers, RequestHead};

/// A protocol that a rule can name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Upgrade {
    /// `websocket`.
    Websocket,
    /// `connect`: a tunnel to the authority.
    Connect,
    /// `connect-udp`.
    ConnectUdp,
    /// `spdy/3.1`, as kubectl speaks it.
    Spdy,
}

impl Upgrade {
    /// All of them, by the names that rules have for them.
    pub const ALL: &'static [(&'static str, Self)] = &[
        ("websocket", Self::Websocket),
        ("connect", Self::Connect),
        ("connect-udp", Self::ConnectUdp),
        ("spdy/3.1", Self::Spdy),
    ];

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Websocket => "websocket",
            Self::Connect => "connect",
            Self::ConnectUdp => "connect-udp",
            Self::Spdy => "spdy/3.1",
        }
    }

    /// A bit of its own.
    #[must_use]
    pub const fn bit(self) -> u8 {
        match self {
            Self::Websocket => 1,
            Self::Connect => 2,
            Self::ConnectUdp => 4,
            Self::Spdy => 8,
        }
    }

    /// Which protocol a request asks for. `None`: none but HTTP. `Some(None)`: one that no rule can name, several, or one that is asked for in two ways.
    #[must_use]
    pub fn asked(head: &RequestHead<'_>, headers: &Headers<'_>) -> Option<Option<Self>> {
        let connect = head.is_connect();
        if !connect && !head.upgrade {
            return None;
        }
        let mut upgrades = headers.values("upgrade");
        let upgrade = (upgrades.next(), upgrades.next());
        let protocol = headers.values(":protocol").next();
        Some(match (connect, protocol, upgrade) {
            (true, None, (None, _)) => Some(Self::Connect),
            (true, Some(protocol), (None, _)) => Self::parse(protocol),
            // Without the connection's option the header means nothing, and whoever is behind may take it for something all the same.
            (false, None, (Some(protocol), None)) if is_option_of_connection(headers) => Self::parse(protocol),
            _ => None,
        })
    }

    /// The name of a protocol as a request writes it; a list of several is none.
    fn parse(name: &[u8]) -> Option<Self> {
        let known = Self::ALL.iter().filter(|(_, upgrade)| *upgrade != Self::Connect);
        let mut same = known.filter(|(known, _)| name.eq_ignore_ascii_case(known.as_bytes()));
        same.next().map(|(_, upgrade)| *upgrade)
    }
}

/// Whether `Connection` names `upgrade`.
fn is_option_of_connection(headers: &Headers<'_>) -> bool {
    headers
        .values("connection")
        .flat_map(|value| value.split(|byte| *byte == b','))
        .any(|option| option.trim_ascii().eq_ignore_ascii_case(b"upgrade"))
}

#[cfg(test)]
mod tests {
    use super::Upgrade;
    use crate::request::{Headers, RequestHead, StripSet, encode};

    fn asked(headers: &[(&str, &str)]) -> Option<Option<Upgrade>> {
        let plain = [(":path", "/"), (":authority", "a.com"), (":scheme", "http")];
        let all: Vec<(&[u8], &[u8])> = plain
            .iter()
            .chain(headers)
            .map(|(name, value)| (name.as_bytes(), value.as_bytes()))
            .collect();
        let block = encode(&all);
        let headers = Headers::parse(&block).expect("a block");
        let head = RequestHead::read(&headers, &StripSet::default(), &mut Vec::new()).expect("a head");
        Upgrade::asked(&head, &headers)
    }

    #[test]
    fn what_is_asked_for() {
        let get = (":method", "GET");
        let connect = (":method", "CONNECT");
        let upgrade = ("connection", "keep-alive, Upgrade");
        for (headers, expected) in [
            (&[get][..], None),
            (&[get, upgrade], None),
            (
                &[get, upgrade, ("upgrade", "websocket")],
                Some(Some(Upgrade::Websocket)),
            ),
            (
                &[get, upgrade, ("Upgrade", "WebSocket")],
                Some(Some(Upgrade::Websocket)),
            ),
            (&[get, upgrade, ("upgrade", "spdy/3.1")], Some(Some(Upgrade::Spdy))),
            (
                &[get, upgrade, ("upgrade", "connect-udp")],
                Some(Some(Upgrade::ConnectUdp)),
            ),
            (&[connect], Some(Some(Upgrade::Connect))),
            (&[connect, (":protocol", "websocket")], Some(Some(Upgrade::Websocket))),
            // What no rule can name, what is asked for twice, and what is no upgrade of this connection.
            (&[get, upgrade, ("upgrade", "connect")], Some(None)),
            (&[get, upgrade, ("upgrade", "h2c")], Some(None)),
            (&[get, upgrade, ("upgrade", "websocket, h2c")], Some(None)),
            (&[get, upgrade, ("upgrade", "")], Some(None)),
            (
                &[get, upgrade, ("upgrade", "websocket"), ("upgrade", "websocket")],
                Some(None),
            ),
            (&[get, ("upgrade", "websocket")], Some(None)),
            (&[get, ("connection", "upgraded"), ("upgrade", "websocket")], Some(None)),
            (&[get, (":protocol", "websocket")], Some(None)),
            (&[connect, (":protocol", "bytestream")], Some(None)),
            (&[connect, upgrade, ("upgrade", "websocket")], Some(None)),
            (
                &[connect, (":protocol", "websocket"), ("upgrade", "websocket")],
                Some(None),
            ),
        ] {
            assert_eq!(asked(headers), expected, "{headers:?}");
        }
    }

    #[test]
    fn names_and_bits_are_one_each() {
        let mut bits = 0_u8;
        for (name, upgrade) in Upgrade::ALL {
            assert_eq!(upgrade.name(), *name);
            assert_eq!(bits & upgrade.bit(), 0);
            bits |= upgrade.bit();
        }
    }
}
