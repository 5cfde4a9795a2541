//! Checking: whose token it is, for whom, until when, and what it is good for.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use thiserror::Error;
use url::Url;
use vestibule::model::Timestamp;

use super::jwks::RemoteKeys;
use crate::config::{HostName, Scope};
use crate::keys::KeyRing;

/// Tokens that have been checked and are remembered, for each tenant: checking a signature takes longer than a login.
const REMEMBERED: usize = 1_024;

/// How far the clocks of two machines may differ, in seconds.
const LEEWAY: u64 = 30;

/// What a token is good for.
pub(crate) type Scopes = BTreeSet<Scope>;

/// Why a token was refused. It never shows the token.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum TokenError {
    /// It can't be read.
    #[error("the token is no signed JWT")]
    Malformed,
    /// It is signed in a way that isn't accepted: `none` is one of them.
    #[error("the token is signed by {0:?}, and RS256 and ES256 are accepted")]
    Algorithm(String),
    /// Its issuer isn't one of this tenant's.
    #[error("the token's issuer is none of this tenant's")]
    Issuer,
    /// Its key isn't known.
    #[error("the token's key is none of its issuer's")]
    Key,
    /// The signature is wrong.
    #[error("the token's signature is wrong")]
    Signature,
    /// It is for another audience.
    #[error("the token is for another audience")]
    Audience,
    /// Its time is over.
    #[error("the token has expired")]
    Expired,
    /// Its time has not come, or it says no end.
    #[error("the token is not valid now")]
    Time,
    /// The issuer's keys can't be had.
    #[error("the keys of the token's issuer can't be had now")]
    KeysUnavailable,
}

/// Where the keys of an issuer come from.
#[derive(Debug)]
enum Keys {
    Own(Arc<KeyRing>),
    Set(JwkSet),
    Remote(Arc<RemoteKeys>),
}

/// An issuer whose tokens are accepted.
#[derive(Debug)]
pub(crate) struct Issuer {
    name: Option<String>,
    audiences: Vec<String>,
    keys: Keys,
}

impl Issuer {
    /// This server itself, for a tenant with these keys.
    pub(crate) fn own(keys: Arc<KeyRing>) -> Self {
        Self { name: None, audiences: Vec::new(), keys: Keys::Own(keys) }
    }

    /// An issuer whose keys are known.
    pub(crate) fn with_keys(name: String, audiences: Vec<String>, keys: JwkSet) -> Self {
        Self { name: Some(name), audiences, keys: Keys::Set(keys) }
    }

    /// An issuer whose keys are fetched.
    pub(crate) fn remote(name: String, audiences: Vec<String>, keys: Arc<RemoteKeys>) -> Self {
        Self { name: Some(name), audiences, keys: Keys::Remote(keys) }
    }
}

/// Checks the tokens of one tenant.
pub(crate) struct Verifier {
    hosts: Vec<HostName>,
    issuers: Vec<Issuer>,
    remembered: Mutex<Remembered>,
}

/// Tokens by their digests: when each expires, in seconds since 1970, and what it is good for.
type Remembered = HashMap<[u8; 32], (u64, Arc<Scopes>)>;

/// The claims that matter.
#[derive(Debug, Deserialize)]
struct Claims {
    iss: Option<String>,
    #[serde(default)]
    aud: OneOrMore,
    exp: Option<u64>,
    nbf: Option<u64>,
    #[serde(default)]
    scope: Option<String>,
    #[serde(default)]
    permissions: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(untagged)]
enum OneOrMore {
    #[default]
    None,
    One(String),
    More(Vec<String>),
}

impl OneOrMore {
    fn any(&self, is_right: impl Fn(&str) -> bool) -> bool {
        match self {
            Self::None => false,
            Self::One(text) => is_right(text),
            Self::More(texts) => texts.iter().any(|text| is_right(text)),
        }
    }
}

impl Verifier {
    pub(crate) fn new(hosts: Vec<HostName>, issuers: Vec<Issuer>) -> Self {
        Self { hosts, issuers, remembered: Mutex::default() }
    }

    /// What a token is good for at this tenant.
    ///
    /// # Errors
    /// When it is good for nothing here.
    pub(crate) async fn verify(&self, token: &str, now: Timestamp) -> Result<Arc<Scopes>, TokenError> {
        let digest: [u8; 32] = Sha256::digest(token).into();
        let seconds = now.as_millis() / 1_000;
        if let Some((expires, scopes)) = self.remembered().get(&digest) {
            return if expires.saturating_add(LEEWAY) > seconds { Ok(Arc::clone(scopes)) } else { Err(TokenError::Expired) };
        }
        let (expires, scopes) = self.check(token, seconds).await?;
        let scopes = Arc::new(scopes);
        let mut remembered = self.remembered();
        if remembered.len() >= REMEMBERED {
            remembered.retain(|_, (expires, _)| *expires > seconds);
            if remembered.len() >= REMEMBERED {
                remembered.clear();
            }
        }
        remembered.insert(digest, (expires, Arc::clone(&scopes)));
        Ok(scopes)
    }

