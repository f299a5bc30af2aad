//! The proxy-wasm HTTP filter: it carries what the kernel decides.
//!
//! Only the callbacks that it needs are exported: the host calls each exported one for every stream.

mod abi;
mod answered;
mod carry;
mod metrics;
mod node;
mod open;
mod pairs;
mod state;
mod stream;
mod verify;

use abi::FilterAction;
use state::with_state;

/// How often counters are flushed, deadlines looked after and gone contexts forgotten, in milliseconds.
const TICK_MILLISECONDS: u32 = 1000;
/// When the first tick comes where something is to be fetched: not in the callback itself, which runs on the host's trial VM as well.
const FIRST_TICK_MILLISECONDS: u32 = 20;

#[expect(unsafe_code, reason = "exported names are the ABI")]
#[unsafe(no_mangle)]
extern "C" fn proxy_on_context_create(context: u32, parent: u32) {
    with_state((), |state| state.created(context, parent));
}

#[expect(unsafe_code, reason = "exported names are the ABI")]
#[unsafe(no_mangle)]
extern "C" fn proxy_on_configure(root: u32, size: usize) -> u32 {
    let Some(soon) = with_state(None, |state| state.configure(root, size)) else {
        return 0;
    };
    let period = if soon {
        FIRST_TICK_MILLISECONDS
    } else {
        TICK_MILLISECONDS
    };
    if abi::set_tick_period(period).is_err() {
        abi::log(
            abi::LogLevel::Warn,
            "regionguard: the host gives no timer: counters are not flushed, and nothing is fetched in time",
        );
    }
    1
}

#[expect(unsafe_code, reason = "exported names are the ABI")]
#[unsafe(no_mangle)]
extern "C" fn proxy_on_tick(root: u32) {
    if with_state(false, |state| state.tick(root)) {
        // The host has let the first period be set, so it lets this one.
        let _ = abi::set_tick_period(TICK_MILLISECONDS);
    }
}

#[expect(unsafe_code, reason = "exported names are the ABI")]
#[unsafe(no_mangle)]
extern "C" fn proxy_on_request_headers(stream: u32, _count: u32, end_of_stream: u32) -> u32 {
    with_state(FilterAction::Pause, |state| {
        state.request_headers(stream, end_of_stream != 0)
    }) as u32
}

#[expect(unsafe_code, reason = "exported names are the ABI")]
#[unsafe(no_mangle)]
extern "C" fn proxy_on_http_call_response(context: u32, token: u32, _headers: u32, body_size: usize, _trailers: u32) {
    with_state((), |state| state.call_response(context, token, body_size));
}
