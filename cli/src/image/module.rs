//! The module to pack, read and checked.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use wasmparser::{ExternalKind, Parser, Payload, Validator};

use super::{Result, at};

/// The most that the module may take, in bytes; `make build` holds it to the same.
const MAX: u64 = 2 * 1024 * 1024;

/// What Envoy calls for a request's headers; with it the module is an HTTP filter of proxy-wasm.
const ENTRY: &str = "proxy_on_request_headers";
/// How a module says which version of the ABI it speaks.
const ABI: &str = "proxy_abi_version_";

/// The bytes of the module at `path`, a valid core module of WebAssembly with the entry points of proxy-wasm.
pub(super) fn read(path: &Path) -> Result<Vec<u8>> {
    // Before it is opened: opening a pipe waits for who writes to it.
    let found = std::fs::metadata(path).map_err(|error| at(path, "open", error))?;
    if !found.is_file() {
        return Err(format!("`{}` is not the module: it is no file", path.display()));
    }
    let file = File::open(path).map_err(|error| at(path, "open", error))?;
    let mut bytes = Vec::new();
    file.take(MAX + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| at(path, "read", error))?;
    if bytes.len() as u64 > MAX {
        return Err(format!(
            "`{}` is larger than {MAX} bytes, the most that a module may take",
            path.display()
        ));
    }
    check(&bytes).map_err(|error| format!("`{}` is not the module: {error}", path.display()))?;
    Ok(bytes)
}

fn check(bytes: &[u8]) -> Result<()> {
    match bytes {
        [b'\0', b'a', b's', b'm', 1, 0, 0, 0, ..] => {}
        [b'\0', b'a', b's', b'm', _, 0, 1, 0, ..] => {
            return Err("it is a component; Envoy loads core modules, built for `wasm32-wasip1`".to_owned());
        }
        _ => return Err("it does not begin like WebAssembly, with `\\0asm` and version 1".to_owned()),
    }
    Validator::new()
        .validate_all(bytes)
        .map_err(|error| format!("not valid WebAssembly: {error}"))?;
    let exports = functions(bytes)?;
    if !exports.iter().any(|name| name.starts_with(ABI)) || !exports.contains(&ENTRY) {
        return Err(format!(
            "it exports no `{ABI}*` and `{ENTRY}`, as an HTTP filter of proxy-wasm does"
        ));
    }
    Ok(())
}

/// The names of the functions that the module exports.
fn functions(bytes: &[u8]) -> Result<Vec<&str>> {
    let mut names = Vec::new();
    for payload in Parser::new(0).parse_all(bytes) {
        if let Payload::ExportSection(exports) = payload.map_err(|error| error.to_string())? {
            for export in exports {
                let export = export.map_err(|error| error.to_string())?;
                if export.kind == ExternalKind::Func {
                    names.push(export.name);
                }
            }
        }
    }
    Ok(names)
}
