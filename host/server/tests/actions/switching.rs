//! What changes under a load of logins: each of them sees what was before or what is after, and
//! none anything else.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use reqwest::{Client, Method};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use vestibule_test_artifacts as artifacts;

use crate::common::{Running, event};
use crate::in_both;
use crate::world::{Actions as _, Database, until};

const CALLERS: usize = 4;

/// Logins that go on until they are told to end.
struct Load {
    is_over: Arc<AtomicBool>,
    logins: Arc<AtomicUsize>,
    callers: JoinSet<()>,
}

/// What each login has to be: what an Action of this version does.
fn check(outcome: &Value) {
    let actions = outcome["actions"].as_array().unwrap();
    let [action] = actions.as_slice() else { panic!("one Action is bound all the time: {outcome}") };
    let expected = match (action["name"].as_str(), action["version"].as_str()) {
        (Some("gate"), Some("1")) | (Some("other"), _) => "allow",
        (Some("gate"), Some("2")) => "deny",
        _ => panic!("nobody has deployed this: {outcome}"),
    };
    assert_eq!(outcome["decision"], expected, "what ran is what is said to have run: {outcome}");
}

impl Load {
    fn start(servers: &[&Running]) -> Self {
        let mut load = Self { is_over: Arc::default(), logins: Arc::default(), callers: JoinSet::new() };
        for caller in 0..CALLERS {
            let running = servers[caller % servers.len()];
            let (client, origin, token) = (Client::new(), running.origin.clone(), running.token.clone());
            let (is_over, logins) = (Arc::clone(&load.is_over), Arc::clone(&load.logins));
            load.callers.spawn(async move {
                let mut number = 0;
                while !is_over.load(Ordering::Relaxed) {
                    let event = event(&format!("load_{caller}_{number}"), &format!("load_{caller}_{number}"));
                    let request = client.post(format!("{origin}/v1/post-login")).bearer_auth(&token).json(&event);
                    let answer = request.send().await.unwrap();
                    let status = answer.status();
                    let outcome: Value = answer.json().await.unwrap();
                    assert_eq!(status, 200, "no login is dropped: {outcome}");
                    check(&outcome);
                    number += 1;
                    logins.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        load
    }

    /// Waits until so many more logins were answered.
    async fn goes_on(&self) {
        let before = self.logins.load(Ordering::Relaxed);
        until("logins go on", async || (self.logins.load(Ordering::Relaxed) >= before + 2 * CALLERS).then_some(())).await;
    }

    async fn end(mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        while let Some(ended) = self.callers.join_next().await {
            ended.unwrap();
        }
    }
}

/// Prepares `gate` with two versions, of which the first runs, and `other`; `gate` is bound. Gives
/// the ids of `gate` and of its versions.
async fn prepare(running: &Running) -> (String, [String; 2]) {
    let other = running.create("other", json!({})).await;
    running.upload(&other, artifacts::ORGANIZATION_SESSION_METADATA).await;
    running.deploy(&other).await;
    let id = running.run("gate", artifacts::ORGANIZATION_SESSION_METADATA, json!({})).await;
    running.upload(&id, artifacts::DENIES).await;
    let second = running.deploy(&id).await["id"].as_str().unwrap().to_owned();
    let versions = running.get(&format!("actions/{id}/versions")).await;
    let first = versions["versions"][1]["id"].as_str().unwrap().to_owned();
    (id, [first, second])
}

async fn run_version(running: &Running, id: &str, version: &str) {
    let body = json!({ "accept_capabilities": true });
    let (status, answer) = running.send(Method::POST, &format!("actions/{id}/versions/{version}/deploy"), body).await;
    assert_eq!(status, 202, "{answer}");
}

async fn a_load_of_logins_sees_old_or_new_and_never_neither(database: Database) {
    let running = database.start("", "").await;
    let (id, versions) = prepare(&running).await;
    let load = Load::start(&[&running]);
    for round in 0..6 {
        run_version(&running, &id, &versions[round % 2]).await;
        // When it was answered, this server runs it.
        let (version, _) = running.version_that_ran(round).await;
        assert_eq!(version, (round % 2 + 1).to_string());
        load.goes_on().await;
        running.bind(&["other"]).await;
        load.goes_on().await;
        running.bind(&["gate"]).await;
    }
    load.end().await;
    running.stop().await;
}
in_both!(a_load_of_logins_sees_old_or_new_and_never_neither);

#[tokio::test(flavor = "multi_thread")]
async fn what_is_deployed_through_one_server_runs_on_the_other() {
    let database = Database::postgres().await;
    let one = database.start("", "").await;
    // As a second machine has it: the same keys, and all else its own.
    let folder = tempfile::tempdir().unwrap();
    let keys = one.folder.path().join("state/keys");
    std::fs::create_dir(folder.path().join("state")).unwrap();
    let copied = std::process::Command::new("cp").arg("-a").arg(&keys).arg(folder.path().join("state")).status().unwrap();
    assert!(copied.success());
    let other = database.start_in(folder, "", "").await;
    let (id, versions) = prepare(&one).await;
    let tried = AtomicUsize::new(1_000_000);
    until("the other server runs it", async || {
        let number = tried.fetch_add(1, Ordering::Relaxed);
        (other.version_that_ran(number).await.0 == "2").then_some(())
    })
    .await;
    let load = Load::start(&[&one, &other]);
    for round in 0..4 {
        run_version(&one, &id, &versions[round % 2]).await;
        let expected = (round % 2 + 1).to_string();
        assert_eq!(one.version_that_ran(round).await.0, expected);
        let tried = AtomicUsize::new(0);
        until("the other server switches", async || {
            // Each with another transaction, or the answer would be the one before.
            let number = 10_000 + round * 1_000 + tried.fetch_add(1, Ordering::Relaxed);
            (other.version_that_ran(number).await.0 == expected).then_some(())
        })
        .await;
        load.goes_on().await;
        other.bind(&["other"]).await;
        load.goes_on().await;
        other.bind(&["gate"]).await;
        load.goes_on().await;
    }
    load.end().await;
    other.stop().await;
    one.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_who_deploy_at_one_time_make_each_a_version_or_are_told() {
    let running = crate::world::start().await;
    let id = running.create("gate", json!({})).await;
    running.upload(&id, artifacts::DENIES).await;
    let deploys = (0..8).map(|_| running.request(Method::POST, &format!("/api/v2/actions/actions/{id}/deploy")).send());
    let mut set = JoinSet::new();
    for deploy in deploys {
        set.spawn(deploy);
    }
    let mut made = Vec::new();
    while let Some(answer) = set.join_next().await {
        let answer = answer.unwrap().unwrap();
        let status = answer.status().as_u16();
        let body: Value = answer.json().await.unwrap();
        match status {
            202 => made.push(body["number"].as_u64().unwrap()),
            409 => assert_eq!(body["errorCode"], "overtaken"),
            _ => panic!("{status} {body}"),
        }
    }
    made.sort_unstable();
    assert!(made.windows(2).all(|two| two[0] < two[1]), "each has a number of its own: {made:?}");
    assert_eq!(made.first(), Some(&1), "{made:?}");
    let versions = running.get(&format!("actions/{id}/versions")).await;
    assert_eq!(versions["total"], made.len(), "each that was acknowledged is there, and no other: {made:?}");
    running.stop().await;
}
