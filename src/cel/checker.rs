//! From a tree to a program: names are resolved, types are checked, what is constant is computed.

mod calls;
mod macros;
mod names;

use super::environment::{Environment, Nothing};
use super::evaluator::Evaluation;
use super::fault::Budget;
use super::issue::{Issue, Span};
use super::operators;
use super::program::{Node, Reads};
use super::syntax::{Expr, Kind, Literal, Operator};
use super::types::{One, Type};
use super::value::{Held, Value};
use crate::sort::Arrange as _;

/// What the value of a constant part may cost.
const CONSTANT_BUDGET: Budget = Budget::new(2_000);
/// More is not told of one expression.
const MAX_ISSUES: usize = 20;

/// Checks an expression and compiles it.
pub(super) fn check(expr: &Expr, environment: &Environment<'_>) -> Result<(Node, Type, Reads), Vec<Issue>> {
    let mut checker = Checker {
        environment,
        issues: Vec::new(),
        locals: Vec::new(),
        reads: Reads::default(),
    };
    let Typed { node, kind } = checker.check(expr);
    if !checker.issues.is_empty() {
        checker.issues.arrange_by_key(|issue| issue.range.start);
        return Err(checker.issues);
    }
    checker.reads.normalise();
    Ok((node, kind, checker.reads))
}

struct Checker<'e> {
    environment: &'e Environment<'e>,
    issues: Vec<Issue>,
    /// What the loops around are at, the outermost first.
    locals: Vec<(String, Type)>,
    reads: Reads,
}

/// A part that is compiled.
struct Typed {
    node: Node,
    kind: Type,
}

impl Typed {
    fn new(node: Node, kind: Type) -> Self {
        Self { node, kind }
    }
}

