//! What the server has acknowledged is there after it was killed, and two servers of one database
//! do as one.
//!
//! Callers log in and change sessions without end, over HTTP; the server is killed at some moment,
//! and started again. Three times for each database, and fifty with `VESTIBULE_LONG=1`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that can't go on is to fail at once")]

#[path = "../../../sessions/tests/parts/cluster.rs"]
#[allow(dead_code, reason = "the store's tests use the rest")]
mod cluster;
#[path = "../common/mod.rs"]
mod common;

#[allow(dead_code, reason = "the tests of deployments use the rest")]
mod callers;
#[allow(dead_code, reason = "the tests of deployments use the rest")]
mod servers;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use callers::{Answered, Api, Caller, Progress};
use cluster::Cluster;
use serde_json::{Value, json};
use servers::{Database, Place};

/// At one time; some on a session of their own, all on one that they share.
const CALLERS: usize = 12;

fn rounds() -> usize {
    if std::env::var_os("VESTIBULE_LONG").is_some() { 50 } else { 3 }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_server_with_sqlite_has_acknowledged_is_there_after_it_was_killed() {
    survive(&Place::new(&Database::Sqlite), None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_server_with_postgresql_has_acknowledged_is_there_after_it_or_the_database_was_killed() {
    let cluster = Cluster::start();
    let place = Place::new(&Database::Postgres(cluster.new_database().await));
    survive(&place, Some(&cluster)).await;
}

async fn survive(place: &Place, cluster: Option<&Cluster>) {
    let mut callers: Vec<Caller> = (0..CALLERS).map(Caller::new).collect();
    for round in 0..rounds() {
        let server = place.start();
        let api = Api::at(server.port).await;
        for caller in &callers {
            caller.finds_what_it_knows(&api).await;
        }
        let progress = Progress::default();
        let running: Vec<_> = callers.drain(..).map(|caller| tokio::spawn(caller.call(api.clone(), progress.clone()))).collect();
        progress.reaches(some(300, round) + 50).await;
        if let Some(cluster) = cluster.filter(|_| round % 2 == 1) {
            // The server stays. What it could not commit it has not acknowledged, and it goes on
            // when the database is back.
            cluster.crash();
            cluster.resume();
            progress.reaches(progress.now() + 100).await;
        }
        tokio::time::sleep(Duration::from_millis(some(40, round) as u64)).await;
        server.kill();
        for caller in running {
            callers.push(caller.await.expect("no caller is told anything wrong"));
        }
    }
    let server = place.start();
    let api = Api::at(server.port).await;
    let mut known = BTreeMap::new();
    for caller in &callers {
        caller.finds_what_it_knows(&api).await;
        known.extend(caller.acknowledged.iter().map(|(transaction, ..)| (transaction.clone(), 0)));
    }
    count_in_the_log(&api, &mut known).await;
    let wrong: Vec<_> = known.iter().filter(|(_, count)| **count != 1).collect();
    assert!(wrong.is_empty(), "the log has each login once, but these: {wrong:?}");
    assert!(known.len() > 50 * rounds() / 2, "only {} logins were acknowledged", known.len());
    println!("{} logins, and all are there", known.len());
    server.stop();
}

/// Counts the log's entries of each transaction, by checkpoints.
async fn count_in_the_log(api: &Api, known: &mut BTreeMap<String, usize>) {
    let mut from = String::new();
    loop {
        let page = api.get(&format!("/api/v2/logs?take=100&from={from}")).await;
        let entries = page.as_array().expect("a list");
        for entry in entries {
            if let Some(count) = entry["details"]["transaction_id"].as_str().and_then(|id| known.get_mut(id)) {
                *count += 1;
            }
        }
        match entries.last() {
            Some(last) => from = last["log_id"].as_str().expect("an id").to_owned(),
            None => return,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_servers_of_one_database_do_as_one() {
    const APPLICATIONS: usize = 30;
    const LOGINS: usize = 12;
    let cluster = Cluster::start();
    let first = Place::new(&Database::Postgres(cluster.new_database().await));
    let servers = [first.start(), first.beside().start()];
    let apis = [Api::at(servers[0].port).await, Api::at(servers[1].port).await];
    let apis = Arc::new(apis);
    // Thirty applications write an entry each into one session, which takes twenty-five: at both
    // servers, each login at both at once.
    let applications: Vec<_> = (0..APPLICATIONS)
        .map(|application| {
            let apis = Arc::clone(&apis);
            tokio::spawn(async move {
                let mut last = None;
                for number in 0..LOGINS {
                    let transaction = format!("txn_{application}_{number}");
                    let send = |api: &Api| {
                        let api = api.clone();
                        let event = callers::event("sess_shared", &format!("app_{application}"), &transaction);
                        async move { api.login_until_answered(&event).await }
                    };
                    let (one, other) = tokio::join!(send(&apis[0]), send(&apis[1]));
                    assert_eq!(one.body, other.body, "both answer the same");
                    assert!(one.is_repeated != other.is_repeated, "it was run once: {one:?}, {other:?}");
                    match one.json()["decision"].as_str() {
                        Some("allow") => last = Some(transaction),
                        Some("failed") => assert_eq!(last, None, "what has an entry keeps it: {}", one.body),
                        _ => panic!("{}", one.body),
                    }
                }
                (format!("app_{application}"), last)
            })
        })
        .collect();
    let mut expected = BTreeMap::new();
    for application in applications {
        let (key, last) = application.await.expect("no application is told anything wrong");
        expected.extend(last.map(|last| (key, last)));
    }
    assert_eq!(expected.len(), 25, "as many as have room");
    for api in apis.iter() {
        let session = api.get("/api/v2/sessions/sess_shared").await;
        assert_eq!(session["session_metadata"], json!(expected), "each has what it wrote last");
        let clients: Vec<&Value> =
            session["clients"].as_array().expect("a list").iter().map(|client| &client["client_id"]).collect();
        assert!(expected.keys().all(|key| clients.contains(&&json!(key))), "{clients:?}");
    }
    let mut known = (0..APPLICATIONS)
        .flat_map(|application| (0..LOGINS).map(move |number| (format!("txn_{application}_{number}"), 0)))
        .collect();
    count_in_the_log(&apis[0], &mut known).await;
    assert!(known.values().all(|count| *count == 1), "{known:?}");
    // What one is told of a session, the other knows.
    assert_eq!(apis[0].end("sess_shared").await, 204);
    let Answered { status, body, .. } =
        apis[1].login(&callers::event("sess_shared", "app_1", "txn_late")).await.expect("it answers");
    assert_eq!((status, body.contains("session_ended")), (409, true), "{body}");
    for server in servers {
        server.stop();
    }
}

/// Less than this, and another number each time.
fn some(most: usize, round: usize) -> usize {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("a time").subsec_nanos() as usize;
    (now / 1_000 + round * 7_919) % most
}
