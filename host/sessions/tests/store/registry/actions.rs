//! Actions: as they are kept, found, changed and deleted.

use serde_json::json;
use tokio::task::JoinSet;
use vestibule_sessions::{
    ActionChange, ActionChanged, ActionCreated, ActionDeleted, ActionFilter, ActionUid, NewAction, SecretChange, Store,
    StoredAction,
};

use crate::parts::database::Database;
use crate::parts::logins::*;
use crate::parts::registry::*;

on_all! {
    an_action_is_kept_as_it_was_created,
    a_name_is_one_actions_of_a_tenant_also_when_many_take_it_at_once,
    a_tenant_has_as_many_actions_as_it_may,
    what_is_not_said_of_a_change_stays,
    an_action_that_somebody_has_changed_since_is_not_changed,
    a_change_that_is_refused_changes_nothing,
    no_moment_of_an_action_goes_back,
    secrets_are_replaced_set_and_removed,
    a_secret_stays_where_others_are_replaced_whatever_its_name,
    actions_come_by_their_names_and_only_those_that_were_asked_for,
    an_action_is_deleted_with_all_that_was_its_own,
    an_action_that_is_bound_is_deleted_by_force_alone,
}

async fn an_action_is_kept_as_it_was_created(database: &Database) {
    let store = database.open().await;
    let new = NewAction { secrets: vec![sealed("TOKEN", "k1", "a"), sealed("API", "k1", "b")], ..new_action("crm-sync") };
    let created = create_in(&*store, "acme", new.clone()).await;
    assert_eq!((&created.id, &created.name, created.trigger), (&new.id, &new.name, new.trigger));
    assert_eq!((&created.settings, created.created_at, created.updated_at), (&new.settings, at(1), at(1)));
    assert_eq!((&created.draft, &created.deployed, created.revision), (&None, &None, 1));
    let names: Vec<_> = created.secrets.iter().map(|secret| secret.name.as_str()).collect();
    assert_eq!(names, ["API", "TOKEN"]);
    assert_eq!(store.action(&tenant("acme"), &new.id).await.unwrap().as_ref(), Some(&created));
    assert_eq!(store.action_named(&tenant("acme"), &new.name).await.unwrap(), Some(created));
    assert_eq!(store.action(&tenant("acme"), &ActionUid::random().unwrap()).await.unwrap(), None);
    assert_eq!(store.action_named(&tenant("acme"), &action_name("CRM-sync")).await.unwrap(), None);
}

async fn a_name_is_one_actions_of_a_tenant_also_when_many_take_it_at_once(database: &Database) {
    let stores = [database.open().await, database.open().await];
    let mut callers = JoinSet::new();
    for caller in 0..12 {
        let store = stores[caller % 2].clone();
        callers.spawn(async move { store.create_action(&tenant("acme"), new_action("one"), 100, at(1)).await.unwrap() });
    }
    let answers = callers.join_all().await;
    let created = answers.iter().filter(|answer| matches!(answer, ActionCreated::Created(_))).count();
    let taken = answers.iter().filter(|answer| **answer == ActionCreated::NameTaken).count();
    assert_eq!((created, taken), (1, 11));
    assert_eq!(listed(&*stores[0], ActionFilter::default()).await, ["one"]);
}

async fn a_tenant_has_as_many_actions_as_it_may(database: &Database) {
    let store = database.open().await;
    let create = |name: &'static str| {
        let store = store.clone();
        async move { store.create_action(&tenant("acme"), new_action(name), 2, at(1)).await.unwrap() }
    };
    create_in(&*store, "other", new_action("theirs")).await;
    for name in ["a", "b"] {
        assert!(matches!(create(name).await, ActionCreated::Created(_)));
    }
    assert_eq!(create("c").await, ActionCreated::TooMany);
    assert_eq!(create("a").await, ActionCreated::NameTaken, "what is wrong with its name is said first");
    assert_eq!(listed(&*store, ActionFilter::default()).await, ["a", "b"]);
}

async fn what_is_not_said_of_a_change_stays(database: &Database) {
    let store = database.open().await;
    let new = NewAction { secrets: vec![sealed("TOKEN", "k1", "a")], ..new_action("first") };
    let created = create_in(&*store, "acme", new).await;
    let renamed = change(&*store, &created.id, renames("second")).await;
    let expected = StoredAction { name: action_name("second"), updated_at: at(10), revision: 2, ..created.clone() };
    assert_eq!(renamed, expected);
    let settings = map(&[("on_failure", json!("continue"))]);
    let configured = change(&*store, &created.id, configures(settings.clone())).await;
    assert_eq!(configured, StoredAction { settings, revision: 3, ..expected });
    let nothing = change(&*store, &created.id, ActionChange::default()).await;
    assert_eq!(nothing, StoredAction { revision: 4, ..configured });
    assert_eq!(action(&*store, &created.id).await, nothing);
    assert_eq!(change(&*store, &created.id, renames("second")).await.revision, 5, "its own name is not taken");
}

