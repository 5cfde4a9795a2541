//! Secrets whose key changes.

use tokio::task::JoinSet;
use vestibule_sessions::{ActionUid, NewAction, SealedSecret, SecretChange, Store};

use crate::parts::database::Database;
use crate::parts::logins::*;
use crate::parts::registry::*;

on_all! {
    what_another_key_has_sealed_is_found_until_none_is_left,
    only_what_is_still_as_it_was_is_sealed_anew,
    a_secret_that_is_given_while_keys_change_is_not_undone,
}

async fn with_secrets(store: &dyn Store, of: &str, name: &str, secrets: &[(&str, &str)]) -> ActionUid {
    let secrets = secrets.iter().map(|(name, key)| sealed(name, key, &format!("{name} by {key}"))).collect();
    create_in(store, of, NewAction { secrets, ..new_action(name) }).await.id
}

async fn what_another_key_has_sealed_is_found_until_none_is_left(database: &Database) {
    let store = database.open().await;
    let a = with_secrets(&*store, "acme", "a", &[("A", "k1"), ("B", "k2"), ("C", "k3")]).await;
    let b = with_secrets(&*store, "beta", "b", &[("A", "k1"), ("B", "k2")]).await;
    let mut found = store.sealed_secrets("k2", 10).await.unwrap();
    found.sort_by_key(|(of, _, secret)| (of.clone(), secret.name.clone()));
    let expected = [("acme", a, "A", "k1"), ("acme", a, "C", "k3"), ("beta", b, "A", "k1")]
        .map(|(of, id, name, key)| (tenant(of), id, sealed(name, key, &format!("{name} by {key}"))));
    assert_eq!(found, expected);
    let some = store.sealed_secrets("k2", 2).await.unwrap();
    assert!(some.len() == 2 && some.iter().all(|secret| expected.contains(secret)));
    let mut rounds = 0;
    loop {
        let some = store.sealed_secrets("k2", 2).await.unwrap();
        if some.is_empty() {
            break;
        }
        for (of, id, old) in some {
            let new = SealedSecret { key: "k2".into(), sealed: b"anew".to_vec(), ..old.clone() };
            assert!(store.reseal(&of, &id, &old, new).await.unwrap());
        }
        rounds += 1;
    }
    assert_eq!(rounds, 2);
    let text = |(name, value): (&str, &str)| (name.to_owned(), "k2".to_owned(), value.to_owned());
    assert_eq!(secrets_of(&*store, &a).await, [("A", "anew"), ("B", "B by k2"), ("C", "anew")].map(text));
}

async fn only_what_is_still_as_it_was_is_sealed_anew(database: &Database) {
    let store = database.open().await;
    let acme = tenant("acme");
    let id = with_secrets(&*store, "acme", "a", &[("A", "k1")]).await;
    let before = action(&*store, &id).await;
    let old = store.secrets(&acme, &id).await.unwrap().remove(0);
    let new = SealedSecret { updated_at: at(99), ..sealed("A", "k2", "anew") };
    let other = ActionUid::random().unwrap();
    for wrong in [
        SealedSecret { key: "k0".into(), ..old.clone() },
        SealedSecret { sealed: b"another".to_vec(), ..old.clone() },
        SealedSecret { name: secret_name("B"), ..old.clone() },
    ] {
        assert!(!store.reseal(&acme, &id, &wrong, new.clone()).await.unwrap());
    }
    assert!(!store.reseal(&acme, &other, &old, new.clone()).await.unwrap());
    assert!(!store.reseal(&tenant("beta"), &id, &old, new.clone()).await.unwrap());
    assert_eq!(store.secrets(&acme, &id).await.unwrap(), std::slice::from_ref(&old));
    assert!(store.reseal(&acme, &id, &old, new.clone()).await.unwrap());
    assert!(!store.reseal(&acme, &id, &old, new.clone()).await.unwrap(), "it was sealed anew already");
    assert_eq!(store.secrets(&acme, &id).await.unwrap(), [SealedSecret { updated_at: old.updated_at, ..new }]);
    assert_eq!(action(&*store, &id).await, before, "nothing that can be told of it has changed");
}

async fn a_secret_that_is_given_while_keys_change_is_not_undone(database: &Database) {
    let stores = [database.open().await, database.open().await];
    let id = with_secrets(&*stores[0], "acme", "a", &[("A", "k1")]).await;
    let mut callers = JoinSet::new();
    let giver = stores[0].clone();
    callers.spawn(async move {
        for round in 0..30 {
            let given = SecretChange::Set(sealed("A", "k1", &format!("given {round}")));
            change(&*giver, &id, changes_secrets(given)).await;
        }
    });
    let sealer = stores[1].clone();
    callers.spawn(async move {
        for _ in 0..60 {
            for (of, id, old) in sealer.sealed_secrets("k2", 10).await.unwrap() {
                let value = String::from_utf8(old.sealed.clone()).unwrap();
                let new = SealedSecret { key: "k2".into(), sealed: format!("{value} anew").into(), ..old.clone() };
                sealer.reseal(&of, &id, &old, new).await.unwrap();
            }
        }
    });
    callers.join_all().await;
    let (_, _, value) = secrets_of(&*stores[0], &id).await.remove(0);
    assert!(["given 29", "given 29 anew"].contains(&value.as_str()), "{value}");
}
