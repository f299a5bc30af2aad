//! What the engine fetches for itself, on a schedule, so that no request has to: one [`Fetcher`] for each scope.
//!
//! A [`Resource`] is one thing that is fetched ([`What`]), when ([`Pace`]) and how that went. Its last good answer serves until it is older than `stale_for`; a
//! failed, oversized or malformed one changes nothing but when the next attempt is due. Requests may wait for a resource: they are told when an attempt ends.
//!
//! To add a kind: a variant of [`What`] with a type of its own that says what to ask for ([`What::ask`]) and reads an answer ([`What::read`]); an entry in
//! [`Fetcher::plan`] for each that a generation needs; and in [`Scope::took`](super::scope::Scope) what follows from a change.

mod ask;
mod caching;
mod keys;
mod pace;
mod revocations;
mod run;

use core::time::Duration;

use super::effects::Outgoing;
use super::scope::ScopeId;
use super::waiting::Queue;
use crate::Response;
use crate::bundle::Generation;
use crate::decision::{shorten, visible};
use crate::identity::FingerprintKey;
use crate::time::Monotonic;

use ask::{Ask, Context, Read, Tags};
pub(in crate::engine) use caching::fresh_for;
pub(super) use keys::{FetchedKeys, KeyOwner};
pub(in crate::engine) use pace::{Dice, Pace};
pub(super) use revocations::{RegionList, RegionStatusList};
pub(super) use run::{demand, wake};

pub(super) use revocations::STATUS_LISTS_MAX;

/// The host should have answered a call so much after its deadline; it is given up then, and made again.
const GRACE: Duration = Duration::from_millis(500);
/// Most resources of one scope: what a bundle names, and what tokens may name beside it.
const RESOURCES_MAX: usize = 256;

/// Something that is fetched. Never used again within a VM's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ResourceId {
    pub(super) scope: ScopeId,
    number: u64,
}

/// What is fetched, with what its last good answer said.
pub(super) enum What {
    /// The keys of a Region or a DeviceIssuer.
    Keys(FetchedKeys),
    /// What a Region revoked.
    Revocations(Box<RegionList>),
    /// A list of the status of tokens of a Region.
    Status(RegionStatusList),
}

impl What {
    /// What it is, for the log: visible ASCII.
    pub(super) fn label(&self) -> String {
        match self {
            Self::Keys(keys) => keys.label(),
            Self::Revocations(list) => format!("revocations of {}", list.region),
            Self::Status(list) => format!("status list {} of {}", visible(shorten(&list.uri)), list.region),
        }
    }

    /// What is asked next.
    fn ask(&self) -> Ask {
        match self {
            Self::Keys(keys) => keys.ask(),
            Self::Revocations(list) => list.ask(),
            Self::Status(list) => list.ask(),
        }
    }

    /// An attempt has failed: the next one begins with the first document.
    fn start_over(&mut self) {
        match self {
            Self::Keys(keys) => keys.start_over(),
            Self::Revocations(list) => list.start_over(),
            Self::Status(_) => {}
        }
    }

    /// Whether nobody needs it any more: asked when it is due.
    fn is_idle(&self) -> bool {
        match self {
            Self::Status(list) => list.is_idle(),
            Self::Keys(_) | Self::Revocations(_) => false,
        }
    }

    /// Takes the body of an answer with status 200, or `None` where the server says that nothing changed since the answer with our `ETag`. What it holds already
    /// stays as it is unless the whole answer is good.
    fn read(&mut self, body: Option<&[u8]>, context: &Context<'_>) -> Result<Read, String> {
        match self {
            Self::Keys(keys) => keys.read(body),
            Self::Revocations(list) => list.read(body, context),
            Self::Status(list) => list.read(body, context),
        }
    }
}

/// A resource that a generation wants.
pub(super) struct Want {
    /// SHA-256 of all that decides what it is: a push under which it is the same leaves the resource as it is.
    pub(super) key: [u8; 32],
    pub(super) what: What,
    pub(super) pace: Pace,
}

