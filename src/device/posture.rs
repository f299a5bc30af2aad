//! What is said of a device.

use serde_json::Value;

use crate::identity::{Thumbprint, thumbprint_of};
use crate::reason::Reason;
use crate::time::WallTime;
use crate::version::Version;

/// The most bytes that a [`Posture`] takes, estimated from above.
pub const POSTURE_WEIGHT: usize =
    size_of::<Posture>().saturating_add(ID_MAX + PLATFORM_MAX + crate::version::VERSION_MAX_BYTES + 64);

/// Most bytes of `id`.
const ID_MAX: usize = 256;
/// Most bytes of `platform`.
const PLATFORM_MAX: usize = 32;

/// What is known of the device that a request comes from, or why nothing is.
pub type Device<'p> = Result<&'p Posture, Reason>;

/// What is said of a device; what is not said is `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Posture {
    /// `id`: what tells it from other devices.
    pub id: Option<String>,
    /// `platform`, in lower case: `macos`, `ios`, `windows`, `linux`, `android`, `chromeos`, or another word.
    pub platform: Option<String>,
    /// `os_version`: it reads as a [`Version`].
    pub os_version: Option<String>,
    /// `encrypted`: its storage is.
    pub encrypted: Option<bool>,
    /// `managed`: by the organisation.
    pub managed: Option<bool>,
    /// `jailbroken`, or rooted.
    pub jailbroken: Option<bool>,
    /// `screen_lock`: it locks.
    pub screen_lock: Option<bool>,
    /// `certificate`: the organisation's is on it.
    pub certificate: Option<bool>,
    /// `patched_at`: when it took its last update.
    pub patched_at: Option<WallTime>,
    /// `cnf`: what the sender has to show, so that the posture is of this device and no other.
    pub confirmation: Confirmation,
}

/// What a posture is bound to beside its subject (RFC 7800).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Confirmation {
    /// `x5t#S256`: the certificate that the sender shows in the TLS handshake (RFC 8705 §3.1).
    pub certificate: Option<Thumbprint>,
    /// `jkt`: the key that the user's own token is bound to (RFC 9449 §6.1).
    pub key: Option<Thumbprint>,
}

/// A part of a posture, by the name that it has in a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// `id`.
    Id,
    /// `platform`.
    Platform,
    /// `os_version`.
    OsVersion,
    /// `encrypted`.
    Encrypted,
    /// `managed`.
    Managed,
    /// `jailbroken`.
    Jailbroken,
    /// `screen_lock`.
    ScreenLock,
    /// `certificate`.
    Certificate,
    /// `patched_at`.
    PatchedAt,
}

impl Field {
    /// All of them, in the order in which the documentation has them.
    pub const ALL: [Self; 9] = [
        Self::Id,
        Self::Platform,
        Self::OsVersion,
        Self::Encrypted,
        Self::Managed,
        Self::Jailbroken,
        Self::ScreenLock,
        Self::Certificate,
        Self::PatchedAt,
    ];

    /// As a claim spells it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Id => "id",
            Self::Platform => "platform",
            Self::OsVersion => "os_version",
            Self::Encrypted => "encrypted",
            Self::Managed => "managed",
            Self::Jailbroken => "jailbroken",
            Self::ScreenLock => "screen_lock",
            Self::Certificate => "certificate",
            Self::PatchedAt => "patched_at",
        }
    }
}

impl Posture {
    /// The posture that a claim holds.
    ///
    /// # Errors
    /// [`Reason::DeviceMissing`] where there is none, [`Reason::DeviceMalformed`] where any part of it has a wrong form.
    pub fn of_claim(claim: Option<&Value>) -> Result<Self, Reason> {
        let members = match claim {
            None | Some(Value::Null) => return Err(Reason::DeviceMissing),
            Some(Value::Object(members)) => members,
            Some(_) => return Err(Reason::DeviceMalformed),
        };
        Self::read(|field| members.get(field.name()), members.get("cnf"))
    }

