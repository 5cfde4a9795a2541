//! Deployed Actions are in memory while they are used: evicted for others, and loaded again when a
//! login needs them.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test that lacks its parts is to fail at once")]

mod loads;
mod registry;

use std::sync::Arc;
use std::time::Duration;

use vestibule::Binding;
use vestibule::limits::Limits;
use vestibule::model::outcome::{Failure, LimitBroken};
use vestibule_test_artifacts::SLEEPS_FOR_EVER;

use registry::{Host, assert_has_run, bytes_of_one};

#[tokio::test]
async fn an_action_is_loaded_evicted_for_others_and_loaded_again() {
    let folder = tempfile::tempdir().unwrap();
    let one = bytes_of_one(folder.path()).await;
    let host = Host::new(folder.path(), one * 5 / 2, one * 5 / 2);
    let [first, second, third] = [1, 2, 3].map(|number| host.numbered("acme", number));
    assert_eq!(host.cache.stats().loads, 0, "nothing is loaded when it is deployed");
    for action in [&first, &second] {
        let outcome = host.login("acme", action).await;
        assert_has_run(&outcome);
        assert_eq!(outcome.actions[0].action, *action.id(), "it has the registry's name");
    }
    // The first has been used since the second was.
    assert_has_run(&host.login("acme", &first).await);
    assert_has_run(&host.login("acme", &third).await);
    assert_eq!([&first, &second, &third].map(|action| action.is_resident()), [true, false, true]);
    assert_has_run(&host.login("acme", &second).await);
    let stats = host.cache.stats();
    assert_eq!((stats.resident, stats.loads, stats.compiled, stats.evicted), (2, 4, 3, 2), "{stats:?}");
    assert_eq!(stats.resident_bytes, one * 2);
    assert_eq!(host.registry.fetched(), 3, "what comes back comes from the cache");
}

#[tokio::test]
async fn a_tenant_with_much_lets_its_own_go_and_none_of_anothers() {
    let folder = tempfile::tempdir().unwrap();
    let one = bytes_of_one(folder.path()).await;
    let host = Host::new(folder.path(), one * 10, one * 5 / 2);
    let quiet = host.numbered("quiet", 1);
    assert_has_run(&host.login("quiet", &quiet).await);
    let busy: Vec<_> = (1..=4).map(|number| host.numbered("busy", number)).collect();
    for action in &busy {
        assert_has_run(&host.login("busy", action).await);
    }
    assert_eq!(busy.iter().map(|action| action.is_resident()).collect::<Vec<_>>(), [false, false, true, true]);
    assert!(quiet.is_resident());
}

#[tokio::test]
async fn an_action_that_fits_in_no_shelf_runs_all_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let host = Host::new(folder.path(), 1_000, 1_000);
    let action = host.numbered("acme", 1);
    for _ in 0..2 {
        assert_has_run(&host.login("acme", &action).await);
        assert!(!action.is_resident());
    }
    let stats = host.cache.stats();
    assert_eq!((stats.resident, stats.resident_bytes, stats.loads, stats.compiled), (0, 0, 2, 1));
}

#[tokio::test]
async fn a_flow_of_more_than_fits_runs_whole() {
    let folder = tempfile::tempdir().unwrap();
    let one = bytes_of_one(folder.path()).await;
    let host = Host::new(folder.path(), one * 3 / 2, one * 3 / 2);
    let actions: Vec<_> = (1..=4).map(|number| host.numbered("acme", number)).collect();
    for _ in 0..3 {
        let outcome = host.run("acme", actions.iter().cloned().map(Binding::new).collect()).await;
        assert_has_run(&outcome);
        assert!(outcome.actions.iter().all(|report| report.failure().is_none()), "{outcome:?}");
    }
    assert!(host.cache.stats().resident_bytes <= one * 3 / 2);
}

