//! What the executor's queue knows of a task.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use super::cpu_time::CpuTime;

/// What a tenant is known by here: unique for as long as it has logins.
pub(crate) type TenantNumber = u64;

/// A task's tenant, its deadline, and how much it has computed.
#[derive(Debug)]
pub(crate) struct TaskMeta {
    tenant: TenantNumber,
    /// When the job's flow has no time left.
    until: Instant,
    pub(super) computed: Arc<CpuTime>,
    /// The caller has left.
    pub(super) is_left: Arc<AtomicBool>,
}

impl TaskMeta {
    pub(crate) fn new(tenant: TenantNumber, until: Instant, computed: Arc<CpuTime>) -> Self {
        Self { tenant, until, computed, is_left: Arc::default() }
    }

    pub(crate) fn tenant(&self) -> TenantNumber {
        self.tenant
    }

    /// When the job ends by itself as soon as it is polled, without computing anything: it needs no
    /// turn for that.
    pub(crate) fn ends(&self) -> Instant {
        self.computed.ends().map_or(self.until, |ends| ends.min(self.until))
    }

    /// Whether that is now.
    pub(crate) fn is_over(&self, now: Instant) -> bool {
        self.is_left.load(Ordering::Relaxed) || now >= self.ends()
    }
}
