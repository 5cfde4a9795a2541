//! The platform: it logs users in to three applications each and ends their sessions, at whichever
//! server is there.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::Value;
use tokio::sync::Mutex;
use tokio::task::JoinSet;

use crate::applications::Application;
use crate::callers::{Answered, Api, event};

/// At one time.
const CALLERS: usize = 6;
const PATIENCE: Duration = Duration::from_secs(120);

/// What a caller asks for.
#[derive(Debug)]
enum Asked {
    Login(Value),
    End(String),
}

/// What all callers share.
#[derive(Clone)]
pub(crate) struct Platform {
    servers: Arc<Mutex<Vec<Api>>>,
    applications: Arc<Vec<String>>,
    begun: Arc<AtomicUsize>,
    /// So many may be begun.
    allowed: Arc<AtomicUsize>,
    ended: Arc<AtomicUsize>,
    sessions: usize,
    callers: Arc<Mutex<JoinSet<()>>>,
}

impl Platform {
    pub(crate) async fn start(ports: &[u16], applications: &[Application], sessions: usize) -> Self {
        let mut servers = Vec::new();
        for port in ports {
            servers.push(Api::at(*port).await);
        }
        let platform = Self {
            servers: Arc::new(Mutex::new(servers)),
            applications: Arc::new(applications.iter().map(|application| application.name.clone()).collect()),
            begun: Arc::default(),
            allowed: Arc::default(),
            ended: Arc::default(),
            sessions,
            callers: Arc::default(),
        };
        let mut callers = platform.callers.lock().await;
        for caller in 0..CALLERS {
            callers.spawn(platform.clone().call(caller));
        }
        drop(callers);
        platform
    }

    /// A server is back, at another port.
    pub(crate) async fn moved(&self, number: usize, port: u16) {
        let api = Api::at(port).await;
        self.servers.lock().await[number] = api;
    }

    /// So many sessions may be begun.
    pub(crate) fn may_end(&self, count: usize) {
        self.allowed.store(count, Ordering::Relaxed);
    }

    /// Waits until so many have ended.
    pub(crate) async fn have_ended(&self, count: usize) {
        let reached = async {
            while self.ended.load(Ordering::Relaxed) < count {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(PATIENCE, reached).await.expect("the platform goes on");
    }

    /// Waits for all callers, none of whom was told anything wrong.
    pub(crate) async fn is_done(&self) {
        let mut callers = self.callers.lock().await;
        while let Some(ended) = callers.join_next().await {
            ended.expect("no caller is told anything wrong");
        }
    }

    async fn call(self, caller: usize) {
        loop {
            let number = self.begun.fetch_add(1, Ordering::Relaxed);
            if number >= self.sessions {
                return;
            }
            while number >= self.allowed.load(Ordering::Relaxed) {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            let session = format!("sess_{number}");
            for application in self.applications.iter() {
                let event = event(&session, application, &format!("txn_{number}_{application}"));
                self.until_done(caller, &Asked::Login(event)).await;
            }
            self.until_done(caller, &Asked::End(session)).await;
            self.ended.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Asks one server after the other, until one has done it.
    async fn until_done(&self, caller: usize, asked: &Asked) {
        for turn in caller.. {
            let api = {
                let servers = self.servers.lock().await;
                servers[turn % servers.len()].clone()
            };
            let answered = match asked {
                Asked::Login(event) => api.login(event).await,
                Asked::End(session) => api.try_end(session).await,
            };
            match answered {
                Ok(Answered { status: 200 | 204, .. }) => return,
                Ok(Answered { status: 409 | 503, .. }) => {}
                Ok(other) => panic!("{asked:?}: {other:?}"),
                // It was killed.
                Err(_) => {}
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}
