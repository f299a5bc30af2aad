//! What is rendered, where, and for whom: the options of the command, and what follows from them.

use super::Failure;
use super::login;
use super::node::Node;
use super::options::{
    CenterAddress, FilePath, ImageUrl, Label, ListenerPort, Name, Namespace, Principal, Sha256, SpiffeId,
};
use super::template::Values;

/// The label that says that a pod has its policy mounted.
const FILE_LABEL: (&str, &str) = ("security.io/regionguard-policy", "file");

/// The options of the command.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Options {
    /// Where the filter stands
    #[arg(long, value_enum, default_value = "namespace")]
    scope: Scope,
    /// The namespace of the objects; for `--scope mesh` the root namespace of the mesh. Required where objects are made for one place
    #[arg(long, value_name = "NAMESPACE")]
    namespace: Option<Namespace>,
    /// The name of the objects
    #[arg(long, default_value = "regionguard")]
    name: Name,
    /// The workloads (or gateway pods) by label; may be given several times. Required for `--scope workload`
    #[arg(long, value_name = "KEY=VALUE")]
    selector: Vec<Label>,
    /// The gateway or waypoint by the name of its Gateway resource
    #[arg(long, value_name = "NAME")]
    gateway: Option<Name>,
    /// A port of the Gateway that speaks HTTP, for `envoy-gateway`, and `PORT/udp` beside it where it speaks HTTP/3; may be given several times. A
    /// listener that is not named has no interlock
    #[arg(long, value_name = "PORT[/udp]", default_value = "80")]
    port: Vec<ListenerPort>,
    /// The image of the module, without digest
    #[arg(
        long,
        value_name = "OCI-URL",
        default_value = "oci://registry.example.com/regionguard/http-authz:0.1.0"
    )]
    image: ImageUrl,
    /// The digest of the image [default: 64 zeros, which no image has]
    #[arg(long, value_name = "HEX")]
    sha256: Option<Sha256>,
    /// When the agent asks the registry
    #[arg(long, value_enum, default_value = "if-not-present")]
    pull_policy: PullPolicy,
    /// The secret for the registry, in the same namespace
    #[arg(long, value_name = "NAME")]
    pull_secret: Option<Name>,
    /// Where the policy comes from
    #[arg(long, value_enum, default_value = "plugin")]
    policy_from: PolicyFrom,
    /// The ConfigMap that holds the policy
    #[arg(long, value_name = "NAME", default_value = "regionguard-policy")]
    policy_configmap: Name,
    /// Where the policy is mounted
    #[arg(
        long,
        value_name = "PATH",
        default_value = "/etc/regionguard/policy/regionguard.yaml"
    )]
    policy_file: FilePath,
    /// Where Envoy finds the module on disk [default: as the image volume has it, in `envoy` and `ecds` as `make build` names it]
    #[arg(long, value_name = "PATH")]
    module_file: Option<FilePath>,
    /// A group that may write policy; may be given several times [default: regionguard-operators]
    #[arg(long, value_name = "GROUP")]
    operator_group: Vec<Principal>,
    /// A user that may write policy; may be given several times
    #[arg(long, value_name = "USER")]
    operator_user: Vec<Principal>,
    /// Where a center is, if `center.cluster` and `center.authority` do not say it; may be given several times
    #[arg(long, value_name = "CLUSTER=HOST:PORT")]
    center: Vec<CenterAddress>,
    /// Where a server of keys or revocations is, if `cluster` and `authority` do not say it; may be given several times
    #[arg(long, value_name = "CLUSTER=HOST:PORT")]
    server: Vec<CenterAddress>,
    /// Who a center is by its certificate
    #[arg(
        long,
        value_name = "SPIFFE-ID",
        default_value = "spiffe://cluster.local/ns/regional-center/sa/regional-center"
    )]
    center_identity: SpiffeId,
    #[command(flatten)]
    login: login::LoginOptions,
}

impl Options {
    /// Whether zeros stand for the digest of the image.
    pub(crate) fn names_no_digest(&self) -> bool {
        self.sha256.is_none()
    }

