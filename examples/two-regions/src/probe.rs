//! Sends a case, and takes its time.

use std::time::Duration;

use regionguard_harness::Result;
use regionguard_harness::client::{Client, Connection, Request};
use regionguard_harness::envoy::Envoy;
use regionguard_harness::upstream::Upstream;

use crate::case::{Case, Row, Timing};
use crate::people::People;
use crate::region::Region;

/// How many pairs of requests a time is the median of.
pub const SAMPLES: usize = 15;
/// Requests before the samples, which are not counted: so that both ways are warm.
const WARM_UP: usize = 2;

/// Sends the request of `case` to `region`, looks its decision up in the access log, and takes the time by further requests.
pub(crate) async fn ask(case: &Case, region: &Region, people: &People) -> Result<Row> {
    let authorization = people.authorization(case.token)?;
    let client = Client::new(region.guarded).from(case.from.address());
    let request = case.request(&authorization, "");
    let mut row = observe(case, &region.name, &region.envoy, &region.upstream, &client, &request).await?;
    if case.timing != Timing::None {
        let lines = region.envoy.access_log().entries().len();
        let mut pair = Pair::open(client, Client::new(region.bare).from(case.from.address())).await?;
        for sample in 0..WARM_UP + SAMPLES {
            let request = match case.timing {
                Timing::FreshToken => case.request(&people.authorization(case.token)?, ""),
                Timing::FreshQuery => case.request(&authorization, &format!("?sample={sample}")),
                Timing::Same | Timing::None => request.clone(),
            };
            pair.send(&request, sample >= WARM_UP).await?;
        }
        row.added_us = pair.added_us();
        // All lines of these requests have to be there before the next case looks for its own.
        region.envoy.access_log().after(lines + WARM_UP + SAMPLES - 1).await?;
    }
    Ok(row)
}

/// Sends one request to any Envoy, and looks its decision up.
pub(crate) async fn observe(
    case: &Case,
    region: &str,
    envoy: &Envoy,
    upstream: &Upstream,
    client: &Client,
    request: &Request,
) -> Result<Row> {
    let lines = envoy.access_log().entries().len();
    let before = upstream.count();
    let response = client.send(request).await?;
    let reached = upstream.count() - before;
    let entry = envoy.access_log().after(lines).await?;
    Ok(case.row(region, &response, entry.0["decision"].as_str(), reached))
}

/// The same requests over an open connection through the filter, and over one past it, in turn.
struct Pair {
    guarded: Way,
    bare: Way,
}

struct Way {
    client: Client,
    connection: Connection,
    times: Vec<Duration>,
}

impl Pair {
    async fn open(guarded: Client, bare: Client) -> Result<Self> {
        Ok(Self {
            guarded: Way::open(guarded).await?,
            bare: Way::open(bare).await?,
        })
    }

    async fn send(&mut self, request: &Request, counts: bool) -> Result<()> {
        self.bare.send(request, counts).await?;
        self.guarded.send(request, counts).await
    }

    /// The difference of both medians, in microseconds.
    fn added_us(mut self) -> Option<f64> {
        let guarded = median(&mut self.guarded.times)?;
        let bare = median(&mut self.bare.times)?;
        Some((guarded.as_secs_f64() - bare.as_secs_f64()) * 1e6)
    }
}

impl Way {
    async fn open(client: Client) -> Result<Self> {
        let connection = client.connect().await?;
        Ok(Self {
            client,
            connection,
            times: Vec::new(),
        })
    }

    async fn send(&mut self, request: &Request, counts: bool) -> Result<()> {
        let response = self.connection.send(request).await?;
        if response
            .header("connection")
            .is_some_and(|value| value.eq_ignore_ascii_case("close"))
        {
            self.connection = self.client.connect().await?;
        }
        if counts {
            self.times.push(response.elapsed);
        }
        Ok(())
    }
}

fn median(times: &mut [Duration]) -> Option<Duration> {
    times.sort_unstable();
    times.get(times.len() / 2).copied()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::median;

    #[test]
    fn the_median_is_the_middle_one() {
        let mut times = [9, 1, 5].map(Duration::from_millis);
        assert_eq!(median(&mut times), Some(Duration::from_millis(5)));
        assert_eq!(median(&mut []), None);
    }
}
