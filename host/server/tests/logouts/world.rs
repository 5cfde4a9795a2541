//! A server that tells applications of logouts, and what tests ask it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use reqwest::{Client, Method};
use serde_json::{Value, json};
use tempfile::TempDir;
use vestibule::http::{Resolve, ResolveFuture, SystemResolver};
use vestibule_server::{Configuration, Parts, Server};
use vestibule_sessions::{Delivery, SqliteSettings, SqliteStore, Store as _};

use crate::common::{self, ALL_SCOPES, Running, event};
use crate::receivers::TRUSTED;

/// Long enough for a machine that does much else, and for an attempt that hangs; nothing depends on
/// it but when a test is given up.
const PATIENCE: Duration = Duration::from_secs(120);

/// Asks until there is an answer.
pub(crate) async fn until<T>(what: &str, ask: impl AsyncFn() -> Option<T>) -> T {
    let asking = async {
        loop {
            if let Some(found) = ask().await {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, asking).await.unwrap_or_else(|_| panic!("never: {what}"))
}

/// The names of the tests: each is this machine, but for those that a test says.
#[derive(Debug, Default)]
pub(crate) struct Names {
    /// The answers to come; the last one stays.
    answers: Mutex<BTreeMap<String, VecDeque<IpAddr>>>,
    asked: Mutex<BTreeMap<String, usize>>,
    /// Asks a name server that a test has, for names below `never.test`.
    pub(crate) asks: OnceLock<SystemResolver>,
    /// Names whose next lookup panics, as a fault of the server would.
    panics: Mutex<BTreeSet<String>>,
}

impl Names {
    pub(crate) fn answer(&self, name: &str, addresses: &[&str]) {
        let addresses = addresses.iter().map(|address| address.parse().unwrap()).collect();
        self.answers.lock().unwrap().insert(name.to_owned(), addresses);
    }

    pub(crate) fn panic_once(&self, name: &str) {
        self.panics.lock().unwrap().insert(name.to_owned());
    }

    /// How often somebody has asked for a name.
    pub(crate) fn asked(&self, name: &str) -> usize {
        self.asked.lock().unwrap().get(name).copied().unwrap_or_default()
    }
}

impl Resolve for Names {
    fn resolve<'a>(&'a self, host: &'a str) -> ResolveFuture<'a> {
        let panics = self.panics.lock().unwrap().remove(host);
        assert!(!panics, "a fault of the tests");
        *self.asked.lock().unwrap().entry(host.to_owned()).or_default() += 1;
        if let Some(asks) = self.asks.get().filter(|_| host.ends_with(".never.test")) {
            return asks.resolve(host);
        }
        let mut answers = self.answers.lock().unwrap();
        let address = match answers.get_mut(host) {
            None => IpAddr::from(Ipv4Addr::LOCALHOST),
            Some(addresses) if addresses.len() > 1 => addresses.pop_front().unwrap(),
            Some(addresses) => addresses[0],
        };
        Box::pin(std::future::ready(Ok(vec![address])))
    }
}

/// What a server is told beside what every test tells it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Setup {
    /// In `[logout]`, behind a comma.
    pub(crate) logout: &'static str,
    /// Of each tenant.
    pub(crate) tenant: &'static str,
    /// At the end: applications, mostly.
    pub(crate) rest: String,
    pub(crate) names: Arc<Names>,
}

impl Setup {
    /// One more application of tenant `acme` that hears of everything.
    pub(crate) fn application(self, id: &str, url: &str) -> Self {
        self.application_of("acme", id, url, "backchannel_logout_initiators = { mode = \"all\" }")
    }

    pub(crate) fn application_of(mut self, tenant: &str, id: &str, url: &str, more: &str) -> Self {
        let comma = if more.is_empty() { "" } else { ", " };
        writeln!(
            self.rest,
            "[[tenants.{tenant}.clients]]\nclient_id = {id:?}\n\
             oidc_logout = {{ backchannel_logout_urls = [{url:?}]{comma}{more} }}"
        )
        .unwrap();
        self
    }

    pub(crate) fn configuration(&self, folder: &TempDir) -> Configuration {
        let text = format!(
            "logout = {{ allowed_networks = [\"127.0.0.0/8\"], authorities = \"ca.pem\"{} }}\n{}{}",
            self.logout,
            common::configuration(self.tenant),
            self.rest
        );
        let mut configuration = common::parse(folder.path(), &text);
        configuration.logout.http.resolver = Arc::clone(&self.names) as Arc<dyn Resolve>;
        configuration
    }
}

/// A server that runs.
pub(crate) struct World {
    pub(crate) running: Running,
}

impl World {
    pub(crate) async fn start(setup: &Setup) -> Self {
        let folder = tempfile::tempdir().unwrap();
        common::write_components(folder.path());
        std::fs::write(folder.path().join("revokes.wasm"), vestibule_test_artifacts::REVOKES).unwrap();
        std::fs::write(folder.path().join("ca.pem"), &TRUSTED.pem).unwrap();
        Self::start_in(folder, setup).await
    }

    pub(crate) async fn start_in(folder: TempDir, setup: &Setup) -> Self {
        let parts = Parts { compiler: None, read_component: Arc::new(common::read) };
        let server = Server::start(setup.configuration(&folder), parts).await.unwrap();
        let origin = format!("http://localhost:{}", server.address().port());
        let mut running = Running { server: Some(server), folder, client: Client::new(), origin, token: String::new() };
        running.token = running.token_of("acme", ALL_SCOPES).await;
        Self { running }
    }

    pub(crate) async fn reload(&mut self, setup: &Setup) {
        let configuration = setup.configuration(&self.running.folder);
        self.running.server.as_mut().unwrap().reload(configuration).await.unwrap();
    }

    pub(crate) async fn stop(self) -> TempDir {
        self.running.stop().await
    }

    /// Sends a request that has to do what it asks for.
    pub(crate) async fn ask(&self, method: Method, path: &str, body: Option<Value>) -> Value {
        let mut request = self.running.request(method.clone(), path);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let (status, answer) = self.running.answer(request).await;
        assert!((200..300).contains(&status), "{method} {path}: {status} {answer}");
        answer
    }

    /// An application's login into a session.
    pub(crate) async fn login(&self, session: &str, client: &str) -> Value {
        self.running.login(&event_of(session, client)).await
    }

    /// The platform says that a session has ended.
    pub(crate) async fn end(&self, session: &str, initiator: &str) {
        self.ask(Method::POST, &format!("/v1/sessions/{session}/end"), Some(json!({ "initiator": initiator }))).await;
    }

    /// A login, and the end of its session.
    pub(crate) async fn login_and_end(&self, session: &str, client: &str) {
        self.login(session, client).await;
        self.end(session, "rp-logout").await;
    }

    /// All of tenant `acme`'s log, the oldest first.
    pub(crate) async fn log(&self) -> Vec<Value> {
        let mut entries: Vec<Value> = Vec::new();
        loop {
            let from = entries.last().map_or("", |last| last["log_id"].as_str().unwrap());
            let page = self.ask(Method::GET, &format!("/api/v2/logs?take=100&from={from}"), None).await;
            match page.as_array().unwrap().as_slice() {
                [] => return entries,
                page => entries.extend_from_slice(page),
            }
        }
    }

    /// What the log says of a session's deliveries to a client, when it says so many lines.
    pub(crate) async fn lines(&self, session: &str, client: &str, count: usize) -> Vec<Value> {
        until(&format!("the log has {count} lines of {session} and {client}"), async || {
            let mut log = self.log().await;
            log.retain(|entry| {
                ["sslo", "fslo"].contains(&entry["type"].as_str().unwrap())
                    && entry["session_id"] == session
                    && entry["client_id"] == client
            });
            Some(log).filter(|log| log.len() >= count)
        })
        .await
    }

    /// The first of them.
    pub(crate) async fn line(&self, session: &str, client: &str) -> Value {
        self.lines(session, client, 1).await.remove(0)
    }

    /// How many deliveries a session's end has written.
    pub(crate) async fn written(&self, session: &str) -> u64 {
        let end = until(&format!("the log says that {session} has ended"), async || {
            self.log().await.into_iter().find(|entry| entry["type"] == "slo" && entry["session_id"] == session)
        })
        .await;
        end["details"]["deliveries"].as_u64().unwrap()
    }

    /// The deliveries that the store has, as another program sees them.
    pub(crate) async fn deliveries(&self) -> Vec<Delivery> {
        deliveries(&self.running.folder).await
    }

    pub(crate) fn store(&self) -> SqliteStore {
        store(&self.running.folder)
    }
}

pub(crate) fn store(folder: &TempDir) -> SqliteStore {
    SqliteStore::open(folder.path().join("state/vestibule.db"), SqliteSettings::default()).unwrap()
}

pub(crate) async fn deliveries(folder: &TempDir) -> Vec<Delivery> {
    let store = store(folder);
    let found = store.deliveries(None, None, None, 10_000).await.unwrap().deliveries;
    store.close().await;
    found
}

/// A login of an application into a session, of a user who has no other.
pub(crate) fn event_of(session: &str, client: &str) -> Value {
    let mut event = event(session, &format!("txn_{session}_{client}"));
    event["client"]["client_id"] = client.into();
    event["user"]["user_id"] = format!("auth0|{session}").into();
    event
}
