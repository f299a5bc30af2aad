//! What goes out of the engine: effects for the host to carry out once the engine's borrow has ended.

use core::time::Duration;

use crate::decision::Decision;
use crate::time::Monotonic;

/// A request that waits. Never used again within a VM's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);

/// A stream that an upgrade has opened. Never used again within a VM's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId(pub u64);

/// A call on its way. Never used again within a VM's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallId(pub u64);

/// Whose a call is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// A request's: it is cancelled when that request is done or closed.
    Request(RequestId),
    /// The engine's: it outlives whoever asked for it first, and belongs to the plugin's root context.
    Engine,
}

/// An HTTP call that somebody wants made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// The host's cluster.
    pub cluster: String,
    /// All headers, `:method`, `:path` and `:authority` among them.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Vec<u8>,
    /// The host gives up after this time and answers 504.
    pub timeout: Duration,
    /// The largest body of an answer that is of use, in bytes: of a larger one the host hands over nothing.
    pub response_max: usize,
}

/// A call with its identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// Under which its fate is reported: [`reply`](super::Engine::reply), or [`refuse`](super::Engine::refuse).
    pub id: CallId,
    /// Whose it is: the host makes a request's call in that stream's context where it can.
    pub owner: Owner,
    /// What to send.
    pub outgoing: Outgoing,
}

/// How much a message matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Worth knowing.
    Info,
    /// Worth a look.
    Warn,
}

/// Something for the host to do.
#[derive(Debug)]
pub enum Effect {
    /// Remove this header from the request that is beginning: only the filter may write it.
    RemoveHeader(Vec<u8>),
    /// Replace `:path` of the request that is beginning, whatever becomes of it, and leave its route as it is: its query held a token.
    ReplacePath(Vec<u8>),
    /// Make a call, and report at once by [`refuse`](super::Engine::refuse) if the host does not take it.
    Call(Call),
    /// Forget a call: its reply is no longer of interest.
    Cancel(CallId),
    /// This request waits no longer.
    Done(RequestId, Decision),
    /// End what this decision has opened: it would not be let in any more. The engine has forgotten it.
    Close(StreamId),
    /// A call was answered after this time: for the histogram.
    Answered(Duration),
    /// A line for the host's log. It holds nothing secret, and only visible ASCII.
    Log(Level, String),
}

/// What a callback wants done, in order.
#[derive(Debug, Default)]
pub struct Effects {
    /// In the order in which to carry them out.
    pub list: Vec<Effect>,
    /// When [`wake`](super::Engine::wake) is due at the latest.
    pub wake_at: Option<Monotonic>,
}

impl Effects {
    /// One more.
    pub fn push(&mut self, effect: Effect) {
        self.list.push(effect);
    }

    /// Wakes at `at` at the latest.
    pub(super) fn wake_before(&mut self, at: Option<Monotonic>) {
        self.wake_at = [self.wake_at, at].into_iter().flatten().min();
    }
}
