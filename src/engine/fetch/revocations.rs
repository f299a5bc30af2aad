//! What regions publish of tokens that are not to be used any more: their lists, and the status lists that tokens name.

use core::cell::Cell;

use sha2::{Digest as _, Sha256};

use super::{Ask, Context, Pace, Read, Tags, Want, What};
use crate::bundle::document::{Address, Region, Schedule, StatusLists};
use crate::identity::{FingerprintKey, ListReader, Part, RevocationList, STATUS_TOKEN_BYTES, VerifiedStatusList};

/// The largest part of a list that is read, in bytes: 130,000 tokens or so, which a worker takes in within some 30 ms.
pub(in crate::engine) const PART_MAX: usize = 8 << 20;
/// Status lists of one Region that are in use at once, at most.
pub(in crate::engine) const STATUS_LISTS_MAX: usize = 16;

/// The list of one Region.
pub(in crate::engine) struct RegionList {
    pub(in crate::engine) region: String,
    address: Address,
    fingerprints: FingerprintKey,
    /// What was read of a list whose parts are not all there yet, and where the next one is.
    begun: Option<(ListReader, String)>,
    /// The last good one.
    list: Option<RevocationList>,
}

impl RegionList {
    /// What has to be fetched for this Region; `None` where it has no list.
    pub(super) fn wanted(region: &Region, fingerprints: &FingerprintKey) -> Option<Want> {
        let list = region.revocation.as_ref()?.list.as_ref()?;
        Some(Want {
            key: key("list of revocations", region, &list.address),
            what: What::Revocations(Box::new(Self {
                region: region.name.clone(),
                address: list.address.clone(),
                fingerprints: fingerprints.clone(),
                begun: None,
                list: None,
            })),
            pace: pace(&list.schedule),
        })
    }

    /// The last good list, whether it may still be used or not.
    pub(in crate::engine) fn list(&self) -> Option<&RevocationList> {
        self.list.as_ref()
    }

    pub(super) fn ask(&self) -> Ask {
        let path = self.begun.as_ref().map_or(&self.address.path, |(_, next)| next);
        Ask {
            cluster: self.address.cluster.clone(),
            authority: self.address.authority.clone(),
            path: path.clone(),
            accept: "application/json",
            max: PART_MAX,
            // Whether the list has changed is for its first part to say.
            tags: if self.begun.is_none() {
                Tags::Whole
            } else {
                Tags::Nothing
            },
        }
    }

    pub(super) fn start_over(&mut self) {
        self.begun = None;
    }

    pub(super) fn read(&mut self, body: Option<&[u8]>, context: &Context<'_>) -> Result<Read, String> {
        let Some(body) = body else {
            return Ok(Read::same());
        };
        let reader = match self.begun.take() {
            Some((reader, _)) => reader,
            None => ListReader::new(self.fingerprints.clone()),
        };
        match reader.part(body, context.wall).map_err(|error| error.to_string())? {
            Part::Next(reader, next) => {
                self.begun = Some((reader, next));
                Ok(Read::Next)
            }
            Part::Last(list) => {
                let notes = vec![format!("{} entries in force", list.len())];
                self.list = Some(list);
                Ok(Read::Done {
                    changed: true,
                    fresh_for: None,
                    notes,
                })
            }
        }
    }
}

/// A status list that some token of its Region named.
pub(in crate::engine) struct RegionStatusList {
    pub(in crate::engine) region: String,
    pub(in crate::engine) uri: String,
    address: Address,
    /// Whether a token has named it since it was fetched last: one that nobody asks for is not fetched again.
    used: Cell<bool>,
    /// The last good one.
    list: Option<VerifiedStatusList>,
}

impl RegionStatusList {
    /// What has to be fetched for a token of this Region that names `uri`; `None` where the Region's status lists are not there.
    pub(in crate::engine) fn wanted(region: &Region, uri: &str) -> Option<Want> {
        let lists = region.revocation.as_ref()?.status_lists.as_ref()?;
        let address = lists.address(uri)?;
        Some(Want {
            key: key("status list", region, &address),
            pace: pace(&lists.schedule),
            what: What::Status(Self {
                region: region.name.clone(),
                uri: uri.to_owned(),
                address,
                used: Cell::new(true),
                list: None,
            }),
        })
    }

    /// Some token names it: it is fetched again.
    pub(in crate::engine) fn keep(&self) {
        self.used.set(true);
    }

    /// The last good list, whether it may still be used or not.
    pub(in crate::engine) fn list(&self) -> Option<&VerifiedStatusList> {
        self.list.as_ref()
    }

    /// Whether no token named it since this was asked last.
    pub(super) fn is_idle(&self) -> bool {
        !self.used.replace(false)
    }

    pub(super) fn ask(&self) -> Ask {
        Ask {
            cluster: self.address.cluster.clone(),
            authority: self.address.authority.clone(),
            path: self.address.path.clone(),
            accept: "application/statuslist+jwt",
            max: STATUS_TOKEN_BYTES,
            tags: Tags::Document,
        }
    }

    pub(super) fn read(&mut self, body: Option<&[u8]>, context: &Context<'_>) -> Result<Read, String> {
        let Some(body) = body else {
            return match &self.list {
                Some(list) if list.holds(context.wall) => Ok(Read::Done {
                    changed: false,
                    fresh_for: list.fresh_for(context.wall),
                    notes: Vec::new(),
                }),
                _ => Err("the Status List Token has expired, and the server has no other".to_owned()),
            };
        };
        let ring = context.ring(&self.region).ok_or("the Region's keys are not there")?;
        let list = VerifiedStatusList::verify(body, &self.uri, ring, context.verifier, context.wall)?;
        let fresh_for = list.fresh_for(context.wall);
        let notes = vec![format!("{} bytes in force", list.list().size())];
        self.list = Some(list);
        Ok(Read::Done {
            changed: true,
            fresh_for,
            notes,
        })
    }
}

impl StatusLists {
    /// Where the list with this URI is fetched; `None` where it is none of the Region's.
    fn address(&self, uri: &str) -> Option<Address> {
        Some(Address {
            cluster: self.host.cluster.clone(),
            authority: self.host.authority.clone(),
            path: self.path(uri)?.to_owned(),
        })
    }
}

fn pace(schedule: &Schedule) -> Pace {
    Pace {
        refresh: schedule.refresh,
        stale_for: schedule.stale_for,
        timeout: schedule.timeout,
        wait_for: schedule.wait_for,
    }
}

fn key(what: &str, region: &Region, address: &Address) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in [
        what,
        &region.name,
        &region.issuer,
        &address.cluster,
        &address.authority,
        &address.path,
    ] {
        hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}
