//! The command `regional-center`, as one starts it in a shell.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use crate::client::TempDir;

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_regional-center"));
    command
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// A running center, ended with the value.
struct Running {
    child: Child,
    address: String,
}

impl Running {
    fn start(arguments: &[&str]) -> Self {
        let mut child = command(&[&["--region", "us-east-1", "--listen", "127.0.0.1:0"], arguments].concat())
            .spawn()
            .unwrap();
        let mut greeting = String::new();
        BufReader::new(child.stdout.as_mut().unwrap())
            .read_line(&mut greeting)
            .unwrap();
        let address = greeting.trim().strip_prefix("center of us-east-1 listening on http://");
        Self {
            address: address.expect("the greeting tells the address").to_owned(),
            child,
        }
    }

    fn get(&self, path: &str) -> String {
        let mut connection = TcpStream::connect(&self.address).unwrap();
        write!(
            connection,
            "GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
        )
        .unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).unwrap();
        answer
    }

    /// Ends it, and gives what it had logged.
    fn end(mut self) -> String {
        self.child.kill().unwrap();
        let mut log = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut log).unwrap();
        log
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

#[test]
fn it_serves_and_logs_unless_quiet() {
    for (arguments, lines) in [(&[][..], 1), (&["--quiet"], 0)] {
        let center = Running::start(arguments);
        assert!(center.get("/ext_authz/v1/profiles/43").starts_with("HTTP/1.1 403"));
        assert_eq!(center.end().lines().count(), lines, "{arguments:?}");
    }
}

#[test]
fn it_takes_other_policies_and_data() {
    let directory = TempDir::new();
    directory.write(
        "center.rego",
        r#"package center
           answer := {"decision": data.open, "reason_admin": "a", "reason_user": "caf\u00e9, 100%", "ttl": 1}"#,
    );
    directory.write("left-out.txt", "not a policy");
    directory.write("open.json", r#"{"open": true}"#);
    let path = directory.path().to_str().unwrap();
    let data = format!("{path}/open.json");
    let center = Running::start(&[
        "--policies",
        path,
        "--data",
        &data,
        "--url",
        "https://center.us-east-1.com",
    ]);
    let answer = center.get("/ext_authz/anything");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(
        answer.contains("x-regional-center-reason: caf%C3%A9, 100%25\r\n"),
        "{answer}"
    );
    let metadata = center.get("/.well-known/authzen-configuration");
    assert!(
        metadata.contains(r#""policy_decision_point":"https://center.us-east-1.com""#),
        "{metadata}"
    );
}

#[test]
fn what_is_wrong_at_the_start_is_said() {
    let directory = TempDir::new();
    let empty = directory.path().to_str().unwrap();
    for (arguments, complaint) in [
        (
            &["--region", "r", "--policies", "/nowhere"][..],
            "cannot read the policies in `/nowhere`",
        ),
        (
            &["--region", "r", "--policies", empty],
            "there is no file `*.rego` in `",
        ),
        (
            &["--region", "r", "--data", "/nowhere.json"],
            "cannot read `/nowhere.json`",
        ),
        (
            &["--region", "r", "--url", "http://x"],
            "`http://x` is not an identifier",
        ),
        (
            &["--region", "r", "--listen", "192.0.2.1:1"],
            "cannot listen on `192.0.2.1:1`",
        ),
        (&["--region", "r", "--listen", "here"], "invalid value 'here'"),
        (&[], "--region <REGION>"),
    ] {
        let output = command(arguments).output().unwrap();
        let message = String::from_utf8(output.stderr).unwrap();
        assert!(
            !output.status.success() && message.contains(complaint),
            "{arguments:?}: {message}"
        );
    }
}
