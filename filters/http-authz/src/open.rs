//! Streams that upgrades have opened, as far as the engine looks after them.

use std::collections::HashMap;

use regionguard::engine::{Engine, StreamId};

use crate::abi;

/// Their contexts.
#[derive(Default)]
pub(crate) struct Open(HashMap<StreamId, u32>);

impl Open {
    /// This stream, of this context, has been let in.
    pub(crate) fn keep(&mut self, stream: StreamId, context: u32) {
        self.0.insert(stream, context);
    }

    /// Ends a stream, unless it is gone. What follows in this callback speaks for another context then.
    pub(crate) fn end(&mut self, stream: StreamId) {
        let context = self.0.remove(&stream);
        let is_there = |context: &u32| abi::set_effective_context(*context).is_ok();
        if context.filter(is_there).is_some() && abi::close_stream().is_err() {
            abi::log(
                abi::LogLevel::Error,
                "regionguard: the host did not end a stream that would not be let in any more",
            );
        }
    }

    /// A stream that is gone leaves its place to others.
    pub(crate) fn forget_gone(&mut self, engine: &mut Engine) {
        self.0.retain(|stream, context| {
            let alive = abi::set_effective_context(*context).is_ok();
            if !alive {
                engine.closed(*stream);
            }
            alive
        });
    }
}
