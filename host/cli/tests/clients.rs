//! Published clients of Auth0's Management API, which take a running server for Auth0: `tests/clients`.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test that lacks its parts is to fail at once")]

mod common;

use std::process::Command;

use common::server::{SECRET, Server, client, configuration};
use common::{folder, root};

#[test]
fn the_node_client_takes_it_for_auth0() {
    let clients = root().join("tests/clients");
    assert!(
        clients.join("node_modules/auth0").is_dir(),
        "the client is not there: run `npm ci` in tests/clients, as tests/run does"
    );
    let folder = folder();
    let certified = rcgen::generate_simple_self_signed(["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
    std::fs::write(folder.path().join("chain.pem"), certified.cert.pem()).unwrap();
    std::fs::write(folder.path().join("key.pem"), certified.signing_key.serialize_pem()).unwrap();
    let tls = "tls = { certificate = \"chain.pem\", key = \"key.pem\" }\n";
    let busy = format!(
        "[tenants.busy]\nhosts = [\"127.0.0.1\"]\nrate = {{ per_second = 1, burst = 1 }}\n[[tenants.busy.clients]]\n{}",
        client()
    );
    let server = Server::start(&folder, &format!("{tls}{}{busy}", configuration()));
    let port = server.port;
    let ran = Command::new("node")
        .args(["--test", "--test-reporter=spec", "management.test.js"])
        .current_dir(&clients)
        .env("NODE_EXTRA_CA_CERTS", folder.path().join("chain.pem"))
        .env("VESTIBULE_DOMAIN", format!("localhost:{port}"))
        .env("VESTIBULE_BUSY_DOMAIN", format!("127.0.0.1:{port}"))
        .env("VESTIBULE_SECRET", SECRET)
        .env("VESTIBULE_EVENT", root().join("examples/serve/login.json"))
        .output()
        .expect("node can be run");
    let told = format!("{}\n{}\n{}", String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr), server.stop());
    assert!(ran.status.success(), "{told}");
    assert!(told.contains("pass 7") && told.contains("fail 0"), "{told}");
}
