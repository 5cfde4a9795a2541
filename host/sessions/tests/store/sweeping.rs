//! What a sweep ends and forgets.

use vestibule_sessions::{Committed, Initiator, KnownSession, LogKind, Retention};

use crate::parts::database::Database;
use crate::parts::logins::*;

on_all! {
    sessions_whose_time_is_over_end_at_that_time,
    the_log_tells_of_an_end_that_is_found_long_after,
    what_is_old_is_forgotten_and_what_is_not_is_kept,
    a_sweep_does_so_much_at_once,
    a_sweep_forgets_so_many_bytes_at_once,
    two_sweeps_at_once_do_everything_once,
    a_session_that_was_used_again_is_not_swept,
}

async fn sessions_whose_time_is_over_end_at_that_time(database: &Database) {
    let store = database.open().await;
    for (session, ends) in [("s1", 10), ("s2", 20), ("s3", 30)] {
        let mut login = login(session, at(1));
        login.session.as_mut().unwrap().idle_expires_at = Some(at(ends));
        commit(&*store, login).await;
    }
    commit(&*store, login("s4", at(1))).await;
    let swept = store.sweep(at(20), keep_all(), 100).await.unwrap();
    assert_eq!((swept.expired, swept.forgotten, swept.is_more), (2, 0, false));
    let again = store.sweep(at(20), keep_all(), 100).await.unwrap();
    assert_eq!((again.expired, again.forgotten, again.is_more), (0, 0, false));
    for (session, ends) in [("s1", 10), ("s2", 20)] {
        // Also for somebody whose clock is behind.
        let KnownSession::Ended(ended) = known(&*store, session, at(5)).await else { panic!("{session} has ended") };
        assert_eq!((ended.at, ended.initiator), (at(ends), Initiator::SessionExpired));
    }
    assert!(find(&*store, "s3", at(20)).await.is_some());
    assert!(find(&*store, "s4", at(20)).await.is_some());
}

async fn the_log_tells_of_an_end_that_is_found_long_after(database: &Database) {
    let store = database.open().await;
    let mut login = login("s1", at(1));
    login.session.as_mut().unwrap().idle_expires_at = Some(at(10));
    commit(&*store, login).await;
    // No server has run for longer than the log is kept.
    let keep = Retention { log_since: at(500), ..keep_all() };
    for _ in 0..2 {
        store.sweep(at(1_000), keep, 100).await.unwrap();
    }
    let log = log_of(&*store, "acme").await;
    assert_eq!((log.len(), log[0].kind, log[0].date), (1, LogKind::Logout, at(1_000)));
    assert_eq!(log[0].body["details"]["ended_at"], at(10).to_string());
}

async fn what_is_old_is_forgotten_and_what_is_not_is_kept(database: &Database) {
    let store = database.open().await;
    for time in [10, 20] {
        let session = format!("s{time}");
        let mut login = login(&session, at(time));
        login.transaction = Some(answered(transaction(&format!("t{time}")), "answer".into()));
        login.log.push(entry(&format!("e{time}"), at(time)));
        commit(&*store, login).await;
        store.end(&tenant("acme"), &id(&session), Initiator::RpLogout, at(time)).await.unwrap();
    }
    commit(&*store, login("alive", at(1))).await;
    let all = Retention { ended_since: at(10), transactions_since: at(10), log_since: at(10), deliveries_since: at(10) };
    assert_eq!(store.sweep(at(100), all, 100).await.unwrap().forgotten, 0);
    for (keep, forgotten, left) in [
        (Retention { ended_since: at(11), ..all }, 1, [false, true, true]),
        (Retention { transactions_since: at(20), ..all }, 1, [false, false, true]),
        // The login's line, and the line of its session's end.
        (Retention { log_since: at(15), ..all }, 2, [false, false, false]),
    ] {
        assert_eq!(store.sweep(at(100), keep, 100).await.unwrap().forgotten, forgotten);
        let before = store.before_login(&tenant("acme"), Some(&transaction("t10")), Some(&id("s10")), at(100)).await.unwrap();
        let is_ended = matches!(before.session, KnownSession::Ended(_));
        let log = log_of(&*store, "acme").await;
        assert_eq!([is_ended, before.answer.is_some(), described(&log).contains(&"e10")], left);
        assert!(described(&log).contains(&"e20"));
        assert!(matches!(known(&*store, "s20", at(100)).await, KnownSession::Ended(_)));
        assert!(find(&*store, "alive", at(100)).await.is_some());
    }
    let known = store.before_login(&tenant("acme"), Some(&transaction("t20")), None, at(100)).await.unwrap();
    assert_eq!(known.answer.as_ref().map(|kept| &*kept.json), Some("answer"));
}

