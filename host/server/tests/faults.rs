//! What happens when something else fails: callers that never end, disks that are full or can only
//! be read, a database that goes away.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test that lacks its parts is to fail at once")]

#[path = "../../sessions/tests/parts/cluster.rs"]
#[allow(dead_code, reason = "the store's tests use the rest")]
mod cluster;
mod common;

use cluster::Cluster;
use common::{Running, event, start, start_in, start_with};
use reqwest::Method;
use rustix::mount::{MountFlags, UnmountFlags, mount, mount_remount, unmount};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Sends this as it is, and gives everything that comes back until the server hangs up.
async fn raw(running: &Running, head: &str, mut more: impl FnMut() -> Option<Vec<u8>>) -> String {
    let address = running.server.as_ref().unwrap().address();
    let (mut reads, mut writes) = TcpStream::connect(address).await.unwrap().into_split();
    let host = format!("{head}\r\nhost: localhost\r\nauthorization: Bearer {}\r\n", running.token);
    writes.write_all(host.as_bytes()).await.unwrap();
    let sending = async {
        while let Some(bytes) = more() {
            // The server may have had enough.
            if writes.write_all(&bytes).await.is_err() {
                break;
            }
        }
        std::future::pending::<()>().await;
    };
    let mut told = Vec::new();
    tokio::select! {
        // An answer that was sent before the server hung up has arrived all the same.
        _ = reads.read_to_end(&mut told) => {}
        () = sending => {}
    }
    String::from_utf8(told).unwrap()
}

#[tokio::test]
async fn a_connection_goes_on_where_an_answer_was_ready_before_its_requests_body_had_come() {
    let running = start().await;
    let mut connection = TcpStream::connect(running.server.as_ref().unwrap().address()).await.unwrap();
    let mut answer = Vec::new();
    for body in ["content-length: 2\r\n\r\n", "transfer-encoding: chunked\r\n\r\n"] {
        let head = format!("POST /v1/sessions/sess_1/end HTTP/1.1\r\nhost: localhost\r\n{body}");
        connection.write_all(head.as_bytes()).await.unwrap();
        // That there is no token is known now.
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        let rest = if body.contains("chunked") { "2\r\n{}\r\n0\r\n\r\n" } else { "{}" };
        connection.write_all(rest.as_bytes()).await.unwrap();
        answer.clear();
        while !answer.ends_with(b"}") {
            assert!(connection.read_buf(&mut answer).await.unwrap() > 0, "it has hung up");
        }
        assert!(answer.starts_with(b"HTTP/1.1 401"), "{}", String::from_utf8_lossy(&answer));
    }
    running.stop().await;
}

#[tokio::test]
async fn a_request_that_never_ends_is_ended() {
    let running = start().await;
    let once = |text: &str| {
        let mut text = Some(text.as_bytes().to_vec());
        move || text.take()
    };
    // A head of which the rest never comes; a body of which the rest never comes; a body that comes
    // for ever.
    let mut chunks = Some(b"transfer-encoding: chunked\r\n\r\n".to_vec());
    let chunk = [b"10000\r\n".as_slice(), &[b' '; 0x10000], b"\r\n"].concat();
    let (head, body, endless) = tokio::join!(
        raw(&running, "GET /api/v2/logs HTTP/1.1", once("x-more: ")),
        raw(&running, "POST /v1/post-login HTTP/1.1", once("content-length: 100\r\n\r\n{\"tenant\": ")),
        raw(&running, "POST /v1/post-login HTTP/1.1", || Some(chunks.take().unwrap_or_else(|| chunk.clone()))),
    );
    assert!(head.is_empty() || head.starts_with("HTTP/1.1 408"), "{head}");
    assert!(body.starts_with("HTTP/1.1 408") && body.contains("\"errorCode\":\"request_timeout\""), "{body}");
    assert!(endless.starts_with("HTTP/1.1 413") && endless.contains("\"errorCode\":\"payload_too_large\""), "{endless}");
    assert_eq!(running.login(&event("sess_1", "txn_1")).await["decision"], "allow");
    running.stop().await;
}

/// Logs in until the server says that it can't; how many were acknowledged.
async fn fill(running: &Running) -> usize {
    for number in 0..20_000 {
        let login =
            running.request(Method::POST, "/v1/post-login").json(&event(&format!("sess_{number}"), &format!("txn_{number}")));
        let response = login.send().await.unwrap();
        match response.status().as_u16() {
            200 => {}
            503 => {
                assert!(response.headers().contains_key("retry-after"));
                assert_eq!(response.json::<Value>().await.unwrap()["errorCode"], "store_unavailable");
                return number;
            }
            other => panic!("{other}"),
        }
    }
    panic!("it should be full by now");
}

