//! What looks wrong: the scores that a center sends back, and what a worker sees for itself.
//!
//! Both are signals for conditions (`risk` in a `when`), and neither is proof of anything: a score is only as young as its subject's last question to the center, and
//! all of it is forgotten with the worker. So a condition says what holds while nothing is known: absence is unknown, as that of a claim is.

mod scores;

pub use scores::{Score, Scores};

/// What is known of the risk of one request.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Risk {
    /// How wrong its subject looks, from 0 to 100, by the local region's center; `None`: it has not said, or not lately.
    pub score: Option<f64>,
    /// How many tokens with a bad signature have come lately from where it comes from; `None`: nobody has looked.
    pub failures: Option<u32>,
}
