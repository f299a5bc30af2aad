//! Streams that upgrades have opened: each is judged again from time to time, as its request would be now, and ended once it would not be let in any more.
//!
//! What is kept of a stream is what judging its request takes. There is room for so many, and one caller takes no more room than it leaves; an upgrade for which there
//! is none is refused, since nobody could end it later.

use core::cell::RefCell;
use core::fmt;
use core::net::IpAddr;
use core::time::Duration;
use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;

use super::authorize::{Bench, Judged, Understood};
use super::case::Case;
use super::effects::{Effect, Effects, Level, StreamId};
use super::host::Kit;
use super::scope::ScopeId;
use super::waiting::{Awaited, Copied, Patience};
use super::{Input, Memory, nobody_decides};
use crate::audit::{Counter, DecidedBy, Tally};
use crate::bounded::Seeded;
use crate::bundle::Generation;
use crate::decision::{Decision, shorten, visible};
use crate::identity::{Authenticated, FailureBudget, LEEWAY_SECONDS, Refused};
use crate::policy::{Candidates, Facts, Outcome as Ruling};
use crate::reason::{Reason, Verdict};
use crate::time::{Monotonic, Now};

/// As many streams of one worker are looked after; the next upgrade is refused.
pub(super) const STREAMS_MAX: usize = 4096;
/// As much as these may hold of a worker's memory, in bytes.
pub(super) const BYTES_MAX: usize = 8 << 20;
/// As many are judged again at once, so that a push to many does not hold up the requests of its worker.
pub(super) const LOOKS_MAX: usize = 256;
/// How long "at once" is: several plugins of one VM wake the engine one after the other.
const ROUND: Duration = Duration::from_millis(500);
/// How long a stream goes on until it is judged again, where nothing that it is judged by has changed.
pub(super) const LOOK_EVERY: Duration = Duration::from_secs(10);
/// Most lines that ended streams leave in the log at once.
const TOLD_MAX: usize = 16;

/// All open streams.
pub(super) struct Streams {
    pub(super) hall: Hall,
    open: HashMap<StreamId, Open>,
    due: BTreeSet<(Monotonic, StreamId)>,
    last: u64,
    /// What verifying a token again may fail: apart from that of requests, so that neither costs the other anything.
    budget: FailureBudget,
    /// When the current round began, and how many may be judged in it yet.
    round: Option<Monotonic>,
    left: usize,
}

/// A stream, and when it is judged next.
struct Open {
    admitted: Admitted,
    due: Monotonic,
}

/// What an upgrade that is let in opens, and has a place for.
pub(crate) struct Admitted {
    scope: ScopeId,
    copied: Copied,
    request_id: Option<String>,
    opens: Opens,
    /// When it is judged first.
    due: Monotonic,
    _seat: Seat,
}

/// What a request opens, if it is let in.
#[derive(Clone, Copy)]
pub(super) struct Opens {
    /// When its token ends, leeway included, in seconds since the Unix epoch; `None`: it has none that is valid.
    ends: Option<f64>,
    caller: u64,
}

/// The places for open streams, and for those that will be once a center has said so.
#[derive(Clone)]
pub(super) struct Hall {
    taken: Rc<RefCell<Taken>>,
    seeded: Seeded,
}

#[derive(Default)]
struct Taken {
    all: Held,
    by_caller: HashMap<u64, Held>,
}

#[derive(Clone, Copy, Default)]
struct Held {
    streams: usize,
    bytes: usize,
}

/// A place in the hall, given up when dropped.
struct Seat {
    hall: Hall,
    caller: u64,
    bytes: usize,
}

