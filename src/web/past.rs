//! The last minute, for rates.

use std::collections::VecDeque;

use crate::base::Timestamp;
use crate::web::Snapshot;

/// Moments kept; they are five seconds apart.
const MOMENTS: usize = 13;

#[derive(Clone, Debug, Default)]
pub(super) struct Past {
    moments: VecDeque<Moment>,
}

#[derive(Clone, Debug)]
struct Moment {
    at: Timestamp,
    scraped: u64,
    endpoints: Vec<(String, Totals)>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Totals {
    entered: u64,
    acknowledged: u64,
    bytes: u64,
}

/// Per second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct EndpointPace {
    pub(super) entered: f64,
    pub(super) acknowledged: f64,
    /// Compressed, sent.
    pub(super) bytes: f64,
}

impl Past {
    pub(super) fn note(&mut self, snapshot: &Snapshot) {
        let mut endpoints: Vec<(String, Totals)> = Vec::new();
        for meters in snapshot.reports.iter().flat_map(|report| &report.endpoints) {
            let known = endpoints.iter().position(|(name, _)| *name == meters.name);
            let at = known.unwrap_or_else(|| {
                endpoints.push((meters.name.clone(), Totals::default()));
                endpoints.len() - 1
            });
            let totals = &mut endpoints[at].1;
            totals.entered += meters.entered;
            totals.acknowledged += meters.acknowledged;
            totals.bytes += meters.bytes_sent;
        }
        let scraped = snapshot.reports.iter().map(|report| report.scrape.scraped).sum();
        self.moments.push_back(Moment { at: snapshot.process.now, scraped, endpoints });
        if self.moments.len() > MOMENTS {
            self.moments.pop_front();
        }
    }

    /// Samples scraped per second; `None` until two moments are known.
    pub(super) fn scraped(&self) -> Option<f64> {
        let (first, last, seconds) = self.ends()?;
        Some(last.scraped.saturating_sub(first.scraped) as f64 / seconds)
    }

    pub(super) fn pace(&self, endpoint: &str) -> Option<EndpointPace> {
        let (first, last, seconds) = self.ends()?;
        let of = |moment: &Moment| {
            let found = moment.endpoints.iter().find(|(name, _)| name == endpoint);
            found.map(|(_, totals)| *totals)
        };
        let (first, last) = (of(first).unwrap_or_default(), of(last)?);
        let rate = |from: u64, to: u64| to.saturating_sub(from) as f64 / seconds;
        Some(EndpointPace {
            entered: rate(first.entered, last.entered),
            acknowledged: rate(first.acknowledged, last.acknowledged),
            bytes: rate(first.bytes, last.bytes),
        })
    }

    fn ends(&self) -> Option<(&Moment, &Moment, f64)> {
        let (first, last) = (self.moments.front()?, self.moments.back()?);
        let ms = last.at.0.saturating_sub(first.at.0);
        (ms > 0).then_some((first, last, ms as f64 / 1000.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::{EndpointMeters, Report};

    #[test]
    fn rates_are_taken_over_what_is_known_and_no_more_is_kept() {
        let mut past = Past::default();
        assert_eq!(past.scraped(), None);
        for step in 0..20u64 {
            let meters = |acknowledged| EndpointMeters {
                name: "a".to_owned(),
                acknowledged,
                ..EndpointMeters::default()
            };
            let mut report = Report { endpoints: vec![meters(step * 50)], ..Report::default() };
            report.scrape.scraped = step * 100;
            let mut snapshot =
                Snapshot { reports: vec![report.clone(), report], ..Snapshot::default() };
            snapshot.process.now = Timestamp(step as i64 * 5000);
            past.note(&snapshot);
        }
        assert_eq!(past.moments.len(), MOMENTS);
        assert_eq!(past.scraped(), Some(40.0));
        assert_eq!(past.pace("a").map(|pace| pace.acknowledged), Some(20.0));
        assert_eq!(past.pace("b"), None);
    }
}
