//! `when` of a rule: a condition in CEL.

use std::rc::Rc;

use super::conditions::Truth;
use super::decide::Facts;
use super::variables::{
    ATTRIBUTES, FAILURES, HEADERS, PATH, SCORE, Seen, Setting, WORKLOAD, is_of_device, is_of_source, is_of_token,
    variables,
};
use crate::bundle::document::IdentityNeed;
use crate::bundle::limits;
use crate::cel::{Budget, Environment, Fault, Field, Issue, Program, Sig};
use crate::request::PathTemplate;
use crate::sort::Arrange as _;

/// Why a rule cannot read a token.
const FOR_EVERYBODY: &str = "`identity: none` is for everybody, and of nobody without a token claims or device are known: leave one of them out";
const FOR_SERVICES: &str = "`identity: workload` is for services without a token, and of nobody without one claims or device are known: leave one of them out";

/// Why a capture cannot be read.
const NOT_EVERYWHERE: &str =
    "this capture is not in every path of the rule: give each path one of this name, or make two rules of it";

/// A condition, with what it needs of its rule.
#[derive(Clone, Debug)]
pub struct When {
    program: Rc<Program>,
    /// The rule's paths, sorted by text, where the condition reads what they capture.
    paths: Vec<PathTemplate>,
    /// The names of captures, in the order of their ids.
    captures: Rc<[Box<str>]>,
}

/// What a rule says beside its condition, as far as that decides what the condition can read.
#[derive(Clone, Copy, Debug)]
pub struct Reach<'r> {
    /// `paths`; empty where there are none.
    pub paths: &'r [PathTemplate],
    /// Whom the rule is about; `None`: that is not known.
    pub identity: Option<IdentityNeed>,
    /// Whether a peer may have an identity.
    pub peers: bool,
    /// Whether to look for what was probably meant by a misspelt name.
    pub suggests: bool,
}

impl When {
    /// Compiles a condition.
    ///
    /// # Errors
    /// All that is wrong with it: at least one.
    pub fn compile(source: &str, reach: &Reach<'_>) -> Result<Self, Vec<Issue>> {
        let captures = Captures::of(reach.paths);
        let fields = captures.fields();
        let variables = variables(&Setting {
            no_token: match reach.identity {
                Some(IdentityNeed::None) => Some(FOR_EVERYBODY),
                Some(IdentityNeed::Workload) => Some(FOR_SERVICES),
                _ => None,
            },
            peers: reach.peers,
            captures: &fields,
        });
        let environment = Environment::new(&variables);
        let environment = if reach.suggests {
            environment
        } else {
            environment.terse()
        };
        let program = Program::condition(source, &environment)?;
        let reads_path = program.reads().ids.iter().any(|id| *id >= PATH);
        let mut paths = if reads_path { reach.paths.to_vec() } else { Vec::new() };
        paths.arrange_by(|a, b| a.as_str().cmp(b.as_str()));
        Ok(Self {
            program: Rc::new(program),
            paths,
            captures: captures.names.into(),
        })
    }

    /// The expression as it was written.
    #[must_use]
    pub fn source(&self) -> &str {
        self.program.source()
    }

    /// Whether it holds for a request.
    ///
    /// # Errors
    /// What it reads is not there, or it has no value: it is unknown then, and this is why.
    pub fn holds(&self, facts: &Facts<'_>) -> Result<bool, Fault> {
        let seen = Seen::new(facts, &self.paths, &self.captures);
        self.program.holds(&seen, &mut Budget::new(limits::EVALUATION_COST))
    }

    /// Whether it reads a claim of the token.
    #[must_use]
    pub fn reads_token(&self) -> bool {
        self.program.reads().ids.iter().any(|id| is_of_token(*id))
    }

    /// Whether it reads claims that usually hold roles or permissions.
    #[must_use]
    pub fn reads_words(&self) -> bool {
        let mut members = self.program.reads().members.iter();
        members.any(|(_, name)| matches!(name.as_deref(), Some("roles" | "permissions")))
    }

    /// The name of a header that it reads and that no request has: names are in lower case here, and pseudo-headers are none.
    #[must_use]
    pub fn reads_no_header(&self) -> Option<&str> {
        let mut keys = self.program.reads().keys.iter();
        let is_none = |key: &str| key.starts_with(':') || key.bytes().any(|byte| byte.is_ascii_uppercase());
        keys.find_map(|(id, key)| (*id == HEADERS && is_none(key)).then_some(&**key))
    }

    /// Whether it reads what is known of the device.
    #[must_use]
    pub fn reads_device(&self) -> bool {
        self.program.reads().ids.iter().any(|id| is_of_device(*id))
    }

    pub(super) fn weigh(&self, facts: &Facts<'_>) -> Truth {
        self.holds(facts).map_or(Truth::Unknown, Truth::from)
    }

    pub(super) fn reads_source(&self) -> bool {
        self.program.reads().ids.iter().any(|id| is_of_source(*id))
    }

    /// Whether it reads what an identity replica tells of the subject.
    #[must_use]
    pub fn reads_attributes(&self) -> bool {
        self.program.reads().has(ATTRIBUTES)
    }

    /// Whether it reads the score of its subject.
    #[must_use]
    pub fn reads_score(&self) -> bool {
        self.program.reads().has(SCORE)
    }

    /// Whether it reads how many tokens with a bad signature came from where the request does.
    #[must_use]
    pub fn reads_failures(&self) -> bool {
        self.program.reads().has(FAILURES)
    }

    pub(super) fn reads_workload(&self) -> bool {
        self.program.reads().has(WORKLOAD)
    }
}

/// What the paths of a rule capture.
struct Captures {
    /// Those of all of them, then those of some.
    names: Vec<Box<str>>,
    everywhere: usize,
}

impl Captures {
    fn of(paths: &[PathTemplate]) -> Self {
        let mut names: Vec<&str> = paths.iter().flat_map(PathTemplate::names).collect();
        names.arrange();
        names.dedup();
        let is_everywhere = |name: &&str| paths.iter().all(|path| path.names().any(|known| known == *name));
        let (everywhere, some): (Vec<&str>, Vec<&str>) = names.into_iter().partition(is_everywhere);
        Self {
            everywhere: everywhere.len(),
            names: everywhere.into_iter().chain(some).map(Into::into).collect(),
        }
    }

    fn fields(&self) -> Vec<Field<'_>> {
        let named = self.names.iter().zip(PATH..=u16::MAX).enumerate();
        named
            .map(|(index, (name, id))| Field {
                refused: (index >= self.everywhere).then_some(NOT_EVERYWHERE),
                ..Field::new(name, Sig::String, id)
            })
            .collect()
    }
}
