//! The keys that a tenant's tokens are signed by: made at first start, kept in files that this user alone can read, and taken turns with.
//!
//! Each tenant has a ring of them for each [`Purpose`]. A new key is served at once, and signs when nobody can have an older key set at hand.
//! Those before it are served, and tokens of them accepted, until none of these can live any more.

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

/// How long a new key is served before it signs: until all servers have read it, and key sets that were fetched before are out of date. An
/// application that doesn't know a token's key refuses the token for good.
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
    /// RSA of 2048 bits with SHA-256: what ID tokens are signed by unless something else was said (OpenID Connect Core 1.0).
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
mod tests {
    use super::*;
    use cap_std::ambient_authority;
    use cap_std::fs::Dir;

    /// Made by `openssl ecparam -name prime256v1 -genkey`, for this test.
    const SEC1: &str = "-----BEGIN EC PRIVATE KEY-----\n\
         MHcCAQEEIN9a0m42+Xlmk5M8cPzSinqxscQvCZ0J31Tg9ur0qZOeoAoGCCqGSM49\n\
         AwEHoUQDQgAExuUdlWVG2mNOsPmh5upR78wEro7kb1VPIrjWHdJ6TcPKrkITK5dw\n\
         s2L4jpa/AcReEOdwSINZZt2VRrwlUCeBnA==\n\
         -----END EC PRIVATE KEY-----\n";
    /// Of another curve.
    const SEC1_P384: &str = "-----BEGIN EC PRIVATE KEY-----\n\
         MIGkAgEBBDAYCMJ0Uch4cxNF3BGRpYHwQaN9ufg4PJnk/iFR5D/Az4yMTXeed/1K\n\
         7QiK1qonTZegBwYFK4EEACKhZANiAASnkaACmyCDwh7kl8Yj8TkUT90thHtE5VOo\n\
         waDUyf91XSK2QOVewMQQpsk1KC6Bb3GMco6Yr1mgcatCwtUjfHbeCqEYJl8SRTYD\n\
         jc3aQw1MyGz9DsmN7IleA29uqqPtgCs=\n\
         -----END EC PRIVATE KEY-----\n";

    fn folder() -> (tempfile::TempDir, Dir) {
        let folder = tempfile::tempdir().unwrap();
        let dir = Dir::open_ambient_dir(folder.path(), ambient_authority()).unwrap();
        (folder, dir)
    }

    fn ring(dir: &Dir, tenant: &str, hours: u64) -> Result<KeyRing, KeyError> {
        KeyRing::kept_in(dir, &tenant.parse().unwrap(), Purpose::Logout, SigningAlgorithm::Rs256, at(hours))
    }

    fn signing(ring: &KeyRing, hours: u64) -> String {
        ring.signing(at(hours)).id.clone()
    }

    fn at(hours: u64) -> Timestamp {
        Timestamp::from_millis(1_764_000_000_000 + hours * 3_600_000)
    }

