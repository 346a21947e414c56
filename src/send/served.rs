//! Which lanes a connection serves.

use crate::send::drain::LANES;

// spec: remote-write 1.0 and 2.0, ordering: samples of a series go in the order of time; parallel requests only for
// different series
/// A set of lanes. The sets of an endpoint's connections have no lane in common, and together all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Served(u16);

impl Served {
    /// The lanes of connection `number` of so many.
    pub fn dealt(number: usize, connections: usize) -> Served {
        let own = (0..LANES).filter(|lane| lane % connections == number);
        Served(own.fold(0, |set, lane| set | 1 << lane))
    }

    pub fn has(self, lane: usize) -> bool {
        self.0 >> lane & 1 == 1
    }

    pub fn lanes(self) -> impl Iterator<Item = usize> {
        (0..LANES).filter(move |&lane| self.has(lane))
    }

    pub fn len(self) -> usize {
        self.0.count_ones() as usize
    }

    /// Gives away every second of its lanes.
    pub fn split(&mut self) -> Served {
        let given = self.lanes().skip(1).step_by(2).fold(0, |set, lane| set | 1 << lane);
        self.0 &= !given;
        Served(given)
    }

    pub fn take(&mut self, other: Served) {
        self.0 |= other.0;
    }
}

const _: () = assert!(LANES == u16::BITS as usize);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_lane_is_served_by_one_connection_however_they_are_dealt_and_split() {
        for connections in 1..=LANES {
            let mut sets: Vec<Served> =
                (0..connections).map(|number| Served::dealt(number, connections)).collect();
            while let Some(at) = sets.iter().position(|set| set.len() > 1) {
                let given = sets[at].split();
                assert!(sets[at].len().abs_diff(given.len()) <= 1);
                sets.push(given);
                for lane in 0..LANES {
                    assert_eq!(sets.iter().filter(|set| set.has(lane)).count(), 1);
                }
            }
            let mut all = sets[0];
            sets.iter().for_each(|set| all.take(*set));
            assert_eq!((sets.len(), all), (LANES, Served::dealt(0, 1)));
        }
    }
}
