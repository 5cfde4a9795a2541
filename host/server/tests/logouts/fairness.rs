//! Dead receivers of one tenant hold up nobody else.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use reqwest::Method;
use serde_json::json;
use tokio::net::{TcpListener, UdpSocket};
use tokio::task::JoinSet;
use vestibule::http::SystemResolver;

use crate::common::ALL_SCOPES;
use crate::receivers::{Receiver, nobody, says};
use crate::world::{Setup, World, event_of, until};

/// Of each kind: those that take no connection, and those that take one and say nothing.
const DEAD: usize = 100;
const SESSIONS: usize = 50;

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_dead_receivers_of_one_tenant_hold_up_no_other() {
    let honest = Receiver::start(says("200 OK")).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (hanging, closed) = (listener.local_addr().unwrap().port(), nobody().await);
    let reached = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&reached);
    let listening = tokio::spawn(async move {
        let mut open = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            open.push(stream);
            count.fetch_add(1, Ordering::Relaxed);
        }
    });
    let mut setup = Setup::default().application("shop", &honest.url());
    for number in 0..DEAD {
        for (kind, port) in [("hangs", hanging), ("closed", closed)] {
            let url = format!("https://{kind}-{number}.example.test:{port}/logout");
            setup = setup.application_of("globex", &format!("{kind}_{number}"), &url, "");
        }
    }
    let world = Arc::new(World::start(&setup).await);
    let sessions: Vec<String> = (0..SESSIONS).map(|number| format!("sess_{number}")).collect();
    for session in &sessions {
        world.login(session, "shop").await;
    }
    let token = world.running.token_of("globex", ALL_SCOPES).await;
    let mut ends = JoinSet::new();
    for number in 0..2 * DEAD {
        let (world, token) = (Arc::clone(&world), token.clone());
        ends.spawn(async move {
            let session = format!("dead_{number}");
            let client = format!("{}_{}", if number % 2 == 0 { "hangs" } else { "closed" }, number / 2);
            let post = |path: &str| {
                world.running.client.post(format!("{}{path}", world.running.origin_of("globex"))).bearer_auth(&token)
            };
            let mut event = event_of(&session, &client);
            event["tenant"]["id"] = "globex".into();
            let (status, body) = world.running.answer(post("/v1/post-login").json(&event)).await;
            assert_eq!(status, 200, "{body}");
            let ended = post(&format!("/v1/sessions/{session}/end")).json(&json!({ "initiator": "rp-logout" }));
            assert_eq!(world.running.answer(ended).await.0, 204);
        });
    }
    while let Some(ended) = ends.join_next().await {
        ended.unwrap();
    }
    until("all hanging receivers hang", async || (reached.load(Ordering::Relaxed) >= DEAD).then_some(())).await;
    for session in &sessions {
        world.ask(Method::DELETE, &format!("/api/v2/sessions/{session}"), None).await;
    }
    let heard = honest.hears(SESSIONS).await;
    assert_eq!(heard.iter().map(|heard| heard.claim("sid")).collect::<BTreeSet<_>>().len(), SESSIONS);
    for session in &sessions {
        let line = world.line(session, "shop").await;
        assert_eq!((&line["type"], &line["details"]["attempt"]), (&"sslo".into(), &1.into()), "{line}");
    }
    let pending = world.deliveries().await;
    assert_eq!(pending.len(), 2 * DEAD, "the dead ones wait, and nobody else");
    assert!(pending.iter().all(|delivery| delivery.tenant.as_str() == "globex"));
    listening.abort();
    Arc::try_unwrap(world).ok().unwrap().stop().await;
}

/// Threads of this process.
fn threads() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    status.lines().find_map(|line| line.strip_prefix("Threads:")).unwrap().trim().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn names_of_one_tenant_without_answer_hold_no_thread_and_no_other() {
    const CLIENTS: usize = 100;
    const URLS: usize = 5;
    let honest = Receiver::start(says("200 OK")).await;
    let mut setup = Setup::default().application("shop", &honest.url());
    for client in 0..CLIENTS {
        let urls: Vec<String> = (0..URLS).map(|url| format!("https://u{url}-c{client}.never.test/logout")).collect();
        writeln!(
            setup.rest,
            "[[tenants.globex.clients]]\nclient_id = \"c{client}\"\noidc_logout = {{ backchannel_logout_urls = {urls:?} }}"
        )
        .unwrap();
    }
    // A name server that says nothing.
    let silent = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let name_server = silent.local_addr().unwrap().to_string().parse().unwrap();
    setup.names.asks.set(SystemResolver::with_name_servers(vec![name_server])).unwrap();
    let world = World::start(&setup).await;
    let token = world.running.token_of("globex", ALL_SCOPES).await;
    let post = |path: &str| world.running.client.post(format!("{}{path}", world.running.origin_of("globex"))).bearer_auth(&token);
    for client in 0..CLIENTS {
        let mut event = event_of("dead", &format!("c{client}"));
        event["tenant"]["id"] = "globex".into();
        let (status, body) = world.running.answer(post("/v1/post-login").json(&event)).await;
        assert_eq!(status, 200, "{body}");
    }
    let before = threads();
    let ended = post("/v1/sessions/dead/end").json(&json!({ "initiator": "rp-logout" }));
    assert_eq!(world.running.answer(ended).await.0, 204);
    silent.recv(&mut [0; 512]).await.unwrap();
    for number in 0..20 {
        world.login_and_end(&format!("sess_{number}"), "shop").await;
    }
    assert_eq!(honest.hears(20).await.len(), 20);
    let taken = threads().saturating_sub(before);
    assert!(taken < 50, "{taken} threads more");
    world.stop().await;
}
