//! `make istio-up`: everything that it prints to try is tried, as somebody copies it into a shell; and Ctrl-C leaves nothing.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use regionguard_harness::{Result, RunDir};
use regionguard_mesh::process::running_in;

const STARTS: Duration = Duration::from_secs(120);
/// How long an edit, or a request after it, may take to be as it is said.
const COMES_TRUE: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(100);
/// Until both regions are served, once all is built. On two quiet cores it takes half of this; other tests may run meanwhile.
const SERVES: f64 = 40.0;

#[test]
fn what_it_prints_is_so_and_ctrl_c_leaves_nothing() -> Result<()> {
    let run = RunDir::new("istio-up-printed")?;
    let mut up = Up::start(run.path())?;
    let printed = up.wait_for("Ctrl-C ends them")?;
    assert!(!printed.contains('\u{1b}'), "colours, and nobody is at a terminal");
    let seconds = serves_after(&printed)?;
    println!("both regions are served after {seconds} s");
    assert!(seconds < SERVES, "{seconds} s:\n{printed}");
    let environment = printed
        .lines()
        .find_map(|line| line.strip_prefix("  . "))
        .ok_or("no environment")?;
    let commands = commands(&printed);
    assert!(commands.len() > 20, "{commands:#?}");
    for command in commands {
        try_out(environment, &command).map_err(|error| format!("{command}\n{error}"))?;
    }

    let decided = up.wait_for("shop@2+")?;
    assert!(
        decided.contains("us-east-1  PUT /v1/orders/7  200  allow;"),
        "{decided}"
    );
    let dir = Path::new(environment).parent().ok_or("no folder")?;
    assert_eq!(up.interrupt()?, Some(130));
    assert_eq!(running_in(dir), []);
    assert!(!dir.exists());
    Ok(())
}

/// The seconds of the line that says so.
fn serves_after(printed: &str) -> Result<f64> {
    let line = printed
        .lines()
        .find_map(|line| line.strip_suffix("Regionguard decides in both"));
    let seconds = line.and_then(|line| line.strip_prefix("mesh")?.trim().strip_suffix(" s"));
    let seconds = seconds.ok_or_else(|| format!("it does not say when both regions are served:\n{printed}"))?;
    Ok(seconds.trim().parse()?)
}

/// The commands, continued lines as one; without those that open an editor or read the environment.
fn commands(printed: &str) -> Vec<String> {
    let mut commands: Vec<String> = Vec::new();
    let mut continued = false;
    for line in printed.lines().filter_map(|line| line.strip_prefix("  ")) {
        match commands.last_mut().filter(|_| continued) {
            Some(last) => *last += line.trim_start(),
            None => commands.push(line.to_owned()),
        }
        continued = line.ends_with('|');
    }
    commands.retain(|command| !command.starts_with(". ") && !command.contains("kubectl edit"));
    commands
}

/// Runs a command until what it says of itself is true: a request its status, everything else that it says something.
fn try_out(environment: &str, command: &str) -> Result<()> {
    let status = command.split_once(" # ").map_or("", |(_, said)| &said[..3]);
    let shell = match command.strip_prefix("curl -i ") {
        Some(request) => format!("curl --silent --output /dev/null --write-out '%{{http_code}}' {request}"),
        None => command.to_owned(),
    };
    let deadline = Instant::now() + COMES_TRUE;
    loop {
        let output = Command::new("bash")
            .args(["-c", &format!("set -o pipefail; . {environment}; {shell}")])
            .output()?;
        let said = String::from_utf8_lossy(&output.stdout);
        let is_so = match (shell == command, command.starts_with("sed -i")) {
            (false, _) => said == status,
            (true, true) => true,
            (true, false) => !said.trim().is_empty(),
        };
        if output.status.success() && is_so {
            return Ok(());
        }
        if Instant::now() > deadline {
            return Err(format!("{}: {said}{}", output.status, String::from_utf8_lossy(&output.stderr)).into());
        }
        sleep(LOOK);
    }
}

/// `istio-up`, with its output in a file.
struct Up {
    child: Child,
    output: PathBuf,
}

impl Up {
    fn start(dir: &Path) -> Result<Self> {
        // It renders by the command that is built beside it.
        regionguard_mesh::cli::program()?;
        let output = dir.join("output");
        let file = File::create(&output)?;
        let mut command = Command::new(env!("CARGO_BIN_EXE_istio-up"));
        command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
        Ok(Self {
            child: command.spawn()?,
            output,
        })
    }

    /// Waits until it has printed these words, and gives all that it has.
    fn wait_for(&mut self, words: &str) -> Result<String> {
        let deadline = Instant::now() + STARTS;
        loop {
            let printed = std::fs::read_to_string(&self.output)?;
            if printed.contains(words) {
                return Ok(printed);
            }
            if self.child.try_wait()?.is_some() || Instant::now() > deadline {
                return Err(format!("no `{words}` in what it printed:\n{printed}").into());
            }
            sleep(LOOK);
        }
    }

    /// Ctrl-C, and its exit status.
    fn interrupt(&mut self) -> Result<Option<i32>> {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", "INT", &id]).status()?.success());
        Ok(self.child.wait()?.code())
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        // By Ctrl-C, so that its folder goes with it after a failure, too.
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = self.interrupt();
        }
    }
}
