//! A configuration that is read again: all of it counts, or nothing, and what need not begin again
//! doesn't.

#![allow(clippy::unwrap_used, reason = "a test that lacks its parts is to fail at once")]

mod common;

use common::Running;
use reqwest::Method;
use vestibule_server::StartError;

async fn reload(running: &mut Running, configuration: &str) -> Result<(), StartError> {
    let configuration = common::parse(running.folder.path(), configuration);
    running.server.as_mut().unwrap().reload(configuration).await
}

#[tokio::test]
async fn a_reload_that_fails_between_two_tenants_changes_neither() {
    let old = common::configuration("");
    let mut running = common::start_with(&old).await;
    let database = rusqlite::Connection::open(running.folder.path().join("state/vestibule.db")).unwrap();
    database.busy_timeout(std::time::Duration::from_secs(60)).unwrap();
    database
        .execute_batch(
            "CREATE TRIGGER refuses BEFORE UPDATE ON clients WHEN new.tenant = 'globex' AND new.name = 'New'
             BEGIN SELECT RAISE(ABORT, 'a fault of the tests'); END",
        )
        .unwrap();
    let new = old.replace("client_id = \"platform\"", "client_id = \"platform\"\nname = \"New\"");
    let refused = reload(&mut running, &new).await;
    assert!(matches!(refused, Err(StartError::Store(_))), "{refused:?}");
    let name = async |running: &Running| {
        let (status, client) = running.answer(running.request(Method::GET, "/api/v2/clients/platform")).await;
        assert_eq!(status, 200, "{client}");
        client["name"].as_str().unwrap().to_owned()
    };
    assert_eq!(name(&running).await, "platform", "the first tenant has what it had");
    database.execute_batch("DROP TRIGGER refuses").unwrap();
    reload(&mut running, &new).await.unwrap();
    assert_eq!(name(&running).await, "New");
    running.stop().await;
}

#[tokio::test]
async fn a_reload_fills_no_bucket_whose_rate_is_the_same() {
    let rate = |burst: u32| {
        common::configuration("").replace("per_second = 100000, burst = 100000", &format!("per_second = 1, burst = {burst}"))
    };
    let mut running = common::start_with(&rate(1_000)).await;
    let remaining = async |running: &Running| {
        let asked = running.request(Method::GET, "/api/v2/sessions/none").send().await.unwrap();
        asked.headers()["x-ratelimit-remaining"].to_str().unwrap().parse::<u32>().unwrap()
    };
    for _ in 0..199 {
        remaining(&running).await;
    }
    let before = remaining(&running).await;
    reload(&mut running, &rate(1_000)).await.unwrap();
    let after = remaining(&running).await;
    assert!(after < 990, "{before} were left, and after a reload {after}");
    reload(&mut running, &rate(2_000)).await.unwrap();
    assert_eq!(remaining(&running).await, 1_999, "another rate has another bucket");
    running.stop().await;
}
