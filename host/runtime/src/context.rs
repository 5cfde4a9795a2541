//! Where a run's time and random numbers come from.

use rand::SeedableRng;
use rand_chacha::ChaCha12Rng;
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

    /// The random numbers of the Action at this place of the flow: the same seed, a stream of their own.
    pub(crate) fn random(&self, action: usize) -> ChaCha12Rng {
        let mut random = ChaCha12Rng::from_seed(self.seed);
        random.set_stream(action as u64);
        random
    }
}
