//! Bindings: which Actions run, in which order, and what it takes to run them.

use serde_json::json;
use tokio::task::JoinSet;
use vestibule_sessions::{
    ActionUid, BindingsReplaced, FlowBinding, NewAction, NewBinding, NewBindings, SecretChange, Store, StoreError, StoredFlow,
};

use crate::parts::database::Database;
use crate::parts::logins::*;
use crate::parts::registry::*;

on_all! {
    bindings_are_as_they_were_given_and_in_that_order,
    an_action_that_was_bound_keeps_its_binding,
    bindings_that_are_refused_change_nothing,
    of_two_lists_at_once_one_is_there_as_a_whole,
    who_decides_over_what_is_not_bound_any_more_is_overtaken,
    a_flow_is_all_that_it_takes_to_run_it,
    a_flow_is_of_one_moment,
    a_flow_that_lacks_an_action_or_its_version_is_no_flow,
}

fn named(action: ActionUid, name: &str) -> NewBinding {
    NewBinding { action, display_name: name.into() }
}

async fn replace(store: &dyn Store, bindings: &[NewBinding], now: u64) -> BindingsReplaced {
    store.replace_bindings(&tenant("acme"), LOGIN, bindings.to_vec().into(), at(now)).await.unwrap()
}

async fn bindings_are_as_they_were_given_and_in_that_order(database: &Database) {
    let store = database.open().await;
    let acme = tenant("acme");
    assert!(store.bindings(&acme, LOGIN).await.unwrap().is_empty());
    let [a, b, c] = [deployed(&*store, "a").await, deployed(&*store, "b").await, deployed(&*store, "c").await];
    let given = [named(c.id, "Third é🦀"), named(a.id, "First"), named(b.id, "First")];
    assert_eq!(replace(&*store, &given, 5).await, BindingsReplaced::Replaced);
    let found = store.bindings(&acme, LOGIN).await.unwrap();
    let places: Vec<_> = found.iter().map(|binding| named(binding.action.id, &binding.display_name)).collect();
    assert_eq!(places, given);
    assert_eq!(found.iter().map(|binding| binding.action.clone()).collect::<Vec<_>>(), [c, a, b]);
    assert!(found.iter().all(|binding| (binding.trigger, binding.created_at, binding.updated_at) == (LOGIN, at(5), at(5))));
    assert_eq!(replace(&*store, &[], 6).await, BindingsReplaced::Replaced);
    assert!(store.bindings(&acme, LOGIN).await.unwrap().is_empty());
}

async fn an_action_that_was_bound_keeps_its_binding(database: &Database) {
    let store = database.open().await;
    let acme = tenant("acme");
    let mut ids = Vec::new();
    for name in ["a", "b", "c"] {
        ids.push(deployed(&*store, name).await.id);
    }
    replace(&*store, &[named(ids[0], "a"), named(ids[1], "b")], 5).await;
    let before = store.bindings(&acme, LOGIN).await.unwrap();
    replace(&*store, &[named(ids[0], "a"), named(ids[2], "c"), named(ids[1], "b")], 6).await;
    let after = store.bindings(&acme, LOGIN).await.unwrap();
    assert_eq!(after[0], before[0], "its place and its name are as they were");
    assert_eq!((after[2].id, after[2].created_at, after[2].updated_at), (before[1].id, at(5), at(6)), "it has moved");
    assert_eq!((after[1].created_at, after[1].updated_at), (at(6), at(6)));
    replace(&*store, &[named(ids[0], "A")], 4).await;
    let renamed = store.bindings(&acme, LOGIN).await.unwrap();
    assert_eq!((renamed[0].id, renamed[0].updated_at, renamed.len()), (before[0].id, at(5), 1), "no moment goes back");
    replace(&*store, &[named(ids[1], "b")], 8).await;
    let anew = store.bindings(&acme, LOGIN).await.unwrap();
    assert!(anew[0].id != before[1].id && anew[0].created_at == at(8), "one that was gone is a new one");
}

