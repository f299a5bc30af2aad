//! Counters, summed here and flushed by the host on its timer. Their names are fixed: nothing that a request carries can name a metric.

use crate::reason::Reason;

macro_rules! counters {
    ($( $variant:ident = $name:literal, $about:literal; )*) => {
        /// A counter beside those of the decisions.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Counter { $( #[doc = $about] $variant, )* }

        impl Counter {
            /// All of them, in the order of their slots.
            pub const ALL: &'static [Self] = &[ $( Self::$variant, )* ];

            /// Its name, without the prefix.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $( Self::$variant => $name, )* }
            }

            /// What it counts.
            #[must_use]
            pub fn about(self) -> &'static str {
                match self { $( Self::$variant => $about, )* }
            }
        }
    };
}

counters! {
    TokenCacheHit = "token_cache.hit", "tokens that were verified before";
    TokenCacheMiss = "token_cache.miss", "tokens that were not: seen for the first time, or evicted";
    RevocationUnchecked = "revocation.unchecked", "valid tokens that counted although nobody could tell whether they are revoked (`revocation.onUnavailable: allow`)";
    DecisionCacheHit = "decision_cache.hit", "deferred requests that a kept answer of the center decided";
    DecisionCacheMiss = "decision_cache.miss", "deferred requests for which the center was asked";
    CalloutAnswered = "callout.answered", "calls that the center answered";
    CalloutAway = "callout.away", "calls on which the center was away";
    CalloutWrong = "callout.wrong", "calls whose answer was no answer to the question";
    CalloutRefused = "callout.refused", "calls that the host refused: an unknown cluster, mostly";
    FetchChanged = "fetch.changed", "fetched documents (keys) that say something new, and are in force";
    FetchSame = "fetch.same", "fetched documents that say what was known: the same content, or 304";
    FetchFailed = "fetch.failed", "fetches that failed: no answer, another status, an answer that is too large or cannot be used; the last good one serves";
    FetchEarly = "fetch.early", "fetches before their time, because a token named a key that was not there";
    FetchExpired = "fetch.expired", "fetched documents that became older than `staleFor`, and are not used any more";
    KeysShared = "keys.shared", "keys that two Regions were found to have in common, and that verify for neither";
    AttributesKnown = "attributes.known", "requests whose `identity` was known already, of those with a condition that reads it";
    AttributesAsked = "attributes.asked", "subjects about whom an identity replica was asked";
    AttributesTold = "attributes.told", "answers that told their attributes";
    AttributesOfNobody = "attributes.of_nobody", "answers that the replica does not know the subject (404)";
    AttributesFailed = "attributes.failed", "no answer, or one that cannot be used";
    StreamOpened = "stream.opened", "upgrades that were let in, and whose streams are judged again";
    StreamExpired = "stream_ended.expired", "of these streams, those that were ended because their token's `exp` has passed";
    StreamRevoked = "stream_ended.revoked", "those that were ended because their token was revoked";
    StreamDenied = "stream_ended.denied", "those that were ended because the policy, or whom it trusts, would not let them in any more";
    ShadowJudged = "shadow.judged", "requests that something in shadow mode is about (`mode: shadow`), but those of which it cannot be told: a signature is not verified beyond the budget of what is tried";
    ShadowWouldAllow = "shadow.allows", "of these, those that would be let in if it were enforced, and are not";
    ShadowWouldDeny = "shadow.denies", "those that would be refused, and are not";
    ShadowWouldAsk = "shadow.asks", "those for which the center would be asked, and is not";
    CandidateJudged = "candidate.judged", "requests of the sample that was judged by the bundle's `candidate` as well";
    CandidateWouldAllow = "candidate.allows", "of these, those that the candidate would let in, and what is in force does not";
    CandidateWouldDeny = "candidate.denies", "those that the candidate would refuse, and what is in force does not";
    CandidateWouldAsk = "candidate.asks", "those for which the candidate would ask the center, and what is in force does not";
    CandidateOtherReason = "candidate.reasons", "those that would have the same verdict with another reason";
    CandidateUntold = "candidate.untold", "those of which it cannot be told: they are refused to everybody, and by the candidate only to some, and their token was not looked at to the end; or the budget of what is tried was used up";
    BundleApplied = "bundle.applied", "bundles put in force";
    BundleOlder = "bundle.older", "bundles that were older than the one in force, which goes on serving";
    BundleRefused = "bundle.refused", "bundles that do not compile; the last good one goes on serving";
}

/// Sums since the last flush.
#[derive(Debug)]
pub struct Tally {
    decisions: [u64; Reason::ALL.len()],
    counters: [u64; Counter::ALL.len()],
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            decisions: [0; Reason::ALL.len()],
            counters: [0; Counter::ALL.len()],
        }
    }
}

impl Tally {
    /// One more decision with this reason.
    pub fn decided(&mut self, reason: Reason) {
        if let Some(slot) = self.decisions.get_mut(reason as usize) {
            *slot = slot.saturating_add(1);
        }
    }

    /// One more of these.
    pub fn count(&mut self, counter: Counter) {
        if let Some(slot) = self.counters.get_mut(counter as usize) {
            *slot = slot.saturating_add(1);
        }
    }

    /// Hands over each sum that is not zero, and begins anew. `decision` and `counter` get the sum; the names are `decision.VERDICT.CODE` and [`Counter::name`].
    pub fn drain(&mut self, mut decision: impl FnMut(Reason, u64), mut counter: impl FnMut(Counter, u64)) {
        for (reason, slot) in Reason::ALL.iter().zip(&mut self.decisions) {
            if *slot != 0 {
                decision(*reason, core::mem::take(slot));
            }
        }
        for (which, slot) in Counter::ALL.iter().zip(&mut self.counters) {
            if *slot != 0 {
                counter(*which, core::mem::take(slot));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Counter, Tally};
    use crate::reason::Reason;

    #[test]
    fn a_drain_hands_over_once() {
        let mut tally = Tally::default();
        tally.decided(Reason::NoRule);
        tally.decided(Reason::NoRule);
        tally.count(Counter::TokenCacheHit);
        let mut seen = Vec::new();
        let mut counted = Vec::new();
        tally.drain(
            |reason, sum| seen.push((reason, sum)),
            |counter, sum| counted.push((counter, sum)),
        );
        assert_eq!(seen, [(Reason::NoRule, 2)]);
        assert_eq!(counted, [(Counter::TokenCacheHit, 1)]);
        tally.drain(|_, _| panic!("drained before"), |_, _| panic!("drained before"));
    }
}
