//! Secrets of deployed Actions at rest: sealed by AES-256-GCM, so that a copy of the database gives
//! none away.
//!
//! What is sealed is bound to its tenant, its Action and its name: a row that was copied elsewhere
//! doesn't open. The cipher is that of aws-lc-rs, which signs the tokens as well. Its nonces are
//! random, so a key is good for 2³² secrets that are set (NIST SP 800-38D, section 8.3): a hundred
//! of them a second for more than a year. A rotation begins to count anew.
//!
//! A ring has several keys: the first one seals, and all of them open. A key's id is a part of its
//! own hash, so that no id can be another key's.

mod file;
mod ring;
mod rotate;

use std::path::PathBuf;

use thiserror::Error;
use zeroize::Zeroizing;

use crate::config::ReferenceError;
pub(crate) use file::Sealing;
pub use file::SealingKeys;
pub use rotate::{RotateError, Rotated, Unopened};

/// Why a secret can't be sealed or opened. It never shows a secret, nor a key.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SealError {
    /// The keys' file can't be read, made or written.
    #[error("the keys of secrets in {} can't be used: {reason}", file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// Others can read the keys' file.
    #[error("the keys of secrets in {} can be read by others (mode {mode:o}): whoever has them can open all secrets; `chmod 600` it", file.display())]
    Open {
        /// The file.
        file: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// The keys' variable isn't there.
    #[error("the keys of secrets: {0}")]
    Reference(#[from] ReferenceError),
    /// What stands there is no key.
    #[error(
        "the keys of secrets in {place}: {what}; a key is the base64 of 32 random bytes, as `openssl rand -base64 32` makes it"
    )]
    Malformed {
        /// The file or the variable.
        place: String,
        /// What is wrong; never the key.
        what: &'static str,
    },
    /// The system has no random numbers.
    #[error("nothing can be sealed: the system has no random numbers")]
    NoRandomNumbers,
    /// The key that has sealed a secret isn't there.
    #[error("the secret `{name}` was sealed by the key {key}, which is not there; bring it back, or set the secret anew")]
    UnknownKey {
        /// The secret's name.
        name: String,
        /// The key's id.
        key: String,
    },
    /// It was sealed for another place, or was changed.
    #[error("the secret `{name}` does not open: it was sealed for another Action, or was changed; set it anew")]
    Broken {
        /// The secret's name.
        name: String,
    },
    /// Keys in a variable can't be changed by a program.
    #[error("the keys of secrets are in a variable of the environment, which no program can change")]
    InEnvironment,
    /// Somebody else rotates.
    #[error("the keys of secrets are being rotated already; wait for that, and run this again where it was broken off")]
    Rotating,
}

/// Where a secret belongs: sealed together with it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'a> {
    /// Whose.
    pub(crate) tenant: &'a str,
    /// The id of its Action.
    pub(crate) action: &'a str,
    /// Its name.
    pub(crate) name: &'a str,
}

/// What this is about, before all else that is bound to a secret.
const DOMAIN: &str = "vestibule Action secret 1";

impl Place<'_> {
    /// All of it, each part with its length before it: no two places are the same bytes.
    fn associated(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for part in [DOMAIN, self.tenant, self.action, self.name] {
            bytes.extend((part.len() as u64).to_be_bytes());
            bytes.extend(part.as_bytes());
        }
        bytes
    }
}

/// A secret that was sealed, and by which key.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Sealed {
    /// The key's id.
    pub(crate) key: String,
    /// Nonce, text and tag.
    pub(crate) bytes: Vec<u8>,
}

/// A secret's value. It is overwritten when it is dropped.
pub(crate) type Value = Zeroizing<String>;

#[cfg(test)]
mod tests {
    use super::ring::{Key, Ring};
    use super::*;

    const HERE: Place<'_> = Place { tenant: "acme", action: "0f8fad5b-d9cb-469f-a165-70867728950e", name: "API_KEY" };

    fn ring() -> Ring {
        Ring::of(vec![Key::random().unwrap()])
    }

    #[test]
    fn what_was_sealed_opens_at_its_place_and_nowhere_else() {
        let ring = ring();
        let sealed = ring.seal(HERE, "hunter2").unwrap();
        assert_eq!(&*ring.open(HERE, &sealed.key, &sealed.bytes).unwrap(), "hunter2");
        assert!(!sealed.bytes.windows(7).any(|window| window == b"hunter2"));
        let elsewhere = [
            Place { tenant: "globex", ..HERE },
            Place { action: "0f8fad5b-d9cb-469f-a165-70867728950f", ..HERE },
            Place { name: "API_KEY2", ..HERE },
            // The same letters, with other borders between them.
            Place { tenant: "acme0", action: &HERE.action[1..], ..HERE },
        ];
        for place in elsewhere {
            let opened = ring.open(place, &sealed.key, &sealed.bytes);
            assert_eq!(opened, Err(SealError::Broken { name: place.name.to_owned() }), "{place:?}");
        }
    }

    #[test]
    fn each_changed_byte_is_noticed() {
        let ring = ring();
        let sealed = ring.seal(HERE, "hunter2").unwrap();
        for at in 0..sealed.bytes.len() {
            let mut changed = sealed.bytes.clone();
            changed[at] ^= 1;
            assert!(ring.open(HERE, &sealed.key, &changed).is_err(), "byte {at}");
            assert!(ring.open(HERE, &sealed.key, &sealed.bytes[..at]).is_err(), "cut at {at}");
        }
    }

    #[test]
    fn the_same_value_is_never_the_same_bytes() {
        let ring = ring();
        assert_ne!(ring.seal(HERE, "hunter2").unwrap().bytes, ring.seal(HERE, "hunter2").unwrap().bytes);
    }

    #[test]
    fn the_first_key_seals_and_all_of_them_open() {
        let (first, second) = (Key::random().unwrap(), Key::random().unwrap());
        let (id, of_second) = (first.id().to_owned(), second.id().to_owned());
        let old = Ring::of(vec![second.clone()]).seal(HERE, "before").unwrap();
        assert_eq!(old.key, of_second);
        let both = Ring::of(vec![first.clone(), second]);
        assert_eq!(both.seal(HERE, "now").unwrap().key, id);
        assert_eq!(&*both.open(HERE, &old.key, &old.bytes).unwrap(), "before");
        let gone = Ring::of(vec![first]).open(HERE, &old.key, &old.bytes);
        assert_eq!(gone, Err(SealError::UnknownKey { name: "API_KEY".to_owned(), key: of_second }));
    }

    #[test]
    fn neither_a_key_nor_a_secret_is_ever_shown() {
        let ring = ring();
        let text = ring.text();
        let key = text.split_whitespace().find(|word| word.len() == 44).unwrap();
        assert!(!format!("{ring:?}").contains(key));
        assert_eq!(Ring::parse(&text, "here").unwrap().sealing().id(), ring.sealing().id());
        for wrong in ["", "no key", "AAAA", "# a remark alone"] {
            let error = Ring::parse(wrong, "here").unwrap_err().to_string();
            assert!(wrong.is_empty() || !error.contains(wrong), "{error}");
        }
    }
}
