//! LRU eviction under a budget of bytes for all, one for each tenant, and a number of entries.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use vestibule_model::TenantId;

/// When an entry was last used as far as is known here, and its number. It may have been used
/// since: that is read when it is about to be evicted.
type LastUse = (u64, u64);

/// What is in memory, in the order of its last use.
pub(super) struct LruBudget<T> {
    limit: u64,
    tenant_limit: u64,
    most: usize,
    bytes: u64,
    order: BTreeMap<LastUse, Entry<T>>,
    turns: HashMap<u64, LastUse>,
    tenants: HashMap<TenantId, OfTenant>,
}

struct Entry<T> {
    tenant: TenantId,
    bytes: u64,
    used: Arc<AtomicU64>,
    item: T,
}

#[derive(Default)]
struct OfTenant {
    bytes: u64,
    order: BTreeSet<LastUse>,
}

impl<T> LruBudget<T> {
    /// An empty budget: total bytes, bytes of each tenant, and entries.
    pub(super) fn new(limit: u64, tenant_limit: u64, most: usize) -> Self {
        let (order, turns, tenants) = (BTreeMap::new(), HashMap::new(), HashMap::new());
        Self { limit, tenant_limit, most, bytes: 0, order, turns, tenants }
    }

    /// Whether something of this size fits at all.
    pub(super) fn fits(&self, bytes: u64) -> bool {
        bytes <= self.limit.min(self.tenant_limit)
    }

    /// Inserts something that [fits](Self::fits), and returns what is evicted for it.
    pub(super) fn put(&mut self, number: u64, tenant: &TenantId, bytes: u64, used: &Arc<AtomicU64>, item: T) -> Vec<T> {
        self.remove(number);
        let mut evicted = Vec::new();
        while self.tenants.get(tenant).is_some_and(|of_tenant| of_tenant.bytes + bytes > self.tenant_limit) {
            let Some(item) = self.take_oldest(Some(tenant)) else { break };
            evicted.push(item);
        }
        while self.bytes + bytes > self.limit || self.order.len() >= self.most {
            let Some(item) = self.take_oldest(None) else { break };
            evicted.push(item);
        }
        let turn = (used.load(Ordering::Relaxed), number);
        self.bytes += bytes;
        self.turns.insert(number, turn);
        self.order.insert(turn, Entry { tenant: tenant.clone(), bytes, used: Arc::clone(used), item });
        let of_tenant = self.tenants.entry(tenant.clone()).or_default();
        of_tenant.bytes += bytes;
        of_tenant.order.insert(turn);
        evicted
    }

    /// Takes something out, where it is there.
    pub(super) fn remove(&mut self, number: u64) -> Option<T> {
        let turn = self.turns.remove(&number)?;
        let Entry { tenant, bytes, item, .. } = self.order.remove(&turn)?;
        self.bytes -= bytes;
        if let Some(of_tenant) = self.tenants.get_mut(&tenant) {
            of_tenant.bytes -= bytes;
            of_tenant.order.remove(&turn);
            if of_tenant.order.is_empty() {
                self.tenants.remove(&tenant);
            }
        }
        Some(item)
    }

    /// Takes out what hasn't been used for longest, of one tenant or of all.
    fn take_oldest(&mut self, tenant: Option<&TenantId>) -> Option<T> {
        loop {
            let turn = match tenant {
                Some(tenant) => *self.tenants.get(tenant)?.order.first()?,
                None => *self.order.first_key_value()?.0,
            };
            let used = self.order.get(&turn)?.used.load(Ordering::Relaxed);
            if used <= turn.0 {
                return self.remove(turn.1);
            }
            self.has_been_used(turn, (used, turn.1));
        }
    }

