//! What a login creates, continues and repeats.

use vestibule_model::event::CookieMode;
use vestibule_sessions::{
    Actor, Committed, Device, Initiator, KnownSession, Method, NewTransaction, Session, SessionChange, SessionClient,
    SessionLogin, UsedSession,
};

use crate::parts::database::Database;
use crate::parts::logins::*;

on_all! {
    a_login_creates_the_session_that_it_uses,
    a_session_that_is_used_again_is_refreshed,
    a_moment_of_a_session_never_goes_back,
    the_end_that_comes_first_stays_and_the_idle_one_moves,
    a_login_without_methods_keeps_those_of_before,
    a_denied_login_creates_no_session_and_is_in_the_log,
    a_denied_login_changes_a_session_that_is_there,
    a_denied_login_that_changes_nothing_leaves_the_session_as_it_is,
    a_transaction_that_is_sent_again_gets_its_first_answer_and_changes_nothing,
    a_transaction_that_was_refused_can_be_sent_again,
    a_repeated_transaction_is_known_when_its_session_has_ended_since,
    a_transactions_answer_is_bound_to_its_login,
    another_users_session_is_not_touched,
    a_login_begins_with_its_answer_and_its_session,
    a_session_is_as_it_was_after_the_store_has_been_opened_again,
    texts_of_all_kinds_come_back_as_they_were,
    a_session_whose_time_is_over_at_its_login_is_not_given_back,
}

async fn a_login_creates_the_session_that_it_uses(database: &Database) {
    let store = database.open().await;
    let used = UsedSession {
        created_at: at(1),
        authenticated_at: at(2),
        clients: vec!["wiki".into(), "shop".into(), "wiki".into()],
        metadata: metadata(&[("org_id", "org_1"), ("plan", "free")]),
        actor: Some(Actor { sub: "auth0|support".into() }),
        ..used("shop")
    };
    let mut login = login("s1", at(10));
    login.session = Some(SessionLogin {
        metadata: changes(&[("plan", Some("paid")), ("org_id", None), ("seen", Some("1"))]),
        expires_at: Some(at(1_000)),
        idle_expires_at: Some(at(500)),
        ..session_login("s1", "anna", SessionChange::Use(Box::new(used)))
    });
    let created = commit(&*store, login).await;
    let client = |id: &str| SessionClient { client_id: id.into() };
    let text = |text: &str| Some(text.to_owned());
    let expected = Session {
        id: id("s1"),
        user: user("anna"),
        created_at: at(1),
        updated_at: at(10),
        authenticated_at: at(2),
        last_interacted_at: at(10),
        idle_expires_at: Some(at(500)),
        expires_at: Some(at(1_000)),
        device: Device {
            initial_user_agent: text("Firefox"),
            initial_ip: text("203.0.113.7"),
            initial_asn: text("64496"),
            last_user_agent: text("Firefox"),
            last_ip: text("203.0.113.7"),
            last_asn: text("64496"),
        },
        clients: vec![client("wiki"), client("shop")],
        methods: vec![Method { name: "pwd".into(), timestamp: at(0), kind: None }],
        cookie: Some(CookieMode::NonPersistent),
        metadata: metadata(&[("plan", "paid"), ("seen", "1")]),
        revision: 1,
        actor: Some(Actor { sub: "auth0|support".into() }),
    };
    assert_eq!(created.as_ref(), Some(&expected));
    assert_eq!(find(&*store, "s1", at(11)).await, Some(expected));
}

async fn a_session_that_is_used_again_is_refreshed(database: &Database) {
    let store = database.open().await;
    let first = commit(&*store, login("s1", at(10))).await.unwrap();
    let used = UsedSession {
        created_at: at(3),
        authenticated_at: at(15),
        clients: vec!["never-seen".into()],
        user_agent: Some("Safari".into()),
        ip: None,
        asn: Some("64497".into()),
        methods: vec![Method { name: "mfa".into(), timestamp: at(15), kind: Some("webauthn".into()) }],
        metadata: metadata(&[("never", "seen")]),
        actor: Some(Actor { sub: "never-seen".into() }),
        ..used("wiki")
    };
    let mut again = login("s1", at(20));
    again.session.as_mut().unwrap().cookie = Some(CookieMode::Persistent);
    again.session.as_mut().unwrap().change = SessionChange::Use(Box::new(used.clone()));
    let second = commit(&*store, again).await.unwrap();
    let expected = Session {
        updated_at: at(20),
        authenticated_at: at(15),
        last_interacted_at: at(20),
        device: Device {
            last_user_agent: Some("Safari".into()),
            last_ip: None,
            last_asn: Some("64497".into()),
            ..first.device.clone()
        },
        clients: vec![SessionClient { client_id: "shop".into() }, SessionClient { client_id: "wiki".into() }],
        methods: used.methods,
        cookie: Some(CookieMode::Persistent),
        revision: 2,
        ..first
    };
    assert_eq!(second, expected);
    assert_eq!(find(&*store, "s1", at(21)).await, Some(expected));
}

