//! Servers in folders of their own, which can be killed and started again.

use std::path::{Path, PathBuf};

use tempfile::TempDir;
use vestibule_test_artifacts as artifacts;

use crate::common::server::{Server, client};

/// What a server keeps its sessions in.
pub(crate) enum Database {
    Sqlite,
    Postgres(String),
}

/// Where a server lives.
pub(crate) struct Place {
    folder: TempDir,
}

impl Place {
    pub(crate) fn new(database: &Database) -> Self {
        Self::with(database, "", "")
    }

    /// With more at the beginning and at the end of the configuration.
    pub(crate) fn with(database: &Database, first: &str, last: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = match database {
            Database::Sqlite => "{ sqlite = \"sessions.db\" }",
            Database::Postgres(url) => {
                std::fs::write(folder.path().join("url"), url).unwrap();
                "{ postgres = { file = \"url\" } }"
            }
        };
        std::fs::write(folder.path().join("action.wasm"), artifacts::WRITES_ITS_TRANSACTION).unwrap();
        let configuration = format!(
            "listen = \"127.0.0.1:0\"\nlog = \"text\"\nstore = {store}\nshutdown = {{ drain = \"0 s\" }}\n{first}\n[tenants.acme]\nhosts = [\"localhost\"]\n\
             rate = {{ per_second = 1000000, burst = 1000000 }}\n[[tenants.acme.actions]]\ncomponent = \"action.wasm\"\n\
             [[tenants.acme.clients]]\n{}\n{last}",
            client()
        );
        std::fs::write(folder.path().join("vestibule.toml"), configuration).unwrap();
        Self { folder }
    }

    /// Another one with the same configuration and the same keys, as a second machine has them.
    pub(crate) fn beside(&self) -> Self {
        let other = tempfile::tempdir().unwrap();
        copy(self.folder.path(), other.path());
        Self { folder: other }
    }

    /// A file of its folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn start(&self) -> Server {
        Server::run(&self.folder.path().join("vestibule.toml"))
    }
}

fn copy(from: &Path, to: &Path) {
    let copied = std::process::Command::new("cp").arg("-a").arg(from.join(".")).arg(to).status().unwrap();
    assert!(copied.success());
}
