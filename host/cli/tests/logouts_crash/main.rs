//! Every application hears of every session's end at least once, whoever is killed meanwhile: the
//! server that sends, another one of the same database, or the application itself.
//!
//! Sessions with three applications each end one after the other, while somebody kills a server or
//! an application at some moment and starts it again. Two hundred sessions, and two thousand with
//! `VESTIBULE_LONG=1`. What a killed server had in hand is another one's, or its own, when its
//! lease is over: that takes two minutes, and so does each test.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that can't go on is to fail at once")]

#[path = "../lasting/callers.rs"]
#[allow(dead_code, reason = "the tests of sessions use the rest")]
mod callers;
#[path = "../../../sessions/tests/parts/cluster.rs"]
#[allow(dead_code, reason = "the store's tests use the rest")]
mod cluster;
#[path = "../common/mod.rs"]
mod common;
#[path = "../lasting/servers.rs"]
#[allow(dead_code, reason = "the tests of sessions use the rest")]
mod servers;

mod applications;
mod platform;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use applications::{Application, Heard};
use cluster::Cluster;
use platform::Platform;
use servers::{Database, Place};

/// What a killed server had in hand is due after two minutes, and what an application has not taken
/// after some more.
const PATIENCE: Duration = Duration::from_secs(420);
const APPLICATIONS: usize = 3;

fn sessions() -> usize {
    if std::env::var_os("VESTIBULE_LONG").is_some() { 2_000 } else { 200 }
}

/// In each of which somebody is killed.
fn rounds() -> usize {
    sessions() / 20
}

/// A number below this one, without any order.
fn some(below: usize) -> usize {
    use std::hash::{BuildHasher as _, RandomState};
    RandomState::new().hash_one(()) as usize % below
}

/// The configuration's first and last lines.
fn settings(applications: &[Application]) -> (String, String) {
    let clients = applications.iter().map(|application| {
        let Application { name, port, .. } = application;
        format!(
            "[[tenants.acme.clients]]\nclient_id = {name:?}\noidc_logout = {{ backchannel_logout_urls = \
             [\"http://127.0.0.1:{port}/logout\"], backchannel_logout_initiators = {{ mode = \"all\" }} }}\n"
        )
    });
    ("logout = { allowed_networks = [\"127.0.0.0/8\"] }".to_owned(), clients.collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_application_hears_of_every_end_though_the_server_with_sqlite_is_killed() {
    let folder = common::folder();
    let applications: Vec<_> = (0..APPLICATIONS).map(|number| Application::start(&folder, number)).collect();
    let (first, last) = settings(&applications);
    let place = Place::with(&Database::Sqlite, &first, &last);
    survive(vec![place], applications).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_application_hears_of_every_end_though_two_servers_of_one_postgresql_are_killed_in_turn() {
    let cluster = Cluster::start();
    let folder = common::folder();
    let applications: Vec<_> = (0..APPLICATIONS).map(|number| Application::start(&folder, number)).collect();
    let (first, last) = settings(&applications);
    let place = Place::with(&Database::Postgres(cluster.new_database().await), &first, &last);
    // The keys are made before there are two who need them.
    place.start().stop();
    let beside = place.beside();
    survive(vec![place, beside], applications).await;
}

async fn survive(places: Vec<Place>, mut applications: Vec<Application>) {
    let mut servers: Vec<_> = places.iter().map(|place| Some(place.start())).collect();
    let ports: Vec<u16> = servers.iter().flatten().map(|server| server.port).collect();
    let platform = Platform::start(&ports, &applications, sessions()).await;
    for round in 0..rounds() {
        // So many may end in this round, and somebody is killed while they do: a server, an
        // application, a server, the next application, …
        let in_a_round = sessions() / rounds();
        platform.may_end((round + 1) * in_a_round);
        platform.have_ended(round * in_a_round + some(in_a_round)).await;
        let turn = round / 2;
        if round % 2 == 0 {
            let number = turn % servers.len();
            servers[number].take().unwrap().kill();
            tokio::time::sleep(Duration::from_millis(some(200) as u64)).await;
            let started = places[number].start();
            platform.moved(number, started.port).await;
            servers[number] = Some(started);
        } else {
            let application = &mut applications[turn % APPLICATIONS];
            application.kill();
            tokio::time::sleep(Duration::from_millis(some(400) as u64)).await;
            application.resume();
        }
    }
    platform.is_done().await;
    all_hear(&applications).await;

    let mut twice = 0;
    let mut ids = BTreeSet::new();
    for application in &applications {
        let mut of_sessions: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for Heard { application: told, session, id } in application.heard() {
            assert_eq!(told, application.name, "a token is for the application that it is sent to");
            of_sessions.entry(session).or_default().push(id);
        }
        assert_eq!(of_sessions.len(), sessions(), "it hears of what has ended and of nothing else");
        for (session, heard) in of_sessions {
            assert!(heard.iter().all(|id| *id == heard[0]), "{session} has one id over all attempts: {heard:?}");
            assert!(ids.insert(heard[0].clone()), "{session}: another one has this id: {heard:?}");
            twice += usize::from(heard.len() > 1);
        }
    }
    println!("{} tokens, {} kills: all were heard, {twice} of them more than once", ids.len(), rounds());
    for server in servers.into_iter().flatten() {
        server.stop();
    }
}

async fn all_hear(applications: &[Application]) {
    let since = Instant::now();
    for application in applications {
        loop {
            let heard: BTreeSet<_> = application.heard().into_iter().map(|heard| heard.session).collect();
            if heard.len() >= sessions() {
                break;
            }
            let missing = sessions() - heard.len();
            assert!(since.elapsed() < PATIENCE, "{} has not heard of {missing} sessions", application.name);
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
}
