//! Clients: as they are kept, changed and declared.

use std::sync::Arc;

use tokio::task::JoinSet;
use vestibule_sessions::{Client, ClientCreated, ClientDeleted, ClientSource, LogoutInitiators, LogoutSettings};

use crate::parts::database::Database;
use crate::parts::logins::*;
use crate::parts::logouts::*;

on_all! {
    a_client_is_kept_as_it_was_written,
    a_client_is_created_once_and_deleted_once,
    a_client_that_the_configuration_declares_is_not_deleted,
    clients_come_in_pages_and_are_counted,
    pages_of_clients_by_number_are_those_by_cursor,
    a_tenant_has_as_many_clients_as_it_may,
    a_client_that_somebody_has_changed_since_is_not_replaced,
    of_many_who_change_a_client_at_once_none_undoes_anothers_change,
    clients_are_what_the_configuration_declares,
    what_is_as_it_was_declared_is_not_written,
    the_configuration_takes_a_client_of_the_management_api,
    servers_that_declare_at_once_agree,
    no_tenant_sees_or_changes_anothers_clients,
}

async fn a_client_is_kept_as_it_was_written(database: &Database) {
    let store = database.open().await;
    let selected = LogoutSettings {
        initiators: LogoutInitiators::Selected([vestibule_sessions::Initiator::RpLogout].into()),
        include_session_metadata: true,
        ..hears_at(&["https://shop.example/out", "http://127.0.0.1:8080/out?a=1"])
    };
    for (name, logout) in [("shop", Some(selected)), ("auth0|é🦀", None), ("nothing", Some(hears_at(&[])))] {
        let written = client(name, logout);
        create(&*store, written.clone()).await;
        assert_eq!(kept(&*store, name).await, Some(written));
    }
    assert_eq!(kept(&*store, "none").await, None);
}

async fn a_client_is_created_once_and_deleted_once(database: &Database) {
    let store = database.open().await;
    let acme = tenant("acme");
    create(&*store, Client { revision: 77, ..client("shop", None) }).await;
    let other = Client { name: "another".into(), ..client("shop", None) };
    assert_eq!(store.create_client(&acme, other, u64::MAX).await.unwrap(), ClientCreated::Exists);
    assert_eq!(kept(&*store, "shop").await, Some(client("shop", None)));
    assert_eq!(delete(&*store, "shop").await, ClientDeleted::Deleted);
    assert_eq!(delete(&*store, "shop").await, ClientDeleted::Absent);
    assert_eq!(kept(&*store, "shop").await, None);
    assert!(!store.replace_client(&acme, client("shop", None)).await.unwrap());
}

async fn a_client_that_the_configuration_declares_is_not_deleted(database: &Database) {
    let store = database.open().await;
    let (acme, logout) = (tenant("acme"), Some(hears_at(&["https://shop.example/out"])));
    // Whoever deletes it has seen it as the Management API's.
    create(&*store, client("shop", logout.clone())).await;
    store.configure_clients(&acme, vec![client("shop", logout)], at(1)).await.unwrap();
    end_one(&*store, "s1", &["shop"], at(2)).await;
    assert_eq!(delete(&*store, "shop").await, ClientDeleted::Declared);
    assert_eq!(kept(&*store, "shop").await.unwrap().source, ClientSource::Configuration);
    assert_eq!(all(&*store).await.len(), 1);
    store.configure_clients(&acme, Vec::new(), at(3)).await.unwrap();
    assert_eq!((kept(&*store, "shop").await, all(&*store).await.len()), (None, 0));
}

async fn clients_come_in_pages_and_are_counted(database: &Database) {
    let store = database.open().await;
    let mut names: Vec<String> = (0..7).map(|number| format!("c{number}")).chain(["C".into(), "é".into(), "_".into()]).collect();
    for name in &names {
        create(&*store, client(name, None)).await;
    }
    names.sort();
    for take in [1, 3, 9, 10, 11] {
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let page = store.clients(&tenant("acme"), after.as_ref(), take).await.unwrap();
            assert!(page.clients.len() <= take);
            found.extend(page.clients.iter().map(|client| client.id.to_string()));
            match page.next {
                Some(next) => after = Some(next),
                None => break,
            }
        }
        assert_eq!(found, names, "{take}");
    }
    assert_eq!(store.count_clients(&tenant("acme")).await.unwrap(), 10);
    assert_eq!(store.count_clients(&tenant("other")).await.unwrap(), 0);
}

