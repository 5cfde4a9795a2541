//! Revisions: what changes a flow counts, what doesn't doesn't, and nobody who asks misses one.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::json;
use tokio::task::JoinSet;
use vestibule_model::TenantId;
use vestibule_sessions::{ActionChange, ActionUid, FlowChanges, SecretChange, Store};

use crate::parts::database::Database;
use crate::parts::logins::*;
use crate::parts::registry::*;

on_both! {
    each_kind_of_change_of_a_bound_action_counts,
    no_change_of_an_unbound_action_counts,
    a_change_that_is_refused_counts_nothing,
    a_policy_counts_and_knows_which_change_it_came_with,
    changes_are_told_of_the_tenants_that_they_are_of,
    nobody_who_asks_misses_a_change_while_others_write,
}

/// The last change of `acme`'s flow, which is the last of all.
async fn revision(store: &dyn Store) -> u64 {
    let own = store.flow(&tenant("acme"), LOGIN).await.unwrap().revision;
    let all = store.flows_changed(0).await.unwrap().revision;
    assert_eq!(own, all);
    own
}

/// That this has counted, and has changed the flow for whoever asks from before.
async fn counts(store: &dyn Store, before: &mut u64, what: &str) {
    let changes = store.flows_changed(*before).await.unwrap();
    assert_eq!(changes.tenants, [tenant("acme")], "{what}");
    let now = revision(store).await;
    assert!(now > *before && now == changes.revision, "{what}");
    *before = now;
}

async fn each_kind_of_change_of_a_bound_action_counts(database: &Database) {
    let store = database.open().await;
    let (acme, id) = (tenant("acme"), deployed(&*store, "bound").await.id);
    let mut last = 0;
    bind(&*store, &[id]).await;
    counts(&*store, &mut last, "a binding").await;
    change(&*store, &id, renames("bound2")).await;
    counts(&*store, &mut last, "a name").await;
    change(&*store, &id, configures(map(&[("limits", json!({}))]))).await;
    counts(&*store, &mut last, "settings").await;
    for secrets in [
        SecretChange::Set(sealed("A", "k1", "a")),
        SecretChange::Replace { keep: vec![secret_name("A")], set: vec![sealed("B", "k1", "b")] },
        SecretChange::Remove(secret_name("A")),
    ] {
        let what = format!("{secrets:?}");
        change(&*store, &id, changes_secrets(secrets)).await;
        counts(&*store, &mut last, &what).await;
    }
    let first = action(&*store, &id).await.deployed.unwrap();
    build(&*store, "acme", &id, "two", at(8)).await;
    assert_eq!(revision(&*store).await, last, "a draft is not what runs");
    deploy(&*store, "acme", &id, at(9)).await;
    counts(&*store, &mut last, "a deployment").await;
    run_again(&*store, &id, &first, false).await;
    counts(&*store, &mut last, "an old version").await;
    change(&*store, &id, ActionChange::default()).await;
    assert_eq!(revision(&*store).await, last, "a change of nothing");
    let old = store.secrets(&acme, &id).await.unwrap().remove(0);
    assert!(store.reseal(&acme, &id, &old, sealed("B", "k2", "b*")).await.unwrap());
    assert_eq!(revision(&*store).await, last, "another seal around the same value");
    bind(&*store, &[id]).await;
    counts(&*store, &mut last, "the same bindings once more").await;
    store.delete_action(&acme, &id, true, at(9)).await.unwrap();
    counts(&*store, &mut last, "a deletion").await;
    bind(&*store, &[]).await;
    counts(&*store, &mut last, "no bindings").await;
}

async fn no_change_of_an_unbound_action_counts(database: &Database) {
    let store = database.open().await;
    let [bound, id] = [deployed(&*store, "bound").await.id, deployed(&*store, "unbound").await.id];
    bind(&*store, &[id]).await;
    bind(&*store, &[bound]).await;
    let last = revision(&*store).await;
    change(&*store, &id, renames("unbound2")).await;
    change(&*store, &id, configures(map(&[]))).await;
    change(&*store, &id, changes_secrets(SecretChange::Set(sealed("A", "k1", "a")))).await;
    build(&*store, "acme", &id, "two", at(8)).await;
    let version = deploy(&*store, "acme", &id, at(9)).await.deployed.unwrap();
    run_again(&*store, &id, &version, true).await;
    store.delete_action(&tenant("acme"), &id, true, at(9)).await.unwrap();
    create_action(&*store, "another").await;
    assert_eq!(revision(&*store).await, last);
    assert_eq!(store.flows_changed(last).await.unwrap(), FlowChanges { tenants: Vec::new(), revision: last });
}

async fn a_change_that_is_refused_counts_nothing(database: &Database) {
    let store = database.open().await;
    let (acme, id) = (tenant("acme"), deployed(&*store, "bound").await.id);
    create_action(&*store, "taken").await;
    bind(&*store, &[id]).await;
    let last = revision(&*store).await;
    store.change_action(&acme, &id, renames("taken"), None, at(9)).await.unwrap();
    store.change_action(&acme, &id, renames("free"), Some(99), at(9)).await.unwrap();
    store.delete_action(&acme, &id, false, at(9)).await.unwrap();
    store.deploy_draft(&acme, &id, &digest_of("another"), None.into(), ALL, at(9)).await.unwrap();
    bind_in(&*store, "acme", &[ActionUid::random().unwrap()], at(9)).await;
    store.set_policy(&acme, None, at(9)).await.unwrap();
    assert_eq!(revision(&*store).await, last);
}

