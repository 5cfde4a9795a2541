//! What ten thousand deployed Actions of a thousand tenants cost one host: its memory, a login
//! whose Action was evicted, and what many Actions that are in memory cost beside one.
//!
//! `cargo bench --workspace --bench cache` prints the numbers. Each Action is the same guest with a
//! number of its own, so that each has a digest, a file in the cache and code of its own. They are
//! compiled once, by a process before the one that is measured, and kept in cargo's folder for
//! temporary files: ten minutes and two gigabytes. `VESTIBULE_BENCH_ACTIONS` asks for fewer.

#![forbid(unsafe_code)]
#![allow(clippy::expect_used, reason = "a bench without its parts is to stop at once")]

mod zipf;

use std::collections::HashMap;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

use bytes::Bytes;
use cap_std::ambient_authority;
use cap_std::fs::Dir;
use vestibule::action_cache::{ActionCache, ActionCacheSettings, CachedAction, Components};
use vestibule::capability::Capabilities;
use vestibule::limits::HostLimits;
use vestibule::load::{CacheKey, CompilationCache, Deployed};
use vestibule::model::{ActionId, ComponentDigest, Event, TenantId};
use vestibule::{Binding, Config, Flow, RunContext, Runtime};
use vestibule_test_artifacts::ORGANIZATION_SESSION_METADATA as GUEST;
use zipf::Zipf;

const ACTIONS: usize = 10_000;
const ACTIONS_OF_A_TENANT: usize = 10;
/// Logins by the Zipf distribution.
const LOGINS: usize = 30_000;
/// Turns of one Action and of many, and how long one is.
const TURNS: usize = 15;
const TURN: Duration = Duration::from_millis(200);

const EVENT: &[u8] = include_bytes!("../../../../examples/events/organization-login.json");

/// The argument of the process that compiles.
const PREPARE: &str = "--prepare";

fn main() {
    // Without cargo's own argument for a bench it is a test that the bench runs at all.
    let is = |argument: &str| std::env::args().any(|given| given == argument);
    if is("--list") {
        return;
    }
    let asked = std::env::var("VESTIBULE_BENCH_ACTIONS").ok().and_then(|number| number.parse().ok());
    let (actions, logins, turns, turn) = if is("--bench") || is(PREPARE) {
        (asked.unwrap_or(ACTIONS), LOGINS, TURNS, TURN)
    } else {
        (20, 100, 1, Duration::from_millis(1))
    };
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cache");
    std::fs::create_dir_all(&folder).expect("a folder for compiled code");
    if is(PREPARE) {
        return prepare(&folder, actions);
    }
    let mut preparing = Command::new(std::env::current_exe().expect("this program"));
    let prepared = preparing.arg(PREPARE).env("VESTIBULE_BENCH_ACTIONS", actions.to_string()).status();
    assert!(prepared.expect("a process that compiles").success());

    let before = resident_memory();
    let host = Host::new(&folder, actions, ActionCacheSettings::default());
    let executor = tokio::runtime::Builder::new_current_thread().build().expect("an executor");
    let deployed = resident_memory();
    println!("{actions} Actions of {} bytes are deployed: RSS {} MB, {} MB before", GUEST.len(), mb(deployed), mb(before));

    let all: Vec<Duration> = (0..actions).map(|action| executor.block_on(host.login(action))).collect();
    let stats = host.cache.stats();
    row("each once", &all);
    println!("{stats:?}; RSS {} MB: {} bytes for each that is in memory", mb(resident_memory()), {
        resident_memory().saturating_sub(deployed) / stats.resident.max(1)
    });

    let zipf = Zipf::new(actions);
    let (mut resident, mut evicted, mut most) = (Vec::new(), Vec::new(), 0);
    for login in 0..logins {
        let action = zipf.at(login as u64);
        let was_there = host.actions[action].1.is_resident();
        let time = executor.block_on(host.login(action));
        if was_there {
            resident.push(time)
        } else {
            evicted.push(time)
        }
        if login.is_multiple_of(100) {
            most = most.max(resident_memory());
        }
    }
    row("Zipf, in memory", &resident);
    row("Zipf, evicted", &evicted);
    println!("{:?}; RSS at most {} MB", host.cache.stats(), mb(most));
    warm(&Arc::new(host), turns, turn);
}

