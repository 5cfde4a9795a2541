//! The attacks: what any stranger can send, and what a tenant can do with its own token.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use vestibule_test_artifacts as artifacts;

use crate::client::{Client, connect_from, flood, request};
use crate::probe::Probe::{self, Logins, Tokens, Uploads};
use crate::probe::numbered;
use crate::world::{ASKS, HOST, SLEEPERS, World, sleeper};

/// An attack, and what the quiet tenant's p99 may be beside it, as a multiple of its own.
pub(crate) struct Attack {
    pub(crate) name: &'static str,
    pub(crate) bound: u32,
    /// What of the quiet tenant is measured.
    pub(crate) probe: Probe,
    pub(crate) prepare: fn(&World),
    /// Attacks until it is stopped; how many requests that were.
    pub(crate) run: fn(&World, &AtomicBool) -> u64,
}

pub(crate) const ATTACKS: [Attack; 18] = [
    Attack { name: "asks for /openapi.json", bound: 2, probe: Logins, prepare: nothing, run: openapi },
    Attack { name: "asks for /readyz", bound: 2, probe: Logins, prepare: nothing, run: readyz },
    Attack { name: "asks for tokens with wrong secrets", bound: 2, probe: Logins, prepare: nothing, run: wrong_secrets },
    Attack { name: "asks for tokens with wrong secrets", bound: 2, probe: Tokens, prepare: nothing, run: wrong_secrets },
    Attack { name: "opens connections and sends half a head", bound: 2, probe: Logins, prepare: nothing, run: half_heads },
    Attack { name: "opens all connections from four addresses and rests", bound: 2, probe: Logins, prepare: nothing, run: rests },
    Attack { name: "opens bodies and sends half of them", bound: 2, probe: Logins, prepare: nothing, run: half_bodies },
    Attack { name: "lists many large clients", bound: 2, probe: Logins, prepare: many_clients, run: lists },
    Attack { name: "uploads random bytes", bound: 3, probe: Logins, prepare: an_action, run: uploads },
    Attack { name: "uploads components that take long to compile", bound: 3, probe: Logins, prepare: an_action, run: bombs },
    Attack { name: "uploads components that take long to compile", bound: 3, probe: Uploads, prepare: an_action, run: bombs },
    Attack { name: "deletes Actions with large versions", bound: 3, probe: Logins, prepare: large_actions, run: deletes },
    Attack { name: "ends all sessions of a user", bound: 2, probe: Logins, prepare: many_sessions, run: ends_all },
    Attack { name: "four tenants sleep in all their logins", bound: 2, probe: Logins, prepare: nothing, run: sleepers },
    Attack {
        name: "ends sessions whose logout URLs are never found",
        bound: 2,
        probe: Logins,
        prepare: sessions_of_many_urls,
        run: ends_some,
    },
    Attack { name: "sends requests to a host that is never found", bound: 2, probe: Logins, prepare: nothing, run: asks },
    Attack { name: "sends logins with large texts", bound: 2, probe: Logins, prepare: nothing, run: large_logins },
    Attack { name: "reads its log", bound: 2, probe: Logins, prepare: a_log, run: reads_log },
];

/// The id of the Action that [`an_action`] has made.
static ACTION: Mutex<String> = Mutex::new(String::new());

fn nothing(_world: &World) {}

fn plain(world: &World, connections: usize, stop: &AtomicBool, path: &str) -> u64 {
    let request = request("GET", path, HOST, "", "text/plain", b"");
    flood(world.running.address, world.many(connections), stop, |_, _| request.clone())
}

fn openapi(world: &World, stop: &AtomicBool) -> u64 {
    plain(world, 20, stop, "/openapi.json")
}

fn readyz(world: &World, stop: &AtomicBool) -> u64 {
    plain(world, 64, stop, "/readyz")
}

fn wrong_secrets(world: &World, stop: &AtomicBool) -> u64 {
    let address = world.running.address;
    flood(address, world.many(200), stop, |connection, count| {
        let form = format!("grant_type=client_credentials&client_id=platform&client_secret=wrong_{connection}_{count}");
        request("POST", "/oauth/token", HOST, "", "application/x-www-form-urlencoded", form.as_bytes())
    })
}

