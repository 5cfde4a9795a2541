//! The platform: it logs users in, and ends their sessions.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::task::JoinSet;
use vestibule::model::Timestamp;

use crate::applications;
use crate::connection::Connection;
use crate::receivers::now;

/// Connections at one time.
const CONNECTIONS: usize = 32;

/// Whoever uses the server.
pub(crate) struct Platform {
    address: SocketAddr,
    token: Arc<str>,
    /// When somebody asked for the end of each session.
    ended: Arc<Mutex<HashMap<String, Duration>>>,
}

/// A method, a path, and a body.
type Asked = (&'static str, String, String);

impl Platform {
    pub(crate) fn new(address: SocketAddr, token: &str) -> Self {
        Self { address, token: token.into(), ended: Arc::default() }
    }

    /// Each session's applications log in to it.
    pub(crate) async fn log_in(&self, sessions: Range<usize>) {
        let event = event();
        let logins = move |session| {
            let logins = applications(session).map(|application| {
                let mut event = event.clone();
                event["session"]["id"] = name(session).into();
                event["transaction"]["id"] = format!("txn_{session}_{application}").into();
                event["client"]["client_id"] = format!("app_{application}").into();
                ("POST", "/v1/post-login".to_owned(), event.to_string())
            });
            logins.collect()
        };
        self.ask_for_each(sessions, None, logins).await;
    }

    /// Ends sessions: as fast as the server takes it, or so many a second.
    pub(crate) async fn end(&self, sessions: Range<usize>, rate: Option<f64>) {
        let pace = rate.map(|rate| (Instant::now(), sessions.start, rate));
        let ended = Arc::clone(&self.ended);
        let end = move |session| {
            ended.lock().unwrap_or_else(PoisonError::into_inner).insert(name(session), now());
            vec![("DELETE", format!("/api/v2/sessions/{}", name(session)), String::new())]
        };
        self.ask_for_each(sessions, pace, end).await;
    }

    /// When somebody asked for the end of this session.
    pub(crate) fn ended_at(&self, session: &str) -> Duration {
        self.ended.lock().unwrap_or_else(PoisonError::into_inner)[session]
    }

    /// Asks for something of each session; with a pace, from a moment and a session on so many a
    /// second.
    async fn ask_for_each(
        &self,
        sessions: Range<usize>,
        pace: Option<(Instant, usize, f64)>,
        asks: impl Fn(usize) -> Vec<Asked> + Clone + Send + Sync + 'static,
    ) {
        let mut connections = JoinSet::new();
        for connection in 0..CONNECTIONS {
            let (address, token, asks) = (self.address, Arc::clone(&self.token), asks.clone());
            let own = sessions.clone().skip(connection).step_by(CONNECTIONS);
            connections.spawn(async move {
                let mut connection = Connection::open(address).await;
                for session in own {
                    if let Some((began, first, rate)) = pace {
                        let due = began + Duration::from_secs_f64((session - first) as f64 / rate);
                        tokio::time::sleep_until(due.into()).await;
                    }
                    for (method, path, body) in asks(session) {
                        let length = body.len();
                        let request = format!(
                            "{method} {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {token}\r\n\
                             content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
                        );
                        connection.ask(&request).await;
                    }
                }
            });
        }
        while let Some(done) = connections.join_next().await {
            done.expect("no connection fails");
        }
    }
}

fn name(session: usize) -> String {
    format!("sess_{session}")
}

fn event() -> Value {
    let mut event: Value =
        serde_json::from_str(include_str!("../../../../examples/events/organization-login.json")).expect("an event");
    let now = Timestamp::now();
    let after = |days: u64| json!(Timestamp::from_millis(now.as_millis() + days * 86_400_000).to_string());
    for time in ["created_at", "updated_at", "authenticated_at", "last_interacted_at"] {
        event["session"][time] = after(0);
    }
    event["session"]["idle_expires_at"] = after(3);
    event["session"]["expires_at"] = after(7);
    event
}
