//! A connection from the pool, for as long as somebody works with it, and the attempts that a transaction gets.

use std::time::Duration;

use deadpool_postgres::{ClientWrapper, Object, Pool, PoolError, TimeoutType};
use tokio::join;
use tokio_postgres::Statement;

use super::errors::{RETRY_AFTER, Trouble, is_broken, is_worth_another_try, reason, store_error};
use super::rows::Parameter;
use crate::error::StoreError;

/// How often something is tried that others were in the way of. The eighth comes some 200 ms after the first.
const ATTEMPTS: u32 = 8;

/// The longest wait between two attempts that others were in the way of.
const LONGEST_WAIT: Duration = Duration::from_millis(64);

/// How often somebody asks whether a commit has happened whose answer has not come: a database that has crashed is often back in a second.
const QUESTIONS: u32 = 6;

/// The first wait of them; each is twice as long as the one before.
const FIRST_QUESTION: Duration = Duration::from_millis(50);

/// Begins every transaction that writes. What it reads it locks, so that it needs no more than this.
pub(super) const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED";

/// The pool, and the database's name in errors.
pub(super) struct Connections {
    pub(super) pool: Pool,
    pub(super) name: String,
    /// Whether the database passes word on from one server to the others.
    pub(super) tells: bool,
}

/// A connection. When it is dropped inside a transaction it is closed, and the database takes back what was not committed.
pub(super) struct Lease {
    client: Option<Object>,
    is_in_transaction: bool,
    /// Whether the database passes word on.
    pub(super) tells: bool,
}

/// A statement that is sent together with the COMMIT.
pub(super) struct Write<'a> {
    statement: Statement,
    parameters: Vec<Parameter<'a>>,
}

impl<'a> Write<'a> {
    /// None where it is not needed.
    pub(super) async fn of(
        lease: &Lease,
        sql: &str,
        is_needed: bool,
        parameters: Vec<Parameter<'a>>,
    ) -> Result<Option<Self>, Trouble> {
        Ok(if is_needed { Some(Self { statement: lease.prepare(sql).await?, parameters }) } else { None })
    }

    /// What becomes of it; nothing where there is none.
    pub(super) async fn execute(write: Option<&Self>, client: &ClientWrapper) -> Result<(), tokio_postgres::Error> {
        match write {
            Some(Self { statement, parameters }) => client.execute(statement, parameters).await.map(drop),
            None => Ok(()),
        }
    }
}

impl Connections {
    /// A connection, as soon as there is one.
    pub(super) async fn lease(&self) -> Result<Lease, StoreError> {
        let unreachable = |reason: &str| StoreError::Unreachable { database: self.name.clone(), reason: reason.to_owned() };
        match self.pool.get().await {
            Ok(client) => Ok(Lease { client: Some(client), is_in_transaction: false, tells: self.tells }),
            Err(PoolError::Timeout(TimeoutType::Wait)) => Err(StoreError::Busy { retry_after: RETRY_AFTER }),
            Err(PoolError::Timeout(_)) => Err(unreachable("it does not answer")),
            Err(PoolError::Backend(error)) => match store_error(&self.name, &error) {
                // A host that is not found, a certificate that is not trusted: all that goes wrong on the way.
                StoreError::Failed { reason } => Err(unreachable(&reason)),
                other => Err(other),
            },
            Err(PoolError::Closed) => Err(unreachable("the store has been closed")),
            Err(error) => Err(StoreError::Failed { reason: error.to_string() }),
        }
    }

