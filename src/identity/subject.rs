//! A verified token, and what of it counts at one enforcement point.

use core::cell::OnceCell;

use serde_json::{Map, Value};

use super::binding::Binding;
use super::claims::{self, ClaimMapping, Times};
use super::grants::{self, ClaimGrant};
use super::strict_json::{self, Json, Object};
use super::workload::SpiffeId;
use crate::bundle::RegionId;
use crate::bundle::document::{Acceptance, Region, Wildcard};
use crate::reason::Reason;
use crate::sort::Arrange as _;

/// A verified token: what its home region says of its subject, wherever that counts.
#[derive(Debug)]
pub struct Identity {
    /// The region whose keys verified it.
    pub home: RegionId,
    /// That region's name.
    pub home_name: String,
    /// `iss`.
    pub issuer: String,
    /// `sub`: unique together with home region and issuer only.
    pub subject: String,
    /// The workload that `sub` names, of a JWT-SVID.
    pub workload: Option<SpiffeId>,
    /// `aud`.
    pub audiences: Vec<String>,
    /// When it is valid.
    pub times: Times,
    /// What its sender has to show.
    pub binding: Binding,
    /// What signed it.
    pub key: SigningKey,
    /// All claims, as they were signed.
    pub claims: Claims,
}

/// The key that verified a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SigningKey {
    /// Its name in the home region's set.
    pub kid: Option<String>,
    /// SHA-256 of its canonical JWK (RFC 7638).
    pub thumbprint: [u8; 32],
}

/// All claims of a token, kept as they were signed and taken apart when one is first asked for: most policies ask for none but those in [`Identity`].
#[derive(Debug)]
pub struct Claims {
    /// A JSON object of one meaning, at most [`MAX_DEPTH`](super::strict_json::MAX_DEPTH) deep.
    text: String,
    members: OnceCell<Map<String, Value>>,
    weight: usize,
}

impl Claims {
    /// `text` was read strictly, and came to this [`weight_of`](Self::weight_of).
    pub(crate) fn new(text: String, weight: usize) -> Self {
        Self {
            text,
            members: OnceCell::new(),
            weight,
        }
    }

    /// The claims that `text` holds; `None` where it is no JSON object of one meaning.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let weight = Self::weight_of(&strict_json::object(text)?);
        Some(Self::new(text.to_owned(), weight))
    }

    /// None at all.
    #[must_use]
    pub fn none() -> Self {
        Self::new("{}".to_owned(), 0)
    }

    /// The claim `name`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        let read = || serde_json::from_str(&self.text).unwrap_or_default();
        self.members.get_or_init(read).get(name)
    }

    /// What stands at `path`: the claim of this whole name, or else names with dots between them, as [`ClaimPath`](super::ClaimPath) reads it.
    #[must_use]
    pub fn find(&self, path: &str) -> Option<&Value> {
        if let Some(whole) = self.get(path) {
            return Some(whole);
        }
        let (first, rest) = path.split_once('.')?;
        rest.split('.')
            .try_fold(self.get(first)?, |value, name| value.as_object()?.get(name))
    }

    /// What the home region grants by them.
    ///
    /// # Errors
    /// As [`Granted::read`]; none where that was read from them before, by the same mapping.
    pub(super) fn granted(&self, mapping: &ClaimMapping) -> Result<Granted, Reason> {
        let claims = strict_json::object(&self.text).ok_or(Reason::TokenMalformed)?;
        Granted::read(&claims, mapping)
    }

    /// The bytes that these claims take once they are taken apart, estimated from above.
    pub(super) fn weight_of(claims: &Object<'_>) -> usize {
        object_weight(claims)
    }

    /// The bytes that they take.
    pub(crate) fn weight(&self) -> usize {
        sum([self.text.capacity(), ALLOCATION, self.weight])
    }
}

/// Permissions as a token holds them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Permissions {
    /// Those for every region, sorted.
    pub global: Vec<String>,
    /// Those for one region each: its name, and its permissions, sorted.
    pub regional: Vec<(String, Vec<String>)>,
}

impl Identity {
    /// The bytes that it takes, estimated from above: what the cache counts.
    pub(super) fn weight(&self) -> usize {
        sum([
            size_of::<Self>(),
            text_weight(&self.home_name),
            text_weight(&self.issuer),
            // The workload's name is the subject once more.
            text_weight(&self.subject).saturating_mul(2),
            sum(self.audiences.iter().map(|audience| text_weight(audience))),
            self.key.kid.as_deref().map_or(0, text_weight),
            self.claims.weight(),
        ])
    }
}

/// What a home region grants by a token, wherever that counts. It is read anew from the claims where it is needed again: most tokens are judged in one place.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Granted {
    pub(super) permissions: Permissions,
    /// Sorted.
    pub(super) roles: Vec<String>,
    pub(super) grants: Vec<ClaimGrant>,
}

