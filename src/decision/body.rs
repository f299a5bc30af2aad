//! What stands in the answer of a deny whose rule says so: JSON that was written when the bundle was compiled, with places that each answer fills.

/// What a place is filled with. None of it comes from the request as it is but its id, of which only visible ASCII is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placeholder {
    /// `x-request-id`; nothing where there is none.
    RequestId,
    /// The public code: `forbidden`, or `not_found` where the rule hides.
    Code,
    /// The status of the answer.
    Status,
    /// The name of the local region.
    Region,
}

impl Placeholder {
    /// All of them.
    pub const ALL: &'static [Self] = &[Self::RequestId, Self::Code, Self::Status, Self::Region];

    /// As templates name it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::RequestId => "request_id",
            Self::Code => "code",
            Self::Status => "status",
            Self::Region => "region",
        }
    }

    /// The one with this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|known| known.name() == name)
    }
}

/// A JSON text with places in its strings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Body {
    content_type: &'static str,
    parts: Vec<Part>,
    text_bytes: usize,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    /// JSON as it stands.
    Raw(String),
    /// Inside of a string.
    Place(Placeholder),
}

impl Default for Body {
    /// An empty text.
    fn default() -> Self {
        Self {
            content_type: "application/json",
            parts: Vec::new(),
            text_bytes: 0,
        }
    }
}

impl Body {
    /// The same with this media type.
    #[must_use]
    pub fn of_type(self, content_type: &'static str) -> Self {
        Self { content_type, ..self }
    }

    /// Its media type.
    #[must_use]
    pub fn content_type(&self) -> &'static str {
        self.content_type
    }

    /// How many bytes it has before its places are filled.
    #[must_use]
    pub fn len(&self) -> usize {
        self.text_bytes
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// Puts JSON at its end, as it stands.
    pub fn raw(&mut self, json: &str) {
        self.text_bytes = self.text_bytes.saturating_add(json.len());
        match self.parts.last_mut() {
            Some(Part::Raw(text)) => text.push_str(json),
            _ => self.parts.push(Part::Raw(json.to_owned())),
        }
    }

    /// Puts text at its end, as it stands inside of a JSON string.
    pub fn text(&mut self, text: &str) {
        if !text.is_empty() {
            self.raw(&escaped(text));
        }
    }

    /// Puts a place at its end, which is inside of a JSON string.
    pub fn placeholder(&mut self, placeholder: Placeholder) {
        self.parts.push(Part::Place(placeholder));
    }

    /// The text, its places filled by `value`.
    #[must_use]
    pub fn fill(&self, value: impl Fn(Placeholder) -> String) -> String {
        let mut filled = String::with_capacity(self.text_bytes.saturating_add(64));
        for part in &self.parts {
            match part {
                Part::Raw(text) => filled.push_str(text),
                Part::Place(placeholder) => filled.push_str(&escaped(&value(*placeholder))),
            }
        }
        filled
    }
}

/// `text` as it stands between the quotes of a JSON string.
fn escaped(text: &str) -> String {
    // A string always serialises.
    let quoted = serde_json::to_string(text).unwrap_or_default();
    let inner = quoted.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    inner.unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::{Body, Placeholder};

    #[test]
    fn what_fills_a_place_stays_inside_of_its_string() {
        let mut body = Body::default();
        body.raw("{\"a\":\"");
        body.text("\"x\\ ");
        body.placeholder(Placeholder::RequestId);
        body.raw("\"}");
        let filled = body.fill(|_| "\",\"b\":\"\n".to_owned());
        assert_eq!(filled, r#"{"a":"\"x\\ \",\"b\":\"\n"}"#);
        let read: serde_json::Value = serde_json::from_str(&filled).unwrap();
        assert_eq!(read["a"], "\"x\\ \",\"b\":\"\n");
        assert_eq!(read.as_object().unwrap().len(), 1);
    }

    #[test]
    fn every_placeholder_has_a_name_of_its_own() {
        for placeholder in Placeholder::ALL {
            assert_eq!(Placeholder::named(placeholder.name()), Some(*placeholder));
        }
        assert_eq!(Placeholder::named("host"), None);
    }
}
