//! Any history of logins, ends, sweeps and time, against a model that is a map in memory.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed, TestRunner};
use serde_json::Value;
use vestibule_model::{Metadata, SessionId, TenantId, Timestamp, UserId};
use vestibule_sessions::{
    Committed, Ended, Initiator, KnownSession, LogEntry, LogKind, LoginCommit, MetadataChanges, Retention, SessionChange,
    SessionLogin, Store, UsedSession,
};

use crate::parts::database::Database;
use crate::parts::logins::*;

on_both! {
    any_history_ends_as_the_model_says,
}

/// One thing that happens. Small numbers are names: there are few of each, so that they meet.
#[derive(Clone, Debug)]
enum Step {
    Login {
        tenant: u8,
        session: u8,
        user: u8,
        client: u8,
        kind: u8,
        transaction: Option<u8>,
        evicts: bool,
        entries: Vec<(u8, Option<u8>)>,
        expires_in: Option<u64>,
        idle_in: Option<u64>,
    },
    Replace {
        tenant: u8,
        session: u8,
        entries: Vec<u8>,
    },
    End {
        tenant: u8,
        session: u8,
    },
    EndAll {
        tenant: u8,
        user: u8,
    },
    Sweep {
        keeps: u64,
    },
    Wait {
        milliseconds: u64,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let time = || prop::option::of(1_u64..60);
    let entries = prop::collection::vec((0_u8..30, prop::option::weighted(0.8, 0_u8..4)), 0..9);
    let names = (0_u8..2, 0_u8..4, prop::sample::select(vec![0_u8, 0, 0, 1]), 0_u8..3, 0_u8..8, prop::option::of(0_u8..12));
    let login = (names, prop::bool::weighted(0.1), entries, time(), time()).prop_map(
        |((tenant, session, user, client, kind, transaction), evicts, entries, expires_in, idle_in)| Step::Login {
            tenant,
            session,
            user,
            client,
            kind,
            transaction,
            evicts,
            entries,
            expires_in,
            idle_in,
        },
    );
    prop_oneof![
        10 => login,
        1 => (0_u8..2, 0_u8..4, prop::collection::vec(0_u8..30, 0..25))
            .prop_map(|(tenant, session, entries)| Step::Replace { tenant, session, entries }),
        1 => (0_u8..2, 0_u8..4).prop_map(|(tenant, session)| Step::End { tenant, session }),
        1 => (0_u8..2, 0_u8..2).prop_map(|(tenant, user)| Step::EndAll { tenant, user }),
        2 => (0_u64..80).prop_map(|keeps| Step::Sweep { keeps }),
        4 => (0_u64..30).prop_map(|milliseconds| Step::Wait { milliseconds }),
    ]
}

/// What is kept, in the plainest way.
#[derive(Debug, Default)]
struct Model {
    now: u64,
    sessions: BTreeMap<(u8, u8), Row>,
    transactions: BTreeMap<(u8, u8), (u64, String)>,
    log: Vec<(u8, u64, String)>,
    logins: u64,
}

#[derive(Clone, Debug)]
struct Row {
    user: u8,
    entries: BTreeMap<String, String>,
    clients: Vec<String>,
    expires: Option<u64>,
    idle: Option<u64>,
    revision: u64,
    ended: Option<(u64, Initiator)>,
}

impl Row {
    fn end(&self, now: u64) -> Option<(u64, Initiator)> {
        let over = [self.expires, self.idle].into_iter().flatten().min().filter(|at| *at <= now);
        self.ended.or(over.map(|at| (at, Initiator::SessionExpired)))
    }
}

#[derive(Debug, PartialEq)]
enum Outcome {
    Done(Option<u64>),
    Repeated(String),
    Ended(u64, Initiator),
    AnotherUser,
    TooMany,
    Found(bool),
    Count(u64),
    Swept(u64, u64),
    Nothing,
}

impl Model {
    fn take(&mut self, step: &Step) -> Outcome {
        let now = self.now;
        match step {
            Step::Wait { milliseconds } => {
                self.now += milliseconds;
                Outcome::Nothing
            }
            Step::Login { .. } => self.login(step),
            Step::Replace { tenant, session, entries } => match self.sessions.get_mut(&(*tenant, *session)) {
                Some(row) if row.end(now).is_none() => {
                    row.entries = entries.iter().map(|entry| (format!("k{entry}"), "r".to_owned())).collect();
                    row.revision += 1;
                    Outcome::Done(Some(row.revision))
                }
                _ => Outcome::Done(None),
            },
            Step::End { tenant, session } => {
                let found = self.sessions.get_mut(&(*tenant, *session)).filter(|row| row.end(now).is_none());
                let is_there = found.is_some();
                if let Some(row) = found {
                    row.ended = Some((now, Initiator::RpLogout));
                    self.log.push((*tenant, now, end_of(*session, Initiator::RpLogout)));
                }
                Outcome::Found(is_there)
            }
            Step::EndAll { tenant, user } => {
                let mut count = 0;
                for ((of, session), row) in &mut self.sessions {
                    if of == tenant && row.user == *user && row.end(now).is_none() {
                        row.ended = Some((now, Initiator::AccountDeleted));
                        self.log.push((*tenant, now, end_of(*session, Initiator::AccountDeleted)));
                        count += 1;
                    }
                }
                Outcome::Count(count)
            }
            Step::Sweep { keeps } => {
                let mut expired = 0;
                for ((tenant, session), row) in &mut self.sessions {
                    if let (None, Some((at, initiator))) = (row.ended, row.end(now)) {
                        row.ended = Some((at, initiator));
                        self.log.push((*tenant, at, end_of(*session, initiator)));
                        expired += 1;
                    }
                }
                let since = now.saturating_sub(*keeps);
                let before = self.sessions.len() + self.transactions.len() + self.log.len();
                self.sessions.retain(|_, row| row.ended.is_none_or(|(at, _)| at >= since));
                self.transactions.retain(|_, (at, _)| *at >= since);
                self.log.retain(|(_, at, _)| *at >= since);
                let after = self.sessions.len() + self.transactions.len() + self.log.len();
                Outcome::Swept(expired, (before - after) as u64)
            }
        }
    }

