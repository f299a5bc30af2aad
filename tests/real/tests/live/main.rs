//! Live policy: what is pushed while requests come in, through a ConfigMap and through istiod, is in force on every worker in
//! time, or changes nothing and is visible; no request is lost on the way, and none is let in undecided.

mod editor;
mod edits;
mod pushed;
mod pushes;

use std::process::ExitCode;
use std::sync::Arc;

use regionguard_mesh::{Mesh, Options, Result, suite};
use tokio::sync::Mutex;

/// What is measured here is time, on a machine of two cores: one test after the other.
static ALONE: Mutex<()> = Mutex::const_new(());

fn main() -> ExitCode {
    let options = Options {
        // `istioctl proxy-status` asks istiod without a token: it gets one only for service accounts that nobody makes here.
        istiod_env: vec![("ENABLE_DEBUG_ENDPOINT_AUTH".to_owned(), "false".to_owned())],
        ..Options::default()
    };
    let tests = [
        suite::test("edits_of_a_config_map_under_load", config_map),
        suite::test("edits_of_a_plugin_config_under_load", plugin_config),
        suite::test("two_hundred_random_bundles_under_load", random),
    ];
    suite::run_in(options, tests)
}

async fn config_map(mesh: Arc<Mesh>) -> Result<()> {
    let _alone = ALONE.lock().await;
    edits::of_a_config_map(&mesh).await
}

async fn plugin_config(mesh: Arc<Mesh>) -> Result<()> {
    let _alone = ALONE.lock().await;
    edits::of_a_plugin_config(&mesh).await
}

async fn random(mesh: Arc<Mesh>) -> Result<()> {
    let _alone = ALONE.lock().await;
    pushes::two_hundred(&mesh).await
}