impl Checker<'_> {
    fn check(&mut self, expr: &Expr) -> Typed {
        let typed = match &expr.kind {
            Kind::Literal(literal) => constant(literal),
            Kind::Name { name, absolute } => self.name(name, *absolute, expr.at),
            Kind::Select { of, field, field_at } => self.select(expr, of, field, *field_at),
            Kind::Index { of, index } => self.index(of, index),
            Kind::Call(call) => self.call(call, expr.at),
            Kind::Not(of) => {
                let part = self.condition(of);
                self.folded(Node::Not(Box::new(part)), Type::Bool, expr.at)
            }
            Kind::Negate(of) => self.negate(of, expr.at),
            Kind::And(parts) | Kind::Or(parts) => {
                let is_and = matches!(expr.kind, Kind::And(_));
                let parts = parts.iter().map(|part| self.condition(part)).collect();
                let node = if is_and { Node::And(parts) } else { Node::Or(parts) };
                self.folded(node, Type::Bool, expr.at)
            }
            Kind::If(parts) => self.choice(parts, expr.at),
            Kind::Binary { operator, sides } => self.binary(*operator, sides, expr.at),
            Kind::List(items) => self.list(items, expr.at),
            Kind::Map(entries) => self.map(entries, expr.at),
        };
        if self.environment.typed {
            typed
        } else {
            Typed::new(typed.node, Type::Dyn)
        }
    }

    // It has many callers, each of which would hold a copy; so has the next.
    #[inline(never)]
    fn wrong(&mut self, at: Span, message: &str) {
        if self.issues.len() < MAX_ISSUES {
            self.issues.push(Issue::new(at, message));
        }
    }

    /// Stands for a part that is wrong, and fits everywhere, so that nothing else is told of it.
    #[inline(never)]
    fn refused(&mut self, at: Span, message: &str) -> Typed {
        self.wrong(at, message);
        Typed::new(Node::Constant(Value::Null), Type::Dyn)
    }

    /// A part that is true or false.
    fn condition(&mut self, expr: &Expr) -> Node {
        let Typed { node, kind } = self.check(expr);
        if !kind.may_be(&Type::Bool) {
            self.wrong(expr.at, &format!("this is of type `{kind}`, and not true or false"));
        }
        node
    }

    fn negate(&mut self, of: &Expr, at: Span) -> Typed {
        let Typed { node, kind } = self.check(of);
        if !matches!(kind, Type::Int | Type::Double | Type::Dyn) {
            return self.refused(at, &format!("`-` takes an `int` or a `double`, not {}", One(&kind)));
        }
        self.folded(Node::Negate(Box::new(node)), kind, at)
    }

    fn choice(&mut self, [condition, yes, no]: &[Expr; 3], at: Span) -> Typed {
        let condition = self.condition(condition);
        let yes = self.check(yes);
        let no_at = no.at;
        let no = self.check(no);
        if !yes.kind.may_be(&no.kind) {
            let message = format!(
                "this is of type `{}`, and the other case of type `{}`",
                no.kind, yes.kind
            );
            return self.refused(no_at, &message);
        }
        let kind = yes.kind.join(&no.kind);
        self.folded(Node::If(Box::new([condition, yes.node, no.node])), kind, at)
    }

    fn binary(&mut self, operator: Operator, [left, right]: &[Expr; 2], at: Span) -> Typed {
        use Operator as O;
        let left = self.check(left);
        let right = self.check(right);
        let (a, b) = (&left.kind, &right.kind);
        let kind = match operator {
            O::Equal | O::NotEqual if a.may_equal(b) => Type::Bool,
            O::Less | O::LessOrEqual | O::Greater | O::GreaterOrEqual
                if a.is_ordered() && b.is_ordered() && a.may_equal(b) =>
            {
                Type::Bool
            }
            O::In => match b {
                Type::List(of) if of.may_equal(a) => Type::Bool,
                Type::Map(key, _) if key.may_equal(a) => Type::Bool,
                Type::Dyn => Type::Bool,
                _ => return self.refused(at, &not_in(a, b)),
            },
            O::Equal | O::NotEqual | O::Less | O::LessOrEqual | O::Greater | O::GreaterOrEqual => {
                return self.refused(at, &not_comparable(operator, a, b));
            }
            O::Add | O::Subtract | O::Multiply | O::Divide | O::Modulo => match operators::result(operator, a, b) {
                Some(kind) => kind,
                None => {
                    let sign = operator.as_str();
                    let hint = if a.is_number() && b.is_number() {
                        ": convert one of them, as in `double(1)`"
                    } else {
                        ""
                    };
                    return self.refused(at, &format!("`{sign}` does not take {} and {}{hint}", One(a), One(b)));
                }
            },
        };
        let sides = Box::new([left.node, right.node]);
        self.folded(Node::Binary(operator, sides), kind, at)
    }

    fn list(&mut self, items: &[Expr], at: Span) -> Typed {
        let mut kind: Option<Type> = None;
        let mut nodes = Vec::with_capacity(items.len());
        for item in items {
            let item = self.check(item);
            kind = Some(match kind {
                None => item.kind,
                Some(kind) => kind.join(&item.kind),
            });
            nodes.push(item.node);
        }
        let kind = Type::list(kind.unwrap_or(Type::Dyn));
        self.folded(Node::List(nodes.into()), kind, at)
    }

    fn map(&mut self, entries: &[(Expr, Expr)], at: Span) -> Typed {
        let mut kinds: Option<(Type, Type)> = None;
        let mut nodes = Vec::with_capacity(entries.len());
        for (key, value) in entries {
            let key_at = key.at;
            let key = self.check(key);
            let value = self.check(value);
            if !matches!(key.kind, Type::Bool | Type::Int | Type::Uint | Type::String | Type::Dyn) {
                let message = format!("a key is a bool, an int, a uint or a string, not {}", One(&key.kind));
                self.wrong(key_at, &message);
            }
            kinds = Some(match kinds {
                None => (key.kind, value.kind),
                Some((keys, values)) => (keys.join(&key.kind), values.join(&value.kind)),
            });
            nodes.push((key.node, value.node));
        }
        let (key, value) = kinds.unwrap_or((Type::Dyn, Type::Dyn));
        self.folded(Node::Map(nodes.into()), Type::map(key, value), at)
    }

    /// The node, or its value where all of its parts are constant.
    fn folded(&mut self, node: Node, kind: Type, at: Span) -> Typed {
        if !node.parts_are_constant() || !self.issues.is_empty() {
            return Typed::new(node, kind);
        }
        let value = Evaluation::new(&Nothing, &mut CONSTANT_BUDGET.clone())
            .value(&node)
            .and_then(|value| value.to_owned());
        match value {
            Ok(value) => Typed::new(Node::Constant(value), kind),
            Err(fault) if self.environment.strict => self.refused(at, &format!("this can never have a value: {fault}")),
            Err(_) => Typed::new(node, kind),
        }
    }
}

