//! The center: which region it stands in, what it decides by, and where its log goes.

use crate::log::Log;
use crate::policies::{Decision, EvaluationError, LoadError, Policies, Sources};
use crate::question::Question;
use crate::routes::Routes;

/// A policy decision point of one region. Everything is compiled when it is made; [`serve`](crate::serve) opens it to
/// the network.
pub struct Center {
    pub(crate) region: String,
    pub(crate) routes: Routes,
    pub(crate) log: Log,
    pub(crate) url: Option<String>,
    policies: Policies,
}

impl Center {
    /// Makes the center of `region` from policies and data. It logs each decision on stderr.
    ///
    /// # Errors
    /// What does not load or compile, by file name.
    pub fn new(region: &str, sources: &Sources) -> Result<Self, LoadError> {
        let policies = Policies::compile(sources)?;
        let routes = Routes::from_data(policies.data())?;
        Ok(Self {
            region: region.to_owned(),
            routes,
            log: Log::stderr(),
            url: None,
            policies,
        })
    }

    /// Makes the center of `region` from what is built in.
    ///
    /// # Errors
    /// As for [`Center::new`].
    pub fn embedded(region: &str) -> Result<Self, LoadError> {
        Self::new(region, &Sources::embedded())
    }

    /// Logs nothing.
    #[must_use]
    pub fn quiet(self) -> Self {
        Self {
            log: Log::off(),
            ..self
        }
    }

    /// Gives each line of the log, without a line end, to `sink` instead of stderr. It runs on the thread that decides
    /// and must not wait.
    #[must_use]
    pub fn with_log(self, sink: impl Fn(&str) + Send + Sync + 'static) -> Self {
        Self {
            log: Log::to(sink),
            ..self
        }
    }

    /// Publishes `url` as the identifier of this policy decision point: the address at which clients reach it through
    /// the proxy that gives it TLS, without a trailing slash. Without it the metadata name the plain HTTP address.
    ///
    /// # Errors
    /// The URL has another scheme than `https`, no host, or a query or fragment, which AuthZEN forbids.
    pub fn with_url(self, url: &str) -> Result<Self, LoadError> {
        let rest = url.strip_prefix("https://").unwrap_or_default();
        if rest.is_empty() || rest.starts_with('/') || rest.contains(['?', '#']) {
            return Err(LoadError(format!(
                "`{url}` is not an identifier: it has to be https://HOST[/PATH]"
            )));
        }
        Ok(Self {
            url: Some(url.trim_end_matches('/').to_owned()),
            ..self
        })
    }

    /// Decides one question, without logging it.
    ///
    /// # Errors
    /// The policies failed or gave no proper answer, which stands for a deny at best.
    pub fn decide(&self, question: &Question) -> Result<Decision, EvaluationError> {
        self.policies.decide(question)
    }
}

#[cfg(test)]
mod tests {
    use super::Center;

    #[test]
    fn an_identifier_is_an_https_url() {
        for (url, expected) in [
            ("https://center.us-east-1.com", Some("https://center.us-east-1.com")),
            (
                "https://center.us-east-1.com/tenant/",
                Some("https://center.us-east-1.com/tenant"),
            ),
            ("http://center.us-east-1.com", None),
            ("https://", None),
            ("https:///x", None),
            ("https://a?b", None),
            ("https://a#b", None),
        ] {
            let center = Center::embedded("us-east-1").unwrap().with_url(url);
            assert_eq!(center.ok().and_then(|center| center.url).as_deref(), expected, "{url}");
        }
    }
}
