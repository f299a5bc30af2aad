//! Posture tokens: what a device manager signed, and the cache of those that were verified.

use core::net::IpAddr;
use std::rc::Rc;

use super::issuer::{DeviceIssuer, DeviceIssuers};
use super::posture::{POSTURE_WEIGHT, Posture};
use crate::bounded::Bounded;
use crate::bundle::RegionId;
use crate::bundle::document::KeySource;
use crate::identity::{
    Authenticated, Crypto, FailureBudget, ForeignProvider, KeyTable, SignatureVerifier, Statement, StatementTimes,
};
use crate::reason::Reason;
use crate::time::Now;

/// The longest posture token, in bytes.
pub const POSTURE_TOKEN_BYTES: usize = 8 * 1024;
/// What the cache of verified posture tokens may take of a worker's memory.
const CACHE_BYTES: usize = 2 * 1024 * 1024;

/// A posture whose signature was verified. Of whom it is, and whether it still holds, is asked anew on every request.
#[derive(Debug)]
pub struct Attested {
    /// What it says.
    pub posture: Posture,
    /// Which of the generation's DeviceIssuers signed it.
    issuer: usize,
    times: StatementTimes,
    subject: String,
    home: Option<String>,
    user_issuer: Option<String>,
}

/// A posture token as it came.
#[derive(Clone, Copy)]
pub struct ShownPosture<'a> {
    /// The token.
    pub token: &'a [u8],
    /// The header in which it came, in lower case.
    pub header: &'a str,
    /// Who sent it.
    pub who: &'a Authenticated,
}

/// What it takes to verify one.
pub struct PostureMeans<'a, 'n> {
    /// Now.
    pub now: &'a Now<'n>,
    /// What computes signatures.
    pub verifier: &'a Rc<dyn SignatureVerifier>,
    /// Of signatures that do not verify.
    pub budget: &'a mut FailureBudget,
    /// Who is counted.
    pub peer: &'a dyn Fn() -> Option<IpAddr>,
}

/// What a generation says about whom to believe.
#[derive(Clone, Copy)]
pub struct DeviceTrust<'g> {
    /// Its DeviceIssuers.
    pub issuers: &'g DeviceIssuers,
    /// All keys as they are now: of the Regions, then of the DeviceIssuers.
    pub keys: &'g KeyTable,
    /// How many Regions there are.
    pub regions: usize,
}

/// A posture that does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unproven {
    /// Why.
    pub reason: Reason,
    /// Whose keys may come over the network and change that.
    pub awaits: Option<AwaitsKeys>,
}

/// What a posture may wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AwaitsKeys {
    /// The DeviceIssuer, by its place in the list.
    pub issuer: usize,
    /// Its keys are there, and lack the one that is named.
    pub early: bool,
}

impl From<Reason> for Unproven {
    fn from(reason: Reason) -> Self {
        Self { reason, awaits: None }
    }
}

/// Verifies the posture tokens of one scope, and remembers the verified ones: keyed by the whole token, under one digest of the DeviceIssuers, and each as long as
/// the keys of its issuer are those that it was verified under.
pub struct PostureTokens {
    crypto: Result<Crypto, ForeignProvider>,
    cache: Bounded<Entry>,
    trust: [u8; 32],
}

struct Entry {
    attested: Rc<Attested>,
    /// The digest of its issuer's keys.
    ring: [u8; 32],
}

