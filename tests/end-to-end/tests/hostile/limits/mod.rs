//! Each limit: what is just under it passes, and what is just over it fails with that limit's
//! error.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use vestibule::limits::Scope;
use vestibule::limits::{FlowLimits, HostLimits, Limits, TenantLimits};
use vestibule::model::Outcome;
use vestibule::model::outcome::{Failure, LimitBroken};
use vestibule::{Binding, Config, LoadError, RunError, Runtime, RuntimeError};
use vestibule_test_artifacts as artifacts;
use vestibule_test_artifacts::hostile::{
    ASKS_FOR_RANDOM_BYTES, COMPUTES_AS_OFTEN, GROWS_A_TABLE, MAKES_HANDLES, OPENS_STREAMS, RECURSES_AS_DEEP, SLEEPS,
};
use vestibule_tests::host::{ACME, GLOBEX, Host, broken, failure, flow, step};
use vestibule_tests::{context, example_event, host_limits, limits, root, settings};

mod loading;

use crate::places::{IMPATIENT, PATIENT, host, sleeping, too_busy};
use crate::shape::Shape;

#[test]
fn each_limit_has_a_test_that_is_named_after_it() {
    let mut sources = String::new();
    add_sources(&root().join("tests/end-to-end/tests"), &mut sources);
    // What an effect may ask for is a rule of the model, which has its tests beside it.
    for limit in vestibule::limits::all().into_iter().filter(|limit| limit.scope != Scope::Effect) {
        let is_tested = sources.contains(&format!("fn {}_", limit.name));
        assert!(is_tested, "the limit `{}` has no test whose name begins with it; add one here", limit.name);
    }
}

/// Adds the text of all files of Rust in a folder.
fn add_sources(folder: &Path, sources: &mut String) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            add_sources(&path, sources);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            sources.push_str(&std::fs::read_to_string(&path).unwrap());
        }
    }
}

fn passes(outcome: &Outcome) {
    assert!(outcome.is_allowed(), "{outcome:?}");
}

/// Enough time for what the machine does beside.
fn patient() -> Limits {
    Limits { cpu_time: Duration::from_secs(10), wall_time: Duration::from_secs(60), ..limits() }
}

const WORK: u64 = 10_000_000;
const LITTLE: Duration = Duration::from_millis(5);
const CENTURIES: u64 = u64::MAX;

#[tokio::test]
async fn cpu_time_is_enough_for_work_that_ends_and_less_is_not() {
    passes(&Host::with(patient()).attempt(COMPUTES_AS_OFTEN, WORK).await);
    let failure = Host::with(Limits { cpu_time: LITTLE, ..limits() }).failure(COMPUTES_AS_OFTEN, WORK).await;
    assert_eq!(failure, broken(LimitBroken::CpuTime { allowed: LITTLE }));
}

#[tokio::test]
async fn wall_time_is_enough_for_a_short_sleep_and_not_for_a_long_one() {
    passes(&Host::with(patient()).attempt(SLEEPS, 1_000_000).await);
    let failure = Host::with(Limits { wall_time: LITTLE * 10, ..limits() }).failure(SLEEPS, CENTURIES).await;
    assert_eq!(failure, broken(LimitBroken::WallTime { allowed: LITTLE * 10 }));
}

#[tokio::test]
async fn memory_just_fits_and_one_page_more_does_not() {
    let host = Host::new();
    let component = Shape { pages: 1_024, ..Shape::default() }.component();
    let outcome = host.attempt(&component, 1).await;
    passes(&outcome);
    assert_eq!(outcome.actions[0].peak_memory_bytes, limits().memory);
    let refusal = host.refusal(&Shape { pages: 1_025, ..Shape::default() }.component()).await;
    assert!(matches!(refusal, LoadError::OverLimit { limit: "memory", .. }), "{refusal}");
    // Where its binding may have less than the host, it is loaded, and fails.
    let allowed = limits().memory - 1;
    let binding = host.bind(&component).limits(Limits { memory: allowed, ..limits() });
    let failure = failure(&host.attempt_with(binding, 1).await);
    assert_eq!(failure, broken(LimitBroken::Memory { given: allowed + 1, allowed }));
}

#[tokio::test]
async fn table_elements_just_fit_and_one_more_does_not() {
    let host = Host::new();
    passes(&host.attempt(&Shape { elements: 20_000, ..Shape::default() }.component(), 1).await);
    let refusal = host.refusal(&Shape { elements: 20_001, ..Shape::default() }.component()).await;
    assert!(matches!(refusal, LoadError::OverLimit { limit: "table_elements", .. }), "{refusal}");
    passes(&host.attempt(GROWS_A_TABLE, 20_000).await);
    let failure = host.failure(GROWS_A_TABLE, 20_001).await;
    assert_eq!(failure, broken(LimitBroken::TableElements { given: 20_001, allowed: 20_000 }));
}

