// Not `forbid`, as in every other crate: compiled code can't be loaded without one `unsafe`, which
// stands with its proof in precompiled.rs.
#![deny(unsafe_code)]
#![doc = include_str!("../README.md")]

mod action;
mod bindings;
mod bound;
mod cache;
mod capabilities;
mod compilation_cache;
pub mod compile;
mod computed;
mod context;
mod crossing;
mod engine;
mod error;
mod failure;
mod fair;
mod fingerprint;
mod flow;
mod http;
mod inspect;
mod job;
mod lane;
pub mod limits;
mod loader;
mod log;
mod plumbing;
mod policy;
mod precompiled;
mod profile;
mod quick;
mod run;
mod sandbox;
mod settings;
mod shelf;
mod tenants;
mod turns;

pub use action::Action;
pub use bound::BoundAction;
pub use cache::{Cache, CacheFuture, MemoryCache};
pub use capabilities::phrases::{Kind, Phrase, phrase};
pub use compilation_cache::{CacheFault, CacheKey, CacheKeyError, CompilationCache};
pub use compile::{CompileLane, Compiler};
pub use context::Context;
pub use error::{LoadError, RunError, RuntimeError};
pub use flow::{Binding, Flow, OnFailure};
pub use http::{
    Connector, HttpSettings, InvalidCertificate, InvalidOrigin, NameServer, NameServerError, Origin, Resolve, ResolveFuture,
    RootCertificate, Stream, SystemResolver,
};
pub use inspect::{CONTRACT, Capabilities, Capability, InvalidCapability};
pub use limits::{FlowLimits, HostLimits, Limits, TenantLimits};
pub use loader::{Built, Loaded, Loader, Source};
pub use policy::CapabilityPolicy;
pub use profile::{Function, Profile, Share};
pub use run::Runtime;
pub use settings::Settings;
pub use shelf::{Components, Deployed, Shelf, ShelfSettings, ShelfStats, Shelved};

/// A network, as [`HttpSettings`] names it.
pub use ipnet::IpNet;
/// What an event, a login and an outcome are.
pub use vestibule_model as model;
