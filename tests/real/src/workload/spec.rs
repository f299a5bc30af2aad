use std::collections::BTreeMap;
use std::net::Ipv4Addr;

const LOCALITY: &str = "topology.istio.io/locality";

/// What runs beside the program, or in its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A sidecar, with an echo server behind it.
    Sidecar,
    /// A gateway: its listeners are those of `Gateway` resources that select its labels; they need a `bind` to its address.
    Gateway,
    /// A waypoint of an ambient mesh: the `Gateway` resource of its name, which is made with it. See [`Options::ambient`](crate::Options::ambient).
    Waypoint,
}

impl Role {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Sidecar => "sidecar",
            Self::Gateway => "router",
            Self::Waypoint => "waypoint",
        }
    }
}

/// What a workload is to be.
#[derive(Clone, Debug)]
pub struct Spec {
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) role: Role,
    pub(crate) service_account: String,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) annotations: BTreeMap<String, String>,
    pub(crate) hosts: Vec<String>,
    pub(crate) address: Option<Ipv4Addr>,
    pub(crate) workers: u16,
    pub(crate) log_level: String,
    pub(crate) env: Vec<(String, String)>,
}

impl Spec {
    /// A sidecar of two workers, with the label `app: NAME` and a service account of the same name.
    #[must_use]
    pub fn new(namespace: &str, name: &str) -> Self {
        Self {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            role: Role::Sidecar,
            service_account: name.to_owned(),
            labels: BTreeMap::from([("app".to_owned(), name.to_owned())]),
            annotations: BTreeMap::new(),
            hosts: Vec::new(),
            address: None,
            workers: 2,
            log_level: "warning".to_owned(),
            env: Vec::new(),
        }
    }

    /// The same as a gateway.
    #[must_use]
    pub fn gateway(self) -> Self {
        Self {
            role: Role::Gateway,
            ..self
        }
    }

    /// The same as a waypoint.
    #[must_use]
    pub fn waypoint(self) -> Self {
        let spec = Self {
            role: Role::Waypoint,
            ..self
        };
        super::waypoint::labelled(spec)
    }

    /// Runs under this service account, which is made where it is not there.
    #[must_use]
    pub fn service_account(self, name: &str) -> Self {
        Self {
            service_account: name.to_owned(),
            ..self
        }
    }

    /// Adds a label.
    #[must_use]
    pub fn label(mut self, name: &str, value: &str) -> Self {
        self.labels.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Adds an annotation of the pod.
    #[must_use]
    pub fn annotation(mut self, name: &str, value: &str) -> Self {
        self.annotations.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Runs in this region: the label from which Istio takes the locality of a pod, so that `xds.node.locality.region` is this.
    #[must_use]
    pub fn region(self, region: &str) -> Self {
        self.label(LOCALITY, region)
    }

    /// Is known under this host too.
    #[must_use]
    pub fn host(mut self, host: &str) -> Self {
        self.hosts.push(host.to_owned());
        self
    }

    /// Has this loopback address; nobody else may have it.
    #[must_use]
    pub fn address(self, address: Ipv4Addr) -> Self {
        Self {
            address: Some(address),
            ..self
        }
    }

    /// Has as many worker threads in its Envoy.
    #[must_use]
    pub fn workers(self, workers: u16) -> Self {
        Self { workers, ..self }
    }

    /// Envoy's log level, such as `info` or `warning,wasm:debug`.
    #[must_use]
    pub fn log_level(self, level: &str) -> Self {
        Self {
            log_level: level.to_owned(),
            ..self
        }
    }

    /// Adds an environment variable of the agent, such as `SECRET_TTL` or `WASM_INSECURE_REGISTRIES`.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// `NAMESPACE/NAME`.
    pub(crate) fn id(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }

    pub(crate) fn region_name(&self) -> Option<&str> {
        self.labels.get(LOCALITY).map(String::as_str)
    }

    pub(crate) fn pod(&self) -> String {
        format!("{}-0", self.name)
    }

    pub(crate) fn host_name(&self) -> String {
        format!("{}.{}.svc.cluster.local", self.name, self.namespace)
    }

    /// The labels of the pod: its own, and those that Istio's injector adds.
    pub(crate) fn all_labels(&self) -> BTreeMap<String, String> {
        let mut labels = self.labels.clone();
        let canonical = labels.get("app").unwrap_or(&self.name).clone();
        let added = [
            ("security.istio.io/tlsMode", "istio".to_owned()),
            ("service.istio.io/canonical-name", canonical),
            ("service.istio.io/canonical-revision", "latest".to_owned()),
        ];
        for (name, value) in added {
            labels.entry(name.to_owned()).or_insert(value);
        }
        labels
    }
}
