//! What is true of this node and VM, whichever plugin asks.

use regionguard::policy::Served;

use crate::abi;

/// What the node's metadata tell of the workload behind this proxy: in Istio, namespace and service account; anywhere, the whole SPIFFE id where the operator wrote it.
pub(crate) fn served() -> Served {
    let metadata = |name: &str| String::from_utf8(abi::property(&format!("xds\0node\0metadata\0{name}"))?).ok();
    Served {
        id: metadata("REGIONGUARD_WORKLOAD"),
        namespace: metadata("NAMESPACE"),
        service_account: metadata("SERVICE_ACCOUNT"),
    }
}

/// The region in which the node says that it stands.
pub(crate) fn locality() -> Option<String> {
    String::from_utf8(abi::property("xds\0node\0locality\0region")?).ok()
}

/// Bytes of this VM's memory, which never become fewer.
pub(crate) fn memory() -> u64 {
    const PAGE: u64 = 65_536;
    #[cfg(target_arch = "wasm32")]
    let pages = core::arch::wasm32::memory_size::<0>();
    #[cfg(not(target_arch = "wasm32"))]
    let pages = 0_usize;
    u64::try_from(pages).unwrap_or(0).saturating_mul(PAGE)
}
