//! No tenant sees or changes what is another's.

use bytes::Bytes;
use serde_json::json;
use vestibule_sessions::{
    ActionChanged, ActionDeleted, ActionFilter, BindingsReplaced, Deployed, DraftPut, ExecutionFilter, ExecutionStatus,
    StoredFlow,
};

use crate::parts::database::Database;
use crate::parts::logins::*;
use crate::parts::registry::*;

on_both! {
    no_tenant_sees_anothers_actions,
    no_tenant_changes_anothers_actions,
    tenants_have_the_same_names_and_bytes_each_for_itself,
}

async fn no_tenant_sees_anothers_actions(database: &Database) {
    let store = database.open().await;
    let other = tenant("other");
    let theirs = deployed(&*store, "theirs").await;
    let version = theirs.deployed.clone().unwrap();
    bind(&*store, &[theirs.id]).await;
    store.set_policy(&tenant("acme"), Some(map(&[("a", json!(1))])), at(1)).await.unwrap();
    let run = run_of("acme", &["theirs"], ExecutionStatus::Final, at(1));
    store.record_executions(vec![run.clone()]).await.unwrap();
    assert_eq!(store.action(&other, &theirs.id).await.unwrap(), None);
    assert_eq!(store.action_named(&other, &theirs.name).await.unwrap(), None);
    assert_eq!(store.actions(&other, ActionFilter::default(), 0, 10).await.unwrap().total, 0);
    assert_eq!(store.versions(&other, &theirs.id, 0, 10).await.unwrap(), None);
    assert_eq!(store.version(&other, &theirs.id, &version.id).await.unwrap(), None);
    assert_eq!(store.component(&other, &version.digest).await.unwrap(), None);
    assert!(store.secrets(&other, &theirs.id).await.unwrap().is_empty());
    assert!(store.bindings(&other, LOGIN).await.unwrap().is_empty());
    assert_eq!(store.flow(&other, LOGIN).await.unwrap(), StoredFlow::default());
    assert_eq!(store.policy(&other).await.unwrap(), None);
    assert_eq!(store.execution(&other, &run.id).await.unwrap(), None);
    assert!(store.executions(&other, ExecutionFilter::default(), None, 10).await.unwrap().executions.is_empty());
}

async fn no_tenant_changes_anothers_actions(database: &Database) {
    let store = database.open().await;
    let (other, acme) = (tenant("other"), tenant("acme"));
    let theirs = deployed(&*store, "theirs").await;
    let (id, version) = (theirs.id, theirs.deployed.clone().unwrap());
    let (draft, bytes) = (digest_of("the component of theirs"), Bytes::from_static(b"mine"));
    let changed = store.change_action(&other, &id, renames("mine"), None, at(9)).await.unwrap();
    assert_eq!(changed, ActionChanged::Absent);
    assert_eq!(store.delete_action(&other, &id, true, at(9)).await.unwrap(), ActionDeleted::Absent);
    assert_eq!(store.put_draft(&other, &id, &digest_of("mine"), bytes, ALL, at(9)).await.unwrap(), DraftPut::Absent);
    assert!(!store.begin_build(&other, &id, &draft, at(9), at(10)).await.unwrap());
    assert_eq!(store.end_build(&other, &id, &draft, Ok(info("mine")), at(9)).await.unwrap(), None);
    let running = Some(version.id);
    assert_eq!(store.deploy_draft(&other, &id, &draft, running.into(), ALL, at(9)).await.unwrap(), Deployed::Absent);
    assert_eq!(store.deploy_version(&other, &id, &version.id, running.into(), true, at(9)).await.unwrap(), Deployed::Absent);
    assert_eq!(bind_in(&*store, "other", &[id], at(9)).await, BindingsReplaced::Unknown(id));
    assert_eq!(store.action(&acme, &id).await.unwrap(), Some(theirs));
}

async fn tenants_have_the_same_names_and_bytes_each_for_itself(database: &Database) {
    let store = database.open().await;
    let mine = deployed_in(&*store, "acme", "same", "same bytes").await;
    let theirs = deployed_in(&*store, "other", "same", "same bytes").await;
    assert_ne!(mine.id, theirs.id);
    store.delete_action(&tenant("acme"), &mine.id, false, at(9)).await.unwrap();
    assert!(!has_component(&*store, "acme", "same bytes").await);
    assert!(has_component(&*store, "other", "same bytes").await);
    assert_eq!(store.action(&tenant("other"), &theirs.id).await.unwrap(), Some(theirs));
}