#[tokio::test]
async fn calls_just_under_their_limit_pass_and_one_more_fails() {
    let host = Host::with(Limits { calls: 100, ..limits() });
    passes(&host.configured(artifacts::CALLS_THE_HOST, &[("calls", "100")]).await);
    let failure = failure(&host.configured(artifacts::CALLS_THE_HOST, &[("calls", "101")]).await);
    assert_eq!(failure, broken(LimitBroken::Calls { allowed: 100 }));
}

#[tokio::test]
async fn call_bytes_just_pass_and_one_more_does_not() {
    let host = Host::with(Limits { call_bytes: 1_000, ..limits() });
    // The key has one byte.
    passes(&host.configured(artifacts::PASSES_BYTES, &[("bytes", "999")]).await);
    let over = broken(LimitBroken::CallBytes { allowed: 1_000 });
    assert_eq!(failure(&host.configured(artifacts::PASSES_BYTES, &[("bytes", "1000")]).await), over);
}

#[tokio::test]
async fn resources_just_under_their_limit_are_held_and_one_more_is_not() {
    let host = Host::new();
    for component in [OPENS_STREAMS, MAKES_HANDLES] {
        passes(&host.attempt(component, 1_000).await);
        assert_eq!(host.failure(component, 1_001).await, broken(LimitBroken::Resources { allowed: 1_000 }));
    }
}

#[tokio::test]
async fn random_bytes_just_under_their_limit_are_given_and_one_more_is_not() {
    let host = Host::new();
    passes(&host.attempt(ASKS_FOR_RANDOM_BYTES, 65_536).await);
    let failure = host.failure(ASKS_FOR_RANDOM_BYTES, 65_537).await;
    assert_eq!(failure, broken(LimitBroken::RandomBytes { allowed: 65_536 }));
}

/// What a guest that logs 1,003 lines logs with these limits, and whether some of it was cut.
async fn logs(limits: Limits) -> (Vec<String>, bool) {
    let outcome = Host::with(limits).attempt(artifacts::FLOODS_THE_LOG, 1).await;
    passes(&outcome);
    let report = &outcome.actions[0];
    (report.logs.iter().map(|line| line.message.clone()).collect(), report.logs_cut)
}

#[tokio::test]
async fn log_bytes_just_fit_and_one_more_is_cut() {
    let (all, cut) = logs(Limits { log_lines: 2_000, ..limits() }).await;
    assert!(!cut);
    let bytes: usize = all.iter().map(String::len).sum();
    assert_eq!(logs(Limits { log_lines: 2_000, log_bytes: bytes, ..limits() }).await, (all.clone(), false));
    let (less, cut) = logs(Limits { log_lines: 2_000, log_bytes: bytes - 1, ..limits() }).await;
    assert!(cut && less.iter().map(String::len).sum::<usize>() == bytes - 1);
}

#[tokio::test]
async fn log_lines_just_fit_and_one_more_is_cut() {
    let (all, cut) = logs(Limits { log_lines: 1_003, ..limits() }).await;
    assert_eq!((all.len(), cut), (1_003, false));
    let (less, cut) = logs(Limits { log_lines: 1_002, ..limits() }).await;
    assert_eq!((less.as_slice(), cut), (&all[..1_002], true));
}

fn host_of_flows(flow_limits: FlowLimits) -> Host {
    Host::of(Config { limits: patient(), flow_limits, host_limits: host_limits(), ..Config::default() })
}

#[tokio::test]
async fn actions_just_under_their_limit_run_and_one_more_does_not() {
    let host = host_of_flows(FlowLimits { actions: 3, ..FlowLimits::default() });
    let actions = |count: usize| vec![host.honest(); count];
    passes(&host.login(ACME, 1, actions(3)).await.unwrap());
    let refused = host.login(ACME, 1, actions(4)).await.unwrap_err();
    assert_eq!(refused, RunError::TooManyActions { tenant: ACME.parse().unwrap(), given: 4, allowed: 3 });
    assert!(refused.to_string().contains("at most 3 are allowed (limit `actions`)"), "{refused}");
    // A flow can have fewer, and not more.
    let with = |actions| FlowLimits { actions, ..FlowLimits::default() };
    let refused = host.login_through(&flow(ACME, actions(3)).flow_limits(with(2)), ACME, 1).await;
    assert!(matches!(refused, Err(RunError::TooManyActions { given: 3, allowed: 2, .. })), "{refused:?}");
    let refused = host.login_through(&flow(ACME, actions(4)).flow_limits(with(100)), ACME, 1).await;
    assert!(matches!(refused, Err(RunError::TooManyActions { given: 4, allowed: 3, .. })), "{refused:?}");
    host.others_log_in().await;
}

