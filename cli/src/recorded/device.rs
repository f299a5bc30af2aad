//! What is known of a device, in the words of a PolicyTest.

use regionguard::device::Field;
use regionguard::time::WallTime;
use serde_json::{Map, Value};

use crate::documents::camel_case;
use crate::trial::Device;

/// The device that these members tell of.
///
/// # Errors
/// What would be right.
pub(super) fn read(members: &Value, issuer: Option<&str>, signed_at: Option<WallTime>) -> Result<Device, String> {
    let members = members.as_object().ok_or("`device` must be an object")?;
    let mut parts = Vec::new();
    for (name, value) in members {
        let field = Field::ALL
            .into_iter()
            .find(|field| camel_case(field.name()) == camel_case(name));
        let field = field.ok_or_else(|| {
            let known: Vec<String> = Field::ALL.iter().map(|field| camel_case(field.name())).collect();
            format!("a device has no `{name}`; there are {}", known.join(", "))
        })?;
        parts.push((field, value.clone()));
    }
    Ok(Device {
        issuer: issuer.map(str::to_owned),
        parts,
        signed_at,
    })
}

/// The members that [`read`] makes this device of.
pub(super) fn write(device: &Device) -> Value {
    let parts = device.parts.iter();
    let members: Map<String, Value> = parts
        .map(|(field, value)| (camel_case(field.name()), value.clone()))
        .collect();
    Value::Object(members)
}