/// Holds `connections` connections open on which this was sent.
fn held(world: &World, connections: usize, stop: &AtomicBool, sent: &[u8]) -> u64 {
    held_from(world, 1, connections, stop, sent)
}

/// The same from this number of addresses.
fn held_from(world: &World, addresses: u8, connections: usize, stop: &AtomicBool, sent: &[u8]) -> u64 {
    let mut held = Vec::new();
    let mut opened = 0;
    while !stop.load(Ordering::Relaxed) {
        held.retain(is_open);
        while held.len() < world.many(connections) && !stop.load(Ordering::Relaxed) {
            let from = (opened % u64::from(addresses)) as u8;
            let Ok(mut stream) = connect_from(from, world.running.address) else { break };
            opened += 1;
            if stream.write_all(sent).is_ok() && stream.set_nonblocking(true).is_ok() {
                held.push(stream);
            }
        }
        thread::sleep(Duration::from_millis(50));
    }
    opened
}

/// Whether the server has not ended it. What it has answered is read.
fn is_open(stream: &TcpStream) -> bool {
    let (mut stream, mut answer) = (stream, [0; 4_096]);
    loop {
        match stream.read(&mut answer) {
            Ok(0) => return false,
            Ok(_) => {}
            Err(error) => return error.kind() == std::io::ErrorKind::WouldBlock,
        }
    }
}

fn rests(world: &World, stop: &AtomicBool) -> u64 {
    let request = request("GET", "/healthz", HOST, "", "text/plain", b"");
    held_from(world, 4, 5_000, stop, &request)
}

fn half_heads(world: &World, stop: &AtomicBool) -> u64 {
    held(world, 2_000, stop, b"POST /v1/post-login HTTP/1.1\r\nhost: ")
}

fn half_bodies(world: &World, stop: &AtomicBool) -> u64 {
    let mut sent = world.login("other", HOST, &world.token, 0);
    let head = sent.windows(4).position(|bytes| bytes == b"\r\n\r\n").expect("a head") + 4;
    let text = String::from_utf8_lossy(&sent[..head]).into_owned();
    let length = text.lines().find(|line| line.starts_with("content-length")).expect("a length").to_owned();
    sent = text.replace(&length, "content-length: 1000000").into_bytes();
    sent.extend(std::iter::repeat_n(b' ', 900_000));
    held(world, 200, stop, &sent)
}

fn many_clients(world: &World) {
    let mut client = Client::of(world.running.address);
    let initiators: Vec<&str> = std::iter::repeat_n("rp-logout", 20_000).collect();
    for number in 0..world.many(1_000) {
        let body = json!({ "name": format!("client {number}"), "oidc_logout": {
            "backchannel_logout_urls": [format!("https://shop-{number}.example/logout")],
            "backchannel_logout_initiators": { "mode": "custom", "selected_initiators": initiators },
        } });
        let (status, answer) = world.send(&mut client, "POST", "/api/v2/clients", &body);
        if status != 201 {
            assert!(status == 409 || status == 400 || status == 413, "{status} {answer}");
            return;
        }
    }
}

fn lists(world: &World, stop: &AtomicBool) -> u64 {
    let request = world.request("GET", "/api/v2/clients?page=9&per_page=100&fields=name", &Value::Null);
    flood(world.running.address, world.many(6), stop, |_, _| request.clone())
}

fn an_action(world: &World) {
    let id = world.create_action(&mut Client::of(world.running.address), "attack");
    *ACTION.lock().expect("no attack panics") = id;
}

fn action() -> String {
    ACTION.lock().expect("no attack panics").clone()
}

/// How a component begins.
const PREAMBLE: &[u8] = b"\0asm\x0d\0\x01\0";

fn noise(bytes: u32) -> Vec<u8> {
    (0..bytes).map(|number| (number.wrapping_mul(0x9E37_79B9) >> 24) as u8).collect()
}

fn uploads(world: &World, stop: &AtomicBool) -> u64 {
    // It begins as a component does: what doesn't is refused before it is kept.
    let noise = noise(if world.is_test { 1 << 16 } else { (32 << 20) - PREAMBLE.len() as u32 });
    let request = world.upload(&action(), &[PREAMBLE, &noise].concat());
    flood(world.running.address, world.many(4), stop, |_, _| request.clone())
}

