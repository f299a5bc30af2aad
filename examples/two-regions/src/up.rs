//! Keeps both regions running: requests to copy, live edits of the policy, centers to stop and start, and each decision as it falls.

use std::fmt::Write as _;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use axum::http::StatusCode;
use regionguard_harness::access_log::Entry;
use regionguard_harness::{Result, tools};

use crate::control::{Command, Control, Wish};
use crate::people::{Person, Token};
use crate::policy;
use crate::region::{Pushed, Region};
use crate::regions::{TwoRegions, free_or_zero};
use crate::report::{Paint, Style};

/// How often policy files and access logs are looked at.
const LOOK: Duration = Duration::from_millis(250);
const CONTROL_PORT: u16 = 10041;

/// What to do after the demo.
#[must_use]
pub fn next_steps(regions: &TwoRegions) -> String {
    format!(
        "next      make up   keeps both regions running, with curl commands to try and a policy to edit live\n\
         policy    {}\n\
         more      examples/two-regions/README.md",
        shown(&policy::file(&regions.policies, "us-east-1"))
    )
}

/// Prints what to try, and then serves until it is dropped: it takes over edits of the policy files, stops and starts centers
/// when told to by the control address, and prints each decision.
///
/// # Errors
/// When an Envoy ends, or the terminal can no longer be written to.
pub async fn keep(mut regions: TwoRegions, style: Style) -> Result<()> {
    let mut control = Control::start(free_or_zero(CONTROL_PORT)).await?;
    let env = regions.run.path().join("env.sh");
    write_privately(&env, &variables(&regions)?)?;
    say(&instructions(&regions, &env, &control, style))?;
    let mut watched = [Watched::new(&regions, "us-east-1"), Watched::new(&regions, "eu-west-1")];
    let mut look = tokio::time::interval(LOOK);
    loop {
        tokio::select! {
            command = control.next() => obey(&mut regions, command).await?,
            _ = look.tick() => {
                for watched in &mut watched {
                    watched.look(&mut regions, style).await?;
                }
            }
        }
    }
}

/// Shell variables: where to ask, and fresh tokens, each a whole header line.
fn variables(regions: &TwoRegions) -> Result<String> {
    let mut text = String::from("# Made for one run of `make up`: its keys end with it, and so do these tokens.\n");
    for (variable, region) in [("US", &regions.us), ("EU", &regions.eu)] {
        let (guarded, name) = (region.guarded, &region.name);
        writeln!(
            text,
            "{variable}=http://{guarded}\nAT_{variable}='host: api.{name}.com'"
        )?;
    }
    for person in Person::ALL {
        let variable = person.name().to_uppercase();
        writeln!(text, "{variable}={}", header(regions, Token::Of(person))?)?;
    }
    let wrong = [
        ("EXPIRED", Token::Expired(Person::Alice)),
        ("FORGED", Token::OtherKey(Person::Alice)),
        ("UNSIGNED", Token::Unsecured(Person::Alice)),
    ];
    for (variable, token) in wrong {
        writeln!(text, "{variable}={}", header(regions, token)?)?;
    }
    Ok(text)
}

fn header(regions: &TwoRegions, token: Token) -> Result<String> {
    let values = regions.people.authorization(token)?;
    let value = values.first().ok_or("no token to put into a variable")?;
    // Base64url and dots: nothing that ends the quotes.
    Ok(format!("'authorization: {value}'"))
}

fn instructions(regions: &TwoRegions, env: &Path, control: &Control, style: Style) -> String {
    let title = |text: &str| style.paint(Paint::Title, text);
    let control = format!("http://{}", control.address());
    let logs = regions.run.path().display();
    format!(
        r#"
{both}

{first}
  source {env}

{requests}
  curl -i --interface 127.0.1.7 -H "$AT_US" -H "$ALICE" $US/v1/orders/7                          # allowed on the spot
  curl -i --interface 127.0.1.7 -H "$AT_US" -H "$CAROL" -X PUT $US/v1/orders/7                   # she may, elsewhere
  curl -i --interface 127.0.2.7 -H "$AT_EU" -H "$CAROL" -X PUT $EU/v1/orders/7                   # namely here
  curl -i --interface 127.0.1.7 -H "$AT_US" -H "$EXPIRED" $US/v1/orders/7                        # or $FORGED, $DAVE
  curl -i --interface 127.0.1.7 -H "$AT_US" -H "$ALICE" $US/v1/orders%2F7                        # no single meaning
  curl -i --interface 127.0.2.7 -H "$AT_US" -H "$ALICE" $US/v1/inventory/7                       # the wrong network
  curl -i --interface 127.0.1.7 -H "$AT_US" -H "$ALICE" $US/v1/profiles/42                       # center: no; 43: yes
  curl -i --interface 127.0.2.7 -H "$AT_EU" -H "$BOB" $EU/v1/profiles/42                         # in the EU: yes
  curl -i --interface 127.0.1.7 -H "$AT_US" -H "$ALICE" -X POST $US/v1/postings/1001/approve     # 1002: not her own

{edit}
  {us_policy}
  {eu_policy}

{centers}
  curl -X POST {control}/centers/us-east-1/stop    # then profile 44; with $ERIN 44/export
  curl -X POST {control}/centers/us-east-1/start

{files}
  {logs}
  http://{us_admin}/stats?filter=regionguard   (eu-west-1: {eu_admin})

{ends}
"#,
        both = title("Both regions are running."),
        first = title("First, in another terminal: where to ask, and tokens for 12 hours"),
        requests = title("Then try; the source address says which region you come from"),
        edit = title("Edit a policy and save it: it is in force within a second, or refused with the reason"),
        centers = title("Stop a center, and start it again"),
        files = title("Look inside: access logs, Envoy's logs, and the policies as they were handed over"),
        ends = title("Ctrl-C ends everything. Each decision appears below."),
        env = env.display(),
        us_policy = policy::file(&regions.policies, "us-east-1").display(),
        eu_policy = policy::file(&regions.policies, "eu-west-1").display(),
        us_admin = regions.us.envoy.admin(),
        eu_admin = regions.eu.envoy.admin(),
    )
}

