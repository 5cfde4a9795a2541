//! Deliveries on their way: who has them in hand, and how attempts end.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use vestibule_sessions::{AttemptResult, DeliveryState, Held, LogKind, ReceiverShare, Store};

use crate::parts::database::Database;
use crate::parts::logins::*;
use crate::parts::logouts::*;

on_all! {
    receivers_that_are_due_come_once_each_and_who_waits_longest_first,
    the_oldest_due_are_claimed_first_and_no_more_than_was_asked_for,
    what_is_claimed_is_nobody_elses_until_its_lease_is_over,
    whoever_comes_back_too_late_settles_nothing,
    claimers_at_once_never_hold_the_same,
    one_receiver_asked_for_twice_is_claimed_once,
    what_has_arrived_is_forgotten_and_the_log_tells_of_it,
    what_is_tried_again_is_due_then,
    what_was_not_sent_is_due_then_and_what_was_wrong_before_stays,
    what_was_refused_or_given_up_is_kept_and_not_sent,
    of_one_that_is_settled_twice_the_first_counts,
    of_two_claims_that_are_settled_together_the_one_that_holds_counts,
    many_are_settled_together,
    what_is_given_back_is_due_at_once_and_the_attempt_not_counted,
    a_delivery_that_cant_be_read_is_not_in_the_way_of_others,
    an_error_may_be_anything_that_a_server_says,
    one_receiver_has_its_own_deliveries_in_each_tenant,
}

/// Sessions `s0`, `s1`, … of a client with one URL, that end at 1, 2, …
async fn ended(store: &dyn Store, count: usize) {
    subscribe(store, "shop", &["https://shop.example/out"]).await;
    for number in 0..count {
        end_one(store, &format!("s{number}"), &["shop"], at(number as u64 + 1)).await;
    }
}

fn sessions(claimed: &[vestibule_sessions::Claimed]) -> Vec<&str> {
    claimed.iter().map(|one| one.delivery.session.as_str()).collect()
}

async fn receivers_that_are_due_come_once_each_and_who_waits_longest_first(database: &Database) {
    let store = database.open().await;
    assert!(store.due_receivers(at(9), 10).await.unwrap().is_empty());
    for (number, host) in ["b", "c", "a"].into_iter().enumerate() {
        subscribe(&*store, host, &[&format!("https://{host}.example/1"), &format!("https://{host}.example/2")]).await;
        for session in ["x", "y"] {
            end_one(&*store, &format!("{host}-{session}"), &[host], at(10 * (number as u64 + 1))).await;
        }
    }
    let due = |now, at_most| {
        let store = store.clone();
        async move {
            let due = store.due_receivers(at(now), at_most).await.unwrap();
            due.into_iter().map(|due| (due.receiver.to_string(), due.oldest_due)).collect::<Vec<_>>()
        }
    };
    let [b, c, a] = [("b", 10), ("c", 20), ("a", 30)].map(|(host, since)| (format!("https://{host}.example:443"), at(since)));
    assert_eq!(due(9, 10).await, []);
    assert_eq!(due(20, 10).await, [b.clone(), c.clone()]);
    assert_eq!(due(30, 10).await, [b.clone(), c.clone(), a.clone()]);
    assert_eq!(due(30, 2).await, [b, c.clone()]);
    // Of the one that is claimed as a whole nothing is due, and of the other its rest.
    let share = |host: &str, at_most| ReceiverShare {
        tenant: tenant("acme"),
        receiver: url(&format!("https://{host}.example")).receiver(),
        at_most,
    };
    store.claim_deliveries(&[share("b", 4), share("c", 3)], at(30), at(90)).await.unwrap();
    assert_eq!(due(40, 10).await, [c, a]);
}

async fn the_oldest_due_are_claimed_first_and_no_more_than_was_asked_for(database: &Database) {
    let store = database.open().await;
    ended(&*store, 5).await;
    assert!(claim(&*store, 0, at(9), at(90)).await.is_empty());
    assert_eq!(sessions(&claim(&*store, 2, at(9), at(90)).await), ["s0", "s1"]);
    assert_eq!(sessions(&claim(&*store, 2, at(4), at(90)).await), ["s2", "s3"]);
    assert!(claim(&*store, 2, at(4), at(90)).await.is_empty());
    assert_eq!(sessions(&claim(&*store, 2, at(5), at(90)).await), ["s4"]);
}

