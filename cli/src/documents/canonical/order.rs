//! The order of fields: that of `docs/documents.md` and `docs/testing-policies.md`.

use super::super::node::Node;

/// Where a field belongs.
pub(in super::super) struct Home {
    /// The object that has it, like `spec.rules[0]`; empty for the document.
    pub(in super::super) path: String,
    /// Whether that stands beside the field, and not around it.
    pub(in super::super) is_inside: bool,
}

/// Where the field at `path` of the document `root` belongs: an object around it, or one beside it.
pub(in super::super) fn home_of(root: &Node, path: &str) -> Option<Home> {
    let steps: Vec<&str> = path.split('.').collect();
    let (name, around) = steps.split_last()?;
    let mut order = Order::of(root);
    let mut orders = Vec::new();
    for step in around {
        let (member, items) = step.split_once('[').unwrap_or((step, ""));
        let next = order.of_member(member);
        orders.push(std::mem::replace(&mut order, next));
        for _ in items.split_terminator('[') {
            order.path.push("[]".to_owned());
        }
    }
    let around = |depth: usize| steps.get(..depth).unwrap_or_default().join(".");
    let outer = orders.iter().enumerate().rev().find(|(_, outer)| outer.knows(name));
    if let Some((depth, _)) = outer {
        return Some(Home {
            path: around(depth),
            is_inside: false,
        });
    }
    let mut beside = order.fields().iter().filter(|field| order.of_member(field).knows(name));
    let field = beside.next().filter(|_| beside.next().is_none())?;
    let path = match steps.len() {
        1 => (*field).to_owned(),
        steps => format!("{}.{field}", around(steps - 1)),
    };
    Some(Home { path, is_inside: true })
}

/// Where in a document one is.
pub(super) struct Order<'o> {
    /// The kind of the document; `None`: the head of a bundle.
    kind: Option<&'o str>,
    /// Names from the document down, in camelCase; `[]` for an item of a list.
    path: Vec<String>,
}

impl<'o> Order<'o> {
    /// A document, or the head of a bundle.
    pub(super) fn of(root: &'o Node) -> Self {
        Self {
            kind: root.member("kind").and_then(Node::text),
            path: Vec::new(),
        }
    }

    /// The value of a member.
    pub(super) fn of_member(&self, name: &str) -> Self {
        let mut path = self.path.clone();
        path.push(camel(name));
        Self { kind: self.kind, path }
    }

    /// An item of a list: in the head, a document of its own.
    pub(super) fn of_item<'n>(&self, item: &'n Node) -> Order<'n>
    where
        'o: 'n,
    {
        if self.kind.is_none() && self.path.last().is_some_and(|name| name == "documents") && self.path.len() <= 2 {
            return Order::of(item);
        }
        let mut path = self.path.clone();
        path.push("[]".to_owned());
        Order { kind: self.kind, path }
    }

    /// Where a member stands among the others; those that are not known stand behind, as they were.
    pub(super) fn rank(&self, name: &str) -> usize {
        let name = camel(name);
        let fields = self.fields();
        fields.iter().position(|field| *field == name).unwrap_or(fields.len())
    }

    fn knows(&self, name: &str) -> bool {
        self.fields().contains(&camel(name).as_str())
    }

    fn fields(&self) -> &'static [&'static str] {
        let path: Vec<&str> = self.path.iter().map(String::as_str).collect();
        match (self.kind, path.as_slice()) {
            (None, []) => &[
                "region",
                "metadata",
                "trust",
                "tokens",
                "documents",
                "candidate",
                "override",
            ],
            (None, ["trust"]) => &["hosts", "peerVerification", "direction", "edges", "paths"],
            (None, ["tokens"]) => &["sources", "refreshBefore", "dpop"],
            (Some(_), []) => &["apiVersion", "kind", "metadata", "spec"],
            (_, ["metadata"]) => &["name", "version"],
            (Some("Region"), ["spec", rest @ ..]) => region(rest),
            (Some("ZeroTrustPolicy"), ["spec", rest @ ..]) => policy(rest),
            (Some("Revocations"), ["spec"]) => &["tokens", "subjects", "sessions", "keys"],
            (Some("Revocations"), ["spec", "tokens", "[]"]) => &["issuer", "jti", "expires"],
            (Some("Revocations"), ["spec", "subjects", "[]"]) => &["home", "issuer", "sub", "notBefore"],
            (Some("Revocations"), ["spec", "sessions", "[]"]) => &["issuer", "sid"],
            (Some("Revocations"), ["spec", "keys", "[]"]) => &["region", "kid", "thumbprint"],
            (Some("Grants"), ["spec", "grants", "[]"]) => {
                &["subject", "permissions", "notBefore", "expires", "approvedBy", "reason"]
            }
            (Some("Grants"), ["spec", "grants", "[]", "subject"]) => &["home", "issuer", "sub"],
            (Some("DeviceIssuer"), ["spec"]) => &[
                "issuer",
                "audiences",
                "keys",
                "header",
                "upstream",
                "type",
                "maxAge",
                "binding",
                "claims",
            ],
            (Some("PolicyTest"), ["spec", rest @ ..]) => test(rest),
            _ => &[],
        }
    }
}

