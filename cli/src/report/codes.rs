//! What each code means: those of errors, and the lints.

use crate::lint::LINTS;

/// What a code stands for, in a list for programs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Code {
    /// The code.
    pub(crate) id: &'static str,
    /// What it means, in a few words.
    pub(crate) about: &'static str,
    /// What would be right, where that is the same everywhere.
    pub(crate) help: Option<&'static str>,
    /// Whether it is a warning.
    pub(crate) is_warning: bool,
}

/// What is wrong with documents and files, beside the lints.
const CODES: &[(&str, &str)] = &[
    ("invalid", "a value is not allowed, or does not fit another one"),
    ("unknown-field", "the format has no such field"),
    ("not-supported", "the format has it, this version does not do it"),
    ("missing", "a field has to be there"),
    ("unknown-region", "the bundle has no Region with this name"),
    ("no-head", "the files are not one bundle: none holds its head"),
    ("several-bundles", "the files are not one bundle: they hold several"),
    (
        "no-document",
        "a file, or a manifest in one, holds no bundle and no document",
    ),
    ("empty", "a file holds nothing"),
    ("custom-resource", "a document is treated as a Kubernetes object"),
    ("yaml-syntax", "YAML that cannot be read"),
    ("json-syntax", "JSON that cannot be read"),
    (
        "yaml-duplicate",
        "a name is given twice, which not every reader reads alike",
    ),
    (
        "yaml-anchor",
        "an anchor, an alias or a merge key, which not every reader follows",
    ),
    ("yaml-tag", "a tag, which not every reader follows"),
    ("yaml-name", "a name that is no text"),
    ("yaml-ambiguous", "a value that not every reader reads alike"),
    ("encoding", "not UTF-8, a byte order mark, or a NUL byte"),
    ("too-large", "beyond a limit of the files"),
    ("unreadable", "the system does not give the file"),
];

/// What loads, and probably does not do what was meant.
pub(crate) const SUSPICIOUS: &str = "suspicious";

/// All codes.
pub(crate) fn all() -> impl Iterator<Item = Code> {
    let errors = CODES.iter().map(|(id, about)| Code {
        id,
        about,
        help: None,
        is_warning: false,
    });
    let suspicious = Code {
        id: SUSPICIOUS,
        about: "it loads, and probably does not do what was meant",
        help: None,
        is_warning: true,
    };
    let lints = LINTS.iter().map(|lint| Code {
        id: lint.id,
        about: lint.about,
        help: Some(lint.help),
        is_warning: true,
    });
    errors.chain([suspicious]).chain(lints)
}

#[cfg(test)]
mod tests {
    use super::all;

    #[test]
    fn the_book_lists_each() {
        let book = include_str!("../../../docs/command.md");
        for code in all() {
            let row = format!("| `{}` | {} |", code.id, code.about);
            assert!(book.contains(&row), "docs/command.md lacks\n{row}");
        }
    }
}
