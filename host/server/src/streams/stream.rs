//! One stream: claimed, and sent from where it has come to, for as long as it is this server's.

use std::time::Duration;

use tokio::sync::watch;
use vestibule::model::Timestamp;
use vestibule_sessions::{Holder, LogPosition};

use super::batch::{Batch, ENTRIES};
use super::file::FileSink;
use super::plan::{Plan, Target};
use super::webhook::Webhook;
use crate::app::App;
use crate::backoff::{Backoff, chance};
use crate::workers::{Pulse, Worker};

/// How long a stream is this server's: with half of it left an attempt begins, which takes ten
/// seconds at most.
const LEASE: Duration = Duration::from_secs(30);
/// How often it is looked whether a stream that is another server's still is.
const CLAIM: Duration = Duration::from_secs(2);
/// How often it is looked whether the log has more; and between two tries of a store that fails.
const EVERY: Duration = Duration::from_secs(1);
/// A receiver that is back hears of it within a minute, unless it has asked for more time.
const BACKOFF: Backoff =
    Backoff { first: Duration::from_secs(1), longest: Duration::from_secs(60), longest_asked: Duration::from_secs(3_600) };

/// Why entries have not arrived.
#[derive(Debug)]
pub(super) struct Unsent {
    pub(super) reason: String,
    /// When the receiver wants to be asked again.
    pub(super) asked: Option<Duration>,
}

/// One stream.
#[derive(Debug)]
pub(super) struct Stream {
    app: App,
    holder: Holder,
    plan: Plan,
    stop: watch::Receiver<bool>,
    pulse: Pulse,
    /// Half of the lease is left until then.
    renewed_until: Timestamp,
}

/// How entries get to where they are sent.
enum Way {
    Webhook(Webhook),
    File(FileSink),
}

/// It is this server's no longer, or is to end.
struct Over;

impl Stream {
    pub(super) fn new(app: App, holder: Holder, plan: Plan, stop: watch::Receiver<bool>) -> Self {
        let pulse = app.workers().begin(Worker::Streams);
        Self { app, holder, plan, stop, pulse, renewed_until: Timestamp::from_millis(0) }
    }

    fn now(&self) -> Timestamp {
        self.app.clock().now()
    }

    /// Sends until it is to stop.
    pub(super) async fn run(mut self) {
        let workers = self.app.workers().clone();
        loop {
            let mut way = match &self.plan.target {
                Target::Webhook { receiver, path, secrets } => Way::Webhook(Webhook::new(receiver, path, secrets.clone())),
                Target::File(file) => Way::File(FileSink::new(file.clone())),
            };
            // After a panic it goes on with a connection of its own, from what the store has of it.
            // The lease is still this server's.
            if workers.job(Worker::Streams, self.send_until_stopped(&mut way)).await.is_ok() {
                break;
            }
            self.pulse.has_panicked();
            self.app.metrics().stream_left(&self.plan.tenant, self.name());
            if self.rest(CLAIM).await.is_err() {
                break;
            }
        }
        let released = self.pulse.pass(self.app.store().stream_release(&self.plan.tenant, self.name(), self.holder)).await;
        if let Err(error) = released {
            self.warn(&format!("the stream can't be given back; another server has it when its lease is over: {error}"));
        }
    }

    async fn send_until_stopped(&mut self, way: &mut Way) {
        loop {
            let now = self.now();
            let claim = self.app.store().stream_claim(&self.plan.tenant, self.name(), self.holder, now, now.plus(LEASE));
            match self.pulse.part(claim).await {
                // No good pass yet: that is one that has read the log, and written down how far it
                // was sent.
                Ok(Some(position)) => {
                    self.renewed_until = now.plus(LEASE / 2);
                    let Over = self.send_after(position, way).await;
                    self.app.metrics().stream_left(&self.plan.tenant, self.name());
                }
                // There is nothing to do here.
                Ok(None) => self.pulse.good(),
                Err(error) => self.warn(&format!("the stream can't be claimed; it is tried again: {error}")),
            }
            if self.rest(CLAIM).await.is_err() {
                break;
            }
        }
    }

