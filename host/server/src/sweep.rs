//! Sessions whose time is over end, and what has been kept for long enough is forgotten: a little
//! at a time, for as long as the server runs.

use std::time::Duration;

use vestibule::model::Timestamp;
use vestibule_sessions::{Retention, StoreError};

use crate::app::App;
use crate::config::{ExecutionSettings, KeepSettings, Lifetime};
use crate::workers::rounds::Rounds;
use crate::workers::{PassError, Worker};

/// How often it is looked.
const EVERY: Duration = Duration::from_secs(10);
/// Rows at one time: a few milliseconds, for which a login may have to wait.
const AT_ONE_TIME: usize = 500;

/// Sweeps until it is dropped.
pub(crate) async fn sweep(app: App, keep: KeepSettings, executions: ExecutionSettings) {
    let mut rounds = Rounds::new(app.workers().begin(Worker::Sweep));
    let mut interval = tokio::time::interval(EVERY);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        // Not the machine's own: sessions that a clock has ended which was wrong for a moment don't
        // come back.
        let now = app.clock().now();
        match rounds.part(app.store().delivery_backlog()).await {
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
        if let Err(error) = sweep_sessions(&app, &mut rounds, now, retention).await {
            tracing::warn!(%error, "what is over could not be swept; it is tried again");
        }
        if let Err(error) = forget_executions(&app, &mut rounds, before(executions.keep), executions.each).await {
            tracing::warn!(%error, "executions could not be swept; it is tried again");
        }
        rounds.end();
    }
}

async fn sweep_sessions(
    app: &App,
    rounds: &mut Rounds,
    now: Timestamp,
    retention: Retention,
) -> Result<(), PassError<StoreError>> {
    loop {
        let swept = rounds.part(app.store().sweep(now, retention, AT_ONE_TIME)).await?;
        app.metrics().swept(swept.expired);
        if swept.expired > 0 {
            app.ended().notify_one();
        }
        if !swept.is_more {
            return Ok(());
        }
    }
}

/// Writes the ends of sessions that were marked as ended, with what they owe, until it is dropped.
/// Tenants take turns, a transaction each. What a crash has left is found at the next start.
pub(crate) async fn write_ends(app: App) {
    let mut rounds = Rounds::new(app.workers().begin(Worker::Ends));
    let mut interval = tokio::time::interval(EVERY);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = interval.tick() => {}
            () = app.marked().notified() => {}
        }
        if let Err(error) = write_all_ends(&app, &mut rounds).await {
            tracing::warn!(%error, "the ends of sessions that have ended can't be written; it is tried again");
        }
        rounds.end();
    }
}

async fn write_all_ends(app: &App, rounds: &mut Rounds) -> Result<(), PassError<StoreError>> {
    let (mut after, mut of_round) = (None, 0);
    loop {
        match rounds.part(app.store().write_ends(after.as_ref(), app.clock().now(), AT_ONE_TIME)).await? {
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

/// Forgets executions that have been kept for long enough, and the oldest of tenants that have too
/// many.
async fn forget_executions(app: &App, rounds: &mut Rounds, since: Timestamp, each: u64) -> Result<(), PassError<StoreError>> {
    while rounds.part(app.store().sweep_executions(since, each, AT_ONE_TIME)).await? >= AT_ONE_TIME as u64 {}
    Ok(())
}
