//! Calls: which function it is, and which of its overloads.

use super::{Checker, Typed};
use crate::cel::functions::{Function, Prepared};
use crate::cel::issue::Span;
use crate::cel::program::{Call, Node};
use crate::cel::syntax;
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
        let argument = |index: usize| match (receiver, index.checked_sub(usize::from(is_method))) {
            (Some(receiver), None) => Some(receiver),
            (_, index) => call.arguments.get(index?),
        };
        let count = call.arguments.len().saturating_add(usize::from(is_method));
        let mut named = Vec::new();
        for function in self.environment.functions() {
            if function.name == name && function.receiver == is_method {
                named.push(function);
            }
        }
        if named.is_empty() {
            let message = self.unknown(name, is_method, count);
            return self.refused(call.name_at, &message);
        }
        let (mut arguments, mut kinds) = (Vec::with_capacity(count), Vec::with_capacity(count));
        for expr in (0..count).filter_map(argument) {
            let Typed { node, kind } = self.check(expr);
            arguments.push(node);
            kinds.push(kind);
        }
        // Of the overloads that take them, those that may be called, and what the first of the others has to say; the type that all of the former have.
        let mut allowed: Vec<(&'static Function, Option<Prepared>)> = Vec::new();
        let (mut instead, mut whole) = (None, None);
        for function in &named {
            let Some(kind) = function.result_for(&kinds) else {
                continue;
            };
            if self.environment.strict && function.refused.is_some() {
                instead = instead.or(function.refused);
                continue;
            }
            allowed.push((*function, None));
            whole = Some(match whole {
                Some(known) if known != kind => Type::Dyn,
                _ => kind,
            });
        }
        let Some(kind) = whole else {
            let message = match instead {
                Some(instead) => instead.to_owned(),
                None => does_not_take(name, is_method, &kinds, &named),
            };
            return self.refused(call.name_at, &message);
        };
        let is_only = allowed.len() == 1;
        for (function, made) in &mut allowed {
            match prepared(function, &arguments) {
                Ok(ready) => *made = ready,
                Err((index, message)) if is_only => {
                    let place = argument(index).map_or(at, |expr| expr.at);
                    return self.refused(place, &message);
                }
                // Whether it is this one is known when it is evaluated; then it fails.
                Err(_) => {}
            }
        }
        let node = Call {
            functions: allowed.into(),
            known: is_only && !kinds.contains(&Type::Dyn),
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
        let mut same = Vec::new();
        for function in self.environment.functions() {
            if function.receiver == is_method {
                same.push(function.name);
            }
        }
        same.extend_from_slice(MACROS);
        let meant = self.meant(name, &same, None);
        format!("no such function `{name}`{meant}")
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
    let mut message = String::from("there is no ");
    show(&mut message, name, is_method, kinds);
    let mut before = ": there is ";
    for function in functions {
        if function.refused.is_none() {
            message.push_str(before);
            before = ", ";
            let kinds = function.arguments.iter().map(|sig| sig.to_type(&Open::default()));
            show(&mut message, name, is_method, &kinds.collect::<Vec<_>>());
        }
    }
    message
}

/// A call with arguments of these types, as it is written.
fn show(message: &mut String, name: &str, is_method: bool, kinds: &[Type]) {
    let (receiver, arguments) = match kinds.split_first() {
        Some((receiver, rest)) if is_method => (format!("{receiver}."), rest),
        _ => (String::new(), kinds),
    };
    let mut before = "";
    message.extend(["`", &receiver, name, "("]);
    for kind in arguments {
        message.extend([before, &kind.to_string()]);
        before = ", ";
    }
    message.push_str(")`");
}
