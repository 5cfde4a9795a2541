//! A key's file.

use std::io::{Read as _, Write as _};
use std::time::Duration;

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, RsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cap_std::fs::{Dir, MetadataExt as _, OpenOptions, OpenOptionsExt as _};
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject as _;
use serde::{Deserialize, Serialize};
use vestibule::model::Timestamp;
use zeroize::Zeroizing;

use super::{KeyError, KeyInfo, OVERLAP, SigningAlgorithm, SigningKey};

/// A key as it is kept.
pub(super) struct KeyFile {
    id: String,
    algorithm: SigningAlgorithm,
    pub(super) created_at: Timestamp,
    pub(super) signs_from: Timestamp,
    /// How long those before it are served after that.
    overlap: Duration,
    /// Of its public half (RFC 7638): the same for one key, whatever id it has.
    thumbprint: String,
    pem: Zeroizing<String>,
    /// Where it was read from; empty for one that is not written yet.
    file: String,
}

/// That a key was revoked. The key itself is gone.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Revocation {
    key_id: String,
    /// Of its public half (RFC 7638).
    thumbprint: String,
    revoked_at: Timestamp,
    /// What the key had ended: this stays, so that no older key counts again when it is gone. None
    /// of a key that had not begun to sign.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cut: Option<Cut>,
}

/// Until when the keys before one are served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Cut {
    /// Those that were made before this moment.
    made_before: Timestamp,
    pub(super) served_until: Timestamp,
}

impl Cut {
    /// Whether it is about a key that was made at this moment.
    pub(super) fn is_of(&self, created_at: Timestamp) -> bool {
        created_at < self.made_before
    }
}

/// How files of revocations end.
const REVOKED: &str = ".revoked";
/// How files of keys end.
const KEY: &str = ".json";

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    key_id: String,
    created_at: Timestamp,
    /// From its first moment on, where it doesn't say.
    signs_from: Option<Timestamp>,
    /// How long those before it are served after that, in seconds; 48 hours, where it doesn't say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    overlap: Option<u64>,
    /// PEM.
    private_key: Zeroizing<String>,
}

