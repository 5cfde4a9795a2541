//! What operators have: health, metrics, the API's document, ids of requests, traces.

#![allow(clippy::unwrap_used, reason = "a test that lacks its parts is to fail at once")]

mod common;

use std::time::Duration;

use axum::body::Bytes;
use axum::http::HeaderMap;
use common::{event, start};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::sync::mpsc;

#[tokio::test]
async fn health_metrics_and_the_apis_document_are_there_for_everyone() {
    let running = start().await;
    running.login(&event("sess_1", "txn_1")).await;
    let get = |path: &str| running.client.get(format!("{}{path}", running.origin));
    assert_eq!(running.answer(get("/healthz")).await.0, 200);
    assert_eq!(running.answer(get("/readyz")).await.0, 200);
    let metrics = get("/metrics").send().await.unwrap().text().await.unwrap();
    for line in [
        "vestibule_logins_total{tenant=\"acme\",decision=\"allow\"} 1",
        "vestibule_action_runs_total{tenant=\"acme\",action=\"organization-session-metadata\",result=\"ok\"} 1",
        "vestibule_http_request_duration_seconds_count{method=\"POST\",route=\"/v1/post-login\",status=\"2xx\"} 1",
        "vestibule_host_panics 0",
    ] {
        assert!(metrics.contains(line), "{line} is not in:\n{metrics}");
    }
    let open = get("/metrics").header("accept", "application/openmetrics-text").send().await.unwrap();
    assert!(open.headers()["content-type"].to_str().unwrap().starts_with("application/openmetrics-text"));
    let open = open.text().await.unwrap();
    assert!(open.contains("# TYPE vestibule_logins counter\n") && open.ends_with("# EOF\n"), "{open}");
    assert!(metrics.contains("# TYPE vestibule_logins_total counter\n") && !metrics.contains("# EOF"), "{metrics}");
    let (_, document) = running.answer(get("/openapi.json")).await;
    for path in ["/openapi.json", "/.well-known/jwks.json", "/.well-known/openid-configuration"] {
        let tag = get(path).send().await.unwrap().headers()["etag"].clone();
        assert_eq!(get(path).header("if-none-match", tag).send().await.unwrap().status(), 304, "{path}");
    }
    for (path, method) in
        [("/v1/post-login", "post"), ("/api/v2/sessions/{id}", "patch"), ("/api/v2/logs", "get"), ("/oauth/token", "post")]
    {
        assert!(document["paths"][path][method]["responses"].is_object(), "{path}");
    }
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn readiness_shares_one_question_that_has_a_deadline() {
    let running = start().await;
    let ready = || running.answer(running.client.get(format!("{}/readyz", running.origin)));
    assert_eq!(ready().await, (200, json!({ "status": "ready", "notes": [] })));
    // Another process holds the file: the writer waits for it for longer than the deadline is.
    let path = running.folder.path().join("state/vestibule.db");
    let holder = rusqlite::Connection::open(path).unwrap();
    holder.busy_timeout(Duration::from_secs(60)).unwrap();
    holder.execute_batch("BEGIN IMMEDIATE").unwrap();
    let (status, body) = loop {
        let answer = ready().await;
        // The first answer may be that of a moment ago.
        if answer.0 != 200 {
            break answer;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    assert_eq!((status, &body["errorCode"]), (503, &json!("store_unavailable")), "{body}");
    // Any number of callers share that answer while it is fresh, or the next question: none of them
    // asks the writer for itself.
    let url = format!("{}/readyz", running.origin);
    let callers: Vec<_> = (0..50).map(|_| tokio::spawn(running.client.get(&url).send())).collect();
    for caller in callers {
        assert_eq!(caller.await.unwrap().unwrap().status(), 503);
    }
    let alive = running.client.get(format!("{}/healthz", running.origin));
    assert_eq!(running.answer(alive).await.0, 200);
    holder.execute_batch("ROLLBACK").unwrap();
    while ready().await.0 != 200 {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_is_late_makes_readyz_say_its_name() {
    let running = start().await;
    let ready = || running.answer(running.client.get(format!("{}/readyz", running.origin)));
    assert_eq!(ready().await.0, 200);
    let database = rusqlite::Connection::open(running.folder.path().join("state/vestibule.db")).unwrap();
    database.busy_timeout(Duration::from_secs(60)).unwrap();
    // No due delivery can be looked for, and all else works.
    database.execute_batch("ALTER TABLE deliveries RENAME TO elsewhere").unwrap();
    let (status, body) = loop {
        let answer = ready().await;
        if answer.0 != 200 {
            break answer;
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    };
    assert_eq!((status, &body["errorCode"]), (503, &json!("worker_late")), "{body}");
    assert!(body["message"].as_str().unwrap().contains("deliverer (last good pass "), "{body}");
    database.execute_batch("ALTER TABLE elsewhere RENAME TO deliveries").unwrap();
    while ready().await.0 != 200 {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_whose_real_work_fails_are_late_though_the_rest_of_it_is_done() {
    let stream = "[[tenants.acme.streams]]\nname = \"lines\"\nfile = { path = \"acme.jsonl\" }\n";
    let text = common::configuration("");
    let (before, globex) = text.split_once("[tenants.globex]").unwrap();
    let running = common::start_with(&format!("{before}{stream}[tenants.globex]{globex}")).await;
    let ready = || running.answer(running.client.get(format!("{}/readyz", running.origin)));
    assert_eq!(ready().await.0, 200);
    let database = rusqlite::Connection::open(running.folder.path().join("state/vestibule.db")).unwrap();
    database.busy_timeout(Duration::from_secs(60)).unwrap();
    // Streams are claimed, and sessions end; but no log is read or swept. And a key's file is
    // broken.
    database.execute_batch("ALTER TABLE log RENAME TO elsewhere").unwrap();
    let broken = running.folder.path().join("state/keys/acme.access/broken.json");
    std::fs::write(&broken, "no key").unwrap();
    let mut missing = vec!["keys", "streams", "sweep"];
    while !missing.is_empty() {
        let (_, body) = ready().await;
        let message = body["message"].as_str().unwrap_or_default();
        missing.retain(|worker| !message.contains(&format!("{worker} (last good pass ")));
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    database.execute_batch("ALTER TABLE elsewhere RENAME TO log").unwrap();
    std::fs::remove_file(broken).unwrap();
    while ready().await.0 != 200 {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    running.stop().await;
}

#[tokio::test]
async fn metrics_have_the_age_of_each_workers_last_good_pass() {
    let running = start().await;
    let metrics = running.client.get(format!("{}/metrics", running.origin)).send().await.unwrap().text().await.unwrap();
    for worker in [
        "flow_watch",
        "deliverer",
        "settler",
        "sweep",
        "execution_writer",
        "builds",
        "keys",
        "sqlite_writer",
        "sqlite_execution_writer",
        "sqlite_component_writer",
    ] {
        for name in ["vestibule_worker_last_good_pass_age_seconds", "vestibule_worker_panics"] {
            let line = format!("{name}{{worker=\"{worker}\"}} ");
            assert!(metrics.contains(&line), "{line} is not in:\n{metrics}");
        }
    }
    running.stop().await;
}

#[tokio::test]
async fn a_request_keeps_the_id_that_it_came_with_and_gets_one_otherwise() {
    let running = start().await;
    let get = |id: Option<&str>| {
        let request = running.request(Method::GET, "/healthz");
        match id {
            Some(id) => request.header("x-request-id", id),
            None => request,
        }
    };
    let id = |response: reqwest::Response| response.headers()["x-request-id"].to_str().unwrap().to_owned();
    assert_eq!(id(get(Some("of-the-caller-1")).send().await.unwrap()), "of-the-caller-1");
    let made = id(get(None).send().await.unwrap());
    assert_eq!(made.len(), 22);
    let long = "x".repeat(1_000);
    assert_eq!(id(get(Some(&long)).send().await.unwrap()).len(), 22, "whoever sends a novel doesn't write it into the log");
    running.stop().await;
}

#[tokio::test]
async fn a_login_is_a_span_of_its_callers_trace_with_one_for_each_action() {
    let (sender, mut received) = mpsc::unbounded_channel();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let collector = listener.local_addr().unwrap();
    let collect = move |headers: HeaderMap, body: Bytes| {
        let sender = sender.clone();
        async move {
            assert_eq!(headers["content-type"], "application/x-protobuf");
            sender.send(body).unwrap();
        }
    };
    let serving = tokio::spawn(async move {
        axum::serve(listener, axum::Router::new().route("/v1/traces", axum::routing::post(collect))).await.unwrap();
    });
    let running = common::start_with(&format!("traces = \"http://{collector}/v1/traces\"\n{}", common::configuration(""))).await;
    let login = running.request(Method::POST, "/v1/post-login").json(&event("sess_1", "txn_1"));
    let login = login.header("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    assert_eq!(running.answer(login).await.1["decision"], "allow");
    // What has not been sent is sent at the end.
    running.stop().await;
    let sent = received.recv().await.unwrap();
    let has = |bytes: &[u8]| sent.windows(bytes.len()).any(|window| window == bytes);
    assert!(has(&0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c_u128.to_be_bytes()), "the caller's trace");
    assert!(has(&0xb7ad_6b71_6920_3331_u64.to_be_bytes()), "the caller's span");
    for words in ["post-login", "action organization-session-metadata", "vestibule.tenant", "acme", "vestibule.decision", "allow"]
    {
        assert!(has(words.as_bytes()), "{words}");
    }
    serving.abort();
}

#[tokio::test]
async fn a_configuration_that_takes_a_new_start_is_refused_by_name() {
    let mut running = start().await;
    let changed = common::configuration("").replace("listen = \"127.0.0.1:0\"", "listen = \"127.0.0.1:1\"");
    let changed = common::parse(running.folder.path(), &changed);
    let server = running.server.as_mut().unwrap();
    let refused = server.reload(changed).await.unwrap_err().to_string();
    assert!(refused.starts_with("`listen` has changed, which takes a new start"), "{refused}");
    let wrong = common::configuration("").replace("organization-session-metadata.wasm", "vestibule.toml");
    std::fs::write(running.folder.path().join("vestibule.toml"), "no component").unwrap();
    let refused = server.reload(common::parse(running.folder.path(), &wrong)).await.unwrap_err().to_string();
    assert!(refused.contains("tenant acme, line 7: action is not a WebAssembly component"), "{refused}");
    let long = running.folder.path().join("too-long");
    std::fs::write(&long, "x".repeat(5_000)).unwrap();
    let secret = "component = \"organization-session-metadata.wasm\"\nsecrets = { KEY = { file = \"too-long\" } }\n";
    let wrong = common::configuration("").replace("component = \"organization-session-metadata.wasm\"\n", secret);
    let refused = server.reload(common::parse(running.folder.path(), &wrong)).await.unwrap_err().to_string();
    assert!(refused.contains("the value of `KEY` has 5000 characters, at most 4096 are allowed"), "{refused}");
    let outcome: Value = running.login(&event("sess_1", "txn_1")).await;
    assert_eq!(outcome["decision"], "allow", "and it goes on as before");
    running.stop().await;
}
