//! Statements on one connection. A statement whose answer was not awaited leaves a mark, and the
//! connection is closed.

use std::sync::atomic::{AtomicU32, Ordering};

use deadpool_postgres::ClientWrapper;
use tokio::join;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Error, Row, SimpleQueryMessage};

use super::errors::Trouble;
use super::parameters::Parameter;
use crate::error::StoreError;

/// Begins every transaction that writes. What it reads it locks, so that it needs no more than
/// this.
const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED";
const BEGIN_READING: &str = "BEGIN READ ONLY";

/// A statement of the store.
#[derive(Clone)]
pub(super) enum Statement {
    /// Prepared on its connection, under a name.
    Prepared(tokio_postgres::Statement),
    /// Sent with its text each time, since the next transaction may run on another connection of
    /// the pooler's.
    Unnamed(String),
}

/// A connection that is lent.
#[derive(Clone, Copy)]
pub(super) struct Connection<'a> {
    pub(super) client: &'a ClientWrapper,
    /// Requests without an answer.
    pub(super) pending: &'a AtomicU32,
    /// Sets the time limits of a transaction, where the connection can't have them; empty
    /// elsewhere.
    pub(super) limits: &'a str,
    pub(super) is_in_transaction: bool,
}

impl Connection<'_> {
    /// Begins a transaction; these statements are sent with it.
    ///
    /// Only what changes nothing may be sent before the answer has come: where BEGIN fails, a
    /// statement beside it runs in a transaction of its own.
    pub(super) async fn begin(&self, with: &str) -> Result<(), Error> {
        self.batch_execute(&format!("{BEGIN}{}{with}", self.limits)).await
    }

    /// Runs statements by the simple protocol.
    pub(super) async fn batch_execute(&self, sql: &str) -> Result<(), Error> {
        self.answered(self.client.batch_execute(sql)).await
    }

    /// Runs statements by the simple protocol, outside of a transaction, and returns their rows as
    /// texts.
    pub(super) async fn simple_query(&self, sql: &str) -> Result<Vec<SimpleQueryMessage>, Error> {
        self.answered(self.client.simple_query(sql)).await
    }

    /// Prepares a statement, once for each connection.
    pub(super) async fn prepare(&self, sql: &str) -> Result<Statement, Error> {
        if !self.limits.is_empty() {
            return Ok(Statement::Unnamed(sql.to_owned()));
        }
        Ok(Statement::Prepared(self.answered(self.client.prepare_cached(sql)).await?))
    }

    /// Runs a statement, and returns its rows.
    pub(super) async fn query(&self, statement: &Statement, parameters: &[Parameter<'_>]) -> Result<Vec<Row>, Error> {
        match statement {
            Statement::Prepared(statement) => self.answered(self.client.query(statement, &untyped(parameters))).await,
            Statement::Unnamed(sql) if self.is_in_transaction => {
                self.answered(self.client.query_typed(sql, &typed(parameters))).await
            }
            // A lookup by itself has the same limits as a transaction. It is still one trip.
            Statement::Unnamed(sql) => {
                let begin = format!("{BEGIN_READING}{}", self.limits);
                let parameters = typed(parameters);
                let (begun, rows, ended) = self
                    .answered(async {
                        join!(
                            biased;
                            self.client.batch_execute(&begin),
                            self.client.query_typed(sql, &parameters),
                            self.client.batch_execute("COMMIT")
                        )
                    })
                    .await;
                let rows = rows?;
                begun.and(ended).map(|()| rows)
            }
        }
    }

    /// Runs a statement that returns one row.
    pub(super) async fn query_one(&self, statement: &Statement, parameters: &[Parameter<'_>]) -> Result<Row, Trouble> {
        let none = || StoreError::Failed { reason: "the database has returned no row".into() };
        Ok(self.query_opt(statement, parameters).await?.ok_or_else(none)?)
    }

    /// Runs a statement that returns one row, or none.
    pub(super) async fn query_opt(&self, statement: &Statement, parameters: &[Parameter<'_>]) -> Result<Option<Row>, Error> {
        Ok(self.query(statement, parameters).await?.into_iter().next())
    }

    /// Runs a statement in a transaction, and returns how many rows it has changed.
    pub(super) async fn execute(&self, statement: &Statement, parameters: &[Parameter<'_>]) -> Result<u64, Error> {
        match statement {
            Statement::Prepared(statement) => self.answered(self.client.execute(statement, &untyped(parameters))).await,
            Statement::Unnamed(sql) => self.answered(self.client.execute_typed(sql, &typed(parameters))).await,
        }
    }

    /// Counts a request for as long as its answer has not come: for ever, where the caller is
    /// dropped.
    async fn answered<T>(&self, request: impl Future<Output = T>) -> T {
        self.pending.fetch_add(1, Ordering::Relaxed);
        let answer = request.await;
        self.pending.fetch_sub(1, Ordering::Relaxed);
        answer
    }
}

fn untyped<'a>(parameters: &[Parameter<'a>]) -> Vec<&'a (dyn ToSql + Sync)> {
    parameters.iter().map(|parameter| *parameter as &(dyn ToSql + Sync)).collect()
}

fn typed<'a>(parameters: &[Parameter<'a>]) -> Vec<(&'a (dyn ToSql + Sync), Type)> {
    parameters.iter().map(|parameter| (*parameter as &(dyn ToSql + Sync), parameter.sql_type())).collect()
}
