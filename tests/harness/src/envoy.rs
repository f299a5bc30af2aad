//! A real Envoy: started from a [`Config`], asked by its admin interface, ended by its process id.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::access_log::AccessLog;
use crate::client::Client;
use crate::config::Config;
use crate::policy_folder::PolicyFolder;
use crate::{Context as _, Result, tools};

const START: Duration = Duration::from_secs(90);
const PUSH: Duration = Duration::from_secs(30);
/// The admin interface answers on the thread that compiles a module first, which takes a while on a busy machine.
const ADMIN: Duration = Duration::from_secs(60);

/// The counters of the file-based discovery of the filter's configuration.
const DISCOVERY: &str = "extension_config_discovery.http_filter.regionguard";

/// A running Envoy; it is killed when the value is dropped.
#[derive(Debug)]
pub struct Envoy {
    child: Child,
    listener: SocketAddr,
    admin: SocketAddr,
    log: PathBuf,
    access_log: AccessLog,
}

/// What became of a pushed configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Push {
    /// It serves.
    Accepted,
    /// It was refused; the one before goes on serving.
    Refused,
}

impl Envoy {
    /// Starts Envoy with its files (`NAME.json`, `NAME.log`, `NAME.access.log`, `NAME.admin`) in `dir`, and waits until it is
    /// live and listens. Several may run at once, in one folder under different names.
    ///
    /// # Errors
    /// When it is not installed, ends, or is not ready within 30 s; the error holds the end of its log.
    pub async fn start(name: &str, config: Config, dir: &Path) -> Result<Self> {
        let file = |ending: &str| dir.join(format!("{name}.{ending}"));
        let (log, access, admin) = (file("log"), file("access.log"), file("admin"));
        for stale in [&access, &admin] {
            let _ = std::fs::remove_file(stale);
        }
        let config = config.access_log(&access);
        let bootstrap = file("json");
        let text = serde_json::to_string_pretty(config.bootstrap())?;
        std::fs::write(&bootstrap, text).context(|| format!("cannot write `{}`", bootstrap.display()))?;
        let mut child = spawn(&config, &bootstrap, &admin, &log)?;
        match ready(&mut child, &admin).await {
            Ok((admin, listener)) => Ok(Self {
                child,
                listener,
                admin,
                log,
                access_log: AccessLog::new(access),
            }),
            Err(error) => {
                end(&mut child);
                Err(format!("Envoy `{name}`: {error}; the end of its log:\n{}", tail(&log)).into())
            }
        }
    }

