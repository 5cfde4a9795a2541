//! What becomes of a logout token, receiver by receiver: the table in the server's README, made
//! again from what happens.

use std::rc::Rc;
use std::sync::Arc;

use serde_json::{Map, Value};
use tokio::task::{LocalSet, spawn_local};
use vestibule::model::Timestamp;
use vestibule_sessions::{Client, ClientSource, LogoutInitiators, LogoutSettings, Store as _};

use crate::receivers::{Answer, Receiver, nobody, says};
use crate::world::{Names, Setup, World, until};

const README: &str = include_str!("../../README.md");
const HEADING: &str = "## What becomes of a logout token";

/// One kind of receiver.
struct Kind {
    what: &'static str,
    url: String,
    receiver: Option<Receiver>,
    /// Whether a token arrives there, as whole as it is.
    hears: bool,
}

impl Kind {
    async fn that(what: &'static str, answer: Answer) -> Self {
        let receiver = Receiver::start(answer).await;
        Self { what, url: receiver.url(), receiver: Some(receiver), hears: true }
    }

    fn at(what: &'static str, receiver: Option<Receiver>, url: String, hears: bool) -> Self {
        Self { what, url, receiver, hears }
    }
}

/// All of them but the one that is given up. `honest` is where a redirect leads.
async fn kinds(honest: &Receiver) -> Vec<Kind> {
    let redirect = says(&format!("302 Found\r\nlocation: {}", honest.url()));
    let untrusted = Receiver::untrusted().await;
    let [private, moved] = [Receiver::start(says("200 OK")).await, Receiver::start(says("200 OK")).await];
    let (at_untrusted, at_private, at_moved) =
        (untrusted.url(), private.url_at("private.example.test"), moved.url_at("moves.example.test"));
    vec![
        Kind::that("answers 200", says("200 OK")).await,
        Kind::that("answers 204", says("204 No Content")).await,
        Kind::that("answers 400", says("400 Bad Request")).await,
        Kind::that("answers 410", says("410 Gone")).await,
        Kind::that("answers 404", says("404 Not Found")).await,
        Kind::that("answers 429 with `Retry-After: 30`", says("429 Too Many Requests\r\nretry-after: 30")).await,
        Kind::that("answers 500", says("500 Internal Server Error")).await,
        Kind::that("answers 302: somewhere else", redirect).await,
        Kind::that("never answers", Answer::Hangs).await,
        Kind::that("hangs up without an answer", Answer::HangsUp).await,
        Kind::that("hangs up within the answer's head", Answer::HangsUpInTheHead).await,
        Kind::that("answers 200 and a body without end", Answer::EndlessBody).await,
        Kind::that("answers a head of a megabyte", Answer::LongHead).await,
        Kind::at("has a certificate that nobody trusts", Some(untrusted), at_untrusted, false),
        Kind::at("isn't there", None, format!("https://localhost:{}/logout", nobody().await), false),
        Kind::at("has a name of a private address", Some(private), at_private, false),
        Kind::at("has a name whose address changes while it is sent", Some(moved), at_moved, true),
        Kind::at(
            "is reached by `http` in no network that is allowed",
            None,
            "http://plain.example.test:80/logout".to_owned(),
            false,
        ),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn what_becomes_of_a_token_is_what_the_readme_says() {
    let honest = Receiver::start(says("200 OK")).await;
    let kinds = kinds(&honest).await;
    let names = Arc::new(Names::default());
    names.answer("private.example.test", &["10.0.0.7"]);
    names.answer("moves.example.test", &["127.0.0.1", "10.0.0.7"]);
    names.answer("plain.example.test", &["8.8.8.8"]);
    let mut setup = Setup { names: Arc::clone(&names), ..Setup::default() }.application("honest", &honest.url());
    for (number, kind) in kinds.iter().enumerate().filter(|(_, kind)| kind.url.starts_with("https")) {
        setup = setup.application(&format!("app_{number}"), &kind.url);
    }
    let world = World::start(&setup).await;
    for (number, kind) in kinds.iter().enumerate().filter(|(_, kind)| kind.url.starts_with("http:")) {
        keep(&world, &format!("app_{number}"), &kind.url).await;
    }

    let mut table = vec!["| the receiver | what becomes of it | the tenant's log |".to_owned(), "|---|---|---|".to_owned()];
    // Beside each other: two of them take all the time that an attempt has.
    let (world, honest) = (Rc::new(world), Rc::new(honest));
    let beside = async {
        let rows: Vec<_> = kinds
            .into_iter()
            .enumerate()
            .map(|(number, kind)| spawn_local(row(Rc::clone(&world), Rc::clone(&honest), number, kind)))
            .collect();
        for row in rows {
            table.push(row.await.unwrap());
        }
    };
    LocalSet::new().run_until(beside).await;
    assert_eq!(names.asked("moves.example.test"), 1, "an attempt asks for its receiver's name once");
    for heard in honest.heard() {
        assert!(heard.claim("sid").starts_with("next_"), "a redirect was followed: {:?}", heard.claims);
    }
    Rc::into_inner(world).unwrap().stop().await;

    table.push(given_up().await);
    let told: Vec<&str> = README.split(HEADING).nth(1).into_iter().flat_map(str::lines).collect();
    let told: Vec<&str> =
        told.into_iter().skip_while(|line| !line.starts_with('|')).take_while(|line| line.starts_with('|')).collect();
    assert!(told == table, "the table under {HEADING:?} in host/server/README.md has to be:\n{}", table.join("\n"));
}

/// What becomes of a token for this receiver; and meanwhile another one is told as if there were
/// nothing else.
async fn row(world: Rc<World>, honest: Rc<Receiver>, number: usize, kind: Kind) -> String {
    let (session, client, next) = (format!("sess_{number}"), format!("app_{number}"), format!("next_{number}"));
    world.login(&next, "honest").await;
    world.login_and_end(&session, &client).await;
    if let Some(receiver) = kind.receiver.as_ref().filter(|_| kind.hears) {
        receiver.hears(1).await;
    }
    world.end(&next, "rp-logout").await;
    honest.hears_of(&next).await;
    let delivered = world.line(&next, "honest").await;
    assert_eq!((&delivered["type"], &delivered["details"]["attempt"]), (&"sslo".into(), &1.into()), "{delivered}");

    let line = world.line(&session, &client).await;
    let details = &line["details"];
    assert_eq!((&details["attempt"], &details["initiator"]), (&1.into(), &"rp-logout".into()), "{}: {line}", kind.what);
    let url = url::Url::parse(&kind.url).unwrap();
    let receiver = format!("{}://{}:{}", url.scheme(), url.host_str().unwrap(), url.port_or_known_default().unwrap());
    assert_eq!(details["receiver"], receiver.as_str(), "{}: {line}", kind.what);
    let heard = kind.receiver.as_ref().map(Receiver::heard).unwrap_or_default();
    assert_eq!(!heard.is_empty(), kind.hears, "{}: {heard:?}", kind.what);
    if let Some(heard) = heard.first() {
        assert_eq!(details["logout_id"], heard.claim("delivery_id"), "{}: {line}", kind.what);
    }
    if details["result"] == "delivered" || details["result"] == "refused" {
        assert_eq!(heard.len(), 1, "{}: it was sent once", kind.what);
    }
    told(kind.what, &line)
}

/// A receiver that fails until its time is over.
async fn given_up() -> String {
    let setup = Setup { logout: ", give_up_after = \"1 s\"", ..Setup::default() };
    let setup = setup.application("app", &format!("https://localhost:{}/logout", nobody().await));
    let world = World::start(&setup).await;
    world.login_and_end("sess_1", "app").await;
    let line = until("it is given up", async || {
        world.lines("sess_1", "app", 1).await.into_iter().find(|line| line["details"]["result"] == "given_up")
    })
    .await;
    let told = told("fails for as long as `give_up_after` says", &line);
    world.stop().await;
    told
}

/// A row of the table.
fn told(what: &str, line: &Value) -> String {
    let details = &line["details"];
    let time = |value: &Value| value.as_str().unwrap().parse::<Timestamp>().unwrap().as_millis();
    let wait =
        details["next_attempt_at"].is_string().then(|| time(&details["next_attempt_at"]).saturating_sub(time(&line["date"])));
    let becomes = match (details["result"].as_str().unwrap(), wait) {
        ("delivered", None) => "delivered",
        ("refused", None) => "refused: it is not sent again",
        ("given_up", None) => "given up",
        // Half of two seconds by chance; and a moment passes between the one time and the other.
        ("retry", Some(0..=2_000)) => "tried again, after 1 to 2 s",
        ("retry", Some(28_000..=30_000)) => "tried again, after 30 s",
        _ => panic!("{line}"),
    };
    let kind = line["type"].as_str().unwrap();
    let log = line["description"].as_str().map_or_else(|| format!("`{kind}`"), |reason| format!("`{kind}`: {reason}"));
    format!("| {what} | {becomes} | {log} |")
}

/// An application that the Management API would refuse: somebody allowed a network once.
async fn keep(world: &World, id: &str, url: &str) {
    let store = world.store();
    let now = Timestamp::now();
    let logout =
        LogoutSettings { urls: vec![url.parse().unwrap()], initiators: LogoutInitiators::All, include_session_metadata: false };
    let client = Client {
        id: id.parse().unwrap(),
        name: id.to_owned(),
        body: Map::new(),
        logout: Some(logout),
        source: ClientSource::Management,
        created_at: now,
        updated_at: now,
        revision: 1,
    };
    store.create_client(&"acme".parse().unwrap(), client, u64::MAX).await.unwrap();
    store.close().await;
}
