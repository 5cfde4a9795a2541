//! Several servers that change one tenant's Actions at the same moment.

use bytes::Bytes;
use tokio::task::JoinSet;
use vestibule_sessions::ActionCreated;

use crate::parts::database::Database;
use crate::parts::logins::*;
use crate::parts::registry::*;

on_both! {
    of_many_who_create_the_last_action_that_may_be_one_does,
    bytes_that_one_uploads_while_another_gives_them_up_are_there,
}

async fn of_many_who_create_the_last_action_that_may_be_one_does(database: &Database) {
    let stores = [database.open().await, database.open().await];
    create_action(&*stores[0], "first").await;
    let mut callers = JoinSet::new();
    for caller in 0..12 {
        let store = stores[caller % 2].clone();
        let action = new_action(&format!("action-{caller}"));
        callers.spawn(async move { store.create_action(&tenant("acme"), action, 2, at(1)).await.unwrap() });
    }
    let answers = callers.join_all().await;
    let created = answers.iter().filter(|answer| matches!(answer, ActionCreated::Created(_))).count();
    let too_many = answers.iter().filter(|answer| **answer == ActionCreated::TooMany).count();
    assert_eq!((created, too_many), (1, 11));
}

async fn bytes_that_one_uploads_while_another_gives_them_up_are_there(database: &Database) {
    let stores = [database.open().await, database.open().await];
    let ids = [create_action(&*stores[0], "one").await.id, create_action(&*stores[1], "other").await.id];
    let mut uploads = JoinSet::new();
    for (turn, (store, id)) in stores.into_iter().zip(ids).enumerate() {
        uploads.spawn(async move {
            for round in 0..30 {
                let bytes = ["first", "second"][(turn + round) % 2];
                upload(&*store, "acme", &id, bytes, at(2)).await;
                let kept = store.component(&tenant("acme"), &digest_of(bytes)).await.unwrap();
                assert_eq!(kept, Some(Bytes::from(bytes)), "in round {round}");
            }
        });
    }
    uploads.join_all().await;
}