/// Judges again the streams whose time has come, and ends those that would not be let in any more. What others could not be judged without is to be fetched for the next
/// time.
pub(super) fn look(memory: &mut Memory, kit: &dyn Kit, now: &Now<'_>, fx: &mut Effects) -> Vec<Awaited> {
    let changed = memory.scopes.take_changed();
    let mut wanted = Vec::new();
    if memory.streams.open.is_empty() {
        return wanted;
    }
    let at = now.monotonic();
    memory.streams.hurry(&changed, at);
    let mut ended = 0_usize;
    while let Some((id, stream)) = memory.streams.next(at) {
        match judge(&stream, memory, kit, now, &mut wanted) {
            None => memory.streams.keep(id, stream, now),
            Some((reason, line)) => {
                fx.push(Effect::Close(id));
                memory.tally.count(counter(reason));
                ended = ended.saturating_add(1);
                if ended <= TOLD_MAX {
                    let request = stream.request_id.as_deref().unwrap_or("-");
                    let line = format!("stream ended: {} (request {request}): {line}", reason.code());
                    fx.push(Effect::Log(Level::Info, line));
                }
            }
        }
    }
    if ended > TOLD_MAX {
        let more = ended.saturating_sub(TOLD_MAX);
        fx.push(Effect::Log(Level::Info, format!("streams ended: {more} more")));
    }
    wanted
}

/// Why the stream ends, and the decision line that its request would have now; `None`: it goes on.
fn judge(
    stream: &Admitted,
    memory: &mut Memory,
    kit: &dyn Kit,
    now: &Now<'_>,
    wanted: &mut Vec<Awaited>,
) -> Option<(Reason, String)> {
    let Memory {
        scopes,
        budget,
        proofs,
        streams,
        ..
    } = memory;
    let scope = scopes.get_mut(stream.scope);
    let decision = match scope.zip(stream.copied.headers()) {
        // Its plugin is gone, with all that it had to say.
        None => nobody_decides(),
        Some((scope, headers)) => {
            let mut bench = Bench {
                scope,
                budget: &mut streams.budget,
                proofs,
                // It was counted when it began.
                tally: &mut Tally::default(),
                attrs: &stream.copied,
                kit,
                now,
                hall: &streams.hall,
                failing: Some(&*budget),
                patience: Patience::Again {
                    identified: stream.opens.ends.is_some(),
                },
            };
            match bench.judge(stream.scope, Input { headers }, &mut Effects::default()) {
                Judged::Decided(decision) => decision,
                Judged::Ask(_) => return None,
                Judged::Wait(waits) => {
                    wanted.push(waits.awaited);
                    return None;
                }
            }
        }
    };
    let is_over = stream.opens.ends.is_some_and(|ends| now.wall.numeric_date() >= ends);
    ends(decision.reason, is_over).map(|reason| (reason, decision.line))
}

/// Why a stream that is open ends where its request would now be decided so; `None`: it goes on. What says only that it cannot be judged at the moment ends none, but
/// no stream outlasts its token (`is_over`) for it.
fn ends(reason: Reason, is_over: bool) -> Option<Reason> {
    match reason {
        Reason::KeysUnavailable
        | Reason::DeviceKeysUnavailable
        | Reason::RevocationUnavailable
        | Reason::AttributesUnavailable
        | Reason::VerificationBudget
        | Reason::ProofBudget
        | Reason::ForeignVerifier
        | Reason::CenterUnavailable
        | Reason::CenterError
        | Reason::Overloaded
        | Reason::StreamsFull => is_over.then_some(Reason::TokenExpired),
        other => Some(other).filter(|_| other.verdict() == Verdict::Deny),
    }
}

fn counter(reason: Reason) -> Counter {
    match reason {
        Reason::TokenExpired => Counter::StreamExpired,
        Reason::TokenRevoked => Counter::StreamRevoked,
        _ => Counter::StreamDenied,
    }
}

impl Bench<'_, '_> {
    /// Whether what is tried has a say.
    pub(super) fn tries(&self, generation: &Generation) -> bool {
        generation.tries() && !self.patience.is_again()
    }

    /// What this request opens; `None`: it is no upgrade, or stays open until one of its ends closes it, or is open already.
    pub(super) fn opens(
        &mut self,
        request: &Understood<'_>,
        candidates: &Candidates,
        facts: &Facts<'_>,
        who: Option<&Authenticated>,
    ) -> Option<Opens> {
        if request.upgrade.is_none() || self.patience.is_again() {
            return None;
        }
        let generation = Rc::clone(&self.scope.generation);
        if generation.policies.stays_until_closed(candidates, facts) {
            return None;
        }
        let caller = match who {
            Some(who) => self.hall.name(&[&who.identity.home_name, &who.identity.subject]),
            None => {
                let address = self.connection(request.headers, &generation).address();
                self.hall.address(address)
            }
        };
        Some(Opens {
            ends: who.map(|who| who.identity.times.expires + LEEWAY_SECONDS),
            caller,
        })
    }

