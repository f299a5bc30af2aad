//! Where Istio's agents fetch the module from: a small HTTP server in the place of a registry.

use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::Result;
use crate::agent_data::Kept;

/// Where an agent fetches a module, and what it has to find there.
#[derive(Clone, Debug)]
pub struct Module {
    /// `http://…`, as the `url` of a WasmPlugin.
    pub url: String,
    /// Its SHA-256, in hexadecimal.
    pub sha256: String,
}

/// Hands one module out to agents, on a free port of 127.0.0.1. Dropped, it ends, and what agents have kept of the module is removed.
#[derive(Debug)]
pub struct Modules {
    /// How a WasmPlugin names it.
    pub module: Module,
    task: JoinHandle<()>,
    _kept: Kept,
}

impl Modules {
    /// Starts to hand out these bytes.
    ///
    /// # Errors
    /// When there is no free port, or as [`Kept::of`].
    pub async fn serve(module: Vec<u8>) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}/plugin.wasm", listener.local_addr()?);
        let kept = Kept::of(&url)?;
        let sha256 = Sha256::digest(&module)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let task = tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let head = format!(
                    "HTTP/1.1 200 OK\r\ncontent-type: application/wasm\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
                    module.len()
                );
                let mut request = [0; 4096];
                // The agent asks again when this fails.
                let _ = stream.read(&mut request).await;
                let _ = stream.write_all(&[head.as_bytes(), &module].concat()).await;
            }
        });
        Ok(Self {
            module: Module { url, sha256 },
            task,
            _kept: kept,
        })
    }
}

impl Drop for Modules {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[cfg(test)]
mod tests {
    use regionguard_harness::client::Client;

    use super::Modules;
    use crate::agent_data::Kept;

    #[tokio::test]
    async fn agents_get_the_module_and_what_they_keep_of_it_is_removed() {
        let served = Modules::serve(b"module".to_vec()).await.unwrap();
        let address = served
            .module
            .url
            .trim_start_matches("http://")
            .split_once('/')
            .unwrap()
            .0;
        let answer = Client::new(address.parse().unwrap()).get("/plugin.wasm").await.unwrap();
        assert_eq!(answer.text(), "module");
        assert_eq!(
            served.module.sha256,
            "120970d812836f19888625587a4606a5ad23cef31c8684e601771552548fc6b9"
        );
        let kept = Kept::of(&served.module.url).unwrap().path().to_owned();
        std::fs::create_dir_all(&kept).unwrap();
        drop(served);
        assert!(!kept.exists());
    }
}
