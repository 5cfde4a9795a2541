//! A server of tenant `acme`, and the command that is told of it by a profile.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::callers::{Api, event};
use crate::common::server::{SECRET, Server, configuration};
use crate::common::{Ran, folder, ran, root, with_input};

/// Long enough for a machine that does much else; nothing depends on it but when a test that hangs
/// is given up.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A folder of profiles, and the command that looks for them there.
pub struct Person {
    pub folder: TempDir,
}

impl Person {
    pub fn new() -> Self {
        Self { folder: folder() }
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_vestibule"));
        command.args(arguments).current_dir(root()).env("XDG_CACHE_HOME", crate::common::cache_home());
        command.env("VESTIBULE_CONFIG_DIR", self.profiles());
        command
    }

    pub fn profiles(&self) -> PathBuf {
        self.folder.path().join("config")
    }

    pub fn run(&self, arguments: &[&str]) -> Ran {
        ran(self.command(arguments))
    }

    pub fn run_with_input(&self, arguments: &[&str], line: &str) -> Ran {
        with_input(self.command(arguments), line)
    }

    /// Starts it, and leaves it.
    pub fn start(&self, arguments: &[&str]) -> Child {
        self.command(arguments).stdout(Stdio::piped()).spawn().expect("the command runs")
    }

    /// Adds the profile of a tenant.
    pub fn knows(&self, tenant: &str, url: &str, secret: &str, more: &[&str]) {
        let add = ["profile", "add", tenant, "--url", url, "--client-id", "deployer"];
        let added = self.run_with_input(&[&add[..], more].concat(), secret);
        assert_eq!(added.code, Some(0), "{}", added.stderr);
    }

    /// A path below its folder.
    pub fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().expect("a path that is text").to_owned()
    }

    /// A component as a file.
    pub fn component(&self, name: &str, bytes: &[u8]) -> String {
        crate::common::file(&self.folder, name, bytes)
    }
}

/// A server, and a person whose profile `acme` calls it.
pub struct World {
    pub person: Person,
    pub server: Server,
    pub api: Api,
    logins: std::cell::Cell<u32>,
}

/// The lines of a client `deployer` that may do all that this command asks for, and of one `reader`
/// that may not.
pub fn deployer() -> String {
    let hash = crate::common::vestibule_with_input(&["hash-secret"], SECRET);
    let client = |id: &str, scopes: &str| {
        let hash = hash.stdout.trim();
        format!("[[tenants.acme.clients]]\nclient_id = {id:?}\nsecret_hash = {hash:?}\nscopes = [{scopes}]\n")
    };
    let all =
        "\"read:actions\", \"create:actions\", \"update:actions\", \"delete:actions\", \"update:action_policy\", \"read:logs\"";
    client("deployer", all) + &client("reader", "\"read:logs\"")
}

impl World {
    pub async fn start() -> Self {
        Self::start_with("").await
    }

    /// With these lines before the others of the configuration.
    pub async fn start_with(first: &str) -> Self {
        Self::start_beside(first, "").await
    }

    /// With these lines before the others of the configuration, and these after them.
    pub async fn start_beside(first: &str, last: &str) -> Self {
        let person = Person::new();
        let server = Server::start(&person.folder, &format!("{first}\n{}\n{}\n{last}", configuration(), deployer()));
        person.knows("acme", &format!("http://localhost:{}", server.port), SECRET, &[]);
        let api = Api::at(server.port).await;
        Self { person, server, api, logins: std::cell::Cell::new(0) }
    }

    pub fn run(&self, arguments: &[&str]) -> Ran {
        self.person.run(&[arguments, &["--tenant", "acme"]].concat())
    }

    pub fn run_with_input(&self, arguments: &[&str], line: &str) -> Ran {
        self.person.run_with_input(&[arguments, &["--tenant", "acme"]].concat(), line)
    }

    /// It has to go well.
    pub fn done(&self, arguments: &[&str]) -> String {
        let ran = self.run(arguments);
        assert_eq!(ran.code, Some(0), "{arguments:?}: {}{}", ran.stdout, ran.stderr);
        ran.stdout
    }

    pub fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.done(&[arguments, &["--json"]].concat())).expect("JSON")
    }

    /// It has to be refused, and says why.
    pub fn refused(&self, arguments: &[&str]) -> String {
        let ran = self.run(arguments);
        assert_eq!(ran.code, Some(1), "{arguments:?}: {}{}", ran.stdout, ran.stderr);
        assert!(ran.stderr.contains("error: "), "{}", ran.stderr);
        ran.stderr
    }

    /// Logs somebody in, and gives the outcome.
    pub async fn login(&self) -> Value {
        let number = self.logins.get() + 1;
        self.logins.set(number);
        let event = event(&format!("sess_{number}"), "shop", &format!("txn_{number}"));
        let answered = self.api.login(&event).await.expect("it answers");
        assert_eq!(answered.status, 200, "{}", answered.body);
        answered.json()
    }

    /// The names of the Actions that a login runs and that were deployed, with their versions.
    pub async fn ran(&self) -> Vec<String> {
        let outcome = self.login().await;
        let all = outcome["actions"].as_array().expect("a list").iter();
        let names = all.map(|action| format!("{}@{}", action["name"].as_str().unwrap(), action["version"].as_str().unwrap()));
        names.filter(|name| !name.starts_with("organization-session-metadata@0")).collect()
    }

    /// Asks until it is so.
    pub fn until(&self, what: &str, is_so: impl Fn() -> bool) {
        let since = Instant::now();
        while !is_so() {
            assert!(since.elapsed() < PATIENCE, "never: {what}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

/// All files below a folder, with what is in them.
pub fn files(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    let mut left = vec![folder.to_owned()];
    while let Some(next) = left.pop() {
        for entry in std::fs::read_dir(&next).expect("the folder is there") {
            let path = entry.expect("it can be read").path();
            if path.is_dir() {
                left.push(path);
            } else {
                let bytes = std::fs::read(&path).expect("the file can be read");
                found.push((path.strip_prefix(folder).expect("below it").to_owned(), bytes));
            }
        }
    }
    found.sort();
    found
}
