//! From a component to an Action: checked, compiled in a process of its own, and cached.

pub(crate) mod compilation_cache;
pub mod compile;
mod deployed;
mod fingerprint;
mod host;
mod loader;
mod permits;
mod precompiled;

pub use compilation_cache::{CacheFault, CacheKey, CacheKeyError, CompilationCache};
pub use deployed::Deployed;
pub use loader::{Built, Loaded, Loader, Source};

pub(crate) use host::Host;
