//! Each property over its corpus, over edits of it, and over any bytes: a fixed number of them from
//! a fixed seed.
//!
//! With `VESTIBULE_FUZZ_SECONDS` each property runs for that long, from a seed of the operating
//! system's.

#![allow(clippy::expect_used, clippy::panic, reason = "a test that lacks its parts is to fail at once")]

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha12Rng;
use vestibule_fuzzing::Reached;
use vestibule_test_artifacts as artifacts;

/// The longest input that is made of nothing.
const LONGEST: usize = 4 << 10;

/// How many inputs have come how far.
#[derive(Default)]
struct Tally {
    accepted: u64,
    refused: u64,
}

/// A property, and what is made of its corpus.
struct Campaign {
    name: &'static str,
    property: fn(&[u8]) -> Reached,
    corpus: Vec<Vec<u8>>,
    tally: Tally,
}

impl Campaign {
    fn new(name: &'static str, property: fn(&[u8]) -> Reached) -> Self {
        let folder = root().join("fuzz/corpus").join(name);
        let files = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        let mut files: Vec<PathBuf> = files.map(|file| file.expect("a file of the corpus").path()).collect();
        files.sort();
        let corpus: Vec<_> = files.iter().map(|file| std::fs::read(file).expect("a file of the corpus")).collect();
        assert!(!corpus.is_empty(), "{} is empty", folder.display());
        Self { name, property, corpus, tally: Tally::default() }
    }

    /// Runs the corpus, and then a number of inputs; or inputs for as long as the environment says.
    fn run(mut self, inputs: u64) {
        for input in self.corpus.clone() {
            self.execute(&input);
        }
        match std::env::var("VESTIBULE_FUZZ_SECONDS") {
            Ok(seconds) => {
                let seconds = seconds.parse().expect("VESTIBULE_FUZZ_SECONDS is a number");
                let (seed, started) = (rand::random(), Instant::now());
                println!("{}: the seed is {seed}", self.name);
                let mut random = ChaCha12Rng::seed_from_u64(seed);
                while started.elapsed() < Duration::from_secs(seconds) {
                    self.execute_some(&mut random);
                }
            }
            Err(_) => {
                let mut random = ChaCha12Rng::seed_from_u64(7);
                (0..inputs).for_each(|_| self.execute_some(&mut random));
            }
        }
        let Tally { accepted, refused } = self.tally;
        println!("{}: {} executions, {accepted} accepted and {refused} refused", self.name, accepted + refused);
        assert!(accepted > 0 && refused > 0, "{accepted} accepted, {refused} refused: that is half of a property");
    }

    fn execute_some(&mut self, random: &mut ChaCha12Rng) {
        let input = if random.random_ratio(1, 3) {
            let mut input = vec![0; random.random_range(0..LONGEST)];
            random.fill_bytes(&mut input);
            input
        } else {
            edited(&self.corpus[random.random_range(0..self.corpus.len())], random)
        };
        self.execute(&input);
    }

    fn execute(&mut self, input: &[u8]) {
        match catch_unwind(AssertUnwindSafe(|| (self.property)(input))) {
            Ok(Reached::Accepted) => self.tally.accepted += 1,
            Ok(Reached::Refused) => self.tally.refused += 1,
            Err(panic) => {
                let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{}.broken", self.name));
                std::fs::write(&file, input).expect("the input can be kept");
                println!(
                    "the property {} is broken by {}; mend it, and copy that file to fuzz/corpus/{0}/",
                    self.name,
                    file.display()
                );
                resume_unwind(panic);
            }
        }
    }
}

/// The root of the repository.
fn root() -> PathBuf {
    let manifest = std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it");
    Path::new(&manifest).ancestors().nth(2).expect("this crate lies in tests/fuzzing").to_owned()
}

/// An input with a few changes.
fn edited(input: &[u8], random: &mut ChaCha12Rng) -> Vec<u8> {
    let mut input = input.to_vec();
    for _ in 0..random.random_range(1..=4) {
        let at = random.random_range(0..=input.len());
        match random.random_range(0..4) {
            0 if at < input.len() => input[at] = random.random(),
            1 if at < input.len() => input[at] ^= 1 << random.random_range(0..8),
            2 => {
                let end = input.len().min(at + random.random_range(1..32));
                input.drain(at..end);
            }
            _ => {
                let mut inserted = vec![0; random.random_range(1..32)];
                random.fill_bytes(&mut inserted);
                input.splice(at..at, inserted);
            }
        }
    }
    input
}

#[test]
fn load_bytes() {
    let mut campaign = Campaign::new("load_bytes", vestibule_fuzzing::load_bytes);
    campaign.corpus.extend([artifacts::ORGANIZATION_SESSION_METADATA, artifacts::DENIES].map(<[u8]>::to_vec));
    campaign.run(60);
}

#[test]
fn run_component() {
    Campaign::new("run_component", vestibule_fuzzing::run_component).run(60);
}

#[test]
fn event_json() {
    Campaign::new("event_json", vestibule_fuzzing::event_json).run(1_500);
}

#[test]
fn metadata_operations() {
    Campaign::new("metadata_operations", vestibule_fuzzing::metadata_operations).run(2_000);
}

#[test]
fn capabilities() {
    Campaign::new("capabilities", vestibule_fuzzing::capabilities).run(60);
}
