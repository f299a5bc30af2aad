//! The policies and their data, compiled once and evaluated for each question.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use regorus::languages::rego::compiler::Compiler;
use regorus::rvm::program::Program;
use regorus::rvm::vm::RegoVM;
use regorus::{CompiledPolicy, Engine, Value};

use crate::question::Question;

/// The rule that answers a question: an object with `decision`, `reason_admin`, `reason_user` and `ttl`.
const ANSWER: &str = "data.center.answer";

/// How many instructions of the engine one decision may take: some hundred times what the embedded policies need, and
/// few enough that no question holds a thread for long.
const MAX_INSTRUCTIONS: usize = 100_000;

/// Rego policies (v1 syntax) and JSON data, each with the name that messages call it by.
#[derive(Debug, Clone)]
pub struct Sources {
    policies: Vec<(String, String)>,
    data: Vec<(String, String)>,
}

impl Sources {
    /// What is built into this program: the regimes GDPR and SOX, and records for the examples.
    pub fn embedded() -> Self {
        let named = |files: &[(&str, &str)]| {
            files
                .iter()
                .map(|&(name, text)| (name.to_owned(), text.to_owned()))
                .collect::<Vec<_>>()
        };
        Self {
            policies: named(&[
                ("center.rego", include_str!("../policies/center.rego")),
                ("gdpr.rego", include_str!("../policies/gdpr.rego")),
                ("sox.rego", include_str!("../policies/sox.rego")),
            ]),
            data: named(&[
                ("postings.json", include_str!("../data/postings.json")),
                ("profiles.json", include_str!("../data/profiles.json")),
                ("regions.json", include_str!("../data/regions.json")),
                ("routes.json", include_str!("../data/routes.json")),
            ]),
        }
    }

    /// Takes the `*.rego` files of `directory`, and none below it, in place of the policies so far.
    ///
    /// # Errors
    /// The directory or a file cannot be read, or there is no policy.
    pub fn with_policies(mut self, directory: &Path) -> Result<Self, LoadError> {
        let unreadable = |error| {
            LoadError(format!(
                "cannot read the policies in `{}`: {error}",
                directory.display()
            ))
        };
        let mut files: Vec<PathBuf> = fs::read_dir(directory)
            .map_err(unreadable)?
            .map(|entry| entry.map(|entry| entry.path()))
            .collect::<Result<_, _>>()
            .map_err(unreadable)?;
        files.retain(|file| file.extension().is_some_and(|extension| extension == "rego"));
        files.sort();
        if files.is_empty() {
            return Err(LoadError(format!(
                "there is no file `*.rego` in `{}`",
                directory.display()
            )));
        }
        self.policies = read(&files)?;
        Ok(self)
    }

    /// Takes these JSON files in place of the data so far. They are merged, and no two may give the same value.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn with_data(mut self, files: &[PathBuf]) -> Result<Self, LoadError> {
        self.data = read(files)?;
        Ok(self)
    }
}

fn read(files: &[PathBuf]) -> Result<Vec<(String, String)>, LoadError> {
    files
        .iter()
        .map(|file| match fs::read_to_string(file) {
            Ok(text) => Ok((file.display().to_string(), text)),
            Err(error) => Err(LoadError(format!("cannot read `{}`: {error}", file.display()))),
        })
        .collect()
}

/// Why policies or data do not load.
#[derive(Debug)]
pub struct LoadError(pub(crate) String);

impl fmt::Display for LoadError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for LoadError {}

/// What the policies say to a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// Whether the request may go on.
    pub allow: bool,
    /// Why, with the facts that decided: for operators and logs.
    pub reason_admin: String,
    /// Why, without facts that whoever asks may not know.
    pub reason_user: String,
    /// For how many seconds the decision may be remembered; 0 for not at all.
    pub ttl: u64,
}

/// Why there is no decision: the policies themselves are at fault. It never stands for an allow.
#[derive(Debug)]
pub struct EvaluationError(String);

impl fmt::Display for EvaluationError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "the policies gave no decision: {}", self.0)
    }
}

impl std::error::Error for EvaluationError {}

/// Compiled policies with their data, which all evaluations share.
pub(crate) struct Policies {
    compiled: CompiledPolicy,
    program: Arc<Program>,
    data: Value,
    /// Machines that wait for work: one evaluation has one to itself, so there are never more than threads evaluate at
    /// once. Setting one up costs several times what an evaluation does.
    idle: Mutex<Vec<RegoVM>>,
}

impl Policies {
    pub(crate) fn compile(sources: &Sources) -> Result<Self, LoadError> {
        let mut engine = Engine::new();
        for (name, text) in &sources.policies {
            engine
                .add_policy(name.clone(), text.clone())
                .map_err(|error| LoadError(format!("the policy `{name}` does not load: {error}")))?;
        }
        for (name, text) in &sources.data {
            let value = crate::strict_json::parse(text.as_bytes())
                .map_err(|error| LoadError(format!("the data `{name}` is not JSON: {error}")))?;
            engine
                .add_data(value)
                .map_err(|error| LoadError(format!("the data `{name}` does not load: {error}")))?;
        }
        let compiled = engine
            .compile_with_entrypoint(&ANSWER.into())
            .map_err(|error| LoadError(format!("the policies do not compile to a rule `{ANSWER}`: {error}")))?;
        let program = Compiler::compile_from_policy(&compiled, &[ANSWER])
            .map_err(|error| LoadError(format!("the policies do not compile to a rule `{ANSWER}`: {error}")))?;
        let policies = Self {
            compiled,
            program,
            data: engine.get_data(),
            idle: Mutex::default(),
        };
        let machine = policies.machine()?;
        policies.put_back(machine);
        Ok(policies)
    }

    pub(crate) fn data(&self) -> &Value {
        &self.data
    }

    pub(crate) fn decide(&self, question: &Question) -> Result<Decision, EvaluationError> {
        let waiting = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut machine = match waiting {
            Some(machine) => machine,
            None => self.machine().map_err(|error| EvaluationError(error.to_string()))?,
        };
        machine.set_input(question.input().clone());
        // A machine whose evaluation failed is not used again: what it holds is anybody's guess.
        let answer = machine
            .execute_entry_point_by_index(0)
            .map_err(|error| EvaluationError(error.to_string()))?;
        self.put_back(machine);
        decision(&answer).ok_or_else(|| {
            EvaluationError(format!(
                "`{ANSWER}` lacks `decision`, `reason_admin`, `reason_user` or `ttl`: {answer}"
            ))
        })
    }

    fn machine(&self) -> Result<RegoVM, LoadError> {
        let mut machine = RegoVM::new_with_policy(self.compiled.clone());
        machine.load_program(Arc::clone(&self.program));
        machine.set_max_instructions(MAX_INSTRUCTIONS);
        machine
            .set_data(self.data.clone())
            .map_err(|error| LoadError(format!("the data and the policies name the same thing: {error}")))?;
        Ok(machine)
    }

    fn put_back(&self, machine: RegoVM) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(machine);
    }
}

fn decision(answer: &Value) -> Option<Decision> {
    Some(Decision {
        allow: *answer["decision"].as_bool().ok()?,
        reason_admin: answer["reason_admin"].as_string().ok()?.to_string(),
        reason_user: answer["reason_user"].as_string().ok()?.to_string(),
        ttl: answer["ttl"].as_u64().ok()?,
    })
}

#[cfg(test)]
mod tests;
