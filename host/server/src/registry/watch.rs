//! Looking at what others have deployed.

use std::time::{Duration, Instant};

use super::live;
use crate::app::App;
use crate::workers::Worker;

/// How often it is looked where no word comes.
const EVERY: Duration = Duration::from_millis(250);
/// How long it is waited where the store can't be asked.
const AFTER_A_FAULT: Duration = Duration::from_secs(1);

/// Makes live what is deployed, by whichever server, until it is dropped.
pub(crate) async fn watch(app: App, mut after: u64) {
    let pulse = app.workers().begin(Worker::FlowWatch);
    let mut is_away = false;
    loop {
        tokio::select! {
            () = app.store().flow_notice() => {}
            () = tokio::time::sleep(EVERY) => {}
        }
        let changed = match pulse.pass(app.store().flows_changed(after)).await {
            Ok(changes) => {
                is_away = false;
                after = changes.revision;
                changes.tenants
            }
            Err(error) => {
                if !std::mem::replace(&mut is_away, true) {
                    tracing::warn!(%error, "the store can't be asked for changed flows; it is tried again");
                }
                tokio::time::sleep(AFTER_A_FAULT).await;
                Vec::new()
            }
        };
        for tenant in app.registry().live().due(changed, Instant::now()) {
            let app = app.clone();
            // Each by itself: one that has to be compiled here first holds up no other tenant.
            tokio::spawn(async move {
                // What is wrong was logged.
                if app.workers().job(Worker::FlowWatch, live::refresh(&app, &tenant)).await.is_err() {
                    app.registry().live().broken_off(&app, &tenant);
                }
            });
        }
    }
}
