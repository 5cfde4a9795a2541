//! The tenant's log, and that whoever reads it page by page misses nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use vestibule_sessions::{LogFilter, LogKind, LogOrder, LogPosition, LogSearch, NewLogEntry, StoreError};

use crate::parts::database::Database;
use crate::parts::logins::*;

on_all! {
    the_log_is_read_forwards_and_backwards,
    an_entry_is_as_it_was_written,
    a_position_is_never_given_twice,
    whoever_reads_while_others_write_misses_nothing,
    a_search_finds_entries_by_kind_date_and_members,
    a_search_that_reads_too_much_says_that_it_is_cut,
}

async fn the_log_is_read_forwards_and_backwards(database: &Database) {
    let store = database.open().await;
    let names: Vec<String> = (0..10).map(|number| format!("e{number}")).collect();
    for (number, name) in names.iter().enumerate() {
        commit(&*store, logs("acme", name, at(number as u64))).await;
        commit(&*store, logs("other", "of another tenant", at(number as u64))).await;
    }
    let mut after = LogPosition::default();
    let mut found = Vec::new();
    loop {
        let page = store.log_after(&tenant("acme"), after, 3).await.unwrap();
        let Some(last) = page.last() else { break };
        assert!(page.len() <= 3 && page.iter().all(|entry| entry.position > after));
        after = last.position;
        found.extend(page);
    }
    assert_eq!(described(&found), names);
    let latest = store.latest_log(&tenant("acme"), 2, 3).await.unwrap();
    assert_eq!(described(&latest), ["e7", "e6", "e5"]);
    assert!(store.latest_log(&tenant("acme"), 10, 3).await.unwrap().is_empty());
    assert!(store.log_after(&tenant("acme"), LogPosition::default(), 0).await.unwrap().is_empty());
}

async fn an_entry_is_as_it_was_written(database: &Database) {
    let store = database.open().await;
    let written = NewLogEntry { kind: LogKind::FailedLogin, ..entry("denied", at(7)) };
    let mut login = logs("acme", "allowed", at(6));
    login.log.push(written.clone());
    commit(&*store, login).await;
    let log = log_of(&*store, "acme").await;
    assert_eq!(described(&log), ["allowed", "denied"]);
    let found = store.log_entry(&tenant("acme"), log[1].position).await.unwrap().unwrap();
    assert_eq!(found, log[1]);
    assert_eq!((found.kind, found.date, found.body), (written.kind, written.date, written.body));
    let text = log[1].position.to_string();
    assert_eq!(text.parse(), Ok(log[1].position));
    let unknown: LogPosition = "log_00000000000000099999".parse().unwrap();
    assert_eq!(store.log_entry(&tenant("acme"), unknown).await.unwrap(), None);
}

async fn a_position_is_never_given_twice(database: &Database) {
    let store = database.open().await;
    commit(&*store, logs("acme", "first", at(1))).await;
    let first = log_of(&*store, "acme").await[0].position;
    let keep = vestibule_sessions::Retention { log_since: at(10), ..keep_all() };
    assert_eq!(store.sweep(at(10), keep, 100).await.unwrap().forgotten, 1);
    assert!(log_of(&*store, "acme").await.is_empty());
    commit(&*store, logs("acme", "second", at(20))).await;
    let second = store.log_after(&tenant("acme"), first, 10).await.unwrap();
    assert_eq!(described(&second), ["second"]);
}

