//! Variables, their fields, and what stands in maps and lists.

use super::{Checker, Typed};
use crate::cel::environment::{Declared, Field, Variable};
use crate::cel::issue::Span;
use crate::cel::program::Node;
use crate::cel::syntax::{Expr, Kind, Literal};
use crate::cel::types::{One, Open, Type};
use crate::cel::value::Value;

/// What types are called in expressions, and what they call themselves.
const TYPES: &[(&str, &str)] = &[
    ("bool", "bool"),
    ("bytes", "bytes"),
    ("double", "double"),
    ("google.protobuf.Duration", "google.protobuf.Duration"),
    ("google.protobuf.Timestamp", "google.protobuf.Timestamp"),
    ("int", "int"),
    ("list", "list"),
    ("map", "map"),
    ("net.CIDR", "net.CIDR"),
    ("net.IP", "net.IP"),
    ("null_type", "null_type"),
    ("string", "string"),
    ("type", "type"),
    ("uint", "uint"),
];

impl<'e> Checker<'e> {
    pub(super) fn name(&mut self, name: &str, absolute: bool, at: Span) -> Typed {
        let local = self.locals.iter().rposition(|(known, _)| known == name);
        if let Some(index) = local.filter(|_| !absolute)
            && let Some((_, kind)) = self.locals.get(index)
        {
            return Typed::new(Node::Local(index), kind.clone());
        }
        if let Some(variable) = self.environment.variable(name) {
            return self.variable(variable, at);
        }
        if let Some(kind) = type_named(name) {
            return kind;
        }
        let mut known = Vec::new();
        for variable in self.environment.variables() {
            known.push(variable.name);
        }
        let meant = self.meant(name, &known, Some("there is"));
        self.refused(at, &format!("no such variable `{name}`{meant}"))
    }

    /// What to say behind a name that is not `known`: which was probably meant, or else which there are, where it is said what to call them.
    #[inline(never)]
    pub(super) fn meant(&self, name: &str, known: &[&str], otherwise: Option<&str>) -> String {
        match (self.environment.nearest(name, known), otherwise) {
            (Some(meant), _) => format!(": did you mean `{meant}`?"),
            (None, Some(otherwise)) => format!(": {otherwise} {}", known.join(", ")),
            (None, None) => String::new(),
        }
    }

    fn variable(&mut self, variable: &Variable<'_>, at: Span) -> Typed {
        match &variable.declared {
            Declared::Value(kind, id) => {
                self.reads.ids.push(*id);
                Typed::new(Node::Read(*id), kind.clone())
            }
            Declared::Refused(why) => self.refused(at, why),
            Declared::Object { .. } => {
                let message = format!(
                    "`{name}` is no value by itself: name one of its fields, as in `{name}.{field}`",
                    name = variable.name,
                    field = variable.first_field()
                );
                self.refused(at, &message)
            }
        }
    }

    pub(super) fn select(&mut self, expr: &Expr, of: &Expr, field: &str, field_at: Span) -> Typed {
        if let Some(path) = self.path(expr) {
            if let Some(variable) = self.environment.variable(&path) {
                return self.variable(variable, expr.at);
            }
            if let Some(kind) = type_named(&path) {
                return kind;
            }
        }
        if let Some((variable, declared)) = self.object(of) {
            return self.field(variable, declared, field, field_at);
        }
        let whole = self.check(of);
        match self.entry(&whole, field, field_at) {
            Ok(kind) => {
                self.note_key(&whole.node, field);
                self.folded(Node::Select(Box::new(whole.node), field.into()), kind, expr.at)
            }
            Err(wrong) => wrong,
        }
    }

    /// `has(…)` of a field, or of a text as index.
    pub(super) fn has(&mut self, argument: &Expr, at: Span) -> Typed {
        let (of, name, name_at) = match &argument.kind {
            Kind::Select { of, field, field_at } => (of, field, *field_at),
            Kind::Index { of, index } => match &index.kind {
                Kind::Literal(Literal::Text(name)) => (of, name, index.at),
                _ => return self.refused(argument.at, HAS),
            },
            _ => return self.refused(argument.at, HAS),
        };
        if let Some((variable, declared)) = self.object(of) {
            let node = match self.field(variable, declared, name, name_at).node {
                Node::Read(id) => Node::HasRead(id),
                Node::Member(id, name) => Node::HasMember(id, name),
                other => other,
            };
            return Typed::new(node, Type::Bool);
        }
        let whole = self.check(of);
        match self.entry(&whole, name, name_at) {
            Ok(_) => {
                self.note_key(&whole.node, name);
                let node = Node::HasKey(Box::new(whole.node), name.as_str().into());
                self.folded(node, Type::Bool, at)
            }
            Err(wrong) => wrong,
        }
    }

