//! What a quiet tenant notices of another that does its worst.
//!
//! `cargo bench -p vestibule --bench neighbours` prints a table. The quiet tenant logs in every
//! half millisecond, alone and then beside each attack, in turns, so that a machine whose speed
//! drifts is the same machine for both. A login's time counts from when it should have begun.

#![forbid(unsafe_code)]
#![allow(clippy::expect_used, reason = "a bench without its parts is to stop at once")]

use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use vestibule::http::{HttpSettings, Origin, SystemResolver};
use vestibule::model::{Event, Values};
use vestibule::{Binding, Config, Flow, RunContext, Runtime};
use vestibule_test_artifacts as artifacts;

/// Turns alone and beside each attack, and logins of the quiet tenant in each.
const TURNS: usize = 10;
const LOGINS: usize = 1_000;
const EVERY: Duration = Duration::from_micros(500);

/// Logins that the other tenant keeps going at one time: more than a host lets one tenant run.
const ATTACKERS: usize = 100;

const EVENT: &[u8] = include_bytes!("../../../../examples/events/organization-login.json");

/// What the other tenants do.
struct Attack {
    name: &'static str,
    component: &'static [u8],
    /// How many of them.
    tenants: usize,
    /// Whether requests go to a name whose name server never answers, and not to a server that
    /// doesn't.
    by_name: bool,
}

impl Attack {
    const fn of(name: &'static str, component: &'static [u8]) -> Self {
        Self { name, component, tenants: 1, by_name: false }
    }
}

const ATTACKS: [Attack; 7] = [
    Attack::of("computes without end", artifacts::LOOPS_FOR_EVER),
    Attack::of("floods its log", artifacts::FLOODS_THE_LOG),
    Attack::of("takes all of its memory", artifacts::GROWS_MEMORY),
    Attack::of("holds requests open", artifacts::SENDS_REQUESTS),
    Attack::of("waits without end", artifacts::SLEEPS_FOR_EVER),
    Attack { tenants: 4, ..Attack::of("four tenants wait without end", artifacts::SLEEPS_FOR_EVER) },
    Attack { by_name: true, ..Attack::of("looks up names without answer", artifacts::SENDS_REQUESTS) },
];

