//! `regionguard token mint`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use regionguard::bundle::document::{KeySource, Region};
use regionguard::identity::thumbprint;
use serde_json::{Map, Value, json};

use super::signer::Signer;
use super::{failed, now};
use crate::documents::{self, Loaded};
use crate::input;
use crate::output;
use crate::report;
use crate::trial::Token;

/// What `token mint` is asked to do.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER)]
pub(super) struct Args {
    /// Folders of documents, or files: the bundle that the token is for
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// The private key, as `token keys` writes it
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// The key's name; without it, that of the Region's key, or else its thumbprint (RFC 7638)
    #[arg(long)]
    kid: Option<String>,
    /// The Region whose token it is; without it, the one that the claims name, or the local one
    #[arg(long, value_name = "REGION")]
    home: Option<String>,
    /// The Region in which it is used; without it, the bundle's own
    #[arg(long = "for", value_name = "REGION")]
    local: Option<String>,
    /// A file of claims, as a JSON object
    #[arg(long, value_name = "FILE")]
    claims: Option<PathBuf>,
    /// One claim, which is JSON or else text; takes precedence over the file, and may be repeated
    #[arg(long = "claim", value_name = "NAME=VALUE")]
    claim: Vec<String>,
    /// `sub`
    #[arg(long)]
    sub: Option<String>,
    /// For how many seconds it is valid; without it for five minutes, or less where a Region wants less
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=31_536_000))]
    ttl: Option<u64>,
}

const AFTER: &str = "For development only: whoever holds the key of a Region can be anybody there. `iss`, the claim of the region, `aud`, `iat`, `exp` and what the Region \
requires are filled in where they are absent.\n\nThe token alone goes to standard output.";

/// Runs `token mint`.
pub(super) fn run(args: &Args) -> ExitCode {
    let bundle = match documents::load(&args.paths) {
        Ok(bundle) => bundle,
        Err(problems) => {
            report::to_stderr(&problems);
            return ExitCode::FAILURE;
        }
    };
    match mint(args, &bundle) {
        Ok(token) => match output::print(&format!("{token}\n")) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => failed(&format!("cannot write to standard output: {error}")),
        },
        Err(error) => failed(&error),
    }
}

fn mint(args: &Args, bundle: &Loaded) -> Result<String, String> {
    let generation = &bundle.generation;
    let named = |name: &str| {
        let id = generation.region_named(name);
        id.and_then(|id| generation.region(id))
            .ok_or_else(|| format!("the bundle has no Region `{name}`"))
    };
    let mut token = Token {
        home: args.home.clone(),
        claims: claims(args)?,
        ..Token::default()
    };
    let local = match &args.local {
        Some(name) => Some(named(name)?),
        None => generation.local.and_then(|id| generation.region(id)),
    };
    let told = token.told_home(generation).and_then(|id| generation.region(id));
    let home = match &args.home {
        Some(name) => named(name)?,
        None => told.or(local).ok_or("say whose token it is: `--home REGION`")?,
    };
    let at = now();
    if let Some(ttl) = args.ttl {
        let expires = (at.0 / 1_000_000_000).saturating_add(ttl);
        token.claims.entry("exp").or_insert_with(|| json!(expires));
    }
    let pem = input::text(&args.key)?;
    let signer = Signer::read(&pem).map_err(|error| format!("{}: {error}", args.key.display()))?;
    let kid = kid(args, &signer, home, bundle);
    let claims = token.filled(home, local, at);
    for name in ["sub", "exp"] {
        if !claims.contains_key(name) {
            eprintln!("warning: the token has no `{name}`, so it is refused: give one by `--claim {name}=…`");
        }
    }
    eprintln!(
        "a token of {} for development, signed by {}",
        home.name,
        signer.algorithm()
    );
    signer.sign(&kid, &claims)
}

/// The claims of the file, and those of the arguments.
fn claims(args: &Args) -> Result<Map<String, Value>, String> {
    let mut claims = match &args.claims {
        None => Map::new(),
        Some(path) => of_file(path)?,
    };
    for claim in &args.claim {
        let (name, text) = claim
            .split_once('=')
            .filter(|(name, _)| !name.is_empty())
            .ok_or_else(|| format!("`--claim {claim}`: write NAME=VALUE"))?;
        let value = serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()));
        claims.insert(name.to_owned(), value);
    }
    if let Some(sub) = &args.sub {
        claims.insert("sub".to_owned(), json!(sub));
    }
    Ok(claims)
}

fn of_file(path: &Path) -> Result<Map<String, Value>, String> {
    let text = input::text(path)?;
    match serde_json::from_str(&text) {
        Ok(Value::Object(claims)) => Ok(claims),
        Ok(_) => Err(format!("{}: claims are a JSON object", path.display())),
        Err(error) => Err(format!("{}: not JSON: {error}", path.display())),
    }
}

/// The name of the key, which the Region may know under another one than it has.
fn kid(args: &Args, signer: &Signer, home: &Region, bundle: &Loaded) -> String {
    if let Some(kid) = &args.kid {
        return kid.clone();
    }
    let own = signer.thumbprint();
    let KeySource::Inline(ring) = &home.keys.source else {
        return own;
    };
    let is_there = thumbprint(&own).is_some_and(|own| ring.thumbprints().any(|key| *key == own));
    if !is_there {
        eprintln!(
            "warning: Region {} has other keys than this one, so the token is refused there: `regionguard token keys` says what to put into it",
            home.name
        );
        return own;
    }
    known_as(signer, &home.name, bundle).unwrap_or(own)
}

/// The `kid` under which the document of this Region has the key.
fn known_as(signer: &Signer, region: &str, bundle: &Loaded) -> Option<String> {
    let documents = bundle.value.get("documents")?.as_array()?;
    let document = documents.iter().find(|document| {
        let text = |pointer: &str| document.pointer(pointer).and_then(Value::as_str);
        text("/kind") == Some("Region") && text("/metadata/name") == Some(region)
    })?;
    let own = signer.jwk("");
    let keys = document.pointer("/spec/keys/jwks/keys")?.as_array()?;
    let is_it = |key: &&Value| {
        ["kty", "crv", "x", "y", "n", "e"]
            .iter()
            .all(|name| key.get(name) == own.get(name))
    };
    let key = keys.iter().find(is_it)?;
    key.get("kid")?.as_str().map(str::to_owned)
}
