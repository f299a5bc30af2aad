//! The conditions of a rule, each with three values.

use core::net::IpAddr;

use ipnet::IpNet;

use super::decide::Facts;
use super::when::When;
use crate::bundle::{RegionId, document};
use crate::context::Country;
use crate::identity::{SpiffeId, SpiffePattern};

/// A condition's value. As in Kleene's logic, a conjunction has the least of its members' values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Truth {
    /// It does not hold.
    NoMatch,
    /// What it looks at is not there.
    Unknown,
    /// It holds.
    Match,
}

impl From<bool> for Truth {
    fn from(holds: bool) -> Self {
        if holds { Self::Match } else { Self::NoMatch }
    }
}

/// What identity a rule is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Demand {
    /// Whoever asks.
    Nothing,
    /// A valid token.
    Token,
    /// A workload that counts here.
    Workload,
}

/// The conditions of one rule; a `None` restricts nothing.
#[derive(Debug)]
pub(super) struct Conditions {
    /// Whom the rule is about.
    pub(super) identity: Demand,
    pub(super) home_regions: Option<Vec<RegionId>>,
    pub(super) source_regions: Option<Vec<RegionId>>,
    pub(super) source_countries: Option<Vec<Country>>,
    pub(super) networks: Option<Vec<IpNet>>,
    pub(super) workloads: Option<Vec<SpiffePattern>>,
    pub(super) permissions: document::Words,
    pub(super) roles: document::Words,
    pub(super) when: Option<When>,
}

/// The value of each condition for one request.
pub(super) struct Findings {
    pub(super) identity: Truth,
    pub(super) home: Truth,
    pub(super) source: Truth,
    pub(super) workload: Truth,
    pub(super) permissions: Truth,
    pub(super) roles: Truth,
    /// A match where another condition does not match: then it is not looked at.
    pub(super) when: Truth,
}

impl Findings {
    /// All conditions together.
    pub(super) fn all(&self) -> Truth {
        self.identity
            .min(self.home)
            .min(self.source)
            .min(self.workload)
            .min(self.permissions)
            .min(self.roles)
            .min(self.when)
    }
}

impl Conditions {
    /// Weighs each of them. A request without a token has no permissions and roles.
    pub(super) fn weigh(&self, facts: &Facts<'_>) -> Findings {
        let (permissions, roles) = facts.subject.map_or((&[][..], &[][..]), |subject| {
            (subject.permissions.as_slice(), subject.roles.as_slice())
        });
        let mut findings = Findings {
            identity: match self.identity {
                Demand::Nothing => Truth::Match,
                Demand::Token => Truth::from(facts.subject.is_some()),
                Demand::Workload if facts.service_untold => Truth::Unknown,
                Demand::Workload => Truth::from(facts.service.is_some()),
            },
            home: any_of(self.home_regions.as_deref(), Some(facts.home()), |region, home| {
                *region == home
            }),
            source: self.weigh_source(facts),
            workload: any_of(
                self.workloads.as_deref(),
                facts.workload,
                |pattern, workload: &SpiffeId| pattern.matches(workload),
            ),
            permissions: words(&self.permissions, |word| holds(permissions, word)),
            roles: words(&self.roles, |word| holds(roles, word)),
            when: Truth::Match,
        };
        // Last, because it costs the most.
        if let Some(when) = &self.when
            && findings.all() != Truth::NoMatch
        {
            findings.when = when.weigh(facts);
        }
        findings
    }

    /// Whether they hold for everybody, as far as identity goes.
    pub(super) fn ignore_identity(&self) -> bool {
        let unrestricted = |words: &document::Words| words.any_of.is_none() && words.all_of.is_none();
        self.identity == Demand::Nothing
            && self.home_regions.is_none()
            && unrestricted(&self.permissions)
            && unrestricted(&self.roles)
            && !self.look_at_token()
            && !self.look_at_device()
    }