async fn a_moment_of_a_session_never_goes_back(database: &Database) {
    let store = database.open().await;
    commit(&*store, login("s1", at(100))).await;
    let session = commit(&*store, login("s1", at(50))).await.unwrap();
    assert_eq!((session.updated_at, session.last_interacted_at, session.revision), (at(100), at(100), 2));
}

async fn the_end_that_comes_first_stays_and_the_idle_one_moves(database: &Database) {
    let store = database.open().await;
    let ends = |expires_at, idle_expires_at, now| {
        let mut login = login("s1", at(now));
        let session = login.session.as_mut().unwrap();
        (session.expires_at, session.idle_expires_at) = (expires_at, idle_expires_at);
        login
    };
    commit(&*store, ends(None, Some(at(100)), 1)).await;
    for (expires_at, idle_expires_at, expected) in [
        (Some(at(900)), Some(at(300)), (Some(at(900)), Some(at(300)))),
        (Some(at(950)), None, (Some(at(900)), Some(at(300)))),
        (Some(at(800)), Some(at(200)), (Some(at(800)), Some(at(200)))),
        (None, Some(at(250)), (Some(at(800)), Some(at(250)))),
    ] {
        let session = commit(&*store, ends(expires_at, idle_expires_at, 2)).await.unwrap();
        assert_eq!((session.expires_at, session.idle_expires_at), expected);
    }
}

async fn a_login_without_methods_keeps_those_of_before(database: &Database) {
    let store = database.open().await;
    let first = commit(&*store, login("s1", at(1))).await.unwrap();
    let mut again = login("s1", at(2));
    let session = again.session.as_mut().unwrap();
    session.cookie = None;
    session.change = SessionChange::Use(Box::new(UsedSession { methods: Vec::new(), ..used("shop") }));
    let second = commit(&*store, again).await.unwrap();
    assert_eq!((second.methods, second.cookie), (first.methods, first.cookie));
}

async fn a_denied_login_creates_no_session_and_is_in_the_log(database: &Database) {
    let store = database.open().await;
    for change in [SessionChange::Keep, SessionChange::End(Initiator::SessionRevoked)] {
        let mut denied = does("s1", change, at(1));
        denied.session.as_mut().unwrap().metadata = changes(&[("a", Some("1"))]);
        denied.log.push(entry("denied", at(1)));
        assert_eq!(commit(&*store, denied).await, None);
    }
    assert!(matches!(known(&*store, "s1", at(2)).await, KnownSession::Unknown));
    assert_eq!(described(&log_of(&*store, "acme").await), ["denied", "denied"]);
}

async fn a_denied_login_changes_a_session_that_is_there(database: &Database) {
    let store = database.open().await;
    let before = commit(&*store, login("s1", at(1))).await.unwrap();
    let mut denied = does("s1", SessionChange::Keep, at(5));
    let session = denied.session.as_mut().unwrap();
    session.metadata = changes(&[("a", Some("1"))]);
    session.expires_at = Some(at(100));
    session.cookie = Some(CookieMode::Persistent);
    let expected = Session {
        updated_at: at(5),
        expires_at: Some(at(100)),
        cookie: Some(CookieMode::Persistent),
        metadata: metadata(&[("a", "1")]),
        revision: 2,
        ..before
    };
    assert_eq!(commit(&*store, denied).await.as_ref(), Some(&expected));
    assert_eq!(find(&*store, "s1", at(6)).await, Some(expected));
}

async fn a_denied_login_that_changes_nothing_leaves_the_session_as_it_is(database: &Database) {
    let store = database.open().await;
    let before = commit(&*store, login("s1", at(1))).await;
    assert_eq!(commit(&*store, does("s1", SessionChange::Keep, at(5))).await, before);
    assert_eq!(find(&*store, "s1", at(6)).await, before);
}

