//! How many bytes of answers each tenant stores, so that no tenant fills the database with them: a
//! sliding window over the time for which answers are kept.
//!
//! It is this server's own count, from its start on. Of several servers each has its own.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use vestibule::model::{Outcome, TenantId};

use crate::config::Lifetime;

/// The longest answer that is stored, in bytes: claims of 64 kB for each of two tokens, and as much
/// of all else.
const LONGEST: usize = 192 << 10;
/// Parts of the window that are forgotten one after the other.
const SLOTS: u64 = 60;

/// Bytes of answers of each tenant.
#[derive(Debug)]
pub(crate) struct StoredAnswers {
    at_most: u64,
    slot_millis: u64,
    /// Slots count from here, by the monotonic clock: a machine's time that jumps ahead and back
    /// fills no window of tomorrow.
    started: Instant,
    windows: Mutex<HashMap<TenantId, Window>>,
}

#[derive(Debug, Default)]
struct Window {
    /// The number of each slot, and its bytes; the oldest first.
    slots: VecDeque<(u64, u64)>,
    bytes: u64,
}

impl StoredAnswers {
    /// This number of bytes of each tenant, for answers that are kept for this time.
    pub(crate) fn new(at_most: u64, keep: Lifetime) -> Self {
        let slot_millis = (keep.as_millis() / SLOTS).max(1);
        Self { at_most, slot_millis, started: Instant::now(), windows: Mutex::default() }
    }

    /// What is stored of an answer: all of it but what its Actions have logged. It is empty where
    /// that is too long, or the tenant has stored as many bytes as it may: the transaction is known
    /// then, and its answer is not.
    pub(crate) fn stored(&self, tenant: &TenantId, outcome: &Outcome, json: &Arc<str>, now: Instant) -> Arc<str> {
        let json = if outcome.actions.iter().all(|action| action.logs.is_empty()) {
            Arc::clone(json)
        } else {
            let mut outcome = outcome.clone();
            for action in outcome.actions.iter_mut().filter(|action| !action.logs.is_empty()) {
                action.logs.clear();
                action.logs_cut = true;
            }
            // It could be written before.
            serde_json::to_string(&outcome).map_or_else(|_| Arc::from(""), Arc::from)
        };
        if json.len() <= LONGEST && self.take(tenant, json.len() as u64, now) { json } else { Arc::from("") }
    }

    /// Counts an answer, where there is room for it.
    fn take(&self, tenant: &TenantId, bytes: u64, now: Instant) -> bool {
        let passed = now.saturating_duration_since(self.started).as_millis();
        let slot = u64::try_from(passed).unwrap_or(u64::MAX) / self.slot_millis;
        let mut windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        // Not by `entry`, which would copy the id at each login.
        if !windows.contains_key(tenant) {
            windows.insert(tenant.clone(), Window::default());
        }
        let Some(window) = windows.get_mut(tenant) else { return false };
        // One more than the time has: the sweep comes some seconds later.
        while let Some((oldest, gone)) = window.slots.front().copied()
            && oldest.saturating_add(SLOTS + 1) < slot
        {
            window.slots.pop_front();
            window.bytes -= gone;
        }
        if window.bytes.saturating_add(bytes) > self.at_most {
            return false;
        }
        window.bytes += bytes;
        match window.slots.back_mut() {
            // Of logins at one time, one may be a moment behind.
            Some((last, of_slot)) if *last >= slot => *of_slot += bytes,
            _ => window.slots.push_back((slot, bytes)),
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_tenant_stores_a_number_of_bytes_of_answers_within_their_time() {
        let answers = StoredAnswers::new(1_000, Lifetime(Duration::from_secs(60)));
        let (acme, globex): (TenantId, TenantId) = ("acme".parse().unwrap(), "globex".parse().unwrap());
        let at = |seconds: u64| answers.started + Duration::from_secs(seconds);
        let taken = |tenant, now| (0..20).filter(|_| answers.take(tenant, 100, now)).count();
        assert_eq!(taken(&acme, at(0)), 10);
        assert_eq!(taken(&acme, at(50)), 0);
        assert_eq!(taken(&globex, at(50)), 10, "each tenant has its own");
        assert_eq!(taken(&acme, at(62)), 10, "those of the beginning are forgotten");
        assert_eq!(taken(&acme, at(5)), 0, "a moment that has passed forgets nothing");
    }
}
