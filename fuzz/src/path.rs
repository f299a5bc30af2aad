//! Request targets, and the templates that they are compared with.

use regionguard::request::{CanonicalPath, PathOptions, PathTemplate, Segment, canonicalise, fold_case};

use crate::oracle::percent_decoded;

/// A request target behind a byte of options; behind a line feed a template.
///
/// A canonical path is its own canonical form, in every reading of it: no segment of it is a dot segment or holds a slash, and what is judged is what is forwarded.
/// A template matches what a naive comparison of segments says.
pub fn path(data: &[u8]) {
    let Some((bits, rest)) = data.split_first() else { return };
    let options = PathOptions {
        strict: bits & 1 != 0,
        encoded_slash: bits & 2 != 0,
        path_parameters: bits & 4 != 0,
        empty_segments: bits & 8 != 0,
        case_insensitive: bits & 16 != 0,
    };
    let (target, template) = match rest.iter().position(|byte| *byte == b'\n') {
        Some(end) => (&rest[..end], Some(&rest[end + 1..])),
        None => (rest, None),
    };
    let lenient = canonicalise(
        target,
        &PathOptions {
            strict: false,
            ..options
        },
    );
    let Ok(path) = canonicalise(target, &options) else {
        let rewritten = lenient.is_ok_and(|path| path.changed());
        assert!(canonicalise(target, &options).is_err(), "two answers");
        assert!(options.strict || !rewritten, "refused, though it has one form");
        return;
    };
    assert!(!(options.strict && path.changed()), "rewritten, though that is refused");
    assert_eq!(
        path.changed(),
        path.forward().as_bytes() != target,
        "what is forwarded is not what is told"
    );
    canonical(&path, &options);
    if let Some(template) = template.and_then(|text| core::str::from_utf8(text).ok()) {
        compared(&path, template, &options);
    }
}

fn canonical(path: &CanonicalPath<'_>, options: &PathOptions) {
    let again = canonicalise(path.forward().as_bytes(), options).expect("its own form is refused");
    assert!(!again.changed(), "its own form has another one: {}", path.forward());
    let text = path.path();
    assert!(
        text.starts_with('/')
            && text
                .bytes()
                .all(|byte| byte.is_ascii_graphic() && byte != b'\\' && byte != b'#' && byte != b'?')
    );
    assert!(
        options.path_parameters || !text.contains(';') && !text.contains("%3B"),
        "{text}"
    );
    let segments: Vec<String> = path.segments().map(|segment| segment.into_owned()).collect();
    assert_eq!(segments, naive_segments(text, options), "{text}");
    for (index, segment) in segments.iter().enumerate() {
        // What a server reads that decodes first, or that splits at parameters.
        for reading in [segment.as_str(), segment.split(';').next().unwrap_or_default()] {
            assert!(reading != "." && reading != "..", "a dot segment: {text}");
        }
        assert!(
            options.encoded_slash || !segment.contains('/'),
            "a slash in a segment: {text}"
        );
        assert!(
            !segment.contains(['\\', '\0']) && !segment.chars().any(char::is_control),
            "{text}"
        );
        assert!(
            options.empty_segments || !segment.is_empty(),
            "segment {index} of {text} is empty"
        );
        if segment.contains('/') {
            assert!(
                segment.split('/').all(|part| part != ".."),
                "a dot segment beside a slash: {text}"
            );
        }
    }
}

fn naive_segments(text: &str, options: &PathOptions) -> Vec<String> {
    let inner = &text[1..];
    if inner.is_empty() {
        return Vec::new();
    }
    let inner = inner.strip_suffix('/').unwrap_or(inner);
    let decoded = inner.split('/').map(percent_decoded);
    decoded
        .map(|segment| {
            if options.case_insensitive {
                fold_case(&segment).into_owned()
            } else {
                segment
            }
        })
        .collect()
}

/// Whether `template` matches, found by counting.
fn compared(path: &CanonicalPath<'_>, template: &str, options: &PathOptions) {
    let Ok(template) = PathTemplate::parse_with(template, options) else {
        return;
    };
    let segments = naive_segments(path.path(), options);
    let wanted = template.segments();
    let (fixed, open) = match wanted.split_last() {
        Some((Segment::Rest, fixed)) => (fixed, true),
        _ => (wanted, false),
    };
    let long_enough = if open {
        segments.len() >= fixed.len()
    } else {
        segments.len() == fixed.len()
    };
    let fits = fixed.iter().zip(&segments).all(|(wanted, segment)| match wanted {
        Segment::Literal(literal) => **literal == **segment,
        Segment::Capture(_) | Segment::Any => !segment.is_empty(),
        Segment::Rest => false,
    });
    let found = template.matches(path);
    assert_eq!(found.is_some(), long_enough && fits, "{template} and {}", path.path());
    for (name, value) in found.iter().flat_map(|captures| captures.iter()) {
        let at = fixed
            .iter()
            .position(|segment| matches!(segment, Segment::Capture(known) if **known == *name));
        assert_eq!(
            at.map(|at| segments[at].as_str()),
            Some(value),
            "{template} and {}",
            path.path()
        );
    }
}
