//! A folder of keys: made, revoked, imported, listed.

use std::time::Duration;

use cap_std::fs::{Dir, DirBuilder, DirBuilderExt as _, MetadataExt as _};
use vestibule::model::{TenantId, Timestamp};

use super::file::KeyFile;
use super::{KeyError, KeyInfo, LEAD, OVERLAP, Purpose, SigningAlgorithm};

/// When a new key begins to sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begin {
    /// In a quarter of an hour, when all that check its tokens can know it.
    WhenKnown,
    /// Now: all that check its tokens know it already, or are this server. Access tokens of the keys before are refused from then on.
    AtOnce,
}

/// What has become of a key that was revoked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revoked {
    /// The key that was made because the revoked one signed.
    pub made: Option<KeyInfo>,
}

/// A tenant's keys for one purpose, in a folder of their own.
#[derive(Debug)]
pub struct KeyFolder {
    pub(super) folder: Dir,
    pub(super) purpose: Purpose,
    /// As errors name it.
    pub(super) name: String,
}

impl KeyFolder {
    /// The folder, in that of all keys; it is made where it isn't there.
    ///
    /// # Errors
    /// When it can't be used.
    pub fn of(keys: &Dir, tenant: &TenantId, purpose: Purpose) -> Result<Self, KeyError> {
        let name = Self::name(tenant, purpose);
        let mut builder = DirBuilder::new();
        builder.recursive(true).mode(0o700);
        let opened = keys.create_dir_with(&name, &builder).and_then(|()| keys.open_dir(&name));
        let folder = opened.map_err(|error| KeyError::File { file: format!("keys/{name}"), reason: error.to_string() })?;
        Ok(Self { folder, purpose, name })
    }

    /// The folder, in that of all keys; none where it isn't there.
    ///
    /// # Errors
    /// When it can't be used.
    pub fn existing(keys: &Dir, tenant: &TenantId, purpose: Purpose) -> Result<Option<Self>, KeyError> {
        let name = Self::name(tenant, purpose);
        match keys.open_dir(&name) {
            Ok(folder) => Ok(Some(Self { folder, purpose, name })),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(KeyError::File { file: format!("keys/{name}"), reason: error.to_string() }),
        }
    }

    fn name(tenant: &TenantId, purpose: Purpose) -> String {
        format!("{tenant}.{}", purpose.as_str())
    }

    /// Makes a new key.
    ///
    /// # Errors
    /// When it can't be made or written.
    pub fn rotate(&self, algorithm: SigningAlgorithm, begin: Begin, now: Timestamp) -> Result<KeyInfo, KeyError> {
        let (signs_from, overlap) = match (begin, self.purpose) {
            (Begin::WhenKnown, _) => (now.plus(LEAD), OVERLAP),
            // This server alone checks them.
            (Begin::AtOnce, Purpose::Access) => (now, Duration::ZERO),
            (Begin::AtOnce, Purpose::Logout) => (now, OVERLAP),
        };
        self.add(KeyFile::made(algorithm, now, signs_from, overlap)?, now)
    }

    /// Revokes a key: its tokens are refused, and it is neither served nor taken in again. Where it signs, a new one of this algorithm
    /// is made before and signs at once. Other keys stay as they are.
    ///
    /// # Errors
    /// When no key has the id, or something can't be read, made or written.
    pub fn revoke(&self, id: &str, algorithm: SigningAlgorithm, now: Timestamp) -> Result<Revoked, KeyError> {
        self.check_owner()?;
        let (named, others): (Vec<_>, Vec<_>) =
            KeyFile::read_all(&self.folder, &self.name)?.into_iter().partition(|file| file.info().id == id);
        if named.is_empty() {
            return Err(KeyError::Unknown { folder: format!("keys/{}", self.name), id: id.to_owned() });
        }
        let newest = |files: &[KeyFile]| files.iter().filter(|file| file.signs_from <= now).map(|file| file.created_at).max();
        let made = if newest(&named) >= newest(&others) {
            Some(self.add(KeyFile::made(algorithm, now, now, OVERLAP)?, now)?)
        } else {
            None
        };
        named.iter().try_for_each(|file| file.revoke(&self.folder, &self.name, now))?;
        Ok(Revoked { made })
    }

    /// Takes in a key that exists already: PEM of PKCS#8, of PKCS#1 for RSA, or of SEC1 for P-256. It signs at once, since those who check its
    /// tokens know it already. Without an id of its own it gets its thumbprint (RFC 7638).
    ///
    /// # Errors
    /// When it is no key that can sign here, when another key has its id, or when it can't be written.
    pub fn import(&self, pem: &str, id: Option<String>, now: Timestamp) -> Result<KeyInfo, KeyError> {
        self.add(KeyFile::imported(pem, id, now)?, now)
    }

    fn add(&self, key: KeyFile, now: Timestamp) -> Result<KeyInfo, KeyError> {
        self.check_owner()?;
        let info = key.info();
        if key.is_revoked(&KeyFile::revocations(&self.folder, &self.name)?) {
            return Err(KeyError::Revoked { id: info.id });
        }
        if self.read(now)?.iter().any(|kept| kept.info().id == info.id && !kept.is_same(&key)) {
            return Err(KeyError::Taken { id: info.id });
        }
        key.write(&self.folder, &self.name, &format!("{}.json", info.created_at.as_millis()))?;
        Ok(info)
    }

    /// Whoever writes a file that the server can't read stops the server at its next start.
    fn check_owner(&self) -> Result<(), KeyError> {
        let metadata = self.folder.dir_metadata();
        let metadata =
            metadata.map_err(|error| KeyError::File { file: format!("keys/{}", self.name), reason: error.to_string() })?;
        let (owner, user) = (metadata.uid(), rustix::process::geteuid().as_raw());
        if owner == user {
            return Ok(());
        }
        Err(KeyError::Owner { folder: format!("keys/{}", self.name), owner, user })
    }

    /// All keys that count, the newest first: those that are to sign, the one that signs, and those whose tokens may still live.
    ///
    /// # Errors
    /// When one of them can't be read.
    pub fn list(&self, now: Timestamp) -> Result<Vec<KeyInfo>, KeyError> {
        let mut served_until = None;
        let infos = self.read(now)?.into_iter().map(|file| {
            let info = KeyInfo { served_until, ..file.info() };
            if info.signs_from <= now {
                served_until = Some(file.overlaps_until());
            }
            info
        });
        Ok(infos.collect())
    }

    pub(super) fn read(&self, now: Timestamp) -> Result<Vec<KeyFile>, KeyError> {
        let mut files = KeyFile::read_all(&self.folder, &self.name)?;
        files.sort_by_key(|file| std::cmp::Reverse(file.created_at));
        // One that was taken in again is the one that was taken in last.
        let mut known = std::collections::HashSet::new();
        files.retain(|file| known.insert(file.info().id));
        let revocations = KeyFile::revocations(&self.folder, &self.name)?;
        files.retain(|file| !file.is_revoked(&revocations));
        let mut served_until: Option<Timestamp> = None;
        files.retain(|file| {
            let is_served = served_until.is_none_or(|until| until > now);
            let until = file.overlaps_until();
            served_until = Some(served_until.map_or(until, |before| before.min(until)));
            is_served
        });
        Ok(files)
    }
}
