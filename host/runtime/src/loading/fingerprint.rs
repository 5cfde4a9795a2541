//! What compiled code depends on: the processor, wasmtime's version, and each setting of the engine
//! that changes code.

use std::fmt;
use std::hash::{Hash, Hasher};

use sha2::{Digest, Sha256};
use wasmtime::Engine;

/// Two engines with one fingerprint can load each other's code: a digest of what wasmtime names as
/// deciding that.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fingerprint([u8; 32]);

impl Fingerprint {
    pub(crate) fn of(engine: &Engine) -> Self {
        let mut digest = Digesting(Sha256::new());
        engine.precompile_compatibility_hash().hash(&mut digest);
        Self(digest.0.finalize().into())
    }

    pub(crate) fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Takes all that a hash is made of into a digest: 64 bits of a hash could be met by chance, or by
/// an attacker who tries.
struct Digesting(Sha256);

impl Hasher for Digesting {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        // Not used: the digest is taken from the inside.
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::sandbox::engine;

    #[test]
    fn a_compiler_without_a_pool_makes_code_for_a_host_with_one() {
        for (count_fuel, read_symbols) in [(false, false), (true, false), (false, true), (true, true)] {
            let mut settings = Config { count_fuel, read_symbols, ..Config::default() };
            settings.limits.memory = 1 << 20;
            settings.host_limits.stack = 1 << 20;
            settings.host_limits.sandboxes = 8;
            let host = engine::engine(&settings).unwrap();
            let compiler = Engine::new(engine::config_of_code(count_fuel, read_symbols).parallel_compilation(false)).unwrap();
            assert_eq!(Fingerprint::of(&host).to_string(), Fingerprint::of(&compiler).to_string());
        }
    }

    #[test]
    fn an_engine_whose_code_differs_has_another_fingerprint() {
        let of = |count_fuel| Fingerprint::of(&Engine::new(&engine::config_of_code(count_fuel, false)).unwrap());
        assert_ne!(of(true).to_string(), of(false).to_string());
    }
}
