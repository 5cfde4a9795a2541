// Not `forbid`, as in every other crate: compiled code can't be loaded without one `unsafe`, which
// stands with its proof in precompiled.rs.
#![deny(unsafe_code)]
#![doc = include_str!("../README.md")]

// From the top to the leaves: a folder knows those below it alone (`tests/layers`).
mod action;
mod action_cache;
mod cache;
mod capabilities;
mod context;
mod contract;
mod error;
mod flow;
mod http;
pub mod limits;
mod loading;
mod run;
mod sandbox;
mod scheduling;
mod settings;

pub use action::Action;
pub use action_cache::{ActionCache, ActionCacheSettings, ActionCacheStats, CachedAction, Components};
pub use cache::{Cache, CacheFuture, MemoryCache};
pub use context::Context;
pub use contract::{CONTRACT, Capabilities, Capability, CapabilityPolicy, InvalidCapability, Kind, Phrase, phrase};
pub use error::{LoadError, RunError, RuntimeError};
pub use flow::{Binding, BoundAction, Flow, OnFailure};
pub use http::{
    Connector, HttpSettings, InvalidCertificate, InvalidOrigin, NameServer, NameServerError, Origin, Resolve, ResolveFuture,
    RootCertificate, Stream, SystemResolver,
};
pub use limits::{FlowLimits, HostLimits, Limits, TenantLimits};
pub use loading::compile;
pub use loading::{
    Built, CacheFault, CacheKey, CacheKeyError, CompilationCache, CompileLane, Compiler, Deployed, Loaded, Loader, Source,
};
pub use run::Runtime;
pub use sandbox::profile::{Function, Profile, Share};
pub use settings::Settings;

/// A network, as [`HttpSettings`] names it.
pub use ipnet::IpNet;
/// What an event, a login and an outcome are.
pub use vestibule_model as model;
