//! Any history of subscriptions, ends, attempts and time, against a model of the deliveries that is
//! a map in memory.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed, TestRunner};
use vestibule_sessions::{
    AttemptResult, Backlog, Claim, Claimed, ClientDeleted, DeliveryId, DeliveryState, Held, Initiator, LogoutInitiators,
    LogoutSettings, ReceiverShare, Retention, Store,
};

use crate::parts::database::Database;
use crate::parts::logins::*;
use crate::parts::logouts::*;

on_both! {
    any_history_of_deliveries_is_as_the_model_says,
}

const CLIENTS: [&str; 3] = ["shop", "wiki", "mail"];
/// Two receivers.
const URLS: [&str; 3] = ["https://a.example/1", "https://a.example/2", "https://b.example/1"];
const INITIATORS: [Initiator; 2] = [Initiator::RpLogout, Initiator::PasswordChanged];

/// One thing that happens. Small numbers are names: there are few of each, so that they meet.
#[derive(Clone, Debug)]
enum Step {
    Subscribe { client: usize, urls: u8, initiators: u8, metadata: bool },
    Delete { client: usize },
    Login { session: usize, client: usize },
    End { session: usize, initiator: usize },
    Claim { url: usize, at_most: usize, lease: u64 },
    Settle { which: usize, result: u8, wait: u64 },
    Release { which: usize },
    Retry { which: usize },
    Drop { which: usize },
    Sweep { keeps: u64 },
    Wait { milliseconds: u64 },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0..CLIENTS.len(), 0_u8..8, 0_u8..4, any::<bool>())
            .prop_map(|(client, urls, initiators, metadata)| Step::Subscribe { client, urls, initiators, metadata }),
        1 => (0..CLIENTS.len()).prop_map(|client| Step::Delete { client }),
        6 => (0_usize..4, 0..CLIENTS.len()).prop_map(|(session, client)| Step::Login { session, client }),
        4 => (0_usize..4, 0_usize..2).prop_map(|(session, initiator)| Step::End { session, initiator }),
        6 => (0..URLS.len(), 0_usize..5, 1_u64..40).prop_map(|(url, at_most, lease)| Step::Claim { url, at_most, lease }),
        6 => (0_usize..20, 0_u8..5, 0_u64..30).prop_map(|(which, result, wait)| Step::Settle { which, result, wait }),
        1 => (0_usize..20).prop_map(|which| Step::Release { which }),
        1 => (0_usize..20).prop_map(|which| Step::Retry { which }),
        1 => (0_usize..20).prop_map(|which| Step::Drop { which }),
        1 => (0_u64..60).prop_map(|keeps| Step::Sweep { keeps }),
        4 => (0_u64..30).prop_map(|milliseconds| Step::Wait { milliseconds }),
    ]
}

/// A session, a client and a URL: each is owed once.
type Target = (String, String, String);

/// What is kept, in the plainest way.
#[derive(Debug, Default)]
struct Model {
    now: u64,
    settings: BTreeMap<usize, LogoutSettings>,
    /// How often each session has ended: the next one is another.
    ends: BTreeMap<usize, usize>,
    sessions: BTreeMap<usize, BTreeSet<usize>>,
    deliveries: BTreeMap<Target, Row>,
    /// All that was ever claimed, whoever has it now.
    claimed: Vec<(Target, DeliveryId, Claim)>,
}

#[derive(Clone, Debug, PartialEq)]
struct Row {
    due: u64,
    attempts: u32,
    claim: Option<Claim>,
    state: DeliveryState,
    finished: Option<u64>,
    has_metadata: bool,
    written: u64,
}

impl Model {
    fn session(&self, number: usize) -> String {
        format!("s{number}-{}", self.ends.get(&number).copied().unwrap_or_default())
    }

    fn hears(&self, client: &str, url: &str) -> bool {
        let number = CLIENTS.iter().position(|name| *name == client).unwrap();
        self.settings.get(&number).is_some_and(|settings| settings.urls.iter().any(|wanted| wanted.as_str() == url))
    }

