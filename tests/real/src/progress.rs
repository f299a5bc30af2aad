//! What a start says while it goes on.

use std::io::Write as _;
use std::time::Instant;

/// Says each step that is done and what hinders, with the seconds since the start; or nothing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Progress {
    began: Instant,
    aloud: bool,
}

impl Progress {
    pub(crate) fn new(aloud: bool) -> Self {
        Self {
            began: Instant::now(),
            aloud,
        }
    }

    pub(crate) fn say(&self, step: &str) {
        if self.aloud {
            // Where nobody listens, it is not said.
            let _ = writeln!(
                std::io::stderr(),
                "mesh  {:>5.1} s  {step}",
                self.began.elapsed().as_secs_f64()
            );
        }
    }
}
