//! `candidate`: policies that would stand in place of those in force.

use super::diagnostic::{Problem, Read, Sink};
use super::document::{Candidate, Policy};
use super::path::Path;
use super::policy;
use super::reader::{At, Shape};
use super::root::{Kind, Known, Placed, headers};
use super::value::Value;
use crate::sort::Arrange as _;

const CANDIDATE: Shape = Shape {
    fields: &["documents", "sample"],
    later: &[],
};

/// Where the documents stand.
const DOCUMENTS: &str = "candidate.documents";

/// The policies, sorted by name, and of how many requests in [`Candidate::ALL`] they are weighed.
pub(super) fn read(at: &At<'_>, known: &Known<'_>, sink: &mut Sink) -> Read<(Vec<Placed<Policy>>, u32)> {
    let fields = at.fields(&CANDIDATE, sink)?;
    let sample = fields.optional("sample", sink, sample);
    let policies = fields.required("documents", sink, |at, sink| documents(at, known, sink));
    let (policies, sample) = (policies?, sample?);
    Ok((policies, sample.unwrap_or(Candidate::ALL)))
}

fn documents(at: &At<'_>, known: &Known<'_>, sink: &mut Sink) -> Read<Vec<Placed<Policy>>> {
    let headers = headers(at, sink)?;
    let Value::List(items) = at.value else {
        return Ok(Vec::new());
    };
    let mut policies = Vec::with_capacity(items.len());
    let mut complete = Ok(());
    for (index, (value, header)) in items.iter().zip(headers).enumerate() {
        let (header, spec) = match (header, value.member("spec")) {
            (Ok(header), Some(spec)) => (header, spec),
            (Err(reported), _) => {
                complete = Err(reported);
                continue;
            }
            // INVARIANT: whoever has a header has a `spec`.
            (Ok(_), None) => continue,
        };
        let document = Path::Item(&at.path, index);
        sink.enter(Some(format!("{} {}", header.kind.name(), header.name)));
        let outcome = if header.kind == Kind::Policy {
            let spec = At::new(spec, Path::Member(&document, "spec"));
            policy::read(&header.name, &spec, known, sink).map(|document| {
                policies.push(Placed {
                    list: DOCUMENTS,
                    index,
                    document,
                });
            })
        } else {
            let message = "a candidate has policies alone: Regions and all else are those of the bundle";
            Err(sink.error(&Path::Member(&document, "kind"), message))
        };
        complete = complete.and(header.valid).and(outcome);
    }
    sink.enter(None);
    complete?;
    policies.arrange_by(|left, right| left.document.name.cmp(&right.document.name));
    Ok(policies)
}

/// A share of all requests, like `5%` or `0.1%`.
fn sample(at: &At<'_>, sink: &mut Sink) -> Read<u32> {
    let text = match at.value {
        Value::Number(_) => {
            let message = "must be a share of all requests with its sign, like `5%`";
            return Err(sink.error(&at.path, Problem::new(message).found(at.value)));
        }
        _ => at.text(sink)?,
    };
    share(text).ok_or_else(|| {
        let message =
            "must be a share of all requests from `0.01%` to `100%`, with two digits behind the point at most";
        sink.error(&at.path, Problem::new(message).found(at.value))
    })
}

/// In ten thousandths.
fn share(text: &str) -> Option<u32> {
    let number = text.strip_suffix('%')?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let digits = |text: &str, most: usize| {
        let valid = (1..=most).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
        valid.then(|| text.parse::<u32>().ok()).flatten()
    };
    let (whole, hundredths) = (digits(whole, 3)?, digits(fraction, 2)?);
    let hundredths = if fraction.len() == 1 {
        hundredths.checked_mul(10)?
    } else {
        hundredths
    };
    let share = whole.checked_mul(100)?.checked_add(hundredths)?;
    (1..=Candidate::ALL).contains(&share).then_some(share)
}

#[cfg(test)]
mod tests {
    use super::share;

    #[test]
    fn a_share_has_two_digits_behind_the_point_at_most() {
        for (text, expected) in [
            ("100%", Some(10_000)),
            ("5%", Some(500)),
            ("0.5%", Some(50)),
            ("0.05%", Some(5)),
            ("12.34%", Some(1_234)),
            ("0%", None),
            ("100.01%", None),
            ("0.001%", None),
            ("5", None),
            ("-5%", None),
            ("+5%", None),
            (".5%", None),
            ("5.%", None),
            (" 5%", None),
            ("5 %", None),
            ("1e1%", None),
            ("9999%", None),
        ] {
            assert_eq!(share(text), expected, "{text}");
        }
    }
}
