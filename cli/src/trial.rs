//! One request through the real engine, with no proxy around it: what would become of it under a bundle.
//!
//! Nothing is bypassed. The bundle is compiled once more with keys that were made for this purpose in place of each Region's own, real tokens are signed with them,
//! and the engine reads, verifies and decides as it does in a proxy. Time stands still. Whom a proxy would ask over the network answers what the trial says.

mod der;
mod host;
mod issuer;
mod token;

use std::net::IpAddr;
use std::rc::Rc;

use regionguard::bundle::document::Region;
pub(crate) use regionguard::bundle::policy_test::{Center, Device, Verdict};
use regionguard::bundle::{self, Encoding, Generation, RegionId};
use regionguard::decision::{Action, Answer, Decision, Forwarded, Strip, Tried};
use regionguard::engine::Explained;
use regionguard::identity::ClaimPath;
use regionguard::policy::Served;
use regionguard::reason::Reason;
use regionguard::risk::Risk;
use regionguard::time::WallTime;
use serde_json::{Map, Value};

use crate::documents::Loaded;

use host::{Ended, Host};
use issuer::Issuer;
use token::{Minted, Place};
pub(crate) use token::{Token, find as find_claim};

/// A bundle that requests can be tried against.
pub(crate) struct Stage {
    generation: Rc<Generation>,
    /// The label of the bundle as it was written; that of `generation` has another digest.
    label: String,
    /// Of each Region of the generation.
    issuers: Vec<Issuer>,
    place: Place,
}

/// One request, and all that it meets.
#[derive(Clone, Debug, Default)]
pub(crate) struct Trial {
    /// The request, without its token.
    pub(crate) request: Request,
    /// The token that is signed and put into it, where the bundle looks for one first.
    pub(crate) token: Option<Token>,
    /// The address of the direct peer; `None`: it cannot be told.
    pub(crate) address: Option<IpAddr>,
    /// The SPIFFE id in the certificate of the direct peer; `None`: it shows no certificate, unless a token is bound to one.
    pub(crate) workload: Option<String>,
    /// The device that the request comes from.
    pub(crate) device: Option<Device>,
    /// What the identity replica of its home Region tells of who asks; `None`: that does not know it.
    pub(crate) identity: Option<Map<String, Value>>,
    /// What is known of its risk; `None`: the center has not said anything, and nothing failed.
    pub(crate) risk: Option<Risk>,
    /// The region in which the node stands, for a bundle without `region`.
    pub(crate) locality: Option<String>,
    /// Whom the proxy serves, as the node tells it.
    pub(crate) serves: Served,
    /// The port that the connection is made to; `None`: it cannot be told.
    pub(crate) port: Option<u16>,
    /// The wall-clock time at which all of it happens.
    pub(crate) at: WallTime,
    /// What the center answers; `None`: a request that is to be decided there ends as [`Verdict::Defer`].
    pub(crate) center: Option<Center>,
    /// No list of revocations can be had.
    pub(crate) lists_away: bool,
    /// No identity replica can be had.
    pub(crate) replicas_away: bool,
}

/// A request as a client sends it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Request {
    /// `:method`.
    pub(crate) method: String,
    /// `:scheme`.
    pub(crate) scheme: String,
    /// `:authority`.
    pub(crate) host: String,
    /// `:path`, with its query.
    pub(crate) path: String,
    /// All other headers, names in lower case.
    pub(crate) headers: Vec<(String, String)>,
}

/// How a trial ended.
#[derive(Debug)]
pub(crate) struct Found {
    /// What becomes of the request.
    pub(crate) verdict: Verdict,
    /// Why; `None` while the center is asked.
    pub(crate) reason: Option<Reason>,
    /// `policy/rule`, `policy/-` or `-/-`, as the decision line has it.
    pub(crate) by: String,
    /// `inline`, `default`, `center:REGION`; `None` while the center is asked.
    pub(crate) decided_by: Option<String>,
    /// The decision line; `None` while the center is asked.
    pub(crate) line: Option<String>,
    /// All headers that the upstream gets, of a request that goes on. A token that goes on is told by a placeholder.
    pub(crate) upstream: Vec<(String, String)>,
    /// What the caller is answered, of a request that does not go on.
    pub(crate) answer: Option<Answer>,
    /// What the center is asked.
    pub(crate) question: Option<Value>,
    /// It opens a stream that ends once it would not be let in any more.
    pub(crate) stream_ends: bool,
    /// The decision line by all that is in shadow mode, where it differs.
    pub(crate) shadow: Option<String>,
    /// The decision line by the candidate, where it differs.
    pub(crate) candidate: Option<String>,
}

