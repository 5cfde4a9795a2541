//! All metrics as text: OpenMetrics or Prometheus's own format. Anybody may ask, so making it takes
//! a bounded share of a processor: beyond it, a caller gets the text that was made last.

use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError, TryLockError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use axum::body::Bytes;
use axum::http::{HeaderMap, header};

/// Processor time for texts that are asked for in a burst.
const BURST: Duration = Duration::from_millis(200);
/// One part in this many of a processor's time goes into texts.
const SHARE: u32 = 20;

/// How metrics are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// Prometheus's text format, version 0.0.4: what every collector reads.
    Prometheus,
    /// OpenMetrics 1.0.
    OpenMetrics,
}

impl Format {
    /// OpenMetrics, where `Accept` prefers it to plain text (RFC 9110, section 12.5.1).
    pub(crate) fn accepted_by(headers: &HeaderMap) -> Self {
        let (mut open, mut plain) = (0.0_f32, 0.0_f32);
        let values = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
        for range in values.flat_map(|value| value.split(',')) {
            let mut parts = range.split(';').map(str::trim);
            let kind = parts.next().unwrap_or_default().to_ascii_lowercase();
            let quality = parts.find_map(|part| part.strip_prefix("q=")).map_or(1.0, |quality| quality.parse().unwrap_or(0.0));
            match &*kind {
                "application/openmetrics-text" => open = open.max(quality),
                "text/plain" | "text/*" => plain = plain.max(quality),
                _ => {}
            }
        }
        if open > 0.0 && open >= plain { Self::OpenMetrics } else { Self::Prometheus }
    }

    pub(crate) const fn content_type(self) -> &'static str {
        match self {
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// The texts that were made last, and the time that is left for others.
#[derive(Debug)]
pub(crate) struct Exposition {
    budget: Mutex<Budget>,
    prometheus: ArcSwapOption<Bytes>,
    open_metrics: ArcSwapOption<Bytes>,
}

#[derive(Debug)]
struct Budget {
    /// Microseconds; below zero, a text has taken more than there was, and the next one waits for
    /// that.
    left: i64,
    filled: Instant,
}

impl Default for Exposition {
    fn default() -> Self {
        let budget = Mutex::new(Budget { left: micros(BURST), filled: Instant::now() });
        Self { budget, prometheus: ArcSwapOption::empty(), open_metrics: ArcSwapOption::empty() }
    }
}

impl Exposition {
    /// The metrics in this format; `make` writes them as OpenMetrics.
    ///
    /// # Errors
    /// When they can't be written.
    pub(crate) fn text(
        &self,
        format: Format,
        make: impl FnOnce() -> Result<String, std::fmt::Error>,
    ) -> Result<Bytes, std::fmt::Error> {
        let last = match format {
            Format::Prometheus => &self.prometheus,
            Format::OpenMetrics => &self.open_metrics,
        };
        let made = last.load().as_ref().map(|text| Bytes::clone(text));
        let mut budget = match (self.budget.try_lock(), &made) {
            (Ok(budget), _) => budget,
            (Err(TryLockError::Poisoned(poisoned)), _) => poisoned.into_inner(),
            // Another caller makes one at this moment.
            (Err(TryLockError::WouldBlock), Some(made)) => return Ok(made.clone()),
            (Err(TryLockError::WouldBlock), None) => self.budget.lock().unwrap_or_else(PoisonError::into_inner),
        };
        let now = Instant::now();
        budget.fill(now);
        if let Some(made) = made.filter(|_| budget.left <= 0) {
            return Ok(made);
        }
        let text = make()?;
        let text = Bytes::from(if format == Format::Prometheus { to_prometheus(&text) } else { text });
        budget.left = budget.left.saturating_sub(micros(now.elapsed()));
        last.store(Some(std::sync::Arc::new(text.clone())));
        Ok(text)
    }
}

impl Budget {
    fn fill(&mut self, now: Instant) {
        let passed = micros(now.saturating_duration_since(self.filled) / SHARE);
        self.left = micros(BURST).min(self.left.saturating_add(passed));
        self.filled = now;
    }
}

fn micros(time: Duration) -> i64 {
    i64::try_from(time.as_micros()).unwrap_or(i64::MAX)
}

/// OpenMetrics in Prometheus's text format: a counter's family is called as its sample is, there
/// are no units, and no end.
fn to_prometheus(text: &str) -> String {
    let mut written = String::with_capacity(text.len());
    let mut help: Option<(&str, &str)> = None;
    for line in text.lines() {
        let Some(comment) = line.strip_prefix("# ") else {
            // Writing to a string doesn't fail.
            let _ = writeln!(written, "{line}");
            continue;
        };
        let mut words = comment.splitn(3, ' ');
        match (words.next(), words.next(), words.next()) {
            (Some("HELP"), Some(name), text) => help = Some((name, text.unwrap_or_default())),
            (Some("TYPE"), Some(name), Some(kind)) => {
                let (suffix, kind) = match kind {
                    "counter" => ("_total", "counter"),
                    "info" => ("_info", "gauge"),
                    "unknown" => ("", "untyped"),
                    kind => ("", kind),
                };
                if let Some((_, text)) = help.take().filter(|(of, _)| *of == name) {
                    let _ = writeln!(written, "# HELP {name}{suffix} {text}");
                }
                let _ = writeln!(written, "# TYPE {name}{suffix} {kind}");
            }
            _ => {}
        }
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accept_chooses_the_format() {
        let format = |accept: &str| {
            Format::accepted_by(&HeaderMap::from_iter([(header::ACCEPT, axum::http::HeaderValue::from_str(accept).unwrap())]))
        };
        let prometheus = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
        for open in ["application/openmetrics-text", "Application/OpenMetrics-Text; version=1.0.0, text/plain", prometheus] {
            assert_eq!(format(open), Format::OpenMetrics, "{open}");
        }
        let unwanted = "application/openmetrics-text;q=0";
        for plain in ["*/*", "text/plain", "application/json", unwanted, "application/openmetrics-text;q=0.1, text/plain;q=0.2"] {
            assert_eq!(format(plain), Format::Prometheus, "{plain}");
        }
        assert_eq!(Format::accepted_by(&HeaderMap::new()), Format::Prometheus);
    }

    #[test]
    fn prometheus_text_names_a_counter_as_its_sample() {
        let open = "# HELP a_seconds Time.\n# TYPE a_seconds histogram\n# UNIT a_seconds seconds\na_seconds_sum 1.0\n\
                    # HELP b Things: many.\n# TYPE b counter\nb_total{t=\"# x\"} 2\n# EOF\n";
        let plain = "# HELP a_seconds Time.\n# TYPE a_seconds histogram\na_seconds_sum 1.0\n\
                     # HELP b_total Things: many.\n# TYPE b_total counter\nb_total{t=\"# x\"} 2\n";
        assert_eq!(to_prometheus(open), plain);
    }

    #[test]
    fn text_is_made_only_while_there_is_budget() {
        let exposition = Exposition::default();
        let made = std::cell::Cell::new(0);
        let text = || {
            let make = || {
                made.set(made.get() + 1);
                std::thread::sleep(BURST);
                Ok(format!("a {}\n", made.get()))
            };
            exposition.text(Format::OpenMetrics, make).unwrap()
        };
        assert_eq!(text(), "a 1\n");
        for _ in 0..1_000 {
            text();
        }
        assert!(made.get() <= 2, "{} texts were made", made.get());
        exposition.budget.lock().unwrap().filled -= BURST * SHARE * 2;
        let before = made.get();
        assert_eq!(text(), format!("a {}\n", before + 1), "and made again when there is budget");
    }
}
