//! Checking: whose token it is, for whom, until when, and what it is good for.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, JwkSet, KeyAlgorithm, KeyOperations, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use thiserror::Error;
use url::Url;
use vestibule::model::Timestamp;

use super::header::header;
use super::jwks::RemoteKeys;
use super::remembered::{Remembered, Verdict};
use crate::buckets::{Buckets, Limit, network};
use crate::config::{HostName, IssuerSettings, Scope};
use crate::keys::KeyRing;

/// Tokens of one peer that are refused, at one tenant: as many as a platform has under way when its
/// token is withdrawn, and some more in each second.
const OF_PEER: Limit = Limit { burst: 256, per_second: 8 };
/// Those of a network, whatever addresses of its own it takes.
const OF_NETWORK: Limit = Limit { burst: 1_024, per_second: 32 };

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
    /// It has a header that has to be understood, and isn't (RFC 7515, section 4.1.11).
    #[error("the token's header has `crit`, and no extension of it is known here")]
    Critical,
    /// It is no access token.
    #[error("the token's `typ` is {0:?}, and JWT and at+jwt are accepted")]
    Type(String),
    /// A claim has another form than its specification says.
    #[error("the token's `{name}` is not {expected}")]
    Claim {
        /// Which.
        name: &'static str,
        /// What it has to be.
        expected: &'static str,
    },
    /// It was issued to a client that gets no tokens any more.
    #[error("the token's client gets no tokens from this tenant any more")]
    Client,
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
    /// The peer, or its network, has sent too many that were refused. This one was not looked at.
    #[error("too many tokens were refused that were sent from here; try again in {retry_after:?}")]
    TooManyFailures {
        /// When the next one is looked at.
        retry_after: Duration,
    },
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
    scopes: Granted,
}

/// What an issuer's tokens may be good for, whatever they say.
#[derive(Debug)]
enum Granted {
    /// By the client that the token was issued to.
    ByClient(BTreeMap<String, Scopes>),
    /// Any of the issuer's.
    All(Scopes),
}

impl Issuer {
    /// This server itself, for a tenant with these keys, and with these clients and their scopes.
    pub(crate) fn own(keys: Arc<KeyRing>, clients: BTreeMap<String, Scopes>) -> Self {
        Self { name: None, audiences: Vec::new(), keys: Keys::Own(keys), scopes: Granted::ByClient(clients) }
    }

    /// An issuer whose keys are known.
    pub(crate) fn with_keys(settings: &IssuerSettings, keys: JwkSet) -> Self {
        Self::of(settings, Keys::Set(keys))
    }

    /// An issuer whose keys are fetched.
    pub(crate) fn remote(settings: &IssuerSettings, keys: Arc<RemoteKeys>) -> Self {
        Self::of(settings, Keys::Remote(keys))
    }

    fn of(settings: &IssuerSettings, keys: Keys) -> Self {
        let IssuerSettings { issuer, audiences, scopes, .. } = settings;
        Self { name: Some(issuer.clone()), audiences: audiences.clone(), keys, scopes: Granted::All(scopes.clone()) }
    }

    /// Counts the changes of its keys: a verdict of an earlier count is to be made again.
    fn generation(&self) -> u64 {
        match &self.keys {
            Keys::Own(keys) => keys.generation(),
            Keys::Set(_) => 0,
            Keys::Remote(keys) => keys.generation(),
        }
    }
}

/// Checks the tokens of one tenant.
pub(crate) struct Verifier {
    hosts: Vec<HostName>,
    issuers: Vec<Issuer>,
    remembered: Remembered,
    failures: Mutex<Failures>,
}

/// Tokens that were refused, by who has sent them.
struct Failures {
    peers: Buckets<IpAddr>,
    networks: Buckets<IpAddr>,
}

impl Failures {
    /// Takes a token out of the buckets, as if it had been refused already.
    fn take(&mut self, peer: IpAddr, at: Instant) -> Result<(), TokenError> {
        let limited = |retry_after| TokenError::TooManyFailures { retry_after };
        self.peers.take(peer, at).map_err(limited)?;
        self.networks.take(network(peer), at).map_err(limited).inspect_err(|_| self.peers.give_back(&peer, at))
    }

    fn give_back(&mut self, peer: IpAddr, at: Instant) {
        self.peers.give_back(&peer, at);
        self.networks.give_back(&network(peer), at);
    }
}

