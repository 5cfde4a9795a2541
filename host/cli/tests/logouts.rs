//! What an operator does about logout tokens: looks at those that did not arrive, sends them again
//! or drops them, and changes keys.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test that can't go on is to fail at once")]

#[path = "lasting/callers.rs"]
#[allow(dead_code, reason = "the tests of crashes use the rest")]
mod callers;
mod common;

use std::path::{Path, PathBuf};
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use callers::{Api, event};
use common::receiver::{Token, hear, nobody};
use common::server::{Server, configuration};
use common::{Ran, folder, vestibule};
use serde_json::Value;
use tempfile::TempDir;
use vestibule::model::Timestamp;
use vestibule_sessions::{ReceiverShare, SqliteSettings, SqliteStore, Store as _};

/// Long enough for a machine that does much else; nothing depends on it but when a test that hangs
/// is given up.
const PATIENCE: Duration = Duration::from_secs(60);

/// A server whose application `shop` listens at this port, or doesn't.
struct Running {
    server: Server,
    file: PathBuf,
    _folder: TempDir,
}

impl Running {
    fn start(port: u16, more: &str) -> Self {
        let folder = folder();
        let configuration = format!(
            "logout = {{ allowed_networks = [\"127.0.0.0/8\"]{more} }}\n{}\n[[tenants.acme.clients]]\nclient_id = \"shop\"\n\
             oidc_logout = {{ backchannel_logout_urls = [\"http://127.0.0.1:{port}/logout?secret\"], \
             backchannel_logout_initiators = {{ mode = \"all\" }} }}\n",
            configuration()
        );
        let server = Server::start(&folder, &configuration);
        Self { server, file: folder.path().join("vestibule.toml"), _folder: folder }
    }

    async fn login_and_end(&self, session: &str) {
        let api = Api::at(self.server.port).await;
        assert_eq!(api.login(&event(session, "shop", &format!("txn_{session}"))).await.unwrap().status, 200);
        assert_eq!(api.end(session).await, 204);
    }

    fn run(&self, what: &[&str], more: &[&str]) -> Ran {
        vestibule(&[what, &["--config", self.file.to_str().unwrap()], more].concat())
    }

    /// It has to go well.
    fn done(&self, what: &[&str], more: &[&str]) -> String {
        let ran = self.run(what, more);
        assert_eq!(ran.code, Some(0), "{what:?}: {}", ran.stderr);
        ran.stdout
    }

    fn list(&self, more: &[&str]) -> Vec<Value> {
        serde_json::from_str(&self.done(&["logouts", "list", "--json"], more)).unwrap()
    }

