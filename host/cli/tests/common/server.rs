//! `vestibule serve`, started and stopped as an operator does.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use vestibule_test_artifacts as artifacts;

pub const SECRET: &str = "a secret of the tests";

/// The lines of a client `platform` that may do everything.
pub fn client() -> String {
    let ran = super::vestibule_with_input(&["hash-secret"], SECRET);
    let hash = ran.stdout.trim();
    assert!(hash.starts_with("$argon2id$"), "{}", ran.stderr);
    format!(
        "client_id = \"platform\"\nsecret_hash = {hash:?}\n\
         scopes = [\"run:post-login\", \"read:sessions\", \"update:sessions\", \"delete:sessions\", \"read:logs\", \"read:clients\", \
         \"create:clients\", \"update:clients\", \"delete:clients\", \"read:actions\", \"create:actions\", \"update:actions\", \
         \"delete:actions\", \"update:action_policy\"]\n"
    )
}

/// A tenant `acme` at `localhost`, with the first example's Action.
pub fn configuration() -> String {
    format!(
        "listen = \"127.0.0.1:0\"\nlog = \"text\"\nshutdown = {{ drain = \"0 s\" }}\n[tenants.acme]\nhosts = [\"localhost\"]\nrate = {{ per_second = 10000, burst = 10000 }}\n\
         [[tenants.acme.actions]]\ncomponent = \"action.wasm\"\n[[tenants.acme.clients]]\n{}",
        client()
    )
}

pub struct Server {
    child: Child,
    /// The lines of its log, read by a thread of their own: a server that tells much must not wait
    /// for a test.
    told: Receiver<String>,
    pub port: u16,
    /// What it has said when it has begun to listen.
    pub start_line: String,
}

/// How long a server may say nothing that a test waits for.
const PATIENCE: Duration = Duration::from_secs(120);

impl Server {
    pub fn start(folder: &tempfile::TempDir, configuration: &str) -> Self {
        std::fs::write(folder.path().join("action.wasm"), artifacts::ORGANIZATION_SESSION_METADATA).expect("it can be written");
        std::fs::write(folder.path().join("vestibule.toml"), configuration).expect("it can be written");
        Self::run(&folder.path().join("vestibule.toml"))
    }

    pub fn run(configuration: &Path) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_vestibule"));
        command.args(["serve", "--config"]).arg(configuration);
        Self::of(command)
    }

    /// One that this command starts.
    pub fn of(mut command: Command) -> Self {
        let mut child = command.stderr(Stdio::piped()).spawn().expect("the command can be run");
        let (sender, told) = channel();
        let lines = BufReader::new(child.stderr.take().expect("it is piped")).lines();
        std::thread::spawn(move || lines.map_while(Result::ok).try_for_each(|line| sender.send(line)));
        let mut server = Self { child, told, port: 0, start_line: String::new() };
        let line = server.wait_for("listening address=");
        let address = line.split("address=").nth(1).and_then(|rest| rest.split_whitespace().next()).expect("an address");
        server.port = address.rsplit_once(':').and_then(|(_, port)| port.parse().ok()).expect("a port");
        server.start_line = line;
        server
    }

    /// Sends a signal by its name.
    pub fn signal(&self, name: &str) {
        let sent =
            Command::new("kill").args([format!("-{name}"), self.child.id().to_string()]).status().expect("kill can be run");
        assert!(sent.success());
    }

    /// The next line of its log that has these words.
    pub fn wait_for(&mut self, words: &str) -> String {
        let mut before = String::new();
        loop {
            let Ok(line) = self.told.recv_timeout(PATIENCE) else { panic!("it never said {words:?}, but:\n{before}") };
            if line.contains(words) {
                return line;
            }
            before.push_str(&line);
            before.push('\n');
        }
    }

    /// Ends it, and gives the rest of what it has told.
    pub fn stop(mut self) -> String {
        self.signal("TERM");
        let rest: String = self.told.iter().map(|line| line + "\n").collect();
        let ended = self.child.wait().expect("it ends");
        assert!(ended.success(), "{ended}\n{rest}");
        rest
    }

    /// Ends it as a crash does: it has no moment for anything.
    pub fn kill(self) {
        drop(self);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // One that was stopped is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
