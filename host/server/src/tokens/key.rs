//! The key that a tenant's tokens are signed by: made at first start, and kept in a file that this user alone can read.

use std::fmt;
use std::io::{Read as _, Write as _};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cap_std::fs::{Dir, OpenOptions, OpenOptionsExt as _};
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{DecodingKey, EncodingKey};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use thiserror::Error;
use vestibule::model::TenantId;
use zeroize::Zeroizing;

/// Why there is no key to sign with.
#[derive(Debug, Error)]
pub enum KeyError {
    /// The key's file can't be read, made or written.
    #[error(
        "the signing key in {file} can't be used: {reason}; remove the file, and a new key is made, which ends all tokens of the old one"
    )]
    File {
        /// The file, in the state folder.
        file: String,
        /// What is wrong.
        reason: String,
    },
    /// Others can read the key's file.
    #[error("the signing key in {file} can be read by others (mode {mode:o}): whoever has it can issue tokens; `chmod 600` it")]
    Open {
        /// The file, in the state folder.
        file: String,
        /// Its permissions.
        mode: u32,
    },
}

/// A key that signs (ES256), with what others need to check it.
pub(crate) struct SigningKey {
    /// The key's id.
    pub(crate) id: String,
    pub(crate) signing: EncodingKey,
    pub(crate) checking: DecodingKey,
    /// Its public half, as it stands in the key set.
    pub(crate) public: Jwk,
}

impl SigningKey {
    /// The key of a tenant in this folder; it is made where there is none.
    ///
    /// # Errors
    /// When the file can't be used, or others can read it.
    pub(crate) fn kept_in(folder: &Dir, tenant: &TenantId) -> Result<Self, KeyError> {
        let file = format!("{tenant}.es256");
        let wrong = |reason: String| KeyError::File { file: file.clone(), reason };
        let pkcs8 = match folder.open(&file) {
            Ok(mut open) => {
                use cap_std::fs::MetadataExt as _;
                let mode = open.metadata().map_err(|error| wrong(error.to_string()))?.mode() & 0o777;
                if mode & 0o077 != 0 {
                    return Err(KeyError::Open { file, mode });
                }
                let mut bytes = Zeroizing::new(Vec::new());
                open.read_to_end(&mut bytes).map_err(|error| wrong(error.to_string()))?;
                bytes
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let made = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new());
                let bytes = Zeroizing::new(made.map_err(|error| wrong(error.to_string()))?.as_ref().to_vec());
                let mut options = OpenOptions::new();
                options.write(true).create_new(true).mode(0o600);
                match folder.open_with(&file, &options) {
                    Ok(mut open) => {
                        open.write_all(&bytes).and_then(|()| open.sync_all()).map_err(|error| wrong(error.to_string()))?
                    }
                    // Another server has made it at the same moment.
                    Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => return Self::kept_in(folder, tenant),
                    Err(error) => return Err(wrong(error.to_string())),
                }
                bytes
            }
            Err(error) => return Err(wrong(error.to_string())),
        };
        Self::from_pkcs8(&pkcs8).map_err(wrong)
    }

    fn from_pkcs8(pkcs8: &[u8]) -> Result<Self, String> {
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8).map_err(|error| error.to_string())?;
        // An uncompressed point: 4, x, y (SEC 1, section 2.3.3).
        let point = pair.public_key().as_ref();
        let (x, y) = point.get(1..65).ok_or("its public half is no point of P-256")?.split_at(32);
        let (x, y) = (URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(y));
        // The key's thumbprint (RFC 7638), so that the same key has the same id everywhere.
        let thumbprint = Sha256::digest(format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#));
        let id = URL_SAFE_NO_PAD.encode(thumbprint);
        let public = json!({ "kty": "EC", "crv": "P-256", "x": x, "y": y, "kid": id, "use": "sig", "alg": "ES256" });
        let public: Jwk = serde_json::from_value(public).map_err(|error| error.to_string())?;
        let checking = DecodingKey::from_jwk(&public).map_err(|error| error.to_string())?;
        Ok(Self { id, signing: EncodingKey::from_ec_der(pkcs8), checking, public })
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("id", &self.id).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cap_std::ambient_authority;

    #[test]
    fn a_key_is_made_once_and_kept_for_its_user_alone() {
        let folder = tempfile::tempdir().unwrap();
        let dir = Dir::open_ambient_dir(folder.path(), ambient_authority()).unwrap();
        let acme = "acme".parse().unwrap();
        let first = SigningKey::kept_in(&dir, &acme).unwrap();
        assert_eq!(SigningKey::kept_in(&dir, &acme).unwrap().id, first.id);
        assert_ne!(SigningKey::kept_in(&dir, &"globex".parse().unwrap()).unwrap().id, first.id);
        let file = folder.path().join("acme.es256");
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(SigningKey::kept_in(&dir, &acme), Err(KeyError::Open { mode: 0o644, .. })));
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
        std::fs::write(&file, b"no key").unwrap();
        assert!(matches!(SigningKey::kept_in(&dir, &acme), Err(KeyError::File { .. })));
    }
}
