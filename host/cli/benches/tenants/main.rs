//! What logins of a thousand tenants cost, each with Actions of its own, beside as many logins of
//! one of them.
//!
//! `cargo bench --workspace --bench tenants` prints a table. The server is the command itself, with
//! SQLite on the disk that holds the target folder. Each tenant deploys two Actions, each a
//! component of its own, which takes some minutes. Then the server takes as many logins as it can:
//! in turns those of one tenant, and of all of them by a Zipf distribution, with all Actions in
//! memory. `VESTIBULE_BENCH_TENANTS` is the number of tenants, and `VESTIBULE_BENCH_SECONDS` the
//! time of each turn.

#![forbid(unsafe_code)]
#![allow(clippy::expect_used, clippy::panic, reason = "a bench without its parts is to stop at once")]

#[path = "../deploys/author.rs"]
#[allow(dead_code, reason = "the bench of deployments uses the rest")]
mod author;
#[path = "../logouts/connection.rs"]
#[allow(dead_code, reason = "the bench of logouts uses the rest")]
mod connection;
#[path = "../serve/load.rs"]
#[allow(dead_code, reason = "the bench of logins uses the rest")]
mod load;
#[path = "../serve/requests.rs"]
#[allow(dead_code, reason = "the bench of logins uses the rest")]
mod requests;
#[path = "../serve/server.rs"]
#[allow(dead_code, reason = "other benches look into its folder")]
mod server;
#[path = "../../../runtime/benches/action_cache/zipf.rs"]
mod zipf;

use std::sync::Arc;
use std::time::Duration;

use author::Author;
use load::{Measured, Pace, measure, once};
use requests::{Logins, Requests};
use server::Running;
use zipf::Zipf;

/// Connections that logins come over.
const CONNECTIONS: usize = 16;
const ACTIONS_OF_A_TENANT: u64 = 2;
/// Turns of each kind.
const TURNS: u64 = 5;

fn main() {
    let has = |wanted: &str| std::env::args().any(|argument| argument == wanted);
    if has("--list") {
        return;
    }
    let asked = |name: &str| std::env::var(name).ok().and_then(|value| value.parse::<f64>().ok());
    let (tenants, time) = if has("--test") || !has("--bench") {
        (2, 0.1)
    } else {
        let tenants = asked("VESTIBULE_BENCH_TENANTS").map_or(1_000, |number| number as u64);
        (tenants.max(1), asked("VESTIBULE_BENCH_SECONDS").unwrap_or(5.0))
    };
    let time = Duration::from_secs_f64(time);
    // One tenant's executions are written as all tenants' are: by default its budget is a hundred a
    // second.
    let running = Running::start("executions = { per_second = 1000000 }\n", &configuration(tenants));
    let all = deployed(&running, tenants);
    let one = Arc::new(vec![all[0].clone()]);
    let all = Arc::new(all);
    // Each flow runs once, so that each Action is in memory.
    for (number, logins) in (0..).zip(all.iter()) {
        once(running.address, logins, (1 << 60) + number);
    }
    let mut turns: [Measured; 2] = [Measured::default(), Measured::default()];
    for turn in 0..TURNS {
        for (kind, (tenants, measured)) in (0..).zip([&one, &all].into_iter().zip(&mut turns)) {
            let logins = OfTenants::new(tenants, (2 * turn + kind + 1) << 40);
            measured.add(measure(running.address, CONNECTIONS, time, Pace::Closed, &logins));
        }
    }
    println!("\n| logins | a second | median | 99 % | ratio |");
    println!("|---|---|---|---|---|");
    let names = ["of one tenant".to_owned(), format!("of {tenants} tenants by Zipf, {} Actions", tenants * ACTIONS_OF_A_TENANT)];
    for (name, measured) in names.iter().zip(&turns) {
        let [median, p99] = [0.5, 0.99].map(|share| measured.at(share).as_secs_f64() * 1e3);
        let ratio = measured.rate() / turns[0].rate();
        println!("| {name} | {:.0} | {median:.2} ms | {p99:.2} ms | {ratio:.2} |", measured.rate());
    }
    println!("the server's memory: {} MB", running.resident_memory() / 1_000_000);
}

fn host(tenant: u64) -> String {
    format!("tenant-{tenant}.example")
}

fn configuration(tenants: u64) -> String {
    let hash = server::secret_hash();
    let tenant = |number: u64| {
        format!(
            "[tenants.tenant-{number}]\nhosts = [{:?}]\nrate = {{ per_second = 1000000, burst = 1000000 }}\n\
             [[tenants.tenant-{number}.clients]]\nclient_id = \"platform\"\nsecret_hash = {hash:?}\n\
             scopes = [\"run:post-login\", \"create:actions\", \"update:actions\"]\n",
            host(number)
        )
    };
    (0..tenants).map(tenant).collect()
}

/// Deploys each tenant's Actions: the logins of each.
fn deployed(running: &Running, tenants: u64) -> Vec<Logins> {
    let executor = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("an executor");
    let mut all = Vec::new();
    for tenant in 0..tenants {
        let host = host(tenant);
        let token = running.token_of(&host);
        executor.block_on(async {
            let mut author = Author::of(running, &host, &token).await;
            let mut ids = Vec::new();
            for action in 0..ACTIONS_OF_A_TENANT {
                let id = author.create(&format!("action-{action}")).await;
                author.upload(&id, &author::numbered(tenant * ACTIONS_OF_A_TENANT + action)).await;
                author.deploy(&id).await;
                ids.push(id);
            }
            author.bind(&ids).await;
        });
        all.push(Logins::of(&format!("tenant-{tenant}"), &host, &token));
    }
    all
}

/// Logins of these tenants, by a Zipf distribution.
#[derive(Clone)]
struct OfTenants {
    tenants: Arc<Vec<Logins>>,
    zipf: Zipf,
    first: u64,
}

impl OfTenants {
    fn new(tenants: &Arc<Vec<Logins>>, first: u64) -> Self {
        Self { tenants: Arc::clone(tenants), zipf: Zipf::new(tenants.len()), first }
    }
}

impl Requests for OfTenants {
    fn write(&self, number: u64, out: &mut Vec<u8>) {
        let number = number + self.first;
        self.tenants[self.zipf.at(number)].write(number, out);
    }
}
