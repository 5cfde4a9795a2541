//! Each way to end a session tells the applications that took part and want to hear of it, and no
//! others.

use reqwest::Method;
use serde_json::{Value, json};
use vestibule_sessions::Initiator;

use crate::receivers::{Heard, Receiver, says};
use crate::world::{Setup, World};

/// The ids of sessions that a receiver has heard of.
fn sessions(heard: &[Heard]) -> Vec<String> {
    let mut sessions: Vec<String> = heard.iter().map(|heard| heard.claim("sid").to_owned()).collect();
    sessions.sort();
    sessions
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_ends_a_session_tells_its_applications() {
    let shop = Receiver::start(says("200 OK")).await;
    let setup = Setup::default().application("shop", &shop.url()).application("stranger", &shop.url_at("stranger.example.test"));
    let mut world = World::start(&setup).await;
    for session in ["deleted", "revoked", "of_a_user", "ended", "by_an_action"] {
        world.login(session, "shop").await;
    }
    world.ask(Method::DELETE, "/api/v2/sessions/deleted", None).await;
    world.ask(Method::POST, "/api/v2/sessions/revoked/revoke", None).await;
    world.ask(Method::DELETE, "/api/v2/users/auth0%7Cof_a_user/sessions", None).await;
    world.end("ended", "account-deleted").await;
    let mut revoking = setup.clone();
    revoking.rest.push_str("[[tenants.acme.actions]]\ncomponent = \"revokes.wasm\"\n");
    world.reload(&revoking).await;
    let mut again = crate::world::event_of("by_an_action", "shop");
    again["transaction"]["id"] = "txn_again".into();
    world.running.login(&again).await;
    for (session, initiator) in [
        ("deleted", "session-revoked"),
        ("revoked", "session-revoked"),
        ("of_a_user", "session-revoked"),
        ("ended", "account-deleted"),
        ("by_an_action", "session-revoked"),
    ] {
        let heard = shop.hears_of(session).await;
        assert_eq!((heard.claim("aud"), heard.claim("sub")), ("shop", format!("auth0|{session}").as_str()));
        let line = world.line(session, "shop").await;
        assert_eq!((&line["type"], &line["details"]["initiator"]), (&"sslo".into(), &initiator.into()), "{line}");
        assert_eq!(world.written(session).await, 1, "{session}: the one that took part, and not the stranger");
    }
    // Ended once, told once.
    for session in ["deleted", "ended"] {
        world.end(session, "rp-logout").await;
    }
    assert_eq!(sessions(&shop.heard()), ["by_an_action", "deleted", "ended", "of_a_user", "revoked"]);
    assert!(world.deliveries().await.is_empty());
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_of_a_users_sessions_end_at_once_however_many() {
    const SESSIONS: usize = 130;
    let shop = Receiver::start(says("200 OK")).await;
    let world = World::start(&Setup::default().application("shop", &shop.url())).await;
    for number in 0..SESSIONS {
        let mut event = crate::world::event_of(&format!("sess_{number}"), "shop");
        event["user"]["user_id"] = "auth0|anna".into();
        world.running.login(&event).await;
    }
    world.ask(Method::DELETE, "/api/v2/users/auth0%7Canna/sessions", None).await;
    let page = world.ask(Method::GET, "/api/v2/users/auth0%7Canna/sessions", None).await;
    assert_eq!(page["sessions"], json!([]));
    for number in [0, SESSIONS / 2, SESSIONS - 1] {
        let read = world.running.request(Method::GET, &format!("/api/v2/sessions/sess_{number}"));
        assert_eq!(world.running.answer(read).await.0, 404, "sess_{number}");
    }
    for number in 0..SESSIONS {
        shop.hears_of(&format!("sess_{number}")).await;
    }
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_whose_time_is_over_is_told_when_the_sweep_finds_it() {
    let shop = Receiver::start(says("200 OK")).await;
    let setup = Setup { tenant: "session_lifetime = \"1 s\"", ..Setup::default() }.application("shop", &shop.url());
    let world = World::start(&setup).await;
    world.login("sess_1", "shop").await;
    shop.hears_of("sess_1").await;
    let line = world.line("sess_1", "shop").await;
    assert_eq!((&line["type"], &line["details"]["initiator"]), (&"sslo".into(), &"session-expired".into()), "{line}");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_application_hears_of_the_ends_that_it_has_selected() {
    let receiver = Receiver::start(says("200 OK")).await;
    let selected =
        |mode: &str, list: &str| format!("backchannel_logout_initiators = {{ mode = {mode:?}, selected_initiators = [{list}] }}");
    let setup = Setup::default()
        .application("all", &receiver.url())
        .application_of("acme", "usual", &receiver.url(), "")
        .application_of("acme", "two", &receiver.url(), &selected("custom", "\"password-changed\", \"session-expired\""))
        .application_of("acme", "all_anyway", &receiver.url(), &selected("all", "\"idp-logout\""));
    let world = World::start(&setup).await;
    let wanted = |client: &str, initiator: Initiator| match client {
        "all" | "all_anyway" => true,
        "usual" => initiator == Initiator::RpLogout,
        "two" => [Initiator::PasswordChanged, Initiator::SessionExpired].contains(&initiator),
        _ => false,
    };
    let clients = ["all", "usual", "two", "all_anyway"];
    let mut expected = Vec::new();
    for initiator in Initiator::ALL {
        let session = initiator.as_str();
        for client in clients {
            world.login(session, client).await;
        }
        world.end(session, session).await;
        let of_session: Vec<_> = clients.into_iter().filter(|client| wanted(client, initiator)).collect();
        assert_eq!(world.written(session).await, of_session.len() as u64, "{session}");
        expected.extend(of_session.into_iter().map(|client| (session.to_owned(), client.to_owned())));
    }
    let heard = receiver.hears(expected.len()).await;
    let mut heard: Vec<_> = heard.iter().map(|heard| (heard.claim("sid").to_owned(), heard.claim("aud").to_owned())).collect();
    heard.sort();
    expected.sort();
    assert_eq!(heard, expected);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_has_the_sessions_metadata_where_that_is_asked_for_and_is_whole_by_the_published_keys() {
    let receiver = Receiver::start(says("200 OK")).await;
    let more = "backchannel_logout_session_metadata = { include = true }";
    let setup = Setup::default().application_of("acme", "curious", &receiver.url(), more).application_of(
        "acme",
        "plain",
        &receiver.url(),
        "",
    );
    let world = World::start(&setup).await;
    world.login("sess_1", "curious").await;
    world.login_and_end("sess_1", "plain").await;
    let mut heard = receiver.hears(2).await;
    heard.sort_by_key(|heard| heard.claim("aud").to_owned());
    assert_eq!(
        heard[0].claims["session_metadata"],
        json!({ "org_id": "org_abc123", "org_name": "Acme Corp", "org_slug": "acme" })
    );
    assert_eq!(heard[1].claims["session_metadata"], Value::Null);
    assert_ne!(heard[0].claim("jti"), heard[1].claim("jti"));
    for heard in &heard {
        crate::settings::verified(&world, heard).await;
        assert_eq!(heard.header["typ"], "logout+jwt");
        assert_eq!(heard.claims["events"], json!({ "http://schemas.openid.net/event/backchannel-logout": {} }));
        assert!(heard.claims.get("nonce").is_none());
        assert!(heard.head.starts_with("POST /logout?by=vestibule HTTP/1.1\r\n"), "{}", heard.head);
        assert!(heard.head.contains("content-type: application/x-www-form-urlencoded"), "{}", heard.head);
    }
    world.stop().await;
}
