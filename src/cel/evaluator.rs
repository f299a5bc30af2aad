//! The value of a program. It goes as deep as the expression does, which the parser bounds, and works as much as its budget allows.

use super::environment::Variables;
use super::fault::{Budget, Fault};
use super::functions;
use super::operators;
use super::program::{Call, Loop, LoopKind, Node};
use super::relation::{self, charge_all, charge_made};
use super::syntax::Operator;
use super::value::{Map, Value};

pub(super) struct Evaluation<'a, 'b> {
    variables: &'a dyn Variables,
    budget: &'b mut Budget,
    /// What the loops are at, the outermost first.
    locals: Vec<Value<'a>>,
}

impl<'a, 'b> Evaluation<'a, 'b> {
    pub(super) fn new(variables: &'a dyn Variables, budget: &'b mut Budget) -> Self {
        Self {
            variables,
            budget,
            locals: Vec::new(),
        }
    }

    /// The value of a node that is true or false.
    pub(super) fn truth(&mut self, node: &'a Node) -> Result<bool, Fault> {
        match node {
            Node::And(parts) => self.junction(parts, false),
            Node::Or(parts) => self.junction(parts, true),
            Node::Not(part) => self.truth(part).map(|holds| !holds),
            Node::Binary(operator, sides) => match self.relation(*operator, sides) {
                Some(holds) => holds,
                None => Err(Fault::NoSuchOverload),
            },
            Node::HasRead(id) => {
                self.budget.charge(1)?;
                let read = self.variables.read(*id, self.budget);
                is_there(self.paid(read))
            }
            Node::HasMember(id, name) => {
                self.budget.charge(1)?;
                let read = self.variables.member(*id, name);
                is_there(self.paid(read))
            }
            Node::HasKey(of, key) => {
                let Value::Map(map) = self.value(of)? else {
                    return Err(Fault::NoSuchOverload);
                };
                relation::look_up(&map, &Value::text(key), self.budget).map(|found| found.is_some())
            }
            other => match self.value(other)? {
                Value::Bool(holds) => Ok(holds),
                _ => Err(Fault::NoSuchOverload),
            },
        }
    }

