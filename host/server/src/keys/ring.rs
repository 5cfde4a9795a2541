//! The keys that a running server has at hand.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use cap_std::fs::Dir;
use jsonwebtoken::jwk::Jwk;
use vestibule::model::{TenantId, Timestamp};

use super::file::KeyFile;
use super::{KeyError, KeyFolder, Purpose, SigningAlgorithm, SigningKey, served_until};
use crate::app::App;

/// How often it is looked whether keys have come or gone.
const EVERY: Duration = Duration::from_secs(60);

/// A tenant's keys for one purpose.
#[derive(Debug)]
pub(crate) struct KeyRing {
    folder: KeyFolder,
    read: ArcSwap<Read>,
}

/// What stood in the folder.
#[derive(Debug)]
struct Read {
    names: Vec<String>,
    newest: RingKey,
    /// Those before it, the newest first.
    older: Vec<RingKey>,
    /// Their public halves, the newest first.
    public: Arc<[Jwk]>,
    /// When one of them is served no longer.
    changes_at: Option<Timestamp>,
}

#[derive(Debug)]
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
            KeyFile::made(algorithm, now, now)?.write_first(&folder.folder, &folder.name)?;
        }
        let read = ArcSwap::from_pointee(Read::from(&folder, now)?);
        Ok(Self { folder, read })
    }

    /// Looks at the folder again, where something may have changed. Whether it has.
    ///
    /// # Errors
    /// When a key can't be used; those that were read before stay.
    pub(crate) fn refresh(&self, now: Timestamp) -> Result<bool, KeyError> {
        let names = KeyFile::names(&self.folder.folder, &self.folder.name)?;
        let read = self.read.load();
        if read.names == names && read.changes_at.is_none_or(|at| at > now) {
            return Ok(false);
        }
        self.read.store(Arc::new(Read::from(&self.folder, now)?));
        Ok(true)
    }

    /// The key that signs: the newest whose time has come; the oldest, where none's has.
    pub(crate) fn signing(&self, now: Timestamp) -> Arc<SigningKey> {
        let read = self.read.load();
        let oldest = read.older.last().unwrap_or(&read.newest);
        Arc::clone(&read.keys().find(|key| key.signs_from <= now).unwrap_or(oldest).key)
    }

    /// The key with this id.
    pub(crate) fn find(&self, id: &str) -> Option<Arc<SigningKey>> {
        self.read.load().keys().find(|key| key.key.id == id).map(|key| Arc::clone(&key.key))
    }

    /// The public halves, as a key set has them.
    ///
    /// They are the same allocation until the keys are read again.
    pub(crate) fn public(&self) -> Arc<[Jwk]> {
        Arc::clone(&self.read.load().public)
    }
}

impl Read {
    fn from(folder: &KeyFolder, now: Timestamp) -> Result<Self, KeyError> {
        let names = KeyFile::names(&folder.folder, &folder.name)?;
        let files = folder.read(now)?;
        let key = |file: &KeyFile| Ok(RingKey { key: Arc::new(file.key()?), signs_from: file.signs_from });
        let Some((newest, older)) = files.split_first() else {
            let reason = "the key that was there is gone".to_owned();
            return Err(KeyError::File { file: format!("keys/{}", folder.name), reason });
        };
        // Each but the last takes the place of the one before.
        let ends = files.iter().rev().skip(1).map(|file| served_until(file.signs_from));
        let changes_at = ends.filter(|end| *end > now).min();
        let older = older.iter().map(key).collect::<Result<Vec<_>, KeyError>>()?;
        let newest = key(newest)?;
        let public = std::iter::once(&newest).chain(&older).map(|key| key.key.public.clone()).collect();
        Ok(Self { names, newest, older, public, changes_at })
    }

    /// The newest first.
    fn keys(&self) -> impl Iterator<Item = &RingKey> {
        std::iter::once(&self.newest).chain(&self.older)
    }
}

/// Takes up keys that have come, and lets go of those whose time is over, for all tenants that are served, until it is dropped.
pub(crate) async fn keep_up(app: App) {
    loop {
        tokio::time::sleep(EVERY).await;
        let app = app.clone();
        // It reads folders. It doesn't panic.
        let _ = tokio::task::spawn_blocking(move || {
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
        })
        .await;
    }
}