/// All resources of one scope.
pub(super) struct Fetcher {
    scope: ScopeId,
    resources: Vec<Resource>,
    dice: Dice,
    fingerprints: FingerprintKey,
    last: u64,
}

/// One resource.
pub(super) struct Resource {
    id: ResourceId,
    key: [u8; 32],
    pub(super) what: What,
    pace: Pace,
    /// When the last good answer came.
    good_at: Option<Monotonic>,
    /// Whether that answer may still be used.
    good: bool,
    /// When the next attempt is due.
    due: Monotonic,
    flight: Option<Flight>,
    /// Attempts that failed since the last good answer.
    failures: u32,
    /// From when on a request may have it fetched before it is due.
    early_from: Monotonic,
    /// By address: the `ETag` of the last good answer.
    etags: Vec<(String, String)>,
    /// The one of an attempt of which not all answers are there.
    new_etag: Option<(String, Option<String>)>,
    queue: Queue,
}

/// A call on its way.
#[derive(Clone, Copy)]
struct Flight {
    attempt: u64,
    until: Monotonic,
}

impl Fetcher {
    pub(super) fn new(scope: ScopeId, seed: u64) -> Self {
        Self {
            scope,
            resources: Vec::new(),
            dice: Dice::new(seed),
            fingerprints: FingerprintKey::new(&seed.to_le_bytes()),
            last: 0,
        }
    }

    /// Goes by what this generation wants: what was wanted before stays as it is, what no longer is goes, what is new is due at once.
    pub(super) fn plan(&mut self, generation: &Generation) {
        let wants = self.wants(generation);
        let mut before = core::mem::take(&mut self.resources);
        for want in wants {
            match before.iter().position(|known| known.key == want.key) {
                Some(at) => {
                    let mut resource = before.swap_remove(at);
                    resource.pace = want.pace;
                    self.resources.push(resource);
                }
                None => {
                    self.add(want);
                }
            }
        }
    }

    fn wants(&self, generation: &Generation) -> Vec<Want> {
        let regions = &generation.regions;
        let keys = regions.iter().filter_map(FetchedKeys::of_region);
        let device_issuers = generation.devices.list.iter();
        let keys = keys.chain(device_issuers.filter_map(FetchedKeys::of_device_issuer));
        let lists = regions
            .iter()
            .filter_map(|region| RegionList::wanted(region, &self.fingerprints));
        // What tokens named before they will name again.
        let named = self.resources.iter().filter_map(|resource| match &resource.what {
            What::Status(list) => {
                let region = regions.iter().find(|region| region.name == list.region)?;
                RegionStatusList::wanted(region, &list.uri)
            }
            _ => None,
        });
        keys.chain(lists).chain(named).collect()
    }

    /// Has a status list fetched that a token names; `None` where there are too many already.
    pub(super) fn add_status_list(&mut self, want: Want) -> Option<ResourceId> {
        let What::Status(new) = &want.what else { return None };
        let is_of_region = |what: &What| matches!(what, What::Status(list) if list.region == new.region);
        let count = self
            .resources
            .iter()
            .filter(|resource| is_of_region(&resource.what))
            .count();
        if count >= STATUS_LISTS_MAX {
            return None;
        }
        self.add(want)
    }

    fn add(&mut self, want: Want) -> Option<ResourceId> {
        if self.resources.len() >= RESOURCES_MAX {
            return None;
        }
        let id = ResourceId {
            scope: self.scope,
            number: self.next(),
        };
        self.resources.push(Resource {
            id,
            key: want.key,
            what: want.what,
            pace: want.pace,
            good_at: None,
            good: false,
            due: Monotonic(0),
            flight: None,
            failures: 0,
            early_from: Monotonic(0),
            etags: Vec::new(),
            new_etag: None,
            queue: Queue::default(),
        });
        Some(id)
    }

