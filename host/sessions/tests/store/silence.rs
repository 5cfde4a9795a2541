//! A database that doesn't answer: each call ends, nothing that was acknowledged is lost, and the
//! store works again by itself.

use std::sync::Arc;
use std::time::Duration;

use vestibule_sessions::{
    Committed, Holder, Initiator, KnownSession, LogPosition, PostgresSettings, PostgresStore, Registry as _, Store, StoreError,
};

use crate::parts::cluster::Cluster;
use crate::parts::logins::*;
use crate::parts::proxy::Proxy;

/// A call that takes longer than this hangs.
const PATIENCE: Duration = Duration::from_secs(60);

async fn ends<T>(call: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, call).await.expect("each call should end")
}

fn settings(connections: usize) -> PostgresSettings {
    PostgresSettings {
        connections,
        call: Duration::from_millis(1_500),
        wait: Duration::from_millis(700),
        connect: Duration::from_millis(1_000),
        statement: Duration::from_millis(700),
        ..PostgresSettings::default()
    }
}

async fn behind_a_proxy(connections: usize) -> (Cluster, Proxy, Arc<PostgresStore>) {
    let cluster = Cluster::start();
    cluster.new_database().await;
    let proxy = Proxy::start(&cluster).await;
    let store = PostgresStore::connect(&proxy.url(), settings(connections)).await.unwrap();
    (cluster, proxy, Arc::new(store))
}

fn is_not_done(error: &StoreError) -> bool {
    matches!(
        error,
        StoreError::TimedOut { .. } | StoreError::Exhausted { .. } | StoreError::Unreachable { .. } | StoreError::Busy { .. }
    )
}