#[tokio::test]
async fn an_action_that_is_evicted_runs_on() {
    let folder = tempfile::tempdir().unwrap();
    let one = bytes_of_one(folder.path()).await;
    let host = Arc::new(Host::new(folder.path(), one * 3, one * 3));
    let sleeps = host.deploy("acme", "sleeps", SLEEPS_FOR_EVER);
    sleeps.make_ready().await.unwrap();
    let running = {
        let limits = Limits { wall_time: Duration::from_secs(3), ..Limits::default() };
        let (host, binding) = (Arc::clone(&host), Binding::new(sleeps.clone()).limits(limits));
        tokio::spawn(async move { host.run("acme", vec![binding]).await })
    };
    // It is there already, so it begins with its first turn on this thread.
    tokio::task::yield_now().await;
    let others: Vec<_> = (1..=3).map(|number| host.numbered("acme", number)).collect();
    for action in &others {
        assert_has_run(&host.login("acme", action).await);
    }
    assert!(!sleeps.is_resident(), "it was used before all others");
    let evicted = host.cache.stats();
    if !running.is_finished() {
        assert!(evicted.resident_bytes > one * 3, "what runs counts: {evicted:?}");
    }
    let outcome = running.await.unwrap();
    assert!(matches!(outcome.failed(), Some(Failure::Limit { limit: LimitBroken::WallTime { .. } })), "{outcome:?}");
    let ended = host.cache.stats();
    assert!(ended.resident_bytes <= one * 3 && ended.resident == 3, "it is gone with its last run: {ended:?}");
}

#[tokio::test]
async fn an_evicted_action_that_runs_is_inserted_without_a_load() {
    let folder = tempfile::tempdir().unwrap();
    let one = bytes_of_one(folder.path()).await;
    let host = Arc::new(Host::new(folder.path(), one * 3, one * 3));
    let sleeps = host.deploy("acme", "sleeps", SLEEPS_FOR_EVER);
    sleeps.make_ready().await.unwrap();
    let running = {
        let (host, binding) = (Arc::clone(&host), Binding::new(sleeps.clone()));
        tokio::spawn(async move { host.run("acme", vec![binding]).await })
    };
    tokio::task::yield_now().await;
    let others: Vec<_> = (1..=3).map(|number| host.numbered("acme", number)).collect();
    for action in &others {
        assert_has_run(&host.login("acme", action).await);
    }
    let before = host.cache.stats();
    assert!(!sleeps.is_resident() && !running.is_finished());
    sleeps.make_ready().await.unwrap();
    let after = host.cache.stats();
    assert!(sleeps.is_resident());
    assert_eq!(after.loads, before.loads);
    assert!(after.resident < before.resident, "another went for it, and it is in memory once: {after:?}");
    running.abort();
}

#[tokio::test]
async fn the_same_deployment_is_on_the_shelf_once_and_gone_with_its_last_binding() {
    let folder = tempfile::tempdir().unwrap();
    let host = Host::roomy(folder.path());
    let first = host.numbered("acme", 1);
    let again = host.numbered("acme", 1);
    let of_another = host.numbered("globex", 1);
    first.make_ready().await.unwrap();
    assert!(again.is_resident() && !of_another.is_resident());
    drop(first);
    assert_eq!(host.cache.stats().resident, 1);
    drop(again);
    assert_eq!((host.cache.stats().resident, host.cache.stats().resident_bytes), (0, 0));
    let back = host.numbered("acme", 1);
    assert!(!back.is_resident());
    assert_has_run(&host.login("acme", &back).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn however_many_log_in_no_more_is_in_memory_than_the_shelf_holds_and_what_they_run() {
    let folder = tempfile::tempdir().unwrap();
    let one = bytes_of_one(folder.path()).await;
    let (kept, at_once) = (4, 4);
    let host = Arc::new(Host::new(folder.path(), one * kept, one * kept));
    let actions: Arc<Vec<_>> = Arc::new((0..12).map(|number| host.numbered("acme", number)).collect());
    let logins: Vec<_> = (0..at_once)
        .map(|thread| {
            let (host, actions) = (Arc::clone(&host), Arc::clone(&actions));
            tokio::spawn(async move {
                for step in 0..60 {
                    let action = &actions[(step * (thread as usize + 2) + thread as usize) % actions.len()];
                    assert_has_run(&host.login("acme", action).await);
                    // Beside what the others run: what a load has brought, and what it is just
                    // letting go.
                    let most = one * (kept + at_once + 2);
                    let stats = host.cache.stats();
                    assert!(stats.resident_bytes <= most, "{stats:?} and at most {most} bytes");
                }
            })
        })
        .collect();
    for login in logins {
        login.await.unwrap();
    }
    assert!(host.cache.stats().evicted > 12, "{:?}", host.cache.stats());
    assert!(host.registry.errors.lock().unwrap().is_empty());
}