    /// The first for which `is_meant` holds.
    pub(super) fn find(&self, is_meant: impl Fn(&What) -> bool) -> Option<&Resource> {
        self.resources.iter().find(|resource| is_meant(&resource.what))
    }

    /// The keys of whoever this is.
    pub(super) fn keys_of(&self, owner: KeyOwner<'_>) -> Option<&Resource> {
        self.find(|what| matches!(what, What::Keys(keys) if keys.owner() == owner))
    }

    /// The list of the Region of this name.
    pub(super) fn list_of(&self, region: &str) -> Option<&Resource> {
        self.find(|what| matches!(what, What::Revocations(list) if list.region == region))
    }

    /// The status list of this Region with this URI.
    pub(super) fn status_list(&self, region: &str, uri: &str) -> Option<&Resource> {
        self.find(|what| matches!(what, What::Status(list) if list.uri == uri && list.region == region))
    }

    /// This one, if it is still there.
    pub(super) fn get(&self, id: ResourceId) -> Option<&Resource> {
        self.resources.iter().find(|known| known.id == id)
    }

    /// When the next attempt or check is due.
    pub(super) fn next_due(&self) -> Option<Monotonic> {
        self.resources.iter().map(Resource::next_due).min()
    }

    fn get_mut(&mut self, id: ResourceId) -> Option<(&mut Resource, &mut Dice)> {
        let resource = self.resources.iter_mut().find(|known| known.id == id)?;
        Some((resource, &mut self.dice))
    }

    /// What no resource has, for something else that requests wait for.
    pub(super) fn new_id(&mut self) -> ResourceId {
        ResourceId {
            scope: self.scope,
            number: self.next(),
        }
    }

    fn next(&mut self) -> u64 {
        self.last = self.last.saturating_add(1);
        self.last
    }
}

impl Resource {
    pub(super) fn id(&self) -> ResourceId {
        self.id
    }

    /// Whether its last good answer may be used: there is one, and it is not older than `stale_for`.
    pub(super) fn is_good(&self) -> bool {
        self.good
    }

    /// Who waits for it.
    pub(super) fn queue(&self) -> Queue {
        self.queue.clone()
    }

    /// How long a request may wait for it.
    pub(super) fn wait_for(&self) -> Duration {
        self.pace.wait_for
    }

    /// Whether an attempt ends, or begins, before `until`.
    pub(super) fn is_tried_before(&self, until: Monotonic) -> bool {
        self.flight.is_some() || self.due <= until
    }

    /// Whether a request may have it fetched now, before it is due: not while attempts fail, and seldom.
    pub(super) fn may_be_early(&self, now: Monotonic) -> bool {
        self.flight.is_some() || (self.failures == 0 && self.early_from <= now)
    }

    /// The call to make, unless one is on its way.
    fn send(&mut self, attempt: u64, now: Monotonic) -> Option<Outgoing> {
        if self.flight.is_some() {
            return None;
        }
        self.flight = Some(Flight {
            attempt,
            until: now.after(self.pace.timeout.saturating_add(GRACE)),
        });
        let ask = self.what.ask();
        let mut headers = vec![
            (":method", "GET".to_owned()),
            (":path", ask.path.clone()),
            (":authority", ask.authority.clone()),
            (":scheme", "http".to_owned()),
            ("accept", ask.accept.to_owned()),
        ];
        if let Some(etag) = self.etag(&ask) {
            headers.push(("if-none-match", etag.to_owned()));
        }
        Some(Outgoing {
            cluster: ask.cluster,
            headers,
            body: Vec::new(),
            timeout: self.pace.timeout,
            response_max: ask.max,
        })
    }

