//! Many at once: on one session, with one transaction, and through two stores.

use std::sync::Arc;

use tokio::task::JoinSet;
use vestibule_sessions::{Committed, EndedAll, Initiator, SessionChange, Store};

use crate::parts::database::Database;
use crate::parts::logins::*;

on_both! {
    logins_of_one_session_merge_key_by_key,
    whatever_comes_at_once_a_session_has_25_entries_at_most,
    a_transaction_that_comes_many_times_at_once_is_committed_once,
    one_session_is_created_once,
    whoever_ends_a_session_at_once_with_others_is_one,
    after_its_end_no_login_uses_a_session,
}

/// The callers of two stores on one database.
async fn two_stores(database: &Database) -> [Arc<dyn Store>; 2] {
    [database.open().await, database.open().await]
}

async fn logins_of_one_session_merge_key_by_key(database: &Database) {
    const CALLERS: usize = 10;
    const EACH: usize = 12;
    let stores = two_stores(database).await;
    let mut callers = JoinSet::new();
    for caller in 0..CALLERS {
        let store = Arc::clone(&stores[caller % 2]);
        callers.spawn(async move {
            for number in 0..EACH {
                let mut login = login("s1", at(1));
                // Two entries of one login are of one value: a map that is half of one login and
                // half of another would show.
                let value = format!("{caller}-{number}");
                let own = format!("own{caller}");
                login.session.as_mut().unwrap().metadata =
                    changes(&[("left", Some(&value)), ("right", Some(&value)), (&own, Some(&number.to_string()))]);
                let session = commit(&*store, login).await.unwrap();
                assert_eq!(session.metadata.get("left"), Some(value.as_str()));
                assert_eq!(session.metadata.get("right"), Some(value.as_str()));
                let seen = find(&*store, "s1", at(2)).await.unwrap();
                assert_eq!(seen.metadata.get("left"), seen.metadata.get("right"));
            }
        });
    }
    while let Some(done) = callers.join_next().await {
        done.unwrap();
    }
    let session = find(&*stores[0], "s1", at(2)).await.unwrap();
    assert_eq!(session.revision, (CALLERS * EACH) as u64);
    assert_eq!(session.metadata.len(), CALLERS + 2);
    for caller in 0..CALLERS {
        assert_eq!(session.metadata.get(&format!("own{caller}")), Some((EACH - 1).to_string().as_str()));
    }
}

async fn whatever_comes_at_once_a_session_has_25_entries_at_most(database: &Database) {
    let stores = two_stores(database).await;
    let mut callers = JoinSet::new();
    for caller in 0..40 {
        let store = Arc::clone(&stores[caller % 2]);
        callers.spawn(async move {
            let mut login = login("s1", at(1));
            login.session.as_mut().unwrap().metadata = changes(&[(&format!("k{caller}"), Some("1"))]);
            match store.commit_login(login).await.unwrap() {
                Committed::Done { .. } => 1,
                Committed::Metadata(_) => 0,
                other => panic!("{other:?}"),
            }
        });
    }
    let mut committed = 0;
    while let Some(done) = callers.join_next().await {
        committed += done.unwrap();
    }
    let session = find(&*stores[1], "s1", at(2)).await.unwrap();
    assert_eq!((committed, session.metadata.len(), session.revision), (25, 25, 25));
}

async fn a_transaction_that_comes_many_times_at_once_is_committed_once(database: &Database) {
    let stores = two_stores(database).await;
    for round in 0..5 {
        let mut callers = JoinSet::new();
        for caller in 0..12 {
            let store = Arc::clone(&stores[caller % 2]);
            callers.spawn(async move {
                let mut login = login(&format!("s{round}"), at(1));
                let answer = format!("of {caller}");
                login.transaction = Some(answered(transaction(&format!("t{round}")), answer.as_str().into()));
                login.log.push(entry("entry", at(1)));
                match store.commit_login(login).await.unwrap() {
                    Committed::Done { .. } => (answer, true),
                    Committed::Repeated { answer } => (answer.to_string(), false),
                    other => panic!("{other:?}"),
                }
            });
        }
        let (mut answers, mut committed) = (Vec::new(), 0);
        while let Some(done) = callers.join_next().await {
            let (answer, is_first) = done.unwrap();
            answers.push(answer);
            committed += usize::from(is_first);
        }
        answers.dedup();
        assert_eq!((answers.len(), committed), (1, 1), "{answers:?}");
        assert_eq!(find(&*stores[0], &format!("s{round}"), at(2)).await.unwrap().revision, 1);
    }
    assert_eq!(log_of(&*stores[0], "acme").await.len(), 5);
}

