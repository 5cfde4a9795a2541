//! Components that are none, are too large, never end, or break a compiler.

use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use vestibule_test_artifacts as artifacts;

use crate::in_both;
use crate::world::{Actions as _, Database, start};

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_action_is_told_to_its_author_and_can_not_be_deployed() {
    let running = start().await;
    let id = running.create("gate", json!({})).await;
    for (component, error, told) in [
        (&b"no WebAssembly at all"[..], "not_wasm", "vestibule build"),
        (b"\0asm\x01\0\0\0", "core_module", "component"),
        (b"\0asm\x0d\0\x01\0", "", "does not export"),
        (artifacts::OPENS_A_SOCKET, "not_offered", "wasi:sockets"),
    ] {
        let action = running.upload(&id, component).await;
        assert_eq!(action["status"], "failed", "{action}");
        let failed = &action["errors"][0];
        assert!(failed["id"].as_str().is_some_and(|id| !id.is_empty() && (error.is_empty() || id.len() > 3)), "{failed}");
        assert!(failed["msg"].as_str().unwrap().contains(told), "{failed}");
        let (status, answer) = running.send(Method::POST, &format!("actions/{id}/deploy"), json!({})).await;
        assert_eq!((status, &answer["errorCode"]), (400, &json!("build_failed")), "{answer}");
        assert!(answer["message"].as_str().unwrap().contains(failed["msg"].as_str().unwrap()), "{answer}");
    }
    // What was wrong is forgotten with what is right.
    let action = running.upload(&id, artifacts::DENIES).await;
    assert_eq!((&action["status"], &action["errors"]), (&json!("built"), &json!([])));
    let empty = running.request(Method::PUT, &format!("/api/v2/actions/actions/{id}/component"));
    assert_eq!(running.answer(empty).await.0, 400);
    running.stop().await;
}

/// A component of one function that multiplies for so long that no compiler is done in a second.
fn bomb() -> Vec<u8> {
    let body = "local.get 0 i32.const 3 i32.mul i32.const 5 i32.add local.tee 0 ".repeat(150_000);
    let text = format!("(component (core module (func (param i32) (result i32) {body})))");
    wat::parse_str(text).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_that_breaks_the_compilers_limits_fails_and_the_server_goes_on() {
    // In this process, as the tests' server compiles, nothing limits time and memory, but the code's size is.
    let running = Database::Sqlite.start("limits = { compiled_bytes = \"64 KiB\" }", "").await;
    let id = running.create("bomb", json!({})).await;
    let action = running.upload(&id, &bomb()).await;
    assert_eq!(action["status"], "failed", "{action}");
    assert_eq!(running.version_that_ran(1).await.0, "none");
    running.stop().await;
}

async fn one_that_is_too_large_is_refused_and_leaves_nothing(database: Database) {
    let running = database.start("limits = { component_bytes = \"200 KiB\" }", "").await;
    let id = running.create("gate", json!({})).await;
    let path = format!("/api/v2/actions/actions/{id}/component");
    let large = vec![0; 300 << 10];
    let (status, answer) = running.answer(running.request(Method::PUT, &path).body(large.clone())).await;
    assert_eq!((status, &answer["errorCode"]), (413, &json!("payload_too_large")));
    // One that doesn't say how long it is, is cut where the limit is.
    let head = format!(
        "PUT {path} HTTP/1.1\r\ntransfer-encoding: chunked\r\nhost: localhost\r\nauthorization: Bearer {}\r\n\r\n",
        running.token
    );
    let mut stream = TcpStream::connect(running.server.as_ref().unwrap().address()).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    let chunk = [format!("{:x}\r\n", 64 << 10).into_bytes(), vec![0; 64 << 10], b"\r\n".to_vec()].concat();
    let (mut reads, mut writes) = stream.split();
    let sending = async {
        while writes.write_all(&chunk).await.is_ok() {}
        std::future::pending::<()>().await;
    };
    let mut told = Vec::new();
    tokio::select! {
        _ = reads.read_buf(&mut told) => {}
        () = sending => {}
    }
    let told = String::from_utf8_lossy(&told);
    assert!(told.starts_with("HTTP/1.1 413"), "{told}");
    assert_eq!(running.get(&format!("actions/{id}")).await["component"], Value::Null, "nothing was kept");
    assert_eq!(running.upload(&id, artifacts::DENIES).await["status"], "built");
    running.stop().await;
}
in_both!(one_that_is_too_large_is_refused_and_leaves_nothing);

#[tokio::test(flavor = "multi_thread")]
async fn one_that_never_ends_is_given_up_and_holds_up_nobody() {
    let running = start().await;
    let id = running.create("gate", json!({})).await;
    let mut hanging = Vec::new();
    for _ in 0..3 {
        let mut stream = TcpStream::connect(running.server.as_ref().unwrap().address()).await.unwrap();
        let head = format!(
            "PUT /api/v2/actions/actions/{id}/component HTTP/1.1\r\ncontent-length: 50000\r\nhost: localhost\r\nauthorization: Bearer {}\r\n\r\n",
            running.token
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(&artifacts::DENIES[..1_000]).await.unwrap();
        hanging.push(stream);
    }
    assert_eq!(running.upload(&id, artifacts::DENIES).await["status"], "built", "others go on");
    for mut stream in hanging {
        let mut told = Vec::new();
        stream.read_to_end(&mut told).await.unwrap();
        let told = String::from_utf8_lossy(&told);
        assert!(told.starts_with("HTTP/1.1 408"), "{told}");
    }
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_of_many_uploads_is_the_draft_and_each_is_answered() {
    let running = start().await;
    let id = running.create("gate", json!({})).await;
    let components: [&[u8]; 3] = [artifacts::DENIES, artifacts::WRITES_METADATA, artifacts::READS_A_SECRET];
    let mut uploads = tokio::task::JoinSet::new();
    for component in components.into_iter().cycle().take(9) {
        let request = running.request(Method::PUT, &format!("/api/v2/actions/actions/{id}/component"));
        uploads.spawn(request.body(component.to_vec()).send());
    }
    while let Some(answer) = uploads.join_next().await {
        assert_eq!(answer.unwrap().unwrap().status(), 200);
    }
    let action = running.upload(&id, artifacts::DENIES).await;
    assert_eq!((&action["status"], &action["component"]["size"]), (&json!("built"), &json!(artifacts::DENIES.len())));
    running.stop().await;
}
