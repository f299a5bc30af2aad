//! Random pushes: good, broken, older and newer bundles, the same version with other content, files that Envoy itself cannot
//! read, and now and then a change that makes Envoy start new VMs.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use oorandom::Rand32;
use regionguard_mesh::{Error, Mesh, Result};
use serde_json::{Value, json};

use crate::bundles::FAULTS;
use crate::load::{self, Load};
use crate::oracle::{Push, judge, serving};
use crate::site::{IN_FORCE, Site, WORKERS};
use crate::way::{Way, config_map, set_bundle};

const PUSHES: usize = 200;
/// Of the pushes, these bring new VMs along.
const RELOADS: [usize; 2] = [90, PUSHES];
const NAMESPACE: &str = "live-random";
const WAIT: Duration = Duration::from_secs(20);

pub async fn two_hundred(mesh: &Arc<Mesh>) -> Result<()> {
    let seed = seed()?;
    eprintln!("REGIONGUARD_SEED={seed}");
    let site = Site::start(mesh, NAMESPACE, Way::ConfigMap).await?;
    let begun = Instant::now();
    let first = Push {
        what: "the first".to_owned(),
        version: 1,
        good: true,
        reload: false,
        begun,
        done: begun,
    };
    let load = Load::start(&site).await?;
    let mut pushes = Pushes {
        random: Rand32::new(seed),
        made: vec![first],
        machines: 0,
    };
    let pushed = pushes.all(&site).await;
    // The last one is in force everywhere, and some requests come after that.
    tokio::time::sleep(IN_FORCE + Duration::from_millis(200)).await;
    let seen = load.finish(&site).await;
    let of_seed = |error: Error| format!("REGIONGUARD_SEED={seed}: {error}");
    pushed.map_err(of_seed)?;
    let seen = seen.map_err(of_seed)?;

    let made = &pushes.made;
    let last = judge(made, &seen).map_err(of_seed)?;
    let expected = serving(made).last().copied().unwrap_or_default();
    assert_eq!(last, [expected; WORKERS], "the last push serves, REGIONGUARD_SEED={seed}");
    assert_eq!(load::workers(&seen), WORKERS);
    assert_eq!(mesh.kubelet().errors(), Vec::<String>::new());
    pushes.counted(&site).await.map_err(of_seed)?;
    let took = begun.elapsed();
    eprintln!("{} pushes, {} requests in {took:.1?}", made.len() - 1, seen.len());
    Ok(())
}

/// From the environment, to repeat a run; or else of this moment.
fn seed() -> Result<u64> {
    match std::env::var("REGIONGUARD_SEED") {
        Ok(seed) => Ok(seed.parse()?),
        Err(_) => Ok(SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)?
            .as_micros()
            .try_into()?),
    }
}

struct Pushes {
    random: Rand32,
    made: Vec<Push>,
    /// How often new VMs were asked for.
    machines: u32,
}