    /// The posture whose parts `find` finds; what is `null` is not said.
    ///
    /// # Errors
    /// [`Reason::DeviceMalformed`].
    pub fn read<'v>(find: impl Fn(Field) -> Option<&'v Value>, cnf: Option<&Value>) -> Result<Self, Reason> {
        let find = |field| find(field).filter(|value| !value.is_null());
        let word = |field, most| find(field).map(|value| text(value, most)).transpose();
        let flag = |field| {
            let read = |value: &Value| value.as_bool().ok_or(Reason::DeviceMalformed);
            find(field).map(read).transpose()
        };
        let os_version = word(Field::OsVersion, crate::version::VERSION_MAX_BYTES)?;
        if os_version.as_deref().is_some_and(|text| Version::parse(text).is_err()) {
            return Err(Reason::DeviceMalformed);
        }
        Ok(Self {
            id: word(Field::Id, ID_MAX)?,
            platform: word(Field::Platform, PLATFORM_MAX)?.map(|platform| platform.to_ascii_lowercase()),
            os_version,
            encrypted: flag(Field::Encrypted)?,
            managed: flag(Field::Managed)?,
            jailbroken: flag(Field::Jailbroken)?,
            screen_lock: flag(Field::ScreenLock)?,
            certificate: flag(Field::Certificate)?,
            patched_at: find(Field::PatchedAt).map(time).transpose()?,
            confirmation: Confirmation::read(cnf)?,
        })
    }

    /// `os_version`, to be compared.
    #[must_use]
    pub fn version(&self) -> Option<Version<'_>> {
        Version::parse(self.os_version.as_deref()?).ok()
    }

    /// Its parts that are known, as a center is told of them: times in RFC 3339.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Map<String, Value> {
        let Self {
            id,
            platform,
            os_version,
            encrypted,
            managed,
            jailbroken,
            screen_lock,
            certificate,
            patched_at,
            confirmation: _,
        } = self;
        let text = |text: &Option<String>| text.as_deref().map(Value::from);
        let time = |time: &WallTime| jiff::Timestamp::from_second(time.unix_seconds()).ok();
        let parts = [
            (Field::Id, text(id)),
            (Field::Platform, text(platform)),
            (Field::OsVersion, text(os_version)),
            (Field::Encrypted, encrypted.map(Value::from)),
            (Field::Managed, managed.map(Value::from)),
            (Field::Jailbroken, jailbroken.map(Value::from)),
            (Field::ScreenLock, screen_lock.map(Value::from)),
            (Field::Certificate, certificate.map(Value::from)),
            (
                Field::PatchedAt,
                patched_at
                    .as_ref()
                    .and_then(time)
                    .map(|time| Value::from(time.to_string())),
            ),
        ];
        let known = parts
            .into_iter()
            .filter_map(|(field, value)| Some((field.name().to_owned(), value?)));
        known.collect()
    }
}

impl Confirmation {
    /// Reads `cnf`. Any other confirmation is not understood here, and so is a wrong form.
    fn read(cnf: Option<&Value>) -> Result<Self, Reason> {
        let mut confirmation = Self::default();
        let members = match cnf {
            None => return Ok(confirmation),
            Some(Value::Object(members)) if !members.is_empty() => members,
            Some(_) => return Err(Reason::DeviceMalformed),
        };
        for (name, value) in members {
            let thumbprint = value.as_str().and_then(thumbprint_of);
            let thumbprint = Some(thumbprint.ok_or(Reason::DeviceMalformed)?);
            match name.as_str() {
                "x5t#S256" => confirmation.certificate = thumbprint,
                "jkt" => confirmation.key = thumbprint,
                _ => return Err(Reason::DeviceMalformed),
            }
        }
        Ok(confirmation)
    }
}

/// A string that is neither empty nor too long and holds nothing that cannot be seen.
fn text(value: &Value, most: usize) -> Result<String, Reason> {
    let text = value.as_str().ok_or(Reason::DeviceMalformed)?;
    let is_word = (1..=most).contains(&text.len()) && !text.chars().any(char::is_control);
    is_word.then(|| text.to_owned()).ok_or(Reason::DeviceMalformed)
}