    /// What of them counts for Envoy Gateway.
    pub(crate) fn envoy_gateway(&self) -> super::envoy_gateway::Place<'_> {
        super::envoy_gateway::Place {
            namespace: self.namespace.as_ref(),
            gateway: self.gateway.as_ref(),
            ports: &self.port,
            image: &self.image,
            sha256: self.sha256.as_ref(),
            centers: &self.center,
            servers: &self.server,
        }
    }
}

/// Where the filter stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Scope {
    /// In front of the workloads that `--selector` selects
    Workload,
    /// In front of every workload of the namespace
    Namespace,
    /// In front of every workload of the mesh
    Mesh,
    /// In a gateway: `--selector` of its pods, or `--gateway`
    Gateway,
    /// In a waypoint: `--gateway`
    Waypoint,
}

/// When the agent asks the registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum PullPolicy {
    /// Once
    IfNotPresent,
    /// Each time that the object changes
    Always,
}

/// Where the policy comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum PolicyFrom {
    /// From the plugin, by istiod
    Plugin,
    /// From a mounted ConfigMap
    Configmap,
}

/// Options that fit together.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    options: Options,
    namespace: String,
    selector: Vec<Label>,
    gateway: Option<Name>,
}

impl Settings {
    /// Takes the options as they are.
    ///
    /// # Errors
    /// When two options exclude each other.
    pub(crate) fn new(options: &Options) -> Result<Self, Failure> {
        let selector = options.selector.clone();
        let gateway = options.gateway.clone();
        for (at, label) in selector.iter().enumerate() {
            if selector.iter().take(at).any(|before| before.key == label.key) {
                let key = &label.key;
                return Err(Failure::new(format!(
                    "error: `--selector {key}=…` is given more than once: an object has one value of a label, so give each key once"
                )));
            }
        }
        match options.scope {
            Scope::Namespace | Scope::Mesh if !selector.is_empty() => {
                return Err(Failure::new(
                    "error: `--selector` narrows a workload or a gateway: give `--scope workload` or `--scope gateway` with it",
                ));
            }
            Scope::Waypoint if !selector.is_empty() => {
                return Err(Failure::new(
                    "error: a waypoint obeys no selector: name it by `--gateway`",
                ));
            }
            Scope::Gateway if !selector.is_empty() && gateway.is_some() => {
                return Err(Failure::new(
                    "error: a gateway is either its pods (`--selector`) or its resource (`--gateway`)",
                ));
            }
            Scope::Workload | Scope::Namespace | Scope::Mesh if gateway.is_some() => {
                return Err(Failure::new(
                    "error: `--gateway` names a gateway or a waypoint: give `--scope gateway` or `--scope waypoint` with it",
                ));
            }
            _ => {}
        }
        // Empty only for what stands in no namespace, or in the one of Helm's release.
        let namespace = options.namespace.as_ref().map_or("", Namespace::as_str).to_owned();
        Ok(Self {
            options: options.clone(),
            namespace,
            selector,
            gateway,
        })
    }

    /// Sees that it was said where the objects stand: with an example's place in them they would be applied, and guard nothing of the user's.
    ///
    /// # Errors
    /// When namespace, selector or gateway is missing.
    pub(crate) fn placed(self) -> Result<Self, Failure> {
        if self.options.namespace.is_none() {
            let whose = match self.scope() {
                Scope::Workload | Scope::Namespace => "the namespace of the workloads",
                Scope::Mesh => "the root namespace of the mesh, which is `istio-system` in most",
                Scope::Gateway => "the namespace of the gateway's pods",
                Scope::Waypoint => "the namespace of the waypoint",
            };
            return Err(Failure::new(format!(
                "error: it is not said where the objects stand: give `--namespace`, {whose}"
            )));
        }
        self.selected()
    }

    /// Sees that it was said what the filter stands in front of.
    ///
    /// # Errors
    /// When selector or gateway is missing.
    pub(crate) fn selected(self) -> Result<Self, Failure> {
        let missing = match self.scope() {
            Scope::Workload if self.selector.is_empty() => {
                "which workloads: give `--selector KEY=VALUE`, a label of their pods"
            }
            Scope::Gateway if self.selector.is_empty() && self.gateway.is_none() => {
                "which gateway: give `--selector KEY=VALUE`, a label of its pods, or `--gateway`, the name of its Gateway resource"
            }
            Scope::Waypoint if self.gateway.is_none() => {
                "which waypoint: give `--gateway`, the name of its Gateway resource"
            }
            _ => return Ok(self),
        };
        Err(Failure::new(format!("error: it is not said {missing}")))
    }