impl KeyFile {
    /// A key that is new.
    pub(super) fn made(
        algorithm: SigningAlgorithm,
        now: Timestamp,
        signs_from: Timestamp,
        overlap: Duration,
    ) -> Result<Self, KeyError> {
        let failed = |reason: String| KeyError::Made { reason };
        let der = match algorithm {
            SigningAlgorithm::Rs256 => {
                let pair = RsaKeyPair::generate(KeySize::Rsa2048).map_err(|error| failed(error.to_string()))?;
                Zeroizing::new(pair.as_der().map_err(|error| failed(error.to_string()))?.as_ref().to_vec())
            }
            SigningAlgorithm::Es256 => {
                let made = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new());
                Zeroizing::new(made.map_err(|error| failed(error.to_string()))?.as_ref().to_vec())
            }
        };
        let pem = pkcs8_pem(&der);
        let key = SigningKey::from_pem(&pem, None).map_err(failed)?;
        let thumbprint = key.thumbprint().map_err(failed)?;
        Ok(Self { id: key.id, algorithm, created_at: now, signs_from, overlap, thumbprint, pem, file: String::new() })
    }

    /// A key that somebody has.
    pub(super) fn imported(pem: &str, id: Option<String>, now: Timestamp) -> Result<Self, KeyError> {
        let pem = pkcs8_of(pem).map_err(|reason| KeyError::Import { reason })?;
        let key = SigningKey::from_pem(&pem, id.as_deref()).map_err(|reason| KeyError::Import { reason })?;
        let thumbprint = key.thumbprint().map_err(|reason| KeyError::Import { reason })?;
        let (id, algorithm, file) = (key.id, key.algorithm, String::new());
        Ok(Self { id, algorithm, created_at: now, signs_from: now, overlap: OVERLAP, thumbprint, pem, file })
    }

    /// Whether both are one key, whatever they are called.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.thumbprint == other.thumbprint
    }

    pub(super) fn info(&self) -> KeyInfo {
        let Self { id, algorithm, created_at, signs_from, .. } = self;
        let (created_at, signs_from) = (*created_at, *signs_from);
        KeyInfo { id: id.clone(), algorithm: *algorithm, created_at, signs_from, served_until: None }
    }

    pub(super) fn key(&self) -> Result<SigningKey, KeyError> {
        SigningKey::from_pem(&self.pem, Some(&self.id)).map_err(|reason| KeyError::Made { reason })
    }

    /// Writes the first key of a folder, unless another server has done so at the same moment.
    pub(super) fn write_first(&self, folder: &Dir, name: &str) -> Result<(), KeyError> {
        match self.link(folder, "first.json") {
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
            linked => linked.map_err(|error| wrong(name, "first.json", error)),
        }
    }

    /// Whether one of these revokes it, by its id or because it is the same key.
    pub(super) fn is_revoked(&self, revocations: &[Revocation]) -> bool {
        revocations.iter().any(|revoked| revoked.key_id == self.id || revoked.thumbprint == self.thumbprint)
    }

    /// Until when those before it are served.
    pub(super) fn cut(&self) -> Cut {
        Cut { made_before: self.created_at, served_until: self.signs_from.plus(self.overlap) }
    }

    /// Whether it signs, or has signed. A key that signs at once has begun for those, too, whose
    /// clocks are behind.
    pub(super) fn has_begun(&self, now: Timestamp) -> bool {
        self.signs_from <= now.max(self.created_at)
    }

    /// Revokes it: that is written first, and then the key is removed.
    pub(super) fn revoke(&self, folder: &Dir, name: &str, now: Timestamp) -> Result<(), KeyError> {
        let (key_id, thumbprint) = (self.id.clone(), self.thumbprint.clone());
        // The keys before one that has not begun go on as if it had never been.
        let cut = self.has_begun(now).then(|| self.cut());
        let revocation = serde_json::to_vec_pretty(&Revocation { key_id, thumbprint, revoked_at: now, cut });
        let file = format!("{}-{}{REVOKED}", now.as_millis(), crate::request::random_id());
        let written = revocation.map_err(std::io::Error::from).and_then(|text| link(folder, &file, &text));
        written.map_err(|error| wrong(name, &file, error))?;
        self.remove(folder, name)
    }

    /// Removes its file. One that is gone already is no failure: another command has removed it.
    pub(super) fn remove(&self, folder: &Dir, name: &str) -> Result<(), KeyError> {
        let removed = match folder.remove_file(&self.file) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            removed => removed,
        };
        removed.and_then(|()| folder.open(".")?.sync_all()).map_err(|error| wrong(name, &self.file, error))
    }

    pub(super) fn write(&self, folder: &Dir, name: &str, file: &str) -> Result<(), KeyError> {
        self.link(folder, file).map_err(|error| wrong(name, file, error))
    }

    fn link(&self, folder: &Dir, file: &str) -> std::io::Result<()> {
        let Self { id, created_at, signs_from, overlap, pem, .. } = self;
        let (created_at, signs_from) = (*created_at, Some(*signs_from));
        let overlap = (*overlap != OVERLAP).then_some(overlap.as_secs());
        let written = Written { key_id: id.clone(), created_at, signs_from, overlap, private_key: pem.clone() };
        link(folder, file, &Zeroizing::new(serde_json::to_vec_pretty(&written)?))
    }

    /// The names of the files of keys and revocations, in their order.
    pub(super) fn names(folder: &Dir, name: &str) -> Result<Vec<String>, KeyError> {
        let mut names = Vec::new();
        for entry in folder.entries().map_err(|error| wrong(name, "", error))? {
            let file = entry.map_err(|error| wrong(name, "", error))?.file_name();
            let is_ours = |file: &&str| file.ends_with(KEY) || file.ends_with(REVOKED);
            names.extend(file.to_str().filter(is_ours).map(str::to_owned));
        }
        names.sort_unstable();
        Ok(names)
    }

    pub(super) fn read_all(folder: &Dir, name: &str) -> Result<Vec<Self>, KeyError> {
        let names = Self::names(folder, name)?;
        let keys = names.iter().filter(|file| file.ends_with(KEY));
        keys.filter_map(|file| Self::read(folder, name, file).transpose()).collect()
    }

    pub(super) fn revocations(folder: &Dir, name: &str) -> Result<Vec<Revocation>, KeyError> {
        let names = Self::names(folder, name)?;
        let read = |file: &String| {
            let text = folder.read(file).map_err(|error| wrong(name, file, error))?;
            serde_json::from_slice(&text).map_err(|error| wrong(name, file, error))
        };
        names.iter().filter(|file| file.ends_with(REVOKED)).map(read).collect()
    }

    /// None where the file is gone meanwhile: its time was over, or its key was revoked.
    fn read(folder: &Dir, name: &str, file: &str) -> Result<Option<Self>, KeyError> {
        let mut open = match folder.open(file) {
            Err(_) if folder.symlink_metadata(file).is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound) => {
                return Ok(None);
            }
            opened => opened.map_err(|error| wrong(name, file, error))?,
        };
        let mode = open.metadata().map_err(|error| wrong(name, file, error))?.mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(KeyError::Open { file: path(name, file), mode });
        }
        let mut text = Zeroizing::new(Vec::new());
        open.read_to_end(&mut text).map_err(|error| wrong(name, file, error))?;
        // What a parser quotes may be the key.
        let written: Written =
            serde_json::from_slice(&text).map_err(|_| wrong(name, file, "it is no key's file of this program"))?;
        let key = SigningKey::from_pem(&written.private_key, Some(&written.key_id));
        let key = key.map_err(|reason| wrong(name, file, reason))?;
        let thumbprint = key.thumbprint().map_err(|reason| wrong(name, file, reason))?;
        let Written { created_at, signs_from, overlap, private_key: pem, .. } = written;
        let (signs_from, overlap) = (signs_from.unwrap_or(created_at), overlap.map_or(OVERLAP, Duration::from_secs));
        let (id, algorithm, file) = (key.id, key.algorithm, file.to_owned());
        Ok(Some(Self { id, algorithm, created_at, signs_from, overlap, thumbprint, pem, file }))
    }
}

