//! A PostgreSQL of the tests' own: in a folder of its own, with a socket in that folder, and gone
//! when the last test that uses it is done.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio_postgres::NoTls;

/// Long enough for a machine that does much else; nothing depends on it but when a test that hangs
/// is given up.
const PATIENCE: Duration = Duration::from_secs(60);

/// A server, and the folder that it lives in.
#[derive(Debug)]
pub(crate) struct Cluster {
    folder: TempDir,
    programs: PathBuf,
    pub(crate) port: u16,
    /// Settings of the server.
    options: Vec<String>,
    running: Mutex<Option<Running>>,
    databases: AtomicU32,
}

/// A server that runs. Its parent is a thread that waits for it: the system ends the server when
/// that thread ends, and so it does when the test's process is killed.
#[derive(Debug)]
struct Running {
    server: Child,
    ends: Sender<()>,
    thread: JoinHandle<()>,
}

impl Cluster {
    /// The one that the tests of a process share.
    pub(crate) fn shared() -> Arc<Self> {
        static SHARED: Mutex<Weak<Cluster>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        shared.upgrade().unwrap_or_else(|| {
            let cluster = Arc::new(Self::start());
            *shared = Arc::downgrade(&cluster);
            cluster
        })
    }

    /// One for a test alone, that listens on this machine's network and has this certificate and
    /// key.
    pub(crate) fn with_certificate(certificate: &str, key: &str) -> Self {
        // Whoever is quick could take the port: then the server doesn't start, and the test says
        // so.
        let port = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
        Self::in_folder(port, |folder| {
            for (name, text) in [("server.pem", certificate), ("server.key", key)] {
                let path = folder.join(name);
                std::fs::write(&path, text).unwrap();
                std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
                give_to_postgres(&path);
            }
            let file = |name: &str| folder.join(name).display().to_string();
            vec![
                "listen_addresses=127.0.0.1".into(),
                "ssl=on".into(),
                format!("ssl_cert_file={}", file("server.pem")),
                format!("ssl_key_file={}", file("server.key")),
            ]
        })
    }

    /// One for a test alone.
    pub(crate) fn start() -> Self {
        Self::in_folder(5432, |_| vec!["listen_addresses=".into()])
    }

