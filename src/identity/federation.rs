//! Whose workloads count where: each trust domain is at home in one Region, and a Region says which workloads of the others it accepts.

use super::workload::SpiffeId;
use crate::bundle::RegionId;
use crate::bundle::document::Region;

/// The Region that lists this trust domain; of `regions`, which are sorted by name, at most one does.
#[must_use]
pub fn home_of_trust_domain(trust_domain: &str, regions: &[Region]) -> Option<RegionId> {
    let lists = |region: &Region| region.trust_domains.iter().any(|listed| listed == trust_domain);
    let mut numbered = (0..).map(RegionId).zip(regions);
    numbered.find(|(_, region)| lists(region)).map(|(id, _)| id)
}

/// The home region of a workload that counts where `local` stands: one of a trust domain that the local Region lists, or one that its `accepts` names of the
/// Region that does. `None`: it is nobody here, whoever has signed its certificate.
#[must_use]
pub fn counting_home(workload: &SpiffeId, local: RegionId, regions: &[Region]) -> Option<RegionId> {
    let home = home_of_trust_domain(workload.trust_domain(), regions)?;
    if home == local {
        return Some(home);
    }
    let name = &regions.get(home.index())?.name;
    let mut accepts = regions.get(local.index())?.accepts.iter();
    let accepted = accepts.find(|entry| entry.home == *name)?;
    let named = accepted.workloads.iter().any(|pattern| pattern.matches(workload));
    named.then_some(home)
}