/// Asks until there is an answer.
async fn heals(store: &PostgresStore) {
    ends(async { while store.session(&tenant("acme"), &id("s1"), at(2)).await.is_err() {} }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_call_to_a_database_that_stands_still_ends() {
    let cluster = Cluster::start();
    let url = cluster.new_database().await;
    let store = Arc::new(PostgresStore::connect(&url, settings(3)).await.unwrap());
    commit(&*store, login("s1", at(1))).await;
    cluster.freeze();
    // Some have a connection that is there, some make one, and some wait.
    let calls: Vec<_> = (0..12)
        .map(|number| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                match number % 4 {
                    0 => store.session(&tenant("acme"), &id("s1"), at(2)).await.map(drop),
                    1 => store.commit_login(login(&format!("new-{number}"), at(2))).await.map(drop),
                    2 => store.flows_changed(0).await.map(drop),
                    _ => store.due_receivers(at(2), 10).await.map(drop),
                }
            })
        })
        .collect();
    for call in calls {
        let error = ends(call).await.unwrap().unwrap_err();
        assert!(is_not_done(&error), "{error}");
    }
    assert!(ends(store.sweep(at(2), keep_all(), 10)).await.is_err());
    assert!(store.timed_out() > 0);
    cluster.thaw();
    heals(&store).await;
    assert!(find(&*store, "s1", at(2)).await.is_some());
    assert!(commit(&*store, login("s2", at(3))).await.is_some());
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_became_silent_are_replaced_by_new_ones() {
    let (_cluster, proxy, store) = behind_a_proxy(4).await;
    commit(&*store, login("s1", at(1))).await;
    let (one, two, three, four) =
        tokio::join!(store.delivery_backlog(), store.delivery_backlog(), store.flows_changed(0), store.flows_changed(0));
    assert!(one.is_ok() && two.is_ok() && three.is_ok() && four.is_ok());
    proxy.silence();
    let error = ends(store.session(&tenant("acme"), &id("s1"), at(2))).await.unwrap_err();
    assert!(matches!(error, StoreError::TimedOut { .. }), "{error}");
    // All others that were silent were closed with it.
    for name in ["s1", "s2", "s3", "s4", "s5"] {
        ends(store.commit_login(login(name, at(2)))).await.unwrap();
    }
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_of_a_dropped_call_is_not_lent_again() {
    let (_cluster, proxy, store) = behind_a_proxy(1).await;
    commit(&*store, login("s1", at(1))).await;
    proxy.silence();
    let (acme, session) = (tenant("acme"), id("s1"));
    tokio::select! {
        found = store.session(&acme, &session, at(2)) => panic!("nothing should answer: {found:?}"),
        () = ends(proxy.has_swallowed()) => {}
    }
    // The call was dropped when its question was on its way.
    assert!(ends(store.session(&tenant("acme"), &id("s1"), at(2))).await.unwrap().is_some());
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn notices_come_again_after_their_connection_became_silent() {
    let (_cluster, proxy, store) = behind_a_proxy(2).await;
    ends(store.flow_notice()).await;
    proxy.silence();
    // The new connection says that something may have been missed.
    ends(store.flow_notice()).await;
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_was_given_up_is_unknown() {
    let (_cluster, proxy, store) = behind_a_proxy(1).await;
    commit(&*store, login("s1", at(1))).await;
    proxy.silence_commits(1);
    let error = ends(store.commit_login(login("s2", at(2)))).await.unwrap_err();
    assert!(matches!(error, StoreError::Unknown { .. }), "{error}");
    assert!(find(&*store, "s2", at(3)).await.is_some(), "it has happened, this time");
    proxy.silence_commits(1);
    let mut again = login("s3", at(2));
    again.transaction = Some(answered(transaction("t3"), "answer".into()));
    let error = ends(store.commit_login(again.clone())).await.unwrap_err();
    assert!(matches!(error, StoreError::Unknown { .. }), "{error}");
    assert!(matches!(store.commit_login(again).await.unwrap(), Committed::Repeated { .. }));
    proxy.silence_commits(1);
    let error = ends(store.end(&tenant("acme"), &id("s1"), Initiator::RpLogout, at(4))).await.unwrap_err();
    assert!(matches!(error, StoreError::Unknown { .. }), "{error}");
    assert!(matches!(known(&*store, "s1", at(5)).await, KnownSession::Ended(_)));
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_is_answered_with_unknown_is_unknown() {
    let (_cluster, proxy, store) = behind_a_proxy(1).await;
    for (number, code) in ["40003", "08007", "08006"].into_iter().enumerate() {
        proxy.answer_commits(&[code]);
        let name = format!("plain-{number}");
        let error = store.commit_login(login(&name, at(1))).await.unwrap_err();
        assert!(matches!(error, StoreError::Unknown { .. }), "{code}: {error}");
        assert!(find(&*store, &name, at(2)).await.is_some());
        // One with a transaction's id finds out by itself.
        proxy.answer_commits(&[code]);
        let mut login = login(&format!("known-{number}"), at(1));
        login.transaction = Some(answered(transaction(&name), "answer".into()));
        assert!(matches!(store.commit_login(login).await.unwrap(), Committed::Repeated { .. }), "{code}");
    }
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_sent_with_a_begin_that_fails_changes_nothing() {
    let (_cluster, proxy, store) = behind_a_proxy(1).await;
    commit(&*store, login("s1", at(1))).await;
    let mut login = login("s2", at(2));
    login.transaction = Some(answered(transaction("t2"), "answer".into()));
    login.log.push(entry("t2", at(2)));
    proxy.refuse_begins(1);
    assert!(is_not_done(&store.commit_login(login.clone()).await.unwrap_err()));
    assert!(find(&*store, "s2", at(2)).await.is_none());
    assert!(matches!(store.commit_login(login).await.unwrap(), Committed::Done { .. }), "its transaction's id is not taken");
    proxy.refuse_begins(1);
    assert!(store.end(&tenant("acme"), &id("s1"), Initiator::RpLogout, at(3)).await.is_err());
    assert!(matches!(known(&*store, "s1", at(3)).await, KnownSession::Alive(_)));
    proxy.refuse_begins(1);
    assert!(store.end_all_of(&tenant("acme"), &user("anna"), Initiator::RpLogout, at(3), 100).await.is_err());
    assert!(matches!(known(&*store, "s2", at(3)).await, KnownSession::Alive(_)));
    proxy.refuse_begins(1);
    let forgets = vestibule_sessions::Retention { transactions_since: at(100), log_since: at(100), ..keep_all() };
    assert!(store.sweep(at(3), forgets, 10).await.is_err());
    let before = store.before_login(&tenant("acme"), Some(&transaction("t2")), None, at(3)).await.unwrap();
    assert_eq!(&*before.answer.unwrap().json, "answer");
    proxy.refuse_begins(1);
    assert!(store.stream_claim(&tenant("acme"), "hook", Holder::random().unwrap(), at(3), at(9)).await.is_err());
    let claimed = store.stream_claim(&tenant("acme"), "hook", Holder::random().unwrap(), at(3), at(9)).await.unwrap();
    assert_eq!(claimed, Some(LogPosition::default()), "the claim before was not written");
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_that_fails_costs_no_connection() {
    let (cluster, proxy, store) = behind_a_proxy(1).await;
    commit(&*store, login("s1", at(1))).await;
    let before = proxy.connections();
    let (client, connection) = tokio_postgres::connect(&cluster.url("test_0"), tokio_postgres::NoTls).await.unwrap();
    let connection = tokio::spawn(connection);
    client.batch_execute("BEGIN; SELECT 1 FROM sessions FOR UPDATE").await.unwrap();
    for _ in 0..3 {
        let error = store.commit_login(login("s1", at(2))).await.unwrap_err();
        assert!(matches!(error, StoreError::Busy { .. }), "{error}");
    }
    client.batch_execute("COMMIT").await.unwrap();
    commit(&*store, login("s1", at(3))).await;
    assert_eq!(proxy.connections(), before);
    drop(client);
    connection.await.unwrap().unwrap();
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_is_used_for_its_lifetime() {
    let cluster = Cluster::start();
    cluster.new_database().await;
    let proxy = Proxy::start(&cluster).await;
    let settings = PostgresSettings { lifetime: Duration::ZERO, ..settings(1) };
    let store = PostgresStore::connect(&proxy.url(), settings).await.unwrap();
    let before = proxy.connections();
    store.flows_changed(0).await.unwrap();
    store.flows_changed(0).await.unwrap();
    assert_eq!(proxy.connections(), before + 2);
    store.close().await;
}
