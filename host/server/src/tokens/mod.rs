//! Access tokens: issued by this server for its clients, and accepted from it and from the issuers
//! that a tenant names.

mod header;
mod issue;
mod jwks;
mod remembered;
mod verify;

pub(crate) use issue::{Lifetime, issue};
pub(crate) use jwks::{IssuerNames, RemoteKeys};
pub(crate) use verify::{Issuer, Scopes, TokenError, Verifier};
