//! DPoP (RFC 9449): a token that is bound to a key counts with a proof that the sender holds it, made for this request and used once.
//!
//! A proof that was seen is remembered for as long as it could be valid again, so that nobody who reads one can use it a second time; what cannot be remembered is
//! refused. A worker knows only what it saw itself since its VM began. So a proof counts by its time (`iat`) only if it was made after that; any other one
//! is answered with a nonce, which only this worker takes, and with which the client makes a new proof.

mod nonce;
mod proof;
mod seen;

use core::net::IpAddr;
use core::time::Duration;
use std::rc::Rc;

use super::binding::Thumbprint;
use super::budget::FailureBudget;
use super::provider::{Crypto, ForeignProvider};
use super::verify::SignatureVerifier;
use crate::reason::Reason;
use crate::request::{Authority, CanonicalPath, PathOptions, Scheme};
use crate::time::{Now, WallTime};
use nonce::Nonces;
use proof::{Proof, Target};
use seen::Seen;

pub use nonce::{NONCE_SECONDS, NonceKey};
pub use proof::{ALGORITHMS, MAX_JTI_BYTES, MAX_PROOF_BYTES};
pub use seen::PROOFS_MAX;

/// How far a client's clock may be ahead of ours, in seconds. Further, and a proof could be made long before it is used.
pub const AHEAD_SECONDS: u64 = 10;

/// `tokens.dpop`: what is demanded of proofs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DpopOptions {
    /// `nonce: required`: every proof bears a nonce of this worker.
    pub nonce_required: bool,
    /// `maxAge`: how old a proof without a nonce may be.
    pub max_age: Duration,
}

impl Default for DpopOptions {
    fn default() -> Self {
        Self {
            nonce_required: false,
            max_age: Duration::from_secs(60),
        }
    }
}

/// A request with a token that is bound to a key.
pub struct Presented<'a> {
    /// The values of all `DPoP` headers.
    pub proofs: &'a [&'a [u8]],
    /// The token's `cnf.jkt`.
    pub key: &'a Thumbprint,
    /// SHA-256 of the token.
    pub token: &'a [u8; 32],
    /// The home region's name and the `sub`: whose proofs count as one's, so that nobody can fill the table.
    pub subject: (&'a str, &'a str),
    /// The request's method.
    pub method: &'a str,
    /// The scheme that it came with.
    pub scheme: Option<Scheme>,
    /// The authority as received; it has the form of one.
    pub authority: &'a [u8],
    /// Its path in canonical form.
    pub path: &'a CanonicalPath<'a>,
    /// How paths are read.
    pub paths: &'a PathOptions,
}

/// Who verifies what, for one check.
pub struct Judge<'a, 'n> {
    /// What the bundle demands.
    pub options: &'a DpopOptions,
    /// The time.
    pub now: &'a Now<'n>,
    /// Who verifies signatures.
    pub verifier: &'a Rc<dyn SignatureVerifier>,
    /// What failing signatures may cost.
    pub budget: &'a mut FailureBudget,
    /// Who is charged for them.
    pub peer: &'a dyn Fn() -> Option<IpAddr>,
}

/// The proofs that one VM has seen, and the nonces that it gives.
pub struct Proofs {
    crypto: Result<Crypto, ForeignProvider>,
    seen: Seen,
    nonces: Option<Nonces>,
    /// The longest `maxAge` of any bundle of this VM: what was seen is remembered for that long.
    longest: Duration,
    /// When this VM began; `None`: nobody has said, so no proof is young enough.
    began: Option<WallTime>,
}

