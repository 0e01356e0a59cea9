//! When to ask again. Times are nanoseconds; the clock may jump either way.

/// Nanoseconds of a second.
pub(crate) const SECOND: i64 = 1_000_000_000;
/// The first pause while there is no bundle at all; the next ones double.
const FIRST_PAUSE: i64 = SECOND / 4;
/// Intervals up to this one are kept exactly: demos and tests count on it.
const EXACT: i64 = 2 * SECOND;
/// The longest pause after failures, unless the interval itself is longer.
const LONGEST_PAUSE: i64 = 300 * SECOND;
/// How far the pauses grow, in intervals.
const GROWTH: i64 = 10;

/// From one poll to the next: the interval, give or take a tenth, so that sidecars which start together do not
/// ask together for ever.
pub fn pause(interval: i64, seed: u64) -> i64 {
    if interval <= EXACT {
        return interval;
    }
    let tenth = interval / 10;
    // Any number below the span; the bias of the remainder is nothing here.
    let part = i64::try_from(seed % u64::try_from(2 * tenth + 1).unwrap_or(1)).unwrap_or(0);
    interval - tenth + part
}

/// The pause after so many failures in a row (at least one). Quick before the first bundle, when requests wait.
pub fn pause_after(failures: u32, interval: i64, has_bundle: bool, seed: u64) -> i64 {
    let doubled = |first: i64, times: u32| first.saturating_mul(1_i64 << times.min(20));
    if has_bundle {
        pause(doubled(interval, failures).min(longest(interval)), seed)
    } else {
        pause(doubled(FIRST_PAUSE, failures.saturating_sub(1)).min(interval), seed)
    }
}

/// The longest pause that [`pause_after`] gives, jitter aside.
pub(super) fn longest(interval: i64) -> i64 {
    interval.saturating_mul(GROWTH).min(LONGEST_PAUSE).max(interval)
}

/// How long a lease lasts: a holder that is gone is missed within two intervals, and one whose thread is late for a
/// second is not taken for gone.
pub(super) fn lease(interval: i64) -> i64 {
    interval.saturating_add(interval / 2).min(5 * SECOND)
}

/// Whether `at` has come. A time further away than anything is ever planned was set by a clock that has been put
/// back since; then it has come, too.
pub(crate) fn is_due(now: i64, at: i64, most_ahead: i64) -> bool {
    now >= at || at.saturating_sub(now) > most_ahead
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn short_intervals_are_exact_and_long_ones_spread_by_a_tenth() {
        for seed in [0, 1, u64::MAX, 0x9E37_79B9_7F4A_7C15] {
            assert_eq!(pause(SECOND, seed), SECOND);
            assert_eq!(pause(2 * SECOND, seed), 2 * SECOND);
            assert!((27 * SECOND..=33 * SECOND).contains(&pause(30 * SECOND, seed)));
        }
        assert_ne!(pause(30 * SECOND, 1), pause(30 * SECOND, 2_000_000_000));
    }

    #[test]
    fn failures_double_the_pause_up_to_a_bound() {
        let ms = |failures, interval, has_bundle| pause_after(failures, interval, has_bundle, 0) / 1_000_000;
        let before: Vec<i64> = (1..=5).map(|n| ms(n, 2 * SECOND, false)).collect();
        assert_eq!(before, [250, 500, 1000, 2000, 2000]);
        let after: Vec<i64> = (1..=5).map(|n| ms(n, SECOND, true)).collect();
        assert_eq!(
            after,
            [2000, 3600, 7200, 9000, 9000],
            "seed 0 takes a tenth off what is above two seconds"
        );
        assert_eq!(longest(30 * SECOND), 300 * SECOND);
        assert_eq!(longest(3600 * SECOND), 3600 * SECOND);
        assert!(pause_after(u32::MAX, 24 * 3600 * SECOND, true, u64::MAX) > 0);
    }

    #[test]
    fn a_time_that_is_too_far_ahead_has_come() {
        assert!(is_due(10, 10, 5) && is_due(11, 10, 5) && !is_due(6, 10, 5));
        assert!(is_due(4, 10, 5) && is_due(i64::MIN, i64::MAX, 5));
    }
}