async fn a_policy_counts_and_knows_which_change_it_came_with(database: &Database) {
    let store = database.open().await;
    let acme = tenant("acme");
    assert_eq!(store.policy(&acme).await.unwrap(), None);
    let mut last = 0;
    for (round, now, updated_at) in [(1, 5, 5), (2, 9, 9), (3, 7, 9)] {
        let body = map(&[("others", json!("deny")), ("odd", json!("\u{0}é🦀")), ("round", json!(round))]);
        store.set_policy(&acme, Some(body.clone()), at(now)).await.unwrap();
        counts(&*store, &mut last, "a policy").await;
        let policy = store.policy(&acme).await.unwrap().expect("it was written");
        assert_eq!((policy.body, policy.updated_at, policy.revision), (body, at(updated_at), last));
    }
    store.set_policy(&acme, None, at(9)).await.unwrap();
    counts(&*store, &mut last, "no policy").await;
    assert_eq!(store.policy(&acme).await.unwrap(), None);
    assert_eq!(store.policy(&tenant("other")).await.unwrap(), None);
}

async fn changes_are_told_of_the_tenants_that_they_are_of(database: &Database) {
    let store = database.open().await;
    assert_eq!(store.flows_changed(0).await.unwrap(), FlowChanges::default());
    for of in ["acme", "beta", "gamma", "acme"] {
        store.set_policy(&tenant(of), Some(map(&[])), at(1)).await.unwrap();
    }
    let changed = store.flows_changed(0).await.unwrap();
    let names = |changes: &FlowChanges| changes.tenants.iter().cloned().collect::<BTreeSet<TenantId>>();
    assert_eq!(names(&changed), ["acme", "beta", "gamma"].map(tenant).into());
    assert_eq!(changed.tenants.len(), 3, "each is told once");
    let beta = store.flow(&tenant("beta"), LOGIN).await.unwrap().revision;
    assert_eq!(names(&store.flows_changed(beta).await.unwrap()), ["acme", "gamma"].map(tenant).into());
    let end = FlowChanges { tenants: Vec::new(), revision: changed.revision };
    assert_eq!(store.flows_changed(changed.revision).await.unwrap(), end);
}

/// Each writer changes its tenant's flow and writes down what it has put there; whoever asks reads
/// what has changed, as a server does. In the end it has seen the last of each.
async fn nobody_who_asks_misses_a_change_while_others_write(database: &Database) {
    const WRITERS: usize = 6;
    const EACH: usize = 25;
    let stores = [database.open().await, database.open().await];
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        let store = stores[writer % 2].clone();
        writers.spawn(async move {
            let of = tenant(&format!("t{writer}"));
            for round in 1..=EACH {
                store.set_policy(&of, Some(map(&[("round", json!(round))])), at(1)).await.unwrap();
            }
        });
    }
    let is_over = Arc::new(AtomicBool::new(false));
    let (over, reader) = (is_over.clone(), database.open().await);
    let reading = tokio::spawn(async move {
        let (mut after, mut seen) = (0, std::collections::BTreeMap::new());
        loop {
            // The last look is one that has begun after all was written.
            let is_last = over.load(Ordering::SeqCst);
            let changes = reader.flows_changed(after).await.unwrap();
            assert!(changes.revision >= after, "no revision goes back");
            for of in changes.tenants {
                let policy = reader.policy(&of).await.unwrap().expect("it was written");
                assert!(policy.revision > after);
                seen.insert(of, policy.body["round"].as_u64().unwrap());
            }
            after = changes.revision;
            if is_last {
                return (after, seen);
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    });
    writers.join_all().await;
    is_over.store(true, Ordering::SeqCst);
    let (last, seen) = reading.await.unwrap();
    assert_eq!(last, (WRITERS * EACH) as u64);
    let expected = (0..WRITERS).map(|writer| (tenant(&format!("t{writer}")), EACH as u64)).collect();
    assert_eq!(seen, expected);
}

/// How long a test waits for word that has to come, before it says that none has.
const PATIENCE: Duration = Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread")]
async fn word_of_a_change_comes_after_it_and_is_not_lost_between_two_calls() {
    let database = Database::sqlite().await;
    let store = database.open().await;
    let mut last = 0;
    for round in 0..20 {
        let waiting = store.clone();
        // Half of the time somebody waits already, and half of the time nobody does.
        let before = (round % 2 == 0).then(|| tokio::spawn(async move { waiting.flow_notice().await }));
        store.set_policy(&tenant("acme"), Some(map(&[])), at(1)).await.unwrap();
        let word = async {
            match before {
                Some(before) => before.await.unwrap(),
                None => store.flow_notice().await,
            }
        };
        tokio::time::timeout(PATIENCE, word).await.expect("word comes");
        let changes = store.flows_changed(last).await.unwrap();
        assert!(changes.revision > last, "what it tells of can be read");
        last = changes.revision;
    }
    create_action(&*store, "no-flow").await;
    let quiet = tokio::time::timeout(Duration::from_millis(50), store.flow_notice()).await;
    assert!(quiet.is_err(), "nothing of a flow has changed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_whose_caller_is_gone_is_announced_where_it_happened() {
    let database = Database::sqlite().await;
    let store = database.open().await;
    let acme = tenant("acme");
    for round in 0.. {
        assert!(round < 100, "a change begins within 100 tries");
        let mut change = Box::pin(store.set_policy(&acme, Some(map(&[])), at(1)));
        let first_poll = std::future::poll_fn(|context| std::task::Poll::Ready(change.as_mut().poll(context)));
        if let std::task::Poll::Ready(done) = first_poll.await {
            done.unwrap();
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
        drop(change);
        // What was queued before it has happened, or never will: a change that had not begun is
        // forgotten with its caller.
        create_action(&*store, &format!("barrier-{round}")).await;
        if store.flows_changed(0).await.unwrap().revision > 0 {
            break;
        }
    }
    tokio::time::timeout(PATIENCE, store.flow_notice()).await.expect("word comes");
}