async fn an_action_that_somebody_has_changed_since_is_not_changed(database: &Database) {
    const CALLERS: usize = 8;
    let stores = [database.open().await, database.open().await];
    let id = create_action(&*stores[0], "counted").await.id;
    change(&*stores[0], &id, configures(map(&[]))).await;
    let mut callers = JoinSet::new();
    for caller in 0..CALLERS {
        let store = stores[caller % 2].clone();
        callers.spawn(async move {
            loop {
                let looked_at = action(&*store, &id).await;
                let mut settings = looked_at.settings;
                settings.insert(format!("k{caller}"), json!(true));
                let revision = Some(looked_at.revision);
                match store.change_action(&tenant("acme"), &id, configures(settings), revision, at(10)).await.unwrap() {
                    ActionChanged::Changed(_) => break,
                    ActionChanged::Overtaken => {}
                    other => panic!("{other:?}"),
                }
            }
        });
    }
    callers.join_all().await;
    let after = action(&*stores[1], &id).await;
    assert_eq!((after.settings.len(), after.revision), (CALLERS, 2 + CALLERS as u64));
}

async fn a_change_that_is_refused_changes_nothing(database: &Database) {
    let store = database.open().await;
    create_action(&*store, "taken").await;
    let before = create_action(&*store, "mine").await;
    let both = ActionChange {
        settings: Some(map(&[("a", json!(1))])),
        secrets: Some(SecretChange::Set(sealed("TOKEN", "k1", "a"))),
        ..renames("taken")
    };
    let acme = tenant("acme");
    let ask = async |id: &ActionUid, revision| store.change_action(&acme, id, both.clone(), revision, at(10)).await.unwrap();
    assert_eq!(ask(&before.id, None).await, ActionChanged::NameTaken);
    assert_eq!(ask(&before.id, Some(1)).await, ActionChanged::NameTaken);
    assert_eq!(ask(&before.id, Some(2)).await, ActionChanged::Overtaken);
    assert_eq!(ask(&ActionUid::random().unwrap(), None).await, ActionChanged::Absent);
    assert_eq!(action(&*store, &before.id).await, before);
    assert!(secrets_of(&*store, &before.id).await.is_empty());
}

async fn no_moment_of_an_action_goes_back(database: &Database) {
    let store = database.open().await;
    let id = create_action(&*store, "clocks").await.id;
    assert_eq!(change(&*store, &id, renames("clocks2")).await.updated_at, at(10));
    let late = store.change_action(&tenant("acme"), &id, renames("clocks3"), None, at(4)).await.unwrap();
    let ActionChanged::Changed(late) = late else { panic!("{late:?}") };
    assert_eq!((late.updated_at, late.revision), (at(10), 3));
    upload(&*store, "acme", &id, "bytes", at(20)).await;
    let uploaded = upload(&*store, "acme", &id, "other bytes", at(15)).await;
    assert_eq!((uploaded.updated_at, uploaded.draft.unwrap().updated_at), (at(20), at(20)));
}

async fn secrets_are_replaced_set_and_removed(database: &Database) {
    let store = database.open().await;
    let new = NewAction {
        secrets: vec![sealed("A", "k1", "a"), sealed("B", "k1", "b"), sealed("C", "k1", "c")],
        ..new_action("secret")
    };
    let id = create_in(&*store, "acme", new).await.id;
    let text = |(name, key, value): (&str, &str, &str)| (name.to_owned(), key.to_owned(), value.to_owned());
    change(&*store, &id, changes_secrets(SecretChange::Set(sealed("B", "k2", "b2")))).await;
    let expected = [("A", "k1", "a"), ("B", "k2", "b2"), ("C", "k1", "c")].map(text);
    assert_eq!(secrets_of(&*store, &id).await, expected);
    let keep = vec![secret_name("B"), secret_name("C"), secret_name("NONE")];
    let set = vec![sealed("C", "k2", "c2"), sealed("D", "k2", "d")];
    let changed = change(&*store, &id, changes_secrets(SecretChange::Replace { keep, set })).await;
    let names: Vec<_> = changed.secrets.iter().map(|secret| secret.name.as_str()).collect();
    assert_eq!(names, ["B", "C", "D"], "what is to be kept and isn't there is left out");
    assert_eq!(secrets_of(&*store, &id).await, [("B", "k2", "b2"), ("C", "k2", "c2"), ("D", "k2", "d")].map(text));
    change(&*store, &id, changes_secrets(SecretChange::Remove(secret_name("C")))).await;
    change(&*store, &id, changes_secrets(SecretChange::Remove(secret_name("C")))).await;
    assert_eq!(secrets_of(&*store, &id).await, [("B", "k2", "b2"), ("D", "k2", "d")].map(text));
    change(&*store, &id, changes_secrets(SecretChange::Replace { keep: Vec::new(), set: Vec::new() })).await;
    assert!(secrets_of(&*store, &id).await.is_empty());
    assert!(secrets_of(&*store, &ActionUid::random().unwrap()).await.is_empty());
}

