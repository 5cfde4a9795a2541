//! What the end of a session owes to its applications.

use std::sync::Arc;

use serde_json::json;
use tokio::task::JoinSet;
use vestibule_sessions::{
    Committed, DeliveryState, EndedAll, Initiator, LogKind, LogoutInitiators, LogoutSettings, SessionChange,
};

use crate::parts::database::Database;
use crate::parts::logins::*;
use crate::parts::logouts::*;

on_all! {
    each_url_of_each_client_that_took_part_is_owed_a_delivery,
    every_way_to_end_owes_the_same,
    a_client_hears_of_the_initiators_that_it_has_selected,
    a_delivery_has_the_metadata_as_it_was_where_the_client_wants_it,
    the_log_tells_of_every_end,
    what_does_not_end_owes_nothing,
    a_login_that_is_sent_again_owes_nothing_again,
    ends_at_once_owe_once,
    sweeps_at_once_owe_once,
    a_client_of_another_tenant_hears_nothing,
    a_session_ends_though_its_clients_cant_be_read,
    a_database_of_the_version_before_is_migrated_with_all_that_it_has,
}

const SHOP: &str = "https://shop.example/out";
const WIKI: &str = "https://wiki.example:8443/a";
const WIKI_TOO: &str = "https://wiki.example:8443/b";

async fn each_url_of_each_client_that_took_part_is_owed_a_delivery(database: &Database) {
    let store = database.open().await;
    subscribe(&*store, "shop", &[SHOP]).await;
    subscribe(&*store, "wiki", &[WIKI, WIKI_TOO, WIKI]).await;
    subscribe(&*store, "mail", &["https://mail.example/out"]).await;
    create(&*store, client("quiet", None)).await;
    log_in_to(&*store, "s1", &["shop", "wiki", "quiet", "unknown", "no id\n"], at(1)).await;
    assert!(all(&*store).await.is_empty());
    assert!(store.end(&tenant("acme"), &id("s1"), Initiator::PasswordChanged, at(5)).await.unwrap());
    let found = all(&*store).await;
    assert_eq!(targets(&found), expected(&[("s1", "shop", SHOP), ("s1", "wiki", WIKI), ("s1", "wiki", WIKI_TOO)]));
    for delivery in &found {
        assert_eq!(
            (&delivery.tenant, &delivery.user, delivery.initiator),
            (&tenant("acme"), &user("anna"), Initiator::PasswordChanged)
        );
        assert_eq!((delivery.ended_at, delivery.created_at, delivery.due_at), (at(5), at(5), at(5)));
        assert_eq!((delivery.attempts, delivery.is_claimed, delivery.state), (0, false, DeliveryState::Pending));
        assert_eq!((&delivery.last_error, delivery.finished_at, &delivery.metadata), (&None, None, &None));
        let receiver =
            if delivery.client == client_id("shop") { "https://shop.example:443" } else { "https://wiki.example:8443" };
        assert_eq!(delivery.receiver.as_str(), receiver);
        assert_eq!(store.delivery(&tenant("acme"), delivery.id).await.unwrap().as_ref(), Some(delivery));
    }
}

async fn every_way_to_end_owes_the_same(database: &Database) {
    let store = database.open().await;
    let acme = tenant("acme");
    subscribe(&*store, "shop", &[SHOP]).await;
    for session in ["ended", "ended-all", "revoked"] {
        log_in_to(&*store, session, &["shop"], at(1)).await;
        match session {
            "ended" => assert!(store.end(&acme, &id(session), Initiator::RpLogout, at(5)).await.unwrap()),
            "ended-all" => {
                assert_eq!(
                    store.end_all_of(&acme, &user("anna"), Initiator::AccountDeleted, at(5), 100).await.unwrap(),
                    EndedAll::Written(1)
                );
            }
            _ => assert_eq!(commit(&*store, does(session, SessionChange::End(Initiator::SessionRevoked), at(5))).await, None),
        }
    }
    let mut expires = login("expired", at(1));
    expires.session.as_mut().unwrap().expires_at = Some(at(5));
    commit(&*store, expires).await;
    assert_eq!(store.sweep(at(9), keep_all(), 100).await.unwrap().expired, 1);
    let found = all(&*store).await;
    assert_eq!(
        targets(&found),
        expected(&[("ended", "shop", SHOP), ("ended-all", "shop", SHOP), ("expired", "shop", SHOP), ("revoked", "shop", SHOP)])
    );
    for delivery in found {
        let (initiator, created_at) = match delivery.session.as_str() {
            "ended" => (Initiator::RpLogout, at(5)),
            "ended-all" => (Initiator::AccountDeleted, at(5)),
            "revoked" => (Initiator::SessionRevoked, at(5)),
            // Its time was over before somebody looked.
            _ => (Initiator::SessionExpired, at(9)),
        };
        let of = (delivery.initiator, delivery.ended_at, delivery.created_at, delivery.due_at);
        assert_eq!(of, (initiator, at(5), created_at, created_at), "{}", delivery.session);
    }
    assert_eq!(lines(&*store, LogKind::Logout).await.len(), 4);
}

