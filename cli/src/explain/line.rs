//! A decision line, read back: what it says, and whether a bundle wrote it.

use regionguard::reason::Reason;
use serde_json::{Value, json};

use super::place;
use crate::documents::Loaded;
use crate::report::printable;
use crate::testing;

/// The fields of a line, decoded.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line {
    verdict: String,
    reason: String,
    by: String,
    decided_by: String,
    bundle: String,
    home: String,
    source: String,
    local: String,
}

impl Line {
    /// Reads a decision line, or the line of an access log in which it stands.
    ///
    /// # Errors
    /// What would be right.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let form =
            "not a decision line: `allow|deny;reason;policy/rule;decided by;name@version+digest;home>source>local`";
        let line = within(text).ok_or(form)?;
        let fields: Vec<&str> = line.split(';').collect();
        let &[verdict, reason, by, decided_by, bundle, regions] = fields.as_slice() else {
            return Err(form.to_owned());
        };
        let regions: Vec<&str> = regions.split('>').collect();
        let &[home, source, local] = regions.as_slice() else {
            return Err(form.to_owned());
        };
        if !matches!(verdict, "allow" | "deny") {
            return Err(form.to_owned());
        }
        let field = |text: &str| decoded(text).ok_or(form);
        Ok(Self {
            verdict: verdict.to_owned(),
            reason: field(reason)?,
            by: field(by)?,
            decided_by: field(decided_by)?,
            bundle: field(bundle)?,
            home: field(home)?,
            source: field(source)?,
            local: field(local)?,
        })
    }

    /// What it says, compared with a bundle.
    pub(super) fn against(self, bundle: &Loaded) -> Said<'_> {
        Said { line: self, bundle }
    }

    fn known_reason(&self) -> Option<Reason> {
        Reason::ALL.iter().copied().find(|reason| reason.code() == self.reason)
    }
}

/// The decision line in a line of an access log: the member `decision` of one in JSON, or the word that looks like one.
fn within(text: &str) -> Option<String> {
    let text = text.trim();
    if let Ok(Value::Object(members)) = serde_json::from_str(text) {
        return members.get("decision")?.as_str().map(str::to_owned);
    }
    let is_line = |word: &&str| word.matches(';').count() == 5 && word.matches('>').count() == 2;
    let mut words = text.split(|character: char| character.is_whitespace() || character == '"');
    words.find(is_line).map(str::to_owned)
}

/// Without percent-encoding; `None` where that is not valid.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digits = [rest.next()?, rest.next()?];
        bytes.push(u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?);
    }
    String::from_utf8(bytes).ok()
}

/// A line and the bundle that is said to have written it.
pub(super) struct Said<'l> {
    line: Line,
    bundle: &'l Loaded,
}