    fn in_folder(port: u16, options: impl FnOnce(&Path) -> Vec<String>) -> Self {
        let programs = programs();
        let folder = tempfile::Builder::new().prefix("vestibule-pg-").tempdir().unwrap();
        give_to_postgres(folder.path());
        make_data(&programs, folder.path());
        let options = options(folder.path());
        let cluster = Self { folder, programs, port, options, running: Mutex::new(None), databases: AtomicU32::new(0) };
        cluster.resume();
        cluster
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A database that is new, and its URL.
    pub(crate) async fn new_database(&self) -> String {
        let name = format!("test_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        self.execute("postgres", &format!("CREATE DATABASE {name}")).await;
        self.url(&name)
    }

    pub(crate) fn url(&self, database: &str) -> String {
        format!("postgres:///{database}?host={}&port={}&user=postgres", self.folder.path().display(), self.port)
    }

    /// Runs statements that the store would not.
    pub(crate) async fn execute(&self, database: &str, sql: &str) {
        let (client, connection) = tokio_postgres::connect(&self.url(database), NoTls).await.unwrap();
        let connection = tokio::spawn(connection);
        client.batch_execute(sql).await.unwrap();
        drop(client);
        let _ = connection.await;
    }

    /// Starts the server, and waits until it answers.
    pub(crate) fn resume(&self) {
        let mut running = self.running();
        if running.is_some() {
            return;
        }
        let since = Instant::now();
        loop {
            // The memory of a server that was killed is free only when the last of its processes
            // has noticed.
            let mut started = self.try_start();
            if self.answers(&mut started) {
                *running = Some(started);
                return;
            }
            started.end(Signal::QUIT);
            assert!(since.elapsed() < PATIENCE, "PostgreSQL does not start: {}", self.log());
        }
    }

    fn try_start(&self) -> Running {
        let folder = self.folder.path();
        let mut command = as_postgres(&self.programs.join("postgres"));
        command.arg("-D").arg(folder.join("data")).arg("-k").arg(folder).arg("-p").arg(self.port.to_string());
        // Nothing here survives the machine, and a process that is killed has written all that it
        // has.
        for option in ["fsync=off", "full_page_writes=off", "shared_buffers=32MB", "max_connections=200"] {
            command.args(["-c", option]);
        }
        for option in &self.options {
            command.args(["-c", option]);
        }
        let log = std::fs::OpenOptions::new().create(true).append(true).open(folder.join("log")).unwrap();
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let (ends, ended) = channel::<()>();
        let (started, starts) = channel::<Child>();
        let thread = std::thread::spawn(move || {
            started.send(command.spawn().unwrap()).unwrap();
            // The sender says nothing; it is dropped.
            let _ = ended.recv();
        });
        Running { server: starts.recv().unwrap(), ends, thread }
    }

    fn answers(&self, started: &mut Running) -> bool {
        let mut ready = Command::new(self.programs.join("pg_isready"));
        ready.args(["-q", "-p", &self.port.to_string(), "-h"]).arg(self.folder.path());
        let since = Instant::now();
        while since.elapsed() < PATIENCE {
            if ready.status().unwrap().success() {
                return true;
            }
            if started.server.try_wait().unwrap().is_some() {
                return false;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        false
    }

    /// Ends the server and all its processes at once, as a machine does that is switched off.
    pub(crate) fn crash(&self) {
        let backends = self.running().as_ref().map(Running::children).unwrap_or_default();
        self.end(Signal::KILL);
        // They would notice within a moment, and serve their clients until then.
        for backend in backends {
            let _ = kill_process(backend, Signal::KILL);
            let since = Instant::now();
            while is_running(backend) {
                assert!(since.elapsed() < PATIENCE, "a process of PostgreSQL does not end");
                std::thread::sleep(Duration::from_millis(1));
            }
        }
    }

    /// Ends the server in its own way.
    pub(crate) fn stop(&self) {
        self.end(Signal::INT);
    }

    /// Stops all its processes where they are: their sockets stay open, and take what is sent.
    pub(crate) fn freeze(&self) {
        self.signal_all(Signal::STOP);
    }

    /// Lets them go on.
    pub(crate) fn thaw(&self) {
        self.signal_all(Signal::CONT);
    }

    fn signal_all(&self, signal: Signal) {
        let running = self.running();
        let running = running.as_ref().expect("a server that runs");
        // The first one starts the others, so it is the first that stops.
        let _ = kill_process(Pid::from_child(&running.server), signal);
        for backend in running.children() {
            let _ = kill_process(backend, signal);
        }
    }

    fn end(&self, signal: Signal) {
        if let Some(running) = self.running().take() {
            running.end(signal);
        }
    }

    fn running(&self) -> std::sync::MutexGuard<'_, Option<Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

/// Whether a process is there, and is more than a number that nobody has asked for yet.
fn is_running(process: Pid) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{}/stat", process.as_raw_nonzero())).unwrap_or_default();
    // Its name stands in parentheses, and its state behind them.
    status.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

impl Running {
    /// The processes that it has started.
    fn children(&self) -> Vec<Pid> {
        let server = self.server.id();
        let numbers = std::fs::read_to_string(format!("/proc/{server}/task/{server}/children")).unwrap_or_default();
        numbers.split_whitespace().filter_map(|number| Pid::from_raw(number.parse().ok()?)).collect()
    }

    fn end(mut self, signal: Signal) {
        // Its number is its own until it has been waited for.
        if self.server.try_wait().unwrap().is_none() {
            kill_process(Pid::from_child(&self.server), signal).unwrap();
            self.server.wait().unwrap();
        }
        drop(self.ends);
        let _ = self.thread.join();
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // A process that is stopped doesn't end.
        if self.running().is_some() {
            self.thaw();
        }
        self.end(Signal::QUIT);
    }
}

/// A command of the user `postgres`: the server refuses to run as root. The system ends it with its
/// parent.
pub(crate) fn as_postgres(program: &Path) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "QUIT"]);
    if is_root() {
        command.args(["--reuid", "postgres", "--regid", "postgres", "--clear-groups"]);
    }
    command.arg("--").arg(program).current_dir("/");
    command
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// An empty database. To make one takes a second, and test runners have a process for each test: it
/// is made once, and copied.
fn make_data(programs: &Path, folder: &Path) {
    let version = Command::new(programs.join("initdb")).arg("--version").output().unwrap().stdout;
    let version: String = String::from_utf8_lossy(&version).chars().filter(char::is_ascii_alphanumeric).collect();
    let made = Path::new(env!("CARGO_TARGET_TMPDIR")).join(version);
    let data = folder.join("data");
    if made.is_dir() {
        copy(&made, &data);
        return;
    }
    let mut initdb = as_postgres(&programs.join("initdb"));
    initdb.args(["--no-sync", "--no-instructions", "-A", "trust", "-U", "postgres", "-E", "UTF8", "--locale", "C", "-D"]);
    let output = initdb.arg(&data).output().unwrap();
    assert!(output.status.success(), "initdb has failed: {}", String::from_utf8_lossy(&output.stderr));
    // Whoever comes first leaves its copy; that of the others is not needed.
    let copied = made.with_extension(std::process::id().to_string());
    copy(&data, &copied);
    if std::fs::rename(&copied, &made).is_err() {
        std::fs::remove_dir_all(&copied).unwrap();
    }
}

/// With owners and modes, of which the server is particular.
fn copy(from: &Path, to: &Path) {
    let copied = Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap();
    assert!(copied.success(), "{} can't be copied to {}", from.display(), to.display());
}

pub(crate) fn give_to_postgres(path: &Path) {
    if is_root() {
        std::os::unix::fs::chown(path, Some(number_of("-u")), Some(number_of("-g"))).unwrap();
    }
}

fn number_of(what: &str) -> u32 {
    let id = Command::new("id").args([what, "postgres"]).output().unwrap();
    String::from_utf8(id.stdout).unwrap().trim().parse().expect("there is no user `postgres`: install PostgreSQL (postgresql)")
}

/// Where the server's programs are: the newest of those that Debian installs, or where the path
/// leads.
fn programs() -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut versions: Vec<(u32, PathBuf)> = versions
        .filter_map(|version| Some((version.file_name().to_str()?.parse().ok()?, version.path().join("bin"))))
        .filter(|(_, programs)| programs.join("initdb").exists())
        .collect();
    versions.sort();
    if let Some((_, programs)) = versions.pop() {
        return programs;
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(OsStr::new(&path))
        .find(|folder| folder.join("initdb").exists())
        .expect("these tests need PostgreSQL 15 or later: apt-get install postgresql, or run tests/run")
}
