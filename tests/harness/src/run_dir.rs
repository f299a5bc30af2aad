use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::{Context as _, Result, tools};

/// A folder for what one run writes (configurations, logs, policies), under `.run/` of the workspace.
///
/// It is removed when the value is dropped, but kept for a look when the thread panics or `REGIONGUARD_KEEP_RUNS` is set.
#[derive(Debug)]
pub struct RunDir {
    path: PathBuf,
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
        Ok(Self { path })
    }

    /// Where the folder is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for RunDir {
    fn drop(&mut self) {
        if std::thread::panicking() || std::env::var_os("REGIONGUARD_KEEP_RUNS").is_some() {
            eprintln!("kept: {}", self.path.display());
        } else {
            // What stays behind is under `.run/`, which nobody reads: not worth an error.
            let _ = std::fs::remove_dir_all(&self.path);
        }
    }
}
