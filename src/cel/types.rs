//! The types of expressions.

use core::fmt;
use std::rc::Rc;

/// The type of an expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Type {
    /// Any of the others: it is known when the expression is evaluated.
    Dyn,
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool,
    /// A whole number of 64 bits.
    Int,
    /// A whole number of 64 bits without a sign.
    Uint,
    /// A binary floating-point number of 64 bits.
    Double,
    /// Unicode text.
    String,
    /// Bytes.
    Bytes,
    /// A point in time.
    Timestamp,
    /// A length of time.
    Duration,
    /// An IP address.
    Ip,
    /// A network.
    Cidr,
    /// A version, as of an operating system.
    Version,
    /// A type.
    Type,
    /// A list of values of this type.
    List(Rc<Type>),
    /// Keys of one type, and values of another.
    Map(Rc<Type>, Rc<Type>),
}

impl Type {
    /// A list of these.
    #[must_use]
    pub fn list(of: Self) -> Self {
        Self::List(Rc::new(of))
    }

    /// A map from these to those.
    #[must_use]
    pub fn map(key: Self, value: Self) -> Self {
        Self::Map(Rc::new(key), Rc::new(value))
    }

    /// Whether a value of this type may be one of `other`, too: the same type, or one of them is [`Dyn`](Self::Dyn).
    #[must_use]
    pub fn may_be(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Dyn, _) | (_, Self::Dyn) => true,
            (Self::List(a), Self::List(b)) => a.may_be(b),
            (Self::Map(a, x), Self::Map(b, y)) => a.may_be(b) && x.may_be(y),
            (a, b) => a == b,
        }
    }

    /// Whether values of the two can be equal: numbers of any type can.
    #[must_use]
    pub fn may_equal(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::List(a), Self::List(b)) => a.may_equal(b),
            (Self::Map(a, x), Self::Map(b, y)) => a.may_equal(b) && x.may_equal(y),
            (a, b) => a.may_be(b) || a.is_number() && b.is_number(),
        }
    }

    /// Whether values of it have an order among themselves.
    #[must_use]
    pub fn is_ordered(&self) -> bool {
        matches!(
            self,
            Self::Dyn | Self::Bool | Self::String | Self::Bytes | Self::Timestamp | Self::Duration | Self::Version
        ) || self.is_number()
    }

    /// Whether it is a type of numbers.
    #[must_use]
    pub fn is_number(&self) -> bool {
        matches!(self, Self::Int | Self::Uint | Self::Double)
    }

    /// The type that holds what either does.
    #[must_use]
    pub fn join(&self, other: &Self) -> Self {
        match (self, other) {
            (Self::List(a), Self::List(b)) => Self::list(a.join(b)),
            (Self::Map(a, x), Self::Map(b, y)) => Self::map(a.join(b), x.join(y)),
            (a, b) if a == b => a.clone(),
            _ => Self::Dyn,
        }
    }
}

/// A type with its article, for messages.
pub(super) struct One<'t>(pub(super) &'t Type);

impl fmt::Display for One<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let article = if matches!(self.0, Type::Int | Type::Ip) {
            "an"
        } else {
            "a"
        };
        write!(out, "{article} `{}`", self.0)
    }
}

impl fmt::Display for Type {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Dyn => "dyn",
            Self::Null => "null",
            Self::Bool => "bool",
            Self::Int => "int",
            Self::Uint => "uint",
            Self::Double => "double",
            Self::String => "string",
            Self::Bytes => "bytes",
            Self::Timestamp => "timestamp",
            Self::Duration => "duration",
            Self::Ip => "ip",
            Self::Cidr => "cidr",
            Self::Version => "version",
            Self::Type => "type",
            Self::List(of) => return write!(out, "list({of})"),
            Self::Map(key, value) => return write!(out, "map({key}, {value})"),
        })
    }
}

/// A type as tables of functions and variables write it: it needs no allocation, and may leave types open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sig {
    /// [`Type::Dyn`]: a function that takes it takes anything.
    Dyn,
    /// [`Type::Null`].
    Null,
    /// [`Type::Bool`].
    Bool,
    /// [`Type::Int`].
    Int,
    /// [`Type::Uint`].
    Uint,
    /// [`Type::Double`].
    Double,
    /// [`Type::String`].
    String,
    /// [`Type::Bytes`].
    Bytes,
    /// [`Type::Timestamp`].
    Timestamp,
    /// [`Type::Duration`].
    Duration,
    /// [`Type::Ip`].
    Ip,
    /// [`Type::Cidr`].
    Cidr,
    /// [`Type::Version`].
    Version,
    /// [`Type::Type`].
    Type,
    /// [`Type::List`].
    List(&'static Sig),
    /// [`Type::Map`].
    Map(&'static Sig, &'static Sig),
    /// Whatever type it is, the same at each place of one function.
    A,
    /// As [`A`](Self::A).
    B,
}

/// What the open types of one call stand for.
#[derive(Default)]
pub(super) struct Open {
    a: Option<Type>,
    b: Option<Type>,
}

impl Open {
    fn slot(&mut self, sig: Sig) -> Option<&mut Option<Type>> {
        match sig {
            Sig::A => Some(&mut self.a),
            Sig::B => Some(&mut self.b),
            _ => None,
        }
    }
}

impl Sig {
    /// Whether an argument of type `given` may be passed; open types are learned on the way.
    pub(super) fn takes(self, given: &Type, open: &mut Open) -> bool {
        if let Some(slot) = open.slot(self) {
            let fits = slot.as_ref().is_none_or(|known| known.may_equal(given));
            let known = slot.take();
            *slot = Some(known.map_or_else(|| given.clone(), |known| known.join(given)));
            return fits;
        }
        match (self, given) {
            (Self::Dyn, _) | (_, Type::Dyn) => true,
            (Self::List(of), Type::List(given)) => of.takes(given, open),
            (Self::Map(key, value), Type::Map(k, v)) => key.takes(k, open) && value.takes(v, open),
            (sig, given) => sig.to_type(&Open::default()) == *given,
        }
    }

    /// The type, with what its open ones stand for.
    pub(super) fn to_type(self, open: &Open) -> Type {
        match self {
            Self::Dyn => Type::Dyn,
            Self::Null => Type::Null,
            Self::Bool => Type::Bool,
            Self::Int => Type::Int,
            Self::Uint => Type::Uint,
            Self::Double => Type::Double,
            Self::String => Type::String,
            Self::Bytes => Type::Bytes,
            Self::Timestamp => Type::Timestamp,
            Self::Duration => Type::Duration,
            Self::Ip => Type::Ip,
            Self::Cidr => Type::Cidr,
            Self::Version => Type::Version,
            Self::Type => Type::Type,
            Self::List(of) => Type::list(of.to_type(open)),
            Self::Map(key, value) => Type::map(key.to_type(open), value.to_type(open)),
            Self::A => open.a.clone().unwrap_or(Type::Dyn),
            Self::B => open.b.clone().unwrap_or(Type::Dyn),
        }
    }
}
