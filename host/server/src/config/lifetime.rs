//! How long something lives, as people write it.

use std::str::FromStr;
use std::time::Duration;

use thiserror::Error;

use super::section::Section;

/// How long something lives: `30 m`, `12 h`, `7 d`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetime(pub Duration);

/// A text that is no lifetime.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("not a lifetime: a number and one of `s`, `m`, `h`, `d`, such as `30 m` or `7 d`, up to 3650 d")]
pub struct LifetimeError;

/// Ten years: what lives longer is a mistake.
const LONGEST: u64 = 3_650 * 86_400;

impl Lifetime {
    /// So many days.
    pub const fn days(days: u64) -> Self {
        Self(Duration::from_secs(days * 86_400))
    }

    /// In milliseconds.
    pub fn as_millis(self) -> u64 {
        u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX)
    }
}

impl FromStr for Lifetime {
    type Err = LifetimeError;

    fn from_str(text: &str) -> Result<Self, LifetimeError> {
        let text = text.trim();
        let end = text.find(|character: char| !character.is_ascii_digit()).ok_or(LifetimeError)?;
        let (digits, unit) = text.split_at(end);
        let amount: u64 = digits.parse().map_err(|_| LifetimeError)?;
        let seconds = match unit.trim() {
            "s" => 1,
            "m" => 60,
            "h" => 3_600,
            "d" => 86_400,
            _ => return Err(LifetimeError),
        };
        let seconds = amount.checked_mul(seconds).filter(|seconds| (1..=LONGEST).contains(seconds)).ok_or(LifetimeError)?;
        Ok(Self(Duration::from_secs(seconds)))
    }
}

/// How long what is over is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeepSettings {
    /// The ids of transactions and what was answered: a login that is sent again within this time
    /// is known.
    pub transactions: Lifetime,
    /// The tenants' logs.
    pub log: Lifetime,
    /// Sessions that have ended, so that none of their ids comes back.
    pub ended_sessions: Lifetime,
}

impl Default for KeepSettings {
    /// A platform sends a login again within seconds or never; Auth0 keeps logs for 2 to 30 days,
    /// and sessions for 30 at most by default.
    fn default() -> Self {
        Self { transactions: Lifetime(Duration::from_secs(3_600)), log: Lifetime::days(10), ended_sessions: Lifetime::days(30) }
    }
}

impl KeepSettings {
    pub(super) fn read(file: &Section<'_>) -> Self {
        let mut settings = Self::default();
        if let Some(section) = file.section("keep") {
            let read = |key, to: &mut Lifetime| *to = section.parsed::<Lifetime>(key).map_or(*to, |given| given.value);
            read("transactions", &mut settings.transactions);
            read("log", &mut settings.log);
            read("ended_sessions", &mut settings.ended_sessions);
            section.finish();
        }
        settings
    }
}
