//! Components: uploaded, built by one of many, and kept for as long as something names them.

use bytes::Bytes;
use tokio::task::JoinSet;
use vestibule_sessions::{ActionUid, BuildError, BuildStatus, Draft, DraftPut, Keeping, StoredAction};

use crate::parts::database::Database;
use crate::parts::logins::*;
use crate::parts::registry::*;

on_all! {
    a_draft_is_pending_until_it_is_built_or_has_failed,
    a_draft_that_was_uploaded_again_is_built_again,
    of_many_who_begin_to_build_a_draft_one_does,
    a_build_whose_time_is_over_is_anybodys,
    a_build_of_a_draft_that_was_replaced_ends_in_nothing,
    what_was_built_does_not_fail_later,
    what_nobody_builds_is_found_in_every_tenant_the_oldest_first,
    bytes_are_kept_as_they_came,
    bytes_are_there_once_and_go_with_the_last_that_names_them,
    bytes_of_a_version_stay_when_its_draft_is_replaced,
    a_tenant_keeps_no_more_bytes_than_it_may,
}

fn draft(action: &StoredAction) -> &Draft {
    action.draft.as_ref().expect("there is a draft")
}

fn failure() -> Vec<BuildError> {
    vec![BuildError { id: "invalid_component".into(), message: "no component: \u{0}é🦀".into() }]
}

async fn a_draft_is_pending_until_it_is_built_or_has_failed(database: &Database) {
    let store = database.open().await;
    let (acme, id) = (tenant("acme"), create_action(&*store, "built").await.id);
    let uploaded = upload(&*store, "acme", &id, "bytes", at(2)).await;
    let pending = Draft {
        digest: digest_of("bytes"),
        size: 5,
        status: BuildStatus::Pending,
        errors: Vec::new(),
        info: None,
        updated_at: at(2),
        built_at: None,
    };
    assert_eq!(uploaded.draft, Some(pending.clone()));
    assert_eq!((uploaded.updated_at, uploaded.revision), (at(2), 2));
    assert!(store.begin_build(&acme, &id, &pending.digest, at(3), at(100)).await.unwrap());
    let building = Draft { status: BuildStatus::Building, updated_at: at(3), ..pending.clone() };
    assert_eq!(action(&*store, &id).await.draft, Some(building));
    let ended = store.end_build(&acme, &id, &pending.digest, Ok(info("x")), at(4)).await.unwrap().unwrap();
    let built =
        Draft { status: BuildStatus::Built, info: Some(info("x")), updated_at: at(4), built_at: Some(at(4)), ..pending.clone() };
    assert_eq!(ended.draft, Some(built));
    assert_eq!((ended.updated_at, ended.revision), (at(2), 2), "a build changes nothing of the Action");
    upload(&*store, "acme", &id, "wrong", at(5)).await;
    let digest = digest_of("wrong");
    assert!(store.begin_build(&acme, &id, &digest, at(6), at(100)).await.unwrap());
    let failed = store.end_build(&acme, &id, &digest, Err(failure()), at(7)).await.unwrap().unwrap();
    let expected = Draft { digest, status: BuildStatus::Failed, errors: failure(), updated_at: at(7), ..pending };
    assert_eq!(failed.draft, Some(expected));
    assert!(store.unbuilt(at(1_000), 10).await.unwrap().is_empty());
}

async fn a_draft_that_was_uploaded_again_is_built_again(database: &Database) {
    let store = database.open().await;
    let (acme, id) = (tenant("acme"), create_action(&*store, "again").await.id);
    build(&*store, "acme", &id, "bytes", at(2)).await;
    let again = upload(&*store, "acme", &id, "bytes", at(3)).await;
    let draft = draft(&again);
    assert_eq!((draft.status, &draft.info, draft.built_at), (BuildStatus::Pending, &None, None));
    assert!(has_component(&*store, "acme", "bytes").await);
    assert!(store.begin_build(&acme, &id, &digest_of("bytes"), at(4), at(5)).await.unwrap());
    let absent = ActionUid::random().unwrap();
    let nowhere = store.put_draft(&acme, &absent, &digest_of("lost"), Bytes::from_static(b"lost"), ALL, at(4)).await.unwrap();
    assert_eq!(nowhere, DraftPut::Absent);
    assert!(!has_component(&*store, "acme", "lost").await, "bytes of no Action are not kept");
}

