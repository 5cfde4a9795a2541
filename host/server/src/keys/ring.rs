//! The keys that a running server has at hand.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use cap_std::fs::{Dir, MetadataExt as _};
use jsonwebtoken::jwk::Jwk;
use vestibule::model::{TenantId, Timestamp};

use super::file::KeyFile;
use super::{KeyError, KeyFolder, OVERLAP, Purpose, SigningAlgorithm, SigningKey};
use crate::app::App;
use crate::workers::{self, Worker};

/// How often it is looked whether keys have come or gone. It costs a look at each folder's time of change.
const EVERY: Duration = Duration::from_secs(1);
/// How often a folder is read whose time of change says nothing new: a file system may keep times by the second, or another host's.
const READ_EVERY: Duration = Duration::from_secs(60);
/// A folder that was changed so short a time ago may be changed again without another time.
const COARSEST: Duration = Duration::from_secs(3);

/// A tenant's keys for one purpose.
#[derive(Debug)]
pub(crate) struct KeyRing {
    folder: KeyFolder,
    read: ArcSwap<Read>,
    looked: Mutex<Looked>,
}

/// When the folder was read, and its time of change then.
#[derive(Debug, Default)]
struct Looked {
    changed: (i64, i64),
    again: Timestamp,
}

/// What stood in the folder.
#[derive(Clone, Debug)]
struct Read {
    /// Counts how often it was read.
    generation: u64,
    names: Vec<String>,
    newest: RingKey,
    /// Those before it, the newest first.
    older: Vec<RingKey>,
    /// Their public halves, the newest first.
    public: Arc<[Jwk]>,
    /// When one of them is served no longer.
    changes_at: Option<Timestamp>,
    /// Ids of keys that are still in here because the folder can't be read: no token of theirs is right.
    revoked: BTreeSet<String>,
}

#[derive(Clone, Debug)]
struct RingKey {
    key: Arc<SigningKey>,
    signs_from: Timestamp,
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
        if folder.read(now)?.is_empty() {
            // Where another server makes one at the same moment, it is that one's or ours, and the same for both.
            KeyFile::made(algorithm, now, now, OVERLAP)?.write_first(&folder.folder, &folder.name)?;
        }
        let read = ArcSwap::from_pointee(Read::from(&folder, 0, now)?);
        Ok(Self { folder, read, looked: Mutex::default() })
    }

    /// Looks at the folder again, where something may have changed. Whether it has.
    ///
    /// # Errors
    /// When a key can't be used; those that were read before stay, but for those that were revoked.
    pub(crate) fn refresh(&self, now: Timestamp) -> Result<bool, KeyError> {
        let is_due = self.read.load().changes_at.is_some_and(|at| at <= now);
        if !self.is_to_be_read(now) && !is_due {
            return Ok(false);
        }
        let names = KeyFile::names(&self.folder.folder, &self.folder.name)?;
        let read = self.read.load_full();
        if read.names == names && !is_due {
            return Ok(false);
        }
        let generation = read.generation + 1;
        match Read::from(&self.folder, generation, now) {
            Ok(read) => {
                self.read.store(Arc::new(read));
                Ok(true)
            }
            Err(error) => {
                let revocations = KeyFile::revocations(&self.folder.folder, &self.folder.name)?;
                let revoked: BTreeSet<String> = revocations.iter().map(|revoked| revoked.key_id().to_owned()).collect();
                if read.revoked != revoked {
                    let known = read.keys().map(|key| &key.key).filter(|key| !revoked.contains(&key.id));
                    let public = known.map(|key| key.public.clone()).collect();
                    self.read.store(Arc::new(Read { generation, public, revoked, ..(*read).clone() }));
                }
                Err(error)
            }
        }
    }

    /// Whether the folder may have changed since it was read.
    fn is_to_be_read(&self, now: Timestamp) -> bool {
        let metadata = self.folder.folder.dir_metadata();
        let changed = metadata.map_or((0, 0), |metadata| (metadata.mtime(), metadata.mtime_nsec()));
        let mut looked = self.looked.lock().unwrap_or_else(PoisonError::into_inner);
        if looked.changed == changed && looked.again > now {
            return false;
        }
        // By the clock that the file system has, whatever time the caller gives.
        let age = Timestamp::now().as_millis().abs_diff(changed.0.unsigned_abs().saturating_mul(1_000));
        let again = if Duration::from_millis(age) < COARSEST { now } else { now.plus(READ_EVERY) };
        *looked = Looked { changed, again };
        true
    }

    /// Counts how often the keys were read: a verdict of an earlier count is to be made again.
    pub(crate) fn generation(&self) -> u64 {
        self.read.load().generation
    }

    /// The key that signs: the newest whose time has come; the oldest, where none's has.
    pub(crate) fn signing(&self, now: Timestamp) -> Arc<SigningKey> {
        let read = self.read.load();
        let oldest = read.older.last().unwrap_or(&read.newest);
        Arc::clone(&read.keys().find(|key| key.signs_from <= now).unwrap_or(oldest).key)
    }

    /// The key with this id.
    pub(crate) fn find(&self, id: &str) -> Option<Arc<SigningKey>> {
        let read = self.read.load();
        let found = read.keys().find(|key| key.key.id == id).filter(|_| !read.revoked.contains(id));
        found.map(|key| Arc::clone(&key.key))
    }

    /// The public halves, as a key set has them.
    ///
    /// They are the same allocation until the keys are read again.
    pub(crate) fn public(&self) -> Arc<[Jwk]> {
        Arc::clone(&self.read.load().public)
    }
}

