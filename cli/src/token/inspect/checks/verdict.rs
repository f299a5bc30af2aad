//! What the kernel itself says of a token, and whether it is revoked.

use std::rc::Rc;

use regionguard::bundle::RegionId;
use regionguard::bundle::document::Region;
use regionguard::identity::{
    Authenticated, Authenticator, FailureBudget, KeyTable, Refused, RingVerifier, Shown, SignatureVerifier,
    StatusReference, TrustView,
};
use regionguard::reason::Reason;
use regionguard::time::{Monotonic, Now};

use super::{Check, Outcome, Place, because, check};

impl Place<'_> {
    /// Whether the bundle revokes it, and whether anybody else could.
    pub(super) fn revoked(&self, home: Option<&Region>, who: Option<&Authenticated>) -> Check {
        let failed = |reason| check("revoked", Outcome::Failed, because(reason));
        let is_revoked = |who: &Authenticated| {
            let revocations = &self.generation.revocations;
            revocations.revokes(&who.identity, self.at.numeric_date())
        };
        if who.is_some_and(is_revoked) {
            return failed(Reason::TokenRevoked);
        }
        let revocation = home.and_then(|home| home.revocation.as_ref());
        let lists = revocation.and_then(|revocation| revocation.status_lists.as_ref());
        if let (Some(lists), Some(status)) = (lists, self.token.payload.get("status"))
            && StatusReference::read(status).is_none_or(|reference| lists.path(reference.uri).is_none())
        {
            return failed(Reason::TokenStatus);
        }
        let is_named = lists.is_some() && self.token.payload.contains_key("status");
        let is_listed = revocation.is_some_and(|revocation| revocation.list.is_some());
        match who {
            _ if is_named || is_listed => check(
                "revoked",
                Outcome::Unknown,
                "not by this bundle; the lists that its Region fetches are not asked here",
            ),
            Some(_) => check(
                "revoked",
                Outcome::Ok,
                "not by this bundle, and no list says anything of it",
            ),
            None => check("revoked", Outcome::Unknown, "only a valid token is looked up"),
        }
    }

    /// What the filter says of the token itself.
    pub(super) fn judge(&self, local: RegionId) -> Result<Rc<Authenticated>, Refused> {
        let keys = KeyTable::inline(&self.generation.regions);
        let view = TrustView {
            regions: &self.generation.regions,
            local,
            keys: &keys,
            trust_digest: &self.generation.trust_digest,
            generation_digest: &self.generation.digest,
        };
        let read = || Monotonic(0);
        let now = Now::new(self.at, &read);
        let verifier: Rc<dyn SignatureVerifier> = Rc::new(RingVerifier);
        let mut authenticator = Authenticator::new(7);
        let mut budget = FailureBudget::new(7);
        let shown = Shown {
            text: self.token.text.as_bytes(),
            recalled: None,
        };
        authenticator
            .authenticate(shown, view, &now, &verifier, &mut budget, &|| None)
            .0
    }

    /// What the filter would say of it, but for its binding and for lists that are fetched.
    pub(super) fn verdict(&self, judged: Result<Rc<Authenticated>, Refused>, checks: &[Check]) -> Check {
        let who = match judged {
            Ok(who) => who,
            // Its keys are not there: not the token's fault, and no yes either.
            Err(refused) if refused.awaits.is_some() => {
                return check(
                    "verdict",
                    Outcome::Unknown,
                    "all but its signature was judged: the keys are not here",
                );
            }
            Err(refused) => return check("verdict", Outcome::Failed, because(refused.reason)),
        };
        let revoked = checks.iter().find(|check| check.name == "revoked");
        if let Some(revoked) = revoked.filter(|revoked| revoked.outcome == Outcome::Failed) {
            return check("verdict", Outcome::Failed, revoked.said.as_str());
        }
        let list = |words: &[String]| match words {
            [] => "none".to_owned(),
            words => format!("`{}`", words.join("`, `")),
        };
        let home = self.generation.region(who.identity.home);
        let lists = match home.and_then(|home| home.revocation.as_ref()) {
            Some(_) => "; whether its Region's lists revoke it is not asked here",
            None => "",
        };
        let said = format!(
            "valid in {}: `{}` of {}; permissions {}; roles {}{lists}",
            self.local.name,
            who.identity.subject,
            who.identity.home_name,
            list(&who.subject.permissions),
            list(&who.subject.roles),
        );
        check("verdict", Outcome::Ok, said)
    }
}
