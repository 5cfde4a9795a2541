//! A folder of keys: made, revoked, imported, listed.

use std::collections::HashSet;
use std::time::Duration;

use cap_std::fs::{Dir, DirBuilder, DirBuilderExt as _, MetadataExt as _};
use vestibule::model::{TenantId, Timestamp};

use super::file::{Cut, KeyFile, Revocation};
use super::{KeyError, KeyInfo, LEAD, OVERLAP, Purpose, SigningAlgorithm};

/// When a new key begins to sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begin {
    /// In a quarter of an hour, when all that check its tokens can know it.
    WhenKnown,
    /// Now: all that check its tokens know it already, or are this server. Access tokens of the
    /// keys before are refused from then on.
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

/// A key that counts.
pub(super) struct Kept {
    pub(super) file: KeyFile,
    /// Until when, by those that are newer.
    pub(super) served_until: Option<Timestamp>,
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
        let info = self.add(KeyFile::made(algorithm, now, signs_from, overlap)?, now)?;
        self.forget(now)?;
        Ok(info)
    }

    /// Revokes a key: its tokens are refused, and it is neither served nor taken in again. Where it
    /// signs, a new one of this algorithm is made before and signs at once. Other keys stay as they
    /// are.
    ///
    /// # Errors
    /// When no key has the id, or something can't be read, made or written.
    pub fn revoke(&self, id: &str, algorithm: SigningAlgorithm, now: Timestamp) -> Result<Revoked, KeyError> {
        self.check_owner()?;
        let is_named = |file: &KeyFile| file.info().id == id;
        let named: Vec<_> = KeyFile::read_all(&self.folder, &self.name)?.into_iter().filter(is_named).collect();
        if named.is_empty() {
            return Err(KeyError::Unknown { folder: format!("keys/{}", self.name), id: id.to_owned() });
        }
        let others: Vec<_> = self.read(now)?.into_iter().map(|kept| kept.file).filter(|file| !is_named(file)).collect();
        let newest = |files: &[KeyFile]| files.iter().filter(|file| file.has_begun(now)).map(|file| file.created_at).max();
        let made = if newest(&named) >= newest(&others) {
            Some(self.add(KeyFile::made(algorithm, now, now, OVERLAP)?, now)?)
        } else {
            None
        };
        named.iter().try_for_each(|file| file.revoke(&self.folder, &self.name, now))?;
        self.forget(now)?;
        Ok(Revoked { made })
    }

    /// Takes in a key that exists already: PEM of PKCS#8, of PKCS#1 for RSA, or of SEC1 for P-256.
    /// It signs at once, since those who check its tokens know it already. Without an id of its own
    /// it gets its thumbprint (RFC 7638).
    ///
    /// # Errors
    /// When it is no key that can sign here, when another key has its id, or when it can't be
    /// written.
    pub fn import(&self, pem: &str, id: Option<String>, now: Timestamp) -> Result<KeyInfo, KeyError> {
        let info = self.add(KeyFile::imported(pem, id, now)?, now)?;
        self.forget(now)?;
        Ok(info)
    }

    fn add(&self, mut key: KeyFile, now: Timestamp) -> Result<KeyInfo, KeyError> {
        self.check_owner()?;
        let id = key.info().id;
        if key.is_revoked(&KeyFile::revocations(&self.folder, &self.name)?) {
            return Err(KeyError::Revoked { id });
        }
        key.created_at = self.behind_all(now)?;
        let info = key.info();
        if self.read(now)?.iter().any(|kept| kept.file.info().id == id && !kept.file.is_same(&key)) {
            return Err(KeyError::Taken { id });
        }
        key.write(&self.folder, &self.name, &format!("{}.json", info.created_at.as_millis()))?;
        Ok(info)
    }

    /// Makes the first key, unless another server does so at the same moment.
    pub(super) fn begin(&self, algorithm: SigningAlgorithm, now: Timestamp) -> Result<(), KeyError> {
        // The first one of before may lie there still.
        self.forget(now)?;
        let mut key = KeyFile::made(algorithm, now, now, OVERLAP)?;
        key.created_at = self.behind_all(now)?;
        key.write_first(&self.folder, &self.name)
    }

    /// A moment that is later than those of all keys that are or were here, also where another
    /// server's clock is ahead: what comes later takes the place of what came before.
    fn behind_all(&self, now: Timestamp) -> Result<Timestamp, KeyError> {
        let (files, revocations) =
            (KeyFile::read_all(&self.folder, &self.name)?, KeyFile::revocations(&self.folder, &self.name)?);
        let newest = files.iter().map(|file| file.created_at).chain(revocations.iter().map(Revocation::at)).max();
        Ok(newest.map_or(now, |newest| now.max(newest.plus(Duration::from_millis(1)))))
    }

    /// A file that the server can't read stops the server at its next start.
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

    /// All keys that count, the newest first: those that are to sign, the one that signs, and those
    /// whose tokens may still live.
    ///
    /// # Errors
    /// When one of them can't be read.
    pub fn list(&self, now: Timestamp) -> Result<Vec<KeyInfo>, KeyError> {
        let mut another_signs = false;
        let infos = self.read(now)?.into_iter().map(|Kept { file, served_until }| {
            let info = KeyInfo { served_until: served_until.filter(|_| another_signs), ..file.info() };
            another_signs |= file.has_begun(now);
            info
        });
        Ok(infos.collect())
    }

    /// The keys that count, the newest first.
    pub(super) fn read(&self, now: Timestamp) -> Result<Vec<Kept>, KeyError> {
        Ok(self.read_all(now)?.0)
    }

    /// Removes the keys whose time is over: none of them is to sign, to be served or to be believed
    /// again, whatever becomes of those that have taken their place.
    pub(super) fn forget(&self, now: Timestamp) -> Result<(), KeyError> {
        // The oldest first: one that has ended another goes after it.
        self.read_all(now)?.1.iter().rev().try_for_each(|file| file.remove(&self.folder, &self.name))
    }

    /// The keys that count, and those whose time is over or that were revoked; the newest first.
    fn read_all(&self, now: Timestamp) -> Result<(Vec<Kept>, Vec<KeyFile>), KeyError> {
        let mut files = KeyFile::read_all(&self.folder, &self.name)?;
        // Behind the keys: of one that is revoked meanwhile, the file or the revocation is there.
        let revocations = KeyFile::revocations(&self.folder, &self.name)?;
        files.sort_by_key(|file| std::cmp::Reverse(file.created_at));
        // What each key has ended, those included that are revoked or were taken in again since.
        let of_files = files.iter().filter(|file| !file.is_revoked(&revocations)).map(KeyFile::cut);
        let cuts: Vec<Cut> = revocations.iter().filter_map(Revocation::cut).chain(of_files).collect();
        let mut known = HashSet::new();
        let (mut kept, mut over) = (Vec::new(), Vec::new());
        for file in files {
            let of_file = cuts.iter().filter(|cut| cut.is_of(file.created_at));
            let served_until = of_file.map(|cut| cut.served_until).min();
            // One that was taken in again is the one that was taken in last.
            let is_newest = known.insert(file.info().id);
            if !file.is_revoked(&revocations) && is_newest && served_until.is_none_or(|until| until > now) {
                kept.push(Kept { file, served_until });
            } else if file.is_revoked(&revocations) || served_until.is_some_and(|until| until <= now) {
                over.push(file);
            }
        }
        Ok((kept, over))
    }
}
