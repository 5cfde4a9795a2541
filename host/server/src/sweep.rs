//! Sessions whose time is over end, and what has been kept for long enough is forgotten: a little at a time, for as long as the server runs.

use std::time::Duration;

use vestibule::model::Timestamp;
use vestibule_sessions::{Retention, StoreError};

use crate::app::App;
use crate::config::{ExecutionSettings, KeepSettings, Lifetime};

/// How often it is looked.
const EVERY: Duration = Duration::from_secs(10);
/// Rows at one time: a few milliseconds, for which a login may have to wait.
const AT_ONE_TIME: usize = 500;

/// Sweeps until it is dropped.
pub(crate) async fn sweep(app: App, keep: KeepSettings, executions: ExecutionSettings) {
    let mut interval = tokio::time::interval(EVERY);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        let now = Timestamp::now();
        match app.store().delivery_backlog().await {
            Ok(backlog) => app.metrics().logout_backlog(backlog, now),
            Err(error) => tracing::warn!(%error, "what logout tokens wait can't be counted"),
        }
        let before = |lifetime: Lifetime| Timestamp::from_millis(now.as_millis().saturating_sub(lifetime.as_millis()));
        let retention = Retention {
            ended_since: before(keep.ended_sessions),
            transactions_since: before(keep.transactions),
            log_since: before(keep.log),
            deliveries_since: before(keep.ended_sessions),
        };
        loop {
            match app.store().sweep(now, retention, AT_ONE_TIME).await {
                Ok(swept) => {
                    app.metrics().swept(swept.expired);
                    if swept.expired > 0 {
                        app.ended().notify_one();
                    }
                    if !swept.is_more {
                        break;
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "what is over could not be swept; it is tried again");
                    break;
                }
            }
        }
        forget_executions(&app, before(executions.keep), executions.each).await;
    }
}

/// Writes the ends of sessions that were marked as ended, with what they owe, until it is dropped. Tenants take turns, a transaction each.
/// What a crash has left is found at the next start.
pub(crate) async fn write_ends(app: App) {
    let mut interval = tokio::time::interval(EVERY);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = interval.tick() => {}
            () = app.marked().notified() => {}
        }
        if let Err(error) = write_all_ends(&app).await {
            tracing::warn!(%error, "the ends of sessions that have ended can't be written; it is tried again");
        }
    }
}

async fn write_all_ends(app: &App) -> Result<(), StoreError> {
    let (mut after, mut of_round) = (None, 0);
    loop {
        match app.store().write_ends(after.as_ref(), Timestamp::now(), AT_ONE_TIME).await? {
            Some(written) => {
                if written.sessions > 0 {
                    app.ended().notify_one();
                }
                of_round += written.sessions;
                after = Some(written.tenant);
            }
            None if of_round == 0 => return Ok(()),
            None => (after, of_round) = (None, 0),
        }
    }
}

/// Forgets executions that have been kept for long enough, and the oldest of tenants that have too many.
async fn forget_executions(app: &App, since: Timestamp, each: u64) {
    loop {
        match app.store().sweep_executions(since, each, AT_ONE_TIME).await {
            Ok(forgotten) if forgotten >= AT_ONE_TIME as u64 => {}
            Ok(_) => break,
            Err(error) => {
                tracing::warn!(%error, "executions could not be swept; it is tried again");
                break;
            }
        }
    }
}
