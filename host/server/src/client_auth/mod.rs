//! Authenticates clients of the token endpoint by their secrets.
//!
//! A wrong secret costs its tenant and its peer, and no other: failures are limited before anything
//! is hashed, each tenant has a share of the hashing threads and a queue of its own, and a secret
//! that was right a short time ago is not hashed again where it comes from the same peer. A
//! stranger's guess is never compared with what is remembered: that would be quick, and not
//! limited.

mod failures;
mod hashing;
mod verified;

use std::net::IpAddr;
use std::time::{Duration, Instant};

use argon2::Argon2;
use argon2::password_hash::PasswordHasher as _;
use thiserror::Error;
use vestibule::model::TenantId;
use zeroize::Zeroizing;

use failures::Failures;
use hashing::Hashing;
use verified::{Digest, VerifiedSecrets};

/// Why a secret was not checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum NotChecked {
    /// The peer, its network, or the client has failed too often.
    #[error("too many wrong secrets; try again in {retry_after:?}")]
    TooManyFailures {
        /// When the next attempt is allowed.
        retry_after: Duration,
    },
    /// The tenant's queue is full, or its turn has not come in time.
    #[error("too many clients of this tenant ask for tokens at one time; try again in {retry_after:?}")]
    Busy {
        /// When to try again.
        retry_after: Duration,
    },
}

/// A client that says who it is.
pub(crate) struct Attempt<'a> {
    pub(crate) tenant: &'a TenantId,
    /// The address that the connection comes from; none where it is a proxy's, and says nothing
    /// about the caller.
    pub(crate) peer: Option<IpAddr>,
    pub(crate) client: String,
    /// The hash of the client's secret; none where the tenant has no such client.
    pub(crate) hash: Option<&'a str>,
    /// The hash whose parameters an unknown client's check has, so that the time doesn't tell it
    /// from a known one.
    pub(crate) hash_of_others: Option<&'a str>,
    pub(crate) secret: Zeroizing<String>,
}

/// Checks the secrets of all tenants' clients.
#[derive(Debug)]
pub(crate) struct ClientAuth {
    failures: Failures,
    verified: VerifiedSecrets,
    hashing: Hashing,
    /// A hash that no secret has.
    hash_of_none: String,
}

impl ClientAuth {
    /// Starts the hashing threads.
    ///
    /// # Errors
    /// When the system has no thread or no random numbers.
    pub(crate) fn start() -> std::io::Result<Self> {
        let hash_of_none = Argon2::default().hash_password(crate::request::random_id().as_bytes());
        Ok(Self {
            failures: Failures::default(),
            verified: VerifiedSecrets::new()?,
            hashing: Hashing::start()?,
            hash_of_none: hash_of_none.map(|hash| hash.to_string()).map_err(std::io::Error::other)?,
        })
    }

    /// Whether the secret is the client's, and was right a short time ago as this peer has sent it.
    pub(crate) fn is_known(&self, attempt: &Attempt<'_>) -> bool {
        let Some(digest) = self.digest(attempt) else { return false };
        let Attempt { tenant, peer, client, .. } = attempt;
        let now = Instant::now();
        self.failures.guess(tenant, *peer, client, now, || self.verified.contains(&digest, now))
    }

    fn digest(&self, attempt: &Attempt<'_>) -> Option<Digest> {
        let Attempt { tenant, peer, client, hash, secret, .. } = attempt;
        hash.map(|hash| self.verified.digest(tenant, *peer, client, hash, secret))
    }

    /// Whether the secret is the client's. It is hashed for that.
    ///
    /// # Errors
    /// When it was not checked, because of too many failures or too many others.
    pub(crate) async fn is_right(&self, attempt: Attempt<'_>) -> Result<bool, NotChecked> {
        let digest = self.digest(&attempt);
        let Attempt { tenant, peer, client, hash, hash_of_others, secret } = attempt;
        let client = client.as_str();
        // Taken before the hashing, so that requests at one time can't pass together.
        self.failures.take(tenant, peer, client, Instant::now())?;
        let checked = hash.or(hash_of_others).unwrap_or(&self.hash_of_none).to_owned();
        let is_right = self.hashing.verify(tenant, checked, secret).await;
        let is_failure = matches!(is_right, Ok(false)) || hash.is_none() && is_right.is_ok();
        if !is_failure {
            self.failures.give_back(tenant, peer, client, Instant::now());
        }
        let is_right = is_right? && hash.is_some();
        if let Some(digest) = digest.filter(|_| is_right) {
            self.verified.insert(digest, Instant::now());
        }
        Ok(is_right)
    }

    /// Forgets the failures of tenants that are served no longer.
    pub(crate) fn retain(&self, is_served: impl Fn(&TenantId) -> bool) {
        self.failures.retain(is_served);
    }
}
