//! What was found out about tokens a short time ago: checking a signature takes longer than a
//! login.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use vestibule::model::Timestamp;

use super::verify::{Scopes, TokenError};

/// Tokens that are good for something and are remembered, for each tenant.
const RIGHT: usize = 1_024;
/// Tokens that are signed rightly and good for nothing here: one that is sent again and again costs
/// no signature.
const REFUSED: usize = 256;

/// How long a token is remembered at most, by the monotonic clock. What withdraws it counts after
/// this time at the latest.
const LONGEST: Duration = Duration::from_secs(5 * 60);

/// How far the clocks of two machines may differ.
const LEEWAY: Duration = Duration::from_secs(30);

/// By its digest.
pub(super) type Digest = [u8; 32];

/// What was found out about a token whose signature is right. It counts no longer than the keys by
/// which it was found out. Clients and issuers change with the configuration, and that makes
/// another verifier.
#[derive(Debug)]
pub(super) struct Verdict {
    /// When the token begins and expires, as it says. That is compared with the time of day at each
    /// use.
    pub(super) begins: Option<Timestamp>,
    pub(super) expires: Option<Timestamp>,
    /// Which of the issuers, and the count of its keys.
    pub(super) issuer: usize,
    pub(super) generation: u64,
    pub(super) found: Result<Arc<Scopes>, TokenError>,
}

impl Verdict {
    /// What the token is good for at this time of day.
    pub(super) fn at(&self, now: Timestamp) -> Result<Arc<Scopes>, TokenError> {
        if self.expires.ok_or(TokenError::Time)?.plus(LEEWAY) <= now {
            return Err(TokenError::Expired);
        }
        if self.begins.is_some_and(|begins| begins > now.plus(LEEWAY)) {
            return Err(TokenError::Time);
        }
        self.found.clone()
    }
}

/// Tokens of one tenant.
#[derive(Debug, Default)]
pub(super) struct Remembered(Mutex<All>);

#[derive(Debug, Default)]
struct All {
    right: Map,
    refused: Map,
}

type Map = HashMap<Digest, (Instant, Verdict)>;

impl Remembered {
    /// What a token is good for, where that is known. `generation_of` counts the changes of an
    /// issuer's keys.
    pub(super) fn find(
        &self,
        digest: &Digest,
        now: Timestamp,
        at: Instant,
        generation_of: impl Fn(usize) -> Option<u64>,
    ) -> Option<Result<Arc<Scopes>, TokenError>> {
        let mut all = self.all();
        let All { right, refused } = &mut *all;
        let map = if right.contains_key(digest) { right } else { refused };
        let (until, verdict) = map.get(digest)?;
        if *until > at && generation_of(verdict.issuer) == Some(verdict.generation) {
            return Some(verdict.at(now));
        }
        map.remove(digest);
        None
    }

    pub(super) fn insert(&self, digest: Digest, verdict: Verdict, now: Timestamp, at: Instant) {
        let mut all = self.all();
        let (map, most) = if verdict.at(now).is_ok() { (&mut all.right, RIGHT) } else { (&mut all.refused, REFUSED) };
        if map.len() >= most {
            map.retain(|_, (until, _)| *until > at);
            if map.len() >= most {
                map.clear();
            }
        }
        map.insert(digest, (at + LONGEST, verdict));
    }

    fn all(&self) -> MutexGuard<'_, All> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: u64 = 86_400;

    fn day(seconds: u64) -> Timestamp {
        Timestamp::from_millis(1_800_000_000_000 + seconds * 1_000)
    }

    /// Of a token that is good from second 0 on, for two days.
    fn verdict(found: Result<Arc<Scopes>, TokenError>) -> Verdict {
        Verdict { begins: Some(day(0)), expires: Some(day(2 * DAY)), issuer: 0, generation: 1, found }
    }

    #[test]
    fn a_token_is_remembered_for_five_minutes_though_the_time_of_day_jumps_ahead_and_back() {
        let remembered = Remembered::default();
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        // Tomorrow, for a moment.
        remembered.insert([1; 32], verdict(Ok(Arc::default())), day(DAY), at(0));
        let find = |of_day, monotonic| remembered.find(&[1; 32], day(of_day), at(monotonic), |_| Some(1));
        assert!(find(10, 10).unwrap().is_ok());
        assert_eq!(find(3 * DAY, 11).unwrap(), Err(TokenError::Expired), "its own times count at each use");
        assert!(find(12, 12).unwrap().is_ok(), "and it comes back with the time of day");
        assert!(find(299, 299).unwrap().is_ok());
        assert!(find(300, 300).is_none(), "it is checked again");
    }

    #[test]
    fn a_token_that_begins_later_counts_when_its_time_has_come() {
        let verdict = Verdict { begins: Some(day(100)), ..verdict(Ok(Arc::default())) };
        assert_eq!(verdict.at(day(69)), Err(TokenError::Time));
        assert!(verdict.at(day(70)).is_ok(), "clocks differ");
        assert_eq!(Verdict { expires: None, ..verdict }.at(day(70)), Err(TokenError::Time), "a token without an end is invalid");
    }

    #[test]
    fn refused_tokens_drive_out_none_that_are_right() {
        let (remembered, now) = (Remembered::default(), Instant::now());
        remembered.insert([1; 32], verdict(Ok(Arc::default())), day(0), now);
        for number in 0..2 * REFUSED as u64 {
            let mut digest = [0; 32];
            digest[8..16].copy_from_slice(&number.to_be_bytes());
            remembered.insert(digest, verdict(Err(TokenError::Audience)), day(0), now);
            assert_eq!(remembered.find(&digest, day(0), now, |_| Some(1)), Some(Err(TokenError::Audience)));
        }
        assert!(remembered.all().refused.len() <= REFUSED);
        assert!(remembered.find(&[1; 32], day(0), now, |_| Some(1)).unwrap().is_ok());
        assert!(remembered.find(&[1; 32], day(0), now, |_| Some(2)).is_none(), "its issuer's keys have changed");
    }
}
