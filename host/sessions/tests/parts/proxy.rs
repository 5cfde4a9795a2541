//! Stands between a store and its PostgreSQL, and does to connections what networks and poolers do.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::Notify;

use super::cluster::Cluster;

/// What happens to messages on their way.
#[derive(Debug, Default)]
struct Rules {
    /// BEGINs that are answered with an error, and never come to the server.
    refused_begins: AtomicU32,
    /// COMMITs that come to the server, whose connection is silent from then on.
    silent_commits: AtomicU32,
    /// COMMITs that come to the server, and are answered with this code.
    commit_answers: Mutex<Vec<&'static str>>,
    /// Connections that were made.
    connections: AtomicU32,
    /// Something was swallowed.
    swallowed: Notify,
}

#[derive(Debug)]
pub(crate) struct Proxy {
    port: u16,
    rules: Arc<Rules>,
    silent: Arc<Mutex<Vec<Arc<AtomicBool>>>>,
}

impl Proxy {
    pub(crate) async fn start(cluster: &Cluster) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = cluster.folder().join(format!(".s.PGSQL.{}", cluster.port));
        let (rules, silent) = (Arc::<Rules>::default(), Arc::<Mutex<Vec<Arc<AtomicBool>>>>::default());
        let (its_rules, all) = (Arc::clone(&rules), Arc::clone(&silent));
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                client.set_nodelay(true).unwrap();
                let Ok(server) = UnixStream::connect(&server).await else { continue };
                let is_silent = Arc::<AtomicBool>::default();
                all.lock().unwrap().push(Arc::clone(&is_silent));
                its_rules.connections.fetch_add(1, Ordering::SeqCst);
                let rules = Arc::clone(&its_rules);
                tokio::spawn(Way { client, server, is_silent, rules, asked: Vec::new(), answered: Vec::new() }.run());
            }
        });
        Self { port, rules, silent }
    }

    /// The URL of the database that is the cluster's first.
    pub(crate) fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/test_0", self.port)
    }

    /// Connections that are there swallow all that is sent from now on. New ones get through.
    pub(crate) fn silence(&self) {
        for connection in &*self.silent.lock().unwrap() {
            connection.store(true, Ordering::SeqCst);
        }
    }

    /// Waits until a connection that is silent has swallowed something.
    pub(crate) async fn has_swallowed(&self) {
        self.rules.swallowed.notified().await;
    }

    pub(crate) fn refuse_begins(&self, count: u32) {
        self.rules.refused_begins.store(count, Ordering::SeqCst);
    }

    pub(crate) fn silence_commits(&self, count: u32) {
        self.rules.silent_commits.store(count, Ordering::SeqCst);
    }

    /// The next COMMITs happen, and are answered with these codes.
    pub(crate) fn answer_commits(&self, codes: &[&'static str]) {
        *self.rules.commit_answers.lock().unwrap() = codes.to_vec();
    }

    /// How many connections were made.
    pub(crate) fn connections(&self) -> u32 {
        self.rules.connections.load(Ordering::SeqCst)
    }
}

/// One connection.
struct Way {
    client: TcpStream,
    server: UnixStream,
    is_silent: Arc<AtomicBool>,
    rules: Arc<Rules>,
    asked: Vec<u8>,
    answered: Vec<u8>,
}

impl Way {
    async fn run(mut self) {
        // The first message has no type.
        let mut is_first = true;
        loop {
            tokio::select! {
                count = self.client.read_buf(&mut self.asked) => {
                    if !matches!(count, Ok(1..)) {
                        return;
                    }
                    if self.is_silent.load(Ordering::SeqCst) {
                        return self.swallow().await;
                    }
                    if is_first {
                        let Some(first) = whole(&mut self.asked, 0) else { continue };
                        is_first = false;
                        self.server.write_all(&first).await.unwrap();
                    }
                    while let Some(message) = next(&mut self.asked) {
                        if message.starts_with(b"Q") && contains(&message, b"BEGIN") && takes_one(&self.rules.refused_begins) {
                            let mut refusal = error("57014");
                            refusal.extend_from_slice(b"Z\0\0\0\x05I");
                            self.client.write_all(&refusal).await.unwrap();
                            continue;
                        }
                        let is_commit = message.starts_with(b"Q") && contains(&message, b"COMMIT\0");
                        if self.server.write_all(&message).await.is_err() {
                            return;
                        }
                        if is_commit && takes_one(&self.rules.silent_commits) {
                            return self.swallow().await;
                        }
                    }
                }
                count = self.server.read_buf(&mut self.answered) => {
                    if !matches!(count, Ok(1..)) {
                        return;
                    }
                    if self.is_silent.load(Ordering::SeqCst) {
                        return self.swallow().await;
                    }
                    while let Some(mut message) = next(&mut self.answered) {
                        if message.starts_with(b"C") && contains(&message, b"COMMIT\0") {
                            let mut answers = self.rules.commit_answers.lock().unwrap();
                            if !answers.is_empty() {
                                message = error(answers.remove(0));
                            }
                        }
                        if self.client.write_all(&message).await.is_err() {
                            return;
                        }
                    }
                }
            }
        }
    }

    /// Takes all that comes, for as long as the client is there. The server sees a client that says
    /// nothing more.
    async fn swallow(mut self) {
        self.rules.swallowed.notify_one();
        while matches!(self.client.read_buf(&mut self.asked).await, Ok(1..)) {
            self.asked.clear();
        }
    }
}

/// Takes a whole message, which begins with its type.
fn next(buffer: &mut Vec<u8>) -> Option<Vec<u8>> {
    whole(buffer, 1)
}

/// Takes a whole message, whose length stands at this place.
fn whole(buffer: &mut Vec<u8>, at: usize) -> Option<Vec<u8>> {
    let length = u32::from_be_bytes(buffer.get(at..at + 4)?.try_into().unwrap()) as usize + at;
    (buffer.len() >= length).then(|| buffer.drain(..length).collect())
}

fn takes_one(count: &AtomicU32) -> bool {
    count.try_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok()
}

fn contains(message: &[u8], word: &[u8]) -> bool {
    message.windows(word.len()).any(|part| part == word)
}

/// An error as PostgreSQL sends it.
fn error(code: &str) -> Vec<u8> {
    let fields = format!("SERROR\0VERROR\0C{code}\0Mthe proxy says so\0\0");
    let length = u32::try_from(fields.len()).unwrap() + 4;
    [b"E".as_slice(), &length.to_be_bytes(), fields.as_bytes()].concat()
}
