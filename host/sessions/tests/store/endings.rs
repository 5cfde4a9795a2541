//! How sessions end, and what is left of them.

use vestibule_model::Timestamp;
use vestibule_sessions::{Committed, EndedAll, Initiator, KnownSession, SessionChange, SessionCursor, Store};

use crate::parts::database::Database;
use crate::parts::logins::*;

on_both! {
    a_session_ends_once,
    a_login_can_end_its_session,
    a_session_that_has_ended_takes_no_login,
    a_session_ends_at_the_very_moment_of_its_time,
    all_sessions_of_a_user_end_together,
    a_users_sessions_come_in_pages,
    every_initiator_is_kept,
}

async fn ended(store: &dyn Store, session: &str, now: Timestamp) -> Option<(Timestamp, Initiator)> {
    match known(store, session, now).await {
        KnownSession::Ended(ended) => Some((ended.at, ended.initiator)),
        KnownSession::Alive(_) | KnownSession::Unknown => None,
    }
}

async fn a_session_ends_once(database: &Database) {
    let store = database.open().await;
    commit(&*store, login("s1", at(1))).await;
    let acme = tenant("acme");
    assert!(store.end(&acme, &id("s1"), Initiator::PasswordChanged, at(5)).await.unwrap());
    assert!(!store.end(&acme, &id("s1"), Initiator::RpLogout, at(6)).await.unwrap());
    assert!(!store.end(&acme, &id("s2"), Initiator::RpLogout, at(6)).await.unwrap());
    assert_eq!(find(&*store, "s1", at(7)).await, None);
    // Also for somebody whose clock is behind.
    assert_eq!(ended(&*store, "s1", at(2)).await, Some((at(5), Initiator::PasswordChanged)));
}

async fn a_login_can_end_its_session(database: &Database) {
    let store = database.open().await;
    commit(&*store, login("s1", at(1))).await;
    let mut ends = does("s1", SessionChange::End(Initiator::SessionRevoked), at(5));
    ends.log.push(entry("revoked", at(5)));
    assert_eq!(commit(&*store, ends).await, None);
    assert_eq!(ended(&*store, "s1", at(6)).await, Some((at(5), Initiator::SessionRevoked)));
    assert_eq!(described(&log_of(&*store, "acme").await), ["revoked"]);
}

async fn a_session_that_has_ended_takes_no_login(database: &Database) {
    let store = database.open().await;
    let mut expires = login("expires", at(1));
    expires.session.as_mut().unwrap().expires_at = Some(at(5));
    commit(&*store, expires).await;
    commit(&*store, login("is-ended", at(1))).await;
    store.end(&tenant("acme"), &id("is-ended"), Initiator::RpLogout, at(5)).await.unwrap();
    let all = [SessionChange::Use(Box::new(used("wiki"))), SessionChange::Keep, SessionChange::End(Initiator::SessionRevoked)];
    for (session, initiator) in [("expires", Initiator::SessionExpired), ("is-ended", Initiator::RpLogout)] {
        for change in &all {
            let mut login = does(session, change.clone(), at(6));
            login.transaction = Some(answered(transaction("t1"), "answer".into()));
            login.log.push(entry("too late", at(6)));
            let refused = store.commit_login(login).await.unwrap();
            let Committed::SessionEnded(ended) = refused else { panic!("{session} has ended: {refused:?}") };
            assert_eq!((ended.at, ended.initiator), (at(5), initiator));
        }
    }
    assert!(described(&log_of(&*store, "acme").await).is_empty());
    let before = store.before_login(&tenant("acme"), Some(&transaction("t1")), None, at(7)).await.unwrap();
    assert_eq!(before.answer, None);
}

