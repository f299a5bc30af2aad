//! The functions that expressions can call.
//!
//! A function is one [`Function`] in a table; [`ALL`] lists the tables. To add one: write its row into the `TABLE` of a file in `functions/` (or make a file with
//! a table, and list it in [`ALL`]), with
//!
//! - its name, which may have dots (`sets.contains`, called so, and not on a receiver), and whether it is called on a receiver (`text.startsWith(…)`), which is then
//!   the first of its arguments;
//! - the types of its arguments and of its result ([`Sig`]); rows of the same name are overloads, told apart by them;
//! - what a call costs ([`Cost`]): a bound of its time and of what it allocates;
//! - what it does ([`Run`]): it gets arguments of those types, whether or not they were known before, and must not panic whatever they hold;
//! - [`prepare`](Function::prepare), where something of constant arguments is better made, or refused, once: a pattern, a time zone.
//!
//! Functions are pure: a call whose arguments are constants is made once, when the expression is compiled.

mod basics;
mod convert;
mod network;
mod pattern;
mod sets;
mod strings;
mod time;
mod versions;

use core::any::Any;
use core::net::IpAddr;
use std::rc::Rc;

use ipnet::IpNet;
use jiff::SignedDuration;

use super::fault::{Budget, Fault};
use super::relation::charge_all;
use super::types::Sig;
use super::value::{List, Map, Text, Timestamp, Value};

/// Each table of functions.
pub const ALL: &[&[Function]] = &[
    basics::TABLE,
    convert::TABLE,
    network::TABLE,
    sets::TABLE,
    strings::TABLE,
    time::TABLE,
    time::CLOCK,
    versions::TABLE,
];

/// A function.
#[derive(Debug)]
pub struct Function {
    /// Its name.
    pub name: &'static str,
    /// Whether it is called on its first argument: `first.name(rest)`.
    pub receiver: bool,
    /// The types of its arguments, that of the receiver first.
    pub arguments: &'static [Sig],
    /// The type of its result.
    pub result: Sig,
    /// What a call costs beside the one unit that each does.
    pub cost: Cost,
    /// Why a policy may not call it, and what to write instead; it is still there for expressions that are no policy's.
    pub refused: Option<&'static str>,
    /// Makes ready, once, what is the same for each call.
    pub prepare: Option<Prepare>,
    /// Its work.
    pub run: Run,
}

impl Function {
    /// A function of so many units, with nothing to prepare.
    #[must_use]
    pub const fn new(name: &'static str, arguments: &'static [Sig], result: Sig, run: Run) -> Self {
        Self {
            name,
            receiver: false,
            arguments,
            result,
            cost: Cost::Fixed(0),
            refused: None,
            prepare: None,
            run,
        }
    }

    /// The same on a receiver.
    #[must_use]
    pub const fn method(name: &'static str, arguments: &'static [Sig], result: Sig, run: Run) -> Self {
        Self {
            receiver: true,
            ..Self::new(name, arguments, result, run)
        }
    }

    /// The same, at this cost.
    #[must_use]
    pub const fn cost(self, cost: Cost) -> Self {
        Self { cost, ..self }
    }

    /// The same, which no policy may call, and what to write instead.
    #[must_use]
    pub const fn refused(self, instead: &'static str) -> Self {
        Self {
            refused: Some(instead),
            ..self
        }
    }

    /// The same, with something to make ready.
    #[must_use]
    pub const fn prepare(self, prepare: Prepare) -> Self {
        Self {
            prepare: Some(prepare),
            ..self
        }
    }
}

/// What a call costs, beside the one unit that each does. A function may charge for more while it works: [`Call::budget`].
#[derive(Clone, Copy, Debug)]
pub enum Cost {
    /// Always so many units.
    Fixed(usize),
    /// By the bytes of texts and data, and one for each four items of lists and maps, of all arguments: what is looked at, or copied, once.
    Linear,
}

/// What is made of constant arguments.
pub type Prepared = Rc<dyn Any>;

/// Makes something of the arguments that are constant (`None`: the others), which each call then finds in [`Call::prepared`]; `None` where there is nothing to
/// make. The error says which argument cannot be right, and why.
pub type Prepare = fn(&[Option<&Value<'static>>]) -> Result<Option<Prepared>, (usize, String)>;

/// What a function does with its arguments.
pub type Run = for<'a> fn(&mut Call<'_>, Arguments<'_, 'a>) -> Result<Value<'a>, Fault>;

/// What a function may use while it works.
pub struct Call<'c> {
    /// What the evaluation may still cost.
    pub budget: &'c mut Budget,
    pub(super) prepared: Option<&'c dyn Any>,
}

