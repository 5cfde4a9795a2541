//! An author who changes Actions without end, and knows what was acknowledged.

use std::time::Duration;

use reqwest::{Client, Method};
use serde_json::{Value, json};
use vestibule::model::ComponentDigest;
use vestibule_test_artifacts as artifacts;

use crate::callers::event;
use crate::common::server::SECRET;

const PATIENCE: Duration = Duration::from_secs(120);
const DRAFTS: [&[u8]; 2] = [artifacts::DENIES, artifacts::WRITES_METADATA];

/// What is there: what was acknowledged last, and what was asked for after that and may be there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Fact<T> {
    acknowledged: T,
    asked: Option<T>,
}

impl<T: PartialEq + std::fmt::Debug + Clone> Fact<T> {
    fn ask(&mut self, value: T) {
        self.asked = Some(value);
    }

    fn acknowledge(&mut self) {
        self.acknowledged = self.asked.take().expect("it was asked for");
    }

    /// What is found is one of the two.
    fn find(&mut self, what: &str, found: T) {
        assert!(
            found == self.acknowledged || Some(&found) == self.asked.as_ref(),
            "{what}: {found:?} is there, and not {self:?}"
        );
        *self = Self { acknowledged: found, asked: None };
    }
}

/// What the author knows.
#[derive(Debug, Default)]
pub(crate) struct Known {
    /// Changes in all.
    pub(crate) acknowledged: usize,
    changing: Option<String>,
    reader: Option<String>,
    draft: Fact<String>,
    version: Fact<u64>,
    bound: Fact<Vec<String>>,
    secret: Fact<u64>,
}

pub(crate) struct Author {
    client: Client,
    origin: String,
    token: String,
    round: usize,
}

/// Of a server that is gone there is no answer.
type Gone = reqwest::Error;

