//! What has become of attempts is written down: many at one time, so that a thousand receivers cost a few commits.

use std::time::Duration;

use tokio::sync::mpsc;
use vestibule::model::Timestamp;
use vestibule_sessions::Settled;

use crate::app::App;

/// In one transaction.
const AT_ONE_TIME: usize = 256;
/// Between two tries of a store that fails.
const PAUSE: Duration = Duration::from_secs(1);
/// After so many tries they are left to their leases.
const TRIES: usize = 60;

/// Settles until nobody sends any more.
pub(super) async fn settle(app: App, mut results: mpsc::UnboundedReceiver<Settled>) {
    let mut batch = Vec::new();
    while results.recv_many(&mut batch, AT_ONE_TIME).await > 0 {
        for tried in 1.. {
            match app.store().settle_deliveries(batch.clone(), Timestamp::now()).await {
                Ok(were_ours) => {
                    let lost = were_ours.iter().filter(|was_ours| !**was_ours).count();
                    if lost > 0 {
                        tracing::debug!(
                            lost,
                            "logout tokens were sent that another server has taken over since, or that were dropped"
                        );
                    }
                    break;
                }
                Err(error) if tried >= TRIES => {
                    tracing::error!(%error, "what has become of logout tokens can't be written down: they will be sent again");
                    break;
                }
                Err(error) => {
                    tracing::warn!(%error, "what has become of logout tokens can't be written down; it is tried again");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
        batch.clear();
        // There may be room for more.
        app.ended().notify_one();
    }
}
