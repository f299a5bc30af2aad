//! The bundle itself: what frames the documents.

use super::RegionId;
use super::cross;
use super::diagnostic::{Problem, Read, Sink, short};
use super::document::{Bundle, Candidate, Grants, Policy, Region, Revocations};
use super::limits;
use super::path::Path;
use super::reader::{At, Fields, Shape};
use super::value::Value;
use super::{candidate, device_issuer, edges, grants, overriding, policy, region, revocations, tokens, trust};
use crate::context::Networks;
use crate::device::DeviceIssuer;
use crate::identity::{ClaimPath, TokenSources};
use crate::request::PathOptions;
use crate::sort::Arrange as _;

const BUNDLE: Shape = Shape {
    fields: &[
        "region",
        "metadata",
        "trust",
        "tokens",
        "documents",
        "candidate",
        "override",
    ],
    later: &["layers"],
};

const BUNDLE_METADATA: Shape = Shape {
    fields: &["name", "version"],
    later: &[],
};

pub(super) const DOCUMENT: Shape = Shape {
    fields: &["apiVersion", "kind", "metadata", "spec"],
    later: &[],
};

pub(super) const METADATA: Shape = Shape {
    fields: &["name"],
    later: &[],
};

/// A kind that stands beside the documents of a bundle, never among them.
const POLICY_TEST: &str = "PolicyTest";

/// Where tokens hold the posture of their subject's device, unless their Region says otherwise.
const DEVICE_CLAIM: &str = "device";

/// What stands for a name that nobody wrote.
const NAMELESS: &str = "?";

/// Where the documents stand that are in force.
const DOCUMENTS: &str = "documents";

/// What the documents of a bundle refer to.
pub(super) struct Known<'k> {
    /// The names of all Regions.
    pub(super) regions: &'k [&'k str],
    /// How paths are read: a template is brought into the same form.
    pub(super) paths: &'k PathOptions,
    /// Whether a peer may have an identity here.
    pub(super) peer_verification: bool,
}

/// The kind of a document.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Region,
    Policy,
    Revocations,
    Grants,
    DeviceIssuer,
}

impl Kind {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Region => "Region",
            Self::Policy => "ZeroTrustPolicy",
            Self::Revocations => "Revocations",
            Self::Grants => "Grants",
            Self::DeviceIssuer => "DeviceIssuer",
        }
    }
}

/// What every document begins with.
pub(super) struct Header {
    pub(super) kind: Kind,
    /// As it was written, where it is no name.
    pub(super) name: String,
    /// Whether the name is one: only such are compared.
    pub(super) named: bool,
    /// Whether the name is one, and the `apiVersion` ours. Where they are not, the rest is judged all the same: all errors at once.
    pub(super) valid: Read<()>,
}

/// The documents that could be read, each sorted by name, and where they stood.
pub(super) struct Documents {
    /// The bundle's `region`.
    pub(super) region: Option<String>,
    pub(super) regions: Vec<Placed<Region>>,
    pub(super) policies: Vec<Placed<Policy>>,
    pub(super) revocations: Vec<Placed<Revocations>>,
    pub(super) grants: Vec<Placed<Grants>>,
    pub(super) device_issuers: Vec<Placed<DeviceIssuer>>,
    /// The policies that would stand in place of `policies`, and how many requests are compared.
    pub(super) candidate: Option<(Vec<Placed<Policy>>, u32)>,
}

impl Documents {
    /// The policies of the candidate.
    pub(super) fn candidates(&self) -> &[Placed<Policy>] {
        self.candidate.as_ref().map_or(&[], |(policies, _)| policies)
    }

    /// All policies, those of the candidate among them.
    pub(super) fn all_policies(&self) -> impl Iterator<Item = &Placed<Policy>> {
        self.policies.iter().chain(self.candidates())
    }
}

/// A document and its place.
pub(super) struct Placed<T> {
    /// The list that it stands in, like `documents`.
    pub(super) list: &'static str,
    pub(super) index: usize,
    pub(super) document: T,
}

impl<T> Placed<T> {
    /// One of `documents`.
    fn in_force(index: usize, document: T) -> Self {
        let list = DOCUMENTS;
        Self { list, index, document }
    }
}

