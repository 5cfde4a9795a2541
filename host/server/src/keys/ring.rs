//! The keys that a running server has at hand.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use cap_std::fs::{Dir, MetadataExt as _};
use jsonwebtoken::jwk::Jwk;
use thiserror::Error;
use vestibule::model::{TenantId, Timestamp};

use super::file::KeyFile;
use super::folder::Kept;
use super::{KeyError, KeyFolder, Purpose, SigningAlgorithm, SigningKey};
use crate::app::App;
use crate::workers::Worker;
use crate::workers::rounds::OneThread;

/// How often it is looked whether keys have come or gone. It costs a look at each folder's time of
/// change.
const EVERY: Duration = Duration::from_secs(1);
/// How often a folder is read whose time of change says nothing new: a file system may keep times
/// by the second, or another host's.
const READ_EVERY: Duration = Duration::from_secs(60);
/// How soon a folder is read again that could not be read.
const RETRY: Duration = Duration::from_secs(5);
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
    /// By the monotonic clock: a machine's time that was wrong for a moment puts nothing off.
    again: Option<Instant>,
    /// The folder could not be read the last time.
    is_behind: bool,
}

/// What stood in the folder.
#[derive(Clone, Debug)]
struct Read {
    /// Counts how often it was read.
    generation: u64,
    names: Vec<String>,
    /// The newest first.
    keys: Vec<RingKey>,
    /// Their public halves, the newest first.
    public: Arc<[Jwk]>,
}

#[derive(Clone, Debug)]
struct RingKey {
    key: Arc<SigningKey>,
    signs_from: Timestamp,
    /// Until when it is served.
    served_until: Option<Timestamp>,
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
            // Where another server makes one at the same moment, it is that one's or ours, and the
            // same for both.
            folder.begin(algorithm, now)?;
        }
        let read = ArcSwap::from_pointee(Read::from(&folder, 0, now)?);
        Ok(Self { folder, read, looked: Mutex::default() })
    }

    /// Looks at the folder again, where something may have changed. Whether it has. `at` is the
    /// moment by the monotonic clock.
    ///
    /// # Errors
    /// When a key can't be used; those that were read before stay, but for those that were revoked,
    /// and those whose time is over.
    pub(crate) fn refresh(&self, now: Timestamp, at: Instant) -> Result<bool, KeyError> {
        let is_due = self.read.load().changes_at().is_some_and(|change| change <= now);
        if !self.is_to_be_read(at) && !is_due {
            return Ok(false);
        }
        let refreshed = self.read_again(now, is_due);
        let mut looked = self.looked();
        looked.is_behind = refreshed.is_err();
        if looked.is_behind {
            looked.again = Some(at + RETRY);
        }
        refreshed
    }

    /// Whether the folder could not be read the last time.
    pub(crate) fn is_behind(&self) -> bool {
        self.looked().is_behind
    }

    fn read_again(&self, now: Timestamp, is_due: bool) -> Result<bool, KeyError> {
        let read = self.read.load_full();
        let names = KeyFile::names(&self.folder.folder, &self.folder.name);
        if !is_due && names.as_ref().is_ok_and(|names| read.names == *names) {
            return Ok(false);
        }
        match names.and_then(|_| Read::from(&self.folder, read.generation + 1, now)) {
            Ok(read) => {
                self.read.store(Arc::new(read));
                Ok(true)
            }
            Err(error) => {
                let revocations = KeyFile::revocations(&self.folder.folder, &self.folder.name).unwrap_or_default();
                let is_revoked = |id: &str| revocations.iter().any(|revoked| revoked.key_id() == id);
                if let Some(fewer) = read.without(now, is_revoked) {
                    self.read.store(Arc::new(fewer));
                }
                Err(error)
            }
        }
    }

    /// Whether the folder may have changed since it was read.
    fn is_to_be_read(&self, at: Instant) -> bool {
        let metadata = self.folder.folder.dir_metadata();
        let changed = metadata.map_or((0, 0), |metadata| (metadata.mtime(), metadata.mtime_nsec()));
        let mut looked = self.looked();
        if looked.changed == changed && looked.again.is_some_and(|again| again > at) {
            return false;
        }
        // By the clock that the file system has.
        let age = Timestamp::now().as_millis().abs_diff(changed.0.unsigned_abs().saturating_mul(1_000));
        let again = if Duration::from_millis(age) < COARSEST { at } else { at + READ_EVERY };
        looked.changed = changed;
        looked.again = Some(again);
        true
    }

    fn looked(&self) -> MutexGuard<'_, Looked> {
        self.looked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts how often the keys were read: a verdict of an earlier count is to be made again.
    pub(crate) fn generation(&self) -> u64 {
        self.read.load().generation
    }

    /// The key that signs: the newest whose time has come; the oldest, where none's has. None where
    /// all of them were revoked, and the one that was made instead can't be read.
    pub(crate) fn signing(&self, now: Timestamp) -> Option<Arc<SigningKey>> {
        let read = self.read.load();
        let signs = read.keys.iter().find(|key| key.signs_from <= now).or_else(|| read.keys.last());
        signs.map(|key| Arc::clone(&key.key))
    }

    /// The key with this id.
    pub(crate) fn find(&self, id: &str) -> Option<Arc<SigningKey>> {
        let read = self.read.load();
        let found = read.keys.iter().find(|key| key.key.id == id);
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
        let key = |Kept { file, served_until }: Kept| {
            Ok(RingKey { key: Arc::new(file.key()?), signs_from: file.signs_from, served_until })
        };
        let keys = folder.read(now)?.into_iter().map(key).collect::<Result<Vec<_>, KeyError>>()?;
        if keys.is_empty() {
            let reason = "the key that was there is gone".to_owned();
            return Err(KeyError::File { file: format!("keys/{}", folder.name), reason });
        }
        Ok(Self { generation, names, public: public(&keys), keys })
    }

    /// Without keys that were revoked, and without those whose time is over; none where all of them
    /// count as before.
    fn without(&self, now: Timestamp, is_revoked: impl Fn(&str) -> bool) -> Option<Self> {
        let counts = |key: &&RingKey| key.served_until.is_none_or(|until| until > now) && !is_revoked(&key.key.id);
        let keys: Vec<RingKey> = self.keys.iter().filter(counts).cloned().collect();
        let is_same = keys.len() == self.keys.len();
        // The names are those that were read: the folder is read again.
        let fewer = Self { generation: self.generation + 1, names: self.names.clone(), public: public(&keys), keys };
        (!is_same).then_some(fewer)
    }

    /// When one of them is served no longer.
    fn changes_at(&self) -> Option<Timestamp> {
        self.keys.iter().filter_map(|key| key.served_until).min()
    }
}

