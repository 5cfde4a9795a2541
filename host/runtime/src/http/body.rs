//! A response's body on its way to the Action, within its time.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::{Instant, Sleep, sleep_until};
use vestibule_model::outcome::RequestError;
use wasmtime_wasi_http::Error;

use super::deadline::{Deadline, Deadlines};
use super::error::{of_hyper, told};
use super::record::Recorded;

/// A response's body. Its bytes are counted below it, where the connection is.
pub(crate) struct ResponseBody {
    incoming: Incoming,
    recorded: Recorded,
    end: Pin<Box<Sleep>>,
    too_slow: RequestError,
    /// The Action's own patience between two pieces.
    pause: Option<(Duration, Pin<Box<Sleep>>)>,
}

impl ResponseBody {
    pub(crate) fn new(incoming: Incoming, recorded: Recorded, deadlines: Deadlines) -> Self {
        let Deadlines { end: Deadline { at, broken }, pause, .. } = deadlines;
        let pause = pause.map(|pause| (pause, Box::pin(sleep_until(Instant::now() + pause))));
        Self { incoming, recorded, end: Box::pin(sleep_until(at)), too_slow: broken, pause }
    }

    fn late(&mut self, context: &mut Context<'_>) -> Option<RequestError> {
        if self.end.as_mut().poll(context).is_ready() {
            return Some(self.too_slow.clone());
        }
        let (_, pause) = self.pause.as_mut()?;
        pause.as_mut().poll(context).is_ready().then_some(RequestError::TimedOut)
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let this = &mut *self;
        match Pin::new(&mut this.incoming).poll_frame(context) {
            Poll::Ready(Some(Ok(frame))) => {
                if let Some((pause, until)) = &mut this.pause {
                    until.as_mut().reset(Instant::now() + *pause);
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => Poll::Ready(Some(Err(told(&this.recorded.failed(of_hyper(&error)))))),
            Poll::Ready(None) => {
                this.recorded.ended();
                Poll::Ready(None)
            }
            Poll::Pending => match this.late(context) {
                Some(error) => Poll::Ready(Some(Err(told(&this.recorded.failed(error))))),
                None => Poll::Pending,
            },
        }
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

impl Drop for ResponseBody {
    fn drop(&mut self) {
        // An Action may leave off in the middle.
        self.recorded.ended();
    }
}
