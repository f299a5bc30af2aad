//! The walk: one request after the other, by theme, each with what is expected of it.

use regionguard_harness::Result;
use regionguard_harness::config::{Base, Config};
use regionguard_harness::envoy::Envoy;
use regionguard_harness::policy_folder::PolicyFolder;
use serde_json::json;

use crate::case::{Case, Network, Place, Row, Timing};
use crate::people::Person::{Alice, Bob, Carol, Dave, Erin};
use crate::people::Token::{Expired, Of, OtherKey, Twice, Unsecured};
use crate::region::Pushed;
use crate::{TwoRegions, policy, probe};

/// The times are medians of this many requests.
pub const SAMPLES: usize = probe::SAMPLES;

/// What happens on the walk.
#[derive(Debug)]
pub enum Event<'a> {
    /// A new theme begins.
    Theme(&'a str),
    /// A request has been answered.
    Row(&'a Row),
}

/// Sends every request of the walk, and tells `see` about each. Rows that are not as expected are marked, not errors.
///
/// # Errors
/// When something cannot be asked at all: an Envoy that has ended, a center that does not start again.
pub async fn walk(regions: &mut TwoRegions, see: &mut dyn FnMut(Event<'_>)) -> Result<()> {
    let mut walk = Walk { regions, see };
    walk.theme("Decided on the spot: the token says enough", on_the_spot())
        .await?;
    walk.theme("Who asks: what counts as a token, and whose", who_asks())
        .await?;
    walk.theme("What is asked: a request has one meaning, or none", what_is_asked())
        .await?;
    walk.theme("From where: the source region, told by the network", from_where())
        .await?;
    walk.theme(
        "The center of us-east-1 decides: the law is not in the token",
        center_decides(),
    )
    .await?;
    walk.center_stops().await?;
    walk.policy_changes().await?;
    walk.theme("eu-west-1: the same tokens, another law", another_law())
        .await?;
    walk.module_missing().await
}

fn on_the_spot() -> Vec<Case> {
    let (order, read) = ("/v1/orders/7", "GET");
    vec![
        Case::new("alice reads an order, token unseen", read, order)
            .with(Of(Alice))
            .timing(Timing::FreshToken)
            .expect(200, "rule.allowed", "inline"),
        Case::new("alice reads an order, token known", read, order)
            .with(Of(Alice))
            .expect(200, "rule.allowed", "inline"),
        Case::new("bob of eu-west-1 may read here, too", read, order)
            .with(Of(Bob))
            .expect(200, "rule.allowed", "inline"),
        Case::new("anybody: a public route, no token", read, "/healthz").expect(200, "rule.public", "inline"),
        Case::new("alice writes: permission missing", "PUT", order)
            .with(Of(Alice))
            .expect(403, "permission.missing", "inline"),
        Case::new("carol writes: she may, in eu-west-1", "PUT", order)
            .with(Of(Carol))
            .expect(403, "permission.other_region", "inline"),
        Case::new("bob writes: not taken over from eu", "PUT", order)
            .with(Of(Bob))
            .expect(403, "permission.not_accepted", "inline"),
        Case::new("erin the admin: a deny rule, hidden", read, "/debug/vars")
            .with(Of(Erin))
            .expect(404, "rule.denied", "inline"),
        Case::new("alice: a route that no rule names", read, "/v2/orders/7")
            .with(Of(Alice))
            .expect(403, "policy.no_rule", "default"),
    ]
}

fn who_asks() -> Vec<Case> {
    let ask = |what| Case::new(what, "GET", "/v1/orders/7");
    vec![
        ask("nobody: no token").expect(401, "identity.missing", "inline"),
        ask("dave of ap-southeast-1: not accepted")
            .with(Of(Dave))
            .expect(401, "region.not_accepted", "inline"),
        ask("alice: token expired")
            .with(Expired(Alice))
            .expect(401, "identity.expired", "inline"),
        ask("alice: signed by eu-west-1's key")
            .with(OtherKey(Alice))
            .expect(401, "identity.signature", "inline"),
        ask("alice: `alg: none`, no signature")
            .with(Unsecured(Alice))
            .expect(401, "identity.malformed", "inline"),
        ask("alice: two tokens at once")
            .with(Twice(Alice))
            .expect(400, "request.token_ambiguous", "inline"),
    ]
}

fn what_is_asked() -> Vec<Case> {
    let ask = |what, path| Case::new(what, "GET", path).with(Of(Alice));
    vec![
        ask("an encoded slash", "/v1/orders%2F7").expect(400, "request.path_encoded_slash", "inline"),
        ask("a double slash", "/v1//orders/7").expect(400, "request.path_empty_segment", "inline"),
        ask("an encoding within an encoding", "/v1/orders/%2537").expect(400, "request.path_encoding", "inline"),
        Case::new("dots out of a public path, no token", "GET", "/catalog/../v1/orders/7").expect(
            401,
            "identity.missing",
            "inline",
        ),
        ask("the same with alice's token", "/catalog/../v1/orders/7").expect(200, "rule.allowed", "inline"),
        Case::new("an authority that is not served", "GET", "/healthz")
            .host("evil.example")
            .expect(421, "request.authority_not_served", "inline"),
    ]
}

fn from_where() -> Vec<Case> {
    let stock = |what| Case::new(what, "GET", "/v1/inventory/7").with(Of(Alice));
    let admin = |what| {
        Case::new(what, "GET", "/users")
            .host("admin.us-east-1.com")
            .with(Of(Erin))
    };
    vec![
        stock("alice, from 127.0.1.7 = us-east-1").expect(200, "rule.allowed", "inline"),
        stock("alice, from 127.0.2.7 = eu-west-1")
            .from(Network::Eu)
            .expect(403, "rule.source", "inline"),
        admin("erin, from 127.0.2.7 = eu-west-1")
            .from(Network::Eu)
            .expect(200, "rule.allowed", "inline"),
        admin("erin, from 127.0.3.7 = ap-southeast")
            .from(Network::Ap)
            .expect(403, "context.source_region", "inline"),
        admin("erin, from 127.0.0.7: no region")
            .from(Network::Unknown)
            .expect(403, "context.source_unknown", "inline"),
    ]
}

const NO_TRANSFER: &str = "This data may not leave the EU without consent or a contract.";

fn center_decides() -> Vec<Case> {
    let with_consent = |what| Case::new(what, "GET", "/v1/profiles/43").with(Of(Alice));
    let without = |what| Case::new(what, "GET", "/v1/profiles/42").with(Of(Alice));
    vec![
        with_consent("GDPR: an EU profile, with consent")
            .timing(Timing::FreshQuery)
            .expect(200, "center.allowed", "center"),
        with_consent("the same again").expect(200, "center.allowed", "cache"),
        without("GDPR: an EU profile, no consent")
            .timing(Timing::FreshQuery)
            .expect(403, "center.denied", "center")
            .told(NO_TRANSFER),
        without("the same again")
            .expect(403, "center.denied", "cache")
            .told(NO_TRANSFER),
        Case::new(
            "SOX: alice approves her own posting",
            "POST",
            "/v1/postings/1001/approve",
        )
        .with(Of(Alice))
        .expect(403, "center.denied", "center")
        .told("You prepared this posting: somebody else has to approve it."),
        Case::new("SOX: alice approves bob's posting", "POST", "/v1/postings/1002/approve")
            .with(Of(Alice))
            .expect(200, "center.allowed", "center"),
    ]
}

fn while_stopped() -> Vec<Case> {
    vec![
        Case::new("alice's profile: the rule says deny", "GET", "/v1/profiles/44")
            .with(Of(Alice))
            .expect(503, "center.unavailable", "center"),
        Case::new("an emergency: its rule says allow", "GET", "/v1/profiles/44/export")
            .with(Of(Erin))
            .expect(200, "center.unavailable_allowed", "center"),
        Case::new("what the center said is still known", "GET", "/v1/profiles/43")
            .with(Of(Alice))
            .expect(200, "center.allowed", "cache"),
        Case::new("what needs no center goes on", "GET", "/v1/orders/7")
            .with(Of(Alice))
            .expect(200, "rule.allowed", "inline"),
    ]
}

fn started_again() -> Case {
    Case::new("the center is back", "GET", "/v1/profiles/44")
        .with(Of(Alice))
        .timing(Timing::FreshQuery)
        .expect(200, "center.allowed", "center")
}

fn order(what: &'static str) -> Case {
    Case::new(what, "GET", "/v1/orders/7").with(Of(Alice))
}

fn another_law() -> Vec<Case> {
    let profile = |what| {
        Case::new(what, "GET", "/v1/profiles/42")
            .with(Of(Bob))
            .timing(Timing::FreshQuery)
    };
    let segment = |what| Case::new(what, "GET", "/v1/segments/7").with(Of(Bob));
    vec![
        profile("bob reads 42 in us-east-1")
            .from(Network::Eu)
            .expect(403, "center.denied", "center")
            .told(NO_TRANSFER),
        profile("the same token in eu-west-1")
            .in_eu()
            .expect(200, "center.allowed", "center"),
        segment("bob profiles a customer in us-east-1")
            .from(Network::Eu)
            .expect(200, "rule.allowed", "inline"),
        segment("the same token in eu-west-1")
            .in_eu()
            .expect(451, "rule.denied", "inline"),
        Case::new("carol writes in eu-west-1", "PUT", "/v1/orders/7")
            .with(Of(Carol))
            .in_eu()
            .expect(200, "rule.allowed", "inline"),
    ]
}

struct Walk<'a> {
    regions: &'a mut TwoRegions,
    see: &'a mut dyn FnMut(Event<'_>),
}