    pub(super) fn value(&mut self, node: &'a Node) -> Result<Value<'a>, Fault> {
        self.budget.charge(1)?;
        match node {
            Node::Constant(value) => Ok(value.reborrow()),
            Node::Read(id) => {
                let read = self.variables.read(*id, self.budget);
                self.paid(read)
            }
            Node::Member(id, name) => {
                let read = self.variables.member(*id, name);
                self.paid(read)
            }
            Node::MemberAt(id, name) => match self.value(name)? {
                Value::String(name) => {
                    let read = self.variables.member(*id, &name);
                    self.paid(read)
                }
                _ => Err(Fault::NoSuchKey),
            },
            Node::Local(index) => self.locals.get(*index).cloned().ok_or(Fault::Absent),
            Node::Select(of, field) => match self.value(of)? {
                Value::Map(map) => self.look_up(&map, &Value::text(field)),
                _ => Err(Fault::NoSuchOverload),
            },
            Node::Index(sides) => {
                let [of, index] = &**sides;
                let of = self.value(of)?;
                let index = self.value(index)?;
                self.index(&of, &index)
            }
            Node::Negate(of) => operators::negate(&self.value(of)?),
            Node::If(parts) => {
                let [condition, yes, no] = &**parts;
                let part = if self.truth(condition)? { yes } else { no };
                self.value(part)
            }
            Node::Binary(operator, sides) => match self.relation(*operator, sides) {
                Some(holds) => holds.map(Value::Bool),
                None => {
                    let [left, right] = &**sides;
                    let left = self.value(left)?;
                    let right = self.value(right)?;
                    operators::combine(*operator, &left, &right, self.budget)
                }
            },
            Node::List(items) => {
                let values: Result<Vec<_>, _> = items.iter().map(|item| self.value(item)).collect();
                Ok(Value::list(values?))
            }
            Node::Map(entries) => self.map(entries),
            Node::Call(call) => self.call(call),
            Node::Loop(each) => self.each(each),
            Node::And(_) | Node::Or(_) | Node::Not(_) | Node::HasRead(_) | Node::HasMember(..) | Node::HasKey(..) => {
                self.truth(node).map(Value::Bool)
            }
        }
    }

    /// What was read, paid for: it may have been made for this read.
    fn paid(&mut self, read: Result<Value<'a>, Fault>) -> Result<Value<'a>, Fault> {
        let value = read?;
        charge_made(&value, self.budget)?;
        Ok(value)
    }

    /// `&&` and `||`: a part that settles the matter does so wherever it stands, and whatever the others fail with.
    fn junction(&mut self, parts: &'a [Node], settled: bool) -> Result<bool, Fault> {
        let mut fault = None;
        for part in parts {
            match self.truth(part) {
                Ok(holds) if holds == settled => return Ok(settled),
                Ok(_) => {}
                // There is nothing left to look at the others with.
                Err(Fault::TooCostly) => return Err(Fault::TooCostly),
                Err(other) => fault = fault.or(Some(other)),
            }
        }
        fault.map_or(Ok(!settled), Err)
    }

    /// A comparison, or the search of a list or map; `None` for any other operator.
    fn relation(&mut self, operator: Operator, sides: &'a [Node; 2]) -> Option<Result<bool, Fault>> {
        use Operator as O;
        match operator {
            O::Equal | O::NotEqual | O::Less | O::LessOrEqual | O::Greater | O::GreaterOrEqual | O::In => {
                Some(self.compare(operator, sides))
            }
            O::Add | O::Subtract | O::Multiply | O::Divide | O::Modulo => None,
        }
    }

    fn compare(&mut self, operator: Operator, [left, right]: &'a [Node; 2]) -> Result<bool, Fault> {
        let left = self.value(left)?;
        let right = self.value(right)?;
        let order = match operator {
            Operator::Equal => return relation::equal(&left, &right, self.budget),
            Operator::NotEqual => return relation::equal(&left, &right, self.budget).map(|equal| !equal),
            Operator::In => return self.contains(&right, &left),
            _ => relation::order(&left, &right, self.budget)?,
        };
        Ok(order.is_some_and(|order| match operator {
            Operator::Less => order.is_lt(),
            Operator::LessOrEqual => order.is_le(),
            Operator::Greater => order.is_gt(),
            _ => order.is_ge(),
        }))
    }

    fn contains(&mut self, whole: &Value<'a>, wanted: &Value<'a>) -> Result<bool, Fault> {
        match whole {
            Value::List(list) => {
                for item in list.iter() {
                    self.budget.charge(1)?;
                    if relation::equal(&item, wanted, self.budget)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            Value::Map(map) => match relation::look_up(map, wanted, self.budget) {
                Ok(found) => Ok(found.is_some()),
                // What cannot be a key is not there.
                Err(Fault::NoSuchKey) => Ok(false),
                Err(other) => Err(other),
            },
            _ => Err(Fault::NoSuchOverload),
        }
    }

    fn look_up(&mut self, map: &Map<'a>, key: &Value<'_>) -> Result<Value<'a>, Fault> {
        relation::look_up(map, key, self.budget)?.ok_or(Fault::NoSuchKey)
    }

    #[inline(never)]
    fn index(&mut self, of: &Value<'a>, index: &Value<'a>) -> Result<Value<'a>, Fault> {
        match of {
            Value::Map(map) => self.look_up(map, index),
            Value::List(list) => {
                let place = match index {
                    Value::Int(place) => usize::try_from(*place).ok(),
                    Value::Uint(place) => usize::try_from(*place).ok(),
                    Value::Double(place) => whole(*place),
                    _ => return Err(Fault::NoSuchOverload),
                };
                place.and_then(|place| list.get(place)).ok_or(Fault::OutOfRange)
            }
            _ => Err(Fault::NoSuchOverload),
        }
    }

    #[inline(never)]
    fn map(&mut self, entries: &'a [(Node, Node)]) -> Result<Value<'a>, Fault> {
        let mut pairs: Vec<(Value<'a>, Value<'a>)> = Vec::with_capacity(entries.len());
        for (key, value) in entries {
            let key = self.value(key)?;
            if !matches!(key, Value::Bool(_) | Value::Int(_) | Value::Uint(_) | Value::String(_)) {
                return Err(Fault::InvalidArgument("a key is a bool, an int, a uint or a string"));
            }
            self.budget.charge(pairs.len() / 4)?;
            if pairs.iter().any(|(known, _)| relation::same_key(known, &key)) {
                return Err(Fault::InvalidArgument("a key stands in a map once"));
            }
            pairs.push((key, self.value(value)?));
        }
        Ok(Value::map(pairs))
    }

    fn call(&mut self, call: &'a Call) -> Result<Value<'a>, Fault> {
        match &*call.arguments {
            [] => self.run(call, &[]),
            [a] => {
                let arguments = [self.value(a)?];
                self.run(call, &arguments)
            }
            [a, b] => {
                let arguments = [self.value(a)?, self.value(b)?];
                self.run(call, &arguments)
            }
            more => {
                let arguments: Result<Vec<_>, _> = more.iter().map(|argument| self.value(argument)).collect();
                self.run(call, &arguments?)
            }
        }
    }

    #[inline(never)]
    fn run(&mut self, call: &'a Call, arguments: &[Value<'a>]) -> Result<Value<'a>, Fault> {
        let mut candidates = call.functions.iter();
        let (function, prepared) = candidates
            .find(|(function, _)| call.known || function.takes(arguments))
            .ok_or(Fault::NoSuchOverload)?;
        let mut context = functions::Call {
            budget: self.budget,
            prepared: prepared.as_deref(),
        };
        function.call(&mut context, arguments)
    }

    /// A loop over a list, or over the keys of a map.
    #[inline(never)]
    fn each(&mut self, each: &'a Loop) -> Result<Value<'a>, Fault> {
        let over = self.value(&each.over)?;
        let mut state = State::default();
        let ended = match &over {
            Value::List(list) => list.iter().zip(0_i64..).try_for_each(|(item, index)| {
                let first = each.pairs.then_some(Value::Int(index));
                self.step(each, first, item, &mut state)
            }),
            Value::Map(map) => {
                charge_all(map, self.budget)?;
                let pairs = relation::pairs(map, self.budget)?;
                pairs.iter().try_for_each(|(key, value)| {
                    if each.pairs {
                        self.step(each, Some(key.clone()), value.clone(), &mut state)
                    } else {
                        self.step(each, None, key.clone(), &mut state)
                    }
                })
            }
            _ => return Err(Fault::NoSuchOverload),
        };
        match ended {
            Err(Exit::Settled) => Ok(Value::Bool(each.kind == LoopKind::Exists)),
            Err(Exit::Fault(fault)) => Err(fault),
            Ok(()) => state.result(each.kind),
        }
    }

    /// One turn of a loop.
    fn step(
        &mut self,
        each: &'a Loop,
        first: Option<Value<'a>>,
        item: Value<'a>,
        state: &mut State<'a>,
    ) -> Result<(), Exit> {
        self.budget.charge(1)?;
        let depth = self.locals.len();
        let key = first.clone();
        self.locals.extend(first);
        self.locals.push(item.clone());
        let result = self.weigh(each, key, item, state);
        self.locals.truncate(depth);
        result
    }

    fn weigh(
        &mut self,
        each: &'a Loop,
        key: Option<Value<'a>>,
        item: Value<'a>,
        state: &mut State<'a>,
    ) -> Result<(), Exit> {
        let holds = each
            .predicate
            .as_ref()
            .map_or(Ok(true), |predicate| self.truth(predicate));
        match (each.kind, holds) {
            (_, Err(Fault::TooCostly)) => return Err(Exit::Fault(Fault::TooCostly)),
            (LoopKind::All, Ok(false)) | (LoopKind::Exists, Ok(true)) => return Err(Exit::Settled),
            (LoopKind::All | LoopKind::Exists, Err(fault)) => state.fault = state.fault.or(Some(fault)),
            (_, Err(fault)) => return Err(Exit::Fault(fault)),
            (LoopKind::ExistsOne, Ok(true)) => state.count = state.count.saturating_add(1),
            (LoopKind::List | LoopKind::Map, Ok(true)) => {
                let value = match &each.transform {
                    Some(transform) => self.value(transform)?,
                    None => item,
                };
                match key.filter(|_| each.kind == LoopKind::Map) {
                    Some(key) => state.pairs.push((key, value)),
                    None => state.items.push(value),
                }
            }
            (_, Ok(_)) => {}
        }
        Ok(())
    }
}

/// Why a loop ends early.
enum Exit {
    /// An item has settled the matter.
    Settled,
    Fault(Fault),
}

impl From<Fault> for Exit {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

/// What a loop has come to so far.
#[derive(Default)]
struct State<'a> {
    fault: Option<Fault>,
    count: usize,
    items: Vec<Value<'a>>,
    pairs: Vec<(Value<'a>, Value<'a>)>,
}

impl<'a> State<'a> {
    /// What a loop comes to that no item has settled.
    fn result(self, kind: LoopKind) -> Result<Value<'a>, Fault> {
        match (kind, self.fault) {
            (_, Some(fault)) => Err(fault),
            (LoopKind::All, None) => Ok(Value::Bool(true)),
            (LoopKind::Exists, None) => Ok(Value::Bool(false)),
            (LoopKind::ExistsOne, None) => Ok(Value::Bool(self.count == 1)),
            (LoopKind::List, None) => Ok(Value::list(self.items)),
            (LoopKind::Map, None) => Ok(Value::map(self.pairs)),
        }
    }
}

fn is_there(read: Result<Value<'_>, Fault>) -> Result<bool, Fault> {
    match read {
        Ok(_) => Ok(true),
        Err(Fault::Absent) => Ok(false),
        Err(other) => Err(other),
    }
}

/// The place that a number says, where it is a whole one.
fn whole(place: f64) -> Option<usize> {
    if place.fract() != 0.0 || !(0.0..4_294_967_296.0).contains(&place) {
        return None;
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it is whole, and fits into 32 bits"
    )]
    let place = place as u32;
    usize::try_from(place).ok()
}
