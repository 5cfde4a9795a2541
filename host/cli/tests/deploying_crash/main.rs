//! What was acknowledged of deployed Actions is there after the server was killed, and what runs is
//! whole.
//!
//! Somebody uploads, deploys, binds and sets secrets without end, and somebody else rotates the
//! secrets' keys, while the server is killed at some moment, and the rotation as well. Three times
//! for each database, and thirty with `VESTIBULE_LONG=1`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that can't go on is to fail at once")]

#[path = "../lasting/callers.rs"]
#[allow(dead_code, reason = "the tests of sessions use the rest")]
mod callers;
#[path = "../../../sessions/tests/parts/cluster.rs"]
#[allow(dead_code, reason = "the store's tests use the rest")]
mod cluster;
#[path = "../common/mod.rs"]
mod common;
#[path = "../lasting/servers.rs"]
#[allow(dead_code, reason = "the tests of sessions use the rest")]
mod servers;

mod author;

use std::process::{Command, Stdio};
use std::time::Duration;

use author::{Author, Known};
use cluster::Cluster;
use servers::{Database, Place};

/// What a killed server was building is somebody else's after this and a quarter of a minute.
const LIMITS: &str = "limits = { compile_time = \"10 s\" }";

fn rounds() -> usize {
    if std::env::var_os("VESTIBULE_LONG").is_some() { 30 } else { 3 }
}

/// A number below this one, without any order.
fn some(below: u64) -> u64 {
    use std::hash::{BuildHasher as _, RandomState};
    RandomState::new().hash_one(()) % below
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_deployed_to_a_server_with_sqlite_is_there_after_it_was_killed() {
    survive(&Place::with(&Database::Sqlite, LIMITS, "")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_deployed_to_a_server_with_postgresql_is_there_after_it_was_killed() {
    let cluster = Cluster::start();
    survive(&Place::with(&Database::Postgres(cluster.new_database().await), LIMITS, "")).await;
}

async fn survive(place: &Place) {
    let mut known = Known::default();
    for round in 0..rounds() {
        let server = place.start();
        let author = Author::at(server.port, round).await;
        author.finds(&mut known).await;
        let steps = known.acknowledged;
        let working = tokio::spawn(author.work(known));
        let mut rotation = rotate(place);
        tokio::time::sleep(Duration::from_millis(300 + some(2_000))).await;
        let _ = rotation.kill();
        let _ = rotation.wait();
        tokio::time::sleep(Duration::from_millis(some(1_500))).await;
        server.kill();
        known = working.await.expect("nobody is told anything wrong");
        println!("{} changes were acknowledged in round {round}", known.acknowledged - steps);
    }
    // A rotation that comes to its end leaves one key, and all secrets open.
    let ended = rotate(place).wait_with_output().unwrap();
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    let server = place.start();
    let author = Author::at(server.port, rounds()).await;
    author.finds(&mut known).await;
    let keys = std::fs::read_to_string(place.path("state/keys/secrets.keys")).unwrap();
    assert_eq!(keys.lines().filter(|line| !line.starts_with('#')).count(), 1, "the old keys are forgotten");
    assert!(known.acknowledged > rounds(), "only {} changes were acknowledged", known.acknowledged);
    server.stop();
}

fn rotate(place: &Place) -> std::process::Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vestibule"));
    command.args(["keys", "rotate-secrets", "--config"]).arg(place.path("vestibule.toml"));
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the command can be run")
}
