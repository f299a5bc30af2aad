//! The proxy-wasm ABI 0.2.1: host calls as functions of slices, and the memory that the host writes into.
//!
//! The only module with `unsafe`: each host call gets pointers to memory that lives for the call, and memory that the host hands over was allocated by
//! [`proxy_on_memory_allocate`] with exactly the length that it reports. Statuses are returned, never unwrapped.
#![expect(
    unsafe_code,
    reason = "the ABI is C functions and pointers; everything above it is safe"
)]

use core::ptr::null_mut;
use std::alloc::{Layout, alloc};

/// A status other than `Ok`, as the host gave it: `NotFound`, `BadArgument`, …
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HostError(pub(crate) u32);

/// What a host call gives.
pub(crate) type HostResult<T> = Result<T, HostError>;

/// `proxy_log_level_t`.
#[derive(Clone, Copy)]
pub(crate) enum LogLevel {
    Info = 2,
    Warn = 3,
    Error = 4,
}

/// `proxy_metric_type_t`.
#[derive(Clone, Copy)]
pub(crate) enum MetricType {
    Counter = 0,
    Gauge = 1,
    Histogram = 2,
}

/// `proxy_header_map_type_t`, as far as it is used.
#[derive(Clone, Copy)]
pub(crate) enum HeaderMap {
    Request = 0,
    CallResponse = 6,
}

/// `proxy_buffer_type_t`, as far as it is used.
#[derive(Clone, Copy)]
pub(crate) enum Buffer {
    CallResponseBody = 4,
    PluginConfiguration = 7,
}

/// What a headers callback returns (`proxy_on_request_headers`).
#[derive(Clone, Copy)]
pub(crate) enum FilterAction {
    Continue = 0,
    /// `StopAllIterationAndWatermark`: neither headers nor body go on. The plain pause (1) stops the headers alone where the host's configuration has
    /// `allow_on_headers_stop_iteration`, and then the first piece of a body, for which no callback is exported, sends the headers on undecided.
    Pause = 4,
}

mod host {
    #[link(wasm_import_module = "env")]
    unsafe extern "C" {
        pub(super) fn proxy_log(level: u32, message: *const u8, size: usize) -> u32;
        pub(super) fn proxy_get_current_time_nanoseconds(time: *mut u64) -> u32;
        pub(super) fn proxy_set_tick_period_milliseconds(period: u32) -> u32;
        pub(super) fn proxy_get_buffer_bytes(
            kind: u32,
            start: usize,
            max: usize,
            data: *mut *mut u8,
            size: *mut usize,
        ) -> u32;
        pub(super) fn proxy_get_header_map_pairs(kind: u32, data: *mut *mut u8, size: *mut usize) -> u32;
        pub(super) fn proxy_remove_header_map_value(kind: u32, name: *const u8, name_size: usize) -> u32;
        pub(super) fn proxy_replace_header_map_value(
            kind: u32,
            name: *const u8,
            name_size: usize,
            value: *const u8,
            value_size: usize,
        ) -> u32;
        pub(super) fn proxy_get_property(
            path: *const u8,
            path_size: usize,
            data: *mut *mut u8,
            size: *mut usize,
        ) -> u32;
        pub(super) fn proxy_set_property(path: *const u8, path_size: usize, value: *const u8, value_size: usize)
        -> u32;
        pub(super) fn proxy_continue_stream(kind: u32) -> u32;
        pub(super) fn proxy_close_stream(kind: u32) -> u32;
        pub(super) fn proxy_send_local_response(
            status: u32,
            details: *const u8,
            details_size: usize,
            body: *const u8,
            body_size: usize,
            headers: *const u8,
            headers_size: usize,
            grpc_status: i32,
        ) -> u32;
        pub(super) fn proxy_http_call(
            upstream: *const u8,
            upstream_size: usize,
            headers: *const u8,
            headers_size: usize,
            body: *const u8,
            body_size: usize,
            trailers: *const u8,
            trailers_size: usize,
            timeout: u32,
            token: *mut u32,
        ) -> u32;
        pub(super) fn proxy_set_effective_context(context: u32) -> u32;
        pub(super) fn proxy_call_foreign_function(
            name: *const u8,
            name_size: usize,
            argument: *const u8,
            argument_size: usize,
            data: *mut *mut u8,
            size: *mut usize,
        ) -> u32;
        pub(super) fn proxy_define_metric(kind: u32, name: *const u8, name_size: usize, metric: *mut u32) -> u32;
        pub(super) fn proxy_increment_metric(metric: u32, offset: i64) -> u32;
        pub(super) fn proxy_record_metric(metric: u32, value: u64) -> u32;
    }
}