/// Many Actions that are in memory, beside one: in turns.
fn warm(host: &Arc<Host>, turns: usize, turn: Duration) {
    let there: Vec<usize> = (0..host.actions.len()).filter(|action| host.actions[*action].1.is_resident()).collect();
    let loads = host.cache.stats().loads;
    println!("| threads | one Action | {} Actions by Zipf | all of them in turn |", there.len());
    println!("|---|---|---|---|");
    for threads in [1, 2] {
        let mut rates = [Vec::new(), Vec::new(), Vec::new()];
        for _ in 0..turns {
            for (which, rates) in [Which::One, Which::Zipf, Which::All].into_iter().zip(&mut rates) {
                rates.push(runs_per_second(host, &there, which, threads, turn));
            }
        }
        let [one, zipf, all] = rates.map(|mut rates| {
            rates.sort_by(f64::total_cmp);
            rates[rates.len() / 2]
        });
        println!(
            "| {threads} | {one:.0} runs/s | {zipf:.0} runs/s ({:.0} %) | {all:.0} runs/s ({:.0} %) |",
            zipf / one * 100.0,
            all / one * 100.0
        );
    }
    assert_eq!(host.cache.stats().loads, loads, "nothing was loaded meanwhile");
}

#[derive(Clone, Copy, PartialEq)]
enum Which {
    One,
    Zipf,
    All,
}

fn runs_per_second(host: &Arc<Host>, there: &[usize], which: Which, threads: usize, turn: Duration) -> f64 {
    let barrier = Barrier::new(threads);
    std::thread::scope(|scope| {
        let running: Vec<_> = (0..threads)
            .map(|thread| {
                let barrier = &barrier;
                scope.spawn(move || {
                    let executor = tokio::runtime::Builder::new_current_thread().build().expect("an executor");
                    let zipf = Zipf::new(there.len());
                    let mut drawn = (thread as u64) << 32;
                    let mut place = thread * there.len() / threads;
                    let mut run = || {
                        drawn += 1;
                        place = (place + 1) % there.len();
                        let place = match which {
                            Which::One => return executor.block_on(host.login_of_one()),
                            Which::Zipf => zipf.at(drawn),
                            Which::All => place,
                        };
                        executor.block_on(host.login(there[place]))
                    };
                    for _ in 0..50 {
                        run();
                    }
                    barrier.wait();
                    let (started, mut runs) = (Instant::now(), 0_u64);
                    while started.elapsed() < turn {
                        for _ in 0..20 {
                            run();
                        }
                        runs += 20;
                    }
                    runs as f64 / started.elapsed().as_secs_f64()
                })
            })
            .collect();
        running.into_iter().map(|thread| thread.join().expect("no run panics")).sum()
    })
}

/// Compiles what the cache doesn't have.
fn prepare(folder: &Path, actions: usize) {
    let host = Host::new(folder, actions, ActionCacheSettings { bytes: 16 << 20, tenant_bytes: 16 << 20 });
    let executor = tokio::runtime::Builder::new_current_thread().build().expect("an executor");
    executor.block_on(async {
        let mut ready = tokio::task::JoinSet::new();
        for (_, cached) in &host.actions {
            let cached = cached.clone();
            ready.spawn(async move { cached.make_ready().await.expect("an Action") });
        }
        while let Some(ready) = ready.join_next().await {
            ready.expect("no load panics");
        }
    });
    println!("compiled {} of {actions} Actions", host.cache.stats().compiled);
}

/// A host, and all that is deployed.
struct Host {
    runtime: Runtime,
    cache: ActionCache,
    /// Each tenant's event.
    events: Vec<Arc<Event>>,
    /// Each Action in a flow of its own.
    actions: Vec<(Flow, CachedAction)>,
    one: Flow,
}