async fn what_is_claimed_is_nobody_elses_until_its_lease_is_over(database: &Database) {
    let (store, other) = (database.open().await, database.open().await);
    ended(&*store, 1).await;
    let first = claim(&*store, 10, at(5), at(50)).await.remove(0);
    assert_eq!((first.delivery.attempts, first.delivery.due_at, first.delivery.is_claimed), (1, at(50), true));
    assert_eq!(all(&*store).await, std::slice::from_ref(&first.delivery));
    assert!(claim(&*other, 10, at(49), at(90)).await.is_empty());
    let second = claim(&*other, 10, at(50), at(90)).await.remove(0);
    assert_eq!((second.delivery.id, second.delivery.attempts), (first.delivery.id, 2));
    assert_ne!(first.claim, second.claim);
}

async fn whoever_comes_back_too_late_settles_nothing(database: &Database) {
    let store = database.open().await;
    ended(&*store, 1).await;
    let first = claim(&*store, 10, at(5), at(50)).await.remove(0);
    let second = claim(&*store, 10, at(50), at(90)).await.remove(0);
    let error = || "too late".to_owned();
    for result in [
        AttemptResult::Delivered,
        AttemptResult::Retry { due_at: at(60), error: error() },
        AttemptResult::Refused { error: error() },
        AttemptResult::GivenUp { error: error() },
    ] {
        assert!(!settle(&*store, &first, result, at(55)).await);
    }
    let held = Held { tenant: &tenant("acme"), id: first.delivery.id, claim: first.claim };
    store.release_deliveries(&[held], at(55)).await.unwrap();
    assert_eq!(all(&*store).await, std::slice::from_ref(&second.delivery));
    assert!(lines(&*store, LogKind::LogoutFailed).await.is_empty());
    assert!(lines(&*store, LogKind::LogoutDelivered).await.is_empty());
    // The end of a lease alone takes nothing from whoever is a little late.
    assert!(settle(&*store, &second, AttemptResult::Delivered, at(95)).await);
    assert!(all(&*store).await.is_empty());
}

async fn claimers_at_once_never_hold_the_same(database: &Database) {
    const SESSIONS: usize = 60;
    let stores = [database.open().await, database.open().await];
    subscribe(&*stores[0], "shop", &["https://shop.example/1", "https://shop.example/2"]).await;
    subscribe(&*stores[0], "wiki", &["https://wiki.example/1"]).await;
    for number in 0..SESSIONS {
        end_one(&*stores[0], &format!("s{number}"), &["shop", "wiki"], at(1)).await;
    }
    let held = Arc::new(Mutex::new(BTreeSet::new()));
    let done = Arc::new(AtomicUsize::new(0));
    let claimers: Vec<_> = (0..8)
        .map(|claimer: usize| {
            let (store, held, done) = (Arc::clone(&stores[claimer % 2]), Arc::clone(&held), Arc::clone(&done));
            tokio::spawn(async move {
                while done.load(Ordering::SeqCst) < 3 * SESSIONS {
                    let claimed = claim(&*store, 3 + claimer, at(5), at(50)).await;
                    for one in &claimed {
                        assert!(held.lock().unwrap().insert(one.delivery.id), "two hold {}", one.delivery.id);
                    }
                    // Whoever holds them is not quick.
                    tokio::task::yield_now().await;
                    let mut settling = Vec::new();
                    for (place, one) in claimed.iter().enumerate() {
                        assert!(held.lock().unwrap().remove(&one.delivery.id));
                        if place % 3 == 0 && one.delivery.attempts < 3 {
                            let again = AttemptResult::Retry { due_at: at(5), error: "503".into() };
                            settling.push(settled(one, again, at(5)));
                        } else {
                            done.fetch_add(1, Ordering::SeqCst);
                            settling.push(settled(one, AttemptResult::Delivered, at(5)));
                        }
                    }
                    let were_held = store.settle_deliveries(settling, at(5)).await.unwrap();
                    assert_eq!(were_held, vec![true; claimed.len()]);
                }
            })
        })
        .collect();
    for claimer in claimers {
        claimer.await.unwrap();
    }
    assert!(all(&*stores[0]).await.is_empty());
    assert_eq!(lines(&*stores[0], LogKind::LogoutDelivered).await.len(), 3 * SESSIONS);
}

async fn one_receiver_asked_for_twice_is_claimed_once(database: &Database) {
    let store = database.open().await;
    ended(&*store, 3).await;
    let receiver = url("https://shop.example").receiver();
    let share = ReceiverShare { tenant: tenant("acme"), receiver, at_most: 2 };
    let claimed = store.claim_deliveries(&[share.clone(), share], at(9), at(90)).await.unwrap().claimed;
    assert_eq!(sessions(&claimed), ["s0", "s1", "s2"]);
    assert!(store.claim_deliveries(&[], at(9), at(90)).await.unwrap().claimed.is_empty());
}

