//! `vestibule serve`, started and stopped as an operator does.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};

use vestibule_test_artifacts as artifacts;

pub const SECRET: &str = "a secret of the tests";

/// The lines of a client `platform` that may do everything.
pub fn client() -> String {
    let ran = super::vestibule_with_input(&["hash-secret"], SECRET);
    let hash = ran.stdout.trim();
    assert!(hash.starts_with("$argon2id$"), "{}", ran.stderr);
    format!(
        "client_id = \"platform\"\nsecret_hash = {hash:?}\n\
         scopes = [\"run:post-login\", \"read:sessions\", \"update:sessions\", \"delete:sessions\", \"read:logs\"]\n"
    )
}

/// A tenant `acme` at `localhost`, with the first example's Action.
pub fn configuration() -> String {
    format!(
        "listen = \"127.0.0.1:0\"\nlog = \"text\"\n[tenants.acme]\nhosts = [\"localhost\"]\nrate = {{ per_second = 10000, burst = 10000 }}\n\
         [[tenants.acme.actions]]\ncomponent = \"action.wasm\"\n[[tenants.acme.clients]]\n{}",
        client()
    )
}

pub struct Server {
    child: Child,
    told: BufReader<ChildStderr>,
    pub port: u16,
}

impl Server {
    pub fn start(folder: &tempfile::TempDir, configuration: &str) -> Self {
        std::fs::write(folder.path().join("action.wasm"), artifacts::ORGANIZATION_SESSION_METADATA).expect("it can be written");
        std::fs::write(folder.path().join("vestibule.toml"), configuration).expect("it can be written");
        Self::run(&folder.path().join("vestibule.toml"))
    }

    pub fn run(configuration: &Path) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_vestibule"))
            .args(["serve", "--config"])
            .arg(configuration)
            .stderr(Stdio::piped())
            .spawn()
            .expect("the command can be run");
        let mut told = BufReader::new(child.stderr.take().expect("it is piped"));
        let mut lines = String::new();
        let port = loop {
            let mut line = String::new();
            if told.read_line(&mut line).expect("it tells something") == 0 {
                panic!("the server has not started:\n{lines}");
            }
            if let Some((_, rest)) = line.split_once("listening address=") {
                let address = rest.split_whitespace().next().expect("an address");
                break address.rsplit_once(':').and_then(|(_, port)| port.parse().ok()).expect("a port");
            }
            lines.push_str(&line);
        };
        Self { child, told, port }
    }

    /// Sends a signal by its name.
    pub fn signal(&self, name: &str) {
        let sent =
            Command::new("kill").args([format!("-{name}"), self.child.id().to_string()]).status().expect("kill can be run");
        assert!(sent.success());
    }

    /// The next line of its log that has these words.
    pub fn wait_for(&mut self, words: &str) -> String {
        loop {
            let mut line = String::new();
            assert!(self.told.read_line(&mut line).expect("it tells something") > 0, "it has ended without {words:?}");
            if line.contains(words) {
                return line;
            }
        }
    }

    /// Ends it, and gives the rest of what it has told.
    pub fn stop(mut self) -> String {
        self.signal("TERM");
        let mut rest = String::new();
        self.told.read_to_string(&mut rest).expect("it is text");
        let ended = self.child.wait().expect("it ends");
        assert!(ended.success(), "{ended}\n{rest}");
        rest
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Where a test has failed; one that was stopped is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