fn bombs(world: &World, stop: &AtomicBool) -> u64 {
    // Twenty thousand loops over five thousand locals: less than a megabyte.
    let (loops, locals) = if world.is_test { (10, 10) } else { (20_000, 5_000) };
    let text = format!(
        "(component (core module (func (local {}) {})))",
        "i32 ".repeat(locals),
        "(loop (local.set 0 (i32.add (local.get 0) (i32.const 1))))".repeat(loops)
    );
    let request = world.upload(&action(), &wat::parse_str(text).expect("the component is right"));
    flood(world.running.address, world.many(4), stop, |_, _| request.clone())
}

/// Actions that are deleted, one in each turn of the attack; versions of each, and bytes of a
/// version: what a tenant may upload at once.
const DELETED: usize = 3;
const VERSIONS: usize = 10;
const VERSION_BYTES: u32 = 8 << 20;

/// The ids of the Actions that are deleted.
static LARGE: Mutex<Vec<String>> = Mutex::new(Vec::new());

fn large_actions(world: &World) {
    let mut client = Client::of(world.running.address);
    let noise = noise(if world.is_test { 1 << 16 } else { VERSION_BYTES });
    let mut ids = Vec::new();
    for action in 0..world.many(DELETED) {
        let id = world.create_action(&mut client, &format!("large-{action}"));
        for version in 0..world.many(VERSIONS) {
            let component = numbered(artifacts::DENIES, (action * VERSIONS + version) as u64, &noise);
            let (status, answer) = client.send(&world.upload(&id, &component)).expect("an answer");
            assert_eq!(status, 200, "{}", String::from_utf8_lossy(&answer));
            let (status, answer) = world.send(&mut client, "POST", &format!("/api/v2/actions/actions/{id}/deploy"), &json!({}));
            assert_eq!(status, 202, "{answer}");
        }
        ids.push(id);
    }
    *LARGE.lock().expect("no attack panics") = ids;
}

fn deletes(world: &World, stop: &AtomicBool) -> u64 {
    let next = LARGE.lock().expect("no attack panics").pop();
    let Some(id) = next else { return 0 };
    Client::of(world.running.address).send(&world.request("DELETE", &format!("/api/v2/actions/actions/{id}"), &Value::Null));
    while !stop.load(Ordering::Relaxed) {
        thread::sleep(Duration::from_millis(10));
    }
    1
}

fn many_sessions(world: &World) {
    let urls: Vec<String> = (0..5).map(|number| format!("https://localhost:9/{number}")).collect();
    let body = json!({ "client_id": "shop", "name": "shop", "oidc_logout": {
        "backchannel_logout_urls": urls, "backchannel_logout_initiators": { "mode": "all" } } });
    world.send(&mut Client::of(world.running.address), "POST", "/api/v2/clients", &body);
    let left = AtomicU64::new(world.many(10_000) as u64);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let mut client = Client::of(world.running.address);
                while let Ok(number) = left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)) {
                    let login = of_one_user(world, number);
                    for _ in 0..600 {
                        if client.send(&login).is_some_and(|(status, _)| status == 200) {
                            break;
                        }
                        thread::sleep(Duration::from_millis(50));
                    }
                }
            });
        }
    });
}

/// A login of the user whose sessions are ended, as it is sent.
fn of_one_user(world: &World, number: u64) -> Vec<u8> {
    changed(&world.login("other", HOST, &world.token, number), |event| event["user"]["user_id"] = "auth0|one".into())
}

/// A login with another event.
fn changed(login: &[u8], change: impl FnOnce(&mut Value)) -> Vec<u8> {
    let head = login.windows(4).position(|bytes| bytes == b"\r\n\r\n").expect("a head") + 4;
    let mut event: Value = serde_json::from_slice(&login[head..]).expect("an event");
    change(&mut event);
    let body = event.to_string();
    let head = String::from_utf8_lossy(&login[..head]);
    let lines = head
        .split("\r\n")
        .map(|line| if line.starts_with("content-length") { format!("content-length: {}", body.len()) } else { line.to_owned() });
    (lines.collect::<Vec<_>>().join("\r\n") + &body).into_bytes()
}

