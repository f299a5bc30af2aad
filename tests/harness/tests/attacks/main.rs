//! What a client, an issuer, or the configuration around the filter must not be able to turn into an allow, family by family, each in a real Envoy.

mod cached;
#[path = "../common/mod.rs"]
mod common;
mod floods;
mod forged;
mod forms;
mod regions;
mod scene;
mod tried;
mod waiting;
