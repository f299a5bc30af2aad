//! Which bundle may have decided a request: what was pushed until then, by the rules of versions and activation.

use std::collections::HashMap;
use std::time::Instant;

use super::bundles::{is_odd, number_of};
use super::load::Seen;
use super::site::{IN_FORCE, WORKERS};
use crate::Result;

/// One push. Its place in the list of all is the number that its rules have.
#[derive(Clone, Debug)]
pub struct Push {
    /// What it is, to be read in a failure.
    pub what: String,
    /// The version that its bundle says.
    pub version: u64,
    /// Whether the filter takes it.
    pub good: bool,
    /// Whether it makes Envoy start new VMs, which remember no version.
    pub reload: bool,
    /// Before it was begun.
    pub begun: Instant,
    /// After Envoy had taken or refused it.
    pub done: Instant,
    /// After every worker was seen to serve what is in force with it, where somebody looked.
    pub settled: Option<Instant>,
}

impl Push {
    /// A push that begins now.
    #[must_use]
    pub fn new(what: &str, version: u64, good: bool) -> Self {
        let now = Instant::now();
        Self {
            what: what.to_owned(),
            version,
            good,
            reload: false,
            begun: now,
            done: now,
            settled: None,
        }
    }

    /// Whether it has to be in force for a request that is sent at this moment.
    fn is_due(&self, at: Instant) -> bool {
        self.done + IN_FORCE <= at || self.settled.is_some_and(|settled| settled <= at)
    }
}

/// After each push, the number of the one that serves.
///
/// What is not good changes nothing, and neither does an older version; the same version serves with its new content. After a
/// reload, what was pushed serves, whatever its version is.
#[must_use]
pub fn serving(pushes: &[Push]) -> Vec<usize> {
    let mut serving: Vec<usize> = Vec::new();
    for (number, push) in pushes.iter().enumerate() {
        let before = serving.last().copied();
        let takes = |before: usize| push.good && (push.reload || push.version >= pushes[before].version);
        serving.push(match before {
            Some(before) if !takes(before) => before,
            _ => number,
        });
    }
    serving
}

/// Checks each request against the pushes: that one bundle has decided it as a whole, that it was in force then, at the latest
/// two seconds after its push, and that no worker has gone back. Says which push has decided the last request of each worker.
///
/// # Errors
/// When a request was decided otherwise; the error has the request and the pushes that could have decided it.
pub fn judge(pushes: &[Push], seen: &[Seen]) -> Result<[usize; WORKERS]> {
    let bundles = by_bundle(pushes, seen)?;
    let serving = serving(pushes);
    for request in seen {
        let number = *bundles
            .get(request.decision.bundle.as_str())
            .ok_or_else(|| format!("`{}` has let nothing else in", request.decision.bundle))?;
        contents(request, number)?;
    }
    let mut last = [0; WORKERS];
    for (worker, last) in last.iter_mut().enumerate() {
        let of_one: Vec<&Seen> = seen.iter().filter(|seen| seen.worker == Some(worker)).collect();
        *last = in_order(pushes, &serving, &bundles, &of_one)?;
    }
    for fresh in seen.iter().filter(|seen| seen.worker.is_none()) {
        in_order(pushes, &serving, &bundles, &[fresh])?;
    }
    Ok(last)
}

/// Which push each bundle of a decision line is: its rules say it.
fn by_bundle<'a>(pushes: &[Push], seen: &'a [Seen]) -> Result<HashMap<&'a str, usize>> {
    let mut bundles = HashMap::new();
    for request in seen {
        let Some(number) = number_of(&request.decision.rule) else {
            continue;
        };
        let push = pushes.get(number).filter(|push| push.good);
        let push = push.ok_or_else(|| format!("push {number} has decided: {:?}", request.decision))?;
        if request.version() != Some(push.version) {
            return Err(format!("push {number} ({push:?}) says {:?}", request.decision).into());
        }
        if *bundles.entry(request.decision.bundle.as_str()).or_insert(number) != number {
            return Err(format!("two pushes are `{}`", request.decision.bundle).into());
        }
    }
    Ok(bundles)
}

/// The request was decided by what stands in the bundle of this push, and by all of it.
fn contents(request: &Seen, number: usize) -> Result<()> {
    let expected = match request.kind() {
        "open" => true,
        "odd" => is_odd(number),
        _ => false,
    };
    if expected == (request.decision.verdict == "allow") {
        Ok(())
    } else {
        Err(format!("`{}` by push {number}: {:?}", request.path, request.decision).into())
    }
}

/// Finds for each request of one worker, in the order in which they were sent, the earliest state of the pushes that explains it.
/// What was answered before another was sent has a state that is not later.
fn in_order(pushes: &[Push], serving: &[usize], bundles: &HashMap<&str, usize>, requests: &[&Seen]) -> Result<usize> {
    let (mut floor, mut answered): (usize, Vec<(Instant, usize)>) = (0, Vec::new());
    let mut last = 0;
    for request in requests {
        answered.retain(|(at, state)| {
            let before = *at <= request.sent;
            if before {
                floor = floor.max(*state);
            }
            !before
        });
        let due = pushes.iter().rposition(|push| push.is_due(request.sent)).unwrap_or(0);
        let begun = pushes.partition_point(|push| push.begun <= request.answered);
        let number = bundles[request.decision.bundle.as_str()];
        let state = (floor.max(due)..begun).find(|state| serving[*state] == number);
        let state = state.ok_or_else(|| {
            format!(
                "`{}` of worker {:?} is decided by push {number}, {:?}; after pushes {} to {begun} that is none of {:?}",
                request.path,
                request.worker,
                pushes[number],
                floor.max(due),
                serving.get(floor.max(due)..begun),
            )
        })?;
        answered.push((request.answered, state));
        last = number;
    }
    Ok(last)
}
