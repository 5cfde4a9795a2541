//! Bytes of requests' bodies that are in memory: of all, of one tenant, and of one peer. A body counts as its bytes arrive, and
//! until its request has been answered.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use http_body::{Frame, SizeHint};
use thiserror::Error;

use crate::config::BodySettings;
use crate::connections::Peer;
use crate::refusals::{Refusal, Refusals};
use crate::tenant::Tenant;

/// There is no memory for more of a body now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the bodies of requests take as much memory as they may")]
pub(crate) struct BodiesFull;

impl BodiesFull {
    /// Whether this is why a body has ended.
    pub(crate) fn is_cause_of(error: &(dyn std::error::Error + 'static)) -> bool {
        let mut causes = std::iter::successors(Some(error), |error| error.source());
        causes.any(|error| error.is::<Self>())
    }
}

/// The budget of bytes of all bodies.
#[derive(Debug)]
pub(crate) struct Bodies {
    settings: BodySettings,
    refusals: Refusals,
    all: AtomicU64,
}

/// What one request's body takes of the budgets. It is given back when this is dropped.
#[derive(Debug)]
pub(crate) struct Charge {
    bodies: Arc<Bodies>,
    tenant: Option<Arc<Tenant>>,
    peer: Option<Arc<Peer>>,
    bytes: AtomicU64,
}

impl Bodies {
    pub(crate) fn new(settings: BodySettings, refusals: Refusals) -> Self {
        Self { settings, refusals, all: AtomicU64::new(0) }
    }

    /// Nothing yet, for a request of this tenant and this peer, where they are known.
    pub(crate) fn charge(self: &Arc<Self>, tenant: Option<Arc<Tenant>>, peer: Option<Arc<Peer>>) -> Charge {
        Charge { bodies: Arc::clone(self), tenant, peer, bytes: AtomicU64::new(0) }
    }
}

impl Charge {
    /// Counts bytes that have arrived.
    ///
    /// # Errors
    /// When one of the budgets doesn't have them.
    fn add(&self, bytes: u64) -> Result<(), BodiesFull> {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        let BodySettings { all, each } = self.bodies.settings;
        let is_within = |(taken, most): (&AtomicU64, u64)| taken.fetch_add(bytes, Ordering::Relaxed) + bytes <= most;
        // Each of them, since each is given back.
        let exceeded = self.budgets(all, each).map(is_within).filter(|is_within| !is_within).count();
        if exceeded == 0 { Ok(()) } else { Err(BodiesFull) }
    }

    fn budgets(&self, all: u64, each: u64) -> impl Iterator<Item = (&AtomicU64, u64)> {
        let tenant = self.tenant.as_ref().map(|tenant| (&tenant.bodies, each));
        let peer = self.peer.as_ref().map(|peer| (&peer.bodies, each));
        std::iter::once((&self.bodies.all, all)).chain(tenant).chain(peer)
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        let bytes = *self.bytes.get_mut();
        for (taken, _) in self.budgets(0, 0) {
            taken.fetch_sub(bytes, Ordering::Relaxed);
        }
    }
}

/// A body that counts what arrives of it.
#[derive(Debug)]
pub(crate) struct Counted {
    body: Body,
    charge: Arc<Charge>,
}

impl Counted {
    pub(crate) fn new(body: Body, charge: Arc<Charge>) -> Self {
        Self { body, charge }
    }
}

impl HttpBody for Counted {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        if let Poll::Ready(Some(Ok(frame))) = &polled
            && let Some(data) = frame.data_ref()
            && let Err(full) = self.charge.add(data.len() as u64)
        {
            self.charge.bodies.refusals.count(Refusal::Bodies, &full);
            return Poll::Ready(Some(Err(axum::Error::new(full))));
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Metrics;
    use http_body_util::BodyExt as _;

    #[tokio::test]
    async fn body_counts_as_it_arrives_and_until_its_request_ends() {
        let bodies = Arc::new(Bodies::new(BodySettings { all: 10, each: 10 }, Refusals::new(Metrics::new())));
        let taken = || bodies.all.load(Ordering::Relaxed);
        let read = async |bytes: usize| {
            let charge = Arc::new(bodies.charge(None, None));
            let body = Body::new(Counted::new(Body::from(vec![0; bytes]), Arc::clone(&charge)));
            (body.collect().await.map(|body| body.to_bytes().len()), charge)
        };
        let (first, charge) = read(7).await;
        assert_eq!((first.unwrap(), taken()), (7, 7));
        let (second, refused) = read(4).await;
        assert!(BodiesFull::is_cause_of(&second.unwrap_err()));
        drop(refused);
        assert_eq!(taken(), 7);
        drop(charge);
        let (last, charge) = read(10).await;
        assert_eq!(last.unwrap(), 10);
        drop(charge);
        assert_eq!(taken(), 0);
    }
}
