//! The border to the proxy: proxy-wasm ABI 0.2.1 by hand, the one place where `unsafe` is allowed.
//!
//! Why not the SDK: it panics where the host answers what it did not expect (a header that is not
//! UTF-8 is enough), and a panic takes the VM of that worker down. Here every call returns a
//! `Result`, data crosses as bytes, and buffers from the host are checked before they are believed.
//!
//! The ABI: <https://github.com/proxy-wasm/spec/tree/main/abi-versions/v0.2.1>.

mod abi;
mod calls;
mod exports;
mod memory;
mod status;

pub(crate) use self::calls::{
    Level, Map, Side, add_header, call_foreign, call_response_body, close, current_time_ns, define_counter,
    define_gauge, define_histogram, header_map, http_call, increment_metric, log, plugin_configuration,
    property, record_metric, remove_header, request_body, resume, send_local_response, set_filter_state,
    set_header, set_shared_data, set_tick_period, shared_data, turn_to,
};
pub(crate) use self::status::Status;

/// What a callback tells the proxy to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Go on with the next filter.
    Continue,
    /// Go no further: the request has been answered, or its body is awaited.
    Stop,
    /// Go no further, and hold the sender back where too much is held (for bodies alone): with [`Action::Stop`] the
    /// proxy answers 413 there.
    StopAndThrottle,
}
