//! Somebody who receives a stream, on this machine: checks what is signed, refuses what it is told
//! to, goes away and comes back.

#![allow(clippy::unwrap_used, unreachable_pub, missing_docs, reason = "a test that lacks its parts is to fail at once")]

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use aws_lc_rs::hmac;
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

pub const SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

#[derive(Clone, Debug)]
pub struct Message {
    pub id: String,
    pub body: Value,
    is_taken: bool,
}

impl Message {
    pub fn entries(&self) -> &[Value] {
        self.body["data"]["logs"].as_array().unwrap()
    }
}

#[derive(Default)]
struct Seen {
    messages: Vec<Message>,
    refusals: VecDeque<u16>,
}

pub struct Receiver {
    address: SocketAddr,
    seen: Arc<Mutex<Seen>>,
    serving: Mutex<Option<JoinHandle<()>>>,
}

impl Receiver {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let receiver = Self { address, seen: Arc::default(), serving: Mutex::default() };
        receiver.serve(listener);
        receiver
    }

    fn serve(&self, listener: TcpListener) {
        let router = Router::new().route("/hook", post(take)).with_state(Arc::clone(&self.seen));
        let serving = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        *self.serving.lock().unwrap() = Some(serving);
    }

    pub fn url(&self) -> String {
        format!("http://{}/hook?key=1", self.address)
    }

    /// What comes next is answered so.
    pub fn fail(&self, statuses: &[u16]) {
        self.seen.lock().unwrap().refusals.extend(statuses);
    }

    pub fn fail_no_more(&self) {
        self.seen.lock().unwrap().refusals.clear();
    }

    pub async fn leave(&self) {
        let serving = self.serving.lock().unwrap().take().unwrap();
        serving.abort();
        let _ = serving.await;
        // Connections that are there go on for as long as the process; they hear this.
        self.fail(&[503; 3]);
    }

    pub async fn come_back(&self) {
        self.fail_no_more();
        self.serve(TcpListener::bind(self.address).await.unwrap());
    }

    /// All that has come, whatever was answered.
    pub fn messages(&self) -> Vec<Message> {
        self.seen.lock().unwrap().messages.clone()
    }

    /// What has come and was taken.
    pub fn taken(&self) -> Vec<Message> {
        self.messages().into_iter().filter(|message| message.is_taken).collect()
    }

    pub fn entries(&self) -> Vec<Value> {
        self.taken().iter().flat_map(|message| message.entries().to_vec()).collect()
    }
}

async fn take(State(seen): State<Arc<Mutex<Seen>>>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let header = |name: &str| headers[name].to_str().unwrap().to_owned();
    let (id, timestamp) = (header("webhook-id"), header("webhook-timestamp"));
    let signatures = header("webhook-signature");
    let mut signatures = signatures.split(' ').map(|one| STANDARD.decode(one.strip_prefix("v1,").unwrap()).unwrap());
    let key = hmac::Key::new(hmac::HMAC_SHA256, &STANDARD.decode(SECRET.strip_prefix("whsec_").unwrap()).unwrap());
    let signed = [id.as_bytes(), b".", timestamp.as_bytes(), b".", &body].concat();
    if !signatures.any(|signature| hmac::verify(&key, &signed, &signature).is_ok())
        || headers["content-type"] != "application/json"
    {
        return StatusCode::UNAUTHORIZED;
    }
    let mut seen = seen.lock().unwrap();
    let status = seen.refusals.pop_front().unwrap_or(204);
    seen.messages.push(Message { id, body: serde_json::from_slice(&body).unwrap(), is_taken: status == 204 });
    StatusCode::from_u16(status).unwrap()
}
