//! Expressions at random: well typed, of every operator, macro and function that two readings of CEL have in common.

use oorandom::Rand64;

/// What an expression is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `bool`
    Bool,
    /// `int`
    Int,
    /// `uint`
    Uint,
    /// `double`
    Double,
    /// `string`
    Text,
    /// `bytes`
    Bytes,
    /// `list(int)`
    Ints,
    /// `list(string)`
    Texts,
    /// `map(string, int)`
    Map,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Bool,
        Self::Int,
        Self::Uint,
        Self::Double,
        Self::Text,
        Self::Bytes,
        Self::Ints,
        Self::Texts,
        Self::Map,
    ];
}

/// The variables, with their kinds. `absent` has no value.
pub const VARIABLES: &[(&str, Kind)] = &[
    ("yes", Kind::Bool),
    ("n", Kind::Int),
    ("absent", Kind::Int),
    ("u", Kind::Uint),
    ("d", Kind::Double),
    ("s", Kind::Text),
    ("b", Kind::Bytes),
    ("l", Kind::Ints),
    ("t", Kind::Texts),
    ("m", Kind::Map),
];

/// Makes expressions.
pub struct Maker {
    random: Rand64,
    /// What loops are at.
    locals: Vec<(String, Kind)>,
}

impl Maker {
    /// The same seed makes the same expressions.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            random: Rand64::new(u128::from(seed)),
            locals: Vec::new(),
        }
    }

    /// The next expression, of any kind.
    pub fn expression(&mut self) -> String {
        let kind = self.one_of(&Kind::ALL);
        let depth = self.below(5);
        self.make(kind, depth)
    }

    fn make(&mut self, kind: Kind, depth: usize) -> String {
        if depth == 0 || self.below(6) == 0 {
            return self.leaf(kind);
        }
        let depth = depth - 1;
        // What any kind has.
        match self.below(12) {
            0 => {
                let condition = self.make(Kind::Bool, depth);
                return format!(
                    "({condition} ? {} : {})",
                    self.make(kind, depth),
                    self.make(kind, depth)
                );
            }
            1 if kind == Kind::Int => {
                return format!("{}[{}]", self.make(Kind::Ints, depth), self.make(Kind::Int, depth));
            }
            1 if kind == Kind::Text => {
                return format!("{}[{}]", self.make(Kind::Texts, depth), self.make(Kind::Int, depth));
            }
            2 => {
                return format!(
                    "[{}, {}][{}]",
                    self.make(kind, depth),
                    self.make(kind, depth),
                    self.below(3)
                );
            }
            _ => {}
        }
        match kind {
            Kind::Bool => self.truth(depth),
            Kind::Int => self.int(depth),
            Kind::Uint => self.uint(depth),
            Kind::Double => self.double(depth),
            Kind::Text => self.text(depth),
            Kind::Bytes => match self.below(2) {
                0 => format!(
                    "({} + {})",
                    self.make(Kind::Bytes, depth),
                    self.make(Kind::Bytes, depth)
                ),
                _ => format!("bytes({})", self.make(Kind::Text, depth)),
            },
            Kind::Ints => self.list(Kind::Ints, Kind::Int, depth),
            Kind::Texts => match self.below(3) {
                0 => format!("{}.split({})", self.make(Kind::Text, depth), self.leaf(Kind::Text)),
                1 => {
                    let most = self.below(4);
                    format!(
                        "{}.split({}, {most})",
                        self.make(Kind::Text, depth),
                        self.leaf(Kind::Text)
                    )
                }
                _ => self.list(Kind::Texts, Kind::Text, depth),
            },
            Kind::Map => {
                let (a, b) = (self.make(Kind::Int, depth), self.make(Kind::Int, depth));
                format!("{{'a': {a}, 'é': {b}}}")
            }
        }
    }

    fn leaf(&mut self, kind: Kind) -> String {
        if self.below(3) == 0 {
            let mut known: Vec<_> = VARIABLES
                .iter()
                .filter(|(_, own)| *own == kind)
                .map(|(name, _)| *name)
                .collect();
            known.extend(
                self.locals
                    .iter()
                    .filter(|(_, own)| *own == kind)
                    .map(|(name, _)| name.as_str()),
            );
            let index = self.random.rand_range(0..known.len() as u64) as usize;
            return known[index].to_owned();
        }
        let leaf: &str = match kind {
            Kind::Bool => self.one_of(&["true", "false"]),
            Kind::Int => self.one_of(&[
                "0",
                "1",
                "2",
                "-1",
                "3",
                "7",
                "42",
                "-5",
                "0x10",
                "9223372036854775807",
                "-9223372036854775808",
                "4294967296",
            ]),
            Kind::Uint => self.one_of(&["0u", "1u", "2u", "5u", "0xffu", "18446744073709551615u"]),
            Kind::Double => self.one_of(&[
                "0.0",
                "1.0",
                "-1.0",
                "0.5",
                "2.5",
                "-7.25",
                "1e10",
                "1e308",
                "-0.0",
                "9007199254740993.0",
            ]),
            Kind::Text => self.one_of(&[
                "''",
                "'a'",
                "'b'",
                "'ab'",
                "'aba'",
                "'abba'",
                "'é'",
                "'xéy'",
                "'a,b,,c'",
                "','",
                "' a '",
                "'Ab'",
                "'42'",
                "'-7'",
                "'1.5'",
                "'😀'",
                r"'\n'",
                r"'\u00e9b'",
                r#"r'\n'"#,
                "'true'",
            ]),
            Kind::Bytes => self.one_of(&["b''", "b'a'", "b'ab'", r"b'\xff'", r"b'\303\251'", "b'é'"]),
            Kind::Ints => self.one_of(&["[]", "[1]", "[1, 2, 3]", "[3, 1, 1, -1]", "[0]"]),
            Kind::Texts => self.one_of(&["[]", "['a']", "['a', 'b']", "['é', '', 'a']"]),
            Kind::Map => self.one_of(&["{}", "{'a': 1}", "{'a': 2, 'b': 0, 'é': 3}"]),
        };
        leaf.to_owned()
    }

    fn truth(&mut self, depth: usize) -> String {
        let orders = [Kind::Bool, Kind::Int, Kind::Uint, Kind::Double, Kind::Text, Kind::Bytes];
        match self.below(18) {
            0 | 1 => format!("({} && {})", self.make(Kind::Bool, depth), self.make(Kind::Bool, depth)),
            2 | 3 => format!("({} || {})", self.make(Kind::Bool, depth), self.make(Kind::Bool, depth)),
            4 => format!("!{}", self.make(Kind::Bool, depth)),
            5 | 6 => {
                let kind = self.one_of(&Kind::ALL);
                let operator = self.one_of(&["==", "!="]);
                format!("({} {operator} {})", self.make(kind, depth), self.make(kind, depth))
            }
            7 | 8 => {
                let kind = self.one_of(&orders);
                let operator = self.one_of(&["<", "<=", ">", ">="]);
                format!("({} {operator} {})", self.make(kind, depth), self.make(kind, depth))
            }
            9 => {
                let numbers = [Kind::Int, Kind::Uint, Kind::Double];
                let (a, b) = (self.one_of(&numbers), self.one_of(&numbers));
                let operator = self.one_of(&["==", "!=", "<", "<=", ">", ">="]);
                format!("(dyn({}) {operator} dyn({}))", self.make(a, depth), self.make(b, depth))
            }
            10 => format!("({} in {})", self.make(Kind::Int, depth), self.make(Kind::Ints, depth)),
            11 => format!(
                "({} in {})",
                self.make(Kind::Text, depth),
                self.make(Kind::Texts, depth)
            ),
            12 => format!("({} in {})", self.make(Kind::Text, depth), self.make(Kind::Map, depth)),
            13 => {
                let function = self.one_of(&["contains", "startsWith", "endsWith"]);
                format!(
                    "{}.{function}({})",
                    self.make(Kind::Text, depth),
                    self.make(Kind::Text, depth)
                )
            }
            14 => {
                let pattern = self.pattern(3);
                format!("{}.matches(r\"{pattern}\")", self.make(Kind::Text, depth))
            }
            15 | 16 => {
                let (list, item) = self.one_of(&[
                    (Kind::Ints, Kind::Int),
                    (Kind::Texts, Kind::Text),
                    (Kind::Map, Kind::Text),
                ]);
                let over = self.make(list, depth);
                let macro_name = self.one_of(&["all", "exists", "exists_one"]);
                let (name, condition) = self.within(item, Kind::Bool, depth);
                format!("{over}.{macro_name}({name}, {condition})")
            }
            _ => {
                let key = self.one_of(&["a", "b", "c"]);
                format!("has({}.{key})", self.make(Kind::Map, depth))
            }
        }
    }

    fn int(&mut self, depth: usize) -> String {
        match self.below(9) {
            0..=2 => {
                let operator = self.one_of(&["+", "-", "*", "/", "%"]);
                format!(
                    "({} {operator} {})",
                    self.make(Kind::Int, depth),
                    self.make(Kind::Int, depth)
                )
            }
            3 => format!("-({})", self.make(Kind::Int, depth)),
            4 => {
                let kind = self.one_of(&[Kind::Text, Kind::Bytes, Kind::Ints, Kind::Texts, Kind::Map]);
                let of = self.make(kind, depth);
                if self.below(2) == 0 {
                    format!("size({of})")
                } else {
                    format!("{of}.size()")
                }
            }
            5 => {
                let kind = self.one_of(&[Kind::Int, Kind::Uint, Kind::Double, Kind::Text]);
                format!("int({})", self.make(kind, depth))
            }
            6 => {
                let function = self.one_of(&["indexOf", "lastIndexOf"]);
                format!(
                    "{}.{function}({})",
                    self.make(Kind::Text, depth),
                    self.make(Kind::Text, depth)
                )
            }
            7 => format!("{}[{}]", self.make(Kind::Map, depth), self.make(Kind::Text, depth)),
            _ => {
                let key = self.one_of(&["a", "b", "c"]);
                format!("{}.{key}", self.make(Kind::Map, depth))
            }
        }
    }

    fn uint(&mut self, depth: usize) -> String {
        if self.below(3) == 0 {
            let kind = self.one_of(&[Kind::Int, Kind::Uint, Kind::Double, Kind::Text]);
            return format!("uint({})", self.make(kind, depth));
        }
        let operator = self.one_of(&["+", "-", "*", "/", "%"]);
        format!(
            "({} {operator} {})",
            self.make(Kind::Uint, depth),
            self.make(Kind::Uint, depth)
        )
    }

    fn double(&mut self, depth: usize) -> String {
        match self.below(4) {
            0 => {
                let kind = self.one_of(&[Kind::Int, Kind::Uint, Kind::Double, Kind::Text]);
                format!("double({})", self.make(kind, depth))
            }
            1 => format!("-({})", self.make(Kind::Double, depth)),
            _ => {
                let operator = self.one_of(&["+", "-", "*", "/"]);
                format!(
                    "({} {operator} {})",
                    self.make(Kind::Double, depth),
                    self.make(Kind::Double, depth)
                )
            }
        }
    }

    fn text(&mut self, depth: usize) -> String {
        match self.below(10) {
            0 | 1 => format!("({} + {})", self.make(Kind::Text, depth), self.make(Kind::Text, depth)),
            2 => {
                let function = self.one_of(&["lowerAscii", "upperAscii", "trim", "reverse"]);
                format!("{}.{function}()", self.make(Kind::Text, depth))
            }
            3 => format!(
                "{}.substring({})",
                self.make(Kind::Text, depth),
                self.make(Kind::Int, depth)
            ),
            4 => {
                let text = self.make(Kind::Text, depth);
                format!(
                    "{text}.substring({}, {})",
                    self.make(Kind::Int, depth),
                    self.make(Kind::Int, depth)
                )
            }
            5 => format!(
                "{}.charAt({})",
                self.make(Kind::Text, depth),
                self.make(Kind::Int, depth)
            ),
            6 => {
                let text = self.make(Kind::Text, depth);
                format!(
                    "{text}.replace({}, {})",
                    self.make(Kind::Text, depth),
                    self.make(Kind::Text, depth)
                )
            }
            7 => format!("{}.join({})", self.make(Kind::Texts, depth), self.leaf(Kind::Text)),
            _ => {
                let kind = self.one_of(&[Kind::Int, Kind::Uint, Kind::Text, Kind::Bytes, Kind::Bool]);
                format!("string({})", self.make(kind, depth))
            }
        }
    }

    fn list(&mut self, list: Kind, item: Kind, depth: usize) -> String {
        match self.below(4) {
            0 => format!("[{}, {}]", self.make(item, depth), self.make(item, depth)),
            1 => format!("({} + {})", self.make(list, depth), self.make(list, depth)),
            2 => {
                let over = self.make(list, depth);
                let (name, condition) = self.within(item, Kind::Bool, depth);
                format!("{over}.filter({name}, {condition})")
            }
            _ => {
                // Not over a map: its order is nobody's business.
                let (from, from_item) = self.one_of(&[(Kind::Ints, Kind::Int), (Kind::Texts, Kind::Text)]);
                let over = self.make(from, depth);
                let (name, made) = self.within(from_item, item, depth);
                format!("{over}.map({name}, {made})")
            }
        }
    }

    /// An expression of `kind` in a loop whose variable is an `item`, and the variable's name.
    fn within(&mut self, item: Kind, kind: Kind, depth: usize) -> (String, String) {
        let name = format!("i{}", self.locals.len());
        self.locals.push((name.clone(), item));
        let made = self.make(kind, depth);
        self.locals.pop();
        (name, made)
    }

    /// A regular expression of what is common to texts of any language.
    fn pattern(&mut self, depth: usize) -> String {
        let atoms = [
            "a",
            "b",
            "é",
            ".",
            "[ab]",
            "[^a]",
            "[a-z]",
            r"\d",
            "[^é,]",
            "(?i:A)",
            "",
            "^",
            "$",
            ",",
            r"\x{e9}",
            "[[:upper:]]",
        ];
        self.pattern_of(&atoms, depth)
    }

    /// A regular expression, and a text for it. Of the texts' characters, Unicode and ASCII say the same: which are digits, of a word, white space or a letter in two cases.
    pub fn pattern_and_text(&mut self) -> (String, String) {
        let atoms = [
            "a",
            "b",
            "€",
            "A",
            "_",
            "1",
            " ",
            r"\n",
            ".",
            "[ab]",
            "[^ab]",
            "[A-b]",
            "[^€]",
            r"[\d_]",
            r"[^\w]",
            "[[:space:]x]",
            "[[:^alpha:]]",
            r"\d",
            r"\D",
            r"\w",
            r"\W",
            r"\s",
            r"\S",
            r"\b",
            r"\B",
            r"\A",
            r"\z",
            "^",
            "$",
            "",
            "(?i)",
            "(?m)",
            "(?s)",
            "(?-i)",
            "(?i:ab)",
            "(?m:^a)",
            "(?s:.)",
            r"\x61",
            r"\x{20AC}",
            r"\.",
            "[-a]",
            "[]b]",
            r"[\]\-]",
            "(?P<n>a)",
            "{",
            "}",
        ];
        let depth = self.below(6);
        let pattern = self.pattern_of(&atoms, depth);
        let length = self.below(9);
        let text = (0..length)
            .map(|_| self.one_of(&['a', 'a', 'b', 'A', '_', '1', ' ', '\n', '€', 'x', '-', ']', '{']))
            .collect();
        (pattern, text)
    }

    fn pattern_of(&mut self, atoms: &[&str], depth: usize) -> String {
        if depth == 0 {
            return self.one_of(atoms).to_owned();
        }
        let depth = depth - 1;
        match self.below(6) {
            0 => format!("{}|{}", self.pattern_of(atoms, depth), self.pattern_of(atoms, depth)),
            1 => {
                let often = self.one_of(&["*", "+", "?", "{2}", "{1,2}", "{0,3}", "*?", "{2,}", "{0}"]);
                format!("({}){often}", self.pattern_of(atoms, depth))
            }
            2 => format!("(?:{})", self.pattern_of(atoms, depth)),
            _ => format!("{}{}", self.pattern_of(atoms, depth), self.pattern_of(atoms, depth)),
        }
    }

    fn one_of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }

    fn below(&mut self, end: usize) -> usize {
        self.random.rand_range(0..end as u64) as usize
    }
}