#[tokio::test]
async fn flow_cpu_time_is_of_all_actions_together() {
    let all = Duration::from_secs(20);
    for (allowed, failure) in [(all, None), (LITTLE, Some(broken(LimitBroken::FlowCpuTime { allowed: LITTLE })))] {
        let host = host_of_flows(FlowLimits { flow_cpu_time: allowed, ..FlowLimits::default() });
        let computing = host.bind(COMPUTES_AS_OFTEN);
        let outcome = host.login(ACME, WORK, vec![computing.clone(), host.honest(), computing]).await.unwrap();
        assert_eq!(outcome.failed(), failure.as_ref());
        host.others_log_in().await;
    }
}

#[tokio::test]
async fn flow_wall_time_is_of_all_actions_together() {
    let allowed = Duration::from_millis(200);
    let host = host_of_flows(FlowLimits { flow_wall_time: allowed, ..FlowLimits::default() });
    let outcome = host.login(ACME, CENTURIES, vec![host.honest(), host.bind(SLEEPS)]).await.unwrap();
    assert_eq!(failure(&outcome), broken(LimitBroken::FlowWallTime { allowed }));
    host.others_log_in().await;
    let host = host_of_flows(FlowLimits { flow_wall_time: Duration::from_secs(60), ..FlowLimits::default() });
    passes(&host.login(ACME, 1_000_000, vec![host.bind(SLEEPS), host.bind(SLEEPS)]).await.unwrap());
}

#[tokio::test]
async fn tenant_logins_just_run_and_one_more_waits() {
    let host = host(10, 2, 1, PATIENT);
    let mut held = [Box::pin(host.login(ACME, 1, sleeping(&host))), Box::pin(host.login(ACME, 1, sleeping(&host)))];
    for login in &mut held {
        step(login).await;
    }
    let mut waiting = Box::pin(host.login(ACME, 1, vec![host.honest()]));
    step(&mut waiting).await;
    host.honest_login(GLOBEX).await;
    drop(held);
    passes(&waiting.await.unwrap());
}

#[tokio::test]
async fn tenant_queue_just_fits_and_one_more_is_too_busy() {
    let host = host(10, 1, 1, PATIENT);
    let mut held = Box::pin(host.login(ACME, 1, sleeping(&host)));
    step(&mut held).await;
    let mut waiting = Box::pin(host.login(ACME, 1, vec![host.honest()]));
    step(&mut waiting).await;
    assert_eq!(too_busy(host.login(ACME, 1, vec![host.honest()]).await), "tenant_queue");
    host.honest_login(GLOBEX).await;
    drop(held);
    passes(&waiting.await.unwrap());
}

#[tokio::test]
async fn queue_time_is_how_long_a_login_waits() {
    let host = host(10, 1, 1, IMPATIENT);
    let mut held = Box::pin(host.login(ACME, 1, sleeping(&host)));
    step(&mut held).await;
    assert_eq!(too_busy(host.login(ACME, 1, vec![host.honest()]).await), "queue_time");
    host.honest_login(GLOBEX).await;
}

#[tokio::test]
async fn sandboxes_that_are_free_are_taken_and_one_more_is_too_busy() {
    let host = host(2, 2, 2, IMPATIENT);
    let mut held = [Box::pin(host.login(ACME, 1, sleeping(&host))), Box::pin(host.login(GLOBEX, 1, sleeping(&host)))];
    for login in &mut held {
        step(login).await;
    }
    assert_eq!(too_busy(host.login("initech", 1, vec![host.honest()]).await), "sandboxes");
}

/// A host with eight sandboxes, of which two are the reserve, with a share for one tenant.
fn host_with_a_reserve(tenant_reserve: usize) -> Host {
    let tenant_limits = TenantLimits { tenant_logins: 8, tenant_queue: 8, queue_time: IMPATIENT, tenant_reserve };
    let host_limits = HostLimits { sandboxes: 8, reserved_sandboxes: 2, ..host_limits() };
    Host::of(Config { limits: limits(), tenant_limits, host_limits, ..Config::default() })
}

