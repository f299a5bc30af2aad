//! The main function of a file of tests that share one mesh.
//!
//! ```no_run
//! # use std::sync::Arc;
//! # use regionguard_mesh::{Mesh, Result, suite};
//! fn main() -> std::process::ExitCode {
//!     suite::run([suite::test("requests_pass", requests_pass)])
//! }
//!
//! async fn requests_pass(mesh: Arc<Mesh>) -> Result<()> {
//!     mesh.namespace("requests-pass").await
//! }
//! ```
//!
//! The mesh is started by the first test that runs, so that `--list` and a filter that leaves nothing cost nothing. Tests run
//! side by side, `--test-threads` of them.

use std::process::ExitCode;
use std::sync::Arc;

use libtest_mimic::{Arguments, Failed, Trial};
use tokio::runtime::Runtime;
use tokio::sync::Mutex;

use crate::{Mesh, Options, Result};

/// A named test.
pub struct Test {
    name: String,
    run: Box<Run>,
}

type Run = dyn FnOnce(Arc<Mesh>, &Runtime) -> Result<()> + Send;

/// A test that is an async function of the mesh.
pub fn test<F>(name: &str, run: F) -> Test
where
    F: AsyncFnOnce(Arc<Mesh>) -> Result<()> + Send + 'static,
{
    Test {
        name: name.to_owned(),
        run: Box::new(|mesh, runtime| runtime.block_on(run(mesh))),
    }
}

/// Runs the tests in a mesh with the default options.
pub fn run(tests: impl IntoIterator<Item = Test>) -> ExitCode {
    run_in(Options::default(), tests)
}

/// Runs the tests in a mesh with these options.
pub fn run_in(options: Options, tests: impl IntoIterator<Item = Test>) -> ExitCode {
    let arguments = Arguments::from_args();
    let stage = match Runtime::new() {
        Ok(runtime) => Arc::new(Stage {
            runtime,
            options,
            mesh: Mutex::new(None),
        }),
        Err(error) => {
            eprintln!("no runtime: {error}");
            return ExitCode::FAILURE;
        }
    };
    let trials = tests.into_iter().map(|test| {
        let stage = Arc::clone(&stage);
        Trial::test(test.name, move || {
            let mesh = stage.runtime.block_on(stage.mesh())?;
            (test.run)(mesh, &stage.runtime).map_err(|error| Failed::from(error.to_string()))
        })
    });
    let conclusion = libtest_mimic::run(&arguments, trials.collect());
    // Ends the mesh before the process: dropping it needs its runtime.
    let _within = stage.runtime.enter();
    if let Some(Ok(mesh)) = stage.runtime.block_on(stage.mesh.lock()).take()
        && conclusion.has_failed()
    {
        mesh.keep_dir();
    }
    conclusion.exit_code()
}

struct Stage {
    runtime: Runtime,
    options: Options,
    mesh: Mutex<Option<Result<Arc<Mesh>, String>>>,
}

impl Stage {
    /// The mesh, started by the first who asks; when that fails, it fails for all.
    async fn mesh(&self) -> Result<Arc<Mesh>, Failed> {
        let mut mesh = self.mesh.lock().await;
        let started = match &*mesh {
            Some(started) => started.clone(),
            None => {
                let started = Mesh::start(self.options.clone()).await;
                mesh.insert(started.map(Arc::new).map_err(|error| error.to_string()))
                    .clone()
            }
        };
        started.map_err(Failed::from)
    }
}
