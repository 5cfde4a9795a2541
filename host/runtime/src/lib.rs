#![forbid(unsafe_code)]
#![doc = include_str!("../README.md")]

mod action;
mod bindings;
mod cache;
mod capabilities;
mod context;
mod crossing;
mod engine;
mod error;
mod failure;
mod flow;
mod http;
mod inspect;
mod job;
mod lane;
pub mod limits;
mod log;
mod plumbing;
mod profile;
mod run;
mod sandbox;
mod settings;
mod tenants;

pub use action::Action;
pub use cache::{Cache, CacheFuture, MemoryCache};
pub use capabilities::phrases::{Kind, Phrase, phrase};
pub use context::Context;
pub use error::{LoadError, RunError, RuntimeError};
pub use flow::{Binding, Flow, OnFailure};
pub use http::{
    HttpSettings, InvalidCertificate, InvalidOrigin, Origin, Resolve, ResolveFuture, RootCertificate, SystemResolver,
};
pub use inspect::{CONTRACT, Capabilities, Capability};
pub use limits::{FlowLimits, HostLimits, Limits, TenantLimits};
pub use profile::{Function, Profile, Share};
pub use run::Runtime;
pub use settings::Settings;

/// A network, as [`HttpSettings`] names it.
pub use ipnet::IpNet;
/// What an event, a login and an outcome are.
pub use vestibule_model as model;
