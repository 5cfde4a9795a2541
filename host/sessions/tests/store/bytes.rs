//! How many bytes are stored for each tenant.

use serde_json::json;
use vestibule_sessions::{
    AttemptResult, Committed, DeliveryState, EndedAll, ExecutionStatus, Initiator, LogKind, NewAction, Retention, SecretChange,
    Store, StoredBytes,
};

use crate::parts::database::Database;
use crate::parts::logins::*;
use crate::parts::logouts::*;
use crate::parts::registry::*;

on_all! {
    what_is_stored_is_counted_and_what_is_gone_is_not,
    a_changed_row_counts_as_it_is_now,
    what_was_not_written_is_not_counted,
    bytes_are_the_same_for_all_who_open_the_database,
    what_was_there_before_bytes_were_counted_is_counted,
    tenants_with_little_are_not_told_and_those_with_most_come_first,
    bytes_add_up_while_several_write_and_add,
    ends_owe_nothing_for_a_tenant_with_too_much,
}

const SHOP: &str = "https://shop.example/logout";
const WIKI: &str = "https://wiki.example/logout";
/// What each row counts beside its texts.
const ROW: u64 = 256;

/// All tenants, as far as all has been added up.
async fn all_stored(store: &dyn Store) -> Vec<StoredBytes> {
    while store.add_up_bytes(3).await.unwrap() {}
    store.stored_bytes(0, 100).await.unwrap()
}

async fn stored(store: &dyn Store, of: &str) -> u64 {
    let all = all_stored(store).await;
    all.into_iter().find(|stored| stored.tenant == tenant(of)).map_or(0, |stored| stored.bytes)
}

/// How much a tenant's bytes have grown since they were looked at.
struct Growth<'a> {
    store: &'a dyn Store,
    last: u64,
}

impl<'a> Growth<'a> {
    async fn of(store: &'a dyn Store) -> Self {
        Self { store, last: stored(store, "acme").await }
    }

    /// How many bytes more, or fewer.
    async fn bytes(&mut self) -> i64 {
        let before = std::mem::replace(&mut self.last, stored(self.store, "acme").await);
        i64::try_from(self.last).unwrap() - i64::try_from(before).unwrap()
    }

    /// By a row and these texts at least.
    async fn is_a_row_of(&mut self, what: &str, texts: &[&str]) {
        let grown = self.bytes().await;
        let least = ROW + texts.iter().map(|text| text.len() as u64).sum::<u64>();
        assert!(grown >= i64::try_from(least).unwrap(), "{what}: {grown} bytes, not {least}");
    }
}

/// One row of each table at least, whose texts are counted.
async fn fill(store: &dyn Store) {
    let acme = tenant("acme");
    let mut grown = Growth::of(store).await;

    commit(store, login("s1", at(1))).await;
    grown.is_a_row_of("sessions", &["s1", "anna", "Firefox", "203.0.113.7", "shop", "pwd"]).await;
    let mut answers = does("s1", vestibule_sessions::SessionChange::Keep, at(2));
    answers.transaction = Some(answered(transaction("t1"), "an answer of é".into()));
    commit(store, answers).await;
    assert_eq!(grown.bytes().await, i64::try_from(ROW + 2 + "an answer of é".len() as u64).unwrap(), "transactions");
    commit(store, logs("acme", "a line", at(3))).await;
    grown.is_a_row_of("log", &["a line", "203.0.113.7"]).await;
    for (name, url) in [("shop", SHOP), ("wiki", WIKI)] {
        subscribe(store, name, &[url]).await;
        grown.is_a_row_of("clients", &[name, url]).await;
    }
    end_one(store, "s2", &["shop", "wiki"], at(4)).await;
    assert_eq!(all(store).await.len(), 2);
    grown.is_a_row_of("deliveries", &["s2", "anna", SHOP, WIKI]).await;
    for session in ["s3", "s4"] {
        commit(store, uses("acme", session, "boris", at(4))).await;
    }
    grown.bytes().await;
    let marked = store.end_all_of(&acme, &user("boris"), Initiator::AccountDeleted, at(5), 1).await.unwrap();
    assert_eq!(marked, EndedAll::Marked);
    grown.is_a_row_of("user_ends", &["boris"]).await;

    let action = create_in(store, "acme", NewAction { secrets: vec![sealed("key", "k1", "value")], ..new_action("gate") }).await;
    grown.is_a_row_of("actions and secrets", &["gate", "value", "key"]).await;
    let component = "a component of 28 characters";
    upload(store, "acme", &action.id, component, at(6)).await;
    let of_draft = "[]".len() as u64;
    assert_eq!(grown.bytes().await, i64::try_from(ROW + component.len() as u64 + of_draft).unwrap(), "components");
    build(store, "acme", &action.id, component, at(7)).await;
    deploy(store, "acme", &action.id, at(8)).await;
    grown.is_a_row_of("versions", &[component]).await;
    bind(store, &[action.id]).await;
    grown.is_a_row_of("bindings", &[&action.id.to_string()]).await;
    store.set_policy(&acme, Some(map(&[("others", json!("allow"))])), at(9)).await.unwrap();
    grown.is_a_row_of("policies", &["others", "allow"]).await;
    store.record_executions(vec![run_of("acme", &["gate"], ExecutionStatus::Final, at(10))]).await.unwrap();
    grown.is_a_row_of("executions", &["gate"]).await;
}