async fn a_secret_stays_where_others_are_replaced_whatever_its_name(database: &Database) {
    let store = database.open().await;
    let odd = ["a", "a\u{0}", "a\u{0}é🦀", "a\"\\'"];
    let secrets = odd.iter().map(|name| sealed(name, "k1", name)).chain([sealed("gone", "k1", "gone")]).collect();
    let id = create_in(&*store, "acme", NewAction { secrets, ..new_action("odd") }).await.id;
    let keep = odd.iter().map(|name| secret_name(name)).collect();
    change(&*store, &id, changes_secrets(SecretChange::Replace { keep, set: Vec::new() })).await;
    let mut expected = odd.map(|name| (name.to_owned(), "k1".to_owned(), name.to_owned()));
    expected.sort();
    assert_eq!(secrets_of(&*store, &id).await, expected);
}

/// Names of `acme`'s Actions; how many there are in all is looked at, too.
async fn listed(store: &dyn Store, filter: ActionFilter) -> Vec<String> {
    let all = store.actions(&tenant("acme"), filter.clone(), 0, 100).await.unwrap();
    assert_eq!(all.total, all.actions.len() as u64);
    for take in [1, 2, 3] {
        let mut found = Vec::new();
        while found.len() < all.actions.len() {
            let page = store.actions(&tenant("acme"), filter.clone(), found.len(), take).await.unwrap();
            assert!(!page.actions.is_empty() && page.actions.len() <= take && page.total == all.total);
            found.extend(page.actions);
        }
        assert_eq!(found, all.actions, "in pages of {take}");
    }
    let beyond = store.actions(&tenant("acme"), filter, all.actions.len(), 5).await.unwrap();
    assert_eq!((beyond.actions.len(), beyond.total), (0, all.total));
    all.actions.iter().map(|action| action.name.to_string()).collect()
}

async fn actions_come_by_their_names_and_only_those_that_were_asked_for(database: &Database) {
    let store = database.open().await;
    for name in ["b", "B", "a.1", "a-1", "_", "9"] {
        create_action(&*store, name).await;
    }
    create_in(&*store, "other", new_action("theirs")).await;
    deployed(&*store, "a").await;
    assert_eq!(listed(&*store, ActionFilter::default()).await, ["9", "B", "_", "a", "a-1", "a.1", "b"]);
    let runs = |deployed| ActionFilter { deployed: Some(deployed), ..ActionFilter::default() };
    assert_eq!(listed(&*store, runs(true)).await, ["a"]);
    assert_eq!(listed(&*store, runs(false)).await, ["9", "B", "_", "a-1", "a.1", "b"]);
    let named = |name| ActionFilter { name: Some(action_name(name)), trigger: Some(LOGIN), deployed: None };
    assert_eq!(listed(&*store, named("b")).await, ["b"]);
    assert!(listed(&*store, named("theirs")).await.is_empty());
}

async fn an_action_is_deleted_with_all_that_was_its_own(database: &Database) {
    let store = database.open().await;
    let acme = tenant("acme");
    let new = NewAction { secrets: vec![sealed("TOKEN", "k1", "a")], ..new_action("gone") };
    let id = create_in(&*store, "acme", new).await.id;
    build(&*store, "acme", &id, "one", at(2)).await;
    let version = deploy(&*store, "acme", &id, at(3)).await.deployed.unwrap();
    upload(&*store, "acme", &id, "two", at(4)).await;
    assert_eq!(store.delete_action(&acme, &id, false, at(5)).await.unwrap(), ActionDeleted::Deleted);
    assert_eq!(store.delete_action(&acme, &id, true, at(5)).await.unwrap(), ActionDeleted::Absent);
    assert_eq!(store.action(&acme, &id).await.unwrap(), None);
    assert_eq!(store.versions(&acme, &id, 0, 10).await.unwrap(), None);
    assert_eq!(store.version(&acme, &id, &version.id).await.unwrap(), None);
    assert!(secrets_of(&*store, &id).await.is_empty());
    assert!(store.sealed_secrets("none", 10).await.unwrap().is_empty());
    assert!(store.unbuilt(at(9), 10).await.unwrap().is_empty());
    for bytes in ["one", "two"] {
        assert!(!has_component(&*store, "acme", bytes).await, "{bytes}");
    }
    create_action(&*store, "gone").await;
}

async fn an_action_that_is_bound_is_deleted_by_force_alone(database: &Database) {
    let store = database.open().await;
    let acme = tenant("acme");
    let [first, second, third] = [deployed(&*store, "a").await, deployed(&*store, "b").await, deployed(&*store, "c").await];
    bind(&*store, &[first.id, second.id, third.id]).await;
    let before = store.bindings(&acme, LOGIN).await.unwrap();
    assert_eq!(store.delete_action(&acme, &second.id, false, at(6)).await.unwrap(), ActionDeleted::Bound);
    assert_eq!(store.bindings(&acme, LOGIN).await.unwrap(), before);
    assert_eq!(store.delete_action(&acme, &second.id, true, at(6)).await.unwrap(), ActionDeleted::Deleted);
    assert_eq!(store.bindings(&acme, LOGIN).await.unwrap(), [before[0].clone(), before[2].clone()]);
    bind(&*store, &[third.id, first.id]).await;
}
