//! What is asked, and what an answer is.

use core::time::Duration;
use std::rc::Rc;

use crate::bundle::RegionId;
use crate::bundle::document::Region;
use crate::identity::{KeyRing, KeyTable, SignatureVerifier};

/// One `GET`.
pub(super) struct Ask {
    pub(super) cluster: String,
    pub(super) authority: String,
    pub(super) path: String,
    pub(super) accept: &'static str,
    /// The largest answer that is read, in bytes.
    pub(super) max: usize,
    /// What an `ETag` of its answer says.
    pub(super) tags: Tags,
}

/// What the `ETag` of a document says.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Tags {
    /// That this document is as it was.
    Document,
    /// That this one and all that belong to the same attempt are: it counts once all of them are there.
    Whole,
    /// Nothing that could be used.
    Nothing,
}

/// What a good answer was.
pub(super) enum Read {
    /// Another document has to be fetched first: [`What::ask`] says which now.
    Next,
    /// All is there. `notes` are for the log, each in visible ASCII: they are told only where something changed.
    Done {
        /// Whether it says anything else than before.
        changed: bool,
        /// For how long it holds by its own word; `None`: what the headers of the answer say.
        fresh_for: Option<Duration>,
        notes: Vec<String>,
    },
}

impl Read {
    /// Nothing is new.
    pub(super) fn same() -> Self {
        Self::Done {
            changed: false,
            fresh_for: None,
            notes: Vec::new(),
        }
    }
}

/// What reading an answer takes beside it.
pub(super) struct Context<'a> {
    /// The Regions of the generation that serves, and their keys as they are now.
    pub(super) regions: &'a [Region],
    pub(super) keys: &'a KeyTable,
    pub(super) verifier: &'a Rc<dyn SignatureVerifier>,
    /// In seconds since the Unix epoch.
    pub(super) wall: f64,
}

impl Context<'_> {
    /// The keys of the Region of this name.
    pub(super) fn ring(&self, region: &str) -> Option<&KeyRing> {
        let mut numbered = (0..).map(RegionId).zip(self.regions);
        let (id, _) = numbered.find(|(_, known)| known.name == region)?;
        self.keys.ring(id)
    }
}
