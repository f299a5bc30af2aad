//! `regionguard render`: the one source of everything that operators apply.

mod bundle;
mod envoy;
mod istio;
mod node;
mod options;
mod settings;
mod template;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use settings::{Options, Settings};

/// What `render` is asked to do.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// What to render
    #[arg(value_enum)]
    target: Target,
    /// The folder of documents, or a file with the whole bundle; not for what holds no policy
    folder: Option<PathBuf>,
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
    /// Plain Envoy: the file that configures the filter
    Ecds,
    /// A ConfigMap that holds the file which configures the filter
    Configmap,
    /// Istio: the plugin
    Wasmplugin,
    /// Istio 1.31 and later: the plugin, as a TrafficExtension
    Trafficextension,
    /// Istio: the interlock, the direct peer, and the filter that takes its policy from a file
    Envoyfilter,
    /// Istio: everything for one place in the mesh
    Istio,
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
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Failure(String);

impl Failure {
    /// For people.
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}

/// Runs `render`.
pub(crate) fn run(args: &Args) -> ExitCode {
    match rendered(args).and_then(|files| hand_out(&files, args.out.as_deref())) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure(message)) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}

fn rendered(args: &Args) -> Result<Vec<File>, Failure> {
    let settings = Settings::new(&args.options)?;
    let bundle = || {
        let folder = args.folder.as_deref();
        let folder = folder.ok_or_else(|| Failure::new("error: this holds policy: name the folder of documents"))?;
        bundle::load(folder)
    };
    Ok(match args.target {
        Target::Envoy => envoy::bootstraps(&settings, &bundle()?)?,
        Target::Ecds => vec![envoy::ecds(&settings, &bundle()?)],
        Target::Configmap => vec![istio::configmap(&settings, &bundle()?)],
        Target::Wasmplugin => vec![istio::wasmplugin(&settings, &bundle()?)],
        Target::Trafficextension => vec![istio::trafficextension(&settings, &bundle()?)],
        Target::Envoyfilter => istio::envoyfilters(&settings),
        Target::Istio => istio::everything(&settings, &bundle()?)?,
    })
}

fn hand_out(files: &[File], folder: Option<&Path>) -> Result<(), Failure> {
    let Some(folder) = folder else {
        for (at, file) in files.iter().enumerate() {
            if at > 0 {
                println!("---");
            }
            print!("{}", file.text);
        }
        return Ok(());
    };
    for file in files {
        let path = folder.join(&file.path);
        let write = || {
            std::fs::create_dir_all(path.parent().unwrap_or(folder))?;
            std::fs::write(&path, &file.text)
        };
        write().map_err(|error| Failure::new(format!("error: cannot write `{}`: {error}", path.display())))?;
    }
    Ok(())
}
