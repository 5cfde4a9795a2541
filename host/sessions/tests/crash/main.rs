//! What was acknowledged is there after a crash: of the process that writes, and of the database.
//!
//! The test runs itself once more as a process that logs in and out without end and prints each
//! login and each end that was acknowledged; it kills that process at some moment, opens the
//! database, and looks. Five times, and fifty with `VESTIBULE_LONG=1`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that can't go on is to fail at once")]

#[path = "../parts/mod.rs"]
#[allow(dead_code, reason = "each test uses some of it")]
mod parts;

mod registry;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use vestibule_model::Timestamp;
use vestibule_sessions::{
    Committed, Initiator, KnownSession, LogKind, LogPosition, LoginCommit, PostgresSettings, PostgresStore, SessionChange,
    SqliteSettings, SqliteStore, Store,
};

use parts::cluster::Cluster;
use parts::logins::*;
use parts::logouts::*;

/// Where the process that is killed finds its database; and that it is that process.
const DATABASE: &str = "VESTIBULE_CRASH_DATABASE";

/// Its round, which its transactions are named after.
const ROUND: &str = "VESTIBULE_CRASH_ROUND";

const CALLERS: usize = 24;

/// Sessions that all callers use; each has its own, too.
const SHARED: usize = 3;

const NOW: u64 = 1;

/// Where applications hear of ends: two of one receiver, and one of another.
const URLS: [&str; 3] = ["https://shop.example/1", "https://shop.example/2", "https://wiki.example/1"];

fn rounds() -> u64 {
    if std::env::var_os("VESTIBULE_LONG").is_some() { 50 } else { 5 }
}

async fn open(database: &str) -> Arc<dyn Store> {
    if database.starts_with("postgres") {
        Arc::new(PostgresStore::connect(database, PostgresSettings::default()).await.unwrap())
    } else {
        // The log is copied often, so that some processes are killed while it is.
        let settings = SqliteSettings { wal_bytes: 1 << 20, ..SqliteSettings::default() };
        Arc::new(SqliteStore::open(database, settings).unwrap())
    }
}

/// The applications that hear of ends are there before anybody logs in.
async fn subscribe_all(database: &str) {
    let store = open(database).await;
    subscribe(&*store, "shop", &URLS).await;
    store.close().await;
}

/// The process that is killed. Without its database it is a test of nothing.
#[test]
fn logins_without_end_until_somebody_kills_them() {
    let Ok(database) = std::env::var(DATABASE) else { return };
    let round = std::env::var(ROUND).unwrap();
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap().block_on(async {
        let store = open(&database).await;
        let callers: Vec<_> = (0..CALLERS)
            .map(|caller| {
                let (store, round) = (Arc::clone(&store), round.clone());
                tokio::spawn(async move {
                    for number in 0.. {
                        let name = format!("r{round}-c{caller}-n{number}");
                        log_in(&*store, &name, caller, number).await;
                        if number.is_multiple_of(4) {
                            log_out(&*store, &format!("end-{name}"), number).await;
                        }
                    }
                })
            })
            .collect();
        for caller in callers {
            caller.await.unwrap();
        }
    });
}

/// Sends one login until it is answered, and says so.
async fn log_in(store: &dyn Store, name: &str, caller: usize, number: usize) {
    loop {
        match store.commit_login(login_named(name, caller, number)).await {
            Ok(Committed::Done { session }) => {
                assert!(session.is_some());
                break;
            }
            Ok(Committed::Repeated { answer }) => {
                assert_eq!(*answer, *answer_of(name));
                break;
            }
            // A database that has gone away comes back.
            Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
            Ok(other) => panic!("{name}: {other:?}"),
        }
    }
    say(name);
}

/// Logs in to a session of its own and ends it, in one of two ways, and says so.
async fn log_out(store: &dyn Store, session: &str, number: usize) {
    while store.commit_login(login(session, at(NOW))).await.is_err() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    loop {
        let ended = if number.is_multiple_of(8) {
            store.end(&tenant("acme"), &id(session), Initiator::RpLogout, at(NOW)).await.map(drop)
        } else {
            store.commit_login(does(session, SessionChange::End(Initiator::SessionRevoked), at(NOW))).await.map(drop)
        };
        match ended {
            Ok(()) => break,
            // Where it has happened and nobody heard of it, the next attempt finds a session that
            // has ended.
            Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
        }
    }
    say(session);
}

fn say(name: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "acknowledged {name}").unwrap();
    out.flush().unwrap();
}