    /// Gives what the request opens a place, if it is let in, or may be by the center; refuses it where there is none.
    pub(super) fn admit(
        &mut self,
        scope: ScopeId,
        judged: Judged,
        opens: Opens,
        request: &Understood<'_>,
        case: &Case<'_>,
    ) -> Judged {
        let is_let_in = match &judged {
            Judged::Decided(decision) => decision.forwarded().is_some(),
            Judged::Ask(_) => true,
            Judged::Wait(_) => false,
        };
        if !is_let_in {
            return judged;
        }
        let copied = Copied::new(request.headers, self.attrs);
        let Some(seat) = self.hall.enter(opens.caller, copied.bytes()) else {
            return Judged::Decided(case.refuse(Reason::StreamsFull));
        };
        let admitted = Box::new(Admitted {
            scope,
            copied,
            request_id: case.request_id.as_deref().map(|id| visible(shorten(id))),
            opens,
            due: next_look(opens, self.now),
            _seat: seat,
        });
        match judged {
            Judged::Decided(mut decision) => {
                decision.opens = Some(admitted);
                Judged::Decided(decision)
            }
            Judged::Ask(mut deferred) => {
                deferred.opens = Some(admitted);
                Judged::Ask(deferred)
            }
            waits @ Judged::Wait(_) => waits,
        }
    }

    /// What becomes of a stream that is open where its request would be asked about, or is let in although its token is not valid any more; `None`: what becomes of
    /// any request.
    pub(super) fn stays(&self, ruling: &Ruling, refused: Option<Refused>, case: &Case<'_>) -> Option<Decision> {
        let Patience::Again { identified } = self.patience else {
            return None;
        };
        match (ruling, refused) {
            // A public rule lets in whoever asks, but this one's upstream was told who asks.
            (Ruling::Allow { .. } | Ruling::Defer { .. }, Some(refused)) if identified => {
                Some(case.refuse(refused.reason))
            }
            // The center has said its word, and is asked about requests alone.
            (Ruling::Defer { .. }, _) => Some(case.allow(Reason::CenterAllowed, "-/-", DecidedBy::Inline, None)),
            _ => None,
        }
    }
}

impl Streams {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            hall: Hall {
                taken: Rc::default(),
                seeded: Seeded::new(seed),
            },
            open: HashMap::new(),
            due: BTreeSet::new(),
            last: 0,
            budget: FailureBudget::for_streams(seed),
            round: None,
            left: 0,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.open.len()
    }

    /// Looks after a stream from now on.
    pub(super) fn open(&mut self, admitted: Admitted) -> StreamId {
        self.last = self.last.saturating_add(1);
        let (id, due) = (StreamId(self.last), admitted.due);
        self.put(id, Open { admitted, due });
        id
    }

    /// Forgets a stream that is gone.
    pub(super) fn close(&mut self, id: StreamId) {
        if let Some(open) = self.open.remove(&id) {
            self.due.remove(&(open.due, id));
        }
    }

    /// When the next one is to be judged again.
    pub(super) fn next_due(&self) -> Option<Monotonic> {
        self.due.first().map(|(due, _)| *due)
    }

    /// Has all streams of these scopes judged now.
    fn hurry(&mut self, scopes: &[ScopeId], at: Monotonic) {
        for (id, open) in &mut self.open {
            if open.due > at && scopes.contains(&open.admitted.scope) {
                self.due.remove(&(open.due, *id));
                self.due.insert((at, *id));
                open.due = at;
            }
        }
    }

    /// Takes out the next stream that is to be judged now.
    fn next(&mut self, at: Monotonic) -> Option<(StreamId, Admitted)> {
        if self.round.is_none_or(|round| at.since(round) >= ROUND) {
            (self.round, self.left) = (Some(at), LOOKS_MAX);
        }
        self.left = self.left.checked_sub(1)?;
        let (_, id) = *self.due.first().filter(|(due, _)| *due <= at)?;
        let open = self.open.remove(&id)?;
        self.due.remove(&(open.due, id));
        Some((id, open.admitted))
    }

    /// Puts a stream back that goes on.
    fn keep(&mut self, id: StreamId, admitted: Admitted, now: &Now<'_>) {
        let due = next_look(admitted.opens, now);
        self.put(id, Open { admitted, due });
    }

    fn put(&mut self, id: StreamId, open: Open) {
        self.due.insert((open.due, id));
        self.open.insert(id, open);
    }
}

