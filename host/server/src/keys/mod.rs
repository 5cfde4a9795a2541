//! The keys that a tenant's tokens are signed by: made at first start, kept in files that this user alone can read, and taken turns with.
//!
//! Each tenant has a ring of them for each [`Purpose`]. The newest key signs. Those before it are served, and tokens of them accepted, until
//! none of these can live any more.

mod file;
mod key;

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use cap_std::fs::{Dir, DirBuilder, DirBuilderExt as _};
use jsonwebtoken::jwk::Jwk;
use thiserror::Error;
use vestibule::model::{TenantId, Timestamp};

use file::KeyFile;
pub(crate) use key::SigningKey;

/// How long a key is served beside the one that came after it: longer than any token lives, and than a server takes to be told.
const OVERLAP: Duration = Duration::from_secs(48 * 3_600);

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
        "this is no private key that can sign: {reason}; an RSA key of 2048 bits or more, or one of P-256 in PKCS#8, is needed, in PEM"
    )]
    Import {
        /// What is wrong; never the key.
        reason: String,
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
    /// Until when it is served; none of the one that signs.
    pub served_until: Option<Timestamp>,
}

/// A tenant's keys for one purpose, in a folder of their own.
#[derive(Debug)]
pub struct KeyFolder {
    folder: Dir,
    /// As errors name it.
    name: String,
}

impl KeyFolder {
    /// The folder, in that of all keys; it is made where it isn't there.
    ///
    /// # Errors
    /// When it can't be used.
    pub fn of(keys: &Dir, tenant: &TenantId, purpose: Purpose) -> Result<Self, KeyError> {
        let name = format!("{tenant}.{}", purpose.as_str());
        let mut builder = DirBuilder::new();
        builder.recursive(true).mode(0o700);
        let opened = keys.create_dir_with(&name, &builder).and_then(|()| keys.open_dir(&name));
        let folder = opened.map_err(|error| KeyError::File { file: format!("keys/{name}"), reason: error.to_string() })?;
        Ok(Self { folder, name })
    }

    /// Makes a new key, which signs from the next time on that the keys are read.
    ///
    /// # Errors
    /// When it can't be made or written.
    pub fn rotate(&self, algorithm: SigningAlgorithm, now: Timestamp) -> Result<KeyInfo, KeyError> {
        self.add(KeyFile::made(algorithm, now)?)
    }

    /// Takes in a key that somebody has already: PEM, PKCS#8, or PKCS#1 for RSA. It signs from the next time on that the keys are read.
    /// Without an id of its own it gets its thumbprint (RFC 7638).
    ///
    /// # Errors
    /// When it is no key that can sign here, or can't be written.
    pub fn import(&self, pem: &str, id: Option<String>, now: Timestamp) -> Result<KeyInfo, KeyError> {
        self.add(KeyFile::imported(pem, id, now)?)
    }

    fn add(&self, key: KeyFile) -> Result<KeyInfo, KeyError> {
        let info = key.info();
        key.write(&self.folder, &self.name, &format!("{}.json", info.created_at.as_millis()))?;
        Ok(info)
    }

    /// All keys that count, the newest first: the one that signs, and those whose tokens may still live.
    ///
    /// # Errors
    /// When one of them can't be read.
    pub fn list(&self, now: Timestamp) -> Result<Vec<KeyInfo>, KeyError> {
        let files = self.read(now)?;
        let newer = std::iter::once(None).chain(files.iter().map(|file| Some(file.created_at)));
        let infos = files.iter().zip(newer).map(|(file, newer)| KeyInfo { served_until: newer.map(served_until), ..file.info() });
        Ok(infos.collect())
    }

    fn read(&self, now: Timestamp) -> Result<Vec<KeyFile>, KeyError> {
        let mut files = KeyFile::read_all(&self.folder, &self.name)?;
        files.sort_by_key(|file| std::cmp::Reverse(file.created_at));
        let mut newer = None;
        files.retain(|file| newer.replace(file.created_at).is_none_or(|newer| served_until(newer) > now));
        Ok(files)
    }
}

/// Until when the key before one that was made then is served.
fn served_until(newer: Timestamp) -> Timestamp {
    newer.plus(OVERLAP)
}

/// A tenant's keys for one purpose.
#[derive(Debug)]
pub(crate) struct KeyRing {
    /// The newest first; never empty.
    signing: Arc<SigningKey>,
    older: Vec<SigningKey>,
}

