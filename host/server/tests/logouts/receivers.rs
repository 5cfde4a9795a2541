//! Receivers of logout tokens, good and bad, on this machine and over TLS.

use std::collections::VecDeque;
use std::sync::{Arc, LazyLock, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rcgen::{CertificateParams, DnType, KeyPair};
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::world::until;

/// A certificate for all names of the tests, and what serves it.
pub(crate) struct Certified {
    pub(crate) pem: String,
    acceptor: TlsAcceptor,
}

impl Certified {
    /// Signed by itself, under a name of its own.
    fn by(authority: &str) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut parameters = CertificateParams::new(["localhost".to_owned(), "*.example.test".to_owned()]).unwrap();
        parameters.distinguished_name.push(DnType::CommonName, authority);
        let key = KeyPair::generate().unwrap();
        let certificate = parameters.self_signed(&key).unwrap();
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let config =
            ServerConfig::builder().with_no_client_auth().with_single_cert(vec![certificate.der().clone()], key).unwrap();
        Self { pem: certificate.pem(), acceptor: TlsAcceptor::from(Arc::new(config)) }
    }
}

/// The one that the servers of the tests trust.
pub(crate) static TRUSTED: LazyLock<Certified> = LazyLock::new(|| Certified::by("the authority of the tests"));
/// One that nobody trusts.
static UNTRUSTED: LazyLock<Certified> = LazyLock::new(|| Certified::by("nobody"));

/// What a receiver does when a token has arrived.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    /// It answers this status, and whatever header stands behind it.
    Says(String),
    /// It says nothing, and stays.
    Hangs,
    HangsUp,
    HangsUpInTheHead,
    EndlessBody,
    LongHead,
}

pub(crate) fn says(status: &str) -> Answer {
    Answer::Says(status.to_owned())
}

/// A token that has arrived.
#[derive(Clone, Debug)]
pub(crate) struct Heard {
    /// The head of the request.
    pub(crate) head: String,
    pub(crate) token: String,
    pub(crate) header: Value,
    pub(crate) claims: Value,
}

impl Heard {
    pub(crate) fn claim(&self, name: &str) -> &str {
        self.claims[name].as_str().unwrap()
    }
}

#[derive(Debug)]
struct State {
    /// The first answers, each for one token.
    first: Mutex<VecDeque<Answer>>,
    /// What comes after them.
    then: Mutex<Answer>,
    heard: Mutex<Vec<Heard>>,
}

/// A receiver that listens until it is dropped.
#[derive(Debug)]
pub(crate) struct Receiver {
    pub(crate) port: u16,
    state: Arc<State>,
    listening: JoinHandle<()>,
}

impl Receiver {
    pub(crate) async fn start(answer: Answer) -> Self {
        Self::listen(0, &TRUSTED, VecDeque::new(), answer).await
    }

    /// At a port that was another one's.
    pub(crate) async fn at(port: u16, answer: Answer) -> Self {
        Self::listen(port, &TRUSTED, VecDeque::new(), answer).await
    }

    /// That answers like this once, and then like that.
    pub(crate) async fn first(answer: Answer, then: Answer) -> Self {
        Self::listen(0, &TRUSTED, VecDeque::from([answer]), then).await
    }

    pub(crate) async fn untrusted() -> Self {
        Self::listen(0, &UNTRUSTED, VecDeque::new(), says("200 OK")).await
    }

