//! Host calls as functions that cannot panic.

use std::ptr;

use sidegate_engine::headers::{self, Headers};

use super::abi;
use super::memory;
use super::status::Status;

/// Severity of a log line, in the host's numbering.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Level {
    /// What an operator wants to see once.
    Info = 2,
    /// A request that could not be decided.
    Warn = 3,
    /// The filter cannot work as configured.
    Error = 4,
    /// The filter itself is broken.
    Critical = 5,
}

/// A header map of the stream, in the host's numbering.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Map {
    /// Request headers; there only until the request goes on.
    Request = 0,
    /// Response headers; there only in the response callback.
    Response = 2,
    /// Headers of the answer to a call of our own; there only in the callback that tells of it.
    CallResponse = 6,
}

/// A side of a stream, in the host's numbering.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// Of an HTTP stream: the request.
    Request = 0,
    /// Of a connection: who has opened it.
    Downstream = 2,
}

/// The buffer that holds the bytes of the request's body.
const REQUEST_BODY: u32 = 0;
/// The buffer that holds the body of the answer to a call of our own.
const CALL_RESPONSE_BODY: u32 = 4;
/// The buffer that holds the plugin's configuration.
const PLUGIN_CONFIGURATION: u32 = 7;
/// A metric that counts up.
const COUNTER: u32 = 0;
/// A metric that has a value.
const GAUGE: u32 = 1;
/// A metric that has many values.
const HISTOGRAM: u32 = 2;
/// "No gRPC status": the host then derives one from the HTTP status where the request is gRPC.
const NO_GRPC_STATUS: i32 = -1;

/// Writes a line to the proxy's log. A line that cannot be written is lost.
pub(crate) fn log(level: Level, message: &str) {
    // SAFETY: the host reads `message.len()` bytes at the address during the call.
    let _ = unsafe { abi::proxy_log(level as u32, message.as_ptr(), message.len()) };
}

/// The configuration of the plugin; only while it is being configured. Empty if it has none.
pub(crate) fn plugin_configuration() -> Result<Vec<u8>, Status> {
    // SAFETY: the host writes one address and one length to the places given.
    received(|data, length| unsafe {
        abi::proxy_get_buffer_bytes(PLUGIN_CONFIGURATION, 0, u32::MAX as usize, data, length)
    })
}

/// The first bytes of the request's body, at most `most`, from where the proxy has it: what it holds back,
/// or the bytes that have just arrived.
pub(crate) fn request_body(most: usize) -> Result<Vec<u8>, Status> {
    // SAFETY: the host writes one address and one length to the places given.
    received(|data, length| unsafe { abi::proxy_get_buffer_bytes(REQUEST_BODY, 0, most, data, length) })
}

/// Writes filter state of the stream, which the proxy's access log knows as `wasm.<key>`.
pub(crate) fn set_filter_state(key: &str, value: &[u8]) -> Result<(), Status> {
    // SAFETY: the host reads the two slices during the call.
    Status::check(unsafe { abi::proxy_set_property(key.as_ptr(), key.len(), value.as_ptr(), value.len()) })
}

/// A property by its path, the parts separated by NUL; `None` where the proxy has no such value.
pub(crate) fn property(path: &[u8]) -> Result<Option<Vec<u8>>, Status> {
    // SAFETY: the host reads `path.len()` bytes, and writes one address and one length.
    let value =
        received(|data, length| unsafe { abi::proxy_get_property(path.as_ptr(), path.len(), data, length) });
    match value {
        Ok(value) => Ok(Some(value)),
        // A value that is absent has no serial form either: Envoy answers with one or the other.
        Err(Status::NotFound | Status::SerializationFailure) => Ok(None),
        Err(status) => Err(status),
    }
}

