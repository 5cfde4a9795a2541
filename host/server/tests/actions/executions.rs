//! What is kept of each login's Actions.

use serde_json::{Value, json};
use vestibule_test_artifacts as artifacts;

use crate::common::event;
use crate::in_both;
use crate::world::{Actions as _, Database, until};

async fn each_login_leaves_an_execution_that_its_log_names(database: Database) {
    let running = database.start("", "").await;
    assert_eq!(running.version_that_ran(0).await.0, "none", "without Actions there is nothing to keep");
    running.run("allows", artifacts::WRITES_METADATA, json!({})).await;
    running.login(&event("s1", "t1")).await;
    running.run("denies", artifacts::DENIES, json!({})).await;
    running.login(&event("s2", "t2")).await;
    running.run("fails", artifacts::PANICS, json!({ "on_failure": "continue" })).await;
    let outcome = running.login(&event("s3", "t3")).await;
    assert_eq!(outcome["decision"], "allow", "it goes on: {outcome}");
    let all = until("all are kept", async || {
        let page = running.get("executions").await;
        (page["executions"].as_array().unwrap().len() == 3).then_some(page)
    })
    .await;
    let statuses: Vec<&Value> = all["executions"].as_array().unwrap().iter().map(|execution| &execution["status"]).collect();
    assert_eq!(statuses, ["partial", "canceled", "final"], "the newest first: {all}");
    let failed = &all["executions"][0];
    assert_eq!(
        (&failed["trigger_id"], &failed["session_id"], &failed["decision"]),
        (&json!("post-login"), &json!("s3"), &json!("allow"))
    );
    let result = &failed["results"][0];
    assert_eq!((&result["action_name"], &result["version"], &result["result"]), (&json!("fails"), &json!("1"), &json!("failed")));
    assert_eq!(result["error"]["id"], "panicked", "{result}");
    assert!(result["fuel"].as_u64().unwrap() > 0 && result["peak_memory_bytes"].as_u64().unwrap() > 0, "{result}");
    assert!(result["started_at"].as_str().unwrap() <= result["ended_at"].as_str().unwrap());
    assert_eq!(running.get(&format!("executions/{}", failed["id"].as_str().unwrap())).await, *failed);
    let (_, logs) = running.answer(running.request(reqwest::Method::GET, "/api/v2/logs")).await;
    assert_eq!(logs[0]["details"]["execution_id"], failed["id"], "{logs}");
    assert_eq!(logs[3]["details"]["execution_id"], Value::Null, "{logs}");
    assert!(!all.to_string().contains("alice"), "no personal data is in it: {all}");
    // By what is asked for.
    let of =
        |page: &Value| page["executions"].as_array().unwrap().iter().map(|found| found["session_id"].clone()).collect::<Vec<_>>();
    assert_eq!(of(&running.get("executions?status=canceled").await), ["s2"]);
    assert_eq!(of(&running.get("executions?action=allows").await), ["s1"]);
    let first = running.get("executions?take=2").await;
    assert_eq!(of(&first), ["s3", "s2"]);
    let rest = running.get(&format!("executions?take=2&from={}", first["next"].as_str().unwrap())).await;
    assert_eq!((of(&rest), &rest["next"]), (vec![json!("s1")], &Value::Null));
    running.stop().await;
}
in_both!(each_login_leaves_an_execution_that_its_log_names);

#[tokio::test(flavor = "multi_thread")]
async fn fuel_is_not_counted_where_the_operator_does_not_want_it() {
    let running = Database::Sqlite.start("count_fuel = false", "").await;
    running.run("allows", artifacts::WRITES_METADATA, json!({})).await;
    running.login(&event("s1", "t1")).await;
    let execution = until("it is kept", async || Some(running.get("executions").await["executions"].get(0)?.clone())).await;
    let result = &execution["results"][0];
    assert_eq!((&result["result"], &result["fuel"]), (&json!("ok"), &Value::Null));
    running.stop().await;
}

async fn what_was_told_is_written_before_the_server_ends(database: Database) {
    let running = database.start("", "").await;
    running.run("denies", artifacts::DENIES, json!({})).await;
    for number in 0..50 {
        running.version_that_ran(number).await;
    }
    let folder = running.stop().await;
    let running = database.start_in(folder, "", "").await;
    assert_eq!(running.get("executions?take=100").await["executions"].as_array().unwrap().len(), 50);
    running.stop().await;
}
in_both!(what_was_told_is_written_before_the_server_ends);

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_over_its_budget_is_counted_and_its_logins_go_on() {
    let running = Database::Sqlite.start("executions = { per_second = 1 }", "").await;
    running.run("denies", artifacts::DENIES, json!({})).await;
    let logins = 40;
    for number in 0..logins {
        assert_eq!(running.version_that_ran(number).await.1["decision"], "deny");
    }
    let count = |metrics: &str, result: &str| {
        let line = format!("vestibule_executions_total{{result=\"{result}\"}} ");
        metrics.lines().find_map(|found| found.strip_prefix(&line)).map_or(0, |count| count.parse::<usize>().unwrap())
    };
    let (kept, dropped) = until("all are counted", async || {
        let metrics = running.client.get(format!("{}/metrics", running.origin)).send().await.unwrap().text().await.unwrap();
        let counted = (count(&metrics, "kept"), count(&metrics, "over_budget"));
        (counted.0 + counted.1 == logins).then_some(counted)
    })
    .await;
    assert!(kept >= 1 && dropped >= 1, "{kept} {dropped}");
    running.stop().await;
}
