//! From a token's bytes to a verified identity, and the cache of those.

use core::cell::OnceCell;
use core::net::IpAddr;
use core::time::Duration;
use std::rc::Rc;
use std::sync::Arc;

use super::binding::Binding;
use super::budget::FailureBudget;
use super::claims::{self, ClaimMapping, ClaimPath, Standard};
use super::jws::Jws;
use super::key_ring::KeyRing;
use super::key_table::KeyTable;
use super::keys::{Algorithm, PublicKey};
use super::provider::{Crypto, ForeignProvider};
use super::strict_json::{self, Object};
use super::subject::{Claims, Granted, Identity, SigningKey, Subject};
use super::svid;
use super::verify::SignatureVerifier;
use super::workload::SpiffeId;
use crate::bounded::{Bounded, Found};
use crate::bundle::RegionId;
use crate::bundle::document::{Acceptance, KeySource, Region};
use crate::device::{Device, POSTURE_WEIGHT, Posture};
use crate::reason::Reason;
use crate::time::Now;

/// What the cache of verified tokens may take of a worker's memory, unless told otherwise.
pub const CACHE_BYTES: usize = 8 * 1024 * 1024;

/// What a generation says about whom to trust.
#[derive(Clone, Copy)]
pub struct TrustView<'g> {
    /// The Regions, sorted by name.
    pub regions: &'g [Region],
    /// The one in which this enforcement point stands.
    pub local: RegionId,
    /// Their keys, as they are now.
    pub keys: &'g KeyTable,
    /// SHA-256 of what decides, beside the keys, whether a token verifies: each Region's name, issuer and claim mapping.
    pub trust_digest: &'g [u8; 32],
    /// SHA-256 of the whole bundle: what of a token counts here (`accepts`) depends on it.
    pub generation_digest: &'g [u8; 32],
}

/// A token that does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Why.
    pub reason: Reason,
    /// What may come over the network and change that; until then every cheap check has let the token pass.
    pub awaits: Option<Awaits>,
}

/// What a token may wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Awaits {
    /// The keys of its home region, of which none are there.
    Keys(RegionId),
    /// A key of its home region, whose keys are there and lack it.
    Key(RegionId),
}

impl From<Reason> for Refused {
    fn from(reason: Reason) -> Self {
        Self { reason, awaits: None }
    }
}

/// A verified token at one enforcement point. Whether its sender may use it ([`Binding`]) is another question, which each request answers anew.
#[derive(Debug)]
pub struct Authenticated {
    /// What its home region says.
    pub identity: Rc<Identity>,
    /// What counts of it here.
    pub subject: Subject,
    posture: OnceCell<Box<Result<Posture, Reason>>>,
}

impl Authenticated {
    /// Who this is, and what counts of them here.
    #[must_use]
    pub fn new(identity: Rc<Identity>, subject: Subject) -> Self {
        Self {
            identity,
            subject,
            posture: OnceCell::new(),
        }
    }

    /// The same with another view of what counts.
    #[must_use]
    pub fn with(&self, subject: Subject) -> Self {
        Self {
            identity: Rc::clone(&self.identity),
            subject,
            posture: self.posture.clone(),
        }
    }

    /// The posture of the subject's device, as the token holds it where `mapping` says: that of the home region in the generation that this was made for. It is read
    /// once.
    ///
    /// # Errors
    /// As [`Posture::of_claim`].
    pub fn device(&self, mapping: &ClaimMapping) -> Device<'_> {
        let read = || {
            let path = mapping.device.as_ref().ok_or(Reason::DeviceMissing);
            let claim = |path: &ClaimPath| Posture::of_claim(self.identity.claims.find(path.as_str()));
            Box::new(path.and_then(claim))
        };
        match &**self.posture.get_or_init(read) {
            Ok(posture) => Ok(posture),
            Err(reason) => Err(*reason),
        }
    }
}

/// Verifies tokens for one scope, and remembers the verified ones.
///
/// The cache is keyed by the whole token and holds only what was verified under one trust digest: under another it begins empty. An entry holds as long as the key
/// ring of its home region is the one that it was verified under, so that a key that is removed takes its tokens with it, and no others'. An entry counts as the token's
/// length, an estimate from above of the identity with all its claims and of its [`Subject`], and its place in the table; the sum never exceeds the bound, and
/// what was not used for longest goes first, and only for a token that is seen again: tokens that come once cannot push out those in use. A token that was refused
/// is not remembered.
pub struct Authenticator {
    crypto: Result<Crypto, ForeignProvider>,
    cache: Bounded<Entry>,
    trust: [u8; 32],
}

/// What an [`Authenticator`] remembers of a token, until it is asked for another one.
#[derive(Clone, Copy)]
pub struct Recalled(Found);

