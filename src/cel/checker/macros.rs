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

impl<'e> Parts<'e> {
    fn of(call: &'e Call) -> Option<Self> {
        let parts = |kind, names, predicate, transform| {
            Some(Self {
                kind,
                names,
                predicate,
                transform,
            })
        };
        let one = |kind, item, predicate| parts(kind, [None, Some(plain(item)?)], Some(predicate), None);
        let two = |kind, key, item, predicate| {
            let names = [Some(plain(key)?), Some(plain(item)?)];
            parts(kind, names, Some(predicate), None)
        };
        match (&*call.name, &*call.arguments) {
            ("all", [item, predicate]) => one(LoopKind::All, item, predicate),
            ("exists", [item, predicate]) => one(LoopKind::Exists, item, predicate),
            ("exists_one" | "existsOne", [item, predicate]) => one(LoopKind::ExistsOne, item, predicate),
            ("filter", [item, predicate]) => one(LoopKind::List, item, predicate),
            ("map", [item, transform]) => parts(LoopKind::List, [None, Some(plain(item)?)], None, Some(transform)),
            ("map", [item, predicate, transform]) => {
                let names = [None, Some(plain(item)?)];
                parts(LoopKind::List, names, Some(predicate), Some(transform))
            }
            ("all", [key, item, predicate]) => two(LoopKind::All, key, item, predicate),
            ("exists", [key, item, predicate]) => two(LoopKind::Exists, key, item, predicate),
            ("exists_one" | "existsOne", [key, item, predicate]) => two(LoopKind::ExistsOne, key, item, predicate),
            (name @ ("transformList" | "transformMap"), [key, item, rest @ ..]) => {
                let kind = match name {
                    "transformList" => LoopKind::List,
                    _ => LoopKind::Map,
                };
                let names = [Some(plain(key)?), Some(plain(item)?)];
                match rest {
                    [transform] => parts(kind, names, None, Some(transform)),
                    [predicate, transform] => parts(kind, names, Some(predicate), Some(transform)),
                    _ => None,
                }
            }
            _ => None,
        }
    }
}

/// The name of a loop's variable.
fn plain(expr: &Expr) -> Option<&str> {
    match &expr.kind {
        Kind::Name { name, absolute: false } => Some(name),
        _ => None,
    }
}
