//! The walk of the demo, as a test: every row is as expected.

use std::time::Duration;

use two_regions::report::{Report, Style, print_event};
use two_regions::walk::Event;
use two_regions::{Ports, TwoRegions, walk};

#[tokio::test]
async fn every_row_is_as_expected() {
    let mut regions = TwoRegions::start(Ports::Free, None, Duration::from_secs(3600), &mut |_| {})
        .await
        .unwrap();
    let mut report = Report::default();
    let mut table = Vec::new();
    let mut see = |event: Event<'_>| {
        report.note(&event);
        print_event(&mut table, Style::plain(), &event).unwrap();
    };
    walk::walk(&mut regions, &mut see).await.unwrap();
    let rows = report.themes.iter().flat_map(|theme| &theme.rows);
    let odd: Vec<_> = rows.filter(|row| !row.is_met()).collect();
    assert!(odd.is_empty(), "{odd:#?}");
    assert!(report.is_met() && report.total >= 16, "{} rows", report.total);
    for line in String::from_utf8(table).unwrap().lines() {
        assert!(line.chars().count() <= 120, "too wide for the table: {line}");
    }
}
