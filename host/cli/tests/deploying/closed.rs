//! A reader that closes standard output early, as `head` does, and servers that answer badly.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;
use vestibule_test_artifacts as artifacts;

use crate::common::root;
use crate::world::{Person, World};

/// Runs a command whose standard output and error have no reader, and returns its exit code.
fn unread(mut command: Command) -> Option<i32> {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let error = writer.try_clone().unwrap();
    command.stdin(Stdio::null()).stdout(writer).stderr(error).status().unwrap().code()
}

#[test]
fn a_closed_pipe_does_not_change_the_exit_code() {
    let person = Person::new();
    let event = "examples/events/organization-login.json";
    let denies = person.component("denies.wasm", artifacts::DENIES);
    let code = |arguments: &[&str]| unread(person.command(arguments));
    assert_eq!(code(&["run", &denies, "--event", event]), Some(3), "denied");
    assert_eq!(code(&["run", "missing.wasm", "--event", event]), Some(1), "an error");
    assert_eq!(code(&["limits"]), Some(0));
}

#[test]
fn a_full_disk_is_an_error_of_the_output() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vestibule"));
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let ran = command.arg("limits").stdout(full).stderr(Stdio::piped()).output().unwrap();
    let error = String::from_utf8(ran.stderr).unwrap();
    assert_eq!((ran.status.code(), error.contains("can't write to standard output")), (Some(1), true), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn apply_is_carried_out_whole_without_a_reader() {
    let world = World::start().await;
    let folder = world.person.path("acme");
    for name in ["a", "b", "c"] {
        let component = world.person.component(&format!("{name}.wasm"), artifacts::WRITES_METADATA);
        world.done(&["deploy", &component, "--name", name, "--bind"]);
    }
    world.done(&["export", "--to", &folder]);
    for name in ["a", "b", "c"] {
        world.done(&["actions", "delete", name, "--force"]);
    }
    assert_eq!(unread(world.person.command(&["apply", &folder, "--yes", "--tenant", "acme"])), Some(0));
    assert_eq!(world.json(&["apply", &folder, "--yes"])["plan"], json!([]), "nothing is left to do");
    world.server.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn following_a_log_ends_with_its_reader() {
    let world = World::start().await;
    world.login().await;
    let mut following = world.person.start(&["logs", "--follow", "--tenant", "acme"]);
    drop(following.stdout.take());
    for _ in 0..100 {
        world.login().await;
        if let Some(ended) = following.try_wait().unwrap() {
            assert_eq!(ended.code(), Some(0));
            world.server.stop();
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
    following.kill().unwrap();
    panic!("it follows a log that has no reader");
}

/// A server that writes these bytes to each connection, and then zeros until its client has enough.
fn endless(head: &'static str) -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let connections = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&connections);
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            counted.fetch_add(1, Ordering::Relaxed);
            let mut connection = connection.unwrap();
            std::thread::spawn(move || {
                let _ = connection.read(&mut [0; 4096]);
                let _ = connection.write_all(head.as_bytes());
                while connection.write_all(&[b'0'; 65536]).is_ok() {}
            });
        }
    });
    (port, connections)
}

#[test]
fn an_endless_answer_is_an_error_after_its_limit() {
    let person = Person::new();
    let (port, _) = endless("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n\r\n");
    person.knows("acme", &format!("http://127.0.0.1:{port}"), "hunter2", &[]);
    let ran = person.run(&["logs", "--tenant", "acme"]);
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    assert!(ran.stderr.contains("answers with more than 65536 bytes"), "{}", ran.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_proxy_of_the_environment_sees_a_plain_request() {
    let world = World::start().await;
    let (proxy, connections) = endless("HTTP/1.1 502 Bad Gateway\r\nconnection: close\r\n\r\n");
    let mut command = world.person.command(&["actions", "list", "--tenant", "acme"]);
    for variable in ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"] {
        command.env(variable, format!("http://127.0.0.1:{proxy}"));
    }
    command.env_remove("NO_PROXY").env_remove("no_proxy").current_dir(root());
    let ran = command.output().unwrap();
    assert_eq!(ran.status.code(), Some(0), "{}", String::from_utf8_lossy(&ran.stderr));
    assert_eq!(connections.load(Ordering::Relaxed), 0, "the proxy was asked");
    world.server.stop();
}
