//! What is granted to who asks for a time, and who is told of it.

use std::rc::Rc;

use super::authorize::Bench;
use super::effects::{Effect, Effects, Level};
use crate::bundle::Generation;
use crate::decision::visible;
use crate::identity::Authenticated;

impl Bench<'_, '_> {
    /// The same with what is granted to it now. It allocates only where something is.
    pub(super) fn granted(&self, who: Rc<Authenticated>, generation: &Generation) -> Rc<Authenticated> {
        if generation.grants.is_empty() && who.subject.grants.is_empty() {
            return who;
        }
        let now = self.now.wall.numeric_date();
        let open = generation.grants.open(&who.identity, now).map(|(_, grant)| grant);
        match who.subject.with_grants(open, now) {
            None => who,
            Some(subject) => Rc::new(who.with(subject)),
        }
    }

    /// Logs who approved what lets a request in, and why: once for each grant of the bundle and worker.
    pub(super) fn tell_grants(&mut self, who: &Authenticated, generation: &Generation, fx: &mut Effects) {
        let now = self.now.wall.numeric_date();
        for (number, grant) in generation.grants.open(&who.identity, now) {
            let gives = |word: &String| who.subject.granted.binary_search(word).is_ok();
            if !grant.permissions.iter().any(gives) || !self.scope.grants_told.insert(number) {
                continue;
            }
            let line = format!(
                "grant {} is used for the first time here: approved by {}, {}",
                grant.name,
                visible(&grant.approved_by),
                visible(&grant.reason)
            );
            fx.push(Effect::Log(Level::Info, line));
        }
    }
}
