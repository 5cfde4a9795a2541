//! Deployed Actions: uploads, deployments, bindings and secrets whose key changes, until somebody
//! kills who writes them.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde_json::json;
use vestibule_sessions::{
    ActionChanged, ActionCreated, ActionUid, BindingsReplaced, Deployed, ExecutionFilter, ExecutionStatus, NewBinding,
    SealedSecret, SecretChange, Store, StoreError, StoredAction,
};

use crate::parts::cluster::Cluster;
use crate::parts::logins::*;
use crate::parts::registry::*;
use crate::{DATABASE, Logins, NOW, open, rounds, say, some};

/// Authors, each with an Action of its own.
const AUTHORS: usize = 6;

fn action_of(author: usize) -> String {
    format!("a{author}")
}

fn bytes_of(author: usize, number: u32) -> String {
    format!("the component {number} of author {author}")
}

/// Uploaded, and replaced before anybody deploys it.
fn thrown_away(author: usize, number: u32) -> String {
    format!("a mistake before the component {number} of author {author}")
}

/// The lists that are bound: each is there as a whole, or not at all.
fn lists() -> [Vec<usize>; 3] {
    [vec![0, 1, 2], vec![2, 0], vec![5, 4, 3, 2, 1, 0]]
}

/// Asks until there is an answer: a database that has gone away comes back.
async fn answered<T>(mut ask: impl AsyncFnMut() -> Result<T, StoreError>) -> T {
    loop {
        match ask().await {
            Ok(answer) => return answer,
            Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
        }
    }
}

/// The process that is killed. Without its database it is a test of nothing.
#[test]
fn deployments_without_end_until_somebody_kills_them() {
    let Ok(database) = std::env::var(DATABASE) else { return };
    // All of it on one thread: what asks again and again borrows what it asks with.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    tokio::task::LocalSet::new().block_on(&runtime, async {
        let store = open(&database).await;
        let mut work: Vec<_> = (0..AUTHORS)
            .map(|author| {
                let store = Arc::clone(&store);
                tokio::task::spawn_local(async move { write(&*store, author).await })
            })
            .collect();
        let (binds, rotates) = (Arc::clone(&store), Arc::clone(&store));
        work.push(tokio::task::spawn_local(async move { bind_without_end(&*binds).await }));
        work.push(tokio::task::spawn_local(async move { rotate_without_end(&*rotates).await }));
        for work in work {
            work.await.unwrap();
        }
    });
}

async fn found(store: &dyn Store, author: usize) -> Option<StoredAction> {
    let name = action_name(&action_of(author));
    answered(async || store.action_named(&tenant("acme"), &name).await).await
}

/// What an author does, again and again.
async fn write(store: &dyn Store, author: usize) {
    let acme = tenant("acme");
    let id = loop {
        if let Some(action) = found(store, author).await {
            break action.id;
        }
        // Where it has happened and nobody heard of it, the name is taken.
        let created = answered(async || store.create_action(&acme, new_action(&action_of(author)), 100, at(NOW)).await).await;
        assert!(!matches!(created, ActionCreated::TooMany));
    };
    loop {
        let running = found(store, author).await.unwrap().deployed.map_or(0, |version| version.number);
        deploy_next(store, &id, author, running + 1).await;
        let mut both = configures(map(&[("number", json!(running + 1))]));
        both.secrets = Some(SecretChange::Set(sealed("TOKEN", "k1", &(running + 1).to_string())));
        let changed = answered(async || store.change_action(&acme, &id, both.clone(), None, at(NOW)).await).await;
        assert!(matches!(changed, ActionChanged::Changed(_)), "{changed:?}");
        say(&format!("configured-{author}-{}", running + 1));
        let run = run_of("acme", &["a"], ExecutionStatus::Final, at(NOW));
        answered(async || store.record_executions(vec![run.clone()]).await).await;
    }
}

async fn deploy_next(store: &dyn Store, id: &ActionUid, author: usize, number: u32) {
    let acme = tenant("acme");
    for bytes in [thrown_away(author, number), bytes_of(author, number)] {
        let digest = digest_of(&bytes);
        put(answered(async || store.put_draft(&acme, id, &digest, Bytes::from(bytes.clone()), ALL, at(NOW)).await).await);
        answered(async || store.begin_build(&acme, id, &digest, at(NOW), at(NOW)).await).await;
        answered(async || store.end_build(&acme, id, &digest, Ok(info(&bytes)), at(NOW)).await).await.unwrap();
    }
    let digest = digest_of(&bytes_of(author, number));
    loop {
        let running = found(store, author).await.unwrap().deployed;
        if running.as_ref().is_some_and(|version| version.number >= number) {
            break;
        }
        let running = running.map(|version| version.id);
        // Where it has happened and nobody heard of it, the next one is overtaken by itself.
        match answered(async || store.deploy_draft(&acme, id, &digest, running.into(), ALL, at(NOW)).await).await {
            Deployed::Deployed(_) | Deployed::Overtaken => {}
            other => panic!("{other:?}"),
        }
    }
    say(&format!("deployed-{author}-{number}"));
}