fn constant(literal: &Literal) -> Typed {
    let (value, kind) = match literal {
        Literal::Null => (Value::Null, Type::Null),
        Literal::Bool(value) => (Value::Bool(*value), Type::Bool),
        Literal::Int(value) => (Value::Int(*value), Type::Int),
        Literal::Uint(value) => (Value::Uint(*value), Type::Uint),
        Literal::Double(value) => (Value::Double(*value), Type::Double),
        Literal::Text(text) => (Value::String(text.clone().into()), Type::String),
        Literal::Bytes(bytes) => (Value::Bytes(Held::Shared(bytes.clone().into())), Type::Bytes),
    };
    Typed::new(Node::Constant(value), kind)
}

fn not_comparable(operator: Operator, a: &Type, b: &Type) -> String {
    let sign = operator.as_str();
    let hint = match (a, b) {
        (Type::Version, Type::String) | (Type::String, Type::Version) => ": write the text as `version('14.2')`",
        (Type::Ip, Type::String) | (Type::String, Type::Ip) => ": write the text as `ip('10.0.0.1')`",
        (Type::Timestamp, Type::String) | (Type::String, Type::Timestamp) => {
            ": write the text as `timestamp('2026-01-01T00:00:00Z')`"
        }
        (Type::Timestamp, Type::Int) | (Type::Int, Type::Timestamp) => {
            ": `int(…)` makes seconds since 1970 of the timestamp"
        }
        (Type::Duration, Type::String) | (Type::String, Type::Duration) => ": write the text as `duration('15m')`",
        (Type::List(of), other) | (other, Type::List(of)) if of.may_be(other) => {
            ": `in` tells whether a list holds a value"
        }
        _ => "",
    };
    if a.may_equal(b) {
        return format!("`{sign}` does not take {}: there is no order among them{hint}", One(a));
    }
    format!("{} is compared with {}, which it can never be{hint}", One(a), One(b))
}

fn not_in(item: &Type, whole: &Type) -> String {
    match whole {
        Type::List(_) | Type::Map(..) => {
            format!("{} is looked for in {}, which never holds one", One(item), One(whole))
        }
        Type::String => "`in` looks into a list or a map: `.contains()` looks into a text".to_owned(),
        Type::Cidr => "`in` looks into a list or a map: `.containsIP()` looks into a network".to_owned(),
        _ => format!("`in` looks into a list or a map, not into {}", One(whole)),
    }
}

impl Node {
    fn is_constant(&self) -> bool {
        matches!(self, Self::Constant(_))
    }

    /// Whether it only combines what is constant.
    fn parts_are_constant(&self) -> bool {
        match self {
            Self::Not(of) | Self::Negate(of) | Self::Select(of, _) | Self::HasKey(of, _) => of.is_constant(),
            Self::And(parts) | Self::Or(parts) | Self::List(parts) => parts.iter().all(Self::is_constant),
            Self::If(parts) => parts.iter().all(Self::is_constant),
            Self::Binary(_, sides) | Self::Index(sides) => sides.iter().all(Self::is_constant),
            Self::Map(entries) => entries
                .iter()
                .all(|(key, value)| key.is_constant() && value.is_constant()),
            Self::Call(call) => call.arguments.iter().all(Self::is_constant),
            Self::Constant(_)
            | Self::Read(_)
            | Self::HasRead(_)
            | Self::Member(..)
            | Self::HasMember(..)
            | Self::MemberAt(..)
            | Self::Local(_)
            | Self::Loop(_) => false,
        }
    }
}
