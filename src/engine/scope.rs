//! Which generation serves: the only place that knows order and history.

use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::Arc;

use super::attributes::Replicas;
use super::effects::{Effect, Effects, Level};
use super::fetch::{Fetcher, KeyOwner, What};
use super::trial::Trials;
use crate::audit::{Counter, Tally};
use crate::bundle::document::{KeySource, Keys};
use crate::bundle::{Generation, RegionId};
use crate::center::DecisionCache;
use crate::device::PostureTokens;
use crate::identity::{Authenticator, KeyTable, SharedKey, Workloads};
use crate::policy::{Candidates, Presence, Served};
use crate::risk::{Risk, Scores};
use crate::time::Monotonic;

/// A scope of one engine: a plugin's root id and a bundle's name. Never used again within a VM's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ScopeId(u64);

/// Most lines that keys in common leave in the log at once.
const SHARED_TOLD_MAX: usize = 16;

/// What became of a generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// It serves.
    Applied,
    /// The same one serves already.
    Same,
    /// A newer version serves, and goes on.
    Older,
}

/// One scope: generations of one name, of which one serves, and what is remembered for it.
pub(super) struct Scope {
    id: ScopeId,
    root: String,
    holders: usize,
    pub(super) generation: Rc<Generation>,
    pub(super) local: Option<RegionId>,
    /// Which of its policies stand here; `None`: all do.
    pub(super) standing: Option<Presence>,
    /// Likewise of its candidate.
    pub(super) standing_of_candidate: Option<Presence>,
    pub(super) verified: Verified,
    pub(super) decisions: DecisionCache,
    /// What centers said last, for when they are away.
    pub(super) last_decisions: DecisionCache,
    /// What identity replicas told of subjects.
    pub(super) replicas: Replicas,
    /// What centers said of the risk of subjects.
    pub(super) scores: Scores,
    /// What is taken for known of the risk of every request, by those who try a policy.
    pub(super) supposed: Option<Risk>,
    /// The grants of this generation whose first use was told.
    pub(super) grants_told: BTreeSet<usize>,
    pub(super) fetcher: Fetcher,
    /// The keys of all Regions and then of all DeviceIssuers, as they are now.
    pub(super) keys: KeyTable,
    /// Those of them that two hold.
    shared: Vec<SharedKey>,
    /// What was logged last of an override: how it stands, and which.
    pub(super) override_told: Option<(&'static str, String)>,
    /// What is remembered of what is tried.
    pub(super) trials: Trials,
    /// What open streams are judged by is another one than when they were last told so.
    pub(super) changed: bool,
    /// Reused from request to request.
    pub(super) candidates: Candidates,
}

/// What reads what requests show, and remembers what it found good.
pub(super) struct Verified {
    pub(super) authenticator: Authenticator,
    pub(super) workloads: Workloads,
    pub(super) postures: PostureTokens,
}

/// All scopes of a VM: a handful.
pub(super) struct Scopes {
    list: Vec<Scope>,
    last: u64,
    seed: u64,
    /// Of the node, and so of all scopes.
    pub(super) served: Served,
}

impl Scopes {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            list: Vec::new(),
            last: 0,
            seed,
            served: Served::default(),
        }
    }

    pub(super) fn get_mut(&mut self, id: ScopeId) -> Option<&mut Scope> {
        self.list.iter_mut().find(|scope| scope.id == id)
    }

    pub(super) fn activate(
        &mut self,
        root: &str,
        generation: Rc<Generation>,
        locality: Option<&str>,
    ) -> (ScopeId, Activation) {
        let local = generation.local.or_else(|| generation.region_named(locality?));
        let standing = generation.policies.standing(local, &self.served);
        let candidate = generation.candidate.as_ref();
        let standing_of_candidate = candidate.and_then(|candidate| candidate.policies.standing(local, &self.served));
        if let Some(scope) = self
            .list
            .iter_mut()
            .find(|scope| scope.root == root && scope.generation.name == generation.name)
        {
            scope.holders = scope.holders.saturating_add(1);
            return (
                scope.id,
                scope.replace(generation, local, [standing, standing_of_candidate]),
            );
        }
        self.last = self.last.saturating_add(1);
        let id = ScopeId(self.last);
        let mut fetcher = Fetcher::new(id, self.seed);
        fetcher.plan(&generation);
        self.list.push(Scope {
            id,
            root: root.to_owned(),
            holders: 1,
            generation,
            local,
            standing,
            standing_of_candidate,
            verified: Verified {
                authenticator: Authenticator::new(self.seed),
                workloads: Workloads::new(self.seed),
                postures: PostureTokens::new(self.seed),
            },
            decisions: DecisionCache::new(self.seed),
            last_decisions: DecisionCache::new(self.seed),
            replicas: Replicas::new(id, self.seed),
            scores: Scores::new(self.seed),
            supposed: None,
            grants_told: BTreeSet::new(),
            fetcher,
            keys: KeyTable::default(),
            shared: Vec::new(),
            override_told: None,
            trials: Trials::new(self.seed),
            changed: false,
            candidates: Candidates::default(),
        });
        (id, Activation::Applied)
    }

    pub(super) fn ids(&self) -> Vec<ScopeId> {
        self.list.iter().map(|scope| scope.id).collect()
    }

    /// The scopes in which another generation serves, or other keys or lists of revocations, since this was asked last.
    pub(super) fn take_changed(&mut self) -> Vec<ScopeId> {
        let changed = self.list.iter_mut();
        changed
            .filter_map(|scope| core::mem::take(&mut scope.changed).then_some(scope.id))
            .collect()
    }

    /// When something of any scope's is to be fetched.
    pub(super) fn next_due(&self) -> Option<Monotonic> {
        self.list.iter().filter_map(|scope| scope.fetcher.next_due()).min()
    }

    pub(super) fn release(&mut self, id: ScopeId) {
        self.list.retain_mut(|scope| {
            if scope.id == id {
                scope.holders = scope.holders.saturating_sub(1);
            }
            scope.holders > 0
        });
    }
}

