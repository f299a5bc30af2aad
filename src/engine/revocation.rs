//! Whether a token that is valid otherwise was revoked before its time: asked on every request, for a token of the cache as for a new one.

use super::fetch::{Fetcher, RegionStatusList, ResourceId, What};
use crate::bundle::Generation;
use crate::bundle::document::Region;
use crate::identity::{Identity, RevocationList, StatusReference};
use crate::reason::Reason;

/// What the bundle and the home Region say of a token.
pub(super) enum Standing {
    /// It is not revoked.
    InForce,
    /// Nobody can tell, and the Region says `onUnavailable: allow`.
    Unchecked,
    /// It does not count.
    Refused(Reason),
    /// Nobody can tell; what may help, if anything does.
    Unavailable(Option<ResourceId>),
}

/// Where the lists of Regions are, and whether it counts that one is asked for.
pub(super) enum Lists<'f> {
    /// It does: a status list that is not there is fetched, and one that is there is kept.
    InForce(&'f mut Fetcher),
    /// It does not: what is tried has nothing fetched, and keeps nothing.
    Tried(&'f Fetcher),
}

impl Lists<'_> {
    fn fetcher(&self) -> &Fetcher {
        match self {
            Self::InForce(fetcher) => fetcher,
            Self::Tried(fetcher) => fetcher,
        }
    }
}

/// How `identity` stands at `now`, in seconds since the Unix epoch. Nothing is looked at but what the bundle or the home Region asks for.
pub(super) fn standing(identity: &Identity, generation: &Generation, mut lists: Lists<'_>, now: f64) -> Standing {
    if !generation.revocations.is_empty() && generation.revocations.revokes(identity, now) {
        return Standing::Refused(Reason::TokenRevoked);
    }
    let Some(region) = generation.region(identity.home) else {
        return Standing::Refused(Reason::RegionMismatch);
    };
    let Some(revocation) = &region.revocation else {
        return Standing::InForce;
    };
    let asked = Asked {
        identity,
        generation,
        region,
        now,
    };
    let by_list = if revocation.list.is_some() {
        asked.by_list(lists.fetcher())
    } else {
        Standing::InForce
    };
    let by_status = match &by_list {
        Standing::Refused(_) => return by_list,
        _ if revocation.status_lists.is_some() => asked.by_status(&mut lists),
        _ => Standing::InForce,
    };
    match (by_list, by_status) {
        (_, refused @ Standing::Refused(_)) => refused,
        // What would be fetched now may say anything.
        (_, Standing::Unavailable(None)) if matches!(lists, Lists::Tried(_)) => Standing::Unavailable(None),
        (Standing::Unavailable(_), _) | (_, Standing::Unavailable(_)) if revocation.allow_when_unavailable => {
            Standing::Unchecked
        }
        (unavailable @ Standing::Unavailable(_), _) | (_, unavailable) => unavailable,
    }
}

/// A token, and what may be said of it.
struct Asked<'a> {
    identity: &'a Identity,
    generation: &'a Generation,
    region: &'a Region,
    now: f64,
}

impl Asked<'_> {
    fn by_list(&self, fetcher: &Fetcher) -> Standing {
        let Some(resource) = fetcher.list_of(&self.region.name) else {
            return Standing::Unavailable(None);
        };
        match list(&resource.what).filter(|_| resource.is_good()) {
            Some(list) if list.revokes(self.identity, self.now) => Standing::Refused(Reason::TokenRevoked),
            Some(_) => Standing::InForce,
            None => Standing::Unavailable(Some(resource.id())),
        }
    }

    fn by_status(&self, lists: &mut Lists<'_>) -> Standing {
        let Some(claim) = self.identity.claims.get("status") else {
            return Standing::InForce;
        };
        let Some(StatusReference { index, uri }) = StatusReference::read(claim) else {
            return Standing::Refused(Reason::TokenStatus);
        };
        let Some(resource) = lists.fetcher().status_list(&self.region.name, uri) else {
            return match (RegionStatusList::wanted(self.region, uri), lists) {
                (Some(want), Lists::InForce(fetcher)) => Standing::Unavailable(fetcher.add_status_list(want)),
                (Some(_), Lists::Tried(_)) => Standing::Unavailable(None),
                (None, _) => Standing::Refused(Reason::TokenStatus),
            };
        };
        let What::Status(status) = &resource.what else {
            return Standing::Unavailable(None);
        };
        if matches!(lists, Lists::InForce(_)) {
            status.keep();
        }
        let fetcher = lists.fetcher();
        let usable = status.list().filter(|list| {
            let is_revoked = self.generation.revocations.revokes_key(&self.region.name, &list.key)
                || fetcher
                    .list_of(&self.region.name)
                    .and_then(|resource| self::list(&resource.what))
                    .is_some_and(|revoked| revoked.revokes_key(&list.key));
            resource.is_good() && list.holds(self.now) && !is_revoked
        });
        match usable.map(|list| list.list().get(index)) {
            Some(Some(0)) => Standing::InForce,
            Some(Some(_)) => Standing::Refused(Reason::TokenRevoked),
            Some(None) => Standing::Refused(Reason::TokenStatus),
            None => Standing::Unavailable(Some(resource.id())),
        }
    }
}

fn list(what: &What) -> Option<&RevocationList> {
    match what {
        What::Revocations(list) => list.list(),
        _ => None,
    }
}
