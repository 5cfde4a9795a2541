//! The three platforms against a server: each does the same with every outcome.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that lacks its parts is to fail at once")]

#[path = "../../../host/server/tests/common/mod.rs"]
mod common;
mod lossy;

use std::ffi::OsString;
use std::process::Stdio;

use common::{Running, SECRET, event, start_in};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;
use vestibule_test_artifacts as artifacts;

const LANGUAGES: [&str; 3] = ["rust", "javascript", "python"];

const GATE: &[u8] = artifacts::ORGANIZATION_GATE;
const STEP_UP: &[u8] = artifacts::STEP_UP_NEW_COUNTRY;

/// A server whose logins run these Actions after `organization-session-metadata`.
async fn started(actions: &[&[u8]]) -> Running {
    started_with("", actions).await
}

/// The same with this before the tenants.
async fn started_with(more: &str, actions: &[&[u8]]) -> Running {
    let folder = tempfile::tempdir().unwrap();
    let mut declared = String::new();
    for (number, component) in actions.iter().enumerate() {
        std::fs::write(folder.path().join(format!("{number}.wasm")), component).unwrap();
        declared.push_str(&format!("[[tenants.acme.actions]]\ncomponent = \"{number}.wasm\"\n"));
    }
    let clients = "[[tenants.acme.clients]]";
    let configuration = common::configuration("").replacen(clients, &format!("{declared}{clients}"), 1);
    start_in(folder, &format!("{more}{configuration}")).await
}