async fn of_many_who_begin_to_build_a_draft_one_does(database: &Database) {
    let stores = [database.open().await, database.open().await];
    let id = create_action(&*stores[0], "wanted").await.id;
    upload(&*stores[0], "acme", &id, "bytes", at(2)).await;
    let mut callers = JoinSet::new();
    for caller in 0..12 {
        let store = stores[caller % 2].clone();
        callers.spawn(async move { store.begin_build(&tenant("acme"), &id, &digest_of("bytes"), at(3), at(100)).await.unwrap() });
    }
    assert_eq!(callers.join_all().await.into_iter().filter(|is_ours| *is_ours).count(), 1);
}

async fn a_build_whose_time_is_over_is_anybodys(database: &Database) {
    let store = database.open().await;
    let (acme, id, digest) = (tenant("acme"), create_action(&*store, "late").await.id, digest_of("bytes"));
    upload(&*store, "acme", &id, "bytes", at(2)).await;
    assert!(store.begin_build(&acme, &id, &digest, at(3), at(100)).await.unwrap());
    assert!(!store.begin_build(&acme, &id, &digest, at(99), at(200)).await.unwrap());
    assert!(store.unbuilt(at(99), 10).await.unwrap().is_empty());
    assert_eq!(store.unbuilt(at(100), 10).await.unwrap(), [(acme.clone(), id, digest)]);
    assert!(store.begin_build(&acme, &id, &digest, at(100), at(200)).await.unwrap());
    assert!(store.unbuilt(at(100), 10).await.unwrap().is_empty());
    // Who began it first may end it, too: the bytes are the same.
    let ended = store.end_build(&acme, &id, &digest, Ok(info("x")), at(101)).await.unwrap().unwrap();
    assert_eq!(draft(&ended).status, BuildStatus::Built);
    assert!(!store.begin_build(&acme, &id, &digest, at(300), at(400)).await.unwrap());
}

async fn a_build_of_a_draft_that_was_replaced_ends_in_nothing(database: &Database) {
    let store = database.open().await;
    let (acme, id) = (tenant("acme"), create_action(&*store, "replaced").await.id);
    upload(&*store, "acme", &id, "one", at(2)).await;
    assert!(store.begin_build(&acme, &id, &digest_of("one"), at(3), at(100)).await.unwrap());
    let replaced = upload(&*store, "acme", &id, "two", at(4)).await;
    assert!(!store.begin_build(&acme, &id, &digest_of("one"), at(5), at(100)).await.unwrap());
    let ended = store.end_build(&acme, &id, &digest_of("one"), Ok(info("x")), at(6)).await.unwrap();
    assert_eq!(ended, Some(replaced.clone()));
    let failed = store.end_build(&acme, &id, &digest_of("one"), Err(failure()), at(6)).await.unwrap();
    assert_eq!(failed, Some(replaced));
    let absent = ActionUid::random().unwrap();
    assert!(!store.begin_build(&acme, &absent, &digest_of("one"), at(5), at(6)).await.unwrap());
    assert_eq!(store.end_build(&acme, &absent, &digest_of("one"), Ok(info("x")), at(6)).await.unwrap(), None);
    let nothing = create_action(&*store, "empty").await.id;
    assert!(!store.begin_build(&acme, &nothing, &digest_of("one"), at(5), at(6)).await.unwrap());
}

async fn what_was_built_does_not_fail_later(database: &Database) {
    let store = database.open().await;
    let (acme, id) = (tenant("acme"), create_action(&*store, "twice").await.id);
    let built = build(&*store, "acme", &id, "bytes", at(2)).await;
    let later = store.end_build(&acme, &id, &digest_of("bytes"), Err(failure()), at(9)).await.unwrap();
    assert_eq!(later, Some(built));
}

async fn what_nobody_builds_is_found_in_every_tenant_the_oldest_first(database: &Database) {
    let store = database.open().await;
    let mut expected = Vec::new();
    for (number, of) in ["beta", "acme", "gamma", "acme"].into_iter().enumerate() {
        let id = create_in(&*store, of, new_action(&format!("a{number}"))).await.id;
        upload(&*store, of, &id, "bytes", at(2 + number as u64)).await;
        expected.push((tenant(of), id, digest_of("bytes")));
    }
    create_action(&*store, "without-draft").await;
    assert_eq!(store.unbuilt(at(9), 10).await.unwrap(), expected);
    assert_eq!(store.unbuilt(at(9), 2).await.unwrap(), expected[..2]);
}

