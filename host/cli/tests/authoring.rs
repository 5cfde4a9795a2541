//! An author's day in an empty folder outside of the repository: new, test, dev.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test that lacks its parts is to fail at once")]

mod common;

use common::author::{Dev, cargo, replace, vestibule};
use common::folder;

#[test]
fn every_template_builds_tests_and_runs_as_it_is_without_a_warning() {
    let folder = folder();
    for template in ["session-metadata", "claims", "deny", "blank"] {
        let name = format!("my-{template}");
        let made = vestibule(folder.path(), &["new", &name, "--template", template]);
        assert_eq!(made.code, Some(0), "{}", made.stderr);
        let crate_folder = folder.path().join(&name);
        let tested = vestibule(&crate_folder, &["test"]);
        assert_eq!(tested.code, Some(0), "{}{}", tested.stdout, tested.stderr);
        assert!(tested.stdout.contains(" 0 failed") && !tested.stderr.contains("warning"), "{}", tested.stderr);
        let native = cargo(&crate_folder, &["test", "--quiet"]);
        assert!(native.code == Some(0) && native.stdout.contains("test result: ok"), "{}{}", native.stdout, native.stderr);
        assert!(!native.stderr.contains("warning"), "{}", native.stderr);
        let formatted = cargo(&crate_folder, &["fmt", "--check"]);
        assert_eq!(formatted.code, Some(0), "{}", formatted.stdout);
    }
}

#[test]
fn nothing_is_overwritten_and_a_bad_name_is_told_its_rule() {
    let folder = folder();
    assert_eq!(vestibule(folder.path(), &["new", "gate", "--template", "blank"]).code, Some(0));
    let again = vestibule(folder.path(), &["new", "gate"]);
    assert!(again.code == Some(1) && again.stderr.contains("gate exists already; choose another name"), "{}", again.stderr);
    for (name, words) in
        [("2fa", "begins with a letter"), ("Gate", "letters a to z"), ("test", "Rust has something of that name")]
    {
        let refused = vestibule(folder.path(), &["new", name]);
        assert!(refused.code == Some(1) && refused.stderr.contains(words), "{name}: {}", refused.stderr);
        assert!(!folder.path().join(name).exists());
    }
    let sdk = vestibule(folder.path(), &["new", "other", "--sdk", "nowhere"]);
    assert!(sdk.code == Some(1) && sdk.stderr.contains("neither a version nor the folder"), "{}", sdk.stderr);
}

#[test]
fn the_sdk_is_a_version_or_a_folder_as_it_is_asked_for() {
    let folder = folder();
    assert_eq!(vestibule(folder.path(), &["new", "gate", "--sdk", "0.1.7"]).code, Some(0));
    let manifest = std::fs::read_to_string(folder.path().join("gate/Cargo.toml")).expect("the manifest is there");
    assert!(manifest.contains("vestibule-sdk = \"0.1.7\""), "{manifest}");
}