impl Found {
    /// The status that the caller is answered with; `None` where the request goes on, or waits for the center.
    pub(crate) fn status(&self) -> Option<u16> {
        self.answer.as_ref().map(|answer| answer.status)
    }
}

impl Stage {
    /// The stage for a bundle that compiles.
    ///
    /// # Errors
    /// When no keys can be made, or the bundle does not compile with them.
    pub(crate) fn new(loaded: &Loaded) -> Result<Self, String> {
        Self::of(&loaded.value, &loaded.generation.label)
    }

    /// The stage for the bundle `value`, which compiles and has this label.
    pub(crate) fn of(value: &Value, label: &str) -> Result<Self, String> {
        let (value, mut issuers) = issuer::with_own_keys(value)?;
        let bytes = value.to_string().into_bytes();
        let generation = bundle::compile(&bytes, Encoding::Json).map_err(|diagnostics| {
            let first = diagnostics.first().map(ToString::to_string).unwrap_or_default();
            format!("the bundle does not compile with keys of its own: {first}")
        })?;
        issuers.sort_by(|left, right| left.region.cmp(&right.region));
        Ok(Self {
            generation: Rc::new(generation),
            label: label.to_owned(),
            issuers,
            place: Place::of(&value),
        })
    }

    /// What becomes of a request.
    ///
    /// # Errors
    /// When the trial itself makes no sense: a token of a Region that is not there, a request that cannot be sent.
    pub(crate) fn run(&self, trial: &Trial) -> Result<Found, String> {
        self.with_host(trial, |mut host, lines| {
            let ended = host.run(&lines)?;
            let told = |text: &str| text.replace(&self.generation.label, &self.label);
            Ok(match ended {
                Ended::Asked(question) => asked(&told(&question)),
                Ended::Decided(decided) => {
                    let token = host.minted.map(|minted| minted.text.as_str());
                    let secrets: Vec<&str> = token.into_iter().chain(host.posture).collect();
                    found(*decided, lines, &secrets, told)
                }
            })
        })
    }

    /// What a request meets on its way.
    ///
    /// # Errors
    /// As [`Self::run`].
    pub(crate) fn explain(&self, trial: &Trial) -> Result<Explained, String> {
        self.with_host(trial, |mut host, lines| host.explain(&lines))
    }