async fn bytes_are_kept_as_they_came(database: &Database) {
    let store = database.open().await;
    let (acme, id) = (tenant("acme"), create_action(&*store, "large").await.id);
    let bytes: Bytes = (0..3_000_000_u32).map(|number| (number.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let digest = vestibule_model::ComponentDigest::of(&bytes);
    let uploaded = put(store.put_draft(&acme, &id, &digest, bytes.clone(), ALL, at(2)).await.unwrap());
    assert_eq!(draft(&uploaded).size, 3_000_000);
    assert!(store.component(&acme, &digest).await.unwrap() == Some(bytes));
    let empty = put(store.put_draft(&acme, &id, &digest_of(""), Bytes::new(), ALL, at(3)).await.unwrap());
    assert_eq!(draft(&empty).size, 0);
    assert!(has_component(&*store, "acme", "").await);
    assert_eq!(store.component(&acme, &digest).await.unwrap(), None);
}

async fn bytes_are_there_once_and_go_with_the_last_that_names_them(database: &Database) {
    let store = database.open().await;
    let acme = tenant("acme");
    let [one, other] = [create_action(&*store, "one").await.id, create_action(&*store, "other").await.id];
    for id in [one, other] {
        upload(&*store, "acme", &id, "same", at(2)).await;
    }
    upload(&*store, "acme", &one, "new", at(3)).await;
    assert!(has_component(&*store, "acme", "same").await, "the other's draft still names them");
    upload(&*store, "acme", &other, "new", at(3)).await;
    assert!(!has_component(&*store, "acme", "same").await);
    store.delete_action(&acme, &one, false, at(4)).await.unwrap();
    assert!(has_component(&*store, "acme", "new").await);
    store.delete_action(&acme, &other, false, at(4)).await.unwrap();
    assert!(!has_component(&*store, "acme", "new").await);
}

async fn bytes_of_a_version_stay_when_its_draft_is_replaced(database: &Database) {
    let store = database.open().await;
    let id = create_action(&*store, "kept").await.id;
    build(&*store, "acme", &id, "one", at(2)).await;
    let first = deploy(&*store, "acme", &id, at(3)).await.deployed.unwrap();
    build(&*store, "acme", &id, "two", at(4)).await;
    assert!(has_component(&*store, "acme", "one").await, "a version names them");
    // The draft that was there before goes with the change: it was no version's.
    run_again(&*store, &id, &first, true).await;
    assert!(!has_component(&*store, "acme", "two").await);
    build(&*store, "acme", &id, "three", at(6)).await;
    deploy(&*store, "acme", &id, at(7)).await;
    for bytes in ["one", "three"] {
        assert!(has_component(&*store, "acme", bytes).await, "{bytes}: old versions can be run again");
    }
}

async fn a_tenant_keeps_no_more_bytes_than_it_may(database: &Database) {
    let store = database.open().await;
    let acme = tenant("acme");
    let [one, other] = [create_action(&*store, "one").await.id, create_action(&*store, "other").await.id];
    let upload = async |id: &ActionUid, bytes: &'static str| {
        store.put_draft(&acme, id, &digest_of(bytes), Bytes::from_static(bytes.as_bytes()), KEEPS_TEN, at(2)).await.unwrap()
    };
    put(upload(&one, "123456").await);
    assert_eq!(upload(&other, "12345").await, DraftPut::TooManyBytes);
    assert!(action(&*store, &other).await.draft.is_none() && !has_component(&*store, "acme", "12345").await);
    put(upload(&other, "1234").await);
    put(upload(&one, "654321").await);
    assert_eq!(upload(&one, "7654321").await, DraftPut::TooManyBytes, "what it takes the place of doesn't count");
    put(upload(&other, "654321").await);
    put(upload(&one, "abcd").await);
    assert_eq!(upload(&one, "abcde").await, DraftPut::TooManyBytes);
    assert_eq!(upload(&other, "abcde").await, DraftPut::Put(Box::new(action(&*store, &other).await)));
    let globex = create_in(&*store, "globex", new_action("one")).await.id;
    let (digest, bytes) = (digest_of("123456"), Bytes::from_static(b"123456"));
    put(store.put_draft(&tenant("globex"), &globex, &digest, bytes, KEEPS_TEN, at(2)).await.unwrap());
}

/// Ten bytes, and two versions of an Action.
const KEEPS_TEN: Keeping = Keeping { bytes: 10, versions: 2 };
