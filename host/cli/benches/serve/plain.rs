//! What the numbers are held against: SQLite alone, and axum alone.

use std::ffi::OsString;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use axum::Router;
use axum::http::header;
use axum::routing::get;
use rusqlite::Connection;

/// The constant that the bare route answers; and that this process is to serve it.
pub(crate) const BODY: &str = "VESTIBULE_BENCH_BODY";

/// Rows in each commit.
const IN_A_COMMIT: u64 = 50;

/// Rows a second, each with this text, of somebody who has the database alone.
pub(crate) fn loop_of(text: &[u8], time: Duration) -> f64 {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
    let connection = Connection::open(folder.path().join("rows.db")).expect("a database");
    connection
        .execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE rows (id INTEGER PRIMARY KEY, text BLOB)",
        )
        .expect("a table");
    let (mut count, began) = (0_u64, Instant::now());
    while began.elapsed() < time {
        connection.execute_batch("BEGIN IMMEDIATE").expect("a transaction");
        for _ in 0..IN_A_COMMIT {
            let mut insert = connection.prepare_cached("INSERT INTO rows (text) VALUES (?1)").expect("a statement");
            insert.execute([text]).expect("a row");
            count += 1;
        }
        connection.execute_batch("COMMIT").expect("a commit");
    }
    count as f64 / began.elapsed().as_secs_f64()
}

/// A process with one route and nothing else.
pub(crate) struct Bare {
    child: Child,
    pub(crate) address: SocketAddr,
}

impl Bare {
    pub(crate) fn start(body: &[u8]) -> Self {
        let program = std::env::current_exe().expect("this program");
        let body = String::from_utf8(body.to_vec()).expect("a body is text");
        let mut child = Command::new(program).env(BODY, body).stdout(Stdio::piped()).spawn().expect("it starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("it is piped")).read_line(&mut line).expect("it tells where it listens");
        Self { child, address: line.trim().parse().expect("an address") }
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Serves the constant until the process is ended.
pub(crate) fn serve(body: OsString) {
    let body: &'static str = Box::leak(body.into_string().expect("a body is text").into_boxed_str());
    let executor = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("an executor");
    executor.block_on(async {
        let route = get(async move || ([(header::CONTENT_TYPE, "application/json")], body));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        println!("{}", listener.local_addr().expect("an address"));
        axum::serve(listener, Router::new().route("/api/v2/sessions/{id}", route)).await.expect("it serves");
    });
}