    fn remembered(&self) -> MutexGuard<'_, Remembered> {
        self.remembered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn check(&self, token: &str, now: u64) -> Result<(u64, Scopes), TokenError> {
        let header =
            decode_header(token).map_err(|_| algorithm_of(token).map_or(TokenError::Malformed, TokenError::Algorithm))?;
        if !matches!(header.alg, Algorithm::RS256 | Algorithm::ES256) {
            return Err(TokenError::Algorithm(format!("{:?}", header.alg)));
        }
        // Which issuer it claims to be, before anything is believed.
        let claimed = jsonwebtoken::dangerous::insecure_decode::<Claims>(token).map_err(|_| TokenError::Malformed)?.claims;
        let name = claimed.iss.ok_or(TokenError::Issuer)?;
        let issuer = self.issuer(&name).ok_or(TokenError::Issuer)?;
        let key = issuer.key(header.kid.as_deref(), header.alg).await?;
        let mut validation = Validation::new(header.alg);
        // The times and the audience are looked at below, by the clock that the caller gives.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        validation.validate_aud = false;
        validation.required_spec_claims.clear();
        let claims = decode::<Claims>(token, &key, &validation).map_err(|_| TokenError::Signature)?.claims;
        let expires = claims.exp.ok_or(TokenError::Time)?;
        if expires.saturating_add(LEEWAY) <= now {
            return Err(TokenError::Expired);
        }
        if claims.nbf.is_some_and(|begins| begins > now.saturating_add(LEEWAY)) {
            return Err(TokenError::Time);
        }
        let is_for_us = |audience: &str| {
            if issuer.audiences.is_empty() {
                self.is_own_api(audience)
            } else {
                issuer.audiences.iter().any(|own| own == audience)
            }
        };
        if !claims.aud.any(is_for_us) {
            return Err(TokenError::Audience);
        }
        let named = claims.scope.iter().flat_map(|scope| scope.split(' ')).chain(claims.permissions.iter().map(String::as_str));
        Ok((expires, named.filter_map(|scope| scope.parse().ok()).collect()))
    }

    fn issuer(&self, name: &str) -> Option<&Issuer> {
        let named = self.issuers.iter().find(|issuer| issuer.name.as_deref() == Some(name));
        named.or_else(|| self.issuers.iter().find(|issuer| issuer.name.is_none()).filter(|_| self.is_own(name, "/")))
    }

    /// Whether this is the audience of the tenant's Management API, by one of its hosts.
    pub(crate) fn is_own_api(&self, audience: &str) -> bool {
        self.is_own(audience, "/api/v2/")
    }

    fn is_own(&self, url: &str, path: &str) -> bool {
        let Ok(url) = Url::parse(url) else { return false };
        let is_plain = url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
        let host = url.host_str().and_then(|host| host.trim_matches(['[', ']']).parse::<HostName>().ok());
        is_plain && url.path() == path && host.is_some_and(|host| self.hosts.contains(&host))
    }
}

impl Issuer {
    async fn key(&self, id: Option<&str>, algorithm: Algorithm) -> Result<DecodingKey, TokenError> {
        match &self.keys {
            Keys::Own(keys) => {
                let key = id.and_then(|id| keys.find(id)).filter(|key| Algorithm::from(key.algorithm) == algorithm);
                key.map(|key| key.checking.clone()).ok_or(TokenError::Key)
            }
            Keys::Set(set) => find(set, id, algorithm).ok_or(TokenError::Key),
            Keys::Remote(keys) => keys.find(|set| find(set, id, algorithm)).await,
        }
    }
}

/// The key of this id that is for this algorithm; the only one there is, where the token names none.
fn find(set: &JwkSet, id: Option<&str>, algorithm: Algorithm) -> Option<DecodingKey> {
    let fits = |key: &&jsonwebtoken::jwk::Jwk| {
        let by_id = id.is_none_or(|id| key.common.key_id.as_deref() == Some(id));
        // A key of another kind would make `decode` refuse it anyway; one that says what it is for is taken at its word.
        by_id && key.common.key_algorithm.is_none_or(|own| own.to_string() == format!("{algorithm:?}"))
    };
    let mut found = set.keys.iter().filter(fits);
    let key = found.next()?;
    if id.is_none() && found.next().is_some() {
        return None;
    }
    DecodingKey::from_jwk(key).ok()
}

/// What a token says that it is signed by, where that is nothing that we know.
fn algorithm_of(token: &str) -> Option<String> {
    use base64::Engine as _;
    let header = token.split('.').next()?;
    let json = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(header).ok()?;
    let value: serde_json::Value = serde_json::from_slice(&json).ok()?;
    let algorithm = value.get("alg")?.as_str()?;
    Some(algorithm.chars().filter(char::is_ascii_alphanumeric).take(16).collect())
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier").field("hosts", &self.hosts).field("issuers", &self.issuers).finish_non_exhaustive()
    }
}
