//! What an endpoint makes of a series' labels: external labels added, `write_relabel_configs` applied. Worked out
//! once per series, not per sample.

use crate::model::{LabelsBuilder, PackedLabels, SeriesRef, merge_packed, pack};
use crate::relabel::{self, Rule};

/// Per feed: the result for each ref.
#[derive(Debug, Default)]
pub struct Filter {
    /// 0: not worked out; 1: as stored, with external labels; 2: dropped; else 3 + index into `rewritten`.
    results: Vec<u32>,
    rewritten: Vec<Box<[u8]>>,
    /// Places of `rewritten` that hold nothing.
    free: Vec<u32>,
    labels: LabelsBuilder,
    merged: Vec<u8>,
}

const UNKNOWN: u32 = 0;
const AS_STORED: u32 = 1;
const DROPPED: u32 = 2;
const REWRITTEN: u32 = 3;

impl Filter {
    /// Labels to send for a series whose stored labels are `stored`; `None` if its samples are not to be sent.
    /// `external` are the packed external labels.
    #[inline]
    pub fn labels<'a>(
        &'a mut self,
        series: SeriesRef,
        stored: &'a [u8],
        external: &[u8],
        rules: &[Rule],
    ) -> Option<&'a [u8]> {
        if rules.is_empty() {
            if external.is_empty() {
                return Some(stored);
            }
            self.merged.clear();
            merge_packed(stored, external, &mut self.merged);
            return Some(&self.merged);
        }
        let slot = series.0 as usize;
        if slot >= self.results.len() {
            self.results.resize(slot + 1, UNKNOWN);
        }
        if self.results[slot] == UNKNOWN {
            self.results[slot] = self.work_out(stored, external, rules);
        }
        match self.results[slot] {
            DROPPED => None,
            AS_STORED => {
                self.merged.clear();
                merge_packed(stored, external, &mut self.merged);
                Some(&self.merged)
            }
            index => Some(&self.rewritten[(index - REWRITTEN) as usize]),
        }
    }

    // spec: RW-10; remote-write 1.0 and 2.0, labels: the complete set with every sample, sorted by name, none twice, no
    // empty name or value
    fn work_out(&mut self, stored: &[u8], external: &[u8], rules: &[Rule]) -> u32 {
        self.merged.clear();
        merge_packed(stored, external, &mut self.merged);
        self.labels.clear();
        for (name, value) in PackedLabels(&self.merged).iter() {
            self.labels.set(name, value);
        }
        if !relabel::apply(rules, &mut self.labels) || self.labels.is_empty() {
            return DROPPED;
        }
        let mut packed = Vec::new();
        pack(self.labels.iter(), &mut packed);
        if packed == self.merged {
            return AS_STORED;
        }
        let packed = packed.into_boxed_slice();
        let index = match self.free.pop() {
            Some(index) => {
                self.rewritten[index as usize] = packed;
                index
            }
            None => {
                self.rewritten.push(packed);
                (self.rewritten.len() - 1) as u32
            }
        };
        REWRITTEN + index
    }

    /// The ref will be given to another series.
    pub fn forget(&mut self, series: SeriesRef) {
        if let Some(result) = self.results.get_mut(series.0 as usize) {
            if *result >= REWRITTEN {
                let index = *result - REWRITTEN;
                self.rewritten[index as usize] = Box::default();
                self.free.push(index);
            }
            *result = UNKNOWN;
        }
    }

    /// Rules or external labels changed.
    pub fn clear(&mut self) {
        self.results.clear();
        self.rewritten.clear();
        self.free.clear();
    }
}
