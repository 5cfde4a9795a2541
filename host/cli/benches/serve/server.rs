//! The command, as an operator starts it.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

const SECRET: &str = "a secret of the bench";

/// A server that runs, in a folder on the disk that holds the target folder: `/tmp` is memory on
/// many machines.
pub(crate) struct Running {
    child: Child,
    pub(crate) address: SocketAddr,
    /// A token for logins and sessions.
    pub(crate) token: String,
    pub(crate) folder: tempfile::TempDir,
}

impl Running {
    /// With more at the beginning and at the end of its configuration.
    pub(crate) fn start(first: &str, last: &str) -> Self {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
        let file = folder.path().join("vestibule.toml");
        std::fs::write(&file, format!("{first}{}{last}", configuration())).expect("the folder can be written");
        let mut child = command().args(["serve", "--config"]).arg(&file).stderr(Stdio::piped()).spawn().expect("it starts");
        let address = address(BufReader::new(child.stderr.take().expect("it is piped")));
        Self { child, address, token: token(address, "localhost"), folder }
    }

    /// A token of another tenant's client, which has the same secret.
    pub(crate) fn token_of(&self, host: &str) -> String {
        token(self.address, host)
    }

    /// Bytes of the server's memory that are in use.
    pub(crate) fn resident_memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or_default() << 10
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn command() -> Command {
    Command::new(env!("CARGO_BIN_EXE_vestibule"))
}

/// As `examples/serve`: two Actions, one client.
fn configuration() -> String {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    let component = |name: &str| format!("[[tenants.acme.actions]]\ncomponent = {:?}\n", examples.join(name));
    format!(
        "listen = \"127.0.0.1:0\"\nlog = \"text\"\nshutdown = {{ drain = \"0 s\" }}\n[tenants.acme]\nhosts = [\"localhost\", \"127.0.0.1\"]\n\
         rate = {{ per_second = 1000000, burst = 1000000 }}\n{}{}[[tenants.acme.clients]]\nclient_id = \"platform\"\n\
         secret_hash = {:?}\nscopes = [\"run:post-login\", \"read:sessions\", \"delete:sessions\", \"create:actions\", \"update:actions\"]\n",
        component("organization-session-metadata"),
        component("organization-gate"),
        secret_hash()
    )
}

/// What stands in a configuration for the secret of the bench's clients.
pub(crate) fn secret_hash() -> String {
    let mut hashing =
        command().arg("hash-secret").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the command runs");
    writeln!(hashing.stdin.take().expect("it is piped"), "{SECRET}").expect("it reads");
    let hash = String::from_utf8(hashing.wait_with_output().expect("it ends").stdout).expect("text");
    hash.trim().to_owned()
}

/// Where it says that it listens. The rest of what it tells goes on to standard error.
fn address(mut told: BufReader<impl std::io::Read + Send + 'static>) -> SocketAddr {
    let address = loop {
        let mut line = String::new();
        assert!(told.read_line(&mut line).expect("it tells something") > 0, "the server has not started");
        if let Some((_, rest)) = line.split_once("listening address=") {
            break rest.split_whitespace().next().and_then(|address| address.parse().ok()).expect("an address");
        }
        eprint!("{line}");
    };
    std::thread::spawn(move || std::io::copy(&mut told, &mut std::io::stderr()));
    address
}

/// Asks for a token, as it is sent.
pub(crate) fn token_request(host: &str) -> String {
    let form = format!("grant_type=client_credentials&client_id=platform&client_secret={}", SECRET.replace(' ', "+"));
    format!(
        "POST /oauth/token HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n{form}",
        form.len()
    )
}

fn token(address: SocketAddr, host: &str) -> String {
    let request = crate::requests::Just(token_request(host));
    let answer: Value = serde_json::from_slice(&crate::load::once(address, &request, 0)).expect("JSON");
    answer["access_token"].as_str().expect("a token").to_owned()
}
