//! Connection poolers between this host and the database: which of them the store is set up for,
//! and whether it meets that one.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::str::FromStr;
use std::time::Duration;

use deadpool_postgres::{Hook, HookError, PoolError};
use thiserror::Error;
use tokio::time::timeout;

use super::errors::Trouble;
use super::lease::Connections;
use crate::error::StoreError;

/// What stands between this host and PostgreSQL.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pooler {
    /// Nothing: time limits are settings of each connection, and statements are prepared once for
    /// it.
    #[default]
    None,
    /// A pooler that gives a connection of its own to each of this host's. It needs as many as
    /// [`PostgresSettings::connections`](super::PostgresSettings::connections), and one more.
    Session,
    /// A pooler that gives a connection to each transaction. Time limits are set in each
    /// transaction, statements have no names, and changes of flows are found by asking.
    Transaction,
}

/// A text that names no kind of pooler.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a pooler is `none`, `session` or `transaction`")]
pub struct PoolerError;

impl FromStr for Pooler {
    type Err = PoolerError;

    fn from_str(text: &str) -> Result<Self, PoolerError> {
        match text {
            "none" => Ok(Self::None),
            "session" => Ok(Self::Session),
            "transaction" => Ok(Self::Transaction),
            _ => Err(PoolerError),
        }
    }
}

/// A setting of no meaning, which a connection has that took this host's settings.
const MARK: &str = "vestibule.settings";

impl Pooler {
    /// Settings of a connection, as PostgreSQL's `options` has them; none where a pooler would
    /// refuse them.
    pub(super) fn options(self, statement: Duration) -> Option<String> {
        (self == Self::None).then(|| {
            let limit = statement.as_millis().max(1);
            format!("-c statement_timeout={limit} -c idle_in_transaction_session_timeout={limit} -c {MARK}=on")
        })
    }

    /// What is sent with each BEGIN.
    pub(super) fn limits(self, statement: Duration) -> String {
        let mut sql = String::new();
        if self == Self::Transaction {
            for limit in LIMITS {
                // A text takes whatever is written to it.
                let _ = write!(sql, "; SET LOCAL {limit} = {}", statement.as_millis().max(1));
            }
        }
        sql
    }

    /// What is done with each new connection.
    pub(super) fn on_connect(self, statement: Duration) -> Option<Hook> {
        if self != Self::Session {
            return None;
        }
        let mut sql = String::new();
        for limit in LIMITS {
            // As above.
            let _ = write!(sql, "SET {limit} = {};", statement.as_millis().max(1));
        }
        Some(Hook::async_fn(move |client, _| {
            let sql = sql.clone();
            Box::pin(async move { client.batch_execute(&sql).await.map_err(HookError::Backend) })
        }))
    }

    /// Whether notices come through.
    pub(super) fn passes_notices(self) -> bool {
        self != Self::Transaction
    }

    /// Finds out whether the database is met as it was set up.
    ///
    /// # Errors
    /// When a pooler is met that was not named, or that has too few connections.
    pub(super) async fn check(self, connections: &Connections) -> Result<(), StoreError> {
        match self {
            Self::None => check_settings(connections).await,
            Self::Session => check_all(connections).await,
            Self::Transaction => Ok(()),
        }
    }
}

const LIMITS: [&str; 2] = ["statement_timeout", "idle_in_transaction_session_timeout"];

async fn check_settings(connections: &Connections) -> Result<(), StoreError> {
    let has_settings = connections.attempt(true, |lease| async move {
        let select = lease.prepare("SELECT current_setting($1, true) IS NOT DISTINCT FROM 'on'").await?;
        Ok::<bool, Trouble>(lease.client()?.query_one(&select, &[&MARK]).await?.try_get(0)?)
    });
    if has_settings.await? {
        return Ok(());
    }
    let reason = "it dropped the settings of a connection, and with them the time limits of statements".into();
    Err(StoreError::Pooler { database: connections.name.clone(), reason })
}

/// Each connection of the pool has to be one of its own to the database. All are held at one time;
/// where this fails, they are closed with the pool.
async fn check_all(connections: &Connections) -> Result<(), StoreError> {
    let wrong = |reason: String| StoreError::Pooler { database: connections.name.clone(), reason };
    let wanted = connections.pool.status().max_size;
    let (mut held, mut processes) = (Vec::with_capacity(wanted), HashSet::new());
    while held.len() < wanted {
        let asked = async {
            let client = connections.pool.get().await?;
            let row = client.query_one("SELECT pg_backend_pid()", &[]).await?;
            Ok::<_, PoolError>((client, row.try_get::<_, i32>(0)?))
        };
        let error = match timeout(connections.call, asked).await {
            Ok(Ok((client, process))) => {
                held.push(client);
                if processes.insert(process) {
                    continue;
                }
                let reason = "two connections share one of the database: it gives one to each transaction, or to each statement";
                return Err(wrong(reason.into()));
            }
            Ok(Err(error)) if held.is_empty() => return Err(connections.not_leased(error)),
            Ok(Err(error)) => error.to_string(),
            Err(error) => error.to_string(),
        };
        let found = held.len();
        return Err(wrong(format!(
            "it has connections for {found} of the {wanted} that `connections` asks for, and needs one more to listen ({error})"
        )));
    }
    Ok(())
}