    /// Waits until so many are in a state.
    fn waits_for(&self, state: &str, count: usize) -> Vec<Value> {
        let since = Instant::now();
        loop {
            let listed = self.list(&["--tenant", "acme", "--state", state]);
            if listed.len() == count {
                return listed;
            }
            assert!(since.elapsed() < PATIENCE, "{:?}", self.list(&[]));
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Takes up what was changed, as an operator has it do.
    fn reload(&mut self) {
        self.server.signal("HUP");
        self.server.wait_for("the configuration was read again");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_given_up_is_listed_and_shown_and_sent_again_or_dropped() {
    let port = nobody();
    let running = Running::start(port, ", give_up_after = \"1 s\"");
    running.login_and_end("sess_1").await;
    running.login_and_end("sess_2").await;
    let given_up = running.waits_for("given-up", 2);
    let of = |session: &str| given_up.iter().find(|delivery| delivery["session_id"] == session).unwrap()["id"].as_str().unwrap();
    let one = ["--tenant", "acme"];

    let listed = running.done(&["logouts", "list"], &[]);
    for word in ["sess_1", "sess_2", "shop", "given_up", "its host takes no connection", "to be sent, of all tenants: 0"] {
        assert!(listed.contains(word), "{word} is not in:\n{listed}");
    }
    let shown: Value = serde_json::from_str(&running.done(&["logouts", "show"], &[&one[..], &[of("sess_1")]].concat())).unwrap();
    assert_eq!(shown["receiver"], format!("http://127.0.0.1:{port}"), "and not what stands behind it: {shown}");
    assert_eq!(
        (&shown["attempts"], &shown["initiator"], &shown["state"]),
        (&1.into(), &"session-revoked".into(), &"given_up".into())
    );

    let few = running.run(&["logouts", "list", "--json"], &["--take", "1"]);
    assert!(few.stderr.contains("There are more than these"), "{}", few.stderr);
    assert!(serde_json::from_str::<Vec<Value>>(&few.stdout).is_ok_and(|few| few.len() == 1), "{}", few.stdout);
    let all = running.run(&["logouts", "list", "--json"], &["--take", "2"]);
    assert!(!all.stderr.contains("There are more"), "{}", all.stderr);

    let dropped = running.done(&["logouts", "drop"], &[&one[..], &[of("sess_2")]].concat());
    assert!(dropped.contains("it is forgotten"), "{dropped}");
    let heard = hear(port);
    let retried = running.done(&["logouts", "retry"], &[&one[..], &[of("sess_1")]].concat());
    assert!(retried.contains("it is due now"), "{retried}");
    let token = heard.recv_timeout(PATIENCE).expect("it is sent again");
    assert_eq!((token.claim("sid"), token.claim("delivery_id"), token.claim("aud")), ("sess_1", of("sess_1"), "shop"));
    let since = Instant::now();
    while !running.list(&[]).is_empty() {
        assert!(since.elapsed() < PATIENCE, "{:?}", running.list(&[]));
    }
    for what in ["show", "retry", "drop"] {
        let ran = running.run(&["logouts", what], &[&one[..], &[of("sess_2")]].concat());
        assert_eq!(ran.code, Some(1), "{what}");
        assert!(ran.stderr.contains("has no logout") && ran.stderr.contains("vestibule logouts list"), "{}", ran.stderr);
    }
    assert!(heard.try_recv().is_err(), "what was dropped is not sent");
    running.server.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_hears_any_more_is_not_sent_again_and_the_operator_is_told_why() {
    let port = nobody();
    let mut running = Running::start(port, ", give_up_after = \"1 s\"");
    running.login_and_end("sess_1").await;
    let id = running.waits_for("given-up", 1)[0]["id"].as_str().unwrap().to_owned();
    let one = ["--tenant", "acme", &id];
    let declared = std::fs::read_to_string(&running.file).unwrap();
    let elsewhere = declared.replace("/logout?secret", "/elsewhere");
    assert_ne!(declared, elsewhere);
    let without = declared.rsplit_once("[[tenants.acme.clients]]").unwrap().0.to_owned();
    for (configuration, why) in [(elsewhere, "client shop does not hear at this URL"), (without, "there is no client shop")] {
        std::fs::write(&running.file, configuration).unwrap();
        running.reload();
        let ran = running.run(&["logouts", "retry"], &one);
        assert_eq!(ran.code, Some(1), "{}", ran.stdout);
        assert!(ran.stderr.contains(why) && !ran.stderr.contains("secret"), "{}", ran.stderr);
        assert_eq!(running.list(&["--state", "given-up"]).len(), 1, "it is as it was");
    }
    running.server.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_drops_what_a_server_has_in_hand_is_told_that_it_may_be_sent() {
    let running = Running::start(nobody(), "");
    running.login_and_end("sess_1").await;
    // Another server of this database, which does not come back with it for a day.
    let store = SqliteStore::open(running.file.with_file_name("state").join("vestibule.db"), SqliteSettings::default()).unwrap();
    let tomorrow = Timestamp::now().plus(Duration::from_secs(86_400));
    let due = store.due_receivers(tomorrow, 10).await.unwrap().remove(0);
    let share = ReceiverShare { tenant: due.tenant, receiver: due.receiver, at_most: 10 };
    let until = tomorrow.plus(Duration::from_secs(86_400));
    let claimed = store.claim_deliveries(&[share], tomorrow, until).await.unwrap().claimed.remove(0);
    store.close().await;
    let dropped = running.done(&["logouts", "drop"], &["--tenant", "acme", &claimed.delivery.id.to_string()]);
    assert!(dropped.contains("a server has it in hand, and may send it all the same"), "{dropped}");
    assert!(running.list(&[]).is_empty());
    running.server.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_made_is_served_before_it_signs_and_one_that_is_imported_signs_and_the_one_before_is_served() {
    let port = nobody();
    let heard = hear(port);
    let mut running = Running::start(port, "");
    let first = kid(&running, &heard, "sess_1").await;
    let tenant = ["--tenant", "acme"];

    let rotated = running.done(&["keys", "rotate"], &tenant);
    let second = rotated.split(':').next().unwrap().to_owned();
    assert_ne!(first, second);
    running.reload();
    assert_eq!(kid(&running, &heard, "sess_2").await, first, "applications may not know the new one yet");
    assert_eq!(published(&running).await.iter().filter(|known| [&first, &second].contains(known)).count(), 2);
    let listed = running.done(&["keys", "list"], &tenant);
    assert!(listed.lines().any(|line| line.contains(&second) && line.contains("it is to sign")), "{listed}");
    let rotated = running.done(&["keys", "rotate", "--at-once"], &tenant);
    let second = rotated.split(':').next().unwrap().to_owned();
    running.reload();
    assert_eq!(kid(&running, &heard, "sess_3").await, second);

    let pem = running.file.with_file_name("platform.pem");
    write(&pem, &rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap().serialize_pem());
    let import = [&tenant[..], &["--pem", pem.to_str().unwrap(), "--key-id", "of-the-platform"]].concat();
    running.done(&["keys", "import"], &import);
    running.reload();
    assert_eq!(kid(&running, &heard, "sess_4").await, "of-the-platform");

    let published = published(&running).await;
    for id in [first.as_str(), &second, "of-the-platform"] {
        assert!(published.iter().any(|known| known == id), "{id} is not in {published:?}");
    }
    let listed = running.done(&["keys", "list"], &tenant);
    let listed: Vec<&str> = listed.lines().filter(|line| !line.trim().is_empty()).collect();
    assert_eq!(listed.len(), 5, "{listed:?}");
    let expected =
        [["of-the-platform", "ES256", "it signs"], [&second, "RS256", "Z"], ["", "RS256", "Z"], [&first, "RS256", "Z"]];
    for (line, words) in listed[1..].iter().zip(expected) {
        assert!(words.iter().all(|word| line.contains(word)), "{words:?} are not in {line:?}");
    }
    running.server.stop();
}

fn write(file: &Path, text: &str) {
    std::fs::write(file, text).unwrap();
}

/// The key that signs what this session's end sends.
async fn kid(running: &Running, heard: &Receiver<Token>, session: &str) -> String {
    running.login_and_end(session).await;
    let token = heard.recv_timeout(PATIENCE).expect("it is sent");
    assert_eq!(token.claim("sid"), session);
    token.header["kid"].as_str().unwrap().to_owned()
}

/// The ids of the keys that everybody can fetch.
async fn published(running: &Running) -> Vec<String> {
    let set = Api::at(running.server.port).await.get("/.well-known/jwks.json").await;
    set["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}
