//! Brings the database's schema up to date.

use tokio_postgres::error::SqlState;

use super::errors::Trouble;
use super::lease::{BEGIN, Connections, Lease};
use crate::error::StoreError;
use crate::migrations::{Applied, Migration, missing};

const MIGRATIONS: &[Migration] = &[
    Migration { number: 1, name: "sessions", sql: include_str!("../../migrations/postgres/0001_sessions.sql") },
    Migration { number: 2, name: "logouts", sql: include_str!("../../migrations/postgres/0002_logouts.sql") },
    Migration { number: 3, name: "registry", sql: include_str!("../../migrations/postgres/0003_registry.sql") },
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

/// Applies what is missing. A database that is up to date is only looked at.
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
    connections.attempt(true, |lease| apply(lease, name)).await
}

async fn make_tables(lease: &Lease) -> Result<(), Trouble> {
    // Of two who make one table at the same moment one finds a row, a type or a table that is there.
    const RACES: [&SqlState; 3] = [&SqlState::UNIQUE_VIOLATION, &SqlState::DUPLICATE_TABLE, &SqlState::DUPLICATE_OBJECT];
    match lease.client()?.batch_execute(TABLES).await {
        Err(error) if error.code().is_some_and(|code| RACES.contains(&code)) => Err(Trouble::Race),
        made => Ok(made?),
    }
}

/// One transaction; of two processes that begin at once, the second waits, and finds all of it done.
async fn apply(mut lease: Lease, name: &str) -> Result<(), Trouble> {
    lease.begins();
    let client = lease.client()?;
    // An index over many rows takes its time, and so does waiting for whoever makes it.
    client.batch_execute(&format!("{BEGIN}; SET LOCAL statement_timeout = 0")).await?;
    client.query("SELECT id FROM vestibule_migrator WHERE id = 1 FOR UPDATE", &[]).await?;
    let applied = applied(&lease).await?;
    for migration in missing(MIGRATIONS, &applied, name)? {
        client.batch_execute(migration.sql).await?;
        let number = i32::try_from(migration.number).unwrap_or(i32::MAX);
        client
            .execute(
                "INSERT INTO vestibule_migrations (number, name, checksum, applied_at) VALUES ($1, $2, $3, now())",
                &[&number, &migration.name, &migration.checksum()],
            )
            .await?;
    }
    lease.commit().await
}

async fn applied(lease: &Lease) -> Result<Vec<Applied>, Trouble> {
    let rows = lease.client()?.query("SELECT number, checksum FROM vestibule_migrations ORDER BY number", &[]).await?;
    rows.iter()
        .map(|row| {
            let number: i32 = row.try_get(0)?;
            Ok(Applied { number: number.unsigned_abs(), checksum: row.try_get(1)? })
        })
        .collect()
}
