//! The time of day for background work, guarded against jumps of the machine's clock.
//!
//! A clock that is set a day ahead for a moment must not end sessions, delete logs, or make leases
//! that last until tomorrow. So the time of day is compared with the monotonic clock at each
//! reading. A jump ahead of more than [`JUMP`] is not followed: time goes on from where it was, by
//! the monotonic clock, until the machine's clock agrees again or [`HOLD`] has passed. Then the new
//! time is taken as right: a machine that was suspended has no other. A clock that goes back is
//! followed at once: that ends nothing too early.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use vestibule::model::Timestamp;

/// How far the time of day may run ahead between two readings. Corrections by NTP are smaller once
/// a machine is up.
const JUMP: Duration = Duration::from_secs(5 * 60);
/// How long a jump ahead is not followed.
const HOLD: Duration = Duration::from_secs(15 * 60);

/// The time of day for background work.
#[derive(Debug)]
pub(crate) struct Clock(Mutex<State>);

#[derive(Debug)]
struct State {
    /// The time of day at the last reading at which both clocks agreed.
    time: Timestamp,
    /// The monotonic clock then.
    at: Instant,
    /// When a jump was met that is not followed.
    jumped: Option<Instant>,
}

impl Default for Clock {
    fn default() -> Self {
        Self(Mutex::new(State { time: Timestamp::now(), at: Instant::now(), jumped: None }))
    }
}

impl Clock {
    /// The time of day, without a jump ahead.
    pub(crate) fn now(&self) -> Timestamp {
        self.read(Timestamp::now(), Instant::now())
    }

    /// Whether the machine's clock has jumped ahead and is not followed.
    pub(crate) fn is_held(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).jumped.is_some()
    }

    fn read(&self, time: Timestamp, at: Instant) -> Timestamp {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let expected = state.time.plus(at.saturating_duration_since(state.at));
        if time <= expected.plus(JUMP) {
            if state.jumped.is_some() {
                tracing::warn!(%time, "the machine's clock agrees with the time since the last reading again");
            }
            *state = State { time, at, jumped: None };
            return time;
        }
        let jumped = *state.jumped.get_or_insert_with(|| {
            tracing::error!(%time, %expected, "the machine's clock has jumped ahead; background work goes on by the time before");
            at
        });
        if at.saturating_duration_since(jumped) < HOLD {
            return expected;
        }
        tracing::warn!(%time, "the machine's clock has stayed ahead: its time is taken as right");
        *state = State { time, at, jumped: None };
        time
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: u64 = 86_400;

    /// A clock that has begun at second 0 of both clocks, and what it reads at other seconds.
    fn clock() -> (Clock, impl Fn(&Clock, u64, u64) -> u64) {
        let start = Instant::now();
        let time = |seconds: u64| Timestamp::from_millis(seconds * 1_000);
        let clock = Clock(Mutex::new(State { time: time(0), at: start, jumped: None }));
        (clock, move |clock: &Clock, of_day, monotonic| {
            clock.read(time(of_day), start + Duration::from_secs(monotonic)).as_millis() / 1_000
        })
    }

    #[test]
    fn a_jump_ahead_and_back_moves_no_background_work() {
        let (clock, read) = clock();
        assert_eq!(read(&clock, 10, 10), 10);
        assert_eq!((read(&clock, 8 * DAY, 20), clock.is_held()), (20, true));
        assert_eq!(read(&clock, 8 * DAY + 10, 30), 30);
        assert_eq!((read(&clock, 33, 33), clock.is_held()), (33, false));
        assert_eq!(read(&clock, 43, 43), 43);
    }

    #[test]
    fn a_clock_that_stays_ahead_is_believed_after_a_while() {
        let (clock, read) = clock();
        let held = HOLD.as_secs();
        assert_eq!(read(&clock, DAY, 10), 10);
        assert_eq!(read(&clock, DAY + held - 1, 9 + held), 9 + held);
        assert_eq!((read(&clock, DAY + held, 10 + held), clock.is_held()), (DAY + held, false));
        assert_eq!(read(&clock, DAY + held + 5, 15 + held), DAY + held + 5);
    }

    #[test]
    fn small_corrections_and_steps_back_are_followed() {
        let (clock, read) = clock();
        assert_eq!(read(&clock, 300, 0), 300);
        assert_eq!(read(&clock, 600, 0), 600, "a clock that is set step by step");
        assert_eq!(read(&clock, 5, 10), 5);
        assert_eq!((read(&clock, 15, 20), clock.is_held()), (15, false));
    }
}
