//! What the `Revocations` documents of a bundle revoke, ready to be looked up.

use core::cmp::Ordering;

use crate::bundle::document::{Revocations, RevokedKey, RevokedSession, RevokedSubject, RevokedToken};
use crate::identity::claims::LEEWAY_SECONDS;
use crate::identity::subject::{Identity, SigningKey};
use crate::order;

/// All that a bundle revokes: sorted, each once. What is compared is the text itself, so nothing is revoked by chance.
#[derive(Debug, Default)]
pub struct Pushed {
    tokens: Vec<RevokedToken>,
    subjects: Vec<RevokedSubject>,
    sessions: Vec<RevokedSession>,
    keys: Vec<RevokedKey>,
}

impl Pushed {
    /// Brings the documents together. Of entries for the same thing the one that revokes more holds.
    #[must_use]
    pub fn new(documents: impl IntoIterator<Item = Revocations>) -> Self {
        let mut all = Self::default();
        for document in documents {
            all.tokens.extend(document.tokens);
            all.subjects.extend(document.subjects);
            all.sessions.extend(document.sessions);
            all.keys.extend(document.keys);
        }
        order::sort_by(&mut all.tokens, |left, right| {
            token(left, &right.issuer, &right.jti).then(ends(right).total_cmp(&ends(left)))
        });
        all.tokens
            .dedup_by(|later, kept| token(later, &kept.issuer, &kept.jti).is_eq());
        order::sort_by(&mut all.subjects, |left, right| {
            subject(left, &right.home, &right.issuer, &right.subject).then(right.not_before.total_cmp(&left.not_before))
        });
        all.subjects
            .dedup_by(|later, kept| subject(later, &kept.home, &kept.issuer, &kept.subject).is_eq());
        order::sort_by(&mut all.sessions, |left, right| {
            session(left, &right.issuer, &right.sid)
        });
        all
    }

    /// Whether nothing is revoked, so that nothing of a token needs to be looked at.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let Self {
            tokens,
            subjects,
            sessions,
            keys,
        } = self;
        tokens.is_empty() && subjects.is_empty() && sessions.is_empty() && keys.is_empty()
    }

    /// Whether `identity` is revoked at `now`, in seconds since the Unix epoch.
    #[must_use]
    pub fn revokes(&self, identity: &Identity, now: f64) -> bool {
        self.token(identity, now)
            || self.subject(identity)
            || self.session(identity)
            || self.revokes_key(&identity.home_name, &identity.key)
    }

    fn token(&self, identity: &Identity, now: f64) -> bool {
        if self.tokens.is_empty() {
            return false;
        }
        let Some(jti) = identity.token_id() else { return false };
        let found = self
            .tokens
            .binary_search_by(|entry| token(entry, &identity.issuer, jti));
        let entry = found.ok().and_then(|index| self.tokens.get(index));
        // A token is let in until its leeway has passed, and so long its entry counts.
        entry.is_some_and(|entry| now < ends(entry) + LEEWAY_SECONDS)
    }

    fn subject(&self, identity: &Identity) -> bool {
        let Identity {
            home_name,
            issuer,
            subject: sub,
            ..
        } = identity;
        let found = self
            .subjects
            .binary_search_by(|entry| subject(entry, home_name, issuer, sub));
        let entry = found.ok().and_then(|index| self.subjects.get(index));
        entry.is_some_and(|entry| identity.issued_before(entry.not_before))
    }

    fn session(&self, identity: &Identity) -> bool {
        if self.sessions.is_empty() {
            return false;
        }
        identity.session_id().is_some_and(|sid| {
            self.sessions
                .binary_search_by(|entry| session(entry, &identity.issuer, sid))
                .is_ok()
        })
    }

    /// Whether all that this key of the Region `home` signed is revoked.
    #[must_use]
    pub fn revokes_key(&self, home: &str, key: &SigningKey) -> bool {
        self.keys.iter().any(|revoked| match revoked {
            RevokedKey::Named { region, kid } => region == home && key.kid.as_ref() == Some(kid),
            RevokedKey::Thumbprint(thumbprint) => *thumbprint == key.thumbprint,
        })
    }
}

/// Until when an entry counts; one that does not say does for as long as it is there.
fn ends(entry: &RevokedToken) -> f64 {
    entry.expires.unwrap_or(f64::INFINITY)
}

fn token(entry: &RevokedToken, issuer: &str, jti: &str) -> Ordering {
    (entry.issuer.as_str(), entry.jti.as_str()).cmp(&(issuer, jti))
}

fn subject(entry: &RevokedSubject, home: &str, issuer: &str, subject: &str) -> Ordering {
    (entry.home.as_str(), entry.issuer.as_str(), entry.subject.as_str()).cmp(&(home, issuer, subject))
}

fn session(entry: &RevokedSession, issuer: &str, sid: &str) -> Ordering {
    (entry.issuer.as_str(), entry.sid.as_str()).cmp(&(issuer, sid))
}
