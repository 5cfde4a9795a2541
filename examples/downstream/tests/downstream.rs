//! The question is answered over what a server has written.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that lacks its parts is to fail at once")]

#[path = "../../../host/server/tests/common/mod.rs"]
mod common;

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use common::{event, start_in};
use reqwest::Method;
use rusqlite::{Connection, named_params};
use serde_json::{Value, json};

/// Takes in a stream's file; what the example says.
fn downstream(database: &Path, file: &Path) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_downstream")).arg(database).arg(file).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The answer: session and state.
fn ask(database: &Path, organization: &str, day: &str) -> Vec<(String, String)> {
    let database = Connection::open(database).unwrap();
    let mut question = database.prepare(include_str!("../sessions.sql")).unwrap();
    let parameters = named_params! { ":organization": organization, ":day": day };
    let answer = question.query_map(parameters, |row| Ok((row.get("session_id")?, row.get("state")?))).unwrap();
    answer.map(Result::unwrap).collect()
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(one, other)| ((*one).to_owned(), (*other).to_owned())).collect()
}

#[tokio::test]
async fn sessions_of_an_organization_are_found_in_what_a_server_has_written() {
    let folder = tempfile::tempdir().unwrap();
    let stream = "\nlog = { include_session_metadata = true }\n[[tenants.acme.streams]]\nname = \"lines\"\n\
                  file = { path = \"acme.jsonl\", most_bytes = \"2 KiB\", keep = 20 }\n\n[[tenants.acme.actions]]";
    let configuration = common::configuration("").replacen("\n[[tenants.acme.actions]]", stream, 1);
    let running = start_in(folder, &configuration).await;
    let login = async |session: &str, organization: Option<&str>, transaction: &str| {
        let mut event = event(session, transaction);
        match organization {
            Some(organization) => event["organization"]["id"] = organization.into(),
            None => event["organization"] = Value::Null,
        }
        running.login(&event).await;
    };
    login("sess_alive", Some("org_acme"), "txn_1").await;
    login("sess_revoked", Some("org_acme"), "txn_2").await;
    login("sess_left", Some("org_acme"), "txn_3").await;
    login("sess_other", Some("org_other"), "txn_4").await;
    login("sess_none", None, "txn_5").await;
    // The second login says nothing of an organization: the session's metadata does.
    login("sess_alive", None, "txn_6").await;
    for (session, initiator) in
        [("sess_revoked", "session-revoked"), ("sess_left", "rp-logout"), ("sess_other", "session-revoked")]
    {
        let end = running.request(Method::POST, &format!("/v1/sessions/{session}/end")).json(&json!({ "initiator": initiator }));
        assert_eq!(running.answer(end).await.0, 204);
    }
    let (_, log) = running.answer(running.request(Method::GET, "/api/v2/logs?take=100")).await;
    let log = log.as_array().unwrap();
    let file = running.folder.path().join("acme.jsonl");
    let last = log.last().unwrap()["log_id"].as_str().unwrap();
    while !std::fs::read_to_string(&file).unwrap_or_default().contains(last) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(file.with_extension("jsonl.1").exists(), "one has been full");
    let database = running.folder.path().join("downstream.db");
    assert_eq!(downstream(&database, &file), format!("{} new entries\n", log.len()));
    assert_eq!(downstream(&database, &file), "0 new entries\n", "what comes twice is there once");

    let day = &log.iter().rfind(|entry| entry["type"] == "s").unwrap()["date"].as_str().unwrap()[..10];
    let expected = [("sess_alive", "alive"), ("sess_revoked", "revoked"), ("sess_left", "rp-logout")];
    assert_eq!(ask(&database, "org_acme", day), pairs(&expected));
    assert_eq!(ask(&database, "org_other", day), pairs(&[("sess_other", "revoked")]));
    assert_eq!(ask(&database, "org_acme", "2000-01-01"), [], "no session had begun yet");
    assert_eq!(ask(&database, "org_acme", "2100-01-01"), pairs(&expected[..1]), "those that have ended are not alive later");
    running.stop().await;
}

#[test]
fn the_readme_shows_what_is_answered_over_the_lines_that_lie_beside_it() {
    let folder = tempfile::tempdir().unwrap();
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let database = folder.path().join("downstream.db");
    let printed = downstream(&database, &here.join("acme.jsonl"));
    let readme = include_str!("../README.md");
    assert!(readme.contains(&printed), "examples/downstream/README.md has to show this:\n{printed}");
    let answer = ask(&database, "org_abc123", "2026-11-25");
    assert_eq!(answer.len(), 3);
    for (session, state) in answer {
        let shown = readme.lines().any(|line| line.contains(&session) && line.contains(&state));
        assert!(shown, "examples/downstream/README.md has to show that {session} is {state}");
    }
}

#[test]
fn an_incomplete_line_is_left_and_an_invalid_one_is_reported() {
    let folder = tempfile::tempdir().unwrap();
    let (database, file) = (folder.path().join("downstream.db"), folder.path().join("acme.jsonl"));
    let line = |id: u32| json!({ "log_id": format!("log_{id:020}"), "type": "s" }).to_string();
    std::fs::write(&file, format!("{}\n{}", line(1), &line(2)[..20])).unwrap();
    assert_eq!(downstream(&database, &file), "1 new entries\n");
    std::fs::write(&file, format!("{}\n{}\n", line(1), line(2))).unwrap();
    assert_eq!(downstream(&database, &file), "1 new entries\n");
    std::fs::write(&file, format!("{}\nnothing\n{}\n", line(3), line(4))).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_downstream")).arg(&database).arg(&file).output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && told.contains("line 2 is no log entry"), "{told}");
    std::fs::write(&file, format!("{}\n{}\n", line(3), line(4))).unwrap();
    assert_eq!(downstream(&database, &file), "2 new entries\n", "nothing of a file that can't be read was taken in");
}