impl Pushes {
    async fn all(&mut self, site: &Site) -> Result<()> {
        for number in 1..=PUSHES {
            let (mut push, map) = self.next(site, number)?;
            let before = noticed(site).await?;
            push.begun = Instant::now();
            site.mesh.kube().apply_object(&map).await?;
            let what = push.what.clone();
            self.made.push(push);
            while noticed(site).await? == before {
                if self.made[number].begun.elapsed() > WAIT {
                    return Err(format!("push {number} ({what}) is not noticed within {WAIT:?}").into());
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            self.made[number].done = Instant::now();
        }
        Ok(())
    }

    /// The next push, and the ConfigMap that brings it.
    fn next(&mut self, site: &Site, number: usize) -> Result<(Push, Value)> {
        let now = Instant::now();
        let serves = serving(&self.made).last().copied().unwrap_or_default();
        let top = self.made[serves].version;
        let (step, kind) = (u64::from(self.random.rand_range(1..4)), self.random.rand_range(0..100));
        let reload = RELOADS.contains(&number);
        let (what, version) = match kind {
            _ if reload => ("an older one and new VMs".to_owned(), top.saturating_sub(step).max(1)),
            // The first one takes the fields over from `kubectl`; without them it could not take the file away.
            _ if number == 1 => ("a newer one".to_owned(), top + step),
            0..30 => ("a newer one".to_owned(), top + step),
            30..45 => ("the same version".to_owned(), top),
            45..65 => ("an older one".to_owned(), top.saturating_sub(step).max(1)),
            65..85 => (String::new(), top + step),
            _ => return self.unreadable(site, number, top + step),
        };
        if !what.is_empty() {
            self.machines += u32::from(reload);
            let push = Push { what, version, good: true, reload, begun: now, done: now };
            return Ok((push, self.map(&site.signer.bundle(number, version), |_| {})?));
        }
        let fault = &FAULTS[self.index(FAULTS.len())];
        let what = format!("a bundle with a fault: {:?}", fault.named);
        let push = Push { what, version, good: false, reload: false, begun: now, done: now };
        let bundle = site.signer.broken(number, version, fault);
        Ok((push, self.map(&bundle, |_| {})?))
    }

    /// What Envoy cannot even read, or hand on: each time with other bytes, or the kubelet would write nothing.
    fn unreadable(&mut self, site: &Site, number: usize, version: u64) -> Result<(Push, Value)> {
        let now = Instant::now();
        let bundle = site.signer.bundle(number, version);
        let text = |text: String| -> Result<Value> {
            let mut map = config_map(NAMESPACE, |_| {})?;
            map["data"]["regionguard.yaml"] = json!(text);
            Ok(map)
        };
        let (what, map) = match self.random.rand_range(0..6) {
            0 => ("no YAML", text(format!("resources: [ # {number}\n"))?),
            1 => ("no resource", text(format!("version_info: '{number}'\nresources: []\n"))?),
            2 => ("no text", text(" ".repeat(number))?),
            3 => ("no file", without_file(number)?),
            4 => (
                "no module",
                self.map(&bundle, |file| {
                    vm_config(file)["code"]["local"]["filename"] = json!(format!("./nowhere-{number}.wasm"));
                })?,
            ),
            _ => (
                "another name",
                self.map(&bundle, |file| {
                    file["resources"][0]["name"] = json!(format!("regionguard-{number}"));
                })?,
            ),
        };
        let what = what.to_owned();
        Ok((
            Push { what, version, good: false, reload: false, begun: now, done: now },
            map,
        ))
    }

    fn map(&self, bundle: &Value, edit: impl FnOnce(&mut Value)) -> Result<Value> {
        config_map(NAMESPACE, |file| {
            set_bundle(file, bundle);
            // A VM is another one when its configuration is.
            vm_config(file)["configuration"] = json!({
                "@type": "type.googleapis.com/google.protobuf.StringValue",
                "value": self.machines.to_string(),
            });
            edit(file);
        })
    }

    fn index(&mut self, length: usize) -> usize {
        self.random.rand_range(0..u32::try_from(length).unwrap_or(1)) as usize
    }

    /// Envoy's counters tell how many were taken and how many were not.
    async fn counted(&self, site: &Site) -> Result<()> {
        let good = self.made.iter().filter(|push| push.good).count() as u64;
        let bad = self.made.len() as u64 - good;
        let [success, rejected, failed] = outcomes(site).await?;
        assert_eq!((success, rejected + failed), (good, bad), "{rejected} and {failed}");
        Ok(())
    }
}

fn vm_config(file: &mut Value) -> &mut Value {
    &mut file["resources"][0]["typed_config"]["config"]["vm_config"]
}

fn without_file(number: usize) -> Result<Value> {
    let mut map = config_map(NAMESPACE, |_| {})?;
    map["data"] = json!({"something-else": number.to_string()});
    Ok(map)
}

async fn noticed(site: &Site) -> Result<u64> {
    Ok(outcomes(site).await?.iter().sum())
}

/// What became of pushes: taken, refused, not even read.
async fn outcomes(site: &Site) -> Result<[u64; 3]> {
    let prefix = site.way.discovery(NAMESPACE);
    let text = site.api.ask(&format!("/stats?filter=^{prefix}.update_")).await?;
    let count = |name: &str| {
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix(&format!("{prefix}.{name}: ")));
        line.and_then(|value| value.parse().ok()).unwrap_or(0)
    };
    Ok([count("update_success"), count("update_rejected"), count("update_failure")])
}
