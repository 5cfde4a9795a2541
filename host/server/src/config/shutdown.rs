//! How the server ends.

use std::str::FromStr;
use std::time::Duration;

use thiserror::Error;

use super::lifetime::Lifetime;
use super::section::Section;

/// How the server ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShutdownSettings {
    /// How long it takes requests after it was asked to end (SIGTERM), while `/readyz` says 503; 15
    /// s at most.
    pub drain: Duration,
}

/// As long as a balancer with the usual settings needs to notice: Kubernetes takes a pod out of its
/// services within a second or two.
const DRAIN: Duration = Duration::from_secs(5);
/// All of the end takes 28 s at most: what is left is for requests.
const LONGEST_DRAIN: Duration = Duration::from_secs(15);

impl Default for ShutdownSettings {
    fn default() -> Self {
        Self { drain: DRAIN }
    }
}

/// A text that is no such time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("not a time to drain: a number of seconds from `0 s` to `15 s`")]
struct DrainError;

struct Drain(Duration);

impl FromStr for Drain {
    type Err = DrainError;

    fn from_str(text: &str) -> Result<Self, DrainError> {
        if text.trim().strip_suffix('s').is_some_and(|digits| digits.trim() == "0") {
            return Ok(Self(Duration::ZERO));
        }
        let Lifetime(time) = text.parse().map_err(|_| DrainError)?;
        if time <= LONGEST_DRAIN { Ok(Self(time)) } else { Err(DrainError) }
    }
}

pub(super) fn shutdown(file: &Section<'_>) -> ShutdownSettings {
    let mut settings = ShutdownSettings::default();
    if let Some(section) = file.section("shutdown") {
        settings.drain = section.parsed::<Drain>("drain").map_or(settings.drain, |given| given.value.0);
        section.finish();
    }
    settings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_to_drain_leaves_time_for_requests() {
        let drain = |text: &str| text.parse::<Drain>().map(|drain| drain.0.as_secs());
        assert_eq!(["0 s", "0s", "1 s", "15 s"].map(drain), [Ok(0), Ok(0), Ok(1), Ok(15)]);
        assert_eq!(["16 s", "1 m", "5", "", "-1 s"].map(drain), [Err(DrainError); 5]);
    }
}
