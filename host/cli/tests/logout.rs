//! Published OpenID Connect applications are logged out by a running server:
//! `tests/clients/logout`.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test that lacks its parts is to fail at once")]

mod common;

use std::fs::File;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use common::{file, folder, root};
use vestibule_test_artifacts as artifacts;

/// Long enough for a machine that does much else: it takes half a minute. What takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(300);

#[test]
fn published_applications_end_their_sessions_when_a_token_tells_them_to() {
    let clients = root().join("tests/clients/logout");
    assert!(
        clients.join("node_modules/oidc-provider").is_dir(),
        "the applications are not there: run `npm ci` in tests/clients/logout, as tests/run does"
    );
    let folder = folder();
    let component = file(&folder, "organization-session-metadata.wasm", artifacts::ORGANIZATION_SESSION_METADATA);
    let told = folder.path().join("told");
    let output = File::create(&told).unwrap();
    let mut node = Command::new("node")
        .arg("run.js")
        .current_dir(&clients)
        .env("VESTIBULE_BIN", env!("CARGO_BIN_EXE_vestibule"))
        .env("VESTIBULE_COMPONENT", component)
        .stdin(Stdio::null())
        .stdout(output.try_clone().unwrap())
        .stderr(output)
        .spawn()
        .expect("node can be run");
    let since = Instant::now();
    let ended = loop {
        if let Some(ended) = node.try_wait().unwrap() {
            break Some(ended);
        }
        if since.elapsed() > PATIENCE {
            // It ends what it has started.
            let _ = Command::new("kill").args(["-TERM", &node.id().to_string()]).status();
            let _ = node.wait();
            break None;
        }
        std::thread::sleep(Duration::from_millis(50));
    };
    let told = std::fs::read_to_string(told).unwrap();
    assert!(ended.is_some_and(|ended| ended.success()), "{ended:?}\n{told}");
    assert!(told.contains("fail 0") && told.contains("skipped 0") && !told.contains("pass 0"), "{told}");
}
