//! Streams: a tenant's log on its way to a webhook or into a file, at least once and in order.
//!
//! How far a stream was sent is in the store, and moves when its entries have arrived. One server
//! at a time sends a stream: it has claimed it with a lease, and when that is over, because the
//! server has crashed, another one goes on from the same place. Here is nothing that says what
//! entries are, and nothing that keeps them.

mod batch;
mod file;
mod plan;
mod stream;
mod webhook;

use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};
use vestibule_sessions::{Holder, StoreError};

use crate::app::App;

pub(crate) use file::obstacle;
pub(crate) use plan::{Plan, plans};
use stream::Stream;
pub(crate) use webhook::SigningSecretError;

/// How long a reload waits for what streams have begun that are no longer in the configuration: as
/// long as an attempt may take.
const GRACE: Duration = Duration::from_secs(12);

/// All streams that this server sends, or would send if no other server did.
#[derive(Debug)]
pub(crate) struct Streams {
    app: App,
    holder: Holder,
    running: Vec<Running>,
}

#[derive(Debug)]
struct Running {
    plan: Plan,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Streams {
    /// Begins to send.
    ///
    /// # Errors
    /// When the system has no random numbers.
    pub(crate) fn start(app: &App, plans: Vec<Plan>) -> Result<Self, StoreError> {
        let mut streams = Self { app: app.clone(), holder: Holder::random()?, running: Vec::new() };
        streams.add(plans);
        Ok(streams)
    }

    fn add(&mut self, plans: Vec<Plan>) {
        for plan in plans {
            let (stop, stopped) = watch::channel(false);
            let task = tokio::spawn(Stream::new(self.app.clone(), self.holder, plan.clone(), stopped).run());
            self.running.push(Running { plan, stop, task });
        }
    }

    /// Sends these from now on: those that are as they were go on, those that are gone end, and
    /// those that are others begin anew where they have come to.
    pub(crate) async fn change(&mut self, mut plans: Vec<Plan>) {
        let (same, others): (Vec<_>, Vec<_>) = self.running.drain(..).partition(|running| plans.contains(&running.plan));
        plans.retain(|plan| !same.iter().any(|running| running.plan == *plan));
        self.running = same;
        end(others, Instant::now() + GRACE).await;
        self.add(plans);
    }

    /// Lets what has begun end, and gives all streams back, for other servers to send; until the
    /// deadline.
    pub(crate) async fn stop(self, deadline: Instant) {
        end(self.running, deadline).await;
    }
}

/// All of them end at the same time, and share the deadline.
async fn end(streams: Vec<Running>, deadline: Instant) {
    for running in &streams {
        running.stop.send_replace(true);
    }
    for mut running in streams {
        if timeout_at(deadline, &mut running.task).await.is_err() {
            // What it has sent and not written down is sent once more.
            running.task.abort();
            let _ = running.task.await;
        }
    }
}
