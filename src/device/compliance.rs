//! What a policy demands of a device.

use core::time::Duration;

use super::Posture;
use crate::identity::LEEWAY_SECONDS;
use crate::reason::Reason;
use crate::time::WallTime;
use crate::version::Version;

/// An operating system whose versions a policy knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Platform {
    /// Android.
    Android,
    /// ChromeOS.
    ChromeOs,
    /// iOS and iPadOS.
    Ios,
    /// Linux.
    Linux,
    /// macOS.
    MacOs,
    /// Windows.
    Windows,
}

impl Platform {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Android,
        Self::ChromeOs,
        Self::Ios,
        Self::Linux,
        Self::MacOs,
        Self::Windows,
    ];

    /// As documents and postures spell it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Android => "android",
            Self::ChromeOs => "chromeos",
            Self::Ios => "ios",
            Self::Linux => "linux",
            Self::MacOs => "macos",
            Self::Windows => "windows",
        }
    }
}

/// One demand. They sort in the order in which they are looked at.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Check {
    /// `jailbroken: false`.
    NotJailbroken,
    /// `managed: true`.
    Managed,
    /// `encryption: required`.
    Encryption,
    /// `screen_lock: required`.
    ScreenLock,
    /// `certificate: required`.
    Certificate,
    /// `os_version`.
    OsVersion(Minimum),
    /// `patch_age`: the last update is no longer ago.
    PatchAge(Duration),
}

/// The least version of an operating system. Each text reads as a [`Version`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Minimum {
    /// This one, whatever the platform.
    Any(String),
    /// The one of its platform; a platform that is not listed has none that would do.
    Each(Vec<(Platform, String)>),
    /// `latest`: the one of its platform by the policy's `osVersions`; empty where it has none.
    Latest(Vec<(Platform, String)>),
}

impl Check {
    /// Why a device does not meet it at this time. What is not known does not.
    #[must_use]
    pub fn shortfall(&self, device: &Posture, at: WallTime) -> Option<Reason> {
        let unless = |met: bool, reason: Reason| (!met).then_some(reason);
        match self {
            Self::NotJailbroken => unless(device.jailbroken == Some(false), Reason::DeviceJailbroken),
            Self::Managed => unless(device.managed == Some(true), Reason::DeviceManaged),
            Self::Encryption => unless(device.encrypted == Some(true), Reason::DeviceEncryption),
            Self::ScreenLock => unless(device.screen_lock == Some(true), Reason::DeviceScreenLock),
            // Whoever has shown the certificate that the posture is bound to has one.
            Self::Certificate => unless(
                device.certificate == Some(true) || device.confirmation.certificate.is_some(),
                Reason::DeviceCertificate,
            ),
            Self::OsVersion(minimum) => minimum.shortfall(device),
            Self::PatchAge(most) => unless(
                device.patched_at.is_some_and(|patched| is_recent(patched, *most, at)),
                Reason::DevicePatchAge,
            ),
        }
    }
}

impl Minimum {
    fn shortfall(&self, device: &Posture) -> Option<Reason> {
        let least = match self {
            Self::Any(version) => Some(version.as_str()),
            Self::Each(list) => of_platform(list, device),
            Self::Latest(list) => match of_platform(list, device) {
                None if list.is_empty() || device.platform.is_some() => return Some(Reason::DeviceLatestUnknown),
                found => found,
            },
        };
        let least = least.and_then(|least| Version::parse(least).ok());
        let met = least
            .zip(device.version())
            .is_some_and(|(least, version)| version >= least);
        (!met).then_some(Reason::DeviceOsVersion)
    }
}

/// The version that is listed for the device's platform.
fn of_platform<'l>(list: &'l [(Platform, String)], device: &Posture) -> Option<&'l str> {
    let platform = device.platform.as_deref()?;
    let (_, version) = list.iter().find(|(known, _)| known.name() == platform)?;
    Some(version)
}