/// A token that a request shows.
#[derive(Clone, Copy)]
pub struct Shown<'t> {
    /// The token itself, without its scheme.
    pub text: &'t [u8],
    /// What [`Authenticator::recall`] told of it just now; `None` has it verified.
    pub recalled: Option<Recalled>,
}

/// What the cache holds of a token: the identity as `authenticated` has it, and for which generation and place that was made.
struct Entry {
    authenticated: Rc<Authenticated>,
    /// The digest of its home region's keys.
    ring: [u8; 32],
    generation: [u8; 32],
    local: RegionId,
}

impl Authenticator {
    /// An authenticator whose cache takes at most [`CACHE_BYTES`]; `seed` is random.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            crypto: Crypto::install(),
            cache: Bounded::new(CACHE_BYTES, seed),
            trust: [0; 32],
        }
    }

    /// What the cache has of `token`, under this trust digest: for [`authenticate`](Self::authenticate), and to tell that these bytes were one token before.
    pub fn recall(&mut self, token: &[u8], trust_digest: &[u8; 32]) -> Option<Recalled> {
        if self.trust != *trust_digest {
            self.cache.clear();
            self.trust = *trust_digest;
        }
        self.cache.find(token).map(Recalled)
    }

    /// Who a token says is asking, and whether the cache knew.
    ///
    /// The order is that of growing cost: the cache; size and form; issuer and region; whether that region counts here; key and algorithm; time; audience; sender
    /// binding; the peer's budget; then the signature, once. Until then the claims choose nothing but the Region and its key. Whatever is not a property of the
    /// signature alone (acceptance, time, lifetime, audience) is checked on a cache hit too. A hit allocates nothing, but the first under a new generation.
    pub fn authenticate(
        &mut self,
        shown: Shown<'_>,
        view: TrustView<'_>,
        now: &Now<'_>,
        verifier: &Rc<dyn SignatureVerifier>,
        budget: &mut FailureBudget,
        peer: &dyn Fn() -> Option<IpAddr>,
    ) -> (Result<Rc<Authenticated>, Refused>, bool) {
        let Some(local) = view.regions.get(view.local.index()) else {
            return (Err(Reason::RegionUnknown.into()), false);
        };
        let place = Place { view, local };
        let Shown { text: token, recalled } = shown;
        let recalled = recalled.filter(|_| self.trust == *view.trust_digest);
        let entry = recalled.and_then(|Recalled(found)| self.cache.at(found));
        match entry.map(|entry| entry.serve(place, now)) {
            Some(Served::Known(served)) => {
                if matches!(served, Err(refused) if refused.reason == Reason::TokenExpired) {
                    self.cache.remove(token);
                }
                return (served, true);
            }
            Some(Served::OtherKeys) => {
                self.cache.remove(token);
            }
            None => {}
        }
        (self.verify(token, place, now, verifier, budget, peer), false)
    }

    fn verify(
        &mut self,
        token: &[u8],
        place: Place<'_>,
        now: &Now<'_>,
        verifier: &Rc<dyn SignatureVerifier>,
        budget: &mut FailureBudget,
        peer: &dyn Fn() -> Option<IpAddr>,
    ) -> Result<Rc<Authenticated>, Refused> {
        let crypto = self.crypto.map_err(|ForeignProvider| Reason::ForeignVerifier)?;
        let unverified = Unverified::read(token, place, now)?;
        budget.admit(now, peer)?;
        let subject_weight = Subject::weight_of(&unverified.granted);
        let Some(authenticated) = unverified.verify(place, crypto, verifier) else {
            budget.failed(now, peer);
            return Err(Reason::TokenSignature.into());
        };
        let authenticated = Rc::new(authenticated);
        self.remember(token, &authenticated, subject_weight, place.view);
        Ok(authenticated)
    }

    fn remember(
        &mut self,
        token: &[u8],
        authenticated: &Rc<Authenticated>,
        subject_weight: usize,
        view: TrustView<'_>,
    ) {
        let cost = [
            Bounded::<Entry>::SLOT_BYTES,
            token.len(),
            authenticated.identity.weight(),
            subject_weight,
        ];
        let Some(ring) = view.keys.digest(authenticated.identity.home) else {
            return;
        };
        // What the cache holds was verified under one trust digest.
        if self.trust != *view.trust_digest {
            return;
        }
        let entry = Entry {
            authenticated: Rc::clone(authenticated),
            ring: *ring,
            generation: *view.generation_digest,
            local: view.local,
        };
        self.cache
            .offer(token, entry, cost.into_iter().fold(0, usize::saturating_add));
    }
}

/// What the cache has of a token.
enum Served {
    /// It was verified under the keys that hold now, or there are none that hold.
    Known(Result<Rc<Authenticated>, Refused>),
    /// It was verified under others, and has to be again.
    OtherKeys,
}

