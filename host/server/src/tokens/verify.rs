//! Checking: whose token it is, for whom, until when, and what it is good for.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, JwkSet, KeyAlgorithm, KeyOperations, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, Header, Validation, decode, decode_header};
use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use thiserror::Error;
use url::Url;
use vestibule::model::Timestamp;

use super::jwks::RemoteKeys;
use crate::config::{HostName, IssuerSettings, Scope};
use crate::keys::KeyRing;

/// Tokens that have been checked and are remembered, for each tenant: checking a signature takes longer than a login.
const REMEMBERED: usize = 1_024;

/// How long a token is remembered at most. Whatever withdraws it counts after this time at the latest.
const LONGEST: Duration = Duration::from_secs(5 * 60);

/// How far the clocks of two machines may differ.
const LEEWAY: Duration = Duration::from_secs(30);

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
    remembered: Mutex<Remembered>,
}

/// Tokens by their digests.
type Remembered = HashMap<[u8; 32], Verdict>;

/// What was found out about a token. It counts no longer than the keys by which it was found out. Clients and issuers change with
/// the configuration, and that makes another verifier.
struct Verdict {
    until: Timestamp,
    /// Which of the issuers, and the count of its keys.
    issuer: usize,
    generation: u64,
    scopes: Arc<Scopes>,
}

/// The claims that matter, before each of them is read. One that is null is missing; one that is there twice is refused.
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

    /// Scopes as RFC 8693 has them, a text with spaces between them, or as many issuers write them, an array; and Auth0's permissions.
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

/// A NumericDate (RFC 7519, section 2): seconds since 1970, perhaps with a fraction. One before 1970 is 1970.
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
        Self { hosts, issuers, remembered: Mutex::default() }
    }

    /// What a token is good for at this tenant.
    ///
    /// # Errors
    /// When it is good for nothing here.
    pub(crate) async fn verify(&self, token: &str, now: Timestamp) -> Result<Arc<Scopes>, TokenError> {
        let digest: [u8; 32] = Sha256::digest(token).into();
        if let Some(scopes) = self.known(&digest, now) {
            return Ok(scopes);
        }
        let verdict = self.check(token, now).await?;
        let scopes = Arc::clone(&verdict.scopes);
        let mut remembered = self.remembered();
        if remembered.len() >= REMEMBERED {
            remembered.retain(|_, verdict| verdict.until > now);
            if remembered.len() >= REMEMBERED {
                remembered.clear();
            }
        }
        remembered.insert(digest, verdict);
        Ok(scopes)
    }

    /// What is remembered of a token, where it still counts.
    fn known(&self, digest: &[u8; 32], now: Timestamp) -> Option<Arc<Scopes>> {
        let mut remembered = self.remembered();
        let verdict = remembered.get(digest)?;
        let issuer = self.issuers.get(verdict.issuer)?;
        if verdict.until > now && verdict.generation == issuer.generation() {
            return Some(Arc::clone(&verdict.scopes));
        }
        remembered.remove(digest);
        None
    }

    fn remembered(&self) -> MutexGuard<'_, Remembered> {
        self.remembered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn check(&self, token: &str, now: Timestamp) -> Result<Verdict, TokenError> {
        let header = header(token)?;
        // Which issuer it claims to be, before anything is believed.
        let claimed = jsonwebtoken::dangerous::insecure_decode::<Claims>(token).map_err(|_| TokenError::Malformed)?.claims;
        let name = text("iss", claimed.iss.as_ref())?.ok_or(TokenError::Issuer)?;
        let (at, issuer) = self.issuer(name).ok_or(TokenError::Issuer)?;
        // Before the key is looked for: one that is withdrawn meanwhile makes another count.
        let generation = issuer.generation();
        let key = issuer.key(header.kid.as_deref(), header.alg).await?;
        let mut validation = Validation::new(header.alg);
        // The times and the audience are looked at below, by the clock that the caller gives.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        validation.validate_aud = false;
        validation.required_spec_claims.clear();
        let claims = decode::<Claims>(token, &key, &validation).map_err(|_| TokenError::Signature)?.claims;
        let expires = date("exp", claims.exp.as_ref())?.ok_or(TokenError::Time)?.plus(LEEWAY);
        if expires <= now {
            return Err(TokenError::Expired);
        }
        if date("nbf", claims.nbf.as_ref())?.is_some_and(|begins| begins > now.plus(LEEWAY)) {
            return Err(TokenError::Time);
        }
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
        let scopes = claims.scopes()?.intersection(granted).copied().collect();
        Ok(Verdict { until: expires.min(now.plus(LONGEST)), issuer: at, generation, scopes: Arc::new(scopes) })
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

/// The key of this id that checks signatures of this algorithm; the only one there is, where the token names none.
fn find(set: &JwkSet, id: Option<&str>, algorithm: Algorithm) -> Option<DecodingKey> {
    let by_id = |key: &&Jwk| id.is_none_or(|id| key.common.key_id.as_deref() == Some(id));
    let mut found = set.keys.iter().filter(by_id).filter(|key| checks(key, algorithm));
    let key = found.next()?;
    if id.is_none() && found.next().is_some() {
        return None;
    }
    DecodingKey::from_jwk(key).ok()
}

/// Whether a key is for checking signatures of this algorithm: by its kind, and by what it says of itself (RFC 7517, sections 4.2 to 4.4).
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

/// Reads a token's header: how it is signed, and that it is an access token.
fn header(token: &str) -> Result<Header, TokenError> {
    let members = members(token).ok_or(TokenError::Malformed)?;
    if members.get("crit").is_some() {
        return Err(TokenError::Critical);
    }
    let header = decode_header(token).map_err(|_| algorithm_of(&members).map_or(TokenError::Malformed, TokenError::Algorithm))?;
    if !matches!(header.alg, Algorithm::RS256 | Algorithm::ES256) {
        return Err(TokenError::Algorithm(format!("{:?}", header.alg)));
    }
    match header.typ.as_deref().filter(|kind| !is_access_token(kind)) {
        None => Ok(header),
        Some(kind) => {
            let is_plain = |character: &char| character.is_ascii_alphanumeric() || "+-./".contains(*character);
            Err(TokenError::Type(kind.chars().filter(is_plain).take(32).collect()))
        }
    }
}

/// Whether a `typ` is that of access tokens: `JWT`, or `at+jwt` of RFC 9068. `application/` may stand before it (RFC 7515, section
/// 4.1.9).
fn is_access_token(kind: &str) -> bool {
    const PREFIX: &str = "application/";
    let has_prefix = kind.get(..PREFIX.len()).is_some_and(|prefix| prefix.eq_ignore_ascii_case(PREFIX));
    let kind = if has_prefix { kind.get(PREFIX.len()..).unwrap_or_default() } else { kind };
    ["JWT", "at+jwt"].iter().any(|known| kind.eq_ignore_ascii_case(known))
}

/// The members of a token's header.
fn members(token: &str) -> Option<Value> {
    use base64::Engine as _;
    let json = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(token.split('.').next()?).ok()?;
    serde_json::from_slice(&json).ok().filter(Value::is_object)
}

/// What a token says that it is signed by, where that is nothing that we know.
fn algorithm_of(header: &Value) -> Option<String> {
    let algorithm = header.get("alg")?.as_str()?;
    Some(algorithm.chars().filter(char::is_ascii_alphanumeric).take(16).collect())
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier").field("hosts", &self.hosts).field("issuers", &self.issuers).finish_non_exhaustive()
    }
}
