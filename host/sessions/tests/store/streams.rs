//! Who sends a stream of a tenant's log, and how far it was sent.

use std::sync::Arc;

use vestibule_sessions::{Holder, LogPosition, Retention};

use crate::parts::database::Database;
use crate::parts::logins::*;

on_all! {
    a_stream_is_one_servers_at_a_time,
    a_stream_that_is_given_back_is_anothers_at_once,
    a_stream_goes_on_where_it_was,
    a_stream_whose_server_is_away_for_too_long_is_anothers,
    of_many_who_come_at_once_one_has_the_stream,
    the_log_is_forgotten_whether_a_stream_has_sent_it_or_not,
}

fn position(number: u64) -> LogPosition {
    format!("log_{number:020}").parse().unwrap()
}

async fn a_stream_is_one_servers_at_a_time(database: &Database) {
    let store = database.open().await;
    let (acme, one, other) = (tenant("acme"), Holder::random().unwrap(), Holder::random().unwrap());
    let begin = Some(LogPosition::default());
    assert_eq!(store.stream_claim(&acme, "audit", one, at(0), at(10)).await.unwrap(), begin);
    assert_eq!(store.stream_claim(&acme, "audit", other, at(9), at(20)).await.unwrap(), None);
    assert_eq!(store.stream_claim(&acme, "audit", one, at(9), at(20)).await.unwrap(), begin);
    assert_eq!(store.stream_claim(&acme, "audit", other, at(19), at(30)).await.unwrap(), None);
    // Others are others.
    assert_eq!(store.stream_claim(&acme, "metrics é", other, at(9), at(20)).await.unwrap(), begin);
    assert_eq!(store.stream_claim(&tenant("other"), "audit", other, at(9), at(20)).await.unwrap(), begin);
    assert!(!store.stream_advance(&acme, "audit", other, position(5), at(90)).await.unwrap());
    assert!(!store.stream_advance(&acme, "unknown", other, position(5), at(90)).await.unwrap());
}

async fn a_stream_that_is_given_back_is_anothers_at_once(database: &Database) {
    let store = database.open().await;
    let (acme, one, other) = (tenant("acme"), Holder::random().unwrap(), Holder::random().unwrap());
    store.stream_claim(&acme, "audit", one, at(0), at(90)).await.unwrap();
    assert!(store.stream_advance(&acme, "audit", one, position(7), at(90)).await.unwrap());
    store.stream_release(&acme, "audit", other).await.unwrap();
    assert_eq!(store.stream_claim(&acme, "audit", other, at(1), at(90)).await.unwrap(), None);
    store.stream_release(&acme, "audit", one).await.unwrap();
    assert!(!store.stream_advance(&acme, "audit", one, position(9), at(90)).await.unwrap());
    assert_eq!(store.stream_claim(&acme, "audit", other, at(1), at(90)).await.unwrap(), Some(position(7)));
}

async fn a_stream_goes_on_where_it_was(database: &Database) {
    let acme = tenant("acme");
    for (before, after) in [(0, 3), (3, 3), (3, 900)] {
        let store = database.open().await;
        let holder = Holder::random().unwrap();
        let claimed = store.stream_claim(&acme, "audit", holder, at(0), at(90)).await.unwrap();
        assert_eq!(claimed, Some(position(before)));
        assert!(store.stream_advance(&acme, "audit", holder, position(after), at(90)).await.unwrap());
        // No position goes back.
        assert!(store.stream_advance(&acme, "audit", holder, position(1), at(90)).await.unwrap());
        store.stream_release(&acme, "audit", holder).await.unwrap();
        store.close().await;
    }
}

async fn a_stream_whose_server_is_away_for_too_long_is_anothers(database: &Database) {
    let store = database.open().await;
    let (acme, one, other) = (tenant("acme"), Holder::random().unwrap(), Holder::random().unwrap());
    store.stream_claim(&acme, "audit", one, at(0), at(10)).await.unwrap();
    assert!(store.stream_advance(&acme, "audit", one, position(4), at(20)).await.unwrap());
    assert_eq!(store.stream_claim(&acme, "audit", other, at(19), at(30)).await.unwrap(), None);
    // Late, and nobody has come.
    assert!(store.stream_advance(&acme, "audit", one, position(5), at(25)).await.unwrap());
    assert_eq!(store.stream_claim(&acme, "audit", other, at(25), at(40)).await.unwrap(), Some(position(5)));
    assert!(!store.stream_advance(&acme, "audit", one, position(6), at(50)).await.unwrap());
    assert!(store.stream_advance(&acme, "audit", other, position(6), at(50)).await.unwrap());
}

async fn of_many_who_come_at_once_one_has_the_stream(database: &Database) {
    let stores = [database.open().await, database.open().await];
    for round in 0..5 {
        let name = format!("stream{round}");
        let servers: Vec<_> = (0..10)
            .map(|server| {
                let (store, name) = (Arc::clone(&stores[server % 2]), name.clone());
                tokio::spawn(async move {
                    let holder = Holder::random().unwrap();
                    store.stream_claim(&tenant("acme"), &name, holder, at(0), at(10)).await.unwrap().is_some()
                })
            })
            .collect();
        let mut holders = 0;
        for server in servers {
            holders += usize::from(server.await.unwrap());
        }
        assert_eq!(holders, 1);
    }
}

async fn the_log_is_forgotten_whether_a_stream_has_sent_it_or_not(database: &Database) {
    let store = database.open().await;
    let (acme, holder) = (tenant("acme"), Holder::random().unwrap());
    store.stream_claim(&acme, "audit", holder, at(0), at(90)).await.unwrap();
    commit(&*store, logs("acme", "first", at(1))).await;
    let keep = Retention { log_since: at(10), ..keep_all() };
    assert_eq!(store.sweep(at(10), keep, 100).await.unwrap().forgotten, 1);
    commit(&*store, logs("acme", "second", at(20))).await;
    let claimed = store.stream_claim(&acme, "audit", holder, at(20), at(90)).await.unwrap().unwrap();
    assert_eq!(described(&store.log_after(&acme, claimed, 10).await.unwrap()), ["second"]);
}
