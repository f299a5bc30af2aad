//! The kernel's counters as the host's metrics. Each is defined when it first counts, once per VM; names are fixed.

use std::collections::HashMap;

use regionguard::audit::{Counter, Tally};
use regionguard::reason::Reason;

use crate::abi::{self, MetricType};

/// What all names begin with, after the host's own `wasmcustom.`.
const PREFIX: &str = "regionguard";

/// Metric numbers, as far as they are defined.
#[derive(Default)]
pub(crate) struct Metrics {
    decisions: HashMap<Reason, u32>,
    counters: HashMap<&'static str, u32>,
    callout_time: Option<u32>,
    compile_time: Option<u32>,
    memory: Option<u32>,
    streams: Option<u32>,
    streams_told: i64,
}

impl Metrics {
    /// Hands the sums to the host.
    pub(crate) fn flush(&mut self, tally: &mut Tally) {
        let Self {
            decisions, counters, ..
        } = self;
        tally.drain(
            |reason, sum| {
                let known = decisions.get(&reason).copied();
                let name = || format!("{PREFIX}.decision.{}.{}", reason.verdict().as_str(), reason.code());
                if let Some(metric) = known.or_else(|| define(MetricType::Counter, &name())) {
                    decisions.insert(reason, metric);
                    add(metric, sum);
                }
            },
            |counter: Counter, sum| {
                let known = counters.get(counter.name()).copied();
                let name = || format!("{PREFIX}.{}", counter.name());
                if let Some(metric) = known.or_else(|| define(MetricType::Counter, &name())) {
                    counters.insert(counter.name(), metric);
                    add(metric, sum);
                }
            },
        );
    }

    /// One call took so many milliseconds.
    pub(crate) fn callout_took(&mut self, milliseconds: u64) {
        let name = || format!("{PREFIX}.callout.time_ms");
        self.callout_time = self.callout_time.or_else(|| define(MetricType::Histogram, &name()));
        if let Some(metric) = self.callout_time {
            // A lost sample changes nothing.
            let _ = abi::record_metric(metric, milliseconds);
        }
    }

    /// So many streams are open here that are looked after. The host's gauge is one for all workers, so it is told what has changed.
    pub(crate) fn open_streams(&mut self, count: usize) {
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        let change = count.saturating_sub(self.streams_told);
        if change == 0 {
            return;
        }
        let name = || format!("{PREFIX}.open_streams");
        self.streams = self.streams.or_else(|| define(MetricType::Gauge, &name()));
        if let Some(metric) = self.streams
            && abi::increment_metric(metric, change).is_ok()
        {
            self.streams_told = count;
        }
    }

    /// A bundle was compiled in so many microseconds, and this VM has so many bytes of memory now.
    pub(crate) fn compiled(&mut self, microseconds: u64, memory: u64) {
        set(&mut self.compile_time, "bundle.compile_time_us", microseconds);
        set(&mut self.memory, "memory_bytes", memory);
    }
}

/// Sets a gauge.
fn set(metric: &mut Option<u32>, name: &str, value: u64) {
    *metric = metric.or_else(|| define(MetricType::Gauge, &format!("{PREFIX}.{name}")));
    if let Some(metric) = *metric {
        // A lost value changes nothing but a graph.
        let _ = abi::record_metric(metric, value);
    }
}

fn define(kind: MetricType, name: &str) -> Option<u32> {
    abi::define_metric(kind, name).ok()
}

fn add(metric: u32, sum: u64) {
    // A lost sum changes nothing but a graph.
    let _ = abi::increment_metric(metric, i64::try_from(sum).unwrap_or(i64::MAX));
}