fn check(status: u32) -> HostResult<()> {
    if status == 0 { Ok(()) } else { Err(HostError(status)) }
}

/// Takes over what the host wrote; `None` where it wrote nothing.
fn take(data: *mut u8, size: usize) -> Option<Vec<u8>> {
    if data.is_null() {
        return None;
    }
    // SAFETY: the host got `data` from `proxy_on_memory_allocate(size)`, which made it with the layout of a `Vec<u8>` of exactly this capacity, and wrote `size` bytes.
    Some(unsafe { Vec::from_raw_parts(data, size, size) })
}

/// Says that this module speaks version 0.2.1 of the ABI.
#[unsafe(no_mangle)]
extern "C" fn proxy_abi_version_0_2_1() {}

/// Memory for the host to write into; it comes back through [`take`]. Null where there is none: the host takes it for an error.
#[unsafe(no_mangle)]
extern "C" fn proxy_on_memory_allocate(size: usize) -> *mut u8 {
    match Layout::array::<u8>(size) {
        // SAFETY: the layout is not empty.
        Ok(layout) if size > 0 => unsafe { alloc(layout) },
        _ => null_mut(),
    }
}

pub(crate) fn log(level: LogLevel, message: &str) {
    // SAFETY: the message lives for the call. There is nobody to tell that a log line was lost.
    let _ = unsafe { host::proxy_log(level as u32, message.as_ptr(), message.len()) };
}

/// Nanoseconds since the Unix epoch.
pub(crate) fn current_time() -> HostResult<u64> {
    let mut time = 0;
    // SAFETY: `time` lives for the call.
    check(unsafe { host::proxy_get_current_time_nanoseconds(&raw mut time) })?;
    Ok(time)
}

pub(crate) fn set_tick_period(milliseconds: u32) -> HostResult<()> {
    // SAFETY: no pointer.
    check(unsafe { host::proxy_set_tick_period_milliseconds(milliseconds) })
}

/// At most `max` bytes of a buffer.
pub(crate) fn buffer(kind: Buffer, max: usize) -> HostResult<Vec<u8>> {
    let (mut data, mut size) = (null_mut(), 0);
    // SAFETY: both out-pointers live for the call.
    check(unsafe { host::proxy_get_buffer_bytes(kind as u32, 0, max, &raw mut data, &raw mut size) })?;
    Ok(take(data, size).unwrap_or_default())
}

/// All headers of a map in the pairs form.
pub(crate) fn header_pairs(map: HeaderMap) -> HostResult<Vec<u8>> {
    let (mut data, mut size) = (null_mut(), 0);
    // SAFETY: both out-pointers live for the call.
    check(unsafe { host::proxy_get_header_map_pairs(map as u32, &raw mut data, &raw mut size) })?;
    Ok(take(data, size).unwrap_or_default())
}

pub(crate) fn remove_request_header(name: &[u8]) -> HostResult<()> {
    // SAFETY: the name lives for the call.
    check(unsafe { host::proxy_remove_header_map_value(HeaderMap::Request as u32, name.as_ptr(), name.len()) })
}

pub(crate) fn set_request_header(name: &str, value: impl AsRef<[u8]>) -> HostResult<()> {
    let value = value.as_ref();
    // SAFETY: name and value live for the call.
    check(unsafe {
        host::proxy_replace_header_map_value(
            HeaderMap::Request as u32,
            name.as_ptr(),
            name.len(),
            value.as_ptr(),
            value.len(),
        )
    })
}