impl Revocation {
    pub(super) fn key_id(&self) -> &str {
        &self.key_id
    }

    /// When it was written; that of its key, where the clock was ahead when that was made.
    pub(super) fn at(&self) -> Timestamp {
        self.cut.map_or(self.revoked_at, |cut| self.revoked_at.max(cut.made_before))
    }

    /// What the revoked key had ended.
    pub(super) fn cut(&self) -> Option<Cut> {
        self.cut
    }
}

/// Writes a file that appears as a whole, or not at all. It must not be there.
fn link(folder: &Dir, file: &str, text: &[u8]) -> std::io::Result<()> {
    let draft = format!(".{}", crate::request::random_id());
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    let mut open = folder.open_with(&draft, &options)?;
    let linked = open.write_all(text).and_then(|()| open.sync_all()).and_then(|()| folder.hard_link(&draft, folder, file));
    let removed = folder.remove_file(&draft);
    linked.and(removed)?;
    // What was written is there also when the power has failed.
    folder.open(".")?.sync_all()
}

/// A key in PKCS#8, where it is one of elliptic curves in SEC1 (`EC PRIVATE KEY`, RFC 5915); any
/// other as it is.
fn pkcs8_of(pem: &str) -> Result<Zeroizing<String>, String> {
    match PrivateKeyDer::from_pem_slice(pem.as_bytes()) {
        Ok(PrivateKeyDer::Sec1(key)) => {
            let key = Zeroizing::new(key.secret_sec1_der().to_vec());
            let pair = EcdsaKeyPair::from_private_key_der(&ECDSA_P256_SHA256_FIXED_SIGNING, &key);
            let pair = pair.map_err(|_| "it is no key of the curve P-256".to_owned())?;
            let der = pair.to_pkcs8v1().map_err(|error| error.to_string())?;
            Ok(pkcs8_pem(der.as_ref()))
        }
        _ => Ok(Zeroizing::new(pem.to_owned())),
    }
}

fn pkcs8_pem(der: &[u8]) -> Zeroizing<String> {
    let base64 = Zeroizing::new(STANDARD.encode(der));
    Zeroizing::new(format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", &*lines(&base64)))
}

fn path(name: &str, file: &str) -> String {
    format!("keys/{name}/{file}")
}

fn wrong(name: &str, file: &str, reason: impl ToString) -> KeyError {
    KeyError::File { file: path(name, file), reason: reason.to_string() }
}

/// Base64 in lines of 64 characters (RFC 7468, section 3).
fn lines(base64: &str) -> Zeroizing<String> {
    let mut lines = Zeroizing::new(String::with_capacity(base64.len() * 66 / 64));
    for (at, character) in base64.char_indices() {
        if at > 0 && at % 64 == 0 {
            lines.push('\n');
        }
        lines.push(character);
    }
    lines
}