impl KeyRing {
    /// Reads the keys; one is made where there is none.
    ///
    /// # Errors
    /// When one of them can't be used, or can't be made.
    pub(crate) fn kept_in(
        keys: &Dir,
        tenant: &TenantId,
        purpose: Purpose,
        algorithm: SigningAlgorithm,
        now: Timestamp,
    ) -> Result<Self, KeyError> {
        let folder = KeyFolder::of(keys, tenant, purpose)?;
        let mut files = folder.read(now)?;
        if files.is_empty() {
            // Where another server makes one at the same moment, it is that one's or ours, and the same for both.
            KeyFile::made(algorithm, now)?.write_first(&folder.folder, &folder.name)?;
            files = folder.read(now)?;
        }
        let mut keys = files.iter().map(KeyFile::key);
        let none =
            || KeyError::File { file: format!("keys/{}", folder.name), reason: "the key that was made is gone".to_owned() };
        let signing = keys.next().ok_or_else(none)??;
        Ok(Self { signing: Arc::new(signing), older: keys.collect::<Result<_, _>>()? })
    }

    /// The key that signs.
    pub(crate) fn signing(&self) -> &Arc<SigningKey> {
        &self.signing
    }

    /// The key with this id.
    pub(crate) fn find(&self, id: &str) -> Option<&SigningKey> {
        self.all().find(|key| key.id == id)
    }

    /// The public halves, as a key set has them.
    pub(crate) fn public(&self) -> impl Iterator<Item = &Jwk> {
        self.all().map(|key| &key.public)
    }

    fn all(&self) -> impl Iterator<Item = &SigningKey> {
        std::iter::once(&*self.signing).chain(&self.older)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cap_std::ambient_authority;

    fn folder() -> (tempfile::TempDir, Dir) {
        let folder = tempfile::tempdir().unwrap();
        let dir = Dir::open_ambient_dir(folder.path(), ambient_authority()).unwrap();
        (folder, dir)
    }

    fn ring(dir: &Dir, tenant: &str, hours: u64) -> Result<KeyRing, KeyError> {
        KeyRing::kept_in(dir, &tenant.parse().unwrap(), Purpose::Logout, SigningAlgorithm::Rs256, at(hours))
    }

    fn at(hours: u64) -> Timestamp {
        Timestamp::from_millis(1_764_000_000_000 + hours * 3_600_000)
    }

    #[test]
    fn a_key_is_made_once_and_kept_for_its_user_alone() {
        use std::os::unix::fs::PermissionsExt as _;
        let (folder, dir) = folder();
        let first = ring(&dir, "acme", 0).unwrap().signing.id.clone();
        assert_eq!(ring(&dir, "acme", 1).unwrap().signing.id, first);
        assert_ne!(ring(&dir, "globex", 1).unwrap().signing.id, first);
        let file = folder.path().join("acme.logout/first.json");
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(ring(&dir, "acme", 1), Err(KeyError::Open { mode: 0o644, .. })));
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
        std::fs::write(&file, b"no key").unwrap();
        assert!(matches!(ring(&dir, "acme", 1), Err(KeyError::File { .. })));
    }

    #[test]
    fn the_newest_key_signs_and_the_one_before_is_served_until_no_token_of_it_can_live() {
        let (_folder, dir) = folder();
        let first = ring(&dir, "acme", 0).unwrap().signing.id.clone();
        let keys = KeyFolder::of(&dir, &"acme".parse().unwrap(), Purpose::Logout).unwrap();
        let second = keys.rotate(SigningAlgorithm::Es256, at(10)).unwrap().id;
        let rotated = ring(&dir, "acme", 57).unwrap();
        assert_eq!((&rotated.signing.id, rotated.public().count()), (&second, 2));
        assert!(rotated.find(&first).is_some());
        let listed = keys.list(at(57)).unwrap();
        assert_eq!(
            listed.iter().map(|key| (key.id.as_str(), key.served_until)).collect::<Vec<_>>(),
            [(second.as_str(), None), (first.as_str(), Some(at(58)))]
        );
        let later = ring(&dir, "acme", 58).unwrap();
        assert_eq!((later.find(&first).is_none(), later.public().count()), (true, 1));
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
        assert_eq!((&ring.signing.id, ring.public().count()), (&unnamed.id, 2));
        for wrong in ["", "no key", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"] {
            assert!(matches!(keys.import(wrong, None, at(3)), Err(KeyError::Import { .. })), "{wrong:?}");
        }
        let curve = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap().serialize_pem();
        assert!(matches!(keys.import(&curve, None, at(3)), Err(KeyError::Import { .. })));
    }
}