impl Entry {
    /// The identity, if it still counts.
    fn serve(&mut self, place: Place<'_>, now: &Now<'_>) -> Served {
        let home = self.authenticated.identity.home;
        match place.view.keys.digest(home) {
            Some(ring) if *ring == self.ring => Served::Known(self.check(place, now).map_err(Refused::from)),
            Some(_) => Served::OtherKeys,
            None => {
                let checked = self.check(place, now).map_err(Refused::from);
                Served::Known(checked.and(Err(no_keys(home))))
            }
        }
    }

    fn check(&mut self, place: Place<'_>, now: &Now<'_>) -> Result<Rc<Authenticated>, Reason> {
        let identity = &self.authenticated.identity;
        let home = place
            .view
            .regions
            .get(identity.home.index())
            .ok_or(Reason::RegionMismatch)?;
        let accepted = place.accepts(identity.home, &home.name, identity.workload.as_ref())?;
        identity.times.check(now.wall.numeric_date(), place.lifetime(home))?;
        place.check_audience(identity.audiences.iter().map(String::as_str))?;
        if self.generation != *place.view.generation_digest || self.local != place.view.local {
            let granted = identity.claims.granted(&home.claims)?;
            let subject = Subject::at(place.local, identity.home, granted, accepted);
            self.authenticated = Rc::new(Authenticated::new(Rc::clone(identity), subject));
            (self.generation, self.local) = (*place.view.generation_digest, place.view.local);
        }
        Ok(Rc::clone(&self.authenticated))
    }
}

/// Where a token is judged.
#[derive(Clone, Copy)]
struct Place<'g> {
    view: TrustView<'g>,
    local: &'g Region,
}

impl<'g> Place<'g> {
    fn region(self, id: RegionId) -> Result<(RegionId, &'g Region), Reason> {
        let region = self.view.regions.get(id.index());
        region.map(|region| (id, region)).ok_or(Reason::RegionMismatch)
    }

    /// The one Region with this issuer that the claims name by its own mapping.
    fn home(self, issuer: &str, claims: &Object<'_>) -> Result<(RegionId, &'g Region), Reason> {
        let numbered = (0..).map(RegionId).zip(self.view.regions);
        let mut candidates = numbered.filter(|(_, region)| region.issuer == issuer).peekable();
        if candidates.peek().is_none() {
            return Err(Reason::IssuerUnknown);
        }
        let mut named = candidates.filter(|(_, region)| region.claims.region.names(claims, &region.name));
        match (named.next(), named.next()) {
            (Some(only), None) => Ok(only),
            _ => Err(Reason::RegionMismatch),
        }
    }

    /// The local Region's entry for a home region; none is needed where that is the local one. A workload that does not count here by its certificate does not by
    /// its token either.
    fn accepts(
        self,
        home: RegionId,
        name: &str,
        workload: Option<&SpiffeId>,
    ) -> Result<Option<&'g Acceptance>, Reason> {
        if home == self.view.local {
            return Ok(None);
        }
        let entry = self.local.accepts.iter().find(|entry| entry.home == name);
        let entry = entry.ok_or(Reason::RegionNotAccepted)?;
        let counts = |workload: &SpiffeId| entry.workloads.iter().any(|pattern| pattern.matches(workload));
        match workload.is_none_or(counts) {
            true => Ok(Some(entry)),
            false => Err(Reason::WorkloadNotAccepted),
        }
    }

    /// The longest lifetime: the stricter of what the home region promises and what the local one demands.
    fn lifetime(self, home: &Region) -> Option<Duration> {
        [home.max_token_lifetime, self.local.max_token_lifetime]
            .into_iter()
            .flatten()
            .min()
    }

    /// The key that is meant to verify a token, among those that its home region has now.
    fn key(
        self,
        home: RegionId,
        region: &Region,
        kid: Option<&str>,
        algorithm: Algorithm,
        is_svid: bool,
    ) -> Result<&'g Arc<PublicKey>, Refused> {
        let is_inline = matches!(region.keys.source, KeySource::Inline(_));
        let allowed = region.keys.algorithms.as_deref();
        let ring = self.view.keys.ring(home);
        let select = |ring: &'g KeyRing| match is_svid {
            true => ring.select_for_svid(kid, algorithm),
            false => ring.select(kid, algorithm),
        };
        match ring.map(select) {
            Some(Ok(key)) => Ok(key),
            Some(Err(reason)) if is_inline || reason != Reason::KeyUnknown || kid.is_none() => Err(reason.into()),
            // No key that may come could verify it.
            _ if allowed.is_some_and(|allowed| !allowed.contains(&algorithm)) => Err(Reason::TokenAlgorithm.into()),
            Some(Err(reason)) => Err(Refused {
                reason,
                awaits: Some(Awaits::Key(home)),
            }),
            None => Err(no_keys(home)),
        }
    }

    /// What the claims say, if they count here and now.
    fn standard<'c>(self, claims: &'c Object<'_>, home: &Region, now: &Now<'_>) -> Result<Standard<'c>, Reason> {
        let standard = Standard::read(claims, &home.claims)?;
        standard.times.check(now.wall.numeric_date(), self.lifetime(home))?;
        self.check_audience(standard.audiences.iter().copied())?;
        Ok(standard)
    }

    fn check_audience<'a>(self, mut audiences: impl Iterator<Item = &'a str>) -> Result<(), Reason> {
        match audiences.any(|audience| self.local.audiences.iter().any(|ours| ours == audience)) {
            true => Ok(()),
            false => Err(Reason::TokenAudience),
        }
    }
}