impl Said<'_> {
    /// Whether this bundle wrote it.
    pub(super) fn fits(&self) -> bool {
        self.line.bundle == self.bundle.generation.label
    }

    fn rule_text(&self) -> Option<&str> {
        let path = testing::path_of(&self.bundle.value, &self.line.by)?;
        self.bundle.text(path.strip_suffix(".name")?)
    }

    /// How far the rule is indented in its file.
    fn indent(&self) -> usize {
        let place = testing::path_of(&self.bundle.value, &self.line.by)
            .and_then(|path| self.bundle.place(path.strip_suffix(".name")?));
        let start = place.and_then(|place| place.positions());
        start.map_or(0, |(start, _)| start.column - 1)
    }

    /// In which way it was another bundle, if it was.
    fn difference(&self) -> Option<String> {
        let (said, own) = (&self.line.bundle, &self.bundle.generation.label);
        if self.fits() {
            return None;
        }
        if said == "-" {
            return Some("no bundle was in force there".to_owned());
        }
        let parts = |label: &str| {
            let (name, rest) = label.split_once('@')?;
            let (version, digest) = rest.split_once('+')?;
            Some((name.to_owned(), version.to_owned(), digest.to_owned()))
        };
        let (Some(said_parts), Some(own_parts)) = (parts(said), parts(own)) else {
            return Some(format!("`{said}` is no label of a bundle"));
        };
        Some(if said_parts.0 != own_parts.0 {
            format!("another bundle wrote it, `{said}`; this one is `{own}`")
        } else if said_parts.1 != own_parts.1 {
            format!("version {} wrote it; this one is {}", said_parts.1, own_parts.1)
        } else {
            format!(
                "the same version with other content wrote it: its digest begins with {}, this one's with {}",
                said_parts.2, own_parts.2
            )
        })
    }

    pub(super) fn text(&self) -> String {
        let Line {
            verdict,
            reason,
            by,
            decided_by,
            bundle,
            home,
            source,
            local,
        } = &self.line;
        let advice = match self.line.known_reason() {
            Some(reason) => reason.row().advice,
            None => "this version knows no such reason",
        };
        let decider = match (by.as_str(), by.split_once('/')) {
            ("-/-", _) => "neither a rule nor a policy".to_owned(),
            (_, Some((policy, "-"))) => format!("a requirement or the default of the policy `{policy}`"),
            _ => format!("the rule `{by}`, which decided or came nearest"),
        };
        let how = match decided_by.as_str() {
            "inline" => "in the filter".to_owned(),
            "cache" => "an answer of the center that was kept".to_owned(),
            "default" => "a default, or no rule at all".to_owned(),
            "override" => "an override of the bundle, which refused everything".to_owned(),
            other => match (other.strip_prefix("center:"), other.strip_prefix("override:")) {
                (Some(region), _) => format!("the center of {region}, or its absence"),
                (_, Some(reason)) => format!("an override of the bundle, against what the policies said: {reason}"),
                _ => other.to_owned(),
            },
        };
        let region = |text: &str, nothing: &str| match text {
            "-" => nothing.to_owned(),
            "?" => "unknown".to_owned(),
            other => other.to_owned(),
        };
        let mut said = format!(
            "{verdict}: {reason}\n          {advice}\nby        {decider}\ndecided   {how}\nbundle    {bundle}\nhome      {}\nsource    {}\nlocal     {}\n",
            region(home, "none: no valid token, and no workload was asked for"),
            region(source, "nothing asked for it"),
            region(local, "-"),
        );
        match self.difference() {
            None => said.push_str("\nthis bundle wrote it\n"),
            Some(difference) => said.push_str(&format!("\nnot this bundle: {difference}\n")),
        }
        match (place(self.bundle, by), self.rule_text()) {
            (Some(place), Some(rule)) => {
                let now = if self.fits() { "" } else { " as it is here" };
                said.push_str(&format!("the rule{now}, {place}\n"));
                for line in rule.lines() {
                    let indent = line.len() - line.trim_start_matches(' ').len();
                    let line = line.get(indent.min(self.indent())..).unwrap_or_default();
                    said.push_str(&format!("    {line}\n"));
                }
            }
            _ if !by.ends_with("/-") => said.push_str(&format!("this bundle has no rule `{by}`\n")),
            _ => {}
        }
        said.lines().map(|line| printable(line) + "\n").collect()
    }

    pub(super) fn json(&self) -> Value {
        let Line {
            verdict,
            reason,
            by,
            decided_by,
            bundle,
            home,
            source,
            local,
        } = &self.line;
        json!({
            "verdict": verdict,
            "reason": reason,
            "advice": self.line.known_reason().map(|reason| reason.row().advice),
            "by": by,
            "decidedBy": decided_by,
            "bundle": bundle,
            "home": home,
            "source": source,
            "local": local,
            "fits": self.fits(),
            "difference": self.difference(),
            "place": place(self.bundle, by),
            "rule": self.rule_text(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Line;

    const LINE: &str = "deny;center.denied;shop/a%2Fb;center:us-east-1;shop@41+c034409d2f17;eu-west-1>->us-east-1";

    #[test]
    fn lines_are_found_and_decoded() {
        let line = Line::parse(LINE).expect("a line");
        assert_eq!(line.by, "shop/a/b");
        assert_eq!(line.source, "-");
        for log in [
            format!("[2026-11-23T18:00:00Z] \"GET /a;b HTTP/1.1\" 403 {LINE} rest"),
            format!("  \"{LINE}\"\n"),
            serde_json::json!({"method": "GET", "decision": LINE}).to_string(),
            serde_json::json!({"candidate": "ask;-;a/b;c;d;e>f>g", "decision": LINE, "shadow": null}).to_string(),
        ] {
            assert_eq!(Line::parse(&log).as_ref(), Ok(&line), "{log}");
        }
    }

    #[test]
    fn what_is_no_line_is_refused() {
        for text in [
            "",
            "allow",
            "maybe;a;b;c;d;e>f>g",
            "allow;a;b;c;d;e>f",
            "allow;a;b%2;c;d;e>f>g",
            "allow;a;b%FF;c;d;e>f>g",
            r#"{"decision": null}"#,
        ] {
            assert!(Line::parse(text).is_err(), "{text}");
        }
    }
}
