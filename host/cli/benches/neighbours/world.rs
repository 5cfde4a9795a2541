//! The server that is attacked: a quiet tenant, a tenant that attacks, one whose Action asks a host
//! that is never found, and tenants whose Actions sleep. Names are looked up at a name server that
//! never answers.

use std::net::UdpSocket;
use std::path::Path;

use serde_json::{Value, json};
use tempfile::TempDir;
use vestibule_test_artifacts as artifacts;

use crate::client::{Client, request};
use crate::requests::{Logins, Requests as _};
use crate::server::{Running, secret_hash};

/// Tenants whose logins sleep.
pub(crate) const SLEEPERS: usize = 4;

const SCOPES: &str = "\"run:post-login\", \"read:sessions\", \"delete:sessions\", \"read:clients\", \"create:clients\", \"read:actions\", \
     \"create:actions\", \"update:actions\", \"delete:actions\", \"read:logs\"";

pub(crate) struct World {
    pub(crate) running: Running,
    /// Of the tenant that attacks.
    pub(crate) token: String,
    /// Whether it is only tried that the bench runs.
    pub(crate) is_test: bool,
    _components: TempDir,
    /// The name server. Nothing is read from it.
    _silent: UdpSocket,
}

/// The host of the tenant that attacks.
pub(crate) const HOST: &str = "other.example";

/// The host of the tenant whose Action sends requests.
pub(crate) const ASKS: &str = "asks.example";

/// The host of a tenant that sleeps.
pub(crate) fn sleeper(number: usize) -> String {
    format!("sleeper-{number}.example")
}

impl World {
    pub(crate) fn start(is_test: bool) -> Self {
        let components = tempfile::tempdir().expect("a folder");
        let component = |name: &str, bytes: &[u8]| {
            let file = components.path().join(name);
            std::fs::write(&file, bytes).expect("the folder can be written");
            file
        };
        let sleeps = component("sleeps.wasm", artifacts::hostile::SLEEPS_WITHOUT_END);
        let asks = component("asks.wasm", artifacts::SENDS_REQUESTS);
        let hash = secret_hash();
        let mut tenants = tenant("other", HOST, &hash, "");
        let request = "requests = [\"https://api.never.test\"]\nconfiguration = { url = \"https://api.never.test/\" }\n";
        tenants.push_str(&tenant("asks", ASKS, &hash, &action("asks", &asks, request)));
        for number in 0..SLEEPERS {
            let id = format!("sleeper-{number}");
            tenants.push_str(&tenant(&id, &sleeper(number), &hash, &action(&id, &sleeps, "")));
        }
        let silent = UdpSocket::bind("127.0.0.1:0").expect("a port");
        let dns = format!("dns = {{ name_servers = [\"{}\"] }}\n", silent.local_addr().expect("its address"));
        let running = Running::start(&dns, &tenants);
        let token = running.token_of(HOST);
        Self { running, token, is_test, _components: components, _silent: silent }
    }

    /// The number itself, or a small one in test mode.
    pub(crate) fn many(&self, number: usize) -> usize {
        if self.is_test { number.min(2) } else { number }
    }

    /// A request of the tenant that attacks.
    pub(crate) fn request(&self, method: &str, path: &str, body: &Value) -> Vec<u8> {
        request(method, path, HOST, &self.token, "application/json", body.to_string().as_bytes())
    }

    /// Sends one, which waits its turn where the tenant's rate asks for it.
    pub(crate) fn send(&self, client: &mut Client, method: &str, path: &str, body: &Value) -> (u16, Value) {
        for _ in 0..600 {
            if let Some((status, answer)) = client.send(&self.request(method, path, body))
                && status != 429
                && status != 503
            {
                return (status, serde_json::from_slice(&answer).unwrap_or_default());
            }
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
        panic!("{method} {path} is never answered");
    }

    /// A login of the tenant that attacks, as it is sent.
    pub(crate) fn login(&self, tenant: &str, host: &str, token: &str, number: u64) -> Vec<u8> {
        let mut out = Vec::new();
        Logins::of(tenant, host, token).write(number, &mut out);
        out
    }

    /// An Action of the tenant that attacks: its id.
    pub(crate) fn create_action(&self, client: &mut Client, name: &str) -> String {
        let body = json!({ "name": name, "supported_triggers": [{ "id": "post-login" }] });
        let (status, created) = self.send(client, "POST", "/api/v2/actions/actions", &body);
        assert_eq!(status, 201, "{created}");
        created["id"].as_str().expect("an id").to_owned()
    }

    /// An upload of a component, as it is sent.
    pub(crate) fn upload(&self, action: &str, component: &[u8]) -> Vec<u8> {
        let path = format!("/api/v2/actions/actions/{action}/component");
        request("PUT", &path, HOST, &self.token, "application/wasm", component)
    }
}

fn action(tenant: &str, component: &Path, more: &str) -> String {
    format!("[[tenants.{tenant}.actions]]\ncomponent = {component:?}\n{more}")
}

fn tenant(id: &str, host: &str, hash: &str, action: &str) -> String {
    format!(
        "[tenants.{id}]\nhosts = [{host:?}]\n{action}[[tenants.{id}.clients]]\nclient_id = \"platform\"\nsecret_hash = {hash:?}\nscopes = [{SCOPES}]\n"
    )
}
