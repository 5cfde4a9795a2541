//! A connection that breaks after a COMMIT was sent and before its answer has come.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use vestibule_sessions::{
    AttemptResult, Committed, Initiator, KnownSession, LogKind, PostgresSettings, PostgresStore, Store, StoreError,
};

use crate::parts::cluster::Cluster;
use crate::parts::logins::*;
use crate::parts::logouts::*;

/// Stands between a store and its server. It cuts connections whose COMMIT is under way.
struct Between {
    port: u16,
    /// COMMITs whose answers are still to be lost.
    cuts: Arc<AtomicU32>,
    /// The server is out of reach after the next one of them.
    stays_away: Arc<AtomicBool>,
}

impl Between {
    async fn start(cluster: &Cluster) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = cluster.folder().join(format!(".s.PGSQL.{}", cluster.port));
        let cuts = Arc::new(AtomicU32::new(0));
        let stays_away = Arc::new(AtomicBool::new(false));
        let (left, away) = (Arc::clone(&cuts), Arc::clone(&stays_away));
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                if away.load(Ordering::SeqCst) && left.load(Ordering::SeqCst) == 0 {
                    continue;
                }
                let server = UnixStream::connect(&server).await.unwrap();
                tokio::spawn(forward(client, server, Arc::clone(&left)));
            }
        });
        Self { port, cuts, stays_away }
    }

    async fn connect(&self) -> PostgresStore {
        let url = format!("postgres://postgres@127.0.0.1:{}/test_0", self.port);
        let settings = PostgresSettings { connections: 1, ..PostgresSettings::default() };
        PostgresStore::connect(&url, settings).await.unwrap()
    }

    fn cut(&self, count: u32) {
        self.cuts.store(count, Ordering::SeqCst);
    }
}

async fn forward(mut client: TcpStream, mut server: UnixStream, cuts: Arc<AtomicU32>) {
    let (mut asked, mut answered) = ([0; 65_536], [0; 65_536]);
    loop {
        tokio::select! {
            count = client.read(&mut asked) => {
                let Ok(count @ 1..) = count else { return };
                server.write_all(&asked[..count]).await.unwrap();
                if is_commit(&asked[..count]) && cuts.try_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok() {
                    // The server has committed when it says so; nobody hears it.
                    let mut said = Vec::new();
                    while !is_commit(&said) {
                        let count = server.read(&mut answered).await.unwrap();
                        assert!(count > 0, "the server should have committed");
                        said.extend_from_slice(&answered[..count]);
                    }
                    return;
                }
            }
            count = server.read(&mut answered) => {
                let Ok(count @ 1..) = count else { return };
                if client.write_all(&answered[..count]).await.is_err() {
                    return;
                }
            }
        }
    }
}

/// The statement, and the answer to it, are the same word.
fn is_commit(bytes: &[u8]) -> bool {
    bytes.windows(7).any(|word| word == b"COMMIT\0")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_with_a_transactions_id_is_told_apart_when_its_commits_answer_is_lost() {
    let cluster = Cluster::start();
    cluster.new_database().await;
    let between = Between::start(&cluster).await;
    let store = between.connect().await;
    for cuts in 1..=3 {
        between.cut(cuts);
        let name = format!("s{cuts}");
        let mut login = login(&name, at(1));
        login.transaction = Some(answered(transaction(&name), "answer".into()));
        login.log.push(entry(&name, at(1)));
        let committed = store.commit_login(login).await.unwrap();
        assert!(matches!(&committed, Committed::Repeated { answer } if &**answer == "answer"), "{committed:?}");
        between.cut(0);
        assert_eq!(find(&store, &name, at(2)).await.unwrap().revision, 1);
        assert_eq!(described(&log_of(&store, "acme").await).iter().filter(|entry| **entry == name).count(), 1);
    }
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cant_be_told_apart_is_unknown() {
    let cluster = Cluster::start();
    cluster.new_database().await;
    let between = Between::start(&cluster).await;
    let store = between.connect().await;
    between.cut(1);
    let error = store.commit_login(login("s1", at(1))).await.unwrap_err();
    assert!(matches!(error, StoreError::Unknown { .. }), "{error}");
    // It has happened, this time.
    assert_eq!(find(&store, "s1", at(2)).await.unwrap().revision, 1);
    between.cut(1);
    let error = store.end(&tenant("acme"), &id("s1"), Initiator::RpLogout, at(3)).await.unwrap_err();
    assert!(matches!(error, StoreError::Unknown { .. }), "{error}");
    assert!(matches!(known(&store, "s1", at(4)).await, KnownSession::Ended(_)));
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_is_unknown_when_the_server_stays_away_after_its_commit() {
    let cluster = Cluster::start();
    cluster.new_database().await;
    let between = Between::start(&cluster).await;
    // The only connection is the one that breaks.
    let store = between.connect().await;
    commit(&store, login("s1", at(1))).await;
    between.stays_away.store(true, Ordering::SeqCst);
    between.cut(1);
    let mut last = login("s1", at(2));
    last.transaction = Some(answered(transaction("t1"), "answer".into()));
    let error = store.commit_login(last).await.unwrap_err();
    assert!(matches!(error, StoreError::Unknown { .. }), "{error}");
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_end_whose_commits_answer_is_lost_owes_once() {
    let cluster = Cluster::start();
    cluster.new_database().await;
    let between = Between::start(&cluster).await;
    let store = between.connect().await;
    subscribe(&store, "shop", &["https://shop.example/out"]).await;
    commit(&store, login("s1", at(1))).await;
    between.cut(1);
    let error = store.end(&tenant("acme"), &id("s1"), Initiator::RpLogout, at(2)).await.unwrap_err();
    assert!(matches!(error, StoreError::Unknown { .. }), "{error}");
    assert!(!store.end(&tenant("acme"), &id("s1"), Initiator::RpLogout, at(3)).await.unwrap());
    assert_eq!(all(&store).await.len(), 1);
    // A sweep is tried again by itself, and finds what it has done.
    let mut expires = login("s2", at(1));
    expires.session.as_mut().unwrap().expires_at = Some(at(5));
    commit(&store, expires).await;
    between.cut(1);
    store.sweep(at(6), keep_all(), 10).await.unwrap();
    assert_eq!((all(&store).await.len(), lines(&store, LogKind::Logout).await.len()), (2, 2));
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_whose_answer_is_lost_is_due_again_and_an_attempt_that_cant_be_settled_is_unknown() {
    let cluster = Cluster::start();
    cluster.new_database().await;
    let between = Between::start(&cluster).await;
    let store = between.connect().await;
    subscribe(&store, "shop", &["https://shop.example/out"]).await;
    end_one(&store, "s1", &["shop"], at(1)).await;
    between.cut(1);
    assert!(claim(&store, 10, at(2), at(50)).await.is_empty());
    let claimed = claim(&store, 10, at(50), at(90)).await.remove(0);
    assert_eq!(claimed.delivery.attempts, 2);
    between.cut(1);
    let settling = vec![settled(&claimed, AttemptResult::Delivered, at(51))];
    let error = store.settle_deliveries(settling.clone(), at(51)).await.unwrap_err();
    assert!(matches!(error, StoreError::Unknown { .. }), "{error}");
    // It has happened, this time; the log tells of it once.
    assert_eq!(store.settle_deliveries(settling, at(52)).await.unwrap(), [false]);
    assert!(all(&store).await.is_empty());
    assert_eq!(lines(&store, LogKind::LogoutDelivered).await.len(), 1);
    store.close().await;
}
