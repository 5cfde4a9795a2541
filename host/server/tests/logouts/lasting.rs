//! What is owed is told: after failures, and after the server has ended in the middle of it.

use std::collections::BTreeSet;
use std::time::Duration;

use vestibule::model::Timestamp;
use vestibule_sessions::{DeliveryState, Initiator, ReceiverShare, Store as _};

use crate::receivers::{Answer, Receiver, nobody, says};
use crate::settings::verified;
use crate::world::{Setup, World, deliveries, store};

/// What the end of a server may take: requests, attempts, and the store, one after the other.
const GRACE: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn what_has_failed_is_sent_again_under_the_same_id() {
    let receiver = Receiver::first(says("500 Internal Server Error"), says("200 OK")).await;
    let world = World::start(&Setup::default().application("shop", &receiver.url())).await;
    world.login_and_end("sess_1", "shop").await;
    let heard = receiver.hears(2).await;
    assert_eq!(heard[0].claim("delivery_id"), heard[1].claim("delivery_id"));
    assert_ne!(heard[0].claim("jti"), heard[1].claim("jti"), "a receiver may refuse an id that it has seen");
    for heard in &heard {
        verified(&world, heard).await;
        let time = |name: &str| heard.claims[name].as_u64().unwrap();
        assert_eq!(time("exp") - time("iat"), 120);
    }
    assert!(heard[1].claims["iat"].as_u64() > heard[0].claims["iat"].as_u64(), "each attempt has a token of its own: {heard:?}");
    let lines = world.lines("sess_1", "shop", 2).await;
    let lines: Vec<_> =
        lines.iter().map(|line| (&line["type"], &line["details"]["attempt"], &line["details"]["status"])).collect();
    assert_eq!(lines, [(&"fslo".into(), &1.into(), &500.into()), (&"sslo".into(), &2.into(), &200.into())]);
    assert!(world.deliveries().await.is_empty());
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_pending_is_sent_after_a_new_start() {
    let port = nobody().await;
    let setup = Setup::default().application("shop", &format!("https://localhost:{port}/logout"));
    let world = World::start(&setup).await;
    world.login_and_end("sess_1", "shop").await;
    let line = world.line("sess_1", "shop").await;
    let folder = world.stop().await;
    let receiver = Receiver::at(port, says("200 OK")).await;
    let world = World::start_in(folder, &setup).await;
    assert_eq!(receiver.hears_of("sess_1").await.claim("delivery_id"), line["details"]["logout_id"]);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_claimed_and_never_sent_is_sent_however_late_it_is() {
    let receiver = Receiver::start(says("200 OK")).await;
    let setup = Setup { logout: ", give_up_after = \"1 s\"", ..Setup::default() }.application("shop", &receiver.url());
    let world = World::start(&setup).await;
    world.login("sess_1", "shop").await;
    let folder = world.stop().await;
    // As servers leave it that were down for longer than it is tried, and then crashed before they
    // had sent it, again and again.
    let (store, acme) = (store(&folder), "acme".parse().unwrap());
    let long_ago = Timestamp::from_millis(Timestamp::now().as_millis() - 3_600_000);
    assert!(store.end(&acme, &"sess_1".parse().unwrap(), Initiator::RpLogout, long_ago).await.unwrap());
    for seconds in 0..3 {
        let now = long_ago.plus(Duration::from_secs(seconds));
        let due = store.due_receivers(now, 10).await.unwrap().remove(0);
        let share = ReceiverShare { tenant: due.tenant, receiver: due.receiver, at_most: 10 };
        let claims = store.claim_deliveries(&[share], now, now.plus(Duration::from_secs(1))).await.unwrap();
        assert_eq!(claims.claimed.len(), 1);
    }
    store.close().await;
    let world = World::start_in(folder, &setup).await;
    receiver.hears_of("sess_1").await;
    let line = world.line("sess_1", "shop").await;
    assert_eq!((&line["type"], &line["details"]["attempt"]), (&"sslo".into(), &4.into()), "{line}");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_ends_while_receivers_hang_gives_back_what_they_have_not_taken() {
    const SESSIONS: usize = 10;
    let receivers = [Receiver::start(Answer::Hangs).await, Receiver::start(Answer::Hangs).await];
    let setup = Setup::default().application("shop", &receivers[0].url()).application("wiki", &receivers[1].url());
    let world = World::start(&setup).await;
    for session in 0..SESSIONS {
        let session = format!("sess_{session}");
        world.login(&session, "shop").await;
        world.login_and_end(&session, "wiki").await;
    }
    for receiver in &receivers {
        receiver.hears(1).await;
    }
    let folder = tokio::time::timeout(GRACE, world.stop()).await.expect("it ends although they hang");
    let pending = deliveries(&folder).await;
    assert_eq!(pending.len(), 2 * SESSIONS);
    for delivery in &pending {
        assert!(delivery.state == DeliveryState::Pending && !delivery.is_claimed, "nobody has it: {delivery:?}");
        assert!(delivery.attempts <= 1, "what was not sent counts as no attempt: {delivery:?}");
    }
    let before: Vec<usize> = receivers.iter().map(|receiver| receiver.heard().len()).collect();
    for receiver in &receivers {
        receiver.now(says("200 OK"));
    }
    let world = World::start_in(folder, &setup).await;
    for (receiver, before) in receivers.iter().zip(before) {
        let heard = receiver.hears(before + SESSIONS).await;
        let sessions: BTreeSet<_> = heard[before..].iter().map(|heard| heard.claim("sid")).collect();
        assert_eq!(sessions.len(), SESSIONS);
    }
    world.stop().await;
}
