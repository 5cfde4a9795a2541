//! How many executions of a tenant are taken, so that a busy tenant neither fills the queue nor
//! writes others' off it.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use vestibule::model::TenantId;

use crate::rate::Bucket;

/// Buckets of each tenant, which fill with time.
#[derive(Debug)]
pub(super) struct Budgets {
    per_second: u64,
    buckets: Mutex<HashMap<TenantId, Bucket>>,
}

/// The last of these parts of a bucket is for logins that were not allowed, or in which an Action
/// has failed: that is what somebody looks for.
const PARTS: u64 = 4;

impl Budgets {
    pub(super) fn new(per_second: u32) -> Self {
        Self { per_second: per_second.into(), buckets: Mutex::default() }
    }

    /// Takes one out of a tenant's bucket, where there is one left for it.
    pub(super) fn take(&self, tenant: &TenantId, has_failed: bool, now: Instant) -> bool {
        let full = self.per_second.saturating_mul(1_000);
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        // Not by `entry`, which would copy the id at each login.
        if !buckets.contains_key(tenant) {
            buckets.insert(tenant.clone(), Bucket::full(full, now));
        }
        let Some(bucket) = buckets.get_mut(tenant) else { return false };
        bucket.fill(full, self.per_second, now);
        let kept_for_failed = if has_failed { 0 } else { full / PARTS };
        let is_taken = bucket.left >= 1_000 && bucket.left >= kept_for_failed.saturating_add(1_000).min(full);
        if is_taken {
            bucket.left -= 1_000;
        }
        is_taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_tenant_has_so_many_in_a_second_and_failed_logins_pass_before_others() {
        let budgets = Budgets::new(8);
        let (acme, globex): (TenantId, TenantId) = ("acme".parse().unwrap(), "globex".parse().unwrap());
        let start = Instant::now();
        let at = |milliseconds: u64| start + Duration::from_millis(milliseconds);
        let taken = |tenant, has_failed, now| (0..20).filter(|_| budgets.take(tenant, has_failed, now)).count();
        assert_eq!(taken(&acme, false, at(0)), 6);
        assert_eq!(taken(&acme, true, at(0)), 2, "a quarter is kept for those that have failed");
        assert_eq!(taken(&acme, true, at(0)), 0);
        assert_eq!(taken(&globex, false, at(0)), 6, "each tenant has its own");
        assert_eq!(taken(&acme, true, at(500)), 4);
        assert_eq!(taken(&acme, true, at(10_000)), 8, "no more than one second is kept");
    }

    #[test]
    fn one_in_a_second_is_one_in_a_second() {
        let budgets = Budgets::new(1);
        let acme: TenantId = "acme".parse().unwrap();
        let start = Instant::now();
        assert!(budgets.take(&acme, false, start));
        assert!(!budgets.take(&acme, true, start + Duration::from_millis(999)));
        assert!(budgets.take(&acme, false, start + Duration::from_millis(1_000)));
    }
}
