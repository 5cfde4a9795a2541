//! A receiver of logout tokens, over plain HTTP on this machine: it answers each with 200.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

/// A token's header and claims.
#[derive(Clone, Debug)]
pub struct Token {
    pub header: Value,
    pub claims: Value,
}

impl Token {
    pub fn claim(&self, name: &str) -> &str {
        self.claims[name].as_str().unwrap_or_else(|| panic!("no {name} in {}", self.claims))
    }
}

/// A port at which nobody listens.
pub fn nobody() -> u16 {
    port(&TcpListener::bind("127.0.0.1:0").expect("a port"))
}

pub fn port(listener: &TcpListener) -> u16 {
    listener.local_addr().expect("an address").port()
}

/// Listens at this port for as long as the process lives, and gives what it hears.
pub fn hear(port: u16) -> Receiver<Token> {
    let listener = TcpListener::bind(("127.0.0.1", port)).expect("the port is free");
    let (sender, heard) = channel();
    std::thread::spawn(move || {
        serve(&listener, move |token| {
            let _ = sender.send(token);
        });
    });
    heard
}

/// Serves for ever. Each token is told before it is answered.
pub fn serve(listener: &TcpListener, tell: impl Fn(Token) + Send + Sync + 'static) {
    let tell = Arc::new(tell);
    for stream in listener.incoming().flatten() {
        let tell = Arc::clone(&tell);
        std::thread::spawn(move || {
            let mut reads = BufReader::new(stream);
            while let Some(token) = read(&mut reads) {
                tell(token);
                if reads.get_mut().write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").is_err() {
                    return;
                }
            }
        });
    }
}

/// None when the other side has hung up.
fn read(reads: &mut BufReader<TcpStream>) -> Option<Token> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reads.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if let Some(value) = line.strip_prefix("content-length: ") {
            length = value.trim().parse().expect("a length");
        }
        if line == "\r\n" {
            break;
        }
    }
    let mut body = vec![0; length];
    reads.read_exact(&mut body).ok()?;
    let body = String::from_utf8(body).expect("a form is text");
    let token = body.strip_prefix("logout_token=").expect("a token and nothing else");
    let part = |number: usize| {
        let part = token.split('.').nth(number).expect("three parts");
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).expect("base64url")).expect("JSON")
    };
    Some(Token { header: part(0), claims: part(1) })
}
