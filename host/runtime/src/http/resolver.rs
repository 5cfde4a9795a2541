//! From a host's name to its addresses, asynchronously: a lookup that is dropped leaves no thread
//! and no query behind.

mod system;

use std::fmt::Debug;
use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;

pub use system::{NameServer, NameServerError, SystemResolver};

/// What a resolver answers in its time.
pub type ResolveFuture<'a> = Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send + 'a>>;

/// From a host's name to its addresses: for requests of Actions.
///
/// It is asked once for each request. Each address of its answer is checked, and the connection
/// goes to one of these and to no other: an answer that changes later changes nothing.
///
/// A tenant chooses the names, and whose name servers answer for them. So a lookup must not hold a
/// thread while it waits, and must end when its future is dropped.
pub trait Resolve: Debug + Send + Sync {
    /// The addresses of a host, whose name is in lower case and in ASCII. None of them is as good
    /// as an error.
    fn resolve<'a>(&'a self, host: &'a str) -> ResolveFuture<'a>;
}