async fn what_has_arrived_is_forgotten_and_the_log_tells_of_it(database: &Database) {
    let store = database.open().await;
    ended(&*store, 1).await;
    let claimed = claim(&*store, 10, at(5), at(50)).await.remove(0);
    assert!(settle(&*store, &claimed, AttemptResult::Delivered, at(6)).await);
    assert!(all(&*store).await.is_empty());
    assert_eq!(store.delivery(&tenant("acme"), claimed.delivery.id).await.unwrap(), None);
    let told = lines(&*store, LogKind::LogoutDelivered).await;
    assert_eq!((told.len(), told[0].date), (1, at(6)));
    assert_eq!(told[0].body["delivery"], claimed.delivery.id.to_string());
    assert!(!settle(&*store, &claimed, AttemptResult::Delivered, at(7)).await);
    assert_eq!(lines(&*store, LogKind::LogoutDelivered).await.len(), 1);
}

async fn what_is_tried_again_is_due_then(database: &Database) {
    let store = database.open().await;
    ended(&*store, 1).await;
    for attempt in 1..=3 {
        let now = 100 * attempt;
        let claimed = claim(&*store, 10, at(now), at(now + 50)).await.remove(0);
        assert_eq!(u64::from(claimed.delivery.attempts), attempt);
        let again = AttemptResult::Retry { due_at: at(now + 20), error: format!("failed {attempt}") };
        assert!(settle(&*store, &claimed, again, at(now + 10)).await);
        let kept = all(&*store).await.remove(0);
        assert_eq!((kept.due_at, kept.is_claimed, kept.state), (at(now + 20), false, DeliveryState::Pending));
        assert_eq!((kept.last_error, kept.finished_at), (Some(format!("failed {attempt}")), None));
        assert!(claim(&*store, 10, at(now + 19), at(now + 90)).await.is_empty());
    }
    assert_eq!(lines(&*store, LogKind::LogoutFailed).await.len(), 3);
}

async fn what_was_not_sent_is_due_then_and_what_was_wrong_before_stays(database: &Database) {
    let store = database.open().await;
    ended(&*store, 1).await;
    let again = |due_at| AttemptResult::Retry { due_at, error: "503".into() };
    let postponed = |due_at| AttemptResult::Postponed { due_at };
    let results = [(postponed(at(100)), None), (again(at(200)), Some("503")), (postponed(at(300)), Some("503"))];
    for (attempt, (result, error)) in (1..).zip(results) {
        let claimed = claim(&*store, 10, at(100 * (attempt - 1) + 5), at(1_000)).await.remove(0);
        assert_eq!(claimed.delivery.attempts, u32::try_from(attempt).unwrap());
        assert!(settle(&*store, &claimed, result, at(100 * (attempt - 1) + 6)).await);
        let kept = all(&*store).await.remove(0);
        assert_eq!((kept.due_at, kept.state, kept.is_claimed), (at(100 * attempt), DeliveryState::Pending, false));
        assert_eq!(kept.last_error.as_deref(), error);
    }
    assert_eq!(lines(&*store, LogKind::LogoutFailed).await.len(), 3);
}

async fn what_was_refused_or_given_up_is_kept_and_not_sent(database: &Database) {
    let store = database.open().await;
    ended(&*store, 2).await;
    let claimed = claim(&*store, 10, at(5), at(50)).await;
    for (one, state) in claimed.iter().zip([DeliveryState::Refused, DeliveryState::GivenUp]) {
        finish(&*store, one, state, at(6)).await;
        let kept = store.delivery(&tenant("acme"), one.delivery.id).await.unwrap().unwrap();
        assert_eq!((kept.state, kept.finished_at, kept.is_claimed, kept.attempts), (state, Some(at(6)), false, 1));
        assert_eq!(kept.last_error.as_deref(), Some("no"));
        assert!(!settle(&*store, one, AttemptResult::Delivered, at(7)).await);
    }
    assert!(store.due_receivers(at(1_000), 10).await.unwrap().is_empty());
    assert!(claim(&*store, 10, at(1_000), at(2_000)).await.is_empty());
    assert_eq!(store.delivery_backlog().await.unwrap().pending, 0);
}

