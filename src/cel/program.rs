//! An expression, compiled.

use core::fmt;

use super::checker;
use super::environment::{Environment, Variables};
use super::evaluator::Evaluation;
use super::fault::{Budget, Fault};
use super::functions::{Function, Prepared};
use super::issue::Issue;
use super::parser;
use super::syntax::Operator;
use super::types::Type;
use super::value::Value;
use crate::sort::Arrange as _;

/// An expression that is right by an [`Environment`]: names are resolved, what is constant is computed.
pub struct Program {
    source: Box<str>,
    root: Node,
    kind: Type,
    reads: Reads,
}

/// What an expression may read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reads {
    /// The ids of variables, fields and open variables, in ascending order.
    pub ids: Vec<u16>,
    /// Members of open variables: the id and the name, in ascending order; `None` for one that is computed.
    pub members: Vec<(u16, Option<Box<str>>)>,
    /// Keys by which a variable or field is looked into at once, in ascending order.
    pub keys: Vec<(u16, Box<str>)>,
}

impl Reads {
    /// Whether it may read what has this id.
    #[must_use]
    pub fn has(&self, id: u16) -> bool {
        self.ids.binary_search(&id).is_ok()
    }

    pub(super) fn normalise(&mut self) {
        self.ids.arrange();
        self.ids.dedup();
        self.members.arrange();
        self.members.dedup();
        self.keys.arrange();
        self.keys.dedup();
    }
}

impl Program {
    /// Compiles an expression of any type.
    ///
    /// # Errors
    /// All that is wrong with it, in the order of the text: at least one.
    pub fn compile(source: &str, environment: &Environment<'_>) -> Result<Self, Vec<Issue>> {
        let expr = parser::parse(source).map_err(|wrong| vec![*wrong])?;
        let (root, kind, reads) = checker::check(&expr, environment)?;
        Ok(Self {
            source: source.into(),
            root,
            kind,
            reads,
        })
    }

    /// Compiles an expression that is true or false.
    ///
    /// # Errors
    /// As [`compile`](Self::compile), and any other type. One that is only known when it is evaluated is none.
    pub fn condition(source: &str, environment: &Environment<'_>) -> Result<Self, Vec<Issue>> {
        let program = Self::compile(source, environment)?;
        match program.kind {
            Type::Bool | Type::Dyn => Ok(program),
            kind => Err(vec![Issue {
                range: 0..source.len(),
                message: format!("a condition is true or false, and this is of type `{kind}`"),
            }]),
        }
    }

    /// The expression as it was written.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The type of its value.
    #[must_use]
    pub fn kind(&self) -> &Type {
        &self.kind
    }

    /// What it may read.
    #[must_use]
    pub fn reads(&self) -> &Reads {
        &self.reads
    }

    /// Its value. What it costs is taken from `budget`.
    ///
    /// # Errors
    /// It has none.
    pub fn evaluate<'a>(&'a self, variables: &'a dyn Variables, budget: &mut Budget) -> Result<Value<'a>, Fault> {
        Evaluation::new(variables, budget).value(&self.root)
    }

    /// Whether it holds. What it costs is taken from `budget`.
    ///
    /// # Errors
    /// It has no value, or one that is neither true nor false.
    pub fn holds(&self, variables: &dyn Variables, budget: &mut Budget) -> Result<bool, Fault> {
        Evaluation::new(variables, budget).truth(&self.root)
    }
}

impl fmt::Debug for Program {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_tuple("Program").field(&self.source).finish()
    }
}

/// A part of a program.
#[derive(Debug)]
pub(super) enum Node {
    Constant(Value<'static>),
    /// A variable or field.
    Read(u16),
    /// Whether it is there.
    HasRead(u16),
    /// A member of an open variable.
    Member(u16, Box<str>),
    /// Whether it is there.
    HasMember(u16, Box<str>),
    /// A member whose name is computed.
    MemberAt(u16, Box<Node>),
    /// What a loop is at: the index among all of the loops around it, the outermost first.
    Local(usize),
    Select(Box<Node>, Box<str>),
    /// Whether a map has this key.
    HasKey(Box<Node>, Box<str>),
    Index(Box<[Node; 2]>),
    Not(Box<Node>),
    Negate(Box<Node>),
    And(Box<[Node]>),
    Or(Box<[Node]>),
    If(Box<[Node; 3]>),
    Binary(Operator, Box<[Node; 2]>),
    List(Box<[Node]>),
    Map(Box<[(Node, Node)]>),
    Call(Box<Call>),
    Loop(Box<Loop>),
}

#[derive(Debug)]
pub(super) struct Call {
    /// The overloads that may take the arguments.
    pub(super) functions: Box<[(&'static Function, Option<Prepared>)]>,
    /// Whether the arguments are known to be of the only one's types.
    pub(super) known: bool,
    pub(super) arguments: Box<[Node]>,
}

#[derive(Debug)]
pub(super) struct Loop {
    pub(super) kind: LoopKind,
    pub(super) over: Node,
    /// Whether it has a variable for the index or key, and one for the value.
    pub(super) pairs: bool,
    /// What is asked of each item, or what lets it take part.
    pub(super) predicate: Option<Node>,
    /// What becomes of each item.
    pub(super) transform: Option<Node>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LoopKind {
    All,
    Exists,
    ExistsOne,
    /// The items that take part, or what becomes of them.
    List,
    /// A map from the same keys.
    Map,
}
