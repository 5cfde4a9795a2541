// Not `forbid`, as in every other crate: compiled code can't be loaded without one `unsafe`, which
// stands with its proof in precompiled.rs.
#![deny(unsafe_code)]
#![doc = include_str!("../README.md")]

// From the top to the leaves: a folder knows those below it alone (`tests/layers`).
mod action;
pub mod action_cache;
pub mod cache;
mod capabilities;
mod config;
mod context;
mod contract;
mod error;
mod flow;
pub mod http;
pub mod limits;
mod loading;
mod run;
mod sandbox;
mod scheduling;

pub use action::Action;
pub use config::Config;
pub use context::RunContext;
pub use error::{LoadError, RunError, RuntimeError};
pub use flow::{Binding, BoundAction, Flow, OnFailure};
pub use run::Runtime;

/// What an Action can see and do: as it is read from a component, compared, limited by a policy,
/// and put into words.
pub mod capability {
    pub use crate::contract::{CONTRACT, Capabilities, Capability, CapabilityPolicy, InvalidCapability, Kind, Phrase, phrase};
}

/// Loading components of untrusted authors: the [`Loader`](load::Loader), its
/// [`Compiler`](compile::Compiler) and its cache of compiled code.
pub mod load {
    pub use crate::loading::{Built, CacheFault, CacheKey, CacheKeyError, CompilationCache, Deployed, Loaded, Loader, Source};
}

pub use loading::compile;

/// Where an Action spends its fuel.
pub mod profile {
    pub use crate::sandbox::profile::{Function, Profile, Share};
}

/// What an event, a login and an outcome are.
pub use vestibule_model as model;
