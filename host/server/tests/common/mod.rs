//! A server that runs: with its configuration, its Actions and its database in a folder of its own.

#![allow(
    dead_code,
    unreachable_pub,
    missing_docs,
    clippy::expect_used,
    clippy::panic,
    reason = "each test file uses some of this; and a test that lacks its parts is to fail at once"
)]

use std::path::Path;
use std::sync::Arc;

use argon2::Argon2;
use argon2::password_hash::PasswordHasher as _;
use reqwest::{Client, Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;
use vestibule_server::{Configuration, Parts, Server, StartError};
use vestibule_test_artifacts as artifacts;

pub const EVENT: &str = include_str!("../../../../examples/events/organization-login.json");
pub const SECRET: &str = "a secret of the tests";
pub const ALL_SCOPES: &str = "run:post-login update:session read:sessions update:sessions delete:sessions read:logs \
     read:clients create:clients update:clients delete:clients read:actions create:actions update:actions delete:actions \
     update:action_policy";

pub struct Running {
    pub server: Option<Server>,
    pub folder: TempDir,
    pub client: Client,
    pub origin: String,
    /// A token for everything, of tenant `acme`.
    pub token: String,
}

/// Tenants `acme` (host `localhost`) and `globex` (host `127.0.0.1`), each with the first example's
/// Action and a client `platform`.
pub fn configuration(more: &str) -> String {
    let hash = Argon2::default().hash_password(SECRET.as_bytes()).expect("it can be hashed");
    let scopes: Vec<&str> = ALL_SCOPES.split(' ').collect();
    let tenant = |id: &str, host: &str| {
        format!(
            "[tenants.{id}]\nhosts = [{host:?}]\nrate = {{ per_second = 100000, burst = 100000 }}\n{more}\n\
             [[tenants.{id}.actions]]\ncomponent = \"organization-session-metadata.wasm\"\n\
             [[tenants.{id}.clients]]\nclient_id = \"platform\"\nsecret_hash = \"{hash}\"\nscopes = {scopes:?}\n"
        )
    };
    format!("listen = \"127.0.0.1:0\"\n{}{}", tenant("acme", "localhost"), tenant("globex", "127.0.0.1"))
}

pub async fn start() -> Running {
    start_with(&configuration("")).await
}

pub async fn start_with(configuration: &str) -> Running {
    let folder = tempfile::tempdir().expect("a folder");
    start_in(folder, configuration).await
}

pub async fn start_in(folder: TempDir, configuration: &str) -> Running {
    write_components(folder.path());
    let server = try_start(folder.path(), configuration).await.expect("it starts");
    let origin = format!("http://localhost:{}", server.address().port());
    let client = Client::new();
    let mut running = Running { server: Some(server), folder, client, origin, token: String::new() };
    running.token = running.token_of("acme", ALL_SCOPES).await;
    running
}

/// The Actions that configurations of tests name.
pub fn write_components(folder: &Path) {
    let components: [(&str, &[u8]); 3] = [
        ("organization-session-metadata", artifacts::ORGANIZATION_SESSION_METADATA),
        ("writes_metadata", artifacts::WRITES_METADATA),
        ("denies", artifacts::DENIES),
    ];
    for (name, component) in components {
        std::fs::write(folder.join(format!("{name}.wasm")), component).expect("it can be written");
    }
}

pub async fn try_start(folder: &Path, configuration: &str) -> Result<Server, StartError> {
    Server::start(parse(folder, configuration), Parts { compiler: None, read_component: Arc::new(read) }).await
}

pub fn parse(folder: &Path, text: &str) -> Configuration {
    Configuration::parse(&folder.join("vestibule.toml"), text).unwrap_or_else(|mistakes| panic!("{mistakes}"))
}

pub fn read(path: &Path) -> Result<(String, Vec<u8>), String> {
    std::fs::read(path).map(|bytes| ("action".to_owned(), bytes)).map_err(|error| error.to_string())
}

impl Running {
    /// A tenant's origin.
    pub fn origin_of(&self, tenant: &str) -> String {
        if tenant == "acme" { self.origin.clone() } else { self.origin.replace("localhost", "127.0.0.1") }
    }

    /// A token of a tenant for these scopes.
    pub async fn token_of(&self, tenant: &str, scopes: &str) -> String {
        let origin = self.origin_of(tenant);
        let body = json!({
            "grant_type": "client_credentials", "client_id": "platform", "client_secret": SECRET,
            "audience": format!("{origin}/api/v2/"), "scope": scopes,
        });
        let response = self.client.post(format!("{origin}/oauth/token")).json(&body).send().await.expect("it answers");
        assert_eq!(response.status(), StatusCode::OK);
        let body: Value = response.json().await.expect("JSON");
        body["access_token"].as_str().expect("a token").to_owned()
    }

    /// A request of tenant `acme` with a token for everything.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.origin)).bearer_auth(&self.token)
    }

    /// Sends a login, and gives the outcome.
    pub async fn login(&self, event: &Value) -> Value {
        let response = self.request(Method::POST, "/v1/post-login").json(event).send().await.expect("it answers");
        let status = response.status();
        let body: Value = response.json().await.expect("JSON");
        assert_eq!(status, StatusCode::OK, "{body}");
        body
    }

    /// Sends a request, and gives the status and the body.
    pub async fn answer(&self, request: RequestBuilder) -> (u16, Value) {
        let response = request.send().await.expect("it answers");
        let status = response.status().as_u16();
        let text = response.text().await.expect("a body");
        (status, if text.is_empty() { Value::Null } else { serde_json::from_str(&text).expect("JSON") })
    }

    pub async fn stop(mut self) -> TempDir {
        if let Some(server) = self.server.take() {
            server.stop().await;
        }
        self.folder
    }
}

/// A login of this session, by this transaction.
pub fn event(session: &str, transaction: &str) -> Value {
    let mut event: Value = serde_json::from_str(EVENT).expect("JSON");
    event["session"]["id"] = session.into();
    event["transaction"]["id"] = transaction.into();
    let days = |days: u64| {
        let now = vestibule::model::Timestamp::now().as_millis();
        Value::from(vestibule::model::Timestamp::from_millis(now + days * 86_400_000).to_string())
    };
    let now = days(0);
    for time in ["created_at", "updated_at", "authenticated_at", "last_interacted_at"] {
        event["session"][time] = now.clone();
    }
    event["session"]["idle_expires_at"] = days(3);
    event["session"]["expires_at"] = days(7);
    event
}
