//! Histograms of one core: plain integers, no atomics, no registry. Copies travel as mail.

/// Durations in 40 log-linear buckets (two a power of two) from 1 µs up: enough for p50/p99 and for a Prometheus
/// histogram, small enough to copy into mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Histogram {
    /// `buckets[i]` counts values whose bound index is `i`; see [`Histogram::bound_us`].
    pub buckets: [u64; Histogram::BUCKETS],
    pub count: u64,
    pub sum_ns: u64,
}

impl Default for Histogram {
    fn default() -> Histogram {
        Histogram { buckets: [0; Histogram::BUCKETS], count: 0, sum_ns: 0 }
    }
}

impl Histogram {
    pub const BUCKETS: usize = 56;

    /// Upper bound of bucket `index` in microseconds: 1, 1.5, 2, 3, 4, 6, 8, 12 …; the last bucket has no bound.
    pub fn bound_us(index: usize) -> f64 {
        let power = (1u64 << (index / 2)) as f64;
        if index.is_multiple_of(2) { power } else { power * 1.5 }
    }

    pub fn observe(&mut self, elapsed: core::time::Duration) {
        let ns = elapsed.as_nanos().min(u128::from(u64::MAX)) as u64;
        self.count += 1;
        self.sum_ns += ns;
        let us = ns.div_ceil(1000);
        let index = if us <= 1 {
            0
        } else {
            let exponent = (us - 1).ilog2() as usize;
            let half = (1u64 << exponent) + (1u64 << exponent) / 2;
            if exponent == 0 || us <= half { exponent * 2 + 1 } else { exponent * 2 + 2 }
        };
        self.buckets[index.min(Histogram::BUCKETS - 1)] += 1;
    }

    pub fn merge(&mut self, other: &Histogram) {
        for (mine, theirs) in self.buckets.iter_mut().zip(&other.buckets) {
            *mine += theirs;
        }
        self.count += other.count;
        self.sum_ns += other.sum_ns;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::time::Duration;

    #[test]
    fn a_value_falls_into_the_first_bucket_whose_bound_is_not_below_it() {
        for us in 1..5_000u64 {
            let mut histogram = Histogram::default();
            histogram.observe(Duration::from_micros(us));
            let index = histogram.buckets.iter().position(|&n| n == 1).expect("counted");
            assert!(us as f64 <= Histogram::bound_us(index).ceil(), "{us} in {index}");
            if index > 0 {
                assert!(us as f64 > Histogram::bound_us(index - 1), "{us} in {index}");
            }
        }
    }
}