/// Deletes and sweeps all that is there.
async fn empty(store: &dyn Store) {
    let (acme, far, later) = (tenant("acme"), at(10_000_000), at(20_000_000));
    // One delivery arrives, one is refused and kept until it is swept, and what is written later is
    // dropped with its client.
    let claimed = claim(store, 1, at(20), at(30)).await;
    assert!(settle(store, &claimed[0], AttemptResult::Delivered, at(21)).await);
    finish(store, &claimed[1], DeliveryState::Refused, at(21)).await;
    for client in ["shop", "wiki"] {
        delete(store, client).await;
    }
    let page = store.actions(&acme, vestibule_sessions::ActionFilter::default(), 0, 100).await.unwrap();
    for action in page.actions {
        store.delete_action(&acme, &action.id, true, at(22)).await.unwrap();
    }
    store.set_policy(&acme, None, at(23)).await.unwrap();
    store.end_all_of(&acme, &user("anna"), Initiator::RpLogout, at(24), 100).await.unwrap();
    while store.write_ends(None, at(25), 100).await.unwrap().is_some() {}
    let all = Retention { ended_since: later, transactions_since: later, log_since: later, deliveries_since: later };
    // The mark is written in the first, and forgotten in the second.
    for now in [far, later] {
        while store.sweep(now, all, 2).await.unwrap().is_more {}
    }
    while store.sweep_executions(later, 0, 2).await.unwrap() > 0 {}
}

async fn what_is_stored_is_counted_and_what_is_gone_is_not(database: &Database) {
    let store = database.open().await;
    commit(&*store, uses("other", "s1", "anna", at(1))).await;
    let other = stored(&*store, "other").await;
    assert!(other > ROW);
    fill(&*store).await;
    assert_eq!(stored(&*store, "other").await, other, "what another tenant stores is its own");
    store.close().await;
    let store = database.open().await;
    empty(&*store).await;
    assert_eq!(stored(&*store, "acme").await, 0);
    assert_eq!(stored(&*store, "other").await, other, "its session has no end");
}

async fn a_changed_row_counts_as_it_is_now(database: &Database) {
    let store = database.open().await;
    let acme = tenant("acme");
    commit(&*store, login("s1", at(1))).await;
    subscribe(&*store, "shop", &[SHOP]).await;
    let action =
        create_in(&*store, "acme", NewAction { secrets: vec![sealed("key", "k1", "value")], ..new_action("gate") }).await;
    let mut grown = Growth::of(&*store).await;
    let replace = async |text: &str| {
        store.replace_metadata(&acme, &id("s1"), metadata(&[("key", text)]), at(2)).await.unwrap().unwrap();
    };
    replace("").await;
    let first = grown.bytes().await;
    replace("four").await;
    assert_eq!(grown.bytes().await, 4);
    replace("").await;
    assert_eq!(grown.bytes().await, -4);
    store.replace_metadata(&acme, &id("s1"), metadata(&[]), at(2)).await.unwrap().unwrap();
    assert_eq!(grown.bytes().await, -first);
    set_logout(&*store, "shop", Some(hears_at(&[SHOP, WIKI]))).await;
    assert!(grown.bytes().await >= WIKI.len() as i64);
    set_logout(&*store, "shop", None).await;
    assert!(grown.bytes().await < -((SHOP.len() + WIKI.len()) as i64));
    change(&*store, &action.id, renames("gatekeeper")).await;
    assert_eq!(grown.bytes().await, 6);
    change(&*store, &action.id, changes_secrets(SecretChange::Set(sealed("key", "k1", "longer value")))).await;
    assert_eq!(grown.bytes().await, 7);
    let text = |length: usize| Some(map(&[("text", json!("x".repeat(length)))]));
    store.set_policy(&acme, text(10), at(3)).await.unwrap();
    grown.bytes().await;
    store.set_policy(&acme, text(15), at(3)).await.unwrap();
    assert_eq!(grown.bytes().await, 5);
}

async fn what_was_not_written_is_not_counted(database: &Database) {
    let store = database.open().await;
    let mut first = login("s1", at(1));
    first.transaction = Some(answered(transaction("t1"), "answer".into()));
    first.log.push(entry("entry", at(1)));
    commit(&*store, first.clone()).await;
    let before = stored(&*store, "acme").await;
    // One that was committed already, and one that is another user's.
    assert!(matches!(store.commit_login(first.clone()).await.unwrap(), Committed::Repeated { .. }));
    first.transaction = Some(answered(transaction("t2"), "answer".into()));
    first.session.as_mut().unwrap().user = user("boris");
    assert!(matches!(store.commit_login(first).await.unwrap(), Committed::AnotherUser));
    assert_eq!(stored(&*store, "acme").await, before);
}

