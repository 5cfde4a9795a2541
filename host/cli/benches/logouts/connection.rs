//! A connection that is kept open (HTTP/1.1), as lean as it can be: what sends shares the machine
//! with what answers.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// One side of it.
pub(crate) struct Connection {
    stream: TcpStream,
    read: Vec<u8>,
}

impl Connection {
    pub(crate) async fn open(address: impl tokio::net::ToSocketAddrs) -> Self {
        let stream = TcpStream::connect(address).await.expect("somebody listens");
        stream.set_nodelay(true).expect("an option");
        Self::of(stream)
    }

    /// A connection that somebody has opened.
    pub(crate) fn of(stream: TcpStream) -> Self {
        Self { stream, read: Vec::new() }
    }

    /// Sends a request, which has to be answered by one of 2xx.
    pub(crate) async fn ask(&mut self, request: &str) {
        self.write(request.as_bytes()).await.expect("it reads");
        let (head, _) = self.message().await.expect("it answers");
        assert!(head.starts_with("HTTP/1.1 2"), "{head}");
    }

    pub(crate) async fn write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.stream.write_all(bytes).await
    }

    /// The next request or answer: its head and its body. None where the other side has hung up.
    pub(crate) async fn message(&mut self) -> Option<(String, Vec<u8>)> {
        self.read.clear();
        let end = loop {
            if let Some(end) = self.read.windows(4).position(|window| window == b"\r\n\r\n") {
                break end;
            }
            if self.stream.read_buf(&mut self.read).await.ok()? == 0 {
                return None;
            }
        };
        let head = String::from_utf8(self.read[..end].to_vec()).expect("a head is text");
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let length = length.map_or(0, |length| length.parse::<usize>().expect("a length"));
        while self.read.len() < end + 4 + length {
            if self.stream.read_buf(&mut self.read).await.ok()? == 0 {
                return None;
            }
        }
        Some((head, self.read[end + 4..].to_vec()))
    }
}
