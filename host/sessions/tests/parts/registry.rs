//! Short ways to say what the tests ask of a store about deployed Actions.

use bytes::Bytes;
use serde_json::{Map, Value, json};
use vestibule_model::{ComponentDigest, Timestamp};
use vestibule_sessions::{
    ActionChange, ActionChanged, ActionCreated, ActionName, ActionUid, BindingsReplaced, ComponentInfo, Deployed, DraftPut,
    Execution, ExecutionStatus, ExecutionUid, Keeping, NewAction, NewBinding, SealedSecret, SecretChange, SecretName, Store,
    StoredAction, Trigger, Version,
};

use super::logins::*;

pub(crate) const LOGIN: Trigger = Trigger::PostLogin;

pub(crate) fn action_name(text: &str) -> ActionName {
    text.parse().unwrap()
}

pub(crate) fn secret_name(text: &str) -> SecretName {
    text.parse().unwrap()
}

/// A secret's value that this key has sealed; the value tells which it is.
pub(crate) fn sealed(name: &str, key: &str, value: &str) -> SealedSecret {
    SealedSecret { name: secret_name(name), key: key.into(), sealed: value.as_bytes().to_vec(), updated_at: at(0) }
}

pub(crate) fn map(entries: &[(&str, Value)]) -> Map<String, Value> {
    entries.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
}

pub(crate) fn digest_of(bytes: &str) -> ComponentDigest {
    ComponentDigest::of(bytes.as_bytes())
}

pub(crate) fn info(name: &str) -> ComponentInfo {
    ComponentInfo {
        contract: "0.1.0".into(),
        capabilities: ["event-user.email".into(), "http".into()].into(),
        plumbing: ["wasi:cli/stdout".into()].into(),
        name: name.into(),
        version: "0.1.0".into(),
        build: map(&[("language", json!("rust")), ("odd", json!("\u{0}é🦀"))]),
    }
}

pub(crate) fn new_action(name: &str) -> NewAction {
    NewAction {
        id: ActionUid::random().unwrap(),
        name: action_name(name),
        trigger: LOGIN,
        settings: map(&[("configuration", json!({ "odd": "\u{0}é🦀" }))]),
        secrets: Vec::new(),
    }
}

/// Creates an Action of this tenant.
pub(crate) async fn create_in(store: &dyn Store, of: &str, action: NewAction) -> StoredAction {
    match store.create_action(&tenant(of), action, 1_000, at(1)).await.unwrap() {
        ActionCreated::Created(created) => *created,
        other => panic!("the Action should have been created: {other:?}"),
    }
}

/// Creates an Action of the tenant `acme`.
pub(crate) async fn create_action(store: &dyn Store, name: &str) -> StoredAction {
    create_in(store, "acme", new_action(name)).await
}

/// An Action of `acme` as it is kept, which is there.
pub(crate) async fn action(store: &dyn Store, id: &ActionUid) -> StoredAction {
    store.action(&tenant("acme"), id).await.unwrap().expect("the Action is there")
}

/// A tenant that keeps all it is given.
pub(crate) const ALL: Keeping = Keeping { bytes: u64::MAX, versions: u64::MAX };

/// The Action whose draft was put.
pub(crate) fn put(draft: DraftPut) -> StoredAction {
    match draft {
        DraftPut::Put(action) => *action,
        other => panic!("it should be the draft: {other:?}"),
    }
}

/// Uploads these bytes, and doesn't build them.
pub(crate) async fn upload(store: &dyn Store, of: &str, id: &ActionUid, bytes: &str, now: Timestamp) -> StoredAction {
    let component = Bytes::from(bytes.to_owned());
    put(store.put_draft(&tenant(of), id, &digest_of(bytes), component, ALL, now).await.unwrap())
}

/// Uploads these bytes and builds them.
pub(crate) async fn build(store: &dyn Store, of: &str, id: &ActionUid, bytes: &str, now: Timestamp) -> StoredAction {
    upload(store, of, id, bytes, now).await;
    let digest = digest_of(bytes);
    assert!(store.begin_build(&tenant(of), id, &digest, now, now).await.unwrap());
    store.end_build(&tenant(of), id, &digest, Ok(info(bytes)), now).await.unwrap().expect("the Action is there")
}

