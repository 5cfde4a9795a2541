//! Deployed Actions, more of them than fit into memory: their compiled code is there while it is
//! used.
//!
//! An Action is loaded when a flow first needs it, from the compilation cache or else compiled from
//! what the registry has, by threads of the host's own; all waiters share one load. The least
//! recently used one is evicted when others need its memory. A resident Action costs a run one read
//! of a pointer: nothing is locked, and nothing written, unless something was loaded since its last
//! run.

mod cache;
mod cached;
mod components;
mod load;
mod lru;
mod settings;
mod slot;

pub use cache::ActionCache;
pub use cached::CachedAction;
pub use components::Components;
pub use settings::{ActionCacheSettings, ActionCacheStats};

pub(crate) use cached::PendingLoad;
