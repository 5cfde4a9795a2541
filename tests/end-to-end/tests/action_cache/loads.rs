//! How an Action comes into memory, and what becomes of a login when it doesn't.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use vestibule::action_cache::CachedAction;
use vestibule::capability::Capabilities;
use vestibule::limits::HostLimits;
use vestibule::load::{CacheFault, Source};
use vestibule::model::ComponentDigest;
use vestibule::model::outcome::{Failure, Outcome};
use vestibule::{Binding, Config, LoadError, OnFailure, Runtime};
use vestibule_test_artifacts::{ORGANIZATION_GATE as OTHER_ACTION, ORGANIZATION_SESSION_METADATA as ACTION};
use vestibule_tests::{host_limits, limits, load, runtime};

use crate::registry::{Host, assert_has_run, numbered};

/// Why the login's Action could not be loaded.
fn not_loaded(outcome: &Outcome) -> &str {
    match outcome.failed() {
        Some(Failure::NotLoaded { reason }) => reason,
        other => panic!("it should not have been loaded: {other:?}"),
    }
}

/// The last error in the operator's log.
fn last_error(host: &Host) -> LoadError {
    host.registry.errors.lock().unwrap().last().cloned().expect("something was logged")
}

fn files(folder: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect()
}

#[tokio::test]
async fn many_who_wait_for_one_action_share_one_load_and_the_first_may_leave() {
    let folder = tempfile::tempdir().unwrap();
    let host = Arc::new(Host::roomy(folder.path()));
    let permits = host.registry.gate.available_permits();
    host.registry.gate.forget_permits(permits);
    let action = host.numbered("acme", 1);
    let login = || {
        let (host, action) = (Arc::clone(&host), action.clone());
        tokio::spawn(async move { host.login("acme", &action).await })
    };
    let first = login();
    while host.registry.fetched() == 0 {
        tokio::task::yield_now().await;
    }
    let others: Vec<_> = (0..50).map(|_| login()).collect();
    tokio::task::yield_now().await;
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    host.registry.gate.add_permits(1);
    for login in others {
        assert_has_run(&login.await.unwrap());
    }
    assert_eq!((host.registry.fetched(), host.cache.stats().loads), (1, 1));
}

#[tokio::test]
async fn what_was_made_ready_is_in_the_cache_of_another_host_as_well() {
    let folder = tempfile::tempdir().unwrap();
    let host = Host::roomy(folder.path());
    host.numbered("acme", 1).make_ready().await.unwrap();
    let restarted = Host::roomy(folder.path());
    assert_has_run(&restarted.login("acme", &restarted.numbered("acme", 1)).await);
    assert_eq!((restarted.registry.fetched(), restarted.cache.stats().compiled), (0, 0));
}

#[tokio::test]
async fn a_destroyed_cache_file_is_reported_and_compiled_again() {
    let folder = tempfile::tempdir().unwrap();
    Host::roomy(folder.path()).numbered("acme", 1).make_ready().await.unwrap();
    let [file] = &files(folder.path())[..] else { panic!("one file should be there") };
    let whole = std::fs::read(file).unwrap();
    std::fs::write(file, &whole[..whole.len() / 2]).unwrap();
    let host = Host::roomy(folder.path());
    assert_has_run(&host.login("acme", &host.numbered("acme", 1)).await);
    assert_eq!((host.registry.fetched(), host.cache.stats().compiled), (1, 1));
    let faults = host.registry.faults.lock().unwrap();
    assert!(matches!(faults[..], [CacheFault::NotOurs { .. }, ..]), "{faults:?}");
    assert_eq!(std::fs::read(file).unwrap().len(), whole.len(), "it is whole again");
}

