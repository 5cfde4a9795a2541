//! A moment, to the millisecond.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

/// The last millisecond that we can name: 9999-12-30T21:59:59.999Z. In some time zone the year
/// 10000 begins then, beyond which ISO 8601 needs an agreement.
const LAST: u64 = 253_402_207_199_999;

/// A moment in milliseconds since the Unix epoch, as in `Date.now()`. As text and in JSON it is ISO
/// 8601 in UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(u64);

/// Why a text is not a moment that we can name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("not a date between 1970 and 9999 in ISO 8601, such as 2026-11-24T09:30:00.000Z")]
pub struct TimestampError;

impl Timestamp {
    /// Milliseconds after the Unix epoch; at most the year 9999.
    pub const fn from_millis(milliseconds: u64) -> Self {
        Self(if milliseconds > LAST { LAST } else { milliseconds })
    }

    /// Milliseconds since the Unix epoch.
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// This machine's time.
    pub fn now() -> Self {
        SystemTime::now().into()
    }

    /// The time after this duration; at most the year 9999.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        let milliseconds = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        Self::from_millis(self.0.saturating_add(milliseconds))
    }
}

impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Self {
        Self(0).plus(time.duration_since(UNIX_EPOCH).unwrap_or_default())
    }
}

impl From<Timestamp> for SystemTime {
    fn from(timestamp: Timestamp) -> Self {
        UNIX_EPOCH + Duration::from_millis(timestamp.0)
    }
}

impl FromStr for Timestamp {
    type Err = TimestampError;

    fn from_str(text: &str) -> Result<Self, TimestampError> {
        let Ok(timestamp) = text.parse::<jiff::Timestamp>() else {
            return if is_never(text) { Ok(Self(LAST)) } else { Err(TimestampError) };
        };
        let milliseconds = u64::try_from(timestamp.as_millisecond()).map_err(|_| TimestampError)?;
        Ok(Self::from_millis(milliseconds))
    }
}

/// Whether it is one of the last hours of the year 9999, which say "never" in many programs, and
/// which lie behind [`LAST`].
fn is_never(text: &str) -> bool {
    let Ok(pieces) = jiff::fmt::temporal::Pieces::parse(text) else { return false };
    pieces.date() >= jiff::civil::date(9999, 12, 30) && pieces.time().is_some() && pieces.offset().is_some()
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let timestamp = i64::try_from(self.0).ok().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
        match timestamp {
            Some(timestamp) => write!(f, "{timestamp:.3}"),
            None => write!(f, "{} ms", self.0),
        }
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Iso8601;

        impl Visitor<'_> for Iso8601 {
            type Value = Timestamp;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a date in ISO 8601")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Timestamp, E> {
                text.parse().map_err(E::custom)
            }
        }

        deserializer.deserialize_str(Iso8601)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_comes_back_as_it_was() {
        let text = "2026-11-24T09:30:00.123Z";
        assert_eq!(text.parse::<Timestamp>().unwrap().to_string(), text);
    }

    #[test]
    fn the_last_moment_is_a_date_as_well() {
        let last = Timestamp::from_millis(u64::MAX);
        assert_eq!(last.to_string(), "9999-12-30T21:59:59.999Z");
        assert_eq!(last.to_string().parse(), Ok(last));
        for never in ["9999-12-31T23:59:59Z", "9999-12-31T23:59:59.999+00:00", "9999-12-31T12:00:00-05:00"] {
            assert_eq!(never.parse(), Ok(last), "{never}");
        }
        for wrong in ["9999-12-31", "9999-12-31T23:59:59", "9999-12-32T00:00:00Z"] {
            assert_eq!(wrong.parse::<Timestamp>(), Err(TimestampError), "{wrong}");
        }
    }

    #[test]
    fn an_offset_is_turned_into_utc() {
        let timestamp: Timestamp = "2026-11-24T10:30:00+01:00".parse().unwrap();
        assert_eq!(timestamp.to_string(), "2026-11-24T09:30:00.000Z");
    }

    #[test]
    fn what_is_no_date_or_lies_before_1970_is_refused() {
        for text in ["", "yesterday", "2026-13-01T00:00:00Z", "1969-12-31T23:59:59.999Z", "2026-11-24"] {
            assert_eq!(text.parse::<Timestamp>(), Err(TimestampError), "{text:?}");
        }
    }
}
