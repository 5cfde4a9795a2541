//! Keys of an issuer that are fetched from a URL.
//!
//! A known key is used at once, for as long as its set counts: [`TOO_OLD`]. A set that is [`OLD`]
//! is fetched again in the background, so no login waits for an issuer that is down. A caller waits
//! for a fetch only where its key is not known. There is one fetch at a time, with a backoff after
//! failures.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};

use jsonwebtoken::DecodingKey;
use jsonwebtoken::jwk::JwkSet;
use tokio::sync::watch;
use url::Url;
use vestibule::http::Resolve;

use super::verify::TokenError;
use crate::backoff::{Backoff, chance};

/// The age at which a set is fetched again, while its keys are used.
const OLD: Duration = Duration::from_secs(3_600);
/// The age at which a set that can't be fetched again counts no longer.
const TOO_OLD: Duration = Duration::from_secs(24 * 3_600);
/// After a fetch, an unknown key makes the server fetch again, but not before this: invented key
/// ids must not make it ask.
const AGAIN: Duration = Duration::from_secs(30);
/// After fetches that have failed.
const BACKOFF: Backoff =
    Backoff { first: Duration::from_secs(2), longest: Duration::from_secs(60), longest_asked: Duration::ZERO };
/// How long an issuer may take to answer, and how many bytes it may answer.
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
    fetching: Mutex<Fetching>,
}

#[derive(Clone, Debug)]
struct Known {
    set: Arc<JwkSet>,
    fetched: Instant,
}

#[derive(Debug, Default)]
struct Fetching {
    /// Its sender is gone when the fetch has ended.
    running: Option<watch::Receiver<()>>,
    /// None is begun before.
    next: Option<Instant>,
    /// Fetches that have failed in a row.
    failures: u32,
}

impl Fetching {
    fn under_way(&self) -> Option<&watch::Receiver<()>> {
        self.running.as_ref().filter(|running| running.has_changed().is_ok())
    }
}

impl RemoteKeys {
    pub(crate) fn new(url: Url, client: reqwest::Client) -> Self {
        Self { url, client, known: RwLock::default(), generation: AtomicU64::new(0), fetching: Mutex::default() }
    }

    /// The URL that they are fetched from.
    pub(crate) fn url(&self) -> &Url {
        &self.url
    }

    /// Looks for a key in the known set; where it isn't in that, in the one that is there now.
    pub(crate) async fn find(self: &Arc<Self>, look: impl Fn(&JwkSet) -> Option<DecodingKey>) -> Result<DecodingKey, TokenError> {
        if let Some(known) = self.known()
            && let Some(key) = look(&known.set)
        {
            if known.fetched.elapsed() >= OLD {
                drop(self.fetch_once());
            }
            return Ok(key);
        }
        if let Some(mut ended) = self.fetch_once() {
            // Nothing is sent. The fetch has a time limit of its own.
            let _ = tokio::time::timeout(PATIENCE * 2, ended.changed()).await;
        }
        let known = self.known().ok_or(TokenError::KeysUnavailable)?;
        look(&known.set).ok_or(TokenError::Key)
    }

