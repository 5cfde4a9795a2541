//! Opening a database: its schema, and the other processes that open it.

use std::sync::Arc;

use tokio::task::JoinSet;
use vestibule_sessions::StoreError;

use crate::parts::database::Database;
use crate::parts::logins::*;

on_both! {
    a_database_is_migrated_once_when_many_open_it_at_once,
    a_schema_of_a_newer_program_is_refused,
    a_migration_that_was_another_is_refused,
    what_was_written_is_there_after_it_was_opened_again_and_again,
}

async fn a_database_is_migrated_once_when_many_open_it_at_once(database: &Database) {
    let mut opened = Vec::new();
    let opening = async {
        let all: [_; 6] = std::array::from_fn(|_| Box::pin(database.try_open()));
        let [a, b, c, d, e, f] = all;
        let all = tokio::join!(a, b, c, d, e, f);
        opened.extend([all.0, all.1, all.2, all.3, all.4, all.5].map(Result::unwrap));
    };
    opening.await;
    let mut callers = JoinSet::new();
    for (number, store) in opened.into_iter().enumerate() {
        callers.spawn(async move { commit(&*store, login(&format!("s{number}"), at(1))).await.is_some() });
    }
    while let Some(done) = callers.join_next().await {
        assert!(done.unwrap());
    }
}

async fn a_schema_of_a_newer_program_is_refused(database: &Database) {
    database.open().await.close().await;
    let newer =
        "INSERT INTO vestibule_migrations (number, name, checksum, applied_at) VALUES (99, 'newer', 'x', '2030-01-01T00:00:00Z')";
    database.execute(newer).await;
    let error = database.try_open().await.expect_err("it is newer");
    assert!(matches!(error, StoreError::NewerSchema { found: 99, known: 4, .. }), "{error}");
}

/// The migrator asks for its locks again and again, a second each: what comes behind it in the
/// table's queue waits no longer than that.
#[tokio::test(flavor = "multi_thread")]
async fn a_migration_waits_for_a_long_lock_of_another() {
    const HELD: &str = "SELECT FROM pg_locks WHERE relation = 'sessions'::regclass AND mode = 'AccessExclusiveLock' AND granted";
    let database = Arc::new(Database::postgres().await);
    database.open().await.close().await;
    database.forget_bytes().await;
    let holder = Arc::clone(&database);
    let holding = tokio::spawn(async move {
        let hold = "BEGIN; LOCK TABLE sessions IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(3); COMMIT";
        holder.execute(hold).await;
    });
    let wait = format!("DO $$ BEGIN WHILE NOT EXISTS ({HELD}) LOOP PERFORM pg_sleep(0.01); END LOOP; END $$");
    database.execute(&wait).await;
    let store = database.try_open().await.expect("it is migrated when the lock is free");
    holding.await.unwrap();
    assert_eq!(commit(&*store, login("s1", at(1))).await.unwrap().revision, 1);
    database.execute("DO $$ BEGIN IF NOT EXISTS (SELECT FROM byte_changes) THEN RAISE 'nothing counts'; END IF; END $$").await;
    store.close().await;
}

async fn a_migration_that_was_another_is_refused(database: &Database) {
    database.open().await.close().await;
    database.execute("UPDATE vestibule_migrations SET checksum = 'x' WHERE number = 1").await;
    let error = database.try_open().await.expect_err("it was another");
    assert!(matches!(error, StoreError::OtherMigration { number: 1, .. }), "{error}");
}

async fn what_was_written_is_there_after_it_was_opened_again_and_again(database: &Database) {
    for round in 1..=4 {
        let store = database.open().await;
        assert_eq!(commit(&*store, login("s1", at(round))).await.unwrap().revision, round);
        store.check().await.unwrap();
        store.close().await;
        assert!(store.session(&tenant("acme"), &id("s1"), at(9)).await.is_err(), "a store that was closed answers no more");
    }
}
