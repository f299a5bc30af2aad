//! What a running Envoy says about each request: the access log's lines, and the decision line in them.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::Result;

/// The access log of one Envoy.
#[derive(Clone, Debug)]
pub struct AccessLog {
    path: PathBuf,
}

impl AccessLog {
    /// The log in this file, which need not be there yet.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// Where the file is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// All whole lines so far, oldest first.
    #[must_use]
    pub fn entries(&self) -> Vec<Entry> {
        let text = std::fs::read(&self.path).unwrap_or_default();
        let lines = text
            .split_inclusive(|byte| *byte == b'\n')
            .filter(|line| line.ends_with(b"\n"));
        lines
            .filter_map(|line| serde_json::from_slice(line).ok().map(Entry))
            .collect()
    }

    /// Waits up to 5 s for a line that `wanted` accepts, and gives the last such line.
    ///
    /// # Errors
    /// When none comes; the error holds the lines that did.
    pub async fn wait_for(&self, wanted: impl Fn(&Entry) -> bool) -> Result<Entry> {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let entries = self.entries();
            if let Some(entry) = entries.iter().rev().find(|entry| wanted(entry)) {
                return Ok(entry.clone());
            }
            if Instant::now() > deadline {
                return Err(format!("no such line in the access log: {entries:#?}").into());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits up to 5 s until there are more than `before` lines, and gives the last one: for a request sent after `before`
    /// lines were counted.
    ///
    /// # Errors
    /// When none comes.
    pub async fn after(&self, before: usize) -> Result<Entry> {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let mut entries = self.entries();
            if entries.len() > before {
                return entries.pop().ok_or_else(|| "no line".into());
            }
            if Instant::now() > deadline {
                return Err(format!("no line in the access log after the first {before}").into());
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

/// One line of the access log.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry(pub Value);

impl Entry {
    /// The status that the client got, 0 where it got none.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.0["status"]
            .as_u64()
            .and_then(|status| status.try_into().ok())
            .unwrap_or(0)
    }

    /// A field as text; empty where the line has none.
    #[must_use]
    pub fn text(&self, field: &str) -> &str {
        self.0[field].as_str().unwrap_or_default()
    }

    /// The decision line, where the filter has set one.
    #[must_use]
    pub fn decision(&self) -> Option<Decision> {
        Decision::parse(self.0["decision"].as_str()?)
    }
}

/// The decision line `verdict;reason;policy/rule;decided by;bundle;regions`, its fields without their percent-encoding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// `allow` or `deny`.
    pub verdict: String,
    /// The reason code.
    pub reason: String,
    /// `policy/rule`.
    pub rule: String,
    /// `inline`, `cache`, `center:NAME` or `default`.
    pub by: String,
    /// `name@version+digest`.
    pub bundle: String,
    /// `home>source>local`.
    pub regions: String,
}

impl Decision {
    /// Reads a line; `None` where it has not exactly six fields.
    #[must_use]
    pub fn parse(line: &str) -> Option<Self> {
        let fields: Vec<String> = line.split(';').map(decoded).collect();
        let [verdict, reason, rule, by, bundle, regions] = fields.try_into().ok()?;
        Some(Self {
            verdict,
            reason,
            rule,
            by,
            bundle,
            regions,
        })
    }
}

fn decoded(field: &str) -> String {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field.as_bytes();
    while let [first, tail @ ..] = rest {
        let pair = tail.get(..2).and_then(|pair| std::str::from_utf8(pair).ok());
        match pair
            .filter(|_| *first == b'%')
            .and_then(|pair| u8::from_str_radix(pair, 16).ok())
        {
            Some(byte) => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            None => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::{AccessLog, Decision};

    #[test]
    fn a_decision_line_has_six_fields() {
        let line =
            "deny;rule.denied;my%20policy/r%3B;center:center-us-east-1;shop@41+abcdef012345;eu-west-1>->us-east-1";
        let decision = Decision::parse(line).unwrap();
        assert_eq!(decision.rule, "my policy/r;");
        assert_eq!(decision.by, "center:center-us-east-1");
        assert_eq!(Decision::parse("allow;five;fields;only;here"), None);
    }

    #[test]
    fn a_line_that_is_not_whole_yet_is_left_for_later() {
        let run = crate::RunDir::new("access-log").unwrap();
        let path = run.path().join("access.log");
        std::fs::write(&path, "{\"status\":403,\"decision\":null}\n{\"status\":20").unwrap();
        let entries = AccessLog::new(path).entries();
        assert_eq!(entries.len(), 1);
        assert_eq!(entries[0].status(), 403);
        assert_eq!(entries[0].decision(), None);
    }
}
