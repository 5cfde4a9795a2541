//! `vestibule serve`, `check` and `hash-secret`, as an operator uses them.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test that lacks its parts is to fail at once")]

mod common;

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use common::server::{SECRET, Server, configuration};
use common::{file, folder, root, vestibule, vestibule_with_input};
use vestibule_test_artifacts as artifacts;

#[test]
fn the_lines_of_the_examples_readme_work_as_they_stand() {
    let readme = std::fs::read_to_string(root().join("examples/serve/README.md")).unwrap();
    let lines = |place| readme.split("```sh\n").nth(place).and_then(|rest| rest.split("```").next()).expect("it has its lines");
    let (curls, deploys) = (lines(2), lines(3));
    assert!(curls.matches("curl").count() == 4 && deploys.contains("vestibule deploy"), "{readme}");
    // The example itself, in a folder of its own and at a port that is free.
    let folder = folder();
    let toml = std::fs::read_to_string(root().join("examples/serve/vestibule.toml")).unwrap();
    let examples = root().join("examples");
    let toml = toml.replace("127.0.0.1:8180", "127.0.0.1:0").replace("\"../", &format!("\"{}/", examples.display()));
    let config = file(&folder, "vestibule.toml", toml.as_bytes());
    let server = Server::run(config.as_ref());
    let script = format!("set -eu\n{curls}{deploys}").replace("localhost:8180", &format!("localhost:{}", server.port));
    let script = script.replace("vestibule ", &format!("{} ", env!("CARGO_BIN_EXE_vestibule")));
    let ran = Command::new("sh").args(["-c", &script]).current_dir(root()).env("VESTIBULE_CONFIG_DIR", folder.path()).output();
    let ran = ran.expect("sh can be run");
    let told = String::from_utf8_lossy(&ran.stdout);
    assert!(ran.status.success(), "{told}\n{}", String::from_utf8_lossy(&ran.stderr));
    assert!(told.contains("\"decision\":\"allow\""), "{told}");
    assert!(told.contains("\"session_metadata\":{\"org_id\":\"org_abc123\""), "{told}");
    assert!(told.contains("\"session_metadata\":{\"tier\":\"gold\"}"), "{told}");
    assert!(told.contains("device-name version 1 is deployed for tenant acme\n"), "{told}");
    assert!(told.contains("{\"name\":\"device-name\",\"version\":\"1\"") && told.contains("device-name: deleted"), "{told}");
    assert!(server.stop().contains("ended"));
}

#[test]
fn the_server_may_open_as_many_files_as_its_user_may_and_says_how_many() {
    let folder = folder();
    let config = file(&folder, "vestibule.toml", configuration().as_bytes());
    file(&folder, "action.wasm", vestibule_test_artifacts::ORGANIZATION_SESSION_METADATA);
    let mut command = Command::new("sh");
    let script = "ulimit -Sn 100 && ulimit -Hn 1000 && exec \"$0\" serve --config \"$1\"";
    command.args(["-c", script, env!("CARGO_BIN_EXE_vestibule"), &config]);
    let server = Server::of(command);
    assert!(server.start_line.contains(" open_files=1000"), "{}", server.start_line);
    server.stop();
}

#[test]
fn a_configuration_is_read_again_and_one_that_is_wrong_changes_nothing() {
    let folder = folder();
    let mut server = Server::start(&folder, &configuration());
    let health = |host: &str| {
        let url = format!("http://127.0.0.1:{}/.well-known/jwks.json", server.port);
        let ran = Command::new("curl")
            .args(["-s", "-o", "/dev/null", "-w", "%{http_code}", "-H", &format!("Host: {host}"), &url])
            .output();
        String::from_utf8(ran.expect("curl can be run").stdout).unwrap()
    };
    assert_eq!((health("localhost"), health("new.example")), ("200".to_owned(), "404".to_owned()));
    let with_new = configuration().replace("hosts = [\"localhost\"]", "hosts = [\"localhost\", \"new.example\"]");
    std::fs::write(folder.path().join("vestibule.toml"), with_new).unwrap();
    server.signal("HUP");
    server.wait_for("was read again");
    let url = format!("http://127.0.0.1:{}/.well-known/jwks.json", server.port);
    let asked = Command::new("curl").args(["-s", "-H", "Host: new.example", &url]).output().unwrap();
    assert!(String::from_utf8_lossy(&asked.stdout).contains("ES256"));
    std::fs::write(folder.path().join("vestibule.toml"), "listen = 1").unwrap();
    server.signal("HUP");
    let told = server.wait_for("could not be read again");
    assert!(told.contains("vestibule.toml:1:1: the configuration has no `tenants`"), "{told}");
    let asked = Command::new("curl").args(["-s", "-H", "Host: new.example", &url]).output().unwrap();
    assert!(String::from_utf8_lossy(&asked.stdout).contains("ES256"));
    server.stop();
}

