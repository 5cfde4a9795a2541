//! Keys of an issuer that are fetched: when they are needed, not too often, and without making logins wait for them twice.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use jsonwebtoken::DecodingKey;
use jsonwebtoken::jwk::JwkSet;
use tokio::sync::Mutex;
use url::Url;
use vestibule::Resolve;

use super::verify::TokenError;

/// A set that is older than this is fetched again before it is believed once more.
const OLD: Duration = Duration::from_secs(3_600);
/// And one that is older than this isn't believed any more, where it can't be fetched.
const TOO_OLD: Duration = Duration::from_secs(24 * 3_600);
/// An unknown key makes us look again, but not more often than this: whoever makes tokens up must not make us ask.
const AGAIN: Duration = Duration::from_secs(30);
/// How long an issuer may take to answer, and how much.
const PATIENCE: Duration = Duration::from_secs(5);
const LARGEST: usize = 256 << 10;

/// Keys at a URL.
#[derive(Debug)]
pub(crate) struct RemoteKeys {
    url: Url,
    client: reqwest::Client,
    known: RwLock<Option<Known>>,
    /// Counts the sets that were fetched.
    generation: AtomicU64,
    /// Who fetches, and when that was last tried: the others wait for it.
    fetching: Mutex<Option<Instant>>,
}

#[derive(Clone, Debug)]
struct Known {
    set: Arc<JwkSet>,
    fetched: Instant,
}

impl RemoteKeys {
    pub(crate) fn new(url: Url, client: reqwest::Client) -> Self {
        Self { url, client, known: RwLock::default(), generation: AtomicU64::new(0), fetching: Mutex::default() }
    }

    /// Looks for a key, in what is known or in what is there now.
    pub(crate) async fn find(&self, look: impl Fn(&JwkSet) -> Option<DecodingKey>) -> Result<DecodingKey, TokenError> {
        if let Some(known) = self.known()
            && known.fetched.elapsed() < OLD
            && let Some(key) = look(&known.set)
        {
            return Ok(key);
        }
        self.refresh().await;
        let known = self.known().filter(|known| known.fetched.elapsed() < TOO_OLD).ok_or(TokenError::KeysUnavailable)?;
        look(&known.set).ok_or(TokenError::Key)
    }

    /// Counts the sets that were fetched.
    pub(crate) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    fn known(&self) -> Option<Known> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn refresh(&self) {
        let mut tried = self.fetching.lock().await;
        if tried.is_some_and(|tried| tried.elapsed() < AGAIN) {
            return;
        }
        let fetched = self.fetch().await;
        *tried = Some(Instant::now());
        match fetched {
            Ok(set) => {
                let known = Known { set: Arc::new(set), fetched: Instant::now() };
                *self.known.write().unwrap_or_else(PoisonError::into_inner) = Some(known);
                self.generation.fetch_add(1, Ordering::Release);
            }
            Err(reason) => tracing::warn!(url = %self.url, reason, "the keys of an issuer can't be fetched"),
        }
    }

    async fn fetch(&self) -> Result<JwkSet, String> {
        let told = |error: reqwest::Error| error.without_url().to_string();
        let mut response = self.client.get(self.url.clone()).timeout(PATIENCE).send().await.map_err(told)?;
        if !response.status().is_success() {
            return Err(format!("it answers {}", response.status()));
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(told)? {
            body.extend_from_slice(&chunk);
            if body.len() > LARGEST {
                return Err(format!("it has more than {LARGEST} bytes"));
            }
        }
        serde_json::from_slice(&body).map_err(|error| format!("it is no key set: {error}"))
    }
}

/// Resolves the names of issuers, whose keys are fetched, as those of all other requests are: reqwest's own resolver holds a thread for each.
pub(crate) struct IssuerNames(Arc<dyn Resolve>);

impl IssuerNames {
    pub(crate) fn new(resolver: Arc<dyn Resolve>) -> Self {
        Self(resolver)
    }
}

impl reqwest::dns::Resolve for IssuerNames {
    fn resolve(&self, name: reqwest::dns::Name) -> reqwest::dns::Resolving {
        let resolver = Arc::clone(&self.0);
        Box::pin(async move {
            let addresses = resolver.resolve(&name.as_str().to_ascii_lowercase()).await?;
            // The port is the URL's.
            let addresses: Vec<SocketAddr> = addresses.into_iter().map(|address| (address, 0).into()).collect();
            Ok(Box::new(addresses.into_iter()) as reqwest::dns::Addrs)
        })
    }
}