async fn of_one_that_is_settled_twice_the_first_counts(database: &Database) {
    let store = database.open().await;
    ended(&*store, 2).await;
    let claimed = claim(&*store, 10, at(5), at(50)).await;
    let again = AttemptResult::Retry { due_at: at(60), error: "503".into() };
    let settling = vec![
        settled(&claimed[0], again, at(6)),
        settled(&claimed[0], AttemptResult::Delivered, at(6)),
        settled(&claimed[1], AttemptResult::Delivered, at(6)),
    ];
    assert_eq!(store.settle_deliveries(settling, at(6)).await.unwrap(), [true, false, true]);
    let left = all(&*store).await;
    assert_eq!((left.len(), left[0].due_at), (1, at(60)));
    let told = (lines(&*store, LogKind::LogoutFailed).await.len(), lines(&*store, LogKind::LogoutDelivered).await.len());
    assert_eq!(told, (1, 1));
}

async fn of_two_claims_that_are_settled_together_the_one_that_holds_counts(database: &Database) {
    let store = database.open().await;
    ended(&*store, 1).await;
    // Its lease ran out, and the same server has claimed it again.
    let stale = claim(&*store, 10, at(5), at(50)).await.remove(0);
    let held = claim(&*store, 10, at(50), at(90)).await.remove(0);
    let again = AttemptResult::Retry { due_at: at(200), error: "503".into() };
    let settling = vec![settled(&stale, again, at(55)), settled(&held, AttemptResult::Delivered, at(55))];
    assert_eq!(store.settle_deliveries(settling, at(55)).await.unwrap(), [false, true]);
    assert!(all(&*store).await.is_empty());
    let told = (lines(&*store, LogKind::LogoutFailed).await.len(), lines(&*store, LogKind::LogoutDelivered).await.len());
    assert_eq!(told, (0, 1));
}

async fn many_are_settled_together(database: &Database) {
    let store = database.open().await;
    ended(&*store, 30).await;
    let claimed = claim(&*store, 100, at(50), at(90)).await;
    let error = "no".to_owned();
    let mut settling: Vec<_> = claimed
        .iter()
        .enumerate()
        .map(|(place, one)| {
            let result = match place % 4 {
                0 => AttemptResult::Delivered,
                1 => AttemptResult::Retry { due_at: at(70), error: error.clone() },
                2 => AttemptResult::Refused { error: error.clone() },
                _ => AttemptResult::GivenUp { error: error.clone() },
            };
            settled(one, result, at(60))
        })
        .collect();
    for one in settling.iter_mut().skip(1).step_by(2) {
        one.log = None;
    }
    // Of one that somebody has dropped nothing is written, and the others are.
    assert!(store.drop_delivery(&tenant("acme"), claimed[4].delivery.id).await.unwrap());
    let were_held = store.settle_deliveries(settling, at(60)).await.unwrap();
    assert_eq!(were_held, (0..30).map(|place| place != 4).collect::<Vec<_>>());
    let left = all(&*store).await;
    let of = |state| left.iter().filter(|delivery| delivery.state == state).count();
    assert_eq!([DeliveryState::Pending, DeliveryState::Refused, DeliveryState::GivenUp].map(of), [8, 7, 7]);
    assert_eq!(lines(&*store, LogKind::LogoutDelivered).await.len(), 7);
    assert_eq!(lines(&*store, LogKind::LogoutFailed).await.len(), 7);
    assert!(store.settle_deliveries(Vec::new(), at(60)).await.unwrap().is_empty());
}

async fn what_is_given_back_is_due_at_once_and_the_attempt_not_counted(database: &Database) {
    let store = database.open().await;
    ended(&*store, 3).await;
    let acme = tenant("acme");
    let claimed = claim(&*store, 10, at(5), at(50)).await;
    let held: Vec<_> = claimed.iter().take(2).map(|one| Held { tenant: &acme, id: one.delivery.id, claim: one.claim }).collect();
    store.release_deliveries(&held, at(6)).await.unwrap();
    store.release_deliveries(&held, at(7)).await.unwrap();
    store.release_deliveries(&[], at(7)).await.unwrap();
    assert!(!settle(&*store, &claimed[0], AttemptResult::Delivered, at(8)).await);
    let again = claim(&*store, 10, at(6), at(50)).await;
    let mut names = sessions(&again);
    names.sort_unstable();
    assert_eq!(names, ["s0", "s1"]);
    assert!(again.iter().all(|one| one.delivery.attempts == 1));
    assert!(lines(&*store, LogKind::LogoutFailed).await.is_empty());
}