impl Granted {
    /// # Errors
    /// [`Reason::TokenClaims`] where the claims have another form.
    pub(super) fn read(claims: &Object<'_>, mapping: &ClaimMapping) -> Result<Self, Reason> {
        Ok(Self {
            permissions: claims::permissions(mapping.permissions.find(claims))?,
            roles: claims::words(mapping.roles.find(claims))?,
            grants: grants::claimed(mapping.grants.as_ref().and_then(|path| path.find(claims)))?,
        })
    }
}

/// What counts of an identity at this enforcement point: what the policy sees.
#[derive(Clone, Debug, PartialEq)]
pub struct Subject {
    /// The region whose keys verified the token.
    pub home: RegionId,
    /// The permissions that count here, sorted: global ones and those of the local region, as far as the local region accepts them, and what is granted now.
    pub permissions: Vec<String>,
    /// The roles that count here, sorted.
    pub roles: Vec<String>,
    /// Permissions that the token holds for other regions only, sorted: they count for nothing but the reason of a denial.
    pub elsewhere: Vec<String>,
    /// Permissions that the token holds here, but that the local region does not accept from its home region, sorted.
    pub refused: Vec<String>,
    /// Of [`permissions`](Self::permissions) those that count only because they are granted now, sorted.
    pub granted: Vec<String>,
    /// What the token grants for a time, as far as the local region accepts it.
    pub grants: Vec<ClaimGrant>,
}

impl Subject {
    /// What counts of `granted` by `home` where `local` stands; `accepted` is the local region's entry for the home region, `None` where that is the local region
    /// itself.
    pub(super) fn at(local: &Region, home: RegionId, granted: Granted, accepted: Option<&Acceptance>) -> Self {
        let Granted {
            permissions,
            mut roles,
            mut grants,
        } = granted;
        let mut held = permissions.global;
        let mut elsewhere = Vec::new();
        for (region, granted) in permissions.regional {
            let to = if region == local.name {
                &mut held
            } else {
                &mut elsewhere
            };
            to.extend(granted);
        }
        normalise(&mut held);
        normalise(&mut elsewhere);
        elsewhere.retain(|word| held.binary_search(word).is_err());

        let mut refused = Vec::new();
        if let Some(entry) = accepted {
            let counts = |list: &[Wildcard], word: &str| list.iter().any(|pattern| pattern.matches(word));
            (held, refused) = held.into_iter().partition(|word| counts(&entry.permissions, word));
            roles.retain(|word| counts(&entry.roles, word));
            grants.retain(|grant| counts(&entry.permissions, &grant.permission));
        }
        Self {
            home,
            permissions: held,
            roles,
            elsewhere,
            refused,
            granted: Vec::new(),
            grants,
        }
    }

    /// The most bytes that a view of `granted` takes: each permission stands in one list of it, each role in one.
    pub(super) fn weight_of(granted: &Granted) -> usize {
        let Granted {
            permissions,
            roles,
            grants,
        } = granted;
        let regional = permissions.regional.iter().flat_map(|(_, granted)| granted);
        let words = permissions.global.iter().chain(regional).chain(roles);
        let grants = grants
            .iter()
            .map(|grant| add(text_weight(&grant.permission), size_of::<ClaimGrant>()));
        // Lists grow by doubling.
        sum([
            size_of::<Self>(),
            sum(words.map(|word| add(text_weight(word), size_of::<String>()))),
            sum(grants),
        ])
    }
}

fn normalise(words: &mut Vec<String>) {
    words.arrange();
    words.dedup();
}

/// What an allocation takes beside its bytes.
const ALLOCATION: usize = 16;

fn text_weight(text: &str) -> usize {
    sum([text.len(), size_of::<String>(), ALLOCATION])
}

fn value_weight(value: &Json<'_>) -> usize {
    match value {
        Json::Null | Json::Bool | Json::Number(_) => 0,
        Json::Text(text) => add(text.len(), ALLOCATION),
        // A list's room grows by doubling, from four.
        Json::List(items) => sum([
            items
                .len()
                .next_power_of_two()
                .max(4)
                .saturating_mul(size_of::<Value>()),
            ALLOCATION,
            sum(items.iter().map(value_weight)),
        ]),
        Json::Object(members) => object_weight(members),
    }
}

/// A `BTreeMap`'s nodes have room for 11 members, and 5 at least are in use in each but the root.
fn object_weight(members: &Object<'_>) -> usize {
    let count = members.iter().len();
    if count == 0 {
        return 0;
    }
    let member = add(size_of::<String>(), size_of::<Value>());
    let node = sum([
        member.saturating_mul(11),
        size_of::<usize>().saturating_mul(15),
        ALLOCATION,
    ]);
    let nodes = add(count.checked_div(5).unwrap_or(0), 1);
    let content = members
        .iter()
        .map(|(name, value)| sum([name.len(), ALLOCATION, value_weight(value)]));
    add(nodes.saturating_mul(node), sum(content))
}

fn add(left: usize, right: usize) -> usize {
    left.saturating_add(right)
}

fn sum(parts: impl IntoIterator<Item = usize>) -> usize {
    parts.into_iter().fold(0, add)
}