    /// Drops what is pending for whoever does not hear it any more.
    fn unsubscribe(&mut self, client: usize, before: &BTreeSet<String>) {
        let rows = std::mem::take(&mut self.deliveries);
        let is_lost = |(_, of, url): &Target, row: &Row| {
            of == CLIENTS[client] && row.state == DeliveryState::Pending && before.contains(url) && !self.hears(of, url)
        };
        self.deliveries = rows.into_iter().filter(|(target, row)| !is_lost(target, row)).collect();
    }

    fn urls(&self, client: usize) -> BTreeSet<String> {
        self.settings.get(&client).into_iter().flat_map(|settings| &settings.urls).map(ToString::to_string).collect()
    }

    fn end(&mut self, session: usize, initiator: Initiator) -> bool {
        let Some(clients) = self.sessions.remove(&session) else { return false };
        let name = self.session(session);
        for client in clients {
            let Some(settings) = self.settings.get(&client).filter(|settings| settings.initiators.contains(initiator)) else {
                continue;
            };
            for url in &settings.urls {
                let row = Row {
                    due: self.now,
                    attempts: 0,
                    claim: None,
                    state: DeliveryState::Pending,
                    finished: None,
                    has_metadata: settings.include_session_metadata,
                    written: self.now,
                };
                self.deliveries.insert((name.clone(), CLIENTS[client].to_owned(), url.to_string()), row);
            }
        }
        *self.ends.entry(session).or_default() += 1;
        true
    }

    /// Of rows that are due at the same moment any may be claimed; the rest follows from those that
    /// were.
    fn claim(&mut self, receiver: &str, at_most: usize, until: u64, claimed: &[Claimed], left: &BTreeSet<Target>) {
        let receiver_of = |target: &Target| url(&target.2).receiver().to_string();
        let is_due = |row: &Row| row.state == DeliveryState::Pending && row.due <= self.now;
        let due: BTreeMap<_, _> =
            self.deliveries.iter().filter(|(target, row)| receiver_of(target) == receiver && is_due(row)).collect();
        let taken: Vec<Target> = claimed.iter().map(target_of).collect();
        let lost: Vec<Target> = due.keys().filter(|target| !left.contains(**target)).map(|target| (*target).clone()).collect();
        assert_eq!(taken.len() + lost.len(), at_most.min(due.len()));
        assert!(lost.iter().all(|(_, client, url)| !self.hears(client, url)) && taken.iter().all(|(_, c, u)| self.hears(c, u)));
        let times: Vec<u64> = taken.iter().map(|target| due[target].due).collect();
        assert!(times.is_sorted());
        let last = taken.iter().chain(&lost).map(|target| due[target].due).max();
        let next =
            due.iter().filter(|(target, _)| !taken.contains(target) && !lost.contains(target)).map(|(_, row)| row.due).min();
        assert!(last.zip(next).is_none_or(|(last, next)| last <= next), "older ones come first");
        for target in &lost {
            self.deliveries.remove(target);
        }
        for (target, one) in taken.into_iter().zip(claimed) {
            let row = self.deliveries.get_mut(&target).unwrap();
            (row.due, row.claim, row.attempts) = (until, Some(one.claim), row.attempts + 1);
            assert_eq!(one.delivery.attempts, row.attempts);
            self.claimed.push((target, one.delivery.id, one.claim));
        }
    }

    fn settle(&mut self, target: &Target, claim: Claim, result: &AttemptResult) -> bool {
        let is_held = |row: &&mut Row| row.claim == Some(claim) && row.state == DeliveryState::Pending;
        let Some(row) = self.deliveries.get_mut(target).filter(is_held) else { return false };
        row.claim = None;
        match result {
            AttemptResult::Delivered => drop(self.deliveries.remove(target)),
            AttemptResult::Retry { due_at, .. } | AttemptResult::Postponed { due_at } => {
                row.due = due_at.as_millis() - at(0).as_millis()
            }
            AttemptResult::Refused { .. } => (row.state, row.finished) = (DeliveryState::Refused, Some(self.now)),
            AttemptResult::GivenUp { .. } => (row.state, row.finished) = (DeliveryState::GivenUp, Some(self.now)),
        }
        true
    }
}