#[test]
fn a_server_that_ends_says_so_while_it_takes_requests() {
    let folder = folder();
    let configuration = configuration().replace("drain = \"0 s\"", "drain = \"15 s\"");
    let mut server = Server::start(&folder, &configuration);
    let ask = |path: &str| {
        let url = format!("http://localhost:{}{path}", server.port);
        let ran = Command::new("curl").args(["-s", "-w", " %{http_code}", &url]).output().expect("curl can be run");
        assert!(ran.status.success(), "a connection is taken: {ran:?}");
        String::from_utf8(ran.stdout).unwrap()
    };
    assert!(ask("/readyz").ends_with(" 200"));
    server.signal("TERM");
    let said = loop {
        let said = ask("/readyz");
        if !said.ends_with(" 200") {
            break said;
        }
    };
    assert!(said.contains("\"errorCode\":\"shutting_down\"") && said.ends_with(" 503"), "{said}");
    assert!(ask("/.well-known/jwks.json").ends_with(" 200"), "it serves as before");
    // The second signal is for those who don't want to wait.
    server.wait_for("takes requests for a while");
    assert!(server.stop().contains("ended"));
}

#[test]
fn a_signal_to_end_counts_before_the_server_has_started() {
    let folder = folder();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    file(&folder, "url", format!("postgres://postgres@{free}/none?sslmode=disable").as_bytes());
    file(&folder, "action.wasm", artifacts::ORGANIZATION_SESSION_METADATA);
    let configuration = format!("store = {{ postgres = {{ file = \"url\" }} }}\n{}", configuration());
    let config = file(&folder, "vestibule.toml", configuration.as_bytes());
    let mut command = Command::new(env!("CARGO_BIN_EXE_vestibule"));
    let mut child = command.args(["serve", "--config", &config]).stderr(Stdio::piped()).spawn().expect("it can be run");
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
    let waits = lines.find(|line| line.contains("it is tried again"));
    assert!(waits.is_some_and(|line| line.contains("can't be reached")), "it waits for its database");
    let sent = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().expect("kill can be run");
    assert!(sent.success());
    let rest: Vec<String> = lines.collect();
    assert!(child.wait().unwrap().success(), "{rest:?}");
    assert!(rest.iter().any(|line| line.contains("ended before it had started")), "{rest:?}");
}

#[test]
fn check_tells_every_mistake_with_its_line_and_what_to_do() {
    let folder = folder();
    let text = "listen = \"127.0.0.1\"\nlog = \"xml\"\nlisten_to = 1\n\n[limits]\nmemory = \"2 GiB\"\nspeed = 1\n\n[tenants.acme]\n\
                hosts = [\"https://acme.example\"]\nidle_lifetime = \"30 d\"\n\n[[tenants.acme.actions]]\ncomponent = \"missing.wasm\"\n\
                secrets = { KEY = \"the secret itself\" }\n\n[[tenants.acme.clients]]\nclient_id = \"platform\"\nsecret_hash = \"hunter2\"\n\
                scopes = [\"read:everything\"]\n";
    let config = file(&folder, "vestibule.toml", text.as_bytes());
    let ran = vestibule(&["check", "--config", &config]);
    assert_eq!(ran.code, Some(1));
    for told in [
        ":1:10: `listen`",
        ":2:7: `log` can't be \"xml\"",
        ":3:1: `listen_to` is not known",
        ":6:10: the limit `memory` can't be 2,048 MiB: at most 1,024 MiB is possible",
        ":7:1: there is no limit `speed` here",
        ":10:10: `tenants.acme.hosts`: not a host's name",
        ":11:17: a session can't idle for longer than it lives",
        "missing.wasm is not there",
        ":15:",
        ":19:15: `secret_hash` is no argon2id hash",
        ":20:11: `tenants.acme.clients.scopes`: not a scope",
    ] {
        assert!(ran.stderr.contains(told), "{told:?} is not in:\n{}", ran.stderr);
    }
    assert!(
        ran.stderr.contains("help: ") && !ran.stderr.contains("hunter2") && !ran.stderr.contains("the secret itself"),
        "{}",
        ran.stderr
    );
    let right = vestibule(&["check", "--config", "examples/serve/vestibule.toml"]);
    assert_eq!(
        (right.code, right.stdout.as_str()),
        (Some(0), "examples/serve/vestibule.toml is right: tenants: 1, Actions: 2\n")
    );
}

