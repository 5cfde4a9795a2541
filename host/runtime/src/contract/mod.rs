//! What stands between Actions and hosts: the generated bindings, their conversion to the model,
//! and what the imports of a component say about it.

pub(crate) mod bindings;
mod capability;
mod convert;
mod inspect;
pub(crate) mod phrases;
mod policy;
pub(crate) mod wasi;

pub use capability::{Capabilities, Capability, InvalidCapability};
pub use inspect::CONTRACT;
pub use phrases::{Kind, Phrase, phrase};
pub use policy::CapabilityPolicy;

pub(crate) use inspect::Imports;