async fn a_client_hears_of_the_initiators_that_it_has_selected(database: &Database) {
    let store = database.open().await;
    let selects = |initiators: &[Initiator]| LogoutSettings {
        initiators: LogoutInitiators::Selected(initiators.iter().copied().collect()),
        ..hears_at(&[SHOP])
    };
    create(&*store, client("all", Some(hears_at(&[SHOP])))).await;
    create(&*store, client("none", Some(selects(&[])))).await;
    create(&*store, client("two", Some(selects(&[Initiator::IdpLogout, Initiator::AccountDeactivated])))).await;
    for initiator in Initiator::ALL {
        log_in_to(&*store, initiator.as_str(), &["all", "none", "two"], at(1)).await;
        assert!(store.end(&tenant("acme"), &id(initiator.as_str()), initiator, at(5)).await.unwrap());
    }
    let found = all(&*store).await;
    for initiator in Initiator::ALL {
        let heard: Vec<_> = targets(&found).into_iter().filter(|(session, ..)| session == initiator.as_str()).collect();
        let is_selected = [Initiator::IdpLogout, Initiator::AccountDeactivated].contains(&initiator);
        assert_eq!(heard.len(), if is_selected { 2 } else { 1 }, "{initiator}: {heard:?}");
    }
}

async fn a_delivery_has_the_metadata_as_it_was_where_the_client_wants_it(database: &Database) {
    let store = database.open().await;
    let wants = LogoutSettings { include_session_metadata: true, ..hears_at(&[SHOP]) };
    create(&*store, client("wants", Some(wants))).await;
    create(&*store, client("not", Some(hears_at(&[SHOP])))).await;
    for (session, of) in [("some", vec![("org", "\u{0}Acme é🦀")]), ("empty", vec![])] {
        log_in_to(&*store, session, &["wants", "not"], at(1)).await;
        store.replace_metadata(&tenant("acme"), &id(session), metadata(&of), at(2)).await.unwrap();
        store.end(&tenant("acme"), &id(session), Initiator::RpLogout, at(5)).await.unwrap();
    }
    log_in_to(&*store, "revoked", &["wants"], at(1)).await;
    store.replace_metadata(&tenant("acme"), &id("revoked"), metadata(&[("org", "kept")]), at(2)).await.unwrap();
    let mut ends = does("revoked", SessionChange::End(Initiator::SessionRevoked), at(5));
    ends.session.as_mut().unwrap().metadata = changes(&[("org", Some("not kept"))]);
    commit(&*store, ends).await;
    for delivery in all(&*store).await {
        let expected = match (delivery.session.as_str(), delivery.client.as_str()) {
            (_, "not") => None,
            ("some", _) => Some(metadata(&[("org", "\u{0}Acme é🦀")])),
            ("empty", _) => Some(metadata(&[])),
            _ => Some(metadata(&[("org", "kept")])),
        };
        assert_eq!(delivery.metadata, expected, "{} {}", delivery.session, delivery.client);
    }
}

async fn the_log_tells_of_every_end(database: &Database) {
    let store = database.open().await;
    subscribe(&*store, "wiki", &[WIKI, WIKI_TOO]).await;
    for (session, clients) in [("s1", ["wiki"]), ("s2", ["unknown"])] {
        log_in_to(&*store, session, &clients, at(1)).await;
        store.end(&tenant("acme"), &id(session), Initiator::IdpLogout, at(5)).await.unwrap();
    }
    let found = log_of(&*store, "acme").await;
    let bodies: Vec<_> = found.iter().map(|line| json!(line.body)).collect();
    let body = |session: &str, deliveries: u64| json!({ "session_id": session, "user_id": "anna", "details": { "initiator": "idp-logout", "deliveries": deliveries, "ended_at": at(5).to_string() } });
    assert!(bodies.contains(&body("s1", 2)) && bodies.contains(&body("s2", 0)) && bodies.len() == 2, "{bodies:?}");
    assert!(found.iter().all(|line| line.kind == LogKind::Logout && line.date == at(5)));
    assert_eq!(LogKind::Logout.as_str(), "slo");
}

