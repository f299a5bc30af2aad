//! Rules that others stand before: what a deny or a defer takes away from what is allowed.

use regionguard::bundle::document::Effect;
use regionguard::request::Segment;

use super::Lint;
use super::cover::{Covering, conditions_meet, lists_meet, methods_meet, path_within, route_within, within};
use super::model::{Model, PolicyAt, RuleAt};

pub(super) const RULE_SHADOWED: Lint = Lint {
    id: "lint/rule-shadowed-by-deny",
    about: "a rule that never decides: a deny matches all that it matches",
    help: "a deny wins, wherever it stands: take the rule away, or narrow the deny",
};

pub(super) const DENY_INSIDE_ALLOW: Lint = Lint {
    id: "lint/deny-inside-allow",
    about: "a deny for some of the paths that something wider allows",
    help: "whatever form of the path the upstream takes for the same (letter case, a suffix, its own decoding) is allowed: allow what is meant by its paths, and leave the rest to the denial that everything else meets",
};

pub(super) const ALLOW_UNDER_DEFER: Lint = Lint {
    id: "lint/allow-under-defer",
    about: "an allow that never decides: a defer matches all that it matches",
    help: "a defer comes before an allow, so the center is asked and its answer counts: take the allow away, narrow the defer, or say `defer: {unless: allowed}`",
};

pub(super) fn find(model: &mut Model<'_>) {
    let mut found = Vec::new();
    let rules = &model.rules;
    let enforced = || rules.iter().filter(|rule| !rule.is_shadow());
    let denies = Covering::new(enforced().filter(|rule| matches!(rule.rule.effect, Effect::Deny(_))));
    let defers = Covering::new(enforced().filter(|rule| asks_first(rule)));
    let allows = Covering::new(enforced().filter(|rule| rule.lets_in()));
    for rule in rules {
        let around = |index: &Covering<'_>| {
            let first = rule.rule.paths.as_ref().and_then(|paths| paths.first());
            let path = |other: &RuleAt<'_>| (other.name(), other.path.clone());
            index.around(first).find(|other| within(rule, other)).map(path)
        };
        match &rule.rule.effect {
            Effect::Deny(_) => found.extend(inside(rule, &allows, model).or_else(|| inside_a_default(rule, model))),
            _ => {
                if let Some((deny, path)) = around(&denies) {
                    let message = format!("never decides: `{deny}` denies every request that it matches");
                    found.push((&RULE_SHADOWED, format!("{}.name", rule.path), message, path, "the deny"));
                } else if let Some((defer, path)) = around(&defers).filter(|_| rule.rule.effect == Effect::Allow) {
                    let message = format!("never decides: `{defer}` defers every request that it matches");
                    found.push((
                        &ALLOW_UNDER_DEFER,
                        format!("{}.name", rule.path),
                        message,
                        path,
                        "the defer",
                    ));
                }
            }
        }
    }
    for (lint, path, message, other, what) in found {
        model.say_with(lint, &path, message, Some((&format!("{other}.name"), what.to_owned())));
    }
}

type Found = (&'static Lint, String, String, String, &'static str);

/// A defer that no allow gets around.
fn asks_first(rule: &RuleAt<'_>) -> bool {
    matches!(&rule.rule.effect, Effect::Defer(defer) if !defer.unless_allowed)
}

/// The first path of a deny that a wider path of something allowed holds.
fn inside(deny: &RuleAt<'_>, allows: &Covering<'_>, model: &Model<'_>) -> Option<Found> {
    let paths = deny.rule.paths.as_deref().filter(|_| !deny.is_shadow())?;
    paths.iter().enumerate().find_map(|(index, path)| {
        let wider =
            |allowed: &[Segment]| path_within(path.segments(), allowed) && !path_within(allowed, path.segments());
        let holds = |allow: &&RuleAt<'_>| match allow.rule.paths.as_deref() {
            None => path.segments() != [Segment::Rest],
            Some(allowed) => allowed.iter().any(|allowed| wider(allowed.segments())),
        };
        let meets = |allow: &&RuleAt<'_>| {
            model.stand_together(deny.policy.policy, allow.policy.policy)
                && methods_meet(deny.rule, allow.rule)
                && lists_meet(deny.hosts(), allow.hosts())
                && conditions_meet(deny.rule, allow.rule)
                && !route_within(allow, deny)
        };
        let allow = allows.around(Some(path)).find(|allow| holds(allow) && meets(allow))?;
        let message = format!("`{path}` is carved out of what `{}` lets in", allow.name());
        let at = format!("{}.paths[{index}]", deny.path);
        Some((&DENY_INSIDE_ALLOW, at, message, allow.path.clone(), "the wider rule"))
    })
}

/// A deny for paths of hosts on which a `default: allow` lets the rest in.
fn inside_a_default(deny: &RuleAt<'_>, model: &Model<'_>) -> Option<Found> {
    let path = deny.rule.paths.as_deref().filter(|_| !deny.is_shadow())?.first()?;
    // A default is about plain HTTP.
    let may_meet = |policy: &PolicyAt<'_>| {
        policy.policy.default_allow
            && deny.rule.about.upgrades.is_none()
            && lists_meet(deny.hosts(), policy.policy.hosts.as_deref())
            && model.stand_together(deny.policy.policy, policy.policy)
    };
    let policy = model.policies.iter().find(|policy| may_meet(policy))?;
    if path.segments() == [Segment::Rest] {
        return None;
    }
    let message = format!(
        "`{path}` is carved out of what the default of `{}` lets in",
        policy.policy.name
    );
    let document = policy.path.trim_end_matches(".spec");
    let other = format!("{document}.metadata");
    Some((
        &DENY_INSIDE_ALLOW,
        format!("{}.paths[0]", deny.path),
        message,
        other,
        "the policy with `default: allow`",
    ))
}