    pub(super) fn index(&mut self, of: &Expr, index: &Expr) -> Typed {
        let at = of.at.to(index.at);
        if let Some((variable, declared)) = self.object(of) {
            if let Kind::Literal(Literal::Text(name)) = &index.kind {
                return self.field(variable, declared, name, index.at);
            }
            let computed = self.check(index);
            let Declared::Object { open: Some(id), .. } = declared else {
                return self.refused(index.at, &format!("a field of `{}` is named by a text", variable.name));
            };
            if !computed.kind.may_be(&Type::String) {
                return self.refused(index.at, &format!("a name is a `string`, not {}", One(&computed.kind)));
            }
            self.reads.ids.push(*id);
            self.reads.members.push((*id, None));
            return Typed::new(Node::MemberAt(*id, Box::new(computed.node)), Type::Dyn);
        }
        let whole = self.check(of);
        let place = self.check(index);
        if let Node::Constant(Value::String(key)) = &place.node {
            self.note_key(&whole.node, key);
        }
        let (wanted, kind) = match &whole.kind {
            Type::List(of) => (&Type::Int, (**of).clone()),
            Type::Map(key, value) => (&**key, (**value).clone()),
            Type::Dyn => (&Type::Dyn, Type::Dyn),
            other => return self.refused(of.at, &format!("{} has no index: lists and maps have", One(other))),
        };
        if !place.kind.may_equal(wanted) {
            let message = format!(
                "this index is {}, and `{}` takes {}",
                One(&place.kind),
                whole.kind,
                One(wanted)
            );
            return self.refused(index.at, &message);
        }
        self.folded(Node::Index(Box::new([whole.node, place.node])), kind, at)
    }

    /// The type of what stands in a map for this key.
    fn entry(&mut self, whole: &Typed, field: &str, at: Span) -> Result<Type, Typed> {
        match &whole.kind {
            Type::Dyn => Ok(Type::Dyn),
            Type::Map(key, value) if key.may_be(&Type::String) => Ok((**value).clone()),
            other => {
                let message = format!("{} has no field `{field}`", One(other));
                Err(self.refused(at, &message))
            }
        }
    }

    /// A variable with fields, where that is what an expression is.
    fn object(&self, expr: &Expr) -> Option<(&'e Variable<'e>, &'e Declared<'e>)> {
        let path = self.path(expr)?;
        let variable = self.environment.variable(&path)?;
        matches!(variable.declared, Declared::Object { .. }).then_some((variable, &variable.declared))
    }

    fn field(&mut self, variable: &Variable<'_>, declared: &Declared<'_>, field: &str, at: Span) -> Typed {
        let Declared::Object { fields, open } = declared else {
            return self.refused(at, &format!("`{}` has no fields", variable.name));
        };
        match (fields.iter().find(|known| known.name == field), open) {
            (Some(Field { refused: Some(why), .. }), _) => self.refused(at, why),
            (Some(known), _) => {
                self.reads.ids.push(known.id);
                Typed::new(Node::Read(known.id), known.kind.to_type(&Open::default()))
            }
            (None, Some(id)) => {
                self.reads.ids.push(*id);
                self.reads.members.push((*id, Some(field.into())));
                Typed::new(Node::Member(*id, field.into()), Type::Dyn)
            }
            (None, None) => {
                let mut names = Vec::new();
                for field in *fields {
                    names.push(field.name);
                }
                let message = if names.is_empty() {
                    format!("`{}` has no fields here", variable.name)
                } else {
                    let meant = self.meant(field, &names, Some("it has"));
                    format!("`{}` has no field `{field}`{meant}", variable.name)
                };
                self.refused(at, &message)
            }
        }
    }

    /// Remembers that a variable is looked into by this key.
    fn note_key(&mut self, whole: &Node, key: &str) {
        if let Node::Read(id) = whole {
            self.reads.keys.push((*id, key.into()));
        }
    }

    /// A name with dots, where an expression is nothing else and no loop has it as a variable.
    pub(super) fn path(&self, expr: &Expr) -> Option<String> {
        match &expr.kind {
            Kind::Name { name, absolute } => {
                let is_local = self.locals.iter().any(|(known, _)| known == name);
                (*absolute || !is_local).then(|| name.clone())
            }
            Kind::Select { of, field, .. } => Some(format!("{}.{field}", self.path(of)?)),
            _ => None,
        }
    }
}

const HAS: &str = "`has()` takes a field, as in `has(token.department)`";

impl Variable<'_> {
    fn first_field(&self) -> &str {
        match &self.declared {
            Declared::Object { fields, .. } => fields.first().map_or("name", |field| field.name),
            _ => "name",
        }
    }
}

fn type_named(name: &str) -> Option<Typed> {
    let (_, name) = TYPES.iter().find(|(known, _)| *known == name)?;
    Some(Typed::new(Node::Constant(Value::Type(name)), Type::Type))
}
