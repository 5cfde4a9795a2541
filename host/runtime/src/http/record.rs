//! What is remembered of an Action's requests, for its report, while they go on in tasks of their
//! own.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use vestibule_model::outcome::{RequestError, RequestReport};

/// The requests of one run. Clones write to the same list.
#[derive(Clone, Debug, Default)]
pub(crate) struct Record(Arc<Mutex<Vec<Entry>>>);

#[derive(Debug)]
struct Entry {
    report: RequestReport,
    started: Instant,
    ended: bool,
}

impl Record {
    /// A request begins.
    pub(crate) fn begin(&self, method: String, origin: String) -> Recorded {
        let report = RequestReport {
            method,
            origin,
            status: None,
            error: None,
            bytes_sent: 0,
            bytes_received: 0,
            duration: Duration::ZERO,
        };
        let mut entries = self.entries();
        entries.push(Entry { report, started: Instant::now(), ended: false });
        Recorded { record: self.clone(), place: entries.len() - 1 }
    }

    /// All requests, in their order. What goes on yet is not written down any more.
    pub(crate) fn take(&self) -> Vec<RequestReport> {
        let entries = std::mem::take(&mut *self.entries());
        entries.into_iter().map(Entry::end).collect()
    }

    fn entries(&self) -> MutexGuard<'_, Vec<Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    fn end(mut self) -> RequestReport {
        self.ends();
        self.report
    }

    fn ends(&mut self) {
        if !self.ended {
            self.ended = true;
            self.report.duration = self.started.elapsed();
        }
    }
}

/// The entry of one request. Clones write to the same one.
#[derive(Clone, Debug)]
pub(crate) struct Recorded {
    record: Record,
    place: usize,
}

impl Recorded {
    /// The response's headers are here.
    pub(crate) fn answered(&self, status: u16) {
        self.write(|entry| entry.report.status = Some(status));
    }

    pub(crate) fn sent(&self, bytes: usize) {
        self.write(|entry| entry.report.bytes_sent += bytes as u64);
    }

    pub(crate) fn received(&self, bytes: usize) {
        self.write(|entry| entry.report.bytes_received += bytes as u64);
    }

    /// It has failed. Where several parts of it see that, the first one knows why: its error is
    /// what stands, and what is given back.
    pub(crate) fn failed(&self, error: RequestError) -> RequestError {
        let first = self.write(|entry| {
            entry.ends();
            entry.report.error.get_or_insert_with(|| error.clone()).clone()
        });
        first.unwrap_or(error)
    }

    /// It has ended, well or not.
    pub(crate) fn ended(&self) {
        self.write(Entry::ends);
    }

    fn write<T>(&self, write: impl FnOnce(&mut Entry) -> T) -> Option<T> {
        self.record.entries().get_mut(self.place).map(write)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_error_stands_and_what_comes_after_the_report_is_not_written() {
        let record = Record::default();
        let one = record.begin("GET".into(), "https://api.example.com".into());
        let two = record.begin("POST".into(), String::new());
        one.answered(200);
        one.received(7);
        assert_eq!(one.failed(RequestError::TimedOut), RequestError::TimedOut);
        assert_eq!(one.failed(RequestError::Protocol), RequestError::TimedOut);
        let reports = record.take();
        two.sent(5);
        assert_eq!((reports[0].status, reports[0].bytes_received), (Some(200), 7));
        assert_eq!(reports[0].error, Some(RequestError::TimedOut));
        assert_eq!((reports[1].method.as_str(), reports[1].bytes_sent), ("POST", 0));
        assert!(record.take().is_empty());
    }
}
