//! Requests over connections that are kept open, as lean as they can be: what sends them shares the
//! machine with what answers them.

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::LocalSet;

use crate::requests::Requests;

/// When a connection sends its next request.
#[derive(Clone, Copy)]
pub(crate) enum Pace {
    /// When the one before is answered.
    Closed,
    /// So many a second over all connections, whatever becomes of those before: time counts from
    /// the moment at which it was due.
    Open(f64),
}

/// How long each request took.
#[derive(Default)]
pub(crate) struct Measured {
    took: Vec<Duration>,
    elapsed: Duration,
    /// All requests with lower numbers were sent.
    pub(crate) complete: u64,
}

impl Measured {
    pub(crate) fn add(&mut self, other: Self) {
        self.took.extend(other.took);
        self.took.sort_unstable();
        self.elapsed += other.elapsed;
    }

    pub(crate) fn rate(&self) -> f64 {
        self.took.len() as f64 / self.elapsed.as_secs_f64()
    }

    pub(crate) fn at(&self, share: f64) -> Duration {
        self.took[((self.took.len() - 1) as f64 * share) as usize]
    }
}

fn executor() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("an executor")
}

/// The body of one answer.
pub(crate) fn once(address: SocketAddr, requests: &impl Requests, number: u64) -> Vec<u8> {
    executor().block_on(async {
        let mut connection = Connection::open(address).await;
        requests.write(number, &mut connection.request);
        connection.exchange().await.to_vec()
    })
}

/// Sends requests for this long, with numbers that count up from nought.
pub(crate) fn measure<R: Requests>(
    address: SocketAddr,
    connections: usize,
    time: Duration,
    pace: Pace,
    requests: &R,
) -> Measured {
    let requests = Rc::new(requests.clone());
    let all = LocalSet::new();
    let mut measured = Measured::default();
    executor().block_on(all.run_until(async {
        let mut open = Vec::new();
        for _ in 0..connections {
            open.push(Connection::open(address).await);
        }
        let began = Instant::now();
        let tasks: Vec<_> = open
            .into_iter()
            .enumerate()
            .map(|(first, connection)| {
                let requests = Rc::clone(&requests);
                tokio::task::spawn_local(send(connection, first, connections, began, time, pace, requests))
            })
            .collect();
        measured.complete = u64::MAX;
        for task in tasks {
            let (took, next) = task.await.expect("no connection fails");
            measured.took.extend(took);
            measured.complete = measured.complete.min(next);
        }
        measured.elapsed = began.elapsed();
    }));
    measured.took.sort_unstable();
    measured
}

async fn send<R: Requests>(
    mut connection: Connection,
    first: usize,
    step: usize,
    began: Instant,
    time: Duration,
    pace: Pace,
    requests: Rc<R>,
) -> (Vec<Duration>, u64) {
    let mut took = Vec::new();
    for number in (first..).step_by(step) {
        let due = match pace {
            Pace::Closed => Instant::now(),
            Pace::Open(rate) => {
                let due = began + Duration::from_secs_f64(number as f64 / rate);
                tokio::time::sleep_until(due.into()).await;
                due
            }
        };
        if due.duration_since(began) >= time {
            return (took, number as u64);
        }
        requests.write(number as u64, &mut connection.request);
        connection.exchange().await;
        took.push(due.elapsed());
    }
    unreachable!("numbers don't end")
}

/// A connection that is kept open (HTTP/1.1).
struct Connection {
    stream: TcpStream,
    request: Vec<u8>,
    answer: Vec<u8>,
}

impl Connection {
    async fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.expect("the server listens");
        stream.set_nodelay(true).expect("an option");
        Self { stream, request: Vec::new(), answer: Vec::new() }
    }

    /// Sends the request, and gives the answer's body.
    async fn exchange(&mut self) -> &[u8] {
        self.stream.write_all(&self.request).await.expect("the server reads");
        self.request.clear();
        self.answer.clear();
        let (head, length) = loop {
            assert!(self.stream.read_buf(&mut self.answer).await.expect("the server answers") > 0, "it has hung up");
            if let Some(head) = self.answer.windows(4).position(|window| window == b"\r\n\r\n") {
                break (head + 4, length(&self.answer[..head]));
            }
        };
        assert!(self.answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&self.answer));
        while self.answer.len() < head + length {
            assert!(self.stream.read_buf(&mut self.answer).await.expect("the server answers") > 0, "it has hung up");
        }
        &self.answer[head..]
    }
}

/// The length that an answer's head tells.
fn length(head: &[u8]) -> usize {
    let head = std::str::from_utf8(head).expect("a head is text");
    let line = head.lines().find_map(|line| line.strip_prefix("content-length: ")).expect("a length");
    line.parse().expect("a number")
}
