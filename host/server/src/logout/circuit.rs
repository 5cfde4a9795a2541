//! A receiver that fails again and again is asked seldom, so that it holds up nobody and isn't
//! flooded when it is back.

use std::time::Duration;

use vestibule::model::Timestamp;

/// Failures one after the other that open the circuit.
const OPENS_AFTER: u32 = 5;
/// The first rest; it doubles with each attempt that fails after one.
const FIRST_REST: Duration = Duration::from_secs(1);
const LONGEST_REST: Duration = Duration::from_secs(60);
/// The longest rest that a receiver is given which asks for one (`Retry-After`).
const LONGEST_ASKED: Duration = Duration::from_secs(600);

/// For how long a failure counts: longer than the longest wait between two attempts of one
/// delivery.
const COUNTS_FOR: Duration = Duration::from_secs(12 * 3_600);

/// What is known of one receiver.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Circuit {
    failures: u32,
    /// When the last of them was.
    failed_at: Option<Timestamp>,
    rests_until: Option<Timestamp>,
}

/// How many may be sent to a receiver now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// As many as there is room for.
    Closed,
    /// One, to see.
    HalfOpen,
    /// None.
    Open,
}

impl Circuit {
    pub(super) fn state(&self, now: Timestamp) -> State {
        match self.rests_until {
            None => State::Closed,
            Some(until) if until <= now => State::HalfOpen,
            Some(_) => State::Open,
        }
    }

    /// It has answered: it is there, whatever it has said.
    pub(super) fn answered(&mut self) {
        *self = Self::default();
    }

    /// It has said when it wants to be asked again.
    pub(super) fn rests(&mut self, now: Timestamp, asked: Duration) {
        let until = now.plus(asked.min(LONGEST_ASKED));
        self.rests_until = Some(self.rests_until.map_or(until, |rests| rests.max(until)));
    }

    /// Nothing is known of it that would have to be remembered.
    pub(super) fn is_new(&self) -> bool {
        self.failures == 0 && self.rests_until.is_none()
    }

    /// Nobody has asked it for so long that nothing is known of it any more.
    pub(super) fn is_over(&self, now: Timestamp) -> bool {
        self.failed_at.is_none_or(|failed_at| failed_at.plus(COUNTS_FOR) <= now)
    }

    /// It has not, or has said that it can't.
    pub(super) fn failed(&mut self, now: Timestamp) {
        self.failed_at = Some(now);
        self.failures = self.failures.saturating_add(1);
        if self.failures >= OPENS_AFTER {
            let doubled = 1_u32.checked_shl(self.failures - OPENS_AFTER).unwrap_or(u32::MAX);
            self.rests_until = Some(now.plus(FIRST_REST.saturating_mul(doubled).min(LONGEST_REST)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receiver_rests_after_five_failures_and_longer_after_each_one_more() {
        let at = |seconds: u64| Timestamp::from_millis(seconds * 1_000);
        let mut circuit = Circuit::default();
        for _ in 0..4 {
            circuit.failed(at(0));
            assert_eq!(circuit.state(at(0)), State::Closed);
        }
        circuit.failed(at(0));
        assert_eq!((circuit.state(at(0)), circuit.state(at(1))), (State::Open, State::HalfOpen));
        circuit.failed(at(1));
        assert_eq!((circuit.state(at(2)), circuit.state(at(3))), (State::Open, State::HalfOpen));
        for _ in 0..100 {
            circuit.failed(at(3));
        }
        assert_eq!((circuit.state(at(62)), circuit.state(at(63))), (State::Open, State::HalfOpen));
        circuit.answered();
        assert_eq!(circuit.state(at(63)), State::Closed);
    }
}
