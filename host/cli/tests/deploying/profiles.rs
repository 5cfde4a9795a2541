//! Profiles, and what is said when a server can't be called by one.

use std::os::unix::fs::PermissionsExt as _;

use serde_json::json;

use crate::common::receiver::nobody;
use crate::common::server::{SECRET, Server, configuration};
use crate::world::{Person, World, deployer};

#[test]
fn profiles_are_added_listed_and_removed_without_their_secrets() {
    let person = Person::new();
    person.knows("acme", "https://acme.example.com/", "hunter2", &[]);
    person.knows("globex", "http://127.0.0.1:8180", "hunter3", &[]);
    let listed = person.run(&["profile", "list", "--json"]);
    let expected = json!([
        { "tenant": "acme", "url": "https://acme.example.com", "client_id": "deployer", "ca": null },
        { "tenant": "globex", "url": "http://127.0.0.1:8180", "client_id": "deployer", "ca": null },
    ]);
    assert_eq!(listed.json(), expected);
    let table = person.run(&["profile", "list"]).stdout;
    assert!(table.contains("acme") && !table.contains("hunter"), "{table}");
    let file = person.profiles().join("profiles.toml");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(std::fs::metadata(person.profiles()).unwrap().permissions().mode() & 0o777, 0o700);

    assert_eq!(person.run(&["profile", "remove", "acme"]).code, Some(0));
    let again = person.run(&["profile", "remove", "acme"]);
    assert!(again.code == Some(1) && again.stderr.contains("there is no profile acme"), "{}", again.stderr);
    assert!(!std::fs::read_to_string(&file).unwrap().contains("hunter2"), "its secret is forgotten as well");
}

#[test]
fn a_secret_goes_nowhere_unencrypted_and_comes_by_no_argument() {
    let person = Person::new();
    let add = ["profile", "add", "acme", "--client-id", "deployer", "--url"];
    let plain = person.run_with_input(&[&add[..], &["http://acme.example.com"]].concat(), "hunter2");
    assert!(plain.code == Some(2) && plain.stderr.contains("http is for this machine alone"), "{}", plain.stderr);
    let none = person.run_with_input(&[&add[..], &["https://acme.example.com"]].concat(), "");
    assert!(none.code == Some(1) && none.stderr.contains("there is no secret on standard input"), "{}", none.stderr);
    let argument = person.run(&[&add[..], &["https://acme.example.com", "--client-secret", "hunter2"]].concat());
    assert_eq!(argument.code, Some(2), "{}", argument.stderr);
    assert!(!person.profiles().exists());
}

#[test]
fn who_has_no_profile_or_no_server_is_told_what_to_do() {
    let person = Person::new();
    let list = ["actions", "list", "--tenant", "acme"];
    let unknown = person.run(&list);
    assert!(unknown.code == Some(1) && unknown.stderr.contains("vestibule profile add acme --url"), "{}", unknown.stderr);
    assert_eq!(person.run(&["actions", "list"]).code, Some(2), "no tenant is meant unless it is named");
    person.knows("acme", &format!("http://localhost:{}", nobody()), SECRET, &[]);
    let away = person.run(&list);
    assert!(
        away.code == Some(1)
            && away.stderr.contains("can't be reached")
            && away.stderr.contains("help: does it run there?")
            && !away.stderr.contains(SECRET),
        "{}",
        away.stderr
    );
}

#[test]
fn every_command_says_how_it_is_used_and_completes() {
    let person = Person::new();
    for command in
        ["profile", "deploy", "actions", "bindings", "secrets", "policy", "executions", "logs", "export", "apply", "import"]
    {
        let help = person.run(&[command, "--help"]);
        assert!(
            help.code == Some(0) && help.stdout.contains(&format!("Usage: vestibule {}", command.replace("import", "apply"))),
            "{command}: {}",
            help.stdout
        );
    }
    let help = person.run(&["--help"]).stdout;
    for words in ["vestibule deploy . --tenant acme --bind", "vestibule apply acme --tenant acme"] {
        assert!(help.contains(words), "{words} is not in:\n{help}");
    }
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = person.run(&["completions", shell]);
        assert!(
            script.code == Some(0) && script.stdout.contains("accept-capabilities") && script.stdout.contains("rollback"),
            "{shell}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_secret_and_too_small_a_scope_are_told() {
    let world = World::start().await;
    let url = format!("http://localhost:{}", world.server.port);
    world.person.knows("acme", &url, "another secret", &[]);
    let wrong = world.refused(&["actions", "list"]);
    assert!(wrong.contains("gives client deployer no token") && !wrong.contains("another secret"), "{wrong}");
    let add = ["profile", "add", "acme", "--url", url.as_str(), "--client-id", "reader"];
    assert_eq!(world.person.run_with_input(&add, SECRET).code, Some(0));
    let small = world.refused(&["actions", "list"]);
    assert!(small.contains("insufficient_scope") && small.contains("read:actions"), "{small}");
    assert!(small.contains("help: the operator gives a client its `scopes`"), "{small}");
    world.server.stop();
}

#[test]
fn a_server_of_a_private_authority_is_trusted_where_it_is_named_and_nowhere_else() {
    let person = Person::new();
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let chain = person.component("chain.pem", made.cert.pem().as_bytes());
    person.component("key.pem", made.signing_key.serialize_pem().as_bytes());
    let other = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let other = person.component("other.pem", other.cert.pem().as_bytes());
    let tls = "tls = { certificate = \"chain.pem\", key = \"key.pem\" }\n";
    let server = Server::start(&person.folder, &format!("{tls}{}\n{}", configuration(), deployer()));
    let list = ["actions", "list", "--tenant", "acme", "--json"];

    person.knows("acme", &format!("https://localhost:{}", server.port), SECRET, &["--ca", &chain]);
    let trusted = person.run(&list);
    assert_eq!((trusted.code, trusted.json()), (Some(0), json!([])), "{}", trusted.stderr);
    let distrusted = person.run(&[&list[..], &["--ca", &other]].concat());
    assert!(distrusted.code == Some(1) && distrusted.stderr.contains("can't be reached"), "{}", distrusted.stderr);
    person.knows("acme", &format!("https://localhost:{}", server.port), SECRET, &[]);
    let unknown = person.run(&list);
    assert!(unknown.code == Some(1) && unknown.stderr.contains("https://localhost"), "{}", unknown.stderr);
    assert_eq!(person.run(&[&list[..], &["--ca", &chain]].concat()).code, Some(0));
    server.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_too_often_waits_as_long_as_the_server_says() {
    let person = Person::new();
    let configuration = configuration().replace("per_second = 10000, burst = 10000", "per_second = 2, burst = 2");
    let server = Server::start(&person.folder, &format!("{configuration}\n{}", deployer()));
    person.knows("acme", &format!("http://localhost:{}", server.port), SECRET, &[]);
    for _ in 0..4 {
        let listed = person.run(&["actions", "list", "--tenant", "acme"]);
        assert_eq!(listed.code, Some(0), "{}", listed.stderr);
    }
    server.stop();
}
