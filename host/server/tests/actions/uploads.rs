//! Components that are none, are too large, never end, or are read slowly. Those that break a
//! compiler: `deploying` of the command.

use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use vestibule_test_artifacts as artifacts;

use crate::common::start_in;
use crate::in_both;
use crate::world::{Actions as _, Database, configuration, start};

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_action_is_told_to_its_author_and_can_not_be_deployed() {
    let running = start().await;
    let id = running.create("gate", json!({})).await;
    for (component, error, told) in [
        (&b"\0asm\x0d\0\x01\0"[..], "missing_export", "does not export"),
        (artifacts::OPENS_A_SOCKET, "not_offered", "wasi:sockets"),
    ] {
        let action = running.upload(&id, component).await;
        assert_eq!(action["status"], "failed", "{action}");
        let failed = &action["errors"][0];
        assert_eq!(failed["id"], error, "{failed}");
        assert!(failed["msg"].as_str().unwrap().contains(told), "{failed}");
        let (status, answer) = running.send(Method::POST, &format!("actions/{id}/deploy"), json!({})).await;
        assert_eq!((status, &answer["errorCode"]), (400, &json!("build_failed")), "{answer}");
        assert!(answer["message"].as_str().unwrap().contains(failed["msg"].as_str().unwrap()), "{answer}");
    }
    // What doesn't begin as a component does is not stored at all.
    let before = running.get(&format!("actions/{id}")).await;
    let path = format!("/api/v2/actions/actions/{id}/component");
    for (body, error) in
        [(&b"no WebAssembly at all"[..], "not_wasm"), (b"\0asm\x01\0\0\0", "no_component"), (b"\0asm", "no_component")]
    {
        let (status, answer) = running.answer(running.request(Method::PUT, &path).body(body)).await;
        assert_eq!((status, &answer["errorCode"]), (400, &json!(error)), "{answer}");
    }
    assert_eq!(running.get(&format!("actions/{id}")).await, before);
    // What was wrong is forgotten with what is right.
    let action = running.upload(&id, artifacts::DENIES).await;
    assert_eq!((&action["status"], &action["errors"]), (&json!("built"), &json!([])));
    let empty = running.request(Method::PUT, &format!("/api/v2/actions/actions/{id}/component"));
    assert_eq!(running.answer(empty).await.0, 400);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_build_whose_component_is_gone_fails_and_is_not_begun_again() {
    let running = start().await;
    let database = rusqlite::Connection::open(running.folder.path().join("kept.db-components")).unwrap();
    database.busy_timeout(std::time::Duration::from_secs(60)).unwrap();
    database
        .execute_batch(
            "CREATE TRIGGER gone AFTER INSERT ON components BEGIN DELETE FROM components WHERE number = new.number; END",
        )
        .unwrap();
    let id = running.create("gate", json!({})).await;
    let action = running.upload(&id, artifacts::DENIES).await;
    assert_eq!((&action["status"], &action["errors"][0]["id"]), (&json!("failed"), &json!("component_missing")), "{action}");
    database.execute_batch("DROP TRIGGER gone").unwrap();
    assert_eq!(running.upload(&id, artifacts::DENIES).await["status"], "built", "the author uploads it again");
    running.stop().await;
}

async fn noise_behind_the_beginning_of_a_component_is_not_kept(database: Database) {
    let running = database.start("", "").await;
    let id = running.create("gate", json!({})).await;
    let path = format!("/api/v2/actions/actions/{id}/component");
    let noise: Vec<u8> = (0..1_u32 << 20).map(|number| (number.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let begins = [&artifacts::DENIES[..8], &noise[..]].concat();
    let is_cut = artifacts::DENIES[..artifacts::DENIES.len() - 1].to_vec();
    for body in [begins, is_cut, [artifacts::DENIES, &b"\x63\0"[..]].concat()] {
        let (status, answer) = running.answer(running.request(Method::PUT, &path).body(body)).await;
        assert_eq!((status, &answer["errorCode"]), (400, &json!("invalid_component")), "{answer}");
        assert!(answer["message"].as_str().unwrap().starts_with("gate can't be compiled: "), "{answer}");
        assert_eq!(running.get(&format!("actions/{id}")).await["component"], Value::Null, "nothing was kept");
    }
    assert_eq!(running.answer(running.request(Method::GET, &path)).await.0, 404);
    assert_eq!(running.upload(&id, artifacts::DENIES).await["status"], "built");
    running.stop().await;
}
in_both!(noise_behind_the_beginning_of_a_component_is_not_kept);

async fn a_tenant_keeps_some_versions_and_some_bytes_and_no_more(database: Database) {
    let room = artifacts::DENIES.len() + artifacts::WRITES_METADATA.len() + 100;
    let first = format!("actions = {{ versions = 2, kept = \"{room}\" }}");
    let running = database.start(&first, "").await;
    let id = running.run("gate", artifacts::DENIES, json!({})).await;
    for _ in 0..2 {
        running.deploy(&id).await;
    }
    let kept = running.get(&format!("actions/{id}/versions")).await;
    let numbers: Vec<&Value> = kept["versions"].as_array().unwrap().iter().map(|version| &version["number"]).collect();
    assert_eq!((numbers, &kept["total"]), (vec![&json!(3), &json!(2)], &json!(2)), "{kept}");
    let other = running.create("other", json!({})).await;
    assert_eq!(running.upload(&other, artifacts::WRITES_METADATA).await["status"], "built");
    let more = running.create("more", json!({})).await;
    let path = format!("/api/v2/actions/actions/{more}/component");
    let (status, answer) = running.answer(running.request(Method::PUT, &path).body(artifacts::PANICS)).await;
    assert_eq!((status, &answer["errorCode"]), (409, &json!("too_many_bytes")), "{answer}");
    assert!(answer["message"].as_str().unwrap().contains(&room.to_string()), "{answer}");
    assert_eq!(running.get(&format!("actions/{more}")).await["status"], Value::Null, "nothing was kept of it");
    // Bytes that are kept already take no more room.
    assert_eq!(running.upload(&more, artifacts::DENIES).await["status"], "built");
    assert_eq!(running.version_that_ran(0).await.0, "3");
    running.stop().await;
}
in_both!(a_tenant_keeps_some_versions_and_some_bytes_and_no_more);

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
async fn tenants_whose_uploads_are_slow_hold_up_no_other_tenant() {
    let two = configuration("", "");
    let (_, globex) = two.split_once("[tenants.globex]").unwrap();
    let initech = globex.replace("tenants.globex", "tenants.initech").replace("\"127.0.0.1\"", "\"initech.example\"");
    let running = start_in(tempfile::tempdir().unwrap(), &format!("{two}\n[tenants.initech]{initech}")).await;
    let create = |host: &'static str, token: &str| {
        let body = json!({ "name": "gate", "supported_triggers": [{ "id": "post-login" }] });
        let request = running.client.post(format!("{}/api/v2/actions/actions", running.origin));
        running.answer(request.header("host", host).bearer_auth(token).json(&body))
    };
    let of_globex = running.token_of("globex", crate::common::ALL_SCOPES).await;
    let ask = json!({ "grant_type": "client_credentials", "client_id": "platform", "client_secret": crate::common::SECRET });
    let ask = running.client.post(format!("{}/oauth/token", running.origin)).header("host", "initech.example").json(&ask);
    let (status, granted) = running.answer(ask).await;
    assert_eq!(status, 200, "{granted}");
    let of_initech = granted["access_token"].as_str().unwrap();

    let mut slow = Vec::new();
    for (host, token) in [("localhost", &running.token), ("127.0.0.1", &of_globex)] {
        let (_, action) = create(host, token).await;
        let id = action["id"].as_str().unwrap();
        // What has come of it gives it more time than others would wait for a turn.
        for _ in 0..4 {
            let mut stream = TcpStream::connect(running.server.as_ref().unwrap().address()).await.unwrap();
            let head = format!(
                "PUT /api/v2/actions/actions/{id}/component HTTP/1.1\r\ncontent-length: 500000\r\nhost: {host}\r\nauthorization: Bearer {token}\r\n\r\n"
            );
            stream.write_all(head.as_bytes()).await.unwrap();
            stream.write_all(&vec![0; 400_000]).await.unwrap();
            slow.push(stream);
        }
    }
    let (_, action) = create("initech.example", of_initech).await;
    let path = format!("{}/api/v2/actions/actions/{}/component", running.origin, action["id"].as_str().unwrap());
    let upload = running.client.put(path).header("host", "initech.example").bearer_auth(of_initech).body(artifacts::DENIES);
    let (status, action) = running.answer(upload).await;
    assert_eq!((status, &action["status"]), (200, &json!("built")), "{action}");
    for mut stream in slow {
        let mut told = Vec::new();
        stream.read_to_end(&mut told).await.unwrap();
        assert!(told.starts_with(b"HTTP/1.1 408"), "they still came meanwhile: {}", String::from_utf8_lossy(&told));
    }
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_that_uploads_much_waits_and_another_does_not() {
    let running = start().await;
    let id = running.create("gate", json!({})).await;
    let path = format!("/api/v2/actions/actions/{id}/component");
    let much = bytes::Bytes::from(vec![0; 32 << 20]);
    let mut refused = None;
    // Eight of them are what it may send at once, and some more come in while these are on their
    // way.
    for _ in 0..40 {
        match running.request(Method::PUT, &path).body(much.clone()).send().await {
            Ok(answer) if answer.status() != 429 => assert_eq!(answer.status(), 400, "it is no component"),
            // The answer comes before the body: a connection that closes behind it may break off
            // the rest. A small body always arrives.
            _ => {
                let answer = running.request(Method::PUT, &path).body("x").send().await.unwrap();
                if answer.status() == 429 {
                    refused = Some(answer);
                    break;
                }
            }
        }
    }
    let refused = refused.expect("it has sent a gigabyte");
    let wait: u64 = refused.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=9).contains(&wait), "as long as one of them takes at most: {wait}");
    let answer: Value = refused.json().await.unwrap();
    assert_eq!(answer["errorCode"], "too_many_requests", "{answer}");
    let of_globex = running.token_of("globex", crate::common::ALL_SCOPES).await;
    let other = running.client.put(format!("{}{path}", running.origin_of("globex"))).bearer_auth(of_globex).body("x");
    assert_eq!(running.answer(other).await.0, 404, "another tenant is answered");
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

#[tokio::test(flavor = "multi_thread")]
async fn what_a_component_says_of_itself_is_kept_as_far_as_it_is_short() {
    let running = start().await;
    let id = running.create("gate", json!({})).await;
    let mut component = artifacts::DENIES.to_vec();
    for (name, text) in [("description", "x".repeat(100_000)), ("authors", "Ada".to_owned())] {
        let section = [leb128(name.len()), name.as_bytes().to_vec(), text.into_bytes()].concat();
        component.push(0);
        component.extend([leb128(section.len()), section].concat());
    }
    let built = running.upload(&id, &component).await;
    assert_eq!((&built["status"], &built["component"]["build"]["authors"]), (&json!("built"), &json!("Ada")), "{built}");
    assert!(built.to_string().len() < 20_000, "what is too long is left out of each answer");
    let imports: String = (0..900).map(|number| format!("(import \"a:b/i{number}\" (instance))")).collect();
    let failed = running.upload(&id, &wat::parse_str(format!("(component {imports})")).unwrap()).await;
    assert_eq!(failed["errors"][0]["id"], "not_offered", "{failed}");
    assert_eq!(failed["errors"][0]["msg"].as_str().unwrap().chars().count(), 4_000, "and so is a long message");
    running.stop().await;
}

/// A component of this size that does nothing: all of it is a custom section.
fn of_size(size: usize) -> Vec<u8> {
    const HEAD: &[u8] = b"\0asm\x0d\0\x01\0\0";
    let length = size - HEAD.len() - leb128(size).len();
    let component = [HEAD.to_vec(), leb128(length), vec![0], vec![7; length - 1]].concat();
    assert_eq!(component.len(), size);
    component
}

/// A length as WebAssembly has it.
fn leb128(mut number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number >= 0x80 {
        bytes.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
    bytes
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_reads_components_slowly_holds_up_themselves_alone() {
    let running = start().await;
    let id = running.create("gate", json!({})).await;
    // It is a component, and larger than what the system and the server keep of an unread answer.
    let large = of_size(24 << 20);
    running.upload(&id, &large).await;
    let path = format!("/api/v2/actions/actions/{id}/component");
    let ask = |host: &'static str, token: String| {
        let head = format!("GET {path} HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {token}\r\n\r\n");
        let address = running.server.as_ref().unwrap().address();
        async move {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.write_all(head.as_bytes()).await.unwrap();
            let mut begun = [0; 15];
            stream.read_exact(&mut begun).await.unwrap();
            (stream, String::from_utf8_lossy(&begun).into_owned())
        }
    };
    let mut slow = Vec::new();
    for _ in 0..2 {
        let (stream, begun) = ask("localhost", running.token.clone()).await;
        assert_eq!(begun, "HTTP/1.1 200 OK");
        slow.push(stream);
    }
    let (_, begun) = ask("localhost", running.token.clone()).await;
    assert_eq!(begun, "HTTP/1.1 503 Se", "a third has to wait for one of them, and is told so");
    let of_globex = running.token_of("globex", crate::common::ALL_SCOPES).await;
    assert_eq!(ask("127.0.0.1", of_globex).await.1, "HTTP/1.1 404 No", "another tenant is answered at once");
    slow.pop();
    let read = running.request(Method::GET, &path).send().await.unwrap();
    assert_eq!(read.content_length(), Some(24 << 20));
    assert_eq!(read.bytes().await.unwrap().len(), 24 << 20);
    drop(slow);
    running.stop().await;
}
