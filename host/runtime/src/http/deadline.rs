//! How long a request may take: the host's limit, and what the Action itself doesn't want to wait
//! for.

use std::future::Future;
use std::time::Duration;

use tokio::time::Instant;
use vestibule_model::outcome::RequestError;
use wasmtime_wasi_http::RequestOptions;

/// A moment, and what it means when it has come.
#[derive(Clone, Debug)]
pub(crate) struct Deadline {
    pub(crate) at: Instant,
    pub(crate) broken: RequestError,
}

impl Deadline {
    /// The future's own result, or what it means that it comes too late.
    pub(crate) async fn keep<T>(&self, future: impl Future<Output = Result<T, RequestError>>) -> Result<T, RequestError> {
        tokio::time::timeout_at(self.at, future).await.unwrap_or_else(|_| Err(self.broken.clone()))
    }
}

/// The deadlines of one request. All of them count from its start, but for the last one.
#[derive(Clone, Debug)]
pub(crate) struct Deadlines {
    /// For the connection, encryption included.
    pub(crate) connection: Deadline,
    /// For the response's head.
    pub(crate) head: Deadline,
    /// For its last byte.
    pub(crate) end: Deadline,
    /// How long the Action waits between two pieces of the body.
    pub(crate) pause: Option<Duration>,
}

impl Deadlines {
    pub(crate) fn new(request_time: Duration, options: Option<RequestOptions>) -> Self {
        let started = Instant::now();
        let options = options.unwrap_or_default();
        let end = Deadline { at: started + request_time, broken: RequestError::TooSlow { allowed: request_time } };
        let earlier = |own: Option<Duration>| match own {
            Some(own) if own < request_time => Deadline { at: started + own, broken: RequestError::TimedOut },
            _ => end.clone(),
        };
        Self {
            connection: earlier(options.connect_timeout),
            head: earlier(options.first_byte_timeout),
            pause: options.between_bytes_timeout.filter(|pause| *pause < request_time),
            end,
        }
    }
}
