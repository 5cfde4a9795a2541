//! Access tokens: issued by this server for its clients, and accepted from it and from the issuers that a tenant names.

mod issue;
mod jwks;
mod key;
mod verify;

pub(crate) use issue::{Lifetime, issue};
pub(crate) use jwks::RemoteKeys;
pub use key::KeyError;
pub(crate) use key::SigningKey;
pub(crate) use verify::{Issuer, Scopes, Verifier};