    /// Where the filter stands.
    pub(crate) fn scope(&self) -> Scope {
        self.options.scope
    }

    /// The namespace of the objects.
    pub(crate) fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Where the policy comes from.
    pub(crate) fn policy_from(&self) -> PolicyFrom {
        self.options.policy_from
    }

    /// Where the policy is mounted.
    pub(crate) fn policy_file(&self) -> &FilePath {
        &self.options.policy_file
    }

    /// Where Envoy finds the module, if it was said.
    pub(crate) fn module_file(&self) -> Option<&FilePath> {
        self.options.module_file.as_ref()
    }

    /// Where the center behind `cluster` is, if it was said.
    pub(crate) fn center(&self, cluster: &str) -> Option<&CenterAddress> {
        self.options.center.iter().find(|center| center.cluster == cluster)
    }

    /// Where the server behind `cluster` is, if it was said.
    pub(crate) fn server(&self, cluster: &str) -> Option<&CenterAddress> {
        self.options.server.iter().find(|server| server.cluster == cluster)
    }

    /// How browsers log in.
    pub(crate) fn login(&self) -> &login::LoginOptions {
        &self.options.login
    }

    /// Who a center is by its certificate.
    pub(crate) fn center_identity(&self) -> &str {
        self.options.center_identity.as_str()
    }

    /// What the templates of Istio's resources name.
    pub(crate) fn values(&self) -> Values {
        let options = &self.options;
        let name = options.name.as_str();
        let configmap = options.policy_configmap.as_str();
        let groups: Vec<&str> = match options.operator_group.as_slice() {
            [] => vec!["regionguard-operators"],
            groups => groups.iter().map(Principal::as_str).collect(),
        };
        let users: Vec<&str> = options.operator_user.iter().map(Principal::as_str).collect();
        let mut values = Values::default();
        values
            .set("name", name)
            .set("interlock_name", format!("{name}-interlock"))
            .set("direct_peer_name", format!("{name}-direct-peer"))
            .set("policy_name", format!("{name}-policy"))
            .set("http_only_name", format!("{name}-http-only"))
            .set("bootstrap_name", BOOTSTRAP_NAME)
            .set("admission_name", admission_name(configmap))
            .set("namespace", self.namespace.as_str())
            .set("selector", selector(&self.selector))
            .set("gateway", self.gateway.as_ref().map_or("", Name::as_str))
            .set("url", options.image.url())
            .set("sha256", self.sha256().as_str())
            .set("pull_policy", options.pull_policy.as_str())
            .set("secret", options.pull_secret.as_ref().map_or("", Name::as_str))
            .set(
                "mode",
                if self.scope() == Scope::Gateway {
                    "CLIENT"
                } else {
                    "SERVER"
                },
            )
            .set(
                "context",
                if self.scope() == Scope::Gateway {
                    "GATEWAY"
                } else {
                    "SIDECAR_INBOUND"
                },
            )
            .set("policy_configmap", configmap)
            .set("policy_file", options.policy_file.as_str())
            .set("policy_folder", options.policy_file.folder())
            .set("file_label", map(&[FILE_LABEL]))
            .set("file_selector", self.file_selector())
            .set("user_volume", self.user_volume())
            .set("user_volume_mount", self.user_volume_mount())
            .set("holds_policy", holds_policy(configmap))
            .set("groups", texts(&groups))
            .set("users", texts(&users))
            .set("operator_groups", cel(&groups))
            .set("operator_users", cel(&users));
        values
            .set("if selector", !self.selector.is_empty())
            .set("if keep", false)
            .set("if refreshes", false)
            .set("if own_namespace", self.scope() != Scope::Mesh)
            .set("if target", self.gateway.is_some())
            .set("if policy_selector", self.gateway.is_none())
            .set("if pull_secret", options.pull_secret.is_some());
        values
    }