/// A property by its path, whose parts are separated by NUL; `None` where there is none.
pub(crate) fn property(path: &str) -> Option<Vec<u8>> {
    let (mut data, mut size) = (null_mut(), 0);
    // SAFETY: the path and both out-pointers live for the call.
    check(unsafe { host::proxy_get_property(path.as_ptr(), path.len(), &raw mut data, &raw mut size) }).ok()?;
    Some(take(data, size).unwrap_or_default())
}

/// Filter state `wasm.NAME`.
pub(crate) fn set_property(name: &str, value: &str) -> HostResult<()> {
    // SAFETY: name and value live for the call.
    check(unsafe { host::proxy_set_property(name.as_ptr(), name.len(), value.as_ptr(), value.len()) })
}

/// Lets the effective context's request go on.
pub(crate) fn continue_request() -> HostResult<()> {
    // SAFETY: no pointer. 0: the request's stream.
    check(unsafe { host::proxy_continue_stream(0) })
}

/// Ends the effective context's stream, whatever it carries by now.
pub(crate) fn close_stream() -> HostResult<()> {
    // SAFETY: no pointer. 0: the request's stream, and with it the response's.
    check(unsafe { host::proxy_close_stream(0) })
}

/// Answers the effective context's request; `grpc_status` -1 leaves it to the host.
pub(crate) fn send_local_response(
    status: u16,
    details: &str,
    body: &str,
    headers: &[u8],
    grpc_status: i32,
) -> HostResult<()> {
    // SAFETY: all slices live for the call.
    check(unsafe {
        host::proxy_send_local_response(
            u32::from(status),
            details.as_ptr(),
            details.len(),
            body.as_ptr(),
            body.len(),
            headers.as_ptr(),
            headers.len(),
            grpc_status,
        )
    })
}

/// Makes a call to a cluster; its token comes back with the reply.
pub(crate) fn http_call(cluster: &str, headers: &[u8], body: &[u8], timeout_milliseconds: u32) -> HostResult<u32> {
    let mut token = 0;
    // An empty pairs block: no trailers.
    let trailers = [0u8; 4];
    // SAFETY: all slices and the out-pointer live for the call.
    check(unsafe {
        host::proxy_http_call(
            cluster.as_ptr(),
            cluster.len(),
            headers.as_ptr(),
            headers.len(),
            body.as_ptr(),
            body.len(),
            trailers.as_ptr(),
            trailers.len(),
            timeout_milliseconds,
            &raw mut token,
        )
    })?;
    Ok(token)
}

/// Makes what follows in this callback speak for another context; an error where that context is gone.
pub(crate) fn set_effective_context(context: u32) -> HostResult<()> {
    // SAFETY: no pointer.
    check(unsafe { host::proxy_set_effective_context(context) })
}

/// Calls a function of the host's own.
pub(crate) fn call_foreign_function(name: &str, argument: &[u8]) -> HostResult<Vec<u8>> {
    let (mut data, mut size) = (null_mut(), 0);
    // SAFETY: all slices and both out-pointers live for the call.
    check(unsafe {
        host::proxy_call_foreign_function(
            name.as_ptr(),
            name.len(),
            argument.as_ptr(),
            argument.len(),
            &raw mut data,
            &raw mut size,
        )
    })?;
    Ok(take(data, size).unwrap_or_default())
}

pub(crate) fn define_metric(kind: MetricType, name: &str) -> HostResult<u32> {
    let mut metric = 0;
    // SAFETY: the name and the out-pointer live for the call.
    check(unsafe { host::proxy_define_metric(kind as u32, name.as_ptr(), name.len(), &raw mut metric) })?;
    Ok(metric)
}

pub(crate) fn increment_metric(metric: u32, offset: i64) -> HostResult<()> {
    // SAFETY: no pointer.
    check(unsafe { host::proxy_increment_metric(metric, offset) })
}

pub(crate) fn record_metric(metric: u32, value: u64) -> HostResult<()> {
    // SAFETY: no pointer.
    check(unsafe { host::proxy_record_metric(metric, value) })
}
