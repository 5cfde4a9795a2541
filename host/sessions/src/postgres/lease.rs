//! A connection from the pool, for as long as somebody works with it, and the attempts that a
//! transaction gets.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use deadpool_postgres::{HookError, Object, Pool, PoolError, TimeoutType};
use tokio::join;
use tokio::runtime::Handle;
use tokio::time::{Instant, sleep_until, timeout};

use super::call::Call;
use super::connection::{Connection, Statement};
use super::errors::{RETRY_AFTER, Trouble, is_in_doubt, is_worth_another_try, reason, store_error};
use super::parameters::Parameter;
use crate::error::StoreError;

/// How often something is tried that others were in the way of. The eighth comes some 200 ms after
/// the first.
const ATTEMPTS: u32 = 8;

/// The longest wait between two attempts that others were in the way of.
const LONGEST_WAIT: Duration = Duration::from_millis(64);

/// How often it is asked whether a commit has happened whose answer has not come: a database that
/// has crashed is often back in a second.
const QUESTIONS: u32 = 6;

/// The first wait of them; each is twice as long as the one before.
const FIRST_QUESTION: Duration = Duration::from_millis(50);

/// How long a ROLLBACK may take before its connection is closed.
const ROLL_BACK: Duration = Duration::from_secs(2);

/// The pool, and the database's name in errors.
pub(super) struct Connections {
    pub(super) pool: Pool,
    pub(super) name: String,
    /// Whether the database passes word on from one server to the others.
    pub(super) tells: bool,
    /// For how many stored bytes of a tenant the ends of its sessions owe nothing.
    pub(super) owes_below: u64,
    /// How long a call may take, whatever it waits for.
    pub(super) call: Duration,
    /// How long a call waits for a connection.
    pub(super) wait: Duration,
    /// How long the database lets a statement run. A connection that is silent for longer is lost.
    pub(super) statement: Duration,
    /// Begins each transaction behind a transaction pooler; empty elsewhere.
    pub(super) limits: Arc<str>,
    /// Calls that were given up at their deadline.
    pub(super) deadlines: AtomicU64,
}

/// A connection that is lent to one attempt.
///
/// When it is dropped in a transaction, that is rolled back. When it is dropped before all that was
/// sent on it has been answered, it is closed, and the database rolls back what was not committed.
pub(super) struct Lease {
    client: Option<Object>,
    pending: AtomicU32,
    is_in_transaction: bool,
    limits: Arc<str>,
    call: Arc<Call>,
    /// Whether the database passes word on.
    pub(super) tells: bool,
    /// For how many stored bytes of a tenant the ends of its sessions owe nothing.
    pub(super) owes_below: u64,
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
    pub(super) async fn execute(write: Option<&Self>, client: &Connection<'_>) -> Result<u64, tokio_postgres::Error> {
        match write {
            Some(Self { statement, parameters }) => client.execute(statement, parameters).await,
            None => Ok(0),
        }
    }
}

impl Connections {
    /// A connection, as soon as there is one.
    async fn lease(&self, call: &Arc<Call>) -> Result<Lease, StoreError> {
        let client = self.pool.get().await.map_err(|error| self.not_leased(error))?;
        call.has_connection();
        Ok(Lease {
            client: Some(client),
            pending: AtomicU32::new(0),
            is_in_transaction: false,
            limits: Arc::clone(&self.limits),
            call: Arc::clone(call),
            tells: self.tells,
            owes_below: self.owes_below,
        })
    }

    /// When a call ends that begins now.
    pub(super) fn deadline(&self) -> Instant {
        Instant::now() + self.call
    }

