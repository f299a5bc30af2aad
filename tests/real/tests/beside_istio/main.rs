//! Beside Istio's own: each of its policies on the same workload, the identity that its certificates give, the chains that it builds, and plugins of other
//! makers in them.

mod authorizer;
mod chain;
mod directions;
mod manifests;
mod migration;
mod neighbours;
mod policies;
mod services;
mod twice;
mod workloads;

use std::process::ExitCode;

use regionguard_mesh::{Options, suite};
use serde_json::json;

fn main() -> ExitCode {
    let options = Options {
        istiod_env: services::istiod_env(),
        mesh_config: json!({"trustDomainAliases": [services::PARTNER], "extensionProviders": [authorizer::provider("policies"), authorizer::provider("authorizer")]}),
        ..Options::default()
    };
    suite::run_in(
        options,
        [
            suite::test(
                "each_of_istios_policies_and_ours_decides_for_itself",
                policies::each_decides,
            ),
            suite::test("the_worked_example_of_the_book_decides_alike", migration::alike),
            suite::test(
                "a_workload_is_the_identity_of_its_mesh_certificate",
                workloads::identity,
            ),
            suite::test(
                "a_service_needs_no_token_unless_it_is_a_strangers_or_a_gateways",
                services::without_tokens,
            ),
            suite::test(
                "a_plugin_without_a_direction_is_refused_where_a_sidecar_sends",
                directions::both,
            ),
            suite::test("a_gateway_serves_in_its_only_direction", directions::gateway),
            suite::test(
                "a_hostile_neighbour_costs_a_denial_at_worst_and_is_trusted_behind_us",
                neighbours::hostile,
            ),
            suite::test("two_of_ours_in_one_chain_let_nothing_in", twice::refused),
        ],
    )
}
