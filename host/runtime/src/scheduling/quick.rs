//! How long a run may take on its caller's thread and still count as quick.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

/// A run that takes no longer than this delays no other noticeably: on a fast machine most take a
/// tenth of it.
const AT_LEAST: u32 = 100;
/// A run that takes longer is never quick: two of them are a millisecond.
const AT_MOST: u32 = 500;
/// Multiple of the shortest run. On a slow machine, or one whose caches are cold because few logins
/// come, a short run takes a tenth of a millisecond and more. Measured by [`AT_LEAST`] alone, a
/// tenant with some ten logins a second would exceed its share and begin at low priority, where a
/// busy machine lets it wait for tens of milliseconds.
const MULTIPLE: u32 = 4;
/// Seconds of a window. The threshold follows the window before and the present one.
const WINDOW: u32 = 8;

/// The shortest run of any tenant, in windows of [`WINDOW`] seconds. A tenant can lower it and
/// never raise it while others run.
#[derive(Debug)]
pub(crate) struct QuickRuns {
    /// The window's number, and in the lower half its shortest run in microseconds.
    present: AtomicU64,
    /// The shortest run of the window before, in microseconds.
    before: AtomicU32,
}

impl QuickRuns {
    pub(crate) const fn new() -> Self {
        Self { present: AtomicU64::new(u32::MAX as u64), before: AtomicU32::new(u32::MAX) }
    }

    /// Records a run that took this long, in this second. Whether it was quick.
    pub(crate) fn record(&self, time: Duration, second: u32) -> bool {
        let time = u32::try_from(time.as_micros()).unwrap_or(u32::MAX).max(1);
        let present = self.present.load(Ordering::Relaxed);
        let (number, shortest) = ((present >> 32) as u32, present as u32);
        let window = second / WINDOW;
        // Written seldom: threads share this line of memory as long as none writes to it. A write
        // that another one overtakes costs the estimate a little, and nothing else.
        if number != window {
            // Of a time without runs nothing is known.
            let before = if number.wrapping_add(1) == window { shortest } else { u32::MAX };
            self.before.store(before, Ordering::Relaxed);
            self.present.store(u64::from(window) << 32 | u64::from(time), Ordering::Relaxed);
        } else if time < shortest {
            self.present.store(u64::from(window) << 32 | u64::from(time), Ordering::Relaxed);
        }
        let shortest = if number == window { shortest.min(self.before.load(Ordering::Relaxed)) } else { shortest };
        let shortest = if shortest == u32::MAX { time } else { shortest };
        time <= shortest.saturating_mul(MULTIPLE).clamp(AT_LEAST, AT_MOST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn micros(time: u64) -> Duration {
        Duration::from_micros(time)
    }

    #[test]
    fn on_a_fast_machine_a_tenth_of_a_millisecond_is_quick() {
        let runs = QuickRuns::new();
        assert!(runs.record(micros(10), 0));
        assert!(runs.record(micros(100), 0) && !runs.record(micros(101), 0));
    }

    #[test]
    fn on_a_slow_machine_quick_is_a_multiple_of_the_shortest_run() {
        let runs = QuickRuns::new();
        assert!(runs.record(micros(90), 0));
        assert!(runs.record(micros(360), 1) && !runs.record(micros(361), 1));
        assert!(runs.record(micros(360), WINDOW) && !runs.record(micros(361), WINDOW), "the window before counts");
    }

    #[test]
    fn no_run_beyond_half_a_millisecond_is_quick() {
        let runs = QuickRuns::new();
        assert!(!runs.record(micros(2_000), 0) && !runs.record(micros(501), 0));
        assert!(runs.record(micros(500), 0));
    }

    #[test]
    fn a_short_run_makes_long_ones_of_others_long_at_once() {
        let runs = QuickRuns::new();
        assert!(runs.record(micros(400), 0) && runs.record(micros(400), 0));
        assert!(runs.record(micros(20), 0) && !runs.record(micros(400), 0));
        assert!(!runs.record(micros(400), WINDOW), "and in the next window");
        assert!(runs.record(micros(400), 3 * WINDOW), "what is long ago is forgotten");
    }
}
