//! Where a run's time and random numbers come from.

use rand::{Rng, SeedableRng, TryRng};
use rand_chacha::ChaCha12Rng;
use std::convert::Infallible;
use vestibule_model::Timestamp;

/// All that a run takes from outside the event: with the same event, Actions and context, a run is the same again.
///
/// The wall clock stands still at `now`: a login takes microseconds, and a clock that stands can't be used to measure the host.
#[derive(Clone, Debug)]
pub struct Context {
    /// The time of the login: what rules compare with, and what Actions see as the time of day.
    pub now: Timestamp,
    /// What the random numbers of the run's Actions are made from. Whoever knows it knows them.
    pub seed: [u8; 32],
}

impl Context {
    /// This machine's time, and a seed from the operating system.
    pub fn live() -> Self {
        Self { now: Timestamp::now(), seed: rand::random() }
    }

    /// A seed for what needs no secrecy: a hash map, for instance.
    pub(crate) fn insecure_seed(&self, action: usize) -> u128 {
        let mut generator = self.random(action, Kind::InsecureSeed).make();
        u128::from(generator.next_u64()) << 64 | u128::from(generator.next_u64())
    }

    /// The random numbers of the Action at this place of the flow, of one kind: the same seed, a stream of their own.
    pub(crate) fn random(&self, action: usize, kind: Kind) -> Random {
        let stream = (action as u64) << 2 | kind as u64;
        Random { seed: self.seed, stream, generator: None }
    }
}

/// What random numbers are for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    Secure,
    Insecure,
    InsecureSeed,
}

/// Random numbers that are made when the first is asked for: most Actions never ask.
pub(crate) struct Random {
    seed: [u8; 32],
    stream: u64,
    generator: Option<Box<ChaCha12Rng>>,
}

impl Random {
    fn make(&self) -> ChaCha12Rng {
        let mut generator = ChaCha12Rng::from_seed(self.seed);
        generator.set_stream(self.stream);
        generator
    }

    fn generator(&mut self) -> &mut ChaCha12Rng {
        let generator = self.generator.take().unwrap_or_else(|| Box::new(self.make()));
        self.generator.insert(generator)
    }
}

impl TryRng for Random {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(self.generator().next_u32())
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(self.generator().next_u64())
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        self.generator().fill_bytes(bytes);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_with_the_same_seed_has_the_same_random_numbers_and_each_action_its_own() {
        let context = Context { now: Timestamp::default(), seed: [7; 32] };
        let number = |action, kind| context.random(action, kind).next_u64();
        assert_eq!(number(0, Kind::Secure), number(0, Kind::Secure));
        assert_ne!(number(0, Kind::Secure), number(1, Kind::Secure));
        assert_ne!(number(0, Kind::Secure), number(0, Kind::Insecure));
    }
}