async fn pages_of_clients_by_number_are_those_by_cursor(database: &Database) {
    let store = database.open().await;
    let acme = tenant("acme");
    for number in 0..7 {
        create(&*store, client(&format!("c{number}"), None)).await;
    }
    let all = store.clients(&acme, None, 10).await.unwrap().clients;
    for (skip, take) in [(0, 10), (0, 3), (3, 3), (6, 3), (7, 3), (1_000, 1)] {
        let page = store.clients_from(&acme, skip, take).await.unwrap();
        let expected: Vec<_> = all.iter().skip(skip).take(take).cloned().collect();
        assert_eq!(page, expected, "{take} after {skip}");
    }
    assert!(store.clients_from(&tenant("other"), 0, 10).await.unwrap().is_empty());
}

async fn a_tenant_has_as_many_clients_as_it_may(database: &Database) {
    const AT_MOST: u64 = 5;
    let stores = [database.open().await, database.open().await];
    let mut callers = JoinSet::new();
    for number in 0..20 {
        let store = Arc::clone(&stores[number % 2]);
        callers.spawn(async move {
            store.create_client(&tenant("acme"), client(&format!("c{number}"), None), AT_MOST).await.unwrap()
        });
    }
    let created = callers.join_all().await;
    let of = |what| created.iter().filter(|created| **created == what).count() as u64;
    assert_eq!((of(ClientCreated::Created), of(ClientCreated::TooMany)), (AT_MOST, 20 - AT_MOST));
    let store = &stores[0];
    assert_eq!(store.count_clients(&tenant("acme")).await.unwrap(), AT_MOST);
    // One that is there is named before the count is; and one that goes makes room.
    let there = store.clients_from(&tenant("acme"), 0, 1).await.unwrap().remove(0);
    let name = there.id.to_string();
    assert_eq!(store.create_client(&tenant("acme"), there, AT_MOST).await.unwrap(), ClientCreated::Exists);
    delete(&**store, &name).await;
    assert_eq!(store.create_client(&tenant("acme"), client("new", None), AT_MOST).await.unwrap(), ClientCreated::Created);
    assert_eq!(store.create_client(&tenant("other"), client("new", None), AT_MOST).await.unwrap(), ClientCreated::Created);
}

async fn a_client_that_somebody_has_changed_since_is_not_replaced(database: &Database) {
    let store = database.open().await;
    let acme = tenant("acme");
    create(&*store, Client { created_at: at(5), updated_at: at(5), ..client("shop", None) }).await;
    let read = kept(&*store, "shop").await.unwrap();
    let mine = Client { name: "mine".into(), created_at: at(1), updated_at: at(9), ..read.clone() };
    assert!(store.replace_client(&acme, mine.clone()).await.unwrap());
    let late = Client { logout: Some(hears_at(&["https://shop.example/out"])), ..read };
    assert!(!store.replace_client(&acme, late).await.unwrap());
    let after = kept(&*store, "shop").await.unwrap();
    assert_eq!(after, Client { created_at: at(5), revision: 2, ..mine });
    // Somebody whose clock is behind.
    assert!(store.replace_client(&acme, Client { updated_at: at(3), ..after }).await.unwrap());
    let after = kept(&*store, "shop").await.unwrap();
    assert_eq!((after.updated_at, after.revision), (at(9), 3));
}

async fn of_many_who_change_a_client_at_once_none_undoes_anothers_change(database: &Database) {
    const CALLERS: usize = 8;
    let stores = [database.open().await, database.open().await];
    create(&*stores[0], client("shop", None)).await;
    let mut callers = JoinSet::new();
    for caller in 0..CALLERS {
        let store = Arc::clone(&stores[caller % 2]);
        callers.spawn(async move {
            loop {
                let mut client = kept(&*store, "shop").await.unwrap();
                client.body.insert(format!("k{caller}"), true.into());
                if store.replace_client(&tenant("acme"), client).await.unwrap() {
                    break;
                }
            }
        });
    }
    while let Some(done) = callers.join_next().await {
        done.unwrap();
    }
    let client = kept(&*stores[1], "shop").await.unwrap();
    assert_eq!((client.revision, client.body.len()), (1 + CALLERS as u64, 1 + CALLERS));
}

/// What the tenant has: names, who has the say, and when each was last changed.
async fn listed(database: &Database) -> Vec<(String, ClientSource, u64, u64)> {
    let store = database.open().await;
    let page = store.clients(&tenant("acme"), None, 100).await.unwrap();
    let millis = |client: &Client| client.updated_at.as_millis() - at(0).as_millis();
    page.clients.iter().map(|client| (client.id.to_string(), client.source, client.revision, millis(client))).collect()
}

