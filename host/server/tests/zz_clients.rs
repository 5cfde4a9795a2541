//! Temporary.
#![allow(clippy::unwrap_used, missing_docs)]
mod common;
use vestibule_test_artifacts as artifacts;
#[tokio::test(flavor = "multi_thread")]
async fn run() {
    let folder = tempfile::tempdir().unwrap();
    let certified = rcgen::generate_simple_self_signed(["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
    std::fs::write(folder.path().join("chain.pem"), certified.cert.pem()).unwrap();
    std::fs::write(folder.path().join("key.pem"), certified.signing_key.serialize_pem()).unwrap();
    common::write_components(folder.path());
    let guests: [(&str, &[u8]); 8] = [
        ("every_effect", artifacts::EVERY_EFFECT),
        ("revokes", artifacts::REVOKES),
        ("denies", artifacts::DENIES),
        ("panics", artifacts::PANICS),
        ("returns_an_error", artifacts::RETURNS_AN_ERROR),
        ("floods_the_log", artifacts::FLOODS_THE_LOG),
        ("grows_memory", artifacts::GROWS_MEMORY),
        ("sends_requests", artifacts::SENDS_REQUESTS),
    ];
    for (name, bytes) in guests {
        std::fs::write(folder.path().join(format!("{name}.wasm")), bytes).unwrap();
    }
    let text = format!("tls = {{ certificate = \"chain.pem\", key = \"key.pem\" }}\n{}", common::configuration(""));
    let server = common::try_start(folder.path(), &text).await.unwrap();
    let domain = format!("localhost:{}", server.address().port());
    let path = folder.path().to_owned();
    tokio::task::spawn_blocking(move || {
        let mut command = std::process::Command::new("bash");
        command.arg("/tmp/team/tq/clients.sh");
        for name in ["VESTIBULE_CERTIFICATE", "NODE_EXTRA_CA_CERTS", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"] {
            command.env(name, path.join("chain.pem"));
        }
        command
            .env("VESTIBULE_DOMAIN", domain)
            .env("VESTIBULE_SECRET", common::SECRET)
            .env("VESTIBULE_EVENT", "/work/main/examples/serve/login.json")
            .env("VESTIBULE_GUESTS", &path);
        command.status().unwrap();
    })
    .await
    .unwrap();
    server.stop().await;
}