impl Host {
    fn new(folder: &Path, actions: usize, settings: ActionCacheSettings) -> Self {
        let compiles = std::thread::available_parallelism().map_or(1, usize::from);
        let runtime = Runtime::new(Config { host_limits: HostLimits { compiles, ..HostLimits::default() }, ..Config::default() });
        let runtime = runtime.expect("a runtime");
        let folder = Dir::open_ambient_dir(folder, ambient_authority()).expect("the cache's folder");
        let cache = CompilationCache::new(folder, CacheKey::from_bytes([7; 32])).room(16 << 30);
        let loader = runtime.loader().cache(cache);
        let digests = (0..actions).map(|number| (ComponentDigest::of(&numbered(number)), number));
        let components = Arc::new(Numbered(digests.collect()));
        let in_order: HashMap<usize, ComponentDigest> = components.0.iter().map(|(digest, number)| (*number, *digest)).collect();
        let cache = ActionCache::new(loader, components, settings);
        let one = runtime.load("one", GUEST).expect("an Action");
        let capabilities: Capabilities = one.capabilities().clone();
        let events: Vec<Arc<Event>> = (0..actions.div_ceil(ACTIONS_OF_A_TENANT))
            .map(|tenant| {
                let mut event = Event::from_json(EVENT).expect("the event is right");
                event.tenant.id = format!("tenant-{tenant}").parse().expect("a tenant's id");
                Arc::new(event)
            })
            .collect();
        let actions = (0..actions)
            .map(|number| {
                let tenant = &events[number / ACTIONS_OF_A_TENANT].tenant.id;
                let id = ActionId::new(&format!("action-{number}"), "1").expect("an id");
                let deployed = Deployed { id, digest: in_order[&number], capabilities: capabilities.clone() };
                let cached = cache.insert(tenant, deployed);
                (Flow::new(tenant.clone(), vec![Binding::new(cached.clone())]), cached)
            })
            .collect();
        let one = Flow::new(events[0].tenant.id.clone(), vec![Binding::new(one)]);
        Self { runtime, cache, events, actions, one }
    }

    async fn login(&self, action: usize) -> Duration {
        self.run(&self.actions[action].0, &self.events[action / ACTIONS_OF_A_TENANT]).await
    }

    async fn login_of_one(&self) -> Duration {
        self.run(&self.one, &self.events[0]).await
    }

    async fn run(&self, flow: &Flow, event: &Arc<Event>) -> Duration {
        let began = Instant::now();
        let outcome = self.runtime.run(flow, Arc::clone(event), &RunContext::live()).await.expect("there is room");
        let time = began.elapsed();
        assert!(outcome.is_allowed() && outcome.session.metadata.len() == 3, "{outcome:?}");
        time
    }
}

/// The guest with this number: in a custom section of its own, behind all others.
fn numbered(number: usize) -> Vec<u8> {
    const NAME: &[u8] = b"number";
    let mut section = vec![u8::try_from(NAME.len()).expect("a short name")];
    section.extend_from_slice(NAME);
    section.extend_from_slice(&(number as u64).to_le_bytes());
    let mut component = GUEST.to_vec();
    component.extend_from_slice(&[0, u8::try_from(section.len()).expect("a short section")]);
    component.extend_from_slice(&section);
    component
}

/// The registry: it makes a component again from its number.
struct Numbered(HashMap<ComponentDigest, usize>);

#[async_trait::async_trait]
impl Components for Numbered {
    async fn fetch(&self, _tenant: &TenantId, digest: &ComponentDigest) -> Result<Option<Bytes>, String> {
        Ok(self.0.get(digest).map(|number| numbered(*number).into()))
    }
}

fn row(name: &str, times: &[Duration]) {
    let mut times = times.to_vec();
    times.sort_unstable();
    let at = |share: f64| times.get((times.len().saturating_sub(1) as f64 * share) as usize).copied().unwrap_or_default();
    let [median, p99, longest] = [0.5, 0.99, 1.0].map(|share| at(share).as_secs_f64() * 1e3);
    println!("{name}: {} logins, median {median:.3} ms, p99 {p99:.3} ms, longest {longest:.3} ms", times.len());
}

/// Bytes of this process that are in memory.
fn resident_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or_default() << 10
}

fn mb(bytes: u64) -> u64 {
    bytes / 1_000_000
}
