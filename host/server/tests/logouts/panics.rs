//! One delivery that makes the server fail costs that delivery an attempt, and no other anything.

use crate::receivers::{Receiver, says};
use crate::world::{Setup, World};

#[tokio::test(flavor = "multi_thread")]
async fn an_attempt_that_panics_leaves_its_receiver_to_the_next() {
    let receiver = Receiver::start(says("200 OK")).await;
    let url = receiver.url().replace("localhost", "shop.example.test");
    let setup = Setup::default().application("shop", &url);
    setup.names.panic_once("shop.example.test");
    let world = World::start(&setup).await;
    world.login_and_end("sess_1", "shop").await;
    let line = world.line("sess_1", "shop").await;
    let said = line["description"].as_str().unwrap();
    assert_eq!(said, "this server has failed while it sent the token; its own log says why");
    world.login_and_end("sess_2", "shop").await;
    receiver.hears_of("sess_2").await;
    let metrics = world.running.client.get(format!("{}/metrics", world.running.origin)).send().await.unwrap().text().await;
    let metrics = metrics.unwrap();
    assert!(metrics.contains("vestibule_worker_panics{worker=\"deliverer\"} 1"), "{metrics}");
    let ready = world.running.client.get(format!("{}/readyz", world.running.origin));
    assert_eq!(world.running.answer(ready).await.0, 200);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_result_that_cannot_be_written_holds_up_no_others() {
    let (bad, good) = (Receiver::start(says("200 OK")).await, Receiver::start(says("200 OK")).await);
    let setup = Setup::default().application("bad", &bad.url()).application("good", &good.url());
    let world = World::start(&setup).await;
    let database = rusqlite::Connection::open(world.running.folder.path().join("state/vestibule.db")).unwrap();
    database.busy_timeout(std::time::Duration::from_secs(60)).unwrap();
    database
        .execute_batch(
            "CREATE TRIGGER bad BEFORE DELETE ON deliveries WHEN old.client_id = 'bad'
             BEGIN SELECT RAISE(ABORT, 'a fault of the tests'); END",
        )
        .unwrap();
    // The first is being settled when the others come, which are settled together.
    world.login_and_end("sess_1", "bad").await;
    bad.hears_of("sess_1").await;
    for (session, client) in [("sess_2", "bad"), ("sess_3", "bad"), ("sess_4", "good")] {
        world.login_and_end(session, client).await;
    }
    assert_eq!(world.line("sess_4", "good").await["type"], "sslo");
    bad.hears_of("sess_3").await;
    let left: Vec<_> = world.deliveries().await.into_iter().map(|delivery| delivery.client.as_str().to_owned()).collect();
    assert!(left.iter().all(|client| client == "bad"), "{left:?}");
    world.stop().await;
}
