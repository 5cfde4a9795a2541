//! Compiled code that is kept: one file for each tenant and component, in one folder, and each with
//! a MAC of this host's key.
//!
//! A file is loaded only where this host can prove that it, or another with its key, has written it
//! for this very tenant, component and engine. Whatever else is found in its place is reported as a
//! [`CacheFault`], compiled again, and replaced.

mod fault;
mod file;
mod key;

use std::io;
use std::sync::{Mutex, PoisonError};

use cap_std::fs::Dir;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use vestibule_model::{ComponentDigest, TenantId};
use zeroize::Zeroizing;

pub use fault::CacheFault;
pub use key::{CacheKey, CacheKeyError};

use crate::error::of_wasmtime;
use crate::loading::fingerprint::Fingerprint;
use file::Read;

/// How a file begins: what it is, and the version of its form. Its MAC follows, and then the code.
const MAGIC: &[u8; 16] = b"vestibule cwasm1";
const MAC: usize = 32;
/// Bytes that SHA-256 takes at a time.
const BLOCK: usize = 64;
const HEADER: usize = MAGIC.len() + MAC;

/// Bytes of all files together, unless an operator says otherwise: an Action in Rust has 500 kB of
/// code, one in Python 40 MB.
const ROOM: u64 = 1 << 30;
/// The part of the room that is written before the folder is looked through again, and made free
/// where there is no room: a folder of ten thousand files takes time to look through, and so each
/// of them pays for a small part of it.
const PART: u64 = 16;

/// A folder of compiled code.
#[derive(Debug)]
pub struct CompilationCache {
    folder: Dir,
    key: CacheKey,
    room: u64,
    /// Bytes that may be written before the folder is looked through.
    unlooked: Mutex<u64>,
}

impl CompilationCache {
    /// A cache in this folder, which is to be its own: when its files have more than a gibibyte
    /// together, some are removed, each time the one of the tenant with most bytes that has not
    /// been loaded for longest. So a tenant with much makes room for itself, and takes none of
    /// another.
    ///
    /// Several hosts can share a folder and its key.
    pub fn new(folder: Dir, key: CacheKey) -> Self {
        Self { folder, key, room: ROOM, unlooked: Mutex::new(0) }
    }

    /// How many bytes its files may have together. Of hosts that share a folder, each beside the
    /// first may be beyond it by a sixteenth.
    #[must_use]
    pub fn room(self, bytes: u64) -> Self {
        Self { room: bytes, ..self }
    }

    /// Where a tenant's component is kept.
    pub(crate) fn entry<'a>(
        &'a self,
        tenant: &'a TenantId,
        fingerprint: &'a Fingerprint,
        component: ComponentDigest,
    ) -> Entry<'a> {
        let component = *component.as_bytes();
        let mut name = Sha256::new();
        name.update(b"vestibule: the name of a file of compiled code, 1");
        subject(tenant, fingerprint, &component, |bytes| name.update(bytes));
        let owner = Sha256::new_with_prefix(b"vestibule: whose a file of compiled code is, 1").chain_update(tenant.as_str());
        let name = format!("{}-{}.cwasm", hex(&owner.finalize()[..8]), hex(&name.finalize()));
        Entry { cache: self, tenant, fingerprint, component, name }
    }

    /// Records that this number of bytes was written, into this file. Evicts where the folder may
    /// have exceeded its budget: no sooner is it listed.
    fn make_room(&self, written: &str, bytes: u64) -> io::Result<()> {
        // Others that write wait meanwhile: it is for all of them.
        let mut unlooked = self.unlooked.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(left) = unlooked.checked_sub(bytes) {
            *unlooked = left;
            return Ok(());
        }
        *unlooked = 0;
        let part = self.room / PART;
        let taken = file::make_room(&self.folder, written, self.room, self.room - part)?;
        *unlooked = part.min(self.room.saturating_sub(taken));
        Ok(())
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What a file is for, each part at its own place: nothing of one can be taken for something of
/// another.
fn subject(tenant: &TenantId, fingerprint: &Fingerprint, component: &[u8; 32], mut take: impl FnMut(&[u8])) {
    take(fingerprint.bytes());
    take(component);
    take(&(tenant.as_str().len() as u64).to_le_bytes());
    take(tenant.as_str().as_bytes());
}

/// One file of the cache, there or not.
pub(crate) struct Entry<'a> {
    cache: &'a CompilationCache,
    tenant: &'a TenantId,
    fingerprint: &'a Fingerprint,
    component: [u8; 32],
    name: String,
}

