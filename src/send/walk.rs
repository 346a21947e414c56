//! Going over what a connection has still to send, without sending it.

use crate::base::Timestamp;
use crate::mail::EndpointPlan;
use crate::model::{RemoteMessage, SeriesRef};
use crate::send::drain::{FRAMES_A_TURN, GivenUp, lane_number, oldest_sent, unsendable};
use crate::send::filter::Filter;
use crate::send::lane::Progress;
use crate::send::served::Served;
use crate::send::stretch::Course;
use crate::series::Feed;
use crate::wal::{Decoded, Mark, Step, decode_samples};

/// One connection's part of one feed.
#[derive(Debug)]
pub struct Walk<'a> {
    pub plan: &'a EndpointPlan,
    /// What is sent now.
    pub message: RemoteMessage,
    pub external: &'a [u8],
    pub now: Timestamp,
    pub feed: &'a Feed,
    pub progress: &'a Progress,
    pub filter: &'a mut Filter,
    pub decoded: &'a mut Decoded,
    pub given_up: GivenUp,
    pub epoch_max: u32,
    pub served: Served,
    pub course: Course<'a>,
}

/// A sample as it would be sent.
#[derive(Debug)]
pub struct Sent<'a> {
    pub mark: Mark,
    pub series: SeriesRef,
    /// Packed.
    pub labels: &'a [u8],
    /// `None`: a histogram.
    pub value: Option<f64>,
    pub time: i64,
}

impl Walk<'_> {
    /// Samples from a mark on, in log order, until `visit` says no or a turn's worth of frames has been looked at.
    pub fn on(self, from: Mark, visit: &mut dyn FnMut(&Sent<'_>) -> bool) {
        let Walk { feed, progress, filter, decoded, .. } = self;
        let oldest = oldest_sent(self.plan, self.now);
        let mut at = from;
        for _ in 0..FRAMES_A_TURN {
            if let Some(past) = self.course.past(at) {
                at = past;
            }
            if self.course.ends(at) {
                return;
            }
            let (place, next, payload, base_time) = match feed.log.read(at.place) {
                Step::Absent(_) | Step::End => return,
                Step::Moved { next, .. } => {
                    at = Mark { place: next, skip: 0 };
                    continue;
                }
                Step::Record { place, next, payload, base_time, .. } => {
                    (place, next, payload, base_time)
                }
            };
            if feed.log.epoch(place.seq()) > self.epoch_max {
                return;
            }
            let (first, lane) = (Mark { place, skip: at.skip }, lane_number(payload));
            at = Mark { place: next, skip: 0 };
            let ours = self.served.has(lane);
            let resumed = self.course.resumed(first, u32::MAX);
            let first = first.max(progress.floors.dealt[lane]).max(progress.floors.resumed[lane]);
            let gone = self.given_up.loss(place.seq()).is_some();
            if !ours || gone || first.place != place || resumed == Some(u32::MAX) {
                continue;
            }
            if decode_samples(payload, base_time, decoded).is_err() {
                continue;
            }
            for index in first.skip.max(resumed.unwrap_or(0)) as usize..decoded.refs.len() {
                let (series, time) = (decoded.refs[index], decoded.times[index]);
                let mark = Mark { place, skip: index as u32 };
                let histogram = decoded.histogram(index);
                let off = histogram.and_then(|packed| unsendable(packed, self.plan, self.message));
                let settled = progress.spared.iter().any(|spared| spared.mark == mark);
                if off.is_some() || settled || time < oldest {
                    continue;
                }
                let Some(stored) = feed.labels(series) else { continue };
                let rules = &self.plan.relabel;
                let Some(labels) = filter.labels(series, stored, self.external, rules) else {
                    continue;
                };
                let value = histogram.is_none().then(|| decoded.values[index]);
                if !visit(&Sent { mark, series, labels, value, time }) {
                    return;
                }
            }
        }
    }
}
