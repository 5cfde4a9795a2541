//! Hostile and honest logins of eight tenants, mixed, for as long as one likes: is every honest
//! login right, and does memory stay flat?
//!
//! `cargo run --release -p vestibule-tests --example soak [LOGINS]`, 200,000 logins by default. It
//! ends with 1 when something is wrong.

#![forbid(unsafe_code)]
#![allow(clippy::expect_used, clippy::panic, reason = "a soak without its parts is to stop at once")]

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use vestibule::limits::Limits;
use vestibule::model::Event;
use vestibule::{Action, Binding, Config, Flow, RunContext, RunError, Runtime};
use vestibule_test_artifacts as artifacts;
use vestibule_tests::load;

const EVENT: &[u8] = include_bytes!("../../../examples/events/organization-login.json");

const LOGINS: usize = 200_000;
const TENANTS: usize = 8;
/// Logins that are under way at one time.
const AT_ONE_TIME: usize = 64;
/// In the first tenth of all logins the host warms up, with this multiple of logins at one
/// time: a pool's slot takes memory when it is first used, so each is to have been used then.
const TENTHS: usize = 10;
const WARM_UP: usize = 3;
/// With fewer logins than this not every slot has been used when the first tenth is over, and
/// memory tells nothing.
const ENOUGH: usize = 100_000;
/// How much more memory than then is still flat.
const FLAT: f64 = 1.1;

/// Programs that do their worst. Every third login is one of them, or one of the components that no
/// compiler would write.
const HOSTILE: [(&str, &[u8]); 10] = [
    ("calls_the_host", artifacts::CALLS_THE_HOST),
    ("exits", artifacts::EXITS),
    ("floods_the_log", artifacts::FLOODS_THE_LOG),
    ("grows_memory", artifacts::GROWS_MEMORY),
    ("loops_for_ever", artifacts::LOOPS_FOR_EVER),
    ("panics", artifacts::PANICS),
    ("passes_bytes", artifacts::PASSES_BYTES),
    ("recurses", artifacts::RECURSES),
    ("sleeps_for_ever", artifacts::SLEEPS_FOR_EVER),
    ("writes_metadata", artifacts::WRITES_METADATA),
];

/// What is hostile and can be loaded: programs, and components that no compiler would write.
struct Hostile {
    programs: Vec<Action>,
    components: Vec<Action>,
}

impl Hostile {
    fn load(host: &Runtime) -> Self {
        let programs = HOSTILE.iter().map(|(name, component)| host.load(name, component).expect("an Action")).collect();
        let components = artifacts::hostile::ALL.iter();
        let components = components.filter_map(|hostile| host.load(hostile.name, hostile.component).ok()).collect();
        Self { programs, components }
    }

    /// One after the other, each kind at every second time.
    fn nth(&self, number: usize) -> Action {
        let kind = if number.is_multiple_of(2) { &self.programs } else { &self.components };
        kind[(number / 2) % kind.len()].clone()
    }
}

/// What has happened so far.
#[derive(Default)]
struct Counts {
    begun: AtomicUsize,
    honest: AtomicU64,
    hostile: AtomicU64,
    too_busy: AtomicU64,
    wrong: AtomicU64,
}