fn main() {
    // Without cargo's own argument for a bench it is a test that the bench runs at all.
    let is_bench = std::env::args().any(|argument| argument == "--bench");
    if std::env::args().any(|argument| argument == "--list") {
        return;
    }
    let (turns, logins) = if is_bench { (TURNS, LOGINS) } else { (1, 20) };
    // A platform's executor: two threads, on which it calls the host.
    let platform = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().expect("an executor");
    // Nothing reads what comes.
    let names = UdpSocket::bind(("127.0.0.1", 0)).expect("a port");
    let name_server = names.local_addr().expect("an address").to_string().parse().expect("a name server");
    let http = HttpSettings {
        allowed_networks: vec!["127.0.0.0/8".parse().expect("a network")],
        resolver: Arc::new(SystemResolver::with_name_servers(vec![name_server])),
        ..HttpSettings::default()
    };
    let host = Runtime::new(Config { http, ..Config::default() }).expect("a runtime");
    let silent = format!("http://{}", silent_server());
    let quiet = tenant(&host, "quiet", artifacts::ORGANIZATION_SESSION_METADATA, &silent);
    login_times(&platform, &host, &quiet, logins);

    println!("| the other tenants | logins of their own | median alone | beside it | p99 alone | beside it | |");
    println!("|---|---|---|---|---|---|---|");
    for attack in ATTACKS {
        let origin = if attack.by_name { "https://never.example" } else { silent.as_str() };
        let others: Vec<_> =
            (0..attack.tenants).map(|number| tenant(&host, &format!("other-{number}"), attack.component, origin)).collect();
        let (mut alone, mut beside) = (Vec::new(), Vec::new());
        let attacked = Arc::new(AtomicU64::new(0));
        for _ in 0..turns {
            alone.extend(login_times(&platform, &host, &quiet, logins));
            let stop = Arc::new(AtomicBool::new(false));
            let attackers: Vec<_> = others.iter().flat_map(|other| start(&platform, &host, other, &stop, &attacked)).collect();
            std::thread::sleep(Duration::from_millis(50));
            beside.extend(login_times(&platform, &host, &quiet, logins));
            stop.store(true, Ordering::Relaxed);
            for attacker in attackers {
                attacker.abort();
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        alone.sort_unstable();
        beside.sort_unstable();
        let at = |times: &[Duration], share: f64| times[((times.len() - 1) as f64 * share) as usize];
        let ratio = at(&beside, 0.99).as_secs_f64() / at(&alone, 0.99).as_secs_f64();
        println!(
            "| {} | {} | {:.0} µs | {:.0} µs | {:.0} µs | {:.0} µs | {ratio:.2}× |",
            attack.name,
            attacked.load(Ordering::Relaxed),
            at(&alone, 0.5).as_secs_f64() * 1e6,
            at(&beside, 0.5).as_secs_f64() * 1e6,
            at(&alone, 0.99).as_secs_f64() * 1e6,
            at(&beside, 0.99).as_secs_f64() * 1e6,
        );
    }
    assert_eq!(host.host_panics(), 0);
}

/// A tenant's flow of one Action, and its event.
type Tenant = (Arc<Flow>, Arc<Event>);

fn tenant(host: &Runtime, id: &str, component: &[u8], origin: &str) -> Tenant {
    let mut event = Event::from_json(EVENT).expect("the event is right");
    event.tenant.id = id.parse().expect("a tenant's id");
    let mut values = Values::default();
    values.set("url", origin.to_owned()).expect("configuration");
    let allowed = [origin.parse::<Origin>().expect("an origin")];
    let action = host.load("action", component).expect("an Action");
    let binding = Binding::new(action).configuration(values).allow_requests(allowed);
    (Arc::new(Flow::new(event.tenant.id.clone(), vec![binding])), Arc::new(event))
}

/// A server that takes every connection and says nothing.
fn silent_server() -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let address = listener.local_addr().expect("a server's address");
    std::thread::spawn(move || {
        // A client that has gone leaves its connection here; there are some hundreds of them.
        let _held: Vec<_> = listener.incoming().collect();
    });
    address
}

/// How long the quiet tenant's logins take: one every so often, whether or not the one before is
/// done.
fn login_times(platform: &tokio::runtime::Runtime, host: &Runtime, tenant: &Tenant, logins: usize) -> Vec<Duration> {
    let handle: &Handle = platform.handle();
    let mut due = Instant::now();
    let logins: Vec<_> = (0..logins)
        .map(|_| {
            due += EVERY;
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            let (host, (flow, event), begun) = (host.clone(), tenant.clone(), Instant::now());
            handle.spawn(async move {
                let outcome = host.run(&flow, event, &RunContext::live()).await.expect("a quiet tenant is never too many");
                assert!(outcome.is_allowed(), "{outcome:?}");
                begun.elapsed()
            })
        })
        .collect();
    logins.into_iter().map(|login| platform.block_on(login).expect("no login panics")).collect()
}

/// Keeps the other tenant's logins going, each begun again as soon as it has ended or was
/// refused with `TooBusy`.
fn start(
    platform: &tokio::runtime::Runtime,
    host: &Runtime,
    (flow, event): &Tenant,
    stop: &Arc<AtomicBool>,
    attacked: &Arc<AtomicU64>,
) -> Vec<tokio::task::JoinHandle<()>> {
    let attacker = |_| {
        let (host, flow, event) = (host.clone(), Arc::clone(flow), Arc::clone(event));
        let (stop, attacked) = (Arc::clone(stop), Arc::clone(attacked));
        platform.spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                match host.run(&flow, Arc::clone(&event), &RunContext::live()).await {
                    Ok(_) => attacked.fetch_add(1, Ordering::Relaxed),
                    Err(_) => continue,
                };
            }
        })
    };
    (0..ATTACKERS).map(attacker).collect()
}
