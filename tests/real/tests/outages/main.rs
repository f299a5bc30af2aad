//! Faults of the whole mesh, one after the other: workloads go on with what they have.

mod istiod;

use std::process::ExitCode;

use regionguard_mesh::suite;

fn main() -> ExitCode {
    suite::run([suite::test("istiod_is_away_for_a_minute", istiod::away)])
}