/// Deploys the draft, as somebody who has just looked.
pub(crate) async fn deploy(store: &dyn Store, of: &str, id: &ActionUid, now: Timestamp) -> StoredAction {
    let looked_at = store.action(&tenant(of), id).await.unwrap().expect("the Action is there");
    let running = looked_at.deployed.map(|version| version.id);
    let digest = looked_at.draft.expect("there is a draft").digest;
    match store.deploy_draft(&tenant(of), id, &digest, running.into(), ALL, now).await.unwrap() {
        Deployed::Deployed(deployed) => *deployed,
        other => panic!("the draft should have been deployed: {other:?}"),
    }
}

/// Runs this version, as somebody who has just looked.
pub(crate) async fn run_again(store: &dyn Store, id: &ActionUid, version: &Version, update_draft: bool) -> StoredAction {
    let running = action(store, id).await.deployed.map(|version| version.id);
    match store.deploy_version(&tenant("acme"), id, &version.id, running.into(), update_draft, at(20)).await.unwrap() {
        Deployed::Deployed(deployed) => *deployed,
        other => panic!("the version should have been deployed: {other:?}"),
    }
}

/// An Action of this tenant that runs these bytes.
pub(crate) async fn deployed_in(store: &dyn Store, of: &str, name: &str, bytes: &str) -> StoredAction {
    let created = create_in(store, of, new_action(name)).await;
    build(store, of, &created.id, bytes, at(2)).await;
    deploy(store, of, &created.id, at(3)).await
}

/// An Action of `acme` that is deployed.
pub(crate) async fn deployed(store: &dyn Store, name: &str) -> StoredAction {
    deployed_in(store, "acme", name, &format!("the component of {name}")).await
}

/// Binds these, each called like its id.
pub(crate) async fn bind_in(store: &dyn Store, of: &str, actions: &[ActionUid], now: Timestamp) -> BindingsReplaced {
    let new = |action: &ActionUid| NewBinding { action: *action, display_name: action.to_string() };
    store.replace_bindings(&tenant(of), LOGIN, actions.iter().map(new).collect::<Vec<_>>().into(), now).await.unwrap()
}

/// Binds Actions of `acme`.
pub(crate) async fn bind(store: &dyn Store, actions: &[ActionUid]) {
    assert_eq!(bind_in(store, "acme", actions, at(5)).await, BindingsReplaced::Replaced);
}

/// Changes an Action of `acme`, whatever its revision.
pub(crate) async fn change(store: &dyn Store, id: &ActionUid, change: ActionChange) -> StoredAction {
    match store.change_action(&tenant("acme"), id, change, None, at(10)).await.unwrap() {
        ActionChanged::Changed(changed) => *changed,
        other => panic!("the Action should have been changed: {other:?}"),
    }
}

pub(crate) fn renames(name: &str) -> ActionChange {
    ActionChange { name: Some(action_name(name)), ..ActionChange::default() }
}

pub(crate) fn configures(settings: Map<String, Value>) -> ActionChange {
    ActionChange { settings: Some(settings), ..ActionChange::default() }
}

pub(crate) fn changes_secrets(secrets: SecretChange) -> ActionChange {
    ActionChange { secrets: Some(secrets), ..ActionChange::default() }
}

/// What an Action's secrets are: names, keys and values.
pub(crate) async fn secrets_of(store: &dyn Store, id: &ActionUid) -> Vec<(String, String, String)> {
    let secrets = store.secrets(&tenant("acme"), id).await.unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    secrets.into_iter().map(|secret| (secret.name.to_string(), secret.key, text(secret.sealed))).collect()
}

/// Whether `of` has these bytes.
pub(crate) async fn has_component(store: &dyn Store, of: &str, bytes: &str) -> bool {
    let found = store.component(&tenant(of), &digest_of(bytes)).await.unwrap();
    if let Some(found) = &found {
        assert_eq!(found, bytes.as_bytes());
    }
    found.is_some()
}

/// A run of these Actions of `of`.
pub(crate) fn run_of(of: &str, actions: &[&str], status: ExecutionStatus, started_at: Timestamp) -> Execution {
    Execution {
        tenant: tenant(of),
        id: ExecutionUid::random().unwrap(),
        trigger: LOGIN,
        status,
        started_at,
        ended_at: Timestamp::from_millis(started_at.as_millis() + 3),
        actions: actions.iter().map(|name| (*name).to_owned()).collect(),
        body: map(&[("odd", json!("\u{0}é🦀"))]),
    }
}
