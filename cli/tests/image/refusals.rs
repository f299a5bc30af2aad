//! What is refused, and how it is said.

use std::path::Path;
use std::process::Command;

use super::{Dir, MAX, image, module, refuse};

#[test]
fn what_is_not_the_module_is_refused() {
    let dir = Dir::new("refuse");
    let valid = module();
    let truncated = &valid[..valid.len() - 1];
    let no_filter = [&valid[..8], &[1, 4, 1, 0x60, 0, 0]].concat();
    let component = b"\0asm\x0d\0\x01\0";
    let cases: [(&str, &[u8], &str); 7] = [
        (
            "empty.wasm",
            b"",
            "is not the module: it does not begin like WebAssembly",
        ),
        (
            "text.wasm",
            b"(module)",
            "it does not begin like WebAssembly, with `\\0asm` and version 1",
        ),
        ("version.wasm", b"\0asm\x02\0\0\0", "it does not begin like WebAssembly"),
        (
            "component.wasm",
            component,
            "it is a component; Envoy loads core modules, built for `wasm32-wasip1`",
        ),
        ("truncated.wasm", truncated, "not valid WebAssembly: "),
        (
            "other.wasm",
            &no_filter,
            "it exports no `proxy_abi_version_*` and `proxy_on_request_headers`",
        ),
        (
            "large.wasm",
            &vec![0; MAX + 1],
            "is larger than 2097152 bytes, the most that a module may take",
        ),
    ];
    for (name, content, expected) in cases {
        let file = dir.write(name, content);
        let error = refuse(&mut image(&file, &dir.0.join("out")));
        assert!(error.starts_with("error: `") && error.contains(name), "{error}");
        assert!(error.contains(expected), "no `{expected}` in `{error}`");
        assert!(!dir.0.join("out").exists(), "{name} left something behind");
    }
}

/// A pipe would be waited for, and a device has no end.
#[cfg(unix)]
#[test]
fn what_is_no_file_is_not_opened() {
    let dir = Dir::new("no-file");
    let pipe = dir.0.join("pipe.wasm");
    let made = Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    for path in [&pipe, Path::new("/dev/zero"), &dir.0] {
        let error = refuse(&mut image(path, &dir.0.join("out")));
        assert!(error.contains("is not the module: it is no file"), "{error}");
    }
}

#[test]
fn what_is_missing_is_named() {
    let dir = Dir::new("missing");
    let error = refuse(&mut image(&dir.0.join("none.wasm"), &dir.0.join("out")));
    assert!(
        error.contains("cannot open `") && error.contains("none.wasm`: No such file"),
        "{error}"
    );

    let module = dir.write("m.wasm", &module());
    let mut elsewhere = Command::new(env!("CARGO_BIN_EXE_regionguard"));
    elsewhere
        .arg("image")
        .arg("--module")
        .arg(&module)
        .arg("--out")
        .arg(dir.0.join("out"));
    let error = refuse(elsewhere.current_dir(&dir.0));
    assert!(error.contains("cannot read `./Cargo.lock`"), "{error}");

    for version in ["-1", ".1", "a b", "a/b", "", &"1".repeat(129)] {
        let error = refuse(image(&module, &dir.0.join("out")).arg(format!("--version={version}")));
        assert!(error.contains("not a tag: up to 128 letters"), "{version}: {error}");
    }
    let error = refuse(image(&module, &dir.0.join("out")).args(["--revision", "a\u{1b}[2J"]));
    assert!(error.contains("printable ASCII"), "{error}");
}