async fn one_session_is_created_once(database: &Database) {
    let stores = two_stores(database).await;
    for round in 0..5 {
        let mut callers = JoinSet::new();
        for caller in 0..12 {
            let store = Arc::clone(&stores[caller % 2]);
            callers.spawn(async move {
                let mut login = login(&format!("s{round}"), at(1));
                login.session.as_mut().unwrap().change = SessionChange::Use(Box::new(used(&format!("client{caller}"))));
                commit(&*store, login).await.unwrap().revision
            });
        }
        let mut revisions = Vec::new();
        while let Some(done) = callers.join_next().await {
            revisions.push(done.unwrap());
        }
        revisions.sort_unstable();
        assert_eq!(revisions, (1..=12).collect::<Vec<_>>());
        assert_eq!(find(&*stores[0], &format!("s{round}"), at(2)).await.unwrap().clients.len(), 12);
    }
}

async fn whoever_ends_a_session_at_once_with_others_is_one(database: &Database) {
    let stores = two_stores(database).await;
    for round in 0..5 {
        let session = format!("s{round}");
        commit(&*stores[0], login(&session, at(1))).await;
        let mut callers = JoinSet::new();
        for caller in 0..9 {
            let (store, session) = (Arc::clone(&stores[caller % 2]), session.clone());
            callers.spawn(async move {
                let acme = tenant("acme");
                match caller % 3 {
                    0 => u64::from(store.end(&acme, &id(&session), Initiator::RpLogout, at(2)).await.unwrap()),
                    1 => match store.end_all_of(&acme, &user("anna"), Initiator::AccountDeleted, at(2), 100).await.unwrap() {
                        EndedAll::Written(sessions) => sessions,
                        EndedAll::Marked => panic!("there are few"),
                    },
                    _ => {
                        let login = does(&session, SessionChange::End(Initiator::SessionRevoked), at(2));
                        u64::from(matches!(store.commit_login(login).await.unwrap(), Committed::Done { .. }))
                    }
                }
            });
        }
        let mut ended = 0;
        while let Some(done) = callers.join_next().await {
            ended += done.unwrap();
        }
        assert_eq!(ended, 1);
    }
}

async fn after_its_end_no_login_uses_a_session(database: &Database) {
    let stores = two_stores(database).await;
    for round in 0..5 {
        let session = format!("s{round}");
        commit(&*stores[0], login(&session, at(1))).await;
        let users = (0..2).map(|number| {
            let (store, session) = (Arc::clone(&stores[number]), session.clone());
            tokio::spawn(async move {
                let mut used = 1;
                loop {
                    match store.commit_login(login(&session, at(1))).await.unwrap() {
                        Committed::Done { session: Some(_) } => used += 1,
                        Committed::SessionEnded(_) => break used - 1,
                        other => panic!("{other:?}"),
                    }
                }
            })
        });
        let users: Vec<_> = users.collect();
        tokio::task::yield_now().await;
        assert!(stores[0].end(&tenant("acme"), &id(&session), Initiator::RpLogout, at(2)).await.unwrap());
        assert!(matches!(stores[1].commit_login(login(&session, at(1))).await.unwrap(), Committed::SessionEnded(_)));
        for user in users {
            user.await.unwrap();
        }
        assert_eq!(find(&*stores[0], &session, at(1)).await, None);
    }
}
