//! Deployed Actions, more of them than fit into memory: their compiled code is there while it is
//! used.
//!
//! An Action is loaded when a flow first needs it, from the compilation cache or else compiled from
//! what the registry has, by threads of the host's own; many who wait for one share one load. It is
//! let go when it hasn't been used for longest and others need its room. An Action that is there
//! costs a run one look at a pointer: nothing is locked, and nothing written, unless something was
//! loaded since its last run.

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
