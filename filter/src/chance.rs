//! Clock and randomness of one evaluation.
//!
//! A proxy has no source of randomness for its filters. What stands in for it is a pool that every request
//! stirs with what others cannot well foresee together: the time to the nanosecond, how many requests this
//! VM has seen, the ids of connection and request, the peer's port. Good enough for sampling and for ids
//! in logs; nothing secret may rest on it.

use std::cell::Cell;

use sidegate_engine::eval::Context;
use sidegate_engine::log::DecisionId;

use crate::attributes::Failure;
use crate::host;

thread_local! {
    static POOL: Cell<[u8; 32]> = const { Cell::new([0; 32]) };
    static REQUESTS: Cell<u64> = const { Cell::new(0) };
    static VM: Cell<Option<u64>> = const { Cell::new(None) };
}

/// Where the VMs of one `vm_id` count themselves.
const VMS: &str = "sidegate.vms";
/// How often that is tried while others do the same.
const TRIES: usize = 16;

/// What policies may ask of clock and chance; what they never ask for is not fetched.
pub(crate) fn context(uses_clock: bool, uses_randomness: bool) -> Result<Context, Failure> {
    let now = || host::current_time_ns().map_err(|status| Failure { code: "host_clock", status });
    let now_ns = if uses_clock { Some(now()?) } else { None };
    let seed = if uses_randomness { Some(stir(now()?)) } else { None };
    Ok(Context { now_ns, seed })
}

/// A key for the hashes of one cache.
pub(crate) fn key() -> [u8; 16] {
    // Without a clock the pool is what it was stirred with before: the cache is only easier to flood.
    let seed = stir(host::current_time_ns().unwrap_or_default());
    let (key, _) = seed.split_first_chunk::<16>().unwrap_or((&[0; 16], &[]));
    *key
}

/// The number of this VM, which none of those has that share data with it. Workers are configured together, often in the
/// same microsecond, and the clock has no more: it does not tell them apart.
pub(crate) fn vm() -> u64 {
    VM.get().unwrap_or_else(|| {
        let number = (0..TRIES).find_map(|_| take_number());
        let number = number.unwrap_or_else(|| host::current_time_ns().unwrap_or_default().cast_unsigned());
        VM.set(Some(number));
        number
    })
}

/// The next number, unless another VM takes it in this moment.
fn take_number() -> Option<u64> {
    let (last, change) = match host::shared_data(VMS).ok()? {
        Some((bytes, change)) => (u64::from_le_bytes(bytes.try_into().unwrap_or_default()), change),
        None => (0, 0),
    };
    let number = last.wrapping_add(1);
    host::set_shared_data(VMS, &number.to_le_bytes(), change).ok().map(|()| number)
}

/// An id for a decision. The pool was stirred when the policy was loaded; the time and a number make the difference.
pub(crate) fn id() -> DecisionId {
    let number = REQUESTS.get().wrapping_add(1);
    REQUESTS.set(number);
    let now = host::current_time_ns().unwrap_or_default();
    let pool = POOL.get();
    DecisionId::new(Context::seed_from(&[b"id", &pool, &now.to_le_bytes(), &number.to_le_bytes()]))
}

/// Stirs the pool and takes a seed from it, from which the pool cannot be told.
fn stir(now: i64) -> [u8; 32] {
    let request = REQUESTS.get().wrapping_add(1);
    REQUESTS.set(request);
    let known = |path: &[u8]| host::property(path).ok().flatten().unwrap_or_default();
    let pool = Context::seed_from(&[
        &POOL.get(),
        &now.to_le_bytes(),
        &request.to_le_bytes(),
        &vm().to_le_bytes(),
        &known(b"connection\0id"),
        &known(b"request\0id"),
        &known(b"source\0address"),
        &known(b"xds\0node\0id"),
    ]);
    POOL.set(pool);
    Context::seed_from(&[b"seed", &pool])
}