    /// Where requests come in.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.listener
    }

    /// Where the admin interface is.
    #[must_use]
    pub fn admin(&self) -> SocketAddr {
        self.admin
    }

    /// Envoy's process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// A client of the listener.
    #[must_use]
    pub fn client(&self) -> Client {
        Client::new(self.listener)
    }

    /// Its access log.
    #[must_use]
    pub fn access_log(&self) -> &AccessLog {
        &self.access_log
    }

    /// All that it has logged so far, the filter's log lines included.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read(&self.log)
            .map(|log| String::from_utf8_lossy(&log).into_owned())
            .unwrap_or_default()
    }

    /// Where its log is.
    #[must_use]
    pub fn log_path(&self) -> &Path {
        &self.log
    }

    /// All counters and gauges by name. A counter that has never counted may be absent.
    ///
    /// # Errors
    /// When the admin interface does not answer.
    pub async fn stats(&self) -> Result<BTreeMap<String, u64>> {
        let text = self.ask("/stats").await?;
        let pairs = text.lines().filter_map(|line| line.rsplit_once(": "));
        Ok(pairs
            .filter_map(|(name, value)| Some((name.to_owned(), value.parse().ok()?)))
            .collect())
    }

    /// One counter or gauge; 0 where there is none.
    ///
    /// # Errors
    /// When the admin interface does not answer.
    pub async fn stat(&self, name: &str) -> Result<u64> {
        Ok(self.stats().await?.get(name).copied().unwrap_or(0))
    }

    /// Waits until the counter or gauge `name` is at least `value`.
    ///
    /// # Errors
    /// When it is not within 10 s.
    pub async fn wait_for_stat(&self, name: &str, value: u64) -> Result<()> {
        let deadline = Instant::now() + PUSH;
        loop {
            let now = self.stat(name).await?;
            if now >= value {
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err(format!("`{name}` is {now}, not {value}, after {PUSH:?}").into());
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
    }

    /// What Prometheus would scrape.
    ///
    /// # Errors
    /// When the admin interface does not answer.
    pub async fn prometheus(&self) -> Result<String> {
        self.ask("/stats/prometheus").await
    }

    /// The configuration in force, extension configurations included.
    ///
    /// # Errors
    /// When the admin interface does not answer.
    pub async fn config_dump(&self) -> Result<Value> {
        serde_json::from_str(&self.ask("/config_dump").await?).context(|| "the config dump is no JSON".to_owned())
    }

    /// Writes a version into the policy folder by `write`, and waits until Envoy has taken or refused it.
    ///
    /// # Errors
    /// When `write` fails, or Envoy does not notice within 10 s.
    pub async fn push<F>(&self, folder: &PolicyFolder, write: F) -> Result<Push>
    where
        F: FnOnce(&PolicyFolder) -> Result<()>,
    {
        let before = self.pushes().await?;
        write(folder)?;
        let deadline = Instant::now() + PUSH;
        loop {
            let now = self.pushes().await?;
            if now != before {
                // The main thread has decided; the workers follow within a turn of their event loops.
                tokio::time::sleep(Duration::from_millis(100)).await;
                return Ok(if now.1 > before.1 {
                    Push::Refused
                } else {
                    Push::Accepted
                });
            }
            if Instant::now() > deadline {
                return Err(format!(
                    "no push noticed within {PUSH:?}; the end of the log:\n{}",
                    tail(&self.log)
                )
                .into());
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
    }

    /// The CPU time of the whole process since its start, as the kernel counts it: in steps of 10 ms.
    ///
    /// # Errors
    /// When the process has ended.
    pub fn cpu_time(&self) -> Result<CpuTime> {
        let path = format!("/proc/{}/stat", self.pid());
        let stat = std::fs::read_to_string(&path).context(|| format!("cannot read `{path}`"))?;
        CpuTime::parse(&stat).ok_or_else(|| format!("`{path}` has another form").into())
    }

    /// Whether the process is still there.
    #[must_use]
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Ends it, and waits until it is gone.
    pub fn stop(mut self) {
        end(&mut self.child);
    }

    async fn pushes(&self) -> Result<(u64, u64)> {
        let stats = self.stats().await?;
        let count = |name: &str| stats.get(&format!("{DISCOVERY}.{name}")).copied().unwrap_or(0);
        Ok((count("update_success"), count("config_fail")))
    }

    async fn ask(&self, path: &str) -> Result<String> {
        let answer = Client::new(self.admin).timeout(ADMIN).get(path).await?;
        if answer.status == 200 {
            Ok(answer.text())
        } else {
            Err(format!("`{path}` answers {}", answer.status).into())
        }
    }
}

impl Drop for Envoy {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

/// CPU time that a process has used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CpuTime {
    /// In its own code.
    pub user: Duration,
    /// In the kernel, on its behalf.
    pub system: Duration,
}

impl CpuTime {
    /// Both together.
    #[must_use]
    pub fn total(self) -> Duration {
        self.user + self.system
    }

    /// `utime` and `stime`, fields 14 and 15 of proc_pid_stat(5). Linux counts them in hundredths of a second for programs, on
    /// every machine that Envoy is built for.
    fn parse(stat: &str) -> Option<Self> {
        let (_, fields) = stat.rsplit_once(')')?;
        let mut fields = fields
            .split_whitespace()
            .skip(11)
            .map(|field| field.parse().ok().map(hundredths));
        Some(Self {
            user: fields.next()??,
            system: fields.next()??,
        })
    }
}

fn hundredths(ticks: u64) -> Duration {
    Duration::from_millis(ticks * 10)
}

fn spawn(config: &Config, bootstrap: &Path, admin: &Path, log: &Path) -> Result<Child> {
    let program = tools::envoy()?;
    let output = std::fs::File::create(log).context(|| format!("cannot write `{}`", log.display()))?;
    let mut command = Command::new(&program);
    command
        .arg("--config-path")
        .arg(bootstrap)
        .arg("--admin-address-path")
        .arg(admin);
    // Shared memory of its own, so that many run side by side; no hot restart, no wait at the end; a log that is written at once.
    command.args(["--use-dynamic-base-id", "--disable-hot-restart", "--drain-time-s", "1"]);
    command.args(["--file-flush-interval-msec", "20"]);
    command.args([
        "--concurrency",
        &config.workers().to_string(),
        "--log-level",
        config.level(),
    ]);
    command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
    command
        .spawn()
        .context(|| format!("cannot start `{}`", program.display()))
}

async fn ready(child: &mut Child, admin_file: &Path) -> Result<(SocketAddr, SocketAddr)> {
    let deadline = Instant::now() + START;
    loop {
        if let Some(status) = child.try_wait()? {
            return Err(format!("it has ended: {status}").into());
        }
        if let Some(addresses) = addresses(admin_file).await {
            return Ok(addresses);
        }
        if Instant::now() > deadline {
            return Err(format!("not ready within {START:?}").into());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The admin address and the first listener's, once Envoy is live and accepts connections.
async fn addresses(admin_file: &Path) -> Option<(SocketAddr, SocketAddr)> {
    let admin = std::fs::read_to_string(admin_file).ok()?.trim().parse().ok()?;
    let client = Client::new(admin).timeout(Duration::from_secs(1));
    if client.get("/ready").await.ok()?.status != 200 {
        return None;
    }
    let listeners = client.get("/listeners?format=json").await.ok()?.json().ok()?;
    let socket = listeners.pointer("/listener_statuses/0/local_address/socket_address")?;
    let address = format!("{}:{}", socket["address"].as_str()?, socket["port_value"].as_u64()?)
        .parse()
        .ok()?;
    tokio::net::TcpStream::connect(address).await.ok()?;
    Some((admin, address))
}

fn end(child: &mut Child) {
    // Both fail only where the process has ended already, and then there is nothing to end.
    let _ = child.kill();
    let _ = child.wait();
}

fn tail(log: &Path) -> String {
    let text = std::fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(25)..].join("\n")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::CpuTime;

    #[test]
    fn cpu_time_is_read_behind_a_name_with_spaces_and_brackets() {
        let stat = "42 (a ) b) S 1 2 3 4 5 6 7 8 9 10 250 31 0 0 20 0";
        let expected = CpuTime {
            user: Duration::from_millis(2500),
            system: Duration::from_millis(310),
        };
        assert_eq!(CpuTime::parse(stat), Some(expected));
        assert_eq!(expected.total(), Duration::from_millis(2810));
        assert_eq!(CpuTime::parse("42 (a) S 1"), None);
    }
}
