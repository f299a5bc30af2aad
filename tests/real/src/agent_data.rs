//! The folder where Istio's agents keep the modules that they have fetched. Its path is fixed in their code (`IstioDataDir`), they
//! do not make it themselves, and all agents of a machine share it.

use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};
use sha2::{Digest as _, Sha256};

use crate::Result;
use crate::error::Context as _;

/// Where the folder is.
pub const AGENT_DATA: &str = "/var/lib/istio/data";

/// What agents keep of the modules from one URL. It is removed when the value is dropped; what is of other URLs stays.
#[derive(Debug)]
pub struct Kept(PathBuf);

impl Kept {
    /// Of this URL as a WasmPlugin has it, `http://…` or `oci://…`; of an image with whatever tag or digest. The folder of the agents is
    /// made where it is missing.
    ///
    /// # Errors
    /// When that folder cannot be made or is not ours to write to.
    pub fn of(url: &str) -> Result<Self> {
        make(Path::new(AGENT_DATA))?;
        Ok(Self(folder_of(url)))
    }

    /// The folder of these modules. It is there when an agent has fetched one.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        // Where no agent has fetched anything, there is nothing to remove.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Makes the folder of the agents, with all above it, where it is missing.
///
/// # Errors
/// When it cannot be made or is not ours to write to; the error says how to make it.
pub(crate) fn make(folder: &Path) -> Result<()> {
    let failed = || {
        let folder = folder.display();
        format!(
            "Istio's agents keep the modules that they fetch in `{folder}`, which they have to write to; \
             run `sudo install -d -o \"$(id -un)\" {folder}`"
        )
    };
    std::fs::create_dir_all(folder).context(failed)?;
    access(folder, Access::WRITE_OK | Access::EXEC_OK).context(failed)
}

/// As `moduleNameFromURL` and `getModulePath` of istio/pkg/wasm/cache.go have it.
fn folder_of(url: &str) -> PathBuf {
    let name = match url.strip_prefix("oci://") {
        Some(reference) => {
            let repository = reference.split_once('@').map_or(reference, |(before, _)| before);
            // A colon before the last slash is that of a port.
            let tag = repository
                .rfind(':')
                .filter(|colon| !repository[*colon..].contains('/'));
            &url[.."oci://".len() + tag.unwrap_or(repository.len())]
        }
        None => url,
    };
    Path::new(AGENT_DATA).join(format!("{:x}", Sha256::digest(name)))
}

#[cfg(test)]
mod tests {
    use regionguard_harness::RunDir;

    use super::{folder_of, make};

    #[test]
    fn an_image_has_one_folder_whatever_its_tag_or_digest() {
        let folder = folder_of("oci://127.0.0.1:5000/regionguard");
        assert_eq!(
            folder.to_str(),
            Some("/var/lib/istio/data/fe85ae0ad94ac2ad17c6cd78ea54677dfd7f1ef657dba178ae9d69b4ee6c1367")
        );
        for more in [":1.2.3", "@sha256:00", ":1.2.3@sha256:00"] {
            assert_eq!(folder_of(&format!("oci://127.0.0.1:5000/regionguard{more}")), folder);
        }
        assert_ne!(folder_of("oci://127.0.0.1:5000/other"), folder);
        let served = |port| folder_of(&format!("http://127.0.0.1:{port}/plugin.wasm"));
        assert_ne!(served(1), served(2));
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_an_error_that_says_how_to() {
        let run = RunDir::new("agent-data").unwrap();
        make(&run.path().join("lib/data")).unwrap();
        assert!(run.path().join("lib/data").is_dir());
        std::fs::write(run.path().join("file"), "").unwrap();
        let refused = make(&run.path().join("file/data")).unwrap_err().to_string();
        assert!(refused.contains("run `sudo install -d -o \"$(id -un)\""), "{refused}");
    }
}
