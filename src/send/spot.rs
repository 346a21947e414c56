//! What stencils know of each series, in twelve bytes.

use crate::model::SeriesRef;
use crate::send::ops::REACH;
use crate::send::stencil::Kept;

/// Of one series: its stencil, and where it was written last.
#[derive(Clone, Copy, Debug, Default)]
pub struct Spot {
    pub stencil: Kept,
    /// Place of its key.
    pub at: u32,
    /// In which its stencil was learned.
    pub epoch: u16,
    /// The four low bits: low bytes of its value there that are zero. The others: epoch in which its ref was last given
    /// up; stencils that are older meant another series.
    since: u16,
}

const ZERO_BITS: u32 = 4;
/// Epochs that there is room for.
pub const EPOCHS: u16 = u16::MAX >> ZERO_BITS;

impl Spot {
    pub fn begun(epoch: u16) -> Spot {
        Spot { since: epoch << ZERO_BITS, ..Spot::default() }
    }

    #[inline]
    fn since(self) -> u16 {
        self.since >> ZERO_BITS
    }

    #[inline]
    fn zeros(self) -> u8 {
        self.since as u8 & ((1 << ZERO_BITS) - 1)
    }

    #[inline]
    pub fn set_zeros(&mut self, zeros: u8) {
        self.since = self.since >> ZERO_BITS << ZERO_BITS | u16::from(zeros);
    }
}

#[inline]
pub fn spot(spots: &mut Vec<Spot>, series: SeriesRef) -> &mut Spot {
    let slot = series.0 as usize;
    if slot >= spots.len() {
        spots.resize(slot + 1, Spot::default());
    }
    &mut spots[slot]
}

/// How far back the key of a series is from a key of so many bytes at `at`, and the zeros in the value behind it.
/// Nothing if it is out of reach, or was another series in that epoch.
#[inline]
pub fn seen(spots: &[Spot], series: u32, epoch: u16, (at, key_len): (u32, usize)) -> (u32, u8) {
    match spots.get(series as usize) {
        Some(spot) if at - spot.at + key_len as u32 <= REACH && spot.since() <= epoch => {
            (at - spot.at, spot.zeros())
        }
        _ => (0, 0),
    }
}
