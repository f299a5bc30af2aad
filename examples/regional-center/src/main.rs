//! `regional-center`: the policy center of one region, from the command line.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use regional_center::{Center, Sources, serve};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

/// The policy center of one region: AuthZEN access evaluations and Envoy's HTTP ext_authz checks, decided in Rego.
#[derive(Parser)]
#[command(version)]
struct Options {
    /// The region in which this center stands, such as `us-east-1`
    #[arg(long)]
    region: String,

    /// Where to listen; it has neither TLS nor authentication, so keep it on a loopback address
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8181")]
    listen: SocketAddr,

    /// A directory of `*.rego` files to decide by, in place of the embedded policies
    #[arg(long, value_name = "DIR")]
    policies: Option<PathBuf>,

    /// A JSON file of data, in place of the embedded data; several are merged
    #[arg(long, value_name = "FILE")]
    data: Vec<PathBuf>,

    /// The https URL that clients know this center by, for its metadata
    #[arg(long)]
    url: Option<String>,

    /// Do not log decisions on stderr
    #[arg(long)]
    quiet: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Options::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(options: Options) -> Result<(), Box<dyn std::error::Error>> {
    let center = center(&options)?;
    let listener = TcpListener::bind(options.listen)
        .await
        .map_err(|error| format!("cannot listen on `{}`: {error}", options.listen))?;
    let address = listener.local_addr()?;
    if !address.ip().is_loopback() {
        eprintln!("warning: `{address}` is no loopback address: whoever reaches it can ask, and read the answers");
    }
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    println!("{}", greeting(&options.region, address));
    serve(listener, center, async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
    .await?;
    Ok(())
}

fn center(options: &Options) -> Result<Center, regional_center::LoadError> {
    let mut sources = Sources::embedded();
    if let Some(directory) = &options.policies {
        sources = sources.with_policies(directory)?;
    }
    if !options.data.is_empty() {
        sources = sources.with_data(&options.data)?;
    }
    let mut center = Center::new(&options.region, &sources)?;
    if let Some(url) = &options.url {
        center = center.with_url(url)?;
    }
    Ok(if options.quiet { center.quiet() } else { center })
}

fn greeting(region: &str, address: SocketAddr) -> String {
    let question = format!(
        r#"{{"subject":{{"type":"identity","id":"alice","properties":{{"home":"{region}"}}}},"action":{{"name":"GET"}},"resource":{{"type":"route","id":"/v1/profiles/{{id}}","properties":{{"captures":{{"id":"42"}}}}}},"context":{{"local":"{region}"}}}}"#
    );
    format!(
        "center of {region} listening on http://{address}\n\
         ask by AuthZEN:\n  curl -s http://{address}/access/v1/evaluation -H 'content-type: application/json' -d '{question}'\n\
         or as Envoy's ext_authz does:\n  curl -si http://{address}/ext_authz/v1/profiles/43 -H 'x-regionguard-subject: alice' -H 'x-regionguard-region: {region}'"
    )
}
