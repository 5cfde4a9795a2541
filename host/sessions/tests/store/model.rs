//! Any history of logins, ends, sweeps and time, against a model that is a map in memory.

mod plain;

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed, TestRunner};
use serde_json::Value;
use vestibule_model::{Metadata, Timestamp};
use vestibule_sessions::{
    Committed, Ended, EndedAll, Initiator, KnownSession, LogEntry, LogKind, LoginCommit, MetadataChanges, Retention,
    SessionChange, SessionLogin, Store, UsedSession,
};

use self::plain::{AT_ONCE, Model, Outcome, Row, Step, session_of, step, tenant_of, user_of};
use crate::parts::database::Database;
use crate::parts::logins::*;

on_both! {
    any_history_ends_as_the_model_says,
}

/// A line of the log in the model's words.
fn text_of(entry: &LogEntry) -> String {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    match entry.kind {
        LogKind::Logout => format!("{} {}", text(&entry.body["session_id"]), text(&entry.body["details"]["initiator"])),
        _ => text(&entry.body["description"]),
    }
}

/// Writes the ends of all sessions that are marked.
async fn write_all_ends(store: &dyn Store, now: Timestamp) {
    while store.write_ends(None, now, 1).await.unwrap().is_some() {}
}

/// The same to a real store.
async fn take(store: &dyn Store, step: &Step, now: Timestamp, number: u64) -> Outcome {
    match step {
        Step::Wait { .. } => Outcome::Nothing,
        Step::Login { .. } => match store.commit_login(commit_of(step, now, number)).await.unwrap() {
            Committed::Done { session } => Outcome::Done(session.map(|session| session.revision)),
            Committed::Repeated { answer } => Outcome::Repeated(answer.to_string()),
            Committed::SessionEnded(ended) => Outcome::Ended(ended.at.as_millis() - at(0).as_millis(), ended.initiator),
            Committed::AnotherUser => Outcome::AnotherUser,
            Committed::TransactionMismatch => panic!("all transactions of this test are of one login"),
            Committed::Metadata(_) => Outcome::TooMany,
        },
        Step::Replace { tenant, session, entries } => {
            let mut metadata = Metadata::default();
            for entry in entries {
                metadata.set(format!("k{entry}").parse().unwrap(), "r").unwrap();
            }
            let replaced = store.replace_metadata(&tenant_of(*tenant), &session_of(*session), metadata, now).await.unwrap();
            Outcome::Done(replaced.map(|session| session.revision))
        }
        Step::End { tenant, session } => {
            Outcome::Found(store.end(&tenant_of(*tenant), &session_of(*session), Initiator::RpLogout, now).await.unwrap())
        }
        Step::EndAll { tenant, user } => {
            let (tenant, user) = (tenant_of(*tenant), user_of(*user));
            match store.end_all_of(&tenant, &user, Initiator::AccountDeleted, now, AT_ONCE).await.unwrap() {
                EndedAll::Written(sessions) => Outcome::Count(sessions),
                EndedAll::Marked => {
                    let alive = store.sessions_of(&tenant, &user, None, 10, now).await.unwrap();
                    assert!(alive.sessions.is_empty());
                    // The model has no moment between an end and its being written.
                    write_all_ends(store, now).await;
                    Outcome::Marked
                }
            }
        }
        Step::Sweep { keeps } => {
            let since = Timestamp::from_millis(now.as_millis() - keeps);
            let since = since.max(at(0));
            let keep = Retention { ended_since: since, transactions_since: since, log_since: since, deliveries_since: since };
            let swept = store.sweep(now, keep, 10_000).await.unwrap();
            assert!(!swept.is_more);
            Outcome::Swept(swept.expired, swept.forgotten)
        }
    }
}

fn commit_of(step: &Step, now: Timestamp, number: u64) -> LoginCommit {
    let Step::Login { tenant, session, user, client, kind, transaction: id, evicts, entries, expires_in, idle_in } = step else {
        panic!("it is a login");
    };
    let change = match kind {
        0 => SessionChange::End(Initiator::SessionRevoked),
        1 => SessionChange::Keep,
        _ => {
            SessionChange::Use(Box::new(UsedSession { metadata: metadata(&[("platform", "1")]), ..used(&format!("c{client}")) }))
        }
    };
    let later = |time: &Option<u64>| time.map(|time| Timestamp::from_millis(now.as_millis() + time));
    let entries = entries
        .iter()
        .map(|(entry, value)| (format!("k{entry}").parse().unwrap(), value.map(|value| value.to_string().as_str().into())))
        .collect();
    LoginCommit {
        tenant: tenant_of(*tenant),
        now,
        transaction: id.map(|id| answered(transaction(&format!("t{id}")), format!("answer {number}").as_str().into())),
        session: Some(SessionLogin {
            id: session_of(*session),
            user: user_of(*user),
            change,
            metadata: MetadataChanges { evicted: *evicts, entries },
            expires_at: later(expires_in),
            idle_expires_at: later(idle_in),
            cookie: None,
        }),
        log: vec![entry(&format!("login {number}"), now)],
    }
}

