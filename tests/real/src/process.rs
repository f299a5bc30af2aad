//! Programs that end when their owner does: each is a process group of its own, ended by its id.
//!
//! A dropped [`Process`] ends its whole group, so that an agent's Envoy goes with it. Where the owner has no time to drop
//! anything (it was killed, or it called `exit`), a small guardian process does it: it holds the other end of a pipe, and its
//! end is how it learns that the owner is gone.

use std::fs::File;
use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use crate::Result;
use crate::error::Context as _;

const GONE: Duration = Duration::from_secs(5);
/// How often it is asked whether a program is ready; some write a line of log for each time that they are not.
const ASK: Duration = Duration::from_millis(100);

/// How many lines of a log stand in an error.
const TAIL: usize = 25;

/// A running program, and all that it has started.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `command` in a process group of its own, with no input, and its output at the end of the file `log`.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(name: &str, mut command: Command, log: &Path) -> Result<Self> {
        let program = Path::new(command.get_program()).to_owned();
        let failed = || format!("cannot start {name} (`{}`)", program.display());
        let output = File::options().create(true).append(true).open(log).context(failed)?;
        command
            .stdin(Stdio::null())
            .stdout(output.try_clone().context(failed)?)
            .stderr(output);
        command.process_group(0);
        let child = command.spawn().context(failed)?;
        let process = Self {
            name: name.to_owned(),
            child,
            log: log.to_owned(),
        };
        tell_guardian('+', process.pid())?;
        Ok(process)
    }

    /// Its process id, which is also the id of its group.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// All that it and what it started have printed.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read(&self.log)
            .map(|log| String::from_utf8_lossy(&log).into_owned())
            .unwrap_or_default()
    }

    /// Whether it has ended by itself, and how.
    ///
    /// # Errors
    /// When the system cannot tell.
    pub fn ended(&mut self) -> Result<Option<std::process::ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    /// Waits until `ready` gives a value; it is asked again and again.
    ///
    /// # Errors
    /// When the program ends, or nothing is ready within `limit`; the error holds the end of its log.
    pub async fn wait_until<T>(&mut self, limit: Duration, mut ready: impl AsyncFnMut() -> Option<T>) -> Result<T> {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(value) = ready().await {
                return Ok(value);
            }
            let what = match self.ended()? {
                Some(status) => format!("it has ended: {status}"),
                None if Instant::now() > deadline => format!("not ready within {limit:?}"),
                None => {
                    tokio::time::sleep(ASK).await;
                    continue;
                }
            };
            return Err(format!("{}: {what}; the end of its log:\n{}", self.name, tail(&self.log())).into());
        }
    }

    /// The processes that it started and that run still, by the name of their program.
    #[must_use]
    pub fn children(&self) -> Vec<(String, u32)> {
        running()
            .into_iter()
            .filter(|stat| stat.parent == self.pid())
            .map(|stat| (stat.name, stat.pid))
            .collect()
    }

    /// Ends the process `pid` at once.
    ///
    /// # Errors
    /// When there is none.
    pub fn kill_one(pid: u32) -> Result<()> {
        let id = to_pid(pid).ok_or_else(|| format!("{pid} is no process id"))?;
        kill_process(id, Signal::KILL).context(|| format!("cannot end the process {pid}"))
    }

    /// Ends the whole group, and waits until all of it is gone.
    pub fn end(self) {
        drop(self);
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Some(group) = to_pid(self.pid()) {
            // Fails only where the group has ended already, and then there is nothing to end.
            let _ = kill_process_group(group, Signal::KILL);
            let _ = self.child.wait();
            // What the program started ends soon, not at once; who reaps it then, and when, is not our concern.
            let deadline = Instant::now() + GONE;
            let runs = |stat: &Stat| stat.group == self.pid();
            while running().iter().any(runs) && Instant::now() < deadline {
                std::thread::sleep(Duration::from_millis(5));
            }
            // Where the guardian is gone, nothing is left to forget.
            let _ = tell_guardian('-', self.pid());
        }
    }
}

/// Runs a program to its end, and gives what it printed on standard output.
///
/// # Errors
/// When it cannot be started or fails; the error holds the whole command and its standard error.
pub fn output_of(command: &mut Command) -> Result<String> {
    let output = command.output().context(|| format!("cannot run {command:?}"))?;
    if output.status.success() {
        return String::from_utf8(output.stdout).context(|| format!("{command:?} does not print UTF-8"));
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!("{command:?}: {}: {said}", output.status).into())
}

/// The processes whose working directory is `dir` or a folder in it, by the name of their program: all of a mesh, for one that
/// looks whether it is gone. `dir` itself need not be there any more.
#[must_use]
pub fn running_in(dir: &Path) -> Vec<(String, u32)> {
    let inside =
        |stat: &Stat| std::fs::read_link(format!("/proc/{}/cwd", stat.pid)).is_ok_and(|cwd| cwd.starts_with(dir));
    running()
        .into_iter()
        .filter(inside)
        .map(|stat| (stat.name, stat.pid))
        .collect()
}

