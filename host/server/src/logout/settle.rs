//! The results of attempts are written: many in one transaction, so that a thousand receivers cost
//! a few commits.

use std::time::Duration;

use tokio::sync::mpsc;
use vestibule_sessions::{Settled, StoreError};

use crate::app::App;
use crate::workers::{IDLE, PassError, Pulse, Worker};

/// In one transaction.
const AT_ONE_TIME: usize = 256;
/// Between two tries of a store that can't be reached.
const PAUSE: Duration = Duration::from_secs(1);
/// After so many tries they are left to their leases.
const TRIES: usize = 60;

/// Settles until all senders are gone.
pub(super) async fn settle(app: App, mut results: mpsc::UnboundedReceiver<Settled>) {
    let pulse = app.workers().begin(Worker::Settler);
    let mut batch = Vec::new();
    loop {
        let Ok(count) = tokio::time::timeout(IDLE, results.recv_many(&mut batch, AT_ONE_TIME)).await else {
            pulse.good();
            continue;
        };
        if count == 0 {
            break;
        }
        settle_all(&app, &pulse, std::mem::take(&mut batch)).await;
        // There may be room for more.
        app.ended().notify_one();
    }
}

/// Writes these in one transaction. Where that fails for what one of them is, it is halved until
/// that one is alone: the others are written.
async fn settle_all(app: &App, pulse: &Pulse, batch: Vec<Settled>) {
    let mut left = vec![batch];
    let mut tries = 0;
    while let Some(mut batch) = left.pop() {
        match pulse.pass(app.store().settle_deliveries(batch.clone(), app.clock().now())).await {
            Ok(were_ours) => {
                let lost = were_ours.iter().filter(|was_ours| !**was_ours).count();
                if lost > 0 {
                    tracing::debug!(
                        lost,
                        "logout tokens were sent that another server has taken over since, or that were dropped"
                    );
                }
            }
            Err(error) if is_about_the_rows(&error) => {
                if batch.len() > 1 {
                    let half = batch.split_off(batch.len() / 2);
                    left.extend([half, batch]);
                } else if let Some(Settled { tenant, id, .. }) = batch.pop() {
                    tracing::error!(
                        %tenant, logout = %id, %error,
                        "the result of a logout token can't be written: it will be sent again when its lease is over"
                    );
                }
            }
            Err(error) => {
                tries += 1;
                if tries >= TRIES {
                    let count = batch.len() + left.iter().map(Vec::len).sum::<usize>();
                    tracing::error!(%error, count, "the results of logout tokens can't be written: they will be sent again");
                    return;
                }
                tracing::warn!(%error, "the results of logout tokens can't be written; it is tried again");
                left.push(batch);
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

/// Whether other rows may be written although these can't be.
fn is_about_the_rows(error: &PassError<StoreError>) -> bool {
    matches!(error, PassError::Panicked | PassError::Failed(StoreError::Failed { .. } | StoreError::Corrupt { .. }))
}