    fn has_been_used(&mut self, turn: LastUse, now: LastUse) {
        let Some(entry) = self.order.remove(&turn) else { return };
        if let Some(of_tenant) = self.tenants.get_mut(&entry.tenant) {
            of_tenant.order.remove(&turn);
            of_tenant.order.insert(now);
        }
        self.turns.insert(now.1, now);
        self.order.insert(now, entry);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn tenant(number: u64) -> TenantId {
        format!("tenant-{number}").parse().unwrap()
    }

    #[test]
    fn what_was_used_last_stays_and_what_was_not_used_for_longest_goes() {
        let mut budget = LruBudget::new(30, 30, 100);
        let used: Vec<_> = (0..4).map(|number| Arc::new(AtomicU64::new(number))).collect();
        for number in 0..3 {
            assert!(budget.put(number, &tenant(number), 10, &used[number as usize], number).is_empty());
        }
        used[0].store(9, Ordering::Relaxed);
        assert_eq!(budget.put(3, &tenant(3), 20, &used[3], 3), [1, 2]);
        assert!(budget.fits(30) && !budget.fits(31));
    }

    #[test]
    fn a_tenant_with_much_makes_room_for_itself_and_takes_none_of_another() {
        let mut budget = LruBudget::new(100, 20, 100);
        let at = |time| Arc::new(AtomicU64::new(time));
        assert!(budget.put(1, &tenant(1), 10, &at(1), "another's").is_empty());
        assert!(budget.put(2, &tenant(2), 10, &at(2), "first").is_empty());
        assert!(budget.put(3, &tenant(2), 10, &at(3), "second").is_empty());
        assert_eq!(budget.put(4, &tenant(2), 10, &at(4), "third"), ["first"]);
    }

    #[test]
    fn no_more_are_kept_than_there_are_descriptors_for() {
        let mut budget = LruBudget::new(100, 100, 2);
        let at = |time| Arc::new(AtomicU64::new(time));
        assert!(budget.put(1, &tenant(1), 1, &at(1), 1).is_empty());
        assert!(budget.put(2, &tenant(1), 1, &at(2), 2).is_empty());
        assert_eq!(budget.put(3, &tenant(1), 1, &at(3), 3), [1]);
    }

    proptest! {
        /// Compared with a list that is searched at each eviction.
        #[test]
        fn it_does_what_a_plain_list_would(steps in prop::collection::vec((0_u64..3, 0_u64..8, 1_u64..8), 1..60)) {
            let (limit, tenant_limit) = (20, 12);
            let mut budget = LruBudget::new(limit, tenant_limit, 100);
            let used: Vec<_> = (0..24).map(|_| Arc::new(AtomicU64::new(0))).collect();
            // Number, tenant, bytes.
            let mut plain: Vec<(u64, u64, u64)> = Vec::new();
            for (time, (of, which, bytes)) in steps.into_iter().enumerate() {
                let number = of * 8 + which;
                used[number as usize].store(time as u64 + 1, Ordering::Relaxed);
                if plain.iter().any(|(there, ..)| *there == number) {
                    continue;
                }
                let mut gone = Vec::new();
                let sum = |plain: &[(u64, u64, u64)], of: Option<u64>| -> u64 {
                    plain.iter().filter(|(_, tenant, _)| of.is_none_or(|of| of == *tenant)).map(|(.., bytes)| bytes).sum()
                };
                for (of, limit) in [(Some(of), tenant_limit), (None, limit)] {
                    while sum(&plain, of) + bytes > limit {
                        let fitting = plain.iter().filter(|(_, tenant, _)| of.is_none_or(|of| of == *tenant));
                        let oldest = fitting.min_by_key(|(number, ..)| used[*number as usize].load(Ordering::Relaxed));
                        let oldest = oldest.unwrap().0;
                        plain.retain(|(number, ..)| *number != oldest);
                        gone.push(oldest);
                    }
                }
                plain.push((number, of, bytes));
                prop_assert_eq!(budget.put(number, &tenant(of), bytes, &used[number as usize], number), gone);
                prop_assert_eq!(budget.bytes, sum(&plain, None));
                prop_assert_eq!(budget.order.len(), plain.len());
            }
        }
    }
}
