//! How much memory compiled code may take, and how much it takes.

use crate::limits::HostLimits;

/// How much memory compiled code may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActionCacheSettings {
    /// Bytes of all tenants' Actions together: 512 MiB by default, some two thousand Actions in
    /// Rust. What runs may be beyond it until it has ended.
    pub bytes: u64,
    /// Bytes of one tenant's: 128 MiB by default. An Action that takes more by itself is loaded
    /// again for each login.
    pub tenant_bytes: u64,
}

impl Default for ActionCacheSettings {
    fn default() -> Self {
        Self { bytes: 512 << 20, tenant_bytes: 128 << 20 }
    }
}

/// What a cache has done, and has in memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ActionCacheStats {
    /// Actions in memory, evicted ones that still run included.
    pub resident: u64,
    /// Bytes of memory that these take.
    pub resident_bytes: u64,
    /// How often an Action was brought into memory.
    pub loads: u64,
    /// How many of these were compiled, since their code wasn't kept.
    pub compiled: u64,
    /// How often an Action was evicted for others.
    pub evicted: u64,
}

/// How many Actions may be in memory by what the system gives a process: each takes a descriptor
/// (its data, from which memories of its sandboxes are mapped), and half of them are for other
/// things. Its code takes three mappings, and a memory of the pool four.
pub(super) fn system_has_room_for(limits: &HostLimits) -> usize {
    let files = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    let files = usize::try_from(files.unwrap_or(u64::MAX)).unwrap_or(usize::MAX);
    let mappings = std::fs::read_to_string("/proc/sys/vm/max_map_count").ok();
    let mappings = mappings.and_then(|number| number.trim().parse::<usize>().ok()).unwrap_or(usize::MAX);
    let left = mappings.saturating_sub(limits.pooled_memories().saturating_mul(4));
    (files / 2).min(left / 2 / 3).max(1)
}
