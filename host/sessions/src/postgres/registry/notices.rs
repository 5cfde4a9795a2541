//! Word that a flow has changed, from whichever server has changed it: on a connection of its own,
//! for as long as the store is open.

use std::fmt;
use std::future::{pending, poll_fn};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::select;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tokio_postgres::error::SqlState;
use tokio_postgres::{AsyncMessage, Config, Error};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::super::errors::Trouble;
use super::super::lease::{Connections, jittered};
use crate::error::StoreError;

/// Is sent when the transaction is committed.
pub(super) const TELL: &str = "NOTIFY vestibule_flows";

const LISTEN: &str = "LISTEN vestibule_flows";

/// Changes nothing, and is known where the other two are.
const ASK: &str = "UNLISTEN vestibule_flows";

/// How often a connection that says nothing is asked whether it is there. A server that is gone
/// without a word is found out by nothing else.
const EACH: Duration = Duration::from_secs(5);

/// The first wait before somebody connects again, and the longest.
const WAITS: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(5)];

/// Whether the database tells anything: some that speak PostgreSQL's language do not.
pub(in super::super) async fn are_known(connections: &Connections) -> Result<bool, StoreError> {
    let asked = connections.attempt(true, |lease| async move {
        match lease.client()?.batch_execute(ASK).await {
            Err(error) if is_unknown(&error) => Ok(false),
            asked => Ok::<_, Trouble>(asked.map(|()| true)?),
        }
    });
    asked.await
}

fn is_unknown(error: &Error) -> bool {
    // A server that follows another one takes none.
    const UNKNOWN: [&SqlState; 3] =
        [&SqlState::FEATURE_NOT_SUPPORTED, &SqlState::SYNTAX_ERROR, &SqlState::READ_ONLY_SQL_TRANSACTION];
    error.code().is_some_and(|code| UNKNOWN.contains(&code))
}

/// Listens from the first time on that somebody asks.
pub(in super::super) struct Notices {
    config: Config,
    tls: MakeRustlsConnect,
    /// How long an answer may take; to connect may take as long.
    patience: Duration,
    heard: Arc<Notify>,
    listener: Mutex<Listener>,
}

enum Listener {
    /// Nobody has asked yet.
    Idle,
    Running(JoinHandle<()>),
    /// There is nobody to listen to.
    None,
}

impl Notices {
    pub(in super::super) fn new(config: Config, tls: MakeRustlsConnect, patience: Duration, can_listen: bool) -> Self {
        let listener = Mutex::new(if can_listen { Listener::Idle } else { Listener::None });
        Self { config, tls, patience, heard: Arc::default(), listener }
    }

    /// Waits for word; for ever where there is none to come.
    pub(super) async fn next(&self) {
        if self.listen() {
            self.heard.notified().await;
        } else {
            pending().await
        }
    }

    /// Whether somebody listens.
    fn listen(&self) -> bool {
        let mut listener = self.listener.lock().unwrap_or_else(PoisonError::into_inner);
        match *listener {
            Listener::Running(_) => true,
            Listener::None => false,
            Listener::Idle => {
                let (config, tls, heard) = (self.config.clone(), self.tls.clone(), Arc::clone(&self.heard));
                *listener = Listener::Running(tokio::spawn(listen(config, tls, self.patience, heard)));
                true
            }
        }
    }

    /// Gives the connection up. Nobody hears of anything any more.
    pub(in super::super) async fn close(&self) {
        if let Some(task) = self.stop() {
            // It says nothing; it was cancelled.
            let _ = task.await;
        }
    }

    fn stop(&self) -> Option<JoinHandle<()>> {
        let mut listener = self.listener.lock().unwrap_or_else(PoisonError::into_inner);
        match std::mem::replace(&mut *listener, Listener::None) {
            Listener::Running(task) => {
                task.abort();
                Some(task)
            }
            Listener::Idle | Listener::None => None,
        }
    }
}

impl Drop for Notices {
    fn drop(&mut self) {
        self.stop();
    }
}

impl fmt::Debug for Notices {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notices").finish_non_exhaustive()
    }
}

/// Listens on one connection after the other.
async fn listen(config: Config, tls: MakeRustlsConnect, patience: Duration, heard: Arc<Notify>) {
    let [first, longest] = WAITS;
    let mut wait = first;
    loop {
        if let Ended::AfterListening = listen_once(&config, &tls, patience, &heard).await {
            wait = first;
        }
        sleep(jittered(wait)).await;
        wait = longest.min(wait * 2);
    }
}

/// How a connection has ended.
enum Ended {
    /// It could not be made, or nobody could listen on it.
    AtOnce,
    AfterListening,
}

async fn listen_once(config: &Config, tls: &MakeRustlsConnect, patience: Duration, heard: &Notify) -> Ended {
    let Ok(Ok((client, mut connection))) = timeout(patience, config.connect(tls.clone())).await else {
        return Ended::AtOnce;
    };
    let listening = async {
        if !matches!(timeout(patience, client.batch_execute(LISTEN)).await, Ok(Ok(()))) {
            return Ended::AtOnce;
        }
        // What was told before this is lost.
        heard.notify_one();
        loop {
            sleep(EACH).await;
            if !matches!(timeout(patience, client.batch_execute("")).await, Ok(Ok(()))) {
                return Ended::AfterListening;
            }
        }
    };
    // Nothing comes of the client unless this is asked.
    let hearing = async {
        while let Some(Ok(message)) = poll_fn(|context| connection.poll_message(context)).await {
            if let AsyncMessage::Notification(_) = message {
                heard.notify_one();
            }
        }
    };
    select! {
        ended = listening => ended,
        () = hearing => Ended::AfterListening,
    }
}