async fn what_does_not_end_owes_nothing(database: &Database) {
    let store = database.open().await;
    let acme = tenant("acme");
    subscribe(&*store, "shop", &[SHOP]).await;
    let mut expires = login("expires", at(1));
    expires.session.as_mut().unwrap().expires_at = Some(at(5));
    commit(&*store, expires).await;
    commit(&*store, login("ended", at(1))).await;
    store.end(&acme, &id("ended"), Initiator::RpLogout, at(4)).await.unwrap();
    let before = (all(&*store).await.len(), log_of(&*store, "acme").await.len());
    for session in ["expires", "ended", "unknown"] {
        assert!(!store.end(&acme, &id(session), Initiator::IdpLogout, at(6)).await.unwrap(), "{session}");
        let login = does(session, SessionChange::End(Initiator::SessionRevoked), at(6));
        assert!(!matches!(store.commit_login(login).await.unwrap(), Committed::Done { session: Some(_) }));
        commit(&*store, does("not-there", SessionChange::Keep, at(6))).await;
    }
    assert_eq!(store.end_all_of(&acme, &user("anna"), Initiator::IdpLogout, at(6), 100).await.unwrap(), EndedAll::Written(0));
    let anothers = uses("acme", "of-boris", "boris", at(6));
    commit(&*store, anothers).await;
    let stolen = does("of-boris", SessionChange::End(Initiator::SessionRevoked), at(7));
    assert!(matches!(store.commit_login(stolen).await.unwrap(), Committed::AnotherUser));
    assert_eq!((all(&*store).await.len(), log_of(&*store, "acme").await.len()), before);
}

async fn a_login_that_is_sent_again_owes_nothing_again(database: &Database) {
    let store = database.open().await;
    subscribe(&*store, "shop", &[SHOP]).await;
    commit(&*store, login("s1", at(1))).await;
    let mut ends = does("s1", SessionChange::End(Initiator::SessionRevoked), at(5));
    ends.transaction = Some(answered(transaction("t1"), "answer".into()));
    commit(&*store, ends.clone()).await;
    assert!(matches!(store.commit_login(ends).await.unwrap(), Committed::Repeated { .. }));
    assert_eq!((all(&*store).await.len(), lines(&*store, LogKind::Logout).await.len()), (1, 1));
}

async fn ends_at_once_owe_once(database: &Database) {
    let stores = [database.open().await, database.open().await];
    subscribe(&*stores[0], "shop", &[SHOP]).await;
    for round in 0..5 {
        let session = format!("s{round}");
        log_in_to(&*stores[0], &session, &["shop"], at(1)).await;
        let mut callers = JoinSet::new();
        for caller in 0..12 {
            let (store, session) = (Arc::clone(&stores[caller % 2]), session.clone());
            callers.spawn(async move {
                let acme = tenant("acme");
                match caller % 3 {
                    0 => drop(store.end(&acme, &id(&session), Initiator::RpLogout, at(2)).await.unwrap()),
                    1 => {
                        store.end_all_of(&acme, &user("anna"), Initiator::AccountDeleted, at(2), 100).await.unwrap();
                    }
                    _ => {
                        let login = does(&session, SessionChange::End(Initiator::SessionRevoked), at(2));
                        drop(store.commit_login(login).await.unwrap());
                    }
                }
            });
        }
        while let Some(done) = callers.join_next().await {
            done.unwrap();
        }
        assert_eq!((all(&*stores[0]).await.len(), lines(&*stores[1], LogKind::Logout).await.len()), (round + 1, round + 1));
    }
}