#[tokio::test]
async fn a_full_disk_is_told_and_everything_acknowledged_is_there_when_there_is_room() {
    let Some(disk) = Disk::mount(c"size=12m") else { return };
    let configuration = format!("store = {{ sqlite = {:?} }}\n{}", disk.path().join("sessions.db"), common::configuration(""));
    let running = start_with(&configuration).await;
    let ballast = disk.path().join("ballast");
    std::fs::write(&ballast, vec![1; 6 << 20]).unwrap();
    let acknowledged = fill(&running).await;
    assert_eq!(running.answer(running.request(Method::GET, "/api/v2/sessions/sess_0")).await.0, 200, "what is there can be read");
    let change = || running.request(Method::PATCH, "/api/v2/sessions/sess_0").json(&json!({ "session_metadata": { "k": "v" } }));
    let (status, body) = running.answer(change()).await;
    assert!(status == 200 || body["errorCode"] == "store_unavailable", "{body}");
    std::fs::remove_file(ballast).unwrap();
    assert_eq!(running.answer(change()).await.0, 200);
    assert_eq!(running.answer(running.client.get(format!("{}/readyz", running.origin))).await.0, 200);
    let folder = running.stop().await;
    let running = start_in(folder, &configuration).await;
    for number in 0..acknowledged {
        let found = running.request(Method::GET, &format!("/api/v2/sessions/sess_{number}"));
        assert_eq!(running.answer(found).await.0, 200, "sess_{number} of {acknowledged}");
    }
    // The one that was not acknowledged has not happened.
    let refused = running.request(Method::GET, &format!("/api/v2/sessions/sess_{acknowledged}"));
    assert_eq!(running.answer(refused).await.0, 404);
    running.stop().await;
}

#[tokio::test]
async fn a_database_that_can_only_be_read_is_told_and_sessions_are_read_all_the_same() {
    let cluster = Cluster::start();
    let url = cluster.new_database().await;
    let running = start_with(&on_postgres(&cluster, &url)).await;
    running.login(&event("sess_1", "txn_1")).await;
    let name = url.split("///").nth(1).and_then(|rest| rest.split('?').next()).unwrap();
    cluster.execute("postgres", &format!("ALTER DATABASE {name} SET default_transaction_read_only = on")).await;
    let end_connections = format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'");
    cluster.execute("postgres", &end_connections).await;
    let (status, body) = running.answer(running.request(Method::POST, "/v1/post-login").json(&event("sess_2", "txn_2"))).await;
    assert_eq!((status, &body["errorCode"]), (503, &json!("store_unavailable")));
    assert_eq!(running.answer(running.client.get(format!("{}/readyz", running.origin))).await.0, 503);
    assert_eq!(running.answer(running.request(Method::GET, "/api/v2/sessions/sess_1")).await.0, 200);
    cluster.execute("postgres", &format!("ALTER DATABASE {name} RESET default_transaction_read_only")).await;
    cluster.execute("postgres", &end_connections).await;
    assert_eq!(running.login(&event("sess_2", "txn_2")).await["decision"], "allow");
    running.stop().await;
}

