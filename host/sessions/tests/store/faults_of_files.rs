//! Files that are full, can't be read, or can't be written to: what is said then, and that the
//! store goes on when the reason is gone.

use std::sync::Arc;
use std::time::Duration;

use rustix::mount::{MountFlags, UnmountFlags, mount, mount_remount, unmount};
use tempfile::TempDir;
use vestibule_sessions::{Committed, Retention, SqliteSettings, SqliteStore, Store, StoreError};

use crate::parts::logins::*;

fn database_of(folder: &TempDir) -> std::path::PathBuf {
    folder.path().join("sessions.db")
}

#[tokio::test]
async fn a_file_is_readable_by_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;

    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(database_of(&folder), SqliteSettings::default()).unwrap();
    commit(&store, login("s1", at(1))).await;
    let files = ["sessions.db", "sessions.db-components"].map(|name| ["", "-wal", "-shm"].map(|end| format!("{name}{end}")));
    for name in files.as_flattened() {
        let mode = std::fs::metadata(folder.path().join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn closing_waits_for_no_reader_of_another_process() {
    let folder = tempfile::tempdir().unwrap();
    // Longer than the test waits.
    let settings = SqliteSettings { busy: Duration::from_secs(3_600), ..SqliteSettings::default() };
    let store = SqliteStore::open(database_of(&folder), settings.clone()).unwrap();
    commit(&store, login("s1", at(1))).await;
    let reader = rusqlite::Connection::open(database_of(&folder)).unwrap();
    reader.execute_batch("BEGIN; SELECT count(*) FROM sessions").unwrap();
    let closed = tokio::time::timeout(Duration::from_secs(60), store.close()).await;
    assert!(closed.is_ok(), "a command beside a server that reads must end");
    let found = |reader: &rusqlite::Connection| -> i64 {
        reader.query_row("SELECT count(*) FROM sessions", (), |row| row.get(0)).unwrap()
    };
    assert_eq!(found(&reader), 1, "what it reads is there");
    drop(reader);
    let store = SqliteStore::open(database_of(&folder), settings).unwrap();
    commit(&store, login("s2", at(2))).await;
    store.close().await;
    let mut left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(
        left,
        ["sessions.db", "sessions.db-components", "sessions.db-executions"],
        "the write-ahead log is in the database"
    );
    assert_eq!(found(&rusqlite::Connection::open(database_of(&folder)).unwrap()), 2);
}

#[tokio::test]
async fn a_file_in_a_folder_that_is_not_there_is_unreachable() {
    let folder = tempfile::tempdir().unwrap();
    let error = SqliteStore::open(folder.path().join("none/sessions.db"), SqliteSettings::default()).unwrap_err();
    assert!(matches!(error, StoreError::Unreachable { .. }), "{error}");
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let text = "no database, but something that somebody needs. ".repeat(100);
    std::fs::write(database_of(&folder), &text).unwrap();
    let error = SqliteStore::open(database_of(&folder), SqliteSettings::default()).unwrap_err();
    assert!(matches!(error, StoreError::Unreachable { .. }), "{error}");
    assert_eq!(std::fs::read_to_string(database_of(&folder)).unwrap(), text);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_database_says_so_and_goes_on_when_there_is_room() {
    let folder = tempfile::tempdir().unwrap();
    let settings = SqliteSettings { most_bytes: Some(1 << 20), ..SqliteSettings::default() };
    let store: Arc<dyn Store> = Arc::new(SqliteStore::open(database_of(&folder), settings).unwrap());
    let acknowledged = fill(&store).await;
    assert_eq!(acknowledged, log_of(&*store, "acme").await.len());
    assert!(matches!(store.check().await, Ok(()) | Err(StoreError::Full)));
    let keep = Retention { transactions_since: at(100), ..keep_all() };
    while store.sweep(at(100), keep, 50).await.unwrap().is_more {}
    assert!(matches!(store.commit_login(big_login(100_000)).await.unwrap(), Committed::Done { .. }));
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_says_so_and_the_store_goes_on_when_there_is_room() {
    let Some(disk) = SmallDisk::mount() else { return };
    let store: Arc<dyn Store> = Arc::new(SqliteStore::open(disk.path().join("sessions.db"), SqliteSettings::default()).unwrap());
    commit(&*store, login("s1", at(1))).await;
    // Somebody else fills it.
    let ballast = disk.path().join("ballast");
    let mut size = 4 << 20;
    let mut filled = Vec::new();
    while size >= 1_024 {
        filled.resize(filled.len() + size, 1);
        if std::fs::write(&ballast, &filled).is_err() {
            filled.truncate(filled.len() - size);
            size /= 2;
        }
    }
    let acknowledged = fill(&store).await;
    assert!(matches!(store.check().await, Ok(()) | Err(StoreError::Full)));
    assert_eq!(acknowledged, log_of(&*store, "acme").await.len());
    assert!(find(&*store, "s1", at(2)).await.is_some());
    std::fs::remove_file(ballast).unwrap();
    assert!(matches!(store.commit_login(big_login(100_000)).await.unwrap(), Committed::Done { .. }));
    store.check().await.unwrap();
    store.close().await;
    let store = SqliteStore::open(disk.path().join("sessions.db"), SqliteSettings::default()).unwrap();
    assert_eq!(log_of(&store, "acme").await.len(), acknowledged + 1);
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_can_only_be_read_says_so_and_what_is_there_can_be_read() {
    let Some(disk) = SmallDisk::mount() else { return };
    let file = disk.path().join("sessions.db");
    let store = SqliteStore::open(&file, SqliteSettings::default()).unwrap();
    commit(&store, login("s1", at(1))).await;
    store.close().await;
    disk.read_only();
    let error = SqliteStore::open(&file, SqliteSettings::default()).unwrap_err();
    assert!(matches!(error, StoreError::ReadOnly { .. }), "{error}");
}

/// Logs in until there is no room; how many were acknowledged.
async fn fill(store: &Arc<dyn Store>) -> usize {
    let mut callers = tokio::task::JoinSet::new();
    for caller in 0..8 {
        let store = Arc::clone(store);
        callers.spawn(async move {
            for number in 0..2_000 {
                match store.commit_login(big_login(caller * 2_000 + number)).await {
                    Ok(Committed::Done { .. }) => {}
                    Err(StoreError::Full) => return number,
                    other => panic!("{other:?}"),
                }
            }
            panic!("it should be full by now");
        });
    }
    let mut acknowledged = 0;
    while let Some(done) = callers.join_next().await {
        acknowledged += done.unwrap();
    }
    acknowledged
}

fn big_login(number: usize) -> vestibule_sessions::LoginCommit {
    let mut login = logs("acme", &format!("login {number}"), at(1));
    login.transaction = Some(answered(transaction(&format!("t{number}")), "a".repeat(4_000).as_str().into()));
    login
}

/// A disk of 8 MB, in memory. Only root has one; tests/run and CI are root.
struct SmallDisk {
    folder: TempDir,
}

impl SmallDisk {
    fn mount() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        match mount("tmpfs", folder.path(), "tmpfs", MountFlags::empty(), Some(c"size=8m")) {
            Ok(()) => Some(Self { folder }),
            Err(error) => {
                eprintln!("SKIPPED: a disk for the test can't be mounted ({error}); run it as root");
                None
            }
        }
    }

    fn path(&self) -> &std::path::Path {
        self.folder.path()
    }

    fn read_only(&self) {
        mount_remount(self.path(), MountFlags::RDONLY, "").unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = unmount(self.folder.path(), UnmountFlags::DETACH);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn more_calls_than_the_queue_holds_are_told_to_come_again() {
    let folder = tempfile::tempdir().unwrap();
    let settings = SqliteSettings { queue: 2, busy: Duration::from_millis(300), ..SqliteSettings::default() };
    let store = Arc::new(SqliteStore::open(database_of(&folder), settings).unwrap());
    let other = rusqlite::Connection::open(database_of(&folder)).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let callers: Vec<_> = (0..20)
        .map(|number| {
            let store = Arc::clone(&store);
            tokio::spawn(async move { store.commit_login(login(&format!("s{number}"), at(1))).await })
        })
        .collect();
    for caller in callers {
        let answer = caller.await.unwrap();
        assert!(matches!(answer, Err(StoreError::Busy { .. })), "another process writes all the time: {answer:?}");
    }
    other.execute_batch("ROLLBACK").unwrap();
    commit(&*store, login("s1", at(1))).await;
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_cant_be_read_is_the_fault_of_that_row_alone() {
    let folder = tempfile::tempdir().unwrap();
    let store: Arc<dyn Store> = Arc::new(SqliteStore::open(database_of(&folder), SqliteSettings::default()).unwrap());
    for number in 0..8 {
        commit(&*store, login(&format!("s{number}"), at(1))).await;
    }
    let other = rusqlite::Connection::open(database_of(&folder)).unwrap();
    other.execute("UPDATE sessions SET metadata = '{\"secret\": 7}' WHERE id = 's3'", []).unwrap();
    let callers: Vec<_> = (0..8)
        .map(|number| {
            let store = Arc::clone(&store);
            tokio::spawn(async move { store.commit_login(login(&format!("s{number}"), at(2))).await })
        })
        .collect();
    for (number, caller) in callers.into_iter().enumerate() {
        match caller.await.unwrap() {
            Ok(Committed::Done { session: Some(session) }) if number != 3 => assert_eq!(session.revision, 2),
            Err(error @ StoreError::Corrupt { .. }) if number == 3 => assert!(!error.to_string().contains("secret"), "{error}"),
            other => panic!("{number}: {other:?}"),
        }
    }
    store.close().await;
}
