//! Callers that know what they were told, and hold the server to it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use reqwest::{Client, Method, RequestBuilder};
use serde_json::{Value, json};

use crate::common::root;
use crate::common::server::SECRET;

/// Long enough for a machine that does much else; nothing depends on it but when a test that hangs
/// is given up.
const PATIENCE: Duration = Duration::from_secs(120);

/// A server's API, with a token.
#[derive(Clone)]
pub(crate) struct Api {
    client: Client,
    origin: String,
    token: String,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answered {
    pub(crate) status: u16,
    pub(crate) body: String,
    pub(crate) is_repeated: bool,
}

impl Answered {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).expect("JSON")
    }
}

impl Api {
    pub(crate) async fn at(port: u16) -> Self {
        Self::of("localhost", port).await
    }

    /// Of the tenant whose name this is.
    pub(crate) async fn of(host: &str, port: u16) -> Self {
        // The client is made for any cryptography, and has none of its own.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder().timeout(PATIENCE).build().unwrap();
        let mut api = Self { client, origin: format!("http://{host}:{port}"), token: String::new() };
        let asked = json!({ "grant_type": "client_credentials", "client_id": "platform", "client_secret": SECRET });
        let request = api.client.post(format!("{}/oauth/token", api.origin)).body(asked.to_string());
        let answered = api.send(request.header("content-type", "application/json")).await.expect("it answers");
        api.token = answered.json()["access_token"].as_str().expect("a token").to_owned();
        api
    }

    /// Sends these bytes, and gives the answer.
    pub(crate) async fn call(&self, method: Method, path: &str, body: Vec<u8>) -> Answered {
        self.send(self.request(method, path).body(body)).await.expect("it answers")
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.origin)).bearer_auth(&self.token)
    }

    async fn send(&self, request: RequestBuilder) -> Result<Answered, reqwest::Error> {
        let response = request.send().await?;
        let (status, is_repeated) = (response.status().as_u16(), response.headers().contains_key("vestibule-repeated"));
        Ok(Answered { status, is_repeated, body: response.text().await? })
    }

    pub(crate) async fn login(&self, event: &Value) -> Result<Answered, reqwest::Error> {
        self.send(self.request(Method::POST, "/v1/post-login").body(event.to_string())).await
    }

    /// Sends a login, and sends it again for as long as the server says that it can be.
    pub(crate) async fn login_until_answered(&self, event: &Value) -> Answered {
        loop {
            let answered = self.login(event).await.expect("the server answers");
            match answered.status {
                200 => return answered,
                503 | 409 => tokio::time::sleep(Duration::from_millis(10)).await,
                _ => panic!("{answered:?}"),
            }
        }
    }

    async fn replace(&self, session: &str, metadata: &Value) -> Result<Answered, reqwest::Error> {
        let body = json!({ "session_metadata": metadata }).to_string();
        self.send(self.request(Method::PATCH, &format!("/api/v2/sessions/{session}")).body(body)).await
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        let answered = self.send(self.request(Method::GET, path)).await.expect("it answers");
        assert_eq!(answered.status, 200, "{path}: {}", answered.body);
        answered.json()
    }

    /// Deploys an Action's draft, once more.
    #[allow(dead_code, reason = "the tests of deploying use it")]
    pub(crate) async fn deploy(&self, id: &str) {
        let request = self.request(Method::POST, &format!("/api/v2/actions/actions/{id}/deploy"));
        let answered = self.send(request).await.expect("it answers");
        assert_eq!(answered.status, 202, "{}", answered.body);
    }

    pub(crate) async fn end(&self, session: &str) -> u16 {
        self.try_end(session).await.expect("it answers").status
    }

    pub(crate) async fn try_end(&self, session: &str) -> Result<Answered, reqwest::Error> {
        self.send(self.request(Method::DELETE, &format!("/api/v2/sessions/{session}"))).await
    }
}

/// A login of a client, in a session.
pub(crate) fn event(session: &str, client: &str, transaction: &str) -> Value {
    let text = std::fs::read_to_string(root().join("examples/serve/login.json")).unwrap();
    let mut event: Value = serde_json::from_str(&text).unwrap();
    event["session"]["id"] = session.into();
    event["client"]["client_id"] = client.into();
    event["transaction"]["id"] = transaction.into();
    event
}

