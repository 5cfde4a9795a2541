//! How many logins a second one file takes, and how long one waits for its own.
//!
//! `cargo bench -p vestibule-sessions --bench commits` prints a table. Each login writes a session,
//! a transaction with an answer of 2 kB, and a line of the log. Beside it a plain loop writes the
//! same rows with the same settings, 50 logins in each commit, alone on its thread: what the disk
//! and SQLite can do. The database lies in the target folder; `VESTIBULE_BENCH_SECONDS` is the time
//! of each row, and `VESTIBULE_BENCH_CALLERS` a number of callers in place of the usual ones.

#![forbid(unsafe_code)]
#![allow(clippy::expect_used, clippy::panic, reason = "a bench without its parts is to stop at once")]

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rusqlite::{Connection, params};
use serde_json::{Map, json};
use tokio::runtime::Runtime;
use vestibule_model::{Metadata, SessionId, TenantId, Timestamp, UserId};
use vestibule_sessions::{
    Committed, LogKind, LoginCommit, MetadataChanges, Method, NewLogEntry, NewTransaction, RequestDigest, SessionChange,
    SessionLogin, SqliteSettings, SqliteStore, Store, UsedSession,
};

/// Logins in each commit of the plain loop.
const IN_A_COMMIT: u64 = 50;

/// Of the answer, in bytes.
const ANSWER: usize = 2_000;

