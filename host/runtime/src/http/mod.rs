//! HTTP requests of Actions: `wasi:http/outgoing-handler`, for bindings that name the origins that
//! they may go to.
//!
//! A request passes, in this order: its count, its origin, its host's addresses, its connection,
//! its sizes and its time.

mod addresses;
mod body;
mod connect;
mod deadline;
mod error;
mod origin;
mod record;
mod requests;
mod resolver;
mod send;
mod settings;
mod socket;
mod tls;

/// A network, as [`HttpSettings`] names it.
pub use ipnet::IpNet;

pub use connect::Connector;
pub use origin::{InvalidOrigin, Origin};
pub use resolver::{NameServer, NameServerError, Resolve, ResolveFuture, SystemResolver};
pub use settings::HttpSettings;
pub use socket::Stream;
pub use tls::{InvalidCertificate, RootCertificate};

pub(crate) use error::of_stream;
pub(crate) use requests::Http;