/// How much was acknowledged in this round.
#[derive(Clone, Default)]
pub(crate) struct Progress(Arc<AtomicUsize>);

impl Progress {
    pub(crate) fn now(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    pub(crate) async fn reaches(&self, count: usize) {
        let reached = async {
            while self.now() < count {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(PATIENCE, reached).await.expect("the server goes on");
    }
}

/// Something that a caller asks for, and what its own session's metadata is then.
#[derive(Clone, Debug)]
struct Asked {
    kind: Kind,
    then: Value,
}

#[derive(Clone, Debug)]
enum Kind {
    /// A login into its own session or into that of all, by this transaction.
    Login { transaction: String, session: String },
    /// Other metadata for its own session: two entries that are the same.
    Change(Value),
}

/// One who logs in and changes its session, and remembers what it was told.
pub(crate) struct Caller {
    number: usize,
    count: usize,
    /// Transactions, their sessions, and their answers.
    pub(crate) acknowledged: Vec<(String, String, String)>,
    /// Its session's metadata, as far as it was told; none before its first login.
    metadata: Option<Value>,
    /// What was not answered: it has happened or it has not.
    open: Option<Asked>,
}

impl Caller {
    pub(crate) fn new(number: usize) -> Self {
        Self { number, count: 0, acknowledged: Vec::new(), metadata: None, open: None }
    }

    fn session(&self) -> String {
        format!("sess_{}", self.number)
    }

    fn client(&self) -> String {
        format!("app_{}", self.number)
    }

    /// Goes on until the server is gone.
    pub(crate) async fn call(mut self, api: Api, progress: Progress) -> Self {
        loop {
            let asked = self.open.take().unwrap_or_else(|| self.next());
            let answered = match &asked.kind {
                Kind::Login { transaction, session } => api.login(&event(session, &self.client(), transaction)).await,
                Kind::Change(metadata) => api.replace(&self.session(), metadata).await,
            };
            match answered {
                Ok(Answered { status: 200, body, .. }) => {
                    if let Kind::Login { transaction, session } = asked.kind {
                        self.acknowledged.push((transaction, session, body));
                    }
                    self.metadata = Some(asked.then);
                    progress.0.fetch_add(1, Ordering::Relaxed);
                }
                // The database is away, or too many write at one time.
                Ok(Answered { status: 503, .. }) => {
                    self.open = Some(asked);
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
                Ok(other) => panic!("{asked:?}: {other:?}"),
                Err(_) => {
                    self.open = Some(asked);
                    return self;
                }
            }
        }
    }

    fn next(&mut self) -> Asked {
        self.count += 1;
        let count = self.count;
        let transaction = format!("txn_{}_{count}", self.number);
        match (&self.metadata, count % 3) {
            (Some(metadata), 1) => {
                Asked { kind: Kind::Login { transaction, session: "sess_shared".into() }, then: metadata.clone() }
            }
            (Some(_), 2) => {
                let twice = json!({ "a": count.to_string(), "b": count.to_string() });
                Asked { kind: Kind::Change(twice.clone()), then: twice }
            }
            (metadata, _) => {
                let mut then = metadata.clone().unwrap_or_else(|| json!({}));
                then[self.client()] = transaction.clone().into();
                Asked { kind: Kind::Login { transaction, session: self.session() }, then }
            }
        }
    }

    /// Its session is as it was told, or as it was asked to be; and what it asked is answered as it
    /// was answered.
    pub(crate) async fn finds_what_it_knows(&self, api: &Api) {
        let Some(metadata) = &self.metadata else { return };
        let found = &api.get(&format!("/api/v2/sessions/{}", self.session())).await["session_metadata"];
        let open = self.open.as_ref().map(|asked| &asked.then);
        assert!(found == metadata || Some(found) == open, "{found} is neither {metadata} nor {open:?}");
        for (transaction, session, answer) in self.acknowledged.iter().rev().take(5) {
            let again = api.login(&event(session, &self.client(), transaction)).await.expect("it answers");
            assert!(again.is_repeated && again.body == *answer, "{transaction}: {again:?} is not {answer}");
        }
    }
}