    async fn send_after(&mut self, mut position: LogPosition, way: &mut Way) -> Over {
        loop {
            match self.send_next(&mut position, way).await {
                Ok(true) => {}
                // There is nothing more for now.
                Ok(false) => {
                    if let Err(over) = self.rest(EVERY).await {
                        return over;
                    }
                }
                Err(over) => return over,
            }
        }
    }

    /// Whether there was something.
    async fn send_next(&mut self, position: &mut LogPosition, way: &mut Way) -> Result<bool, Over> {
        self.keep(*position).await?;
        let entries = match self.pulse.part(self.app.store().stream_log(&self.plan.tenant, *position, ENTRIES)).await {
            Ok(entries) => entries,
            Err(error) => {
                self.warn(&format!("the log can't be read; it is tried again: {error}"));
                return Ok(false);
            }
        };
        let Some(batch) = Batch::of(&self.plan, entries) else {
            self.pulse.good();
            self.lag(None);
            return Ok(false);
        };
        if !batch.lines.is_empty() {
            self.send(&batch, *position, way).await?;
        }
        self.advance(batch.end).await?;
        self.pulse.good();
        *position = batch.end;
        Ok(true)
    }

    /// Tries until it has arrived.
    async fn send(&mut self, batch: &Batch, position: LogPosition, way: &mut Way) -> Result<(), Over> {
        for attempt in 1.. {
            self.lag(Some(batch.oldest));
            let sent = match way {
                Way::Webhook(webhook) => webhook.send(self.app.connector(), &self.plan.tenant, batch).await,
                Way::File(file) => file.send(batch).await,
            };
            self.app.metrics().stream_batch(&self.plan.tenant, self.name(), if sent.is_ok() { "sent" } else { "failed" });
            let Err(Unsent { reason, asked }) = sent else { break };
            let now = self.now();
            let due = BACKOFF.next(now, attempt, asked, chance());
            self.warn(&format!(
                "entries could not be sent, the oldest of {}; they are tried again at {due}: {reason}",
                batch.oldest
            ));
            loop {
                // The store works, and a receiver that doesn't take it makes this worker no later.
                self.pulse.good();
                self.lag(Some(batch.oldest));
                let left = Duration::from_millis(due.as_millis().saturating_sub(self.now().as_millis()));
                if left.is_zero() {
                    break;
                }
                self.rest(left.min(LEASE / 4)).await?;
                self.keep(position).await?;
            }
        }
        Ok(())
    }

    /// Keeps the stream, where half of its lease is over.
    async fn keep(&mut self, position: LogPosition) -> Result<(), Over> {
        if self.now() < self.renewed_until { Ok(()) } else { self.advance(position).await }
    }

    /// Writes down how far it was sent. A store that fails is tried again: what was sent needs not
    /// be sent once more for that.
    async fn advance(&mut self, position: LogPosition) -> Result<(), Over> {
        loop {
            let now = self.now();
            let advance = self.app.store().stream_advance(&self.plan.tenant, self.name(), self.holder, position, now.plus(LEASE));
            match self.pulse.part(advance).await {
                Ok(true) => {
                    self.renewed_until = now.plus(LEASE / 2);
                    return Ok(());
                }
                Ok(false) => {
                    self.warn("another server sends the stream now");
                    return Err(Over);
                }
                Err(error) => {
                    self.warn(&format!("how far the stream was sent can't be written down; it is tried again: {error}"))
                }
            }
            self.rest(EVERY).await?;
        }
    }

    /// Waits; not any longer when the stream is to stop.
    async fn rest(&mut self, time: Duration) -> Result<(), Over> {
        match tokio::time::timeout(time, self.stop.wait_for(|stop| *stop)).await {
            Ok(_) => Err(Over),
            Err(_) => Ok(()),
        }
    }

    fn lag(&self, oldest: Option<Timestamp>) {
        self.app.metrics().stream_lag(&self.plan.tenant, self.name(), oldest, self.now());
    }

    fn warn(&self, what: &str) {
        tracing::warn!(tenant = %self.plan.tenant, stream = %self.plan.name, "{what}");
    }

    fn name(&self) -> &str {
        self.plan.name.as_str()
    }
}
