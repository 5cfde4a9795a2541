//! What is dropped when a client hears of ends no longer.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use vestibule_sessions::{
    AttemptResult, Client, ClientDeleted, DeliveryState, Initiator, LogoutInitiators, LogoutSettings, ReceiverShare,
};

use crate::parts::database::Database;
use crate::parts::logins::*;
use crate::parts::logouts::*;

on_both! {
    what_is_pending_for_a_url_that_is_gone_is_dropped,
    what_is_pending_for_a_client_that_is_gone_is_dropped,
    what_the_configuration_declares_no_longer_is_dropped,
    what_a_client_hears_no_longer_but_somebody_sends_is_dropped_too,
    fewer_initiators_are_for_sessions_that_end_later,
    what_was_refused_or_given_up_stays,
    what_an_end_has_written_at_that_moment_is_dropped_when_it_is_claimed,
    ends_and_unsubscribing_at_once_leave_nothing_to_send,
    what_nobody_can_read_of_a_client_keeps_its_deliveries,
    a_long_backlog_is_dropped_part_by_part_after_its_client_and_what_is_left_when_it_is_claimed,
    a_client_that_hears_no_longer_is_not_kept_waiting_for_a_backlog_beyond_its_call,
}

const SHOP: &str = "https://shop.example/out";
const SHOP_TOO: &str = "https://shop.example/too";
const WIKI: &str = "https://wiki.example/out";

/// A session of two clients that has ended: four deliveries.
async fn four_deliveries(store: &dyn vestibule_sessions::Store) {
    subscribe(store, "shop", &[SHOP, SHOP_TOO]).await;
    // At one URL of the other client, too.
    subscribe(store, "wiki", &[WIKI, SHOP]).await;
    end_one(store, "s1", &["shop", "wiki"], at(1)).await;
    assert_eq!(all(store).await.len(), 4);
}

const OF_WIKI: [(&str, &str, &str); 2] = [("s1", "wiki", SHOP), ("s1", "wiki", WIKI)];

async fn what_is_pending_for_a_url_that_is_gone_is_dropped(database: &Database) {
    let store = database.open().await;
    four_deliveries(&*store).await;
    set_logout(&*store, "shop", Some(hears_at(&[SHOP_TOO, "https://shop.example/new"]))).await;
    let mut left = vec![("s1", "shop", SHOP_TOO)];
    left.extend(OF_WIKI);
    assert_eq!(targets(&all(&*store).await), expected(&left));
    set_logout(&*store, "shop", None).await;
    assert_eq!(targets(&all(&*store).await), expected(&OF_WIKI));
}

async fn what_is_pending_for_a_client_that_is_gone_is_dropped(database: &Database) {
    let store = database.open().await;
    four_deliveries(&*store).await;
    assert_eq!(delete(&*store, "shop").await, ClientDeleted::Deleted);
    assert_eq!(targets(&all(&*store).await), expected(&OF_WIKI));
}

async fn what_the_configuration_declares_no_longer_is_dropped(database: &Database) {
    let store = database.open().await;
    let acme = tenant("acme");
    let both = vec![client("shop", Some(hears_at(&[SHOP, SHOP_TOO]))), client("wiki", Some(hears_at(&[WIKI, SHOP])))];
    store.configure_clients(&acme, both.clone(), at(0)).await.unwrap();
    end_one(&*store, "s1", &["shop", "wiki"], at(1)).await;
    store.configure_clients(&acme, both, at(2)).await.unwrap();
    assert_eq!(all(&*store).await.len(), 4);
    let fewer = vec![client("wiki", Some(hears_at(&[WIKI])))];
    store.configure_clients(&acme, fewer, at(3)).await.unwrap();
    assert_eq!(targets(&all(&*store).await), expected(&[("s1", "wiki", WIKI)]));
}

async fn what_a_client_hears_no_longer_but_somebody_sends_is_dropped_too(database: &Database) {
    let store = database.open().await;
    subscribe(&*store, "shop", &[SHOP]).await;
    end_one(&*store, "s1", &["shop"], at(1)).await;
    let claimed = claim(&*store, 10, at(2), at(50)).await;
    set_logout(&*store, "shop", None).await;
    assert!(all(&*store).await.is_empty());
    let again = AttemptResult::Retry { due_at: at(9), error: "503".into() };
    assert!(!settle(&*store, &claimed[0], again, at(5)).await);
    assert!(all(&*store).await.is_empty());
}

