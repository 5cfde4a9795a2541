//! A body that is sent piece by piece, for as long as whoever reads it keeps up: what is large is
//! in memory no longer than that.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use http_body::{Frame, SizeHint};
use thiserror::Error;
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::request::earned;

/// Bytes of a piece.
const PIECE: usize = 64 << 10;

/// Why a body has ended before its end.
#[derive(Debug, Error)]
#[error("it was read too slowly")]
struct TooSlow;

/// Sends these bytes as fast as they are read: for so long, and longer as they cross. They and the
/// turn are dropped when that has ended.
pub(super) fn send(bytes: Bytes, patience: Duration, turn: impl Send + 'static) -> Body {
    let (sender, pieces) = mpsc::channel(1);
    let left = bytes.len() as u64;
    tokio::spawn(async move {
        let (started, mut sent) = (Instant::now(), 0);
        for piece in bytes.chunks(PIECE) {
            // A copy: a part of the bytes would keep all of them where a connection hangs.
            let sending = sender.send(Bytes::copy_from_slice(piece));
            let Ok(Ok(())) = tokio::time::timeout_at(started + patience + earned(sent), sending).await else { break };
            sent += piece.len();
        }
        drop(turn);
    });
    Body::new(Pieces { pieces, left })
}

struct Pieces {
    pieces: mpsc::Receiver<Bytes>,
    left: u64,
}

impl HttpBody for Pieces {
    type Data = Bytes;
    type Error = TooSlow;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, TooSlow>>> {
        self.pieces.poll_recv(context).map(|piece| match piece {
            Some(piece) => {
                self.left -= piece.len() as u64;
                Some(Ok(Frame::data(piece)))
            }
            None => (self.left > 0).then_some(Err(TooSlow)),
        })
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt as _;
    use std::sync::Arc;

    #[tokio::test]
    async fn all_of_it_arrives_and_the_turn_is_given_back() {
        let bytes = Bytes::from((0..=u8::MAX).cycle().take(3 * PIECE + 5).collect::<Vec<u8>>());
        let turn = Arc::new(());
        let body = send(bytes.clone(), Duration::from_secs(60), Arc::clone(&turn));
        assert_eq!(body.size_hint().exact(), Some(bytes.len() as u64));
        assert_eq!(body.collect().await.unwrap().to_bytes(), bytes);
        while Arc::strong_count(&turn) > 1 {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn whoever_reads_nothing_keeps_nothing_in_memory_and_is_told_that_there_was_more() {
        let bytes = Bytes::from(vec![1; 3 * PIECE]);
        let turn = Arc::new(());
        let body = send(bytes.clone(), Duration::from_millis(1), Arc::clone(&turn));
        while Arc::strong_count(&turn) > 1 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        assert!(bytes.is_unique(), "they are dropped");
        assert!(body.collect().await.is_err());
    }
}