impl Author {
    pub(crate) async fn at(port: u16, round: usize) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder().timeout(PATIENCE).build().unwrap();
        let mut author = Self { client, origin: format!("http://localhost:{port}"), token: String::new(), round };
        let asked = json!({ "grant_type": "client_credentials", "client_id": "platform", "client_secret": SECRET });
        let (_, granted) = author.send(Method::POST, "/oauth/token", asked.to_string().into()).await.unwrap();
        author.token = granted["access_token"].as_str().expect("a token").to_owned();
        author
    }

    async fn send(&self, method: Method, path: &str, body: Vec<u8>) -> Result<(u16, Value), Gone> {
        loop {
            let request = self.client.request(method.clone(), format!("{}{path}", self.origin)).bearer_auth(&self.token);
            let answer = request.header("content-type", "application/json").body(body.clone()).send().await?;
            let status = answer.status().as_u16();
            let text = answer.text().await?;
            let answer: Value = serde_json::from_str(&text).unwrap_or_default();
            // Nothing was changed, and it can be asked for again.
            if !matches!(answer["errorCode"].as_str(), Some("store_busy" | "store_unavailable")) {
                return Ok((status, answer));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn actions(&self, method: Method, path: &str, body: Value) -> Result<(u16, Value), Gone> {
        self.send(method, &format!("/api/v2/actions/{path}"), body.to_string().into()).await
    }

    async fn get(&self, path: &str) -> Value {
        let (status, answer) = self.actions(Method::GET, path, Value::Null).await.unwrap();
        assert_eq!(status, 200, "{path}: {answer}");
        answer
    }

    /// Everything that was acknowledged is there, and nothing that nobody has asked for.
    pub(crate) async fn finds(&self, known: &mut Known) {
        if let Some(id) = &known.changing {
            let mut action = self.get(&format!("actions/{id}")).await;
            let asking = async {
                // What was broken off is built by itself.
                while matches!(action["status"].as_str(), Some("pending" | "building")) {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    action = self.get(&format!("actions/{id}")).await;
                }
            };
            tokio::time::timeout(PATIENCE, asking).await.expect("what was uploaded is built");
            known.draft.find("the draft", action["component"]["sha256"].as_str().unwrap_or_default().to_owned());
            assert!(action["component"].is_null() || action["status"] == "built", "{action}");
            known.version.find("the version", action["deployed_version"]["number"].as_u64().unwrap_or_default());
            let versions = self.get(&format!("actions/{id}/versions?per_page=1")).await;
            // The newest twenty are kept.
            assert_eq!(versions["total"], known.version.acknowledged.min(20), "each version is there: {versions}");
        }
        let bindings = self.get("triggers/post-login/bindings?per_page=100").await;
        let names = |list: &Value, of: fn(&Value) -> &Value| {
            list.as_array().unwrap().iter().map(|item| of(item).as_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        let bound = names(&bindings["bindings"], |binding| &binding["action"]["name"]);
        known.bound.find("what is bound", bound.clone());
        // And that is what runs.
        let session = format!("found_{}", self.round);
        let login = event(&session, "shop", &session);
        let (status, outcome) = self.send(Method::POST, "/v1/post-login", login.to_string().into()).await.unwrap();
        assert_eq!(status, 200, "{outcome}");
        let ran = names(&outcome["actions"], |action| &action["name"]);
        assert_eq!(ran[1..], bound, "{outcome}");
        // A login that was denied has no tokens to show it.
        if bound.contains(&"reader".to_owned()) && outcome["decision"] == "allow" {
            known.secret.find("the secret", outcome["id_token"]["claims"]["secret_length"].as_u64().unwrap_or_default());
        }
    }

    /// Works until the server is gone, and gives what is known then.
    pub(crate) async fn work(self, mut known: Known) -> Known {
        while self.step(&mut known).await.is_ok() {}
        known
    }

    async fn step(&self, known: &mut Known) -> Result<(), Gone> {
        if known.reader.is_none() {
            // Nobody is killed before this is done: the first round begins with it.
            let id = self.create("reader").await?;
            self.upload(&id, artifacts::READS_A_SECRET).await?;
            self.deploy(&id).await?;
            known.reader = Some(id);
            known.changing = Some(self.create("changing").await?);
        }
        let (reader, changing) = (known.reader.clone().unwrap(), known.changing.clone().unwrap());
        let component = DRAFTS[known.acknowledged % 2];
        known.draft.ask(ComponentDigest::of(component).to_string());
        self.upload(&changing, component).await?;
        known.draft.acknowledge();
        known.version.ask(known.version.acknowledged + 1);
        self.deploy(&changing).await?;
        known.version.acknowledge();
        known.secret.ask(1 + known.secret.acknowledged % 1_000);
        let value = json!({ "value": "x".repeat(usize::try_from(known.secret.acknowledged % 1_000).unwrap() + 1) });
        let (status, answer) = self.actions(Method::PUT, &format!("actions/{reader}/secrets/API_KEY"), value).await?;
        assert_eq!(status, 204, "{answer}");
        known.secret.acknowledge();
        // The reader runs first: the other one may deny the login.
        let bound = if known.acknowledged.is_multiple_of(2) { vec!["reader", "changing"] } else { vec!["reader"] };
        known.bound.ask(bound.iter().map(|name| (*name).to_owned()).collect());
        let bindings: Vec<Value> = bound.iter().map(|name| json!({ "ref": { "type": "action_name", "value": name } })).collect();
        let (status, answer) =
            self.actions(Method::PATCH, "triggers/post-login/bindings", json!({ "bindings": bindings })).await?;
        assert_eq!(status, 200, "{answer}");
        known.bound.acknowledge();
        known.acknowledged += 1;
        Ok(())
    }

    async fn create(&self, name: &str) -> Result<String, Gone> {
        let body = json!({ "name": name, "supported_triggers": [{ "id": "post-login" }] });
        let (status, action) = self.actions(Method::POST, "actions", body).await?;
        if status == 409 {
            // It was created, and the answer was lost with the server.
            let (_, found) = self.actions(Method::GET, &format!("actions?actionName={name}"), Value::Null).await?;
            return Ok(found["actions"][0]["id"].as_str().unwrap().to_owned());
        }
        assert_eq!(status, 201, "{action}");
        Ok(action["id"].as_str().unwrap().to_owned())
    }

    async fn upload(&self, id: &str, component: &[u8]) -> Result<(), Gone> {
        let path = format!("/api/v2/actions/actions/{id}/component");
        let (status, action) = self.send(Method::PUT, &path, component.to_vec()).await?;
        assert!(status == 200 && action["status"] == "built", "{status} {action}");
        Ok(())
    }

    async fn deploy(&self, id: &str) -> Result<(), Gone> {
        let accepted = json!({ "accept_capabilities": true });
        let (status, version) = self.actions(Method::POST, &format!("actions/{id}/deploy"), accepted).await?;
        assert_eq!(status, 202, "{version}");
        Ok(())
    }
}
