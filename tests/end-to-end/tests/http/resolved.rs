//! Names and addresses: whatever a resolver answers, a request goes to an address that was checked,
//! or nowhere.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use vestibule::http::{Resolve, ResolveFuture};
use vestibule::model::outcome::{Failure, RequestError};

use super::server::{Server, ok};
use super::*;

/// A resolver that answers each question with the next of its answers, and the last one from then
/// on.
#[derive(Debug)]
struct Scripted {
    answers: Vec<Vec<IpAddr>>,
    asked: AtomicUsize,
}

impl Scripted {
    fn new(answers: &[&[&str]]) -> Arc<Self> {
        let address = |text: &&str| text.parse().expect("an address");
        let answers = answers.iter().map(|answer| answer.iter().map(address).collect()).collect();
        Arc::new(Self { answers, asked: AtomicUsize::new(0) })
    }
}

impl Resolve for Scripted {
    fn resolve<'a>(&'a self, _: &'a str) -> ResolveFuture<'a> {
        let asked = self.asked.fetch_add(1, Ordering::Relaxed).min(self.answers.len() - 1);
        Box::pin(std::future::ready(Ok(self.answers[asked].clone())))
    }
}

fn resolving(resolver: Arc<dyn Resolve>, networks: &[&str]) -> Runtime {
    runtime(HttpSettings { resolver, ..named(networks) }, patient())
}

#[tokio::test]
async fn loopback_is_refused_without_the_operators_word_and_the_action_is_not_told_why() {
    let server = Server::start(|_| ok("")).await;
    let runtime = runtime(HttpSettings::default(), patient());
    let outcome = send(&runtime, &[&server.origin()], &server.url("/"), &[("look_at_errors", "yes")]).await;
    let told = claim(&outcome, "text").to_string();
    assert_eq!(claim(&outcome, "error"), "AddressRefused");
    assert!(!told.contains("loopback"), "{told}");
    assert_eq!(outcome.actions[0].requests[0].error, Some(RequestError::AddressRefused { rule: "loopback (RFC 1122)" }));
    assert!(server.seen().is_empty());
}

#[tokio::test]
async fn the_systems_own_resolver_knows_this_machine() {
    let server = Server::start(|_| ok("here")).await;
    let runtime = runtime(named(&["127.0.0.0/8", "::1/128"]), patient());
    let origin = format!("http://localhost:{}", server.port());
    let outcome = send(&runtime, &[&origin], &format!("{origin}/"), &[]).await;
    assert_eq!(claim(&outcome, "body"), "here");
}

#[tokio::test]
async fn an_answer_that_changes_between_check_and_use_changes_nothing() {
    let checked = Server::at("127.0.0.2:0", None, |_| ok("checked")).await;
    let victim = Server::at(&format!("127.0.0.1:{}", checked.port()), None, |_| ok("victim")).await;
    let resolver = Scripted::new(&[&["127.0.0.2"], &["127.0.0.1"]]);
    let runtime = resolving(Arc::<Scripted>::clone(&resolver), &["127.0.0.2/32"]);
    let origin = format!("http://rebinds.example:{}", checked.port());
    let outcome = send(&runtime, &[&origin], &format!("{origin}/"), &[]).await;
    assert_eq!(claim(&outcome, "body"), "checked");
    assert_eq!(resolver.asked.load(Ordering::Relaxed), 1);
    // The next request asks again, and its answer is checked again.
    let (kind, report) = refused(&runtime, &[&origin], &format!("{origin}/"), &[]).await;
    assert_eq!(
        (kind.as_str(), report.error),
        ("AddressRefused", Some(RequestError::AddressRefused { rule: "loopback (RFC 1122)" }))
    );
    assert!(victim.seen().is_empty());
}

#[tokio::test]
async fn one_address_that_is_refused_refuses_all_in_whichever_order() {
    let server = Server::at("127.0.0.2:0", None, |_| ok("")).await;
    let origin = format!("http://mixed.example:{}", server.port());
    for answer in [["127.0.0.2", "10.0.0.1"], ["10.0.0.1", "127.0.0.2"]] {
        let runtime = resolving(Scripted::new(&[&answer]), &["127.0.0.2/32"]);
        let (_, report) = refused(&runtime, &[&origin], &format!("{origin}/"), &[]).await;
        assert_eq!(report.error, Some(RequestError::AddressRefused { rule: "private (RFC 1918)" }));
    }
    assert!(server.seen().is_empty());
}

#[tokio::test]
async fn an_address_that_takes_no_connection_is_followed_by_the_next() {
    let server = Server::at("127.0.0.2:0", None, |_| ok("second")).await;
    let origin = format!("http://two.example:{}", server.port());
    let runtime = resolving(Scripted::new(&[&["127.0.0.3", "127.0.0.2"]]), &["127.0.0.0/8"]);
    let outcome = send(&runtime, &[&origin], &format!("{origin}/"), &[]).await;
    assert_eq!(claim(&outcome, "body"), "second");
}

#[tokio::test]
async fn what_is_not_encrypted_goes_to_networks_that_the_operator_names_and_no_others() {
    // Public, and never connected to: it is refused before that.
    let runtime = resolving(Scripted::new(&[&["8.8.8.8"]]), &["127.0.0.0/8"]);
    let (kind, report) = refused(&runtime, &["http://plain.example"], "http://plain.example/", &[]).await;
    assert_eq!((kind.as_str(), report.error), ("NotAllowed", Some(RequestError::NotEncrypted)));
}

#[tokio::test]
async fn a_name_without_addresses_is_an_error() {
    let runtime = resolving(Scripted::new(&[&[]]), &[]);
    let (kind, report) = refused(&runtime, &["https://nowhere.example"], "https://nowhere.example/", &[]).await;
    assert_eq!((kind.as_str(), report.error), ("Dns", Some(RequestError::NotResolved)));
}

/// A resolver that is broken in a way of its own.
#[derive(Debug)]
enum Broken {
    NeverAnswers,
    Fails,
    Panics,
}

impl Resolve for Broken {
    fn resolve<'a>(&'a self, _: &'a str) -> ResolveFuture<'a> {
        match self {
            Self::NeverAnswers => Box::pin(std::future::pending()),
            Self::Fails => Box::pin(std::future::ready(Err(std::io::Error::other("no server")))),
            Self::Panics => panic!("a fault of this resolver"),
        }
    }
}

#[tokio::test]
async fn a_resolver_that_fails_or_never_answers_is_an_error_of_the_request() {
    for (broken, expected) in [
        (Broken::Fails, ("Dns", RequestError::NotResolved)),
        (Broken::NeverAnswers, ("Timeout", RequestError::TooSlow { allowed: impatient().request_time })),
    ] {
        let runtime = runtime(HttpSettings { resolver: Arc::new(broken), ..HttpSettings::default() }, impatient());
        let (kind, report) = refused(&runtime, &["https://api.example.com"], "https://api.example.com/", &[]).await;
        assert_eq!((kind.as_str(), report.error), (expected.0, Some(expected.1)));
    }
}

#[tokio::test]
async fn a_resolver_that_panics_costs_one_login() {
    let runtime = resolving(Arc::new(Broken::Panics), &["127.0.0.0/8"]);
    let outcome = send(&runtime, &["https://api.example.com"], "https://api.example.com/", &[]).await;
    assert_eq!(outcome.failed(), Some(&Failure::HostPanicked));
    assert_eq!(runtime.host_panics(), 1);
    assert_next_login_passes(&runtime).await;
    assert_eq!(runtime.host_panics(), 1);
}
