//! Deliveries as operators see them, and what is forgotten of them.

use std::collections::BTreeSet;

use vestibule_sessions::{AttemptResult, Backlog, DeliveryState, Initiator, Retention};

use crate::parts::database::Database;
use crate::parts::logins::*;
use crate::parts::logouts::*;

on_all! {
    deliveries_come_in_pages_the_oldest_first,
    deliveries_are_listed_by_tenant_and_state,
    a_delivery_that_is_tried_again_is_as_if_it_had_never_been_tried,
    a_delivery_that_is_dropped_is_gone,
    the_backlog_counts_what_is_pending_and_says_since_when,
    what_is_finished_is_forgotten_when_it_was_kept_for_long_enough,
    every_delivery_has_an_id_of_its_own,
}

const URLS: [&str; 3] = ["https://a.example/1", "https://a.example/2", "https://b.example/1"];

async fn deliveries_come_in_pages_the_oldest_first(database: &Database) {
    let store = database.open().await;
    subscribe(&*store, "shop", &URLS).await;
    for (number, now) in [30_u64, 10, 20].into_iter().enumerate() {
        end_one(&*store, &format!("s{number}"), &["shop"], at(now)).await;
    }
    let claimed = claim(&*store, 2, at(50), at(90)).await;
    finish(&*store, &claimed[0], DeliveryState::Refused, at(60)).await;
    finish(&*store, &claimed[1], DeliveryState::GivenUp, at(60)).await;
    let everything = all(&*store).await;
    assert_eq!(everything.len(), 9);
    assert!(everything.is_sorted_by_key(|delivery| delivery.created_at));
    for take in [1, 2, 4, 8, 9, 10] {
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let page = store.deliveries(None, None, after.as_ref(), take).await.unwrap();
            assert!(page.deliveries.len() <= take);
            found.extend(page.deliveries);
            match page.next {
                Some(next) => after = Some(next),
                None => break,
            }
        }
        assert_eq!(found, everything, "{take}");
    }
}

async fn deliveries_are_listed_by_tenant_and_state(database: &Database) {
    let store = database.open().await;
    let other = tenant("other");
    subscribe(&*store, "shop", &URLS).await;
    store.create_client(&other, client("shop", Some(hears_at(&URLS))), u64::MAX).await.unwrap();
    end_one(&*store, "s1", &["shop"], at(1)).await;
    commit(&*store, uses("other", "s1", "anna", at(1))).await;
    store.end(&other, &id("s1"), Initiator::RpLogout, at(1)).await.unwrap();
    let claimed = claim(&*store, 10, at(5), at(50)).await;
    let refused = claimed.iter().find(|one| one.delivery.tenant == other).unwrap();
    finish(&*store, refused, DeliveryState::Refused, at(6)).await;
    let acme = tenant("acme");
    for (of, state, expected) in [
        (None, None, 6),
        (Some(&acme), None, 3),
        (Some(&other), None, 3),
        (None, Some(DeliveryState::Pending), 5),
        (None, Some(DeliveryState::Refused), 1),
        (None, Some(DeliveryState::GivenUp), 0),
        (Some(&other), Some(DeliveryState::Pending), 2),
        (Some(&acme), Some(DeliveryState::Refused), 0),
        (Some(&other), Some(DeliveryState::Refused), 1),
    ] {
        let found = store.deliveries(of, state, None, 100).await.unwrap().deliveries;
        assert_eq!(found.len(), expected, "{of:?} {state:?}");
        assert!(found.iter().all(|one| of.is_none_or(|of| one.tenant == *of) && state.is_none_or(|state| one.state == state)));
    }
}