/// The claims that matter, before each of them is read. One that is null is missing; one that is
/// there twice is refused.
#[derive(Debug, Deserialize)]
struct Claims {
    iss: Option<Value>,
    aud: Option<Value>,
    exp: Option<Value>,
    nbf: Option<Value>,
    scope: Option<Value>,
    permissions: Option<Value>,
    azp: Option<Value>,
}

impl Claims {
    fn audiences(&self) -> Result<Vec<&str>, TokenError> {
        texts(self.aud.as_ref()).ok_or(TokenError::Claim { name: "aud", expected: "a text or an array of texts" })
    }

    /// Scopes as RFC 8693 has them, a text with spaces between them, or as many issuers write them,
    /// an array; and Auth0's permissions.
    fn scopes(&self) -> Result<Scopes, TokenError> {
        let expected = "a text with spaces between scopes, or an array of texts";
        let scope = texts(self.scope.as_ref()).ok_or(TokenError::Claim { name: "scope", expected })?;
        let scope = scope.into_iter().flat_map(|scope| scope.split(' '));
        let permissions = match &self.permissions {
            Some(Value::String(_)) => None,
            permissions => texts(permissions.as_ref()),
        };
        let permissions = permissions.ok_or(TokenError::Claim { name: "permissions", expected: "an array of texts" })?;
        Ok(scope.chain(permissions).filter_map(|scope| scope.parse().ok()).collect())
    }
}

/// A text, several of them, or none.
fn texts(value: Option<&Value>) -> Option<Vec<&str>> {
    match value {
        None => Some(Vec::new()),
        Some(Value::String(text)) => Some(vec![text]),
        Some(Value::Array(texts)) => texts.iter().map(Value::as_str).collect(),
        Some(_) => None,
    }
}

fn text<'a>(name: &'static str, value: Option<&'a Value>) -> Result<Option<&'a str>, TokenError> {
    let read = |value: &'a Value| value.as_str().ok_or(TokenError::Claim { name, expected: "a text" });
    value.map(read).transpose()
}

/// A NumericDate (RFC 7519, section 2): seconds since 1970, perhaps with a fraction. One before
/// 1970 is 1970.
fn date(name: &'static str, value: Option<&Value>) -> Result<Option<Timestamp>, TokenError> {
    let Some(value) = value else { return Ok(None) };
    let wrong = TokenError::Claim { name, expected: "a number of seconds" };
    let milliseconds = match value.as_u64() {
        Some(seconds) => seconds.saturating_mul(1_000),
        // What is too large or too small is the largest or the smallest.
        None => (value.as_f64().ok_or(wrong)? * 1_000.0) as u64,
    };
    Ok(Some(Timestamp::from_millis(milliseconds)))
}

impl Verifier {
    pub(crate) fn new(hosts: Vec<HostName>, issuers: Vec<Issuer>) -> Self {
        let failures = Failures { peers: Buckets::new(OF_PEER), networks: Buckets::new(OF_NETWORK) };
        Self { hosts, issuers, remembered: Remembered::default(), failures: Mutex::new(failures) }
    }

    /// What a token is good for at this tenant. `peer` is who has sent it, where that is known;
    /// `now` is the time of day, `at` the moment by the monotonic clock.
    ///
    /// # Errors
    /// When it is good for nothing here, or was not looked at.
    pub(crate) async fn verify(
        &self,
        token: &str,
        peer: Option<IpAddr>,
        now: Timestamp,
        at: Instant,
    ) -> Result<Arc<Scopes>, TokenError> {
        let digest: [u8; 32] = Sha256::digest(token).into();
        let generation_of = |issuer: usize| self.issuers.get(issuer).map(Issuer::generation);
        if let Some(found) = self.remembered.find(&digest, now, at, generation_of) {
            return found;
        }
        // Taken before anything of it is read, so that tokens at one time can't pass together.
        let failures = || self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(peer) = peer {
            failures().take(peer, at)?;
        }
        let verdict = self.check(token).await;
        let found = verdict.as_ref().map_err(Clone::clone).and_then(|verdict| verdict.at(now));
        if let Ok(verdict) = verdict {
            self.remembered.insert(digest, verdict, now, at);
        }
        if let Some(peer) = peer.filter(|_| matches!(found, Ok(_) | Err(TokenError::KeysUnavailable))) {
            failures().give_back(peer, at);
        }
        found
    }

