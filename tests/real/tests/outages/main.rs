//! Faults of the whole mesh, one after the other: workloads go on with what they have.

#[path = "../live/bundles.rs"]
#[expect(dead_code, reason = "shared with the tests of live policy, which use all of it")]
mod bundles;
mod istiod;
#[path = "../live/load.rs"]
#[expect(dead_code, reason = "shared with the tests of live policy, which use all of it")]
mod load;
#[path = "../live/oracle.rs"]
#[expect(dead_code, reason = "shared with the tests of live policy, which use all of it")]
mod oracle;
#[path = "../live/site.rs"]
#[expect(dead_code, reason = "shared with the tests of live policy, which use all of it")]
mod site;
#[path = "../faults/watched.rs"]
mod watched;
#[path = "../live/way.rs"]
#[expect(dead_code, reason = "shared with the tests of live policy, which use all of it")]
mod way;

use std::process::ExitCode;

use regionguard_mesh::suite;

fn main() -> ExitCode {
    suite::run([suite::test("istiod_is_away_for_a_minute", istiod::away)])
}