    /// What `f` makes of a host for this trial and the lines of its request, the token among them.
    fn with_host<T>(
        &self,
        trial: &Trial,
        f: impl FnOnce(Host<'_>, Vec<(String, String)>) -> Result<T, String>,
    ) -> Result<T, String> {
        let workload = trial.workload.as_deref();
        let bound = trial.token.as_ref().is_some_and(|token| token.bound);
        let certificate = match (workload, bound) {
            (None, false) => None,
            (workload, _) => Some(der::Certificate::new(workload)?),
        };
        let minted = match &trial.token {
            None => None,
            Some(token) => Some(self.mint(token, trial, certificate.as_ref())?),
        };
        let mut lines = lines(&trial.request);
        if let Some(minted) = &minted {
            self.place.put(&minted.text, &mut lines);
        }
        let posture = match (&trial.device, &minted) {
            (Some(device), Some(minted)) => self.posture(device, minted, trial.at)?,
            _ => None,
        };
        lines.extend(posture.clone());
        let host = Host {
            stage: self,
            trial,
            certificate: certificate.as_ref(),
            minted: minted.as_ref(),
            posture: posture.as_ref().map(|(_, posture)| posture.as_str()),
        };
        f(host, lines)
    }

    /// The Region in which the proxy of this trial stands.
    fn local(&self, trial: &Trial) -> Option<RegionId> {
        let by_locality = || self.generation.region_named(trial.locality.as_deref()?);
        self.generation.local.or_else(by_locality)
    }

    fn region(&self, id: RegionId) -> Option<(&Region, &Issuer)> {
        let region = self.generation.region(id)?;
        let issuer = self.issuers.iter().find(|issuer| issuer.region == region.name)?;
        Some((region, issuer))
    }

    fn mint(&self, token: &Token, trial: &Trial, certificate: Option<&der::Certificate>) -> Result<Minted, String> {
        let local = self.local(trial);
        let home = match &token.home {
            Some(name) => Some(
                self.generation
                    .region_named(name)
                    .ok_or_else(|| format!("the bundle has no Region `{name}` that could sign the token"))?,
            ),
            None => token.told_home(&self.generation).or(local),
        };
        let home = home
            .or_else(|| self.generation.region_named(&self.generation.regions.first()?.name))
            .and_then(|home| self.region(home))
            .ok_or("the bundle has no Region that could sign the token")?;
        let local = local.and_then(|local| self.generation.region(local));
        let mut token = token.clone();
        if let Some(device) = trial.device.as_ref().filter(|_| self.generation.devices.is_empty()) {
            let path = home.0.claims.device.as_ref().map_or("device", ClaimPath::as_str);
            token.fill(path, parts(device));
        }
        token.mint(home, local, trial.at, certificate)
    }

    /// The header that carries the posture of a device, where the bundle has somebody who signs such.
    fn posture(&self, device: &Device, minted: &Minted, at: WallTime) -> Result<Option<(String, String)>, String> {
        let issuers = &self.generation.devices.list;
        let issuer = match &device.issuer {
            Some(name) => issuers.iter().find(|issuer| issuer.name == *name),
            None => issuers.first(),
        };
        let Some(issuer) = issuer else { return Ok(None) };
        let keys = issuer::of_device_issuer(&issuer.name);
        let keys = self.issuers.iter().find(|issuer| issuer.region == keys);
        let keys = keys.ok_or("nobody signs postures")?;
        let mut posture = Token::default();
        posture.fill("iss", issuer.issuer.as_str().into());
        posture.fill("aud", issuer.audiences.first().cloned().unwrap_or_default().into());
        let signed_at = device.signed_at.unwrap_or(at).0 / 1_000_000_000;
        posture.fill("iat", signed_at.into());
        let binding = &issuer.binding;
        let subject = minted.claim(&binding.token).cloned().unwrap_or_default();
        posture.fill(binding.subject.as_str(), subject);
        if let Some(home) = &binding.home {
            posture.fill(home.as_str(), minted.home.as_str().into());
        }
        if let Some(user) = &binding.issuer {
            let issuer = ClaimPath::new("iss").and_then(|iss| minted.claim(&iss).cloned());
            posture.fill(user.as_str(), issuer.unwrap_or_default());
        }
        for (field, value) in &device.parts {
            if let Some(path) = issuer.claim(*field) {
                posture.fill(path.as_str(), value.clone());
            }
        }
        let typ = issuer.kind.as_deref().unwrap_or("JWT");
        Ok(Some((issuer.header.clone(), keys.sign(None, typ, &posture.claims)?)))
    }
}

/// The posture of a device as a claim holds it.
fn parts(device: &Device) -> Value {
    let parts = device.parts.iter();
    parts
        .map(|(field, value)| (field.name().to_owned(), value.clone()))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

/// The header lines of a request, pseudo-headers first.
fn lines(request: &Request) -> Vec<(String, String)> {
    let pseudo = [
        (":method", &request.method),
        (":authority", &request.host),
        (":scheme", &request.scheme),
        (":path", &request.path),
    ];
    pseudo
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.clone()))
        .chain(request.headers.iter().cloned())
        .collect()
}