#[test]
fn check_finds_what_serve_would_refuse() {
    let folder = folder();
    file(&folder, "a.wasm", artifacts::WRITES_METADATA);
    file(&folder, "no.pem", b"no certificate");
    file(&folder, "keys.json", b"{}");
    let text = "listen = \"127.0.0.1:0\"\ntls = { certificate = \"no.pem\", key = \"no.pem\" }\nstore = { postgres = { env = \"NO_STORE\" } }\n\
                secrets_key = { env = \"NO_KEYS\" }\n\n[tenants.acme]\nhosts = [\"acme.example\"]\n\n[[tenants.acme.actions]]\n\
                component = \"a.wasm\"\nsecrets = { API_KEY = { env = \"NO_API_KEY\" } }\n\n[[tenants.acme.issuers]]\n\
                issuer = \"https://issuer.example/\"\nscopes = [\"read:logs\"]\njwks = \"keys.json\"\n\n[[tenants.acme.streams]]\nname = \"siem\"\n\
                webhook = { url = \"https://siem.example/\", secret = { env = \"NO_SIEM\" } }\n\n[[tenants.acme.clients]]\n\
                client_id = \"shop\"\noidc_logout = { backchannel_logout_urls = [\"https://shop.example/logout\"] }\n";
    let config = file(&folder, "vestibule.toml", text.as_bytes());
    let ran = vestibule(&["check", "--config", &config]);
    assert_eq!(ran.code, Some(1), "{}{}", ran.stdout, ran.stderr);
    for found in [
        "the certificate can't be used",
        "the environment has no variable NO_STORE",
        "NO_KEYS",
        "the secret API_KEY of the Action in line",
        "the environment has no variable NO_API_KEY",
        "the keys of https://issuer.example/ can't be read",
        "the secret of the stream siem",
        "Warning tenant acme: the client shop hears of `rp-logout` alone",
    ] {
        assert!(ran.stderr.contains(found), "{found:?} is not in:\n{}", ran.stderr);
    }
}

#[test]
fn check_reads_the_signing_keys_and_the_files_of_streams_as_serve_does() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = folder();
    file(&folder, "a.wasm", artifacts::WRITES_METADATA);
    let text = "listen = \"127.0.0.1:0\"\n\n[tenants.acme]\nhosts = [\"acme.example\"]\n\n[[tenants.acme.actions]]\n\
                component = \"a.wasm\"\n\n[[tenants.acme.streams]]\nname = \"lines\"\nfile = { path = \"acme.jsonl\" }\n";
    let config = file(&folder, "vestibule.toml", text.as_bytes());
    let check = || vestibule(&["check", "--config", &config]);
    let fresh = check();
    assert_eq!((fresh.code, fresh.stderr.as_str()), (Some(0), ""), "{}", fresh.stdout);
    assert!(!folder.path().join("state").exists(), "nothing is made");
    for purpose in ["access", "logout"] {
        let made = vestibule(&["keys", "rotate", "--config", &config, "--tenant", "acme", "--for", purpose]);
        assert_eq!(made.code, Some(0), "{}", made.stderr);
    }
    assert_eq!(check().code, Some(0));
    let of_access = folder.path().join("state/keys/acme.access");
    let key = std::fs::read_dir(&of_access).unwrap().next().unwrap().unwrap().path();
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
    std::fs::write(folder.path().join("state/keys/acme.logout/broken.json"), "no key").unwrap();
    let broken = folder.path().join("state/keys/acme.logout/broken.json");
    std::fs::set_permissions(&broken, std::fs::Permissions::from_mode(0o600)).unwrap();
    std::fs::write(folder.path().join("acme.jsonl"), "a shopping list").unwrap();
    let ran = check();
    assert_eq!(ran.code, Some(1), "{}{}", ran.stdout, ran.stderr);
    for found in [
        "can be read by others (mode 644)",
        "the signing key in keys/acme.logout/broken.json can't be used",
        "Warning tenant acme: the stream lines can't be written to ",
        "it ends with something that is no line of JSON",
    ] {
        assert!(ran.stderr.contains(found), "{found:?} is not in:\n{}", ran.stderr);
    }
}

#[test]
fn a_secret_is_hashed_with_a_salt_of_its_own() {
    let first = vestibule_with_input(&["hash-secret"], SECRET);
    let second = vestibule_with_input(&["hash-secret"], SECRET);
    assert!(first.stdout.starts_with("$argon2id$") && first.stdout != second.stdout);
    let none = vestibule_with_input(&["hash-secret"], "");
    assert_eq!(none.code, Some(1));
    assert!(none.stderr.contains("there is no secret on standard input"));
}