    /// Where the image volume has the module.
    pub(crate) fn mounted_module(&self) -> &str {
        self.module_file()
            .map_or("/etc/regionguard/module/plugin.wasm", FilePath::as_str)
    }

    fn sha256(&self) -> Sha256 {
        self.options.sha256.clone().unwrap_or_else(Sha256::zeros)
    }

    /// The pods whose policy is mounted: of those that were named, if any were, the ones with the label. A proxy without the file would refuse the whole
    /// listener, the interlock with it.
    fn file_selector(&self) -> Node {
        let (key, value) = FILE_LABEL;
        let mounted = self.selector.iter().filter(|named| named.key != key).cloned();
        selector(&mounted.chain([label(key, value)]).collect::<Vec<_>>())
    }

    /// The annotation `sidecar.istio.io/userVolume`: JSON.
    fn user_volume(&self) -> String {
        serde_json::json!({
            "regionguard-policy": {"configMap": {"name": self.options.policy_configmap.as_str()}},
            "regionguard-module": {"image": {"reference": self.options.image.reference(&self.sha256()), "pullPolicy": "IfNotPresent"}},
        })
        .to_string()
    }

    /// The annotation `sidecar.istio.io/userVolumeMount`: JSON.
    fn user_volume_mount(&self) -> String {
        let module = self.mounted_module();
        let folder = module.rsplit_once('/').map_or("/", |(folder, _)| folder);
        serde_json::json!({
            "regionguard-policy": {"mountPath": self.options.policy_file.folder(), "readOnly": true},
            "regionguard-module": {"mountPath": folder, "readOnly": true},
        })
        .to_string()
    }
}

/// What guards a ConfigMap of this name, once a cluster. Another one for each name: one object for two of them would guard the last that was applied.
fn admission_name(configmap: &str) -> String {
    match configmap {
        "regionguard-policy" => configmap.to_owned(),
        other => format!("{other}-regionguard"),
    }
}

/// The ConfigMap that holds a piece of the proxies' bootstrap.
const BOOTSTRAP_NAME: &str = "regionguard-bootstrap";

impl Scope {
    /// As the command and the chart have it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Workload => "workload",
            Self::Namespace => "namespace",
            Self::Mesh => "mesh",
            Self::Gateway => "gateway",
            Self::Waypoint => "waypoint",
        }
    }
}

impl PolicyFrom {
    /// As the command and the chart have it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Plugin => "plugin",
            Self::Configmap => "configmap",
        }
    }
}

impl PullPolicy {
    fn as_str(self) -> &'static str {
        match self {
            Self::IfNotPresent => "IfNotPresent",
            Self::Always => "Always",
        }
    }
}

fn label(key: &str, value: &str) -> Label {
    Label {
        key: key.to_owned(),
        value: value.to_owned(),
    }
}

fn selector(labels: &[Label]) -> Node {
    Node::Map(
        labels
            .iter()
            .map(|label| (label.key.clone(), label.value.as_str().into()))
            .collect(),
    )
}

fn map(fields: &[(&str, &str)]) -> Node {
    Node::Map(
        fields
            .iter()
            .map(|&(key, value)| (key.to_owned(), value.into()))
            .collect(),
    )
}

fn texts(names: &[&str]) -> Node {
    Node::List(names.iter().map(|&name| name.into()).collect())
}

/// A list of CEL: JSON's texts are texts of CEL, too.
fn cel(names: &[&str]) -> String {
    serde_json::json!(names).to_string()
}

/// Whether an object is one of ours, before or after the change, in CEL. A name of Kubernetes needs no escapes.
fn holds_policy(configmap: &str) -> String {
    format!(
        "[object, oldObject].exists(each, each != null && \
         (has(each.metadata.name) && each.metadata.name in [\"{configmap}\", \"{BOOTSTRAP_NAME}\"] || \
         has(each.metadata.labels) && \"app.kubernetes.io/name\" in each.metadata.labels && \
         each.metadata.labels[\"app.kubernetes.io/name\"] == \"regionguard\"))"
    )
}