    #[test]
    fn a_key_is_made_once_and_kept_for_its_user_alone() {
        use std::os::unix::fs::PermissionsExt as _;
        let (folder, dir) = folder();
        let first = signing(&ring(&dir, "acme", 0).unwrap(), 0);
        assert_eq!(signing(&ring(&dir, "acme", 1).unwrap(), 1), first);
        assert_ne!(signing(&ring(&dir, "globex", 1).unwrap(), 1), first);
        let file = folder.path().join("acme.logout/first.json");
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(ring(&dir, "acme", 1), Err(KeyError::Open { mode: 0o644, .. })));
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
        std::fs::write(&file, b"no key").unwrap();
        assert!(matches!(ring(&dir, "acme", 1), Err(KeyError::File { .. })));
    }

    #[test]
    fn a_new_key_is_served_before_it_signs_and_the_one_before_until_no_token_of_it_can_live() {
        let (_folder, dir) = folder();
        let running = ring(&dir, "acme", 0).unwrap();
        let first = signing(&running, 0);
        let keys = KeyFolder::of(&dir, &"acme".parse().unwrap(), Purpose::Logout).unwrap();
        assert!(!running.refresh(at(10)).unwrap(), "nothing has changed");
        let second = keys.rotate(SigningAlgorithm::Es256, Begin::WhenKnown, at(10)).unwrap().id;
        assert_eq!(signing(&running, 10), first, "it has not been read");
        assert!(running.refresh(at(10)).unwrap());
        assert_eq!((signing(&running, 10), running.public().len()), (first.clone(), 2), "it is served, and does not sign yet");
        assert_eq!(signing(&running, 11), second, "whoever runs on changes over by the clock");
        let listed = |hours| keys.list(at(hours)).unwrap().into_iter().map(|key| (key.id, key.served_until)).collect::<Vec<_>>();
        let until = at(58).plus(LEAD);
        assert_eq!(listed(10), [(second.clone(), None), (first.clone(), None)]);
        assert_eq!(listed(11), [(second.clone(), None), (first.clone(), Some(until))]);
        assert!(!running.refresh(at(58)).unwrap() && running.find(&first).is_some());
        assert!(running.refresh(at(59)).unwrap(), "its time is over");
        assert_eq!((running.find(&first).is_none(), running.public().len()), (true, 1));
    }

    #[test]
    fn a_key_that_is_not_to_be_trusted_any_more_signs_no_longer_at_once() {
        let (_folder, dir) = folder();
        let first = signing(&ring(&dir, "acme", 0).unwrap(), 0);
        let keys = KeyFolder::of(&dir, &"acme".parse().unwrap(), Purpose::Logout).unwrap();
        let second = keys.rotate(SigningAlgorithm::Rs256, Begin::AtOnce, at(1)).unwrap().id;
        assert_ne!(first, second);
        assert_eq!(signing(&ring(&dir, "acme", 1).unwrap(), 1), second);
    }

    #[test]
    fn access_keys_before_one_that_signs_at_once_are_served_no_more() {
        let (_folder, dir) = folder();
        let tenant = "acme".parse().unwrap();
        let keys = |purpose| KeyFolder::of(&dir, &tenant, purpose).unwrap();
        for (purpose, expected) in [(Purpose::Access, 1), (Purpose::Logout, 2)] {
            let running = KeyRing::kept_in(&dir, &tenant, purpose, SigningAlgorithm::Es256, at(0)).unwrap();
            let second = keys(purpose).rotate(SigningAlgorithm::Es256, Begin::AtOnce, at(1)).unwrap().id;
            assert!(running.refresh(at(1)).unwrap());
            assert_eq!((signing(&running, 1), running.public().len()), (second, expected), "{purpose:?}");
            assert_eq!(keys(purpose).list(at(1)).unwrap().len(), expected);
        }
    }

    #[test]
    fn revoked_key_is_gone_and_is_not_taken_in_again() {
        let (folder, dir) = folder();
        let running = ring(&dir, "acme", 0).unwrap();
        let first = signing(&running, 0);
        let keys = KeyFolder::of(&dir, &"acme".parse().unwrap(), Purpose::Logout).unwrap();
        let pem = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap().serialize_pem();
        keys.import(&pem, Some("imported".into()), at(1)).unwrap();
        assert!(running.refresh(at(1)).unwrap());
        let generation = running.generation();

        assert_eq!(keys.revoke(&first, SigningAlgorithm::Rs256, at(2)).unwrap().made, None, "it doesn't sign");
        assert!(running.refresh(at(2)).unwrap() && running.generation() > generation);
        assert_eq!((running.find(&first).is_none(), signing(&running, 2).as_str()), (true, "imported"));

        let made = keys.revoke("imported", SigningAlgorithm::Rs256, at(3)).unwrap().made.expect("another key signs").id;
        assert!(running.refresh(at(3)).unwrap());
        assert_eq!((signing(&running, 3), running.public().len()), (made, 1));
        for id in [Some("imported".to_owned()), Some("renamed".to_owned()), None] {
            assert!(matches!(keys.import(&pem, id, at(4)), Err(KeyError::Revoked { .. })), "it is the same key");
        }
        assert!(matches!(keys.revoke("imported", SigningAlgorithm::Rs256, at(4)), Err(KeyError::Unknown { .. })));
        let kept = std::fs::read_dir(folder.path().join("acme.logout")).unwrap();
        let texts: Vec<_> = kept.map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap()).collect();
        assert_eq!(texts.iter().filter(|text| text.contains("PRIVATE KEY")).count(), 1, "no revoked key is kept");
    }

    #[test]
    fn revoked_key_counts_no_more_where_the_folder_cannot_be_read() {
        let (folder, dir) = folder();
        let running = ring(&dir, "acme", 0).unwrap();
        let keys = KeyFolder::of(&dir, &"acme".parse().unwrap(), Purpose::Logout).unwrap();
        let second = keys.rotate(SigningAlgorithm::Es256, Begin::AtOnce, at(1)).unwrap().id;
        assert!(running.refresh(at(1)).unwrap());
        keys.revoke(&second, SigningAlgorithm::Es256, at(2)).unwrap();
        std::fs::write(folder.path().join("acme.logout/broken.json"), "no key").unwrap();
        assert!(running.refresh(at(2)).is_err());
        assert!(running.find(&second).is_none() && running.public().len() == 1);
    }

    #[test]
    fn an_id_names_one_key_and_one_that_is_taken_in_again_is_there_once() {
        let (_folder, dir) = folder();
        let keys = KeyFolder::of(&dir, &"acme".parse().unwrap(), Purpose::Logout).unwrap();
        let pem = || rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap().serialize_pem();
        let (one, other) = (pem(), pem());
        keys.import(&one, Some("platform".into()), at(0)).unwrap();
        keys.import(&other, None, at(1)).unwrap();
        assert!(matches!(keys.import(&other, Some("platform".into()), at(2)), Err(KeyError::Taken { .. })));
        keys.import(&one, Some("platform".into()), at(3)).unwrap();
        let ring = ring(&dir, "acme", 3).unwrap();
        assert_eq!((signing(&ring, 3).as_str(), ring.public().len()), ("platform", 2));
    }

    #[test]
    fn a_key_that_a_platform_has_already_is_imported_under_its_own_id() {
        let (_folder, dir) = folder();
        let keys = KeyFolder::of(&dir, &"acme".parse().unwrap(), Purpose::Logout).unwrap();
        let pem = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap().serialize_pem();
        let info = keys.import(&pem, Some("of the platform".into()), at(0)).unwrap();
        assert_eq!((info.id.as_str(), info.algorithm), ("of the platform", SigningAlgorithm::Es256));
        let unnamed = keys.import(&pem, None, at(1)).unwrap();
        assert_eq!(unnamed.id.len(), 43, "its thumbprint");
        let ring = ring(&dir, "acme", 2).unwrap();
        assert_eq!((signing(&ring, 2), ring.public().len()), (unnamed.id, 2));
        // The same key, as `openssl ecparam -genkey` writes it.
        let sec1 = "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n".to_owned() + SEC1;
        let info = keys.import(&sec1, Some("sec1".into()), at(2)).unwrap();
        assert_eq!((info.id.as_str(), info.algorithm), ("sec1", SigningAlgorithm::Es256));
        for wrong in [SEC1_P384, "", "no key", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"] {
            assert!(matches!(keys.import(wrong, None, at(3)), Err(KeyError::Import { .. })), "{wrong:?}");
        }
        let curve = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap().serialize_pem();
        assert!(matches!(keys.import(&curve, None, at(3)), Err(KeyError::Import { .. })));
    }
}
