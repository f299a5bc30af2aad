//! The keys of a Region or a DeviceIssuer: from a JWKS endpoint, or by way of the issuer's discovery document.

use std::sync::Arc;

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::{Ask, Pace, Read, Tags, Want, What};
use crate::bundle::Url;
use crate::bundle::document::{Address, Discovery, Host, KeySource, Keys, Region};
use crate::decision::{shorten, visible};
use crate::device::DeviceIssuer;
use crate::identity::{Algorithm, KeyRing, read_jwks};

/// The largest JWKS that is read, in bytes. The sets of large providers are below 20 KiB.
const JWKS_MAX: usize = 256 << 10;
/// The largest discovery document that is read, in bytes.
const DISCOVERY_MAX: usize = 64 << 10;

/// Whose keys they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine) enum KeyOwner<'n> {
    /// The Region of this name.
    Region(&'n str),
    /// The DeviceIssuer of this name.
    DeviceIssuer(&'n str),
}

/// The keys of one of them, and where they come from.
pub(in crate::engine) struct FetchedKeys {
    of_device_issuer: bool,
    name: String,
    algorithms: Option<Vec<Algorithm>>,
    source: Source,
    /// The last good set.
    ring: Option<Arc<KeyRing>>,
}

enum Source {
    Jwks(Address),
    Discovery(Box<Discovered>),
}

/// An issuer's configuration, and where it leads.
struct Discovered {
    issuer: String,
    document: Address,
    jwks: Option<Host>,
    /// Set while the keys are asked, in the second half of an attempt.
    found: Option<Address>,
    /// Where the last good configuration led: what holds if the next says that nothing changed.
    last_found: Option<Address>,
}

impl FetchedKeys {
    /// What has to be fetched for this Region; `None` where its keys are inline.
    pub(super) fn of_region(region: &Region) -> Option<Want> {
        Self::wanted(KeyOwner::Region(&region.name), &region.issuer, &region.keys)
    }

    /// What has to be fetched for this DeviceIssuer; `None` where its keys are inline.
    pub(super) fn of_device_issuer(issuer: &DeviceIssuer) -> Option<Want> {
        Self::wanted(KeyOwner::DeviceIssuer(&issuer.name), &issuer.issuer, &issuer.keys)
    }

    fn wanted(owner: KeyOwner<'_>, issuer: &str, keys: &Keys) -> Option<Want> {
        let (source, schedule) = match &keys.source {
            KeySource::Inline(_) => return None,
            KeySource::Remote(remote) => (Source::Jwks(remote.address.clone()), remote.schedule),
            KeySource::Discovery(discovery) => (
                Source::Discovery(Box::new(Discovered::new(issuer, discovery))),
                discovery.document.schedule,
            ),
        };
        let (of_device_issuer, name) = match owner {
            KeyOwner::Region(name) => (false, name),
            KeyOwner::DeviceIssuer(name) => (true, name),
        };
        let fetched = Self {
            of_device_issuer,
            name: name.to_owned(),
            algorithms: keys.algorithms.clone(),
            source,
            ring: None,
        };
        Some(Want {
            key: fetched.key(issuer),
            what: What::Keys(fetched),
            pace: Pace {
                refresh: schedule.refresh,
                stale_for: schedule.stale_for,
                timeout: schedule.timeout,
                wait_for: schedule.wait_for,
            },
        })
    }

    /// Whose they are.
    pub(in crate::engine) fn owner(&self) -> KeyOwner<'_> {
        match self.of_device_issuer {
            true => KeyOwner::DeviceIssuer(&self.name),
            false => KeyOwner::Region(&self.name),
        }
    }

    /// What they are, for the log.
    pub(super) fn label(&self) -> String {
        match self.owner() {
            KeyOwner::Region(name) => format!("keys of {name}"),
            KeyOwner::DeviceIssuer(name) => format!("keys of the DeviceIssuer {name}"),
        }
    }

    /// The last good set, whether it may still be used or not.
    pub(in crate::engine) fn ring(&self) -> Option<&Arc<KeyRing>> {
        self.ring.as_ref()
    }

    pub(super) fn ask(&self) -> Ask {
        let (address, max) = match &self.source {
            Source::Jwks(address) => (address, JWKS_MAX),
            Source::Discovery(discovered) => match &discovered.found {
                Some(found) => (found, JWKS_MAX),
                None => (&discovered.document, DISCOVERY_MAX),
            },
        };
        Ask {
            cluster: address.cluster.clone(),
            authority: address.authority.clone(),
            path: address.path.clone(),
            accept: "application/jwk-set+json, application/json",
            max,
            tags: Tags::Document,
        }
    }

    pub(super) fn start_over(&mut self) {
        if let Source::Discovery(discovered) = &mut self.source {
            discovered.found = None;
        }
    }

    pub(super) fn read(&mut self, body: Option<&[u8]>) -> Result<Read, String> {
        if let Source::Discovery(discovered) = &mut self.source
            && discovered.found.is_none()
        {
            discovered.read(body)?;
            return Ok(Read::Next);
        }
        let read = self.read_keys(body)?;
        self.start_over();
        Ok(read)
    }

    fn read_keys(&mut self, body: Option<&[u8]>) -> Result<Read, String> {
        let Some(body) = body else {
            return Ok(Read::same());
        };
        let built = read_jwks(body, self.algorithms.as_deref()).map_err(|problem| visible(&problem))?;
        let changed = self
            .ring
            .as_ref()
            .is_none_or(|ring| ring.digest() != built.ring.digest());
        let mut notes = vec![format!("{} in force", built.ring.len())];
        let problems = built.errors.iter().chain(&built.warnings);
        notes.extend(problems.map(|problem| visible(shorten(&problem.to_string()))));
        if changed {
            self.ring = Some(Arc::new(built.ring));
        }
        Ok(Read::Done {
            changed,
            fresh_for: None,
            notes,
        })
    }

    fn key(&self, issuer: &str) -> [u8; 32] {
        let mut hash = Sha256::new();
        let mut add = |part: &str| {
            hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            hash.update(part);
        };
        let address = |address: &Address, add: &mut dyn FnMut(&str)| {
            add(&address.cluster);
            add(&address.authority);
            add(&address.path);
        };
        if self.of_device_issuer {
            add("DeviceIssuer");
        }
        add(&self.name);
        add(issuer);
        match &self.source {
            Source::Jwks(jwks) => {
                add("keys by JWKS");
                address(jwks, &mut add);
            }
            Source::Discovery(discovered) => {
                add("keys by discovery");
                address(&discovered.document, &mut add);
                if let Some(host) = &discovered.jwks {
                    add(&host.cluster);
                    add(&host.authority);
                }
            }
        }
        add("algorithms");
        for algorithm in self.algorithms.iter().flatten() {
            add(algorithm.name());
        }
        hash.finalize().into()
    }
}

