//! The parameters of a query, in the readings that servers have of it.

use std::borrow::Cow;

/// One parameter, in one reading.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameter<'q> {
    /// The name as it stands.
    pub raw_name: &'q str,
    /// The name, percent-decoded once.
    pub name: Cow<'q, str>,
    /// The value, percent-decoded once; empty where there is no `=`.
    pub value: Cow<'q, str>,
}

/// The parameters of a query (without its question mark), in order: what stands between `&`, with the first `=` of each between name and value, both
/// percent-decoded once, as UTF-8. A value with a `+` is there twice, since some servers take that for a space. Empty parts do not count.
///
/// `None` where the query has no single reading: it holds a percent-encoding that is not valid or of a control character, what is not UTF-8, or a `;`, which some
/// servers take for a separator.
#[must_use]
pub fn parameters(query: &str) -> Option<Vec<Parameter<'_>>> {
    if query.contains(';') {
        return None;
    }
    let mut all = Vec::new();
    for part in query.split('&').filter(|part| !part.is_empty()) {
        let (raw_name, text) = part.split_once('=').unwrap_or((part, ""));
        let (name, value) = (decode(raw_name)?, decode(text)?);
        if text.contains('+') {
            all.push(Parameter {
                raw_name,
                name: name.clone(),
                value: Cow::Owned(decode(&text.replace('+', " "))?.into_owned()),
            });
        }
        all.push(Parameter { raw_name, name, value });
    }
    Some(all)
}

/// Percent-decodes once.
fn decode(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains('%') {
        return Some(Cow::Borrowed(text));
    }
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        if *first != b'%' {
            decoded.push(*first);
            rest = behind;
            continue;
        }
        let [high, low, behind @ ..] = behind else { return None };
        let byte = digit(*high)?.wrapping_shl(4) | digit(*low)?;
        if byte.is_ascii_control() {
            return None;
        }
        decoded.push(byte);
        rest = behind;
    }
    String::from_utf8(decoded).ok().map(Cow::Owned)
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::parameters;

    #[test]
    fn names_and_values() {
        for (query, expected) in [
            ("", &[][..]),
            ("&&", &[]),
            ("a=1", &[("a", "1")]),
            ("a", &[("a", "")]),
            ("a=", &[("a", "")]),
            ("=1", &[("", "1")]),
            ("a=1&a=2&b=3", &[("a", "1"), ("a", "2"), ("b", "3")]),
            ("a=b=c", &[("a", "b=c")]),
            ("%61=%C3%A9%26", &[("a", "é&")]),
            ("a=%2561", &[("a", "%61")]),
            ("a=b+c", &[("a", "b c"), ("a", "b+c")]),
            ("a=b%2Bc", &[("a", "b+c")]),
            ("a=b%20c", &[("a", "b c")]),
            ("a[]=1", &[("a[]", "1")]),
        ] {
            let found = parameters(query).expect(query);
            let pairs: Vec<(&str, &str)> = found.iter().map(|one| (&*one.name, &*one.value)).collect();
            assert_eq!(pairs, expected, "{query}");
        }
    }

    #[test]
    fn what_has_no_single_reading() {
        for query in [
            "a=%", "a=%4", "a=%zz", "%g1=1", "a=%00", "a=%0A", "a=%7f", "a=%FF", "a=%C3", "a=1;b=2", ";",
        ] {
            assert_eq!(parameters(query), None, "{query}");
        }
    }
}
