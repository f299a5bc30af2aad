//! What is advised helps: of each mistake in the cases that has a suggestion, the suggestion is carried out, and the mistake is gone.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::cases::cases;
use crate::run::{folder, regionguard};

/// What stands in front of a suggestion, in a message or in its help.
const WORDS: [&str; 5] = [
    "did you mean `",
    "write `",
    "also of one: `",
    "like `>= 14.2`: `",
    "quote it if it is text: `",
];
/// Forms, and not what is to be written.
const FORMS: [&str; 4] = ["YYYY-MM-DD", "HH:MM", "address/length", "*"];

/// What `error` suggests to write for `written`, as it is written there.
fn suggested(error: &Value, written: &str) -> Option<String> {
    let said = |field: &str| error[field].as_str().unwrap_or_default();
    let (message, field) = (said("message"), said("field"));
    let bare = written.trim_matches(['"', '\'']);
    if message.ends_with("quote it") {
        return Some(format!("\"{bare}\""));
    }
    if message.ends_with("take the quotes away") {
        return Some(bare.to_owned());
    }
    let suggestion = [said("help"), message].iter().find_map(|said| {
        let word = WORDS.iter().find(|word| said.contains(**word))?;
        let (suggestion, _) = said.split_once(*word)?.1.split_once('`')?;
        Some(suggestion.to_owned())
    })?;
    let is_name = error["code"] == "unknown-field" || field.ends_with("when") || field.contains("forward.claims");
    if FORMS.contains(&suggestion.as_str()) {
        return None;
    }
    if is_name || suggestion.starts_with(['"', '[']) {
        return Some(suggestion);
    }
    // It may be about a part of the text, which stands in front.
    let part = message
        .strip_prefix('`')
        .and_then(|rest| rest.split_once('`'))
        .map(|(part, _)| part);
    match part.filter(|part| bare.contains(part)) {
        Some(part) => Some(format!("\"{}\"", bare.replace(part, &suggestion))),
        None => Some(format!("\"{suggestion}\"")),
    }
}

/// The bytes of `text` at the place of `error`.
fn place(error: &Value, text: &str) -> std::ops::Range<usize> {
    let at = |line: &str, column: &str| {
        let number = |name: &str| usize::try_from(error[name].as_u64().expect("a number")).expect("a small number");
        let begin: usize = text.split_inclusive('\n').take(number(line) - 1).map(str::len).sum();
        let characters = text[begin..].chars().take(number(column) - 1);
        begin + characters.map(char::len_utf8).sum::<usize>()
    };
    at("line", "column")..at("endLine", "endColumn")
}

fn errors(folder: &Path) -> Vec<Value> {
    let run = regionguard(folder, &["check", "--format", "json", "documents"]);
    let said: Value = serde_json::from_str(&run.stdout).expect("JSON");
    said["errors"].as_array().expect("a list of errors").clone()
}

fn copied(case: &Path, name: &str) -> PathBuf {
    let copy = folder(name);
    let mut folders = vec![PathBuf::from("documents")];
    while let Some(folder) = folders.pop() {
        fs::create_dir_all(copy.join(&folder)).expect("a folder");
        for entry in fs::read_dir(case.join(&folder)).expect("the case") {
            let entry = entry.expect("a file");
            let path = folder.join(entry.file_name());
            match entry.path().is_dir() {
                true => folders.push(path),
                false => {
                    fs::copy(entry.path(), copy.join(path)).expect("a copy");
                }
            }
        }
    }
    copy
}

#[test]
fn suggestions_help() {
    let (mut tried, mut useless) = (0, Vec::new());
    for case in cases() {
        let name = format!("advice-{}", case.file_name().unwrap_or_default().to_string_lossy());
        for error in errors(&case) {
            if !error["line"].is_u64() {
                continue;
            }
            let copy = copied(&case, &name);
            let file = copy.join(error["file"].as_str().expect("a file"));
            let text = fs::read_to_string(&file).expect("the file");
            let place = place(&error, &text);
            let Some(suggestion) = suggested(&error, &text[place.clone()]) else {
                continue;
            };
            let mended = format!("{}{suggestion}{}", &text[..place.start], &text[place.end..]);
            fs::write(&file, mended).expect("the mended file");
            tried += 1;
            let at = |error: &Value| {
                let of = |name: &str| error[name].clone();
                (of("file"), of("line"), of("column"), of("code"))
            };
            let again = errors(&copy);
            if let Some(still) = again.iter().find(|other| at(other) == at(&error)) {
                useless.push(format!(
                    "{name}: {}: `{suggestion}`: {}",
                    error["message"], still["message"]
                ));
            }
        }
    }
    assert!(useless.is_empty(), "{useless:#?}");
    assert!(tried > 60, "only {tried} suggestions were found");
}
