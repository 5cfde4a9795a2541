//! `cache`: short-lived values that the Actions of one trigger share over many logins of a tenant.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use super::{Login, limits};
use crate::error::{CacheError, LimitExceeded, PastTime, ValueTooLong};
use crate::metadata::size;
use crate::{ActionId, Timestamp};

/// A cached value, and when it is gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CacheEntry {
    /// The value.
    pub value: String,
    /// When it is gone.
    pub expires_at: Timestamp,
}

/// How long a value is kept. More than 24 hours are 24 hours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lifetime {
    /// Milliseconds from the login.
    Milliseconds(u64),
    /// Until then.
    Until(Timestamp),
}

/// What a tenant's cache holds, as a login finds it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CacheEntries(BTreeMap<Box<str>, CacheEntry>);

/// Entries that were set, or (`None`) removed, and by whom.
pub(crate) type CacheChanges = BTreeMap<Box<str>, (Option<CacheEntry>, ActionId)>;

fn bytes(key: &str, entry: &CacheEntry) -> usize {
    key.len() + entry.value.len()
}

impl CacheEntries {
    /// The entry with this key, unless it is gone.
    pub fn get(&self, key: &str, now: Timestamp) -> Option<&CacheEntry> {
        self.0.get(key).filter(|entry| entry.expires_at > now)
    }

    /// Whether nothing is left of it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes over what a login has changed. What is gone is dropped; where two logins together have
    /// set more than a cache holds, what is gone first goes at once.
    pub fn apply<'a>(&mut self, changes: impl IntoIterator<Item = (&'a str, Option<&'a CacheEntry>)>, now: Timestamp) {
        for (key, change) in changes {
            match change {
                Some(entry) => _ = self.0.insert(key.into(), entry.clone()),
                None => _ = self.0.remove(key),
            }
        }
        self.expire(now);
        let is_full = |entries: &BTreeMap<Box<str>, CacheEntry>| {
            let all: usize = entries.iter().map(|(key, entry)| bytes(key, entry)).sum();
            size(entries.len()) > limits::CACHE_ENTRIES || size(all) > limits::CACHE_BYTES
        };
        while is_full(&self.0) {
            let first = self.0.iter().min_by_key(|(_, entry)| entry.expires_at).map(|(key, _)| key.clone());
            first.and_then(|key| self.0.remove(&key));
        }
    }

    /// Drops what is gone.
    pub fn expire(&mut self, now: Timestamp) {
        self.0.retain(|_, entry| entry.expires_at > now);
    }
}

fn check_key(key: &str) -> Result<(), CacheError> {
    let (given, limit) = (size(key.len()), limits::CACHE_KEY_BYTES);
    match given {
        0 => Err(CacheError::EmptyKey),
        given if given > limit => Err(CacheError::KeyTooLong(LimitExceeded { given, limit })),
        _ => Ok(()),
    }
}

impl Login {
    /// The same login with what the tenant's cache holds. Without this call, its cache is empty.
    #[must_use]
    pub fn with_cache(mut self, entries: Arc<CacheEntries>) -> Self {
        self.cache = entries;
        self
    }

    /// `cache.get`: the value with this key, unless it is gone; with the changes so far.
    pub fn cached(&self, key: &str) -> Option<&CacheEntry> {
        match self.changes.cache.get(key) {
            Some((changed, _)) => changed.as_ref(),
            None => self.cache.get(key, self.now),
        }
    }

    /// `cache.set`: keeps a value, and says until when.
    ///
    /// # Errors
    /// When the key or the value breaks a rule, the time is not later than this login, or the cache
    /// would hold too much.
    pub fn set_cached(&mut self, key: &str, value: &str, lifetime: Option<Lifetime>) -> Result<CacheEntry, CacheError> {
        check_key(key)?;
        let (given, limit) = (size(value.len()), limits::CACHE_VALUE_BYTES);
        if given > limit {
            return Err(CacheError::ValueTooLong(ValueTooLong { key: key.to_owned(), given, limit }));
        }
        let wanted = match lifetime.unwrap_or(Lifetime::Milliseconds(limits::CACHE_DEFAULT_MILLISECONDS)) {
            Lifetime::Milliseconds(milliseconds) => self.now.plus(Duration::from_millis(milliseconds)),
            Lifetime::Until(at) => at,
        };
        if wanted <= self.now {
            return Err(CacheError::InThePast(PastTime { given: wanted, now: self.now }));
        }
        let longest = self.now.plus(Duration::from_millis(limits::CACHE_LONGEST_MILLISECONDS));
        let entry = CacheEntry { value: value.to_owned(), expires_at: wanted.min(longest) };
        let others = self.others_cached(key);
        let (given, limit) = (size(others.len() + 1), limits::CACHE_ENTRIES);
        if given > limit {
            return Err(CacheError::TooManyEntries(LimitExceeded { given, limit }));
        }
        let all = others.iter().map(|(key, entry)| bytes(key, entry)).sum::<usize>() + bytes(key, &entry);
        let (given, limit) = (size(all), limits::CACHE_BYTES);
        if given > limit {
            return Err(CacheError::TooLarge(LimitExceeded { given, limit }));
        }
        self.changes.cache.insert(key.into(), (Some(entry.clone()), self.action.clone()));
        Ok(entry)
    }

