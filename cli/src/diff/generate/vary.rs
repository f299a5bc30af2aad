//! Requests that differ in one thing from one that does: for each demand one that does not meet just this.

use std::time::Duration;

use regionguard::bundle::document::{Effect, Policy, Requirement, Rule, Words};
use regionguard::device::{Check, Field, Platform};
use serde_json::{Map, Value, json};

use super::meet::{Demands, World, before, come_from, good_device, is_of_rule, is_origin, is_time, token, wanted};
use super::{route, times};
use crate::trial::{Center, Trial};

/// Homes, methods, paths, hosts, words and workloads beside those of a rule that are tried with it, at most.
const OTHERS: usize = 6;
/// Times around which something changes, at most.
const TIMES: usize = 40;

/// The variations of one request.
pub(super) struct Variations<'w, 'b> {
    world: &'w World<'b>,
    base: Trial,
    made: Vec<Trial>,
}

impl<'w, 'b> Variations<'w, 'b> {
    /// All variations of `base`, that and what matters most first.
    pub(super) fn of_rule(
        world: &'w World<'b>,
        policy: &'b Policy,
        rule: &Rule,
        demands: &Demands<'b>,
        base: Trial,
    ) -> Vec<Trial> {
        let mut all = Self {
            world,
            made: vec![base.clone()],
            base,
        };
        all.effect(rule);
        all.requirements(Some(rule), demands);
        all.who(rule, demands);
        all.words(rule, demands);
        all.source(rule, demands);
        all.about(rule);
        all.route(policy, rule, demands);
        all.pools(demands);
        all.made
    }

    /// Those of a request that is about no rule, but about what its policy says beside its rules.
    pub(super) fn of_policy(world: &'w World<'b>, demands: &Demands<'b>, base: Trial) -> Vec<Trial> {
        let mut all = Self {
            world,
            made: vec![base.clone()],
            base,
        };
        all.vary(|trial| trial.token = None);
        all.requirements(None, demands);
        all.pools(demands);
        all.made
    }

    fn vary(&mut self, change: impl FnOnce(&mut Trial)) {
        let mut trial = self.base.clone();
        change(&mut trial);
        self.made.push(trial);
    }

    fn claim(&mut self, name: &str, value: Option<Value>) {
        self.vary(|trial| {
            if let Some(token) = &mut trial.token {
                match value {
                    Some(value) => token.claims.insert(name.to_owned(), value),
                    None => token.claims.remove(name),
                };
            }
        });
    }

    /// What comes of the effect: the login that a step-up wants, and all that a center may answer.
    fn effect(&mut self, rule: &Rule) {
        match &rule.effect {
            Effect::Allow | Effect::Deny(_) => {}
            Effect::Defer(_) => {
                for center in [Center::Allow, Center::Deny, Center::Away] {
                    self.vary(|trial| trial.center = Some(center));
                }
            }
            Effect::StepUp(wanted) => {
                let now = json!(self.base.at.0 / 1_000_000_000);
                for acr in wanted.acr.first().map(Some).into_iter().chain([None]) {
                    let now = now.clone();
                    self.vary(|trial| {
                        if let Some(token) = &mut trial.token {
                            token.claims.extend(acr.map(|acr| ("acr".to_owned(), json!(acr))));
                            token.claims.insert("auth_time".to_owned(), now);
                        }
                    });
                }
            }
        }
    }

