//! A server without any Action, and what tests ask it.

use std::sync::Arc;
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::cluster::Cluster;
use crate::common::{self, Running, event};

/// Long enough for a machine that does much else; nothing depends on it but when a test is given
/// up.
const PATIENCE: Duration = Duration::from_secs(120);

/// Asks until there is an answer.
pub async fn until<T>(what: &str, ask: impl AsyncFn() -> Option<T>) -> T {
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

/// The configuration of the other tests, without Actions.
pub fn configuration(first: &str, more: &str) -> String {
    let mut text = common::configuration(more);
    for tenant in ["acme", "globex"] {
        text = text.replace(&format!("[[tenants.{tenant}.actions]]\ncomponent = \"organization-session-metadata.wasm\"\n"), "");
    }
    assert!(!text.contains(".wasm"), "the other tests' configuration has changed: {text}");
    format!("{first}\n{text}")
}

/// Where a server keeps what it keeps.
pub enum Database {
    Sqlite,
    Postgres { _cluster: Arc<Cluster>, url: String },
}

impl Database {
    pub async fn postgres() -> Self {
        let cluster = Cluster::shared();
        let url = cluster.new_database().await;
        Self::Postgres { _cluster: cluster, url }
    }

    /// A server on it, in a folder of its own.
    pub async fn start(&self, first: &str, more: &str) -> Running {
        let folder = tempfile::tempdir().unwrap();
        self.start_in(folder, first, more).await
    }

    pub async fn start_in(&self, folder: TempDir, first: &str, more: &str) -> Running {
        if let Self::Postgres { url, .. } = self {
            std::fs::write(folder.path().join("url"), url).unwrap();
        }
        common::start_in(folder, &configuration(&format!("{}\n{first}", self.store()), more)).await
    }

    /// As the configuration has it.
    pub fn store(&self) -> String {
        match self {
            Self::Sqlite => "store = { sqlite = \"kept.db\" }".to_owned(),
            Self::Postgres { .. } => "store = { postgres = { file = \"url\" } }".to_owned(),
        }
    }
}

pub async fn start() -> Running {
    Database::Sqlite.start("", "").await
}

/// Runs a test with both databases.
#[macro_export]
macro_rules! in_both {
    ($name:ident) => {
        mod $name {
            use super::*;

            #[tokio::test(flavor = "multi_thread")]
            async fn sqlite() {
                super::$name(Database::Sqlite).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn postgres() {
                super::$name(Database::postgres().await).await;
            }
        }
    };
}

/// What tests do to Actions of tenant `acme`.
pub trait Actions {
    /// Sends JSON, and gives the status and the answer.
    async fn send(&self, method: Method, path: &str, body: Value) -> (u16, Value);
    async fn get(&self, path: &str) -> Value;
    /// Creates an Action, and gives its id.
    async fn create(&self, name: &str, more: Value) -> String;
    async fn upload(&self, id: &str, component: &[u8]) -> Value;
    /// Deploys a draft, and gives the version.
    async fn deploy(&self, id: &str) -> Value;
    /// Makes these the bindings, by their names.
    async fn bind(&self, names: &[&str]);
    /// Creates, uploads, deploys and binds one, and gives its id.
    async fn run(&self, name: &str, component: &[u8], more: Value) -> String;
    async fn version_that_ran(&self, number: usize) -> (String, Value);
    /// What a metric without labels counts.
    async fn metric(&self, name: &str) -> u64;
}

impl Actions for Running {
    async fn send(&self, method: Method, path: &str, body: Value) -> (u16, Value) {
        self.answer(self.request(method, &format!("/api/v2/actions/{path}")).json(&body)).await
    }

    async fn get(&self, path: &str) -> Value {
        let (status, answer) = self.answer(self.request(Method::GET, &format!("/api/v2/actions/{path}"))).await;
        assert_eq!(status, 200, "{path}: {answer}");
        answer
    }

    async fn create(&self, name: &str, more: Value) -> String {
        let mut body = json!({ "name": name, "supported_triggers": [{ "id": "post-login", "version": "v3" }] });
        body.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap_or_default());
        let (status, action) = self.send(Method::POST, "actions", body).await;
        assert_eq!(status, 201, "{action}");
        action["id"].as_str().unwrap().to_owned()
    }

    async fn upload(&self, id: &str, component: &[u8]) -> Value {
        let request = self.request(Method::PUT, &format!("/api/v2/actions/actions/{id}/component"));
        let (status, action) = self.answer(request.header("content-type", "application/wasm").body(component.to_vec())).await;
        assert_eq!(status, 200, "{action}");
        action
    }

    async fn deploy(&self, id: &str) -> Value {
        let body = json!({ "accept_capabilities": true });
        let (status, version) = self.send(Method::POST, &format!("actions/{id}/deploy"), body).await;
        assert_eq!(status, 202, "{version}");
        version
    }

    async fn bind(&self, names: &[&str]) {
        let bindings: Vec<Value> = names.iter().map(|name| json!({ "ref": { "type": "action_name", "value": name } })).collect();
        let (status, answer) = self.send(Method::PATCH, "triggers/post-login/bindings", json!({ "bindings": bindings })).await;
        assert_eq!(status, 200, "{answer}");
    }

    async fn run(&self, name: &str, component: &[u8], more: Value) -> String {
        let id = self.create(name, more).await;
        let action = self.upload(&id, component).await;
        assert_eq!(action["status"], "built", "{action}");
        self.deploy(&id).await;
        self.bind(&[name]).await;
        id
    }

    async fn version_that_ran(&self, number: usize) -> (String, Value) {
        let outcome = self.login(&event(&format!("sess_{number}"), &format!("txn_{number}"))).await;
        (outcome["actions"][0]["version"].as_str().unwrap_or("none").to_owned(), outcome)
    }

    async fn metric(&self, name: &str) -> u64 {
        let text = self.client.get(format!("{}/metrics", self.origin)).send().await.unwrap().text().await.unwrap();
        let line = text.lines().find(|line| line.starts_with(&format!("{name} "))).unwrap_or_else(|| panic!("{name}: {text}"));
        line.rsplit(' ').next().unwrap().parse().unwrap()
    }
}