async fn fewer_initiators_are_for_sessions_that_end_later(database: &Database) {
    let store = database.open().await;
    subscribe(&*store, "shop", &[SHOP]).await;
    end_one(&*store, "s1", &["shop"], at(1)).await;
    let fewer = LogoutSettings {
        initiators: LogoutInitiators::Selected([Initiator::PasswordChanged].into()),
        include_session_metadata: true,
        ..hears_at(&[SHOP])
    };
    set_logout(&*store, "shop", Some(fewer)).await;
    end_one(&*store, "s2", &["shop"], at(2)).await;
    assert_eq!(targets(&all(&*store).await), expected(&[("s1", "shop", SHOP)]));
    let claimed = claim(&*store, 10, at(3), at(50)).await;
    assert_eq!((claimed.len(), &claimed[0].delivery.metadata), (1, &None));
}

async fn what_was_refused_or_given_up_stays(database: &Database) {
    let store = database.open().await;
    subscribe(&*store, "shop", &[SHOP, SHOP_TOO]).await;
    end_one(&*store, "s1", &["shop"], at(1)).await;
    let claimed = claim(&*store, 10, at(2), at(50)).await;
    finish(&*store, &claimed[0], DeliveryState::Refused, at(3)).await;
    finish(&*store, &claimed[1], DeliveryState::GivenUp, at(3)).await;
    assert_eq!(delete(&*store, "shop").await, ClientDeleted::Deleted);
    assert_eq!(all(&*store).await.len(), 2);
    // Whoever tries it again finds nobody who wants it.
    assert!(store.retry_delivery(&tenant("acme"), claimed[0].delivery.id, at(4)).await.unwrap());
    assert!(claim(&*store, 10, at(5), at(50)).await.is_empty());
    assert_eq!(all(&*store).await.len(), 1);
}

async fn what_an_end_has_written_at_that_moment_is_dropped_when_it_is_claimed(database: &Database) {
    let store = database.open().await;
    subscribe(&*store, "gone", &[SHOP]).await;
    subscribe(&*store, "other-url", &[SHOP]).await;
    subscribe(&*store, "no-url", &[SHOP]).await;
    subscribe(&*store, "stays", &[SHOP]).await;
    end_one(&*store, "s1", &["gone", "other-url", "no-url", "stays"], at(1)).await;
    // As if the end had not been seen yet by whoever has changed the clients.
    for (name, change) in [
        ("gone", "DELETE FROM clients".to_owned()),
        ("no-url", "UPDATE clients SET logout = NULL".to_owned()),
        ("other-url", format!("UPDATE clients SET logout = replace(logout, '{SHOP}', '{SHOP_TOO}')")),
    ] {
        database.execute(&format!("{change} WHERE name LIKE 'The {name}%'")).await;
    }
    assert_eq!(all(&*store).await.len(), 4);
    let claimed = claim(&*store, 10, at(2), at(50)).await;
    assert_eq!((claimed.len(), claimed[0].delivery.client.as_str()), (1, "stays"));
    assert_eq!(targets(&all(&*store).await), expected(&[("s1", "stays", SHOP)]));
}

async fn ends_and_unsubscribing_at_once_leave_nothing_to_send(database: &Database) {
    const SESSIONS: usize = 10;
    let stores = [database.open().await, database.open().await];
    for round in 0..4 {
        let name = format!("shop{round}");
        subscribe(&*stores[0], &name, &[SHOP]).await;
        let sessions: Vec<_> = (0..SESSIONS).map(|number| format!("r{round}-s{number}")).collect();
        for session in &sessions {
            log_in_to(&*stores[0], session, &[&name], at(1)).await;
        }
        let mut callers = tokio::task::JoinSet::new();
        for (number, session) in sessions.into_iter().enumerate() {
            let store = Arc::clone(&stores[number % 2]);
            callers.spawn(async move {
                assert!(store.end(&tenant("acme"), &id(&session), Initiator::RpLogout, at(2)).await.unwrap());
            });
        }
        let store = Arc::clone(&stores[1]);
        callers.spawn(async move {
            assert_eq!(delete(&*store, &name).await, ClientDeleted::Deleted);
        });
        while let Some(done) = callers.join_next().await {
            done.unwrap();
        }
        assert!(claim(&*stores[0], 100, at(3), at(50)).await.is_empty());
        assert!(all(&*stores[0]).await.is_empty());
    }
}

async fn what_nobody_can_read_of_a_client_keeps_its_deliveries(database: &Database) {
    let store = database.open().await;
    subscribe(&*store, "shop", &[SHOP]).await;
    end_one(&*store, "s1", &["shop"], at(1)).await;
    database.execute("UPDATE clients SET logout = '{\"secret\": 7}'").await;
    // Once more is better than never.
    assert_eq!(claim(&*store, 10, at(2), at(50)).await.len(), 1);
    let error = store.client(&tenant("acme"), &client_id("shop")).await.unwrap_err();
    assert!(!error.to_string().contains("secret"), "{error}");
    let read = Client { logout: None, ..client("shop", None) };
    assert!(store.replace_client(&tenant("acme"), read).await.unwrap());
    let share = ReceiverShare { tenant: tenant("acme"), receiver: url(SHOP).receiver(), at_most: 1 };
    assert!(store.claim_deliveries(&[share], at(60), at(90)).await.unwrap().claimed.is_empty());
    assert_eq!(all(&*store).await.iter().map(|delivery| delivery.id).collect::<BTreeSet<_>>().len(), 0);
}