async fn obey(regions: &mut TwoRegions, command: Command) -> Result<()> {
    let Some(region) = regions.region(&command.region) else {
        let answer = (
            StatusCode::NOT_FOUND,
            "no such region: us-east-1 or eu-west-1\n".to_owned(),
        );
        // Who asked and left needs no answer.
        drop(command.answer.send(answer));
        return Ok(());
    };
    let (done, word) = match command.wish {
        Wish::Stop => (region.center.stop().await, "stopped"),
        Wish::Start => (region.center.resume().await, "running"),
    };
    let (status, text) = match done {
        Ok(()) => (StatusCode::OK, format!("the center of {} is {word}", region.name)),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
    };
    drop(command.answer.send((status, format!("{text}\n"))));
    say(&format!("{:10} {text}\n", region.name))
}

/// One region as it is watched: its policy file's text, and how much of its access log was shown.
struct Watched {
    region: &'static str,
    file: PathBuf,
    text: Option<String>,
    lines: usize,
}

impl Watched {
    fn new(regions: &TwoRegions, region: &'static str) -> Self {
        let file = policy::file(&regions.policies, region);
        Self {
            region,
            text: std::fs::read_to_string(&file).ok(),
            file,
            lines: 0,
        }
    }

    async fn look(&mut self, regions: &mut TwoRegions, style: Style) -> Result<()> {
        let edited = self.edited().await.then(|| policy::read(&self.file, &regions.people));
        let Some(region) = regions.region(self.region) else {
            return Ok(());
        };
        if !region.envoy.is_running() {
            return Err(format!(
                "the Envoy of {} has ended; its log is `{}`",
                self.region,
                region.envoy.log_path().display()
            )
            .into());
        }
        if let Some(bundle) = edited {
            take_over(region, bundle, style).await?;
        }
        let entries = region.envoy.access_log().entries();
        for entry in entries.iter().skip(self.lines) {
            say(&shown_entry(self.region, entry, style))?;
        }
        self.lines = entries.len();
        Ok(())
    }

    /// Whether there is another text, which stays as it is for a moment: an editor may still be writing. A file that is gone
    /// for that moment is no edit.
    async fn edited(&mut self) -> bool {
        let Ok(text) = std::fs::read_to_string(&self.file) else {
            return false;
        };
        if self.text.as_ref() == Some(&text) {
            return false;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        if std::fs::read_to_string(&self.file).ok().as_ref() != Some(&text) {
            return false;
        }
        self.text = Some(text);
        true
    }
}

async fn take_over(region: &mut Region, bundle: Result<serde_json::Value>, style: Style) -> Result<()> {
    let name = region.name.clone();
    let bad = |text: &str| say(&format!("{name:10} {}\n", style.paint(Paint::Bad, text)));
    let bundle = match bundle {
        Ok(bundle) => bundle,
        Err(error) => return bad(&format!("the edit is not taken over: {error}")),
    };
    if bundle == *region.bundle() {
        return Ok(());
    }
    match region.push(bundle).await {
        Ok(Pushed::Accepted) => say(&format!(
            "{name:10} {}\n",
            style.paint(Paint::Good, "the edited policy is in force")
        )),
        Ok(Pushed::Older) => {
            bad("the edited policy is older than the one in force, which goes on serving: raise `metadata.version`")
        }
        Ok(Pushed::Refused(complaints)) => {
            bad("the edited policy is refused; the one before it serves on:")?;
            complaints
                .iter()
                .try_for_each(|complaint| bad(&format!("  {complaint}")))
        }
        Err(error) => bad(&format!("the edit was not noticed: {error}")),
    }
}

fn shown_entry(region: &str, entry: &Entry, style: Style) -> String {
    let status = entry.status();
    let paint = if status < 400 { Paint::Good } else { Paint::Bad };
    let status = style.paint(paint, &status.to_string());
    let request = format!("{} {}", entry.text("method"), entry.text("path"));
    let line = entry.0["decision"].as_str().unwrap_or("no decision");
    // What a request brought may not steer the terminal.
    let visible = |text: &str| {
        text.chars()
            .filter(|character| !character.is_control())
            .collect::<String>()
    };
    format!("{region:10} {status} {:30} {}\n", visible(&request), visible(line))
}

/// Writes a file that nobody else may read: it holds tokens.
fn write_privately(path: &Path, text: &str) -> Result<()> {
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(|error| format!("cannot write `{}`: {error}", path.display()))?;
    Ok(file.write_all(text.as_bytes())?)
}

fn say(text: &str) -> Result<()> {
    let mut out = std::io::stdout();
    out.write_all(text.as_bytes())?;
    Ok(out.flush()?)
}

/// The path within the checkout, where it is within.
fn shown(path: &Path) -> String {
    let inside = path.strip_prefix(tools::workspace_root()).unwrap_or(path);
    inside.display().to_string()
}
