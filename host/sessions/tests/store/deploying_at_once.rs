//! Several servers that change one tenant's Actions at the same moment.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Map, Value, json};
use tokio::task::JoinSet;
use vestibule_model::ComponentDigest;
use vestibule_sessions::{
    ActionChange, ActionChanged, ActionCreated, ActionUid, BindingsReplaced, ComponentInfo, Deployed, NewAction, NewBinding,
    SealedSecret, SecretChange, Store, Trigger, VersionUid,
};

use crate::parts::database::Database;
use crate::parts::logins::*;

on_both! {
    of_many_that_create_an_action_of_one_name_one_does,
    of_many_that_begin_one_build_one_builds,
    of_many_that_deploy_after_the_same_look_one_does,
    bindings_that_many_replace_at_once_are_those_of_one_of_them,
    a_flow_shows_no_half_of_a_change,
}

const MANY: usize = 8;

/// As many answers as there are callers, half of them on one server and half on another.
async fn at_once<T, F, A>(database: &Database, call: F) -> Vec<T>
where
    T: Send + 'static,
    F: Fn(Arc<dyn Store>, usize) -> A,
    A: Future<Output = T> + Send + 'static,
{
    let servers = [database.open().await, database.open().await];
    let mut callers = JoinSet::new();
    for number in 0..MANY {
        callers.spawn(call(Arc::clone(&servers[number % 2]), number));
    }
    let answers = callers.join_all().await;
    for server in servers {
        server.close().await;
    }
    answers
}

fn new(name: &str) -> NewAction {
    NewAction {
        id: ActionUid::random().unwrap(),
        name: name.parse().unwrap(),
        trigger: Trigger::PostLogin,
        settings: Map::new(),
        secrets: Vec::new(),
    }
}

/// An Action with a draft that is to be built.
async fn drafted(store: &dyn Store, name: &str) -> (ActionUid, ComponentDigest) {
    let action = new(name);
    let (id, component) = (action.id, Bytes::from(name.to_owned()));
    let digest = ComponentDigest::of(&component);
    store.create_action(&tenant("acme"), action, 100, at(1)).await.unwrap();
    store.put_draft(&tenant("acme"), &id, &digest, component, at(2)).await.unwrap().unwrap();
    (id, digest)
}

/// An Action that runs.
async fn deployed(store: &dyn Store, name: &str) -> (ActionUid, ComponentDigest, VersionUid) {
    let (id, digest) = drafted(store, name).await;
    store.end_build(&tenant("acme"), &id, &digest, Ok(ComponentInfo::default()), at(3)).await.unwrap().unwrap();
    match store.deploy_draft(&tenant("acme"), &id, &digest, None, at(4)).await.unwrap() {
        Deployed::Deployed(action) => (id, digest, action.deployed.unwrap().id),
        refused => panic!("{refused:?}"),
    }
}

fn bound(actions: &[ActionUid]) -> Vec<NewBinding> {
    actions.iter().map(|action| NewBinding { action: *action, display_name: "x".into() }).collect()
}

async fn of_many_that_create_an_action_of_one_name_one_does(database: &Database) {
    let answers =
        at_once(
            database,
            |store, _| async move { store.create_action(&tenant("acme"), new("crm-sync"), 100, at(1)).await.unwrap() },
        );
    let answers = answers.await;
    assert_eq!(answers.iter().filter(|answer| matches!(answer, ActionCreated::Created(_))).count(), 1);
    assert_eq!(answers.iter().filter(|answer| **answer == ActionCreated::NameTaken).count(), MANY - 1);
}

async fn of_many_that_begin_one_build_one_builds(database: &Database) {
    let (id, digest) = drafted(&*database.open().await, "crm-sync").await;
    for now in [10, 20] {
        // The time of the first round's builder is over in the second.
        let begun = at_once(database, |store, _| async move {
            store.begin_build(&tenant("acme"), &id, &digest, at(now), at(now + 10)).await.unwrap()
        });
        assert_eq!(begun.await.into_iter().filter(|is_ours| *is_ours).count(), 1, "at {now}");
    }
}

