//! Each decision as it falls.

use std::io::Write as _;
use std::time::Duration;

use super::Region;
use crate::Result;

/// How often the access logs are looked at.
const LOOK: Duration = Duration::from_millis(250);

/// Prints what comes into the access logs from now on, a line for each request, until it is dropped.
///
/// # Errors
/// When nobody listens any more.
pub(super) async fn print(regions: &[Region; 2]) -> Result<()> {
    let mut seen = [0, 1].map(|index: usize| regions[index].api.access_log().entries().len());
    let mut look = tokio::time::interval(LOOK);
    loop {
        look.tick().await;
        for (region, seen) in regions.iter().zip(&mut seen) {
            let entries = region.api.access_log().entries();
            for line in entries.iter().skip(*seen) {
                let decision = match line.text("decision") {
                    "" => "no decision: the filter did not see it",
                    decision => decision,
                };
                writeln!(
                    std::io::stdout(),
                    "{}  {} {}  {}  {decision}",
                    region.name,
                    line.text("method"),
                    line.text("path"),
                    line.status(),
                )?;
            }
            *seen = entries.len();
        }
    }
}