fn session_of(caller: usize, number: usize) -> String {
    match number % 3 {
        0 => format!("own-{caller}-{}", number / 30),
        _ => format!("shared-{}", (caller + number) % SHARED),
    }
}

fn answer_of(name: &str) -> Arc<str> {
    format!("the answer of {name}; {}", "a".repeat(500)).into()
}

/// Both entries are of one login, and so are its answer and its line of the log.
fn login_named(name: &str, caller: usize, number: usize) -> LoginCommit {
    let session = session_of(caller, number);
    let mut login = login(&session, at(NOW));
    login.session.as_mut().unwrap().metadata = changes(&[("left", Some(name)), ("right", Some(name))]);
    login.transaction = Some(answered(transaction(name), answer_of(name)));
    let mut line = entry(name, at(NOW));
    line.body.insert("session".into(), session.into());
    login.log.push(line);
    login
}

/// A login by its name.
fn parsed(name: &str) -> (usize, usize) {
    let mut parts = name.split('-').skip(1).map(|part| part[1..].parse().unwrap());
    (parts.next().unwrap(), parts.next().unwrap())
}

/// The process, and what it has said.
struct Logins {
    process: Child,
    lines: std::sync::mpsc::Receiver<String>,
    acknowledged: Vec<String>,
}

impl Logins {
    fn start(database: &str, round: u64) -> Self {
        Self::start_test("logins_without_end_until_somebody_kills_them", database, round)
    }

    fn start_test(name: &str, database: &str, round: u64) -> Self {
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", name, "--nocapture"])
            .env(DATABASE, database)
            .env(ROUND, round.to_string())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let out = BufReader::new(process.stdout.take().unwrap());
        let (said, lines) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                if let Some(name) = line.strip_prefix("acknowledged ") {
                    // The last line may be half of one; those that are whole end like this.
                    let _ = said.send(name.to_owned());
                }
            }
        });
        Self { process, lines, acknowledged: Vec::new() }
    }

    /// Waits for so many more logins, and then for some milliseconds.
    fn wait(&mut self, logins: u32, milliseconds: u32) {
        for _ in 0..logins {
            let name = self.lines.recv_timeout(Duration::from_secs(60)).expect("logins are acknowledged");
            self.acknowledged.push(name);
        }
        std::thread::sleep(Duration::from_millis(milliseconds.into()));
    }

    /// SIGKILL.
    fn kill(mut self) -> Vec<String> {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
        self.acknowledged.extend(self.lines.iter());
        // Of a line that was cut off, the name is not one that is whole: its number may lack
        // digits. It is not counted.
        self.acknowledged.pop();
        self.acknowledged
    }
}

/// Some number below this.
fn some(below: u32) -> u32 {
    getrandom::u32().unwrap() % below
}

/// What each acknowledged end owes is there, and so are its line of the log and what is left of the
/// session; of an end that was not acknowledged all of that is there, or nothing.
async fn look_for_ends(store: &dyn Store, ended: &BTreeMap<String, u64>, acknowledged: &BTreeSet<String>) {
    let owed = targets(&all(store).await);
    let mut urls: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (session, _, url) in &owed {
        urls.entry(session).or_default().push(url);
    }
    assert_eq!(ended.keys().map(String::as_str).collect::<Vec<_>>(), urls.keys().copied().collect::<Vec<_>>());
    for (session, deliveries) in ended {
        assert_eq!((urls[session.as_str()].as_slice(), *deliveries), (URLS.as_slice(), 3), "{session}");
        assert!(matches!(known(store, session, at(NOW)).await, KnownSession::Ended(_)), "{session}");
    }
    for session in acknowledged.iter().filter(|name| name.starts_with("end-")) {
        assert!(ended.contains_key(session), "{session} was acknowledged, and is not there");
    }
    // Nobody has claimed them, so all of them are due.
    assert_eq!(store.due_receivers(at(NOW), 10).await.unwrap().len(), if ended.is_empty() { 0 } else { 2 });
    assert_eq!(store.delivery_backlog().await.unwrap().pending, owed.len() as u64);
}

