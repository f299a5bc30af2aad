//! Who signs postures: a device manager, by the document `DeviceIssuer`.

use core::time::Duration;

use super::posture::Field;
use crate::bundle::document::Keys;
use crate::bundle::value::{Value, digest};
use crate::identity::ClaimPath;

/// A DeviceIssuer document.
#[derive(Debug)]
pub struct DeviceIssuer {
    /// `metadata.name`.
    pub name: String,
    /// Compared with `iss` as it is; no other DeviceIssuer has it.
    pub issuer: String,
    /// Of which `aud` must hold one.
    pub audiences: Vec<String>,
    /// What verifies its postures, and nothing else.
    pub keys: Keys,
    /// The header in which requests carry a posture, in lower case.
    pub header: String,
    /// `upstream: pass`: the upstream gets the header.
    pub pass: bool,
    /// `type`: what `typ` must be.
    pub kind: Option<String>,
    /// How old a posture may be, by its `iat`.
    pub max_age: Duration,
    /// Whose posture it is.
    pub binding: SubjectBinding,
    /// Where its postures hold the parts, in the order of [`Field::ALL`].
    pub claims: Vec<ClaimPath>,
}

/// `binding`: what of a posture names the user, so that it is theirs and nobody else's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubjectBinding {
    /// The posture's claim that names the user…
    pub subject: ClaimPath,
    /// … and the claim of the user's token that it must equal.
    pub token: ClaimPath,
    /// The posture's claim that must equal the name of the user's home region.
    pub home: Option<ClaimPath>,
    /// The posture's claim that must equal the `iss` of the user's token.
    pub issuer: Option<ClaimPath>,
    /// The home regions of which it knows the users; `None`: any that the rest allows.
    pub regions: Option<Vec<String>>,
}

/// The DeviceIssuers of a bundle.
#[derive(Debug, Default)]
pub struct DeviceIssuers {
    /// Sorted by name.
    pub list: Vec<DeviceIssuer>,
    /// SHA-256 of what decides, beside the keys, what a posture says.
    pub digest: [u8; 32],
}

impl DeviceIssuer {
    /// Where its postures hold this part.
    #[must_use]
    pub fn claim(&self, field: Field) -> Option<&ClaimPath> {
        let place = Field::ALL.iter().position(|known| *known == field)?;
        self.claims.get(place)
    }
}

impl DeviceIssuers {
    /// Those of a bundle, sorted by name.
    #[must_use]
    pub fn new(list: Vec<DeviceIssuer>) -> Self {
        let digest = digest(&Value::List(list.iter().map(trusted).collect()));
        Self { list, digest }
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// The headers that are taken out of every request.
    pub fn stripped(&self) -> impl Iterator<Item = &str> {
        let stripped = self.list.iter().filter(|issuer| !issuer.pass);
        stripped.map(|issuer| issuer.header.as_str())
    }
}

/// All of a document but its keys and whether the upstream gets the header.
fn trusted(issuer: &DeviceIssuer) -> Value {
    let DeviceIssuer {
        name,
        issuer,
        audiences,
        keys: _,
        header,
        pass: _,
        kind,
        max_age,
        binding,
        claims,
    } = issuer;
    let text = |text: &str| Value::String(text.to_owned());
    let optional = |path: Option<&str>| path.map_or(Value::Null, text);
    let list = |items: &[String]| Value::List(items.iter().map(|item| text(item)).collect());
    let SubjectBinding {
        subject,
        token,
        home,
        issuer: user,
        regions,
    } = binding;
    Value::List(vec![
        text(name),
        text(issuer),
        list(audiences),
        text(header),
        optional(kind.as_deref()),
        text(&max_age.as_millis().to_string()),
        text(subject.as_str()),
        text(token.as_str()),
        optional(home.as_ref().map(ClaimPath::as_str)),
        optional(user.as_ref().map(ClaimPath::as_str)),
        regions.as_deref().map_or(Value::Null, list),
        Value::List(claims.iter().map(|path| text(path.as_str())).collect()),
    ])
}