async fn a_delivery_that_is_tried_again_is_as_if_it_had_never_been_tried(database: &Database) {
    let store = database.open().await;
    let acme = tenant("acme");
    subscribe(&*store, "shop", &URLS).await;
    end_one(&*store, "s1", &["shop"], at(1)).await;
    let claimed = claim(&*store, 10, at(5), at(50)).await;
    finish(&*store, &claimed[0], DeliveryState::Refused, at(6)).await;
    finish(&*store, &claimed[1], DeliveryState::GivenUp, at(6)).await;
    for one in &claimed {
        assert!(store.retry_delivery(&acme, one.delivery.id, at(20)).await.unwrap());
        let kept = store.delivery(&acme, one.delivery.id).await.unwrap().unwrap();
        assert_eq!((kept.state, kept.attempts, kept.due_at), (DeliveryState::Pending, 0, at(20)));
        assert_eq!((kept.is_claimed, kept.finished_at, kept.created_at), (false, None, at(1)));
        assert_eq!(kept.last_error, None);
    }
    // The third was in somebody's hands.
    assert!(!settle(&*store, &claimed[2], AttemptResult::Delivered, at(21)).await);
    let again = claim(&*store, 10, at(20), at(50)).await;
    let ids = |claimed: &[vestibule_sessions::Claimed]| claimed.iter().map(|one| one.delivery.id).collect::<BTreeSet<_>>();
    assert_eq!(ids(&again), ids(&claimed));
    for one in &again {
        assert!(settle(&*store, one, AttemptResult::Delivered, at(22)).await);
        assert!(!store.retry_delivery(&acme, one.delivery.id, at(23)).await.unwrap());
    }
}

async fn a_delivery_that_is_dropped_is_gone(database: &Database) {
    let store = database.open().await;
    let acme = tenant("acme");
    subscribe(&*store, "shop", &URLS).await;
    end_one(&*store, "s1", &["shop"], at(1)).await;
    let claimed = claim(&*store, 10, at(5), at(50)).await;
    finish(&*store, &claimed[0], DeliveryState::Refused, at(6)).await;
    for one in &claimed {
        assert!(store.drop_delivery(&acme, one.delivery.id).await.unwrap());
        assert!(!store.drop_delivery(&acme, one.delivery.id).await.unwrap());
        assert_eq!(store.delivery(&acme, one.delivery.id).await.unwrap(), None);
    }
    assert!(all(&*store).await.is_empty());
}

async fn the_backlog_counts_what_is_pending_and_says_since_when(database: &Database) {
    let store = database.open().await;
    assert_eq!(store.delivery_backlog().await.unwrap(), Backlog { pending: 0, oldest: None });
    subscribe(&*store, "shop", &URLS).await;
    end_one(&*store, "s1", &["shop"], at(10)).await;
    let claimed = claim(&*store, 10, at(15), at(50)).await;
    end_one(&*store, "s2", &["shop"], at(20)).await;
    assert_eq!(store.delivery_backlog().await.unwrap(), Backlog { pending: 6, oldest: Some(at(10)) });
    finish(&*store, &claimed[0], DeliveryState::GivenUp, at(25)).await;
    finish(&*store, &claimed[1], DeliveryState::Refused, at(25)).await;
    settle(&*store, &claimed[2], AttemptResult::Delivered, at(25)).await;
    assert_eq!(store.delivery_backlog().await.unwrap(), Backlog { pending: 3, oldest: Some(at(20)) });
}

async fn what_is_finished_is_forgotten_when_it_was_kept_for_long_enough(database: &Database) {
    let store = database.open().await;
    subscribe(&*store, "shop", &URLS).await;
    end_one(&*store, "s1", &["shop"], at(1)).await;
    let claimed = claim(&*store, 10, at(5), at(50)).await;
    finish(&*store, &claimed[0], DeliveryState::Refused, at(10)).await;
    finish(&*store, &claimed[1], DeliveryState::GivenUp, at(20)).await;
    for (since, forgotten, left) in [(10, 0, 3), (11, 1, 2), (20, 0, 2), (1_000, 1, 1), (2_000, 0, 1)] {
        let keep = Retention { deliveries_since: at(since), ..keep_all() };
        assert_eq!(store.sweep(at(3_000), keep, 100).await.unwrap().forgotten, forgotten, "{since}");
        assert_eq!(all(&*store).await.len(), left, "{since}");
    }
    assert_eq!(all(&*store).await[0].state, DeliveryState::Pending);
}

async fn every_delivery_has_an_id_of_its_own(database: &Database) {
    let store = database.open().await;
    subscribe(&*store, "shop", &URLS).await;
    for number in 0..40 {
        end_one(&*store, &format!("s{number}"), &["shop"], at(1)).await;
    }
    let ids: BTreeSet<String> = all(&*store).await.iter().map(|delivery| delivery.id.to_string()).collect();
    assert_eq!(ids.len(), 120);
}