#[test]
fn a_case_that_fails_shows_what_differs_and_blessing_expects_it() {
    let folder = folder();
    vestibule(folder.path(), &["new", "judged", "--template", "deny"]);
    let gate = folder.path().join("judged");
    replace(&gate.join("src/lib.rs"), "your work address", "your office address");
    let ran = vestibule(&gate, &["test"]);
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    assert!(ran.stdout.contains("another-address  FAILED") && ran.stdout.contains("1 passed, 1 failed"), "{}", ran.stdout);
    assert!(ran.stdout.contains("-   \"reason\": \"Please log in with your work address.\""), "{}", ran.stdout);
    assert!(ran.stdout.contains("+   \"reason\": \"Please log in with your office address.\""), "{}", ran.stdout);
    assert!(vestibule(&gate, &["test", "--bless"]).stdout.contains("another-address  blessed"));
    assert_eq!(vestibule(&gate, &["test"]).code, Some(0));

    std::fs::write(gate.join("cases/another-address/event.json"), "{").expect("the case can be written");
    std::fs::remove_file(gate.join("cases/a-work-address/expected.json")).expect("the case is there");
    let ran = vestibule(&gate, &["test"]);
    assert!(ran.stdout.contains("event.json: the event is wrong"), "{}", ran.stdout);
    assert!(ran.stdout.contains("nothing is expected yet; `--bless` writes this"), "{}", ran.stdout);
    let context = gate.join("cases/a-work-address/context.json");
    std::fs::write(&context, r#"{ "configuration": { "domain": "acme.example" } }"#).expect("the case can be written");
    let ran = vestibule(&gate, &["test", "--case", "a-work-address"]);
    assert!(ran.stdout.contains("not of acme.example"), "{}", ran.stdout);
    std::fs::write(&context, r#"{ "time": "noon" }"#).expect("the case can be written");
    let ran = vestibule(&gate, &["test", "--case", "a-work-address"]);
    assert!(ran.stdout.contains("it can have `at`, `secrets`, `configuration` and `allow`"), "{}", ran.stdout);
    let ran = vestibule(&gate, &["test", "--case", "no-such"]);
    assert!(ran.stderr.contains("has no case no-such; it has a-work-address, another-address"), "{}", ran.stderr);
    std::fs::remove_dir_all(gate.join("cases")).expect("the cases are there");
    let ran = vestibule(&gate, &["test"]);
    assert!(ran.stderr.contains("put a login event into cases/NAME/event.json"), "{}", ran.stderr);
}

#[test]
fn a_case_in_one_file_names_an_event_and_what_differs() {
    let folder = folder();
    vestibule(folder.path(), &["new", "filed", "--template", "deny"]);
    let gate = folder.path().join("filed");
    std::fs::create_dir(gate.join("events")).expect("a folder can be made");
    std::fs::rename(gate.join("cases/a-work-address/event.json"), gate.join("events/login.json")).expect("the event is there");
    std::fs::remove_dir_all(gate.join("cases")).expect("the cases are there");
    std::fs::create_dir(gate.join("cases")).expect("a folder can be made");
    let case = gate.join("cases/elsewhere.json");
    let text = r#"{ "event": "../events/login.json", "with": { "user": { "email": "user@elsewhere.example" } } }"#;
    std::fs::write(&case, text).expect("the case can be written");
    let ran = vestibule(&gate, &["test"]);
    assert!(ran.stdout.contains("`--bless` writes this into `expect` of its file"), "{}", ran.stdout);
    assert!(vestibule(&gate, &["test", "--bless"]).stdout.contains("elsewhere  blessed"));
    let blessed = std::fs::read_to_string(&case).expect("the case is there");
    let members = ["\"event\"", "\"with\"", "\"expect\"", "\"deny\""].map(|member| blessed.find(member));
    assert!(members.is_sorted() && members.iter().all(Option::is_some), "{blessed}");
    assert_eq!(vestibule(&gate, &["test"]).code, Some(0));
    let shown = vestibule(&gate, &["run", ".", "--event", "cases/elsewhere.json"]);
    assert!(shown.code == Some(3) && shown.stdout.contains("denied"), "{}{}", shown.stdout, shown.stderr);

    std::fs::write(&case, text.replace("with", "without")).expect("the case can be written");
    let ran = vestibule(&gate, &["test"]);
    assert!(ran.stdout.contains("elsewhere.json is wrong; a case has `event`"), "{}", ran.stdout);
    std::fs::write(&case, text.replace("login.json", "none.json")).expect("the case can be written");
    let ran = vestibule(&gate, &["test"]);
    assert!(ran.stdout.contains("none.json, which doesn't exist"), "{}", ran.stdout);
    std::fs::create_dir(gate.join("cases/elsewhere")).expect("a folder can be made");
    let ran = vestibule(&gate, &["test"]);
    assert!(ran.stderr.contains("has the case elsewhere twice"), "{}", ran.stderr);
}

#[test]
fn wrong_uses_are_told_with_what_to_do() {
    let folder = folder();
    vestibule(folder.path(), &["new", "wrong", "--template", "blank"]);
    let wrong = folder.path().join("wrong");
    let source = wrong.join("src/lib.rs");
    let right = std::fs::read_to_string(&source).expect("the source is there");
    let told = |text: String, words: &[&str]| {
        std::fs::write(&source, text).expect("the source can be written");
        let built = vestibule(&wrong, &["build"]);
        for word in words {
            assert!(built.stderr.contains(word), "{word:?} is missing:\n{}", built.stderr);
        }
        built.code
    };
    let export = "vestibule_sdk::export!(Wrong);";
    let action = "fn on_execute_post_login(_event: &Event, _api: &Api) -> Result {";
    let missing = ["does not export `on-execute-post-login`", "`vestibule_sdk::export!` adds it"];
    assert_eq!(told(right.replace(export, ""), &missing), Some(1));
    assert_eq!(
        told(right.replace(export, &export.repeat(2)), &["`__a_crate_exports_one_action` is defined multiple times"]),
        Some(1)
    );
    assert_eq!(
        told(right.replace(export, "vestibule_sdk::export!(String);"), &["String` is no Action", "write `impl PostLogin for "]),
        Some(1)
    );
    let file = "let _ = std::fs::read(\"/etc/passwd\");";
    let refused = ["wasi:filesystem/types@0.2", "neither files, sockets, threads nor processes"];
    assert_eq!(told(right.replace(action, &format!("{action} {file}")), &refused), Some(1));
    let socket = "let _ = std::net::TcpStream::connect(\"127.0.0.1:1\");";
    assert_eq!(told(right.replace(action, &format!("{action} {socket}")), &["wasi:sockets/", "neither files, sockets"]), Some(1));
    let ignored = "_api.session().set_metadata(\"k\", \"v\");";
    let warning = ["warning: unused `Result` that must be used", "this `Result` may be an `Err` variant"];
    assert_eq!(told(right.replace(action, &format!("{action} {ignored}")), &warning), Some(0));
    assert_eq!(told(right.clone(), &[]), Some(0));

    let nowhere = vestibule(folder.path(), &["test", "nowhere"]);
    assert!(nowhere.code == Some(1) && nowhere.stderr.contains("nowhere has no cases"), "{}", nowhere.stderr);
    let no_crate = vestibule(folder.path(), &["build", "."]);
    assert!(no_crate.stderr.contains("has no Cargo.toml of an Action's crate"), "{}", no_crate.stderr);
    let no_folder = vestibule(folder.path(), &["dev", "nowhere", "--event", "wrong/cases/a-login/event.json"]);
    assert!(no_folder.code == Some(1) && no_folder.stderr.contains("nowhere has no Cargo.toml"), "{}", no_folder.stderr);
}

#[test]
fn dev_shows_what_a_change_of_the_source_or_the_event_makes_different() {
    let folder = folder();
    vestibule(folder.path(), &["new", "watched", "--template", "deny"]);
    let gate = folder.path().join("watched");
    let mut dev = Dev::start(&gate, &folder.path().join("errors.txt"));
    assert!(dev.shown().contains("allowed"));
    replace(&gate.join("cases/a-work-address/event.json"), "user@example.com", "user@elsewhere.example");
    let shown = dev.shown();
    assert!(shown.contains("-   \"decision\": \"allow\"") && shown.contains("+   \"decision\": \"deny\""), "{shown}");
    replace(&gate.join("src/lib.rs"), "        if !email", "        if false && !email");
    let shown = dev.shown();
    assert!(shown.contains("after a change of lib.rs") && shown.contains("+   \"decision\": \"allow\""), "{shown}");
    replace(&gate.join("src/lib.rs"), "        if false ", "        if fals ");
    assert!(!dev.shown().contains("decision"));
    let errors = std::fs::read_to_string(folder.path().join("errors.txt")).expect("the errors are there");
    assert!(errors.contains("cannot find value `fals`"), "{errors}");
    replace(&gate.join("src/lib.rs"), "        if fals ", "        if false ");
    let shown = dev.shown();
    assert!(shown.contains("the outcome is the same"), "{shown}");
}

#[test]
fn completions_know_every_command() {
    let folder = folder();
    for shell in ["bash", "zsh", "fish"] {
        let ran = vestibule(folder.path(), &["completions", shell]);
        for name in ["new", "dev", "test", "run", "inspect", "build", "trace"] {
            assert!(ran.stdout.contains(name), "{shell} {name}");
        }
    }
}

#[test]
fn dev_runs_a_case_with_what_is_around_it_as_test_does() {
    let folder = folder();
    vestibule(folder.path(), &["new", "around", "--template", "deny"]);
    let gate = folder.path().join("around");
    let context = gate.join("cases/a-work-address/context.json");
    std::fs::write(&context, r#"{ "configuration": { "domain": "acme.example" } }"#).expect("the case can be written");
    let mut dev = Dev::start(&gate, &folder.path().join("errors.txt"));
    let shown = dev.shown();
    assert!(shown.contains("denied") && shown.contains("not of acme.example"), "{shown}");
    std::fs::write(&context, r#"{ "configuration": { "domain": "example.com" } }"#).expect("the case can be written");
    let shown = dev.shown();
    assert!(shown.contains("after a change of context.json") && shown.contains("+   \"decision\": \"allow\""), "{shown}");
}

#[test]
fn a_new_crate_below_a_workspace_is_its_member_or_its_own() {
    let folder = folder();
    let above = folder.path().join("Cargo.toml");
    std::fs::write(&above, "[workspace]\nresolver = \"3\"\nmembers = [\"actions/*\"]\n").expect("the folder can be written");
    let manifest = |name: &str| {
        let made = vestibule(folder.path(), &["new", name, "--template", "blank"]);
        assert_eq!(made.code, Some(0), "{}", made.stderr);
        let listed = cargo(&folder.path().join(name), &["metadata", "--no-deps", "--format-version", "1"]);
        assert_eq!(listed.code, Some(0), "{}", listed.stderr);
        std::fs::read_to_string(folder.path().join(name).join("Cargo.toml")).expect("the manifest is there")
    };
    assert!(!manifest("actions/member").contains("[workspace]"));
    assert!(manifest("elsewhere").contains("[workspace]"));
}
