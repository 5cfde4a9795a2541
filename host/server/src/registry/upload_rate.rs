//! How many bytes of components a tenant uploads: all of them share the disk, and in SQLite the
//! thread that writes components to it.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Bytes in a second, on average.
const PER_SECOND: i64 = 4 << 20;
/// Bytes at once, after a time of rest: twenty Actions in Python.
const BURST: i64 = 256 << 20;

/// A tenant's bucket of bytes. An upload begins while there are any left, and takes as many as it
/// has.
#[derive(Debug)]
pub(crate) struct UploadRate(Mutex<Bucket>);

#[derive(Debug)]
struct Bucket {
    /// Below zero after an upload that had more.
    left: i64,
    filled: Option<Instant>,
}

impl Bucket {
    fn fill(&mut self, now: Instant) {
        let passed = self.filled.map_or(Duration::ZERO, |filled| now.saturating_duration_since(filled));
        let millis = i64::try_from(passed.as_millis()).unwrap_or(i64::MAX);
        self.left = self.left.saturating_add(millis.saturating_mul(PER_SECOND) / 1_000).min(BURST);
        self.filled = Some(self.filled.map_or(now, |filled| filled.max(now)));
    }
}

impl UploadRate {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(Bucket { left: BURST, filled: None }))
    }

    /// Whether an upload may begin.
    ///
    /// # Errors
    /// When the next one may.
    pub(crate) fn check(&self, now: Instant) -> Result<(), Duration> {
        let mut bucket = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        bucket.fill(now);
        if bucket.left > 0 {
            return Ok(());
        }
        let missing = bucket.left.unsigned_abs().saturating_add(1);
        Err(Duration::from_millis(missing.saturating_mul(1_000).div_ceil(PER_SECOND.unsigned_abs())))
    }

    /// Counts an upload.
    pub(crate) fn take(&self, bytes: usize, now: Instant) {
        let mut bucket = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        bucket.fill(now);
        bucket.left = bucket.left.saturating_sub(i64::try_from(bytes).unwrap_or(i64::MAX));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenant_uploads_so_many_bytes_in_a_second() {
        let (rate, start) = (UploadRate::new(), Instant::now());
        let upload = 32 << 20;
        for _ in 0..8 {
            rate.check(start).unwrap();
            rate.take(upload, start);
        }
        let wait = rate.check(start).unwrap_err();
        assert!(wait <= Duration::from_secs(1), "{wait:?}");
        rate.check(start + wait).unwrap();
        rate.take(upload, start + wait);
        let wait_again = rate.check(start + wait).unwrap_err();
        assert!(wait_again > Duration::from_secs(7), "{wait_again:?}");
        rate.check(start + wait + wait_again).unwrap();
    }
}
