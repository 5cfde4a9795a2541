//! The end of a server: one deadline over all of its parts.
//!
//! Kubernetes kills what has not ended 30 s after SIGTERM. So all of it, with the time in which the
//! listener still accepts, takes [`IN_ALL`] at most.

use std::sync::OnceLock;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};

use super::Server;

/// From the first word of the end until all has ended.
const IN_ALL: Duration = Duration::from_secs(28);
/// Of that, what is left for executions and the store when requests, attempts and streams are
/// broken off.
const FOR_THE_STORE: Duration = Duration::from_secs(6);
/// And what is left for the store when executions are dropped.
const FOR_CLOSING: Duration = Duration::from_secs(3);

/// When the end of a server has begun.
#[derive(Debug, Default)]
pub(super) struct Ending(OnceLock<Instant>);

impl Ending {
    fn since(&self) -> Instant {
        *self.0.get_or_init(Instant::now)
    }
}

impl Server {
    /// Begins the end: `/readyz` says 503 from now on, and requests are served all the same, until
    /// `shutdown.drain` of the configuration has passed. What sends requests here has that time to
    /// notice. Not needed before [`Server::stop`].
    pub async fn drain(&self) {
        self.ending.since();
        self.app.end();
        let drain = self.configuration.shutdown.drain;
        tracing::info!(seconds = drain.as_secs(), "the server is ending; it takes requests for a while");
        sleep(drain).await;
    }

    /// Ends the server: takes no more requests, lets those that have begun end, and gives the store
    /// back. That takes 28 s at most, [`Server::drain`] included.
    pub async fn stop(self) {
        let end = self.ending.since() + IN_ALL;
        self.app.end();
        let (requests, executions) = (end - FOR_THE_STORE, end - FOR_CLOSING);
        self.handle.graceful_shutdown(Some(requests.saturating_duration_since(Instant::now())));
        let (served, ..) = tokio::join!(
            timeout_at(requests + Duration::from_millis(500), self.serving),
            self.logouts.stop(requests),
            self.streams.stop(requests)
        );
        match served {
            Ok(Ok(Err(error))) => tracing::error!(%error, "the server has ended with an error"),
            Ok(_) => {}
            Err(_) => tracing::warn!("some requests did not end in time, and were broken off"),
        }
        for task in &self.looking {
            task.abort();
        }
        self.app.executions().stop(executions).await;
        if timeout_at(end, self.store.close()).await.is_err() {
            tracing::warn!("the store could not be closed in time");
        }
        let app = self.app;
        // It waits for a receiver of traces, on its thread.
        let closing = tokio::task::spawn_blocking(move || app.traces().close());
        if timeout_at(end, closing).await.is_err() {
            tracing::warn!("the last traces could not be sent in time");
        }
        tracing::info!("ended");
    }
}
