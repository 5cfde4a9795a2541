//! How exactly an Action is stopped that computes without end.
//!
//! `cargo bench -p vestibule --bench deadline` prints a table. Tenants keep every thread of the
//! slow lane busy; each login spins until a limit ends it. What counts is the time beyond the
//! limit: processor's time for `cpu_time`, time on the clock for `wall_time`.

#![forbid(unsafe_code)]
#![allow(clippy::expect_used, clippy::panic, reason = "a bench without its parts is to stop at once")]

use std::sync::Arc;
use std::time::Duration;

use vestibule::limits::Limits;
use vestibule::model::Event;
use vestibule::model::outcome::{Failure, LimitBroken};
use vestibule::{Binding, Config, Flow, RunContext, Runtime};
use vestibule_test_artifacts::LOOPS_FOR_EVER;

/// Logins that are stopped, for each row.
const LOGINS: usize = 600;
const LIMIT: Duration = Duration::from_millis(20);

const EVENT: &[u8] = include_bytes!("../../../examples/events/organization-login.json");

fn main() {
    // Without cargo's own argument for a bench it is a test that the bench runs at all.
    let is_bench = std::env::args().any(|argument| argument == "--bench");
    if std::env::args().any(|argument| argument == "--list") {
        return;
    }
    let logins = if is_bench { LOGINS } else { 8 };
    println!("| limit | tenants that spin | median beyond | 90 % | 99 % | longest |");
    println!("|---|---|---|---|---|---|");
    for tenants in [1, 2, 8] {
        let limits = Limits { cpu_time: LIMIT, ..Limits::default() };
        row("cpu_time", tenants, logins, limits);
    }
    for tenants in [1, 2, 8] {
        let limits = Limits { cpu_time: Duration::from_secs(10), wall_time: LIMIT, ..Limits::default() };
        row("wall_time", tenants, logins, limits);
    }
}

fn row(limit: &str, tenants: usize, logins: usize, limits: Limits) {
    let platform = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().expect("an executor");
    let host = Runtime::new(Config { limits, ..Config::default() }).expect("a runtime");
    let action = host.load("spins", LOOPS_FOR_EVER).expect("an Action");
    let spinning: Vec<_> = (0..tenants)
        .map(|tenant| {
            let mut event = Event::from_json(EVENT).expect("the event is right");
            event.tenant.id = format!("tenant-{tenant}").parse().expect("a tenant's id");
            let flow = Flow::new(event.tenant.id.clone(), vec![Binding::new(action.clone())]);
            let (host, event) = (host.clone(), Arc::new(event));
            platform.spawn(async move {
                let mut beyond = Vec::new();
                for _ in 0..logins / tenants {
                    let outcome = host.run(&flow, Arc::clone(&event), &RunContext::live()).await.expect("there is room");
                    let used = match outcome.failed() {
                        Some(Failure::Limit { limit: LimitBroken::CpuTime { .. } }) => outcome.actions[0].cpu_time,
                        Some(Failure::Limit { limit: LimitBroken::WallTime { .. } }) => outcome.actions[0].duration,
                        other => panic!("a limit should have ended it: {other:?}"),
                    };
                    beyond.push(used.saturating_sub(LIMIT));
                }
                beyond
            })
        })
        .collect();
    let mut beyond: Vec<Duration> =
        spinning.into_iter().flat_map(|tenant| platform.block_on(tenant).expect("no login panics")).collect();
    beyond.sort_unstable();
    let at = |share: f64| beyond[((beyond.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
    println!("| `{limit}` | {tenants} | {:.2} ms | {:.2} ms | {:.2} ms | {:.2} ms |", at(0.5), at(0.9), at(0.99), at(1.0));
}
