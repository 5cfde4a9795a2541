//! Bytes of requests' bodies that are in memory: of all, of one tenant, and of one peer. A body
//! counts as its bytes arrive, and until its request has been answered. Bodies of strangers, who
//! have shown no token that is right, have a budget apart from those of callers: what a stranger
//! sends takes no room from a login.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
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

/// Strangers' bodies have this part of the budgets of callers, beside them. A token request has 8
/// KiB at most.
const STRANGERS: u64 = 8;
/// Of the budget that one peer has as a caller, it has this part as a stranger: by default three
/// peers fill a tenant's budget of strangers.
const STRANGER: u64 = 16;
/// The least that one peer may take as a caller: a login's event.
const LEAST_OF_PEER: u64 = 1 << 20;

/// The last part of a budget of all is for tenants that have few bytes in memory.
const RESERVE: u64 = 4;
/// A tenant has few where it has no more than this part of what it may.
const FEW: u64 = 16;

/// Bytes that a body gives before other requests get its thread. A body that arrives as fast as it
/// is read would keep the thread for as many reads as tokio lets a task have, which is megabytes
/// and milliseconds.
const AT_ONCE: usize = 256 << 10;

/// How many bytes there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Limits {
    all: u64,
    tenant: u64,
    peer: u64,
}

/// Bytes that are in memory: of callers, whose token is right, and of strangers.
#[derive(Debug, Default)]
pub(crate) struct Taken {
    callers: AtomicU64,
    strangers: AtomicU64,
}

impl Taken {
    fn of(&self, is_caller: bool) -> &AtomicU64 {
        if is_caller { &self.callers } else { &self.strangers }
    }
}

/// The budget of bytes of all bodies.
#[derive(Debug)]
pub(crate) struct Bodies {
    callers: Limits,
    strangers: Limits,
    refusals: Refusals,
    all: Taken,
}

/// What one request's body takes of the budgets. It is given back when this is dropped.
#[derive(Debug)]
pub(crate) struct Charge {
    bodies: Arc<Bodies>,
    tenant: Option<Arc<Tenant>>,
    peer: Option<Arc<Peer>>,
    is_caller: AtomicBool,
    bytes: Taken,
}

impl Bodies {
    /// Where the settings don't say what one peer may take, it is three quarters of a tenant's
    /// budget, so that a peer's logins go on beside its largest upload; behind a proxy, which all
    /// peers are, it is all of it.
    pub(crate) fn new(settings: BodySettings, is_behind_proxy: bool, refusals: Refusals) -> Self {
        let BodySettings { all, each, per_peer } = settings;
        let usual = if is_behind_proxy { each } else { (each / 4 * 3).max(LEAST_OF_PEER) };
        let per_peer = per_peer.unwrap_or(usual).min(each);
        let callers = Limits { all, tenant: each, peer: per_peer };
        let strangers = Limits { all: all / STRANGERS, tenant: each / STRANGERS, peer: per_peer / STRANGER };
        Self { callers, strangers, refusals, all: Taken::default() }
    }

    /// Nothing yet, for a request of this tenant and this peer, where they are known.
    pub(crate) fn charge(self: &Arc<Self>, tenant: Option<Arc<Tenant>>, peer: Option<Arc<Peer>>) -> Charge {
        Charge { bodies: Arc::clone(self), tenant, peer, is_caller: AtomicBool::new(false), bytes: Taken::default() }
    }
}

impl Charge {
    /// The request has a token that is right: what arrives from now on is a caller's.
    pub(crate) fn is_of_caller(&self) {
        self.is_caller.store(true, Ordering::Relaxed);
    }

    /// Counts bytes that have arrived.
    ///
    /// # Errors
    /// When one of the budgets doesn't have them.
    fn add(&self, bytes: u64) -> Result<(), BodiesFull> {
        let is_caller = self.is_caller.load(Ordering::Relaxed);
        self.bytes.of(is_caller).fetch_add(bytes, Ordering::Relaxed);
        let is_within = |(taken, most): (&AtomicU64, u64)| taken.fetch_add(bytes, Ordering::Relaxed) + bytes <= most;
        // Each of them, since each is given back.
        let exceeded = self.budgets(is_caller).map(is_within).filter(|is_within| !is_within).count();
        if exceeded == 0 { Ok(()) } else { Err(BodiesFull) }
    }

    fn budgets(&self, is_caller: bool) -> impl Iterator<Item = (&AtomicU64, u64)> {
        let Limits { all, tenant, peer } = if is_caller { self.bodies.callers } else { self.bodies.strangers };
        let has_few = self.tenant.as_ref().is_none_or(|of| of.bodies.of(is_caller).load(Ordering::Relaxed) <= tenant / FEW);
        let all = if has_few { all } else { all - all / RESERVE };
        let of_tenant = self.tenant.as_ref().map(|of| (of.bodies.of(is_caller), tenant));
        let of_peer = self.peer.as_ref().map(|of| (of.bodies.of(is_caller), peer));
        std::iter::once((self.bodies.all.of(is_caller), all)).chain(of_tenant).chain(of_peer)
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        for is_caller in [true, false] {
            let bytes = self.bytes.of(is_caller).load(Ordering::Relaxed);
            for (taken, _) in self.budgets(is_caller) {
                taken.fetch_sub(bytes, Ordering::Relaxed);
            }
        }
    }
}