impl Discovered {
    fn new(issuer: &str, discovery: &Discovery) -> Self {
        Self {
            issuer: issuer.to_owned(),
            document: discovery.document.address.clone(),
            jwks: discovery.jwks.clone(),
            found: None,
            last_found: None,
        }
    }

    /// Reads the configuration (OpenID Connect Discovery 1.0 §4.3: its issuer must be the one that is asked for, letter by letter).
    fn read(&mut self, body: Option<&[u8]>) -> Result<(), String> {
        let Some(body) = body else {
            self.found.clone_from(&self.last_found);
            return Ok(());
        };
        let document: Value =
            serde_json::from_slice(body).map_err(|_| "the discovery document is not JSON".to_owned())?;
        let text = |name: &str| {
            let found = document.get(name).and_then(Value::as_str);
            found.ok_or_else(|| format!("the discovery document has no string `{name}`"))
        };
        let issuer = text("issuer")?;
        if issuer != self.issuer {
            return Err(format!(
                "the discovery document is of another issuer, `{}`",
                visible(shorten(issuer))
            ));
        }
        let uri = text("jwks_uri")?;
        let shown = || visible(shorten(uri));
        let url = Url::parse(uri).ok_or_else(|| format!("`jwks_uri` `{}` is no http(s) URL", shown()))?;
        let host = if url.is_at(&self.document.authority) {
            Host {
                cluster: self.document.cluster.clone(),
                authority: self.document.authority.clone(),
            }
        } else {
            let named = self.jwks.clone().filter(|host| url.is_at(&host.authority));
            named.ok_or_else(|| {
                format!(
                    "`jwks_uri` `{}` leads to another host: name it in `discovery.jwks`",
                    shown()
                )
            })?
        };
        let path = if url.path.is_empty() { "/" } else { url.path };
        let found = Address {
            cluster: host.cluster,
            authority: host.authority,
            path: path.to_owned(),
        };
        self.last_found = Some(found.clone());
        self.found = Some(found);
        Ok(())
    }
}