fn main() {
    let has = |wanted: &str| std::env::args().any(|argument| argument == wanted);
    if has("--list") {
        return;
    }
    let asked = std::env::var("VESTIBULE_BENCH_SECONDS").ok().and_then(|seconds| seconds.parse().ok()).unwrap_or(5.0);
    let time = Duration::from_secs_f64(if has("--test") || !has("--bench") { 0.1 } else { asked });
    let platform = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("an executor");
    println!("| writes | callers | logins/s | of the plain loop | median | 99 % | longest |");
    println!("|---|---|---|---|---|---|---|");
    let callers = std::env::var("VESTIBULE_BENCH_CALLERS").ok().and_then(|callers| callers.parse().ok());
    for callers in callers.map_or(vec![1, 16, 64, 256], |callers| vec![callers]) {
        let plain = in_folder(|path| plain_loop(path, time));
        let mut took = in_folder(|path| store(&platform, path, callers, time));
        took.sort_unstable();
        let rate = took.len() as f64 / time.as_secs_f64();
        let at = |share: f64| took[((took.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
        println!("| plain loop | – | {plain:.0} | 1 | – | – | – |");
        println!(
            "| store | {callers} | {rate:.0} | {:.2} | {:.2} ms | {:.2} ms | {:.2} ms |",
            rate / plain,
            at(0.5),
            at(0.99),
            at(1.0)
        );
    }
    println!();
    println!("| looks up | threads | sessions/s | each |");
    println!("|---|---|---|---|");
    for callers in [1, 2] {
        let rate = in_folder(|path| look_ups(&platform, path, callers, time));
        println!("| `session` | {callers} | {rate:.0} | {:.1} µs |", callers as f64 / rate * 1e6);
    }
}

/// A folder on the disk that holds what is built: `/tmp` is memory on many machines.
fn in_folder<T>(work: impl FnOnce(&Path) -> T) -> T {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let folder = tempfile::tempdir_in(target).expect("a folder");
    work(&folder.path().join("sessions.db"))
}

fn open(path: &Path) -> SqliteStore {
    SqliteStore::open(path, SqliteSettings::default()).expect("a database")
}

/// How long each login took.
fn store(platform: &Runtime, path: &Path, callers: u64, time: Duration) -> Vec<Duration> {
    let store = Arc::new(open(path));
    let tasks: Vec<_> = (0..callers)
        .map(|caller| {
            let store = Arc::clone(&store);
            platform.spawn(async move {
                let mut took = Vec::new();
                let began = Instant::now();
                while began.elapsed() < time {
                    let login = login(caller << 32 | took.len() as u64);
                    let asked = Instant::now();
                    match store.commit_login(login).await {
                        Ok(Committed::Done { .. }) => took.push(asked.elapsed()),
                        other => panic!("a login should be committed: {other:?}"),
                    }
                }
                took
            })
        })
        .collect();
    let took = tasks.into_iter().flat_map(|task| platform.block_on(task).expect("no caller panics")).collect();
    platform.block_on(store.close());
    took
}

/// Logins a second of somebody who has the database alone, and nobody who waits.
fn plain_loop(path: &Path, time: Duration) -> f64 {
    // Only for its schema.
    let platform = tokio::runtime::Builder::new_current_thread().build().expect("an executor");
    platform.block_on(open(path).close());
    let connection = Connection::open(path).expect("a database");
    connection
        .execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA cache_size = -32768")
        .expect("settings");
    let (mut count, began) = (0, Instant::now());
    while began.elapsed() < time {
        connection.execute_batch("BEGIN IMMEDIATE").expect("a transaction");
        for _ in 0..IN_A_COMMIT {
            plain_login(&connection, &login(count));
            count += 1;
        }
        connection.execute_batch("COMMIT").expect("a commit");
    }
    count as f64 / began.elapsed().as_secs_f64()
}

fn plain_login(connection: &Connection, login: &LoginCommit) {
    let session = login.session.as_ref().expect("a session");
    let SessionChange::Use(used) = &session.change else { panic!("it is used") };
    let now = i64::try_from(login.now.as_millis()).expect("a time");
    let NewTransaction { id: transaction, answer, .. } = login.transaction.as_ref().expect("a transaction");
    let ends = session.idle_expires_at.map(|at| at.as_millis() as i64);
    let device = json!({ "initial_user_agent": used.user_agent, "initial_ip": used.ip, "last_user_agent": used.user_agent, "last_ip": used.ip });
    connection
        .prepare_cached(
            "INSERT INTO sessions (tenant, id, user_id, created_at, updated_at, authenticated_at, last_interacted_at, idle_expires_at,
             expires_at, device, clients, methods, cookie, metadata, revision, actor, ended_at, initiator, ends_at, mark)
             VALUES (?1, ?2, ?3, ?4, ?4, ?4, ?4, ?5, NULL, ?6, ?7, ?8, NULL, ?9, 1, NULL, NULL, NULL, ?5, 0)",
        )
        .expect("a statement")
        .execute(params![
            login.tenant.as_str(),
            session.id.as_str(),
            session.user.as_str(),
            now,
            ends,
            device.to_string(),
            json!([{ "client_id": used.client_id }]).to_string(),
            serde_json::to_string(&used.methods).expect("JSON"),
            serde_json::to_string(&used.metadata).expect("JSON"),
        ])
        .expect("a session");
    connection
        .prepare_cached("INSERT INTO transactions (tenant, id, at, request, answer) VALUES (?1, ?2, ?3, ?4, ?5)")
        .expect("a statement")
        .execute(params![login.tenant.as_str(), transaction.as_str(), now, [0u8; 32], &**answer])
        .expect("a transaction");
    for entry in &login.log {
        connection
            .prepare_cached("INSERT INTO log (tenant, kind, date, body) VALUES (?1, ?2, ?3, ?4)")
            .expect("a statement")
            .execute(params![login.tenant.as_str(), entry.kind.as_str(), now, serde_json::to_string(&entry.body).expect("JSON")])
            .expect("an entry");
    }
}

/// Sessions that are looked up in a second, of 10,000.
fn look_ups(platform: &Runtime, path: &Path, callers: u64, time: Duration) -> f64 {
    const SESSIONS: u64 = 10_000;
    let store = Arc::new(open(path));
    platform.block_on(async {
        let tasks: Vec<_> = (0..SESSIONS)
            .map(|number| {
                let store = Arc::clone(&store);
                tokio::spawn(async move { store.commit_login(login(number)).await })
            })
            .collect();
        for task in tasks {
            // Those that are refused, for there are too many at once, are not looked up below:
            // nothing depends on it.
            let _ = task.await;
        }
    });
    let began = Instant::now();
    let tasks: Vec<_> = (0..callers)
        .map(|caller| {
            let store = Arc::clone(&store);
            platform.spawn(async move {
                let (mut count, tenant) = (0_u64, tenant());
                while began.elapsed() < time {
                    let id = login(mix(count ^ caller << 40) % SESSIONS).session.expect("a session").id;
                    store.session(&tenant, &id, Timestamp::from_millis(1_800_000_000_000)).await.expect("the database answers");
                    count += 1;
                }
                count
            })
        })
        .collect();
    let count: u64 = tasks.into_iter().map(|task| platform.block_on(task).expect("no caller panics")).sum();
    platform.block_on(store.close());
    count as f64 / time.as_secs_f64()
}

fn tenant() -> TenantId {
    "acme".parse().expect("a tenant's id")
}

/// A login with ids that come in no order, as those of platforms do.
fn login(number: u64) -> LoginCommit {
    let now = Timestamp::now();
    let key = format!("{:016x}{:016x}", mix(number), mix(!number));
    let mut metadata = Metadata::default();
    for (name, value) in [("org_id", "org_5f7c8ec7c33c6c00"), ("org_slug", "acme-corporation"), ("org_name", "Acme Corporation")]
    {
        metadata.set(name.parse().expect("a key"), value).expect("a value");
    }
    let mut body = Map::new();
    body.insert("client_id".into(), json!("k2V0bGVhcm5pbmdfY2xpZW50X2lk"));
    body.insert("user_id".into(), json!(format!("auth0|{key}")));
    body.insert("ip".into(), json!("203.0.113.7"));
    body.insert("description".into(), json!("Successful login"));
    body.insert(
        "details".into(),
        json!({ "actions": [{ "name": "organization-session-metadata", "version": "0.1.0", "ok": true }] }),
    );
    let used = UsedSession {
        created_at: now,
        authenticated_at: now,
        client_id: "k2V0bGVhcm5pbmdfY2xpZW50X2lk".into(),
        clients: Vec::new(),
        user_agent: Some("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0".into()),
        ip: Some("203.0.113.7".into()),
        asn: Some("64496".into()),
        methods: vec![Method { name: "pwd".into(), timestamp: now, kind: None }],
        metadata,
        actor: None,
    };
    let user: UserId = format!("auth0|{key}").parse().expect("an id");
    let session: SessionId = format!("sess_{key}").parse().expect("an id");
    LoginCommit {
        tenant: tenant(),
        now,
        transaction: Some(NewTransaction {
            id: format!("tx_{key}").parse().expect("an id"),
            request: RequestDigest::of(&tenant(), &user, Some(&session), &used.client_id),
            answer: "a".repeat(ANSWER).into(),
        }),
        session: Some(SessionLogin {
            id: session,
            user,
            change: SessionChange::Use(Box::new(used)),
            metadata: MetadataChanges::default(),
            expires_at: None,
            idle_expires_at: Some(now.plus(Duration::from_secs(3 * 24 * 3600))),
            cookie: None,
        }),
        log: vec![NewLogEntry { kind: LogKind::SuccessfulLogin, date: now, body }],
    }
}

/// Another number, without any order; the same one each time.
fn mix(number: u64) -> u64 {
    let mixed = (number ^ number >> 31).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let mixed = (mixed ^ mixed >> 29).wrapping_mul(0xD6E8_FEB8_6659_FD93);
    mixed ^ mixed >> 32
}
