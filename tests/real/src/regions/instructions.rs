//! What to try while the mesh runs: variables for a shell, and commands that use them.

use std::fmt::Write as _;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;

use super::{TwoRegions, manifests};
use crate::Result;
use crate::error::Context as _;
use crate::plane;
use crate::process::running_in;
use crate::workload::SERVICE_PORT;

/// The file that a shell reads before it runs the commands.
fn environment(regions: &TwoRegions) -> PathBuf {
    regions.mesh.dir().join("env.sh")
}

/// Writes the variables, readable by its owner alone: tokens are among them.
///
/// # Errors
/// When the file cannot be written.
pub(super) fn write_environment(regions: &TwoRegions) -> Result<()> {
    let path = environment(regions);
    let failed = || format!("cannot write `{}`", path.display());
    let mut file = std::fs::File::options()
        .create_new(true)
        .write(true)
        .mode(0o600)
        .open(&path)
        .context(failed)?;
    file.write_all(variables(regions)?.as_bytes()).context(failed)
}

fn variables(regions: &TwoRegions) -> Result<String> {
    let mut text =
        String::from("# Made for one run of `make istio-up`: its keys end with it, and so do these tokens.\n");
    let (tools, command) = (plane::tools(), regions.command.parent().unwrap_or(&regions.command));
    writeln!(text, "export KUBECONFIG='{}'", regions.mesh.kubeconfig().display())?;
    writeln!(
        text,
        "export PATH='{}:{}':\"$PATH\"",
        tools.display(),
        command.display()
    )?;
    writeln!(text, "MODULE='{}'", regions.module.display())?;
    writeln!(text, "ISTIOD=http://{}", regions.mesh.istiod_debug())?;
    for (variable, region) in ["US", "EU"].into_iter().zip(&regions.regions) {
        writeln!(text, "WEB_{variable}=http://{}", region.web.outbound(SERVICE_PORT))?;
        writeln!(text, "API_{variable}=http://{}", region.api.inbound())?;
        writeln!(text, "TO_{variable}='host: {}'", region.host())?;
        let policies = manifests::documents(&regions.mesh, region.name);
        writeln!(text, "POLICY_{variable}='{}'", policies.display())?;
        writeln!(text, "POD_{variable}='{}'", region.api.dir().display())?;
        writeln!(text, "ADMIN_{variable}=http://{}", region.api.admin())?;
        writeln!(
            text,
            "METRICS_{variable}=http://{}/stats/prometheus",
            region.api.metrics()
        )?;
    }
    for (variable, header) in regions.people.tokens()? {
        // Base64url and dots: nothing that ends the quotes.
        writeln!(text, "{variable}='{header}'")?;
    }
    Ok(text)
}

pub(super) fn text(regions: &TwoRegions, colour: bool) -> String {
    let title = |text: &str| {
        if colour {
            format!("\x1b[1m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    };
    format!(
        r#"
{both}

{first}
  . {environment}

{requests}
  curl -i -H "$TO_US" -H "$ALICE" $WEB_US/v1/orders/7             # 200: her token says enough
  curl -i -H "$TO_US" -H "$ALICE" -X PUT $WEB_US/v1/orders/7      # 403: no permission to write
  curl -i -H "$TO_EU" -H "$BOB" -X PUT $WEB_EU/v1/orders/7        # 200: he has it
  curl -i -H "$TO_US" -H "$BOB" -X PUT $WEB_US/v1/orders/7        # 403: not in us-east-1, which accepts read:* of eu-west-1
  curl -i -H "$TO_US" $WEB_US/v1/orders/7                         # 401: no token; or -H "$EXPIRED"
  curl -i -H "$TO_US" $WEB_US/v1/stock/7                          # 200: the certificate of this region's web will do
  curl -i -H "$TO_US" $WEB_EU/v1/stock/7                          # 401: that of the other region's will not
  curl -i -H "$TO_US" $API_US/v1/stock/7                          # 401: past web's sidecar, without TLS, nobody
  curl -i -H "$TO_US" -H "$ALICE" $WEB_US/v1/profiles/42          # 403: the center says no; 43: yes

{plugin}
  sed -i 's/write:orders/read:orders/' $POLICY_US/rules.yaml      # Alice may write
  sed -i 's/version: 1}}/version: 2}}/' $POLICY_US/bundle.yaml
  regionguard render wasmplugin $POLICY_US --namespace us-east-1 --scope workload --selector app=api |
    sed "s|\"oci://.*\" #|file://$MODULE #|" | kubectl apply --server-side --force-conflicts -f -
  curl -i -H "$TO_US" -H "$ALICE" -X PUT $WEB_US/v1/orders/7      # 200, and version 2 in the line below
  kubectl edit wasmplugin regionguard -n us-east-1                # by hand
The module is a file here, so that each of these edits makes new VMs: counters begin anew, and an older version is taken.

{config_map}
  sed -i 's/write:orders/read:orders/' $POLICY_EU/rules.yaml
  sed -i 's/version: 1}}/version: 2}}/' $POLICY_EU/bundle.yaml
  regionguard render configmap $POLICY_EU --namespace eu-west-1 --module-file $MODULE |
    kubectl apply --server-side --force-conflicts -f -
  curl -i -H "$TO_EU" -H "$ALICE" -X PUT $WEB_EU/v1/orders/7      # 200; 403 before. `accepts` of eu-west-1 lets read:* in
  kubectl edit configmap regionguard-policy -n eu-west-1

{broken}
  kubectl patch wasmplugin regionguard -n us-east-1 --type merge -p '{{"spec":{{"pluginConfig":{{"region":"us-est-1"}}}}}}'
  grep -F 'error: ' $POD_US/agent.log | tail -3
  kubectl get configmap regionguard-policy -n eu-west-1 -o yaml | sed 's/effect: allow/effect: alow/' |
    kubectl apply --server-side --force-conflicts -f -
  grep -F 'error: ' $POD_EU/agent.log | tail -3

{look}
  tail -n 1 $POD_US/access.log                                    # with the decision line, and who asked
  curl -s $METRICS_US | grep -E '^regionguard_[a-z_]+\{{[rv]|interlock'
  curl -s $ADMIN_US/config_dump | istioctl proxy-config ecds --file -
  istioctl analyze -A
  kubectl get wasmplugins,envoyfilters,configmaps,serviceentries,pods -A
  curl -s $ISTIOD/debug/syncz

{ends}
"#,
        both = title(
            "us-east-1 has its policy from a WasmPlugin, eu-west-1 from a ConfigMap; Regionguard stands in front of api in both."
        ),
        first = title("First, in another terminal: where everything is, and tokens for 12 hours"),
        requests = title("Ask api as the program behind web: through both sidecars, over mTLS"),
        plugin = title(
            "Change the policy of us-east-1: edit the documents, render, apply; istiod hands it out within two seconds"
        ),
        config_map = title("Change the policy of eu-west-1: the sidecar reads the ConfigMap, istiod is not asked"),
        broken = title(
            "Break either: the policy before it goes on, and within two seconds the log says which field is wrong"
        ),
        look = title("Look inside"),
        ends = title(&format!(
            "{} processes run, in {}. Ctrl-C ends them and removes it. Each decision appears below.",
            running_in(regions.mesh.dir()).len(),
            regions.mesh.dir().display()
        )),
        environment = environment(regions).display(),
    )
}