    /// Why there is no connection.
    pub(super) fn not_leased(&self, error: PoolError) -> StoreError {
        let unreachable = |reason: &str| StoreError::Unreachable { database: self.name.clone(), reason: reason.to_owned() };
        match error {
            PoolError::Timeout(TimeoutType::Wait) => {
                StoreError::Exhausted { connections: self.pool.status().max_size, waited: self.wait, retry_after: RETRY_AFTER }
            }
            PoolError::Timeout(_) => {
                self.deadlines.fetch_add(1, Ordering::Relaxed);
                unreachable("it does not answer")
            }
            PoolError::Backend(error) | PoolError::PostCreateHook(HookError::Backend(error)) => {
                match store_error(&self.name, &error) {
                    // A host that is not found, a certificate that is not trusted: all that goes
                    // wrong on the way.
                    StoreError::Failed { reason } => unreachable(&reason),
                    other => other,
                }
            }
            PoolError::PostCreateHook(error) => unreachable(&error.to_string()),
            PoolError::Closed => unreachable("the store has been closed"),
            error => StoreError::Failed { reason: error.to_string() },
        }
    }

    /// Tries until it is done, a bounded number of times and until the deadline of a call:
    /// transactions that others were in the way of, and connections that have broken before
    /// anything was committed.
    ///
    /// Where a commit's answer has not come, `is_known_again` says that another attempt finds out
    /// by itself whether it has happened. For all else that is [`StoreError::Unknown`].
    pub(super) async fn attempt<T, F, A>(&self, is_known_again: bool, work: F) -> Result<T, StoreError>
    where
        F: FnMut(Lease) -> A,
        A: Future<Output = Result<T, Trouble>>,
    {
        self.attempt_until(self.deadline(), is_known_again, work).await
    }