fn main() -> ExitCode {
    let logins = std::env::args().nth(1).map_or(LOGINS, |number| number.parse().expect("a number of logins"));
    // Less time and memory than by default, so that hostile logins are many rather than long.
    let limits = Limits {
        cpu_time: Duration::from_millis(5),
        wall_time: Duration::from_millis(250),
        memory: 8 << 20,
        ..Limits::default()
    };
    let host = Runtime::new(Config { limits, ..Config::default() }).expect("a runtime");
    let honest = load(&host, artifacts::ORGANIZATION_SESSION_METADATA);
    let hostile = Hostile::load(&host);
    let (honest, hostile, counts) = (Arc::new(honest), Arc::new(hostile), Arc::new(Counts::default()));

    let platform = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("an executor");
    let event = Arc::new(Event::from_json(EVENT).expect("the event is right"));
    let megabytes = |bytes: u64| bytes as f64 / 1e6;
    let began = Instant::now();
    let workers: Vec<_> = (0..AT_ONE_TIME * WARM_UP)
        .map(|worker| {
            let until = if worker < AT_ONE_TIME { logins } else { logins / TENTHS };
            let (host, honest, hostile, counts) = (host.clone(), Arc::clone(&honest), Arc::clone(&hostile), Arc::clone(&counts));
            let event = Arc::clone(&event);
            platform.spawn(async move {
                loop {
                    let number = counts.begun.load(Ordering::Relaxed);
                    if number >= until {
                        return;
                    }
                    let number = counts.begun.fetch_add(1, Ordering::Relaxed);
                    login(number, &event, &host, &honest, &hostile, &counts).await;
                }
            })
        })
        .collect();

    let mut resident = vec![Vec::new(); TENTHS];
    while !workers.iter().all(tokio::task::JoinHandle::is_finished) {
        std::thread::sleep(Duration::from_millis(5));
        let tenth = counts.begun.load(Ordering::Relaxed) * TENTHS / logins;
        resident[tenth.min(TENTHS - 1)].push(resident_bytes());
    }
    for worker in workers {
        platform.block_on(worker).expect("no login panics");
    }

    let count = |count: &AtomicU64| count.load(Ordering::Relaxed);
    println!(
        "{logins} logins of {TENANTS} tenants in {:.0} s: {} honest, {} hostile, {} too busy",
        began.elapsed().as_secs_f64(),
        count(&counts.honest),
        count(&counts.hostile),
        count(&counts.too_busy)
    );
    let medians: Vec<u64> = resident.iter_mut().map(|samples| median(samples)).collect();
    println!("tenth of the logins | memory, median | at most");
    for (tenth, (samples, median)) in resident.iter().zip(&medians).enumerate() {
        println!(
            "{} | {:.1} MB | {:.1} MB",
            tenth + 1,
            megabytes(*median),
            megabytes(samples.last().copied().unwrap_or_default())
        );
    }
    // What is in memory goes up and down with the logins that are under way; it is the middle that
    // must not grow once all is warm.
    let (warm, highest) = (medians[1], medians[1..].iter().copied().max().unwrap_or_default());
    println!("memory: {:.2}× of the second tenth's at most", highest as f64 / warm.max(1) as f64);
    let is_flat = logins < ENOUGH || highest as f64 <= warm as f64 * FLAT;
    println!("wrong: {}; panics of the host: {}", count(&counts.wrong), host.host_panics());
    let is_right = count(&counts.wrong) == 0 && host.host_panics() == 0 && is_flat;
    if is_right { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

async fn login(number: usize, event: &Event, host: &Runtime, honest: &Action, hostile: &Hostile, counts: &Counts) {
    let mut event = event.clone();
    event.tenant.id = format!("tenant-{}", number % TENANTS).parse().expect("a tenant's id");
    let organization = event.organization.as_mut().expect("it is a login to an organization");
    organization.id = format!("org_{number}");
    let is_hostile = number.is_multiple_of(3);
    let action = if is_hostile { hostile.nth(number / 3) } else { honest.clone() };
    let flow = Flow::new(event.tenant.id.clone(), vec![Binding::new(action)]);
    let outcome = match host.run(&flow, Arc::new(event), &RunContext::live()).await {
        Ok(outcome) => outcome,
        Err(RunError::TooBusy { .. }) => {
            counts.too_busy.fetch_add(1, Ordering::Relaxed);
            return;
        }
        Err(error) => panic!("{error}"),
    };
    if is_hostile {
        counts.hostile.fetch_add(1, Ordering::Relaxed);
        return;
    }
    counts.honest.fetch_add(1, Ordering::Relaxed);
    let is_right = outcome.is_allowed()
        && outcome.session.metadata.len() == 3
        && outcome.session.metadata.get("org_id") == Some(format!("org_{number}").as_str());
    if !is_right {
        eprintln!("login {number} is wrong: {outcome:?}");
        counts.wrong.fetch_add(1, Ordering::Relaxed);
    }
}

/// The one in the middle; the samples are sorted.
fn median(samples: &mut [u64]) -> u64 {
    samples.sort_unstable();
    samples.get(samples.len() / 2).copied().unwrap_or_default()
}

/// Bytes of this process that are in memory.
fn resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("this machine tells of its processes");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a process has memory");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number of kB") * 1024
}
