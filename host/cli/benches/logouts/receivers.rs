//! The receivers, in a process of their own: they write down when they have heard of which session,
//! and answer. The first one never does.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::RECEIVERS;
use crate::connection::Connection;

/// That this process is the receivers.
pub(crate) const IS_RECEIVER: &str = "VESTIBULE_BENCH_RECEIVER";

/// A time that two processes of one machine agree about.
pub(crate) fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("a time after 1970")
}

/// That somebody has heard of a session.
pub(crate) struct Heard {
    pub(crate) session: String,
    pub(crate) at: Duration,
}

/// The process, and where it listens.
pub(crate) struct Receivers {
    child: Child,
    pub(crate) ports: Vec<u16>,
    control: u16,
}

impl Receivers {
    pub(crate) fn start() -> Self {
        let program = std::env::current_exe().expect("this program");
        // It ends with this process, whatever becomes of that.
        let mut child = Command::new(program)
            .env(IS_RECEIVER, "yes")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("it starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("it is piped")).read_line(&mut line).expect("it tells where it listens");
        let mut ports: Vec<u16> = line.split_whitespace().map(|port| port.parse().expect("a port")).collect();
        let control = ports.pop().expect("the last one");
        Self { child, ports, control }
    }

    /// Waits until so many tokens have been heard, and forgets them there.
    pub(crate) async fn hear(&self, count: usize) -> Vec<Heard> {
        while self.ask(b'c').await.trim().parse::<usize>().expect("a number") < count {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let told = self.ask(b't').await;
        let heard = told.lines().map(|line| {
            let (session, micros) = line.split_once(' ').expect("two words");
            Heard { session: session.to_owned(), at: Duration::from_micros(micros.parse().expect("a number")) }
        });
        heard.collect()
    }

    async fn ask(&self, what: u8) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.control)).await.expect("it listens");
        stream.write_all(&[what]).await.expect("it reads");
        let mut told = String::new();
        stream.read_to_string(&mut told).await.expect("it answers");
        told
    }
}

impl Drop for Receivers {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[derive(Deserialize)]
struct Claims {
    sid: String,
}

/// All that was heard.
type Book = Arc<Mutex<Vec<Heard>>>;

/// The process.
pub(crate) async fn serve() {
    std::thread::spawn(|| {
        let _ = std::io::stdin().read(&mut [0]);
        std::process::exit(0);
    });
    let book = Book::default();
    let mut ports = Vec::new();
    for number in 0..RECEIVERS {
        let listener = listen(&mut ports).await;
        let book = Arc::clone(&book);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(receive(Connection::of(stream), Arc::clone(&book), number > 0));
            }
        });
    }
    let control = listen(&mut ports).await;
    println!("{}", ports.iter().map(u16::to_string).collect::<Vec<_>>().join(" "));
    while let Ok((mut stream, _)) = control.accept().await {
        let told = match stream.read_u8().await {
            Ok(b'c') => lock(&book).len().to_string(),
            Ok(_) => lock(&book).drain(..).map(|heard| format!("{} {}\n", heard.session, heard.at.as_micros())).collect(),
            Err(_) => continue,
        };
        let _ = stream.write_all(told.as_bytes()).await;
    }
}

async fn listen(ports: &mut Vec<u16>) -> TcpListener {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    ports.push(listener.local_addr().expect("an address").port());
    listener
}

async fn receive(mut connection: Connection, book: Book, answers: bool) {
    while let Some((_, body)) = connection.message().await {
        if !answers {
            continue;
        }
        let at = now();
        let claims = body.split(|byte| *byte == b'.').nth(1).expect("a token has three parts");
        let claims = URL_SAFE_NO_PAD.decode(claims).expect("base64url");
        let Claims { sid } = serde_json::from_slice(&claims).expect("claims");
        lock(&book).push(Heard { session: sid, at });
        if connection.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.is_err() {
            return;
        }
    }
}

fn lock(book: &Book) -> std::sync::MutexGuard<'_, Vec<Heard>> {
    book.lock().unwrap_or_else(PoisonError::into_inner)
}
