//! Tokens of real identity providers in real Envoys: npm's oidc-provider issues those of us-east-1, Keycloak those of eu-west-1.

mod access;
mod bound;
mod browsers;
mod rotation;
mod sessions;

mod stage;

use std::process::ExitCode;
use std::sync::Arc;

use libtest_mimic::{Arguments, Failed, Trial};
use regionguard_harness::Result;
use tokio::runtime::Runtime;
use tokio::sync::Mutex;

use stage::Stage;

type Shared = Arc<Mutex<Option<Result<Stage, String>>>>;
type Check = fn(Shared, &Runtime) -> Result<()>;

macro_rules! tests {
    ($($module:ident::$name:ident),* $(,)?) => {
        [$((stringify!($name), (|stage, runtime| {
            runtime.block_on(async {
                let mut stage = stage.lock().await;
                let stage = match &mut *stage {
                    Some(started) => started,
                    none => none.insert(Stage::start().await.map_err(|error| error.to_string())),
                };
                $module::$name(stage.as_mut().map_err(|error| error.clone())?).await
            })
        }) as Check)),*]
    };
}

fn main() -> ExitCode {
    // Two providers whose keys the tests change: one test at a time.
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
    let stage = Shared::default();
    let trials = tests![
        access::a_service_gets_in_by_its_client_credentials,
        access::roles_of_keycloak_count_where_they_are_accepted,
        access::a_refreshed_token_gets_in_as_the_one_before,
        access::an_encryption_key_in_the_set_spoils_nothing,
        access::an_id_token_of_keycloak_is_no_access_token,
        browsers::a_browser_logs_in_and_stays_logged_in,
        browsers::a_login_is_not_forged_or_stolen,
        bound::a_token_bound_to_a_certificate_counts_with_it_only,
        bound::dpop_tokens_of_both_providers_count_with_a_new_proof_each,
        sessions::a_session_that_was_logged_out_and_revoked_is_over,
        rotation::keys_turn_at_both_providers_and_no_request_is_lost,
        rotation::a_provider_that_is_away_takes_nobodys_access,
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
    if let Some(Ok(stage)) = runtime.block_on(stage.lock()).take()
        && conclusion.has_failed()
    {
        stage.keep_dir();
    }
    conclusion.exit_code()
}