fn public(keys: &[RingKey]) -> Arc<[Jwk]> {
    keys.iter().map(|key| key.key.public.clone()).collect()
}

/// Not all keys could be read. Each tenant's failure is logged already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the signing keys of {0} folders can't be read")]
struct Behind(usize);

/// Takes up keys that have come, and drops those whose time is over, for all tenants that are
/// served, until it is dropped. One thread reads: where a folder hangs, none other is taken for it.
pub(crate) async fn keep_up(app: App) {
    let pulse = app.workers().begin(Worker::Keys);
    let mut reading = OneThread::default();
    loop {
        tokio::time::sleep(EVERY).await;
        let app = app.clone();
        // It reads folders.
        if let Err(error) = pulse.pass(reading.run(move || refresh_all(&app))).await {
            tracing::error!(%error, "the signing keys are not as they are in their folders; it is tried again");
        }
    }
}

fn refresh_all(app: &App) -> Result<(), Behind> {
    let (now, at) = (Timestamp::now(), Instant::now());
    let mut behind = 0;
    for tenant in app.tenants() {
        for (purpose, ring) in [(Purpose::Access, &*tenant.access_keys), (Purpose::Logout, &tenant.logout_keys)] {
            let (tenant, purpose) = (&tenant.settings.id, purpose.as_str());
            match ring.refresh(now, at) {
                Ok(false) => {}
                Ok(true) => tracing::info!(%tenant, purpose, "the signing keys were read again"),
                Err(error) => tracing::error!(%tenant, purpose, %error, "the signing keys stay as they were"),
            }
            behind += usize::from(ring.is_behind());
        }
    }
    if behind == 0 { Ok(()) } else { Err(Behind(behind)) }
}
