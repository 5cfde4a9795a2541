//! How fast `vestibule serve` tells applications that sessions have ended, beside one that hangs.
//!
//! `cargo bench --workspace --bench logouts` prints a table. The server is the command itself, with
//! SQLite on the disk that holds the target folder; 100 receivers listen in a process beside it on
//! the same machine, and one of them never answers. Sessions in which ten applications each took
//! part end as fast as the server takes it, and then half as fast. A delivery is written with the
//! end of its session, claimed, signed (RS256), sent and settled; its time counts from the request
//! that ends the session until the receiver has the token. Beside it a plain loop signs as many
//! tokens by the same key and posts them to the same receivers, eight at one time to each, over
//! connections that it keeps: no store, no session, no log. `VESTIBULE_BENCH_DELIVERIES` is the
//! number of deliveries.

#![forbid(unsafe_code)]
#![allow(clippy::expect_used, clippy::panic, reason = "a bench without its parts is to stop at once")]

#[path = "../serve/load.rs"]
#[allow(dead_code, reason = "the bench of logins uses the rest")]
mod load;
#[path = "../serve/requests.rs"]
#[allow(dead_code, reason = "the bench of logins uses the rest")]
mod requests;
#[path = "../serve/server.rs"]
#[allow(dead_code, reason = "the bench of many tenants uses the rest")]
mod server;

mod connection;
mod plain;
mod platform;
mod receivers;

use std::time::Duration;

use platform::Platform;
use receivers::{Heard, Receivers, now};
use server::Running;

/// Receivers; the first one hangs.
const RECEIVERS: usize = 100;
/// Applications that take part in a session.
const IN_A_SESSION: usize = 10;

fn main() {
    let has = |wanted: &str| std::env::args().any(|argument| argument == wanted);
    if has("--list") {
        return;
    }
    let executor = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("an executor");
    if std::env::var_os(receivers::IS_RECEIVER).is_some() {
        return executor.block_on(receivers::serve());
    }
    let asked = std::env::var("VESTIBULE_BENCH_DELIVERIES").ok().and_then(|value| value.parse().ok());
    // `cargo test` runs a moment of it.
    let deliveries: usize = if has("--test") || !has("--bench") { 400 } else { asked.unwrap_or(20_000) };
    let sessions = deliveries.div_ceil(IN_A_SESSION);

    let receivers = Receivers::start();
    let clients: String = receivers.ports.iter().enumerate().map(|(number, port)| client(number, *port)).collect();
    let running = Running::start("logout = { allowed_networks = [\"127.0.0.0/8\"] }\n", &clients);
    executor.block_on(async {
        let platform = Platform::new(running.address, &running.token);
        let paced = sessions / 4;
        platform.log_in(0..sessions + paced).await;

        println!("| what | tokens | a second | median | 99 % | longest | ratio |");
        println!("|---|---|---|---|---|---|---|");
        let (count, began) = (heard_of(0..sessions), now());
        platform.end(0..sessions, None).await;
        let told = Told::of(&receivers.hear(count).await, began, &|session| platform.ended_at(session));
        let began = now();
        plain::post(&receivers.ports[1..], count, running.folder.path()).await;
        let bare = Told::of(&receivers.hear(count).await, began, &|_| began);
        println!("| a plain loop that signs and posts | {count} | {:.0} | – | – | – | 1 |", bare.rate);
        told.row("deliveries, as many as it takes", told.rate / bare.rate);

        let half = told.rate / 2.0 / IN_A_SESSION as f64;
        let (count, began) = (heard_of(sessions..sessions + paced), now());
        platform.end(sessions..sessions + paced, Some(half)).await;
        let told = Told::of(&receivers.hear(count).await, began, &|session| platform.ended_at(session));
        told.row("deliveries, half as many", told.rate / bare.rate);
    });
}

/// An application of the configuration.
fn client(number: usize, port: u16) -> String {
    format!(
        "[[tenants.acme.clients]]\nclient_id = \"app_{number}\"\noidc_logout = {{ backchannel_logout_urls = \
         [\"http://127.0.0.1:{port}/logout\"], backchannel_logout_initiators = {{ mode = \"all\" }} }}\n"
    )
}

/// The applications of a session.
fn applications(session: usize) -> impl Iterator<Item = usize> {
    (0..IN_A_SESSION).map(move |number| (session * IN_A_SESSION + number) % RECEIVERS)
}

/// How many tokens honest receivers hear of these sessions.
fn heard_of(sessions: std::ops::Range<usize>) -> usize {
    sessions.flat_map(applications).filter(|application| *application > 0).count()
}

/// How fast receivers were told.
struct Told {
    count: usize,
    rate: f64,
    took: Vec<Duration>,
}

impl Told {
    /// From what was heard, and from when each counts.
    fn of(heard: &[Heard], began: Duration, since: &dyn Fn(&str) -> Duration) -> Self {
        let mut took: Vec<Duration> = heard.iter().map(|heard| heard.at.saturating_sub(since(&heard.session))).collect();
        took.sort_unstable();
        let last = heard.iter().map(|heard| heard.at).max().expect("somebody has heard something");
        Self { count: heard.len(), rate: heard.len() as f64 / last.saturating_sub(began).as_secs_f64(), took }
    }

    fn row(&self, what: &str, ratio: f64) {
        let at = |share: f64| self.took[((self.took.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
        let (count, rate) = (self.count, self.rate);
        println!("| {what} | {count} | {rate:.0} | {:.1} ms | {:.1} ms | {:.1} ms | {ratio:.2} |", at(0.5), at(0.99), at(1.0));
    }
}
