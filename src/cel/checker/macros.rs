//! `has`, and the loops.

use super::{Checker, Typed};
use crate::cel::issue::Span;
use crate::cel::program::{Loop, LoopKind, Node};
use crate::cel::syntax::{Call, Expr, Kind};
use crate::cel::types::{One, Type};

impl Checker<'_> {
    /// What a call is, where it is a macro.
    pub(super) fn expand(&mut self, call: &Call, at: Span) -> Option<Typed> {
        match (&call.target, &*call.name, &*call.arguments) {
            (None, "has", [argument]) => Some(self.has(argument, at)),
            (Some(over), _, _) => {
                let parts = Parts::of(call)?;
                Some(self.each(over, &parts))
            }
            _ => None,
        }
    }

    fn each(&mut self, over: &Expr, parts: &Parts<'_>) -> Typed {
        let whole_at = over.at;
        let over = self.check(over);
        let (key, value) = match &over.kind {
            Type::List(of) => (Type::Int, (**of).clone()),
            Type::Map(key, value) => ((**key).clone(), (**value).clone()),
            Type::Dyn => (Type::Dyn, Type::Dyn),
            other => {
                return self.refused(
                    whole_at,
                    &format!("a loop goes over a list or a map, not over {}", One(other)),
                );
            }
        };
        let item = match (&over.kind, parts.names) {
            (Type::Map(..), [None, _]) => key.clone(),
            _ => value,
        };
        let depth = self.locals.len();
        if let [Some(first), _] = parts.names {
            self.locals.push((first.to_owned(), key.clone()));
        }
        let [_, name] = parts.names;
        self.locals.push((name.unwrap_or_default().to_owned(), item.clone()));
        let predicate = parts.predicate.map(|predicate| self.condition(predicate));
        let transform = parts.transform.map(|transform| self.check(transform));
        self.locals.truncate(depth);
        let of = transform.as_ref().map_or(item, |transform| transform.kind.clone());
        let kind = match parts.kind {
            LoopKind::All | LoopKind::Exists | LoopKind::ExistsOne => Type::Bool,
            LoopKind::List => Type::list(of),
            LoopKind::Map => Type::map(key, of),
        };
        let node = Loop {
            kind: parts.kind,
            over: over.node,
            pairs: parts.names.first().is_some_and(Option::is_some),
            predicate,
            transform: transform.map(|transform| transform.node),
        };
        Typed::new(Node::Loop(Box::new(node)), kind)
    }
}

/// The parts of a loop as it is written.
struct Parts<'e> {
    kind: LoopKind,
    /// The variable for the index or key, where there is one, and that for the item.
    names: [Option<&'e str>; 2],
    predicate: Option<&'e Expr>,
    transform: Option<&'e Expr>,
}

/// What the arguments of a loop are, behind its variables.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    /// What is asked; it has one variable or two.
    Asks,
    /// What is asked, of one variable.
    Filters,
    /// What becomes of one variable, and before it what may be asked.
    Maps,
    /// The same of two.
    Transforms,
}

const LOOPS: &[(&str, LoopKind, Shape)] = &[
    ("all", LoopKind::All, Shape::Asks),
    ("exists", LoopKind::Exists, Shape::Asks),
    ("exists_one", LoopKind::ExistsOne, Shape::Asks),
    ("existsOne", LoopKind::ExistsOne, Shape::Asks),
    ("filter", LoopKind::List, Shape::Filters),
    ("map", LoopKind::List, Shape::Maps),
    ("transformList", LoopKind::List, Shape::Transforms),
    ("transformMap", LoopKind::Map, Shape::Transforms),
];

impl<'e> Parts<'e> {
    fn of(call: &'e Call) -> Option<Self> {
        let (_, kind, shape) = *LOOPS.iter().find(|(name, ..)| *name == call.name)?;
        let has_two = shape == Shape::Transforms || shape == Shape::Asks && call.arguments.len() == 3;
        let (key, rest) = match (has_two, &*call.arguments) {
            (true, [key, rest @ ..]) => (Some(plain(key)?), rest),
            (_, all) => (None, all),
        };
        let (item, rest) = rest.split_first()?;
        let (predicate, transform) = match (shape, rest) {
            (Shape::Asks | Shape::Filters, [predicate]) => (Some(predicate), None),
            (Shape::Maps | Shape::Transforms, [transform]) => (None, Some(transform)),
            (Shape::Maps | Shape::Transforms, [predicate, transform]) => (Some(predicate), Some(transform)),
            _ => return None,
        };
        Some(Self {
            kind,
            names: [key, Some(plain(item)?)],
            predicate,
            transform,
        })
    }
}

/// The name of a loop's variable.
fn plain(expr: &Expr) -> Option<&str> {
    match &expr.kind {
        Kind::Name { name, absolute: false } => Some(name),
        _ => None,
    }
}
