//! Places that are drawn by a Zipf distribution: a few of them often, most of them seldom.

/// A distribution (exponent 1) over a number of places. Which of them is drawn often is a matter of
/// chance, and the same in each run of a bench.
#[derive(Clone)]
pub(crate) struct Zipf {
    sums: Vec<f64>,
    order: Vec<usize>,
}

impl Zipf {
    pub(crate) fn new(count: usize) -> Self {
        let weights = (1..=count).map(|rank| 1.0 / rank as f64);
        let sums = weights.scan(0.0, |sum, weight| {
            *sum += weight;
            Some(*sum)
        });
        let mut order: Vec<usize> = (0..count).collect();
        for place in (1..count).rev() {
            order.swap(place, random(place as u64) as usize % (place + 1));
        }
        Self { sums: sums.collect(), order }
    }

    /// The place of one draw: the same each time for the same number.
    pub(crate) fn at(&self, number: u64) -> usize {
        let all = self.sums.last().copied().unwrap_or_default();
        let drawn = (random(number) >> 11) as f64 / (1_u64 << 53) as f64 * all;
        let rank = self.sums.partition_point(|sum| *sum <= drawn);
        self.order[rank.min(self.order.len() - 1)]
    }
}

/// SplitMix64.
fn random(number: u64) -> u64 {
    let state = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
