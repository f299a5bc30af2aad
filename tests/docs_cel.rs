//! The page of the language: each line of its examples is what the page says that it is, and each function has its place and an example there.
#![cfg(not(target_arch = "wasm32"))]

use regionguard::cel::functions::ALL;
use regionguard::cel::{Budget, Environment, Fault, Program, Value, Variables};

const PAGE: &str = include_str!("../docs/cel.md");

/// What policies are compiled with, but for the variables.
const ENVIRONMENT: Environment<'static> = Environment::new(&[]);

struct Nothing;

impl Variables for Nothing {
    fn read(&self, _: u16, _: &mut Budget) -> Result<Value<'_>, Fault> {
        Err(Fault::Absent)
    }

    fn member(&self, _: u16, _: &str) -> Result<Value<'_>, Fault> {
        Err(Fault::Absent)
    }
}

/// The lines of the examples of this title.
fn examples(title: &str) -> Vec<&'static str> {
    let opening = format!("```cel title={title}\n");
    let blocks = PAGE.split(&opening).skip(1);
    blocks
        .flat_map(|block| block.split("```").next().unwrap_or_default().lines())
        .collect()
}

#[test]
fn each_example_is_true() {
    let examples = examples("holds");
    assert!(examples.len() >= 40, "only {} examples", examples.len());
    for example in examples {
        let program =
            Program::condition(example, &ENVIRONMENT).unwrap_or_else(|issues| panic!("`{example}`: {}", issues[0]));
        assert_eq!(program.holds(&Nothing, &mut Budget::new(20_000)), Ok(true), "{example}");
    }
}

#[test]
fn what_is_refused_is_refused_for_its_reason() {
    let examples = examples("error");
    assert!(examples.len() >= 6, "only {} examples", examples.len());
    for example in examples {
        let (source, words) = example
            .split_once(" // ")
            .unwrap_or_else(|| panic!("`{example}` gives no reason"));
        match Program::condition(source, &ENVIRONMENT) {
            Ok(_) => panic!("`{source}` is an expression"),
            Err(issues) => assert!(issues[0].message.contains(words), "`{source}`: {}", issues[0]),
        }
    }
}

#[test]
fn each_function_is_described_and_has_an_example() {
    let examples = examples("holds").join("\n");
    let described: String = PAGE
        .lines()
        .filter(|line| line.starts_with("| `") || line.starts_with('`'))
        .collect();
    for function in ALL.iter().copied().flatten() {
        let call = format!("{}(", function.name);
        assert!(described.contains(&call), "`{call}…)` is not described in docs/cel.md");
        assert!(examples.contains(&call), "`{call}…)` has no example in docs/cel.md");
    }
}
