//! Memory that the host fills: it asks for a block, writes into it, and then names it by address and
//! length. The blocks stay ours all the time, so that an address we did not give out is never believed.

use std::cell::RefCell;
use std::ptr;

use super::status::Status;

thread_local! {
    /// Blocks handed to the host during the call that is under way; one in practice.
    static LENT: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// A block of `length` bytes for the host to write into; null if there is no memory for it.
pub(super) fn lend(length: usize) -> *mut u8 {
    let mut block = Vec::new();
    if block.try_reserve_exact(length).is_err() {
        return ptr::null_mut();
    }
    block.resize(length, 0_u8);
    let address = block.as_mut_ptr();
    let kept = LENT.try_with(|lent| lent.try_borrow_mut().map(|mut lent| lent.push(block)).is_ok());
    if kept == Ok(true) { address } else { ptr::null_mut() }
}

/// The block that the host says it filled. Every other block is freed.
pub(super) fn claim(address: *const u8, length: usize) -> Result<Vec<u8>, Status> {
    let found = LENT
        .try_with(|lent| {
            let mut lent = lent.try_borrow_mut().ok()?;
            let found = lent.iter().position(|block| ptr::eq(block.as_ptr(), address));
            let block = found.map(|at| lent.swap_remove(at));
            lent.clear();
            block
        })
        .ok()
        .flatten();
    if length == 0 {
        return Ok(Vec::new());
    }
    match found {
        Some(mut block) if length <= block.len() => {
            block.truncate(length);
            Ok(block)
        }
        _ => Err(Status::Malformed),
    }
}