    /// Each requirement, not met by itself.
    fn requirements(&mut self, rule: Option<&Rule>, demands: &Demands<'b>) {
        for requirement in demands.requirements.iter().copied() {
            match requirement {
                Requirement::Certificate => self.vary(|trial| {
                    if let Some(token) = &mut trial.token {
                        token.bound = false;
                    }
                }),
                Requirement::MultiFactor(_) => self.vary(|trial| {
                    if let Some(token) = &mut trial.token {
                        token.claims.insert("amr".to_owned(), json!(["pwd"]));
                        token.claims.remove("acr");
                    }
                }),
                Requirement::Device(check) => self.device(check),
                Requirement::Source(_) => {
                    let origins = self.world.origins(rule);
                    let unmet = |origin: &&super::meet::Origin| is_origin(demands, rule, Some(requirement), origin);
                    let any = || {
                        origins
                            .iter()
                            .find(|origin| is_origin(demands, None, Some(requirement), origin))
                    };
                    if let Some(origin) = origins.iter().find(unmet).or_else(any) {
                        self.vary(|trial| come_from(trial, origin));
                    }
                }
                Requirement::BusinessHours
                | Requirement::Hours(_)
                | Requirement::Dates(_)
                | Requirement::Maintenance(_) => {
                    let pools = self.world.pools;
                    let unmet = |at| is_time(demands, Some(requirement), at);
                    if let Some(at) = times::find(pools.at, &pools.times, unmet) {
                        self.at(at);
                    }
                    if let Requirement::Dates(span) = requirement
                        && let Some(at) = times::before(span, unmet)
                    {
                        self.at(at);
                    }
                }
            }
        }
        let checks = |requirement: &&Requirement| matches!(requirement, Requirement::Device(_));
        if demands
            .requirements
            .iter()
            .copied()
            .any(|requirement| checks(&requirement))
        {
            self.vary(|trial| trial.device = None);
        }
    }

    /// A device that does not meet just this.
    fn device(&mut self, check: &Check) {
        let at = self.base.at;
        let (field, value) = match check {
            Check::NotJailbroken => (Field::Jailbroken, json!(true)),
            Check::Managed => (Field::Managed, json!(false)),
            Check::Encryption => (Field::Encrypted, json!(false)),
            Check::ScreenLock => (Field::ScreenLock, json!(false)),
            Check::Certificate => (Field::Certificate, json!(false)),
            Check::OsVersion(_) => (Field::OsVersion, json!("0.1")),
            Check::PatchAge(most) => (Field::PatchedAt, json!(before(at, *most + Duration::from_secs(1)))),
        };
        self.part(field, value);
    }

    fn part(&mut self, field: Field, value: Value) {
        self.vary(|trial| {
            let parts = trial.device.iter_mut().flat_map(|device| &mut device.parts);
            parts
                .filter(|(of, _)| *of == field)
                .for_each(|(_, part)| part.clone_from(&value));
        });
    }

    /// The same request at another time, of which its login and device are as far away as before.
    fn at(&mut self, at: regionguard::time::WallTime) {
        let (was, is) = (self.base.at.0 / 1_000_000_000, at.0 / 1_000_000_000);
        let moved = |value: &mut Value| {
            if let Some(time) = value.as_u64() {
                *value = json!(time.saturating_add(is).saturating_sub(was));
            }
        };
        self.vary(|trial| {
            trial.at = at;
            if let Some(time) = trial.token.as_mut().and_then(|token| token.claims.get_mut("auth_time")) {
                moved(time);
            }
            let parts = trial.device.iter_mut().flat_map(|device| &mut device.parts);
            parts
                .filter(|(field, _)| *field == Field::PatchedAt)
                .for_each(|(_, value)| moved(value));
        });
    }

    /// Nobody, somebody without words, everybody's words, the same from other homes, and other workloads.
    fn who(&mut self, rule: &Rule, demands: &Demands<'b>) {
        let pools = self.world.pools;
        self.vary(|trial| trial.token = None);
        // What is known of the login stays.
        let login: Map<String, Value> = self.base.token.iter().flat_map(|token| token.claims.clone()).collect();
        let login = |mut claims: Map<String, Value>| {
            for name in ["amr", "acr", "auth_time"] {
                claims.extend(login.get(name).map(|value| (name.to_owned(), value.clone())));
            }
            claims
        };
        let bound = self.base.token.as_ref().is_some_and(|token| token.bound);
        let somebody = |all: &mut Self, claims: Map<String, Value>, home: Option<&str>| {
            let mut token = token(login(claims), home);
            token.bound = bound;
            all.vary(|trial| trial.token = Some(token));
        };
        let home = demands.home.as_deref();
        somebody(self, Map::new(), home);
        somebody(self, pools.everything(Some(rule), home), home);
        somebody(
            self,
            pools.said(&wanted(&rule.permissions), &wanted(&rule.roles), home),
            home,
        );
        for other in pools
            .regions
            .iter()
            .filter(|other| Some(other.as_str()) != home)
            .take(OTHERS)
        {
            let claims = pools.said(&wanted(&rule.permissions), &wanted(&rule.roles), Some(other));
            somebody(self, claims, Some(other));
        }
        self.vary(|trial| {
            trial.token.clone_from(&None);
            trial.workload = None;
        });
        if self.base.workload.is_some() {
            self.vary(|trial| trial.workload = None);
        }
        let of_rule = rule.from.workloads.iter().flatten().map(super::pools::workload);
        let others: Vec<String> = of_rule
            .chain(self.world.own_workload())
            .chain(pools.workloads.iter().take(OTHERS).cloned())
            .collect();
        if !pools.workloads.is_empty() {
            for workload in others {
                self.vary(|trial| trial.workload = Some(workload));
            }
        }
    }

