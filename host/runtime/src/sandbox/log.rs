//! What an Action says: through `log`, on standard output and on standard error, in one order and
//! with one budget.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use vestibule_model::is_escaped;
use vestibule_model::outcome::{Level, LogLine};

use crate::limits::Limits;

/// The log of one run of one Action. Clones write to the same log.
#[derive(Clone, Debug)]
pub(crate) struct Log(Arc<Mutex<Lines>>);

#[derive(Debug)]
struct Lines {
    lines: Vec<LogLine>,
    bytes_left: usize,
    lines_left: usize,
    cut: bool,
    /// Begun lines of standard output and standard error.
    begun: [Vec<u8>; 2],
}

/// One of the two streams that end in the log.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Stream {
    Output,
    Error,
}

impl Stream {
    fn level(self) -> Level {
        match self {
            Self::Output => Level::Info,
            Self::Error => Level::Error,
        }
    }
}

impl Log {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self(Arc::new(Mutex::new(Lines {
            lines: Vec::new(),
            bytes_left: limits.log_bytes,
            lines_left: limits.log_lines,
            cut: false,
            begun: [Vec::new(), Vec::new()],
        })))
    }

    /// Writes one line.
    pub(crate) fn write(&self, level: Level, message: &str) {
        self.lines().write(level, message);
    }

    /// Writes a piece of a stream; whole lines go into the log.
    pub(crate) fn stream(&self, stream: Stream, piece: &[u8]) {
        self.lines().stream(stream, piece);
    }

    /// The log as it is now, with begun lines as lines, and whether something was cut.
    pub(crate) fn take(&self) -> (Vec<LogLine>, bool) {
        let mut lines = self.lines();
        for stream in [Stream::Output, Stream::Error] {
            lines.end_line(stream);
        }
        (std::mem::take(&mut lines.lines), lines.cut)
    }

    fn lines(&self) -> MutexGuard<'_, Lines> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lines {
    fn write(&mut self, level: Level, message: &str) {
        if self.cut || self.lines_left == 0 {
            self.cut = true;
            return;
        }
        let mut line = String::with_capacity(message.len().min(self.bytes_left));
        for character in message.chars() {
            // Escapes keep a line one line, and a terminal that shows it safe.
            let escaped = is_escaped(character).then(|| character.escape_default());
            let length = escaped.as_ref().map_or(character.len_utf8(), ExactSizeIterator::len);
            if length > self.bytes_left {
                self.cut = true;
                break;
            }
            self.bytes_left -= length;
            match escaped {
                Some(escaped) => line.extend(escaped),
                None => line.push(character),
            }
        }
        self.lines_left -= 1;
        self.lines.push(LogLine { level, message: line });
    }

    fn stream(&mut self, stream: Stream, piece: &[u8]) {
        let mut parts = piece.split(|byte| *byte == b'\n');
        let last = parts.next_back().unwrap_or_default();
        for part in parts {
            self.begin(stream, part);
            self.end_line(stream);
        }
        self.begin(stream, last);
    }

    fn begin(&mut self, stream: Stream, part: &[u8]) {
        let begun = &mut self.begun[stream as usize];
        // One byte over the budget is enough to have it cut when the line ends.
        let room = (self.bytes_left + 1).saturating_sub(begun.len());
        begun.extend(part.iter().take(room));
    }

    fn end_line(&mut self, stream: Stream) {
        let line = std::mem::take(&mut self.begun[stream as usize]);
        let line = line.strip_suffix(b"\r").unwrap_or(&line);
        if !line.is_empty() {
            self.write(stream.level(), &String::from_utf8_lossy(line));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(bytes: usize, lines: usize) -> Log {
        Log::new(&Limits { log_bytes: bytes, log_lines: lines, ..Limits::default() })
    }

    fn taken(log: &Log) -> (Vec<String>, bool) {
        let (lines, cut) = log.take();
        (lines.into_iter().map(|line| line.message).collect(), cut)
    }

    #[test]
    fn pieces_of_a_stream_become_lines() {
        let log = log(100, 10);
        log.stream(Stream::Error, b"one, ");
        log.stream(Stream::Output, b"other\n");
        log.stream(Stream::Error, b"two\r\n\nthree");
        assert_eq!(taken(&log), (vec!["other".into(), "one, two".into(), "three".into()], false));
    }

    #[test]
    fn line_breaks_and_terminal_escapes_are_kept_as_escapes() {
        let log = log(100, 10);
        log.write(Level::Warn, "a\nb\u{1b}[31mred\u{9b}");
        assert_eq!(taken(&log).0, ["a\\nb\\u{1b}[31mred\\u{9b}"]);
    }

    #[test]
    fn log_bytes_just_fits_and_one_more_is_cut() {
        let log = log(6, 10);
        log.write(Level::Info, "1234é");
        assert_eq!(log.take().0[0].message, "1234é");
        let log = super::Log::new(&Limits { log_bytes: 5, ..Limits::default() });
        log.write(Level::Info, "1234é");
        log.write(Level::Info, "x");
        assert_eq!(taken(&log), (vec!["1234".into()], true));
    }

    #[test]
    fn log_lines_just_fit_and_one_more_is_cut() {
        let log = log(100, 2);
        log.write(Level::Info, "1");
        log.write(Level::Info, "2");
        assert!(!log.lines().cut);
        log.write(Level::Info, "3");
        assert_eq!(taken(&log), (vec!["1".into(), "2".into()], true));
    }

    #[test]
    fn an_endless_line_takes_no_more_than_the_budget() {
        let log = log(10, 10);
        for _ in 0..1_000 {
            log.stream(Stream::Output, &[b'x'; 1_000]);
        }
        assert!(log.lines().begun[0].len() <= 11);
        assert_eq!(taken(&log), (vec!["x".repeat(10)], true));
    }
}
