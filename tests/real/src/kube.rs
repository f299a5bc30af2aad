//! A client of the Kubernetes API: server-side apply of any kind, reads, tokens, watches.

mod connection;
mod watch;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use hyper::{Method, StatusCode};
use serde_json::{Value, json};

use crate::Result;
use crate::certs::Authority;
use crate::error::Context as _;
use connection::Connection;
pub use watch::{Change, Watch};

/// Under which name the fields that we apply are owned.
const FIELD_MANAGER: &str = "regionguard-mesh";
/// How long a kind may take from its definition until it is served.
const KIND: Duration = Duration::from_secs(60);

/// A client with all rights. Cheap to clone: all clones share a connection.
#[derive(Clone, Debug)]
pub struct Kube {
    connection: Arc<Connection>,
    kinds: Arc<Mutex<HashMap<(String, String), Kind>>>,
}

/// Where the objects of a kind are.
#[derive(Clone, Debug)]
struct Kind {
    plural: String,
    namespaced: bool,
}

impl Kube {
    /// A client of the server at this address, whose certificate is of `authority`, and that knows `token`.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub(crate) fn new(server: SocketAddr, authority: &Authority, token: &str) -> Result<Self> {
        Ok(Self {
            connection: Arc::new(Connection::new(server, authority, token)?),
            kinds: Arc::default(),
        })
    }

    /// Applies every document of `yaml` (server-side apply, unknown fields refused), in its order, and gives what the server
    /// made of each.
    ///
    /// # Errors
    /// When it is not YAML, or the server refuses a document; the error names it and says why.
    pub async fn apply(&self, yaml: &str) -> Result<Vec<Value>> {
        let mut applied = Vec::new();
        for object in documents(yaml)? {
            applied.push(self.apply_object(&object).await?);
        }
        Ok(applied)
    }

    /// [`apply`](Self::apply) of the file at this path.
    ///
    /// # Errors
    /// As there; the error names the file.
    pub async fn apply_file(&self, path: &Path) -> Result<Vec<Value>> {
        let text = std::fs::read_to_string(path).context(|| format!("cannot read `{}`", path.display()))?;
        self.apply(&text).await.context(|| format!("in `{}`", path.display()))
    }

    /// Applies one object.
    ///
    /// # Errors
    /// When the server refuses it.
    pub async fn apply_object(&self, object: &Value) -> Result<Value> {
        let path = self.path_of(object).await?;
        let applied = self.patch(&path, object).await;
        applied.context(|| format!("cannot apply `{}`", name_of(object)))
    }

    /// Applies the status of one object, as its controller would.
    ///
    /// # Errors
    /// When the server refuses it.
    pub async fn apply_status(&self, object: &Value) -> Result<Value> {
        let path = self.path_of(object).await? + "/status";
        let applied = self.patch(&path, object).await;
        applied.context(|| format!("cannot apply the status of `{}`", name_of(object)))
    }

    /// Deletes every object that a document of `yaml` names; what is not there is none to delete.
    ///
    /// # Errors
    /// When it is not YAML, or the server refuses.
    pub async fn delete(&self, yaml: &str) -> Result<()> {
        for object in documents(yaml)? {
            let path = self.path_of(&object).await?;
            match self.request(Method::DELETE, &path, None).await {
                Err(Refused {
                    status: StatusCode::NOT_FOUND,
                    ..
                }) => {}
                answer => {
                    answer.context(|| format!("cannot delete `{}`", name_of(&object)))?;
                }
            }
        }
        Ok(())
    }

    /// Reads one object; `None` where there is none. `namespace` is ignored for kinds that have none.
    ///
    /// # Errors
    /// When the kind is unknown, or the server refuses.
    pub async fn get(&self, api: &str, kind: &str, namespace: &str, name: &str) -> Result<Option<Value>> {
        let path = self.path(api, kind, namespace, name).await?;
        match self.request(Method::GET, &path, None).await {
            Err(Refused {
                status: StatusCode::NOT_FOUND,
                ..
            }) => Ok(None),
            answer => Ok(Some(
                answer.context(|| format!("cannot read `{kind} {namespace}/{name}`"))?,
            )),
        }
    }

    /// A token of a service account for this audience, good for an hour.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn token(&self, namespace: &str, service_account: &str, audience: &str) -> Result<String> {
        let path = format!("/api/v1/namespaces/{namespace}/serviceaccounts/{service_account}/token");
        let wish = json!({
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {"audiences": [audience], "expirationSeconds": 3600},
        });
        let answer = self.request(Method::POST, &path, Some(("application/json", wish.to_string())));
        let answer = answer
            .await
            .context(|| format!("no token for `{namespace}/{service_account}`"))?;
        let token = answer.pointer("/status/token").and_then(Value::as_str);
        Ok(token.ok_or("an answer without a token")?.to_owned())
    }

    /// Follows all objects of a plural of the core API, such as `configmaps`, in all namespaces: first as they are, then each
    /// change.
    #[must_use]
    pub fn watch(&self, plural: &str) -> Watch {
        Watch::new(self.clone(), format!("/api/v1/{plural}"))
    }

    /// Creates an object from text in YAML that is not looked into here.
    ///
    /// # Errors
    /// When the server refuses it.
    pub(crate) async fn create_text(&self, path: &str, yaml: &str) -> Result<Value> {
        Ok(self
            .request(Method::POST, path, Some(("application/yaml", yaml.to_owned())))
            .await?)
    }

    /// Reads what is at a path of the API.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn read(&self, path: &str) -> Result<Value> {
        Ok(self.request(Method::GET, path, None).await?)
    }

    async fn patch(&self, path: &str, object: &Value) -> Result<Value, Refused> {
        let path = format!("{path}?fieldManager={FIELD_MANAGER}&force=true");
        let body = ("application/apply-patch+yaml", object.to_string());
        self.request(Method::PATCH, &path, Some(body)).await
    }

    async fn request(&self, method: Method, path: &str, body: Option<(&str, String)>) -> Result<Value, Refused> {
        let (status, answer) = self
            .connection
            .send(method, path, body)
            .await
            .map_err(|error| Refused {
                status: StatusCode::SERVICE_UNAVAILABLE,
                message: error.to_string(),
            })?;
        if status.is_success() {
            return Ok(answer);
        }
        let message = answer["message"].as_str().unwrap_or("without a reason").to_owned();
        Err(Refused { status, message })
    }

    async fn path_of(&self, object: &Value) -> Result<String> {
        let field = |pointer: &str| object.pointer(pointer).and_then(Value::as_str);
        let need = |pointer: &str| field(pointer).ok_or_else(|| format!("`{}` has no `{pointer}`", name_of(object)));
        let namespace = field("/metadata/namespace").unwrap_or("default");
        self.path(need("/apiVersion")?, need("/kind")?, namespace, need("/metadata/name")?)
            .await
    }

    async fn path(&self, api: &str, kind: &str, namespace: &str, name: &str) -> Result<String> {
        let base = base(api);
        let kind = self.kind(&base, api, kind).await?;
        let plural = &kind.plural;
        Ok(if kind.namespaced {
            format!("{base}/namespaces/{namespace}/{plural}/{name}")
        } else {
            format!("{base}/{plural}/{name}")
        })
    }

    /// Where the objects of a kind are; a kind that was just defined may take a moment to be served.
    async fn kind(&self, base: &str, api: &str, kind: &str) -> Result<Kind> {
        let key = (api.to_owned(), kind.to_owned());
        let deadline = Instant::now() + KIND;
        loop {
            if let Some(kind) = self.kinds.lock().unwrap_or_else(PoisonError::into_inner).get(&key) {
                return Ok(kind.clone());
            }
            match self.request(Method::GET, base, None).await {
                Ok(list) => self.learn(api, &list),
                Err(Refused {
                    status: StatusCode::NOT_FOUND,
                    ..
                }) => {}
                Err(refused) => return Err(refused).context(|| format!("cannot read the kinds of `{api}`")),
            }
            let known = self
                .kinds
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .contains_key(&key);
            if !known {
                if Instant::now() > deadline {
                    return Err(format!("the server knows no kind `{kind}` of `{api}`").into());
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }

    fn learn(&self, api: &str, list: &Value) {
        let mut kinds = self.kinds.lock().unwrap_or_else(PoisonError::into_inner);
        for resource in list["resources"].as_array().into_iter().flatten() {
            let (Some(plural), Some(kind)) = (resource["name"].as_str(), resource["kind"].as_str()) else {
                continue;
            };
            // `pods/status` and the like are parts of an object.
            if !plural.contains('/') {
                let namespaced = resource["namespaced"].as_bool().unwrap_or(false);
                let plural = plural.to_owned();
                kinds.insert((api.to_owned(), kind.to_owned()), Kind { plural, namespaced });
            }
        }
    }
}

/// All documents of a YAML text; empty ones are left out.
///
/// # Errors
/// When it is not YAML.
pub fn documents(yaml: &str) -> Result<Vec<Value>> {
    let documents: Vec<Value> = serde_saphyr::from_multiple(yaml).context(|| "not YAML".to_owned())?;
    Ok(documents.into_iter().filter(|document| !document.is_null()).collect())
}

/// A request that the server did not do.
#[derive(Debug)]
struct Refused {
    status: StatusCode,
    message: String,
}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({})", self.message, self.status)
    }
}

impl std::error::Error for Refused {}

fn base(api: &str) -> String {
    if api.contains('/') {
        format!("/apis/{api}")
    } else {
        format!("/api/{api}")
    }
}

fn name_of(object: &Value) -> String {
    let field = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or("?");
    let (kind, name) = (field("/kind"), field("/metadata/name"));
    match object.pointer("/metadata/namespace").and_then(Value::as_str) {
        Some(namespace) => format!("{kind} {namespace}/{name}"),
        None => format!("{kind} {name}"),
    }
}
