//! Where a run's time and random numbers come from.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha12Rng;
use vestibule_model::Timestamp;

/// All that a run takes from outside the event: with the same event, Actions and context, a run is
/// the same again.
///
/// The wall clock stands still at `now`: a login takes microseconds, and a clock that stands can't
/// be used to measure the host.
#[derive(Clone, Debug)]
pub struct RunContext {
    /// The time of the login: what rules compare with, and what Actions see as the time of day.
    pub now: Timestamp,
    /// What the random numbers of the run's Actions are made from. A reader of the seed can compute
    /// them.
    pub seed: [u8; 32],
}

impl RunContext {
    /// This machine's time, and a seed from the operating system.
    pub fn live() -> Self {
        Self { now: Timestamp::now(), seed: rand::random() }
    }

    /// A seed for what needs no secrecy: a hash map, for instance.
    pub(crate) fn insecure_seed(&self, action: usize) -> u128 {
        let mut random = self.random(action, Kind::InsecureSeed);
        u128::from(random.next_u64()) << 64 | u128::from(random.next_u64())
    }

    /// The random numbers of the Action at this place of the flow, of one kind: the same seed, a
    /// stream of their own.
    pub(crate) fn random(&self, action: usize, kind: Kind) -> ChaCha12Rng {
        let mut random = ChaCha12Rng::from_seed(self.seed);
        random.set_stream((action as u64) << 2 | kind as u64);
        random
    }
}

/// What random numbers are for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    Secure,
    Insecure,
    InsecureSeed,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_with_the_same_seed_has_the_same_random_numbers_and_each_action_its_own() {
        let context = RunContext { now: Timestamp::default(), seed: [7; 32] };
        let number = |action, kind| context.random(action, kind).next_u64();
        assert_eq!(number(0, Kind::Secure), number(0, Kind::Secure));
        assert_ne!(number(0, Kind::Secure), number(1, Kind::Secure));
        assert_ne!(number(0, Kind::Secure), number(0, Kind::Insecure));
    }
}
