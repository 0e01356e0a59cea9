//! What the host calls. Every exported callback costs time on every stream, so only those that the filter
//! needs are here; Envoy takes a missing one for "nothing to do".

use std::panic;

use super::{Action, Level, log, memory};
use crate::{configure, contexts, network, refresh, request, response, send};

/// Tells the host which ABI this module speaks.
#[unsafe(no_mangle)]
pub(super) extern "C" fn proxy_abi_version_0_2_1() {}

/// Runs once in a new VM, before anything else.
#[unsafe(no_mangle)]
pub(super) extern "C" fn _initialize() {
    // Nothing here panics knowingly. Should it happen all the same, the log has to say where; the
    // message is left out, since it may quote what a client sent.
    panic::set_hook(Box::new(|info| match info.location() {
        Some(at) => log(Level::Critical, &format!("sidegate: panic at {}:{}", at.file(), at.line())),
        None => log(Level::Critical, "sidegate: panic"),
    }));
}

/// The host wants memory to write into.
#[unsafe(no_mangle)]
pub(super) extern "C" fn proxy_on_memory_allocate(length: usize) -> *mut u8 {
    memory::lend(length)
}

/// A root context (`parent` is 0) or a stream of the root context `parent` begins.
#[unsafe(no_mangle)]
pub(super) extern "C" fn proxy_on_context_create(context: u32, parent: u32) {
    contexts::create(context, parent);
}

/// A context ends.
#[unsafe(no_mangle)]
pub(super) extern "C" fn proxy_on_delete(context: u32) {
    request::on_delete(context);
}

/// A root context gets its configuration; 0 refuses it.
#[unsafe(no_mangle)]
pub(super) extern "C" fn proxy_on_configure(context: u32, _length: usize) -> u32 {
    u32::from(configure::on_configure(context))
}

/// The time between two ticks of a root context has passed.
#[unsafe(no_mangle)]
pub(super) extern "C" fn proxy_on_tick(context: u32) {
    refresh::on_tick(context);
    send::on_tick(context);
}

/// A call of our own has ended: with an answer, or with none, and then no headers.
#[unsafe(no_mangle)]
pub(super) extern "C" fn proxy_on_http_call_response(
    context: u32,
    token: u32,
    headers: u32,
    body_size: usize,
    _trailers: u32,
) {
    if !send::on_call_response(context, token, headers) {
        refresh::on_call_response(context, token, headers, body_size);
    }
}

/// The headers of a request are there.
#[unsafe(no_mangle)]
pub(super) extern "C" fn proxy_on_request_headers(context: u32, _count: u32, end_of_stream: u32) -> u32 {
    number(request::on_request_headers(context, end_of_stream != 0))
}

/// More of a request's body is there; `size` bytes are, of what the proxy holds or of what it passes on.
#[unsafe(no_mangle)]
pub(super) extern "C" fn proxy_on_request_body(context: u32, size: usize, end_of_stream: u32) -> u32 {
    number(request::on_request_body(context, size, end_of_stream != 0))
}

/// The trailers of a request are there: its body has ended.
#[unsafe(no_mangle)]
pub(super) extern "C" fn proxy_on_request_trailers(context: u32, _count: u32) -> u32 {
    number(request::on_request_trailers(context))
}

/// The headers of the response are there, the upstream's or those of a local reply.
#[unsafe(no_mangle)]
pub(super) extern "C" fn proxy_on_response_headers(context: u32, _count: u32, _end_of_stream: u32) -> u32 {
    number(response::on_response_headers(context))
}

/// A connection was opened, where this is a network filter.
#[unsafe(no_mangle)]
pub(super) extern "C" fn proxy_on_new_connection(context: u32) -> u32 {
    number(network::on_new_connection(context))
}

/// Bytes came from the client of a connection.
#[unsafe(no_mangle)]
pub(super) extern "C" fn proxy_on_downstream_data(context: u32, _size: usize, _end_of_stream: u32) -> u32 {
    number(network::on_downstream_data(context))
}

/// Bytes came from the server of a connection.
#[unsafe(no_mangle)]
pub(super) extern "C" fn proxy_on_upstream_data(context: u32, _size: usize, _end_of_stream: u32) -> u32 {
    number(network::on_upstream_data(context))
}

fn number(action: Action) -> u32 {
    match action {
        Action::Continue => 0,
        Action::Stop => 1,
        Action::StopAndThrottle => 2,
    }
}
