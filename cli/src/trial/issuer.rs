//! Who signs in a trial: keys of its own in place of each Region's, under the same names.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::{SecureRandom as _, SystemRandom};
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use serde_json::{Map, Value, json};

/// The name of a key where the Region names none.
const KID: &str = "trial";
/// Keys that are made because they are revoked by name, at most.
const REVOKED: usize = 8;

/// The keys of a Region, as they are in trials.
pub(super) struct Issuer {
    /// The Region's name.
    pub(super) region: String,
    /// In the order of the document; one at least.
    keys: Vec<(String, Ed25519KeyPair)>,
}

/// The bundle with the keys of each Region and DeviceIssuer replaced, and who has these keys.
///
/// # Errors
/// When no random bytes can be had.
pub(super) fn with_own_keys(bundle: &Value) -> Result<(Value, Vec<Issuer>), String> {
    let mut bundle = bundle.clone();
    let revoked = revoked(&bundle);
    let mut issuers = Vec::new();
    let documents = bundle.get_mut("documents").and_then(Value::as_array_mut);
    for document in documents.into_iter().flatten() {
        let region = match name(document) {
            Some(name) if is(document, "Region") => name.to_owned(),
            Some(name) if is(document, "DeviceIssuer") => of_device_issuer(name),
            _ => continue,
        };
        let spec = document.get_mut("spec").and_then(Value::as_object_mut);
        let Some(keys) = spec.and_then(|spec| spec.get_mut("keys")) else {
            continue;
        };
        let mut kids: Vec<String> = kids(keys);
        kids.extend(
            revoked
                .iter()
                .filter(|(of, _)| *of == region)
                .map(|(_, kid)| kid.clone()),
        );
        let issuer = Issuer::new(region, kids)?;
        *keys = json!({"jwks": {"keys": issuer.jwks()}});
        issuers.push(issuer);
    }
    // What a candidate would say is told of each request, not of some.
    if let Some(candidate) = bundle.get_mut("candidate").and_then(Value::as_object_mut) {
        candidate.insert("sample".to_owned(), json!("100%"));
    }
    Ok((bundle, issuers))
}

/// How the keys of a DeviceIssuer are called: no Region has such a name.
pub(super) fn of_device_issuer(name: &str) -> String {
    format!("DeviceIssuer {name}")
}

impl Issuer {
    fn new(region: String, kids: Vec<String>) -> Result<Self, String> {
        let mut seen = BTreeSet::new();
        let mut names: Vec<String> = kids.into_iter().filter(|kid| seen.insert(kid.clone())).collect();
        // A key that nobody has revoked by its name.
        if seen.insert(KID.to_owned()) {
            names.push(KID.to_owned());
        }
        let keys = names
            .into_iter()
            .map(|kid| Ok((kid, new_key()?)))
            .collect::<Result<_, String>>()?;
        Ok(Self { region, keys })
    }

    /// The public keys.
    fn jwks(&self) -> Vec<Value> {
        let jwk = |(kid, key): &(String, Ed25519KeyPair)| {
            let x = URL_SAFE_NO_PAD.encode(key.public_key().as_ref());
            json!({"kty": "OKP", "crv": "Ed25519", "kid": kid, "x": x})
        };
        self.keys.iter().map(jwk).collect()
    }

    /// A compact JWS of this payload, of this `typ`, by the key of this name or the usual one.
    ///
    /// # Errors
    /// When there is no such key.
    pub(super) fn sign(&self, kid: Option<&str>, typ: &str, payload: &Map<String, Value>) -> Result<String, String> {
        let wanted = kid.unwrap_or(KID);
        let (kid, key) = self
            .keys
            .iter()
            .find(|(kid, _)| kid == wanted)
            .ok_or_else(|| format!("Region {} has no key `{wanted}`", self.region))?;
        let header = json!({"alg": "EdDSA", "typ": typ, "kid": kid}).to_string();
        let payload = Value::Object(payload.clone()).to_string();
        let input = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
        let signature = URL_SAFE_NO_PAD.encode(key.sign(input.as_bytes()));
        Ok(format!("{input}.{signature}"))
    }
}

fn new_key() -> Result<Ed25519KeyPair, String> {
    let mut seed = [0; 32];
    let no_key = |_| "no key can be made: the system gives no random bytes".to_owned();
    SystemRandom::new().fill(&mut seed).map_err(no_key)?;
    Ed25519KeyPair::from_seed_unchecked(&seed).map_err(|error| format!("no key can be made: {error}"))
}

/// The names of the keys that are inline. More than a Region may have are not looked at: it would not have compiled.
fn kids(keys: &Value) -> Vec<String> {
    let inline = keys.pointer("/jwks/keys").and_then(Value::as_array);
    let kid = |key: &Value| key.get("kid")?.as_str().map(str::to_owned);
    // Fewer than there may be, for those that are added.
    let most = regionguard::bundle::limits::KEYS.saturating_sub(1 + REVOKED);
    inline.into_iter().flatten().filter_map(kid).take(most).collect()
}

/// Keys that the bundle revokes by name: Region and `kid`.
fn revoked(bundle: &Value) -> Vec<(String, String)> {
    let documents = bundle.get("documents").and_then(Value::as_array);
    let lists = documents
        .into_iter()
        .flatten()
        .filter(|document| is(document, "Revocations"));
    let keys = lists
        .filter_map(|document| document.pointer("/spec/keys")?.as_array())
        .flatten();
    let text = |key: &Value, name: &str| key.get(name)?.as_str().map(str::to_owned);
    keys.filter_map(|key| Some((text(key, "region")?, text(key, "kid")?)))
        .take(REVOKED)
        .collect()
}

fn is(document: &Value, kind: &str) -> bool {
    document.get("kind").and_then(Value::as_str) == Some(kind)
}

fn name(document: &Value) -> Option<&str> {
    document.pointer("/metadata/name")?.as_str()
}
