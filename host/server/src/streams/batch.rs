//! Entries that are sent together.

use sha2::{Digest as _, Sha256};
use vestibule::model::Timestamp;
use vestibule_sessions::{LogEntry, LogPosition};

use super::plan::Plan;
use crate::api::logs::shown;

/// Entries that are read at one time, and sent together at most.
pub(super) const ENTRIES: usize = 100;
/// Bytes of entries that are sent together, unless one alone has more: receivers take a few hundred
/// kilobytes.
const BYTES: usize = 256_000;

/// Entries that are sent together.
#[derive(Debug)]
pub(super) struct Batch {
    /// As the Management API shows them, a line of JSON for each.
    pub(super) lines: Vec<String>,
    /// The same for the same entries of the same stream, and for no others.
    pub(super) id: String,
    /// When the first one happened.
    pub(super) oldest: Timestamp,
    /// When the last one happened.
    pub(super) latest: Timestamp,
    /// How far the log is sent when these are, with what goes by unsent.
    pub(super) end: LogPosition,
}

impl Batch {
    /// From entries as they come after one another: those that the stream wants, as many as are
    /// sent together. None where nothing has come.
    pub(super) fn of(plan: &Plan, entries: Vec<LogEntry>) -> Option<Self> {
        let (first, last) = (entries.first()?, entries.last()?);
        let mut batch = Self { lines: Vec::new(), id: String::new(), oldest: first.date, latest: last.date, end: last.position };
        let mut hash = Sha256::new();
        for part in [plan.tenant.as_str(), plan.name.as_str()] {
            hash.update(part);
            // Neither has it in it.
            hash.update(b"\0");
        }
        let mut bytes = 0;
        let mut end = LogPosition::default();
        for entry in entries {
            let (position, date) = (entry.position, entry.date);
            if plan.kinds.contains(&entry.kind) {
                let id = position.to_string();
                let line = shown(entry).to_string();
                bytes += line.len();
                if bytes > BYTES && !batch.lines.is_empty() {
                    batch.end = end;
                    break;
                }
                if batch.lines.is_empty() {
                    batch.oldest = date;
                }
                batch.latest = date;
                batch.lines.push(line);
                hash.update(id);
            }
            end = position;
        }
        batch.id = hash.finalize().iter().take(16).fold("msg_".to_owned(), |id, byte| format!("{id}{byte:02x}"));
        Some(batch)
    }
}
