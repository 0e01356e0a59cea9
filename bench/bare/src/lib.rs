//! The least that a wasm filter can be: no SDK, and of the ABI's callbacks only the one that a filter of requests
//! cannot do without. What it costs is the border between Envoy and V8, and every wasm filter pays it.

/// Tells the host which ABI this module speaks.
#[unsafe(no_mangle)]
pub extern "C" fn proxy_abi_version_0_2_1() {}

/// The host wants memory to write into; nothing here ever asks it for anything.
#[unsafe(no_mangle)]
pub extern "C" fn proxy_on_memory_allocate(length: usize) -> *mut u8 {
    Box::leak(vec![0_u8; length].into_boxed_slice()).as_mut_ptr()
}

/// The headers of a request are there: it goes on.
#[unsafe(no_mangle)]
pub extern "C" fn proxy_on_request_headers(_context: u32, _count: u32, _end_of_stream: u32) -> u32 {
    0
}