impl Call<'_> {
    /// What [`Function::prepare`] has made for this call.
    #[must_use]
    pub fn prepared<T: 'static>(&self) -> Option<&T> {
        self.prepared?.downcast_ref()
    }
}

/// The arguments of a call. What is asked for as another type than it has, or is not there, is [`Fault::NoSuchOverload`]: that does not happen where a function
/// asks for what its row says.
#[derive(Clone, Copy, Debug)]
pub struct Arguments<'v, 'a>(pub(super) &'v [Value<'a>]);

macro_rules! arguments {
    ($($name:ident: $variant:ident -> $type:ty,)*) => {
        $(
            #[doc = concat!("The argument at this index, as a `", stringify!($name), "`.")]
            ///
            /// # Errors
            /// It is of another type.
            pub fn $name(&self, index: usize) -> Result<$type, Fault> {
                match self.0.get(index) {
                    Some(Value::$variant(value)) => Ok(value),
                    _ => Err(Fault::NoSuchOverload),
                }
            }
        )*
    };
}

impl<'v, 'a> Arguments<'v, 'a> {
    arguments! {
        bool: Bool -> &'v bool,
        int: Int -> &'v i64,
        uint: Uint -> &'v u64,
        double: Double -> &'v f64,
        text: String -> &'v Text<'a>,
        bytes: Bytes -> &'v super::value::Held<'a, [u8]>,
        timestamp: Timestamp -> &'v Timestamp,
        duration: Duration -> &'v SignedDuration,
        ip: Ip -> &'v IpAddr,
        cidr: Cidr -> &'v IpNet,
        version: Version -> &'v Text<'a>,
        list: List -> &'v List<'a>,
        map: Map -> &'v Map<'a>,
    }

    /// The argument at this index, whatever it is.
    ///
    /// # Errors
    /// There are not as many.
    pub fn value(&self, index: usize) -> Result<&'v Value<'a>, Fault> {
        self.0.get(index).ok_or(Fault::NoSuchOverload)
    }
}

impl Function {
    /// Makes the call, for arguments of its types.
    pub(super) fn call<'a>(&self, call: &mut Call<'_>, arguments: &[Value<'a>]) -> Result<Value<'a>, Fault> {
        match self.cost {
            Cost::Fixed(units) => call.budget.charge(units)?,
            Cost::Linear => {
                for argument in arguments {
                    match argument {
                        Value::String(text) | Value::Version(text) => call.budget.charge_bytes(text.len())?,
                        Value::Bytes(bytes) => call.budget.charge_bytes(bytes.len())?,
                        Value::List(list) => call.budget.charge(list.len() / 4)?,
                        Value::Map(map) => charge_all(map, call.budget)?,
                        _ => {}
                    }
                }
            }
        }
        (self.run)(call, Arguments(arguments))
    }

    /// Whether it takes these values: open types take any.
    pub(super) fn takes(&self, values: &[Value<'_>]) -> bool {
        self.arguments.len() == values.len() && self.arguments.iter().zip(values).all(|(sig, value)| sig.fits(value))
    }
}

impl Sig {
    /// Whether a value is of this type, as far as it can be told without looking into it.
    fn fits(self, value: &Value<'_>) -> bool {
        matches!(
            (self, value),
            (Self::Dyn | Self::A | Self::B, _)
                | (Self::Null, Value::Null)
                | (Self::Bool, Value::Bool(_))
                | (Self::Int, Value::Int(_))
                | (Self::Uint, Value::Uint(_))
                | (Self::Double, Value::Double(_))
                | (Self::String, Value::String(_))
                | (Self::Bytes, Value::Bytes(_))
                | (Self::Timestamp, Value::Timestamp(_))
                | (Self::Duration, Value::Duration(_))
                | (Self::Ip, Value::Ip(_))
                | (Self::Cidr, Value::Cidr(_))
                | (Self::Version, Value::Version(_))
                | (Self::Type, Value::Type(_))
                | (Self::List(_), Value::List(_))
                | (Self::Map(..), Value::Map(_))
        )
    }
}

#[cfg(test)]
mod tests;