/// Reads the whole bundle, and checks what its documents say of each other.
pub(super) fn read(value: &Value, sink: &mut Sink) -> Read<(Bundle, Networks<RegionId>)> {
    let at = At::new(value, Path::Root);
    if let (Some(kind), None) = (value.member("kind"), value.member("documents")) {
        let message =
            "this is a single document: put it into the `documents` of a bundle, beside `metadata: {name, version}`";
        return Err(sink.error(&Path::Root, Problem::new(message).found(kind)));
    }
    let fields = at.fields(&BUNDLE, sink)?;
    let metadata = fields.required("metadata", sink, metadata);
    let trust = fields.optional("trust", sink, trust::read);
    let tokens = fields.optional("tokens", sink, |at, sink| tokens::read(at, sink));
    let over = fields.optional("override", sink, overriding::read);
    // Templates are judged as far as they can be, whatever is wrong with `trust`; what `trust` may have meant is not held against them.
    let told = trust.as_ref().ok().and_then(Option::as_ref);
    let paths = told.map_or_else(PathOptions::default, |trust| trust.paths);
    let peer_verification = trust.is_err() || told.is_some_and(|trust| trust.peer_verification);
    let (mut documents, complete) = documents(&fields, &paths, peer_verification, sink)?;
    // All errors at once: what could be read is checked even where something could not.
    let no_tokens = TokenSources::default();
    let told_tokens = tokens.as_ref().ok().and_then(Option::as_ref);
    let told_tokens = told_tokens.map_or(&no_tokens, |tokens| &tokens.sources);
    let networks = cross::check(&documents, told_tokens, sink);
    device_issuer::check(&documents, told_tokens, sink);
    if let Ok(Some(trust)) = &trust {
        edges::check(trust, &documents, told_tokens, sink);
    }
    let (name, version) = metadata?;
    let trust = trust?.unwrap_or_default();
    let tokens = tokens?.unwrap_or_default();
    let over = over?;
    complete?;
    revocations::check(&documents, sink);
    grants::check(&documents, sink);
    cross::warn_of_the_useless(&documents, &trust, sink);
    // Who has said nothing else means the claim of this name, unless somebody is named who knows better.
    if documents.device_issuers.is_empty() {
        for region in &mut documents.regions {
            let device = &mut region.document.claims.device;
            *device = device.take().or_else(|| ClaimPath::new(DEVICE_CLAIM));
        }
    }
    let bundle = Bundle {
        region: documents.region,
        name,
        version,
        trust,
        tokens: tokens.sources,
        refresh_before: tokens.refresh_before,
        dpop: tokens.dpop,
        regions: documents.regions.into_iter().map(|placed| placed.document).collect(),
        policies: documents.policies.into_iter().map(|placed| placed.document).collect(),
        revocations: documents
            .revocations
            .into_iter()
            .map(|placed| placed.document)
            .collect(),
        grants: documents.grants.into_iter().map(|placed| placed.document).collect(),
        device_issuers: documents
            .device_issuers
            .into_iter()
            .map(|placed| placed.document)
            .collect(),
        candidate: documents.candidate.map(|(policies, sample)| Candidate {
            policies: policies.into_iter().map(|placed| placed.document).collect(),
            sample,
        }),
        over,
    };
    Ok((bundle, networks?))
}

fn metadata(at: &At<'_>, sink: &mut Sink) -> Read<(String, u64)> {
    let fields = at.fields(&BUNDLE_METADATA, sink)?;
    let name = fields.required("name", sink, At::name).map(str::to_owned);
    let version = fields.required("version", sink, |at, sink| at.integer(1, limits::INTEGER, sink));
    Ok((name?, version?))
}

/// The documents that can be read, and whether these are all.
fn documents(
    bundle: &Fields<'_>,
    paths: &PathOptions,
    peer_verification: bool,
    sink: &mut Sink,
) -> Read<(Documents, Read<()>)> {
    let list = bundle.required("documents", sink, |at, _| Ok(*at))?;
    let headers = headers(&list, sink)?;
    let names: Vec<&str> = headers
        .iter()
        .flatten()
        .filter(|header| header.kind == Kind::Region)
        .map(|header| header.name.as_str())
        .collect();
    let known = Known {
        regions: &names,
        paths,
        peer_verification,
    };
    let region = bundle.optional("region", sink, |at, sink| policy::region_name(at, &known, sink));
    let candidate = bundle.optional("candidate", sink, |at, sink| candidate::read(at, &known, sink));
    let mut complete = Ok(());
    let (mut regions, mut policies) = (Vec::new(), Vec::new());
    let (mut revoked, mut granted, mut device_issuers) = (Vec::new(), Vec::new(), Vec::new());
    for (index, (value, header)) in items(list.value).iter().zip(&headers).enumerate() {
        let (header, spec) = match (header, value.member("spec")) {
            (Ok(header), Some(spec)) => (header, spec),
            (Err(reported), _) => {
                complete = Err(*reported);
                continue;
            }
            // INVARIANT: whoever has a header has a `spec`.
            (Ok(_), None) => continue,
        };
        let document = Path::Item(&list.path, index);
        let spec = At::new(spec, Path::Member(&document, "spec"));
        sink.enter(Some(format!("{} {}", header.kind.name(), header.name)));
        let outcome = match header.kind {
            Kind::Region => region::read(&header.name, &spec, &known, sink)
                .map(|document| regions.push(Placed::in_force(index, document))),
            Kind::Policy => policy::read(&header.name, &spec, &known, sink)
                .map(|document| policies.push(Placed::in_force(index, document))),
            Kind::Revocations => revocations::read(&header.name, &spec, &known, sink)
                .map(|document| revoked.push(Placed::in_force(index, document))),
            Kind::Grants => grants::read(&header.name, &spec, &known, sink)
                .map(|document| granted.push(Placed::in_force(index, document))),
            Kind::DeviceIssuer => device_issuer::read(&header.name, &spec, &known, sink)
                .map(|document| device_issuers.push(Placed::in_force(index, document))),
        };
        complete = complete.and(header.valid).and(outcome);
    }
    sink.enter(None);
    regions.arrange_by(|left, right| left.document.name.cmp(&right.document.name));
    policies.arrange_by(|left, right| left.document.name.cmp(&right.document.name));
    revoked.arrange_by(|left, right| left.document.name.cmp(&right.document.name));
    granted.arrange_by(|left, right| left.document.name.cmp(&right.document.name));
    device_issuers.arrange_by(|left, right| left.document.name.cmp(&right.document.name));
    // A `region` that names none is reported; the checks that need it are left out.
    let (region, known_region) = match region {
        Ok(region) => (region, Ok(())),
        Err(reported) => (None, Err(reported)),
    };
    let (known_candidate, candidate) = match candidate {
        Ok(candidate) => (candidate, Ok(())),
        Err(reported) => (None, Err(reported)),
    };
    Ok((
        Documents {
            region,
            regions,
            policies,
            revocations: revoked,
            grants: granted,
            device_issuers,
            candidate: known_candidate,
        },
        complete.and(known_region).and(candidate),
    ))
}

