//! The run: one Envoy, every variant once a round, Envoy's CPU time around each batch.

use std::collections::BTreeMap;
use std::future::pending;
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use regional_center::Center;
use regionguard_harness::client::{Client, Request};
use regionguard_harness::envoy::Envoy;
use regionguard_harness::issuer::{Alg, Issuer};
use regionguard_harness::shelf::Shelf;
use regionguard_harness::{Result, RunDir, tools};
use serde_json::json;
use tokio::net::TcpListener;

use crate::cpu::{self, Cores};
use crate::load::{Lanes, write_request};
use crate::mutual::Mutual;
use crate::prover::Prover;
use crate::revoked;
use crate::rules::{self, HOST, REGION};
use crate::scale::{self, Compiled};
use crate::tokens;
use crate::variants::{self, Guards, Load, Variant};

/// How many fewer requests a batch has whose requests cost more: what they cost is also the larger part of the total.
const COSTLY: usize = 4;
/// And where one request costs as much as ten.
const DEAR: usize = 16;
/// When a run has taken long enough, if [`LEAST_ROUNDS`] are done: on a busy machine fewer rounds have to do.
const LONG: Duration = Duration::from_secs(300);
const LEAST_ROUNDS: usize = 5;
/// How long a worker is too young to tell a proof's age: ten seconds, and one for the fractions that `iat` has not.
const YOUNG: Duration = Duration::from_secs(12);
/// How long a worker may take for a list of a million entries.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long Envoy is left alone before its clock is read.
const SETTLE: Duration = Duration::from_millis(5);
/// Whose consent lets the center say yes.
const PROFILE: &str = "/v1/profiles/43";
/// Whose absence lets it say no.
const FORBIDDEN_PROFILE: &str = "/v1/profiles/42";

/// What to do.
pub struct Plan<'a> {
    pub variants: &'a [&'static Variant],
    pub requests: usize,
    pub rounds: usize,
    pub cores: Option<&'a Cores>,
}

/// What came out.
pub struct Measured {
    pub variants: Vec<Samples>,
    pub rounds: usize,
    pub module_bytes: u64,
    pub pinned: bool,
    /// Of one look-up among a million revoked tokens, in this program.
    pub revoked_nanoseconds: Option<f64>,
    /// What a bundle of 10,000 rules takes, where a variant has one.
    pub compiled: Option<Compiled>,
    pub took: Duration,
}

/// Envoy's CPU time per request of one variant, a sample each round.
pub struct Samples {
    pub variant: &'static Variant,
    pub requests: usize,
    pub microseconds: Vec<f64>,
}

/// Runs the plan.
pub async fn measure(plan: &Plan<'_>) -> Result<Measured> {
    let start = Instant::now();
    let module = tools::wasm_module()?;
    let (issuer, mutual) = (tokens::issuer()?, Mutual::new()?);
    eprintln!("signing tokens …");
    let tokens = Tokens::sign(&issuer, &mutual, plan)?;
    let run = RunDir::new("side-by-side")?;
    let compiled = match plan.variants.iter().any(|variant| variant.name == scale::NAME) {
        true => Some(compiled(plan, &issuer, &mutual, run.path(), &module).await?),
        false => None,
    };
    let (envoy, _list) = start_envoy(plan, &issuer, &mutual, run.path(), &module).await?;
    let ready = Instant::now();
    let mut targets = targets(plan, &envoy, &mutual).await?;
    if plan.variants.iter().any(|variant| variant.load == Load::Proof) {
        // Until then a worker takes no proof without a nonce.
        tokio::time::sleep(YOUNG.saturating_sub(ready.elapsed())).await;
    }
    for target in &targets {
        check_guards(target, &tokens, &mutual).await?;
    }
    eprintln!("warming up …");
    for target in &mut targets {
        target.batch(0, &tokens, &envoy)?;
        target.samples.clear();
    }
    let mut done = 0;
    for round in 1..=plan.rounds {
        if done >= LEAST_ROUNDS && start.elapsed() > LONG {
            eprintln!("{done} rounds are enough for a machine as busy as this one");
            break;
        }
        eprintln!(
            "round {round} of {} ({:.0} s)",
            plan.rounds,
            start.elapsed().as_secs_f64()
        );
        for target in &mut targets {
            target.batch(round, &tokens, &envoy)?;
        }
        done = round;
    }
    check_counters(&targets, done, &envoy).await?;
    Ok(Measured {
        variants: targets.into_iter().map(Target::into_samples).collect(),
        rounds: done,
        module_bytes: std::fs::metadata(&module)?.len(),
        pinned: plan.cores.is_some(),
        revoked_nanoseconds: revoked::look_up_nanoseconds(plan.rounds),
        compiled,
        took: start.elapsed(),
    })
}