/// A body that counts what arrives of it.
#[derive(Debug)]
pub(crate) struct Counted {
    body: Body,
    charge: Arc<Charge>,
    /// Bytes that it has given since others had the thread.
    given: usize,
}

impl Counted {
    pub(crate) fn new(body: Body, charge: Arc<Charge>) -> Self {
        Self { body, charge, given: 0 }
    }
}

impl HttpBody for Counted {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if self.given >= AT_ONCE {
            self.given = 0;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let polled = Pin::new(&mut self.body).poll_frame(context);
        match &polled {
            Poll::Ready(Some(Ok(frame))) => {
                let bytes = frame.data_ref().map_or(0, Bytes::len);
                self.given += bytes;
                if let Err(full) = self.charge.add(bytes as u64) {
                    self.charge.bodies.refusals.count(Refusal::Bodies, &full);
                    return Poll::Ready(Some(Err(axum::Error::new(full))));
                }
            }
            Poll::Pending => self.given = 0,
            Poll::Ready(_) => {}
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

    fn bodies(all: u64, each: u64, per_peer: Option<u64>, is_behind_proxy: bool) -> Arc<Bodies> {
        Arc::new(Bodies::new(BodySettings { all, each, per_peer }, is_behind_proxy, Refusals::new(Metrics::new())))
    }

    async fn read(charge: &Arc<Charge>, bytes: usize) -> Result<usize, axum::Error> {
        let body = Body::new(Counted::new(Body::from(vec![0; bytes]), Arc::clone(charge)));
        body.collect().await.map(|body| body.to_bytes().len())
    }

    #[tokio::test]
    async fn body_counts_as_it_arrives_and_until_its_request_ends() {
        let bodies = bodies(10, 10, None, false);
        let taken = || bodies.all.callers.load(Ordering::Relaxed);
        let charge = || {
            let charge = Arc::new(bodies.charge(None, None));
            charge.is_of_caller();
            charge
        };
        let (first, second) = (charge(), charge());
        assert_eq!((read(&first, 7).await.unwrap(), taken()), (7, 7));
        assert!(BodiesFull::is_cause_of(&read(&second, 4).await.unwrap_err()));
        drop(second);
        assert_eq!(taken(), 7);
        drop(first);
        let last = charge();
        assert_eq!(read(&last, 10).await.unwrap(), 10);
        drop(last);
        assert_eq!(taken(), 0);
    }

    const FRAME: usize = 64 << 10;

    /// A number of frames that have arrived already.
    struct Frames(usize);

    impl HttpBody for Frames {
        type Data = Bytes;
        type Error = axum::Error;

        fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
            let Some(left) = self.0.checked_sub(1) else { return Poll::Ready(None) };
            self.0 = left;
            Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&[0; FRAME])))))
        }
    }

    #[tokio::test]
    async fn a_body_that_is_always_ready_lets_others_have_the_thread() {
        let charge = Arc::new(bodies(u64::MAX, u64::MAX, None, false).charge(None, None));
        charge.is_of_caller();
        let mut body = std::pin::pin!(Counted::new(Body::new(Frames(16)), charge));
        let mut context = Context::from_waker(std::task::Waker::noop());
        let (mut given, mut yields) = (0, 0);
        loop {
            match body.as_mut().poll_frame(&mut context) {
                Poll::Ready(Some(frame)) => given += frame.unwrap().into_data().unwrap().len(),
                Poll::Ready(None) => break,
                Poll::Pending => yields += 1,
            }
        }
        assert_eq!((given, yields), (16 * FRAME, 16 * FRAME / AT_ONCE), "and all of it arrives");
    }

    #[tokio::test]
    async fn what_strangers_send_takes_no_room_from_callers() {
        let bodies = bodies(80, 80, None, false);
        let (stranger, another, caller) = (bodies.charge(None, None), bodies.charge(None, None), bodies.charge(None, None));
        let [stranger, another, caller] = [stranger, another, caller].map(Arc::new);
        assert_eq!(read(&stranger, 10).await.unwrap(), 10);
        assert!(BodiesFull::is_cause_of(&read(&another, 1).await.unwrap_err()), "an eighth is all that they have");
        caller.is_of_caller();
        assert_eq!(read(&caller, 80).await.unwrap(), 80);
        drop((stranger, another, caller));
        assert_eq!([true, false].map(|is_caller| bodies.all.of(is_caller).load(Ordering::Relaxed)), [0, 0]);
    }

    #[test]
    fn peer_has_less_than_a_tenant_but_for_a_proxy() {
        let peers = |bodies: Arc<Bodies>| (bodies.callers.peer, bodies.strangers.peer);
        let (all, each) = (256 << 20, 64 << 20);
        assert_eq!(peers(bodies(all, each, None, false)), (48 << 20, 3 << 20));
        assert_eq!(peers(bodies(all, each, None, true)), (64 << 20, 4 << 20));
        assert_eq!(peers(bodies(all, each, Some(16 << 20), true)), (16 << 20, 1 << 20));
        assert_eq!(peers(bodies(all, 1 << 20, None, false)), (1 << 20, 1 << 16), "a login's event has room");
    }
}
