//! Claiming what is due, and sending it.

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::http::HeaderValue;
use axum::http::header::CONTENT_TYPE;
use hyper::body::Bytes;
use tokio::sync::mpsc;
use url::Url;
use vestibule::model::Timestamp;
use vestibule_sessions::{Claimed, Claims, Delivery, Held, Settled, StoreError};

use super::attempt::{Attempted, Obstacle};
use super::lanes::{Key, Lanes, Next, Taken};
use super::token::LogoutToken;
use crate::app::App;
use crate::backoff::chance;
use crate::post::{self, Connection, Message, Place, post};
use crate::request::random_id;
use crate::tenant::Tenant;
use crate::workers::{Panicked, Worker};

/// How long a delivery is this server's: longer than all that it has in hand of a receiver takes,
/// when each attempt takes all its time.
const LEASE: Duration = Duration::from_secs(120);
/// How often it is looked what other servers have left, and whose time to be tried again has come.
const EVERY: Duration = Duration::from_millis(500);
/// Receivers that are looked at, at one time, beside those that have no turn.
const RECEIVERS: usize = 1_000;

/// What sends logout tokens.
pub(super) struct Deliverer {
    app: App,
    give_up_after: Duration,
    lanes: Mutex<Lanes>,
    results: mpsc::UnboundedSender<Settled>,
}

impl Deliverer {
    pub(super) fn new(app: App, give_up_after: Duration, results: mpsc::UnboundedSender<Settled>) -> Self {
        Self { app, give_up_after, lanes: Mutex::default(), results }
    }

    fn lanes(&self) -> MutexGuard<'_, Lanes> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Claims until it is closed.
    pub(super) async fn claim_until_closed(self: Arc<Self>) {
        let pulse = self.app.workers().begin(Worker::Deliverer);
        while !self.lanes().is_closed() {
            let taken = pulse.pass(self.claim()).await.unwrap_or_else(|error| {
                tracing::warn!(%error, "logout tokens that are due can't be claimed; it is tried again");
                0
            });
            if taken == 0 {
                // Somebody has ended a session, or settled a delivery; or it is time to look
                // anyway.
                let _ = tokio::time::timeout(EVERY, self.app.ended().notified()).await;
            }
        }
    }

    /// How many deliveries were claimed, or set aside: behind those there may be more.
    async fn claim(self: &Arc<Self>) -> Result<usize, StoreError> {
        let now = self.app.clock().now();
        let busy = self.lanes().busy(now);
        let due = self.app.store().due_receivers(now, RECEIVERS + busy).await?;
        if due.is_empty() {
            return Ok(0);
        }
        let shares = self.lanes().shares(due, now);
        if shares.is_empty() {
            return Ok(0);
        }
        let Claims { claimed, set_aside } = self.app.store().claim_deliveries(&shares, now, now.plus(LEASE)).await?;
        let count = claimed.len() + set_aside;
        let workers = self.lanes().add(claimed);
        for key in workers {
            tokio::spawn(Arc::clone(self).work(key));
        }
        Ok(count)
    }