/// What a bundle of 10,000 rules takes, in a proxy that stands where the measured one will stand.
async fn compiled(plan: &Plan<'_>, issuer: &Issuer, mutual: &Mutual, dir: &Path, module: &Path) -> Result<Compiled> {
    eprintln!("compiling 10,000 rules …");
    let nobody = TcpListener::bind("127.0.0.1:0").await?.local_addr()?;
    if let Some(cores) = plan.cores {
        cores.start_proxy_here()?;
    }
    let compiled = scale::measure(issuer, mutual, dir, module, nobody).await;
    if let Some(cores) = plan.cores {
        cores.stay_off_the_proxy()?;
    }
    compiled
}

/// The proxy, and the list that it fetches.
async fn start_envoy(
    plan: &Plan<'_>,
    issuer: &Issuer,
    mutual: &Mutual,
    dir: &Path,
    module: &Path,
) -> Result<(Envoy, Shelf)> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let center = listener.local_addr()?;
    let decides = Center::embedded(REGION)?.quiet();
    tokio::spawn(regional_center::serve(listener, decides, pending()));
    let list = revoked::serve().await?;
    let (config, _) = variants::config(plan.variants, issuer, mutual, dir, module, [center, list.address()])?;
    eprintln!("starting Envoy with {} listeners …", plan.variants.len());
    if let Some(cores) = plan.cores {
        cores.start_proxy_here()?;
    }
    let envoy = Envoy::start("side-by-side", config, dir).await;
    if let Some(cores) = plan.cores {
        cores.stay_off_the_proxy()?;
    }
    Ok((envoy?, list))
}

/// The tokens of a run.
struct Tokens {
    known: String,
    conditional: String,
    /// Bound to the client's certificate.
    bound: String,
    prover: Prover,
    without_permission: String,
    /// By the algorithm's name; each batch takes its own part.
    distinct: BTreeMap<&'static str, Vec<String>>,
}

impl Tokens {
    fn sign(issuer: &Issuer, mutual: &Mutual, plan: &Plan<'_>) -> Result<Self> {
        let mut distinct = BTreeMap::new();
        for variant in plan.variants {
            if let Load::Cold(alg) = variant.load
                && !distinct.contains_key(alg.name())
            {
                let count = batch_size(variant.load, plan.requests) * (plan.rounds + 1);
                distinct.insert(alg.name(), tokens::distinct(issuer, alg, count)?);
            }
        }
        Ok(Self {
            known: tokens::token(issuer, Alg::Rs256)?,
            conditional: tokens::conditional(issuer, Alg::Rs256)?,
            bound: tokens::bound(
                issuer,
                Alg::Rs256,
                json!({"x5t#S256": URL_SAFE_NO_PAD.encode(mutual.thumbprint()?)}),
            )?,
            prover: Prover::new(issuer)?,
            without_permission: tokens::token_without_permission(issuer, Alg::Rs256)?,
            distinct,
        })
    }

    /// Header lines, each with a proof of its own: they have to be new when they are sent.
    fn proofs(&self, path: &str, round: usize, count: usize) -> Result<Vec<String>> {
        let line = |n| {
            Ok(format!(
                "dpop: {}\r\n",
                self.prover.proof(path, &format!("{round}-{n}"))?
            ))
        };
        (0..count).map(line).collect()
    }

    /// The one token of a load that has one.
    fn of(&self, load: Load) -> &str {
        match load {
            Load::Certificate => &self.bound,
            Load::Conditional => &self.conditional,
            Load::Proof => &self.prover.token,
            _ => &self.known,
        }
    }
}

