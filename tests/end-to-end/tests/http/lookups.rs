//! Names whose name servers never answer: they hold no thread, and no lookup of another tenant.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::Instant;
use vestibule::http::{Connector, SystemResolver};
use vestibule::model::TenantId;

use super::server::{Server, ok};
use super::*;

/// A name server that says of each name below `here.example` that it is this machine, and of others
/// nothing.
struct NameServer {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Drop for NameServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl NameServer {
    async fn start() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.expect("a port");
        let address = socket.local_addr().expect("an address");
        let task = tokio::spawn(async move {
            let mut query = [0; 512];
            while let Ok((length, from)) = socket.recv_from(&mut query).await {
                if let Some(answer) = answer(&query[..length]) {
                    let _ = socket.send_to(&answer, from).await;
                }
            }
        });
        Self { address, task }
    }

    fn resolver(&self) -> Arc<SystemResolver> {
        Arc::new(SystemResolver::with_name_servers(vec![self.address.to_string().parse().expect("a name server")]))
    }
}

/// The answer to a query of one question (RFC 1035, section 4): nothing for names that are never
/// answered.
fn answer(query: &[u8]) -> Option<Vec<u8>> {
    const HEAD: usize = 12;
    const A: &[u8] = &[0, 1];
    let name = query.get(HEAD..)?;
    let end = HEAD + name.iter().position(|byte| *byte == 0)? + 1;
    let question = query.get(HEAD..end + 4)?;
    if !question.to_ascii_lowercase().windows(14).any(|part| part == b"\x04here\x07example\0") {
        return None;
    }
    let is_v4 = question.get(question.len() - 4..question.len() - 2)? == A;
    // The same id; an answer, recursion was asked for and is there; one question, and one answer or
    // none.
    let mut answer = query[..2].to_vec();
    answer.extend([0x81, 0x80, 0, 1, 0, u8::from(is_v4), 0, 0, 0, 0]);
    answer.extend(question);
    if is_v4 {
        // The question's name, A, IN, a minute, four bytes.
        answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4]);
        answer.extend(Ipv4Addr::LOCALHOST.octets());
    }
    Some(answer)
}

/// Threads of this process.
fn threads() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux tells it");
    let line = status.lines().find_map(|line| line.strip_prefix("Threads:")).expect("Linux tells it");
    line.trim().parse().expect("a number")
}

fn tenant(name: &str) -> TenantId {
    name.parse().expect("a tenant's id")
}

fn origin(text: &str) -> Origin {
    text.parse().expect("an origin")
}

#[tokio::test]
async fn a_name_is_resolved_by_the_name_servers_that_are_named() {
    let names = NameServer::start().await;
    let server = Server::start(|_| ok("found")).await;
    let runtime = runtime(HttpSettings { resolver: names.resolver(), ..named(&["127.0.0.0/8"]) }, patient());
    let origin = format!("http://api.here.example:{}", server.port());
    let outcome = send(&runtime, &[&origin], &format!("{origin}/"), &[]).await;
    assert_eq!(claim(&outcome, "body"), "found");
}

#[tokio::test(flavor = "multi_thread")]
async fn hundreds_of_names_without_answer_hold_no_thread_and_no_other_tenant() {
    let names = NameServer::start().await;
    let server = Server::start(|_| ok("")).await;
    let settings = HttpSettings { resolver: names.resolver(), ..named(&["127.0.0.0/8"]) };
    let connector = Arc::new(Connector::new(&settings).expect("a connector"));
    let before = threads();
    let mut attempts = JoinSet::new();
    for number in 0..500 {
        let connector = Arc::clone(&connector);
        let until = Instant::now() + Duration::from_secs(120);
        attempts.spawn(async move {
            let origin = origin(&format!("https://{number}.never.example"));
            connector.connect(&tenant("hostile"), &origin, until).await.err()
        });
    }
    // Once lookups of it have ended without an answer, it has taken all that it may.
    assert_eq!(attempts.join_next().await.expect("one").expect("no panic"), Some(RequestError::NotResolved));
    for _ in 0..20 {
        let until = Instant::now() + Duration::from_secs(120);
        let origin = origin(&format!("http://api.here.example:{}", server.port()));
        let connected = connector.connect(&tenant("honest"), &origin, until).await;
        assert!(connected.is_ok(), "{:?}", connected.err());
    }
    let taken = threads().saturating_sub(before);
    assert!(taken < 50, "{taken} threads more");
}

#[tokio::test]
async fn a_lookup_that_waits_too_long_for_its_tenants_others_fails() {
    let names = NameServer::start().await;
    let settings = HttpSettings { resolver: names.resolver(), tenant_lookups: 1, ..HttpSettings::default() };
    let connector = Connector::new(&settings).expect("a connector");
    let until = Instant::now() + Duration::from_secs(2);
    let connect = async |name: &str| connector.connect(&tenant("hostile"), &origin(name), until).await.err();
    let (_, second) = tokio::join!(
        tokio::time::timeout_at(until, connect("https://first.never.example")),
        connect("https://second.never.example")
    );
    assert_eq!(second, Some(RequestError::LookupsBusy { allowed: 1 }));
}

#[tokio::test]
async fn an_action_whose_name_has_no_answer_is_ended_by_the_limit_of_its_request() {
    let names = NameServer::start().await;
    let runtime = runtime(HttpSettings { resolver: names.resolver(), ..HttpSettings::default() }, impatient());
    let (kind, report) = refused(&runtime, &["https://api.never.example"], "https://api.never.example/", &[]).await;
    let allowed = impatient().request_time;
    assert_eq!((kind.as_str(), report.error), ("Timeout", Some(RequestError::TooSlow { allowed })));
}