async fn bind_without_end(store: &dyn Store) {
    for number in 0.. {
        let mut bindings = Vec::new();
        for author in &lists()[number % 3] {
            if let Some(action) = found(store, *author).await.filter(|action| action.deployed.is_some()) {
                bindings.push(NewBinding { action: action.id, display_name: action_of(*author) });
            }
        }
        if bindings.len() < lists()[number % 3].len() {
            tokio::time::sleep(Duration::from_millis(1)).await;
            continue;
        }
        let replace = async || store.replace_bindings(&tenant("acme"), LOGIN, bindings.clone().into(), at(NOW)).await;
        assert_eq!(answered(replace).await, BindingsReplaced::Replaced);
        say("bound-0-0");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

async fn rotate_without_end(store: &dyn Store) {
    loop {
        for (of, id, old) in answered(async || store.sealed_secrets("k2", 10).await).await {
            let new = SealedSecret { key: "k2".into(), ..old.clone() };
            answered(async || store.reseal(&of, &id, &old, new.clone()).await).await;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Of what was acknowledged, the last of each kind and author.
fn last(acknowledged: &BTreeSet<String>, kind: &str, author: usize) -> u32 {
    let prefix = format!("{kind}-{author}-");
    acknowledged.iter().filter_map(|name| name.strip_prefix(&prefix)?.parse().ok()).max().unwrap_or(0)
}

/// What was acknowledged is there, and of what was not, all or nothing.
async fn look(store: &dyn Store, acknowledged: &BTreeSet<String>) {
    for author in 0..AUTHORS {
        if let Some(action) = found(store, author).await {
            look_at(store, &action, author, acknowledged).await;
        } else {
            assert_eq!(last(acknowledged, "deployed", author), 0, "what was acknowledged is there");
        }
    }
    let acme = tenant("acme");
    let (flow, bindings) = (store.flow(&acme, LOGIN).await.unwrap(), store.bindings(&acme, LOGIN).await.unwrap());
    assert!(flow.bindings.iter().map(|binding| binding.action).eq(bindings.iter().map(|binding| binding.action.id)));
    assert_eq!(flow.revision, store.flows_changed(0).await.unwrap().revision, "nobody else's flow has changed");
    let bound: Vec<_> = bindings.iter().map(|binding| binding.action.name.to_string()).collect();
    let whole: Vec<Vec<_>> = lists().iter().map(|list| list.iter().map(|author| action_of(*author)).collect()).collect();
    let was_bound = acknowledged.contains("bound-0-0");
    assert!(whole.contains(&bound) || bound.is_empty() && !was_bound, "{bound:?}");
    // Executions may be lost; what is left can be read.
    store.executions(&acme, ExecutionFilter::default(), None, 100).await.unwrap();
    store.check().await.unwrap();
}

async fn look_at(store: &dyn Store, action: &StoredAction, author: usize, acknowledged: &BTreeSet<String>) {
    let acme = tenant("acme");
    let versions = store.versions(&acme, &action.id, 0, 100_000).await.unwrap().expect("the Action is there").versions;
    let numbers: Vec<_> = versions.iter().map(|version| version.number).collect();
    assert_eq!(numbers, (1..=versions.len() as u32).rev().collect::<Vec<_>>());
    assert_eq!(action.deployed.as_ref(), versions.first(), "the last one runs");
    let deployed = last(acknowledged, "deployed", author);
    assert!(versions.len() as u32 >= deployed, "version {deployed} was acknowledged, and is not there");
    let draft = action.draft.as_ref().map(|draft| draft.digest);
    // Of the versions before, only some are looked at once more.
    for version in versions.iter().enumerate().filter(|(place, _)| *place < 20 || place % 10 == 0).map(|(_, version)| version) {
        let bytes = bytes_of(author, version.number);
        assert_eq!(version.digest, digest_of(&bytes));
        assert!(has_component(store, "acme", &bytes).await, "a version has lost its bytes");
        let thrown = thrown_away(author, version.number);
        assert!(!has_component(store, "acme", &thrown).await, "bytes are there that nothing names");
    }
    let next = versions.len() as u32 + 1;
    for bytes in [thrown_away(author, next), bytes_of(author, next)] {
        let is_draft = draft == Some(digest_of(&bytes));
        assert_eq!(has_component(store, "acme", &bytes).await, is_draft, "{bytes}");
    }
    let configured = last(acknowledged, "configured", author);
    let number = action.settings.get("number").and_then(serde_json::Value::as_u64).unwrap_or(0);
    assert!(number >= configured.into(), "settings {configured} were acknowledged, and are not there");
    let secrets = secrets_of(store, &action.id).await;
    let value = secrets.first().map_or("0", |(_, _, value)| value);
    assert_eq!(value, number.to_string(), "settings and secret are of one change");
}

const WRITES: &str = "registry::deployments_without_end_until_somebody_kills_them";

#[tokio::test(flavor = "multi_thread")]
async fn what_was_deployed_into_a_file_is_there_after_its_process_was_killed() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let database = folder.path().join("sessions.db").display().to_string();
    let mut acknowledged = BTreeSet::new();
    for round in 0..rounds() {
        let mut writes = Logins::start_test(WRITES, &database, round);
        writes.wait(some(200) + 1, some(40));
        acknowledged.extend(writes.kill());
        let store = open(&database).await;
        look(&*store, &acknowledged).await;
        store.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_deployed_into_postgresql_is_there_after_a_client_or_the_server_was_killed() {
    let cluster = Cluster::start();
    let url = cluster.new_database().await;
    let mut acknowledged = BTreeSet::new();
    for round in 0..rounds() {
        let mut writes = Logins::start_test(WRITES, &url, round);
        writes.wait(some(100) + 1, some(40));
        if round % 2 == 1 {
            // The client stays, and goes on when the server is back.
            cluster.crash();
            cluster.resume();
            writes.wait(some(100) + 20, some(40));
        }
        acknowledged.extend(writes.kill());
        let store = open(&url).await;
        look(&*store, &acknowledged).await;
        store.close().await;
    }
}