impl PostureTokens {
    /// Nothing is known yet; `seed` is random.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            crypto: Crypto::install(),
            cache: Bounded::new(CACHE_BYTES, seed),
            trust: [0; 32],
        }
    }

    /// What a posture token says of the device of whose request it came with.
    ///
    /// The order is that of growing cost: the cache; size and form; issuer, type, audience and time; of whom it is; the key; the form of the posture; the peer's
    /// budget; then the signature, once. Time, subject and keys are looked at on a cache hit too.
    ///
    /// # Errors
    /// Why it counts as absent.
    pub fn read(
        &mut self,
        shown: ShownPosture<'_>,
        trust: DeviceTrust<'_>,
        means: PostureMeans<'_, '_>,
    ) -> Result<Rc<Attested>, Unproven> {
        let ShownPosture { token, header, who } = shown;
        let PostureMeans {
            now,
            verifier,
            budget,
            peer,
        } = means;
        if self.trust != trust.issuers.digest {
            self.cache.clear();
            self.trust = trust.issuers.digest;
        }
        if let Some(Entry { attested, ring }) = self.cache.get(token) {
            if trust.keys.digest(row(trust, attested.issuer)) == Some(&*ring) {
                let attested = Rc::clone(attested);
                let issuer = trust.issuers.list.get(attested.issuer).ok_or(Reason::DeviceInvalid)?;
                attested.check(issuer, header, who, now)?;
                return Ok(attested);
            }
            self.cache.remove(token);
        }
        if token.len() > POSTURE_TOKEN_BYTES {
            return Err(Reason::DeviceInvalid.into());
        }
        let statement = Statement::parse(token).map_err(|_| Reason::DeviceInvalid)?;
        let mut numbered = trust.issuers.list.iter().enumerate();
        let found = numbered.find(|(_, issuer)| issuer.issuer == statement.issuer);
        let (number, issuer) = found.ok_or(Reason::DeviceInvalid)?;
        if !statement.is_of_type(issuer.kind.as_deref()) || !statement.is_for(&issuer.audiences) {
            return Err(Reason::DeviceInvalid.into());
        }
        let attested = Attested::read(&statement, number, issuer)?;
        attested.check(issuer, header, who, now)?;
        let ring = trust.keys.ring(row(trust, number));
        let is_inline = matches!(issuer.keys.source, KeySource::Inline(_));
        let key = match ring.map(|ring| statement.key(ring)) {
            Some(Ok(key)) => key,
            Some(Err(Reason::KeyUnknown)) if !is_inline && statement.names_its_key() => {
                return Err(awaiting(Reason::DeviceInvalid, number, true));
            }
            Some(Err(_)) => return Err(Reason::DeviceInvalid.into()),
            None => return Err(awaiting(Reason::DeviceKeysUnavailable, number, false)),
        };
        let crypto = self.crypto.map_err(|ForeignProvider| Reason::ForeignVerifier)?;
        budget.admit(now, peer)?;
        if !statement.verifies(key, crypto, verifier) {
            budget.failed(now, peer);
            return Err(Reason::DeviceInvalid.into());
        }
        let attested = Rc::new(attested);
        if let Some(ring) = trust.keys.digest(row(trust, number)) {
            let cost = [
                Bounded::<Entry>::SLOT_BYTES,
                token.len(),
                statement.weight(),
                POSTURE_WEIGHT,
            ];
            let entry = Entry {
                attested: Rc::clone(&attested),
                ring: *ring,
            };
            let cost = cost.into_iter().fold(size_of::<Attested>(), usize::saturating_add);
            self.cache.offer(token, entry, cost);
        }
        Ok(attested)
    }
}

impl Attested {
    fn read(statement: &Statement<'_>, number: usize, issuer: &DeviceIssuer) -> Result<Self, Reason> {
        let claims = &statement.claims;
        let text = |path: &crate::identity::ClaimPath| {
            let text = claims.find(path.as_str()).and_then(serde_json::Value::as_str);
            text.map(str::to_owned).ok_or(Reason::DeviceOtherSubject)
        };
        let binding = &issuer.binding;
        let posture = Posture::read(|field| claims.find(issuer.claim(field)?.as_str()), claims.get("cnf"))?;
        Ok(Self {
            posture,
            issuer: number,
            times: statement.times,
            subject: text(&binding.subject)?,
            home: binding.home.as_ref().map(text).transpose()?,
            user_issuer: binding.issuer.as_ref().map(text).transpose()?,
        })
    }

    /// Whether it came where its issuer's postures come, holds now, and is of the device of `who`.
    fn check(&self, issuer: &DeviceIssuer, header: &str, who: &Authenticated, now: &Now<'_>) -> Result<(), Reason> {
        if issuer.header != header {
            return Err(Reason::DeviceInvalid);
        }
        let identity = &who.identity;
        let binding = &issuer.binding;
        let own = identity
            .claims
            .find(binding.token.as_str())
            .and_then(serde_json::Value::as_str);
        let is_theirs = own == Some(self.subject.as_str())
            && !self.subject.is_empty()
            && self.home.as_ref().is_none_or(|home| *home == identity.home_name)
            && self
                .user_issuer
                .as_ref()
                .is_none_or(|issuer| *issuer == identity.issuer)
            && binding
                .regions
                .as_ref()
                .is_none_or(|known| known.contains(&identity.home_name));
        if !is_theirs {
            return Err(Reason::DeviceOtherSubject);
        }
        match self.times.hold(now.wall.numeric_date(), issuer.max_age.as_secs_f64()) {
            true => Ok(()),
            false => Err(Reason::DeviceStale),
        }
    }
}

/// Where the keys of a DeviceIssuer stand in the table: behind those of all Regions.
pub fn row(trust: DeviceTrust<'_>, issuer: usize) -> RegionId {
    let row = trust.regions.saturating_add(issuer);
    RegionId(u16::try_from(row).unwrap_or(u16::MAX))
}

fn awaiting(reason: Reason, issuer: usize, early: bool) -> Unproven {
    Unproven {
        reason,
        awaits: Some(AwaitsKeys { issuer, early }),
    }
}
