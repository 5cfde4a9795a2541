//! Where the keys are, and who may use them while they change.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use zeroize::Zeroizing;

use super::ring::{Key, Ring};
use super::{Place, SealError, Sealed, Value};
use crate::config::{Reference, SecretsKey};

/// The permissions of everybody but the file's owner.
const OTHERS: u32 = 0o077;

/// The keys that secrets of deployed Actions are sealed by.
#[derive(Debug)]
pub struct SealingKeys {
    source: Reference,
    ring: ArcSwap<Ring>,
}

/// That secrets may be sealed: as long as this lives, no rotation forgets the key.
#[derive(Debug)]
pub(crate) struct Sealing {
    ring: Arc<Ring>,
    _shared: Option<File>,
}

impl Sealing {
    pub(super) fn ring(&self) -> Arc<Ring> {
        Arc::clone(&self.ring)
    }

    /// Seals a secret for its place.
    pub(crate) fn seal(&self, place: Place<'_>, value: &str) -> Result<Sealed, SealError> {
        self.ring.seal(place, value)
    }
}

impl SealingKeys {
    /// Reads the keys. Where the configuration names no place for them, their file is made at the first start.
    ///
    /// # Errors
    /// When they can't be read, others can read them, or they are none.
    pub fn open(keys: &SecretsKey) -> Result<Self, SealError> {
        let source = match keys {
            SecretsKey::Kept(file) => {
                if !file.exists() {
                    make(file)?;
                }
                Reference::File(file.clone())
            }
            SecretsKey::Named(reference) => reference.clone(),
        };
        let ring = ArcSwap::from_pointee(read(&source)?);
        Ok(Self { source, ring })
    }

    pub(super) fn source(&self) -> &Reference {
        &self.source
    }

    /// The id of the key that seals.
    pub fn sealing(&self) -> String {
        self.ring.load().sealing().id().to_owned()
    }

    /// Opens a secret at its place. A key that isn't known yet may have come since: it is looked for once more.
    pub(crate) fn open_secret(&self, place: Place<'_>, key: &str, sealed: &[u8]) -> Result<Value, SealError> {
        let opened = self.ring.load().open(place, key, sealed);
        if !matches!(opened, Err(SealError::UnknownKey { .. })) {
            return opened;
        }
        self.read_again()?.open(place, key, sealed)
    }

    /// Begins to seal. What seals has to be dropped when what was sealed is written down: a rotation waits for that.
    ///
    /// It may wait for a moment, while a rotation writes the file: not to be called where logins run.
    pub(crate) fn begin(&self) -> Result<Sealing, SealError> {
        let shared = match &self.source {
            Reference::Environment(_) => None,
            Reference::File(file) => {
                self.lock(file)?.map(|lock| lock.lock_shared().map(|()| lock)).transpose().map_err(at(file))?
            }
        };
        Ok(Sealing { ring: self.read_again()?, _shared: shared })
    }

    /// The file that stands for the keys' own while that changes. None where nothing can be made in its folder: there nobody rotates, either.
    fn lock(&self, file: &Path) -> Result<Option<File>, SealError> {
        let opened = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(beside(file, "lock"));
        match opened {
            Ok(lock) => Ok(Some(lock)),
            Err(error) if matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem) => Ok(None),
            Err(error) => Err(at(file)(error)),
        }
    }

    /// The keys as they are now. Those that were there before stay in memory: a row may have been read before a rotation has reached it.
    fn read_again(&self) -> Result<Arc<Ring>, SealError> {
        let now = read(&self.source)?;
        let known: Vec<String> = self.ring.load().ids().map(str::to_owned).collect();
        if !now.ids().eq(known.iter().map(String::as_str)) {
            tracing::info!(key = now.sealing().id(), "the keys of secrets have changed");
        }
        let ring = Arc::new(now.with_behind(&self.ring.load()));
        self.ring.store(Arc::clone(&ring));
        Ok(ring)
    }

    /// Holds off everybody else who rotates, for as long as it is kept.
    pub(super) fn rotation(&self) -> Result<File, SealError> {
        let Reference::File(file) = &self.source else { return Err(SealError::InEnvironment) };
        let opened = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(beside(file, "rotation"));
        let lock = opened.map_err(at(file))?;
        match lock.try_lock() {
            Ok(()) => Ok(lock),
            Err(std::fs::TryLockError::WouldBlock) => Err(SealError::Rotating),
            Err(std::fs::TryLockError::Error(error)) => Err(at(file)(error)),
        }
    }

    /// Makes other keys of those that are in the file, when nobody seals.
    pub(super) fn change(&self, change: impl FnOnce(&Ring) -> Result<Ring, SealError>) -> Result<Arc<Ring>, SealError> {
        let Reference::File(file) = &self.source else { return Err(SealError::InEnvironment) };
        let lock = self.lock(file)?.ok_or_else(|| at(file)(io::ErrorKind::PermissionDenied.into()))?;
        lock.lock().map_err(at(file))?;
        let changed = change(&read(&self.source)?)?;
        replace(file, &changed.text()).map_err(at(file))?;
        self.read_again()
    }
}

