//! Published programs that speak to a running server: clients of Auth0's Management API, which take
//! it for Auth0, and schemathesis, which holds it to its OpenAPI document. `tests/clients`.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test that lacks its parts is to fail at once")]

mod common;

use std::path::PathBuf;
use std::process::Command;

use common::server::{SECRET, Server, client, configuration};
use common::{file, folder, root};
use tempfile::TempDir;
use vestibule_test_artifacts as artifacts;

/// A server with TLS: tenant `acme` at `localhost`, and tenant `busy` at `127.0.0.1`, which takes
/// one request in a second.
struct Served {
    server: Server,
    folder: TempDir,
}

impl Served {
    fn start() -> Self {
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
        Self { server, folder }
    }

    /// Runs a program that is told where the server is, ends the server, and gives what both have
    /// told. The program has to succeed.
    fn hold_against(self, mut program: Command) -> String {
        let certificate = self.folder.path().join("chain.pem");
        // Each library of TLS has its own name for a certificate that is to be trusted.
        for name in ["VESTIBULE_CERTIFICATE", "NODE_EXTRA_CA_CERTS", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"] {
            program.env(name, &certificate);
        }
        let ran = program
            .env("VESTIBULE_DOMAIN", self.domain())
            .env("VESTIBULE_BUSY_DOMAIN", format!("127.0.0.1:{}", self.server.port))
            .env("VESTIBULE_SECRET", SECRET)
            .env("VESTIBULE_EVENT", root().join("examples/serve/login.json"))
            .env("VESTIBULE_ACTION", file(&self.folder, "writes-metadata.wasm", artifacts::WRITES_METADATA))
            .env("VESTIBULE_DENYING_ACTION", file(&self.folder, "denies.wasm", artifacts::DENIES))
            .output()
            .unwrap_or_else(|error| panic!("{}: {error}; run `tests/run`, which installs it", program.get_program().display()));
        let told = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let told = format!("{}\n{}\n{}", told(&ran.stdout), told(&ran.stderr), self.server.stop());
        assert!(ran.status.success(), "{told}");
        told
    }

    fn domain(&self) -> String {
        format!("localhost:{}", self.server.port)
    }
}

/// npm, in the folder of the clients.
fn npm(arguments: &[&str]) -> Command {
    let clients = root().join("tests/clients");
    let installed = ["auth0", "auth0-deploy-cli", "@redocly", "openapi-typescript"];
    let installed = installed.iter().all(|name| clients.join("node_modules").join(name).is_dir());
    assert!(installed, "the programs are not there: run `npm ci` in tests/clients, as tests/run does");
    let mut npm = Command::new("npm");
    npm.args(arguments).current_dir(clients);
    npm
}

/// Python with what `tests/clients/python/requirements.txt` names. `tests/run` installs it, and
/// says where.
fn python() -> Command {
    let python = std::env::var_os("VESTIBULE_PYTHON").map_or_else(|| "python3".into(), PathBuf::from);
    let has = Command::new(&python).args(["-c", "import auth0, datamodel_code_generator, schemathesis"]).output();
    assert!(
        has.is_ok_and(|has| has.status.success()),
        "{} lacks the clients: run `tests/run`, or set VESTIBULE_PYTHON to one that has tests/clients/python/requirements.txt",
        python.display()
    );
    let mut command = Command::new(python);
    command.env("PYTHONPATH", root().join("tests/clients/python")).env("PYTHONDONTWRITEBYTECODE", "1");
    command
}

#[test]
fn the_node_client_takes_it_for_auth0() {
    let told = Served::start().hold_against(npm(&["test"]));
    assert!(told.contains("pass 19") && told.contains("fail 0"), "{told}");
}

#[test]
fn the_python_client_takes_it_for_auth0() {
    let mut python = python();
    python.args(["-m", "unittest", "--verbose", "management_test"]);
    let told = Served::start().hold_against(python);
    assert!(told.contains("Ran 8 tests") && !told.contains("skipped"), "{told}");
}

#[test]
fn the_openapi_document_is_held_by_schemathesis() {
    let served = Served::start();
    let mut python = python();
    python
        .args(["-m", "schemathesis.cli", "--no-color", "--config-file"])
        .arg(root().join("tests/clients/python/schemathesis.toml"));
    python.arg("run").arg(format!("https://{}/openapi.json", served.domain())).current_dir(served.folder.path());
    if std::env::var_os("VESTIBULE_LONG").is_some() {
        python.args(["--max-examples", "2000"]);
    }
    let told = served.hold_against(python);
    assert!(told.contains("No issues found"), "{told}");
}

#[test]
fn auth0_deploy_cli_exports_and_imports_the_same() {
    let told = Served::start().hold_against(npm(&["run", "deploy"]));
    assert!(told.contains("exported the same again"), "{told}");
}

#[test]
fn the_openapi_document_is_clean_for_redocly() {
    let mut npm = npm(&["run", "lint"]);
    npm.env("REDOCLY_TELEMETRY", "off").env("REDOCLY_SUPPRESS_UPDATE_NOTICE", "true");
    let told = Served::start().hold_against(npm);
    assert!(told.contains("Your API description is valid") && !told.contains("Warning was generated"), "{told}");
}

#[test]
fn generated_clients_read_every_member_of_an_outcome() {
    let served = Served::start();
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
    for (name, component) in guests {
        file(&served.folder, &format!("{name}.wasm"), component);
    }
    let mut python = python();
    python.args(["-m", "unittest", "--verbose", "typed_test"]).env("VESTIBULE_GUESTS", served.folder.path());
    let told = served.hold_against(python);
    assert!(told.contains("Ran 2 tests") && !told.contains("skipped"), "{told}");
}
