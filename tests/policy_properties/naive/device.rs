//! What each demand says of one device.

use regionguard::device::{Check, Minimum, Posture};
use regionguard::reason::Reason;
use regionguard::time::WallTime;

/// Why the demand is not met.
pub(super) fn unmet(check: &Check, device: &Posture, at: WallTime) -> Option<Reason> {
    let (holds, reason) = match check {
        Check::NotJailbroken => (device.jailbroken == Some(false), Reason::DeviceJailbroken),
        Check::Managed => (device.managed == Some(true), Reason::DeviceManaged),
        Check::Encryption => (device.encrypted == Some(true), Reason::DeviceEncryption),
        Check::ScreenLock => (device.screen_lock == Some(true), Reason::DeviceScreenLock),
        Check::Certificate => {
            let shown = device.confirmation.certificate.is_some();
            (shown || device.certificate == Some(true), Reason::DeviceCertificate)
        }
        Check::PatchAge(most) => {
            let seconds = |time: WallTime| i128::from(time.0);
            let age = device
                .patched_at
                .map(|patched| seconds(at).saturating_sub(seconds(patched)));
            let most = i128::try_from(most.as_nanos()).unwrap();
            let recent = age.is_some_and(|age| age <= most && age >= -30_000_000_000);
            (recent, Reason::DevicePatchAge)
        }
        Check::OsVersion(minimum) => {
            let platform = device.platform.as_deref();
            let list = match minimum {
                Minimum::Any(least) => return old(device, Some(least)),
                Minimum::Each(list) | Minimum::Latest(list) => list,
            };
            let least = list.iter().find(|(known, _)| Some(known.name()) == platform);
            let latest = matches!(minimum, Minimum::Latest(_));
            if latest && least.is_none() && (list.is_empty() || platform.is_some()) {
                return Some(Reason::DeviceLatestUnknown);
            }
            return old(device, least.map(|(_, least)| least));
        }
    };
    (!holds).then_some(reason)
}

fn old(device: &Posture, least: Option<&String>) -> Option<Reason> {
    let new = match (device.os_version.as_deref(), least) {
        (Some(version), Some(least)) => numbers(version) >= numbers(least),
        _ => false,
    };
    (!new).then_some(Reason::DeviceOsVersion)
}

/// Plain versions only, without zeros at their end.
fn numbers(version: &str) -> Vec<u64> {
    let mut numbers: Vec<u64> = version.split('.').map(|number| number.parse().unwrap()).collect();
    while numbers.last() == Some(&0) {
        numbers.pop();
    }
    numbers
}