#[tokio::test]
async fn nothing_to_fetch_fails_the_login_by_name_and_the_next_tries_again() {
    let folder = tempfile::tempdir().unwrap();
    let host = Host::roomy(folder.path());
    let component = numbered(1);
    let digest = ComponentDigest::of(&component);
    let action = host.insert("acme", "gate", digest, load(&host.runtime, &component).capabilities());
    let outcome = host.login("acme", &action).await;
    assert_eq!(
        not_loaded(&outcome),
        format!("the component {digest} of gate@3 is gone from the registry; upload it and deploy it again")
    );
    assert_eq!(outcome.actions[0].action, *action.id());
    assert!(matches!(last_error(&host), LoadError::Gone { .. }));
    assert_eq!(action.make_ready().await.unwrap_err().kind(), "component_gone");
    // As with any failure, the binding says what becomes of the login.
    let open = Binding::new(action.clone()).on_failure(OnFailure::Continue);
    let outcome = host.run("acme", vec![open, Binding::new(host.numbered("acme", 2))]).await;
    assert_has_run(&outcome);
    assert!(matches!(outcome.actions[0].failure(), Some(Failure::NotLoaded { .. })), "{outcome:?}");
    host.registry.put(digest, &component);
    assert_has_run(&host.login("acme", &action).await);
}

#[tokio::test]
async fn a_registry_that_can_not_be_reached_is_the_operators_matter() {
    let folder = tempfile::tempdir().unwrap();
    let host = Host::roomy(folder.path());
    let action = host.numbered("acme", 1);
    host.registry.gate.close();
    let outcome = host.login("acme", &action).await;
    let told = "the component of action-1@3 can't be fetched now; the host's operator finds why in its log";
    assert_eq!(not_loaded(&outcome), told);
    assert!(matches!(last_error(&host), LoadError::NotFetched { reason, .. } if reason.contains("closed")));
}

#[tokio::test]
async fn a_component_that_is_not_what_its_digest_says_is_not_compiled() {
    let folder = tempfile::tempdir().unwrap();
    let host = Host::roomy(folder.path());
    let action = host.numbered("acme", 1);
    host.registry.put(*action.digest(), &numbered(2));
    let outcome = host.login("acme", &action).await;
    assert!(not_loaded(&outcome).contains("digest mismatch"), "{outcome:?}");
    let error = last_error(&host);
    assert!(matches!(error, LoadError::OtherComponent { found, .. } if found == ComponentDigest::of(&numbered(2))), "{error}");
    assert_eq!(files(folder.path()), Vec::<PathBuf>::new());
}

#[tokio::test]
async fn what_can_not_be_compiled_is_not_compiled_for_each_login() {
    let folder = tempfile::tempdir().unwrap();
    let host = Host::roomy(folder.path());
    let broken = [&numbered(1)[..8], &[0xff; 100]].concat();
    let digest = ComponentDigest::of(&broken);
    host.registry.put(digest, &broken);
    let action = host.insert("acme", "broken", digest, &Capabilities::default());
    for _ in 0..20 {
        let outcome = host.login("acme", &action).await;
        assert!(not_loaded(&outcome).contains("can't be compiled"), "{outcome:?}");
    }
    assert!(host.registry.fetched() < 20, "it was compiled {} times", host.registry.fetched());
    assert_eq!(host.registry.errors.lock().unwrap().len(), host.registry.fetched(), "each attempt is logged");
}