    /// Whether any of them looks at the source.
    pub(super) fn look_at_source(&self) -> bool {
        self.source_regions.is_some()
            || self.source_countries.is_some()
            || self.networks.is_some()
            || self.when.as_ref().is_some_and(When::reads_source)
    }

    /// Whether any of them looks at the home region.
    pub(super) fn look_at_home(&self) -> bool {
        self.home_regions.is_some()
    }

    /// Whether any of them looks at the workload.
    pub(super) fn look_at_workload(&self) -> bool {
        self.workloads.is_some()
            || self.identity == Demand::Workload
            || self.when.as_ref().is_some_and(When::reads_workload)
    }

    /// Whether any of them looks at a claim of the token.
    pub(super) fn look_at_token(&self) -> bool {
        self.when.as_ref().is_some_and(When::reads_token)
    }

    /// Whether any of them looks at the device, which is only known of somebody with a token.
    pub(super) fn look_at_device(&self) -> bool {
        self.when.as_ref().is_some_and(When::reads_device)
    }

    fn weigh_source(&self, facts: &Facts<'_>) -> Truth {
        let [region, country, network] = self.weigh_source_by_part(facts);
        region.min(network).min(country)
    }

    /// Region, country and network of the source.
    pub(super) fn weigh_source_by_part(&self, facts: &Facts<'_>) -> [Truth; 3] {
        // An address of IPv4 inside of IPv6 is the IPv4 one: a dual-stack socket must not lead around a rule.
        let address = facts.source.address.map(|address| address.to_canonical());
        let region = any_of(self.source_regions.as_deref(), facts.source.region, |region, source| {
            *region == source
        });
        let network = any_of(self.networks.as_deref(), address, |network, address: IpAddr| {
            network.contains(&address)
        });
        let country = any_of(
            self.source_countries.as_deref(),
            facts.source.country,
            |country, source| *country == source,
        );
        [region, country, network]
    }
}

/// Whether `words` are met by what `has` says is there.
pub(super) fn words(words: &document::Words, has: impl Fn(&str) -> bool) -> Truth {
    let any = any_of(words.any_of.as_deref(), Some(()), |word, ()| has(word));
    let all = words.all_of.iter().flatten().all(|word| has(word));
    any.min(Truth::from(all))
}

/// Whether a sorted list holds a word.
pub(super) fn holds(sorted: &[String], word: &str) -> bool {
    sorted.binary_search_by(|held| held.as_str().cmp(word)).is_ok()
}

/// Every condition has this form: any of a list's items fits the attribute. No list: not restricted. No attribute: unknown.
fn any_of<T, A: Copy>(list: Option<&[T]>, attribute: Option<A>, fits: impl Fn(&T, A) -> bool) -> Truth {
    let Some(list) = list else {
        return Truth::Match;
    };
    attribute.map_or(Truth::Unknown, |attribute| {
        Truth::from(list.iter().any(|item| fits(item, attribute)))
    })
}

#[cfg(test)]
mod tests {
    use super::Truth::{Match, NoMatch, Unknown};
    use super::{Truth, any_of};

    #[test]
    fn a_conjunction_is_kleenes() {
        for (a, b, both) in [
            (Match, Match, Match),
            (Match, Unknown, Unknown),
            (Match, NoMatch, NoMatch),
            (Unknown, Unknown, Unknown),
            (Unknown, NoMatch, NoMatch),
            (NoMatch, NoMatch, NoMatch),
        ] {
            assert_eq!(a.min(b), both);
            assert_eq!(b.min(a), both);
        }
    }

    #[test]
    fn absence_is_unknown_only_where_it_is_asked() {
        let equal = |item: &u8, attribute: u8| *item == attribute;
        for (list, attribute, expected) in [
            (None, None, Match),
            (None, Some(1), Match),
            (Some(&[1, 2][..]), Some(2), Match),
            (Some(&[1, 2][..]), Some(3), NoMatch),
            (Some(&[1, 2][..]), None, Unknown),
        ] {
            let found: Truth = any_of(list, attribute, equal);
            assert_eq!(found, expected, "{list:?} {attribute:?}");
        }
    }
}
