//! What a quiet tenant of a server notices of a stranger or of another tenant at its worst.
//!
//! `cargo bench --workspace --bench neighbours` prints a table. The server is the command itself,
//! with SQLite on the disk that holds the target folder and every limit at its default. The quiet
//! tenant logs in (or asks for tokens, or uploads small components) at an even pace, alone and
//! beside each attack, in turns, so that a machine whose speed drifts is the same machine for both.
//! A request's time counts from when it was due. Each has to be answered by 200. Where a row's
//! ratio is beyond its bound, the bench exits with 1; when it is only tried (`cargo test`) its
//! ratios say nothing, and it doesn't. `VESTIBULE_BENCH_SECONDS` is the time of each turn, and
//! `VESTIBULE_BENCH_ATTACK` a part of the name of those that are run.

#![forbid(unsafe_code)]
#![allow(clippy::expect_used, clippy::panic, reason = "a bench without its parts is to stop at once")]

#[path = "../serve/load.rs"]
#[allow(dead_code, reason = "the bench of logins uses the rest")]
mod load;
#[path = "../serve/requests.rs"]
#[allow(dead_code, reason = "the bench of logins uses the rest")]
mod requests;
#[path = "../serve/server.rs"]
#[allow(dead_code, reason = "other benches look into its folder")]
mod server;

mod attacks;
mod client;
mod probe;
mod world;

use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use attacks::{ATTACKS, Attack};
use load::Measured;
use world::World;

/// Turns of each kind.
const TURNS: u64 = 3;
/// From an attack's end to the next turn: what it has left behind is the server's to clean up.
const PAUSE: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    let has = |wanted: &str| std::env::args().any(|argument| argument == wanted);
    if has("--list") {
        return ExitCode::SUCCESS;
    }
    let is_test = has("--test") || !has("--bench");
    let seconds = std::env::var("VESTIBULE_BENCH_SECONDS").ok().and_then(|value| value.parse().ok()).unwrap_or(5.0);
    let (turns, time) = if is_test { (1, 0.2) } else { (TURNS, seconds) };
    let wanted = std::env::var("VESTIBULE_BENCH_ATTACK").unwrap_or_default();
    println!("\n| attack | requests of it | measured | median alone | beside it | p99 alone | beside it | ratio | at most |");
    println!("|---|---|---|---|---|---|---|---|---|");
    let mut beyond = Vec::new();
    for attack in ATTACKS.iter().filter(|attack| attack.name.contains(&wanted)) {
        if row(attack, turns, Duration::from_secs_f64(time), is_test) > f64::from(attack.bound) {
            beyond.push(format!("{} ({})", attack.name, attack.probe.name()));
        }
    }
    if is_test || beyond.is_empty() {
        return ExitCode::SUCCESS;
    }
    eprintln!("\nbeyond what a quiet tenant may notice: {}", beyond.join("; "));
    ExitCode::FAILURE
}

/// One attack, on a server of its own: what it leaves behind is not the next one's. The ratio of
/// the two p99.
fn row(attack: &Attack, turns: u64, time: Duration, is_test: bool) -> f64 {
    let world = World::start(is_test);
    (attack.prepare)(&world);
    let probe = attack.probe.ready(&world);
    let quiet = |number: u64| probe.measure(&world, number, time);
    quiet(1);
    let (mut alone, mut beside) = (Measured::default(), Measured::default());
    let mut requests = 0;
    for turn in 0..turns {
        alone.add(quiet(2 * turn + 2));
        let stop = AtomicBool::new(false);
        thread::scope(|scope| {
            let attacking = scope.spawn(|| {
                client::run_when_idle();
                (attack.run)(&world, &stop)
            });
            beside.add(quiet(2 * turn + 3));
            stop.store(true, Ordering::Relaxed);
            requests += attacking.join().expect("the attack ends");
        });
        thread::sleep(PAUSE.min(time));
    }
    let [[median, median_beside], [p99, p99_beside]] =
        [0.5, 0.99].map(|share| [&alone, &beside].map(|measured| measured.at(share).as_secs_f64() * 1e3));
    let ratio = p99_beside / p99;
    println!(
        "| {} | {requests} | {} | {median:.1} ms | {median_beside:.1} ms | {p99:.1} ms | {p99_beside:.1} ms | {ratio:.2}× | {}× |",
        attack.name,
        attack.probe.name(),
        attack.bound
    );
    ratio
}
