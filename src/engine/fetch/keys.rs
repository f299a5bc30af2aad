//! The keys of a Region: from a JWKS endpoint, or by way of the issuer's discovery document.

use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use super::{Ask, Pace, Read, Want, What};
use crate::bundle::document::{Address, KeySource, Region, Remote};
use crate::decision::visible;
use crate::identity::{Algorithm, KeyRing, read_jwks};

/// The largest JWKS that is read, in bytes. The sets of large providers are below 20 KiB.
const JWKS_MAX: usize = 256 << 10;

/// The keys of one Region, and where they come from.
pub(in crate::engine) struct RegionKeys {
    pub(in crate::engine) region: String,
    algorithms: Option<Vec<Algorithm>>,
    address: Address,
    /// The last good set.
    ring: Option<Arc<KeyRing>>,
}

impl RegionKeys {
    /// What has to be fetched for this Region; `None` where its keys are inline.
    pub(super) fn wanted(region: &Region) -> Option<Want> {
        let keys = &region.keys;
        let remote = match &keys.source {
            KeySource::Inline(_) => return None,
            KeySource::Remote(remote) => remote,
        };
        let fetched = Self {
            region: region.name.clone(),
            algorithms: keys.algorithms.clone(),
            address: remote.address.clone(),
            ring: None,
        };
        Some(Want {
            key: fetched.key(region),
            what: What::Keys(fetched),
            pace: pace(remote),
        })
    }

    /// The last good set, whether it may still be used or not.
    pub(in crate::engine) fn ring(&self) -> Option<&Arc<KeyRing>> {
        self.ring.as_ref()
    }

    pub(super) fn ask(&self) -> Ask {
        Ask {
            cluster: self.address.cluster.clone(),
            authority: self.address.authority.clone(),
            path: self.address.path.clone(),
            accept: "application/jwk-set+json, application/json",
            max: JWKS_MAX,
        }
    }

    pub(super) fn read(&mut self, body: Option<&[u8]>) -> Result<Read, String> {
        let Some(body) = body else {
            return Ok(Read::Done {
                changed: false,
                notes: Vec::new(),
            });
        };
        let built = read_jwks(body, self.algorithms.as_deref()).map_err(|problem| visible(&problem))?;
        let changed = self.ring.as_ref().is_none_or(|ring| ring.digest() != built.ring.digest());
        let mut notes = vec![format!("{} in force", built.ring.len())];
        let problems = built.errors.iter().chain(&built.warnings);
        notes.extend(problems.map(|problem| visible(&problem.to_string())));
        if changed {
            self.ring = Some(Arc::new(built.ring));
        }
        Ok(Read::Done { changed, notes })
    }

    fn key(&self, region: &Region) -> [u8; 32] {
        let algorithms = self.algorithms.iter().flatten().map(|algorithm| algorithm.name());
        let parts = ["keys", &self.region, &region.issuer, &self.address.cluster, &self.address.authority, &self.address.path];
        let mut hash = Sha256::new();
        for part in parts.into_iter().chain(algorithms) {
            hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            hash.update(part);
        }
        hash.finalize().into()
    }
}

fn pace(remote: &Remote) -> Pace {
    let schedule = remote.schedule;
    Pace {
        refresh: schedule.refresh,
        stale_for: schedule.stale_for,
        timeout: schedule.timeout,
        wait_for: schedule.wait_for,
    }
}