async fn a_session_ends_at_the_very_moment_of_its_time(database: &Database) {
    let store = database.open().await;
    for (session, expires_at, idle_expires_at) in [
        ("s1", Some(at(10)), None),
        ("s2", None, Some(at(10))),
        ("s3", Some(at(10)), Some(at(20))),
        ("s4", Some(at(20)), Some(at(10))),
    ] {
        let mut login = login(session, at(1));
        let wanted = login.session.as_mut().unwrap();
        (wanted.expires_at, wanted.idle_expires_at) = (expires_at, idle_expires_at);
        commit(&*store, login).await;
        assert!(find(&*store, session, at(9)).await.is_some(), "{session}");
        assert_eq!(find(&*store, session, at(10)).await, None, "{session}");
        assert_eq!(ended(&*store, session, at(9)).await, None);
        assert_eq!(ended(&*store, session, at(10)).await, Some((at(10), Initiator::SessionExpired)));
        assert!(!store.end(&tenant("acme"), &id(session), Initiator::RpLogout, at(10)).await.unwrap());
    }
    let (acme, anna) = (tenant("acme"), user("anna"));
    let page = |now| store.sessions_of(&acme, &anna, None, 10, now);
    assert_eq!(page(at(9)).await.unwrap().sessions.len(), 4);
    assert_eq!(page(at(10)).await.unwrap().sessions.len(), 0);
    let ended = store.end_all_of(&tenant("acme"), &anna, Initiator::RpLogout, at(10), 100).await.unwrap();
    assert_eq!(ended, EndedAll::Written(0));
}

async fn all_sessions_of_a_user_end_together(database: &Database) {
    let store = database.open().await;
    for session in ["s1", "s2", "s3"] {
        commit(&*store, login(session, at(1))).await;
    }
    commit(&*store, uses("acme", "s4", "boris", at(1))).await;
    commit(&*store, uses("other", "s5", "anna", at(1))).await;
    store.end(&tenant("acme"), &id("s3"), Initiator::RpLogout, at(2)).await.unwrap();
    let end = |now| {
        let store = store.clone();
        async move { store.end_all_of(&tenant("acme"), &user("anna"), Initiator::AccountDeleted, now, 100).await.unwrap() }
    };
    assert_eq!(end(at(5)).await, EndedAll::Written(2));
    assert_eq!(end(at(6)).await, EndedAll::Written(0));
    assert_eq!(ended(&*store, "s1", at(7)).await, Some((at(5), Initiator::AccountDeleted)));
    assert_eq!(ended(&*store, "s3", at(7)).await, Some((at(2), Initiator::RpLogout)));
    assert!(find(&*store, "s4", at(7)).await.is_some());
    assert!(store.session(&tenant("other"), &id("s5"), at(7)).await.unwrap().is_some());
}

async fn a_users_sessions_come_in_pages(database: &Database) {
    let store = database.open().await;
    let mut names: Vec<String> =
        (0..7).map(|number| format!("s{number}")).chain(["S".into(), "a".into(), "é".into(), "_".into()]).collect();
    for name in &names {
        commit(&*store, login(name, at(1))).await;
    }
    commit(&*store, uses("acme", "of-boris", "boris", at(1))).await;
    commit(&*store, login("s3-has-ended", at(1))).await;
    store.end(&tenant("acme"), &id("s3-has-ended"), Initiator::RpLogout, at(2)).await.unwrap();
    names.sort();
    for take in 1..=12 {
        let mut found = Vec::new();
        let mut after: Option<SessionCursor> = None;
        loop {
            let page = store.sessions_of(&tenant("acme"), &user("anna"), after.as_ref(), take, at(5)).await.unwrap();
            assert!(page.sessions.len() <= take);
            found.extend(page.sessions.into_iter().map(|session| session.id.as_str().to_owned()));
            match page.next {
                Some(next) => {
                    assert_eq!(Some(next.0.as_str()), found.last().map(String::as_str));
                    after = Some(next);
                }
                None => break,
            }
        }
        assert_eq!(found, names, "in pages of {take}");
    }
    let nobody = store.sessions_of(&tenant("acme"), &user("nobody"), None, 10, at(5)).await.unwrap();
    assert!(nobody.sessions.is_empty() && nobody.next.is_none());
}

async fn every_initiator_is_kept(database: &Database) {
    let store = database.open().await;
    for (number, initiator) in Initiator::ALL.into_iter().enumerate() {
        let session = format!("s{number}");
        commit(&*store, login(&session, at(1))).await;
        store.end(&tenant("acme"), &id(&session), initiator, at(2)).await.unwrap();
        assert_eq!(ended(&*store, &session, at(3)).await, Some((at(2), initiator)));
    }
}
