//! The device that a request comes from, as far as anybody who knows it says.

use super::authorize::{Bench, Understood};
use crate::bundle::Generation;
use crate::device::{Device, Posture};
use crate::identity::Authenticated;
use crate::reason::Reason;

impl Bench<'_, '_> {
    /// What is known of the device of `who`, whose token was taken for valid.
    pub(super) fn device<'w>(
        &mut self,
        request: &Understood<'_>,
        who: &'w Authenticated,
        generation: &Generation,
    ) -> Device<'w> {
        let region = generation.region(who.identity.home).ok_or(Reason::DeviceMissing)?;
        let posture = who.device(&region.claims)?;
        self.is_shown(posture, request, who, generation)?;
        Ok(posture)
    }

    /// Whether the sender has shown what the posture is bound to. A key is shown by the proof of the user's own token, which is bound to it then.
    fn is_shown(
        &mut self,
        posture: &Posture,
        request: &Understood<'_>,
        who: &Authenticated,
        generation: &Generation,
    ) -> Result<(), Reason> {
        let bound = posture.confirmation;
        let key = who.identity.binding.key.map(|key| key.thumbprint);
        let mut certificate = || self.connection(request.headers, generation).certificate();
        let is_shown = bound.key.is_none_or(|bound| key == Some(bound))
            && bound.certificate.is_none_or(|bound| certificate() == Some(bound));
        if is_shown { Ok(()) } else { Err(Reason::DeviceNotShown) }
    }
}