/// A request that waits for a center that nobody lets answer.
fn asked(question: &str) -> Found {
    let question: Option<Value> = serde_json::from_str(question).ok();
    let named = |name: &str| {
        let context = question.as_ref()?.get("context")?;
        context.get(name)?.as_str().map(str::to_owned)
    };
    let by = format!(
        "{}/{}",
        named("policy").unwrap_or_default(),
        named("rule").unwrap_or_default()
    );
    Found {
        verdict: Verdict::Defer,
        reason: None,
        by,
        decided_by: None,
        line: None,
        upstream: Vec::new(),
        answer: None,
        question,
        stream_ends: false,
        shadow: None,
        candidate: None,
    }
}

/// What the host does with a decided request, without one.
fn found(
    decided: host::Decided,
    mut lines: Vec<(String, String)>,
    secrets: &[&str],
    told: impl Fn(&str) -> String,
) -> Found {
    let host::Decided {
        decision,
        removed,
        path,
        question,
    } = decided;
    let Decision {
        reason,
        line,
        action,
        tried,
        stream,
        ..
    } = decision;
    let line = told(&line);
    let tried =
        |line: fn(&Tried) -> &Option<String>| tried.as_deref().and_then(|tried| line(tried).as_deref().map(&told));
    let (shadow, candidate) = (tried(|tried| &tried.shadow), tried(|tried| &tried.candidate));
    let field = |index: usize| line.split(';').nth(index).unwrap_or_default().to_owned();
    let (by, decided_by) = (field(2), field(3));
    for name in &removed {
        remove(&mut lines, name);
    }
    if let Some(path) = path {
        set(&mut lines, ":path", &path);
    }
    let challenges = matches!(reason, Reason::StepUpRequired | Reason::MultiFactorMissing);
    let (verdict, upstream, answer) = match action {
        Action::Continue(forwarded) => {
            if let Some(forwarded) = &forwarded {
                forward(forwarded, &mut lines);
            }
            for (_, value) in &mut lines {
                for secret in secrets {
                    *value = value.replace(secret, "(the token)");
                }
            }
            (Verdict::Allow, lines, None)
        }
        Action::Answer(answer) if challenges => (Verdict::StepUp, Vec::new(), Some(*answer)),
        Action::Answer(answer) => (Verdict::Deny, Vec::new(), Some(*answer)),
    };
    Found {
        verdict,
        reason: Some(reason),
        by,
        decided_by: Some(decided_by),
        line: Some(line),
        upstream,
        answer,
        question: question.and_then(|question| serde_json::from_str(&told(&question)).ok()),
        stream_ends: stream.is_some(),
        shadow,
        candidate,
    }
}

/// Changes the headers as the filter has its host change them.
fn forward(forwarded: &Forwarded, lines: &mut Vec<(String, String)>) {
    for name in &forwarded.removed {
        remove(lines, name);
    }
    match &forwarded.strip {
        None => {}
        Some(Strip::Header(name)) => remove(lines, name),
        Some(Strip::Cookies(rest)) => {
            remove(lines, b"cookie");
            if !rest.is_empty() {
                set(lines, "cookie", rest);
            }
        }
    }
    if forwarded.strip_proof {
        remove(lines, b"dpop");
    }
    for (name, value) in &forwarded.headers {
        set(lines, name, value.as_bytes());
    }
    for (name, value) in [(":path", &forwarded.path), (":authority", &forwarded.authority)] {
        if let Some(value) = value {
            set(lines, name, value.as_bytes());
        }
    }
}

fn remove(lines: &mut Vec<(String, String)>, name: &[u8]) {
    lines.retain(|(found, _)| !found.as_bytes().eq_ignore_ascii_case(name));
}

/// One line of this name, in the place of the first one.
fn set(lines: &mut Vec<(String, String)>, name: &str, value: &[u8]) {
    let value = String::from_utf8_lossy(value).into_owned();
    let at = lines.iter().position(|(found, _)| found.eq_ignore_ascii_case(name));
    remove(lines, name.as_bytes());
    lines.insert(at.unwrap_or(lines.len()).min(lines.len()), (name.to_owned(), value));
}

#[cfg(test)]
mod tests;