async fn sweeps_at_once_owe_once(database: &Database) {
    const SESSIONS: usize = 40;
    let (store, other) = (database.open().await, database.open().await);
    subscribe(&*store, "shop", &[SHOP, WIKI]).await;
    for number in 0..SESSIONS {
        let mut login = login(&format!("s{number}"), at(1));
        login.session.as_mut().unwrap().expires_at = Some(at(10));
        commit(&*store, login).await;
    }
    let sweeps = [store.clone(), other, store.clone()].map(|store| {
        tokio::spawn(async move {
            // What another has in its hands may be missing from one call, and not from the next.
            for _ in 0..25 {
                assert!(store.sweep(at(50), keep_all(), 5).await.unwrap().expired <= 5);
            }
        })
    });
    for sweep in sweeps {
        sweep.await.unwrap();
    }
    let found = all(&*store).await;
    let mut once = targets(&found);
    once.dedup();
    assert_eq!((found.len(), once.len()), (2 * SESSIONS, 2 * SESSIONS));
    assert_eq!(lines(&*store, LogKind::Logout).await.len(), SESSIONS);
}

async fn a_client_of_another_tenant_hears_nothing(database: &Database) {
    let store = database.open().await;
    subscribe(&*store, "shop", &[SHOP]).await;
    commit(&*store, uses("other", "s1", "anna", at(1))).await;
    assert!(store.end(&tenant("other"), &id("s1"), Initiator::RpLogout, at(5)).await.unwrap());
    assert!(all(&*store).await.is_empty());
    end_one(&*store, "s1", &["shop"], at(6)).await;
    let found = all(&*store).await;
    assert_eq!((found.len(), &found[0].tenant), (1, &tenant("acme")));
    assert_eq!(store.delivery(&tenant("other"), found[0].id).await.unwrap(), None);
    assert!(!store.retry_delivery(&tenant("other"), found[0].id, at(7)).await.unwrap());
    assert!(!store.drop_delivery(&tenant("other"), found[0].id).await.unwrap());
    assert!(store.deliveries(Some(&tenant("other")), None, None, 10).await.unwrap().deliveries.is_empty());
}

async fn a_session_ends_though_its_clients_cant_be_read(database: &Database) {
    let store = database.open().await;
    let acme = tenant("acme");
    subscribe(&*store, "shop", &[SHOP]).await;
    subscribe(&*store, "wiki", &[WIKI]).await;
    set_logout(&*store, "wiki", Some(hears_at(&[WIKI_TOO]))).await;
    // One that is read as a whole, one whose clients can't be read, and one of a client whose
    // settings can't.
    for (session, clients) in [("s1", vec!["shop"]), ("s2", vec!["shop", "wiki"]), ("s3", vec!["shop", "wiki", "shop"])] {
        log_in_to(&*store, session, &clients, at(1)).await;
    }
    database.execute("UPDATE sessions SET clients = '{\"secret\": 7}', expires_at = 0, ends_at = 0 WHERE revision = 2").await;
    database.execute("UPDATE clients SET logout = '{\"secret\": 7}' WHERE revision = 2").await;
    for session in ["s1", "s3"] {
        assert!(store.end(&acme, &id(session), Initiator::RpLogout, at(5)).await.unwrap(), "{session}");
    }
    // One row that can't be read must not keep a sweep from all others, for ever.
    assert_eq!(store.sweep(at(5), keep_all(), 100).await.unwrap().expired, 1);
    assert_eq!(targets(&all(&*store).await), expected(&[("s1", "shop", SHOP), ("s3", "shop", SHOP)]));
    for line in lines(&*store, LogKind::Logout).await {
        let is_whole = line.body["session_id"] == "s1";
        assert_eq!(line.body["details"].get("error").is_none(), is_whole, "{:?}", line.body);
        assert!(!json!(line.body).to_string().contains("secret"), "{:?}", line.body);
    }
}

async fn a_database_of_the_version_before_is_migrated_with_all_that_it_has(database: &Database) {
    let store = database.open().await;
    commit(&*store, login("s1", at(1))).await;
    store.close().await;
    database.forget_bytes().await;
    let later = "DROP TABLE clients; DROP TABLE deliveries; DROP TABLE streams; DROP TABLE actions; DROP TABLE components; \
         DROP TABLE versions; DROP TABLE bindings; DROP TABLE secrets; DROP TABLE policies; DROP TABLE flow_revisions; \
         DROP TABLE flow_counter; DROP TABLE IF EXISTS executions; DROP TABLE IF EXISTS execution_positions; \
         DELETE FROM vestibule_migrations WHERE number > 1";
    database.execute(later).await;
    let store = database.open().await;
    subscribe(&*store, "shop", &[SHOP]).await;
    assert!(store.end(&tenant("acme"), &id("s1"), Initiator::RpLogout, at(5)).await.unwrap());
    assert_eq!(targets(&all(&*store).await), expected(&[("s1", "shop", SHOP)]));
}