    fn login(&mut self, step: &Step) -> Outcome {
        let Step::Login { tenant, session, user, client, kind, transaction, evicts, entries, expires_in, idle_in } = step else {
            return Outcome::Nothing;
        };
        let (now, key) = (self.now, (*tenant, *session));
        let number = self.logins;
        self.logins += 1;
        if let Some((_, answer)) = transaction.and_then(|id| self.transactions.get(&(*tenant, id))) {
            return Outcome::Repeated(answer.clone());
        }
        let kept = self.sessions.get(&key).cloned();
        if let Some(row) = &kept {
            if row.user != *user {
                return Outcome::AnotherUser;
            }
            if let Some((at, initiator)) = row.end(now) {
                return Outcome::Ended(at, initiator);
            }
        }
        let mut row = kept.clone().unwrap_or_else(|| Row {
            user: *user,
            entries: BTreeMap::from([("platform".to_owned(), "1".to_owned())]),
            clients: Vec::new(),
            expires: None,
            idle: None,
            revision: 0,
            ended: None,
        });
        match (kind, &kept) {
            (0 | 1, None) => {}
            (0, Some(_)) => {
                row.ended = Some((now, Initiator::SessionRevoked));
                self.log.push((*tenant, now, end_of(*session, Initiator::SessionRevoked)));
                self.sessions.insert(key, row.clone());
            }
            _ => {
                if *evicts {
                    row.entries.clear();
                }
                // Of one key, the last change of a login counts.
                let changed: BTreeMap<_, _> = entries.iter().copied().collect();
                for (entry, value) in changed {
                    match value {
                        Some(value) => row.entries.insert(format!("k{entry}"), format!("{value}")),
                        None => row.entries.remove(&format!("k{entry}")),
                    };
                }
                if row.entries.len() > 25 {
                    return Outcome::TooMany;
                }
                row.expires = [row.expires, expires_in.map(|time| now + time)].into_iter().flatten().min();
                row.idle = idle_in.map(|time| now + time).or(row.idle);
                let is_changed = *kind != 1 || *evicts || !entries.is_empty() || expires_in.is_some() || idle_in.is_some();
                row.revision += u64::from(is_changed);
                if *kind != 1 && !row.clients.contains(&format!("c{client}")) {
                    row.clients.push(format!("c{client}"));
                }
                self.sessions.insert(key, row.clone());
            }
        }
        if let Some(id) = transaction {
            self.transactions.insert((*tenant, *id), (now, format!("answer {number}")));
        }
        self.log.push((*tenant, now, format!("login {number}")));
        let is_alive = self.sessions.get(&key).is_some_and(|row| row.end(now).is_none());
        Outcome::Done(is_alive.then_some(row.revision))
    }
}

/// The line of the log that an end writes.
fn end_of(session: u8, initiator: Initiator) -> String {
    format!("{} {initiator}", session_of(session))
}

/// A line of the log in the model's words.
fn text_of(entry: &LogEntry) -> String {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    match entry.kind {
        LogKind::Logout => format!("{} {}", text(&entry.body["session_id"]), text(&entry.body["details"]["initiator"])),
        _ => text(&entry.body["description"]),
    }
}

fn tenant_of(number: u8) -> TenantId {
    tenant(&format!("tenant{number}"))
}

fn user_of(number: u8) -> UserId {
    user(&format!("user{number}"))
}

fn session_of(number: u8) -> SessionId {
    id(&format!("session{number}"))
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
            Outcome::Count(store.end_all_of(&tenant_of(*tenant), &user_of(*user), Initiator::AccountDeleted, now).await.unwrap())
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
        transaction: id.map(|id| (transaction(&format!("t{id}")), format!("answer {number}").as_str().into())),
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
            assert_eq!(before.answer.as_deref(), expected);
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
                    database.execute("DELETE FROM sessions; DELETE FROM transactions; DELETE FROM log").await;
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