    /// Each word of a rule: without it where all are wanted, with it alone where any is.
    fn words(&mut self, rule: &Rule, demands: &Demands<'b>) {
        let home = demands.home.as_deref();
        let each = |words: &Words| -> Vec<Vec<String>> {
            let all = words.all_of.clone().unwrap_or_default();
            let any = words.any_of.clone().unwrap_or_default();
            let instead = any.iter().map(|one| all.iter().chain([one]).cloned().collect());
            let without = all.iter().map(|missing| {
                let rest = all.iter().filter(|word| *word != missing);
                rest.chain(any.first()).cloned().collect()
            });
            let none = (!any.is_empty()).then(|| all.clone());
            instead.chain(without).chain(none).take(2 * OTHERS).collect()
        };
        let (permissions, roles) = (wanted(&rule.permissions), wanted(&rule.roles));
        let with_permissions = each(&rule.permissions).into_iter().map(|words| (words, roles.clone()));
        let with_roles = each(&rule.roles).into_iter().map(|words| (permissions.clone(), words));
        for (permissions, roles) in with_permissions.chain(with_roles).collect::<Vec<_>>() {
            let mut said = self.world.pools.said(&permissions, &roles, home);
            let own = self
                .base
                .token
                .as_ref()
                .map(|token| token.claims.clone())
                .unwrap_or_default();
            for (name, value) in self.world.pools.everything(Some(rule), home) {
                // Of a claim that holds words and more, the rest stays.
                if !value.is_object() {
                    said.entry(name).or_insert(Value::Null);
                }
            }
            self.vary(|trial| {
                if let Some(token) = &mut trial.token {
                    token.claims = own;
                    for (name, value) in said {
                        match value {
                            Value::Null => token.claims.remove(&name),
                            value => token.claims.insert(name, value),
                        };
                    }
                }
            });
        }
    }

    /// From nowhere, and from elsewhere.
    fn source(&mut self, rule: &Rule, demands: &Demands<'b>) {
        let origins = self.world.origins(Some(rule));
        let elsewhere = origins
            .iter()
            .find(|origin| !is_of_rule(rule, origin) && is_origin(demands, None, None, origin));
        for origin in elsewhere
            .into_iter()
            .chain(origins.iter().take(OTHERS))
            .chain(origins.last())
        {
            self.vary(|trial| come_from(trial, origin));
        }
    }

    /// Each header and parameter, with another value or without.
    fn about(&mut self, rule: &Rule) {
        for matcher in &rule.about.headers {
            for value in route::others(matcher).take(OTHERS) {
                self.vary(|trial| route::set_header(&mut trial.request, &matcher.name, Some(value)));
            }
            let value = route::misfitting(matcher);
            self.vary(|trial| route::set_header(&mut trial.request, &matcher.name, value));
            self.vary(|trial| route::set_header(&mut trial.request, &matcher.name, None));
        }
        for matcher in &rule.about.query {
            for value in route::others(matcher).take(OTHERS) {
                self.vary(|trial| route::set_parameter(&mut trial.request, &matcher.name, Some(value)));
            }
            let value = route::misfitting(matcher);
            self.vary(|trial| route::set_parameter(&mut trial.request, &matcher.name, value));
            self.vary(|trial| route::set_parameter(&mut trial.request, &matcher.name, None));
        }
        if rule.about.grpc {
            self.vary(|trial| route::set_header(&mut trial.request, "content-type", Some("application/json")));
        }
        if rule.about.upgrades.is_some() {
            self.vary(|trial| {
                route::set_header(&mut trial.request, "upgrade", None);
                route::set_header(&mut trial.request, "connection", None);
            });
        }
    }