    /// Sends what there is for one receiver, one after the other over one connection. A worker may
    /// start another one.
    fn work(self: Arc<Self>, key: Key) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(async move {
            let mut working = Working { deliverer: &self, key: &key, attempts: 0, has_ended: false };
            let mut open = None;
            let unsent = loop {
                let next = self.lanes().next(&key, self.now());
                match next {
                    Next::Send(claimed) => {
                        working.attempts = 1;
                        let taken = self.send(*claimed, &mut open).await;
                        working.attempts = 0;
                        if self.lanes().done(&key, taken, self.now()) {
                            tokio::spawn(Arc::clone(&self).work(key.clone()));
                        }
                    }
                    Next::End(unsent) => break unsent,
                }
            };
            working.has_ended = true;
            self.release(unsent).await;
        })
    }

    fn now(&self) -> Timestamp {
        self.app.clock().now()
    }

    /// One attempt, and what has become of it.
    async fn send(&self, claimed: Claimed, open: &mut Option<Connection>) -> Taken {
        let Claimed { delivery, claim } = claimed;
        let (began, now) = (Instant::now(), self.now());
        let attempted = if Attempted::is_too_late(&delivery, self.give_up_after, now) {
            Attempted::too_late(&delivery)
        } else {
            match self.app.tenant_of(&delivery.tenant) {
                None => Attempted::not_possible(Obstacle::NoTenant, now),
                Some(tenant) => {
                    let posted = self.app.workers().job(Worker::Deliverer, self.post(&tenant, &delivery, open)).await;
                    posted.unwrap_or_else(|Panicked| {
                        // What it has left of the connection is used no more.
                        *open = None;
                        Attempted::not_possible(Obstacle::Fault, self.now())
                    })
                }
            }
        };
        let now = self.now();
        let delay = Duration::from_millis(now.as_millis().saturating_sub(delivery.ended_at.as_millis()));
        self.app.metrics().logout_attempt(&delivery.tenant, attempted.name(), began.elapsed(), delay);
        let log = Some(attempted.log(&delivery, now));
        let settled = Settled { tenant: delivery.tenant, id: delivery.id, claim, result: attempted.result, log };
        // Whoever settles ends after all who send.
        let _ = self.results.send(settled);
        attempted.taken
    }

    async fn post(&self, tenant: &Tenant, delivery: &Delivery, open: &mut Option<Connection>) -> Attempted {
        let (id, of_delivery) = (random_id(), delivery.id.to_string());
        let token = LogoutToken {
            issuer: &tenant.settings.logout.issuer,
            client_id: delivery.client.as_str(),
            user: delivery.user.as_str(),
            session: delivery.session.as_str(),
            id: &id,
            delivery: &of_delivery,
            metadata: delivery.metadata.as_ref(),
        };
        // By the machine's clock: the application compares the token's times with its own.
        let now = Timestamp::now();
        let Some(key) = tenant.logout_keys.signing(now) else {
            tracing::error!(tenant = %delivery.tenant, "a logout token can't be signed: the key that was made for it can't be read");
            return Attempted::not_possible(Obstacle::NoSignature, self.now());
        };
        let token = match token.sign(&key, now) {
            Ok(token) => token,
            Err(error) => {
                tracing::error!(tenant = %delivery.tenant, %error, "a logout token can't be signed");
                return Attempted::not_possible(Obstacle::NoSignature, self.now());
            }
        };
        // Base64url and dots: nothing in a token has to be escaped in a form.
        let body = Bytes::from(format!("logout_token={token}"));
        let url = Url::parse(delivery.url.as_str()).ok();
        let path = url.as_ref().map_or("/", post::path);
        let answered = match Place::of(delivery.receiver.as_str()) {
            Ok(place) => {
                let message = Message { path, headers: &[(CONTENT_TYPE, FORM)], body: &body };
                post(self.app.connector(), &delivery.tenant, open, &place, message).await
            }
            Err(error) => Err(error),
        };
        Attempted::new(answered, delivery, self.give_up_after, self.now(), chance())
    }

    async fn release(&self, unsent: Vec<Claimed>) {
        if unsent.is_empty() {
            return;
        }
        let held =
            unsent.iter().map(|claimed| Held { tenant: &claimed.delivery.tenant, id: claimed.delivery.id, claim: claimed.claim });
        let held: Vec<Held<'_>> = held.collect();
        if let Err(error) = self.app.store().release_deliveries(&held, self.now()).await {
            tracing::warn!(%error, "logout tokens that were not sent can't be given back; they are due again when their lease is over");
        }
    }

    /// Claims no more: workers give back what they have not begun.
    pub(super) fn close(&self) {
        self.lanes().close();
        self.app.ended().notify_one();
    }

    /// Waits for attempts that have begun.
    pub(super) async fn end(&self, deadline: tokio::time::Instant) {
        let ended = async {
            while self.lanes().in_hand() > 0 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let _ = tokio::time::timeout_at(deadline, ended).await;
    }
}

/// A lane's worker. One that doesn't come to its end, by a panic, gives up its part of the lane:
/// others may work there.
struct Working<'a> {
    deliverer: &'a Deliverer,
    key: &'a Key,
    /// Attempts that have begun and not ended.
    attempts: usize,
    has_ended: bool,
}

impl Drop for Working<'_> {
    fn drop(&mut self) {
        if !self.has_ended {
            self.deliverer.lanes().lost(self.key, self.attempts);
        }
    }
}

/// Of the form that a logout token comes in.
const FORM: HeaderValue = HeaderValue::from_static("application/x-www-form-urlencoded");

impl fmt::Debug for Deliverer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deliverer").field("lanes", &self.lanes).finish_non_exhaustive()
    }
}
