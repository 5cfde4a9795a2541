//! How many requests of a tenant the Management API takes: a bucket that fills with time, with
//! Auth0's headers.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::http::{HeaderMap, HeaderValue};
use vestibule::model::Timestamp;

use crate::config::RateSettings;

/// A tenant's bucket.
#[derive(Debug)]
pub(crate) struct Rate {
    settings: RateSettings,
    state: Mutex<Bucket>,
}

/// What fills with time: a thousandth of what `per_second` says in each millisecond of the
/// monotonic clock, which no change of the machine's time moves.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bucket {
    /// Thousandths that are left.
    pub(crate) left: u64,
    filled: Instant,
}

impl Bucket {
    /// A full one.
    pub(crate) fn full(full: u64, now: Instant) -> Self {
        Self { left: full, filled: now }
    }

    /// Fills it with what the whole milliseconds since have brought.
    pub(crate) fn fill(&mut self, full: u64, per_second: u64, now: Instant) {
        let passed = now.saturating_duration_since(self.filled).as_millis();
        let passed = u64::try_from(passed).unwrap_or(u64::MAX);
        self.left = full.min(self.left.saturating_add(passed.saturating_mul(per_second)));
        // The rest of a millisecond counts the next time.
        self.filled += Duration::from_millis(passed);
    }
}

/// What a caller is told of the bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Told {
    /// Whether this request may go on.
    pub(crate) is_taken: bool,
    limit: u32,
    remaining: u64,
    /// When the bucket is full again, in seconds since 1970.
    reset: u64,
    /// When the next request may go on; zero where this one may.
    pub(crate) retry_after: Duration,
}

impl Rate {
    pub(crate) fn new(settings: RateSettings) -> Self {
        let full = u64::from(settings.burst) * 1_000;
        Self { settings, state: Mutex::new(Bucket::full(full, Instant::now())) }
    }

    /// Takes a request out of the bucket, where there is one left. `at` is the time of day, for the
    /// caller.
    pub(crate) fn take(&self, now: Instant, at: Timestamp) -> Told {
        let RateSettings { per_second, burst } = self.settings;
        let (per_second, full) = (u64::from(per_second), u64::from(burst) * 1_000);
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.fill(full, per_second, now);
        let is_taken = state.left >= 1_000;
        if is_taken {
            state.left -= 1_000;
        }
        let reset = at.as_millis() + (full - state.left).div_ceil(per_second);
        let missing = if is_taken { 0 } else { 1_000 - state.left };
        let retry_after = Duration::from_millis(missing.div_ceil(per_second));
        Told { is_taken, limit: burst, remaining: state.left / 1_000, reset: reset.div_ceil(1_000), retry_after }
    }
}

impl Told {
    /// Writes `x-ratelimit-limit`, `x-ratelimit-remaining` and `x-ratelimit-reset`.
    pub(crate) fn write(self, headers: &mut HeaderMap) {
        headers.insert("x-ratelimit-limit", HeaderValue::from(self.limit));
        headers.insert("x-ratelimit-remaining", HeaderValue::from(self.remaining));
        headers.insert("x-ratelimit-reset", HeaderValue::from(self.reset));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_then_as_many_as_the_time_brings() {
        let rate = Rate::new(RateSettings { per_second: 2, burst: 3 });
        let start = Instant::now();
        let take = |milliseconds: u64| {
            rate.take(start + Duration::from_millis(milliseconds), Timestamp::from_millis(1_000_000 + milliseconds))
        };
        let taken: Vec<bool> = (0..4).map(|_| take(0).is_taken).collect();
        assert_eq!(taken, [true, true, true, false]);
        let refused = take(499);
        assert_eq!((refused.is_taken, refused.retry_after), (false, Duration::from_millis(1)));
        let told = take(500);
        assert_eq!(told, Told { is_taken: true, limit: 3, remaining: 0, reset: 1_002, retry_after: Duration::ZERO });
        assert!(!take(400).is_taken, "a moment that has passed brings nothing");
        assert_eq!(take(10_000).remaining, 2);
    }

    #[test]
    fn a_machine_time_that_jumps_ahead_and_back_takes_no_requests() {
        let rate = Rate::new(RateSettings { per_second: 1, burst: 1 });
        let start = Instant::now();
        let (day, now) = (86_400_000, 1_000_000_000);
        assert!(rate.take(start, Timestamp::from_millis(now + day)).is_taken);
        let later = start + Duration::from_secs(1);
        assert!(rate.take(later, Timestamp::from_millis(now)).is_taken, "a second has passed, whatever the time of day says");
    }
}
