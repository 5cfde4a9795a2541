//! A PgBouncer of the tests' own, in front of a cluster of theirs: in a folder of its own, with a
//! socket in that folder.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio_postgres::NoTls;

use super::cluster::{Cluster, as_postgres, give_to_postgres};

/// See the cluster's.
const PATIENCE: Duration = Duration::from_secs(60);

/// A part of its socket's name: each has a folder of its own.
const PORT: u16 = 6432;

#[derive(Debug)]
pub(crate) struct PgBouncer {
    folder: TempDir,
    process: Mutex<Child>,
}

impl PgBouncer {
    /// One with this number of connections to each database. These are its settings beside those of
    /// every test.
    pub(crate) async fn start(cluster: &Cluster, mode: &str, connections: usize, settings: &str) -> Self {
        install();
        let folder = tempfile::Builder::new().prefix("vestibule-pgbouncer-").tempdir().unwrap();
        let file = folder.path().join("pgbouncer.ini");
        let (at, server) = (folder.path().display(), cluster.folder().display());
        let text = format!(
            "[databases]\n* = host={server} port={} user=postgres\n[pgbouncer]\nunix_socket_dir = {at}\nlisten_port = {PORT}\n\
             auth_type = any\npool_mode = {mode}\ndefault_pool_size = {connections}\nmax_client_conn = 500\n{settings}\n",
            cluster.port
        );
        std::fs::write(&file, text).unwrap();
        for path in [folder.path(), &file] {
            give_to_postgres(path);
        }
        let mut command = as_postgres(Path::new("pgbouncer"));
        let log = std::fs::File::create(folder.path().join("log")).unwrap();
        let process = command.arg(&file).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().unwrap();
        let pooler = Self { folder, process: Mutex::new(process) };
        let since = Instant::now();
        while tokio_postgres::connect(&pooler.url("postgres"), NoTls).await.is_err() {
            assert!(since.elapsed() < PATIENCE, "PgBouncer does not start: {}", pooler.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        pooler
    }

    pub(crate) fn url(&self, database: &str) -> String {
        format!("postgres:///{database}?host={}&port={PORT}&user=postgres", self.folder.path().display())
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

impl Drop for PgBouncer {
    fn drop(&mut self) {
        let process = self.process.get_mut().unwrap();
        let _ = process.kill();
        let _ = process.wait();
    }
}

/// Debian has it in a package of its own.
fn install() {
    if Command::new("pgbouncer").arg("--version").stdout(Stdio::null()).status().is_ok() {
        return;
    }
    let mut apt = Command::new("apt-get");
    apt.args(["-o", "DPkg::Lock::Timeout=300", "install", "-y", "-qq", "pgbouncer"]).stdout(Stdio::null());
    let is_installed = apt.status().is_ok_and(|status| status.success());
    assert!(is_installed, "these tests need PgBouncer: apt-get install pgbouncer, or run tests/run");
}
