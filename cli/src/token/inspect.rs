//! `regionguard token inspect`.

mod checks;

use std::io::{self, Read as _};
use std::path::PathBuf;
use std::process::ExitCode;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use regionguard::identity::MAX_TOKEN_BYTES;
use regionguard::time::WallTime;
use serde_json::{Map, Value, json};

use super::{failed, now};
use crate::documents;
use crate::output;
use crate::recorded;
use crate::report;

use checks::{Check, Outcome};

/// What `token inspect` is asked to do.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER)]
pub(super) struct Args {
    /// Folders of documents, or files: the bundle that is asked. Without one, the token is decoded and nothing is judged
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// The file that holds the token; without it, standard input
    #[arg(long, value_name = "FILE")]
    token: Option<PathBuf>,
    /// The Region in which the proxy stands; without it, the bundle's own
    #[arg(long = "for", value_name = "REGION")]
    local: Option<String>,
    /// The keys of a Region that fetches them, as a JWK Set: `us-east-1=jwks.json`; may be repeated
    #[arg(long, value_name = "REGION=FILE")]
    jwks: Vec<String>,
    /// When the token is judged, like 2026-11-23T18:10:00Z or in seconds since the Unix epoch; without it, now
    #[arg(long, value_name = "TIME", value_parser = time)]
    at: Option<WallTime>,
    /// How to say it
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

const AFTER: &str = "The signature is never shown. A token is a secret as long as it is valid: it is read from a file or from standard input, so that it stands in no list of processes.\n\n\
Exit codes: 0 where the token is valid here, or was only decoded; 1 where it is not, or cannot be told to be; 2 where something cannot be read.";

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// For people
    Text,
    /// For programs: one object
    Json,
}

/// A token, taken apart.
pub(super) struct Decoded {
    /// The whole of it.
    pub(super) text: String,
    pub(super) header: Map<String, Value>,
    pub(super) payload: Map<String, Value>,
    /// Bytes of the signature.
    signature: usize,
}

/// Runs `token inspect`.
pub(super) fn run(args: &Args) -> ExitCode {
    let token = match read(args).and_then(|text| decode(&text)) {
        Ok(token) => token,
        Err(error) => return failed(&error),
    };
    let mut checks = Vec::new();
    if !args.paths.is_empty() {
        let bundle = match documents::load(&args.paths) {
            Ok(bundle) => bundle,
            Err(problems) => {
                report::to_stderr(&problems);
                return ExitCode::from(2);
            }
        };
        let at = args.at.unwrap_or_else(now);
        checks = match checks::all(&token, &bundle.value, args.local.as_deref(), &args.jwks, at) {
            Ok(checks) => checks,
            Err(error) => return failed(&error),
        };
    }
    let said = match args.format {
        Format::Text => text(&token, &checks),
        Format::Json => as_json(&token, &checks),
    };
    if let Err(error) = output::print(&said) {
        return failed(&format!("cannot write to standard output: {error}"));
    }
    match checks.last() {
        None => ExitCode::SUCCESS,
        Some(verdict) if verdict.outcome == Outcome::Ok => ExitCode::SUCCESS,
        Some(_) => ExitCode::FAILURE,
    }
}

/// A time as RFC 3339 has it, or as a claim does.
fn time(text: &str) -> Result<WallTime, String> {
    match text.parse::<u64>() {
        Ok(seconds) => Ok(WallTime(seconds.saturating_mul(1_000_000_000))),
        Err(_) => recorded::time(text),
    }
}

fn read(args: &Args) -> Result<String, String> {
    // White space around it, and `Bearer ` before it.
    let most = MAX_TOKEN_BYTES as u64 + 1_024;
    let mut text = String::new();
    let read = match &args.token {
        Some(path) => std::fs::File::open(path).and_then(|file| file.take(most).read_to_string(&mut text)),
        None => io::stdin().lock().take(most).read_to_string(&mut text),
    };
    read.map_err(|error| format!("cannot read the token: {error}"))?;
    let text = text.trim();
    let bare = text
        .split_once(' ')
        .filter(|(scheme, _)| ["bearer", "dpop"].contains(&scheme.to_ascii_lowercase().as_str()))
        .map_or(text, |(_, token)| token.trim());
    if bare.len() > MAX_TOKEN_BYTES {
        return Err(format!(
            "larger than any token that is taken: {MAX_TOKEN_BYTES} bytes at most"
        ));
    }
    Ok(bare.to_owned())
}

fn decode(text: &str) -> Result<Decoded, String> {
    let parts: Vec<&str> = text.split('.').collect();
    let [header, payload, signature] = parts.as_slice() else {
        return Err(format!("not a token: it has {} parts, three are right", parts.len()));
    };
    let part = |what: &str, text: &str| {
        URL_SAFE_NO_PAD
            .decode(text)
            .map_err(|_| format!("not a token: its {what} is not base64url without padding"))
    };
    let object = |what: &str, text: &str| match serde_json::from_slice(&part(what, text)?) {
        Ok(Value::Object(members)) => Ok(members),
        _ => Err(format!("not a token: its {what} is not a JSON object")),
    };
    Ok(Decoded {
        header: object("header", header)?,
        payload: object("payload", payload)?,
        signature: part("signature", signature)?.len(),
        text: text.to_owned(),
    })
}

fn text(token: &Decoded, checks: &[Check]) -> String {
    let shown = |members: &Map<String, Value>| format!("{:#}", Value::Object(members.clone()));
    let mut said = format!(
        "header: {}\npayload: {}\nsignature: {} bytes, not shown\n",
        shown(&token.header),
        shown(&token.payload),
        token.signature
    );
    if checks.is_empty() {
        said.push_str("nothing was judged: give the documents of a bundle\n");
    } else {
        said.push('\n');
    }
    for check in checks {
        said.push_str(&format!(
            "{:9}  {:7}  {}\n",
            check.name,
            check.outcome.as_str(),
            check.said
        ));
    }
    report::escaped(&said)
}

fn as_json(token: &Decoded, checks: &[Check]) -> String {
    let checks: Vec<Value> = checks
        .iter()
        .map(|check| json!({"check": check.name, "outcome": check.outcome.as_str(), "said": check.said}))
        .collect();
    let all = json!({
        "header": token.header,
        "payload": token.payload,
        "signatureBytes": token.signature,
        "checks": checks,
    });
    report::escaped(&format!("{all:#}\n"))
}
