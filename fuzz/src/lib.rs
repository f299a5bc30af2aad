//! What a fuzzer throws at the kernel, and what must hold whatever it throws: each function takes any bytes and panics where something does not hold.
//!
//! `make fuzz` runs them under LLVM's fuzzer, and `cargo test` replays the corpus. The right answers come from readings of their own (`oracle`), slow and naive,
//! which share nothing with the kernel's but the JSON reader.

mod cel;
#[expect(dead_code, reason = "tests take more of it")]
#[path = "../../tests/driven/mod.rs"]
mod driven;

mod bundle;
mod edge;
mod jwks;
mod oracle;
mod path;
mod proof;
mod revocations;
mod status_list;
mod token;

pub use bundle::bundle;
pub use cel::cel;
pub use edge::edge;
pub use jwks::jwks;
pub use path::path;
pub use proof::proof;
pub use revocations::revocations;
pub use status_list::status_list;
pub use token::token;