#[tokio::test]
async fn a_database_that_goes_away_is_told_and_is_used_again_when_it_is_back() {
    let cluster = Cluster::start();
    let running = start_with(&on_postgres(&cluster, &cluster.new_database().await)).await;
    running.login(&event("sess_1", "txn_1")).await;
    cluster.crash();
    let ready = || running.client.get(format!("{}/readyz", running.origin));
    for (request, what) in [
        (running.request(Method::POST, "/v1/post-login").json(&event("sess_2", "txn_2")), "a login"),
        (running.request(Method::GET, "/api/v2/sessions/sess_1"), "a session"),
        (running.request(Method::DELETE, "/api/v2/sessions/sess_1"), "an end"),
        (running.request(Method::GET, "/api/v2/logs"), "the log"),
        (ready(), "readiness"),
    ] {
        let (status, body) = running.answer(request).await;
        assert_eq!((status, &body["errorCode"]), (503, &json!("store_unavailable")), "{what}: {body}");
    }
    assert_eq!(running.answer(running.client.get(format!("{}/healthz", running.origin))).await.0, 200, "the process lives");
    cluster.resume();
    assert_eq!(running.login(&event("sess_2", "txn_2")).await["decision"], "allow");
    assert_eq!(running.answer(running.request(Method::GET, "/api/v2/sessions/sess_1")).await.0, 200);
    // An answer counts for a second.
    while running.answer(ready()).await.0 != 200 {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_starts_before_its_database_waits_for_it() {
    let cluster = Cluster::start();
    let configuration = on_postgres(&cluster, &cluster.new_database().await);
    cluster.crash();
    let starting = tokio::spawn(async move { start_with(&configuration).await });
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    cluster.resume();
    let running = starting.await.unwrap();
    assert_eq!(running.login(&event("sess_1", "txn_1")).await["decision"], "allow");
    running.stop().await;
}

#[tokio::test]
async fn a_database_that_stands_still_is_told_and_used_again() {
    let cluster = Cluster::start();
    let running = start_with(&on_postgres(&cluster, &cluster.new_database().await)).await;
    running.login(&event("sess_1", "txn_1")).await;
    cluster.freeze();
    let login = |id: &str| running.answer(running.request(Method::POST, "/v1/post-login").json(&event(id, id)));
    let session = |method| running.answer(running.request(method, "/api/v2/sessions/sess_1"));
    let requests = async {
        let (one, other, read, again, end) =
            tokio::join!(login("sess_3"), login("sess_4"), session(Method::GET), session(Method::GET), session(Method::DELETE),);
        [one, other, read, again, end]
    };
    let answers = tokio::time::timeout(std::time::Duration::from_secs(60), requests).await;
    for (status, body) in answers.expect("each request should be answered") {
        assert_eq!(status, 503, "{body}");
        assert!(matches!(body["errorCode"].as_str(), Some("store_unavailable" | "store_exhausted")), "{body}");
    }
    cluster.thaw();
    let heals = async { while login("sess_2").await.0 != 200 {} };
    tokio::time::timeout(std::time::Duration::from_secs(60), heals).await.expect("it should answer again");
    assert_eq!(running.answer(running.request(Method::GET, "/api/v2/sessions/sess_1")).await.0, 200);
    let metrics = running.client.get(format!("{}/metrics", running.origin)).send().await.unwrap().text().await.unwrap();
    let timeouts = metrics.lines().find_map(|line| line.strip_prefix("vestibule_store_timeouts_total ")).unwrap();
    assert!(timeouts.parse::<u64>().unwrap() > 0, "{metrics}");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_takes_too_long_is_ended_with_an_error_of_its_own() {
    let cluster = Cluster::start();
    let running = start_with(&on_postgres(&cluster, &cluster.new_database().await)).await;
    running.login(&event("sess_1", "txn_1")).await;
    let list = || running.answer(running.request(Method::GET, "/api/v2/logs"));
    assert_eq!(list().await.0, 200);
    // Each read of the log takes longer than a list may.
    let slow = "ALTER TABLE log RENAME TO log_itself; \
                CREATE VIEW log AS SELECT log_itself.* FROM log_itself, (SELECT pg_sleep(6)) AS slow";
    cluster.execute("test_0", slow).await;
    let (status, body) = list().await;
    assert_eq!((status, &body["errorCode"]), (503, &json!("list_too_slow")), "{body}");
    cluster.execute("test_0", "DROP VIEW log; ALTER TABLE log_itself RENAME TO log").await;
    assert_eq!(list().await.0, 200, "the next list is read");
    running.stop().await;
}

#[tokio::test]
async fn metrics_say_how_near_the_database_is_to_its_limits() {
    let cluster = Cluster::start();
    let configuration = on_postgres(&cluster, &cluster.new_database().await).replacen(" } }", " }, connections = 2 }", 1);
    let running = start_with(&configuration).await;
    running.login(&event("sess_1", "txn_1")).await;
    let metric = async |name: &str| {
        let text = running.client.get(format!("{}/metrics", running.origin)).send().await.unwrap().text().await.unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(&format!("vestibule_store_{name} ")));
        line.unwrap_or_else(|| panic!("{name}: {text}")).parse::<u64>().unwrap()
    };
    // The text of the metrics may be one that was made a moment ago.
    let until = async |name: &str, is_so: fn(u64) -> bool| {
        let waiting = async {
            while !is_so(metric(name).await) {
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
        };
        let waited = tokio::time::timeout(std::time::Duration::from_secs(30), waiting).await;
        assert!(waited.is_ok(), "{name} stays {}", metric(name).await);
    };
    assert_eq!(metric("connections_limit").await, 2);
    until("connections_open", |open| open == 1 || open == 2).await;
    until("connections_idle", |idle| idle > 0).await;
    until("calls_waiting", |waiting| waiting == 0).await;
    let timeouts = metric("timeouts_total").await;
    cluster.freeze();
    let read = || running.answer(running.request(Method::GET, "/api/v2/sessions/sess_1"));
    let reads = async { tokio::join!(read(), read(), read(), read(), read(), read()) };
    let (answers, ()) = tokio::join!(reads, until("calls_waiting", |waiting| waiting > 0));
    let statuses = [answers.0.0, answers.1.0, answers.2.0, answers.3.0, answers.4.0, answers.5.0];
    assert_eq!(statuses, [503; 6]);
    cluster.thaw();
    let heals = async { while read().await.0 != 200 {} };
    tokio::time::timeout(std::time::Duration::from_secs(60), heals).await.expect("it should answer again");
    until("calls_waiting", |waiting| waiting == 0).await;
    until("connections_idle", |idle| idle > 0).await;
    assert!(metric("timeouts_total").await > timeouts);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_another_process_has_locked_costs_requests_an_error_and_is_used_again() {
    let running = start().await;
    running.login(&event("sess_1", "txn_1")).await;
    let other = rusqlite::Connection::open(running.folder.path().join("state/vestibule.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let login = |id: &str| running.answer(running.request(Method::POST, "/v1/post-login").json(&event(id, id)));
    let session = |method| running.answer(running.request(method, "/api/v2/sessions/sess_1"));
    let requests = async { tokio::join!(login("sess_3"), login("sess_4"), session(Method::DELETE), session(Method::GET)) };
    let answers = tokio::time::timeout(std::time::Duration::from_secs(60), requests).await;
    let (one, another, end, read) = answers.expect("each request should be answered");
    for (status, body) in [one, another, end] {
        assert_eq!((status, &body["errorCode"]), (503, &json!("store_unavailable")), "{body}");
    }
    assert_eq!(read.0, 200, "{}", read.1);
    drop(other);
    let heals = async { while login("sess_2").await.0 != 200 {} };
    tokio::time::timeout(std::time::Duration::from_secs(60), heals).await.expect("it should answer again");
    for given_up in ["sess_3", "sess_4"] {
        let kept = running.answer(running.request(Method::GET, &format!("/api/v2/sessions/{given_up}"))).await;
        assert_eq!(kept.0, 404, "{}", kept.1);
    }
    assert_eq!(session(Method::GET).await.0, 200, "its end was given up");
    let metrics = running.client.get(format!("{}/metrics", running.origin)).send().await.unwrap().text().await.unwrap();
    let timeouts = metrics.lines().find_map(|line| line.strip_prefix("vestibule_store_timeouts_total ")).unwrap();
    assert!(timeouts.parse::<u64>().unwrap() > 0, "{metrics}");
    running.stop().await;
}

fn on_postgres(cluster: &Cluster, url: &str) -> String {
    let file = cluster.folder().join("url");
    std::fs::write(&file, url).unwrap();
    format!("store = {{ postgres = {{ file = {file:?} }} }}\n{}", common::configuration(""))
}

/// A disk in memory. Only root has one; tests/run and CI are root.
struct Disk {
    folder: tempfile::TempDir,
}

impl Disk {
    fn mount(options: &std::ffi::CStr) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        match mount("tmpfs", folder.path(), "tmpfs", MountFlags::empty(), Some(options)) {
            Ok(()) => Some(Self { folder }),
            Err(error) => {
                eprintln!("SKIPPED: a disk for the test can't be mounted ({error}); run it as root");
                None
            }
        }
    }

    fn path(&self) -> &std::path::Path {
        self.folder.path()
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = unmount(self.folder.path(), UnmountFlags::DETACH);
    }
}

#[tokio::test]
async fn a_disk_that_can_only_be_read_keeps_the_server_from_starting_and_says_so() {
    let Some(disk) = Disk::mount(c"size=12m") else { return };
    let configuration = format!("store = {{ sqlite = {:?} }}\n{}", disk.path().join("sessions.db"), common::configuration(""));
    let folder = start_with(&configuration).await.stop().await;
    mount_remount(disk.path(), MountFlags::RDONLY, "").unwrap();
    let refused = common::try_start(folder.path(), &configuration).await.err().unwrap();
    assert!(refused.to_string().contains("can't be written to"), "{refused}");
}
