//! How quickly an Action gets from its author's hands into logins, and what uploads cost the logins
//! beside them.
//!
//! `cargo bench --workspace --bench deploys` prints two tables. The server is the command itself,
//! with SQLite on the disk that holds the target folder. A component is uploaded and compiled,
//! deployed, and run by the next login: each time another one, so that none is in a cache. Then
//! logins come at a quarter of the rate that the server takes, with nothing beside them and with
//! somebody who uploads one component after the other, in turns. `VESTIBULE_BENCH_SECONDS` is the
//! time of each turn, and `VESTIBULE_BENCH_DEPLOYS` the number of deployments.

#![forbid(unsafe_code)]
#![allow(clippy::expect_used, clippy::panic, reason = "a bench without its parts is to stop at once")]

#[path = "../logouts/connection.rs"]
#[allow(dead_code, reason = "the bench of logouts uses the rest")]
mod connection;
#[path = "../serve/load.rs"]
mod load;
#[path = "../serve/requests.rs"]
#[allow(dead_code, reason = "the bench of logins uses the rest")]
mod requests;
#[path = "../serve/server.rs"]
#[allow(dead_code, reason = "the bench of logouts uses the rest")]
mod server;

#[allow(dead_code, reason = "the bench of many tenants uses the rest")]
mod author;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use author::Author;
use load::{Measured, Pace, measure};
use requests::{Logins, Requests as _};
use server::Running;

/// Connections that logins come over.
const CONNECTIONS: usize = 16;

fn main() {
    let has = |wanted: &str| std::env::args().any(|argument| argument == wanted);
    if has("--list") {
        return;
    }
    let asked = |name: &str| std::env::var(name).ok().and_then(|value| value.parse::<f64>().ok());
    let (time, deploys) = if has("--test") || !has("--bench") {
        (0.1, 2)
    } else {
        let deploys = asked("VESTIBULE_BENCH_DEPLOYS").map_or(50, |number| number as u64);
        (asked("VESTIBULE_BENCH_SECONDS").unwrap_or(10.0), deploys)
    };
    let time = Duration::from_secs_f64(time);
    let running = Running::start("", "");
    let executor = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("an executor");
    executor.block_on(deployments(&running, deploys));

    let logins = Logins::new(&running.token);
    let most = measure(running.address, CONNECTIONS, time, Pace::Closed, &logins);
    let pace = Pace::Open(most.rate() / 4.0);
    let mut turns: [Measured; 2] = [Measured::default(), Measured::default()];
    let (is_over, uploaded) = (AtomicBool::new(true), AtomicU64::new(0));
    for turn in 0..4_u64 {
        let with_uploads = turn % 2 == 1;
        is_over.store(!with_uploads, Ordering::Relaxed);
        std::thread::scope(|scope| {
            let (is_over, uploaded) = (&is_over, &uploaded);
            if with_uploads {
                scope.spawn(|| upload_until(is_over, uploaded, &running, turn));
            }
            let logins = logins.after((turn + 1) << 40);
            turns[usize::from(with_uploads)].add(measure(running.address, CONNECTIONS, time, pace, &logins));
            is_over.store(true, Ordering::Relaxed);
        });
    }
    println!("\n| logins, a quarter of what it takes | a second | median | 99 % | ratio |");
    println!("|---|---|---|---|---|");
    let p99 = turns[0].at(0.99).as_secs_f64();
    let uploads = uploaded.into_inner() as f64 / (2.0 * time.as_secs_f64());
    let names = ["nothing beside them".to_owned(), format!("{uploads:.1} components a second are uploaded and compiled")];
    for (name, measured) in names.iter().zip(&turns) {
        let at = |share: f64| measured.at(share).as_secs_f64();
        println!(
            "| {name} | {:.0} | {:.2} ms | {:.2} ms | {:.2} |",
            measured.rate(),
            at(0.5) * 1e3,
            at(0.99) * 1e3,
            at(0.99) / p99
        );
    }
}

async fn deployments(running: &Running, deploys: u64) {
    let mut author = Author::new(running).await;
    let id = author.create("bench").await;
    let logins = Logins::new(&running.token).after(1 << 60);
    let mut steps: [Vec<Duration>; 4] = Default::default();
    for number in 1..=deploys {
        let component = author::numbered(number);
        let began = Instant::now();
        author.upload(&id, &component).await;
        let built = began.elapsed();
        author.deploy(&id).await;
        let deployed = began.elapsed();
        if number == 1 {
            author.bind(std::slice::from_ref(&id)).await;
        }
        let bound = began.elapsed();
        let mut login = Vec::new();
        logins.write(number, &mut login);
        let outcome = author.send(&login).await;
        let ran = began.elapsed();
        let version = format!("bench@{number}");
        assert!(outcome.contains(&version), "{version} has not run: {outcome}");
        // The first one is bound as well, which is another request.
        for (all, took) in steps.iter_mut().zip([built, deployed - built, ran - bound, ran - (bound - deployed)]) {
            all.push(took);
        }
    }
    println!("| step | median | longest |");
    println!("|---|---|---|");
    let names = ["upload and compile", "deploy: ready, committed, live", "the next login", "from the upload to its first login"];
    for (name, mut took) in names.into_iter().zip(steps) {
        took.sort_unstable();
        let at = |place: usize| took.get(place).map_or(0.0, Duration::as_secs_f64) * 1e3;
        println!("| {name} | {:.1} ms | {:.1} ms |", at(took.len() / 2), at(took.len() - 1));
    }
}

/// Uploads one component after the other.
fn upload_until(is_over: &AtomicBool, uploaded: &AtomicU64, running: &Running, turn: u64) {
    let executor = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("an executor");
    executor.block_on(async {
        let mut author = Author::new(running).await;
        let id = author.create(&format!("uploads-{turn}")).await;
        let first = turn << 32;
        for number in first.. {
            if is_over.load(Ordering::Relaxed) {
                uploaded.fetch_add(number - first, Ordering::Relaxed);
                return;
            }
            author.upload(&id, &author::numbered(number)).await;
        }
    });
}
