//! No tenant sees or changes what is another's, though ids are the same.

use vestibule_sessions::{EndedAll, Initiator, KnownSession, LogPosition};

use crate::parts::database::Database;
use crate::parts::logins::*;

on_both! {
    no_tenant_sees_anothers_sessions_transactions_or_log,
    no_tenant_changes_what_is_anothers,
}

async fn no_tenant_sees_anothers_sessions_transactions_or_log(database: &Database) {
    let store = database.open().await;
    let mut login = login("s1", at(1));
    login.transaction = Some(answered(transaction("t1"), "acme's".into()));
    login.log.push(entry("acme's", at(1)));
    commit(&*store, login).await;
    let position = log_of(&*store, "acme").await[0].position;

    let other = tenant("other");
    let before = store.before_login(&other, Some(&transaction("t1")), Some(&id("s1")), at(2)).await.unwrap();
    assert!(before.answer.is_none() && matches!(before.session, KnownSession::Unknown), "{before:?}");
    assert_eq!(store.session(&other, &id("s1"), at(2)).await.unwrap(), None);
    assert!(store.sessions_of(&other, &user("anna"), None, 10, at(2)).await.unwrap().sessions.is_empty());
    assert!(store.log_after(&other, LogPosition::default(), 10).await.unwrap().is_empty());
    assert!(store.latest_log(&other, 0, 10).await.unwrap().is_empty());
    assert_eq!(store.log_entry(&other, position).await.unwrap(), None);
}

async fn no_tenant_changes_what_is_anothers(database: &Database) {
    let store = database.open().await;
    let before = commit(&*store, login("s1", at(1))).await;
    let other = tenant("other");
    assert!(!store.end(&other, &id("s1"), Initiator::RpLogout, at(2)).await.unwrap());
    assert_eq!(store.end_all_of(&other, &user("anna"), Initiator::RpLogout, at(2), 100).await.unwrap(), EndedAll::Written(0));
    assert_eq!(store.replace_metadata(&other, &id("s1"), metadata(&[("a", "1")]), at(2)).await.unwrap(), None);
    let mut same = uses("other", "s1", "boris", at(2));
    same.transaction = Some(answered(transaction("t1"), "other's".into()));
    assert_eq!(commit(&*store, same).await.unwrap().user, user("boris"));
    let mut ours = login("s1", at(1));
    ours.transaction = Some(answered(transaction("t1"), "acme's".into()));
    assert_eq!(commit(&*store, ours).await.map(|session| session.revision), Some(2));
    assert_eq!(find(&*store, "s1", at(3)).await.map(|session| session.user), before.map(|session| session.user));
}
