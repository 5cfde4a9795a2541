//! An identity platform's side of a login: `integrate EVENT.json`, and a line on standard input for
//! the second factor.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result};
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};

/// How often a login is sent that is answered by 409.
const ATTEMPTS: usize = 3;

struct Vestibule {
    client: Client,
    url: String,
    token: Option<(String, Instant)>,
}

impl Vestibule {
    /// One request, sent again with the same body until it is answered: the same transaction is
    /// never run twice.
    async fn call(&self, path: &str, body: &Value, token: &str) -> Result<(StatusCode, Value)> {
        for attempt in 1.. {
            let request = self.client.post(format!("{}{path}", self.url)).bearer_auth(token).json(body);
            let response = request.timeout(Duration::from_secs(10)).send().await;
            let status = response.as_ref().map_or(StatusCode::SERVICE_UNAVAILABLE, |response| response.status());
            let is_busy = status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS;
            let wait =
                response.as_ref().ok().and_then(|response| response.headers().get("retry-after")?.to_str().ok()?.parse().ok());
            if !is_busy || attempt == 5 {
                return Ok((status, response?.json().await.unwrap_or_default()));
            }
            tokio::time::sleep(Duration::from_secs(wait.unwrap_or(attempt).min(10))).await;
        }
        unreachable!("the fifth attempt returns")
    }

    async fn authorized(&mut self, path: &str, body: &Value) -> Result<(StatusCode, Value)> {
        let known = self.token.take_if(|(_, until)| *until > Instant::now());
        let (token, until) = match known {
            Some(known) => known,
            None => {
                let secret = |name: &str| std::env::var(name).with_context(|| format!("{name} is not set"));
                let (id, secret) = (secret("VESTIBULE_CLIENT_ID")?, secret("VESTIBULE_CLIENT_SECRET")?);
                let audience = format!("{}/api/v2/", self.url);
                let grant =
                    json!({ "grant_type": "client_credentials", "client_id": id, "client_secret": secret, "audience": audience });
                let (_, issued) = self.call("/oauth/token", &grant, "").await?;
                let text = issued["access_token"].as_str().context("the server issues no token")?.to_owned();
                let lives = issued["expires_in"].as_u64().unwrap_or_default().saturating_sub(60);
                (text, Instant::now() + Duration::from_secs(lives))
            }
        };
        let answer = self.call(path, body, &token).await;
        self.token = Some((token, until));
        answer
    }

    async fn login(&mut self, mut event: Value, second_factor: impl Fn(&Value) -> bool) -> Result<Value> {
        let (mut status, mut outcome) = self.authorized("/v1/post-login", &event).await?;
        for _ in 1..ATTEMPTS {
            if status != StatusCode::CONFLICT || !prepare_next(&mut event, outcome["errorCode"].as_str()) {
                break;
            }
            (status, outcome) = self.authorized("/v1/post-login", &event).await?;
        }
        if status != StatusCode::OK {
            // Without an answer there are no tokens: an Action may be what keeps this user out.
            return Ok(json!({ "error": "temporarily_unavailable", "description": outcome["message"] }));
        }
        match outcome["decision"].as_str() {
            Some("allow") => {}
            Some("deny") => return Ok(json!({ "error": "access_denied", "description": outcome["reason"] })),
            _ => return Ok(json!({ "error": "server_error", "description": "the login can't be completed" })),
        }
        let (session, factor) = (&outcome["session"]["id"], &outcome["multifactor"]);
        if factor.is_object() && !second_factor(factor) {
            let mut end = reqwest::Url::parse(&self.url)?;
            let id = session.as_str().unwrap_or_default();
            end.path_segments_mut().ok().context("a URL of a host")?.extend(["v1", "sessions", id, "end"]);
            self.authorized(end.path(), &json!({ "initiator": "session-revoked" })).await?;
            return Ok(json!({ "error": "access_denied", "description": "the second factor was not proved" }));
        }
        let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
        let (mut id_token, mut access) = (outcome["id_token"]["claims"].clone(), outcome["access_token"]["claims"].clone());
        let removed = list(&outcome["access_token"]["removed_scopes"]);
        let scopes = [list(&event["transaction"]["requested_scopes"]), list(&outcome["access_token"]["added_scopes"])].concat();
        let scopes: Vec<&str> = scopes.iter().filter(|scope| !removed.contains(scope)).filter_map(Value::as_str).collect();
        access["scope"] = scopes.join(" ").into();
        for claims in [&mut id_token, &mut access] {
            claims["sub"] = event["user"]["user_id"].clone();
        }
        if session.is_string() {
            id_token["sid"] = session.clone();
        }
        // Members of `user` are to be set, and to be removed where they are null.
        Ok(json!({ "id_token": id_token, "access_token": access, "user": outcome["user"] }))
    }
}

/// Makes of an event what is sent after a 409 of this code: whether there is anything to send. A
/// session that is alive goes on: its cookie is all that the user has of it.
fn prepare_next(event: &mut Value, error_code: Option<&str>) -> bool {
    match error_code {
        Some("session_contended") => {}
        Some("transaction_mismatch" | "answer_not_stored") => event["transaction"]["id"] = unique().into(),
        Some("session_ended" | "session_of_another_user") => {
            event["session"] = json!({ "id": unique() });
            event["transaction"]["id"] = unique().into();
        }
        _ => return false,
    }
    true
}

/// An id that no other login has. A platform takes its own.
fn unique() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    format!("{}-{}", now.as_nanos(), std::process::id())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    // `reqwest` is built without cryptography of its own.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let url = std::env::var("VESTIBULE_URL").context("VESTIBULE_URL is not set")?;
    let event = std::fs::read(std::env::args().nth(1).context("give a login event")?)?;
    let mut vestibule = Vestibule { client: Client::new(), url, token: None };
    let typed = |_: &Value| std::io::stdin().lines().next().is_some_and(|line| line.is_ok_and(|line| line.trim() == "yes"));
    println!("{}", vestibule.login(serde_json::from_slice(&event)?, typed).await?);
    Ok(())
}
