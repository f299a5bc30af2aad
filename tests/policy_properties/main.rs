//! The indexed policy says what the documents say: on random policies and requests it equals an oracle that reads them one by one.
//!
//! A part of the policies is made from documents; the others are written down as the text of a bundle, as people write it, and read from there. The oracle sees the
//! documents alone.
//!
//! `REGIONGUARD_POLICY_CASES` sets the number of cases (4,000 by default). With `REGIONGUARD_POLICY_PAIRS`, that many pairs of policies and a request are compared
//! by one test, best in a release build: `REGIONGUARD_POLICY_PAIRS=1000000 cargo test --release -p regionguard --test policy_properties`.

#[cfg(test)]
mod naive;
#[cfg(test)]
mod random;

#[cfg(test)]
mod properties {
    use std::collections::BTreeSet;

    use proptest::prelude::*;
    use proptest::strategy::ValueTree as _;
    use proptest::test_runner::{Config, TestRunner};
    use regionguard::bundle::document::{Policy, Region};
    use regionguard::bundle::{self, Encoding, Generation};
    use regionguard::device::Posture;
    use regionguard::identity::Claims;
    use regionguard::policy::{self, Attributes, By, Candidates, Facts, Holds, Outcome, PolicySet, Requested, Told};
    use regionguard::reason::Reason;
    use regionguard::request::{Authority, Headers, PathOptions, StripSet, canonicalise, encode};
    use regionguard::risk::Risk;
    use serde_json::Value;

    use super::naive::{self, Asked, Verdict};
    use super::random::{self, RequestPlan};

    /// Policies, described, each with its name.
    type Plans = [(String, random::PolicyPlan)];

    thread_local! {
        static REGIONS: Vec<Region> = random::regions();
    }

    fn config() -> Config {
        let cases = std::env::var("REGIONGUARD_POLICY_CASES").ok();
        let cases = cases.map_or(4_000, |cases| cases.parse().expect("a number of cases"));
        Config {
            failure_persistence: None,
            ..Config::with_cases(cases)
        }
    }