/// A token that passed every check but its signature: nothing of it leaves this file before that one.
struct Unverified<'t, 'g> {
    signing_input: &'t str,
    signature: &'t str,
    algorithm: Algorithm,
    key: &'g Arc<PublicKey>,
    identity: Identity,
    granted: Granted,
    accepted: Option<&'g Acceptance>,
}

impl<'t, 'g> Unverified<'t, 'g> {
    fn read(token: &'t [u8], place: Place<'g>, now: &Now<'_>) -> Result<Self, Refused> {
        let jws = Jws::parse(token)?;
        let payload = String::from_utf8(jws.payload).map_err(|_| Reason::TokenMalformed)?;
        let claims = strict_json::object(&payload).ok_or(Reason::TokenMalformed)?;
        let svid = svid::read(&claims, place.view.regions)?;
        let (home, region) = match &svid {
            Some(svid) => place.region(svid.home)?,
            None => place.home(claims::issuer(&claims)?, &claims)?,
        };
        if svid.is_none() && svid::poses_as_workload(&claims, region) {
            return Err(Reason::WorkloadNotAccepted.into());
        }
        if svid.is_none() && jws.header.is_of_svid {
            return Err(Reason::TokenType.into());
        }
        let is_svid = svid.is_some();
        let workload = svid.map(|svid| svid.workload);
        let accepted = place.accepts(home, &region.name, workload.as_ref())?;
        let algorithm = jws.header.algorithm()?;
        let key = place.key(home, region, jws.header.kid.as_deref(), algorithm, is_svid);
        let standard = match (key, place.standard(&claims, region, now)) {
            (Ok(_), standard) => standard?,
            // Only a token that would do but for its key is worth a call.
            (
                Err(Refused {
                    awaits: Some(Awaits::Keys(_)),
                    ..
                }),
                Err(reason),
            ) => return Err(reason.into()),
            (Err(refused), Err(_)) => return Err(refused.reason.into()),
            (Err(refused), Ok(_)) => return Err(refused),
        };
        let key = key?;
        let binding = Binding::read(claims.get("cnf"), token)?;
        // Read before the signature, so that whoever holds a validly signed token of a wrong form cannot have it verified again and again.
        let audiences = standard.audiences.iter().copied().map(str::to_owned).collect();
        let subject = standard.subject.to_owned();
        let times = standard.times;
        let signed_by = SigningKey {
            kid: jws
                .header
                .kid
                .or_else(|| place.view.keys.ring(home)?.name_of(key).map(str::to_owned)),
            thumbprint: *key.thumbprint(),
        };
        let granted = Granted::read(&claims, &region.claims)?;
        let device = region.claims.device.as_ref().and_then(|path| path.find(&claims));
        let weight = Claims::weight_of(&claims).saturating_add(device.map_or(0, |_| POSTURE_WEIGHT));
        let identity = Identity {
            home,
            home_name: region.name.clone(),
            issuer: region.issuer.clone(),
            subject,
            workload,
            audiences,
            times,
            binding,
            key: signed_by,
            claims: Claims::new(payload, weight),
        };
        Ok(Self {
            signing_input: jws.signing_input,
            signature: jws.signature,
            algorithm,
            key,
            identity,
            granted,
            accepted,
        })
    }

    /// The identity, if the signature is the key's.
    fn verify(self, place: Place<'_>, crypto: Crypto, verifier: &Rc<dyn SignatureVerifier>) -> Option<Authenticated> {
        let Self {
            signing_input,
            signature,
            algorithm,
            key,
            identity,
            granted,
            accepted,
        } = self;
        if !crypto.verify(verifier, algorithm, key, signing_input, signature) {
            return None;
        }
        let subject = Subject::at(place.local, identity.home, granted, accepted);
        Some(Authenticated::new(Rc::new(identity), subject))
    }
}

fn no_keys(home: RegionId) -> Refused {
    Refused {
        reason: Reason::KeysUnavailable,
        awaits: Some(Awaits::Keys(home)),
    }
}

#[cfg(test)]
#[cfg(feature = "ring")]
#[path = "authenticate_tests.rs"]
mod tests;