async fn whoever_reads_while_others_write_misses_nothing(database: &Database) {
    const WRITERS: u64 = 8;
    const EACH: u64 = 40;
    let store = database.open().await;
    let is_done = Arc::new(AtomicBool::new(false));
    let reader = |store: Arc<dyn vestibule_sessions::Store>| {
        let is_done = Arc::clone(&is_done);
        tokio::spawn(async move {
            let (mut found, mut after) = (Vec::new(), LogPosition::default());
            loop {
                let was_done = is_done.load(Ordering::SeqCst);
                let page = store.log_after(&tenant("acme"), after, 7).await.unwrap();
                match page.last() {
                    Some(last) => after = last.position,
                    None if was_done => break found,
                    None => tokio::task::yield_now().await,
                }
                found.extend(described(&page).into_iter().map(str::to_owned));
            }
        })
    };
    let readers = [reader(database.open().await), reader(Arc::clone(&store))];
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                for number in 0..EACH {
                    // The dates go backwards: they are no help to whoever numbers the entries.
                    commit(&*store, logs("acme", &format!("{writer}-{number}"), at(1_000 - number))).await;
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    is_done.store(true, Ordering::SeqCst);
    let mut expected: Vec<String> =
        (0..WRITERS).flat_map(|writer| (0..EACH).map(move |number| format!("{writer}-{number}"))).collect();
    expected.sort();
    for reader in readers {
        let mut found = reader.await.unwrap();
        found.sort();
        assert_eq!(found, expected);
    }
}

async fn a_search_finds_entries_by_kind_date_and_members(database: &Database) {
    let store = database.open().await;
    let mut login = logs("acme", "e0", at(0));
    login.log.clear();
    for number in 0..40u64 {
        let kind = if number % 4 == 0 { LogKind::FailedLogin } else { LogKind::SuccessfulLogin };
        let mut written = NewLogEntry { kind, ..entry(&format!("e{number}"), at(number)) };
        written.body.insert("user_id".into(), format!("user \"{}\"", number % 3).into());
        written.body.insert("client_id".into(), format!("client-{}", number % 2).into());
        login.log.push(written);
    }
    commit(&*store, login).await;
    commit(&*store, logs("other", "of another tenant", at(4))).await;
    let all = log_of(&*store, "acme").await;
    let members = |user: &str| vec![("user_id", user.to_owned())];
    let filters = [
        LogFilter::default(),
        LogFilter { kind: Some(LogKind::FailedLogin), ..LogFilter::default() },
        LogFilter { kind: Some(LogKind::SuccessfulLogin), ..LogFilter::default() },
        LogFilter { kind: Some(LogKind::Logout), ..LogFilter::default() },
        LogFilter { since: Some(at(5)), until: Some(at(30)), ..LogFilter::default() },
        LogFilter { kind: Some(LogKind::FailedLogin), since: Some(at(8)), until: Some(at(8)), ..LogFilter::default() },
        LogFilter { members: members("user \"1\""), ..LogFilter::default() },
        LogFilter { members: members("user"), ..LogFilter::default() },
        LogFilter { members: vec![("client_id", "client-1".into()), ("user_id", "user \"2\"".into())], ..LogFilter::default() },
        LogFilter { from: Some(all[10].position), to: Some(all[20].position), ..LogFilter::default() },
        LogFilter { from: Some(all[10].position), kind: Some(LogKind::FailedLogin), until: Some(at(25)), ..LogFilter::default() },
    ];
    for filter in filters {
        for order in [LogOrder::NewestFirst, LogOrder::OldestFirst] {
            let mut expected: Vec<_> = all.iter().filter(|entry| filter.matches(entry)).cloned().collect();
            if order == LogOrder::NewestFirst {
                expected.reverse();
            }
            for (skip, take) in [(0, 100), (0, 3), (2, 4), (100, 5), (0, 0)] {
                let search = LogSearch { filter: filter.clone(), order, skip, take };
                let found = store.search_log(&tenant("acme"), search.clone()).await.unwrap();
                let page: Vec<_> = expected.iter().skip(skip).take(take).cloned().collect();
                assert!(found.entries == page && !found.is_cut, "{search:?}: {:?}", described(&found.entries));
            }
        }
    }
}

async fn a_search_that_reads_too_much_says_that_it_is_cut(database: &Database) {
    const ENTRIES: u64 = 10_500;
    let store = database.open().await;
    let mut login = logs("acme", "oldest", at(0));
    login.log[0].body.insert("user_id".into(), "anna".into());
    login.log.extend((1..ENTRIES).map(|number| entry("of another user", at(number))));
    commit(&*store, login).await;
    let search = |filter| LogSearch { filter, order: LogOrder::NewestFirst, skip: 0, take: 1 };
    let members = vec![("user_id", "anna".to_owned())];
    let wide = LogFilter { members: members.clone(), ..LogFilter::default() };
    let found = loop {
        // As callers do: entries that were just written get their positions some thousand at a
        // time.
        match store.search_log(&tenant("acme"), search(wide.clone())).await {
            Err(StoreError::Busy { .. }) => {}
            found => break found.unwrap(),
        }
    };
    assert!(found.entries.is_empty() && found.is_cut);
    let narrow = LogFilter { members, until: Some(at(100)), ..LogFilter::default() };
    let found = store.search_log(&tenant("acme"), search(narrow)).await.unwrap();
    assert_eq!((described(&found.entries), found.is_cut), (vec!["oldest"], false));
}