/// Every header of a map in its order, repeated names repeated.
pub(crate) fn header_map(map: Map) -> Result<Headers, Status> {
    // SAFETY: the host writes one address and one length.
    let buffer =
        received(|data, length| unsafe { abi::proxy_get_header_map_pairs(map as u32, data, length) })?;
    let headers = Headers::read(buffer).ok_or(Status::Malformed)?;
    // Envoy answers with success and nothing where the map cannot be read. No message is without
    // headers, so nothing is never the truth.
    if headers.is_empty() { Err(Status::Malformed) } else { Ok(headers) }
}

/// Sets a header to one value; further values under the name go away.
pub(crate) fn set_header(map: Map, name: &[u8], value: &[u8]) -> Result<(), Status> {
    // SAFETY: the host reads the two slices during the call.
    Status::check(unsafe {
        abi::proxy_replace_header_map_value(
            map as u32,
            name.as_ptr(),
            name.len(),
            value.as_ptr(),
            value.len(),
        )
    })
}

/// Adds a value to a header, after those that it has.
pub(crate) fn add_header(map: Map, name: &[u8], value: &[u8]) -> Result<(), Status> {
    // SAFETY: the host reads the two slices during the call.
    Status::check(unsafe {
        abi::proxy_add_header_map_value(map as u32, name.as_ptr(), name.len(), value.as_ptr(), value.len())
    })
}

/// Removes every value of a header.
pub(crate) fn remove_header(map: Map, name: &[u8]) -> Result<(), Status> {
    // SAFETY: the host reads the slice during the call.
    Status::check(unsafe { abi::proxy_remove_header_map_value(map as u32, name.as_ptr(), name.len()) })
}

/// Answers the request itself. `details` is for the access log (`%RESPONSE_CODE_DETAILS%`), without
/// blanks. To a gRPC client the proxy sends status 200 with the `grpc-status` that fits.
pub(crate) fn send_local_response(
    status: u16,
    details: &str,
    headers: &[(String, String)],
    body: &[u8],
) -> Result<(), Status> {
    let headers = headers::write(headers).ok_or(Status::BadArgument)?;
    // SAFETY: the host reads the three slices during the call.
    Status::check(unsafe {
        abi::proxy_send_local_response(
            u32::from(status),
            details.as_ptr(),
            details.len(),
            body.as_ptr(),
            body.len(),
            headers.as_ptr(),
            headers.len(),
            NO_GRPC_STATUS,
        )
    })
}

/// Resets an HTTP stream without an answer, or closes a connection.
pub(crate) fn close(side: Side) -> Result<(), Status> {
    Status::check(abi::proxy_close_stream(side as u32))
}

/// Lets what was held go on, once the callback under way is over.
pub(crate) fn resume(side: Side) -> Result<(), Status> {
    Status::check(abi::proxy_continue_stream(side as u32))
}

/// Makes the calls that follow about another context than the callback's, until the callback is over.
pub(crate) fn turn_to(context: u32) -> Result<(), Status> {
    Status::check(abi::proxy_set_effective_context(context))
}

/// Has the root context of the callback ticked so often; 0 ends it.
pub(crate) fn set_tick_period(milliseconds: u32) -> Result<(), Status> {
    Status::check(abi::proxy_set_tick_period_milliseconds(milliseconds))
}

/// Sends a request; gives the number that the callback about its end will bear. The host refuses
/// a cluster that it does not know as a bad argument.
pub(crate) fn http_call(
    cluster: &str,
    headers: &[(String, String)],
    body: &[u8],
    timeout_milliseconds: u32,
) -> Result<u32, Status> {
    let headers = headers::write(headers).ok_or(Status::BadArgument)?;
    let mut token = 0;
    // SAFETY: the host reads the slices during the call and writes one number.
    Status::check(unsafe {
        abi::proxy_http_call(
            cluster.as_ptr(),
            cluster.len(),
            headers.as_ptr(),
            headers.len(),
            body.as_ptr(),
            body.len(),
            ptr::null(),
            0,
            timeout_milliseconds,
            &raw mut token,
        )
    })?;
    Ok(token)
}

