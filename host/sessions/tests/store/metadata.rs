//! What becomes of a session's metadata.

use vestibule_model::MetadataError;
use vestibule_sessions::{Committed, MetadataChanges, SessionChange};

use crate::parts::database::Database;
use crate::parts::logins::*;

on_both! {
    changes_merge_over_what_is_kept_now,
    entries_that_are_evicted_make_room,
    with_more_than_25_entries_nothing_changes,
    the_platforms_metadata_and_the_changes_are_25_entries_at_most,
    metadata_is_replaced_as_a_whole,
    metadata_of_a_session_that_is_not_there_is_not_replaced,
}

async fn changes_merge_over_what_is_kept_now(database: &Database) {
    let store = database.open().await;
    for (changed, expected) in [
        (changes(&[("a", Some("1")), ("b", Some("1"))]), vec![("a", "1"), ("b", "1")]),
        (changes(&[("b", Some("2")), ("c", Some("2"))]), vec![("a", "1"), ("b", "2"), ("c", "2")]),
        (changes(&[("a", None), ("never-there", None)]), vec![("b", "2"), ("c", "2")]),
        (changes(&[]), vec![("b", "2"), ("c", "2")]),
        (MetadataChanges { evicted: true, ..changes(&[("d", Some("3"))]) }, vec![("d", "3")]),
    ] {
        let mut login = login("s1", at(1));
        login.session.as_mut().unwrap().metadata = changed;
        let session = commit(&*store, login).await.unwrap();
        assert_eq!(entries(&session.metadata), expected);
        assert_eq!(entries(&find(&*store, "s1", at(2)).await.unwrap().metadata), expected);
    }
}

async fn entries_that_are_evicted_make_room(database: &Database) {
    let store = database.open().await;
    let full = |letter: &str| MetadataChanges { evicted: true, ..many(letter, 25) };
    for letter in ["a", "b"] {
        let mut login = login("s1", at(1));
        login.session.as_mut().unwrap().metadata = full(letter);
        assert_eq!(commit(&*store, login).await.unwrap().metadata.len(), 25);
    }
    let mut changed = changes(&[("b0", None), ("c", Some("1"))]);
    let mut login = login("s1", at(2));
    login.session.as_mut().unwrap().metadata = changed.clone();
    assert_eq!(commit(&*store, login.clone()).await.unwrap().metadata.len(), 25);
    changed.entries.insert("d".parse().unwrap(), Some("1".into()));
    login.session.as_mut().unwrap().metadata = changed;
    assert!(matches!(store.commit_login(login).await.unwrap(), Committed::Metadata(MetadataError::TooManyEntries(_))));
}

async fn with_more_than_25_entries_nothing_changes(database: &Database) {
    let store = database.open().await;
    let mut first = login("s1", at(1));
    first.session.as_mut().unwrap().metadata = many("a", 24);
    let before = commit(&*store, first).await;
    for change in [SessionChange::Use(Box::new(used("wiki"))), SessionChange::Keep] {
        let mut more = does("s1", change, at(2));
        more.session.as_mut().unwrap().metadata = many("b", 2);
        more.transaction = Some(answered(transaction("t1"), "answer".into()));
        more.log.push(entry("more", at(2)));
        let refused = store.commit_login(more).await.unwrap();
        assert!(matches!(refused, Committed::Metadata(MetadataError::TooManyEntries(_))), "{refused:?}");
    }
    assert_eq!(find(&*store, "s1", at(3)).await, before);
    assert!(log_of(&*store, "acme").await.is_empty());
    let known = store.before_login(&tenant("acme"), Some(&transaction("t1")), None, at(3)).await.unwrap();
    assert_eq!(known.answer, None);
}

async fn the_platforms_metadata_and_the_changes_are_25_entries_at_most(database: &Database) {
    let store = database.open().await;
    let mut used = used("shop");
    used.metadata = many("a", 20).over(&metadata(&[])).unwrap();
    let mut login = does("s1", SessionChange::Use(Box::new(used)), at(1));
    login.session.as_mut().unwrap().metadata = many("b", 6);
    assert!(matches!(store.commit_login(login.clone()).await.unwrap(), Committed::Metadata(_)));
    assert_eq!(find(&*store, "s1", at(2)).await, None);
    login.session.as_mut().unwrap().metadata = many("b", 5);
    assert_eq!(commit(&*store, login).await.unwrap().metadata.len(), 25);
}

async fn metadata_is_replaced_as_a_whole(database: &Database) {
    let store = database.open().await;
    let mut first = login("s1", at(1));
    first.session.as_mut().unwrap().metadata = changes(&[("a", Some("1")), ("b", Some("1"))]);
    let before = commit(&*store, first).await.unwrap();
    let replaced = store.replace_metadata(&tenant("acme"), &id("s1"), metadata(&[("b", "2"), ("c", "2")]), at(5)).await.unwrap();
    let expected =
        vestibule_sessions::Session { metadata: metadata(&[("b", "2"), ("c", "2")]), updated_at: at(5), revision: 2, ..before };
    assert_eq!(replaced.as_ref(), Some(&expected));
    assert_eq!(find(&*store, "s1", at(6)).await, Some(expected));
    let cleared = store.replace_metadata(&tenant("acme"), &id("s1"), metadata(&[]), at(7)).await.unwrap().unwrap();
    assert!(cleared.metadata.is_empty());
}

async fn metadata_of_a_session_that_is_not_there_is_not_replaced(database: &Database) {
    let store = database.open().await;
    let mut ends = login("s1", at(1));
    ends.session.as_mut().unwrap().expires_at = Some(at(10));
    commit(&*store, ends).await;
    for (session, now) in [("s1", at(10)), ("s2", at(2))] {
        assert_eq!(store.replace_metadata(&tenant("acme"), &id(session), metadata(&[("a", "1")]), now).await.unwrap(), None);
    }
    assert!(find(&*store, "s1", at(9)).await.unwrap().metadata.is_empty());
}

/// So many entries, whose keys begin with this letter.
fn many(letter: &str, count: usize) -> MetadataChanges {
    let keys: Vec<String> = (0..count).map(|number| format!("{letter}{number}")).collect();
    changes(&keys.iter().map(|key| (key.as_str(), Some("1"))).collect::<Vec<_>>())
}
