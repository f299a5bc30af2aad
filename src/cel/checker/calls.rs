//! Calls: which function it is, and which of its overloads.

use super::{Checker, Typed};
use crate::cel::functions::{Function, Prepared};
use crate::cel::issue::Span;
use crate::cel::program::{Call, Node};
use crate::cel::syntax::{self, Expr};
use crate::cel::types::{Open, Type};
use crate::cel::value::Value;

/// The loops and `has`, for suggestions.
const MACROS: &[&str] = &[
    "has",
    "all",
    "exists",
    "exists_one",
    "filter",
    "map",
    "transformList",
    "transformMap",
];

impl Checker<'_> {
    pub(super) fn call(&mut self, call: &syntax::Call, at: Span) -> Typed {
        if let Some(expanded) = self.expand(call, at) {
            return expanded;
        }
        let spaced = self.spaced(call);
        let (name, receiver) = match &spaced {
            Some(name) => (name.as_str(), None),
            None => (call.name.as_str(), call.target.as_ref()),
        };
        let is_method = receiver.is_some();
        let named: Vec<&'static Function> = self
            .environment
            .functions()
            .filter(|function| function.name == name && function.receiver == is_method)
            .collect();
        let exprs: Vec<&Expr> = receiver.into_iter().chain(&call.arguments).collect();
        if named.is_empty() {
            let message = self.unknown(name, is_method, exprs.len());
            return self.refused(call.name_at, &message);
        }
        let (arguments, kinds): (Vec<Node>, Vec<Type>) = exprs
            .iter()
            .map(|expr| {
                let Typed { node, kind } = self.check(expr);
                (node, kind)
            })
            .unzip();
        let fitting: Vec<(&'static Function, Type)> = named
            .iter()
            .filter_map(|function| Some((*function, function.result_for(&kinds)?)))
            .collect();
        let (allowed, refused): (Vec<_>, Vec<_>) = fitting
            .into_iter()
            .partition(|(function, _)| !self.environment.strict || function.refused.is_none());
        if allowed.is_empty() {
            let message = match refused.first().and_then(|(function, _)| function.refused) {
                Some(instead) => instead.to_owned(),
                None => does_not_take(name, is_method, &kinds, &named),
            };
            return self.refused(call.name_at, &message);
        }
        let kind = match &*allowed {
            [(_, first), rest @ ..] if rest.iter().all(|(_, kind)| kind == first) => first.clone(),
            _ => Type::Dyn,
        };
        let known = allowed.len() == 1 && !kinds.contains(&Type::Dyn);
        let mut functions = Vec::with_capacity(allowed.len());
        for (function, _) in &allowed {
            match prepared(function, &arguments) {
                Ok(made) => functions.push((*function, made)),
                Err((index, message)) if allowed.len() == 1 => {
                    let place = exprs.get(index).map_or(at, |expr| expr.at);
                    return self.refused(place, &message);
                }
                // Whether it is this one is known when it is evaluated; then it fails.
                Err(_) => functions.push((*function, None)),
            }
        }
        let node = Call {
            functions: functions.into(),
            known,
            arguments: arguments.into(),
        };
        self.folded(Node::Call(Box::new(node)), kind, at)
    }

    /// The name of a function that has dots in it, where a call is one of it.
    fn spaced(&self, call: &syntax::Call) -> Option<String> {
        let path = self.path(call.target.as_ref()?)?;
        let name = format!("{path}.{}", call.name);
        let is_known = self
            .environment
            .functions()
            .any(|function| !function.receiver && function.name == name);
        is_known.then_some(name)
    }

    fn unknown(&self, name: &str, is_method: bool, arguments: usize) -> String {
        if MACROS.contains(&name) {
            return format!("`{name}` does not take this: see what its arguments are");
        }
        let other = self
            .environment
            .functions()
            .any(|function| function.name == name && function.arguments.len() == arguments);
        if other {
            return match is_method {
                true => format!("`{name}` is called as `{name}(value)`, and not on a value"),
                false => format!("`{name}` is called on a value, as in `value.{name}(…)`"),
            };
        }
        let same = self
            .environment
            .functions()
            .filter(|function| function.receiver == is_method)
            .map(|function| function.name);
        match self.environment.nearest(name, same.chain(MACROS.iter().copied())) {
            Some(meant) => format!("no such function `{name}`: did you mean `{meant}`?"),
            None => format!("no such function `{name}`"),
        }
    }
}

impl Function {
    /// The type of the result for arguments of these types; `None` where it does not take them.
    fn result_for(&self, kinds: &[Type]) -> Option<Type> {
        let mut open = Open::default();
        let takes = self.arguments.len() == kinds.len()
            && self
                .arguments
                .iter()
                .zip(kinds)
                .all(|(sig, kind)| sig.takes(kind, &mut open));
        takes.then(|| self.result.to_type(&open))
    }
}

fn prepared(function: &Function, arguments: &[Node]) -> Result<Option<Prepared>, (usize, String)> {
    let Some(prepare) = function.prepare else {
        return Ok(None);
    };
    let constants: Vec<Option<&Value<'static>>> = arguments
        .iter()
        .map(|argument| match argument {
            Node::Constant(value) => Some(value),
            _ => None,
        })
        .collect();
    prepare(&constants)
}

fn does_not_take(name: &str, is_method: bool, kinds: &[Type], functions: &[&Function]) -> String {
    let shown = |kinds: &[Type]| {
        let names: Vec<String> = kinds.iter().map(ToString::to_string).collect();
        match names.split_first() {
            Some((receiver, rest)) if is_method => format!("`{receiver}.{name}({})`", rest.join(", ")),
            _ => format!("`{name}({})`", names.join(", ")),
        }
    };
    let forms: Vec<String> = functions
        .iter()
        .filter(|function| function.refused.is_none())
        .map(|function| {
            let kinds: Vec<Type> = function
                .arguments
                .iter()
                .map(|sig| sig.to_type(&Open::default()))
                .collect();
            shown(&kinds)
        })
        .collect();
    format!("there is no {}: there is {}", shown(kinds), forms.join(", "))
}
