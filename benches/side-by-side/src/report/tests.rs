//! What a report says of figures that were made up.

use std::time::Duration;

use super::{ALL, Middle, Report};
use crate::rounds::{Measured, Samples};
use crate::scale::Compiled;

fn report(samples: &[(&str, &[f64])]) -> Report {
    let samples = samples.iter().map(|(name, microseconds)| Samples {
        variant: ALL.iter().find(|variant| variant.name == *name).unwrap(),
        requests: 1,
        microseconds: microseconds.to_vec(),
    });
    Report::new(Measured {
        variants: samples.collect(),
        rounds: 3,
        module_bytes: 1,
        pinned: true,
        revoked_nanoseconds: Some(100.0),
        compiled: None,
        took: Duration::ZERO,
    })
}

#[test]
fn ten_thousand_rules_are_compiled_in_time_and_space() {
    let report = |again: f64, memory: u64| {
        let mut report = report(&[]);
        report.measured.compiled = Some(Compiled {
            first: 500.0,
            again,
            memory,
            memory_after: 2 * memory,
        });
        report
    };
    assert!(report(150.0, 40_000_000).keeps_thresholds());
    for slow in [report(150.1, 40_000_000), report(150.0, 40_000_001)] {
        assert!(!slow.keeps_thresholds());
        assert!(
            slow.table()
                .contains("Missed: 10,000 rules take too long, or too much.")
        );
    }
}

#[test]
fn a_condition_has_a_limit_of_its_own() {
    // On a machine on which everything takes long, too: it is the difference that counts.
    let report = |when: f64| {
        report(&[
            ("none", &[10.0, 20.0, 30.0]),
            ("ours-10", &[13.0, 23.0, 33.0]),
            ("ours-10-when", &[13.0 + when, 23.0 + when, 33.0 + when]),
        ])
    };
    let kept = report(1.5);
    assert!(kept.keeps_thresholds(), "{}", kept.table());
    assert!(
        kept.table()
            .contains("a condition of four parts: 1.50 [1.50 to 1.50], 1.50 at most")
    );
    for (when, told) in [(1.5625, "1.56"), (f64::NAN, "NaN")] {
        let slow = report(when);
        assert!(!slow.keeps_thresholds(), "{when}");
        let missed = format!("Missed: a condition of four parts takes {told} µs, over 1.5.");
        assert!(slow.table().contains(&missed), "{}", slow.table());
    }
}

#[test]
fn a_module_that_is_too_large_fails_the_run() {
    let mut large = report(&[]);
    assert!(large.keeps_thresholds());
    large.measured.module_bytes = super::MODULE_MAX + 1;
    assert!(!large.keeps_thresholds());
    assert!(large.table().contains("Missed: the module is too large."));
}

#[test]
fn a_median_and_its_quartiles() {
    let expected = Middle {
        low: 2.0,
        median: 3.0,
        high: 4.0,
    };
    assert_eq!(Middle::of(vec![5.0, 1.0, 4.0, 2.0, 3.0]), Some(expected));
    assert_eq!(Middle::of(Vec::new()), None);
}

#[test]
fn costs_are_above_no_filter_in_the_same_round() {
    let report = report(&[
        ("none", &[10.0, 20.0, 30.0]),
        ("pair-10", &[14.0, 24.0, 34.0]),
        ("ours-10", &[13.0, 23.0, 33.0]),
    ]);
    let ratios = report.ratios();
    assert_eq!(ratios.len(), 1, "no ratio of what was not measured");
    assert!((ratios[0].value - 0.75).abs() < 1e-9, "{}", ratios[0].value);
    assert!(report.keeps_thresholds());
    assert!(report.table().contains("within the limit"));
}

#[test]
fn a_missed_threshold_fails_the_run() {
    let slow = report(&[("none", &[10.0]), ("pair-10", &[14.0]), ("ours-10", &[14.5])]);
    assert!(!slow.keeps_thresholds());
    assert!(slow.table().contains("Missed: hot, 10 rules is 1.125, over 1."));
    let nothing = report(&[("none", &[10.0]), ("pair-10", &[10.0]), ("ours-10", &[10.0])]);
    assert!(!nothing.keeps_thresholds(), "nothing was measured");
}