    /// Takes an answer to the last call, `None` where the host refused that.
    fn answered(
        &mut self,
        response: Option<Response<'_>>,
        now: Monotonic,
        dice: &mut Dice,
        context: &Context<'_>,
    ) -> Ended {
        self.flight = None;
        match self.take(response, context) {
            Ok(Read::Next) => Ended::Next,
            Ok(Read::Done {
                changed,
                fresh_for,
                notes,
            }) => {
                self.failures = 0;
                if let Some(etag) = self.new_etag.take() {
                    self.remember(etag);
                }
                self.good_at = Some(now);
                let was_good = core::mem::replace(&mut self.good, true);
                let fresh_for = fresh_for.or_else(|| response.and_then(|response| caching::fresh_for(&response)));
                self.due = now.after(self.pace.until_next(fresh_for, dice));
                Ended::Good {
                    changed: changed || !was_good,
                    notes,
                }
            }
            Err(problem) => self.failed(problem, now, dice),
        }
    }

    fn take(&mut self, response: Option<Response<'_>>, context: &Context<'_>) -> Result<Read, String> {
        let response = response.ok_or("the host refuses the call: is there such a cluster?")?;
        let ask = self.what.ask();
        match response.status {
            200 => {
                let max = ask.max >> 10;
                let body = response
                    .body
                    .ok_or_else(|| format!("the answer is larger than {max} KiB"))?;
                let read = self.what.read(Some(body), context)?;
                if matches!(read, Read::Done { .. }) {
                    // What is held now is of this address: a tag of another one's stands for what is not there any more.
                    let first = address(&self.what.ask());
                    self.etags.retain(|(known, _)| *known == first);
                }
                let etag = || (address(&ask), caching::etag(&response));
                match ask.tags {
                    Tags::Document => self.remember(etag()),
                    Tags::Whole => self.new_etag = Some(etag()),
                    Tags::Nothing => {}
                }
                Ok(read)
            }
            304 if self.etag(&ask).is_some() => self.what.read(None, context),
            0 => Err("the answer broke off".to_owned()),
            status => Err(format!("the status is {status}, not 200")),
        }
    }

    fn failed(&mut self, problem: String, now: Monotonic, dice: &mut Dice) -> Ended {
        self.flight = None;
        self.what.start_over();
        self.new_etag = None;
        self.failures = self.failures.saturating_add(1);
        self.due = now.after(self.pace.back_off(self.failures, dice));
        Ended::Failed(problem)
    }

    fn next_due(&self) -> Monotonic {
        let next = self.flight.map_or(self.due, |flight| flight.until);
        let too_old = self.good_at.filter(|_| self.good).map(|good_at| {
            let last = good_at.after(self.pace.stale_for);
            last.after(Duration::from_nanos(1))
        });
        too_old.map_or(next, |too_old| next.min(too_old))
    }

    /// Whether its last good answer has just become too old.
    fn has_expired(&mut self, now: Monotonic) -> bool {
        let old = self
            .good_at
            .is_none_or(|good_at| now.since(good_at) > self.pace.stale_for);
        let expired = self.good && old;
        self.good &= !old;
        expired
    }

    fn etag(&self, ask: &Ask) -> Option<&str> {
        if ask.tags == Tags::Nothing {
            return None;
        }
        let address = address(ask);
        let known = self.etags.iter().find(|(known, _)| *known == address);
        known.map(|(_, etag)| etag.as_str())
    }

    /// A resource has one document or two, so more addresses than that are old ones.
    fn remember(&mut self, (address, etag): (String, Option<String>)) {
        self.etags.retain(|(known, _)| *known != address);
        if let Some(etag) = etag {
            if self.etags.len() > 1 {
                self.etags.remove(0);
            }
            self.etags.push((address, etag));
        }
    }
}

fn address(ask: &Ask) -> String {
    format!("{} {}{}", ask.cluster, ask.authority, ask.path)
}

/// How an attempt ended.
enum Ended {
    /// Another call belongs to it.
    Next,
    /// With a good answer.
    Good { changed: bool, notes: Vec<String> },
    /// It says what was wrong.
    Failed(String),
}
