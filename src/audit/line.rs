//! The line that every decision has: filter state, access log, and what the interlock reads.
//!
//! `allow|deny;reason;policy/rule;inline|cache|center:NAME|default|override:REASON;bundle@version+digest12;home>source>local`

use core::fmt::Write as _;

use crate::reason::Reason;

/// Where a request was decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecidedBy<'a> {
    /// In the filter, by a rule, a requirement or the request itself.
    Inline,
    /// By an answer of a center that was still fresh.
    Cache,
    /// By the center of the region named, or by its absence.
    Center(&'a str),
    /// By what holds where no rule decides.
    Default,
    /// By the bundle's `override`, against what the policies say: their reason.
    Override(Option<Reason>),
}

/// The parts of a decision line. Every text is percent-encoded already (see [`encode`]), so that the separators mean themselves.
#[derive(Clone, Copy, Debug)]
pub struct Line<'a> {
    /// `allow` or `deny`; `ask` where a center would be asked, of what is only tried.
    pub verdict: &'a str,
    /// The code of the reason, or `-`.
    pub reason: &'a str,
    /// `policy/rule`, `policy/-` or `-/-`.
    pub by: &'a str,
    /// Where it was decided.
    pub decided_by: DecidedBy<'a>,
    /// `bundle@version+digest12`.
    pub bundle: &'a str,
    /// The home region; `-` for an anonymous request.
    pub home: &'a str,
    /// The source region; `-` where nothing asked for it, `?` where it is unknown.
    pub source: &'a str,
    /// The local region; `?` where it is unknown.
    pub local: &'a str,
}

impl Line<'_> {
    /// The line as text.
    #[must_use]
    pub fn render(&self) -> String {
        let mut line = String::with_capacity(160);
        line.push_str(self.verdict);
        for part in [self.reason, self.by] {
            line.push(';');
            line.push_str(part);
        }
        line.push(';');
        match self.decided_by {
            DecidedBy::Inline => line.push_str("inline"),
            DecidedBy::Cache => line.push_str("cache"),
            DecidedBy::Default => line.push_str("default"),
            DecidedBy::Override(instead) => {
                line.push_str("override");
                if let Some(reason) = instead {
                    line.push(':');
                    line.push_str(reason.code());
                }
            }
            DecidedBy::Center(name) => {
                line.push_str("center:");
                line.push_str(name);
            }
        }
        for (separator, part) in [
            (';', self.bundle),
            (';', self.home),
            ('>', self.source),
            ('>', self.local),
        ] {
            line.push(separator);
            line.push_str(part);
        }
        line
    }
}

/// `text` with everything but unreserved characters (RFC 3986 §2.3) percent-encoded: a field of the line, or a header value.
#[must_use]
pub fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            encoded.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::{DecidedBy, Line, encode};
    use crate::reason::Reason;

    #[test]
    fn a_line_has_six_fields() {
        let line = Line {
            verdict: "allow",
            reason: Reason::RuleAllowed.code(),
            by: "shop/read",
            decided_by: DecidedBy::Center("us-east-1"),
            bundle: "shop@41+abcdef012345",
            home: "eu-west-1",
            source: "-",
            local: "us-east-1",
        };
        assert_eq!(
            line.render(),
            "allow;rule.allowed;shop/read;center:us-east-1;shop@41+abcdef012345;eu-west-1>->us-east-1"
        );
    }

    #[test]
    fn no_separator_survives_encoding() {
        assert_eq!(encode("a;b/c:d@e+f>g%h é"), "a%3Bb%2Fc%3Ad%40e%2Bf%3Eg%25h%20%C3%A9");
    }
}
