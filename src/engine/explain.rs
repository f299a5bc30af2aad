//! What one request meets, step by step, for people. The steps are those of a judgement; nothing is decided, sent or counted.

use std::rc::Rc;

use super::authorize::{Bench, Stream};
use super::case::Case;
use super::look::{Sight, View};
use super::{Attrs, Engine, Input, Kit, ScopeId, waiting::Patience};
use crate::identity::Presented;
use crate::policy::{Candidates, Explanation, Requested};
use crate::reason::Reason;
use crate::request::{HeadError, RequestHead};
use crate::time::Now;

/// What a request meets.
#[derive(Debug)]
pub enum Explained {
    /// It is refused before any policy is looked at.
    Before(Reason),
    /// What the policies make of it, and why its token is not valid here, if there is one that is not.
    Weighed(Box<Explanation>, Option<Reason>),
}

impl Engine {
    /// What a request meets in this scope; `None` where nothing serves. A proof of its sender counts as used thereafter.
    pub fn explain(
        &mut self,
        scope: ScopeId,
        input: Input<'_>,
        attrs: &dyn Attrs,
        kit: &dyn Kit,
        now: &Now<'_>,
    ) -> Option<Explained> {
        let scope = self.memory.scopes.get_mut(scope)?;
        let mut bench = Bench {
            scope,
            budget: &mut self.memory.budget,
            proofs: &mut self.memory.proofs,
            tally: &mut self.memory.tally,
            attrs,
            kit,
            now,
            hall: &self.memory.streams.hall,
            failing: None,
            patience: Patience::First,
        };
        Some(bench.explain(input).unwrap_or_else(Explained::Before))
    }
}

impl Bench<'_, '_> {
    fn explain(&mut self, input: Input<'_>) -> Result<Explained, Reason> {
        let generation = Rc::clone(&self.scope.generation);
        let mut removals = Vec::new();
        let mut presented = Presented::new(&generation.tokens);
        let head = RequestHead::read_with(&input.headers, &generation.strip, &mut removals, presented.collector());
        let head = head.map_err(HeadError::reason)?;
        let without_token = presented.take_query(head.path);
        let head = RequestHead {
            path: without_token.as_deref().unwrap_or(head.path),
            ..head
        };
        let local = self.scope.local.ok_or(Reason::RegionUnknown)?;
        let request = self.understand(head, input.headers, presented, &generation)?;
        let policies = &generation.policies;
        let mut candidates = Candidates::default();
        let told = Stream(self.attrs);
        let asked = request.asked(self.scope.standing.as_ref(), &told);
        policies.candidates(&asked, &mut candidates);
        let whole = candidates.with_shadow();
        let view = View {
            request: Requested {
                method: request.method(),
                host: request.authority.host(),
                path: &request.path,
                headers: request.headers,
                strip: &generation.strip,
                id: request.head.request_id,
            },
            generation: &generation,
            local,
            at: self.now.wall,
        };
        let mut sight = Sight::default();
        let looked = whole.as_ref().unwrap_or(&candidates);
        self.look(&mut sight, policies, looked, &view);
        let mut case = Case::new(Rc::clone(&generation), Some(local));
        let (who, refused) = match self.identify(&request, &mut case, local) {
            Ok(who) => (who.map(|who| self.granted(who, &generation)), None),
            Err(refused) => (None, Some(refused.reason)),
        };
        self.look_again(&mut sight, who.as_deref(), policies, looked, &view);
        let facts = sight.facts(who.as_deref(), refused.is_some(), &view);
        let asked = request.asked(self.scope.standing.as_ref(), &told);
        let mut explanation = policies.explain(&asked, &candidates, &facts);
        explanation.seen.binding = who.as_ref().map(|who| who.identity.binding);
        Ok(Explained::Weighed(Box::new(explanation), refused))
    }
}