async fn clients_are_what_the_configuration_declares(database: &Database) {
    use ClientSource::{Configuration, Management};

    let store = database.open().await;
    let acme = tenant("acme");
    create(&*store, client("api", None)).await;
    store.configure_clients(&acme, vec![client("shop", None), client("wiki", None)], at(1)).await.unwrap();
    let row = |name: &str, source, revision, changed| (name.to_owned(), source, revision, changed);
    assert_eq!(
        listed(database).await,
        [row("api", Management, 1, 0), row("shop", Configuration, 1, 1), row("wiki", Configuration, 1, 1)]
    );
    let changed = client("wiki", Some(hears_at(&["https://wiki.example/out"])));
    store.configure_clients(&acme, vec![client("mail", None), changed.clone()], at(2)).await.unwrap();
    assert_eq!(
        listed(database).await,
        [row("api", Management, 1, 0), row("mail", Configuration, 1, 2), row("wiki", Configuration, 2, 2)]
    );
    let wiki = kept(&*store, "wiki").await.unwrap();
    assert_eq!((wiki.logout, wiki.created_at), (changed.logout, at(1)));
    store.configure_clients(&acme, Vec::new(), at(3)).await.unwrap();
    assert_eq!(listed(database).await, [row("api", Management, 1, 0)]);
}

async fn what_is_as_it_was_declared_is_not_written(database: &Database) {
    let store = database.open().await;
    let declared = || vec![client("shop", Some(hears_at(&["https://shop.example/out"])))];
    for now in [1, 2, 3] {
        store.configure_clients(&tenant("acme"), declared(), at(now)).await.unwrap();
    }
    assert_eq!(listed(database).await, [("shop".to_owned(), ClientSource::Configuration, 1, 1)]);
}

async fn the_configuration_takes_a_client_of_the_management_api(database: &Database) {
    let store = database.open().await;
    create(&*store, client("shop", None)).await;
    // Of two with one id the last counts.
    let first = Client { name: "first".into(), ..client("shop", None) };
    store.configure_clients(&tenant("acme"), vec![first, client("shop", None)], at(5)).await.unwrap();
    let shop = kept(&*store, "shop").await.unwrap();
    let expected = Client { source: ClientSource::Configuration, updated_at: at(5), revision: 2, ..client("shop", None) };
    assert_eq!(shop, expected);
    store.configure_clients(&tenant("acme"), Vec::new(), at(6)).await.unwrap();
    assert_eq!(kept(&*store, "shop").await, None);
}

async fn servers_that_declare_at_once_agree(database: &Database) {
    let stores = [database.open().await, database.open().await];
    for round in 0..4_u64 {
        let mut servers = JoinSet::new();
        for server in 0..8 {
            let store = Arc::clone(&stores[server % 2]);
            servers.spawn(async move {
                let declared = |number| Client { name: format!("of {round}"), ..client(&format!("c{number}"), None) };
                let declared = (round..round + 5).map(declared).collect();
                store.configure_clients(&tenant("acme"), declared, at(round)).await.unwrap();
            });
        }
        while let Some(done) = servers.join_next().await {
            done.unwrap();
        }
        // Each was created in the first round that has it, and changed once in every round since.
        let revision = |number: u64| round - number.saturating_sub(4) + 1;
        let expected: Vec<_> = (round..round + 5)
            .map(|number| (format!("c{number}"), ClientSource::Configuration, revision(number), round))
            .collect();
        assert_eq!(listed(database).await, expected);
    }
}

async fn no_tenant_sees_or_changes_anothers_clients(database: &Database) {
    let store = database.open().await;
    create(&*store, client("shop", None)).await;
    let (other, shop) = (tenant("other"), client_id("shop"));
    assert_eq!(store.client(&other, &shop).await.unwrap(), None);
    assert!(store.clients(&other, None, 10).await.unwrap().clients.is_empty());
    assert!(!store.replace_client(&other, client("shop", None)).await.unwrap());
    assert_eq!(store.delete_client(&other, &shop).await.unwrap(), ClientDeleted::Absent);
    assert_eq!(store.create_client(&other, client("shop", None), u64::MAX).await.unwrap(), ClientCreated::Created);
    store.configure_clients(&other, vec![client("shop", None)], at(1)).await.unwrap();
    store.configure_clients(&other, Vec::new(), at(2)).await.unwrap();
    assert_eq!(kept(&*store, "shop").await, Some(client("shop", None)));
}
