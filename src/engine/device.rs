//! The device that a request comes from, as far as anybody who knows it says.

use super::authorize::Bench;
use crate::bundle::Generation;
use crate::device::{Device, Posture};
use crate::identity::Authenticated;
use crate::reason::Reason;
use crate::request::Headers;

/// What is known of the device of `who`, of which was `seen` whether its posture counts.
pub(super) fn known<'w>(
    seen: Option<Result<(), Reason>>,
    who: Option<&'w Authenticated>,
    generation: &Generation,
) -> Device<'w> {
    match (seen, who) {
        (Some(Ok(())), Some(who)) => posture(who, generation),
        (Some(Err(absent)), _) => Err(absent),
        _ => Err(Reason::DeviceMissing),
    }
}

/// What the token of `who` says of their device.
fn posture<'w>(who: &'w Authenticated, generation: &Generation) -> Device<'w> {
    let region = generation.region(who.identity.home).ok_or(Reason::DeviceMissing)?;
    who.device(&region.claims)
}

impl Bench<'_, '_> {
    /// Whether the posture of the device of `who`, whose token was taken for valid, counts for this request.
    pub(super) fn device(
        &mut self,
        headers: Headers<'_>,
        who: &Authenticated,
        generation: &Generation,
    ) -> Result<(), Reason> {
        let posture = posture(who, generation)?;
        self.is_shown(posture, headers, who, generation)
    }

    /// Whether the sender has shown what the posture is bound to. A key is shown by the proof of the user's own token, which is bound to it then.
    fn is_shown(
        &mut self,
        posture: &Posture,
        headers: Headers<'_>,
        who: &Authenticated,
        generation: &Generation,
    ) -> Result<(), Reason> {
        let bound = posture.confirmation;
        let key = who.identity.binding.key.map(|key| key.thumbprint);
        let mut certificate = || self.connection(headers, generation).certificate();
        let is_shown = bound.key.is_none_or(|bound| key == Some(bound))
            && bound.certificate.is_none_or(|bound| certificate() == Some(bound));
        if is_shown { Ok(()) } else { Err(Reason::DeviceNotShown) }
    }
}
