//! Applications as processes of their own: this test runs itself once more for each. They write
//! down what they hear before they answer.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use crate::common::receiver;

/// Where the process writes what it hears; and that it is that process.
const FILE: &str = "VESTIBULE_CRASH_FILE";
/// Where it listens.
const PORT: &str = "VESTIBULE_CRASH_PORT";

/// An application.
pub(crate) struct Application {
    pub(crate) name: String,
    pub(crate) port: u16,
    file: PathBuf,
    process: Child,
}

/// A token that it has heard.
pub(crate) struct Heard {
    pub(crate) application: String,
    pub(crate) session: String,
    pub(crate) id: String,
}

impl Application {
    pub(crate) fn start(folder: &TempDir, number: usize) -> Self {
        let (port, name) = (receiver::nobody(), format!("app_{number}"));
        let file = folder.path().join(&name);
        std::fs::write(&file, "").unwrap();
        let process = process(port, &file);
        Self { name, port, file, process }
    }

    pub(crate) fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    pub(crate) fn resume(&mut self) {
        self.process = process(self.port, &self.file);
    }

    /// What it has written down as a whole.
    pub(crate) fn heard(&self) -> Vec<Heard> {
        let text = std::fs::read_to_string(&self.file).unwrap();
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        let heard = whole.lines().map(|line| {
            let mut words = line.split(' ').map(str::to_owned);
            let mut next = || words.next().expect("three words in a line");
            Heard { application: next(), session: next(), id: next() }
        });
        heard.collect()
    }
}

impl Drop for Application {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn process(port: u16, file: &PathBuf) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "applications::hears_until_somebody_kills_it"])
        .env(FILE, file)
        .env(PORT, port.to_string())
        // It ends with this process, whatever becomes of that.
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

/// The process. Without its file it is a test of nothing.
#[test]
fn hears_until_somebody_kills_it() {
    let Ok(file) = std::env::var(FILE) else { return };
    let port: u16 = std::env::var(PORT).unwrap().parse().unwrap();
    std::thread::spawn(|| {
        let _ = std::io::stdin().read(&mut [0]);
        std::process::exit(0);
    });
    let file = std::fs::OpenOptions::new().append(true).open(file).unwrap();
    // Meanwhile the port may be a connection's, for a moment.
    let listener = loop {
        match TcpListener::bind(("127.0.0.1", port)) {
            Ok(listener) => break listener,
            Err(_) => std::thread::sleep(Duration::from_millis(10)),
        }
    };
    receiver::serve(&listener, move |token| {
        // In one piece: a line is there, or it is not.
        let line = format!("{} {} {}\n", token.claim("aud"), token.claim("sid"), token.claim("delivery_id"));
        (&file).write_all(line.as_bytes()).unwrap();
    });
}
