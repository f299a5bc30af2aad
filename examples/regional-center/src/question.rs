//! The question, in the form of the AuthZEN Authorization API 1.0, section "Access Evaluation API Request".

use std::collections::BTreeMap;
use std::fmt;

use regorus::Value;

use crate::strict_json;

/// A question that has everything which an access evaluation must have.
#[derive(Debug, Clone)]
pub struct Question {
    /// Holds `subject`, `action`, `resource` and, where it was there, `context`; nothing else of what was sent.
    input: Value,
}

/// Why something is no question.
#[derive(Debug)]
pub struct QuestionError(String);

impl fmt::Display for QuestionError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for QuestionError {}

impl Question {
    /// Reads the body of an access evaluation request. Unknown members beside the four entities are left out, and
    /// unknown ones inside of them are kept for policies that know them.
    ///
    /// # Errors
    /// The body is not JSON, names a member twice, or lacks a required member or gives it another type.
    pub fn parse(body: &[u8]) -> Result<Self, QuestionError> {
        let sent = strict_json::parse(body).map_err(|error| QuestionError(format!("the body is not JSON: {error}")))?;
        Self::from_value(&sent)
    }

    /// Takes a question that was put together in this process.
    ///
    /// # Errors
    /// As for [`Question::parse`].
    pub(crate) fn from_value(sent: &Value) -> Result<Self, QuestionError> {
        if sent.as_object().is_err() {
            return Err(QuestionError("the body is not a JSON object".to_owned()));
        }
        let mut input = BTreeMap::new();
        for (entity, required) in [
            ("subject", &["type", "id"][..]),
            ("action", &["name"][..]),
            ("resource", &["type", "id"][..]),
        ] {
            input.insert(Value::from(entity), entity_of(sent, entity, required)?);
        }
        let context = &sent["context"];
        if *context != Value::Undefined {
            object("context", context)?;
            input.insert(Value::from("context"), context.clone());
        }
        Ok(Self {
            input: Value::from(input),
        })
    }

    /// What the policies get as `input`.
    pub(crate) fn input(&self) -> &Value {
        &self.input
    }

    /// Who asks, for the log: `home/issuer/subject`, with `-` for what is not known.
    pub(crate) fn subject(&self) -> String {
        let subject = &self.input["subject"];
        let properties = &subject["properties"];
        format!(
            "{}/{}/{}",
            text(&properties["home"]),
            text(&properties["iss"]),
            text(&subject["id"])
        )
    }

    /// What is asked for, for the log: the action and the path, or the resource's id where there is no path.
    pub(crate) fn resource(&self) -> String {
        let resource = &self.input["resource"];
        let path = &resource["properties"]["path"];
        let what = if path.as_string().is_ok() {
            path
        } else {
            &resource["id"]
        };
        format!("{} {}", text(&self.input["action"]["name"]), text(what))
    }
}

fn entity_of(sent: &Value, entity: &str, required: &[&str]) -> Result<Value, QuestionError> {
    let value = &sent[entity];
    if *value == Value::Undefined {
        return Err(QuestionError(format!(
            "`{entity}` is missing: an access evaluation has `subject`, `action` and `resource`"
        )));
    }
    object(entity, value)?;
    for member in required {
        match &value[*member] {
            Value::String(_) => {}
            Value::Undefined => return Err(QuestionError(format!("`{entity}.{member}` is missing"))),
            _ => return Err(QuestionError(format!("`{entity}.{member}` is not a string"))),
        }
    }
    let properties = &value["properties"];
    if *properties != Value::Undefined {
        object(&format!("{entity}.properties"), properties)?;
    }
    Ok(value.clone())
}

fn object(field: &str, value: &Value) -> Result<(), QuestionError> {
    match value.as_object() {
        Ok(_) => Ok(()),
        Err(_) => Err(QuestionError(format!("`{field}` is not an object"))),
    }
}

fn text(value: &Value) -> &str {
    value.as_string().map_or("-", |text| text)
}

#[cfg(test)]
mod tests {
    use super::Question;

    #[test]
    fn keeps_the_four_entities_and_nothing_else() {
        let question = Question::parse(
            br#"{"subject":{"type":"identity","id":"a","x":1},"action":{"name":"GET"},"future":true,
                 "resource":{"type":"route","id":"/"},"context":{"y":2},"evaluations":[]}"#,
        )
        .unwrap();
        let names: Vec<String> = question
            .input()
            .as_object()
            .unwrap()
            .iter()
            .map(|(name, _)| name.to_string())
            .collect();
        assert_eq!(names, [r#""action""#, r#""context""#, r#""resource""#, r#""subject""#]);
        assert_eq!(question.input()["subject"]["x"].as_u64().unwrap(), 1);
    }

    #[test]
    fn says_what_is_missing_or_of_another_type() {
        let subject = r#""subject":{"type":"identity","id":"a"}"#;
        let action = r#""action":{"name":"GET"}"#;
        let resource = r#""resource":{"type":"route","id":"/"}"#;
        for (body, complaint) in [
            ("[]".to_owned(), "the body is not a JSON object"),
            ("{".to_owned(), "the body is not JSON"),
            (format!("{{{action},{resource}}}"), "`subject` is missing"),
            (format!("{{{subject},{resource}}}"), "`action` is missing"),
            (format!("{{{subject},{action}}}"), "`resource` is missing"),
            (
                format!(r#"{{"subject":null,{action},{resource}}}"#),
                "`subject` is not an object",
            ),
            (
                format!(r#"{{"subject":{{"type":"identity"}},{action},{resource}}}"#),
                "`subject.id` is missing",
            ),
            (
                format!(r#"{{"subject":{{"id":"a"}},{action},{resource}}}"#),
                "`subject.type` is missing",
            ),
            (
                format!(r#"{{"subject":{{"type":"t","id":7}},{action},{resource}}}"#),
                "`subject.id` is not a string",
            ),
            (
                format!(r#"{{{subject},"action":{{}},{resource}}}"#),
                "`action.name` is missing",
            ),
            (
                format!(r#"{{{subject},{action},"resource":{{"type":"t","id":null}}}}"#),
                "`resource.id` is not a string",
            ),
            (
                format!(r#"{{{subject},{action},{resource},"context":[]}}"#),
                "`context` is not an object",
            ),
            (
                format!(r#"{{{subject},"action":{{"name":"GET","properties":null}},{resource}}}"#),
                "`action.properties` is not an object",
            ),
        ] {
            let error = Question::parse(body.as_bytes()).unwrap_err().to_string();
            assert!(error.starts_with(complaint), "{body}: {error}");
        }
    }
}
