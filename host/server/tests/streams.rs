//! A tenant's log on its way to a webhook and into a file: at least once, in order, and signed.

#![allow(clippy::unwrap_used, reason = "a test that lacks its parts is to fail at once")]

#[path = "../../sessions/tests/parts/cluster.rs"]
#[allow(
    dead_code,
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "the store's tests use the rest; and a test that lacks its parts is to fail at once"
)]
mod cluster;
mod common;
#[path = "common/receiver.rs"]
mod receiver;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cluster::Cluster;
use common::{Running, event, start_in, start_with};
use receiver::{Receiver, SECRET};
use reqwest::Method;
use serde_json::{Value, json};

/// What the tenants' streams are, where the receiver on this machine is allowed.
fn configuration(streams: &str) -> String {
    let both = common::configuration("");
    let acme = "\n[[tenants.acme.actions]]";
    format!("{}\n[logout]\nallowed_networks = [\"127.0.0.0/8\"]\n", both.replacen(acme, &format!("{streams}{acme}"), 1))
}

fn webhook(receiver: &Receiver, more: &str) -> String {
    let url = receiver.url();
    format!(
        "[[tenants.acme.streams]]\nname = \"audit\"\n{more}\nwebhook = {{ url = {url:?}, secret = {{ file = \"secret\" }} }}\n"
    )
}

fn file(more: &str) -> String {
    format!("[[tenants.acme.streams]]\nname = \"lines\"\nfile = {{ path = \"acme.jsonl\"{more} }}\n")
}

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("secret"), format!("{SECRET}\n")).unwrap();
    folder
}

async fn logins(running: &Running, numbers: std::ops::Range<usize>) {
    for number in numbers {
        running.login(&event(&format!("sess_{number}"), &format!("txn_{number}"))).await;
    }
}

/// The whole log, as the Management API shows it.
async fn log(running: &Running) -> Vec<Value> {
    let mut found: Vec<Value> = Vec::new();
    loop {
        let from = found.last().map_or_else(String::new, |entry| entry["log_id"].as_str().unwrap().to_owned());
        let (_, page) = running.answer(running.request(Method::GET, &format!("/api/v2/logs?take=100&from={from}"))).await;
        match page.as_array().unwrap().as_slice() {
            [] => return found,
            page => found.extend_from_slice(page),
        }
    }
}

async fn metrics(running: &Running) -> String {
    let response = running.client.get(format!("{}/metrics", running.origin)).send().await.unwrap();
    response.text().await.unwrap()
}

/// Long enough for a machine that does much else; nothing depends on it but when a test that hangs
/// is given up.
const PATIENCE: Duration = Duration::from_secs(60);