fn region(path: &[&str]) -> &'static [&'static str] {
    match path {
        [] => &[
            "issuer",
            "audiences",
            "trustDomains",
            "keys",
            "revocation",
            "claims",
            "accepts",
            "center",
            "identity",
            "networks",
            "country",
            "timezone",
            "businessHours",
            "calendar",
            "maxTokenLifetime",
        ],
        ["keys"] => &["algorithms", "jwks", "remote", "discovery"],
        ["keys", "remote" | "discovery"] | ["revocation", "list" | "statusLists"] => &[
            "cluster",
            "authority",
            "path",
            "jwks",
            "uriPrefix",
            "refresh",
            "staleFor",
            "timeout",
            "waitFor",
        ],
        ["revocation"] => &["list", "statusLists", "onUnavailable"],
        ["claims"] => &[
            "region",
            "permissions",
            "roles",
            "grants",
            "device",
            "audience",
            "require",
        ],
        ["accepts", "[]"] => &["home", "permissions", "roles", "workloads"],
        ["center"] => &["cluster", "authority", "protocol", "path", "timeout"],
        ["identity"] => &["cluster", "authority", "path", "ttl", "timeout"],
        ["businessHours"] => &["days", "from", "to", "weekly", "holidays", "exceptions"],
        _ => &[],
    }
}

fn policy(path: &[&str]) -> &'static [&'static str] {
    match path {
        [] => &[
            "selector",
            "mode",
            "preflight",
            "probes",
            "identity",
            "device",
            "osVersions",
            "context",
            "default",
            "forward",
            "rules",
        ],
        ["selector"] => &["localRegions", "hosts", "workloads"],
        ["identity"] => &["authentication", "authorization"],
        ["identity", "authentication", "[]"] => &["method", "amr", "acr"],
        ["forward"] => &["token", "claims"],
        ["rules", "[]"] => &[
            "name",
            "mode",
            "hosts",
            "methods",
            "paths",
            "headers",
            "query",
            "grpc",
            "upgrades",
            "streams",
            "from",
            "identity",
            "permissions",
            "roles",
            "when",
            "effect",
            "stepUp",
            "defer",
            "response",
        ],
        ["rules", "[]", "from"] => &[
            "sourceRegions",
            "sourceCountries",
            "homeRegions",
            "networks",
            "workloads",
        ],
        ["rules", "[]", "permissions" | "roles"] => &["anyOf", "allOf"],
        ["rules", "[]", "stepUp"] => &["acr", "maxAge"],
        ["rules", "[]", "defer"] => &[
            "cache",
            "onUnavailable",
            "lastDecisionFor",
            "unless",
            "claims",
            "reasonUser",
        ],
        ["rules", "[]", "response"] => &["status", "hide", "body", "contentType"],
        _ => &[],
    }
}

fn test(path: &[&str]) -> &'static [&'static str] {
    match path {
        [] => &["at", "locality", "serves", "host", "principals", "requests", "tests"],
        ["principals", _] => &[
            "home",
            "claims",
            "without",
            "key",
            "bound",
            "revoked",
            "workload",
            "address",
            "device",
            "deviceIssuer",
            "deviceSignedAt",
            "identity",
            "risk",
        ],
        ["principals", _, "risk"] => &["score", "failures"],
        ["requests", _] => &["method", "scheme", "host", "path", "headers", "address", "port"],
        ["tests", "[]"] => &[
            "name",
            "at",
            "center",
            "revocationLists",
            "replicas",
            "principals",
            "requests",
            "expected",
        ],
        ["tests", "[]", "expected", "[]"] => &[
            "principals",
            "requests",
            "verdict",
            "rule",
            "reason",
            "status",
            "upstream",
            "upstreamWithout",
            "shadow",
            "candidate",
        ],
        _ => &[],
    }
}

/// `name` in camelCase.
fn camel(name: &str) -> String {
    let mut camel = String::with_capacity(name.len());
    let mut upper = false;
    for character in name.chars() {
        match character {
            '_' if !camel.is_empty() => upper = true,
            other if upper => {
                camel.extend(other.to_uppercase());
                upper = false;
            }
            other => camel.push(other),
        }
    }
    camel
}