/// `count` more deliveries like the one that there is, due one millisecond after the other.
async fn multiply(database: &Database, count: usize) {
    let columns =
        "tenant, id, client_id, session_id, user_id, url, receiver, initiator, ended_at, created_at, attempts, due_at, state";
    let (numbers, id) = match database {
        Database::Sqlite(_) => {
            let numbers = "WITH RECURSIVE one (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM one WHERE n < ";
            (format!("{numbers}{count})"), "'many' || n")
        }
        Database::Postgres { .. } | Database::Pooled { .. } => {
            (format!("WITH one (n) AS (SELECT * FROM generate_series(1, {count}))"), "convert_to('many' || n, 'UTF8')")
        }
    };
    let like = columns.replacen("id", id, 1).replace("due_at", "due_at + n");
    database.execute(&format!("{numbers} INSERT INTO deliveries ({columns}) SELECT {like} FROM deliveries, one")).await;
}

async fn a_long_backlog_is_dropped_part_by_part_after_its_client_and_what_is_left_when_it_is_claimed(database: &Database) {
    const BACKLOG: usize = 5_000;
    let store = database.open().await;
    subscribe(&*store, "shop", &[SHOP]).await;
    end_one(&*store, "s1", &["shop"], at(1)).await;
    multiply(database, BACKLOG).await;
    let pending = || async { store.delivery_backlog().await.unwrap().pending };
    assert_eq!(pending().await, 5_001);
    // Whatever drops the last of them fails.
    let last = at(1).as_millis() + BACKLOG as u64;
    let (refuse, allow) = match database {
        Database::Sqlite(_) => (
            format!(
                "CREATE TRIGGER refuse BEFORE DELETE ON deliveries WHEN old.due_at = {last} \
                 BEGIN SELECT RAISE(ABORT, 'not this one'); END"
            ),
            "DROP TRIGGER refuse",
        ),
        Database::Postgres { .. } | Database::Pooled { .. } => (
            format!(
                "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS \
                 $$ BEGIN RAISE EXCEPTION 'not this one'; END $$; \
                 CREATE TRIGGER refuse BEFORE DELETE ON deliveries FOR EACH ROW WHEN (old.due_at = {last}) \
                 EXECUTE FUNCTION refuse()"
            ),
            "DROP TRIGGER refuse ON deliveries",
        ),
    };
    database.execute(&refuse).await;
    assert_eq!(delete(&*store, "shop").await, ClientDeleted::Deleted);
    assert_eq!(kept(&*store, "shop").await, None);
    assert_eq!(pending().await, 1_001, "what was dropped before the one that fails is gone");
    database.execute(allow).await;
    let share = ReceiverShare { tenant: tenant("acme"), receiver: url(SHOP).receiver(), at_most: 600 };
    for (set_aside, left) in [(600, 401), (401, 0), (0, 0)] {
        let claims = store.claim_deliveries(std::slice::from_ref(&share), at(10_000), at(20_000)).await.unwrap();
        assert_eq!((claims.claimed.len(), claims.set_aside, pending().await), (0, set_aside, left));
    }
}

async fn a_client_that_hears_no_longer_is_not_kept_waiting_for_a_backlog_beyond_its_call(database: &Database) {
    let store = database.open().await;
    let pending = || async { store.delivery_backlog().await.unwrap().pending };
    // No time for any of it: a part of the backlog is not begun with less than half a second left.
    let hasty = database.open_for(Duration::from_millis(450)).await;
    let acme = tenant("acme");
    for (round, name) in ["shop", "wiki", "blog"].into_iter().enumerate() {
        subscribe(&*store, name, &[SHOP]).await;
        end_one(&*store, &format!("s{round}"), &[name], at(1)).await;
        match round {
            0 => while hasty.delete_client(&acme, &client_id(name)).await.is_err() {},
            1 => {
                let deaf = Client { logout: None, ..kept(&*store, name).await.unwrap() };
                while hasty.replace_client(&acme, deaf.clone()).await.is_err() {}
            }
            _ => {
                // The configuration takes it over, and declares no logout.
                while hasty.configure_clients(&acme, vec![client(name, None)], at(2)).await.is_err() {}
            }
        }
        assert_eq!(pending().await, 1, "what there is no time for is left: {name}");
        assert!(claim(&*store, 10, at(10), at(20)).await.is_empty());
        assert_eq!(pending().await, 0, "it is dropped when it is claimed: {name}");
    }
    store.close().await;
    hasty.close().await;
}