/// Asks until it is so.
async fn until(mut is_so: impl FnMut() -> bool) {
    let since = Instant::now();
    while !is_so() {
        assert!(since.elapsed() < PATIENCE, "it has not come to that; the server's own log may say why");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn while_a_secret_changes_both_sign_and_a_receiver_that_knows_one_is_content() {
    let receiver = Receiver::start().await;
    let folder = folder();
    std::fs::write(folder.path().join("new"), "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
    let url = receiver.url();
    let stream = format!(
        "[[tenants.acme.streams]]\nname = \"audit\"\n[tenants.acme.streams.webhook]\nurl = {url:?}\nsecret = {{ file = \"new\" }}\n\
         old_secret = {{ file = \"secret\" }}\n"
    );
    let running = start_in(folder, &configuration(&stream)).await;
    logins(&running, 0..1).await;
    until(|| !receiver.entries().is_empty()).await;
    running.stop().await;
}

fn lines(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn entries_arrive_signed_as_the_api_shows_them_and_those_of_another_tenant_do_not() {
    let receiver = Receiver::start().await;
    let running = start_in(folder(), &configuration(&webhook(&receiver, ""))).await;
    logins(&running, 0..150).await;
    let token = running.token_of("globex", common::ALL_SCOPES).await;
    let mut other = event("sess_of_globex", "txn_1");
    other["tenant"]["id"] = "globex".into();
    let login = running.client.post(format!("{}/v1/post-login", running.origin_of("globex"))).bearer_auth(&token).json(&other);
    assert_eq!(running.answer(login).await.0, 200);
    assert_eq!(running.answer(running.request(Method::DELETE, "/api/v2/sessions/sess_0")).await.0, 204);
    let expected = log(&running).await;
    until(|| receiver.entries().len() >= expected.len()).await;
    assert_eq!(receiver.entries(), expected, "nothing is missing, nothing is there twice, and the order is the log's");
    let (first, last) = (&expected[0], &expected[expected.len() - 1]);
    assert_eq!((&first["type"], &first["session_id"]), (&json!("s"), &json!("sess_0")));
    assert_eq!((&last["type"], &last["session_id"]), (&json!("slo"), &json!("sess_0")));
    for message in receiver.taken() {
        assert_eq!((&message.body["type"], &message.body["data"]["tenant"]), (&json!("tenant.logs"), &json!("acme")));
        assert!(message.body["timestamp"].is_string());
        assert!(message.entries().len() <= 100);
    }
    let metrics = metrics(&running).await;
    let sent =
        format!("vestibule_stream_batches_total{{tenant=\"acme\",stream=\"audit\",result=\"sent\"}} {}", receiver.taken().len());
    assert!(metrics.contains(&sent), "{sent} is not in:\n{metrics}");
    assert!(metrics.contains("vestibule_stream_lag_seconds{tenant=\"acme\",stream=\"audit\"} "), "{metrics}");
    running.stop().await;
}

#[tokio::test]
async fn what_a_receiver_has_not_taken_is_sent_again_under_the_same_id_and_what_comes_later_waits() {
    let receiver = Receiver::start().await;
    receiver.fail(&[500, 429, 400]);
    let running = start_in(folder(), &configuration(&webhook(&receiver, ""))).await;
    logins(&running, 0..3).await;
    let expected = log(&running).await;
    until(|| receiver.entries().len() >= expected.len()).await;
    assert_eq!(receiver.entries(), expected);
    let messages = receiver.messages();
    let (refused, taken) = (&messages[..3], &messages[3]);
    for message in refused {
        assert_eq!((&message.id, &message.body), (&taken.id, &taken.body), "the same batch");
    }
    running.stop().await;
}

#[tokio::test]
async fn a_receiver_that_is_away_gets_everything_when_it_is_back_also_after_a_new_start() {
    let receiver = Receiver::start().await;
    let configuration = configuration(&webhook(&receiver, ""));
    let running = start_in(folder(), &configuration).await;
    logins(&running, 0..3).await;
    until(|| receiver.entries().len() >= 3).await;
    receiver.leave().await;
    logins(&running, 3..6).await;
    let failed = "vestibule_stream_batches_total{tenant=\"acme\",stream=\"audit\",result=\"failed\"}";
    while !metrics(&running).await.contains(failed) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let folder = running.stop().await;
    let running = start_in(folder, &configuration).await;
    logins(&running, 6..9).await;
    receiver.come_back().await;
    let expected = log(&running).await;
    until(|| receiver.entries().len() >= expected.len()).await;
    assert_eq!(receiver.entries(), expected);
    running.stop().await;
}

#[tokio::test]
async fn a_webhook_whose_name_is_never_found_holds_up_nothing_and_loses_nothing() {
    let receiver = Receiver::start().await;
    // A name server that never answers.
    let silent = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    silent.set_read_timeout(Some(PATIENCE)).unwrap();
    let dns = format!("dns = {{ name_servers = [\"{}\"] }}\n", silent.local_addr().unwrap());
    let never = "[[tenants.acme.streams]]\nname = \"audit\"\n\
         webhook = { url = \"https://siem.never.test/\", secret = { file = \"secret\" } }\n";
    let with = |audit: &str| format!("{dns}{}", configuration(&format!("{audit}{}", file(""))));
    let mut running = start_in(folder(), &with(never)).await;
    let path = running.folder.path().join("acme.jsonl");
    logins(&running, 0..20).await;
    until(|| lines(&path).len() == 20).await;
    let failed = "vestibule_stream_batches_total{tenant=\"acme\",stream=\"audit\",result=\"failed\"}";
    let since = Instant::now();
    while !metrics(&running).await.contains(failed) {
        assert!(since.elapsed() < PATIENCE, "it never fails");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(silent.recv(&mut [0; 512]).is_ok(), "it was asked for");
    logins(&running, 20..40).await;
    until(|| lines(&path).len() == 40).await;
    let text = metrics(&running).await;
    assert!(!text.contains("stream=\"audit\",result=\"sent\""), "{text}");
    let found = common::parse(path.parent().unwrap(), &with(&webhook(&receiver, "")));
    running.server.as_mut().unwrap().reload(found).await.unwrap();
    let expected = log(&running).await;
    until(|| receiver.entries().len() >= expected.len()).await;
    assert_eq!(receiver.entries(), expected, "under a name that is found it goes on from the beginning");
    running.stop().await;
}

#[tokio::test]
async fn of_two_servers_one_sends_and_the_other_goes_on_when_it_ends() {
    let receiver = Receiver::start().await;
    let shared = tempfile::tempdir().unwrap();
    let store = format!("store = {{ sqlite = {:?} }}\n", shared.path().join("sessions.db"));
    let both = format!("{store}{}", configuration(&webhook(&receiver, "")));
    one_sends_and_then_the_other(&receiver, &both).await;
}

#[tokio::test]
async fn of_two_servers_on_postgresql_one_sends_and_the_other_goes_on_when_it_ends() {
    let receiver = Receiver::start().await;
    let cluster = Cluster::start();
    let url = cluster.folder().join("url");
    std::fs::write(&url, cluster.new_database().await).unwrap();
    let both = format!("store = {{ postgres = {{ file = {url:?} }} }}\n{}", configuration(&webhook(&receiver, "")));
    one_sends_and_then_the_other(&receiver, &both).await;
}

async fn one_sends_and_then_the_other(receiver: &Receiver, configuration: &str) {
    let (first, second) = (start_in(folder(), configuration).await, start_in(folder(), configuration).await);
    let begun = log(&second).await.len();
    for number in 0..20 {
        let (one, other) = (&first, &second);
        let server = if number % 2 == 0 { one } else { other };
        server.login(&event(&format!("sess_{number}"), &format!("txn_{number}"))).await;
    }
    until(|| receiver.entries().len() >= begun + 20).await;
    // Whoever it is: when it ends, the other one goes on.
    first.stop().await;
    logins(&second, 20..25).await;
    let expected = log(&second).await;
    until(|| receiver.entries().len() >= expected.len()).await;
    assert_eq!(receiver.entries(), expected, "in order, and each once, for no server has crashed");
    second.stop().await;
}

#[tokio::test]
async fn a_stream_of_a_server_that_has_crashed_is_the_next_ones_when_its_lease_is_over() {
    let receiver = Arc::new(Receiver::start().await);
    let shared = tempfile::tempdir().unwrap();
    let database = shared.path().join("sessions.db");
    let both = format!("store = {{ sqlite = {database:?} }}\n{}", configuration(&webhook(&receiver, "")));
    // A server whose tasks all end between two steps, as those of a process that is killed do,
    // while it sends what nobody takes.
    let crashing = tokio::task::spawn_blocking({
        let (both, receiver) = (both.clone(), Arc::clone(&receiver));
        move || {
            let runtime = tokio::runtime::Runtime::new().unwrap();
            let crashed = runtime.block_on(async {
                let running = start_in(folder(), &both).await;
                logins(&running, 0..3).await;
                until(|| receiver.entries().len() >= 3).await;
                receiver.fail(&[500; 100]);
                logins(&running, 3..5).await;
                until(|| receiver.messages().len() > receiver.taken().len()).await;
                running
            });
            runtime.shutdown_background();
            crashed.folder
        }
    });
    let _folder = crashing.await.unwrap();
    receiver.fail_no_more();
    let running = start_in(folder(), &both).await;
    logins(&running, 5..7).await;
    let expected = log(&running).await;
    // The lease is over.
    let store = rusqlite::Connection::open(&database).unwrap();
    store.busy_timeout(Duration::from_secs(60)).unwrap();
    assert_eq!(store.execute("UPDATE streams SET until = 0 WHERE holder IS NOT NULL", ()).unwrap(), 1);
    until(|| receiver.entries().last() == expected.last()).await;
    // What it had sent and not written down may have come once more.
    let mut found = receiver.entries();
    found.sort_by_key(|entry| entry["log_id"].to_string());
    found.dedup();
    assert_eq!(found, expected, "nothing is missing");
    running.stop().await;
}

#[tokio::test]
async fn a_stream_of_some_types_has_these_and_goes_by_the_others() {
    let receiver = Receiver::start().await;
    let running = start_in(folder(), &configuration(&webhook(&receiver, "types = [\"slo\", \"fslo\"]"))).await;
    logins(&running, 0..120).await;
    for number in [7, 110] {
        assert_eq!(running.answer(running.request(Method::DELETE, &format!("/api/v2/sessions/sess_{number}"))).await.0, 204);
    }
    let expected: Vec<Value> = log(&running).await.into_iter().filter(|entry| entry["type"] == "slo").collect();
    assert_eq!(expected.len(), 2);
    until(|| receiver.entries().len() >= 2).await;
    assert_eq!(receiver.entries(), expected);
    running.stop().await;
}

#[tokio::test]
async fn a_file_has_every_line_over_rotations_and_new_starts() {
    let configuration = configuration(&file(", most_bytes = \"4 KiB\", keep = 50"));
    let mut running = start_in(folder(), &configuration).await;
    for round in 0..3 {
        logins(&running, round * 20..round * 20 + 20).await;
        let folder = running.stop().await;
        running = start_in(folder, &configuration).await;
    }
    let expected = log(&running).await;
    let path = running.folder.path().join("acme.jsonl");
    let all = || {
        let mut older: Vec<_> = (1..=50).map(|number| path.with_extension(format!("jsonl.{number}"))).collect();
        older.reverse();
        older.push(path.clone());
        older.into_iter().filter(|path| path.exists()).collect::<Vec<_>>()
    };
    until(|| all().iter().flat_map(|path| lines(path)).count() >= expected.len()).await;
    assert_eq!(all().iter().flat_map(|path| lines(path)).collect::<Vec<_>>(), expected);
    assert!(all().len() > 2, "it has been full");
    for file in all() {
        assert!(std::fs::metadata(&file).unwrap().len() <= 4_096, "{}", file.display());
    }
    running.stop().await;
}

#[tokio::test]
async fn streams_come_and_go_when_the_configuration_is_read_again() {
    let receiver = Receiver::start().await;
    let mut running = start_in(folder(), &configuration(&file(""))).await;
    let path = running.folder.path().join("acme.jsonl");
    logins(&running, 0..3).await;
    until(|| lines(&path).len() == 3).await;
    let reload = |text: String| common::parse(path.parent().unwrap(), &text);
    let server = running.server.as_mut().unwrap();
    // One that is new begins at the log's beginning; one that is gone has no more lines.
    server.reload(reload(configuration(&webhook(&receiver, "")))).await.unwrap();
    logins(&running, 3..6).await;
    let expected = log(&running).await;
    until(|| receiver.entries().len() >= expected.len()).await;
    assert_eq!((receiver.entries(), lines(&path).len()), (expected, 3));
    // One that has changed goes on where it was.
    let server = running.server.as_mut().unwrap();
    let changed = file("").replace("acme.jsonl", "other.jsonl");
    server.reload(reload(configuration(&changed))).await.unwrap();
    let other = path.with_file_name("other.jsonl");
    until(|| lines(&other).len() >= 3).await;
    assert_eq!(lines(&other), log(&running).await[3..]);
    let server = running.server.as_mut().unwrap();
    std::fs::write(path.with_file_name("secret"), "whsec_short").unwrap();
    let refused = server.reload(reload(configuration(&webhook(&receiver, "")))).await.unwrap_err().to_string();
    assert!(refused.starts_with("tenant acme, the secret of the stream audit in line 5: it is no secret"), "{refused}");
    assert!(!refused.contains("short"));
    logins(&running, 6..7).await;
    until(|| lines(&other).len() == 4).await;
    running.stop().await;
}

#[tokio::test]
async fn what_is_wrong_with_a_stream_is_told_with_its_line() {
    let folder = folder();
    let stream = |text: &str| format!("[[tenants.acme.streams]]\n{text}\n");
    let right = "secret = { env = \"NAME\" }";
    let text = [
        stream("name = \"Audit\"\nfile = { path = \"a.jsonl\" }"),
        stream(
            "name = \"two\"\nfile = { path = \"b.jsonl\" }\nwebhook = { url = \"https://siem.example/\", secret = { env = \"NAME\" } }",
        ),
        stream("name = \"none\"\ntypes = []"),
        stream(
            "name = \"plain\"\ntypes = [\"s\", \"login\"]\nwebhook = { url = \"http://siem.example/\", secret = { env = \"NAME\" } }",
        ),
        stream(&format!("name = \"here\"\nwebhook = {{ url = \"https://10.0.0.1/\", {right} }}")),
        stream("name = \"open\"\nwebhook = { url = \"https://siem.example/\", secret = \"whsec_hunter2\" }"),
        stream("name = \"lines\"\nfile = { path = \"c.jsonl\", most_bytes = \"64 MB\", keep = 0 }"),
        stream("name = \"lines\"\nfile = { path = \"./c.jsonl.1\" }"),
        stream("name = \"away\"\nfile = { path = \"missing/c.jsonl\", size = 1 }"),
    ];
    let acme = "listen = \"127.0.0.1:0\"\n[tenants.acme]\nhosts = [\"localhost\"]\n";
    let text = format!("{acme}{}", text.concat());
    let mistakes = vestibule_server::Configuration::parse(&folder.path().join("vestibule.toml"), &text).unwrap_err().to_string();
    for told in [
        ":5:8: `tenants.acme.streams.name`: not a stream's name",
        ":7:1: a stream goes to one place",
        ":11:1: a stream goes to one place",
        ":13:9: `types` names none",
        ":16:15: `tenants.acme.streams.types`: not a type of log entries",
        ":17:19: the webhook's `url`: ",
        ":20:19: the webhook's `url`: ",
        ":23:53: `tenants.acme.streams.webhook.secret` is a string",
        ":26:41: `most_bytes` can't be \"64 MB\"",
        ":26:57: `keep` is a number from 1 to 1000",
        ":28:8: the stream lines is there twice",
        ":29:17: ",
        "c.jsonl.1 is a file of the stream lines of tenant acme already",
        ":32:17: ",
        ":32:36: `tenants.acme.streams.file.size` is not known",
    ] {
        assert!(mistakes.contains(told), "{told:?} is not in:\n{mistakes}");
    }
    assert!(!mistakes.contains("hunter2"), "{mistakes}");
}

#[tokio::test]
async fn a_secret_that_is_wrong_stops_the_start_and_is_told_with_its_line() {
    let receiver = Receiver::start().await;
    let folder = folder();
    common::write_components(folder.path());
    std::fs::write(folder.path().join("secret"), "hunter2").unwrap();
    let refused = common::try_start(folder.path(), &configuration(&webhook(&receiver, ""))).await.unwrap_err().to_string();
    assert!(refused.contains("tenant acme, the secret of the stream audit in line 5: "), "{refused}");
    assert!(!refused.contains("hunter2"), "{refused}");
    start_with(&configuration("")).await.stop().await;
}
