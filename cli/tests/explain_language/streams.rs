//! What `regionguard explain` says of how long a stream lasts.

use serde_json::{Value, json};

use crate::run::{folder_of, regionguard};

const BUNDLE: &str = r#"
region: here
metadata: {name: shop, version: 1}
trust: {hosts: [api.x.com]}
documents:
  - apiVersion: security.io/v1
    kind: Region
    metadata: {name: here}
    spec:
      issuer: identity.x.com
      audiences: [api.x.com]
      keys: {jwks: {keys: [{kty: OKP, kid: one, crv: Ed25519, x: 11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo}]}}
      center: {cluster: center, authority: center.x.com}
  - apiVersion: security.io/v1
    kind: ZeroTrustPolicy
    metadata: {name: shop}
    spec:
      rules:
        - {name: live, paths: [/live], upgrades: [websocket], effect: allow}
        - {name: kept, paths: [/kept], upgrades: [websocket], streams: untilClosed, effect: allow}
        - {name: ask, paths: [/ask], upgrades: [websocket], effect: defer}
        - {name: plain, paths: [/plain], effect: allow}
"#;

fn explain(name: &str, path: &str, more: &[&str]) -> String {
    let folder = folder_of(
        &format!("explain-streams-{name}"),
        &[("bundle.yaml", BUNDLE.as_bytes())],
    );
    let url = format!("https://api.x.com{path}");
    let mut all = vec![
        "explain",
        ".",
        "--url",
        &url,
        "--claims",
        "{}",
        "--at",
        "2026-11-23T18:10:00Z",
    ];
    if path != "/plain" {
        all.extend(["--header", "connection: upgrade", "--header", "upgrade: websocket"]);
    }
    all.extend(more);
    let run = regionguard(&folder, &all);
    assert_eq!(run.code, 0, "{}", run.stderr);
    run.stdout
}

#[test]
fn it_says_how_long_a_stream_lasts() {
    for (index, (path, more, word, text)) in [
        (
            "/live",
            vec![],
            json!("ends"),
            "stream    it ends with its token, or as soon as",
        ),
        (
            "/kept",
            vec![],
            json!("untilClosed"),
            "stream    it stays open until one of its ends closes it",
        ),
        (
            "/ask",
            vec!["--center", "allow"],
            json!("ends"),
            "stream    it ends with its token",
        ),
        ("/ask", vec!["--center", "deny"], Value::Null, ""),
        ("/ask", vec![], Value::Null, ""),
        ("/plain", vec![], Value::Null, ""),
    ]
    .iter()
    .enumerate()
    {
        let said = explain(&format!("text-{index}"), path, more);
        let lines: Vec<&str> = said.lines().filter(|line| line.starts_with("stream")).collect();
        match text.is_empty() {
            true => assert!(lines.is_empty(), "{path} {more:?}: {said}"),
            false => assert!(
                lines.len() == 1 && lines[0].starts_with(text),
                "{path} {more:?}: {said}"
            ),
        }
        let more: Vec<&str> = more.iter().copied().chain(["--format", "json"]).collect();
        let said: Value = serde_json::from_str(&explain(&format!("json-{index}"), path, &more)).expect("JSON");
        assert_eq!(&said["stream"], word, "{path}");
    }
}
