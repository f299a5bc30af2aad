//! What requirements on the time want, in the words of their documents, and what the clocks of their zones show.

use std::collections::HashMap;

use jiff::Timestamp;
use regionguard::context::Zone;
use regionguard::policy::Seen;
use serde_json::Value;

use super::written::{document, short};
use crate::documents::{Loaded, member};

/// The requirements of one policy on the time, in the order in which the kernel has them: that of the document.
pub(super) struct Times<'t> {
    bundle: &'t Loaded,
    entries: Vec<&'t Value>,
    seen: &'t Seen,
    /// How many of each kind were told.
    told: HashMap<String, usize>,
}

impl<'t> Times<'t> {
    pub(super) fn new(bundle: &'t Loaded, policy: &str, seen: &'t Seen) -> Self {
        let context = document(bundle, "ZeroTrustPolicy", policy)
            .and_then(|policy| member(member(policy, "spec")?, "context"))
            .and_then(|context| member(context, "timeRestrictions")?.as_array());
        Self {
            bundle,
            entries: context.into_iter().flatten().collect(),
            seen,
            told: HashMap::new(),
        }
    }

    /// What the next requirement of this kind wants, and what was found.
    pub(super) fn next(&mut self, kind: &str) -> (Option<String>, Option<String>) {
        let nth = self.told.entry(kind.to_owned()).or_default();
        let is_it = |entry: &&&Value| match kind {
            "dates" => member(entry, "notBefore").is_some() || member(entry, "notAfter").is_some(),
            kind => member(entry, kind).is_some(),
        };
        let entry = self.entries.iter().filter(is_it).nth(*nth).copied();
        *nth += 1;
        let Some(entry) = entry else {
            return (None, self.clock(None));
        };
        match kind {
            "businessHours" => self.business_hours(),
            "dates" => {
                let ends = ["notBefore", "notAfter"];
                let ends = ends.into_iter().filter_map(|name| Some((name, member(entry, name)?)));
                let wanted: Vec<String> = ends.map(|(name, time)| format!("{name} {}", short(time))).collect();
                (Some(wanted.join(", ")), self.clock(None))
            }
            kind => {
                let value = member(entry, kind);
                let first = match value {
                    Some(Value::Array(windows)) => windows.first(),
                    value => value,
                };
                let zone = first.and_then(|hours| member(hours, "timezone")?.as_str());
                let wanted = value.map(short);
                let wanted = match kind {
                    "maintenance" => wanted.map(|windows| format!("none of {windows}")),
                    _ => wanted,
                };
                (wanted, self.clock(zone))
            }
        }
    }

    /// Those of the home region.
    fn business_hours(&self) -> (Option<String>, Option<String>) {
        let home = self.seen.home.as_deref().unwrap_or("?");
        let region = document(self.bundle, "Region", home).and_then(|region| member(region, "spec"));
        let of = |name: &str| region.and_then(|region| member(region, name));
        let zone = of("timezone").and_then(Value::as_str);
        let wanted = match (of("businessHours"), zone) {
            (Some(hours), Some(zone)) => format!("the hours of {home}: {} in {zone}", short(hours)),
            _ => format!("the hours of {home}, which has none"),
        };
        (Some(wanted), self.clock(zone))
    }

    /// What the clocks of a zone show, or those of UTC.
    fn clock(&self, zone: Option<&str>) -> Option<String> {
        let at = Timestamp::from_second(self.seen.at.unix_seconds()).ok()?;
        let Some(zone) = zone.and_then(|zone| Zone::named(zone).ok()) else {
            return Some(at.to_string());
        };
        let local = zone.wall_clock(at);
        Some(format!("{} in {}", local.strftime("%a %Y-%m-%d %H:%M"), zone.name()))
    }
}
