//! What differs, for people.

use super::{Change, Compared, Outcome, Recording};
use crate::recorded;
use crate::report;

/// How many rules that decided nothing are named to people.
const NAMED: usize = 20;

/// The differences, the most dangerous first, and what was not compared.
pub(super) fn text(compared: &Compared<'_>, most: usize) -> String {
    let kind = match compared.recording {
        None => "generated",
        Some(_) => "recorded",
    };
    let tried = report::counted(compared.tried, "request").unwrap_or_else(|| "no requests".to_owned());
    let mut said = match compared.changed() {
        0 => format!("no decision differs ({tried}, {kind})\n"),
        1 => format!("1 of {tried} ({kind}) is decided otherwise\n"),
        changed => format!("{changed} of {tried} ({kind}) are decided otherwise\n"),
    };
    match compared.moved {
        0 => {}
        1 => said.push_str("1 is decided by another rule, with the same outcome\n"),
        moved => said.push_str(&format!("{moved} are decided by another rule, with the same outcome\n")),
    }
    for (count, what) in [
        (compared.beside.0, "what is in shadow mode"),
        (compared.beside.1, "the candidate"),
    ] {
        if let Some(requests) = report::counted(count, "request") {
            said.push_str(&format!(
                "{requests}: {what} would decide otherwise than before; that changes nothing\n"
            ));
        }
    }
    for ((count, names), what) in [
        (
            &compared.with.0,
            "let in as before, and the upstream gets other headers, or the stream lasts otherwise",
        ),
        (
            &compared.with.1,
            "refused as before, and the caller is answered otherwise",
        ),
    ] {
        if let Some(requests) = report::counted(*count, "request") {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            said.push_str(&format!("{requests}: {what}: {}\n", names.join(", ")));
        }
    }
    if !compared.changes.is_empty() {
        said.push_str(&table(&compared.changes));
    }
    if let Some(recording) = compared.recording {
        said.push_str(&self::recording(recording, compared));
    }
    if let Some(idle) = named(&compared.idle) {
        said.push_str(&format!(
            "\ndecided nothing under either bundle: {idle}; what they decide is not compared: record requests for them (`--requests`)\n"
        ));
        if compared.recording.is_none() && compared.tried + compared.idle.len() > most {
            said.push_str(&format!(
                "there are too many rules for {most} requests: `--max` takes more\n"
            ));
        }
    }
    said.lines().map(|line| report::printable(line) + "\n").collect()
}

/// What the lines of a recording do not carry, and what stands for that.
fn recording(recording: &Recording, compared: &Compared<'_>) -> String {
    let Recording {
        logged,
        assumed,
        left_out,
        behind,
    } = recording;
    let mut said = String::new();
    let (decided, same) = compared.as_logged;
    if *logged > 0 {
        let lines = report::counted(*logged, "line").unwrap_or_default();
        said.push_str(&format!(
            "\n{lines} of an access log; of {decided} with a decision, the bundle that is decides {same} as they say\n"
        ));
    }
    if !assumed.is_empty() {
        said.push_str("\nwhat lines do not say, and what was assumed\n");
    }
    for (what, count) in assumed {
        said.push_str(&format!("{count:>8}  {what}\n"));
    }
    if *left_out > 0 {
        said.push_str(&format!("{left_out:>8}  left out: not JSON, so no line of a request\n"));
    }
    if *behind > 0 {
        said.push_str(&format!("{behind:>8}  not tried: `--max` is {}\n", compared.tried));
    }
    said
}

/// The first of them, and how many there are beside; nothing of none.
fn named(rules: &[String]) -> Option<String> {
    let (first, more) = rules.split_at_checked(NAMED).unwrap_or((rules, &[]));
    let first = first.join(", ");
    match more.len() {
        0 => Some(first).filter(|first| !first.is_empty()),
        more => Some(format!("{first} and {more} more")),
    }
}

fn table(changes: &[Change<'_>]) -> String {
    let told = |outcome: &Outcome| match outcome.by.as_str() {
        "-/-" => outcome.decision.clone(),
        by => format!("{} ({by})", outcome.decision),
    };
    let rows: Vec<(String, String)> = changes
        .iter()
        .map(|change| (told(&change.was), told(&change.is)))
        .collect();
    let widest = |lengths: &mut dyn Iterator<Item = usize>| lengths.max().unwrap_or_default();
    let first = widest(&mut rows.iter().map(|(was, _)| was.chars().count()));
    let second = widest(&mut rows.iter().map(|(_, is)| is.chars().count()));
    let mut said = format!("\n{:<first$}    {:<second$}  requests\n", "was", "is");
    for ((was, is), change) in rows.iter().zip(changes) {
        said.push_str(&format!("{was:<first$}  → {is:<second$}  {:>8}\n", change.count));
        said.push_str(&format!("    {}\n", recorded::write(change.example)));
    }
    said.push_str("\nunder each: an example; `--requests` reads such lines, and `regionguard explain` says why\n");
    said
}
