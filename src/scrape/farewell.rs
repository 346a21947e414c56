//! Markers that are due after a target is gone.
//!
//! A target that discovery loses is often back a moment later: so its series end only when it would have been scraped twice
//! more. Whatever got a newer sample meanwhile gets no marker.

use std::collections::BTreeMap;

use crate::append::Appender;
use crate::base::{Instant, Now, Timestamp};
use crate::model::{SeriesRef, stale_marker};
use crate::scrape::page::Page;
use crate::series::Feed;

/// The series of one target that is gone.
#[derive(Debug)]
pub struct Farewell {
    pub lane: u32,
    /// When the target would have been scraped next: the time of the markers.
    pub time: Timestamp,
    pub series: Vec<SeriesRef>,
}

/// Farewells by when they are due.
#[derive(Debug, Default)]
pub struct Farewells {
    due: BTreeMap<(Instant, u64), Farewell>,
    number: u64,
}

impl Farewells {
    pub fn add(&mut self, at: Instant, farewell: Farewell) {
        if !farewell.series.is_empty() {
            self.number += 1;
            self.due.insert((at, self.number), farewell);
        }
    }

    pub fn len(&self) -> usize {
        self.due.len()
    }

    pub fn wake(&self) -> Instant {
        self.due.first_key_value().map_or(Instant::NEVER, |((at, _), _)| *at)
    }

    /// The next that is due.
    pub fn pop(&mut self, now: Instant) -> Option<Farewell> {
        if self.wake() > now {
            return None;
        }
        self.due.pop_first().map(|(_, farewell)| farewell)
    }

    /// Refs that must not be given to other series.
    pub fn series(&self) -> impl Iterator<Item = SeriesRef> {
        self.due.values().flat_map(|farewell| farewell.series.iter().copied())
    }

    /// Refs without a definition mean nothing any more.
    pub fn forget_undefined(&mut self, feed: &Feed) {
        for farewell in self.due.values_mut() {
            farewell.series.retain(|series| feed.table.at(*series).is_some());
        }
    }
}

impl Farewell {
    /// Writes the markers and gives their number.
    // spec: SCR-65
    pub fn say(self, page: &mut Page, feed: &mut Feed, appender: &mut Appender, now: Now) -> u64 {
        // The wall clock may have been set back meanwhile.
        let time = self.time.min(now.timestamp);
        page.batch.begin(self.lane, time);
        for &series in &self.series {
            if feed.table.newest_of(series) < time.0 {
                page.batch.push(series, stale_marker());
            }
        }
        let markers = page.batch.len() as u64;
        // A refusal for want of disk is counted by the appender.
        let _ = appender.commit(feed, &mut page.batch, now);
        markers
    }
}
