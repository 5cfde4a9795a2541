//! The keys that a tenant's tokens are signed by: made at first start, kept in files that this user
//! alone can read, and taken turns with.
//!
//! Each tenant has a ring of them for each [`Purpose`]. A new key is served at once, and signs when
//! nobody can have an older key set at hand. Those before it are served, and tokens of them
//! accepted, until none of these can live any more.

mod file;
mod folder;
mod key;
mod ring;

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use thiserror::Error;
use vestibule::model::Timestamp;

pub use folder::{Begin, KeyFolder, Revoked};
pub(crate) use key::SigningKey;
pub(crate) use ring::{KeyRing, keep_up};

/// How long a key is served beside the one that signs in its place: longer than any token lives.
const OVERLAP: Duration = Duration::from_secs(48 * 3_600);

/// How long a new key is served before it signs: until all servers have read it, and key sets that
/// were fetched before are out of date. An application that doesn't know a token's key refuses the
/// token for good.
const LEAD: Duration = Duration::from_secs(15 * 60);

/// Why there is no key to sign with.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The key's file can't be read, made or written.
    #[error(
        "the signing key in {file} can't be used: {reason}; restore the file, or remove it: where it was the only one, a new key is made"
    )]
    File {
        /// The file, in the state folder.
        file: String,
        /// What is wrong.
        reason: String,
    },
    /// Others can read the key's file.
    #[error("the signing key in {file} can be read by others (mode {mode:o}): whoever has it can issue tokens; `chmod 600` it")]
    Open {
        /// The file, in the state folder.
        file: String,
        /// Its permissions.
        mode: u32,
    },
    /// What is to be imported is no key.
    #[error(
        "this is no private key that can sign: {reason}; an RSA key of 2048 bits or more, or one of P-256 (PKCS#8 or SEC1), is needed, in PEM"
    )]
    Import {
        /// What is wrong; never the key.
        reason: String,
    },
    /// Another key has the id already: nobody could tell which of them a token means.
    #[error("another key has the id {id} already; give it another one, or remove the key's file once no token of it can live")]
    Taken {
        /// The id.
        id: String,
    },
    /// No key has the id that was named.
    #[error("no key in {folder} has the id {id}; `vestibule keys list` shows them, with `--for access` or `--for logout`")]
    Unknown {
        /// The folder, in the state folder.
        folder: String,
        /// The id.
        id: String,
    },
    /// The key was revoked, and does not come back.
    #[error("the key {id} was revoked, and is not taken in again; make or import another one")]
    Revoked {
        /// The id.
        id: String,
    },
    /// The folder is another user's, who could not read what was written into it.
    #[error("{folder} belongs to user {owner}, and this is user {user}: do it as the user whom the server runs as")]
    Owner {
        /// The folder, in the state folder.
        folder: String,
        /// Whose it is.
        owner: u32,
        /// Who asks.
        user: u32,
    },
    /// A key can't be made.
    #[error("no key can be made: {reason}")]
    Made {
        /// What is wrong.
        reason: String,
    },
}

/// What a key signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Access tokens of this server.
    Access,
    /// Logout tokens, for the tenant's applications.
    Logout,
}

impl Purpose {
    /// Its name in files and commands.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Access => "access",
            Self::Logout => "logout",
        }
    }
}

/// By what a token is signed (RFC 7518, section 3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SigningAlgorithm {
    /// RSA of 2048 bits with SHA-256: what ID tokens are signed by unless something else was said
    /// (OpenID Connect Core 1.0).
    Rs256,
    /// P-256 with SHA-256.
    Es256,
}

impl SigningAlgorithm {
    /// As JSON Web Algorithms names it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Es256 => "ES256",
        }
    }
}

impl fmt::Display for SigningAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text that names no algorithm of this server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("not an algorithm that tokens are signed by here: `RS256`, `ES256`")]
pub struct AlgorithmError;

impl FromStr for SigningAlgorithm {
    type Err = AlgorithmError;

    fn from_str(text: &str) -> Result<Self, AlgorithmError> {
        [Self::Rs256, Self::Es256].into_iter().find(|algorithm| algorithm.as_str() == text).ok_or(AlgorithmError)
    }
}

/// What there is to say of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyInfo {
    /// Its id, `kid` in tokens and in the key set.
    pub id: String,
    /// By what it signs.
    pub algorithm: SigningAlgorithm,
    /// When it was made or imported.
    pub created_at: Timestamp,
    /// From when on it signs.
    pub signs_from: Timestamp,
    /// Until when it is served; none of the one that signs, and of those that are to sign.
    pub served_until: Option<Timestamp>,
}

#[cfg(test)]
mod tests;