    /// As [`Self::attempt`], until a deadline that several calls share.
    pub(super) async fn attempt_until<T, F, A>(
        &self,
        deadline: Instant,
        is_known_again: bool,
        mut work: F,
    ) -> Result<T, StoreError>
    where
        F: FnMut(Lease) -> A,
        A: Future<Output = Result<T, Trouble>>,
    {
        let began = Instant::now();
        let call = Arc::new(Call::until(deadline));
        let mut doubt: Option<String> = None;
        let mut attempts = 0;
        loop {
            call.begin_attempt();
            let attempt = async {
                match self.lease(&call).await {
                    Ok(lease) => work(lease).await,
                    Err(error) => Err(Trouble::Store(error)),
                }
            };
            let done = match call.wait_for(attempt).await {
                Some(done) => done,
                None => Err(self.give_up(&call, began)),
            };
            attempts += 1;
            let error = match done {
                Ok(done) => return Ok(done),
                Err(Trouble::Doubt(error)) => {
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
            if attempts >= most || call.is_over() {
                return Err(doubt.map_or(error, |reason| StoreError::Unknown { reason }));
            }
            let wait = if doubt.is_some() {
                FIRST_QUESTION * 2_u32.saturating_pow(attempts)
            } else {
                LONGEST_WAIT.min(Duration::from_millis(1) * 2_u32.saturating_pow(attempts))
            };
            sleep_until(call.deadline().min(Instant::now() + jittered(wait))).await;
        }
    }

    /// What a call has come to at its deadline. Its connection is closed already.
    fn give_up(&self, call: &Call, began: Instant) -> Trouble {
        self.deadlines.fetch_add(1, Ordering::Relaxed);
        // A database that works ends a statement itself before that. What has made this connection
        // silent has made others silent, too: connections that have not been lent since then are
        // not to cost one call each.
        if let Some(held) = call.connection_held().filter(|held| *held >= self.statement) {
            self.pool.retain(|_, metrics| metrics.last_used() < held);
        }
        let after = began.elapsed();
        if call.is_commit_sent() {
            return Trouble::Doubt(format!("no answer to a COMMIT has come within {after:.1?}"));
        }
        Trouble::Store(StoreError::TimedOut { database: self.name.clone(), after })
    }
}

impl Lease {
    /// The connection, for statements.
    pub(super) fn client(&self) -> Result<Connection<'_>, Trouble> {
        match &self.client {
            Some(client) => {
                Ok(Connection { client, pending: &self.pending, limits: &self.limits, is_in_transaction: self.is_in_transaction })
            }
            None => Err(StoreError::Failed { reason: "the connection was given back".into() }.into()),
        }
    }

    /// A statement that this connection has prepared once.
    pub(super) async fn prepare(&self, sql: &str) -> Result<Statement, Trouble> {
        Ok(self.client()?.prepare(sql).await?)
    }

    /// To be called before a transaction is begun.
    pub(super) fn begins(&mut self) {
        self.is_in_transaction = true;
    }

    /// Begins a transaction, and waits until it has begun: what is sent next may write.
    pub(super) async fn begin(&mut self, with: &str) -> Result<(), Trouble> {
        self.begins();
        Ok(self.client()?.begin(with).await?)
    }

    /// Gives the next trip this much time, which takes longer than others.
    pub(super) fn extend(&self, from_now: Duration) {
        self.call.extend(from_now);
    }

    /// Commits, and gives the connection back.
    pub(super) async fn commit(self) -> Result<(), Trouble> {
        self.commit_after(&[None, None, None, None]).await.map(drop)
    }

    /// Writes and commits in one trip, and gives the connection back: how many rows each has
    /// changed. Where a statement fails, those after it fail, too, and the COMMIT takes all back.
    pub(super) async fn commit_after(mut self, writes: &[Option<Write<'_>>; 4]) -> Result<[u64; 4], Trouble> {
        let [first, second, third, fourth] = writes;
        self.call.sends_commit();
        let client = self.client()?;
        let (first, second, third, fourth, committed) = join!(
            biased;
            Write::execute(first.as_ref(), &client),
            Write::execute(second.as_ref(), &client),
            Write::execute(third.as_ref(), &client),
            Write::execute(fourth.as_ref(), &client),
            client.batch_execute("COMMIT")
        );
        let written = first.and_then(|first| Ok([first, second?, third?, fourth?]));
        self.committed(written, committed)
    }

    /// Asks, where the statement writes, and commits in one trip, and gives the connection back.
    pub(super) async fn commit_after_query(
        mut self,
        statement: &Statement,
        parameters: &[Parameter<'_>],
    ) -> Result<Vec<tokio_postgres::Row>, Trouble> {
        self.call.sends_commit();
        let client = self.client()?;
        let (rows, committed) = join!(biased; client.query(statement, parameters), client.batch_execute("COMMIT"));
        self.committed(rows, committed)
    }

    /// Takes the answers of statements and of the COMMIT that was sent with them.
    fn committed<T>(
        &mut self,
        written: Result<T, tokio_postgres::Error>,
        committed: Result<(), tokio_postgres::Error>,
    ) -> Result<T, Trouble> {
        match written.and_then(|written| committed.map(|()| written)) {
            Ok(written) => {
                self.is_in_transaction = false;
                Ok(written)
            }
            // The COMMIT was under way.
            Err(error) if is_in_doubt(&error) => Err(Trouble::Doubt(reason(&error))),
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
        let Some(client) = self.client.take() else { return };
        if *self.pending.get_mut() > 0 || client.is_closed() {
            drop(Object::take(client));
        } else if self.is_in_transaction {
            match Handle::try_current() {
                Ok(runtime) => drop(runtime.spawn(roll_back(client))),
                Err(_) => drop(Object::take(client)),
            }
        }
    }
}

/// Ends a transaction that has failed, so that its connection can be lent again.
async fn roll_back(client: Object) {
    if !matches!(timeout(ROLL_BACK, client.batch_execute("ROLLBACK")).await, Ok(Ok(()))) {
        drop(Object::take(client));
    }
}

/// Between half of it and all of it, so that those who were in each other's way are not again.
pub(super) fn jittered(wait: Duration) -> Duration {
    // Without random numbers all of them wait for as long.
    let random = getrandom::u32().unwrap_or(u32::MAX);
    wait / 2 + (wait / 2).mul_f64(f64::from(random) / f64::from(u32::MAX))
}
