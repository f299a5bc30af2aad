//! `trust`: the operator's part of a bundle.

use super::diagnostic::{Read, Sink};
use super::document::Trust;
use super::edges;
use super::limits;
use super::reader::{At, Shape};
use crate::request::{HostPattern, PathOptions};

const TRUST: Shape = Shape {
    fields: &["hosts", "paths", "peerVerification", "direction", "edges"],
    later: &[],
};

const PATHS: Shape = Shape {
    fields: &["strict", "allow", "caseInsensitive"],
    later: &[],
};

/// What `trust.paths.allow` relaxes.
#[derive(Clone, Copy)]
enum Relaxation {
    EncodedSlash,
    PathParameters,
    EmptySegments,
}

const RELAXATIONS: &[(&str, Relaxation)] = &[
    ("encodedSlash", Relaxation::EncodedSlash),
    ("pathParameters", Relaxation::PathParameters),
    ("emptySegments", Relaxation::EmptySegments),
];

pub(super) fn read(at: &At<'_>, sink: &mut Sink) -> Read<Trust> {
    let fields = at.fields(&TRUST, sink)?;
    let hosts = fields.optional("hosts", sink, |at, sink| hosts(at, sink));
    let paths = fields.optional("paths", sink, |at, sink| paths(at, sink));
    let peer_verification = fields.optional("peerVerification", sink, |at, sink| {
        at.word(&[("required", true), ("none", false)], sink)
    });
    let any_direction = fields.optional("direction", sink, |at, sink| {
        at.word(&[("inbound", false), ("any", true)], sink)
    });
    // What `peerVerification` may have meant is not held against the edges.
    let verified = *peer_verification.as_ref().unwrap_or(&Some(true)) == Some(true);
    let edges = fields.optional("edges", sink, |at, sink| edges::read(at, verified, sink));
    Ok(Trust {
        hosts: hosts?,
        paths: paths?.unwrap_or_default(),
        peer_verification: peer_verification?.unwrap_or_default(),
        any_direction: any_direction?.unwrap_or_default(),
        edges: edges?.unwrap_or_default(),
    })
}

/// A list of host patterns, as `trust`, selectors and rules have it.
pub(super) fn hosts(at: &At<'_>, sink: &mut Sink) -> Read<Vec<HostPattern>> {
    at.list(limits::RULE_ITEMS, sink, |at, sink| at.parsed(HostPattern::parse, sink))
}

fn paths(at: &At<'_>, sink: &mut Sink) -> Read<PathOptions> {
    let fields = at.fields(&PATHS, sink)?;
    let strict = fields.optional("strict", sink, At::boolean);
    let case_insensitive = fields.optional("caseInsensitive", sink, At::boolean);
    let relaxations = fields.optional("allow", sink, |at, sink| {
        at.list(limits::RULE_ITEMS, sink, |at, sink| at.word(RELAXATIONS, sink))
    });
    let mut options = PathOptions {
        strict: strict?.unwrap_or_default(),
        case_insensitive: case_insensitive?.unwrap_or_default(),
        ..PathOptions::default()
    };
    for relaxation in relaxations?.unwrap_or_default() {
        match relaxation {
            Relaxation::EncodedSlash => options.encoded_slash = true,
            Relaxation::PathParameters => options.path_parameters = true,
            Relaxation::EmptySegments => options.empty_segments = true,
        }
    }
    Ok(options)
}