fn target_of(claimed: &Claimed) -> Target {
    targets(std::slice::from_ref(&claimed.delivery)).remove(0)
}

/// What the store does and what the model does.
async fn take(store: &dyn Store, model: &mut Model, step: &Step) {
    let (acme, now) = (tenant("acme"), at(model.now));
    match step {
        Step::Wait { milliseconds } => model.now += milliseconds,
        Step::Subscribe { client: number, urls, initiators, metadata } => {
            let selected = INITIATORS.into_iter().enumerate().filter(|(bit, _)| initiators >> bit & 1 == 1);
            let settings = LogoutSettings {
                urls: URLS.iter().enumerate().filter(|(bit, _)| urls >> bit & 1 == 1).map(|(_, text)| url(text)).collect(),
                initiators: match initiators {
                    3 => LogoutInitiators::All,
                    _ => LogoutInitiators::Selected(selected.map(|(_, initiator)| initiator).collect()),
                },
                include_session_metadata: *metadata,
            };
            let before = model.urls(*number);
            match kept(store, CLIENTS[*number]).await {
                None => create(store, client(CLIENTS[*number], Some(settings.clone()))).await,
                Some(_) => set_logout(store, CLIENTS[*number], Some(settings.clone())).await,
            }
            model.settings.insert(*number, settings);
            model.unsubscribe(*number, &before);
        }
        Step::Delete { client } => {
            let before = model.urls(*client);
            let was_there = delete(store, CLIENTS[*client]).await == ClientDeleted::Deleted;
            assert_eq!(was_there, model.settings.remove(client).is_some());
            model.unsubscribe(*client, &before);
        }
        Step::Login { session, client } => {
            log_in_to(store, &model.session(*session), &[CLIENTS[*client]], now).await;
            model.sessions.entry(*session).or_default().insert(*client);
        }
        Step::End { session, initiator } => {
            let name = id(&model.session(*session));
            let was_there = store.end(&acme, &name, INITIATORS[*initiator], now).await.unwrap();
            assert_eq!(was_there, model.end(*session, INITIATORS[*initiator]));
        }
        Step::Claim { url: number, at_most, lease } => {
            let (receiver, until) = (url(URLS[*number]).receiver(), model.now + lease);
            let share = ReceiverShare { tenant: acme, receiver: receiver.clone(), at_most: *at_most };
            let claimed = store.claim_deliveries(&[share], now, at(until)).await.unwrap().claimed;
            let left = targets(&all(store).await).into_iter().collect();
            model.claim(receiver.as_str(), *at_most, until, &claimed, &left);
        }
        Step::Settle { which, result, wait } => {
            let Some((target, id, claim)) = pick(&model.claimed, *which) else { return };
            let error = "no".to_owned();
            let result = match result {
                0 => AttemptResult::Delivered,
                1 => AttemptResult::Retry { due_at: at(model.now + wait), error },
                2 => AttemptResult::Refused { error },
                3 => AttemptResult::Postponed { due_at: at(model.now + wait) },
                _ => AttemptResult::GivenUp { error },
            };
            let settled = vestibule_sessions::Settled { tenant: acme, id, claim, result: result.clone(), log: None };
            let was_held = store.settle_deliveries(vec![settled], now).await.unwrap();
            assert_eq!(was_held, [model.settle(&target, claim, &result)]);
        }
        Step::Release { which } => {
            let Some((target, id, claim)) = pick(&model.claimed, *which) else { return };
            store.release_deliveries(&[Held { tenant: &acme, id, claim }], now).await.unwrap();
            let now = model.now;
            if let Some(row) = model.deliveries.get_mut(&target).filter(|row| row.claim == Some(claim)) {
                (row.due, row.claim, row.attempts) = (now, None, row.attempts - 1);
            }
        }
        Step::Retry { which } => {
            let Some((target, id, _)) = pick(&model.claimed, *which) else { return };
            let was_there = store.retry_delivery(&acme, id, now).await.unwrap();
            let now = model.now;
            let row = model.deliveries.get_mut(&target);
            assert_eq!(was_there, row.is_some());
            if let Some(row) = row {
                *row = Row { due: now, attempts: 0, claim: None, state: DeliveryState::Pending, finished: None, ..row.clone() };
            }
        }
        Step::Drop { which } => {
            let Some((target, id, _)) = pick(&model.claimed, *which) else { return };
            assert_eq!(store.drop_delivery(&acme, id).await.unwrap(), model.deliveries.remove(&target).is_some());
        }
        Step::Sweep { keeps } => {
            let since = model.now.saturating_sub(*keeps);
            let keep = Retention { deliveries_since: at(since), ..keep_all() };
            let before = model.deliveries.len();
            model.deliveries.retain(|_, row| row.finished.is_none_or(|finished| finished >= since));
            let swept = store.sweep(now, keep, 10_000).await.unwrap();
            assert_eq!(swept.forgotten, (before - model.deliveries.len()) as u64);
        }
    }
}