    /// Judges a request with `judge` where these are the policies, unless its path has no single meaning with these options.
    fn with_request<R>(
        plans: &Plans,
        plan: &RequestPlan,
        options: &PathOptions,
        judge: impl FnOnce(&Asked<'_>) -> R,
    ) -> Option<R> {
        REGIONS.with(|regions| with_regions(regions, plans, plan, options, judge))
    }

    fn with_regions<R>(
        regions: &[Region],
        plans: &Plans,
        plan: &RequestPlan,
        options: &PathOptions,
        judge: impl FnOnce(&Asked<'_>) -> R,
    ) -> Option<R> {
        let filled = random::filled(plans);
        let strip = StripSet::new(&filled);
        let lines = plan
            .lines
            .iter()
            .map(|(name, value)| (name.as_bytes(), value.as_bytes()));
        let block = encode(&lines.collect::<Vec<_>>());
        let authority = Authority::parse(plan.authority.as_bytes(), plan.scheme).unwrap();
        let path = canonicalise(plan.path.as_bytes(), options).ok()?;
        let claims = plan.subject.is_some().then(|| Claims::parse(&plan.claims).unwrap());
        // Of an anonymous request nothing is known.
        let device = match &claims {
            Some(claims) => Posture::of_claim(claims.get("device")),
            None => Err(Reason::DeviceMissing),
        };
        let attributes = Claims::parse(&plan.attributes).unwrap();
        let missed = core::cell::Cell::new(false);
        let facts = Facts {
            risk: plan.risk,
            attributes: match (&plan.subject, &attributes, plan.replica_is_away) {
                (None, ..) => Attributes::OfNobody,
                (Some(_), _, true) => Attributes::Untold(&missed),
                (Some(_), attributes, false) => Attributes::Told(attributes),
            },
            subject: plan.subject.as_ref(),
            device: device.as_ref().map_err(|reason| *reason),
            source: plan.source,
            workload: plan.workload.as_ref(),
            service: plan.service(regions),
            service_untold: false,
            token_refused: plan.token_refused && plan.subject.is_none(),
            claims: claims.as_ref(),
            certificate: plan.certificate,
            request: Requested {
                method: plan.method,
                host: authority.host(),
                path: &path,
                headers: Headers::parse(&block).unwrap(),
                strip: &strip,
                id: None,
            },
            local: plan.local,
            at: plan.at,
            regions,
        };
        Some(judge(&Asked {
            authority: &authority,
            method: plan.method,
            path: &path,
            plan,
            facts,
            filled: &filled,
        }))
    }

    impl Told for RequestPlan {
        fn destination_port(&self) -> Option<u16> {
            self.port
        }

        fn has_no_body(&self) -> bool {
            self.has_no_body
        }
    }

    fn find(set: &PolicySet, asked: &Asked<'_>, candidates: &mut Candidates) {
        let plan = asked.plan;
        let standing = set.standing(Some(plan.local), &plan.served);
        let asked = policy::Asked {
            headers: asked.facts.request.headers,
            content: plan.content,
            upgrade: plan.upgrade,
            standing: standing.as_ref(),
            told: plan,
            ..policy::Asked::new(asked.authority, asked.method, asked.path)
        };
        set.candidates(&asked, candidates);
    }

    fn indexed(set: &PolicySet, asked: &Asked<'_>, candidates: &mut Candidates) -> Verdict {
        find(set, asked, candidates);
        named(set, set.decide(candidates, &asked.facts))
    }

    fn compile(documents: Vec<Policy>) -> PolicySet {
        REGIONS.with(|regions| PolicySet::compile(documents, regions))
    }

    /// Policies in force: made from documents, or read from the text of a bundle as the filter does it.
    enum Compiled {
        Made(Box<PolicySet>),
        Read(Box<Generation>),
    }

    impl Compiled {
        /// Panics where the text of a bundle is refused: no random policy has anything wrong with it.
        fn read(bundle: &Value) -> Self {
            match bundle::compile(bundle.to_string().as_bytes(), Encoding::Json) {
                Ok(generation) => Self::Read(Box::new(generation)),
                Err(errors) => {
                    let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
                    panic!("{}\n{bundle:#}", errors.join("\n"));
                }
            }
        }

        fn policies(&self) -> &PolicySet {
            match self {
                Self::Made(set) => set,
                Self::Read(generation) => &generation.policies,
            }
        }

        /// What these policies say: of what was read, by what the bundle says of Regions and headers.
        fn verdict(&self, asked: &Asked<'_>, candidates: &mut Candidates) -> Verdict {
            let set = self.policies();
            find(set, asked, candidates);
            let facts = match self {
                Self::Made(_) => asked.facts,
                Self::Read(generation) => Facts {
                    service: asked.plan.service(&generation.regions),
                    regions: &generation.regions,
                    request: Requested {
                        strip: &generation.strip,
                        ..asked.facts.request
                    },
                    ..asked.facts
                },
            };
            named(set, set.decide(candidates, &facts))
        }
    }

    /// As the plans are written down: `None` for no text at all, else whether names are spelt with `_`.
    fn compiled(plans: &Plans, options: &PathOptions, written: Option<bool>) -> Compiled {
        match written {
            None => Compiled::Made(Box::new(compile(random::documents(plans, options)))),
            Some(snake_case) => Compiled::read(&random::bundle(plans, options, snake_case)),
        }
    }

    fn named(set: &PolicySet, outcome: Outcome) -> Verdict {
        let label = |by| set.label(by).to_owned();
        match outcome {
            Outcome::Deny { reason, by, refusal } => Verdict::Deny {
                reason,
                by: label(by),
                refusal,
            },
            Outcome::NeedsIdentity { by, reason } => Verdict::NeedsIdentity { by: label(by), reason },
            Outcome::Challenge { reason, by, demand } => Verdict::Challenge {
                reason,
                by: label(by),
                demand,
            },
            Outcome::Allow { reason, by } => Verdict::Allow { reason, by: label(by) },
            Outcome::Defer { by, options, public } => Verdict::Defer {
                by: label(By::Rule(by)),
                options,
                public,
            },
        }
    }

    /// What no random case reaches is not tested by the properties.
    #[test]
    fn the_random_cases_reach_every_outcome() {
        let mut runner = TestRunner::deterministic();
        let mut reached = BTreeSet::new();
        let mut said = BTreeSet::new();
        for _ in 0..2_500 {
            let requests = proptest::collection::vec(random::request(), 8);
            let drawn = (random::policies(), random::options(), requests)
                .new_tree(&mut runner)
                .unwrap();
            let (plans, options, requests) = drawn.current();
            let set = compile(random::documents(&plans, &options));
            let documents = random::documents(&plans, &options);
            for request in &requests {
                let verdict = with_request(&plans, request, &options, |asked| {
                    said.extend(naive::conditions(&documents, asked));
                    indexed(&set, asked, &mut Candidates::default())
                });
                reached.extend(verdict.map(|verdict| match verdict {
                    Verdict::Deny { reason, .. } | Verdict::Allow { reason, .. } => reason.code(),
                    Verdict::NeedsIdentity { reason, .. } | Verdict::Challenge { reason, .. } => reason.code(),
                    Verdict::Defer { .. } => "defer",
                }));
            }
        }
        let expected = [
            "context.business_hours",
            "context.calendar_missing",
            "context.dates",
            "context.hours",
            "context.maintenance",
            "context.source_country",
            "context.source_country_unknown",
            "context.source_region",
            "context.source_unknown",
            "defer",
            "device.certificate",
            "device.encryption",
            "device.jailbroken",
            "device.latest_unknown",
            "device.malformed",
            "device.managed",
            "device.missing",
            "device.os_version",
            "device.patch_age",
            "device.screen_lock",
            "identity.certificate_required",
            "identity.mfa_missing",
            "identity.missing",
            "identity.step_up",
            "identity.workload_missing",
            "identity.workload_not_accepted",
            "permission.missing",
            "permission.not_accepted",
            "permission.other_region",
            "policy.default_allow",
            "policy.no_rule",
            "policy.preflight_allowed",
            "policy.probe_allowed",
            "request.upgrade",
            "role.missing",
            "rule.allowed",
            "rule.allowed_by_grant",
            "rule.condition_unknown",
            "rule.denied",
            "rule.home_region",
            "rule.public",
            "rule.source",
            "rule.when",
            "rule.workload",
        ];
        assert_eq!(reached.into_iter().collect::<Vec<_>>(), expected);
        // Each condition holds, does not hold, and cannot be told, where that can be.
        for condition in random::WHENS {
            let found = said.iter().filter(|(source, _)| source == condition.source);
            let found: Vec<Option<bool>> = found.map(|(_, holds)| *holds).collect();
            let expected = [None, Some(false), Some(true)];
            let expected = &expected[usize::from(condition.always_known)..];
            assert_eq!(found, expected, "{}", condition.source);
        }
    }

    /// Policies, and requests to compare them by.
    const REQUESTS: usize = 25;

    /// Panics where what is compiled and the documents say different things of any of these requests. How many pairs were compared.
    fn compare(plans: &Plans, options: &PathOptions, written: Option<bool>, requests: &[RequestPlan]) -> usize {
        let documents = random::documents(plans, options);
        let compiled = compiled(plans, options, written);
        let mut candidates = Candidates::default();
        let compared = requests.iter().filter_map(|request| {
            with_request(plans, request, options, |asked| {
                let found = compiled.verdict(asked, &mut candidates);
                assert_eq!(found, naive::decide(&documents, asked), "{request:?}\n{plans:?}");
            })
        });
        compared.count()
    }

    /// As many pairs as `REGIONGUARD_POLICY_PAIRS` says, each time others. A few by default.
    #[test]
    fn so_many_pairs() {
        let wanted = std::env::var("REGIONGUARD_POLICY_PAIRS").ok();
        let wanted: usize = wanted.map_or(500, |pairs| pairs.parse().expect("a number of pairs"));
        let mut runner = TestRunner::new(config());
        let drawing = (
            random::policies(),
            random::options(),
            any::<Option<bool>>(),
            proptest::collection::vec(random::request(), REQUESTS),
        );
        let mut pairs = 0_usize;
        while pairs < wanted {
            let (plans, options, written, requests) = drawing.new_tree(&mut runner).unwrap().current();
            pairs = pairs.saturating_add(compare(&plans, &options, written, &requests));
        }
        println!("{pairs} pairs of policies and a request");
    }

    proptest! {
        #![proptest_config(config())]

        #[test]
        fn the_index_says_what_the_documents_say(
            plans in random::policies(),
            options in random::options(),
            written in proptest::option::weighted(0.2, any::<bool>()),
            requests in proptest::collection::vec(random::request(), 1..6),
        ) {
            let documents = random::documents(&plans, &options);
            let compiled = compiled(&plans, &options, written);
            let mut candidates = Candidates::default();
            for request in &requests {
                let verdicts = with_request(&plans, request, &options, |asked| {
                    let found = compiled.verdict(asked, &mut candidates);
                    let forwarding = compiled.policies().forwarding(&candidates);
                    let claims = forwarding.claims.iter().map(|(header, claim)| ((*header).to_owned(), (*claim).to_owned()));
                    let forwarded = (forwarding.strip_token, claims.collect::<Vec<_>>());
                    ((found, forwarded), (naive::decide(&documents, asked), naive::forwarding(&documents, asked)))
                });
                if let Some((found, expected)) = verdicts {
                    prop_assert_eq!(found, expected, "{:?}", request);
                }
            }
        }

        /// What is in shadow mode is as if it were not there; and beside that, what would be is told as if it were enforced.
        #[test]
        fn what_is_in_shadow_changes_nothing(plans in random::policies(), options in random::options(), request in random::request(), which in any::<u64>()) {
            let all = random::documents(&plans, &options);
            let mut shaded = random::documents(&plans, &options);
            random::put_in_shadow(&mut shaded, which);
            let mut enforced = random::documents(&plans, &options);
            random::put_in_shadow(&mut enforced, which);
            enforced.retain(|policy| !policy.shadow);
            for policy in &mut enforced {
                policy.rules.retain(|rule| !rule.shadow);
            }
            let set = compile(shaded);
            with_request(&plans, &request, &options, |asked| {
                let mut candidates = Candidates::default();
                let found = indexed(&set, asked, &mut candidates);
                assert_eq!(found, naive::decide(&enforced, asked));
                let forwarding = set.forwarding(&candidates);
                assert_eq!(forwarding.strip_token, naive::forwarding(&enforced, asked).0);
                let would = match candidates.with_shadow() {
                    Some(whole) => named(&set, set.decide(&whole, &asked.facts)),
                    None => found,
                };
                assert_eq!(would, naive::decide(&all, asked));
            });
        }

        #[test]
        fn order_never_matters(plans in random::policies(), options in random::options(), request in random::request(), by in 1_usize..20) {
            let set = compile(random::documents(&plans, &options));
            let shuffled = compile(random::documents(&random::shuffled(&plans, by), &options));
            let verdicts = with_request(&plans, &request, &options, |asked| {
                let mut candidates = Candidates::default();
                (indexed(&set, asked, &mut candidates), indexed(&shuffled, asked, &mut candidates))
            });
            if let Some((first, second)) = verdicts {
                prop_assert_eq!(first, second);
            }
        }

        #[test]
        fn what_is_refused_to_everybody_is_refused_to_each(plans in random::policies(), options in random::options(), request in random::request()) {
            let set = compile(random::documents(&plans, &options));
            with_request(&plans, &request, &options, |asked| {
                let mut candidates = Candidates::default();
                find(&set, asked, &mut candidates);
                let nobody = Facts { subject: None, ..asked.facts };
                let refusal = set.refusal_for_everybody(&candidates, &nobody);
                assert_eq!(refusal, set.refusal_for_everybody(&candidates, &asked.facts));
                if let Some(refusal) = refusal {
                    assert_eq!(set.decide(&candidates, &asked.facts), refusal);
                }
            });
        }

        #[test]
        fn an_explanation_agrees_with_the_outcome(plans in random::policies(), options in random::options(), request in random::request()) {
            let set = compile(random::documents(&plans, &options));
            with_request(&plans, &request, &options, |asked| {
                let mut candidates = Candidates::default();
                find(&set, asked, &mut candidates);
                let route = policy::Asked::new(asked.authority, asked.method, asked.path);
                let said = set.explain(&route, &candidates, &asked.facts);
                let takes = |effect: &str| said.rules.iter().any(|rule| rule.effect == effect && rule.takes_effect && !rule.shadow);
                let mut required = said.policies.iter().filter(|policy| !policy.shadow).flat_map(|policy| &policy.requirements);
                let unmet = required.any(|one| one.shortfall.is_some() && !one.lifted);
                let agrees = match set.decide(&candidates, &asked.facts) {
                    Outcome::Allow { reason: Reason::DefaultAllowed, .. } => {
                        !takes("deny") && !takes("allow") && !unmet && said.policies.iter().any(|policy| policy.default_allow && !policy.shadow)
                    }
                    Outcome::Allow { reason: Reason::PreflightAllowed | Reason::ProbeAllowed, .. } => {
                        said.opened.is_some() && !takes("deny") && !unmet
                    }
                    Outcome::Allow { .. } => takes("allow") && !takes("deny") && !unmet,
                    Outcome::Defer { .. } => takes("defer") && !takes("deny") && !unmet,
                    Outcome::Deny { reason: Reason::RuleDenied | Reason::ConditionUnknown, .. } => takes("deny"),
                    Outcome::Challenge { .. } => unmet || takes("stepUp"),
                    // A deny that hangs on who asks, where nobody has told that.
                    Outcome::NeedsIdentity { .. } if takes("deny") => true,
                    Outcome::Deny { .. } | Outcome::NeedsIdentity { .. } => unmet || !takes("allow") || request.upgrade.is_some(),
                };
                assert!(agrees, "{said:#?}");
                for rule in &said.rules {
                    let least = rule.conditions.iter().map(|(_, holds)| *holds).max_by_key(|holds| match holds {
                        Holds::Yes => 0,
                        Holds::Unknown => 1,
                        Holds::No => 2,
                    });
                    assert_eq!(least, Some(rule.all), "{rule:?}");
                }
            });
        }

        #[test]
        fn the_workload_counts_only_where_it_is_needed(plans in random::policies(), options in random::options(), request in random::request()) {
            let set = compile(random::documents(&plans, &options));
            with_request(&plans, &request, &options, |asked| {
                let mut candidates = Candidates::default();
                find(&set, asked, &mut candidates);
                if !set.needs_workload(&candidates) && (asked.facts.subject.is_some() || !set.needs_service(&candidates)) {
                    let unknown = Facts { workload: None, service: None, ..asked.facts };
                    assert_eq!(set.decide(&candidates, &asked.facts), set.decide(&candidates, &unknown));
                }
            });
        }

        #[test]
        fn the_device_counts_only_where_it_is_needed(plans in random::policies(), options in random::options(), request in random::request()) {
            let set = compile(random::documents(&plans, &options));
            with_request(&plans, &request, &options, |asked| {
                let mut candidates = Candidates::default();
                find(&set, asked, &mut candidates);
                if !set.needs_device(&candidates) {
                    let unknown = Facts { device: Err(Reason::DeviceMissing), ..asked.facts };
                    assert_eq!(set.decide(&candidates, &asked.facts), set.decide(&candidates, &unknown));
                }
            });
        }

        #[test]
        fn the_risk_counts_only_where_it_is_needed(plans in random::policies(), options in random::options(), request in random::request()) {
            let set = compile(random::documents(&plans, &options));
            with_request(&plans, &request, &options, |asked| {
                let mut candidates = Candidates::default();
                find(&set, asked, &mut candidates);
                let risk = Risk {
                    score: asked.facts.risk.score.filter(|_| set.needs_score(&candidates)),
                    failures: asked.facts.risk.failures.filter(|_| set.needs_failures(&candidates)),
                };
                let unknown = Facts { risk, ..asked.facts };
                assert_eq!(set.decide(&candidates, &asked.facts), set.decide(&candidates, &unknown));
            });
        }

        #[test]
        fn the_source_counts_only_where_it_is_needed(plans in random::policies(), options in random::options(), request in random::request()) {
            let set = compile(random::documents(&plans, &options));
            with_request(&plans, &request, &options, |asked| {
                let mut candidates = Candidates::default();
                find(&set, asked, &mut candidates);
                if !set.needs_source(&candidates) {
                    let unknown = Facts { source: Default::default(), ..asked.facts };
                    assert_eq!(set.decide(&candidates, &asked.facts), set.decide(&candidates, &unknown));
                }
            });
        }
    }
}
