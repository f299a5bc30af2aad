//! The device that a request comes from, as far as anybody who knows it says.

use std::rc::Rc;

use super::authorize::Bench;
use super::connection::Connection;
use super::scope::{Scope, Verified};
use crate::bundle::Generation;
use crate::device::{
    Attested, AwaitsKeys, Device, DeviceIssuer, DeviceTrust, Posture, PostureMeans, ShownPosture, Unproven,
};
use crate::identity::{Authenticated, is_header};
use crate::reason::Reason;
use crate::request::Headers;

/// What was seen of the device of somebody whose token was taken for valid.
#[derive(Clone)]
pub(super) enum Seen {
    /// Their token holds a posture that counts.
    Claim,
    /// A device manager's posture came with the request, and counts.
    Token(Rc<Attested>),
    /// Nothing that counts.
    Nothing {
        /// Why.
        reason: Reason,
        /// Whose keys may change that.
        awaits: Option<AwaitsKeys>,
    },
}

impl Seen {
    /// Whether nobody looked at its signature, because too many others were bad.
    pub(super) fn is_unaffordable(&self) -> bool {
        matches!(self, Self::Nothing { reason, .. } if *reason == Reason::VerificationBudget)
    }
}

impl From<Unproven> for Seen {
    fn from(unproven: Unproven) -> Self {
        Self::Nothing {
            reason: unproven.reason,
            awaits: unproven.awaits,
        }
    }
}

impl From<Reason> for Seen {
    fn from(reason: Reason) -> Self {
        Unproven::from(reason).into()
    }
}

/// What is known of the device of `who`, of which this was `seen`.
pub(super) fn known<'f>(seen: Option<&'f Seen>, who: Option<&'f Authenticated>, generation: &Generation) -> Device<'f> {
    match (seen, who) {
        (Some(Seen::Claim), Some(who)) => claimed(who, generation),
        (Some(Seen::Token(attested)), Some(_)) => Ok(&attested.posture),
        (Some(Seen::Nothing { reason, .. }), _) => Err(*reason),
        _ => Err(Reason::DeviceMissing),
    }
}

/// What the token of `who` says of their device.
fn claimed<'w>(who: &'w Authenticated, generation: &Generation) -> Device<'w> {
    let region = generation.region(who.identity.home).ok_or(Reason::DeviceMissing)?;
    who.device(&region.claims)
}

/// The one posture token of a request, and the header that it came in.
fn shown<'h, 'g>(headers: Headers<'h>, issuers: &'g [DeviceIssuer]) -> Result<Option<(&'h [u8], &'g str)>, Reason> {
    let mut found = None;
    for (name, value) in &headers {
        let Some(issuer) = issuers.iter().find(|issuer| is_header(name, &issuer.header)) else {
            continue;
        };
        if found.is_some() {
            return Err(Reason::DeviceAmbiguous);
        }
        found = Some((name, value, issuer.header.as_str()));
    }
    match found {
        None => Ok(None),
        Some((name, value, header)) if name.eq_ignore_ascii_case(header.as_bytes()) => Ok(Some((value, header))),
        // Only some servers take this name for it.
        Some(_) => Err(Reason::DeviceInvalid),
    }
}

impl Bench<'_, '_> {
    /// Looks at the device of `who`. A posture token that came is the posture, whether it counts or not; without one it is the claim of the user's own token.
    pub(super) fn device(&mut self, headers: Headers<'_>, who: &Authenticated, generation: &Generation) -> Seen {
        match shown(headers, &generation.devices.list) {
            Err(reason) => reason.into(),
            Ok(None) => match claimed(who, generation) {
                Ok(posture) => self.if_shown(Seen::Claim, posture, headers, who, generation),
                Err(reason) => reason.into(),
            },
            Ok(Some((token, header))) => {
                let shown = ShownPosture { token, header, who };
                match self.attested(shown, headers, generation) {
                    Ok(attested) => {
                        let seen = Seen::Token(Rc::clone(&attested));
                        self.if_shown(seen, &attested.posture, headers, who, generation)
                    }
                    Err(unproven) => unproven.into(),
                }
            }
        }
    }

    fn attested(
        &mut self,
        shown: ShownPosture<'_>,
        headers: Headers<'_>,
        generation: &Generation,
    ) -> Result<Rc<Attested>, Unproven> {
        let Scope { verified, keys, .. } = &mut *self.scope;
        let Verified {
            postures, workloads, ..
        } = verified;
        let connection = Connection::new(self.attrs, headers, &generation.trust, workloads);
        let trust = DeviceTrust {
            issuers: &generation.devices,
            keys,
            regions: generation.regions.len(),
        };
        let means = PostureMeans {
            now: self.now,
            verifier: self.kit.verifier(),
            budget: &mut *self.budget,
            peer: &|| connection.address(),
        };
        postures.read(shown, trust, means)
    }

    /// `seen`, if the sender has shown what the posture is bound to. A key is shown by the proof of the user's own token, which is bound to it then.
    fn if_shown(
        &mut self,
        seen: Seen,
        posture: &Posture,
        headers: Headers<'_>,
        who: &Authenticated,
        generation: &Generation,
    ) -> Seen {
        let bound = posture.confirmation;
        let key = who.identity.binding.key.map(|key| key.thumbprint);
        let mut certificate = || self.connection(headers, generation).certificate();
        let is_shown = bound.key.is_none_or(|bound| key == Some(bound))
            && bound.certificate.is_none_or(|bound| certificate() == Some(bound));
        if is_shown { seen } else { Reason::DeviceNotShown.into() }
    }
}