/// Each acknowledged login is there; of each that is there, all is there.
async fn look(store: &dyn Store, acknowledged: &BTreeSet<String>, round: u64) {
    let acme = tenant("acme");
    let mut log = Vec::new();
    loop {
        let after = log.last().map_or(LogPosition::default(), |entry: &vestibule_sessions::LogEntry| entry.position);
        let page = store.log_after(&acme, after, 5_000).await.unwrap();
        if page.is_empty() {
            break;
        }
        log.extend(page);
    }
    let (ends, log): (Vec<_>, Vec<_>) = log.into_iter().partition(|entry| entry.kind == LogKind::Logout);
    let ended: BTreeMap<String, u64> = ends
        .iter()
        .map(|entry| {
            let deliveries = entry.body["details"]["deliveries"].as_u64().unwrap();
            (entry.body["session_id"].as_str().unwrap().to_owned(), deliveries)
        })
        .collect();
    assert_eq!(ended.len(), ends.len(), "a session has ended twice");
    look_for_ends(store, &ended, acknowledged).await;
    let names: BTreeSet<&str> = described(&log).into_iter().collect();
    assert_eq!(names.len(), log.len(), "a login is in the log twice");
    let acknowledged: BTreeSet<_> = acknowledged.iter().filter(|name| !name.starts_with("end-")).collect();
    for name in &acknowledged {
        assert!(names.contains(name.as_str()), "{name} was acknowledged, and is not there");
    }
    let mut commits: BTreeMap<&str, u64> = BTreeMap::new();
    for entry in &log {
        *commits.entry(entry.body["session"].as_str().unwrap()).or_default() += 1;
    }
    for (session, count) in commits {
        let found = store.session(&acme, &id(session), at(NOW)).await.unwrap().expect(session);
        assert_eq!(found.revision, count, "{session}");
        let (left, right) = (found.metadata.get("left").unwrap(), found.metadata.get("right").unwrap());
        assert_eq!(left, right, "{session} is half of one login and half of another");
        assert!(names.contains(left));
    }
    // Of the rounds before, only some are looked at once more.
    let last = format!("r{round}-");
    for name in names.iter().enumerate().filter(|(place, name)| name.starts_with(&last) || place % 10 == 0).map(|(_, name)| name)
    {
        let known = store.before_login(&acme, Some(&transaction(name)), None, at(NOW)).await.unwrap();
        assert_eq!(known.answer.map(|kept| kept.json), Some(answer_of(name)), "{name}");
    }
    // Those that come next in each caller's row may have been on their way: they are there as a
    // whole, or not at all.
    let rounds: BTreeSet<&str> = names.iter().filter_map(|name| name.split('-').next()).collect();
    for round in rounds {
        for caller in 0..CALLERS {
            let of_caller = names.iter().filter(|name| name.starts_with(&format!("{round}-c{caller}-")));
            let next = of_caller.map(|name| parsed(name).1 + 1).max().unwrap_or(0);
            let name = format!("{round}-c{caller}-n{next}");
            let known = store.before_login(&acme, Some(&transaction(&name)), None, at(NOW)).await.unwrap();
            assert_eq!(known.answer, None, "{name} has an answer and is not in the log");
        }
    }
    for name in acknowledged.iter().take(20) {
        let (caller, number) = parsed(name);
        let again = store.commit_login(login_named(name, caller, number)).await.unwrap();
        assert!(matches!(&again, Committed::Repeated { answer } if *answer == answer_of(name)), "{again:?}");
    }
    store.check().await.unwrap();
    let swept = store.sweep(Timestamp::from_millis(2), keep_all(), 1).await.unwrap();
    assert_eq!((swept.expired, swept.forgotten), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_file_has_acknowledged_is_there_after_its_process_was_killed() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let database = folder.path().join("sessions.db").display().to_string();
    let mut acknowledged = BTreeSet::new();
    subscribe_all(&database).await;
    for round in 0..rounds() {
        let mut logins = Logins::start(&database, round);
        logins.wait(some(400), some(40));
        acknowledged.extend(logins.kill());
        let store = open(&database).await;
        look(&*store, &acknowledged, round).await;
        store.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_postgresql_has_acknowledged_is_there_after_a_client_or_the_server_was_killed() {
    let cluster = Cluster::start();
    let url = cluster.new_database().await;
    let mut acknowledged = BTreeSet::new();
    subscribe_all(&url).await;
    for round in 0..rounds() {
        let mut logins = Logins::start(&url, round);
        // The first one says that it has found its database.
        logins.wait(some(300) + 1, some(40));
        if round % 2 == 1 {
            // The client stays, and goes on with the same logins when the server is back.
            cluster.crash();
            cluster.resume();
            logins.wait(some(200) + 50, some(40));
        }
        acknowledged.extend(logins.kill());
        let store = open(&url).await;
        look(&*store, &acknowledged, round).await;
        store.close().await;
    }
}
