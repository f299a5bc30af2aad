//! A reader of Protocol Buffers' text format, as far as the conformance files of CEL need it.

/// The fields of a message, in order.
#[derive(Debug, Clone, Default)]
pub(crate) struct Message(Vec<(String, Field)>);

/// The value of a field.
#[derive(Debug, Clone)]
pub(crate) enum Field {
    /// A quoted string: bytes.
    Text(Vec<u8>),
    /// A number, or the name of a constant.
    Word(String),
    Message(Message),
}

impl Message {
    /// Reads a whole file.
    pub(crate) fn read(text: &str) -> Result<Self, String> {
        let mut reader = Reader { text, at: 0 };
        let message = reader.fields(None)?;
        reader.space();
        if reader.at < text.len() {
            return Err(reader.error("more than a message"));
        }
        Ok(message)
    }

    pub(crate) fn fields(&self) -> impl Iterator<Item = (&str, &Field)> {
        self.0.iter().map(|(name, field)| (name.as_str(), field))
    }

    /// The first field of this name.
    pub(crate) fn get(&self, name: &str) -> Option<&Field> {
        self.fields().find(|(own, _)| *own == name).map(|(_, field)| field)
    }

    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        match self.get(name)? {
            Field::Text(bytes) => std::str::from_utf8(bytes).ok(),
            _ => None,
        }
    }

    pub(crate) fn word(&self, name: &str) -> Option<&str> {
        match self.get(name)? {
            Field::Word(word) => Some(word),
            _ => None,
        }
    }

    pub(crate) fn message(&self, name: &str) -> Option<&Self> {
        self.messages(name).next()
    }

    /// The messages of a repeated field.
    pub(crate) fn messages(&self, name: &str) -> impl Iterator<Item = &Self> {
        self.fields().filter_map(move |(own, field)| match field {
            Field::Message(message) if own == name => Some(message),
            _ => None,
        })
    }
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Reader<'t> {
    /// Fields up to what closes their message, or to the end of the file.
    fn fields(&mut self, close: Option<char>) -> Result<Message, String> {
        let mut message = Message::default();
        loop {
            self.space();
            let Some(next) = self.peek() else {
                return close.map_or(Ok(message), |_| Err(self.error("the message is not closed")));
            };
            if Some(next) == close {
                self.at += 1;
                return Ok(message);
            }
            let name = self.name()?;
            self.space();
            let colon = self.eat(':');
            self.space();
            let field = match self.peek() {
                Some('{') => {
                    self.at += 1;
                    Field::Message(self.fields(Some('}'))?)
                }
                Some('"' | '\'') if colon => Field::Text(self.texts()?),
                Some(_) if colon => Field::Word(self.word()?.to_owned()),
                _ => return Err(self.error("no value")),
            };
            message.0.push((name, field));
            self.space();
            if !self.eat(',') {
                self.eat(';');
            }
        }
    }

    fn name(&mut self) -> Result<String, String> {
        if self.eat('[') {
            let (name, _) = self.rest().split_once(']').ok_or_else(|| self.error("no `]`"))?;
            let name = name.to_owned();
            self.at += name.len() + 1;
            return Ok(name);
        }
        self.word().map(str::to_owned)
    }

    fn word(&mut self) -> Result<&'t str, String> {
        let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '+' | '.');
        let rest = self.rest();
        let length = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
        if length == 0 {
            return Err(self.error("no name"));
        }
        self.at += length;
        Ok(&rest[..length])
    }

    /// Strings that stand behind each other are one.
    fn texts(&mut self) -> Result<Vec<u8>, String> {
        let mut bytes = Vec::new();
        while let Some(quote @ ('"' | '\'')) = self.peek() {
            self.at += 1;
            loop {
                match self.bump().ok_or_else(|| self.error("the string is not closed"))? {
                    c if c == quote => break,
                    '\\' => self.escape(&mut bytes)?,
                    c => bytes.extend(c.encode_utf8(&mut [0; 4]).as_bytes()),
                }
            }
            self.space();
        }
        Ok(bytes)
    }

    fn escape(&mut self, bytes: &mut Vec<u8>) -> Result<(), String> {
        let character = self.bump().ok_or_else(|| self.error("the string is not closed"))?;
        let simple = match character {
            'a' => 0x07,
            'b' => 0x08,
            'f' => 0x0c,
            'n' => b'\n',
            'r' => b'\r',
            't' => b'\t',
            'v' => 0x0b,
            '\\' | '\'' | '"' | '?' => u8::try_from(character).map_err(|error| error.to_string())?,
            'x' | 'X' => {
                let byte = self.digits(16, 2)?;
                u8::try_from(byte).map_err(|error| self.error(&error.to_string()))?
            }
            '0'..='7' => {
                self.at -= 1;
                let byte = self.digits(8, 3)?;
                u8::try_from(byte).map_err(|error| self.error(&error.to_string()))?
            }
            'u' | 'U' => {
                let number = self.digits(16, if character == 'u' { 4 } else { 8 })?;
                let character = char::from_u32(number).ok_or_else(|| self.error("no code point"))?;
                bytes.extend(character.encode_utf8(&mut [0; 4]).as_bytes());
                return Ok(());
            }
            _ => return Err(self.error("no such escape")),
        };
        bytes.push(simple);
        Ok(())
    }

    fn digits(&mut self, radix: u32, most: usize) -> Result<u32, String> {
        let digits: String = self
            .rest()
            .chars()
            .take_while(|c| c.is_digit(radix))
            .take(most)
            .collect();
        self.at += digits.len();
        u32::from_str_radix(&digits, radix).map_err(|error| self.error(&error.to_string()))
    }

    /// Skips white space and comments.
    fn space(&mut self) {
        loop {
            let rest = self.rest();
            self.at += rest.len() - rest.trim_start().len();
            if self.peek() != Some('#') {
                return;
            }
            let rest = self.rest();
            self.at += rest.find('\n').unwrap_or(rest.len());
        }
    }

    fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn bump(&mut self) -> Option<char> {
        let character = self.peek()?;
        self.at += character.len_utf8();
        Some(character)
    }

    fn eat(&mut self, character: char) -> bool {
        let is_next = self.peek() == Some(character);
        if is_next {
            self.at += character.len_utf8();
        }
        is_next
    }

    fn error(&self, what: &str) -> String {
        let line = self.text[..self.at].matches('\n').count() + 1;
        format!("line {line}: {what}")
    }
}