fn items(list: &Value) -> &[Value] {
    match list {
        Value::List(items) => items,
        _ => &[],
    }
}

/// The header of each document, or the witness that it has none.
pub(super) fn headers(list: &At<'_>, sink: &mut Sink) -> Read<Vec<Read<Header>>> {
    let headers = list.list(limits::DOCUMENTS, sink, |at, sink| {
        sink.enter(label(at.value));
        let header = header(at, sink);
        sink.enter(None);
        Ok(header)
    })?;
    for (index, later) in headers.iter().enumerate() {
        let Ok(later) = later else { continue };
        let same = |earlier: &Read<Header>| {
            earlier.as_ref().is_ok_and(|earlier| {
                earlier.kind == later.kind && earlier.name == later.name && earlier.named && later.named
            })
        };
        if let Some(earlier) = headers.iter().take(index).position(same) {
            let document = Path::Item(&list.path, index);
            let metadata = Path::Member(&document, "metadata");
            sink.enter(Some(format!("{} {}", later.kind.name(), later.name)));
            let message = format!(
                "{}[{earlier}] is a {} of this name already",
                list.path,
                later.kind.name()
            );
            sink.error(&Path::Member(&metadata, "name"), message);
            sink.enter(None);
        }
    }
    let count = |kind: Kind| headers.iter().flatten().filter(|header| header.kind == kind).count();
    for (kind, limit) in [
        (Kind::Region, limits::REGIONS),
        (Kind::Policy, limits::POLICIES),
        (Kind::Revocations, limits::REVOCATION_DOCUMENTS),
        (Kind::Grants, limits::GRANT_DOCUMENTS),
        (Kind::DeviceIssuer, limits::DEVICE_ISSUERS),
    ] {
        if count(kind) > limit {
            let message = format!(
                "too many documents of kind {}: {}, {limit} at most",
                kind.name(),
                count(kind)
            );
            return Err(sink.error(&list.path, message));
        }
    }
    Ok(headers)
}

fn header(at: &At<'_>, sink: &mut Sink) -> Read<Header> {
    let fields = at.fields(&DOCUMENT, sink)?;
    let version = fields.required("apiVersion", sink, |at, sink| at.word(&[("security.io/v1", ())], sink));
    let kinds = [
        Kind::Region,
        Kind::Policy,
        Kind::Revocations,
        Kind::Grants,
        Kind::DeviceIssuer,
    ]
    .map(|kind| (kind.name(), kind));
    let kind = fields.required("kind", sink, |at, sink| {
        if at.value == &Value::String(POLICY_TEST.to_owned()) {
            let message = "a PolicyTest is for `regionguard test`, and stands in no bundle: leave it out";
            return Err(sink.error(&at.path, message));
        }
        at.word(&kinds, sink)
    });
    let name = fields.required("metadata", sink, |at, sink| {
        let fields = at.fields(&METADATA, sink)?;
        fields.required("name", sink, At::name).map(str::to_owned)
    });
    let spec = fields.required("spec", sink, |_, _| Ok(()));
    spec?;
    let (name, named) = match name {
        Ok(name) => (name, Ok(())),
        Err(reported) => (written_name(at.value), Err(reported)),
    };
    Ok(Header {
        kind: kind?,
        name,
        named: named.is_ok(),
        valid: version.and(named),
    })
}

/// What stands for the name of a document, where that is none.
fn written_name(document: &Value) -> String {
    match document.member("metadata").and_then(|metadata| metadata.member("name")) {
        Some(Value::String(name)) => short(name),
        _ => NAMELESS.to_owned(),
    }
}

/// Kind and name as far as they can be told, for what is wrong with the rest.
fn label(document: &Value) -> Option<String> {
    match (document.member("kind")?, document.member("metadata")?.member("name")?) {
        (Value::String(kind), Value::String(name)) => Some(format!("{} {}", short(kind), short(name))),
        _ => None,
    }
}
