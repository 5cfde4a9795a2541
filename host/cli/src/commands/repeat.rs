//! `vestibule run --repeat`: how long a flow takes when it is warm, as a distribution.

use std::fmt::Write as _;
use std::time::Duration;

use crate::table::{Table, thousands};

/// The widest bar, in characters.
const BAR: usize = 40;
/// Rows of the chart: each is 1.25 times the one before, so that a long tail is seen and the rest
/// isn't flat.
const STEP: f64 = 1.25;
/// The most rows; the last one holds all that is longer.
const ROWS: usize = 16;

/// Durations of many runs.
pub(crate) struct Distribution(Vec<Duration>);

impl Distribution {
    pub(crate) fn new(mut durations: Vec<Duration>) -> Self {
        durations.sort_unstable();
        Self(durations)
    }

    /// The duration that this share of the runs doesn't exceed.
    fn quantile(&self, share: f64) -> Duration {
        let place = (self.0.len() as f64 * share).ceil() as usize;
        self.0.get(place.saturating_sub(1).min(self.0.len().saturating_sub(1))).copied().unwrap_or_default()
    }

    /// Rows of the chart: from, to, how many.
    fn rows(&self) -> Vec<(Duration, Duration, usize)> {
        let (Some(first), Some(last)) = (self.0.first(), self.0.last()) else { return Vec::new() };
        let mut rows = Vec::new();
        let mut from = *first;
        let mut counted = 0;
        while counted < self.0.len() {
            let next = from.mul_f64(STEP).max(from + Duration::from_nanos(100));
            let to = if rows.len() + 1 == ROWS || next > *last { *last + Duration::from_nanos(1) } else { next };
            let until = self.0.partition_point(|duration| *duration < to);
            rows.push((from, to, until - counted));
            (from, counted) = (to, until);
        }
        rows
    }
}

impl std::fmt::Display for Distribution {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let most = self.rows().iter().map(|(_, _, count)| *count).max().unwrap_or(1).max(1);
        let mut chart = Table::default();
        for (from, _, count) in self.rows() {
            let bar = "█".repeat((count * BAR).div_ceil(most));
            chart.row([&format!("{:>9}", microseconds(from)), &format!("{:>7}", thousands(count as u64)), &bar]);
        }
        let mut figures = String::new();
        for (name, share) in [("median", 0.5), ("90 %", 0.9), ("99 %", 0.99), ("longest", 1.0)] {
            let _ = write!(figures, "{name} {}   ", microseconds(self.quantile(share)));
        }
        writeln!(f, "{chart}\n   {}", figures.trim_end())
    }
}

fn microseconds(duration: Duration) -> String {
    let microseconds = duration.as_secs_f64() * 1e6;
    if microseconds < 1_000.0 { format!("{microseconds:.1} µs") } else { format!("{} µs", thousands(microseconds as u64)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_run_stands_in_one_row_and_quantiles_are_runs() {
        let distribution = Distribution::new((1..=1_000).rev().map(Duration::from_micros).collect());
        assert_eq!(distribution.rows().iter().map(|(_, _, count)| count).sum::<usize>(), 1_000);
        assert!(distribution.rows().len() <= ROWS);
        assert_eq!(distribution.quantile(0.5), Duration::from_micros(500));
        assert_eq!(distribution.quantile(1.0), Duration::from_micros(1_000));
        assert!(distribution.to_string().contains("median 500.0 µs"), "{distribution}");
    }

    #[test]
    fn one_run_and_equal_runs_are_one_row() {
        assert_eq!(Distribution::new(vec![Duration::from_micros(7)]).rows().len(), 1);
        assert_eq!(Distribution::new(vec![Duration::from_micros(7); 9]).rows()[0].2, 9);
    }
}