async fn a_transaction_that_is_sent_again_gets_its_first_answer_and_changes_nothing(database: &Database) {
    let store = database.open().await;
    let mut first = login("s1", at(1));
    first.transaction = Some(answered(transaction("t1"), "the first answer".into()));
    first.log.push(entry("first", at(1)));
    let session = commit(&*store, first).await;
    let mut again = login("s1", at(2));
    again.transaction = Some(answered(transaction("t1"), "another answer".into()));
    again.session.as_mut().unwrap().metadata = changes(&[("a", Some("1"))]);
    again.log.push(entry("second", at(2)));
    for _ in 0..2 {
        let repeated = store.commit_login(again.clone()).await.unwrap();
        assert!(matches!(&repeated, Committed::Repeated { answer } if &**answer == "the first answer"), "{repeated:?}");
    }
    assert_eq!(find(&*store, "s1", at(3)).await, session);
    assert_eq!(described(&log_of(&*store, "acme").await), ["first"]);
}

async fn a_transaction_that_was_refused_can_be_sent_again(database: &Database) {
    let store = database.open().await;
    commit(&*store, login("s1", at(1))).await;
    let mut refused = uses("acme", "s1", "boris", at(2));
    refused.transaction = Some(answered(transaction("t1"), "refused".into()));
    refused.log.push(entry("refused", at(2)));
    assert!(matches!(store.commit_login(refused.clone()).await.unwrap(), Committed::AnotherUser));
    let mut again = uses("acme", "s2", "boris", at(3));
    again.transaction = Some(answered(transaction("t1"), "allowed".into()));
    assert!(commit(&*store, again).await.is_some());
    assert_eq!(described(&log_of(&*store, "acme").await), [""; 0]);
    let repeated = store.commit_login(refused).await.unwrap();
    assert!(matches!(&repeated, Committed::Repeated { answer } if &**answer == "allowed"), "{repeated:?}");
}

async fn a_repeated_transaction_is_known_when_its_session_has_ended_since(database: &Database) {
    let store = database.open().await;
    let mut first = login("s1", at(1));
    first.transaction = Some(answered(transaction("t1"), "answer".into()));
    commit(&*store, first.clone()).await;
    assert!(store.end(&tenant("acme"), &id("s1"), Initiator::RpLogout, at(2)).await.unwrap());
    let repeated = store.commit_login(first).await.unwrap();
    assert!(matches!(&repeated, Committed::Repeated { answer } if &**answer == "answer"), "{repeated:?}");
}

async fn a_transactions_answer_is_bound_to_its_login(database: &Database) {
    let store = database.open().await;
    let mut first = login("s1", at(1));
    first.transaction = Some(answered(transaction("t1"), "answer".into()));
    first.log.push(entry("first", at(1)));
    commit(&*store, first.clone()).await;
    let others = [
        request("boris", Some("s1"), "shop"),
        request("anna", Some("s2"), "shop"),
        request("anna", None, "shop"),
        request("anna", Some("s1"), "wiki"),
    ];
    for (number, other) in others.into_iter().enumerate() {
        let session = format!("other{number}");
        let mut login = uses("acme", &session, "anna", at(2));
        login.transaction = Some(NewTransaction { request: other, ..answered(transaction("t1"), "another answer".into()) });
        login.log.push(entry("other", at(2)));
        let committed = store.commit_login(login).await.unwrap();
        assert!(matches!(committed, Committed::TransactionMismatch), "{number}: {committed:?}");
        assert!(matches!(known(&*store, &session, at(3)).await, KnownSession::Unknown), "{number}: nothing was written");
    }
    let before = store.before_login(&tenant("acme"), Some(&transaction("t1")), None, at(3)).await.unwrap();
    assert_eq!(before.answer.map(|kept| kept.request), Some(request("anna", Some("s1"), "shop")));
    assert!(matches!(store.commit_login(first).await.unwrap(), Committed::Repeated { .. }), "the login itself is repeated");
    assert_eq!(described(&log_of(&*store, "acme").await), ["first"]);
}

