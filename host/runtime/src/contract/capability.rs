//! What an Action can see and do, as data: its type reads it, registries store it, policies compare
//! it.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;
use vestibule_model::one_line;

use super::wasi::OUTGOING;

/// One fact that an Action can see, or one effect that it can ask for: a function of the contract,
/// or of `wasi:http`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Capability {
    /// The function's interface, `event-user` or `wasi:http/outgoing-handler` for instance.
    pub interface: String,
    /// The function's name, `email` for instance.
    pub function: String,
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.interface, self.function)
    }
}

impl Serialize for Capability {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// All that a component can see and do. It is read from the component's imports, so it can't be
/// wrong.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capabilities {
    /// The functions of the contract that it can call, sorted, and that of `wasi:http` which sends
    /// requests.
    pub capabilities: BTreeSet<Capability>,
    /// The interfaces of WASI that its language's standard library wants, sorted:
    /// `wasi:io/streams`, for instance. Behind them there are empty arguments, an empty environment
    /// and input, the run's log, and the run's own clock and random numbers.
    pub plumbing: BTreeSet<String>,
}

/// Why a text names no capability.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "`{0}` is no capability; write an interface and its function as `vestibule inspect` shows them, `event-user.email` for instance"
)]
pub struct InvalidCapability(String);

impl FromStr for Capability {
    type Err = InvalidCapability;

    /// Parses what [`Display`](fmt::Display) writes. Whether a host offers it is another question:
    /// contracts change.
    fn from_str(text: &str) -> Result<Self, InvalidCapability> {
        match text.rsplit_once('.') {
            Some((interface, function)) if !interface.is_empty() && !function.is_empty() => {
                Ok(Self { interface: interface.to_owned(), function: function.to_owned() })
            }
            _ => Err(InvalidCapability(one_line(text))),
        }
    }
}

impl<'de> Deserialize<'de> for Capability {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl Capabilities {
    /// What these are beyond older ones: what must be accepted before the new version runs
    /// in the old one's place.
    pub fn added_since(&self, older: &Self) -> Vec<Capability> {
        self.capabilities.difference(&older.capabilities).cloned().collect()
    }

    /// Whether it can ask for its tenant's cache.
    pub(crate) fn caches(&self) -> bool {
        self.capabilities.iter().any(|capability| capability.interface == "cache")
    }

    /// Whether it can send HTTP requests, to origins that its binding allows.
    pub fn sends_requests(&self) -> bool {
        self.capabilities.iter().any(|capability| capability.interface == OUTGOING)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::phrases;

    fn capabilities(all: &[&str]) -> Capabilities {
        let capabilities = all.iter().map(|text| text.parse().unwrap()).collect();
        Capabilities { capabilities, plumbing: BTreeSet::new() }
    }

    #[test]
    fn a_capability_is_read_as_it_is_written() {
        for (interface, function) in phrases::all() {
            let capability = Capability { interface: interface.to_owned(), function: function.to_owned() };
            assert_eq!(capability.to_string().parse(), Ok(capability));
        }
        for text in ["", "event-user", ".email", "event-user."] {
            let refused = text.parse::<Capability>().unwrap_err().to_string();
            assert!(refused.starts_with(&format!("`{text}` is no capability; write")), "{refused}");
        }
    }

    #[test]
    fn what_was_added_since_is_what_the_older_version_could_not_do() {
        let older = capabilities(&["event-user.id", "session.set-metadata"]);
        let newer = capabilities(&["event-user.email", "event-user.id", "access.deny"]);
        let added = newer.added_since(&older).iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(added, ["access.deny", "event-user.email"]);
        assert_eq!(newer.added_since(&newer), []);
    }

    #[test]
    fn capabilities_come_back_from_json_as_they_were() {
        let mut all = capabilities(&["event-user.id", "wasi:http/outgoing-handler.handle"]);
        all.plumbing.insert("wasi:io/streams".to_owned());
        let json = serde_json::to_string(&all).unwrap();
        assert_eq!(serde_json::from_str::<Capabilities>(&json).unwrap(), all);
    }
}
