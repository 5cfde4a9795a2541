//! Requests of an attacker: over threads of its own, with a deadline, and whatever they are
//! answered.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use tokio::net::TcpSocket;

/// How long an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// A connection that is made again when it has ended.
pub(crate) struct Client {
    address: SocketAddr,
    stream: Option<TcpStream>,
}

impl Client {
    pub(crate) fn of(address: SocketAddr) -> Self {
        Self { address, stream: None }
    }

    /// Sends a request; the status and the body of its answer, or nothing where the connection ends
    /// before it.
    pub(crate) fn send(&mut self, request: &[u8]) -> Option<(u16, Vec<u8>)> {
        let answer = self.try_send(request).ok();
        if answer.is_none() {
            self.stream = None;
        }
        answer
    }

    fn try_send(&mut self, request: &[u8]) -> std::io::Result<(u16, Vec<u8>)> {
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => connect(self.address)?,
        };
        stream.write_all(request)?;
        let mut answer = Vec::new();
        let mut piece = [0; 65_536];
        let head = loop {
            if let Some(head) = answer.windows(4).position(|window| window == b"\r\n\r\n") {
                break head;
            }
            let read = stream.read(&mut piece)?;
            if read == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            answer.extend_from_slice(&piece[..read]);
        };
        let lines = String::from_utf8_lossy(&answer[..head]).to_lowercase();
        let length = lines.lines().find_map(|line| line.strip_prefix("content-length: ")?.trim().parse::<usize>().ok());
        let status = lines.get(9..12).and_then(|status| status.parse().ok()).unwrap_or(0);
        let end = head + 4 + length.unwrap_or(0);
        while answer.len() < end {
            let read = stream.read(&mut piece)?;
            if read == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            answer.extend_from_slice(&piece[..read]);
        }
        if !lines.contains("connection: close") && length.is_some() {
            self.stream = Some(stream);
        }
        Ok((status, answer.split_off(head + 4)))
    }
}

/// Connects from an address of the attacker's own: a server bounds what one peer may take.
fn connect(address: SocketAddr) -> std::io::Result<TcpStream> {
    connect_from(0, address)
}

/// The same from another one of its addresses.
pub(crate) fn connect_from(number: u8, address: SocketAddr) -> std::io::Result<TcpStream> {
    let executor = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let stream = executor.block_on(async {
        let socket = TcpSocket::new_v4()?;
        socket.bind((Ipv4Addr::new(127, 0, 0, 2 + number), 0).into())?;
        tokio::time::timeout(PATIENCE, socket.connect(address)).await?
    })?;
    let stream = stream.into_std()?;
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// A request as it is sent.
pub(crate) fn request(method: &str, path: &str, host: &str, token: &str, content_type: &str, body: &[u8]) -> Vec<u8> {
    let authorization = if token.is_empty() { String::new() } else { format!("authorization: Bearer {token}\r\n") };
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: {host}\r\n{authorization}content-type: {content_type}\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

/// Makes this thread, and those that it starts, run only while no other thread wants the processor:
/// an attacker has processors of its own, and must not take those of the server that is measured.
pub(crate) fn run_when_idle() {
    let thread = rustix::thread::gettid().as_raw_nonzero().to_string();
    // Where the system has no such command it attacks at the lowest priority, or as any other.
    let is_idle = Command::new("chrt").args(["--idle", "--pid", "0", &thread]).stdin(Stdio::null()).status();
    if !is_idle.is_ok_and(|status| status.success()) {
        let _ = rustix::process::setpriority_process(Some(rustix::thread::gettid()), 19);
    }
}

/// The same over this number of connections at one time until the attack ends; how many requests
/// there were. `next` makes the request of a connection's number and a count.
pub(crate) fn flood(
    address: SocketAddr,
    connections: usize,
    stop: &AtomicBool,
    next: impl Fn(usize, u64) -> Vec<u8> + Sync,
) -> u64 {
    let sent = AtomicU64::new(0);
    thread::scope(|scope| {
        for connection in 0..connections {
            let (sent, next) = (&sent, &next);
            scope.spawn(move || {
                let mut client = Client::of(address);
                for count in 0.. {
                    if stop.load(Ordering::Relaxed) {
                        return;
                    }
                    if client.send(&next(connection, count)).is_none() {
                        // Refused at the door.
                        thread::sleep(Duration::from_millis(5));
                    }
                    sent.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    sent.into_inner()
}
