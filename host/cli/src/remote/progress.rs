//! How far an upload is, on standard error, where somebody looks at it.

use std::convert::Infallible;
use std::io::{IsTerminal as _, Write as _};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use crate::table::printable;

/// What is handed to the connection at one time: small enough that a slow line shows how far it is.
const PIECE: usize = 64 * 1024;

/// How far an upload is.
#[derive(Clone)]
pub(super) struct Progress(Option<Arc<Shown>>);

struct Shown {
    name: String,
    total: usize,
    sent: AtomicUsize,
}

impl Progress {
    /// Nothing is shown where standard error is no terminal.
    pub(super) fn of(name: &str, total: usize) -> Self {
        let is_seen = std::io::stderr().is_terminal();
        Self(is_seen.then(|| Arc::new(Shown { name: printable(name), total, sent: AtomicUsize::new(0) })))
    }

    fn has_sent(&self, bytes: usize) {
        if let Some(shown) = &self.0 {
            let sent = shown.sent.fetch_add(bytes, Ordering::Relaxed) + bytes;
            Self::show(&line(&shown.name, sent, shown.total));
        }
    }

    /// Takes the line away.
    pub(super) fn end(&self) {
        if self.0.is_some() {
            Self::show("");
        }
    }

    fn show(line: &str) {
        let mut terminal = std::io::stderr().lock();
        // Whoever doesn't see it misses nothing.
        let _ = write!(terminal, "\r{line}\x1b[K").and_then(|()| terminal.flush());
    }
}

fn line(name: &str, sent: usize, total: usize) -> String {
    if sent >= total {
        // The server answers when it has built it.
        format!("  Compiling {name}")
    } else {
        format!("  Uploading {name} {:>3} %", sent * 100 / total.max(1))
    }
}

/// A component on its way.
pub(super) struct Uploading {
    left: Bytes,
    progress: Progress,
}

impl Uploading {
    pub(super) fn new(bytes: Bytes, progress: Progress) -> Self {
        Self { left: bytes, progress }
    }
}

impl Body for Uploading {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.left.is_empty() {
            return Poll::Ready(None);
        }
        let size = self.left.len().min(PIECE);
        let piece = self.left.split_to(size);
        self.progress.has_sent(size);
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.left.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left.len() as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upload_is_shown_until_it_is_compiled() {
        assert_eq!(line("gate", 0, 200), "  Uploading gate   0 %");
        assert_eq!(line("gate", 100, 200), "  Uploading gate  50 %");
        assert_eq!(line("gate", 200, 200), "  Compiling gate");
    }

    #[test]
    fn a_component_goes_in_pieces_and_as_a_whole() {
        let bytes = Bytes::from(vec![7; PIECE + 1]);
        let mut body = Uploading::new(bytes, Progress(None));
        assert_eq!(body.size_hint().exact(), Some(PIECE as u64 + 1));
        let mut sizes = Vec::new();
        let mut context = Context::from_waker(std::task::Waker::noop());
        while let Poll::Ready(Some(Ok(frame))) = Pin::new(&mut body).poll_frame(&mut context) {
            sizes.extend(frame.into_data().ok().map(|piece| piece.len()));
        }
        assert_eq!(sizes, [PIECE, 1]);
        assert!(body.is_end_stream());
    }
}