    /// `cache.delete`: removes a value; a missing one is no error.
    ///
    /// # Errors
    /// When no value can have such a key.
    pub fn delete_cached(&mut self, key: &str) -> Result<(), CacheError> {
        check_key(key)?;
        if self.cached(key).is_some() {
            self.changes.cache.insert(key.into(), (None, self.action.clone()));
        }
        Ok(())
    }

    /// All that is cached but this key.
    fn others_cached(&self, but: &str) -> Vec<(&str, &CacheEntry)> {
        let changes = &self.changes.cache;
        let before = self.cache.0.iter().filter(|(key, entry)| entry.expires_at > self.now && !changes.contains_key(*key));
        let changed = changes.iter().filter_map(|(key, (entry, _))| Some((key, entry.as_ref()?)));
        before.chain(changed).filter(|(key, _)| key.as_ref() != but).map(|(key, entry)| (key.as_ref(), entry)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::login;
    use super::*;

    const MINUTE: u64 = 60_000;

    #[test]
    fn a_value_is_kept_for_a_quarter_of_an_hour_or_as_long_as_is_said_and_at_most_a_day() {
        let mut login = login();
        let after = |minutes| login.now().plus(Duration::from_millis(minutes * MINUTE));
        let (quarter, two, day) = (after(15), after(2), after(24 * 60));
        assert_eq!(login.set_cached("k", "v", None).unwrap().expires_at, quarter);
        assert_eq!(login.set_cached("k", "v", Some(Lifetime::Until(two))).unwrap().expires_at, two);
        let longer = Some(Lifetime::Milliseconds(u64::MAX));
        assert_eq!(login.set_cached("k", "v", longer).unwrap().expires_at, day);
        for past in [Lifetime::Until(login.now()), Lifetime::Milliseconds(0)] {
            assert!(matches!(login.set_cached("k", "v", Some(past)), Err(CacheError::InThePast(_))));
        }
    }

    #[test]
    fn what_an_earlier_login_left_is_found_until_it_is_gone() {
        let mut before = login();
        before.set_cached("short", "1", Some(Lifetime::Milliseconds(1))).unwrap();
        before.set_cached("long", "2", None).unwrap();
        let mut entries = CacheEntries::default();
        let changes = before.changes().cache.iter().map(|(key, (entry, _))| (key.as_ref(), entry.as_ref()));
        entries.apply(changes, before.now());
        let later = before.now().plus(Duration::from_millis(1));
        assert_eq!(entries.get("short", later), None);
        let mut login = Login { now: later, ..login() }.with_cache(Arc::new(entries));
        assert_eq!(login.cached("long").map(|entry| entry.value.as_str()), Some("2"));
        login.delete_cached("long").unwrap();
        assert_eq!(login.cached("long"), None);
    }

    #[test]
    fn keys_values_and_the_whole_are_limited() {
        let mut login = login();
        assert_eq!(login.set_cached("", "v", None), Err(CacheError::EmptyKey));
        assert!(login.set_cached(&"k".repeat(64), "v", None).is_ok());
        assert!(matches!(login.set_cached(&"k".repeat(65), "v", None), Err(CacheError::KeyTooLong(_))));
        assert!(matches!(login.set_cached("k", &"v".repeat(4_097), None), Err(CacheError::ValueTooLong(_))));
        login.set_cached("a", &"v".repeat(4_096), None).unwrap();
        assert!(matches!(login.set_cached("b", &"v".repeat(4_096), None), Err(CacheError::TooLarge(_))));
        login.set_cached("a", "small", None).unwrap();
        for number in 0..18 {
            login.set_cached(&format!("n{number}"), "v", None).unwrap();
        }
        let too_many = CacheError::TooManyEntries(LimitExceeded { given: 21, limit: 20 });
        assert_eq!(login.set_cached("one-more", "v", None), Err(too_many));
        login.set_cached("a", "again", None).unwrap();
    }

    #[test]
    fn two_logins_together_never_leave_more_than_a_cache_holds() {
        let now = login().now();
        let mut entries = CacheEntries::default();
        for round in 0..3_u64 {
            let set: Vec<(String, CacheEntry)> = (0..20)
                .map(|number| {
                    (
                        format!("{round}-{number}"),
                        CacheEntry { value: "v".into(), expires_at: now.plus(Duration::from_secs(round + 1)) },
                    )
                })
                .collect();
            entries.apply(set.iter().map(|(key, entry)| (key.as_str(), Some(entry))), now);
        }
        assert_eq!(entries.0.len(), 20);
        assert!(entries.0.keys().all(|key| key.starts_with("2-")), "what is gone first goes first");
    }
}
