//! A browser as far as a login needs one: cookies with their attributes, redirects, and forms that somebody fills in.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use regionguard_harness::client::{Client, Request, Response};

use super::encoded;
use crate::Result;

/// More redirects and forms than any login has.
const STEPS: usize = 20;

/// A browser with its cookies, which knows some servers.
#[derive(Clone, Debug, Default)]
pub struct Browser {
    servers: BTreeMap<String, Client>,
    cookies: Vec<Cookie>,
}

#[derive(Clone, Debug)]
struct Cookie {
    host: String,
    path: String,
    name: String,
    value: String,
    attributes: String,
    ends: Option<Instant>,
}

/// Where a browser has come to.
#[derive(Debug)]
pub struct Page {
    /// The address of the last answer.
    pub url: String,
    /// The addresses before it.
    pub passed: Vec<String>,
    /// The last answer.
    pub answer: Response,
}

impl Browser {
    /// A browser without cookies.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The same, which reaches `https://AUTHORITY` by this client.
    #[must_use]
    pub fn server(mut self, authority: &str, client: Client) -> Self {
        self.servers.insert(authority.to_owned(), client);
        self
    }

    /// The value of a cookie of this host.
    #[must_use]
    pub fn cookie(&self, host: &str, name: &str) -> Option<&str> {
        Some(self.find(host, name)?.value.as_str())
    }

    /// The attributes of a cookie of this host, as they were set.
    #[must_use]
    pub fn attributes(&self, host: &str, name: &str) -> Option<&str> {
        Some(self.find(host, name)?.attributes.as_str())
    }

    /// Goes to an address as a person does who types it, and on to wherever it leads: along redirects, and through forms that can
    /// be filled in with `fields`, by the names of inputs and of buttons.
    ///
    /// # Errors
    /// When a server is not known, or it leads nowhere.
    pub async fn visit(&mut self, url: &str, fields: &[(&str, &str)]) -> Result<Page> {
        let (mut url, mut form) = (url.to_owned(), None::<String>);
        let mut passed = Vec::new();
        for _ in 0..STEPS {
            let (authority, path) = split(&url)?;
            let mut request = Request::new(if form.is_some() { "POST" } else { "GET" }, path)
                .host(authority)
                .header("sec-fetch-mode", "navigate");
            if let Some(form) = form.take() {
                request = request
                    .header("content-type", "application/x-www-form-urlencoded")
                    .header("origin", format!("https://{authority}"))
                    .body(form);
            }
            let answer = self.send(&request, authority, path).await?;
            let next = match answer.header("location") {
                Some(location) if (300..400).contains(&answer.status) => absolute(&location, authority),
                _ => match filled(&answer.text(), fields) {
                    Some((action, values)) if answer.status == 200 => {
                        form = Some(values);
                        absolute(&action, authority)
                    }
                    _ => return Ok(Page { url, passed, answer }),
                },
            };
            passed.push(std::mem::replace(&mut url, next));
        }
        Err(format!("after {STEPS} steps no page: {passed:#?}").into())
    }

    /// Sends one request with the cookies that belong to it, and keeps those that its answer sets; no redirect is followed.
    ///
    /// # Errors
    /// When the server is not known, or does not answer.
    pub async fn fetch(&mut self, authority: &str, path: &str, request: Request) -> Result<Response> {
        self.send(&request.host(authority), authority, path).await
    }

    async fn send(&mut self, request: &Request, authority: &str, path: &str) -> Result<Response> {
        let client = self.servers.get(authority);
        let client = client.ok_or_else(|| format!("the browser knows no server `{authority}`"))?;
        let now = Instant::now();
        self.cookies.retain(|cookie| cookie.ends.is_none_or(|ends| ends > now));
        let host = host_of(authority);
        let fitting = self
            .cookies
            .iter()
            .filter(|cookie| cookie.host == host && path.starts_with(&cookie.path));
        let pairs: Vec<String> = fitting
            .map(|cookie| format!("{}={}", cookie.name, cookie.value))
            .collect();
        let request = match pairs.is_empty() {
            true => request.clone(),
            false => request.clone().header("cookie", pairs.join("; ")),
        };
        let answer = client.send(&request).await?;
        for (_, value) in answer.headers.iter().filter(|(name, _)| name == "set-cookie") {
            self.keep(host, &String::from_utf8_lossy(value));
        }
        Ok(answer)
    }