    async fn listen(port: u16, certified: &Certified, first: VecDeque<Answer>, then: Answer) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(State { first: Mutex::new(first), then: Mutex::new(then), heard: Mutex::default() });
        let (acceptor, served) = (certified.acceptor.clone(), Arc::clone(&state));
        let listening = tokio::spawn(async move {
            // Dropped with this task, it ends all of them.
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, state) = (acceptor.clone(), Arc::clone(&served));
                connections.spawn(async move {
                    if let Ok(stream) = acceptor.accept(stream).await {
                        state.serve(stream).await;
                    }
                });
            }
        });
        Self { port, state, listening }
    }

    /// A URL of it, under one of its names.
    pub(crate) fn url_at(&self, name: &str) -> String {
        format!("https://{name}:{}/logout?by=vestibule", self.port)
    }

    pub(crate) fn url(&self) -> String {
        self.url_at("localhost")
    }

    /// What it answers from now on.
    pub(crate) fn now(&self, answer: Answer) {
        *self.state.then.lock().unwrap() = answer;
    }

    pub(crate) fn heard(&self) -> Vec<Heard> {
        self.state.heard.lock().unwrap().clone()
    }

    /// Waits until it has heard so many tokens.
    pub(crate) async fn hears(&self, count: usize) -> Vec<Heard> {
        until(&format!("the receiver at {} hears {count} tokens", self.port), async || {
            Some(self.heard()).filter(|heard| heard.len() >= count)
        })
        .await
    }

    /// Waits until it has heard of a session.
    pub(crate) async fn hears_of(&self, session: &str) -> Heard {
        until(&format!("the receiver at {} hears of {session}", self.port), async || {
            self.heard().into_iter().find(|heard| heard.claim("sid") == session)
        })
        .await
    }

    /// Listens no more. Its port.
    pub(crate) async fn stop(mut self) -> u16 {
        self.listening.abort();
        let _ = (&mut self.listening).await;
        self.port
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

/// A port at which nobody listens.
pub(crate) async fn nobody() -> u16 {
    Receiver::start(Answer::Hangs).await.stop().await
}

impl State {
    /// One token after the other.
    async fn serve(&self, mut stream: impl AsyncRead + AsyncWrite + Unpin) {
        while let Some(heard) = read(&mut stream).await {
            self.heard.lock().unwrap().push(heard);
            let answer = self.first.lock().unwrap().pop_front();
            let answer = answer.unwrap_or_else(|| self.then.lock().unwrap().clone());
            if reply(&mut stream, answer).await.is_none() {
                return;
            }
        }
    }
}

/// None where the connection is not to be used again.
async fn reply(stream: &mut (impl AsyncWrite + Unpin), answer: Answer) -> Option<()> {
    match answer {
        Answer::Says(status) => {
            let length = if status.starts_with("204") { "" } else { "content-length: 0\r\n" };
            stream.write_all(format!("HTTP/1.1 {status}\r\n{length}\r\n").as_bytes()).await.ok()?;
            stream.flush().await.ok()
        }
        Answer::Hangs => std::future::pending().await,
        Answer::HangsUp => None,
        Answer::HangsUpInTheHead => {
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-le").await.ok()?;
            stream.shutdown().await.ok()?;
            None
        }
        Answer::EndlessBody => {
            stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await.ok()?;
            loop {
                stream.write_all(format!("400\r\n{}\r\n", "x".repeat(1_024)).as_bytes()).await.ok()?;
            }
        }
        Answer::LongHead => {
            stream.write_all(b"HTTP/1.1 200 OK\r\n").await.ok()?;
            for number in 0..1_024 {
                stream.write_all(format!("x-{number}: {}\r\n", "x".repeat(1_024)).as_bytes()).await.ok()?;
            }
            stream.write_all(b"content-length: 0\r\n\r\n").await.ok()
        }
    }
}

/// A request with a token. Anything else counts as not heard.
async fn read(stream: &mut (impl AsyncRead + Unpin)) -> Option<Heard> {
    let mut read = Vec::new();
    let end = loop {
        if let Some(end) = read.windows(4).position(|window| window == b"\r\n\r\n") {
            break end;
        }
        if stream.read_buf(&mut read).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8(read[..end].to_vec()).unwrap();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap().parse::<usize>().unwrap();
    while read.len() < end + 4 + length {
        if stream.read_buf(&mut read).await.ok()? == 0 {
            return None;
        }
    }
    let body = String::from_utf8(read[end + 4..].to_vec()).unwrap();
    let token = body.strip_prefix("logout_token=").unwrap().to_owned();
    let part = |number: usize| {
        let part = token.split('.').nth(number).unwrap();
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
    };
    Some(Heard { header: part(0), claims: part(1), head, token })
}
