//! `# allow: lint/public-rule` in the file: what is meant there, and so is not said again.

use crate::problem::{Place, Source};
use crate::report::SUSPICIOUS;

/// Whether a comment on the line of `place`, or in the lines of nothing else directly above it, allows the warnings with this code.
pub(crate) fn allows(code: &str, place: Option<&Place>) -> bool {
    let Some((source, bytes)) = place.and_then(|place| Some((&place.source, place.bytes.as_ref()?))) else {
        return false;
    };
    let line = source.line_around(bytes.start);
    let text = |line: std::ops::Range<usize>| source.text.get(line).unwrap_or_default();
    if names(text(line.clone()), code) {
        return true;
    }
    let mut above = before(source, line.start);
    while let Some(line) = above {
        let written = text(line.clone());
        if !written.trim_start().starts_with('#') {
            return false;
        }
        if names(written, code) {
            return true;
        }
        above = before(source, line.start);
    }
    false
}

/// The line that ends before the byte `start`.
fn before(source: &Source, start: usize) -> Option<std::ops::Range<usize>> {
    Some(source.line_around(start.checked_sub(1)?))
}

fn names(line: &str, code: &str) -> bool {
    let mut comments = line.match_indices('#').filter(|(at, _)| {
        // A `#` begins a comment at the start of a line, or behind white space.
        line.get(..*at)
            .is_some_and(|before| before.is_empty() || before.ends_with([' ', '\t']))
    });
    comments.any(|(at, _)| {
        let comment = line.get(at + 1..).unwrap_or_default().trim_start();
        let listed = comment.strip_prefix("allow:").unwrap_or_default();
        listed
            .split([',', ' ', '\t'])
            .take_while(|word| word.is_empty() || word.starts_with("lint/") || *word == SUSPICIOUS)
            .any(|word| word == code)
    })
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::allows;
    use crate::lint::wide::PUBLIC_RULE;
    use crate::problem::{Place, Source};

    #[track_caller]
    fn allowed(text: &str, at: &str) -> bool {
        let start = text.find(at).expect("the place");
        let source = Rc::new(Source::new(String::new(), text.to_owned()));
        let place = Place {
            source,
            bytes: Some(start..start + at.len()),
        };
        allows(PUBLIC_RULE.id, Some(&place))
    }

    #[test]
    fn on_the_line_or_above_it() {
        assert!(allowed("a: HERE # allow: lint/public-rule", "HERE"));
        assert!(allowed(
            "a: HERE # allow: lint/wide-paths, lint/public-rule because",
            "HERE"
        ));
        assert!(allowed(
            "b: 1\n  # allow: lint/public-rule\n  # probes\n  a: HERE",
            "HERE"
        ));
        assert!(allowed("# allow: lint/public-rule\r\na: HERE\r\n", "HERE"));
        assert!(allowed("a: HERE # allow: suspicious, lint/public-rule", "HERE"));
    }

    #[test]
    fn nowhere_else() {
        for text in [
            "a: HERE",
            "a: HERE # allow: lint/wide-paths",
            "a: HERE # allow lint/public-rule",
            "a: HERE # allow: not lint/public-rule",
            "a: HERE#allow: lint/public-rule",
            "b: 1 # allow: lint/public-rule\na: HERE",
            "# allow: lint/public-rule\n\na: HERE",
            "a: HERE\n# allow: lint/public-rule",
        ] {
            assert!(!allowed(text, "HERE"), "{text}");
        }
    }
}
