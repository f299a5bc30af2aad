//! Attempts as they go: from a resource that is due, or that a request cannot do without, to what its answer changes.

use core::time::Duration;

use super::{Context, Ended, ResourceId, What};
use crate::Response;
use crate::audit::Counter;
use crate::engine::effects::{Effect, Level};
use crate::engine::exchange::{Errand, Office};
use crate::engine::scope::{Scope, ScopeId};

/// How long after one early attempt the next may be made.
const EARLY_EVERY: Duration = Duration::from_secs(10);
/// Most lines that one answer may leave in the log.
const NOTES_MAX: usize = 16;

/// Makes the attempts of a scope that are due, gives up those whose answer never came, and drops what has become too old.
pub(in crate::engine) fn wake(scope: ScopeId, office: &mut Office<'_, '_>) {
    let now = office.now.monotonic();
    let Some(fetcher) = office.memory.scopes.get_mut(scope).map(|scope| &mut scope.fetcher) else {
        return;
    };
    fetcher
        .resources
        .retain(|resource| resource.due > now || resource.flight.is_some() || !resource.what.is_idle());
    let (mut expired, mut late, mut due) = (Vec::new(), Vec::new(), Vec::new());
    for resource in &mut fetcher.resources {
        if resource.has_expired(now) {
            expired.push(resource.id);
        }
        match resource.flight {
            Some(flight) if flight.until <= now => late.push(resource.id),
            Some(_) => {}
            None if resource.due <= now => due.push(resource.id),
            None => {}
        }
    }
    for id in late {
        let Some((resource, dice)) = find(id, office) else {
            continue;
        };
        let ended = resource.failed("the host never told of an answer".to_owned(), now, dice);
        end(id, ended, office);
    }
    for id in due {
        send(id, office);
    }
    for id in expired {
        office.memory.tally.count(Counter::FetchExpired);
        if let Some((resource, _)) = find(id, office) {
            let line = format!(
                "{}: older than `staleFor`, and not used any more",
                resource.what.label()
            );
            office.fx.push(Effect::Log(Level::Warn, line));
        }
        changed(id, office);
    }
}

/// Has a resource fetched for a request that waits for it: at once if it is due, or if the request cannot wait until then (`early`).
pub(in crate::engine) fn demand(id: ResourceId, early: bool, office: &mut Office<'_, '_>) {
    let now = office.now.monotonic();
    let Some((resource, _)) = find(id, office) else { return };
    if resource.flight.is_some() {
        return;
    }
    if early && resource.may_be_early(now) {
        resource.early_from = now.after(EARLY_EVERY);
        office.memory.tally.count(Counter::FetchEarly);
        send(id, office);
    } else if resource.due <= now {
        send(id, office);
    }
}

fn send(id: ResourceId, office: &mut Office<'_, '_>) {
    let now = office.now.monotonic();
    let Some(fetcher) = office.memory.scopes.get_mut(id.scope).map(|scope| &mut scope.fetcher) else {
        return;
    };
    let attempt = fetcher.next();
    let outgoing = fetcher
        .get_mut(id)
        .and_then(|(resource, _)| resource.send(attempt, now));
    if let Some(outgoing) = outgoing {
        office.dispatch(outgoing, Box::new(Attempt { id, attempt }));
    }
}

/// A call on its way.
struct Attempt {
    id: ResourceId,
    attempt: u64,
}

impl Errand for Attempt {
    fn finish(self: Box<Self>, response: Option<Response<'_>>, office: &mut Office<'_, '_>) {
        let now = office.now.monotonic();
        let Some(scope) = office.memory.scopes.get_mut(self.id.scope) else {
            return;
        };
        let Scope {
            fetcher,
            keys,
            generation,
            ..
        } = scope;
        let context = Context {
            regions: &generation.regions,
            keys,
            verifier: office.kit.verifier(),
            wall: office.now.wall.numeric_date(),
        };
        let Some((resource, dice)) = fetcher.get_mut(self.id) else {
            return;
        };
        // One that was given up is of no interest.
        if resource.flight.is_none_or(|flight| flight.attempt != self.attempt) {
            return;
        }
        let ended = resource.answered(response, now, dice, &context);
        end(self.id, ended, office);
    }
}

fn end(id: ResourceId, ended: Ended, office: &mut Office<'_, '_>) {
    let Some((resource, _)) = find(id, office) else { return };
    let (label, good) = (resource.what.label(), resource.good);
    match ended {
        Ended::Next => return send(id, office),
        Ended::Good { changed: false, .. } => office.memory.tally.count(Counter::FetchSame),
        Ended::Good { changed: true, notes } => {
            office.memory.tally.count(Counter::FetchChanged);
            for note in notes.into_iter().take(NOTES_MAX) {
                office.fx.push(Effect::Log(Level::Info, format!("{label}: {note}")));
            }
            changed(id, office);
        }
        Ended::Failed(problem) => {
            office.memory.tally.count(Counter::FetchFailed);
            let what_serves = if good {
                "the last good ones serve"
            } else {
                "there are none"
            };
            let line = format!("{label} cannot be fetched: {problem}; {what_serves}");
            office.fx.push(Effect::Log(Level::Warn, line));
        }
    }
    office.tell(id);
}

/// What a scope serves by follows from what it fetched; lists are looked at where they are.
fn changed(id: ResourceId, office: &mut Office<'_, '_>) {
    let Some(scope) = office.memory.scopes.get_mut(id.scope) else {
        return;
    };
    scope.changed = true;
    if matches!(scope.fetcher.get(id), Some(resource) if matches!(resource.what, What::Keys(_))) {
        scope.took(&mut office.memory.tally, office.fx);
    }
}

fn find<'o>(id: ResourceId, office: &'o mut Office<'_, '_>) -> Option<(&'o mut super::Resource, &'o mut super::Dice)> {
    office.memory.scopes.get_mut(id.scope)?.fetcher.get_mut(id)
}