async fn bytes_are_the_same_for_all_who_open_the_database(database: &Database) {
    let store = database.open().await;
    fill(&*store).await;
    let before = all_stored(&*store).await;
    commit(&*store, logs("acme", "one that was not added up", at(3))).await;
    store.close().await;
    let (store, other) = (database.open().await, database.open().await);
    let after = all_stored(&*store).await;
    assert!(after[0].bytes > before[0].bytes, "{before:?}, {after:?}");
    assert_eq!(all_stored(&*other).await, after);
}

async fn what_was_there_before_bytes_were_counted_is_counted(database: &Database) {
    let store = database.open().await;
    fill(&*store).await;
    let before = all_stored(&*store).await;
    store.close().await;
    database.forget_bytes().await;
    let store = database.open().await;
    assert_eq!(all_stored(&*store).await, before);
    empty(&*store).await;
    assert_eq!(stored(&*store, "acme").await, 0);
}

async fn tenants_with_little_are_not_told_and_those_with_most_come_first(database: &Database) {
    let store = database.open().await;
    let (long, short) = ("x".repeat(3_000), "x".repeat(1_000));
    for (of, text) in [("acme", &short), ("globex", &long), ("initech", &short)] {
        commit(&*store, logs(of, text, at(1))).await;
    }
    // What became of runs lies in another file, and counts together with all else.
    let run = run_of("initech", &[&short], ExecutionStatus::Final, at(1));
    store.record_executions(vec![run]).await.unwrap();
    let all = all_stored(&*store).await;
    let names = |stored: &[StoredBytes]| stored.iter().map(|stored| stored.tenant.to_string()).collect::<Vec<_>>();
    assert_eq!(names(&all), ["globex", "initech", "acme"]);
    let initech = all[1].bytes;
    assert_eq!(names(&store.stored_bytes(initech, 100).await.unwrap()), ["globex", "initech"]);
    assert_eq!(names(&store.stored_bytes(initech + 1, 100).await.unwrap()), ["globex"]);
    assert_eq!(names(&store.stored_bytes(0, 1).await.unwrap()), ["globex"]);
}

async fn bytes_add_up_while_several_write_and_add(database: &Database) {
    const LINES: u64 = 40;
    let (store, other) = (database.open().await, database.open().await);
    commit(&*store, logs("acme", "line 00", at(1))).await;
    let each = stored(&*store, "acme").await;
    let write = |store: std::sync::Arc<dyn Store>, of: &'static str| {
        tokio::spawn(async move {
            for number in 0..LINES {
                commit(&*store, logs(of, &format!("line {number:02}"), at(1))).await;
                store.add_up_bytes(3).await.unwrap();
            }
        })
    };
    let writers = [
        write(store.clone(), "acme"),
        write(other.clone(), "acme"),
        write(other.clone(), "globex"),
        write(store.clone(), "globex"),
    ];
    for writer in writers {
        writer.await.unwrap();
    }
    assert_eq!(stored(&*store, "acme").await, each * (2 * LINES + 1));
    assert_eq!(stored(&*other, "globex").await, each * 2 * LINES);
}

async fn ends_owe_nothing_for_a_tenant_with_too_much(database: &Database) {
    let store = database.open().await;
    subscribe(&*store, "shop", &[SHOP]).await;
    end_one(&*store, "s1", &["shop"], at(1)).await;
    let most = stored(&*store, "acme").await;
    let owing = database.open_that_owes_below(most + 10_000).await;
    end_one(&*owing, "s2", &["shop"], at(2)).await;
    let told = expected(&[("s1", "shop", SHOP), ("s2", "shop", SHOP)]);
    assert_eq!(targets(&all(&*store).await), told);

    commit(&*store, logs("acme", &"x".repeat(10_000), at(3))).await;
    stored(&*store, "acme").await;
    let mut expires = login("s4", at(4));
    expires.session.as_mut().unwrap().expires_at = Some(at(5));
    commit(&*owing, expires).await;
    end_one(&*owing, "s3", &["shop"], at(4)).await;
    assert_eq!(owing.sweep(at(6), keep_all(), 100).await.unwrap().expired, 1);
    assert!(find(&*store, "s3", at(6)).await.is_none() && find(&*store, "s4", at(6)).await.is_none());
    assert_eq!(targets(&all(&*store).await), told, "no more is owed");
    let of = |session: &str, lines: &[vestibule_sessions::LogEntry]| {
        let line = lines.iter().find(|line| line.body["session_id"] == session).expect("it has a line");
        (line.body["details"]["deliveries"].clone(), line.body["details"].get("error").cloned())
    };
    let lines = lines(&*store, LogKind::Logout).await;
    let why = json!("too much is stored for the tenant, and its applications are not told");
    assert_eq!(of("s2", &lines), (json!(1), None));
    for session in ["s3", "s4"] {
        assert_eq!(of(session, &lines), (json!(0), Some(why.clone())), "{session}");
    }
}
