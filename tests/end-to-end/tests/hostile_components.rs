//! The components of `tests/hostile`, a test for each: its login ends as its header says, and costs
//! that one login alone. The next logins of the same tenant and of others are right.

#![allow(clippy::expect_used, clippy::panic, reason = "a test that lacks its parts is to fail at once")]

use std::collections::BTreeMap;
use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed, Trial};
use serde::Deserialize;
use vestibule::model::Outcome;
use vestibule::model::outcome::Failure;
use vestibule_test_artifacts::HostileComponent;
use vestibule_test_artifacts::hostile::ALL;
use vestibule_tests::host::{Host, failure};
use vestibule_tests::limits;

/// The header of a component: exactly one of `allowed`, `traps`, `returns`, `limit` and
/// `load_error`, and what its login needs.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    /// The user's count of logins, which the component reads: one login for each.
    #[serde(default = "first_login")]
    logins: OneOrMany<u64>,
    /// Limits of the host, by name, where they differ from those of the tests.
    #[serde(default)]
    limits: BTreeMap<String, String>,
    /// The login is allowed.
    #[serde(default)]
    allowed: bool,
    /// The Action's log, where the login is allowed.
    log: Option<Vec<String>>,
    /// It is ended by a trap, for a reason with these words.
    traps: Option<String>,
    /// It returns an error with these words.
    returns: Option<String>,
    /// It exceeds this limit, or one of these.
    limit: Option<OneOrMany<String>>,
    /// It is not loaded, for a reason with these words.
    load_error: Option<String>,
    /// What a failure says beside.
    says: Option<String>,
}

/// A value, or a list of them.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum OneOrMany<T> {
    One(T),
    Many(Vec<T>),
}

impl<T> OneOrMany<T> {
    fn as_slice(&self) -> &[T] {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::Many(many) => many,
        }
    }
}

fn first_login() -> OneOrMany<u64> {
    OneOrMany::One(1)
}

impl Header {
    fn parse(header: &str) -> Result<Self, Failed> {
        let header: Self = toml::from_str(header)?;
        let ends = [
            header.allowed,
            header.traps.is_some(),
            header.returns.is_some(),
            header.limit.is_some(),
            header.load_error.is_some(),
        ];
        if ends.into_iter().filter(|end| *end).count() != 1 {
            return Err(
                "say in its header how its login ends, by one of `;;! allowed`, `traps`, `returns`, `limit`, `load_error`".into(),
            );
        }
        if header.logins.as_slice().is_empty() {
            return Err("`logins` is empty; name a number of logins, or leave it out".into());
        }
        Ok(header)
    }

    fn host(&self) -> Result<Host, Failed> {
        let mut limits = limits();
        for (name, amount) in &self.limits {
            limits.set(name, amount)?;
        }
        Ok(Host::with(limits))
    }

    /// A login has ended as this header says.
    fn check(&self, outcome: &Outcome) {
        if self.allowed {
            assert!(outcome.is_allowed(), "{outcome:?}");
            let log: Vec<&str> = outcome.actions[0].logs.iter().map(|line| line.message.as_str()).collect();
            assert!(self.log.as_ref().is_none_or(|expected| *expected == log), "{log:?}");
            return;
        }
        let failure = failure(outcome);
        let text = failure.to_string();
        match &failure {
            Failure::Trapped { .. } => {
                let words = self.traps.as_ref().unwrap_or_else(|| panic!("it should not have trapped: {text}"));
                assert!(text.starts_with("it broke off: ") && text.contains(words), "it should say {words:?}: {text}");
                assert!(text.len() < 200 && !text.contains(['\n', '{']), "it should be one sentence for people: {text}");
            }
            Failure::Limit { limit } => {
                let limits = self.limit.as_ref().map(OneOrMany::as_slice).unwrap_or_default();
                assert!(limits.iter().any(|name| name == limit.name()), "it should not have exceeded a limit: {text}");
                assert!(text.contains(&format!("(limit `{}`)", limit.name())), "it should name the limit: {text}");
            }
            Failure::Returned { message } => {
                let words = self.returns.as_ref().unwrap_or_else(|| panic!("it should not have returned an error: {text}"));
                assert!(message.contains(words), "it should say {words:?}: {text}");
            }
            other => panic!("no header says that it ends like this: {other}"),
        }
        assert!(self.says.as_ref().is_none_or(|words| text.contains(words)), "it should say {:?}: {text}", self.says);
    }
}

/// Runs the logins of a component.
fn run(hostile: &HostileComponent) -> Result<(), Failed> {
    let header = Header::parse(hostile.header)?;
    let host = header.host()?;
    let executor = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    if let Some(words) = &header.load_error {
        let refusal = executor.block_on(host.refusal(hostile.component)).to_string();
        assert!(refusal.contains(words), "it should say {words:?}: {refusal}");
        return Ok(());
    }
    for logins in header.logins.as_slice() {
        header.check(&executor.block_on(host.attempt(hostile.component, *logins)));
    }
    Ok(())
}

fn main() -> ExitCode {
    let trials = ALL.iter().map(|hostile| Trial::test(hostile.name, move || run(hostile))).collect();
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}