/// No leeway is given for the age itself; a time in the future is one only as far as two clocks may differ.
fn is_recent(patched: WallTime, most: Duration, at: WallTime) -> bool {
    patched.after(most) >= at && patched.numeric_date() <= at.numeric_date() + LEEWAY_SECONDS
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use serde_json::{Value, json};

    use super::{Check, Minimum, Platform};
    use crate::device::Posture;
    use crate::reason::Reason;
    use crate::time::WallTime;

    const NOW: u64 = 1_800_000_000;

    #[track_caller]
    fn check(check: &Check, cases: &[(Value, Option<Reason>)]) {
        for (claim, expected) in cases {
            let posture = Posture::of_claim(Some(claim)).expect("a posture");
            let found = check.shortfall(&posture, WallTime(NOW * 1_000_000_000));
            assert_eq!(found, *expected, "{check:?} {claim}");
        }
    }

    #[test]
    fn absence_meets_nothing() {
        for (demand, name, good, reason) in [
            (Check::NotJailbroken, "jailbroken", false, Reason::DeviceJailbroken),
            (Check::Managed, "managed", true, Reason::DeviceManaged),
            (Check::Encryption, "encrypted", true, Reason::DeviceEncryption),
            (Check::ScreenLock, "screen_lock", true, Reason::DeviceScreenLock),
            (Check::Certificate, "certificate", true, Reason::DeviceCertificate),
        ] {
            check(
                &demand,
                &[
                    (json!({}), Some(reason)),
                    (json!({ name: null }), Some(reason)),
                    (json!({ name: !good }), Some(reason)),
                    (json!({ name: good }), None),
                ],
            );
        }
    }

    #[test]
    fn a_certificate_that_was_shown_is_one() {
        let cnf = |name: &str| json!({"cnf": {name: "A".repeat(43)}});
        check(
            &Check::Certificate,
            &[(cnf("x5t#S256"), None), (cnf("jkt"), Some(Reason::DeviceCertificate))],
        );
    }

    fn versions(list: &[(Platform, &str)]) -> Vec<(Platform, String)> {
        list.iter()
            .map(|(platform, version)| (*platform, (*version).to_owned()))
            .collect()
    }

    #[test]
    fn versions_are_those_of_the_platform() {
        let old = Some(Reason::DeviceOsVersion);
        let device = |platform: &str, version: &str| json!({"platform": platform, "os_version": version});
        let any = Check::OsVersion(Minimum::Any("14.9".to_owned()));
        check(
            &any,
            &[
                (json!({"os_version": "14.10"}), None),
                (json!({"os_version": "14.9"}), None),
                (json!({"os_version": "14.9.0"}), None),
                (json!({"os_version": "14.8.99"}), old),
                (json!({"os_version": "14.9-beta"}), old),
                (json!({"platform": "macos"}), old),
                (json!({}), old),
            ],
        );
        let list = versions(&[(Platform::Ios, "18.1"), (Platform::MacOs, "15.2")]);
        check(
            &Check::OsVersion(Minimum::Each(list.clone())),
            &[
                (device("macOS", "15.2"), None),
                (device("ios", "18.1.1"), None),
                (device("ios", "15.2"), old),
                (device("windows", "99"), old),
                (json!({"os_version": "99"}), old),
                (json!({"platform": "ios"}), old),
            ],
        );
        let unknown = Some(Reason::DeviceLatestUnknown);
        check(
            &Check::OsVersion(Minimum::Latest(list)),
            &[
                (device("macos", "15.10"), None),
                (device("macos", "15.1"), old),
                (device("windows", "99"), unknown),
                (json!({"os_version": "99"}), old),
            ],
        );
        check(
            &Check::OsVersion(Minimum::Latest(Vec::new())),
            &[(device("macos", "99"), unknown), (json!({}), unknown)],
        );
    }

    #[test]
    fn an_age_is_counted_to_the_stricter_side() {
        let old = Some(Reason::DevicePatchAge);
        let at = |time: Value| json!({ "patched_at": time });
        check(
            &Check::PatchAge(Duration::from_secs(86_400)),
            &[
                (at(json!(NOW)), None),
                (at(json!(NOW - 86_400)), None),
                (at(json!(NOW - 86_401)), old),
                (at(json!(NOW + 30)), None),
                (at(json!(NOW + 31)), old),
                (at(json!(0)), old),
                (json!({}), old),
            ],
        );
    }
}
