//! Where a policy stands: `selector.localRegions` and `selector.workloads`, told once when a bundle is put in force.

use super::compile::{Policy, PolicyRef, PolicySet};
use super::conditions::Truth;
use crate::bundle::RegionId;
use crate::bundle::document::ServedPattern;
use crate::identity::SpiffeId;

/// What the node tells of the workload that this proxy serves.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Served {
    /// Its SPIFFE id.
    pub id: Option<String>,
    /// Its namespace…
    pub namespace: Option<String>,
    /// … and service account.
    pub service_account: Option<String>,
}

/// Which policies stand where this proxy does.
#[derive(Debug)]
pub struct Presence(Vec<Truth>);

impl Presence {
    pub(super) fn of(&self, policy: PolicyRef) -> Truth {
        self.0.get(policy.index()).copied().unwrap_or(Truth::Unknown)
    }
}

impl PolicySet {
    /// Which policies stand at a proxy of this local Region that serves this workload; `None` where no policy says where it stands.
    ///
    /// What cannot be told of the workload is unknown: such a policy restricts and refuses, and lets nothing in.
    #[must_use]
    pub fn standing(&self, local: Option<RegionId>, served: &Served) -> Option<Presence> {
        let all = || self.all_policies().map(|policy| policy.stands(local, served));
        self.all_policies()
            .any(|policy| policy.has_place)
            .then(|| Presence(all().collect()))
    }

    /// Whether any policy says for which workloads it is: else nobody has to ask the node.
    #[must_use]
    pub fn looks_at_served(&self) -> bool {
        self.all_policies().any(|policy| policy.served.is_some())
    }
}

impl Policy {
    fn stands(&self, local: Option<RegionId>, served: &Served) -> Truth {
        let region = match (&self.local_regions, local) {
            (None, _) => Truth::Match,
            (Some(_), None) => Truth::Unknown,
            (Some(regions), Some(local)) => Truth::from(regions.contains(&local)),
        };
        let workload = self.served.as_deref().map_or(Truth::Match, |patterns| {
            let each = patterns.iter().map(|pattern| served.is_meant(pattern));
            each.max().unwrap_or(Truth::NoMatch)
        });
        region.min(workload)
    }
}

impl Served {
    /// Whether this is one of the workloads that are meant.
    fn is_meant(&self, pattern: &ServedPattern) -> Truth {
        if let Some(id) = &self.id {
            let Some(id) = SpiffeId::parse(id.as_bytes()) else {
                return Truth::Unknown;
            };
            if !pattern.any_domain {
                return Truth::from(pattern.pattern.matches(&id));
            }
            let path = id.as_str().split_once("://").and_then(|(_, rest)| rest.split_once('/'));
            return path.map_or(Truth::Unknown, |(_, path)| fits(pattern, path));
        }
        let (Some(namespace), Some(account)) = (&self.namespace, &self.service_account) else {
            return Truth::Unknown;
        };
        match fits(pattern, &format!("ns/{namespace}/sa/{account}")) {
            // The node does not tell the trust domain.
            Truth::Match if !pattern.any_domain => Truth::Unknown,
            other => other,
        }
    }
}

/// Whether a path of an id fits, whatever its trust domain.
fn fits(pattern: &ServedPattern, path: &str) -> Truth {
    let id = format!("spiffe://{}/{path}", pattern.pattern.trust_domain());
    SpiffeId::parse(id.as_bytes()).map_or(Truth::Unknown, |id| Truth::from(pattern.pattern.matches(&id)))
}

#[cfg(test)]
mod tests {
    use super::Served;
    use super::Truth::{Match, NoMatch, Unknown};
    use crate::bundle::document::ServedPattern;
    use crate::identity::SpiffePattern;

    #[test]
    fn whom_a_pattern_means() {
        let id = |id: &str| Served {
            id: Some(id.to_owned()),
            namespace: Some("other".to_owned()),
            service_account: Some("other".to_owned()),
        };
        let istio = |namespace: &str, account: &str| Served {
            id: None,
            namespace: Some(namespace.to_owned()),
            service_account: Some(account.to_owned()),
        };
        let (full, own) = ("spiffe://prod/ns/shop/*", "ns/shop/sa/api");
        for (pattern, served, expected) in [
            (full, id("spiffe://prod/ns/shop/sa/api"), Match),
            (full, id("spiffe://test/ns/shop/sa/api"), NoMatch),
            (full, id("spiffe://prod/ns/web/sa/api"), NoMatch),
            (full, id("prod/ns/shop/sa/api"), Unknown),
            (own, id("spiffe://prod/ns/shop/sa/api"), Match),
            (own, id("spiffe://prod/ns/shop/sa/web"), NoMatch),
            (own, istio("shop", "api"), Match),
            (own, istio("shop", "web"), NoMatch),
            (own, istio("sh op", "api"), Unknown),
            // Everything but the trust domain is told.
            (full, istio("shop", "api"), Unknown),
            (full, istio("web", "api"), NoMatch),
            (own, Served::default(), Unknown),
            (full, Served::default(), Unknown),
        ] {
            let any_domain = !pattern.starts_with("spiffe:");
            let text = if any_domain {
                format!("spiffe://any/{pattern}")
            } else {
                pattern.to_owned()
            };
            let pattern = ServedPattern {
                pattern: SpiffePattern::parse(&text).expect("a pattern"),
                any_domain,
            };
            assert_eq!(served.is_meant(&pattern), expected, "{pattern:?} {served:?}");
        }
    }
}