impl Read {
    fn from(folder: &KeyFolder, generation: u64, now: Timestamp) -> Result<Self, KeyError> {
        let names = KeyFile::names(&folder.folder, &folder.name)?;
        let files = folder.read(now)?;
        let key = |file: &KeyFile| Ok(RingKey { key: Arc::new(file.key()?), signs_from: file.signs_from });
        let Some((newest, older)) = files.split_first() else {
            let reason = "the key that was there is gone".to_owned();
            return Err(KeyError::File { file: format!("keys/{}", folder.name), reason });
        };
        // Each but the last takes the place of the one before.
        let ends = files.iter().rev().skip(1).map(KeyFile::overlaps_until);
        let changes_at = ends.filter(|end| *end > now).min();
        let older = older.iter().map(key).collect::<Result<Vec<_>, KeyError>>()?;
        let newest = key(newest)?;
        let public = std::iter::once(&newest).chain(&older).map(|key| key.key.public.clone()).collect();
        Ok(Self { generation, names, newest, older, public, changes_at, revoked: BTreeSet::new() })
    }

    /// The newest first.
    fn keys(&self) -> impl Iterator<Item = &RingKey> {
        std::iter::once(&self.newest).chain(&self.older)
    }
}

/// Takes up keys that have come, and lets go of those whose time is over, for all tenants that are served, until it is dropped.
pub(crate) async fn keep_up(app: App) {
    let pulse = app.workers().begin(Worker::Keys);
    loop {
        tokio::time::sleep(EVERY).await;
        let app = app.clone();
        // It reads folders.
        let pass = workers::blocking(move || {
            let now = Timestamp::now();
            for tenant in app.tenants() {
                for (purpose, ring) in [(Purpose::Access, &*tenant.access_keys), (Purpose::Logout, &tenant.logout_keys)] {
                    let (tenant, purpose) = (&tenant.settings.id, purpose.as_str());
                    match ring.refresh(now) {
                        Ok(false) => {}
                        Ok(true) => tracing::info!(%tenant, purpose, "the signing keys were read again"),
                        Err(error) => tracing::error!(%tenant, purpose, %error, "the signing keys stay as they were"),
                    }
                }
            }
            Ok::<_, Infallible>(())
        });
        if let Err(error) = pulse.pass(pass).await {
            tracing::error!(%error, "the signing keys could not be looked at; it is tried again");
        }
    }
}
