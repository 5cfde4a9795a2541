//! Keys, and what they do.

use std::fmt::{self, Write as _};

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::{Place, SealError, Sealed, Value};

/// Bytes of a key.
const KEY_BYTES: usize = 32;
/// How what is sealed begins: the next way to seal has another number.
const FORMAT: u8 = 1;
/// How a file of keys begins, for people.
const REMARK: &str = "# Secrets of Actions are sealed by the first key, and opened by all of them.\n";
/// A key in base64, and the end of its line.
const LINE: usize = KEY_BYTES.div_ceil(3) * 4 + 1;
/// What a key's id is a hash of, before the key itself.
const ID_DOMAIN: &[u8] = b"vestibule secrets' key id 1";

/// A key. It is overwritten when it is dropped.
#[derive(Clone)]
pub(super) struct Key {
    id: String,
    bytes: Zeroizing<[u8; KEY_BYTES]>,
}

impl Key {
    /// A key that is new.
    pub(super) fn random() -> Result<Self, SealError> {
        let mut bytes = Zeroizing::new([0; KEY_BYTES]);
        getrandom::fill(&mut *bytes).map_err(|_| SealError::NoRandomNumbers)?;
        Ok(Self::of(bytes))
    }

    fn of(bytes: Zeroizing<[u8; KEY_BYTES]>) -> Self {
        let hash = Sha256::new_with_prefix(ID_DOMAIN).chain_update(bytes.as_slice()).finalize();
        let mut id = String::new();
        for byte in &hash[..8] {
            // Writing into a text does not fail.
            let _ = write!(id, "{byte:02x}");
        }
        Self { id, bytes }
    }

    /// Its name: a part of its hash.
    pub(super) fn id(&self) -> &str {
        &self.id
    }

    fn cipher(&self) -> Option<RandomizedNonceKey> {
        RandomizedNonceKey::new(&AES_256_GCM, &*self.bytes).ok()
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key").field("id", &self.id).finish_non_exhaustive()
    }
}

/// Keys: the first one seals, all of them open.
#[derive(Clone, Debug)]
pub(super) struct Ring {
    /// Never empty.
    keys: Vec<Key>,
}

impl Ring {
    /// A ring of these keys, of which there is one at least.
    pub(super) fn of(keys: Vec<Key>) -> Self {
        Self { keys }
    }

    /// Reads keys in base64 with white space between them. A line that begins with `#` says
    /// something for people.
    pub(super) fn parse(text: &str, place: &str) -> Result<Self, SealError> {
        let malformed = |what| SealError::Malformed { place: place.to_owned(), what };
        let mut keys = Vec::new();
        for word in text.lines().filter(|line| !line.trim_start().starts_with('#')).flat_map(str::split_whitespace) {
            let mut bytes = Zeroizing::new([0; KEY_BYTES]);
            let decoded = Zeroizing::new(STANDARD.decode(word).map_err(|_| malformed("a word is no base64"))?);
            if decoded.len() != KEY_BYTES {
                return Err(malformed("a key has not 32 bytes"));
            }
            bytes.copy_from_slice(&decoded);
            keys.push(Key::of(bytes));
        }
        if keys.is_empty() { Err(malformed("there is none")) } else { Ok(Self { keys }) }
    }

    /// As it is read.
    pub(super) fn text(&self) -> Zeroizing<String> {
        // As long as it will be: where it grew, a part of it would be left behind in memory.
        let mut text = Zeroizing::new(String::with_capacity(REMARK.len() + self.keys.len() * LINE));
        text.push_str(REMARK);
        for key in &self.keys {
            let base64 = Zeroizing::new(STANDARD.encode(key.bytes.as_slice()));
            text.push_str(&base64);
            text.push('\n');
        }
        text
    }

    /// The key that seals.
    pub(super) fn sealing(&self) -> &Key {
        &self.keys[0]
    }

    /// With this key before all others.
    pub(super) fn with_first(&self, key: Key) -> Self {
        Self { keys: std::iter::once(key).chain(self.keys.iter().cloned()).collect() }
    }

    /// With its first key alone.
    pub(super) fn first_alone(&self) -> Self {
        Self { keys: vec![self.sealing().clone()] }
    }

    /// With those of an older one behind, which may still be needed for a moment.
    pub(super) fn with_behind(mut self, older: &Self) -> Self {
        for key in &older.keys {
            if !self.keys.iter().any(|known| known.id == key.id) {
                self.keys.push(key.clone());
            }
        }
        self
    }

    pub(super) fn seal(&self, place: Place<'_>, value: &str) -> Result<Sealed, SealError> {
        let key = self.sealing();
        // With room for the tag: where it grew, the value would be left behind in memory.
        let mut text = Zeroizing::new(Vec::with_capacity(value.len() + AES_256_GCM.tag_len()));
        text.extend_from_slice(value.as_bytes());
        let cipher = key.cipher().ok_or(SealError::NoRandomNumbers)?;
        let nonce = cipher.seal_in_place_append_tag(Aad::from(place.associated()), &mut *text);
        let nonce = nonce.map_err(|_| SealError::NoRandomNumbers)?;
        let bytes = [&[FORMAT][..], nonce.as_ref(), &text].concat();
        Ok(Sealed { key: key.id.clone(), bytes })
    }

    pub(super) fn open(&self, place: Place<'_>, key: &str, sealed: &[u8]) -> Result<Value, SealError> {
        let name = || place.name.to_owned();
        let found = self.keys.iter().find(|known| known.id == key);
        let found = found.ok_or_else(|| SealError::UnknownKey { name: name(), key: key.to_owned() })?;
        let broken = || SealError::Broken { name: name() };
        let rest = sealed.strip_prefix(&[FORMAT]).ok_or_else(broken)?;
        let (nonce, text) = rest.split_at_checked(NONCE_LEN).ok_or_else(broken)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| broken())?;
        let mut text = Zeroizing::new(text.to_vec());
        let cipher = found.cipher().ok_or_else(broken)?;
        let opened = cipher.open_in_place(nonce, Aad::from(place.associated()), &mut text).map_err(|_| broken())?;
        std::str::from_utf8(opened).map(|value| Zeroizing::new(value.to_owned())).map_err(|_| broken())
    }
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sealed").field("key", &self.key).field("bytes", &self.bytes.len()).finish()
    }
}
