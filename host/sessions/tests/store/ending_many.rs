//! More sessions of a user than end in one transaction: one mark ends them, and their ends are
//! written behind it.

use std::collections::BTreeSet;

use vestibule_model::{Metadata, Timestamp};
use vestibule_sessions::{
    Committed, Ended, EndedAll, EndsWritten, Initiator, KnownSession, LogKind, LogPosition, Retention, Store,
};

use crate::parts::database::Database;
use crate::parts::logins::*;
use crate::parts::logouts::*;

on_both! {
    marked_sessions_are_alive_for_no_reader,
    a_session_created_after_a_mark_is_alive_until_the_next,
    ends_of_a_mark_are_written_once_with_what_they_owe,
    tenants_take_turns_while_ends_are_written,
    a_session_that_expired_before_a_mark_has_expired,
    a_mark_is_forgotten_with_the_ended_sessions,
    sessions_of_many_clients_are_marked_and_end_in_slices,
}

const SESSIONS: usize = 12;

fn session_of(number: usize) -> String {
    format!("s{number}")
}

async fn log_in_all(store: &dyn Store, of_tenant: &str) {
    for number in 0..SESSIONS {
        commit(store, uses(of_tenant, &session_of(number), "anna", at(1))).await;
    }
}

/// Ends all sessions of `anna`, of which there are more than are written at once.
async fn mark(store: &dyn Store, of_tenant: &str, initiator: Initiator, now: Timestamp) {
    let marked = store.end_all_of(&tenant(of_tenant), &user("anna"), initiator, now, 1).await.unwrap();
    assert_eq!(marked, EndedAll::Marked);
}

/// Writes all ends, this many sessions at a time at most.
async fn write(store: &dyn Store, at_most: usize, now: Timestamp) -> Vec<EndsWritten> {
    let mut written = Vec::new();
    while let Some(slice) = store.write_ends(None, now, at_most).await.unwrap() {
        assert!(slice.sessions <= at_most as u64);
        written.push(slice);
    }
    written
}

async fn ended(store: &dyn Store, session: &str, now: Timestamp) -> Option<Ended> {
    match known(store, session, now).await {
        KnownSession::Ended(ended) => Some(ended),
        KnownSession::Alive(_) | KnownSession::Unknown => None,
    }
}

async fn marked_sessions_are_alive_for_no_reader(database: &Database) {
    let store = database.open().await;
    log_in_all(&*store, "acme").await;
    commit(&*store, uses("acme", "of-boris", "boris", at(1))).await;
    commit(&*store, uses("other", "s0", "anna", at(1))).await;
    mark(&*store, "acme", Initiator::AccountDeleted, at(5)).await;
    let (acme, anna) = (tenant("acme"), user("anna"));
    let other = database.open().await;
    // Before and after the ends are written, by this server and by another.
    for is_written in [false, true] {
        for number in 0..SESSIONS {
            let session = session_of(number);
            assert_eq!(find(&*other, &session, at(6)).await, None, "{session}");
            let expected = Ended { at: at(5), initiator: Initiator::AccountDeleted };
            assert_eq!(ended(&*other, &session, at(6)).await, Some(expected), "{session}");
            let refused = other.commit_login(login(&session, at(6))).await.unwrap();
            assert!(matches!(refused, Committed::SessionEnded(ended) if ended == expected), "{session}: {refused:?}");
            let replaced = other.replace_metadata(&acme, &id(&session), Metadata::default(), at(6)).await.unwrap();
            assert_eq!(replaced, None, "{session}");
            assert!(!other.end(&acme, &id(&session), Initiator::RpLogout, at(6)).await.unwrap(), "{session}");
        }
        let page = other.sessions_of(&acme, &anna, None, 100, at(6)).await.unwrap();
        assert!(page.sessions.is_empty() && page.next.is_none());
        let again = other.end_all_of(&acme, &anna, Initiator::RpLogout, at(6), 1).await.unwrap();
        assert_eq!(again, EndedAll::Written(0));
        assert!(find(&*other, "of-boris", at(6)).await.is_some());
        assert!(other.session(&tenant("other"), &id("s0"), at(6)).await.unwrap().is_some());
        if !is_written {
            let written = write(&*store, 5, at(7)).await;
            assert_eq!(written.iter().map(|slice| slice.sessions).collect::<Vec<_>>(), [5, 5, 2]);
        }
    }
}

async fn a_session_created_after_a_mark_is_alive_until_the_next(database: &Database) {
    let store = database.open().await;
    log_in_all(&*store, "acme").await;
    for round in 0..3_u64 {
        // The clock of this server stands still, or goes back.
        let now = at(5 - round);
        let new = [format!("new{round}a"), format!("new{round}b")];
        mark(&*store, "acme", Initiator::PasswordChanged, now).await;
        for session in &new {
            commit(&*store, login(session, now)).await;
        }
        if round == 1 {
            write(&*store, 100, now).await;
        }
        for session in &new {
            assert!(find(&*store, session, now).await.is_some(), "{session}");
        }
        let page = store.sessions_of(&tenant("acme"), &user("anna"), None, 100, now).await.unwrap();
        assert_eq!(page.sessions.iter().map(|session| session.id.as_str()).collect::<Vec<_>>(), new);
    }
    write(&*store, 100, at(9)).await;
    let alive = store.sessions_of(&tenant("acme"), &user("anna"), None, 100, at(9)).await.unwrap();
    assert_eq!(alive.sessions.len(), 2, "those after the last mark");
}

