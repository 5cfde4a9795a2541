//! Secrets that were right a short time ago, by an HMAC under a key of this process.
//!
//! The MAC is over the secret and its hash in the configuration: a client whose secret has changed
//! is not found, and neither is one that the configuration has no longer, since its hash is
//! missing. It is over the peer, too, which has sent the secret: what another one guesses is found
//! out by hashing alone, under the limits of failures.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use vestibule::model::TenantId;

/// How long a secret is remembered after it was right.
const REMEMBERED: Duration = Duration::from_secs(3_600);
/// How many are remembered: more than clients of one server ask at one time.
const MOST: usize = 16_384;

/// What is remembered of a secret.
pub(super) type Digest = [u8; 32];

/// Secrets that were right.
pub(super) struct VerifiedSecrets {
    mac: Hmac<Sha256>,
    until: Mutex<HashMap<Digest, Instant>>,
}

impl VerifiedSecrets {
    /// With a key that no other process has.
    ///
    /// # Errors
    /// When the system has no random numbers.
    pub(super) fn new() -> std::io::Result<Self> {
        let mut key = zeroize::Zeroizing::new([0u8; 32]);
        getrandom::fill(&mut *key).map_err(std::io::Error::other)?;
        let mac = Hmac::new_from_slice(&*key).map_err(std::io::Error::other)?;
        Ok(Self { mac, until: Mutex::default() })
    }

    /// The MAC of a client's secret. Each part is preceded by its length.
    pub(super) fn digest(&self, tenant: &TenantId, peer: Option<IpAddr>, client: &str, hash: &str, secret: &str) -> Digest {
        let mut mac = self.mac.clone();
        let peer = peer.map(|peer| peer.to_string()).unwrap_or_default();
        for part in [tenant.as_str(), &peer, client, hash, secret] {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part.as_bytes());
        }
        mac.finalize().into_bytes().into()
    }

    /// Whether it was right a short time ago. Then it is remembered for longer.
    pub(super) fn contains(&self, digest: &Digest, now: Instant) -> bool {
        match self.until().get_mut(digest) {
            Some(until) if *until > now => {
                *until = now + REMEMBERED;
                true
            }
            _ => false,
        }
    }

    /// It was right now.
    pub(super) fn insert(&self, digest: Digest, now: Instant) {
        let mut all = self.until();
        if all.len() >= MOST {
            all.retain(|_, until| *until > now);
            let any = all.keys().next().copied().filter(|_| all.len() >= MOST);
            any.map(|any| all.remove(&any));
        }
        all.insert(digest, now + REMEMBERED);
    }

    fn until(&self) -> MutexGuard<'_, HashMap<Digest, Instant>> {
        self.until.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for VerifiedSecrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("VerifiedSecrets").field("count", &self.until().len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secret_is_remembered_with_its_client_and_hash_and_peer() {
        let verified = VerifiedSecrets::new().unwrap();
        let now = Instant::now();
        let tenant: TenantId = "acme".parse().unwrap();
        let of = |peer: [u8; 4], client: &str, hash: &str, secret: &str| {
            verified.digest(&tenant, Some(IpAddr::from(peer)), client, hash, secret)
        };
        let digest = |client: &str, hash: &str, secret: &str| of([192, 0, 2, 1], client, hash, secret);
        verified.insert(digest("one", "hash", "secret"), now);
        assert!(verified.contains(&digest("one", "hash", "secret"), now));
        for other in [
            digest("two", "hash", "secret"),
            digest("one", "other", "secret"),
            digest("one", "hashs", "ecret"),
            of([192, 0, 2, 2], "one", "hash", "secret"),
        ] {
            assert!(!verified.contains(&other, now));
        }
        assert!(!verified.contains(&digest("one", "hash", "secret"), now + REMEMBERED));
    }

    #[test]
    fn secrets_in_memory_are_bounded() {
        let verified = VerifiedSecrets::new().unwrap();
        let now = Instant::now();
        for number in 0..MOST as u64 + 10 {
            let mut digest = [0; 32];
            digest[..8].copy_from_slice(&number.to_be_bytes());
            verified.insert(digest, now);
        }
        assert_eq!(verified.until().len(), MOST);
    }
}
