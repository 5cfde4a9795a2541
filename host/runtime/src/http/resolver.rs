//! From a host's name to its addresses.

use std::fmt::Debug;
use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;

/// What a resolver answers in its time.
pub type ResolveFuture<'a> = Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send + 'a>>;

/// From a host's name to its addresses: for requests of Actions.
///
/// It is asked once for each request. Each address of its answer is checked, and the connection goes to one of these and to no other: an
/// answer that changes later changes nothing.
pub trait Resolve: Debug + Send + Sync {
    /// The addresses of a host, whose name is in lower case and in ASCII. None of them is as good as an error.
    fn resolve<'a>(&'a self, host: &'a str) -> ResolveFuture<'a>;
}

/// The operating system's resolver.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemResolver;

impl Resolve for SystemResolver {
    fn resolve<'a>(&'a self, host: &'a str) -> ResolveFuture<'a> {
        Box::pin(async move {
            // The port is the origin's, and not the resolver's matter.
            let addresses = tokio::net::lookup_host((host, 0)).await?;
            Ok(addresses.map(|address| address.ip()).collect())
        })
    }
}