/// The body of the answer to a call of our own, of which the callback said that it has `length` bytes.
pub(crate) fn call_response_body(length: usize) -> Result<Vec<u8>, Status> {
    if length == 0 {
        return Ok(Vec::new());
    }
    // SAFETY: the host writes one address and one length to the places given.
    let bytes = received(|data, got| unsafe {
        abi::proxy_get_buffer_bytes(CALL_RESPONSE_BODY, 0, length, data, got)
    })?;
    if bytes.len() == length { Ok(bytes) } else { Err(Status::Malformed) }
}

/// What a function of the proxy answers that is no part of the interface for Wasm.
pub(crate) fn call_foreign(name: &str, argument: &[u8]) -> Result<Vec<u8>, Status> {
    // SAFETY: the host reads the two slices, and writes one address and one length.
    received(|data, length| unsafe {
        abi::proxy_call_foreign_function(
            name.as_ptr(),
            name.len(),
            argument.as_ptr(),
            argument.len(),
            data,
            length,
        )
    })
}

/// A value that all VMs of one `vm_id` share, and the number of its last change; `None` where there is none.
pub(crate) fn shared_data(key: &str) -> Result<Option<(Vec<u8>, u32)>, Status> {
    let mut change = 0;
    // SAFETY: the host reads the key, and writes one address, one length and one number.
    let value = received(|data, length| unsafe {
        abi::proxy_get_shared_data(key.as_ptr(), key.len(), data, length, &raw mut change)
    });
    match value {
        Ok(value) => Ok(Some((value, change))),
        Err(Status::NotFound) => Ok(None),
        Err(status) => Err(status),
    }
}

/// Sets a value that all VMs share; unless `change` is 0, only if it is still that of the last change.
pub(crate) fn set_shared_data(key: &str, value: &[u8], change: u32) -> Result<(), Status> {
    // SAFETY: the host reads the two slices during the call.
    Status::check(unsafe {
        abi::proxy_set_shared_data(key.as_ptr(), key.len(), value.as_ptr(), value.len(), change)
    })
}

/// A counter by name; the same name gives the same counter of the proxy.
pub(crate) fn define_counter(name: &str) -> Result<u32, Status> {
    define_metric(COUNTER, name)
}

/// A histogram by name.
pub(crate) fn define_histogram(name: &str) -> Result<u32, Status> {
    define_metric(HISTOGRAM, name)
}

/// A gauge by name.
pub(crate) fn define_gauge(name: &str) -> Result<u32, Status> {
    define_metric(GAUGE, name)
}

fn define_metric(kind: u32, name: &str) -> Result<u32, Status> {
    let mut id = 0;
    // SAFETY: the host reads the name and writes one number.
    Status::check(unsafe { abi::proxy_define_metric(kind, name.as_ptr(), name.len(), &raw mut id) })?;
    Ok(id)
}

/// Sets a gauge, or adds a value to a histogram.
pub(crate) fn record_metric(id: u32, value: u64) -> Result<(), Status> {
    Status::check(abi::proxy_record_metric(id, value))
}

/// Nanoseconds since the Unix epoch.
pub(crate) fn current_time_ns() -> Result<i64, Status> {
    let mut time = 0;
    // SAFETY: the host writes one number.
    Status::check(unsafe { abi::proxy_get_current_time_nanoseconds(&raw mut time) })?;
    i64::try_from(time).map_err(|_| Status::Malformed)
}

/// Counts so many.
pub(crate) fn increment_metric(id: u32, by: i64) -> Result<(), Status> {
    Status::check(abi::proxy_increment_metric(id, by))
}

/// Runs a call that returns data, and takes over the block that the host filled.
fn received(call: impl FnOnce(*mut *mut u8, *mut usize) -> u32) -> Result<Vec<u8>, Status> {
    let mut address = ptr::null_mut();
    let mut length = 0;
    let status = Status::check(call(&raw mut address, &raw mut length));
    let block = memory::claim(address, length);
    status.and(block)
}
