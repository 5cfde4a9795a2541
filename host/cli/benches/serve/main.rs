//! `vestibule serve` under load, from a program beside it on the same machine.
//!
//! `cargo bench --workspace --bench serve` prints a table. The server is the command itself, with
//! SQLite on the disk that holds the target folder and two Actions bound. Each login is a request
//! of its own, creates a session of its own, and is answered when it is on disk. Beside it a plain
//! loop commits rows of the answer's size, 50 at a time, alone on its thread: what the disk and
//! SQLite can do. Ten thousand of the sessions are looked up, in no order, beside a bare axum route
//! that answers a constant of the same size. `VESTIBULE_BENCH_SECONDS` is the time of each row, and
//! `VESTIBULE_BENCH_CONNECTIONS` the number of connections.

#![forbid(unsafe_code)]
#![allow(clippy::expect_used, clippy::panic, reason = "a bench without its parts is to stop at once")]

mod load;
mod plain;
mod requests;
#[allow(dead_code, reason = "the bench of logouts uses the rest")]
mod server;

use std::net::SocketAddr;
use std::time::Duration;

use load::{Measured, Pace, measure};
use requests::{Logins, Lookups, Requests};
use server::Running;

/// Sessions that are looked up, of all that there are then: in no order.
const LOOKED_UP: u64 = 10_000;

fn main() {
    let has = |wanted: &str| std::env::args().any(|argument| argument == wanted);
    if has("--list") {
        return;
    }
    if let Some(body) = std::env::var_os(plain::BODY) {
        return plain::serve(body);
    }
    let asked = |name: &str| std::env::var(name).ok().and_then(|value| value.parse::<f64>().ok());
    let time = Duration::from_secs_f64(if has("--test") || !has("--bench") {
        0.1
    } else {
        asked("VESTIBULE_BENCH_SECONDS").unwrap_or(10.0)
    });
    let connections = asked("VESTIBULE_BENCH_CONNECTIONS").map_or(64, |number| number as usize);

    let running = Running::start("", "");
    let logins = Logins::new(&running.token);
    let body = load::once(running.address, &logins, 0);
    let rows = plain::loop_of(&body, time);
    println!("| what | connections | a second | median | 99 % | longest | ratio |");
    println!("|---|---|---|---|---|---|---|");
    println!("| rows of a plain loop, 50 in a commit | – | {rows:.0} | – | – | – | 1 |");
    let closed = run(running.address, connections, time, Pace::Closed, &logins);
    row("logins, as many as it takes", connections, &closed, closed.rate() / rows);
    let half = closed.rate() / 2.0;
    let paced = run(running.address, connections, time, Pace::Open(half), &logins.after(1 << 40));
    row("logins, half as many", connections, &paced, paced.rate() / rows);

    println!();
    println!("| what | connections | a second | median | 99 % | longest | ratio |");
    println!("|---|---|---|---|---|---|---|");
    let lookups = Lookups::new(&running.token, closed.complete.min(LOOKED_UP));
    let constant = load::once(running.address, &lookups, 0);
    let bare = plain::Bare::start(&constant);
    // In turns, so that both see the same machine.
    let mut turns: [Measured; 2] = [Measured::default(), Measured::default()];
    for _ in 0..2 {
        for (sum, address) in turns.iter_mut().zip([bare.address, running.address]) {
            sum.add(run(address, connections, time / 2, Pace::Closed, &lookups));
        }
    }
    let [bare, session] = turns;
    row("a bare axum route", connections, &bare, 1.0);
    row("`GET /api/v2/sessions/{id}`", connections, &session, session.rate() / bare.rate());
}

fn run(address: SocketAddr, connections: usize, time: Duration, pace: Pace, requests: &impl Requests) -> Measured {
    measure(address, connections, time, pace, requests)
}

fn row(what: &str, connections: usize, measured: &Measured, ratio: f64) {
    let at = |share: f64| measured.at(share).as_secs_f64() * 1e3;
    println!(
        "| {what} | {connections} | {:.0} | {:.2} ms | {:.2} ms | {:.2} ms | {ratio:.2} |",
        measured.rate(),
        at(0.5),
        at(0.99),
        at(1.0)
    );
}
