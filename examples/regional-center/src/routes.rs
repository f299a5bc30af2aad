//! Path templates: how an `ext_authz` check, which knows a path alone, comes to the resource that policies are about.

use regorus::Value;

use crate::policies::LoadError;

/// The templates of `data.routes`, such as `/v1/profiles/{id}`.
pub(crate) struct Routes(Vec<Template>);

struct Template {
    text: String,
    segments: Vec<Segment>,
}

enum Segment {
    Literal(String),
    Capture(String),
}

/// The template that a path fits, and what it captured.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Match<'a> {
    pub(crate) template: &'a str,
    pub(crate) captures: Vec<(&'a str, &'a str)>,
}

impl Routes {
    /// Reads the array `routes` of the data; without one there are no routes.
    pub(crate) fn from_data(data: &Value) -> Result<Self, LoadError> {
        match &data["routes"] {
            Value::Undefined => Ok(Self(Vec::new())),
            Value::Array(templates) => templates.iter().map(template).collect::<Result<_, _>>().map(Self),
            other => Err(LoadError(format!("`routes` in the data is not an array: {other}"))),
        }
    }

    /// Finds the first template that fits. A path that could be read in more than one way fits none: one with an empty
    /// or dot segment, a percent-encoding, a parameter or a backslash.
    pub(crate) fn find<'a>(&'a self, path: &'a str) -> Option<Match<'a>> {
        if path.contains(['%', ';', '\\']) {
            return None;
        }
        let segments: Vec<&str> = path.strip_prefix('/')?.split('/').collect();
        if segments.iter().any(|segment| matches!(*segment, "" | "." | "..")) {
            return None;
        }
        self.0.iter().find_map(|template| template.fit(&segments))
    }
}

impl Template {
    fn fit<'a>(&'a self, path: &[&'a str]) -> Option<Match<'a>> {
        if self.segments.len() != path.len() {
            return None;
        }
        let mut captures = Vec::new();
        for (segment, &given) in self.segments.iter().zip(path) {
            match segment {
                Segment::Literal(literal) if literal == given => {}
                Segment::Literal(_) => return None,
                Segment::Capture(name) => captures.push((name.as_str(), given)),
            }
        }
        Some(Match {
            template: &self.text,
            captures,
        })
    }
}

fn template(value: &Value) -> Result<Template, LoadError> {
    let (Ok(text), Some(path)) = (
        value.as_string(),
        value.as_string().ok().and_then(|text| text.strip_prefix('/')),
    ) else {
        return Err(LoadError(format!(
            "a template in `routes` of the data is not a path: {value}"
        )));
    };
    let segments = path
        .split('/')
        .map(
            |segment| match segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
                Some(name) => Segment::Capture(name.to_owned()),
                None => Segment::Literal(segment.to_owned()),
            },
        )
        .collect();
    Ok(Template {
        text: text.to_string(),
        segments,
    })
}

#[cfg(test)]
mod tests {
    use regorus::Value;

    use super::{Match, Routes};

    fn routes() -> Routes {
        let data = r#"{"routes":["/v1/profiles/{id}","/v1/profiles/{id}/export"]}"#;
        Routes::from_data(&Value::from_json_str(data).unwrap()).unwrap()
    }

    #[test]
    fn finds_the_template_and_what_it_captures() {
        let routes = routes();
        let expected = Match {
            template: "/v1/profiles/{id}/export",
            captures: vec![("id", "42")],
        };
        assert_eq!(routes.find("/v1/profiles/42/export"), Some(expected));
        assert_eq!(routes.find("/v1/profiles/42").unwrap().template, "/v1/profiles/{id}");
    }

    #[test]
    fn a_path_with_more_than_one_reading_fits_nothing() {
        let routes = routes();
        for path in [
            "/v1/profiles",
            "/v1/profiles/",
            "/v1/profiles/42/",
            "/v1/profiles/42/other",
            "/v1/profiles//42",
            "//v1/profiles/42",
            "/v1/profiles/..",
            "/v1/profiles/.",
            "/v1/profiles/%34%32",
            "/v1/profiles/42;x=1",
            "/v1/profiles/4\\2",
            "/V1/profiles/42",
            "v1/profiles/42",
            "",
        ] {
            assert_eq!(routes.find(path), None, "{path}");
        }
    }

    #[test]
    fn routes_that_are_none_do_not_load() {
        for data in [r#"{"routes":{}}"#, r#"{"routes":[1]}"#, r#"{"routes":["v1"]}"#] {
            assert!(
                Routes::from_data(&Value::from_json_str(data).unwrap()).is_err(),
                "{data}"
            );
        }
        assert!(Routes::from_data(&Value::from_json_str("{}").unwrap()).is_ok());
    }
}