/// When a stream is judged next: when its token ends, and long before that.
fn next_look(opens: Opens, now: &Now<'_>) -> Monotonic {
    let left = opens.ends.map(|ends| ends - now.wall.numeric_date());
    let left = left.and_then(|left| Duration::try_from_secs_f64(left).ok());
    now.monotonic().after(left.unwrap_or(LOOK_EVERY).min(LOOK_EVERY))
}

impl Hall {
    /// A caller with a name.
    fn name(&self, parts: &[&str]) -> u64 {
        self.seeded.hash(parts.join("\0").as_bytes())
    }

    /// A caller of whom no more is known than the address; all whose address cannot be told are one.
    fn address(&self, address: Option<IpAddr>) -> u64 {
        match address {
            None => self.seeded.hash(&[]),
            Some(IpAddr::V4(address)) => self.seeded.hash(&address.octets()),
            Some(IpAddr::V6(address)) => {
                let octets = address.octets();
                // Whoever has one address has all of its network.
                self.seeded
                    .hash(octets.first_chunk::<8>().map_or(&octets, <[u8; 8]>::as_slice))
            }
        }
    }

    /// A place for a stream of this caller's, who takes no more than it leaves.
    fn enter(&self, caller: u64, bytes: usize) -> Option<Seat> {
        let mut taken = self.taken.try_borrow_mut().ok()?;
        let own = taken.by_caller.get(&caller).copied().unwrap_or_default().with(bytes);
        let all = taken.all.with(bytes);
        if own.streams > STREAMS_MAX.checked_sub(all.streams)? || own.bytes > BYTES_MAX.checked_sub(all.bytes)? {
            return None;
        }
        taken.all = all;
        taken.by_caller.insert(caller, own);
        Some(Seat {
            hall: self.clone(),
            caller,
            bytes,
        })
    }
}

impl Held {
    fn with(self, bytes: usize) -> Self {
        Self {
            streams: self.streams.saturating_add(1),
            bytes: self.bytes.saturating_add(bytes),
        }
    }

    fn without(self, bytes: usize) -> Self {
        Self {
            streams: self.streams.saturating_sub(1),
            bytes: self.bytes.saturating_sub(bytes),
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let Ok(mut taken) = self.hall.taken.try_borrow_mut() else {
            return;
        };
        taken.all = taken.all.without(self.bytes);
        if let Some(own) = taken.by_caller.get_mut(&self.caller) {
            *own = own.without(self.bytes);
            if own.streams == 0 {
                taken.by_caller.remove(&self.caller);
            }
        }
    }
}

/// Nothing of its request, which holds its token.
impl fmt::Debug for Admitted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Admitted")
    }
}

#[cfg(test)]
mod tests {
    use super::ends;
    use crate::reason::{Reason, Verdict};

    /// What is answered 429 or 503 cannot be judged at the moment, but for what is meant to keep everybody out, or leaves nothing to judge by.
    #[test]
    fn what_ends_a_stream_is_what_denies_it() {
        let for_good = [Reason::OverrideDenied, Reason::RegionUnknown, Reason::NoBundle];
        for reason in Reason::ALL {
            let row = reason.row();
            let expected = match row.verdict {
                Verdict::Allow => [None; 2],
                Verdict::Deny if !matches!(row.status, 429 | 503) || for_good.contains(reason) => [Some(*reason); 2],
                // No stream outlasts its token.
                Verdict::Deny => [None, Some(Reason::TokenExpired)],
            };
            assert_eq!(
                [false, true].map(|is_over| ends(*reason, is_over)),
                expected,
                "{}",
                row.code
            );
        }
    }
}