fn ends_all(world: &World, stop: &AtomicBool) -> u64 {
    let request = world.request("DELETE", "/api/v2/users/auth0%7Cone/sessions", &Value::Null);
    Client::of(world.running.address).send(&request);
    while !stop.load(Ordering::Relaxed) {
        thread::sleep(Duration::from_millis(10));
    }
    1
}

/// Sessions that are ended, one in each turn of the attack, and applications of each: 650 names.
const ENDED: usize = 8;
const APPLICATIONS: usize = 130;

/// The id of the next session that is ended.
static NEXT: AtomicUsize = AtomicUsize::new(0);

fn sessions_of_many_urls(world: &World) {
    NEXT.store(0, Ordering::Relaxed);
    let mut client = Client::of(world.running.address);
    for application in 0..world.many(APPLICATIONS) {
        let urls: Vec<String> = (0..5).map(|url| format!("https://logout-{url}.shop-{application}.never.test/")).collect();
        let body = json!({ "client_id": format!("shop-{application}"), "name": "shop", "oidc_logout": {
            "backchannel_logout_urls": urls, "backchannel_logout_initiators": { "mode": "all" } } });
        let (status, answer) = world.send(&mut client, "POST", "/api/v2/clients", &body);
        assert_eq!(status, 201, "{answer}");
        for session in 0..ENDED {
            let number = (session * APPLICATIONS + application) as u64;
            let login = changed(&world.login("other", HOST, &world.token, number), |event| {
                event["session"]["id"] = format!("ended-{session}").into();
                event["user"]["user_id"] = "auth0|ended".into();
                event["client"]["client_id"] = format!("shop-{application}").into();
            });
            let is_done = (0..600).any(|_| {
                let is_done = client.send(&login).is_some_and(|(status, _)| status == 200);
                if !is_done {
                    thread::sleep(Duration::from_millis(50));
                }
                is_done
            });
            assert!(is_done, "a login is never answered");
        }
    }
}

fn ends_some(world: &World, stop: &AtomicBool) -> u64 {
    let session = NEXT.fetch_add(1, Ordering::Relaxed);
    let request = world.request("DELETE", &format!("/api/v2/sessions/ended-{session}"), &Value::Null);
    Client::of(world.running.address).send(&request);
    while !stop.load(Ordering::Relaxed) {
        thread::sleep(Duration::from_millis(10));
    }
    1
}

fn asks(world: &World, stop: &AtomicBool) -> u64 {
    let token = world.running.token_of(ASKS);
    flood(world.running.address, world.many(64), stop, |connection, count| {
        world.login("asks", ASKS, &token, (connection as u64) << 32 | count)
    })
}

fn sleepers(world: &World, stop: &AtomicBool) -> u64 {
    let of = |number: usize| {
        let token = world.running.token_of(&sleeper(number));
        flood(world.running.address, world.many(64), stop, |connection, count| {
            let number_of_login = ((number * 64 + connection) as u64) << 32 | count;
            world.login(&format!("sleeper-{number}"), &sleeper(number), &token, number_of_login)
        })
    };
    thread::scope(|scope| {
        let all: Vec<_> = (0..SLEEPERS).map(|number| scope.spawn(move || of(number))).collect();
        all.into_iter().map(|sleeper| sleeper.join().expect("it ends")).sum()
    })
}

fn large_logins(world: &World, stop: &AtomicBool) -> u64 {
    let agent = "x".repeat(if world.is_test { 1_000 } else { 900_000 });
    flood(world.running.address, world.many(8), stop, |connection, count| {
        let login = world.login("other", HOST, &world.token, (connection as u64) << 32 | count);
        changed(&login, |event| event["request"]["user_agent"] = agent.as_str().into())
    })
}

fn a_log(world: &World) {
    let mut client = Client::of(world.running.address);
    for number in 0..world.many(1_000) as u64 {
        client.send(&world.login("other", HOST, &world.token, number));
    }
}

fn reads_log(world: &World, stop: &AtomicBool) -> u64 {
    let request = world.request("GET", "/api/v2/logs?take=100", &Value::Null);
    flood(world.running.address, world.many(16), stop, |_, _| request.clone())
}
