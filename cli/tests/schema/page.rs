//! The reference, as its readers find it.

use std::collections::BTreeMap;

use serde_json::Value;

/// A section of the page: a definition.
pub(crate) struct Section {
    pub(crate) rows: Vec<Row>,
    pub(crate) examples: Vec<Example>,
}

/// A row of its table.
pub(crate) struct Row {
    pub(crate) field: String,
    pub(crate) form: String,
    pub(crate) absent: String,
    pub(crate) meaning: String,
}

/// An example: what it is of, and what it says.
pub(crate) struct Example {
    pub(crate) frame: String,
    pub(crate) value: Value,
}

/// The definitions of the page, by name.
pub(crate) fn sections(page: &str) -> BTreeMap<String, Section> {
    let parts = page.split("\n## ").flat_map(|part| part.split("\n### "));
    let sections = parts.filter_map(|part| {
        let (name, text) = part.split_once('\n')?;
        let (_, table) = text.split_once("| field | form | default | meaning |\n|---|---|---|---|\n")?;
        let (table, blocks) = table.split_once("\n\n").expect("an example");
        let section = Section {
            rows: table.lines().map(row).collect(),
            examples: blocks.split("```yaml title=").skip(1).map(example).collect(),
        };
        Some((name.to_owned(), section))
    });
    sections.collect()
}

fn row(line: &str) -> Row {
    let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
    let [field, form, absent, meaning] = cells.as_slice() else {
        panic!("not four cells: {line}")
    };
    Row {
        field: field.trim_matches('`').to_owned(),
        form: (*form).to_owned(),
        absent: (*absent).to_owned(),
        meaning: (*meaning).to_owned(),
    }
}

fn example(block: &str) -> Example {
    let (frame, text) = block.split_once('\n').expect("a frame");
    let (text, _) = text.split_once("```").expect("its end");
    Example {
        frame: frame.to_owned(),
        value: serde_saphyr::from_str(text).unwrap_or_else(|error| panic!("{error}\n{text}")),
    }
}