async fn a_delivery_that_cant_be_read_is_not_in_the_way_of_others(database: &Database) {
    let store = database.open().await;
    let wants = vestibule_sessions::LogoutSettings { include_session_metadata: true, ..hears_at(&["https://shop.example/out"]) };
    create(&*store, client("shop", Some(wants))).await;
    for (session, now) in [("s0", 1), ("s1", 2), ("s2", 3)] {
        end_one(&*store, session, &["shop"], at(now)).await;
    }
    let broken = all(&*store).await.remove(0).id;
    database
        .execute(&format!("UPDATE deliveries SET metadata = '{{\"secret\": 7}}' WHERE ended_at = {}", at(1).as_millis()))
        .await;
    let page = store.deliveries(None, None, None, 10).await.unwrap();
    assert_eq!((page.deliveries.len(), page.unreadable.len()), (2, 1));
    let (unreadable, id) = (&page.unreadable[0], broken.to_string());
    assert_eq!((unreadable.tenant.as_str(), &unreadable.id), ("acme", &id));
    assert!(unreadable.error.contains("metadata") && !unreadable.error.contains("secret"), "{unreadable:?}");
    // It has its place among the pages, too.
    let first = store.deliveries(None, None, None, 1).await.unwrap();
    assert_eq!((first.deliveries.len(), &first.unreadable[..]), (0, &page.unreadable[..]));
    let rest = store.deliveries(None, None, first.next.as_ref(), 10).await.unwrap();
    assert_eq!((rest.deliveries, rest.unreadable.len()), (page.deliveries, 0));

    assert_eq!(sessions(&claim(&*store, 10, at(5), at(50)).await), ["s1", "s2"]);
    let told = lines(&*store, LogKind::LogoutFailed).await;
    assert_eq!((told.len(), told[0].date), (1, at(5)));
    let (body, details) = (&told[0].body, &told[0].body["details"]);
    assert_eq!((&body["client_id"], &body["session_id"], &body["user_id"]), (&"shop".into(), &"s0".into(), &"anna".into()));
    assert_eq!((&details["logout_id"], &details["result"]), (&id.into(), &"given_up".into()));
    let description = body["description"].as_str().unwrap();
    assert!(description.contains("metadata") && !description.contains("secret"), "{description}");
    database.execute(&format!("UPDATE deliveries SET metadata = NULL WHERE ended_at = {}", at(1).as_millis())).await;
    let kept = store.delivery(&tenant("acme"), broken).await.unwrap().unwrap();
    assert_eq!((kept.state, kept.finished_at), (DeliveryState::GivenUp, Some(at(5))));
    let error = kept.last_error.unwrap();
    assert!(error.contains("metadata") && !error.contains("secret"), "{error}");
}

async fn an_error_may_be_anything_that_a_server_says(database: &Database) {
    let store = database.open().await;
    ended(&*store, 1).await;
    let claimed = claim(&*store, 10, at(5), at(50)).await.remove(0);
    let error = format!("503:\r\n\u{0}é{}", "x".repeat(100_000));
    assert!(settle(&*store, &claimed, AttemptResult::Retry { due_at: at(60), error }, at(6)).await);
    let kept = all(&*store).await.remove(0).last_error.unwrap();
    assert!(kept.starts_with("503:   éx") && kept.chars().count() == 500, "{kept}");
}

async fn one_receiver_has_its_own_deliveries_in_each_tenant(database: &Database) {
    let store = database.open().await;
    ended(&*store, 1).await;
    let other = tenant("other");
    store.create_client(&other, client("shop", Some(hears_at(&["https://shop.example/out"]))), u64::MAX).await.unwrap();
    commit(&*store, uses("other", "s0", "anna", at(1))).await;
    store.end(&other, &id("s0"), vestibule_sessions::Initiator::RpLogout, at(1)).await.unwrap();
    let due = store.due_receivers(at(5), 10).await.unwrap();
    let tenants: Vec<_> = due.iter().map(|due| due.tenant.as_str()).collect();
    assert_eq!(tenants, ["acme", "other"]);
    let share = ReceiverShare { tenant: other.clone(), receiver: due[0].receiver.clone(), at_most: 10 };
    let claimed = store.claim_deliveries(&[share], at(5), at(50)).await.unwrap().claimed;
    assert_eq!((claimed.len(), &claimed[0].delivery.tenant), (1, &other));
    let mut stolen = settled(&claimed[0], AttemptResult::Delivered, at(6));
    stolen.tenant = tenant("acme");
    assert_eq!(store.settle_deliveries(vec![stolen], at(6)).await.unwrap(), [false]);
    assert_eq!(all(&*store).await.len(), 2);
}
