//! A key that signs, and its public half.

use std::fmt;

use jsonwebtoken::jwk::{Jwk, KeyAlgorithm, PublicKeyUse, ThumbprintHash};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header};

use super::SigningAlgorithm;

/// A key that signs tokens.
pub(crate) struct SigningKey {
    /// Its id, `kid` in tokens.
    pub(crate) id: String,
    pub(crate) algorithm: SigningAlgorithm,
    pub(crate) signing: EncodingKey,
    pub(crate) checking: DecodingKey,
    /// Its public half, as it stands in the key set.
    pub(crate) public: Jwk,
}

impl SigningKey {
    /// A private key in PEM: its thumbprint (RFC 7638) is its id, unless it has another one.
    pub(super) fn from_pem(pem: &str, id: Option<&str>) -> Result<Self, String> {
        let (algorithm, signing) = read(pem)?;
        let told = |error: jsonwebtoken::errors::Error| error.to_string();
        let mut public = Jwk::from_encoding_key(&signing, algorithm.into()).map_err(told)?;
        let id = match id {
            Some(id) => id.to_owned(),
            None => public.thumbprint(ThumbprintHash::SHA256).map_err(told)?,
        };
        public.common.key_id = Some(id.clone());
        public.common.public_key_use = Some(PublicKeyUse::Signature);
        public.common.key_algorithm = Some(match algorithm {
            SigningAlgorithm::Rs256 => KeyAlgorithm::RS256,
            SigningAlgorithm::Es256 => KeyAlgorithm::ES256,
        });
        let checking = DecodingKey::from_jwk(&public).map_err(told)?;
        let key = Self { id, algorithm, signing, checking, public };
        // One that is too short, or whose halves don't belong together, says so now and not at the
        // first logout.
        jsonwebtoken::encode(&key.header(), &serde_json::Map::new(), &key.signing).map_err(told)?;
        Ok(key)
    }

    /// The thumbprint of its public half (RFC 7638).
    pub(super) fn thumbprint(&self) -> Result<String, String> {
        self.public.thumbprint(ThumbprintHash::SHA256).map_err(|error| error.to_string())
    }

    /// The header of a token of this key.
    pub(crate) fn header(&self) -> Header {
        Header { kid: Some(self.id.clone()), ..Header::new(self.algorithm.into()) }
    }
}

fn read(pem: &str) -> Result<(SigningAlgorithm, EncodingKey), String> {
    if let Ok(key) = EncodingKey::from_rsa_pem(pem.as_bytes()) {
        return Ok((SigningAlgorithm::Rs256, key));
    }
    match EncodingKey::from_ec_pem(pem.as_bytes()) {
        Ok(key) => Ok((SigningAlgorithm::Es256, key)),
        Err(error) => Err(error.to_string()),
    }
}

impl From<SigningAlgorithm> for Algorithm {
    fn from(algorithm: SigningAlgorithm) -> Self {
        match algorithm {
            SigningAlgorithm::Rs256 => Self::RS256,
            SigningAlgorithm::Es256 => Self::ES256,
        }
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("id", &self.id).field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}