#[tokio::test]
async fn a_tenant_with_much_to_load_waits_for_itself() {
    let folder = tempfile::tempdir().unwrap();
    let host_limits = HostLimits { compiles: 4, ..host_limits() };
    let runtime = Runtime::new(Config { limits: limits(), host_limits, ..Config::default() }).unwrap();
    let host = Host::of(runtime, folder.path(), 1 << 30, 1 << 30);
    let permits = host.registry.gate.available_permits();
    host.registry.gate.forget_permits(permits);
    let ready = |action: CachedAction| tokio::spawn(async move { action.make_ready().await });
    let busy: Vec<_> = (1..=8).map(|number| ready(host.numbered("busy", number))).collect();
    while host.registry.fetched() == 0 {
        tokio::task::yield_now().await;
    }
    let quiet = ready(host.numbered("quiet", 1));
    // It would never be, if the other's had all of the turns.
    while host.registry.fetched() == 1 {
        tokio::task::yield_now().await;
    }
    let tenants: Vec<String> = host.registry.tenants.lock().unwrap().iter().map(ToString::to_string).collect();
    assert_eq!(tenants, ["busy", "quiet"]);
    host.registry.gate.add_permits(permits);
    quiet.await.unwrap().unwrap();
    for ready in busy {
        ready.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn an_action_that_can_do_other_than_was_accepted_is_not_loaded_from_its_component_or_the_cache() {
    let folder = tempfile::tempdir().unwrap();
    let host = Host::roomy(folder.path());
    let right = host.deploy("acme", "right", OTHER_ACTION);
    let nothing = Capabilities::default();
    let wrong = host.insert("acme", "wrong", *right.digest(), &nothing);
    let added = right.capabilities().added_since(&nothing);
    let refused = |error: LoadError| matches!(&error, LoadError::OtherCapabilities { added: told, .. } if *told == added);
    assert!(refused(wrong.make_ready().await.unwrap_err()));
    right.make_ready().await.unwrap();
    let from_the_cache = host.insert("acme", "also-wrong", *right.digest(), &nothing);
    assert!(refused(from_the_cache.make_ready().await.unwrap_err()));
    assert_eq!(host.registry.fetched(), 2, "the last one's code was in the cache");
    assert_eq!(not_loaded(&host.login("acme", &wrong).await).matches(&added[0].to_string()).count(), 1);
}

#[test]
fn a_shelf_needs_no_executor_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let host = Host::roomy(folder.path());
    let action = host.numbered("acme", 1);
    // Any executor will do: this one knows neither timers nor sockets.
    let executor = tokio::runtime::Builder::new_current_thread().build().unwrap();
    assert_has_run(&executor.block_on(host.login("acme", &action)));
    assert_eq!(host.cache.stats().compiled, 1);
}

#[test]
fn a_build_tells_what_a_registry_keeps_and_leaves_its_code_in_the_cache() {
    let folder = tempfile::tempdir().unwrap();
    let host = Host::roomy(folder.path());
    let folder = cap_std::fs::Dir::open_ambient_dir(folder.path(), cap_std::ambient_authority()).unwrap();
    let cache = vestibule::load::CompilationCache::new(folder, vestibule::load::CacheKey::from_bytes([7; 32]));
    let loader = runtime().loader().cache(cache);
    let acme = "acme".parse().unwrap();
    let built = loader.build(&acme, "fallback", ACTION).unwrap();
    assert_eq!((built.name.as_str(), built.version.as_str()), ("organization-session-metadata", "0.1.0"));
    assert_eq!((built.digest, built.contract.as_str(), built.from), (ComponentDigest::of(ACTION), "0.1.0", Source::Compiled));
    let capabilities: Vec<String> = built.capabilities.capabilities.iter().map(ToString::to_string).collect();
    assert_eq!(capabilities, ["event-organization.get", "session.set-metadata"]);
    assert!(built.capabilities.plumbing.contains("wasi:io/streams"));
    assert_eq!(loader.build(&acme, "fallback", ACTION).unwrap().from, Source::Cached);
    let refused = loader.build(&acme, "fallback", b"#!/bin/sh\n").unwrap_err();
    assert_eq!(refused.kind(), "not_wasm");
    // What a stranger has called something reaches a log in one line.
    let named = wat::parse_str("(component (import \"a\\0ab\" (func)))").unwrap();
    let refused = loader.build(&acme, "fallback", &named).unwrap_err().to_string();
    assert!(refused.contains("can't be compiled") && !refused.contains('\n'), "{refused}");
    // And a cache finds it by its digest alone.
    let cached = host.insert("acme", "gate", built.digest, &built.capabilities);
    let executor = tokio::runtime::Builder::new_current_thread().build().unwrap();
    executor.block_on(cached.make_ready()).unwrap();
    assert_eq!(host.registry.fetched(), 0);
}
