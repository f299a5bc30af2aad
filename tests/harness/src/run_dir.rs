use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use crate::{Context as _, Result, tools};

/// A folder for what one run writes (configurations, logs, policies), under `.run/` of the workspace.
///
/// It is removed when the value is dropped, but kept for a look when the thread panics, when [`keep`](Self::keep) was called, or
/// when `REGIONGUARD_KEEP_RUNS` is set.
#[derive(Debug)]
pub struct RunDir {
    path: PathBuf,
    kept: AtomicBool,
}

impl RunDir {
    /// Makes an empty folder whose name begins with `name`; no two runs share one.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub fn new(name: &str) -> Result<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = tools::workspace_root()
            .join(".run")
            .join(format!("{name}-{}-{count}", std::process::id()));
        std::fs::create_dir_all(&path).context(|| format!("cannot make the folder `{}`", path.display()))?;
        let kept = AtomicBool::new(std::env::var_os("REGIONGUARD_KEEP_RUNS").is_some());
        Ok(Self { path, kept })
    }

    /// Where the folder is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Leaves the folder where it is: something in it is worth a look.
    pub fn keep(&self) {
        self.kept.store(true, Ordering::Relaxed);
    }
}

impl Drop for RunDir {
    fn drop(&mut self) {
        if std::thread::panicking() || self.kept.load(Ordering::Relaxed) {
            eprintln!("kept: {}", self.path.display());
        } else {
            // What stays behind is under `.run/`, which nobody reads: not worth an error.
            let _ = std::fs::remove_dir_all(&self.path);
        }
    }
}
