//! Faults of a single workload: whatever is missing, wrong or ends, nothing undecided is let in, and it is visible where
//! `docs/faults.md` says.

mod certificates;
mod faulty;
mod first_bundle;
mod missing_module;
mod restarts;
mod scene;
mod steady;
mod upgrades;

use std::process::ExitCode;

use regionguard_mesh::suite;

fn main() -> ExitCode {
    suite::run([
        suite::test(
            "certificates_are_rotated_while_workloads_are_told_by_them",
            certificates::rotated,
        ),
        suite::test("a_module_file_that_is_missing_lets_nothing_in", missing_module::missing),
        suite::test(
            "a_first_bundle_of_a_config_map_that_is_refused_is_mended_by_an_edit",
            first_bundle::of_a_config_map,
        ),
        suite::test(
            "a_first_bundle_of_a_plugin_that_is_refused_is_mended_by_an_edit",
            first_bundle::of_a_plugin,
        ),
        suite::test(
            "what_one_worker_does_not_decide_meets_the_interlock",
            faulty::on_one_worker,
        ),
        suite::test("a_filter_that_traps_is_loaded_anew", faulty::trapped),
        suite::test("a_restart_under_load_lets_nothing_undecided_in", restarts::under_load),
        suite::test("a_module_is_exchanged_by_its_file_under_load", upgrades::by_file),
        suite::test("a_module_is_exchanged_by_its_plugin_under_load", upgrades::by_plugin),
    ])
}
