//! Carrying out what the kernel wants done to a request.

use regionguard::decision::{Action, Answer, Decision, Forwarded, Strip};

use crate::abi::{self, HostResult};
use crate::pairs;
use crate::stream::{CANDIDATE, LINE, REFRESH, SHADOW};

/// What a stream's callback returns, or what is done to a stream that waited.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Carried {
    /// It goes on.
    GoesOn,
    /// It was answered.
    Answered,
}

/// Carries out a decision on the effective context's stream. Where the host refuses a part of letting a request in, the request is answered instead: the line
/// says `allow` only as the last call, and only where all calls before it held.
pub(crate) fn carry_out(decision: Decision) -> Carried {
    if let Some(tried) = &decision.tried {
        for (property, line) in [(SHADOW, &tried.shadow), (CANDIDATE, &tried.candidate)] {
            if let Some(line) = line {
                // Without it, the difference is counted all the same.
                let _ = abi::set_property(property, line);
            }
        }
    }
    match decision.action {
        Action::Continue(forwarded) => match let_in(forwarded.as_deref(), &decision.line) {
            Ok(()) => Carried::GoesOn,
            Err(_) => {
                refuse();
                Carried::Answered
            }
        },
        Action::Answer(answer) => {
            answer_with(&answer, &decision.line);
            Carried::Answered
        }
    }
}

fn let_in(forwarded: Option<&Forwarded>, line: &str) -> HostResult<()> {
    if let Some(forwarded) = forwarded {
        change(forwarded)?;
    }
    abi::set_property(LINE, line)
}

fn change(forwarded: &Forwarded) -> HostResult<()> {
    for name in &forwarded.removed {
        abi::remove_request_header(name)?;
    }
    match &forwarded.strip {
        None => {}
        Some(Strip::Header(name)) => abi::remove_request_header(name)?,
        Some(Strip::Cookies(rest)) => {
            // Whatever lines there are become one, or none.
            abi::remove_request_header(b"cookie")?;
            if !rest.is_empty() {
                abi::set_request_header("cookie", rest)?;
            }
        }
    }
    if forwarded.strip_proof {
        abi::remove_request_header(b"dpop")?;
    }
    for (name, value) in &forwarded.headers {
        abi::set_request_header(name, value)?;
    }
    let routed = [(":path", &forwarded.path), (":authority", &forwarded.authority)];
    for (name, value) in routed {
        if let Some(value) = value {
            abi::set_request_header(name, value)?;
        }
    }
    if routed.iter().any(|(_, value)| value.is_some()) {
        abi::call_foreign_function("clear_route_cache", &[])?;
    }
    if let Some(seconds) = forwarded.refresh {
        // Who is not told refreshes later.
        let _ = abi::set_property(REFRESH, &seconds.to_string());
    }
    Ok(())
}

fn answer_with(answer: &Answer, line: &str) {
    // Without its line, a denial is still one.
    let _ = abi::set_property(LINE, line);
    let headers = pairs::block(answer.headers.iter().map(|(name, value)| (*name, value.as_str())));
    let grpc_status = answer.grpc_status.map_or(-1, i32::from);
    // Nothing is left to do where the host does not take it: the stream stays paused, and the interlock admits nothing.
    let _ = abi::send_local_response(answer.status, &answer.details, &answer.body, &headers, grpc_status);
}

/// Answers a request that cannot be changed as decided. The interlock sees no line that says `allow`.
pub(crate) fn refuse() {
    abi::log(
        abi::LogLevel::Error,
        "regionguard: the host refused a change to a request; it is answered 500",
    );
    let _ = abi::send_local_response(500, "regionguard.host_refused", "", &[], -1);
}