async fn a_sweep_does_so_much_at_once(database: &Database) {
    let store = database.open().await;
    for number in 0..7 {
        let mut login = login(&format!("s{number}"), at(1));
        login.session.as_mut().unwrap().expires_at = Some(at(10 + number));
        login.transaction = Some(answered(transaction(&format!("t{number}")), "answer".into()));
        login.log.push(entry("entry", at(1)));
        commit(&*store, login).await;
    }
    let keep = Retention { ended_since: at(100), transactions_since: at(100), log_since: at(100), deliveries_since: at(100) };
    let (mut expired, mut forgotten) = (0, 0);
    for calls in 1.. {
        let swept = store.sweep(at(50), keep, 3).await.unwrap();
        assert!(swept.expired <= 3 && swept.forgotten <= 9, "{swept:?}");
        expired += swept.expired;
        forgotten += swept.forgotten;
        if !swept.is_more {
            // The log has two lines of each: of its login, and of its end.
            assert_eq!(calls, 5);
            break;
        }
    }
    assert_eq!((expired, forgotten), (7, 28));
    assert!(matches!(known(&*store, "s0", at(50)).await, KnownSession::Unknown));
}

async fn a_sweep_forgets_so_many_bytes_at_once(database: &Database) {
    const ANSWER: usize = 192 << 10;
    let store = database.open().await;
    for number in 0..30 {
        let mut login = logs("acme", "entry", at(1));
        login.transaction = Some(answered(transaction(&format!("t{number}")), "a".repeat(ANSWER).as_str().into()));
        assert!(matches!(store.commit_login(login).await.unwrap(), Committed::Done { .. }));
    }
    let keep = Retention { transactions_since: at(100), ..keep_all() };
    let most = (4 << 20) / ANSWER as u64;
    let swept = store.sweep(at(100), keep, 500).await.unwrap();
    assert_eq!((swept.forgotten, swept.is_more), (most, true), "4 MiB");
    let swept = store.sweep(at(100), keep, 500).await.unwrap();
    assert_eq!((swept.forgotten, swept.is_more), (30 - most, false));
}

async fn two_sweeps_at_once_do_everything_once(database: &Database) {
    const SESSIONS: u64 = 60;
    let (store, other) = (database.open().await, database.open().await);
    for number in 0..SESSIONS {
        let mut login = login(&format!("s{number}"), at(1));
        login.session.as_mut().unwrap().expires_at = Some(at(10));
        login.transaction = Some(answered(transaction(&format!("t{number}")), "answer".into()));
        commit(&*store, login).await;
    }
    let keep = Retention { transactions_since: at(100), ..keep_all() };
    let sweeps = [store.clone(), other, store.clone()].map(|store| {
        tokio::spawn(async move {
            let (mut expired, mut forgotten) = (0, 0);
            // What another has in its hands may be missing from one call, and not from the next.
            for _ in 0..30 {
                let swept = store.sweep(at(50), keep, 5).await.unwrap();
                expired += swept.expired;
                forgotten += swept.forgotten;
            }
            (expired, forgotten)
        })
    });
    let mut all = (0, 0);
    for sweep in sweeps {
        let (expired, forgotten) = sweep.await.unwrap();
        all = (all.0 + expired, all.1 + forgotten);
    }
    assert_eq!(all, (SESSIONS, SESSIONS));
}

async fn a_session_that_was_used_again_is_not_swept(database: &Database) {
    let store = database.open().await;
    for idle in [10, 30] {
        let mut login = login("s1", at(1));
        login.session.as_mut().unwrap().idle_expires_at = Some(at(idle));
        assert!(matches!(store.commit_login(login).await.unwrap(), Committed::Done { session: Some(_) }));
    }
    assert_eq!(store.sweep(at(20), keep_all(), 100).await.unwrap().expired, 0);
    assert!(find(&*store, "s1", at(20)).await.is_some());
}
