//! When something that was sent and has failed is tried again.

use std::time::Duration;

use vestibule::model::Timestamp;

/// How long it is waited between attempts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Backoff {
    /// After the first failure; it doubles with each.
    pub(crate) first: Duration,
    /// The longest wait between two attempts, but for what a receiver asks for.
    pub(crate) longest: Duration,
    /// The longest wait that a receiver is given which asks for one.
    pub(crate) longest_asked: Duration,
}

impl Backoff {
    /// When to try again after so many attempts: half of the wait is certain, and the other half by
    /// chance, so that those that have failed together don't come back together. A receiver that
    /// says when (`Retry-After`) isn't asked before.
    pub(crate) fn next(self, now: Timestamp, attempts: u32, asked: Option<Duration>, chance: f64) -> Timestamp {
        now.plus(self.wait(attempts, chance).max(asked.unwrap_or_default().min(self.longest_asked)))
    }

    /// How long to wait after this number of attempts.
    pub(crate) fn wait(self, attempts: u32, chance: f64) -> Duration {
        let doubled = self.first.saturating_mul(1_u32.checked_shl(attempts.saturating_sub(1)).unwrap_or(u32::MAX));
        doubled.min(self.longest).mul_f64(0.5 + 0.5 * chance.clamp(0.0, 1.0))
    }
}

/// A number from nought to one, without any order. No secret hangs on it.
pub(crate) fn chance() -> f64 {
    let mut bytes = [0; 4];
    match getrandom::fill(&mut bytes) {
        Ok(()) => f64::from(u32::from_le_bytes(bytes)) / f64::from(u32::MAX),
        Err(_) => 0.5,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BACKOFF: Backoff = Backoff {
        first: Duration::from_secs(2),
        longest: Duration::from_secs(3_600),
        longest_asked: Duration::from_secs(6 * 3_600),
    };

    #[test]
    fn each_wait_is_twice_the_one_before_up_to_an_hour_and_half_of_it_is_by_chance() {
        let now = Timestamp::from_millis(0);
        let seconds = |attempts, chance| BACKOFF.next(now, attempts, None, chance).as_millis() as f64 / 1_000.0;
        assert_eq!((seconds(1, 1.0), seconds(2, 1.0), seconds(3, 1.0)), (2.0, 4.0, 8.0));
        assert_eq!((seconds(1, 0.0), seconds(3, 0.0)), (1.0, 4.0));
        assert_eq!((seconds(12, 1.0), seconds(40, 1.0), seconds(u32::MAX, 1.0)), (3_600.0, 3_600.0, 3_600.0));
    }

    #[test]
    fn a_receiver_that_says_when_is_not_asked_before_and_not_waited_for_all_day() {
        let after =
            |seconds| BACKOFF.next(Timestamp::from_millis(0), 1, Some(Duration::from_secs(seconds)), 1.0).as_millis() / 1_000;
        assert_eq!((after(1), after(300), after(1_000_000)), (2, 300, 21_600));
    }
}
