//! The host, as far as memory goes: it reads what it is pointed to and writes into blocks that it asks for. What it
//! answers with is told it before.

use std::cell::{Cell, RefCell};
use std::ptr;

use super::memory;

/// What a call that returns data does.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    /// Gives these bytes.
    Bytes(Vec<u8>),
    /// Asks for several blocks, and names the one with these bytes.
    AfterOthers(Vec<u8>),
    /// Fills a block and says that it has so many bytes more than it has.
    Longer(Vec<u8>, usize),
    /// Says success and names no block, with a length.
    Nothing(usize),
    /// Names a place that is none of the lent blocks.
    Elsewhere(usize),
    /// Names the middle of a lent block.
    Middle(Vec<u8>),
    /// Fills a block, and fails.
    Fails(u32, Vec<u8>),
}

thread_local! {
    pub(crate) static ANSWER: RefCell<Answer> = const { RefCell::new(Answer::Nothing(0)) };
    /// What was read at the last call.
    pub(crate) static READ: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
    pub(crate) static STATUS: Cell<u32> = const { Cell::new(0) };
}

/// Reads the slices, as the host would copy them.
unsafe fn read(slices: &[(*const u8, usize)]) -> u32 {
    let copy = |&(at, length): &(*const u8, usize)| match length {
        // A pointer without a length is not followed.
        0 => Vec::new(),
        // SAFETY: the caller promises `length` bytes there.
        _ => unsafe { std::slice::from_raw_parts(at, length) }.to_vec(),
    };
    READ.with_borrow_mut(|read| *read = slices.iter().map(copy).collect());
    STATUS.get()
}

/// A block with these bytes, written through the pointer alone.
unsafe fn filled(bytes: &[u8]) -> *mut u8 {
    let block = memory::lend(bytes.len());
    // SAFETY: the block was lent with this length.
    unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), block, bytes.len()) };
    block
}

unsafe fn give(data: *mut *mut u8, length: *mut usize) -> u32 {
    let mut elsewhere = [0_u8; 16];
    let answer = ANSWER.with_borrow(Clone::clone);
    // SAFETY: as `filled` and the caller promise.
    let (status, at, size) = unsafe {
        match answer {
            Answer::Bytes(bytes) => (0, filled(&bytes), bytes.len()),
            Answer::AfterOthers(bytes) => {
                filled(b"one");
                let block = filled(&bytes);
                filled(b"another");
                (0, block, bytes.len())
            }
            Answer::Longer(bytes, more) => (0, filled(&bytes), bytes.len().saturating_add(more)),
            Answer::Nothing(length) => (0, ptr::null_mut(), length),
            Answer::Elsewhere(length) => (0, elsewhere.as_mut_ptr(), length),
            Answer::Middle(bytes) => (0, filled(&bytes).wrapping_add(1), bytes.len().saturating_sub(1)),
            Answer::Fails(status, bytes) => (status, filled(&bytes), bytes.len()),
        }
    };
    // SAFETY: the caller promises two places.
    unsafe {
        *data = at;
        *length = size;
    }
    status
}

/// Writes one number.
unsafe fn number<T>(place: *mut T, value: T) -> u32 {
    // SAFETY: the caller promises a place.
    unsafe { *place = value };
    STATUS.get()
}

macro_rules! reading {
    ($($name:ident($($number:ident),*; $($at:ident, $length:ident),*);)*) => {$(
        pub(crate) unsafe fn $name($($number: u32,)* $($at: *const u8, $length: usize),*) -> u32 {
            let _ = ($($number,)*);
            // SAFETY: as the host demands of its callers.
            unsafe { read(&[$(($at, $length)),*]) }
        }
    )*};
}

macro_rules! plain {
    ($($name:ident($($kind:ty),*);)*) => {$(
        pub(crate) fn $name($(_: $kind),*) -> u32 {
            STATUS.get()
        }
    )*};
}