    /// Tries until it is done, a bounded number of times: transactions that others were in the way of, and connections that have broken
    /// before anything was committed.
    ///
    /// Where a commit's answer has not come, `is_known_again` says that another attempt finds out by itself whether it has happened. For
    /// all else that is [`StoreError::Unknown`].
    pub(super) async fn attempt<T, F, A>(&self, is_known_again: bool, mut work: F) -> Result<T, StoreError>
    where
        F: FnMut(Lease) -> A,
        A: Future<Output = Result<T, Trouble>>,
    {
        let mut doubt: Option<String> = None;
        let mut attempts = 0;
        loop {
            let done = match self.lease().await {
                Ok(lease) => work(lease).await,
                Err(error) => Err(Trouble::Store(error)),
            };
            attempts += 1;
            let error = match done {
                Ok(done) => return Ok(done),
                Err(Trouble::Doubt(error)) => {
                    let error = reason(&error);
                    if !is_known_again {
                        return Err(StoreError::Unknown { reason: error });
                    }
                    attempts = if doubt.is_none() { 0 } else { attempts };
                    let known = StoreError::Unknown { reason: error.clone() };
                    doubt = Some(error);
                    known
                }
                Err(Trouble::Race) => StoreError::Busy { retry_after: RETRY_AFTER },
                Err(Trouble::Sql(error)) if is_worth_another_try(&error) => store_error(&self.name, &error),
                Err(Trouble::Sql(error)) if doubt.is_none() => return Err(store_error(&self.name, &error)),
                Err(Trouble::Sql(error)) => store_error(&self.name, &error),
                Err(Trouble::Store(error)) if doubt.is_none() => return Err(error),
                Err(Trouble::Store(error)) => error,
            };
            let most = if doubt.is_some() { QUESTIONS } else { ATTEMPTS };
            if attempts >= most {
                return Err(doubt.map_or(error, |reason| StoreError::Unknown { reason }));
            }
            let wait = if doubt.is_some() {
                FIRST_QUESTION * 2_u32.saturating_pow(attempts)
            } else {
                LONGEST_WAIT.min(Duration::from_millis(1) * 2_u32.saturating_pow(attempts))
            };
            tokio::time::sleep(jittered(wait)).await;
        }
    }
}

impl Lease {
    /// The connection's client.
    pub(super) fn client(&self) -> Result<&ClientWrapper, Trouble> {
        match &self.client {
            Some(client) => Ok(client),
            None => Err(StoreError::Failed { reason: "the connection was given back".into() }.into()),
        }
    }

    /// A statement that this connection has prepared once.
    pub(super) async fn prepare(&self, sql: &str) -> Result<Statement, Trouble> {
        Ok(self.client()?.prepare_cached(sql).await?)
    }

    /// To be called before a transaction is begun.
    pub(super) fn begins(&mut self) {
        self.is_in_transaction = true;
    }

    /// Commits, and gives the connection back.
    pub(super) async fn commit(mut self) -> Result<(), Trouble> {
        let committed = self.client()?.batch_execute("COMMIT").await;
        self.committed(committed)
    }

    /// Writes and commits in one trip, and gives the connection back. Where a statement fails, those after it fail, too, and the COMMIT
    /// takes all back.
    pub(super) async fn commit_after(mut self, [first, second, third]: &[Option<Write<'_>>; 3]) -> Result<(), Trouble> {
        let client = self.client()?;
        let (first, second, third, committed) = join!(
            biased;
            Write::execute(first.as_ref(), client),
            Write::execute(second.as_ref(), client),
            Write::execute(third.as_ref(), client),
            client.batch_execute("COMMIT")
        );
        match first.and(second).and(third) {
            // The connection broke off, and the COMMIT was under way.
            Err(error) if is_broken(&error) => Err(Trouble::Doubt(error)),
            Err(error) => Err(Trouble::Sql(error)),
            Ok(()) => self.committed(committed),
        }
    }

    /// Takes the answer of a COMMIT that was sent along with other statements, none of which has failed.
    pub(super) fn committed(&mut self, answer: Result<(), tokio_postgres::Error>) -> Result<(), Trouble> {
        match answer {
            Ok(()) => {
                self.is_in_transaction = false;
                Ok(())
            }
            Err(error) if is_broken(&error) => Err(Trouble::Doubt(error)),
            Err(error) => Err(Trouble::Sql(error)),
        }
    }

    /// Takes back what was written, and gives the connection back.
    pub(super) async fn roll_back(mut self) -> Result<(), Trouble> {
        self.client()?.batch_execute("ROLLBACK").await?;
        self.is_in_transaction = false;
        Ok(())
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if self.is_in_transaction
            && let Some(client) = self.client.take()
        {
            drop(Object::take(client));
        }
    }
}

/// Between half of it and all of it, so that those who were in each other's way are not again.
pub(super) fn jittered(wait: Duration) -> Duration {
    // Without random numbers all of them wait for as long.
    let random = getrandom::u32().unwrap_or(u32::MAX);
    wait / 2 + (wait / 2).mul_f64(f64::from(random) / f64::from(u32::MAX))
}