    fn keep(&mut self, host: &str, line: &str) {
        let (pair, attributes) = line.split_once(';').unwrap_or((line, ""));
        let Some((name, value)) = pair.split_once('=') else {
            return;
        };
        let attribute = |wanted: &str| {
            let mut all = attributes
                .split(';')
                .filter_map(|attribute| attribute.trim().split_once('='));
            all.find_map(|(name, value)| name.eq_ignore_ascii_case(wanted).then_some(value))
        };
        let age: Option<u64> = attribute("max-age").and_then(|age| age.parse().ok());
        // The only date that anybody sends here, to remove a cookie.
        let removed = age == Some(0) || attribute("expires").is_some_and(|date| date.contains("1970"));
        let path = attribute("path").unwrap_or("/").to_owned();
        self.cookies
            .retain(|cookie| !(cookie.host == host && cookie.name == name && cookie.path == path));
        if !removed {
            self.cookies.push(Cookie {
                host: host.to_owned(),
                path,
                name: name.to_owned(),
                value: value.to_owned(),
                attributes: attributes.to_owned(),
                ends: age.map(|age| Instant::now() + Duration::from_secs(age)),
            });
        }
    }

    fn find(&self, host: &str, name: &str) -> Option<&Cookie> {
        let now = Instant::now();
        self.cookies
            .iter()
            .find(|cookie| cookie.host == host && cookie.name == name && cookie.ends.is_none_or(|ends| ends > now))
    }
}

/// The authority, and the path with its query.
fn split(url: &str) -> Result<(&str, &str)> {
    let rest = url.strip_prefix("https://");
    let rest = rest.ok_or_else(|| format!("`{url}` is not https, and no browser would send a login there"))?;
    let slash = rest.find('/').ok_or_else(|| format!("`{url}` has no path"))?;
    Ok(rest.split_at(slash))
}

fn absolute(location: &str, authority: &str) -> String {
    match location.starts_with('/') {
        true => format!("https://{authority}{location}"),
        false => location.to_owned(),
    }
}

fn host_of(authority: &str) -> &str {
    authority.split(':').next().unwrap_or(authority)
}

/// Where the first form of a page goes, and what it sends when it is filled in; none where an input is left that nobody fills in.
fn filled(page: &str, fields: &[(&str, &str)]) -> Option<(String, String)> {
    let form = page.split_once("<form")?.1.split_once("</form>")?.0;
    let action = attribute(form.split_once('>')?.0, "action")?.to_owned();
    let given = |name: &str| fields.iter().find(|(field, _)| *field == name).map(|(_, value)| *value);
    let mut values = Vec::new();
    for input in tags(form, "<input") {
        if let Some(name) = attribute(input, "name") {
            values.push((name, given(name).or_else(|| attribute(input, "value"))?));
        }
    }
    // A button may stand outside of its form.
    let pressed = |button: &'_ str| {
        let name = attribute(button, "name")?;
        fields
            .iter()
            .find(|(field, value)| *field == name && attribute(button, "value") == Some(*value))
    };
    values.extend(tags(page, "<button").find_map(pressed));
    Some((action, encoded(&values)))
}

fn tags<'a>(page: &'a str, begin: &'a str) -> impl Iterator<Item = &'a str> {
    page.split(begin)
        .skip(1)
        .map(|rest| rest.split_once('>').map_or(rest, |(tag, _)| tag))
}

fn attribute<'a>(tag: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = tag.split_once(&format!(" {name}=\""))?;
    Some(rest.split_once('"')?.0)
}

#[cfg(test)]
mod tests {
    use super::{Browser, filled};

    #[test]
    fn a_form_is_filled_in() {
        let page = "<h1>x</h1><form autocomplete=\"off\" action=\"/login/7\" method=\"post\"><input type=\"hidden\" name=\"prompt\" value=\"login\"/>\
                    <input required type=\"text\" name=\"login\"></form><button type=\"submit\" name=\"go\" value=\"yes\">Go</button>";
        let sent = |fields: &[(&str, &str)]| filled(page, fields).map(|(action, values)| format!("{action} {values}"));
        assert_eq!(
            sent(&[("login", "al ice")]).as_deref(),
            Some("/login/7 prompt=login&login=al%20ice")
        );
        let fields = [("go", "yes"), ("login", "al")];
        assert_eq!(sent(&fields).as_deref(), Some("/login/7 prompt=login&login=al&go=yes"));
        assert_eq!(sent(&[("go", "yes")]), None, "a field is left");
        assert!(filled("{\"path\": \"/v1\"}", &[]).is_none());
    }

    #[test]
    fn cookies_are_replaced_and_removed() {
        let mut browser = Browser::new();
        browser.keep("a", "session=one; path=/; Max-Age=60; secure");
        browser.keep("a", "session=two;path=/;HttpOnly");
        browser.keep("b", "session=three");
        assert_eq!(browser.cookie("a", "session"), Some("two"));
        assert_eq!(browser.attributes("a", "session"), Some("path=/;HttpOnly"));
        browser.keep("a", "session=deleted; path=/; expires=Thu, 01 Jan 1970 00:00:00 GMT");
        assert_eq!(browser.cookie("a", "session"), None);
        assert_eq!(browser.cookie("b", "session"), Some("three"));
    }
}
