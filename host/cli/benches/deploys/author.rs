//! Somebody who deploys, over a connection that is kept open.

use serde_json::{Value, json};
use vestibule_test_artifacts::ORGANIZATION_SESSION_METADATA as GUEST;

use crate::connection::Connection;
use crate::server::Running;

pub(crate) struct Author {
    connection: Connection,
    host: String,
    token: String,
}

/// The example's component with this number in it: another one for each.
pub(crate) fn numbered(number: u64) -> Vec<u8> {
    // A custom section: its id, its length, its name with that one's length, and what is in it.
    [GUEST, &[0, 10, 1, b'n'], &number.to_le_bytes()].concat()
}

impl Author {
    pub(crate) async fn new(running: &Running) -> Self {
        Self::of(running, "localhost", &running.token).await
    }

    /// An author of the tenant that is called by this host.
    pub(crate) async fn of(running: &Running, host: &str, token: &str) -> Self {
        Self { connection: Connection::open(running.address).await, host: host.to_owned(), token: token.to_owned() }
    }

    /// Creates an Action: its id.
    pub(crate) async fn create(&mut self, name: &str) -> String {
        let body = json!({ "name": name, "supported_triggers": [{ "id": "post-login" }] }).to_string();
        let created = self.ask("POST", "/api/v2/actions/actions", "application/json", body.as_bytes()).await;
        let created: Value = serde_json::from_str(&created).expect("JSON");
        created["id"].as_str().expect("an id").to_owned()
    }

    /// Uploads a component, which is built when this comes back.
    pub(crate) async fn upload(&mut self, id: &str, component: &[u8]) {
        let path = format!("/api/v2/actions/actions/{id}/component");
        let action = self.ask("PUT", &path, "application/wasm", component).await;
        assert!(action.contains("\"status\":\"built\""), "{action}");
    }

    /// Deploys what was uploaded last, which is live when this comes back.
    pub(crate) async fn deploy(&mut self, id: &str) {
        self.ask("POST", &format!("/api/v2/actions/actions/{id}/deploy"), "application/json", b"").await;
    }

    /// Makes these the tenant's flow.
    pub(crate) async fn bind(&mut self, ids: &[String]) {
        let bindings: Vec<Value> = ids.iter().map(|id| json!({ "ref": { "type": "action_id", "value": id } })).collect();
        let bindings = json!({ "bindings": bindings }).to_string();
        self.ask("PATCH", "/api/v2/actions/triggers/post-login/bindings", "application/json", bindings.as_bytes()).await;
    }

    async fn ask(&mut self, method: &str, path: &str, kind: &str, body: &[u8]) -> String {
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {}\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n\r\n",
            self.host,
            self.token,
            body.len()
        );
        self.send(&[head.as_bytes(), body].concat()).await
    }

    /// Sends a request as it is, which has to be answered by one of 2xx: the answer's body.
    pub(crate) async fn send(&mut self, request: &[u8]) -> String {
        self.connection.write(request).await.expect("it reads");
        let (head, body) = self.connection.message().await.expect("it answers");
        let body = String::from_utf8(body).expect("a body is text");
        assert!(head.starts_with("HTTP/1.1 2"), "{head}\n{body}");
        body
    }
}