    /// Counts the sets that were fetched.
    pub(crate) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// The set that was fetched last, where it counts.
    fn known(&self) -> Option<Known> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner).clone();
        known.filter(|known| known.fetched.elapsed() < TOO_OLD)
    }

    fn fetching(&self) -> MutexGuard<'_, Fetching> {
        self.fetching.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The fetch that is under way, or one that begins now. None where none is to begin yet.
    fn fetch_once(self: &Arc<Self>) -> Option<watch::Receiver<()>> {
        let mut fetching = self.fetching();
        if let Some(running) = fetching.under_way() {
            return Some(running.clone());
        }
        let now = Instant::now();
        if fetching.next.is_some_and(|next| now < next) {
            return None;
        }
        let (sender, ended) = watch::channel(());
        fetching.running = Some(ended.clone());
        // Also where the fetch doesn't come to its end.
        fetching.next = Some(now + BACKOFF.first);
        let keys = Arc::clone(self);
        // By itself: it serves all who wait, and goes on where they hang up.
        tokio::spawn(async move {
            let fetched = keys.fetch().await;
            keys.fetched(fetched);
            drop(sender);
        });
        Some(ended)
    }

    fn fetched(&self, fetched: Result<JwkSet, String>) {
        let now = Instant::now();
        match fetched {
            Ok(set) => {
                *self.known.write().unwrap_or_else(PoisonError::into_inner) = Some(Known { set: Arc::new(set), fetched: now });
                self.generation.fetch_add(1, Ordering::Release);
                let mut fetching = self.fetching();
                fetching.failures = 0;
                fetching.next = Some(now + AGAIN);
            }
            Err(reason) => {
                let mut fetching = self.fetching();
                fetching.failures = fetching.failures.saturating_add(1);
                fetching.next = Some(now + BACKOFF.wait(fetching.failures, chance()));
                drop(fetching);
                tracing::warn!(url = %self.url, reason, "the keys of an issuer can't be fetched");
            }
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

/// Resolves the names of issuers, whose keys are fetched, as those of all other requests are:
/// reqwest's own resolver holds a thread for each.
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use axum::http::StatusCode;
    use axum::routing::get;
    use serde_json::json;
    use tokio::sync::Semaphore;

    /// An issuer that answers each request when it may, and counts them.
    struct Issuer {
        keys: Arc<RemoteKeys>,
        asked: Arc<AtomicUsize>,
        answers: Arc<Semaphore>,
        serving: tokio::task::JoinHandle<()>,
    }

    impl Issuer {
        async fn start(status: StatusCode) -> Self {
            let _ = rustls::crypto::ring::default_provider().install_default();
            let (asked, answers) = (Arc::new(AtomicUsize::new(0)), Arc::new(Semaphore::new(0)));
            let (count, permits) = (Arc::clone(&asked), Arc::clone(&answers));
            let answer = move || {
                count.fetch_add(1, Ordering::SeqCst);
                let permits = Arc::clone(&permits);
                async move {
                    permits.acquire().await.unwrap().forget();
                    (status, axum::Json(json!({ "keys": [] })))
                }
            };
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let url = format!("http://{}/keys", listener.local_addr().unwrap()).parse().unwrap();
            let router = axum::Router::new().route("/keys", get(answer));
            let serving = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
            Self { keys: Arc::new(RemoteKeys::new(url, reqwest::Client::new())), asked, answers, serving }
        }

        /// The key set was fetched so long ago.
        fn knows_since(&self, age: Duration) {
            let fetched = Instant::now().checked_sub(age).unwrap();
            let set = Arc::new(JwkSet { keys: Vec::new() });
            *self.keys.known.write().unwrap() = Some(Known { set, fetched });
        }

        async fn find(&self, is_there: bool) -> Result<(), TokenError> {
            self.keys.find(|_| is_there.then(|| DecodingKey::from_secret(b"a key"))).await.map(drop)
        }

        fn is_asked_now(&self) -> bool {
            self.keys.fetching().under_way().is_some()
        }
    }

    impl Drop for Issuer {
        fn drop(&mut self) {
            self.serving.abort();
        }
    }

    #[tokio::test]
    async fn a_known_key_waits_for_no_fetch_however_old_its_set_is() {
        let issuer = Issuer::start(StatusCode::OK).await;
        issuer.knows_since(OLD / 2);
        assert_eq!((issuer.find(true).await, issuer.is_asked_now()), (Ok(()), false));
        issuer.knows_since(OLD);
        assert_eq!((issuer.find(true).await, issuer.is_asked_now()), (Ok(()), true), "the issuer has not answered yet");
        issuer.answers.add_permits(1);
        while issuer.is_asked_now() {
            tokio::task::yield_now().await;
        }
        assert!(issuer.keys.known().unwrap().fetched.elapsed() < OLD, "the set is a new one");
    }

    #[tokio::test]
    async fn a_set_that_is_too_old_counts_no_longer() {
        let issuer = Issuer::start(StatusCode::INTERNAL_SERVER_ERROR).await;
        issuer.answers.add_permits(1);
        issuer.knows_since(TOO_OLD);
        assert_eq!(issuer.find(true).await, Err(TokenError::KeysUnavailable));
    }

    #[tokio::test]
    async fn one_fetch_serves_all_and_a_failed_one_is_not_repeated() {
        let issuer = Issuer::start(StatusCode::INTERNAL_SERVER_ERROR).await;
        issuer.answers.add_permits(10);
        let (first, second, third) = tokio::join!(issuer.find(true), issuer.find(true), issuer.find(false));
        assert_eq!([first, second, third], [const { Err(TokenError::KeysUnavailable) }; 3]);
        assert_eq!(issuer.find(true).await, Err(TokenError::KeysUnavailable));
        assert_eq!(issuer.asked.load(Ordering::SeqCst), 1);
        let waits = issuer.keys.fetching().next.unwrap().saturating_duration_since(Instant::now());
        assert!(waits <= BACKOFF.first, "an issuer that is back is asked soon");
    }
}