/// What a platform does with a login, when the user answers this to the second factor.
async fn login(language: &str, url: &str, event: &Value, second_factor: &str) -> Value {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("event.json");
    std::fs::write(&file, event.to_string()).unwrap();
    let here = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = std::env::var_os("VESTIBULE_PYTHON").unwrap_or_else(|| OsString::from("python3"));
    let mut command = match language {
        "rust" => Command::new(env!("CARGO_BIN_EXE_integrate")),
        "javascript" => Command::new("node"),
        _ => Command::new(python),
    };
    match language {
        "rust" => {}
        "javascript" => drop(command.arg(here.join("login.mjs"))),
        _ => drop(command.arg(here.join("login.py"))),
    }
    command.arg(&file).env("VESTIBULE_URL", url).env("VESTIBULE_CLIENT_ID", "platform").env("VESTIBULE_CLIENT_SECRET", SECRET);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{language}: {error}"));
    // A platform that isn't asked for the second factor reads nothing.
    let _ = child.stdin.take().unwrap().write_all(format!("{second_factor}\n").as_bytes()).await;
    let ran = child.wait_with_output().await.unwrap();
    let (printed, error) = (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    serde_json::from_str(&printed).unwrap_or_else(|_| panic!("{language}: {printed}{error}"))
}

async fn is_kept(running: &Running, session: &str) -> bool {
    let (status, _) = running.answer(running.request(Method::GET, &format!("/api/v2/sessions/{session}"))).await;
    status == 200
}

#[tokio::test(flavor = "multi_thread")]
async fn an_allowed_login_issues_tokens_that_a_logout_finds() {
    let running = started(&[GATE, STEP_UP]).await;
    for language in LANGUAGES {
        let (session, transaction) = (format!("sess_{language}"), format!("txn_{language}"));
        let mut event = event(&session, &transaction);
        event["transaction"]["requested_scopes"] = json!(["openid", "profile"]);
        let done = login(language, &running.origin, &event, "no").await;
        let user = &event["user"]["user_id"];
        assert_eq!((&done["id_token"]["sub"], &done["id_token"]["sid"]), (user, &json!(session)), "{language}: {done}");
        assert_eq!(done["access_token"]["https://acme.example/org"], "acme", "{language}: {done}");
        assert_eq!(
            (&done["access_token"]["scope"], &done["access_token"]["sub"]),
            (&json!("openid profile"), user),
            "{language}"
        );
        assert!(is_kept(&running, &session).await);
    }
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_denied_login_shows_the_reason_and_issues_nothing() {
    let running = started(&[GATE, STEP_UP]).await;
    for language in LANGUAGES {
        let session = format!("sess_{language}");
        let mut event = event(&session, &format!("txn_{language}"));
        event["organization"] = json!({ "id": "org_initech", "name": "initech", "metadata": {} });
        let done = login(language, &running.origin, &event, "yes").await;
        let reason = "This organization is suspended. Please talk to your administrator.";
        assert_eq!(done, json!({ "error": "access_denied", "description": reason }), "{language}");
        assert!(!is_kept(&running, &session).await);
    }
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_wait_for_the_second_factor() {
    let running = started(&[GATE, STEP_UP]).await;
    for language in LANGUAGES {
        for (answer, is_proved) in [("yes", true), ("no", false)] {
            let session = format!("sess_{language}_{answer}");
            let at = |country: &str, number: u8| {
                let mut event = event(&session, &format!("txn_{language}_{answer}_{number}"));
                event["request"]["geoip"]["countryCode"] = country.into();
                event["authentication"]["methods"] = json!([{ "name": "pwd", "timestamp": "2026-01-01T00:00:00Z" }]);
                event
            };
            let first = login(language, &running.origin, &at("AT", 1), "no").await;
            assert!(first["id_token"].is_object(), "{language}: the first country asks for nothing: {first}");
            let second = login(language, &running.origin, &at("FR", 2), answer).await;
            assert_eq!(second["id_token"].is_object(), is_proved, "{language}: {second}");
            assert_eq!(is_kept(&running, &session).await, is_proved, "{language}: what was not proved has no session");
        }
    }
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_has_ended_is_followed_by_a_new_one() {
    let running = started(&[GATE, STEP_UP]).await;
    for language in LANGUAGES {
        let session = format!("sess_{language}");
        login(language, &running.origin, &event(&session, &format!("txn_{language}_1")), "no").await;
        let end = running.request(Method::POST, &format!("/v1/sessions/{session}/end"));
        assert_eq!(running.answer(end.json(&json!({ "initiator": "rp-logout" }))).await.0, 204);
        let done = login(language, &running.origin, &event(&session, &format!("txn_{language}_2")), "no").await;
        let sid = done["id_token"]["sid"].as_str().unwrap_or_else(|| panic!("{language}: {done}"));
        assert_ne!(sid, session);
        assert!(is_kept(&running, sid).await);
    }
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_lost_is_asked_for_again() {
    let running = started(&[GATE, STEP_UP]).await;
    for language in LANGUAGES {
        let session = format!("sess_{language}");
        let (url, lost) = lossy::in_front_of(&running.origin).await;
        let done = login(language, &url, &event(&session, &format!("txn_{language}")), "no").await;
        assert_eq!(done["id_token"]["sid"], session.as_str(), "{language}: {done}");
        assert!(lost.load(std::sync::atomic::Ordering::Relaxed), "{language}: no answer was lost");
        let (_, log) = running.answer(running.request(Method::GET, "/api/v2/logs?take=100")).await;
        let logins = log.as_array().unwrap().iter().filter(|entry| entry["session_id"] == session.as_str());
        assert_eq!(logins.count(), 1, "{language}: the login was kept once");
    }
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_lost_and_was_not_stored_costs_no_session() {
    let running = started_with("quota = { answers = \"1\" }\n", &[GATE, STEP_UP]).await;
    for language in LANGUAGES {
        let (session, transaction) = (format!("sess_{language}"), format!("txn_{language}"));
        let (url, lost) = lossy::in_front_of(&running.origin).await;
        let done = login(language, &url, &event(&session, &transaction), "no").await;
        assert_eq!(done["id_token"]["sid"], session.as_str(), "{language}: the session goes on: {done}");
        assert!(lost.load(std::sync::atomic::Ordering::Relaxed), "{language}: no answer was lost");
        let again = running.request(Method::POST, "/v1/post-login").json(&event(&session, &transaction));
        let (status, body) = running.answer(again).await;
        assert_eq!((status, &body["errorCode"]), (409, &json!("answer_not_stored")), "{language}: the first one was kept");
    }
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_that_was_another_logins_costs_no_session() {
    let running = started(&[GATE, STEP_UP]).await;
    for language in LANGUAGES {
        let (other, session, transaction) = (format!("other_{language}"), format!("sess_{language}"), format!("txn_{language}"));
        login(language, &running.origin, &event(&other, &transaction), "no").await;
        let done = login(language, &running.origin, &event(&session, &transaction), "no").await;
        assert_eq!(done["id_token"]["sid"], session.as_str(), "{language}: {done}");
        assert!(is_kept(&running, &session).await);
    }
    running.stop().await;
}

#[test]
fn the_page_and_the_three_platforms_know_each_conflict_of_a_login() {
    let platforms = [include_str!("../src/main.rs"), include_str!("../login.mjs"), include_str!("../login.py"), PAGE];
    for code in ["session_ended", "session_of_another_user", "transaction_mismatch", "answer_not_stored", "session_contended"] {
        assert!(platforms.iter().all(|text| text.contains(code)), "{code}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_fails_or_is_refused_issues_nothing() {
    let running = started(&[artifacts::PANICS]).await;
    for language in LANGUAGES {
        let failed = login(language, &running.origin, &event("sess_1", &format!("txn_{language}")), "yes").await;
        assert_eq!(failed, json!({ "error": "server_error", "description": "the login can't be completed" }), "{language}");
        let mut event = event("sess_2", "txn_2");
        event["tenant"]["id"] = "globex".into();
        let refused = login(language, &running.origin, &event, "yes").await;
        assert_eq!(refused["error"], "temporarily_unavailable", "{language}: {refused}");
    }
    running.stop().await;
}

const PAGE: &str = include_str!("../../../docs/integrate.md");

#[tokio::test(flavor = "multi_thread")]
async fn the_pages_event_is_the_smallest_one() {
    let running = started(&[]).await;
    let json = PAGE.split("```json\n").nth(1).and_then(|rest| rest.split("```").next()).expect("the page has an event");
    let event: Value = serde_json::from_str(json).unwrap();
    assert_eq!(running.login(&event).await["decision"], "allow");
    let optional = ["/session", "/session/id", "/transaction", "/transaction/id"];
    for path in pointers(&event) {
        let mut less = event.clone();
        let (parent, name) = path.rsplit_once('/').unwrap();
        less.pointer_mut(parent).unwrap().as_object_mut().unwrap().remove(name);
        if optional.contains(&path.as_str()) {
            continue;
        }
        let (status, answer) = running.answer(running.request(Method::POST, "/v1/post-login").json(&less)).await;
        assert_eq!(status, 400, "without {path} it is taken as well, so the page's event has too much: {answer}");
    }
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_names_each_member_of_an_outcome() {
    let running = started(&[artifacts::EVERY_EFFECT]).await;
    let (allowed, denied) = (running.login(&event("sess_1", "txn_1")).await, json!({ "reason": "", "action": "", "error": {} }));
    for path in pointers(&allowed).into_iter().chain(pointers(&denied)) {
        let mut names = path.split('/').skip(1);
        // What an Action writes, and what a report has, is not the platform's.
        let (first, second) = (names.next().unwrap(), names.next());
        let second = second.filter(|_| !["actions", "saml_response", "cache", "transaction", "error"].contains(&first));
        for name in [Some(first), second].into_iter().flatten() {
            assert!(PAGE.contains(name), "docs/integrate.md says nothing of `{path}`: {allowed}");
        }
    }
    running.stop().await;
}

/// The paths of all members of an object.
fn pointers(value: &Value) -> Vec<String> {
    let Value::Object(members) = value else { return Vec::new() };
    let below = |(name, member): (&String, &Value)| {
        let inner = pointers(member).into_iter().map(|path| format!("/{name}{path}")).collect::<Vec<_>>();
        [vec![format!("/{name}")], inner].concat()
    };
    members.iter().flat_map(below).collect()
}