fn to_pid(id: u32) -> Option<Pid> {
    Pid::from_raw(id.try_into().ok()?)
}

/// The last lines; of lines that only their first word tells apart (the time), the last one.
fn tail(log: &str) -> String {
    let message = |line: &str| {
        line.split_once(char::is_whitespace)
            .map_or(line.to_owned(), |(_, rest)| rest.to_owned())
    };
    let mut lines: Vec<&str> = Vec::new();
    for line in log.lines() {
        if lines.last().is_some_and(|last| message(last) == message(line)) {
            lines.pop();
        }
        lines.push(line);
    }
    lines[lines.len().saturating_sub(TAIL)..].join("\n")
}

struct Stat {
    name: String,
    pid: u32,
    parent: u32,
    group: u32,
}

impl Stat {
    /// Fields 1, 2, 4 and 5 of proc_pid_stat(5); none of a process that has ended and waits for its parent.
    fn parse(stat: &str) -> Option<Self> {
        let (head, rest) = stat.rsplit_once(')')?;
        let (pid, name) = head.split_once(" (")?;
        let mut fields = rest.split_whitespace();
        let state = fields.next()?;
        let parent = fields.next()?.parse().ok()?;
        let group = fields.next()?.parse().ok()?;
        (state != "Z").then_some(Self {
            name: name.to_owned(),
            pid: pid.parse().ok()?,
            parent,
            group,
        })
    }
}

fn running() -> Vec<Stat> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten();
    entries
        .filter_map(|entry| Stat::parse(&std::fs::read_to_string(entry.ok()?.path().join("stat")).ok()?))
        .collect()
}

fn tell_guardian(sign: char, group: u32) -> Result<()> {
    static GUARDIAN: Mutex<Option<ChildStdin>> = Mutex::new(None);
    let mut guardian = GUARDIAN.lock().unwrap_or_else(PoisonError::into_inner);
    let input = match &mut *guardian {
        Some(input) => input,
        none => none.insert(start_guardian()?),
    };
    writeln!(input, "{sign} {group}").context(|| "the guardian has ended".to_owned())
}

/// The guardian is a shell script, since it has to be a program that is there before anything of this crate is built: a library
/// cannot find a binary of its package, every test file and `istio-up` would have to hand over to it at the top of its `main`,
/// and the signal that Linux sends at a parent's death is sent at the end of the thread that started the child.
fn start_guardian() -> Result<ChildStdin> {
    let mut command = Command::new("/bin/sh");
    command.args(["-c", include_str!("guardian.sh"), "regionguard-mesh-guardian"]);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    // Of a group of its own, so that Ctrl-C in a terminal does not end it before it has done its work.
    command.process_group(0);
    let mut child = command.spawn().context(|| "cannot start the guardian".to_owned())?;
    child.stdin.take().ok_or_else(|| "the guardian has no input".into())
}

#[cfg(test)]
mod tests {
    use super::{Process, Stat, running, tail};

    fn is_running(pid: u32) -> bool {
        running().iter().any(|stat| stat.pid == pid)
    }

    #[tokio::test]
    async fn what_a_program_started_ends_with_it() {
        let run = regionguard_harness::RunDir::new("process").unwrap();
        let mut command = std::process::Command::new("/bin/sh");
        command.args(["-c", "sleep 600 & wait"]);
        let mut process = Process::start("a shell", command, &run.path().join("log")).unwrap();
        let limit = std::time::Duration::from_secs(5);
        let owner = process.pid();
        let sleep = process
            .wait_until(limit, async || {
                let stat = running()
                    .into_iter()
                    .find(|stat| stat.parent == owner && stat.name == "sleep");
                stat.map(|stat| stat.pid)
            })
            .await
            .unwrap();
        assert!(is_running(sleep));
        process.end();
        assert!(!is_running(owner) && !is_running(sleep));
    }

    #[test]
    fn the_end_of_a_log_says_the_same_once() {
        let log = "1 starting\n2 not ready\n3 not ready\n4 not ready\n5 ready\na\nb";
        assert_eq!(tail(log), "1 starting\n4 not ready\n5 ready\na\nb");
    }

    #[test]
    fn a_process_is_read_behind_a_name_with_spaces_and_brackets() {
        let stat = Stat::parse("42 (a ) b) S 7 2 3").unwrap();
        assert_eq!((stat.pid, stat.name.as_str(), stat.parent), (42, "a ) b", 7));
        assert_eq!(stat.group, 2);
        assert!(Stat::parse("42 (a) Z 7 2 3").is_none(), "it has ended");
    }
}
