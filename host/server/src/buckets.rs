//! Buckets for callers that can't be counted beforehand: peers, networks, clients. Their number is
//! bounded.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

use crate::rate::Bucket;

/// Buckets of one kind. One that is full again says nothing and is dropped first.
const MOST: usize = 4_096;

/// How much one of them may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limit {
    /// At one time.
    pub(crate) burst: u64,
    /// And in each second.
    pub(crate) per_second: u64,
}

/// A bucket for each of them.
#[derive(Debug)]
pub(crate) struct Buckets<K> {
    limit: Limit,
    buckets: HashMap<K, Bucket>,
}

impl<K: Copy + Eq + Hash> Buckets<K> {
    pub(crate) fn new(limit: Limit) -> Self {
        Self { limit, buckets: HashMap::new() }
    }

    /// Takes one out of a bucket.
    ///
    /// # Errors
    /// When it is empty: after what time there is one again.
    pub(crate) fn take(&mut self, key: K, now: Instant) -> Result<(), Duration> {
        let Limit { per_second, .. } = self.limit;
        let full = self.full();
        if !self.buckets.contains_key(&key) && self.buckets.len() >= MOST {
            self.buckets.retain(|_, bucket| {
                bucket.fill(full, per_second, now);
                bucket.left < full
            });
            let any = self.buckets.keys().next().copied().filter(|_| self.buckets.len() >= MOST);
            any.map(|any| self.buckets.remove(&any));
        }
        let bucket = self.buckets.entry(key).or_insert_with(|| Bucket::full(full, now));
        bucket.fill(full, per_second, now);
        match bucket.left.checked_sub(1_000) {
            Some(left) => {
                bucket.left = left;
                Ok(())
            }
            None => Err(Duration::from_millis((1_000 - bucket.left).div_ceil(per_second))),
        }
    }

    /// Gives back what was taken.
    pub(crate) fn give_back(&mut self, key: &K, now: Instant) {
        let full = self.full();
        if let Some(bucket) = self.buckets.get_mut(key) {
            bucket.fill(full, self.limit.per_second, now);
            bucket.left = full.min(bucket.left + 1_000);
        }
    }

    /// Whether there is one to be taken.
    pub(crate) fn has_any(&mut self, key: &K, now: Instant) -> bool {
        let full = self.full();
        self.buckets.get_mut(key).is_none_or(|bucket| {
            bucket.fill(full, self.limit.per_second, now);
            bucket.left >= 1_000
        })
    }

    /// In thousandths, as buckets count.
    fn full(&self) -> u64 {
        self.limit.burst * 1_000
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.buckets.len()
    }
}

/// The network that a peer can choose its addresses from: an IPv4 address alone, or an IPv6 network
/// of 48 bits.
pub(crate) fn network(peer: IpAddr) -> IpAddr {
    match peer {
        IpAddr::V4(_) => peer,
        IpAddr::V6(address) => {
            let [a, b, c, ..] = address.segments();
            Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_bounded_and_one_that_is_full_again_goes_first() {
        let mut buckets = Buckets::new(Limit { burst: 2, per_second: 1 });
        let start = Instant::now();
        let later = start + Duration::from_secs(1);
        for key in 0..MOST {
            buckets.take(key, if key == 7 { start } else { later }).unwrap();
        }
        buckets.take(MOST, later).unwrap();
        assert_eq!(buckets.len(), MOST);
        assert!(!buckets.buckets.contains_key(&7), "it was full again");
        buckets.take(MOST + 1, later).unwrap();
        assert_eq!(buckets.len(), MOST);
    }

    #[test]
    fn what_is_given_back_was_not_taken() {
        let mut buckets = Buckets::new(Limit { burst: 1, per_second: 2 });
        let now = Instant::now();
        assert!(buckets.has_any(&1, now));
        buckets.take(1, now).unwrap();
        assert_eq!((buckets.take(1, now), buckets.has_any(&1, now)), (Err(Duration::from_millis(500)), false));
        buckets.give_back(&1, now);
        assert!(buckets.has_any(&1, now));
        buckets.take(1, now).unwrap();
        assert!(buckets.has_any(&1, now + Duration::from_millis(500)));
    }

    #[test]
    fn network_of_a_peer_is_what_it_can_choose_its_addresses_from() {
        let of = |address: &str| network(address.parse().unwrap()).to_string();
        assert_eq!((of("192.0.2.7"), of("2001:db8:1:2::3")), ("192.0.2.7".into(), "2001:db8:1::".into()));
    }
}