impl Walk<'_> {
    async fn theme(&mut self, name: &str, cases: Vec<Case>) -> Result<()> {
        (self.see)(Event::Theme(name));
        self.ask_all(&cases).await
    }

    async fn ask_all(&mut self, cases: &[Case]) -> Result<()> {
        for case in cases {
            self.ask(case).await?;
        }
        Ok(())
    }

    async fn ask(&mut self, case: &Case) -> Result<()> {
        let region = match case.at {
            Place::Us => &self.regions.us,
            Place::Eu => &self.regions.eu,
        };
        let row = probe::ask(case, region, &self.regions.people).await?;
        (self.see)(Event::Row(&row));
        Ok(())
    }

    async fn center_stops(&mut self) -> Result<()> {
        (self.see)(Event::Theme(
            "The center of us-east-1 is stopped: each rule says what then",
        ));
        self.regions.us.center.stop().await?;
        self.ask_all(&while_stopped()).await?;
        self.regions.us.center.resume().await?;
        self.ask(&started_again()).await
    }

    async fn policy_changes(&mut self) -> Result<()> {
        (self.see)(Event::Theme("The policy changes while it serves"));
        self.ask(
            &order("alice reads an order")
                .expect(200, "rule.allowed", "inline")
                .by_bundle("shop@1"),
        )
        .await?;

        let mut bundle = self.regions.us.bundle().clone();
        policy::raise_version(&mut bundle);
        let freeze = json!({"name": "freeze-orders", "paths": ["/v1/orders/**"], "effect": "deny"});
        policy::rules(&mut bundle, "shop")?.push(freeze);
        let edited = bundle.clone();
        let pushed = self.regions.us.push(bundle).await?;
        let denied = |what| order(what).expect(403, "rule.denied", "inline").by_bundle("shop@2");
        self.ask_after(&denied("version 2 with a deny rule: in force"), &pushed, true)
            .await?;

        let mut broken = edited.clone();
        policy::raise_version(&mut broken);
        if let Some(rule) = policy::rules(&mut broken, "shop")?.last_mut() {
            rule["effect"] = json!("alow");
        }
        let pushed = self.regions.us.push(broken).await?;
        self.ask_after(&denied("version 3, broken: 2 serves on"), &pushed, false)
            .await?;

        let mut mended = edited;
        mended["metadata"]["version"] = json!(4);
        policy::rules(&mut mended, "shop")?.pop();
        let pushed = self.regions.us.push(mended).await?;
        let allowed = order("version 4 without it: in force").expect(200, "rule.allowed", "inline");
        self.ask_after(&allowed.by_bundle("shop@4"), &pushed, true).await
    }

    /// A row about what became of a push, and of a request after it.
    async fn ask_after(&mut self, case: &Case, pushed: &Pushed, accepted: bool) -> Result<()> {
        let mut row = probe::ask(case, &self.regions.us, &self.regions.people).await?;
        match (pushed, accepted) {
            (Pushed::Accepted, true) => {}
            (Pushed::Refused(complaints), false) => {
                row.note = complaints.first().cloned();
                if row.note.is_none() {
                    row.differences
                        .push("nothing in the log says why it was refused".to_owned());
                }
            }
            (Pushed::Accepted, false) => row
                .differences
                .push("the bundle was accepted, expected to be refused".to_owned()),
            (Pushed::Older, _) => row
                .differences
                .push("the bundle was taken for older than the one in force".to_owned()),
            (Pushed::Refused(complaints), true) => {
                let complaints = complaints.join("; ");
                row.differences
                    .push(format!("the bundle was refused, expected to be accepted: {complaints}"));
            }
        }
        (self.see)(Event::Row(&row));
        Ok(())
    }

    /// A third Envoy, with the same policy and a module that is not there.
    async fn module_missing(&mut self) -> Result<()> {
        (self.see)(Event::Theme(
            "The filter's module is missing: a third, short-lived Envoy",
        ));
        let (us, dir) = (&self.regions.us, self.regions.run.path());
        let folder = PolicyFolder::create(dir.join("no-module.policy"), dir.join("not-there.wasm"))?;
        folder.write(us.bundle())?;
        let config = Config::shipped(Base::Sidecar)?
            .cluster("upstream", us.upstream.address())
            .policy(&folder);
        let envoy = Envoy::start("no-module", config, dir).await?;
        let cases = [
            Case::new("alice reads an order", "GET", "/v1/orders/7").with(Of(Alice)),
            Case::new("even a public route", "GET", "/healthz"),
        ];
        for case in cases {
            let case = case.expect(500, "-", "-");
            let client = envoy.client().from(case.from.address());
            let request = case.request(&self.regions.people.authorization(case.token)?, "");
            let row = probe::observe(&case, "no-module", &envoy, &us.upstream, &client, &request).await?;
            (self.see)(Event::Row(&row));
        }
        envoy.stop();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{another_law, center_decides, from_where, on_the_spot, what_is_asked, while_stopped, who_asks};
    use crate::report::WHAT;

    #[test]
    fn what_is_said_fits_its_column() {
        let themes = [
            on_the_spot(),
            who_asks(),
            what_is_asked(),
            from_where(),
            center_decides(),
            while_stopped(),
            another_law(),
        ];
        for case in themes.iter().flatten() {
            assert!(case.what.chars().count() <= WHAT, "{}", case.what);
        }
    }
}
