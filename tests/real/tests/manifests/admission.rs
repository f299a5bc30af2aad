//! Who may write the ConfigMaps that proxies mount.

use std::sync::Arc;

use regionguard_mesh::{Mesh, Result};

use crate::{eventually, shipped, text, write};

pub(crate) async fn only_operators(mesh: Arc<Mesh>) -> Result<()> {
    const NAMESPACE: &str = "admitted";
    mesh.namespace(NAMESPACE).await?;
    // The mesh itself writes as `system:masters`, for the other tests.
    let policy = shipped("policy-from-configmap/admission.yaml")?.replace(
        "[\"regionguard-operators\"]",
        "[\"regionguard-operators\", \"system:masters\"]",
    );
    mesh.apply(&policy).await?;
    mesh.apply(ROLES).await?;
    let of = |name: &str, label: &str| {
        format!(
            "{{apiVersion: v1, kind: ConfigMap, metadata: {{namespace: {NAMESPACE}, name: {name}, labels: {{app.kubernetes.io/name: {label}}}}}}}"
        )
    };
    let ours = write(&mesh, "ours.yaml", &of("regionguard-policy", "other"))?;
    let labelled = write(&mesh, "labelled.yaml", &of("any-name", "regionguard"))?;
    let unlabelled = write(&mesh, "unlabelled.yaml", &of("any-name", "other"))?;
    let bootstrap = write(&mesh, "bootstrap.yaml", &of("regionguard-bootstrap", "other"))?;
    let theirs = write(&mesh, "theirs.yaml", &of("theirs", "theirs"))?;
    let generated = write(
        &mesh,
        "generated.yaml",
        &format!("{{apiVersion: v1, kind: ConfigMap, metadata: {{namespace: {NAMESPACE}, generateName: theirs-}}}}"),
    )?;
    let (developer, operator) = (As(&mesh, "developers"), As(&mesh, "regionguard-operators"));
    // The policy is in force a moment after it is written.
    eventually("the policy is in force", async || {
        Ok(!developer.may(&["create", "--dry-run=server", "-f", &ours]).await?)
    })
    .await?;
    for file in [&ours, &labelled, &bootstrap] {
        assert!(!developer.may(&["create", "-f", file]).await?, "{file}");
        assert!(operator.may(&["create", "-f", file]).await?, "{file}");
    }
    for file in [&theirs, &generated] {
        assert!(developer.may(&["create", "-f", file]).await?, "{file}");
    }
    assert!(developer.may(&["apply", "--server-side", "-f", &theirs]).await?);
    for refused in [
        ["annotate", "configmap", "regionguard-policy", "a=b"],
        ["label", "configmap", "any-name", "app.kubernetes.io/name-"],
        ["label", "configmap", "theirs", "--overwrite=true"],
        ["delete", "configmap", "regionguard-policy", "--wait=false"],
        ["delete", "configmap", "any-name", "--wait=false"],
    ] {
        let mut args = vec!["-n", NAMESPACE];
        args.extend(refused);
        if refused.contains(&"theirs") {
            args.push("app.kubernetes.io/name=regionguard");
        }
        assert!(!developer.may(&args).await?, "{refused:?}");
    }
    assert!(
        !developer
            .may(&["apply", "--server-side", "--force-conflicts", "-f", &unlabelled])
            .await?
    );
    // `kubectl delete --all` deletes one by one; this is one request for all of them.
    let collection = format!("/api/v1/namespaces/{NAMESPACE}/configmaps");
    assert!(!developer.may(&["delete", "--raw", &collection]).await?, "a collection");
    for name in ["regionguard-policy", "any-name", "regionguard-bootstrap"] {
        let there = mesh.kube().get("v1", "ConfigMap", NAMESPACE, name).await?;
        assert!(there.is_some(), "{name} is gone");
        let delete = ["-n", NAMESPACE, "delete", "configmap", name, "--wait=false"];
        assert!(operator.may(&delete).await?, "{name}");
    }
    emptied(&mesh, &developer, &operator).await
}

/// A namespace that is deleted is emptied by the controller, by either of its names, and no other is.
async fn emptied(mesh: &Mesh, developer: &As<'_>, operator: &As<'_>) -> Result<()> {
    for (namespace, controller) in [
        ("emptied-1", "system:serviceaccount:kube-system:namespace-controller"),
        ("emptied-2", "system:kube-controller-manager"),
    ] {
        mesh.namespace(namespace).await?;
        let create = ["-n", namespace, "create", "configmap", "regionguard-policy"];
        assert!(operator.may(&create).await?);
        let user = format!("--as={controller}");
        let collection = format!("/api/v1/namespaces/{namespace}/configmaps");
        let empty = [user.as_str(), "delete", "--raw", &collection];
        let refused = text(&mesh.kubectl(&empty).await?);
        assert!(refused.contains("only operators may"), "{controller}: {refused}");
        assert!(
            developer
                .may(&["delete", "namespace", namespace, "--wait=false"])
                .await?
        );
        let output = mesh.kubectl(&empty).await?;
        assert!(output.status.success(), "{controller}: {}", text(&output));
        let left = mesh
            .kube()
            .get("v1", "ConfigMap", namespace, "regionguard-policy")
            .await?;
        assert_eq!(left, None, "{controller}");
    }
    Ok(())
}

/// Developers, operators and controllers may do everything with ConfigMaps and namespaces as far as RBAC goes.
const ROLES: &str = "
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: configmaps}
rules: [{apiGroups: [''], resources: [configmaps, namespaces], verbs: ['*']}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: configmaps}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: configmaps}
subjects:
  - {apiGroup: rbac.authorization.k8s.io, kind: Group, name: developers}
  - {apiGroup: rbac.authorization.k8s.io, kind: Group, name: regionguard-operators}
  - {apiGroup: rbac.authorization.k8s.io, kind: User, name: 'system:kube-controller-manager'}
  - {kind: ServiceAccount, namespace: kube-system, name: namespace-controller}
";

/// Somebody of a group.
struct As<'m>(&'m Mesh, &'m str);

impl As<'_> {
    /// Whether the API server lets them; any other failure than a refusal by our policy is an error.
    async fn may(&self, args: &[&str]) -> Result<bool> {
        let group = format!("--as-group={}", self.1);
        let mut all = vec!["--as=somebody", group.as_str()];
        all.extend(args);
        let output = self.0.kubectl(&all).await?;
        if output.status.success() {
            return Ok(true);
        }
        if text(&output).contains("only operators may") {
            return Ok(false);
        }
        Err(format!("{args:?}: {}", text(&output)).into())
    }
}