    /// What there is to say of a token whose signature is right.
    async fn check(&self, token: &str) -> Result<Verdict, TokenError> {
        let header = header(token)?;
        // Which issuer it claims to be, before anything is believed.
        let claimed = jsonwebtoken::dangerous::insecure_decode::<Claims>(token).map_err(|_| TokenError::Malformed)?.claims;
        let name = text("iss", claimed.iss.as_ref())?.ok_or(TokenError::Issuer)?;
        let (at, issuer) = self.issuer(name).ok_or(TokenError::Issuer)?;
        // Before the key is looked for: one that is withdrawn meanwhile makes another count.
        let generation = issuer.generation();
        let key = issuer.key(header.kid.as_deref(), header.alg).await?;
        let mut validation = Validation::new(header.alg);
        // The times and the audience are looked at by themselves.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        validation.validate_aud = false;
        validation.required_spec_claims.clear();
        let claims = decode::<Claims>(token, &key, &validation).map_err(|_| TokenError::Signature)?.claims;
        let (expires, begins) = (date("exp", claims.exp.as_ref())?, date("nbf", claims.nbf.as_ref())?);
        let found = self.scopes(issuer, &claims).map(Arc::new);
        Ok(Verdict { begins, expires, issuer: at, generation, found })
    }

    /// What a token of these claims is good for, by this issuer.
    fn scopes(&self, issuer: &Issuer, claims: &Claims) -> Result<Scopes, TokenError> {
        let is_for_us = |audience: &str| {
            if issuer.audiences.is_empty() {
                self.is_own_api(audience)
            } else {
                issuer.audiences.iter().any(|own| own == audience)
            }
        };
        if !claims.audiences()?.into_iter().any(is_for_us) {
            return Err(TokenError::Audience);
        }
        let granted = match &issuer.scopes {
            Granted::All(scopes) => scopes,
            Granted::ByClient(clients) => {
                let client = text("azp", claims.azp.as_ref())?.ok_or(TokenError::Client)?;
                clients.get(client).ok_or(TokenError::Client)?
            }
        };
        Ok(claims.scopes()?.intersection(granted).copied().collect())
    }

    /// The issuer of this name, and which of them it is.
    fn issuer(&self, name: &str) -> Option<(usize, &Issuer)> {
        let issuers = || self.issuers.iter().enumerate();
        let named = issuers().find(|(_, issuer)| issuer.name.as_deref() == Some(name));
        named.or_else(|| issuers().find(|(_, issuer)| issuer.name.is_none()).filter(|_| self.is_own(name, "/")))
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

/// The key of this id that checks signatures of this algorithm; the only one there is, where the
/// token names none.
fn find(set: &JwkSet, id: Option<&str>, algorithm: Algorithm) -> Option<DecodingKey> {
    let by_id = |key: &&Jwk| id.is_none_or(|id| key.common.key_id.as_deref() == Some(id));
    let mut found = set.keys.iter().filter(by_id).filter(|key| checks(key, algorithm));
    let key = found.next()?;
    if id.is_none() && found.next().is_some() {
        return None;
    }
    DecodingKey::from_jwk(key).ok()
}

/// Whether a key is for checking signatures of this algorithm: by its kind, and by what it says of
/// itself (RFC 7517, sections 4.2 to 4.4).
fn checks(key: &Jwk, algorithm: Algorithm) -> bool {
    let common = &key.common;
    let is_its_kind = match (&key.algorithm, algorithm) {
        (AlgorithmParameters::RSA(_), Algorithm::RS256) => matches!(common.key_algorithm, None | Some(KeyAlgorithm::RS256)),
        (AlgorithmParameters::EllipticCurve(key), Algorithm::ES256) if key.curve == EllipticCurve::P256 => {
            matches!(common.key_algorithm, None | Some(KeyAlgorithm::ES256))
        }
        _ => false,
    };
    let is_for_signatures = matches!(common.public_key_use, None | Some(PublicKeyUse::Signature));
    let verifies = common.key_operations.as_ref().is_none_or(|operations| operations.contains(&KeyOperations::Verify));
    is_its_kind && is_for_signatures && verifies
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier").field("hosts", &self.hosts).field("issuers", &self.issuers).finish_non_exhaustive()
    }
}