/// All that can be seen of the store is what the model has.
async fn compare(store: &dyn Store, model: &Model) {
    let now = at(model.now);
    for tenant in 0..2 {
        for session in 0..4 {
            let (tenant_id, session_id) = (tenant_of(tenant), session_of(session));
            let row = model.sessions.get(&(tenant, session));
            let before = store.before_login(&tenant_id, None, Some(&session_id), now).await.unwrap();
            let found = store.session(&tenant_id, &session_id, now).await.unwrap();
            match (row.map(|row| (row, row.end(model.now))), before.session) {
                (None, KnownSession::Unknown) => assert_eq!(found, None),
                (Some((_, Some((ended_at, initiator)))), KnownSession::Ended(ended)) => {
                    assert_eq!(ended, Ended { at: at(ended_at), initiator });
                    assert_eq!(found, None);
                }
                (Some((row, None)), KnownSession::Alive(alive)) => {
                    assert_eq!(found.as_ref(), Some(&*alive));
                    let entries: BTreeMap<_, _> =
                        alive.metadata.iter().map(|(key, value)| (key.as_str().to_owned(), value.to_owned())).collect();
                    let clients: Vec<_> = alive.clients.iter().map(|client| client.client_id.clone()).collect();
                    assert_eq!((&entries, &clients, alive.revision), (&row.entries, &row.clients, row.revision));
                    assert_eq!((alive.expires_at, alive.idle_expires_at), (row.expires.map(at), row.idle.map(at)));
                }
                (expected, found) => panic!("expected {expected:?}, found {found:?}"),
            }
        }
        for user in 0..2 {
            let page = store.sessions_of(&tenant_of(tenant), &user_of(user), None, 10, now).await.unwrap();
            let found: BTreeSet<_> = page.sessions.iter().map(|session| session.id.clone()).collect();
            let alive = |row: &Row| row.user == user && row.end(model.now).is_none();
            let expected: BTreeSet<_> = model
                .sessions
                .iter()
                .filter(|((of, _), row)| *of == tenant && alive(row))
                .map(|((_, session), _)| session_of(*session))
                .collect();
            assert_eq!(found, expected);
        }
        for id in 0..12 {
            let before = store.before_login(&tenant_of(tenant), Some(&transaction(&format!("t{id}"))), None, now).await.unwrap();
            let expected = model.transactions.get(&(tenant, id)).map(|(_, answer)| answer.as_str());
            assert_eq!(before.answer.as_ref().map(|kept| &*kept.json), expected);
        }
        let log = log_of(store, tenant_of(tenant).as_str()).await;
        // Lines of one moment may be numbered in any order.
        let mut found: Vec<_> = log.iter().map(text_of).collect();
        let mut expected: Vec<_> = model.log.iter().filter(|(of, ..)| *of == tenant).map(|(.., text)| text.clone()).collect();
        found.sort();
        expected.sort();
        assert_eq!(found, expected);
    }
}

async fn any_history_ends_as_the_model_says(database: &Database) {
    let is_long = std::env::var_os("VESTIBULE_LONG").is_some();
    let seed = if is_long { RngSeed::Random } else { RngSeed::Fixed(7) };
    let config = Config { cases: if is_long { 400 } else { 12 }, failure_persistence: None, rng_seed: seed, ..Config::default() };
    let store = database.open().await;
    let runtime = tokio::runtime::Handle::current();
    let histories = prop::collection::vec(step(), 1..80);
    tokio::task::block_in_place(|| {
        TestRunner::new(config)
            .run(&histories, |steps| {
                runtime.block_on(async {
                    database
                        .execute("DELETE FROM sessions; DELETE FROM user_ends; DELETE FROM transactions; DELETE FROM log")
                        .await;
                    let mut model = Model::default();
                    for step in &steps {
                        let number = model.logins;
                        let found = take(&*store, step, at(model.now), number).await;
                        let expected = model.take(step);
                        assert_eq!(found, expected, "{step:?}");
                    }
                    compare(&*store, &model).await;
                });
                Ok(())
            })
            .unwrap();
    });
}