/// Code from a file whose MAC is right. Only [`Entry::read`] makes one.
pub(crate) struct Verified(Vec<u8>);

impl Verified {
    pub(crate) fn code(&self) -> &[u8] {
        self.0.get(HEADER..).unwrap_or_default()
    }
}

impl Entry<'_> {
    /// The code, where it is there and this host's own.
    ///
    /// # Errors
    /// When something else is in its place.
    pub(crate) fn read(&self, compiled_bytes: usize) -> Result<Option<Verified>, CacheFault> {
        let name = || self.name.clone();
        let limit = compiled_bytes.saturating_add(HEADER);
        let read = file::read(&self.cache.folder, &self.name, limit)
            .map_err(|error| CacheFault::Unreadable { file: name(), reason: error.to_string() })?;
        let bytes = match read {
            Read::Nothing => return Ok(None),
            Read::NoFile(what) => return Err(CacheFault::NoFile { file: name(), what }),
            Read::TooLarge(given) => return Err(CacheFault::TooLarge { file: name(), given, limit }),
            Read::Bytes(bytes) => bytes,
        };
        match bytes.split_at_checked(HEADER).map(|(header, code)| (header.split_at(MAGIC.len()), code)) {
            Some(((magic, mac), code)) if magic == MAGIC && self.mac(code).verify_slice(mac).is_ok() => Ok(Some(Verified(bytes))),
            _ => Err(CacheFault::NotOurs { file: name() }),
        }
    }

    /// Keeps this code, in place of whatever is there.
    ///
    /// # Errors
    /// When it can't be written. What was there before may still be there.
    pub(crate) fn write(&self, code: &[u8]) -> Result<(), CacheFault> {
        let mac = self.mac(code).finalize().into_bytes();
        file::replace(&self.cache.folder, &self.name, &[MAGIC, &mac, code])
            .and_then(|()| self.cache.make_room(&self.name, (HEADER + code.len()) as u64))
            .map_err(|error: io::Error| CacheFault::NotKept { file: self.name.clone(), reason: error.to_string() })
    }

    /// The fault of a file whose MAC is right, and whose code wasmtime refuses all the same.
    pub(crate) fn not_loaded(&self, error: &wasmtime::Error) -> CacheFault {
        CacheFault::NotLoaded { file: self.name.clone(), reason: of_wasmtime(error) }
    }

    fn mac(&self, code: &[u8]) -> Hmac<Sha256> {
        // A whole block: HMAC itself fills a key up with zeros.
        let mut block = Zeroizing::new([0; BLOCK]);
        block[..self.cache.key.bytes().len()].copy_from_slice(self.cache.key.bytes());
        let mut mac = Hmac::<Sha256>::new((&*block).into());
        mac.update(b"vestibule: the MAC of a file of compiled code, 1");
        subject(self.tenant, self.fingerprint, &self.component, |bytes| mac.update(bytes));
        mac.update(code);
        mac
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cap_std::ambient_authority;

    fn fingerprint() -> Fingerprint {
        Fingerprint::of(&wasmtime::Engine::default())
    }

    fn tenant(name: &str) -> TenantId {
        name.parse().unwrap()
    }

    fn cache(folder: &tempfile::TempDir, key: u8) -> CompilationCache {
        let folder = Dir::open_ambient_dir(folder.path(), ambient_authority()).unwrap();
        CompilationCache::new(folder, CacheKey::from_bytes([key; 32]))
    }

    #[test]
    fn each_part_of_what_a_file_is_for_has_a_name_and_a_mac_of_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let (cache, fingerprint) = (cache(&folder, 1), fingerprint());
        let (acme, other) = (tenant("acme"), tenant("acme2"));
        let entry = cache.entry(&acme, &fingerprint, ComponentDigest::of(b"component"));
        entry.write(b"code").unwrap();
        assert_eq!(entry.read(100).unwrap().unwrap().code(), b"code");
        for another in [
            cache.entry(&other, &fingerprint, ComponentDigest::of(b"component")),
            cache.entry(&acme, &fingerprint, ComponentDigest::of(b"component2")),
        ] {
            assert_ne!(another.name, entry.name);
            assert!(another.read(100).unwrap().is_none());
            std::fs::copy(folder.path().join(&entry.name), folder.path().join(&another.name)).unwrap();
            assert!(matches!(another.read(100), Err(CacheFault::NotOurs { .. })));
        }
    }

    #[test]
    fn no_bit_of_a_file_can_be_another_and_none_of_its_bytes_can_be_missing() {
        let folder = tempfile::tempdir().unwrap();
        let (cache, fingerprint, acme) = (cache(&folder, 1), fingerprint(), tenant("acme"));
        let entry = cache.entry(&acme, &fingerprint, ComponentDigest::of(b"component"));
        entry.write(b"code").unwrap();
        let file = folder.path().join(&entry.name);
        let whole = std::fs::read(&file).unwrap();
        for bit in 0..whole.len() * 8 {
            let mut flipped = whole.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            std::fs::write(&file, flipped).unwrap();
            assert!(matches!(entry.read(100), Err(CacheFault::NotOurs { .. })), "bit {bit}");
        }
        for length in 0..whole.len() {
            std::fs::write(&file, &whole[..length]).unwrap();
            assert!(matches!(entry.read(100), Err(CacheFault::NotOurs { .. })), "{length} bytes");
        }
        std::fs::write(&file, &whole).unwrap();
        assert!(entry.read(4).unwrap().is_some());
        assert!(matches!(entry.read(3), Err(CacheFault::TooLarge { given: 52, limit: 51, .. })));
    }

    #[test]
    fn what_has_not_been_loaded_for_longest_makes_room() {
        let folder = tempfile::tempdir().unwrap();
        let (cache, fingerprint, acme) = (cache(&folder, 1).room(250), fingerprint(), tenant("acme"));
        let entries: Vec<Entry<'_>> =
            (0..4).map(|place| cache.entry(&acme, &fingerprint, ComponentDigest::of(&[place]))).collect();
        for entry in &entries[..3] {
            entry.write(&[0; 100 - HEADER]).unwrap();
            // File systems tell times to some milliseconds.
            std::thread::sleep(std::time::Duration::from_millis(20));
            entries[0].read(100).unwrap().unwrap();
        }
        entries[3].write(&[0; 100 - HEADER]).unwrap();
        let there = entries.iter().map(|entry| entry.read(100).unwrap().is_some()).collect::<Vec<_>>();
        assert_eq!(there, [true, false, false, true]);
    }

    #[test]
    fn a_tenant_with_much_makes_room_for_itself_and_takes_none_of_another() {
        let folder = tempfile::tempdir().unwrap();
        let (cache, fingerprint) = (cache(&folder, 1).room(1_000), fingerprint());
        let (quiet, busy) = (tenant("quiet"), tenant("busy"));
        let entry = |tenant, number: u8| cache.entry(tenant, &fingerprint, ComponentDigest::of(&[number]));
        for number in 0..3 {
            entry(&quiet, number).write(&[0; 100 - HEADER]).unwrap();
        }
        for number in 0..50 {
            entry(&busy, number).write(&[0; 100 - HEADER]).unwrap();
        }
        let there = |tenant| (0..50).filter(|number| entry(tenant, *number).read(100).unwrap().is_some()).count();
        assert_eq!(there(&quiet), 3);
        assert!((1..=7).contains(&there(&busy)), "{}", there(&busy));
        assert!(entry(&busy, 49).read(100).unwrap().is_some(), "what was written last is there");
    }

    #[test]
    fn a_folder_is_looked_through_when_a_part_of_its_room_has_been_written_and_not_before() {
        let folder = tempfile::tempdir().unwrap();
        let (cache, fingerprint, acme) = (cache(&folder, 1).room(16_000), fingerprint(), tenant("acme"));
        let write = |number: u8| {
            cache.entry(&acme, &fingerprint, ComponentDigest::of(&[number])).write(&[0; 100 - HEADER]).unwrap();
        };
        write(0);
        // As if another host had written it.
        let others = folder.path().join("another-much.cwasm");
        std::fs::write(&others, [0; 20_000]).unwrap();
        for number in 1..=10 {
            write(number);
            assert!(others.exists(), "after {number}");
        }
        write(11);
        assert!(!others.exists());
    }

    #[test]
    fn hosts_that_share_a_folder_share_its_room() {
        let folder = tempfile::tempdir().unwrap();
        let (caches, fingerprint, acme) = ([1, 1].map(|key| cache(&folder, key).room(1_600)), fingerprint(), tenant("acme"));
        for number in 0..100 {
            let host = &caches[usize::from(number % 3 == 0)];
            host.entry(&acme, &fingerprint, ComponentDigest::of(&[number])).write(&[0; 60 - HEADER]).unwrap();
            let all: u64 = std::fs::read_dir(folder.path()).unwrap().map(|file| file.unwrap().metadata().unwrap().len()).sum();
            assert!(all <= 1_600 + 100, "{all} bytes after {number}");
        }
    }
}
