//! Bundles, as they are pushed.

use std::rc::Rc;

use regionguard::bundle::{Code, Encoding, Generation, Severity, check, compile};
use regionguard::engine::{Effects, Outcome};
use regionguard::reason::Verdict;

use crate::driven::{Driven, bearer, block};

/// What one finding may say, in bytes.
const FINDING_MAX: usize = 4096;

/// A configuration, in either encoding.
///
/// Its answer is a function of its bytes; what is refused is refused with a word for people, and what is taken serves requests.
pub fn bundle(data: &[u8]) {
    let (first, again) = (compile(data, Encoding::Detect), compile(data, Encoding::Detect));
    let ample = check(data, Encoding::Detect);
    assert_eq!(
        first.is_ok(),
        ample.is_ok(),
        "whoever asks for more findings gets another verdict"
    );
    match (first, again) {
        (Ok(first), Ok(again)) => {
            assert_eq!(
                (first.digest, &first.label, &first.warnings),
                (again.digest, &again.label, &again.warnings)
            );
            assert!(
                first
                    .warnings
                    .iter()
                    .all(|warning| warning.severity == Severity::Warning)
            );
            serves(Rc::new(first));
        }
        (Err(first), Err(again)) => {
            assert_eq!(first, again, "two answers to the same bytes");
            assert!(
                first.iter().any(|finding| finding.severity == Severity::Error),
                "refused without a word"
            );
            for finding in &first {
                let text = finding.to_string();
                assert!(!finding.message.is_empty() && text.len() <= FINDING_MAX, "{text}");
                assert!(!text.chars().any(char::is_control), "{text:?}");
                assert!(
                    finding.code != Code::UnknownField || finding.path.contains(|_| true),
                    "{text}"
                );
            }
        }
        _ => panic!("two answers to the same bytes"),
    }
}

/// A few requests end in a decision, or wait for what is fetched or asked.
fn serves(generation: Rc<Generation>) {
    let mut driven = Driven::over(&generation);
    let bearer = bearer();
    for (path, lines) in [
        ("/", &[][..]),
        ("/profiles/7?a=b", &[("authorization", bearer.as_str())]),
        ("/a/../b", &[("x-forwarded-for", "10.0.0.1"), ("cookie", "session=t")]),
    ] {
        let mut fx = Effects::default();
        if let Outcome::Done(decision) = driven.begin(&block(path, lines), &mut fx) {
            let verdict = match decision.reason.verdict() {
                Verdict::Allow => "allow;",
                Verdict::Deny => "deny;",
            };
            assert!(decision.line.starts_with(verdict), "{}", decision.line);
            assert_eq!(decision.forwarded().is_some(), verdict == "allow;", "{}", decision.line);
        }
    }
}