    /// Other methods, paths and hosts: the rule's own, and none of its.
    fn route(&mut self, policy: &Policy, rule: &Rule, demands: &Demands<'b>) {
        let methods = rule.methods.clone().unwrap_or_default();
        let other = ["GET", "POST", "PUT", "DELETE", "PATCH"].map(str::to_owned);
        let others = other.into_iter().filter(|method| !methods.contains(method));
        let all: Vec<String> = methods.iter().skip(1).cloned().chain(others).take(OTHERS).collect();
        // Whom a deny means, and nobody whom another one means as well.
        let home = demands.home.as_deref();
        let own = self
            .world
            .pools
            .said(&wanted(&rule.permissions), &wanted(&rule.roles), home);
        for method in methods
            .iter()
            .take(OTHERS)
            .filter(|_| matches!(rule.effect, Effect::Deny(_)))
        {
            self.vary(|trial| {
                trial.request.method.clone_from(method);
                trial.token = Some(token(own.clone(), home));
            });
        }
        for method in all {
            self.vary(|trial| trial.request.method = method);
        }
        let query = self
            .base
            .request
            .path
            .split_once('?')
            .map(|(_, query)| format!("?{query}"));
        let query = query.unwrap_or_default();
        let paths = rule.paths.iter().flatten().flat_map(route::paths).skip(1);
        for path in paths.take(2 * OTHERS) {
            self.vary(|trial| trial.request.path = format!("{path}{query}"));
        }
        self.vary(|trial| {
            let path = trial.request.path.split('?').next().unwrap_or_default();
            trial.request.path = format!("{}/more{query}", path.trim_end_matches('/'));
        });
        let hosts = route::hosts(policy, Some(rule), self.world.bundle.trust.hosts.as_deref());
        let others = self.world.pools.hosts.iter().cloned();
        for host in hosts.into_iter().skip(1).chain(others).take(OTHERS) {
            self.vary(|trial| trial.request.host = host);
        }
    }

    /// What either bundle says of logins, devices and times: a change of it is seen where requests are just so.
    fn pools(&mut self, demands: &Demands<'b>) {
        let pools = self.world.pools;
        let now = self.base.at;
        for acr in pools.acr.iter().take(OTHERS) {
            self.claim("acr", Some(json!(acr)));
        }
        for method in pools.amr.iter().take(OTHERS) {
            self.claim("amr", Some(json!([method])));
        }
        for name in ["acr", "amr", "auth_time"] {
            let is_there = self
                .base
                .token
                .as_ref()
                .is_some_and(|token| token.claims.contains_key(name));
            if is_there {
                self.claim(name, None);
            }
        }
        for age in pools.ages.iter().take(OTHERS) {
            for age in [*age, *age + Duration::from_secs(1)] {
                self.claim("auth_time", Some(json!(before(now, age))));
            }
        }
        if self.base.device.is_some() {
            for age in pools.patch_ages.iter().take(OTHERS) {
                self.part(Field::PatchedAt, json!(before(now, *age)));
                self.part(Field::PatchedAt, json!(before(now, *age + Duration::from_secs(1))));
            }
            for (platform, version) in pools.versions.iter().take(2 * OTHERS) {
                let device = good_device(platform.unwrap_or(Platform::MacOs), version, now);
                self.vary(|trial| trial.device = Some(device));
            }
        }
        let is_timed = |requirement: &&Requirement| times::is_met(requirement, demands.calendar, now).is_some();
        if demands
            .requirements
            .iter()
            .copied()
            .any(|requirement| is_timed(&requirement))
        {
            for at in pools.times.iter().take(TIMES) {
                self.at(*at);
            }
        }
    }
}
