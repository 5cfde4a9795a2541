//! The key that makes a file of compiled code this host's own.

use std::fmt;
use std::io::{self, Read as _, Write as _};

use cap_fs_ext::{FollowSymlinks, OpenOptionsFollowExt as _, OpenOptionsSyncExt as _};
use cap_std::fs::{Dir, MetadataExt as _, OpenOptions};
use thiserror::Error;
use zeroize::Zeroizing;

use super::file::new_file;

/// Bytes of a key.
const LENGTH: usize = 32;
/// The permissions of everybody but the file's owner.
const OTHERS: u32 = 0o077;

/// A key of 32 bytes. Its owner can make this host run any machine code: it is stored as a
/// secret is, overwritten when it is dropped, and never shown by `Debug`.
#[derive(Clone)]
pub struct CacheKey(Zeroizing<[u8; LENGTH]>);

impl CacheKey {
    /// A key that the embedder keeps: random bytes, in a secret store for instance.
    pub fn from_bytes(bytes: [u8; LENGTH]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The key in a file that this user alone can read. Where the file is missing, it is made from
    /// the operating system's random numbers. The folder is not to be the cache's own.
    ///
    /// # Errors
    /// When the file is no key, others can read it, or it can neither be read nor made.
    pub fn kept_in(folder: &Dir, file: &str) -> Result<Self, CacheKeyError> {
        let failed = |error: io::Error| CacheKeyError::Io { file: file.to_owned(), reason: error.to_string() };
        if let Some(key) = Self::read(folder, file)? {
            return Ok(key);
        }
        let mut key = Zeroizing::new([0; LENGTH]);
        getrandom::fill(&mut *key).map_err(|error| failed(io::Error::other(error)))?;
        let (temporary, mut new) = new_file(folder, file).map_err(failed)?;
        let written = new.write_all(&*key).and_then(|()| new.sync_all());
        // A link, which replaces nothing: of two hosts that begin at once, both take the key of the
        // first.
        let made = written.and_then(|()| folder.hard_link(&temporary, folder, file));
        let _ = folder.remove_file(&temporary);
        match made {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(failed(error)),
            _ => Self::read(folder, file)?.ok_or_else(|| failed(io::ErrorKind::NotFound.into())),
        }
    }

    fn read(folder: &Dir, name: &str) -> Result<Option<Self>, CacheKeyError> {
        let failed = |error: io::Error| CacheKeyError::Io { file: name.to_owned(), reason: error.to_string() };
        let mut options = OpenOptions::new();
        options.read(true).follow(FollowSymlinks::No).nonblock(true);
        let mut file = match folder.open_with(name, &options) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        let metadata = file.metadata().map_err(failed)?;
        if !metadata.is_file() || metadata.len() != LENGTH as u64 {
            return Err(CacheKeyError::NoKey { file: name.to_owned() });
        }
        let mine = metadata.uid() == rustix::process::geteuid().as_raw();
        if !mine || metadata.mode() & OTHERS != 0 {
            return Err(CacheKeyError::OthersCanRead { file: name.to_owned() });
        }
        let mut key = Zeroizing::new([0; LENGTH]);
        file.read_exact(&mut *key).map_err(failed)?;
        Ok(Some(Self(key)))
    }

    pub(super) fn bytes(&self) -> &[u8; LENGTH] {
        &self.0
    }
}

impl fmt::Debug for CacheKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(key)")
    }
}

/// Why a cache's key can't be had.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CacheKeyError {
    /// It is not a file of 32 bytes.
    #[error("{file} is no key of {LENGTH} bytes; remove it, and a new one is made")]
    NoKey {
        /// The file's name.
        file: String,
    },
    /// It is another user's, or its permissions are too wide.
    #[error("the key {file} is to be this user's own, with mode 0600; remove it, and a new one is made")]
    OthersCanRead {
        /// The file's name.
        file: String,
    },
    /// The operating system doesn't give it.
    #[error("the key {file} can neither be read nor made: {reason}")]
    Io {
        /// The file's name.
        file: String,
        /// What the operating system says.
        reason: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use cap_std::ambient_authority;
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt as _;

    fn opened(folder: &tempfile::TempDir) -> Dir {
        Dir::open_ambient_dir(folder.path(), ambient_authority()).unwrap()
    }

    #[test]
    fn a_key_is_made_once_for_all_who_ask_and_is_its_owners_alone() {
        let folder = tempfile::tempdir().unwrap();
        let asked = || *CacheKey::kept_in(&opened(&folder), "key").unwrap().bytes();
        let keys: Vec<[u8; LENGTH]> = std::thread::scope(|scope| {
            let asking: Vec<_> = (0..8).map(|_| scope.spawn(asked)).collect();
            asking.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(keys.iter().all(|key| *key == keys[0] && *key != [0; LENGTH]));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else is left");
        let mode = std::fs::metadata(folder.path().join("key")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(format!("{:?}", CacheKey::kept_in(&opened(&folder), "key").unwrap()), "(key)");
    }

    #[test]
    fn what_others_can_read_is_no_key_nor_is_a_link_or_a_file_of_another_length() {
        let folder = tempfile::tempdir().unwrap();
        let asked = || CacheKey::kept_in(&opened(&folder), "key").unwrap_err();
        let file = folder.path().join("key");
        std::fs::write(&file, [7; LENGTH]).unwrap();
        std::fs::set_permissions(&file, Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(asked(), CacheKeyError::OthersCanRead { .. }));
        std::fs::write(&file, [7; LENGTH + 1]).unwrap();
        assert!(matches!(asked(), CacheKeyError::NoKey { .. }));
        std::fs::remove_file(&file).unwrap();
        std::fs::write(folder.path().join("elsewhere"), [7; LENGTH]).unwrap();
        std::os::unix::fs::symlink("elsewhere", &file).unwrap();
        assert!(matches!(asked(), CacheKeyError::Io { .. }));
    }
}
