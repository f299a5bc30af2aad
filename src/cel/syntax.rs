//! The tree of an expression, as it is written.

use super::issue::Span;

/// A part of an expression.
#[derive(Debug)]
pub(super) struct Expr {
    pub(super) kind: Kind,
    pub(super) at: Span,
    /// How deep it is: 1 for one without parts.
    pub(super) depth: u32,
}

#[derive(Debug)]
pub(super) enum Kind {
    Literal(Literal),
    /// A name; with a dot before it, it is not one that a macro has made.
    Name {
        name: String,
        absolute: bool,
    },
    Select {
        of: Box<Expr>,
        field: String,
        field_at: Span,
    },
    Index {
        of: Box<Expr>,
        index: Box<Expr>,
    },
    Call(Box<Call>),
    Not(Box<Expr>),
    Negate(Box<Expr>),
    And(Vec<Expr>),
    Or(Vec<Expr>),
    If(Box<[Expr; 3]>),
    Binary {
        operator: Operator,
        sides: Box<[Expr; 2]>,
    },
    List(Vec<Expr>),
    Map(Vec<(Expr, Expr)>),
}

#[derive(Debug)]
pub(super) struct Call {
    /// What it is called on.
    pub(super) target: Option<Expr>,
    pub(super) name: String,
    pub(super) name_at: Span,
    pub(super) arguments: Vec<Expr>,
}

#[derive(Debug)]
pub(super) enum Literal {
    Null,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Double(f64),
    Text(String),
    Bytes(Vec<u8>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    In,
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
}

impl Operator {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Equal => "==",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
            Self::In => "in",
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::Modulo => "%",
        }
    }
}

impl Kind {
    /// How deep the deepest of its parts is.
    pub(super) fn depth(&self) -> u32 {
        fn deepest<'e>(parts: impl IntoIterator<Item = &'e Expr>) -> u32 {
            parts.into_iter().map(|part| part.depth).max().unwrap_or(0)
        }
        match self {
            Self::Literal(_) | Self::Name { .. } => 0,
            Self::Select { of, .. } | Self::Not(of) | Self::Negate(of) => of.depth,
            Self::Index { of, index } => of.depth.max(index.depth),
            Self::Call(call) => deepest(call.target.iter().chain(&call.arguments)),
            Self::And(parts) | Self::Or(parts) | Self::List(parts) => deepest(parts),
            Self::If(parts) => deepest(parts.iter()),
            Self::Binary { sides, .. } => deepest(sides.iter()),
            Self::Map(entries) => deepest(entries.iter().flat_map(|(key, value)| [key, value])),
        }
    }
}
