//! Where the keys are, and who may use them while they change.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, fchown};
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
    /// Reads the keys. Where the configuration names no place for them, their file is made at the
    /// first start.
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

    /// Opens a secret at its place. A key that isn't known yet may have come since: it is looked
    /// for once more.
    pub(crate) fn open_secret(&self, place: Place<'_>, key: &str, sealed: &[u8]) -> Result<Value, SealError> {
        let opened = self.ring.load().open(place, key, sealed);
        if !matches!(opened, Err(SealError::UnknownKey { .. })) {
            return opened;
        }
        self.read_again()?.open(place, key, sealed)
    }

    /// Begins to seal. What seals has to be dropped when what was sealed is written down: a
    /// rotation waits for that.
    ///
    /// It may wait for a moment, while a rotation writes the file: not to be called where logins
    /// run.
    pub(crate) fn begin(&self) -> Result<Sealing, SealError> {
        let shared = match &self.source {
            Reference::Environment(_) => None,
            Reference::File(file) => {
                self.lock(file)?.map(|lock| lock.lock_shared().map(|()| lock)).transpose().map_err(at(file))?
            }
        };
        Ok(Sealing { ring: self.read_again()?, _shared: shared })
    }

    /// The file that stands for the keys' own while that changes. None where nothing can be made in
    /// its folder: there nobody rotates, either.
    fn lock(&self, file: &Path) -> Result<Option<File>, SealError> {
        match lock_file(file, "lock") {
            Ok(lock) => Ok(Some(lock)),
            Err(error) if matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem) => Ok(None),
            Err(error) => Err(at(file)(error)),
        }
    }

    /// The keys as they are now. Those that were there before stay in memory: a row may have been
    /// read before a rotation has reached it.
    fn read_again(&self) -> Result<Arc<Ring>, SealError> {
        let now = read(&self.source)?;
        // Another thread may do the same at this moment: neither forgets what the other has read.
        let before = self.ring.rcu(|known| now.clone().with_behind(known));
        if before.sealing().id() != now.sealing().id() {
            tracing::info!(key = now.sealing().id(), "secrets are sealed by another key from now on");
        }
        Ok(Arc::new(now.with_behind(&before)))
    }

    /// Holds off everybody else who rotates, for as long as it is kept.
    pub(super) fn rotation(&self) -> Result<File, SealError> {
        let Reference::File(file) = &self.source else { return Err(SealError::InEnvironment) };
        let lock = lock_file(file, "rotation").map_err(at(file))?;
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

/// Writes the first key, unless another server has done so.
fn make(file: &Path) -> Result<(), SealError> {
    if let Some(folder) = file.parent() {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(at(file))?;
    }
    let lock = lock_file(file, "lock").map_err(at(file))?;
    lock.lock().map_err(at(file))?;
    if file.exists() {
        return Ok(());
    }
    replace(file, &Ring::of(vec![Key::random()?]).text()).map_err(at(file))
}

/// Opens the file of a lock, which is made where it isn't there.
fn lock_file(file: &Path, ending: &str) -> io::Result<File> {
    let lock = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(beside(file, ending))?;
    // Who may not do that can't replace the keys, either.
    let _ = give_to_owner(file, &lock);
    Ok(lock)
}

/// The file is the old one or the new one, whatever happens in between. Whoever calls this has the
/// lock: what is left of one who was killed is nobody's any more, and goes, since it has keys.
fn replace(file: &Path, text: &str) -> io::Result<()> {
    let draft = beside(file, "new");
    match std::fs::remove_file(&draft) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut open = OpenOptions::new().create_new(true).write(true).mode(0o600).open(&draft)?;
    let written = open.write_all(text.as_bytes()).and_then(|()| give_to_owner(file, &open)).and_then(|()| open.sync_all());
    written.and_then(|()| std::fs::rename(&draft, file)).inspect_err(|_| {
        let _ = std::fs::remove_file(&draft);
    })?;
    sync_folder(file)
}

/// Gives what was made beside the keys to whom the keys belong: root may rotate them for a server
/// that is somebody else.
fn give_to_owner(file: &Path, made: &File) -> io::Result<()> {
    let owner = match std::fs::metadata(file) {
        Ok(owner) => owner,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    if owner.uid() == made.metadata()?.uid() {
        return Ok(());
    }
    fchown(made, Some(owner.uid()), Some(owner.gid()))
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

    /// What is in the folder of the keys, beside the files that are locked.
    fn left(folder: &tempfile::TempDir) -> Vec<String> {
        let names = std::fs::read_dir(folder.path().join("keys")).unwrap();
        let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| !name.ends_with(".lock") && !name.ends_with(".rotation")).collect()
    }

    fn rotated(ring: &Ring) -> Result<Ring, SealError> {
        Ok(ring.with_first(Key::random()?))
    }

    #[test]
    fn the_file_is_made_once_by_all_who_start_and_for_its_user_alone() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("keys/secrets.keys");
        let started = || SealingKeys::open(&SecretsKey::Kept(file.clone())).unwrap().ring.load().sealing().id().to_owned();
        let ids: Vec<String> = std::thread::scope(|scope| {
            let starting: Vec<_> = (0..8).map(|_| scope.spawn(started)).collect();
            starting.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
        assert_eq!(left(&folder), ["secrets.keys"], "no draft is left");
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o640)).unwrap();
        let open = SealingKeys::open(&SecretsKey::Kept(file)).unwrap_err();
        assert!(matches!(open, SealError::Open { mode: 0o640, .. }), "{open}");
        let named = SealingKeys::open(&SecretsKey::Named(Reference::File(folder.path().join("mistyped")))).unwrap_err();
        assert!(matches!(named, SealError::File { .. }), "a file that is named has to be there: {named}");
    }

    #[test]
    fn what_a_killed_rotation_has_left_goes_with_the_next() {
        let (folder, keys) = keys();
        std::fs::write(folder.path().join("keys/secrets.keys.new"), "half of a ke").unwrap();
        keys.change(rotated).unwrap();
        assert_eq!(left(&folder), ["secrets.keys"]);
        assert_eq!(keys.begin().unwrap().ring().text().lines().count(), 3, "a remark and both keys");
    }

    #[test]
    fn keys_that_root_changes_stay_those_of_their_owner() {
        let (folder, keys) = keys();
        let of = |name: &str| std::fs::metadata(folder.path().join("keys").join(name)).unwrap();
        let root = of("secrets.keys").uid() == 0;
        // Nobody else can give a file away; then all of it is this user's.
        if root {
            std::os::unix::fs::chown(folder.path().join("keys/secrets.keys"), Some(65_534), Some(65_534)).unwrap();
        }
        let owner = of("secrets.keys").uid();
        let _rotation = keys.rotation().unwrap();
        keys.change(rotated).unwrap();
        for name in ["secrets.keys", "secrets.keys.lock", "secrets.keys.rotation"] {
            assert_eq!((of(name).uid(), of(name).mode() & 0o777), (owner, 0o600), "{name}");
        }
    }

    #[test]
    fn a_server_that_runs_takes_up_a_key_that_it_meets() {
        let (folder, keys) = keys();
        let other = SealingKeys::open(&SecretsKey::Kept(folder.path().join("keys/secrets.keys"))).unwrap();
        let old = keys.begin().unwrap().seal(HERE, "before").unwrap();
        other.change(rotated).unwrap();
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
