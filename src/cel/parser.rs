//! From tokens to a tree, by the grammar of the CEL specification.

use super::issue::{Issue, Span, Wrong};
use super::lexer::{Lexer, Token};
use super::syntax::{Call, Expr, Kind, Literal, Operator};

/// Most bytes of an expression.
pub const MAX_BYTES: usize = 16 << 10;
/// Most operators, calls, literals and names of an expression.
pub const MAX_NODES: usize = 4_096;
/// How deep the parts of an expression may stand in each other. Each link of a chain (`a.b.c`, `1 + 2 + 3`) is one level, those of `&&` and `||` are not.
pub const MAX_DEPTH: u32 = 96;

/// What stands between two operands, and how strongly it binds.
#[derive(Clone, Copy)]
enum Joint {
    Or,
    And,
    Operator(Operator),
}

/// All of them.
const JOINTS: &[(&str, Joint, u8)] = &[
    ("||", Joint::Or, 0),
    ("&&", Joint::And, 1),
    ("==", Joint::Operator(Operator::Equal), 2),
    ("!=", Joint::Operator(Operator::NotEqual), 2),
    ("<", Joint::Operator(Operator::Less), 2),
    ("<=", Joint::Operator(Operator::LessOrEqual), 2),
    (">", Joint::Operator(Operator::Greater), 2),
    (">=", Joint::Operator(Operator::GreaterOrEqual), 2),
    ("in", Joint::Operator(Operator::In), 2),
    ("+", Joint::Operator(Operator::Add), 3),
    ("-", Joint::Operator(Operator::Subtract), 3),
    ("*", Joint::Operator(Operator::Multiply), 4),
    ("/", Joint::Operator(Operator::Divide), 4),
    ("%", Joint::Operator(Operator::Modulo), 4),
];

/// Words that no name may be, so that languages may be built on CEL.
const RESERVED: &[&str] = &[
    "as",
    "break",
    "const",
    "continue",
    "else",
    "false",
    "for",
    "function",
    "if",
    "import",
    "in",
    "let",
    "loop",
    "namespace",
    "null",
    "package",
    "return",
    "true",
    "var",
    "void",
    "while",
];

/// Reads an expression.
pub(super) fn parse(source: &str) -> Result<Expr, Wrong> {
    if source.len() > MAX_BYTES {
        let message = format!("an expression has {MAX_BYTES} bytes at most");
        return Err(Issue::wrong(Span::new(MAX_BYTES, source.len()), &message));
    }
    let mut lexer = Lexer::new(source);
    let (token, at) = lexer.next()?;
    let mut parser = Parser {
        lexer,
        token,
        at,
        depth: 0,
        nodes: 0,
    };
    let expr = parser.expression()?;
    if !matches!(parser.token, Token::End) {
        return Err(parser.unexpected("an operator, or the end"));
    }
    Ok(expr)
}

struct Parser<'s> {
    lexer: Lexer<'s>,
    /// The next one, and where it stands.
    token: Token<'s>,
    at: Span,
    /// How many parts are begun and not ended.
    depth: u32,
    nodes: usize,
}

impl<'s> Parser<'s> {
    fn expression(&mut self) -> Result<Expr, Wrong> {
        self.depth = self.depth.saturating_add(1);
        if self.depth > MAX_DEPTH {
            return Err(too_deep(self.at));
        }
        let condition = self.binary(0)?;
        let expr = if self.eat("?")? {
            let yes = self.binary(0)?;
            self.expect(":", "`:` and what holds otherwise")?;
            let no = self.expression()?;
            let at = condition.at.to(no.at);
            self.node(Kind::If(Box::new([condition, yes, no])), at)?
        } else {
            condition
        };
        self.depth = self.depth.saturating_sub(1);
        Ok(expr)
    }

    /// Operands and operators that bind at least as strongly as this.
    fn binary(&mut self, least: u8) -> Result<Expr, Wrong> {
        let mut left = self.unary()?;
        while let Some((joint, strength)) = self.joint().filter(|(_, strength)| *strength >= least) {
            self.next()?;
            let right = self.binary(strength.saturating_add(1))?;
            let at = left.at.to(right.at);
            let kind = match (joint, left.kind) {
                (Joint::Operator(operator), kind) => Kind::Binary {
                    operator,
                    sides: Box::new([Expr { kind, ..left }, right]),
                },
                // Both are associative: a chain is one node, however long it is.
                (Joint::And, Kind::And(parts)) => Kind::And(append(parts, right)),
                (Joint::Or, Kind::Or(parts)) => Kind::Or(append(parts, right)),
                (Joint::And, kind) => Kind::And(vec![Expr { kind, ..left }, right]),
                (Joint::Or, kind) => Kind::Or(vec![Expr { kind, ..left }, right]),
            };
            left = self.node(kind, at)?;
        }
        Ok(left)
    }

    fn joint(&self) -> Option<(Joint, u8)> {
        let sign = match self.token {
            Token::Sign(sign) => sign,
            Token::Word("in") => "in",
            _ => return None,
        };
        let (_, joint, strength) = JOINTS.iter().find(|(known, ..)| *known == sign)?;
        Some((*joint, *strength))
    }

