//! What is told: the decision line, and the counters.

mod line;
mod tally;

pub use line::{DecidedBy, Line, encode};
pub use tally::{Counter, Tally};
