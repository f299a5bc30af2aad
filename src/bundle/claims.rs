//! `claims` of a Region: where its tokens hold region, permissions, roles and grants.

use super::diagnostic::{Problem, Read, Sink};
use super::reader::{At, Shape};
use super::value::Value;
use crate::identity::{ClaimMapping, ClaimPath, RegionClaim};

const CLAIMS: Shape = Shape {
    fields: &["region", "permissions", "roles", "grants"],
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
    let usual = ClaimMapping::default();
    Ok(ClaimMapping {
        region: region?.unwrap_or(usual.region),
        permissions: permissions?.unwrap_or(usual.permissions),
        roles: roles?.unwrap_or(usual.roles),
        grants: grants?,
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

fn path(at: &At<'_>, sink: &mut Sink) -> Read<ClaimPath> {
    let text = at.text(sink)?;
    ClaimPath::new(text).ok_or_else(|| {
        let message = format!("the name of a claim has at most {} bytes", ClaimPath::MAX_BYTES);
        sink.error(&at.path, Problem::new(message).found(at.value))
    })
}