/// Begins eight logins of a tenant that sleep, and returns those that get a sandbox.
async fn sleepers(host: &Host, tenant: &str, expected: usize) -> JoinSet<Result<Outcome, RunError>> {
    let flow = Arc::new(flow(tenant, sleeping(host)));
    let mut event = example_event("organization-login");
    event.tenant.id = tenant.parse().expect("a tenant's id");
    let event = Arc::new(event);
    let mut logins = JoinSet::new();
    for _ in 0..8 {
        let (runtime, flow, event) = (host.runtime.clone(), Arc::clone(&flow), Arc::clone(&event));
        logins.spawn(async move { runtime.run(&flow, event, &context()).await });
    }
    for _ in expected..8 {
        let refused = logins.join_next().await.expect("one more");
        assert_eq!(too_busy(refused.expect("no panic")), "sandboxes");
    }
    assert!(logins.try_join_next().is_none(), "the others sleep");
    logins
}

#[tokio::test]
async fn reserved_sandboxes_are_left_by_a_tenant_that_holds_many() {
    let host = host_with_a_reserve(1);
    let _held = sleepers(&host, ACME, 6).await;
    host.honest_login(GLOBEX).await;
}

#[tokio::test]
async fn tenant_reserve_is_what_one_tenant_takes_of_the_reserve() {
    for reserve in [1, 2] {
        let host = host_with_a_reserve(reserve);
        let _many = sleepers(&host, ACME, 6).await;
        let _few = sleepers(&host, GLOBEX, reserve).await;
    }
}

#[tokio::test]
async fn slow_threads_serve_one_loop_after_the_other() {
    let with = |slow_threads| Config {
        limits: limits(),
        host_limits: HostLimits { slow_threads, ..host_limits() },
        ..Config::default()
    };
    let host = Host::of(with(1));
    let looping = || vec![host.bind(artifacts::LOOPS_FOR_EVER)];
    let (acme, globex) = tokio::join!(host.login(ACME, 1, looping()), host.login(GLOBEX, 1, looping()));
    for outcome in [acme, globex] {
        assert_eq!(failure(&outcome.unwrap()), broken(LimitBroken::CpuTime { allowed: limits().cpu_time }));
    }
    host.others_log_in().await;
    let refused = Runtime::new(with(257)).unwrap_err();
    assert!(matches!(&refused, RuntimeError::Limit(limit) if limit.name == "slow_threads"), "{refused}");
    assert_eq!(refused.to_string(), "the limit `slow_threads` can't be 257: at most 256 is possible");
}

fn host_with(host_limits: HostLimits) -> Host {
    Host::of(Config { limits: limits(), host_limits, ..Config::default() })
}

#[tokio::test]
async fn stack_is_enough_for_a_recursion_that_ends_and_less_is_not() {
    passes(&host_with(HostLimits { stack: 512 << 10, ..host_limits() }).attempt(RECURSES_AS_DEEP, 3_000).await);
    let stack = 32 << 10;
    let host = host_with(HostLimits { stack, ..host_limits() });
    let outcome = host.login(ACME, 3_000, vec![host.bind(RECURSES_AS_DEEP)]).await.unwrap();
    assert_eq!(failure(&outcome), broken(LimitBroken::Stack { allowed: stack }));
    host.others_log_in().await;
}

#[tokio::test]
async fn a_flow_and_a_binding_lower_limits_and_never_raise_them() {
    let host = Host::with(Limits { calls: 100, ..limits() });
    let calling = |calls: &str| host.bind(artifacts::CALLS_THE_HOST).configuration(settings(&[("calls", calls)]));
    let with = |calls| Limits { calls, ..Limits::default() };
    type Calls = Option<usize>;
    let cases: [(&str, Calls, Calls, Calls); 6] = [
        ("50", Some(50), None, None),
        ("51", Some(50), None, Some(50)),
        ("51", None, Some(50), Some(50)),
        ("41", Some(50), Some(40), Some(40)),
        ("51", Some(50), Some(90), Some(50)),
        ("101", Some(1_000), Some(1_000), Some(100)),
    ];
    for (calls, of_flow, of_binding, allowed) in cases {
        let binding: Binding = of_binding.map_or(calling(calls), |calls_allowed| calling(calls).limits(with(calls_allowed)));
        let flow = of_flow.map_or(flow(ACME, vec![binding.clone()]), |calls| flow(ACME, vec![binding]).limits(with(calls)));
        let outcome = host.login_through(&flow, ACME, 1).await.unwrap();
        let expected = allowed.map(|allowed| Failure::Limit { limit: LimitBroken::Calls { allowed } });
        assert_eq!(outcome.failed(), expected.as_ref(), "{calls} calls, {of_flow:?}, {of_binding:?}");
    }
    host.others_log_in().await;
}
