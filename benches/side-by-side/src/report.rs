//! Medians, ratios, and what they mean.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::rounds::{Measured, Samples};
use crate::variants::{ALL, NONE};

const MODULE_MAX: u64 = 2 * 1024 * 1024;
/// Milliseconds for compiling 10,000 rules, in a VM that serves already.
const COMPILE_MAX: f64 = 150.0;
/// Bytes of a worker's VM with 10,000 rules.
const MEMORY_MAX: u64 = 40 * 1000 * 1000;
/// Microseconds for a condition of four parts, everything included.
const CONDITION_MAX: f64 = 1.5;

/// A ratio of two variants' costs above no filter.
struct Budget {
    name: &'static str,
    above: &'static str,
    below: &'static str,
    /// Over which the run fails.
    threshold: Option<f64>,
    /// Where it is to be.
    target: Option<f64>,
}

const BUDGETS: [Budget; 17] = [
    budget("hot, 10 rules", "ours-10", "pair-10", Some(1.0), Some(0.7)),
    budget("  with the direct peer told", "ours-10-peer", "pair-10", None, None),
    budget("hot, 1,000 rules", "ours-1000", "pair-1000", Some(0.15), Some(0.08)),
    budget("1,000 rules against 10", "ours-1000", "ours-10", None, Some(1.2)),
    budget("10,000 rules against 10", "ours-10000", "ours-10", Some(1.2), None),
    budget(
        "new token, RS256",
        "ours-cold-rs256",
        "jwt-cold-rs256",
        Some(0.9),
        Some(0.75),
    ),
    budget(
        "new token, ES256",
        "ours-cold-es256",
        "jwt-cold-es256",
        Some(0.9),
        Some(0.75),
    ),
    budget("new token, PS256", "ours-cold-ps256", "jwt-cold-ps256", None, None),
    budget("new token, ES384", "ours-cold-es384", "jwt-cold-es384", None, None),
    budget("new token, EdDSA", "ours-cold-eddsa", "jwt-cold-eddsa", None, None),
    budget(
        "a condition of four parts or none",
        "ours-10-when",
        "ours-10",
        None,
        None,
    ),
    budget("1,000,000 revoked or none", "ours-10-revoked", "ours-10", None, None),
    budget(
        "bound to a certificate or not",
        "ours-10-cert",
        "ours-10-tls",
        None,
        None,
    ),
    budget("bound to a key (DPoP) or not", "ours-10-dpop", "ours-10", None, None),
    budget(
        "deferred against ext_authz alone",
        "ours-deferred",
        "ext-authz",
        None,
        Some(1.1),
    ),
    budget(
        "  against jwt_authn and ext_authz",
        "ours-deferred",
        "jwt-ext-authz",
        None,
        None,
    ),
    budget("decision cache against inline", "ours-cached", "ours-10", None, None),
];

const fn budget(
    name: &'static str,
    above: &'static str,
    below: &'static str,
    threshold: Option<f64>,
    target: Option<f64>,
) -> Budget {
    Budget {
        name,
        above,
        below,
        threshold,
        target,
    }
}

/// A median, with the quartiles around it.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Middle {
    low: f64,
    median: f64,
    high: f64,
}

impl Middle {
    fn of(mut values: Vec<f64>) -> Option<Self> {
        values.sort_by(f64::total_cmp);
        let at = |share: f64| {
            let position = share * (values.len().checked_sub(1)? as f64);
            let (low, high) = (
                values.get(position.floor() as usize)?,
                values.get(position.ceil() as usize)?,
            );
            Some(low + (high - low) * position.fract())
        };
        Some(Self {
            low: at(0.25)?,
            median: at(0.5)?,
            high: at(0.75)?,
        })
    }
}

struct Row<'a> {
    samples: &'a Samples,
    total: Middle,
    /// Above no filter in the same round; nothing for no filter itself.
    above: Option<Middle>,
}

struct Ratio {
    budget: &'static Budget,
    value: f64,
    /// Quartiles of the ratios of single rounds.
    low: f64,
    high: f64,
}

/// What a run came to.
pub struct Report {
    measured: Measured,
}

impl Report {
    /// The report of a run.
    pub fn new(measured: Measured) -> Self {
        Self { measured }
    }

    /// Whether no threshold was missed.
    pub fn keeps_thresholds(&self) -> bool {
        self.missed().is_empty()
    }

