//! `claims` of a Region: where its tokens hold region, permissions, roles, grants and the posture of the device.

use super::diagnostic::{Problem, Read, Sink};
use super::limits;
use super::path::Path;
use super::reader::{At, Shape};
use super::value::Value;
use crate::identity::{ClaimMapping, ClaimPath, RegionClaim};

const CLAIMS: Shape = Shape {
    fields: &[
        "region",
        "permissions",
        "roles",
        "grants",
        "device",
        "audience",
        "require",
    ],
    later: &[],
};

const REGION: Shape = Shape {
    fields: &["fromIssuer"],
    later: &[],
};

pub(super) fn read(at: &At<'_>, sink: &mut Sink) -> Read<ClaimMapping> {
    let fields = at.fields(&CLAIMS, sink)?;
    let region = fields.optional("region", sink, region);
    let permissions = fields.optional("permissions", sink, path);
    let roles = fields.optional("roles", sink, path);
    let grants = fields.optional("grants", sink, path);
    let device = fields.optional("device", sink, path);
    let audience = fields.optional("audience", sink, path);
    let require = fields.optional("require", sink, require);
    let usual = ClaimMapping::default();
    Ok(ClaimMapping {
        region: region?.unwrap_or(usual.region),
        permissions: permissions?.unwrap_or(usual.permissions),
        roles: roles?.unwrap_or(usual.roles),
        grants: grants?,
        device: device?,
        audience: audience?,
        require: require?.unwrap_or_default(),
    })
}

/// The name of a claim, or `{fromIssuer: true}`.
fn region(at: &At<'_>, sink: &mut Sink) -> Read<RegionClaim> {
    if !matches!(at.value, Value::Object(_)) {
        return path(at, sink).map(RegionClaim::Claim);
    }
    let fields = at.fields(&REGION, sink)?;
    fields.required("fromIssuer", sink, At::only_true)?;
    Ok(RegionClaim::FromIssuer)
}

/// Claims by name, and the string that each has to be.
fn require(at: &At<'_>, sink: &mut Sink) -> Read<Vec<(ClaimPath, String)>> {
    let members = at.members(sink)?;
    if members.len() > limits::REQUIRED_CLAIMS {
        let message = format!("too many: {}, {} at most", members.len(), limits::REQUIRED_CLAIMS);
        return Err(sink.error(&at.path, message));
    }
    let mut wrong = None;
    let mut required = Vec::new();
    for (name, value) in members {
        let at = At::new(value, Path::Member(&at.path, name));
        match (ClaimPath::new(name), at.text(sink)) {
            (Some(path), Ok(value)) => required.push((path, value.to_owned())),
            (None, _) => {
                let message = format!("the name of a claim has 1 to {} bytes", ClaimPath::MAX_BYTES);
                wrong = Some(sink.error(&at.path, message));
            }
            (_, Err(reported)) => wrong = Some(reported),
        }
    }
    wrong.map_or(Ok(required), Err)
}

fn path(at: &At<'_>, sink: &mut Sink) -> Read<ClaimPath> {
    let text = at.text(sink)?;
    ClaimPath::new(text).ok_or_else(|| {
        let message = format!("the name of a claim has at most {} bytes", ClaimPath::MAX_BYTES);
        sink.error(&at.path, Problem::new(message).found(at.value))
    })
}
