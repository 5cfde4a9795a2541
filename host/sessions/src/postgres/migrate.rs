//! Brings the database's schema up to date.

use std::time::Duration;

use tokio::time::{Instant, sleep};
use tokio_postgres::error::SqlState;

use super::errors::Trouble;
use super::lease::{Connections, Lease, jittered};
use crate::error::StoreError;
use crate::migrations::{self, Migration, missing};

const MIGRATIONS: &[Migration] = &[
    Migration { number: 1, name: "sessions", sql: include_str!("../../migrations/postgres/0001_sessions.sql") },
    Migration { number: 2, name: "logouts", sql: include_str!("../../migrations/postgres/0002_logouts.sql") },
    Migration { number: 3, name: "registry", sql: include_str!("../../migrations/postgres/0003_registry.sql") },
    Migration { number: 4, name: "tenant_bytes", sql: include_str!("../../migrations/postgres/0004_tenant_bytes.sql") },
];

const TABLES: &str = "
    CREATE TABLE IF NOT EXISTS vestibule_migrations (
        number INTEGER PRIMARY KEY,
        name TEXT NOT NULL,
        checksum TEXT NOT NULL,
        applied_at TIMESTAMPTZ NOT NULL
    );
    -- One row: whoever holds it is the one who migrates.
    CREATE TABLE IF NOT EXISTS vestibule_migrator (id INTEGER PRIMARY KEY);
    INSERT INTO vestibule_migrator (id) VALUES (1) ON CONFLICT DO NOTHING";

/// How long it may take until a schema is up to date: an index over many rows takes its time, and
/// so does waiting for another process that makes it.
const ALL: Duration = Duration::from_secs(3600);

/// How long a step waits for the locks that it needs. All who come after it wait with it, so it
/// waits for less than a statement may, and is tried again.
const LOCKS: &str = "SET LOCAL lock_timeout = '1s'; SET LOCAL statement_timeout = 0";

/// The longest wait between two attempts.
const PAUSE: Duration = Duration::from_millis(500);

/// What is left to be done.
enum Applied {
    All,
    /// A step was applied; there may be more.
    One,
}

/// Applies what is missing, each step in a transaction of its own. A database that is up to date is
/// only looked at.
pub(super) async fn migrate(connections: &Connections) -> Result<(), StoreError> {
    let name = connections.name.as_str();
    let is_up_to_date = connections.attempt(true, |lease| async move {
        match applied(&lease).await {
            Ok(applied) => Ok(missing(MIGRATIONS, &applied, name)?.is_empty()),
            Err(Trouble::Sql(error)) if error.code() == Some(&SqlState::UNDEFINED_TABLE) => Ok(false),
            Err(trouble) => Err(trouble),
        }
    });
    if is_up_to_date.await? {
        return Ok(());
    }
    connections.attempt(true, |lease| async move { make_tables(&lease).await }).await?;
    let since = Instant::now();
    loop {
        match connections.attempt(true, |lease| apply_next(lease, name)).await {
            Ok(Applied::All) => return Ok(()),
            Ok(Applied::One) => {}
            // Another process migrates, or a long lookup has a table that is to be changed.
            Err(StoreError::Busy { .. }) if since.elapsed() < ALL => sleep(jittered(PAUSE)).await,
            Err(error) => return Err(error),
        }
    }
}

async fn make_tables(lease: &Lease) -> Result<(), Trouble> {
    // Of two who make one table at the same moment one finds a row, a type or a table that is
    // there.
    const RACES: [&SqlState; 3] = [&SqlState::UNIQUE_VIOLATION, &SqlState::DUPLICATE_TABLE, &SqlState::DUPLICATE_OBJECT];
    match lease.client()?.batch_execute(TABLES).await {
        Err(error) if error.code().is_some_and(|code| RACES.contains(&code)) => Err(Trouble::Race),
        made => Ok(made?),
    }
}

/// One step in one transaction; of two processes that begin at once, the second waits, and finds it
/// done.
async fn apply_next(mut lease: Lease, name: &str) -> Result<Applied, Trouble> {
    const TURN: &str = "SELECT id FROM vestibule_migrator WHERE id = 1 FOR UPDATE NOWAIT";
    const WRITE: &str = "INSERT INTO vestibule_migrations (number, name, checksum, applied_at) VALUES ($1, $2, $3, now())";
    let (turn, write) = (lease.prepare(TURN).await?, lease.prepare(WRITE).await?);
    lease.begin("").await?;
    let client = lease.client()?;
    client.query(&turn, &[]).await?;
    let applied = applied(&lease).await?;
    let Some(migration) = missing(MIGRATIONS, &applied, name)?.first() else {
        lease.roll_back().await?;
        return Ok(Applied::All);
    };
    lease.extend(ALL);
    client.batch_execute(LOCKS).await?;
    client.batch_execute(migration.sql).await?;
    let number = i32::try_from(migration.number).unwrap_or(i32::MAX);
    client.execute(&write, &[&number, &migration.name, &migration.checksum()]).await?;
    lease.commit().await?;
    Ok(Applied::One)
}

async fn applied(lease: &Lease) -> Result<Vec<migrations::Applied>, Trouble> {
    let select = lease.prepare("SELECT number, checksum FROM vestibule_migrations ORDER BY number").await?;
    let rows = lease.client()?.query(&select, &[]).await?;
    rows.iter()
        .map(|row| {
            let number: i32 = row.try_get(0)?;
            Ok(migrations::Applied { number: number.unsigned_abs(), checksum: row.try_get(1)? })
        })
        .collect()
}
