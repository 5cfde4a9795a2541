//! The process in which the tests compile, as an embedder's program has it. With `probe` it tries
//! what a compiler must not be able to do.

#![forbid(unsafe_code)]

use std::fs::File;
use std::io::{self, Read as _};
use std::net::{TcpListener, UdpSocket};
use std::os::unix::net::UnixStream;
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some("probe") { probe() } else { vestibule::compile::worker() }
}

/// Where the system doesn't count a user's processes, which is root's, one starts and can't even
/// read its libraries.
fn run(program: &str) -> io::Result<()> {
    let status = Command::new(program).stderr(Stdio::null()).status()?;
    if status.success() { Ok(()) } else { Err(io::Error::other(status.to_string())) }
}

/// Something that is possible elsewhere.
type Attempt = fn() -> io::Result<()>;

/// Prints a line for each attempt: its name, and whether it has succeeded.
fn probe() -> ExitCode {
    let attempts: [(&str, Attempt); 7] = [
        ("read a file", || File::open("/etc/hostname").map(drop)),
        ("write a file", || File::create("/tmp/vestibule-probe").map(drop)),
        ("list a folder", || std::fs::read_dir("/").map(drop)),
        ("open a socket", || UdpSocket::bind("127.0.0.1:0").map(drop)),
        ("listen", || TcpListener::bind("127.0.0.1:0").map(drop)),
        ("open a pair of sockets", || UnixStream::pair().map(drop)),
        ("run a program", || run("/bin/true")),
    ];
    let tell = |when: &str| {
        for (name, attempt) in attempts {
            println!("{when} {name}: {}", attempt().map_or_else(|error| error.to_string(), |()| "yes".to_owned()));
        }
    };
    let environment: Vec<String> = std::env::vars().map(|(name, _)| name).collect();
    println!("environment: {environment:?}");
    println!("folder: {}", std::env::current_dir().map_or_else(|error| error.to_string(), |folder| folder.display().to_string()));
    tell("before");
    if let Err(error) = vestibule::compile::confine(1 << 30, Duration::from_secs(5)) {
        println!("not confined: {error}");
        return ExitCode::FAILURE;
    }
    tell("after");
    // What is open is of use: this is how a component arrives.
    let mut input = String::new();
    let read = io::stdin().read_to_string(&mut input);
    println!("after read its input: {}", read.map_or_else(|error| error.to_string(), |_| input));
    ExitCode::SUCCESS
}