fn batch_size(load: Load, requests: usize) -> usize {
    match load {
        Load::Warm(_) | Load::Conditional | Load::SameQuestion | Load::Tls | Load::Certificate => requests,
        Load::Cold(Alg::Rs256 | Alg::Es256) | Load::Center => requests / COSTLY,
        Load::Cold(_) | Load::Proof => requests / DEAR,
    }
}

/// A variant's listener.
struct Target {
    variant: &'static Variant,
    address: SocketAddr,
    lanes: Lanes,
    requests: usize,
    samples: Vec<f64>,
}

async fn targets(plan: &Plan<'_>, envoy: &Envoy, mutual: &Mutual) -> Result<Vec<Target>> {
    let answer = Client::new(envoy.admin()).get("/listeners?format=json").await?.json()?;
    let statuses = answer["listener_statuses"].as_array().ok_or("no listeners")?;
    let address = |name: &str| -> Result<SocketAddr> {
        let status = statuses.iter().find(|status| status["name"] == name);
        let socket = status.and_then(|status| status.pointer("/local_address/socket_address"));
        let port = socket.and_then(|socket| socket["port_value"].as_u64());
        let port = port.ok_or_else(|| format!("Envoy has no listener `{name}`"))?;
        Ok(SocketAddr::from(([127, 0, 0, 1], u16::try_from(port)?)))
    };
    plan.variants
        .iter()
        .map(|&variant| {
            let address = address(variant.name)?;
            Ok(Target {
                variant,
                address,
                lanes: Lanes::open(address, variant.is_tls().then_some(mutual))?,
                requests: batch_size(variant.load, plan.requests),
                samples: Vec::new(),
            })
        })
        .collect()
}

impl Target {
    fn batch(&mut self, round: usize, tokens: &Tokens, envoy: &Envoy) -> Result<()> {
        let Self { variant, requests, .. } = *self;
        let identity = self.identity();
        let known = tokens.of(variant.load);
        let fresh: &[String] = match variant.load {
            Load::Cold(alg) => tokens
                .distinct
                .get(alg.name())
                .and_then(|all| all.chunks(requests).nth(round))
                .ok_or("too few tokens")?,
            _ => &[],
        };
        let path = path(variant.load);
        let proofs = match variant.load {
            Load::Proof => tokens.proofs(&path, round, requests)?,
            _ => Vec::new(),
        };
        let write = |n: usize, to: &mut Vec<u8>| match variant.load {
            Load::Warm(_) | Load::Conditional | Load::SameQuestion | Load::Tls | Load::Certificate => {
                write_request(to, &path, "Bearer", known, "");
            }
            Load::Cold(_) => write_request(to, &path, "Bearer", &fresh[n], ""),
            Load::Proof => write_request(to, &path, "DPoP", known, &proofs[n]),
            Load::Center => write_request(to, &format!("{path}?page={round}-{n:06}"), "Bearer", known, identity),
        };
        std::thread::sleep(SETTLE);
        let before = cpu::time(envoy)?;
        self.lanes
            .send(requests, &write)
            .map_err(|error| format!("`{}`: {error}", variant.name))?;
        std::thread::sleep(SETTLE);
        let spent = cpu::time(envoy)?.saturating_sub(before);
        self.samples.push(spent.as_secs_f64() * 1e6 / requests as f64);
        Ok(())
    }

    fn identity(&self) -> &'static str {
        if self.variant.believes_the_client() {
            "x-regionguard-subject: alice\r\nx-regionguard-region: us-east-1\r\n"
        } else {
            ""
        }
    }

    fn into_samples(self) -> Samples {
        Samples {
            variant: self.variant,
            requests: self.requests,
            microseconds: self.samples,
        }
    }
}

fn path(load: Load) -> String {
    match load {
        Load::Warm(rule) => rules::path(rule),
        Load::Conditional | Load::Cold(_) | Load::Tls | Load::Certificate | Load::Proof => rules::path(5),
        Load::Center | Load::SameQuestion => PROFILE.to_owned(),
    }
}