    fn unary(&mut self) -> Result<Expr, Wrong> {
        let sign = match self.token {
            Token::Sign(sign @ ("!" | "-")) => sign,
            _ => return self.member(),
        };
        let mut signs = Vec::new();
        while self.is(sign) {
            signs.push(self.at);
            self.next()?;
        }
        let is_literal = sign == "-" && matches!(self.token, Token::Int(_) | Token::Double(_));
        let mut expr = match signs.pop_if(|_| is_literal) {
            Some(at) => self.negative(at)?,
            None => self.primary()?,
        };
        expr = self.behind(expr)?;
        while let Some(sign_at) = signs.pop() {
            let at = sign_at.to(expr.at);
            let kind = if sign == "!" { Kind::Not } else { Kind::Negate };
            expr = self.node(kind(Box::new(expr)), at)?;
        }
        Ok(expr)
    }

    /// A literal behind its minus, so that the smallest `int` can be written.
    fn negative(&mut self, minus: Span) -> Result<Expr, Wrong> {
        let at = minus.to(self.at);
        let literal = match self.next()? {
            Token::Int(number) => match 0_i64.checked_sub_unsigned(number) {
                Some(number) => Literal::Int(number),
                None => return Err(Issue::wrong(at, "this is no `int`, which has 64 bits")),
            },
            Token::Double(number) => Literal::Double(-number),
            _ => return Err(Issue::wrong(at, "a number is missing")),
        };
        self.node(Kind::Literal(literal), at)
    }

    fn member(&mut self) -> Result<Expr, Wrong> {
        let primary = self.primary()?;
        self.behind(primary)
    }

    /// The fields, calls and indexes that stand behind it.
    fn behind(&mut self, mut expr: Expr) -> Result<Expr, Wrong> {
        loop {
            if self.eat(".")? {
                let name_at = self.at;
                if self.is("?") {
                    return Err(Issue::wrong(
                        name_at,
                        "optional values are not part of this language: ask with `has()`",
                    ));
                }
                let (name, plain) = match self.next()? {
                    Token::Word("in") => return Err(Issue::wrong(name_at, "`in` is no name of a field")),
                    Token::Word(word) => (word.to_owned(), true),
                    Token::Quoted(name) => (name.to_owned(), false),
                    _ => return Err(Issue::wrong(name_at, "the name of a field is missing behind the dot")),
                };
                let at = expr.at.to(name_at);
                if plain && self.is("(") {
                    let (arguments, end) = self.arguments()?;
                    let at = at.to(end);
                    let call = Call {
                        target: Some(expr),
                        name,
                        name_at,
                        arguments,
                    };
                    expr = self.node(Kind::Call(Box::new(call)), at)?;
                } else {
                    let kind = Kind::Select {
                        of: Box::new(expr),
                        field: name,
                        field_at: name_at,
                    };
                    expr = self.node(kind, at)?;
                }
            } else if self.eat("[")? {
                if self.is("?") {
                    return Err(Issue::wrong(
                        self.at,
                        "optional values are not part of this language: ask with `in`",
                    ));
                }
                let index = Box::new(self.expression()?);
                let at = expr.at.to(self.at);
                self.expect("]", "`]`")?;
                let of = Box::new(expr);
                expr = self.node(Kind::Index { of, index }, at)?;
            } else if self.is("{") && matches!(expr.kind, Kind::Name { .. } | Kind::Select { .. }) {
                return Err(Issue::wrong(
                    self.at,
                    "messages are not part of this language: a map is `{key: value}`",
                ));
            } else {
                return Ok(expr);
            }
        }
    }

    /// The arguments of a call, and where its bracket closes.
    fn arguments(&mut self) -> Result<(Vec<Expr>, Span), Wrong> {
        self.expect("(", "`(`")?;
        self.list(")", false)
    }

    /// Expressions with commas between them.
    fn list(&mut self, close: &'static str, may_trail: bool) -> Result<(Vec<Expr>, Span), Wrong> {
        let mut items = Vec::new();
        loop {
            let end = self.at;
            if (items.is_empty() || may_trail) && self.eat(close)? {
                return Ok((items, end));
            }
            items.push(self.expression()?);
            let end = self.at;
            if self.eat(close)? {
                return Ok((items, end));
            }
            if !self.eat(",")? {
                return Err(self.unexpected(&format!("`,` or `{close}`")));
            }
        }
    }

    fn map(&mut self, start: Span) -> Result<Expr, Wrong> {
        let mut entries = Vec::new();
        loop {
            let end = self.at;
            if self.eat("}")? {
                return self.node(Kind::Map(entries), start.to(end));
            }
            let key = self.expression()?;
            self.expect(":", "`:` and a value")?;
            let value = self.expression()?;
            entries.push((key, value));
            if !self.is("}") && !self.eat(",")? {
                return Err(self.unexpected("`,` or `}`"));
            }
        }
    }

