//! `regionguard token` and `regionguard completions` as people run them.

#[path = "check/run.rs"]
#[expect(dead_code, reason = "other tests use all of it")]
mod run;

use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use run::{Run, folder, regionguard};

const BUNDLE: &str = "\
region: us-east-1
metadata: {name: shop, version: 7}
documents:
  - apiVersion: security.io/v1
    kind: Region
    metadata: {name: us-east-1}
    spec:
      issuer: identity.global.com
      audiences: [api.us]
      keys: {jwks: JWKS}
      claims: {roles: realm_access.roles, require: {token_use: access}}
      maxTokenLifetime: 2m
      accepts: [{home: eu-west-1, permissions: [\"read:*\"]}]
  - apiVersion: security.io/v1
    kind: Region
    metadata: {name: eu-west-1}
    spec: {issuer: identity.global.com, audiences: [api.eu], keys: {remote: {cluster: identity-eu}}}
  - apiVersion: security.io/v1
    kind: Revocations
    metadata: {name: gone}
    spec: {tokens: [{issuer: identity.global.com, jti: stolen}]}
  - apiVersion: security.io/v1
    kind: ZeroTrustPolicy
    metadata: {name: shop}
    spec: {default: allow}
";

/// A folder with a key, and a bundle whose local Region has it.
fn with_key(name: &str, arguments: &[&str]) -> PathBuf {
    let folder = folder(name);
    let made = regionguard(&folder, &[&["token", "keys", "--out", "keys"], arguments].concat());
    assert_eq!(made.code, 0, "{}", made.stderr);
    let jwks: Value = serde_json::from_str(&read(&folder, "keys/jwks.json")).expect("JSON");
    let bundle = BUNDLE.replace("JWKS", &jwks.to_string());
    fs::write(folder.join("bundle.yaml"), bundle).expect("a bundle");
    folder
}

fn read(folder: &std::path::Path, file: &str) -> String {
    fs::read_to_string(folder.join(file)).expect("a file")
}

/// A token by these arguments, and what is said about it under `asked`.
fn inspected(folder: &std::path::Path, minted: &[&str], asked: &[&str]) -> Run {
    let mint = [&["token", "mint", "--key", "keys/private.pem", "bundle.yaml"], minted].concat();
    let minted = regionguard(folder, &mint);
    assert_eq!(minted.code, 0, "{}", minted.stderr);
    assert!(minted.stderr.contains("for development"), "{}", minted.stderr);
    fs::write(folder.join("token"), format!("Bearer {}", minted.stdout)).expect("a token");
    let run = regionguard(folder, &[&["token", "inspect", "--token", "token"], asked].concat());
    let signature = minted.stdout.trim().rsplit('.').next().expect("a signature");
    assert!(!run.stdout.contains(signature) && !run.stderr.contains(signature));
    run
}

#[track_caller]
fn says(run: &Run, lines: &[&str]) {
    for line in lines {
        assert!(run.stdout.contains(line), "{line}\n{}{}", run.stdout, run.stderr);
    }
}

#[test]
fn keys_are_for_their_owner_alone_and_never_replaced() {
    let folder = folder("token-keys");
    let keys = ["token", "keys", "--out", "keys", "--kid", "one", "--algorithm", "EdDSA"];
    let made = regionguard(&folder, &keys);
    assert_eq!(made.code, 0, "{}", made.stderr);
    let pem = read(&folder, "keys/private.pem");
    let body: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    assert!(!made.stdout.contains(&body), "the key is told");
    let jwks: Value = serde_json::from_str(&read(&folder, "keys/jwks.json")).expect("JSON");
    assert_eq!(
        (&jwks["keys"][0]["kid"], &jwks["keys"][0]["alg"]),
        (&"one".into(), &"EdDSA".into())
    );
    assert_eq!(jwks["keys"][0].get("d"), None);
    #[cfg(unix)]
    for file in ["keys/private.pem", "keys/jwks.json"] {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = fs::metadata(folder.join(file)).expect("a file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
    let again = regionguard(&folder, &keys);
    assert_eq!(again.code, 2);
    assert!(
        again.stderr.contains("keys/private.pem is there already"),
        "{}",
        again.stderr
    );
    assert_eq!(read(&folder, "keys/private.pem"), pem);
}

#[test]
fn a_minted_token_is_what_the_bundle_expects() {
    for algorithm in ["ES256", "ES384", "EdDSA"] {
        let folder = with_key(
            &format!("token-{algorithm}"),
            &["--algorithm", algorithm, "--kid", "one"],
        );
        let run = inspected(
            &folder,
            &[
                "--sub",
                "alice",
                "--claim",
                "permissions=[\"read:a\"]",
                "--claim",
                "realm_access={\"roles\":[\"admin\"]}",
            ],
            &["bundle.yaml"],
        );
        assert_eq!(run.code, 0, "{}", run.stdout);
        says(
            &run,
            &[
                "\"kid\": \"one\"",
                "\"token_use\": \"access\"",
                "key        ok ",
                "signature  ok ",
                "times      ok ",
                "verdict    ok       valid in us-east-1: `alice` of us-east-1; permissions `read:a`; roles `admin`\n",
            ],
        );
    }
}

#[test]
fn a_region_that_wants_it_shorter_gets_it_shorter() {
    let folder = with_key("token-lifetime", &[]);
    let run = inspected(&folder, &["--sub", "alice"], &["--format", "json"]);
    let said: Value = serde_json::from_str(&run.stdout).expect("JSON");
    let time = |name: &str| said["payload"][name].as_u64().expect("a time");
    assert_eq!(time("exp") - time("iat"), 120);
}

#[test]
fn each_check_says_what_is_wrong() {
    let folder = with_key("token-checks", &[]);
    let own: &[&str] = &["bundle.yaml"];
    for (minted, asked, lines) in [
        (
            &["--sub", "a", "--claim", "iss=elsewhere"][..],
            own,
            &[
                "issuer     no       no Region has the issuer `elsewhere`\n",
                "key        unknown",
                "verdict    no       identity.issuer_unknown: ",
            ][..],
        ),
        (
            &["--sub", "a", "--claim", "region=mars"],
            own,
            &["region     no  ", "verdict    no       region.mismatch: "],
        ),
        (
            &["--sub", "a", "--claim", "aud=api.eu"],
            own,
            &[
                "audience   no       `api.eu`; us-east-1 is `api.us`\n",
                "verdict    no       identity.audience: ",
            ],
        ),
        (
            &["--sub", "a", "--claim", "exp=1000000000", "--claim", "iat=999999990"],
            own,
            &[
                "times      no  ",
                "days ago: identity.expired: ",
                "verdict    no       identity.expired: ",
            ],
        ),
        // A time as people write it, and as a token does.
        (
            &["--sub", "a"],
            &["bundle.yaml", "--at", "2020-01-01T00:00:00Z"],
            &["times      no  ", "identity.not_yet_valid: "],
        ),
        (
            &["--sub", "a"],
            &["bundle.yaml", "--at", "1577836800"],
            &["times      no  ", "identity.not_yet_valid: "],
        ),
        (
            &["--sub", "a", "--ttl", "600"],
            own,
            &["times      no  ", "identity.lifetime: "],
        ),
        (
            &["--sub", "a", "--claim", "jti=stolen"],
            own,
            &["signature  ok ", "verdict    no       identity.revoked: "],
        ),
        (
            &[
                "--sub",
                "a",
                "--claim",
                "cnf={\"jkt\":\"kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k\"}",
            ],
            own,
            &["binding    ok       counts with a DPoP proof"],
        ),
        (
            &["--sub", "a"],
            &["bundle.yaml", "--for", "eu-west-1"],
            &[
                "accepted   no       `accepts` of eu-west-1 does not list us-east-1\n",
                "verdict    no       region.not_accepted: ",
            ],
        ),
        // A Region that fetches its keys.
        (
            &["--sub", "a", "--home", "eu-west-1"],
            own,
            &[
                "accepted   ok       us-east-1 accepts tokens of eu-west-1\n",
                "key        unknown  eu-west-1 fetches its keys",
                "verdict    unknown",
            ],
        ),
    ] {
        let run = inspected(&folder, minted, asked);
        says(&run, lines);
        let is_valid = run.stdout.contains("verdict    ok ");
        assert_eq!(run.code, i32::from(!is_valid), "{}", run.stdout);
    }
    // A key that is another's.
    let other = regionguard(&folder, &["token", "keys", "--out", "other", "--kid", "one"]);
    assert_eq!(other.code, 0);
    let jwks = "eu-west-1=other/jwks.json";
    let given = ["bundle.yaml", "--jwks", jwks];
    let run = inspected(&folder, &["--sub", "a", "--home", "eu-west-1", "--kid", "one"], &given);
    says(
        &run,
        &[
            "key        ok ",
            "signature  no       not the key's",
            "verdict    no       identity.signature: ",
        ],
    );
}

#[test]
fn a_key_that_the_region_does_not_have_is_told() {
    let folder = with_key("token-other-key", &[]);
    regionguard(&folder, &["token", "keys", "--out", "other"]);
    let mint = [
        "token",
        "mint",
        "--key",
        "other/private.pem",
        "bundle.yaml",
        "--sub",
        "a",
    ];
    let run = regionguard(&folder, &mint);
    assert_eq!(run.code, 0);
    assert!(
        run.stderr.contains("Region us-east-1 has other keys than this one"),
        "{}",
        run.stderr
    );
    let run = regionguard(&folder, &["token", "mint", "--key", "bundle.yaml", "bundle.yaml"]);
    assert_eq!(run.code, 2);
    assert!(run.stderr.contains("not a private key in PKCS #8"), "{}", run.stderr);
}

#[test]
fn a_token_is_decoded_without_a_bundle_and_its_signature_never_shown() {
    let folder = with_key("token-decode", &[]);
    let run = inspected(&folder, &["--sub", "alice\u{202e}"], &["--format", "json"]);
    assert_eq!(run.code, 0);
    let said: Value = serde_json::from_str(&run.stdout).expect("JSON");
    assert_eq!(said["payload"]["sub"], "alice\u{202e}");
    assert_eq!(said["signatureBytes"], 64);
    assert!(!run.stdout.contains('\u{202e}'), "what steers a terminal is escaped");
    for (text, message) in [
        ("a.b", "it has 2 parts"),
        ("!.b.c", "its header is not base64url"),
        ("e30.W10.", "its payload is not a JSON object"),
    ] {
        fs::write(folder.join("token"), text).expect("a file");
        let run = regionguard(&folder, &["token", "inspect", "--token", "token"]);
        assert_eq!(run.code, 2);
        assert!(run.stderr.contains(message), "{}", run.stderr);
    }
}

#[test]
fn shells_get_their_completions() {
    let folder = folder("completions");
    for (shell, begins) in [
        ("bash", "_regionguard()"),
        ("zsh", "#compdef regionguard"),
        ("fish", "# Print an optspec"),
    ] {
        let run = regionguard(&folder, &["completions", shell]);
        assert_eq!(run.code, 0, "{}", run.stderr);
        assert!(run.stdout.starts_with(begins), "{}", run.stdout);
        for word in ["check", "test", "min-coverage", "inspect"] {
            assert!(run.stdout.contains(word), "{shell}: {word}");
        }
    }
}