async fn of_many_that_deploy_after_the_same_look_one_does(database: &Database) {
    let store = database.open().await;
    let (id, digest, running) = deployed(&*store, "crm-sync").await;
    let answers = at_once(database, |store, _| async move {
        store.deploy_draft(&tenant("acme"), &id, &digest, Some(running), at(5)).await.unwrap()
    });
    let answers = answers.await;
    assert_eq!(answers.iter().filter(|answer| matches!(answer, Deployed::Deployed(_))).count(), 1);
    assert_eq!(answers.iter().filter(|answer| **answer == Deployed::Overtaken).count(), MANY - 1);
    assert_eq!(store.versions(&tenant("acme"), &id, 0, 10).await.unwrap().unwrap().total, 2);
    store.close().await;
}

async fn bindings_that_many_replace_at_once_are_those_of_one_of_them(database: &Database) {
    let store = database.open().await;
    let mut actions = Vec::new();
    for name in ["a", "b", "c"] {
        actions.push(deployed(&*store, name).await.0);
    }
    let given = |number: usize| {
        let mut actions = actions.clone();
        actions.rotate_left(number % 3);
        actions.truncate(1 + number % 2);
        actions
    };
    let answers = at_once(database, |store, number| {
        let bindings = bound(&given(number));
        async move { store.replace_bindings(&tenant("acme"), Trigger::PostLogin, bindings, at(5)).await.unwrap() }
    });
    assert_eq!(answers.await, [BindingsReplaced::Replaced; MANY]);
    let flow = store.flow(&tenant("acme"), Trigger::PostLogin).await.unwrap();
    let bound: Vec<_> = flow.bindings.iter().map(|binding| binding.action).collect();
    assert!((0..MANY).any(|number| given(number) == bound), "{bound:?} was given by nobody");
    let shown: Vec<_> = store.bindings(&tenant("acme"), Trigger::PostLogin).await.unwrap();
    assert_eq!(shown.iter().map(|binding| binding.action.id).collect::<Vec<_>>(), bound);
    store.close().await;
}

async fn a_flow_shows_no_half_of_a_change(database: &Database) {
    let (store, reader) = (database.open().await, database.open().await);
    let (first, second) = (deployed(&*store, "a").await.0, deployed(&*store, "b").await.0);
    let change = |number: u8| ActionChange {
        settings: Some(Map::from_iter([("number".into(), json!(number))])),
        secrets: Some(SecretChange::Replace {
            keep: Vec::new(),
            set: ["KEY", &format!("KEY_{number}")].map(|name| secret(name, number)).into(),
        }),
        ..ActionChange::default()
    };
    for id in [&first, &second] {
        store.change_action(&tenant("acme"), id, change(0), None, at(5)).await.unwrap();
    }
    let orders = [[first, second], [second, first]];
    store.replace_bindings(&tenant("acme"), Trigger::PostLogin, bound(&orders[0]), at(5)).await.unwrap();
    let writer = tokio::spawn({
        let store = Arc::clone(&store);
        async move {
            for number in 1..40_u8 {
                let changed = store.change_action(&tenant("acme"), &first, change(number), None, at(6)).await.unwrap();
                assert!(matches!(changed, ActionChanged::Changed(_)));
                let bindings = bound(&orders[usize::from(number) % 2]);
                store.replace_bindings(&tenant("acme"), Trigger::PostLogin, bindings, at(6)).await.unwrap();
            }
        }
    });
    let mut last = 0;
    while !writer.is_finished() {
        let flow = reader.flow(&tenant("acme"), Trigger::PostLogin).await.unwrap();
        assert!(flow.revision >= last);
        last = flow.revision;
        let order: Vec<_> = flow.bindings.iter().map(|binding| binding.action).collect();
        assert!(orders.iter().any(|given| *given == *order), "{order:?} was given by nobody");
        for binding in &flow.bindings {
            let number = binding.settings.get("number").and_then(Value::as_u64).unwrap();
            let secrets: Vec<_> = binding.secrets.iter().map(|secret| secret.name.as_str()).collect();
            assert_eq!(secrets, ["KEY", &format!("KEY_{number}")]);
            assert!(binding.secrets.iter().all(|secret| secret.sealed == [u8::try_from(number).unwrap()]));
        }
    }
    writer.await.unwrap();
    store.close().await;
    reader.close().await;
}

fn secret(name: &str, value: u8) -> SealedSecret {
    SealedSecret { name: name.parse().unwrap(), key: "k1".into(), sealed: vec![value], updated_at: at(5) }
}