async fn bindings_that_are_refused_change_nothing(database: &Database) {
    let store = database.open().await;
    let acme = tenant("acme");
    let [a, b] = [deployed(&*store, "a").await.id, deployed(&*store, "b").await.id];
    let raw = create_action(&*store, "raw").await.id;
    let theirs = deployed_in(&*store, "other", "theirs", "x").await.id;
    let nobodys = ActionUid::random().unwrap();
    bind(&*store, &[b, a]).await;
    let (before, revision) = (store.bindings(&acme, LOGIN).await.unwrap(), store.flows_changed(0).await.unwrap());
    for (given, answer) in [
        (vec![a, nobodys, raw], BindingsReplaced::Unknown(nobodys)),
        (vec![a, theirs], BindingsReplaced::Unknown(theirs)),
        (vec![a, raw, nobodys], BindingsReplaced::NotDeployed(raw)),
        (vec![a, b, a, raw], BindingsReplaced::Twice(a)),
        (vec![a, a, raw], BindingsReplaced::Twice(a)),
    ] {
        assert_eq!(bind_in(&*store, "acme", &given, at(7)).await, answer);
        assert_eq!(store.bindings(&acme, LOGIN).await.unwrap(), before);
    }
    assert_eq!(store.flows_changed(0).await.unwrap(), revision);
}

async fn of_two_lists_at_once_one_is_there_as_a_whole(database: &Database) {
    let stores = [database.open().await, database.open().await];
    let mut ids = Vec::new();
    for name in ["a", "b", "c", "d"] {
        ids.push(deployed(&*stores[0], name).await.id);
    }
    let lists = [vec![ids[0], ids[1], ids[2]], vec![ids[3], ids[2], ids[1], ids[0]], vec![ids[2]], vec![ids[1], ids[3]]];
    for _ in 0..6 {
        let mut callers = JoinSet::new();
        for (caller, list) in lists.iter().cloned().enumerate() {
            let store = stores[caller % 2].clone();
            callers.spawn(async move { bind_in(&*store, "acme", &list, at(7)).await });
        }
        assert!(callers.join_all().await.iter().all(|answer| *answer == BindingsReplaced::Replaced));
        let found = stores[0].bindings(&tenant("acme"), LOGIN).await.unwrap();
        let found: Vec<_> = found.iter().map(|binding| binding.action.id).collect();
        assert!(lists.contains(&found), "{found:?}");
    }
}

async fn add(store: &dyn Store, id: ActionUid) -> BindingsReplaced {
    let kept = store.bindings(&tenant("acme"), LOGIN).await.unwrap();
    let mut bindings: Vec<_> = kept.iter().map(|binding| named(binding.action.id, &binding.display_name)).collect();
    bindings.push(named(id, "new"));
    let new = NewBindings { bindings, seen: Some(kept.iter().map(|binding| binding.id).collect()), policy: None };
    store.replace_bindings(&tenant("acme"), LOGIN, new, at(5)).await.unwrap()
}

/// Each adds one to what it has seen: without looking again, one would take away what another has
/// added.
async fn who_decides_over_what_is_not_bound_any_more_is_overtaken(database: &Database) {
    let stores = [database.open().await, database.open().await];
    let acme = tenant("acme");
    let mut ids = Vec::new();
    for name in ["a", "b", "c", "d"] {
        ids.push(deployed(&*stores[0], name).await.id);
    }
    let mut callers = JoinSet::new();
    for (caller, id) in ids.iter().copied().enumerate() {
        let store = stores[caller % 2].clone();
        callers.spawn(async move { while add(&*store, id).await == BindingsReplaced::Overtaken {} });
    }
    callers.join_all().await;
    let mut bound: Vec<_> = stores[0].bindings(&acme, LOGIN).await.unwrap().iter().map(|binding| binding.action.id).collect();
    let revision = stores[0].flows_changed(0).await.unwrap();
    let stale = NewBindings { bindings: vec![named(bound[0], "a")], seen: Some(Vec::new()), policy: None };
    assert_eq!(stores[0].replace_bindings(&acme, LOGIN, stale, at(6)).await.unwrap(), BindingsReplaced::Overtaken);
    assert_eq!(stores[0].flows_changed(0).await.unwrap(), revision, "nothing has changed");
    bound.sort();
    ids.sort();
    assert_eq!(bound, ids);
}