/// Nothing is measured that does not protect: what has to be refused is.
async fn check_guards(target: &Target, tokens: &Tokens, mutual: &Mutual) -> Result<()> {
    let variant = target.variant;
    let path = path(variant.load);
    let identified = |path: &str, token: &str| {
        let request = Request::new("GET", path).host(HOST).bearer(token);
        if variant.believes_the_client() {
            let request = request.header("x-regionguard-subject", "alice");
            request.header("x-regionguard-region", REGION)
        } else {
            request
        }
    };
    let good = match variant.load {
        Load::Proof => Request::new("GET", &path)
            .host(HOST)
            .header("authorization", format!("DPoP {}", tokens.prover.token))
            .header("dpop", tokens.prover.proof(&path, "guard")?),
        load => identified(&path, tokens.of(load)),
    };
    let mut cases = vec![("with a token that may", good, true)];
    if variant.load == Load::Proof {
        let stolen = identified(&path, &tokens.prover.token);
        cases.push(("with a bound token and no proof", stolen, false));
    }
    if variant.guards != Guards::Nothing {
        cases.push(("without a token", Request::new("GET", &path).host(HOST), false));
    }
    if variant.guards == Guards::Permission {
        let request = identified(&path, &tokens.without_permission);
        cases.push(("with a token that may not", request, false));
    }
    if variant.guards == Guards::Center {
        let request = identified(FORBIDDEN_PROFILE, &tokens.known);
        cases.push(("that the center denies", request, false));
    }
    let client = match variant.is_tls() {
        true => mutual.client(&Client::new(target.address))?,
        false => Client::new(target.address),
    };
    if variant.load == Load::Certificate {
        // The listener wants a certificate, and another one of the same authority will do for it.
        let thief = mutual.stranger(&Client::new(target.address))?;
        let status = thief.send(&identified(&path, &tokens.bound)).await?.status;
        if status != 401 {
            return Err(format!("`{}` answers {status} to whoever stole the token", variant.name).into());
        }
    }
    for (what, request, let_in) in cases {
        let mut status = client.send(&request).await?.status;
        let begin = Instant::now();
        while status == 503 && begin.elapsed() < PATIENCE {
            // A list is on its way.
            tokio::time::sleep(Duration::from_millis(250)).await;
            status = client.send(&request).await?.status;
        }
        let right = if let_in {
            status == 200
        } else {
            matches!(status, 401 | 403)
        };
        if !right {
            return Err(format!("`{}` answers {status} to a request {what}", variant.name).into());
        }
    }
    Ok(())
}

/// What was to be cold was cold, and what was to be known was known.
async fn check_counters(targets: &[Target], rounds: usize, envoy: &Envoy) -> Result<()> {
    // The filter hands its counters over once a second.
    tokio::time::sleep(Duration::from_millis(2500)).await;
    let stats = envoy.stats().await?;
    let stat = |name: &str| stats.get(name).copied().unwrap_or(0);
    let sent = |wanted: &dyn Fn(&Variant) -> bool| -> u64 {
        let wanted = targets.iter().filter(|target| wanted(target.variant));
        wanted.map(|target| (target.requests * rounds) as u64).sum()
    };
    let cold = |variant: &Variant| matches!(variant.load, Load::Cold(_));
    let ours = [
        ("token_cache.miss", sent(&|variant| variant.is_ours() && cold(variant))),
        ("token_cache.hit", sent(&|variant| variant.is_ours() && !cold(variant))),
        (
            "decision_cache.miss",
            sent(&|variant| variant.is_ours() && variant.load == Load::Center),
        ),
        // An answer is asked for anew when it has expired.
        (
            "decision_cache.hit",
            sent(&|variant| variant.load == Load::SameQuestion) / 10 * 9,
        ),
    ];
    for (name, least) in ours {
        let found = stat(&format!("wasmcustom.regionguard.{name}"));
        if found < least {
            return Err(format!("`{name}` is {found}, not {least} at least: this run measured something else").into());
        }
    }
    for target in targets.iter().filter(|target| target.variant.name.starts_with("pair")) {
        let name = format!("http.{}.jwt_authn.jwt_cache_hit", target.variant.name);
        let least = (target.requests * rounds) as u64;
        if stat(&name) < least {
            return Err(format!("`{name}` is {}, not {least} at least", stat(&name)).into());
        }
    }
    Ok(())
}