reading! {
    proxy_log(level; message, message_length);
    proxy_replace_header_map_value(map; name, name_length, value, value_length);
    proxy_add_header_map_value(map; name, name_length, value, value_length);
    proxy_remove_header_map_value(map; name, name_length);
    proxy_set_property(; path, path_length, value, value_length);
}

plain! {
    proxy_close_stream(u32);
    proxy_continue_stream(u32);
    proxy_increment_metric(u32, i64);
    proxy_record_metric(u32, u64);
    proxy_set_effective_context(u32);
    proxy_set_tick_period_milliseconds(u32);
}

pub(crate) unsafe fn proxy_get_current_time_nanoseconds(time: *mut u64) -> u32 {
    // SAFETY: one number is written.
    unsafe { number(time, 1_767_323_045_678_901_000) }
}

pub(crate) unsafe fn proxy_get_buffer_bytes(
    _buffer: u32,
    _start: usize,
    _most: usize,
    data: *mut *mut u8,
    length: *mut usize,
) -> u32 {
    // SAFETY: as the host demands.
    unsafe { give(data, length) }
}

pub(crate) unsafe fn proxy_get_property(
    path: *const u8,
    path_length: usize,
    data: *mut *mut u8,
    length: *mut usize,
) -> u32 {
    // SAFETY: as the host demands.
    unsafe {
        read(&[(path, path_length)]);
        give(data, length)
    }
}

pub(crate) unsafe fn proxy_get_header_map_pairs(_map: u32, data: *mut *mut u8, length: *mut usize) -> u32 {
    // SAFETY: as the host demands.
    unsafe { give(data, length) }
}

#[allow(clippy::too_many_arguments, reason = "the host's own signature")]
pub(crate) unsafe fn proxy_send_local_response(
    _status: u32,
    details: *const u8,
    details_length: usize,
    body: *const u8,
    body_length: usize,
    headers: *const u8,
    headers_length: usize,
    _grpc_status: i32,
) -> u32 {
    // SAFETY: as the host demands.
    unsafe { read(&[(details, details_length), (body, body_length), (headers, headers_length)]) }
}

pub(crate) unsafe fn proxy_define_metric(
    _kind: u32,
    name: *const u8,
    name_length: usize,
    id: *mut u32,
) -> u32 {
    // SAFETY: as the host demands.
    unsafe {
        read(&[(name, name_length)]);
        number(id, 7)
    }
}

#[allow(clippy::too_many_arguments, reason = "the host's own signature")]
pub(crate) unsafe fn proxy_http_call(
    cluster: *const u8,
    cluster_length: usize,
    headers: *const u8,
    headers_length: usize,
    body: *const u8,
    body_length: usize,
    trailers: *const u8,
    trailers_length: usize,
    _timeout_milliseconds: u32,
    token: *mut u32,
) -> u32 {
    // SAFETY: as the host demands.
    unsafe {
        read(&[
            (cluster, cluster_length),
            (headers, headers_length),
            (body, body_length),
            (trailers, trailers_length),
        ]);
        number(token, 9)
    }
}

pub(crate) unsafe fn proxy_call_foreign_function(
    name: *const u8,
    name_length: usize,
    argument: *const u8,
    argument_length: usize,
    data: *mut *mut u8,
    length: *mut usize,
) -> u32 {
    // SAFETY: as the host demands.
    unsafe {
        read(&[(name, name_length), (argument, argument_length)]);
        give(data, length)
    }
}

pub(crate) unsafe fn proxy_get_shared_data(
    key: *const u8,
    key_length: usize,
    data: *mut *mut u8,
    length: *mut usize,
    change: *mut u32,
) -> u32 {
    // SAFETY: as the host demands.
    unsafe {
        read(&[(key, key_length)]);
        number(change, 3);
        give(data, length)
    }
}

pub(crate) unsafe fn proxy_set_shared_data(
    key: *const u8,
    key_length: usize,
    value: *const u8,
    value_length: usize,
    _change: u32,
) -> u32 {
    // SAFETY: as the host demands.
    unsafe { read(&[(key, key_length), (value, value_length)]) }
}