async fn ends_of_a_mark_are_written_once_with_what_they_owe(database: &Database) {
    let store = database.open().await;
    subscribe(&*store, "shop", &["https://shop.example/out", "https://shop.example/too"]).await;
    log_in_all(&*store, "acme").await;
    mark(&*store, "acme", Initiator::AccountDeleted, at(5)).await;
    assert!(all(&*store).await.is_empty());
    // A server has crashed; others find the mark.
    store.close().await;
    let servers = [database.open().await, database.open().await];
    let (one, two) = tokio::join!(write(&*servers[0], 3, at(7)), write(&*servers[1], 3, at(7)));
    let sessions: u64 = one.iter().chain(&two).map(|slice| slice.sessions).sum();
    assert_eq!(sessions, SESSIONS as u64);
    let deliveries = all(&*servers[0]).await;
    assert_eq!(deliveries.len(), 2 * SESSIONS);
    assert!(deliveries.iter().all(|delivery| delivery.initiator == Initiator::AccountDeleted && delivery.ended_at == at(5)));
    let told: BTreeSet<_> = deliveries.iter().map(|delivery| delivery.session.to_string()).collect();
    assert_eq!(told, (0..SESSIONS).map(session_of).collect());
    let log = servers[1].log_after(&tenant("acme"), LogPosition::default(), 100).await.unwrap();
    assert_eq!(log.iter().filter(|entry| entry.kind == LogKind::Logout).count(), SESSIONS);
}

async fn tenants_take_turns_while_ends_are_written(database: &Database) {
    let store = database.open().await;
    for of_tenant in ["acme", "globex"] {
        log_in_all(&*store, of_tenant).await;
        mark(&*store, of_tenant, Initiator::IdpLogout, at(5)).await;
    }
    let (mut turns, mut after) = (Vec::new(), None);
    for _ in 0..4 {
        let written = match store.write_ends(after.as_ref(), at(6), 1).await.unwrap() {
            Some(written) => written,
            None => store.write_ends(None, at(6), 1).await.unwrap().unwrap(),
        };
        turns.push(written.tenant.to_string());
        after = Some(written.tenant);
    }
    assert_eq!(turns, ["acme", "globex", "acme", "globex"]);
}

async fn a_session_that_expired_before_a_mark_has_expired(database: &Database) {
    let store = database.open().await;
    log_in_all(&*store, "acme").await;
    for (session, ends) in [("expired", 4), ("expires", 20)] {
        let mut login = login(session, at(1));
        login.session.as_mut().unwrap().expires_at = Some(at(ends));
        commit(&*store, login).await;
    }
    mark(&*store, "acme", Initiator::AccountDeleted, at(5)).await;
    let expired = Ended { at: at(4), initiator: Initiator::SessionExpired };
    let marked = Ended { at: at(5), initiator: Initiator::AccountDeleted };
    // Its time is over before its end is written: it has ended by the mark all the same.
    assert_eq!(store.sweep(at(30), keep_all(), 100).await.unwrap().expired, 1);
    for _ in 0..2 {
        assert_eq!(ended(&*store, "expired", at(30)).await, Some(expired));
        assert_eq!(ended(&*store, "expires", at(30)).await, Some(marked));
        write(&*store, 100, at(30)).await;
    }
}

async fn a_mark_is_forgotten_with_the_ended_sessions(database: &Database) {
    let store = database.open().await;
    log_in_all(&*store, "acme").await;
    mark(&*store, "acme", Initiator::AccountDeleted, at(5)).await;
    let late = at(1_000_000_000);
    let keep = Retention { ended_since: late, ..keep_all() };
    // As long as its ends aren't written it stays, however old it is.
    store.sweep(late, keep, 100).await.unwrap();
    assert_eq!(find(&*store, "s0", late).await, None);
    write(&*store, 100, late).await;
    store.sweep(late, keep_all(), 100).await.unwrap();
    let after = Retention { ended_since: at(2_000_000_000), ..keep_all() };
    let swept = store.sweep(at(2_000_000_000), after, 100).await.unwrap();
    assert_eq!(swept.forgotten, SESSIONS as u64);
    // The mark is gone with them: a session of the same name is a new one.
    commit(&*store, login("s0", at(2_000_000_000))).await;
    assert!(find(&*store, "s0", at(2_000_000_000)).await.is_some());
}

async fn sessions_of_many_clients_are_marked_and_end_in_slices(database: &Database) {
    let store = database.open().await;
    for number in 0..4 {
        let mut login = login(&session_of(number), at(1));
        let mut many = used("shop");
        many.clients = (0..200).map(|client| format!("client-{client}")).collect();
        login.session.as_mut().unwrap().change = vestibule_sessions::SessionChange::Use(Box::new(many));
        commit(&*store, login).await;
    }
    let marked = store.end_all_of(&tenant("acme"), &user("anna"), Initiator::RpLogout, at(5), 100).await.unwrap();
    assert_eq!(marked, EndedAll::Marked, "by what they may owe, and not by their number");
    let slices = write(&*store, 100, at(6)).await;
    assert_eq!(slices.iter().map(|slice| slice.sessions).collect::<Vec<_>>(), [1, 1, 1, 1]);
}
