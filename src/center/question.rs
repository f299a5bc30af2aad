//! The question: an AuthZEN access evaluation request (Authorization API 1.0 §5, §6.1).

use std::io;

use serde::Serialize;
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

/// What differs between two requests that ask the same: the decision cache's key leaves it out.
pub const VOLATILE: [&str; 2] = ["context.time", "context.request_id"];

/// An access evaluation request.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Question {
    /// Who asks.
    pub subject: SubjectPart,
    /// What they want to do.
    pub action: ActionPart,
    /// What they want to do it to.
    pub resource: ResourcePart,
    /// The circumstances.
    pub context: ContextPart,
}

/// `subject`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SubjectPart {
    /// `identity` by a token; `workload` by the certificate of a workload that counts here; on a public rule `anonymous` else.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// `sub`, or the workload's SPIFFE id.
    pub id: String,
    /// `home`, `iss`, `roles`, `permissions`, `acr`, `amr`, `auth_time`, `workload`, and the claims that the rule names.
    pub properties: Map<String, Value>,
}

/// `action`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ActionPart {
    /// The method.
    pub name: String,
    /// For gRPC: `service` and `method`; for another protocol than HTTP: `upgrade`; else empty.
    pub properties: Map<String, Value>,
}

/// `resource`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ResourcePart {
    /// `route`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// The rule's path template.
    pub id: String,
    /// `host`, `path`, `captures`, `query`.
    pub properties: Map<String, Value>,
}

/// `context`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ContextPart {
    /// RFC 3339, UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
    /// The local region.
    pub local: String,
    /// Where the request comes from.
    pub source: SourcePart,
    /// The posture of the device that it comes from, as far as it is known.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub device: Map<String, Value>,
    /// `x-request-id`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// The rule's policy.
    pub policy: String,
    /// The rule.
    pub rule: String,
    /// `bundle@version+digest12`.
    pub bundle: String,
}

/// `context.source`: what is not known is not there.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct SourcePart {
    /// The direct peer's address, or what an edge says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// The region: the one whose networks hold it, or what an edge says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// The country: what an edge says, or that of the region.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub country: Option<&'static str>,
    /// The SPIFFE id of the workload at the other end of the connection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workload: Option<String>,
}

impl Question {
    /// The body of the call.
    #[must_use]
    pub fn body(&self) -> Vec<u8> {
        // Strings, numbers and maps with string keys always serialise.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// The decision cache's key: the question less what is [`VOLATILE`], under the protocol, the center and the bundle that asks it.
    #[must_use]
    pub fn key(&self, center: &str, bundle_digest: &[u8; 32]) -> [u8; 32] {
        // Named one by one, so that a part that is added later is in the key unless somebody leaves it out.
        let Self {
            subject,
            action,
            resource,
            context,
        } = self;
        let ContextPart {
            time: _,
            local,
            source,
            device,
            request_id: _,
            policy,
            rule,
            bundle,
        } = context;
        let lasting = (subject, action, resource, local, source, device, policy, rule, bundle);
        let mut hash = Hashing(Sha256::new());
        hash.0.update(b"authzen\0");
        hash.0.update(center.as_bytes());
        hash.0.update([0]);
        hash.0.update(bundle_digest);
        // What always serialises is written to what takes every byte: this cannot fail.
        let _ = serde_json::to_writer(&mut hash, &lasting);
        hash.0.finalize().into()
    }
}

/// Takes what is written into a digest.
struct Hashing(Sha256);

impl io::Write for Hashing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use serde_json::{Map, Value, json};

    use super::{ActionPart, ContextPart, Question, ResourcePart, SourcePart, SubjectPart};

    fn object(value: Value) -> Map<String, Value> {
        match value {
            Value::Object(map) => map,
            _ => Map::new(),
        }
    }

    pub(crate) fn question() -> Question {
        Question {
            subject: SubjectPart {
                kind: "identity",
                id: "alice".to_owned(),
                properties: object(json!({"home": "us-east-1"})),
            },
            action: ActionPart {
                name: "GET".to_owned(),
                properties: Map::new(),
            },
            resource: ResourcePart {
                kind: "route",
                id: "/v1/profiles/{id}".to_owned(),
                properties: object(json!({"captures": {"id": "7"}})),
            },
            context: ContextPart {
                time: Some("2026-01-01T00:00:00Z".to_owned()),
                local: "us-east-1".to_owned(),
                source: SourcePart::default(),
                device: Map::new(),
                request_id: Some("r-1".to_owned()),
                policy: "shop".to_owned(),
                rule: "read".to_owned(),
                bundle: "shop@1+000000000000".to_owned(),
            },
        }
    }

    #[test]
    fn the_same_question_at_another_time_has_the_same_key() {
        let first = question();
        let mut second = question();
        second.context.time = Some("2026-01-01T00:00:09Z".to_owned());
        second.context.request_id = None;
        assert_eq!(first.key("c", &[0; 32]), second.key("c", &[0; 32]));
    }

    #[test]
    fn another_subject_center_bundle_or_address_has_another_key() {
        let first = question();
        let key = first.key("c", &[0; 32]);
        let mut other = question();
        other.subject.id = "bob".to_owned();
        assert_ne!(key, other.key("c", &[0; 32]));
        let mut moved = question();
        moved.context.source.address = Some("10.0.0.1".to_owned());
        assert_ne!(key, moved.key("c", &[0; 32]));
        let mut elsewhere = question();
        elsewhere.context.device = object(json!({"managed": true}));
        assert_ne!(key, elsewhere.key("c", &[0; 32]));
        assert_ne!(key, first.key("d", &[0; 32]));
        assert_ne!(key, first.key("c", &[1; 32]));
    }

    #[test]
    fn what_is_unknown_is_not_there() {
        let value: Value = serde_json::from_slice(&question().body()).unwrap();
        assert_eq!(value["context"]["source"], json!({}));
        assert_eq!(value["action"], json!({"name": "GET", "properties": {}}));
    }
}