fn at(file: &Path) -> impl Fn(io::Error) -> SealError + use<> {
    let file = file.to_owned();
    move |error| SealError::File { file: file.clone(), reason: error.to_string() }
}

/// `secrets.keys.lock` beside `secrets.keys`.
fn beside(file: &Path, ending: &str) -> PathBuf {
    let mut name = file.file_name().unwrap_or_default().to_owned();
    name.push(".");
    name.push(ending);
    file.with_file_name(name)
}

/// Writes the first key, unless another server does so at the same moment.
fn make(file: &Path) -> Result<(), SealError> {
    let ring = Ring::of(vec![Key::random()?]);
    if let Some(folder) = file.parent() {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(at(file))?;
    }
    let draft = draft(file, &ring.text()).map_err(at(file))?;
    let linked = std::fs::hard_link(&draft, file);
    let removed = std::fs::remove_file(&draft);
    match linked {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => removed,
        linked => linked.and(removed),
    }
    .and_then(|()| sync_folder(file))
    .map_err(at(file))
}

/// The file is the old one or the new one, whatever happens in between.
fn replace(file: &Path, text: &str) -> io::Result<()> {
    let draft = draft(file, text)?;
    std::fs::rename(&draft, file).inspect_err(|_| {
        let _ = std::fs::remove_file(&draft);
    })?;
    sync_folder(file)
}

fn draft(file: &Path, text: &str) -> io::Result<PathBuf> {
    let draft = beside(file, &crate::request::random_id());
    let mut open = OpenOptions::new().create_new(true).write(true).mode(0o600).open(&draft)?;
    let written = open.write_all(text.as_bytes()).and_then(|()| open.sync_all());
    written.inspect_err(|_| {
        let _ = std::fs::remove_file(&draft);
    })?;
    Ok(draft)
}

fn sync_folder(file: &Path) -> io::Result<()> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}

fn read(source: &Reference) -> Result<Ring, SealError> {
    match source {
        Reference::Environment(name) => Ring::parse(&source.value()?, name),
        Reference::File(file) => {
            let mut open = File::open(file).map_err(at(file))?;
            let mode = open.metadata().map_err(at(file))?.mode() & 0o777;
            if mode & OTHERS != 0 {
                return Err(SealError::Open { file: file.clone(), mode });
            }
            let mut text = Zeroizing::new(String::new());
            open.read_to_string(&mut text).map_err(at(file))?;
            Ring::parse(&text, &file.display().to_string())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    const HERE: Place<'_> = Place { tenant: "acme", action: "a", name: "KEY" };

    fn keys() -> (tempfile::TempDir, SealingKeys) {
        let folder = tempfile::tempdir().unwrap();
        let keys = SealingKeys::open(&SecretsKey::Kept(folder.path().join("keys/secrets.keys"))).unwrap();
        (folder, keys)
    }

    #[test]
    fn the_file_is_made_once_and_for_its_user_alone() {
        let (folder, keys) = keys();
        let file = folder.path().join("keys/secrets.keys");
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        let again = SealingKeys::open(&SecretsKey::Kept(file.clone())).unwrap();
        assert_eq!(again.sealing(), keys.sealing());
        assert_eq!(std::fs::read_dir(folder.path().join("keys")).unwrap().count(), 1, "no draft is left");
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o640)).unwrap();
        let open = SealingKeys::open(&SecretsKey::Kept(file)).unwrap_err();
        assert!(matches!(open, SealError::Open { mode: 0o640, .. }), "{open}");
        let named = SealingKeys::open(&SecretsKey::Named(Reference::File(folder.path().join("mistyped")))).unwrap_err();
        assert!(matches!(named, SealError::File { .. }), "a file that is named has to be there: {named}");
    }

    #[test]
    fn a_server_that_runs_takes_up_a_key_that_it_meets() {
        let (folder, keys) = keys();
        let other = SealingKeys::open(&SecretsKey::Kept(folder.path().join("keys/secrets.keys"))).unwrap();
        let old = keys.begin().unwrap().seal(HERE, "before").unwrap();
        other.change(|ring| Ok(ring.with_first(Key::random()?))).unwrap();
        let new = other.begin().unwrap().seal(HERE, "now").unwrap();
        assert_ne!(old.key, new.key);
        other.change(|ring| Ok(ring.first_alone())).unwrap();
        assert_eq!(&*keys.open_secret(HERE, &new.key, &new.bytes).unwrap(), "now");
        assert_eq!(
            &*keys.open_secret(HERE, &old.key, &old.bytes).unwrap(),
            "before",
            "it was read before the rotation has ended"
        );
        assert_eq!(keys.begin().unwrap().seal(HERE, "next").unwrap().key, new.key);
    }

    #[test]
    fn keys_do_not_change_while_somebody_seals() {
        let (folder, keys) = keys();
        let sealing = keys.begin().unwrap();
        let lock = keys.lock(&folder.path().join("keys/secrets.keys")).unwrap().unwrap();
        assert!(matches!(lock.try_lock(), Err(std::fs::TryLockError::WouldBlock)));
        drop(sealing);
        assert!(lock.try_lock().is_ok());
    }
}