    /// All limits that are missed.
    fn missed(&self) -> Vec<String> {
        let mut missed: Vec<String> = self.ratios().iter().filter_map(Ratio::missed).collect();
        // A difference that is no number is no pass.
        let too_dear = |cost: &Middle| cost.median.is_nan() || cost.median > CONDITION_MAX;
        if let Some(Middle { median, .. }) = self.condition().filter(too_dear) {
            missed.push(format!(
                "a condition of four parts takes {median:.2} µs, over {CONDITION_MAX}"
            ));
        }
        if !self.scales() {
            missed.push("10,000 rules take too long, or too much".to_owned());
        }
        if self.measured.module_bytes > MODULE_MAX {
            missed.push("the module is too large".to_owned());
        }
        missed
    }

    /// What a condition of four parts costs a request.
    fn condition(&self) -> Option<Middle> {
        self.difference("ours-10-when", "ours-10")
    }

    /// Whether a bundle of 10,000 rules is compiled in time and space.
    fn scales(&self) -> bool {
        let compiled = self.measured.compiled.as_ref();
        compiled.is_none_or(|compiled| compiled.again <= COMPILE_MAX && compiled.memory <= MEMORY_MAX)
    }

    /// For people.
    pub fn table(&self) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = self.write_table(&mut text);
        text
    }

    /// For programs: microseconds.
    pub fn json(&self) -> Value {
        let variants = self.rows().into_iter().map(|row| {
            json!({
                "name": row.samples.variant.name, "about": row.samples.variant.about,
                "requests_per_round": row.samples.requests,
                "cpu": row.total.median, "above_none": row.above.map(|above| above.median),
                "above_none_quartiles": row.above.map(|above| [above.low, above.high]),
                "samples": row.samples.microseconds,
            })
        });
        let ratios = self.ratios().into_iter().map(|ratio| {
            json!({
                "name": ratio.budget.name.trim(), "of": ratio.budget.above, "to": ratio.budget.below,
                "value": ratio.value, "quartiles": [ratio.low, ratio.high],
                "threshold": ratio.budget.threshold, "target": ratio.budget.target,
            })
        });
        json!({
            "rounds": self.measured.rounds, "pinned": self.measured.pinned, "seconds": self.measured.took.as_secs_f64(),
            "compiled": self.measured.compiled.as_ref().map(|compiled| json!({
                "first_ms": compiled.first, "again_ms": compiled.again, "memory_bytes": compiled.memory,
                "memory_bytes_after_pushes": compiled.memory_after,
            })),
            "condition": self.condition().map(|cost| json!({
                "microseconds": cost.median, "quartiles": [cost.low, cost.high], "threshold": CONDITION_MAX,
            })),
            "revoked_nanoseconds": self.measured.revoked_nanoseconds, "module_bytes": self.measured.module_bytes, "keeps_thresholds": self.keeps_thresholds(),
            "variants": variants.collect::<Vec<_>>(), "ratios": ratios.collect::<Vec<_>>(),
        })
    }

    fn write_table(&self, out: &mut String) -> std::fmt::Result {
        let measured = &self.measured;
        writeln!(
            out,
            "Envoy's CPU time per request in microseconds: median of {} rounds, quartiles in brackets\n",
            measured.rounds
        )?;
        writeln!(out, "{:<16} {:>7}  {:>9}", "variant", "total", "above none")?;
        for row in self.rows() {
            let above = row.above.map_or(String::new(), |above| {
                format!("{:7.2} [{:.2} to {:.2}]", above.median, above.low, above.high)
            });
            let about = row.samples.variant.about;
            writeln!(
                out,
                "{:<16} {:>7.2}  {above:<26} {about}",
                row.samples.variant.name, row.total.median
            )?;
        }
        for (what, with, without) in [
            ("the interlock's share", "ours-10", "ours-10-open"),
            ("the direct peer's share", "ours-10-peer", "ours-10"),
        ] {
            if let Some(share) = self.difference(with, without) {
                writeln!(
                    out,
                    "{what}: {:.2} [{:.2} to {:.2}]",
                    share.median, share.low, share.high
                )?;
            }
        }
        if let Some(Middle { low, median, high }) = self.condition() {
            writeln!(
                out,
                "a condition of four parts: {median:.2} [{low:.2} to {high:.2}], {CONDITION_MAX:.2} at most"
            )?;
        }
        self.write_ratios(out)?;
        if let Some(nanoseconds) = measured.revoked_nanoseconds {
            writeln!(
                out,
                "\na look-up among 1,000,000 revoked tokens: {nanoseconds:.0} ns in this program, without WebAssembly"
            )?;
        }
        if let Some(compiled) = &measured.compiled {
            let megabytes = |bytes: u64| bytes as f64 / 1e6;
            writeln!(
                out,
                "\n10,000 rules: compiled in {:.0} ms of {COMPILE_MAX:.0} ({:.0} ms in a VM that has just begun), {:.1} MB a worker of {:.0} ({:.1} after pushes)",
                compiled.again,
                compiled.first,
                megabytes(compiled.memory),
                megabytes(MEMORY_MAX),
                megabytes(compiled.memory_after)
            )?;
        }
        writeln!(
            out,
            "\nmodule: {} bytes of {MODULE_MAX}; {:.0} s; {}",
            measured.module_bytes,
            measured.took.as_secs_f64(),
            if measured.pinned {
                "Envoy on one core, load and center on the others"
            } else {
                "one core for everything"
            }
        )?;
        self.write_meaning(out)
    }

    fn write_ratios(&self, out: &mut String) -> std::fmt::Result {
        let ratios = self.ratios();
        if ratios.is_empty() {
            return Ok(());
        }
        let number = |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{value:.2}"));
        writeln!(
            out,
            "\n{:<34} {:>6}  {:<16} {:>6} {:>7}",
            "ratio", "here", "", "limit", "target"
        )?;
        for ratio in ratios {
            let spread = format!("[{:.2} to {:.2}]", ratio.low, ratio.high);
            let mark = match (ratio.missed(), ratio.budget.target) {
                (Some(_), _) => "MISSED",
                (None, Some(target)) if ratio.value > target => "within the limit, not at the target",
                (None, Some(_)) => "at the target",
                (None, None) => "",
            };
            let line = format!(
                "{:<34} {:>6.3}  {spread:<16} {:>6} {:>7}  {mark}",
                ratio.budget.name,
                ratio.value,
                number(ratio.budget.threshold),
                number(ratio.budget.target)
            );
            writeln!(out, "{}", line.trim_end())?;
        }
        Ok(())
    }

    fn write_meaning(&self, out: &mut String) -> std::fmt::Result {
        let missed = self.missed();
        if missed.is_empty() {
            writeln!(
                out,
                "\nNo limit is missed. Below 1, the filter costs less CPU than what it stands for."
            )?;
        } else {
            writeln!(
                out,
                "\nMissed: {}.\nRun it again on a quiet machine first; where the quartiles are wide, give it more `--rounds`.",
                missed.join("; ")
            )?;
        }
        writeln!(
            out,
            "Trust the ratios, not the microseconds: those belong to this machine. docs/benchmarks.md says how to read this;\n\
             `--only NAME` measures one variant, `--json` prints every sample."
        )
    }

    fn rows(&self) -> Vec<Row<'_>> {
        let row = |samples| {
            Some(Row {
                samples,
                total: Middle::of(samples.microseconds.clone())?,
                above: self.above(samples.variant.name).and_then(Middle::of),
            })
        };
        self.measured.variants.iter().filter_map(row).collect()
    }

    fn samples(&self, name: &str) -> Option<&[f64]> {
        let found = self
            .measured
            .variants
            .iter()
            .find(|samples| samples.variant.name == name);
        found.map(|samples| samples.microseconds.as_slice())
    }

    /// What a variant costs above no filter, round by round.
    fn above(&self, name: &str) -> Option<Vec<f64>> {
        let variant = ALL.iter().find(|variant| variant.name == name)?;
        if name == NONE {
            return None;
        }
        let (own, none) = (self.samples(name)?, self.samples(variant.above)?);
        Some(own.iter().zip(none).map(|(own, none)| own - none).collect())
    }

    fn difference(&self, with: &str, without: &str) -> Option<Middle> {
        let (with, without) = (self.samples(with)?, self.samples(without)?);
        Middle::of(with.iter().zip(without).map(|(with, without)| with - without).collect())
    }

    fn ratios(&self) -> Vec<Ratio> {
        let ratio = |budget: &'static Budget| {
            let (above, below) = (self.above(budget.above)?, self.above(budget.below)?);
            let single = above.iter().zip(&below).map(|(above, below)| above / below).collect();
            let spread = Middle::of(single)?;
            Some(Ratio {
                budget,
                value: Middle::of(above)?.median / Middle::of(below)?.median,
                low: spread.low,
                high: spread.high,
            })
        };
        BUDGETS.iter().filter_map(ratio).collect()
    }
}

impl Ratio {
    /// Which threshold it misses.
    fn missed(&self) -> Option<String> {
        let threshold = self.budget.threshold?;
        // A ratio of nothing to nothing is no pass.
        let kept = self.value <= threshold;
        (!kept).then(|| format!("{} is {:.3}, over {threshold}", self.budget.name.trim(), self.value))
    }
}

#[cfg(test)]
mod tests;