    fn primary(&mut self) -> Result<Expr, Wrong> {
        let at = self.at;
        let literal = match self.token {
            Token::Word("true") => Some(Literal::Bool(true)),
            Token::Word("false") => Some(Literal::Bool(false)),
            Token::Word("null") => Some(Literal::Null),
            _ => None,
        };
        if let Some(literal) = literal {
            self.next()?;
            return self.node(Kind::Literal(literal), at);
        }
        match self.token {
            Token::Sign("(") => {
                self.next()?;
                let inner = self.expression()?;
                let end = self.at;
                self.expect(")", "`)`")?;
                return Ok(Expr {
                    at: at.to(end),
                    ..inner
                });
            }
            Token::Sign("[") => {
                self.next()?;
                let (items, end) = self.list("]", true)?;
                return self.node(Kind::List(items), at.to(end));
            }
            Token::Sign("{") => {
                self.next()?;
                return self.map(at);
            }
            Token::Sign(".") => {
                self.next()?;
                return self.name(at, true);
            }
            Token::Word(_) => return self.name(at, false),
            Token::Int(_) | Token::Uint(_) | Token::Double(_) | Token::Text(_) | Token::Bytes(_) => {}
            Token::End | Token::Sign(_) | Token::Quoted(_) => return Err(self.unexpected("a value")),
        }
        let literal = match self.next()? {
            Token::Int(number) => match i64::try_from(number) {
                Ok(number) => Literal::Int(number),
                Err(_) => {
                    return Err(Issue::wrong(
                        at,
                        "this is no `int`, which has 64 bits: a `uint` has a `u` at its end",
                    ));
                }
            },
            Token::Uint(number) => Literal::Uint(number),
            Token::Double(number) => Literal::Double(number),
            Token::Text(text) => Literal::Text(text),
            Token::Bytes(bytes) => Literal::Bytes(bytes),
            _ => return Err(Issue::wrong(at, "a value is missing")),
        };
        self.node(Kind::Literal(literal), at)
    }

    fn name(&mut self, start: Span, absolute: bool) -> Result<Expr, Wrong> {
        let name_at = self.at;
        let Token::Word(name) = self.token else {
            return Err(self.unexpected("a name"));
        };
        if RESERVED.contains(&name) {
            return Err(Issue::wrong(
                name_at,
                &format!("`{name}` is a reserved word, and no name"),
            ));
        }
        self.next()?;
        let name = name.to_owned();
        if !self.is("(") {
            return self.node(Kind::Name { name, absolute }, start.to(name_at));
        }
        let (arguments, end) = self.arguments()?;
        let call = Call {
            target: None,
            name,
            name_at,
            arguments,
        };
        self.node(Kind::Call(Box::new(call)), start.to(end))
    }

    fn next(&mut self) -> Result<Token<'s>, Wrong> {
        let (token, at) = self.lexer.next()?;
        self.at = at;
        Ok(core::mem::replace(&mut self.token, token))
    }

    /// Whether this sign is next.
    fn is(&self, sign: &str) -> bool {
        matches!(self.token, Token::Sign(next) if next == sign)
    }

    /// Goes over this sign, if it is next.
    #[inline(never)]
    fn eat(&mut self, sign: &'static str) -> Result<bool, Wrong> {
        let is_next = self.is(sign);
        if is_next {
            self.next()?;
        }
        Ok(is_next)
    }

    fn expect(&mut self, sign: &'static str, wanted: &str) -> Result<(), Wrong> {
        if self.eat(sign)? {
            Ok(())
        } else {
            Err(self.unexpected(wanted))
        }
    }

    fn unexpected(&self, wanted: &str) -> Wrong {
        let found = match &self.token {
            Token::End => return Issue::wrong(self.at, &format!("the expression ends where {wanted} should be")),
            Token::Word("and") => "`and`: did you mean `&&`?",
            Token::Word("or") => "`or`: did you mean `||`?",
            Token::Word("not") => "`not`: did you mean `!`?",
            Token::Word(word) => &format!("`{word}`"),
            Token::Sign(sign) => &format!("`{sign}`"),
            Token::Quoted(_) => "a name in backticks",
            Token::Int(_) | Token::Uint(_) | Token::Double(_) => "a number",
            Token::Text(_) => "a text",
            Token::Bytes(_) => "bytes",
        };
        Issue::wrong(self.at, &format!("expected {wanted}; found {found}"))
    }

    fn node(&mut self, kind: Kind, at: Span) -> Result<Expr, Wrong> {
        self.nodes = self.nodes.saturating_add(1);
        if self.nodes > MAX_NODES {
            let message = format!(
                "the expression is too long: it has more than {MAX_NODES} operators, calls, literals and names"
            );
            return Err(Issue::wrong(at, &message));
        }
        let depth = kind.depth().saturating_add(1);
        if depth > MAX_DEPTH {
            return Err(too_deep(at));
        }
        Ok(Expr { kind, at, depth })
    }
}

fn append(mut parts: Vec<Expr>, part: Expr) -> Vec<Expr> {
    parts.push(part);
    parts
}

fn too_deep(at: Span) -> Wrong {
    Issue::wrong(at, &format!("this is too deep: {MAX_DEPTH} levels at most"))
}
