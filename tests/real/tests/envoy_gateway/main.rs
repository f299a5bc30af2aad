//! Envoy Gateway: the manifests that ship, on the real API server, translated by the real control plane, in a real Envoy.

mod closed;
mod edits;
mod manifests;
mod serving;
mod stage;

use std::process::ExitCode;
use std::sync::Arc;

use libtest_mimic::{Arguments, Failed, Trial};
use regionguard_harness::Result;
use tokio::runtime::Runtime;
use tokio::sync::Mutex;

use stage::Stage;

type Check = fn(Arc<Mutex<Option<Stage>>>, &Runtime) -> Result<()>;

macro_rules! tests {
    ($($module:ident::$name:ident),* $(,)?) => {
        [$((stringify!($name), (|stage, runtime| {
            runtime.block_on(async {
                let mut stage = stage.lock().await;
                if stage.is_none() {
                    *stage = Some(Stage::start().await?);
                }
                let stage = stage.as_mut().ok_or("no stage")?;
                let begun = stage.restore().await;
                begun.map_err(|error| format!("cannot begin: {error}"))?;
                $module::$name(stage).await
            })
        }) as Check)),*]
    };
}

fn main() -> ExitCode {
    // One control plane, whose ports are fixed, and one policy that tests change: one test at a time.
    let arguments = Arguments {
        test_threads: Some(1),
        ..Arguments::from_args()
    };
    let runtime = match Runtime::new() {
        Ok(runtime) => Arc::new(runtime),
        Err(error) => {
            eprintln!("no runtime: {error}");
            return ExitCode::FAILURE;
        }
    };
    let stage = Arc::new(Mutex::new(None));
    let trials = tests![
        serving::the_control_plane_takes_every_manifest,
        serving::a_request_that_the_policy_allows_reaches_the_upstream_and_others_are_told_why,
        serving::the_filter_judges_the_path_as_it_was_received,
        serving::decisions_are_in_the_metrics_with_labels,
        serving::every_chain_has_the_direct_peer_first_and_the_interlock_before_the_router,
        edits::an_edit_of_the_policy_is_in_force_without_a_restart,
        edits::a_policy_that_does_not_compile_changes_nothing,
        closed::an_image_of_another_digest_lets_nothing_in,
        closed::an_image_that_is_not_there_lets_nothing_in,
        closed::without_the_policy_nothing_is_let_in,
        closed::a_route_with_a_policy_of_its_own_lets_nothing_in,
        edits::the_module_can_come_from_a_web_server,
        closed::a_request_that_no_route_takes_is_refused,
    ]
    .map(|(name, check)| {
        let (stage, runtime) = (Arc::clone(&stage), Arc::clone(&runtime));
        Trial::test(name, move || {
            check(stage, &runtime).map_err(|error| Failed::from(error.to_string()))
        })
    });
    let conclusion = libtest_mimic::run(&arguments, trials.into());
    // Dropped within the runtime, which its connections belong to.
    let _within = runtime.enter();
    drop(runtime.block_on(stage.lock()).take());
    conclusion.exit_code()
}
