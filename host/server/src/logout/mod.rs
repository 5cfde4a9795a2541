//! Telling applications that a session has ended (OpenID Connect Back-Channel Logout 1.0): at least
//! once, across crashes, receivers that are away, and several servers.
//!
//! The store has written what an end owes, with the end itself. Here it is claimed with a lease,
//! signed anew for each attempt, sent, and settled. Whoever crashes in between loses nothing: when
//! the lease is over, another one claims it.

mod attempt;
mod circuit;
mod deliver;
mod lanes;
mod settings;
mod settle;
mod token;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};

use crate::app::App;

use deliver::Deliverer;
pub(crate) use settings::OidcLogout;
use settle::settle;

/// What sends logout tokens, for as long as the server runs.
#[derive(Debug)]
pub(crate) struct Logouts {
    deliverer: Arc<Deliverer>,
    claiming: JoinHandle<()>,
    settling: JoinHandle<()>,
}

impl Logouts {
    /// Begins to send.
    pub(crate) fn start(app: &App, give_up_after: Duration) -> Self {
        let (results, settled) = mpsc::unbounded_channel();
        let deliverer = Arc::new(Deliverer::new(app.clone(), give_up_after, results));
        let claiming = tokio::spawn(Arc::clone(&deliverer).claim_until_closed());
        let settling = tokio::spawn(settle(app.clone(), settled));
        Self { deliverer, claiming, settling }
    }

    /// Claims no more, lets attempts that have begun end, and gives the rest back, for other
    /// servers to send; until the deadline.
    pub(crate) async fn stop(mut self, deadline: Instant) {
        self.deliverer.close();
        // What the store gives at this very moment is given back; broken off, it would be nobody's
        // until its lease is over.
        if timeout_at(deadline, &mut self.claiming).await.is_err() {
            self.claiming.abort();
        }
        self.deliverer.end(deadline).await;
        drop(self.deliverer);
        // What is not settled by then is sent once more, when its lease is over.
        if timeout_at(deadline, &mut self.settling).await.is_err() {
            self.settling.abort();
            tracing::warn!("some logout tokens were sent and could not be written down: they will be sent again");
        }
    }
}
