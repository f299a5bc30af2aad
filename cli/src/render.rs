//! `regionguard render`: the one source of everything that operators apply.

mod bundle;
mod chart;
mod envoy;
mod envoy_gateway;
mod istio;
mod login;
mod node;
mod options;
mod out;
mod settings;
mod template;

use std::path::PathBuf;
use std::process::ExitCode;

use crate::documents;
use crate::problem::Problem;
use crate::report;

pub(crate) use bundle::Bundle;
pub(crate) use node::Node;
use settings::{Options, Settings};

/// What `render` is asked to do.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// What to render
    #[arg(value_enum)]
    target: Target,
    /// Folders of documents, or files, as `check` takes them; not for what holds no policy
    #[arg(value_name = "PATH")]
    folder: Vec<PathBuf>,
    /// Write files into this folder instead of printing them
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    #[command(flatten)]
    options: Options,
}

/// What there is to render.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Target {
    /// Plain Envoy: a bootstrap for a sidecar and one for a gateway
    Envoy,
    /// Plain Envoy: a gateway at which browsers log in by Envoy's own `oauth2` filter
    EnvoyOauth2,
    /// Plain Envoy: the file that configures the filter
    Ecds,
    /// A ConfigMap that holds the file which configures the filter
    Configmap,
    /// Istio: the plugin
    Wasmplugin,
    /// Istio 1.30 and later: the plugin, as a TrafficExtension
    Trafficextension,
    /// Istio: the interlock, the direct peer, and the filter that takes its policy from a file
    Envoyfilter,
    /// Istio: what a workload needs whose policy comes from a ConfigMap
    DeploymentPatch,
    /// Istio: what a workload needs for its metrics
    MetricsPatch,
    /// Istio: what istiod has to be told, as Helm values of its chart
    MeshConfig,
    /// Istio: all objects for one place in the mesh
    Istio,
    /// Istio: the same, as a base for kustomize and an overlay
    Kustomize,
    /// Istio: the same, as a Helm chart
    Helm,
    /// Istio: the values of the Helm chart for this policy
    HelmValues,
    /// Envoy Gateway: all objects for one Gateway, and the values that its own Helm chart needs
    EnvoyGateway,
}

/// A file that was rendered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct File {
    /// Its path below the folder that is written.
    pub(crate) path: String,
    /// What it holds.
    pub(crate) text: String,
}

/// Why nothing was rendered.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The options do not fit, or what is asked for cannot be had.
    Message(String),
    /// The system does not take what was rendered.
    Unwritable(String),
    /// The documents are wrong.
    Documents(Vec<Problem>),
}

impl Failure {
    /// For people.
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self::Message(message.into())
    }
}

/// Runs `render`.
pub(crate) fn run(args: &Args) -> ExitCode {
    match rendered(args).and_then(|files| hand_out(&files, args)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Message(message)) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
        Err(Failure::Unwritable(message)) => {
            eprintln!("{message}");
            ExitCode::from(2)
        }
        Err(Failure::Documents(problems)) => {
            report::to_stderr(&problems);
            eprintln!(
                "error: nothing was rendered: {}",
                report::summary(&problems, problems.len() > report::WRITTEN)
            );
            documents::exit_code(&problems)
        }
    }
}

fn rendered(args: &Args) -> Result<Vec<File>, Failure> {
    let bundle = || load(&args.folder);
    let settings = || Settings::new(&args.options);
    let placed = || settings()?.placed();
    let selected = || settings()?.selected();
    Ok(match args.target {
        Target::Envoy => envoy::bootstraps(&settings()?, &bundle()?)?,
        Target::EnvoyOauth2 => envoy::oauth2(&settings()?, &bundle()?)?,
        Target::Ecds => vec![envoy::ecds(&settings()?, &bundle()?)],
        Target::Configmap => vec![istio::configmap(&placed()?, &bundle()?)?],
        Target::Wasmplugin => vec![istio::wasmplugin(&placed()?, &bundle()?)?],
        Target::Trafficextension => vec![istio::trafficextension(&placed()?, &bundle()?)?],
        Target::Envoyfilter if args.folder.is_empty() => istio::envoyfilters(&placed()?, None)?,
        Target::Envoyfilter => istio::envoyfilters(&placed()?, Some(&bundle()?))?,
        Target::DeploymentPatch => vec![istio::deployment_patch(&settings()?)],
        Target::MetricsPatch => vec![istio::metrics_patch(&settings()?)],
        Target::MeshConfig => istio::mesh_config(),
        Target::Istio => istio::everything(&placed()?, &bundle()?)?,
        Target::Kustomize => istio::kustomize(&placed()?, &bundle()?)?,
        Target::Helm => chart::chart(&selected()?, &bundle()?)?,
        Target::HelmValues => vec![chart::values(&selected()?, &bundle()?)?],
        Target::EnvoyGateway => envoy_gateway::files(&args.options.envoy_gateway(), &bundle()?)?,
    })
}

fn load(paths: &[PathBuf]) -> Result<Bundle, Failure> {
    if paths.is_empty() {
        return Err(Failure::new(
            "error: this holds policy: name the folder of documents behind the target",
        ));
    }
    let loaded = documents::load(paths).map_err(Failure::Documents)?;
    report::to_stderr(&loaded.warnings);
    Ok(Bundle::from(&loaded))
}

fn hand_out(files: &[File], args: &Args) -> Result<(), Failure> {
    match &args.out {
        Some(folder) => {
            let whole = matches!(args.target, Target::Istio | Target::Kustomize | Target::EnvoyGateway);
            out::no_leftovers(files, folder, whole)?;
            out::write(files, folder)?;
        }
        None => {
            let texts: Vec<&str> = files.iter().map(|file| file.text.as_str()).collect();
            crate::output::print(&texts.join("---\n"))
                .map_err(|error| Failure::Unwritable(format!("error: cannot write what was rendered: {error}")))?;
        }
    }
    let zeros = options::Sha256::zeros();
    if args.options.names_no_digest() && files.iter().any(|file| file.text.contains(zeros.as_str())) {
        eprintln!(
            "warning: without `--sha256` the image has a digest of 64 zeros, which none has: nothing is let in until it is set (`crane digest IMAGE`)"
        );
    }
    Ok(())
}