fn pick(claimed: &[(Target, DeliveryId, Claim)], which: usize) -> Option<(Target, DeliveryId, Claim)> {
    // The latest are of interest; one that is far back has another claim since.
    claimed.iter().rev().cycle().nth(which).cloned()
}

/// All that can be seen of the store is what the model has.
async fn compare(store: &dyn Store, model: &Model) {
    let found: BTreeMap<Target, _> = all(store)
        .await
        .into_iter()
        .map(|one| {
            let seen = (one.due_at, one.attempts, one.is_claimed, one.state, one.finished_at, one.metadata.is_some());
            (targets(&[one]).remove(0), seen)
        })
        .collect();
    let expected: BTreeMap<Target, _> = model
        .deliveries
        .iter()
        .map(|(target, row)| {
            let claimed = row.claim.is_some();
            (target.clone(), (at(row.due), row.attempts, claimed, row.state, row.finished.map(at), row.has_metadata))
        })
        .collect();
    assert_eq!(found, expected);
    let pending = || model.deliveries.iter().filter(|(_, row)| row.state == DeliveryState::Pending);
    let oldest = pending().map(|(_, row)| row.written).min().map(at);
    assert_eq!(store.delivery_backlog().await.unwrap(), Backlog { pending: pending().count() as u64, oldest });
    let mut due: BTreeMap<String, u64> = BTreeMap::new();
    for ((.., text), row) in pending().filter(|(_, row)| row.due <= model.now) {
        let since = due.entry(url(text).receiver().to_string()).or_insert(row.due);
        *since = row.due.min(*since);
    }
    let found = store.due_receivers(at(model.now), 10).await.unwrap();
    let found: BTreeMap<_, _> = found.into_iter().map(|one| (one.receiver.to_string(), one.oldest_due)).collect();
    assert_eq!(found, due.into_iter().map(|(receiver, since)| (receiver, at(since))).collect());
}

async fn any_history_of_deliveries_is_as_the_model_says(database: &Database) {
    let is_long = std::env::var_os("VESTIBULE_LONG").is_some();
    let seed = if is_long { RngSeed::Random } else { RngSeed::Fixed(7) };
    let config = Config { cases: if is_long { 400 } else { 16 }, failure_persistence: None, rng_seed: seed, ..Config::default() };
    let store = database.open().await;
    let runtime = tokio::runtime::Handle::current();
    let histories = prop::collection::vec(step(), 1..100);
    tokio::task::block_in_place(|| {
        TestRunner::new(config)
            .run(&histories, |steps| {
                runtime.block_on(async {
                    database.execute("DELETE FROM sessions; DELETE FROM clients; DELETE FROM deliveries; DELETE FROM log").await;
                    let mut model = Model::default();
                    for step in &steps {
                        take(&*store, &mut model, step).await;
                    }
                    compare(&*store, &model).await;
                });
                Ok(())
            })
            .unwrap();
    });
}
