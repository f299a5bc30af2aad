//! Random pushes: good, broken, older and newer bundles, the same version with other content, files that Envoy itself cannot
//! read, and now and then a change that makes Envoy start new VMs.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use oorandom::Rand32;
use regionguard_mesh::live::bundles::FAULTS;
use regionguard_mesh::live::load::{self, Load};
use regionguard_mesh::live::oracle::{Push, judge, serving};
use regionguard_mesh::live::site::{IN_FORCE, Probes, Site, WAIT, WORKERS, pushes_in};
use regionguard_mesh::live::way::{Way, config_map, config_map_of, set_bundle};
use regionguard_mesh::{Error, Mesh, Result};
use serde_json::{Value, json};

const PUSHES: usize = 200;
/// Of the pushes, these bring new VMs along.
const RELOADS: [usize; 2] = [50, 100];
/// After as many pushes, what is in force on each worker is looked at before the next one.
const LOOK: usize = 4;
const NAMESPACE: &str = "live-random";

pub async fn two_hundred(mesh: &Arc<Mesh>) -> Result<()> {
    let seed = seed()?;
    eprintln!("REGIONGUARD_SEED={seed}");
    let site = Site::start(mesh, NAMESPACE, Way::ConfigMap).await?;
    let begun = Instant::now();
    let mut probes = Probes::new(&site).await?;
    let load = Load::start(&site).await?;
    let mut pushes = Pushes {
        random: Rand32::new(seed),
        made: vec![Push::new("the first", 1, true)],
        machines: 0,
    };
    let pushed = pushes.all(&site, &mut probes).await;
    // The last one is in force everywhere, and some requests come after that.
    tokio::time::sleep(IN_FORCE + Duration::from_millis(200)).await;
    let seen = load.finish(&site).await;
    let of_seed = |error: Error| format!("REGIONGUARD_SEED={seed}: {error}");
    pushed.map_err(of_seed)?;
    let seen = seen.map_err(of_seed)?;

    let made = &pushes.made;
    let last = judge(made, &seen).map_err(of_seed)?;
    let expected = serving(made).last().copied().unwrap_or_default();
    assert_eq!(
        last, [expected; WORKERS],
        "the last push serves, REGIONGUARD_SEED={seed}"
    );
    assert_eq!(load::workers(&seen), WORKERS);
    assert_eq!(mesh.kubelet().errors(), Vec::<String>::new());
    // The counters of a VM end with it.
    let since = made.iter().rposition(|push| push.reload).unwrap_or_default();
    if made[since..].iter().any(|push| push.what == "an older one") {
        assert!(site.counter("wasmcustom.regionguard.bundle.older").await? > 0);
    }
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

/// A push that is to be made.
struct Next {
    push: Push,
    /// The ConfigMap that brings it.
    map: Value,
    /// What Envoy's log has to say of it.
    named: Vec<&'static str>,
}

impl Pushes {
    async fn all(&mut self, site: &Site, probes: &mut Probes) -> Result<()> {
        for number in 1..=PUSHES {
            let Next { push, map, named } = self.next(site, number)?;
            let logged = site.api.log().len();
            let good = push.good;
            let before = outcomes(site).await?;
            self.made.push(Push {
                begun: Instant::now(),
                ..push
            });
            site.mesh.kube().apply_object(&map).await?;
            let taken = loop {
                let now = outcomes(site).await?;
                if now != before {
                    break now[0] > before[0];
                }
                if self.made[number].begun.elapsed() > WAIT {
                    return Err(format!("{:?} is not noticed within {WAIT:?}", self.made[number]).into());
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            };
            if taken != good {
                return Err(format!("taken: {taken}, {:?}", self.made[number]).into());
            }
            self.made[number].done = Instant::now();
            for name in named {
                said(site, logged, name).await?;
            }
            if number % LOOK == 0 || RELOADS.contains(&number) {
                let expected = serving(&self.made)[number];
                probes.wait_for(expected).await?;
                self.made[number].settled = Some(Instant::now());
            }
        }
        Ok(())
    }

    /// The next push.
    fn next(&mut self, site: &Site, number: usize) -> Result<Next> {
        let serves = serving(&self.made).last().copied().unwrap_or_default();
        let top = self.made[serves].version;
        let step = u64::from(self.random.rand_range(1..4));
        let (newer, older) = (top + step, top.saturating_sub(step).max(1));
        let reload = RELOADS.contains(&number);
        let push = match self.random.rand_range(0..100) {
            _ if reload => Push {
                reload,
                ..Push::new("an older one, and new VMs", older, true)
            },
            0..30 => Push::new("a newer one", newer, true),
            30..45 => Push::new("the same version", top, true),
            45..65 if older < top => Push::new("an older one", older, true),
            45..65 => Push::new("the first version", older, true),
            65..85 => {
                let fault = &FAULTS[self.random.rand_range(0..FAULTS.len() as u32) as usize];
                let bundle = site.signer.broken(number, newer, fault);
                let what = format!("a bundle with a fault: {:?}", fault.named);
                return Ok(Next {
                    push: Push::new(&what, newer, false),
                    map: self.map(&bundle, |_| {})?,
                    named: fault.named.to_vec(),
                });
            }
            _ => return self.unreadable(site, number, newer),
        };
        self.machines += u32::from(reload);
        let map = self.map(&site.signer.bundle(number, push.version), |_| {})?;
        Ok(Next {
            push,
            map,
            named: Vec::new(),
        })
    }

    /// What Envoy cannot even read, or hand on: each time with other bytes, or the kubelet would write nothing.
    fn unreadable(&mut self, site: &Site, number: usize, version: u64) -> Result<Next> {
        let bundle = site.signer.bundle(number, version);
        let text = |text: String| config_map_of(NAMESPACE, &text);
        let (what, map) = match self.random.rand_range(0..5) {
            0 => ("no YAML", text(format!("resources: [ # {number}\n"))?),
            1 => (
                "no resource",
                text(format!("version_info: '{number}'\nresources: []\n"))?,
            ),
            2 => ("no text", text(" ".repeat(number))?),
            3 => (
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
        Ok(Next {
            push: Push::new(what, version, false),
            map,
            named: vec!["Filesystem config update"],
        })
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
}

/// Waits until Envoy's log says this behind its first so many bytes.
async fn said(site: &Site, behind: usize, text: &str) -> Result<()> {
    let deadline = Instant::now() + WAIT;
    loop {
        let log = site.api.log().split_off(behind);
        if log.contains(text) {
            return Ok(());
        }
        if Instant::now() > deadline {
            return Err(format!("no `{text}` in the log: {log}").into());
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn vm_config(file: &mut Value) -> &mut Value {
    &mut file["resources"][0]["typed_config"]["config"]["vm_config"]
}

/// What became of pushes: taken, refused, not even read.
async fn outcomes(site: &Site) -> Result<[u64; 3]> {
    let stats = site.api.stats().await?;
    Ok(["update_success", "update_rejected", "update_failure"].map(|counter| pushes_in(&stats, counter)))
}
