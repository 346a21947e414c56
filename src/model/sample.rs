//! Values and the names series go by on one core.

/// A series on one core: an index into its table. Refs are given out in exposition order, so that a scrape is a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SeriesRef(pub u32);

// spec: remote-write 1.0 and 2.0, stale markers: these bits, used for nothing else
const STALE_BITS: u64 = 0x7ff0_0000_0000_0002;

/// The ordinary NaN, the only one a page of text can produce (spec: SCR-33).
pub const NAN: f64 = f64::from_bits(0x7ff8_0000_0000_0001);

/// The NaN that says "this series has ended" (spec: SCR-61).
pub fn stale_marker() -> f64 {
    f64::from_bits(STALE_BITS)
}

/// True for the staleness marker only, not for other NaNs.
pub fn is_stale(value: f64) -> bool {
    value.to_bits() == STALE_BITS
}