async fn another_users_session_is_not_touched(database: &Database) {
    let store = database.open().await;
    let before = commit(&*store, login("s1", at(1))).await;
    for change in [SessionChange::Use(Box::new(used("wiki"))), SessionChange::Keep, SessionChange::End(Initiator::SessionRevoked)]
    {
        let mut other = does("s1", change, at(2));
        other.session.as_mut().unwrap().user = user("boris");
        other.session.as_mut().unwrap().metadata = changes(&[("a", Some("1"))]);
        other.log.push(entry("other", at(2)));
        assert!(matches!(store.commit_login(other).await.unwrap(), Committed::AnotherUser));
    }
    assert_eq!(find(&*store, "s1", at(3)).await, before);
    assert!(log_of(&*store, "acme").await.is_empty());
}

async fn a_login_begins_with_its_answer_and_its_session(database: &Database) {
    let store = database.open().await;
    let mut login = login("s1", at(1));
    login.transaction = Some(answered(transaction("t1"), "answer".into()));
    let session = commit(&*store, login).await.unwrap();
    for (transaction_id, session_id) in
        [(None, None), (Some("t1"), None), (None, Some("s1")), (Some("t1"), Some("s1")), (Some("t2"), Some("s2"))]
    {
        let (transaction_id, session_id) = (transaction_id.map(transaction), session_id.map(id));
        let before = store.before_login(&tenant("acme"), transaction_id.as_ref(), session_id.as_ref(), at(2)).await.unwrap();
        let is_known = transaction_id == Some(transaction("t1"));
        assert_eq!(before.answer.as_ref().map(|kept| &*kept.json), is_known.then_some("answer"));
        match before.session {
            KnownSession::Alive(alive) => assert_eq!((*alive, session_id), (session.clone(), Some(id("s1")))),
            KnownSession::Unknown => assert_ne!(session_id, Some(id("s1"))),
            KnownSession::Ended(ended) => panic!("it has not: {ended:?}"),
        }
    }
}

async fn a_session_is_as_it_was_after_the_store_has_been_opened_again(database: &Database) {
    let store = database.open().await;
    let mut login = login("s1", at(1));
    login.transaction = Some(answered(transaction("t1"), "answer".into()));
    login.log.push(entry("first", at(1)));
    let session = commit(&*store, login.clone()).await;
    let log = log_of(&*store, "acme").await;
    store.close().await;
    assert!(store.check().await.is_err(), "a store that was closed answers no more");
    let store = database.open().await;
    assert_eq!(find(&*store, "s1", at(2)).await, session);
    assert_eq!(log_of(&*store, "acme").await, log);
    assert!(matches!(store.commit_login(login).await.unwrap(), Committed::Repeated { .. }));
}

async fn texts_of_all_kinds_come_back_as_they_were(database: &Database) {
    let store = database.open().await;
    let odd = "\u{0}\u{1}\"\\'%_é🦀\u{2028}日本";
    let id = "sess'\"%_é🦀";
    let mut login = uses("acme", id, "auth0|ann a 日本", at(1));
    login.transaction = Some(answered(transaction("t'\"%é🦀"), odd.into()));
    let session = login.session.as_mut().unwrap();
    session.metadata = changes(&[("odd", Some(odd)), ("empty", Some(""))]);
    session.change = SessionChange::Use(Box::new(UsedSession {
        client_id: odd.into(),
        user_agent: Some(odd.into()),
        ip: None,
        asn: Some(String::new()),
        actor: Some(Actor { sub: odd.into() }),
        methods: vec![Method { name: odd.into(), timestamp: at(1), kind: Some(odd.into()) }],
        ..used("shop")
    }));
    login.log.push(entry(odd, at(1)));
    let created = commit(&*store, login.clone()).await.unwrap();
    assert_eq!(created.metadata.get("odd"), Some(odd));
    assert_eq!(find(&*store, id, at(2)).await, Some(created));
    assert_eq!(described(&log_of(&*store, "acme").await), [odd]);
    let repeated = store.commit_login(login).await.unwrap();
    assert!(matches!(&repeated, Committed::Repeated { answer } if &**answer == odd), "{repeated:?}");
}

async fn a_session_whose_time_is_over_at_its_login_is_not_given_back(database: &Database) {
    let store = database.open().await;
    commit(&*store, login("s1", at(1))).await;
    for session in ["s1", "s2"] {
        let mut over = login(session, at(5));
        over.session.as_mut().unwrap().expires_at = Some(at(5));
        assert_eq!(commit(&*store, over).await, None);
        let KnownSession::Ended(ended) = known(&*store, session, at(5)).await else { panic!("{session} has ended") };
        assert_eq!((ended.at, ended.initiator), (at(5), Initiator::SessionExpired));
    }
}