/// A NumericDate (RFC 7519 §2), or a time of RFC 3339.
fn time(value: &Value) -> Result<WallTime, Reason> {
    let nanoseconds = match value {
        Value::Number(seconds) => {
            let seconds = seconds.as_f64().ok_or(Reason::DeviceMalformed)?;
            let since = core::time::Duration::try_from_secs_f64(seconds).map_err(|_| Reason::DeviceMalformed)?;
            i128::try_from(since.as_nanos()).ok()
        }
        Value::String(text) => {
            let time: jiff::Timestamp = text.parse().map_err(|_| Reason::DeviceMalformed)?;
            Some(time.as_nanosecond())
        }
        _ => None,
    };
    let nanoseconds = nanoseconds.and_then(|nanoseconds| u64::try_from(nanoseconds).ok());
    nanoseconds.map(WallTime).ok_or(Reason::DeviceMalformed)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{Confirmation, Posture};
    use crate::reason::Reason;
    use crate::time::WallTime;

    fn read(claim: Value) -> Result<Posture, Reason> {
        Posture::of_claim(Some(&claim))
    }

    #[test]
    fn a_whole_posture() {
        let claim = json!({"id": "C02XK0AAJGH5", "platform": "macOS", "os_version": "14.10", "encrypted": true, "managed": true,
            "jailbroken": false, "screen_lock": true, "certificate": false, "patched_at": "2026-01-02T03:04:05Z", "vendor": {"any": 1},
            "cnf": {"x5t#S256": "A".repeat(43)}});
        let posture = read(claim).expect("a posture");
        assert_eq!(posture.platform.as_deref(), Some("macos"));
        assert_eq!(posture.patched_at, Some(WallTime(1_767_323_045_000_000_000)));
        assert_eq!((posture.jailbroken, posture.certificate), (Some(false), Some(false)));
        let bound = Confirmation {
            certificate: Some([0; 32]),
            key: None,
        };
        assert_eq!(posture.confirmation, bound);
        let told = json!({"id": "C02XK0AAJGH5", "platform": "macos", "os_version": "14.10", "encrypted": true, "managed": true,
            "jailbroken": false, "screen_lock": true, "certificate": false, "patched_at": "2026-01-02T03:04:05Z"});
        assert_eq!(Value::Object(posture.to_json()), told);
    }

    #[test]
    fn what_is_not_said_is_not_known() {
        for claim in [
            json!({}),
            json!({"encrypted": null, "os_version": null, "patched_at": null}),
        ] {
            let posture = read(claim).expect("a posture");
            assert_eq!(posture, Posture::default());
            assert!(posture.to_json().is_empty());
        }
        assert_eq!(Posture::of_claim(None), Err(Reason::DeviceMissing));
        assert_eq!(read(Value::Null), Err(Reason::DeviceMissing));
    }

    #[test]
    fn one_part_of_a_wrong_form_spoils_the_whole() {
        let thumbprint = "A".repeat(43);
        for claim in [
            json!([]),
            json!(true),
            json!("managed"),
            json!({"encrypted": "true"}),
            json!({"encrypted": 1}),
            json!({"managed": ["true"]}),
            json!({"jailbroken": "false"}),
            json!({"screen_lock": {}}),
            json!({"certificate": "yes"}),
            json!({"os_version": 14.1}),
            json!({"os_version": "15.2 (24C101)"}),
            json!({"os_version": ""}),
            json!({"os_version": "latest"}),
            json!({"platform": ""}),
            json!({"platform": "p".repeat(33)}),
            json!({"platform": ["macos"]}),
            json!({"id": 7}),
            json!({"id": "a\nb"}),
            json!({"id": "i".repeat(257)}),
            json!({"patched_at": "yesterday"}),
            json!({"patched_at": "2026-01-02"}),
            json!({"patched_at": "1960-01-02T00:00:00Z"}),
            json!({"patched_at": -1}),
            json!({"patched_at": 1e300}),
            json!({"patched_at": true}),
            json!({"cnf": null}),
            json!({"cnf": {}}),
            json!({"cnf": thumbprint}),
            json!({"cnf": {"x5t#S256": ""}}),
            json!({"cnf": {"x5t": thumbprint}}),
            json!({"cnf": {"jkt": thumbprint, "kid": "a"}}),
        ] {
            assert_eq!(read(claim.clone()), Err(Reason::DeviceMalformed), "{claim}");
        }
    }

    #[test]
    fn a_time_is_a_number_or_rfc_3339() {
        for (time, nanoseconds) in [
            (json!(1_767_323_045), 1_767_323_045_000_000_000),
            (json!(1.5), 1_500_000_000),
            (json!("2026-01-02T04:04:05+01:00"), 1_767_323_045_000_000_000),
        ] {
            let posture = read(json!({"patched_at": time})).expect("a posture");
            assert_eq!(posture.patched_at, Some(WallTime(nanoseconds)));
        }
    }
}