impl Scope {
    /// Takes over what was fetched, or is in the bundle, or is too old by now: what requests are judged by follows from it.
    pub(super) fn took(&mut self, tally: &mut Tally, fx: &mut Effects) {
        let fetched = |owner: KeyOwner<'_>| {
            let resource = self.fetcher.keys_of(owner).filter(|resource| resource.is_good())?;
            match &resource.what {
                What::Keys(keys) => keys.ring().cloned(),
                _ => None,
            }
        };
        let ring = |keys: &Keys, owner: KeyOwner<'_>| match &keys.source {
            KeySource::Inline(ring) => Some(Arc::clone(ring)),
            KeySource::Remote(_) | KeySource::Discovery(_) => fetched(owner),
        };
        let regions = self.generation.regions.iter();
        let of_regions = regions.map(|region| ring(&region.keys, KeyOwner::Region(&region.name)));
        let issuers = self.generation.devices.list.iter();
        let of_issuers = issuers.map(|issuer| ring(&issuer.keys, KeyOwner::DeviceIssuer(&issuer.name)));
        let (keys, shared) = KeyTable::new(of_regions.chain(of_issuers));
        if shared != self.shared {
            let mut pairs: BTreeSet<(RegionId, RegionId)> = BTreeSet::new();
            pairs.extend(shared.iter().map(|key| (key.first, key.second)));
            shared.iter().for_each(|_| tally.count(Counter::KeysShared));
            for (first, second) in pairs.iter().take(SHARED_TOLD_MAX) {
                let line = format!(
                    "{} have a key in common (RFC 7638 thumbprint): it verifies for neither",
                    both(&self.generation, *first, *second)
                );
                fx.push(Effect::Log(Level::Warn, line));
            }
        }
        (self.keys, self.shared) = (keys, shared);
    }

    fn replace(
        &mut self,
        generation: Rc<Generation>,
        local: Option<RegionId>,
        standing: [Option<Presence>; 2],
    ) -> Activation {
        if generation.version < self.generation.version {
            return Activation::Older;
        }
        if generation.digest == self.generation.digest && local == self.local {
            return Activation::Same;
        }
        self.grants_told.clear();
        self.fetcher.plan(&generation);
        self.generation = generation;
        self.local = local;
        self.changed = true;
        [self.standing, self.standing_of_candidate] = standing;
        Activation::Applied
    }
}

/// Two rows of the table of keys, by name: Regions come first, then DeviceIssuers.
fn both(generation: &Generation, first: RegionId, second: RegionId) -> String {
    let region = |id: RegionId| generation.region(id).map(|region| region.name.as_str());
    let named = |id: RegionId| match region(id) {
        Some(name) => format!("the Region {name}"),
        None => {
            let place = id.index().checked_sub(generation.regions.len());
            let issuer = place.and_then(|place| generation.devices.list.get(place));
            format!("the DeviceIssuer {}", issuer.map_or("?", |issuer| issuer.name.as_str()))
        }
    };
    match (region(first), region(second)) {
        (Some(first), Some(second)) => format!("Regions {first} and {second}"),
        _ => format!("{} and {}", named(first), named(second)),
    }
}