async fn a_flow_is_all_that_it_takes_to_run_it(database: &Database) {
    let store = database.open().await;
    let acme = tenant("acme");
    assert_eq!(store.flow(&acme, LOGIN).await.unwrap(), StoredFlow::default());
    let secrets = vec![sealed("A", "k1", "a"), sealed("B", "k2", "b")];
    let new = NewAction { secrets: secrets.clone(), ..new_action("with-secrets") };
    let first = create_in(&*store, "acme", new).await;
    build(&*store, "acme", &first.id, "one", at(2)).await;
    let first = deploy(&*store, "acme", &first.id, at(3)).await;
    let second = deployed(&*store, "plain").await;
    deployed(&*store, "unbound").await;
    bind(&*store, &[second.id, first.id]).await;
    // What isn't deployed yet is not in it.
    build(&*store, "acme", &first.id, "two", at(6)).await;
    let bindings = store.bindings(&acme, LOGIN).await.unwrap();
    let of = |place: usize, action: &vestibule_sessions::StoredAction, secrets: Vec<_>| FlowBinding {
        binding: bindings[place].id,
        action: action.id,
        name: action.name.clone(),
        version: action.deployed.clone().unwrap(),
        settings: action.settings.clone(),
        secrets,
    };
    let flow = store.flow(&acme, LOGIN).await.unwrap();
    assert_eq!(flow.bindings, [of(0, &second, Vec::new()), of(1, &first, secrets)]);
    assert_eq!(flow.revision, store.flows_changed(0).await.unwrap().revision);
}

/// Whoever writes changes two things of the flow together; whoever reads sees both or neither.
async fn a_flow_is_of_one_moment(database: &Database) {
    let stores = [database.open().await, database.open().await];
    let [a, b] = [deployed(&*stores[0], "a").await.id, deployed(&*stores[0], "b").await.id];
    bind(&*stores[0], &[a, b]).await;
    let writer = stores[0].clone();
    let writing = tokio::spawn(async move {
        for round in 0..60 {
            let mut both = configures(map(&[("round", json!(round.to_string()))]));
            both.secrets = Some(SecretChange::Set(sealed("ROUND", "k1", &round.to_string())));
            change(&*writer, &a, both).await;
            let order = if round % 2 == 0 { [b, a] } else { [a, b] };
            bind(&*writer, &order).await;
        }
    });
    let mut last = 0;
    while !writing.is_finished() {
        let flow = stores[1].flow(&tenant("acme"), LOGIN).await.unwrap();
        assert!(flow.revision >= last);
        last = flow.revision;
        assert_eq!(flow.bindings.len(), 2);
        let changed = flow.bindings.iter().find(|binding| binding.action == a).unwrap();
        if let Some(secret) = changed.secrets.first() {
            assert_eq!(changed.settings["round"], json!(String::from_utf8(secret.sealed.clone()).unwrap()));
        }
    }
    writing.await.unwrap();
}

/// The one that is gone may be the one that guards the logins.
async fn a_flow_that_lacks_an_action_or_its_version_is_no_flow(database: &Database) {
    let store = database.open().await;
    let [a, b] = [deployed(&*store, "a").await.id, deployed(&*store, "b").await.id];
    bind(&*store, &[a, b]).await;
    for (table, column) in [("versions", "action_id"), ("actions", "id")] {
        database.execute(&format!("DELETE FROM {table} WHERE {column} = '{b}'")).await;
        let flow = store.flow(&tenant("acme"), LOGIN).await;
        assert!(matches!(flow, Err(StoreError::Corrupt { what: "a binding", .. })), "without its row in {table}: {flow:?}");
    }
}