impl Proofs {
    /// Nothing was seen; at most [`PROOFS_MAX`] proofs are remembered at a time. `seed` is random.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self::with_places(PROOFS_MAX, seed)
    }

    /// The same for at most `places` proofs.
    #[must_use]
    pub fn with_places(places: usize, seed: u64) -> Self {
        Self {
            crypto: Crypto::install(),
            seen: Seen::new(places, seed),
            nonces: None,
            longest: Duration::ZERO,
            began: None,
        }
    }

    /// From `time` on, this VM sees every proof that comes to its worker.
    pub fn begin(&mut self, time: WallTime) {
        self.began = self.began.max(Some(time));
    }

    /// Whether the request bears exactly one proof, made for it, by the key, not long ago, and never seen before. The order is that of growing cost; the
    /// signature comes last, and only a proof with a good one is remembered.
    ///
    /// # Errors
    /// [`Reason::ProofMissing`], [`Reason::ProofInvalid`], [`Reason::ProofNonce`] (a nonce would help: see [`nonce`](Self::nonce)), [`Reason::ProofReplayed`],
    /// [`Reason::ProofBudget`], [`Reason::VerificationBudget`].
    pub fn check(&mut self, request: &Presented<'_>, judge: &mut Judge<'_, '_>) -> Result<(), Reason> {
        let crypto = self.crypto.map_err(|ForeignProvider| Reason::ForeignVerifier)?;
        let text = match *request.proofs {
            [] => return Err(Reason::ProofMissing),
            [one] => one,
            // More than one is as good as none (RFC 9449 §4.3).
            _ => return Err(Reason::ProofInvalid),
        };
        let proof = Proof::read(text, request.key).ok_or(Reason::ProofInvalid)?;
        let target = Target {
            method: request.method,
            scheme: request.scheme,
            authority: request.authority,
            path: request.path,
            paths: request.paths,
        };
        if !proof.is_for(&target, request.token) {
            return Err(Reason::ProofInvalid);
        }
        let now = judge.now.wall;
        self.mind_the_clock(now);
        let until = self.valid_until(&proof, judge.options, now)?;
        let subject = self.seen.subject(request.subject.0, request.subject.1);
        let place = self
            .seen
            .place(request.key, &proof.id, subject, until, now.unix_seconds())?;
        judge.budget.admit(judge.now, judge.peer)?;
        if !proof.verify(crypto, judge.verifier) {
            judge.budget.failed(judge.now, judge.peer);
            return Err(Reason::ProofInvalid);
        }
        self.seen.remember(place);
        Ok(())
    }

    /// A nonce for a client whose proof wants one; the key is made at the first. Without random bytes there is none.
    pub fn nonce(&mut self, now: WallTime, random: impl FnOnce() -> Option<NonceKey>) -> Option<String> {
        if self.nonces.is_none() {
            self.nonces = random().map(Nonces::new);
        }
        Some(self.nonces.as_ref()?.issue(now))
    }

    /// Where the clock was set back further than a nonce lasts, what was forgotten in the meantime could be used again, and no nonce of now lasts until the time
    /// that was told already. So all of it begins anew, as in a new VM: nonces have another key, and proofs count by their time only if they were made after that time.
    fn mind_the_clock(&mut self, now: WallTime) {
        if let Some(told) = self.seen.set_back(now.unix_seconds(), NONCE_SECONDS) {
            let told = Duration::from_secs(u64::try_from(told).unwrap_or_default());
            self.nonces = None;
            // To the end of that second.
            self.begin(WallTime(0).after(told.saturating_add(Duration::from_secs(1))));
        }
    }

    /// Until when the proof could be used, in seconds since the Unix epoch.
    ///
    /// By its own time it may be used where it was made after this VM began, and not too long ago; with a nonce of ours it may be older, since the nonce says
    /// that it was made lately (RFC 9449 §4.3, item 11). From the future it never is: it could be kept until this VM is gone.
    fn valid_until(&mut self, proof: &Proof<'_>, options: &DpopOptions, now: WallTime) -> Result<i64, Reason> {
        if options.max_age > self.longest {
            // What was forgotten by the shorter age could be used again by the longer one.
            if !self.seen.is_new() {
                self.begin(now);
            }
            self.longest = options.max_age;
        }
        let ahead = Duration::from_secs(AHEAD_SECONDS);
        if proof.issued > now.after(ahead).numeric_date() {
            return Err(Reason::ProofInvalid);
        }
        let nonces = self.nonces.as_ref();
        let given = proof.nonce.as_deref().and_then(|nonce| nonces?.issued(nonce));
        let nonce_end = given.map(|given| given.saturating_add(NONCE_SECONDS));
        let by_nonce = given
            .zip(nonce_end)
            .is_some_and(|(given, end)| (given..=end).contains(&now.unix_seconds()));
        // An earlier VM may have taken proofs from as far in the future as we do.
        let ours = |began: WallTime| proof.issued >= began.after(ahead).numeric_date();
        let by_time = !options.nonce_required
            && self.began.is_some_and(ours)
            && proof.issued + options.max_age.as_secs_f64() >= now.numeric_date();
        let end = seconds((proof.issued + self.longest.as_secs_f64()).ceil());
        match by_nonce || by_time {
            true => Ok(nonce_end.map_or(end, |nonce_end| nonce_end.max(end))),
            false => Err(Reason::ProofNonce),
        }
    }
}

/// A number of seconds that was compared with the time.
#[expect(
    clippy::cast_possible_truncation,
    reason = "`as` saturates, and a NumericDate is at most 2^53"
)]
fn seconds(time: f64) -> i64 {
    time as i64
}

impl Target<'_> {
    /// Whether `htu` means this request: the same authority and path, whatever query and fragment stand behind it (RFC 9449 §4.3), after both were brought into
    /// one form (RFC 3986 §6.2.2 and §6.2.3).
    ///
    /// The scheme is `https`, or the one that the request came with: TLS may have ended before this proxy, and whoever ended it says so in ways that
    /// differ. It binds a proof to nothing that authority and path do not.
    fn is_meant_by(&self, htu: &str) -> bool {
        self.try_meant_by(htu).unwrap_or(false)
    }

    fn try_meant_by(&self, htu: &str) -> Option<bool> {
        let (scheme, rest) = htu.split_once("://")?;
        let scheme = Scheme::parse(scheme.as_bytes())?;
        if scheme != Scheme::Https && Some(scheme) != self.scheme {
            return Some(false);
        }
        let rest = rest.split(['?', '#']).next()?;
        let (authority, path) = rest.split_at_checked(rest.find('/').unwrap_or(rest.len()))?;
        let path = if path.is_empty() { "/" } else { path };
        let read = |authority: &'_ [u8]| {
            Authority::parse(authority, Some(scheme))
                .map(Authority::into_owned)
                .ok()
        };
        // The same scheme for both: a port that it makes the default counts as absent on either side.
        if read(authority.as_bytes())? != read(self.authority)? {
            return Some(false);
        }
        let lenient = PathOptions {
            strict: false,
            ..*self.paths
        };
        let path = crate::request::canonicalise(path.as_bytes(), &lenient).ok()?;
        Some(path.path() == self.path.path())
    }
}

#[cfg(test)]
#[cfg(feature = "ring")]
#[path = "dpop/tests.rs"]
#[expect(clippy::arithmetic_side_effects, reason = "times and counters of tests are small")]
mod tests;
