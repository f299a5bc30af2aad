//! The files of a folder of documents: which these are, in which order, and their text.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use regionguard::bundle::limits;

use crate::problem::{Place, Problem, Source};

/// Files that are read at once: documents of every kind, and as many that hold none.
const FILES: usize = 2 * limits::DOCUMENTS;
/// Folders inside of each other.
const DEPTH: usize = 16;
/// The code of what the system does not give.
pub(crate) const UNREADABLE: &str = "unreadable";
/// Bytes of all files together: comments and indentation count here, and not in the bundle.
const BYTES: usize = 4 * limits::BYTES;

/// Reads the files at `paths`: each file that is named, and in each folder, and those in it, what ends in `.yaml`, `.yml` or `.json`, sorted by path. What begins with a dot is left out, as the
/// folders behind a mounted ConfigMap are.
pub(super) fn read(paths: &[PathBuf], problems: &mut Vec<Problem>) -> Vec<Rc<Source>> {
    let mut files = Vec::new();
    for path in paths {
        collect(path, problems, &mut files);
    }
    let mut seen = HashSet::new();
    files.retain(|file| seen.insert(fs::canonicalize(file).unwrap_or_else(|_| file.clone())));
    let mut budget = BYTES;
    let mut sources = Vec::new();
    for file in files {
        match text_of(&file, &mut budget) {
            Ok(text) => sources.push(Rc::new(Source::new(name_of(&file), text))),
            Err(unread) => problems.push(unread.problem(&file)),
        }
    }
    sources
}

fn collect(path: &Path, problems: &mut Vec<Problem>, files: &mut Vec<PathBuf>) {
    match fs::metadata(path) {
        Err(error) => problems.push(Unread::new(UNREADABLE, format!("cannot be read: {error}")).problem(path)),
        Ok(metadata) if metadata.is_dir() => {
            let before = files.len();
            walk(path, 0, problems, files);
            if files.len() == before {
                let message = "the folder holds no documents: no file in it ends in `.yaml`, `.yml` or `.json`";
                problems.push(Unread::new(UNREADABLE, message).problem(path));
            }
        }
        Ok(_) => files.push(path.to_owned()),
    }
}

/// Adds the files below `folder`.
fn walk(folder: &Path, depth: usize, problems: &mut Vec<Problem>, files: &mut Vec<PathBuf>) {
    if depth >= DEPTH {
        let message = format!("folders inside of each other: {DEPTH} levels at most");
        problems.push(Unread::new(UNREADABLE, message).problem(folder));
        return;
    }
    let entries = match fs::read_dir(folder).and_then(Iterator::collect::<std::io::Result<Vec<_>>>) {
        Ok(entries) => entries,
        Err(error) => {
            problems.push(Unread::new(UNREADABLE, format!("cannot be read: {error}")).problem(folder));
            return;
        }
    };
    let mut entries: Vec<PathBuf> = entries.into_iter().map(|entry| entry.path()).collect();
    entries.sort();
    for entry in entries {
        if entry
            .file_name()
            .is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
        {
            continue;
        }
        // A link to a folder is not followed: it could lead back here.
        let is_folder = fs::symlink_metadata(&entry).is_ok_and(|metadata| metadata.is_dir());
        if is_folder {
            walk(&entry, depth + 1, problems, files);
        } else if is_documents(&entry) && !entry.is_dir() {
            if files.len() == FILES {
                let message = format!("too many files: {FILES} at most; the ones from here on were not read");
                problems.push(Unread::new(UNREADABLE, message).problem(&entry));
            }
            files.push(entry);
        }
        if files.len() > FILES {
            files.truncate(FILES + 1);
            return;
        }
    }
}

fn is_documents(file: &Path) -> bool {
    let ending = file.extension().map(|ending| ending.to_ascii_lowercase());
    ending.is_some_and(|ending| ending == "yaml" || ending == "yml" || ending == "json")
}

/// Why a file, or a folder, has no text.
struct Unread {
    code: &'static str,
    message: String,
    help: Option<&'static str>,
    /// The text up to where it stops being one.
    before: Option<String>,
}

impl Unread {
    fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            help: None,
            before: None,
        }
    }

    fn problem(self, path: &Path) -> Problem {
        let bytes = self.before.as_ref().map(|text| text.len()..text.len());
        let source = Rc::new(Source::new(name_of(path), self.before.unwrap_or_default()));
        let problem = Problem::error(self.code, Some(Place { source, bytes }), self.message);
        match self.help {
            Some(help) => problem.help(help),
            None => problem,
        }
    }
}

fn text_of(file: &Path, budget: &mut usize) -> Result<String, Unread> {
    let cannot = |error: std::io::Error| Unread::new(UNREADABLE, format!("cannot be read: {error}"));
    let too_large = |message: String| Unread::new("too-large", message);
    // Before it is opened: opening a pipe waits for who writes to it.
    if !fs::metadata(file).map_err(cannot)?.is_file() {
        return Err(Unread::new(UNREADABLE, "is neither a file nor a folder"));
    }
    let opened = File::open(file).map_err(cannot)?;
    let length = opened.metadata().map_err(cannot)?.len();
    if length > limits::BYTES as u64 {
        return Err(too_large(format!(
            "too large: {length} bytes, {} at most",
            limits::BYTES
        )));
    }
    let mut bytes = Vec::new();
    opened
        .take(limits::BYTES as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(cannot)?;
    if bytes.len() > limits::BYTES {
        return Err(too_large(format!("too large: {} bytes at most", limits::BYTES)));
    }
    *budget = budget
        .checked_sub(bytes.len())
        .ok_or_else(|| too_large(format!("too large: all files together have {BYTES} bytes at most")))?;
    check_text(bytes)
}

/// UTF-8 without NUL and without a byte order mark, or where it is not.
fn check_text(bytes: Vec<u8>) -> Result<String, Unread> {
    const AS_UTF8: &str = "save it as UTF-8 without a byte order mark";
    if bytes.starts_with(b"\xEF\xBB\xBF") || bytes.starts_with(b"\xFF\xFE") || bytes.starts_with(b"\xFE\xFF") {
        return Err(Unread {
            help: Some(AS_UTF8),
            ..Unread::new("encoding", "begins with a byte order mark")
        });
    }
    let text = match String::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            let valid = error.utf8_error().valid_up_to();
            let before = error.as_bytes().get(..valid).map(<[u8]>::to_vec).unwrap_or_default();
            return Err(Unread {
                help: Some(AS_UTF8),
                before: String::from_utf8(before).ok(),
                ..Unread::new("encoding", "not valid UTF-8 from here on")
            });
        }
    };
    match text.find('\0') {
        None => Ok(text),
        Some(at) => Err(Unread {
            before: text.get(..at).map(str::to_owned),
            ..Unread::new("encoding", "a NUL byte: this is no text")
        }),
    }
}

fn name_of(path: &Path) -> String {
    path.display().to_string()
}
