//! From a place in a feed to a request: which frames are this connection's, what of them is to be sent, and how much
//! fits.

use crate::base::{Timestamp, limits};
use crate::mail::EndpointPlan;
use crate::model::{Loss, Losses, RemoteMessage, SeriesRef, is_packed_custom};
use crate::send::body::Body;
use crate::send::filter::Filter;
use crate::send::served::Served;
use crate::send::stencils::Stencils;
use crate::send::stretch::Course;
use crate::series::Feed;
use crate::wal::{
    Decoded, Exemplar, Mark, Place, Seq, Step, decode_samples, exemplars_in, is_histograms, lane_of,
};
use crate::wire::histogram::{histogram_len, put_histogram};
use crate::wire::remote_v1::{self, sample_len};
use crate::wire::remote_v2::{Content, Entry, MetadataRefs};

/// Lanes that a cursor tells apart: targets by hash. Which connection serves which may change at any time; the cursor is
/// what it is.
pub const LANES: usize = limits::CONNECTIONS;

/// What is settled of each lane beyond the place of the connection that serves it now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Floors {
    /// Settled by an earlier run; counts as resumed when it is stepped over.
    pub resumed: [Mark; LANES],
    /// Settled and counted in this run, by a connection that served the lane before.
    pub dealt: [Mark; LANES],
}

impl Floors {
    pub fn none() -> Floors {
        Floors { resumed: [Mark::default(); LANES], dealt: [Mark::default(); LANES] }
    }

    /// How far the lane is when its connection is at `settled`.
    pub fn lane(&self, lane: usize, settled: Mark) -> Mark {
        settled.max(self.resumed[lane]).max(self.dealt[lane])
    }
}

/// The lane of a frame.
pub(super) fn lane_number(payload: &[u8]) -> usize {
    lane_of(payload).unwrap_or(0) as usize % LANES
}

/// Samples on their way to the endpoint, and what was found unsendable among them.
#[derive(Debug, Default)]
pub struct Request {
    /// The message, compressed or about to be.
    pub body: Body,
    pub feed: usize,
    pub from: Mark,
    pub samples: u64,
    /// Histograms among the samples.
    pub histograms: u64,
    /// Those that go with the samples.
    pub exemplars: u64,
    /// Of samples that will never be sent.
    pub lost_exemplars: Losses,
    /// Samples of `from..` that will never be sent.
    pub lost: Losses,
    /// Histograms among them.
    pub lost_histograms: Losses,
    pub resumed: u64,
    /// Samples among them that were acknowledged before, tried alone.
    pub spared: u64,
    pub newest: Timestamp,
    pub oldest: Timestamp,
}

/// A sample ahead of its connection's place that has its verdict already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spared {
    pub mark: Mark,
    /// It was acknowledged; else refused.
    pub taken: bool,
}

impl Request {
    pub fn begin(&mut self, feed: usize, from: Mark) {
        self.body.clear();
        self.feed = feed;
        self.from = from;
        self.samples = 0;
        self.histograms = 0;
        self.exemplars = 0;
        self.lost_exemplars = Losses::default();
        self.lost = Losses::default();
        self.lost_histograms = Losses::default();
        self.resumed = 0;
        self.spared = 0;
        self.newest = Timestamp(i64::MIN);
        self.oldest = Timestamp(i64::MAX);
    }

    /// So many samples of a frame will not be sent.
    fn lose_frame(&mut self, loss: Loss, payload: &[u8], samples: u32) {
        self.lost.add(loss, u64::from(samples));
        if is_histograms(payload) {
            self.lost_histograms.add(loss, u64::from(samples));
        }
    }

    /// One sample will not be sent.
    fn lose(&mut self, loss: Loss, histogram: bool, exemplars: u64) {
        self.lost.add(loss, 1);
        self.lost_exemplars.add(loss, exemplars);
        self.lost_histograms.add(loss, u64::from(histogram));
    }
}

/// Why a histogram is not sent to this endpoint.
// spec: conformance 3.1, RW-19; remote-write 2.0 has a place for custom buckets
pub(super) fn unsendable(
    packed: &[u8],
    plan: &EndpointPlan,
    message: RemoteMessage,
) -> Option<Loss> {
    if !plan.send_native_histograms {
        return Some(Loss::HistogramsOff);
    }
    (message == RemoteMessage::V1 && is_packed_custom(packed)).then_some(Loss::CustomBuckets)
}

/// Frames of segments below these are given up, and why.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GivenUp {
    pub shed: Seq,
    pub expired: Seq,
}

impl GivenUp {
    pub fn loss(&self, seq: Seq) -> Option<Loss> {
        match seq {
            _ if seq < self.expired => Some(Loss::Expired),
            _ if seq < self.shed => Some(Loss::Shed),
            _ => None,
        }
    }
}

/// What bounds a request, and what it is made of.
#[derive(Debug)]
pub struct Rules<'a> {
    pub plan: &'a EndpointPlan,
    pub external: &'a [u8],
    pub now: Timestamp,
    pub served: Served,
    /// At most so many samples; less than the plan says while something is being isolated.
    pub samples_max: u64,
    pub bytes_max: usize,
    /// Compressed; a message of 2.0 is too large only when it is whole.
    pub block_max: usize,
    /// No sample at or after this.
    pub until: Option<Mark>,
    pub spared: &'a [Spared],
    pub given_up: GivenUp,
    pub course: Course<'a>,
    /// Segments of later epochs must wait.
    pub epoch_max: u32,
}

/// Why reading stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// The request is as large as it may be.
    Full,
    /// All that is there has been read.
    End,
    /// A segment has to be loaded first.
    Absent(Seq),
    /// The rest belongs to an epoch that may not be sent yet, or is another connection's.
    Barred,
    /// All before [`Rules::until`] has been read.
    Reached,
    /// Enough for one turn.
    Turn,
}

/// Frames looked at in one turn: a bound for skipping other connections' frames.
pub(super) const FRAMES_A_TURN: u32 = 512;

/// What reading needs besides, each used again for the next request.
#[derive(Debug)]
pub struct Tools<'a> {
    pub filter: &'a mut Filter,
    pub stencils: &'a mut Stencils,
    pub decoded: &'a mut Decoded,
}

/// Reads on from `at` and adds to the request.
pub fn read_on(
    request: &mut Request,
    at: &mut Mark,
    floors: &Floors,
    feed: &Feed,
    mut tools: Tools<'_>,
    rules: &Rules<'_>,
) -> Stop {
    tools.stencils.open(&request.body);
    let stop = add_frames(request, at, floors, feed, &mut tools, rules);
    tools.stencils.close(&mut request.body);
    stop
}

fn add_frames(
    request: &mut Request,
    at: &mut Mark,
    floors: &Floors,
    feed: &Feed,
    tools: &mut Tools<'_>,
    rules: &Rules<'_>,
) -> Stop {
    for _ in 0..FRAMES_A_TURN {
        if let Some(past) = rules.course.past(*at) {
            *at = past;
        }
        if rules.course.ends(*at) {
            return Stop::Barred;
        }
        if feed.log.epoch(at.place.seq()) > rules.epoch_max && feed.log.end() > at.place {
            return Stop::Barred;
        }
        let (place, next, samples, payload, base_time) = match feed.log.read(at.place) {
            Step::Absent(seq) => return Stop::Absent(seq),
            Step::End => return Stop::End,
            Step::Moved { next, lost } => {
                // Every connection passes the damage; the one that serves lane 0 counts it, if none did before.
                if rules.served.has(0) && *at >= floors.dealt[0] {
                    if *at < floors.resumed[0] || rules.course.resumed(*at, 0).is_some() {
                        request.resumed += lost;
                    } else {
                        request.lost.add(Loss::Unreadable, lost);
                    }
                }
                *at = Mark { place: next, skip: 0 };
                continue;
            }
            Step::Record { place, next, samples, payload, base_time } => {
                (place, next, samples, payload, base_time)
            }
        };
        let frame = Frame { place, samples, next, lane: lane_number(payload) };
        let step = Mark { place: next, skip: 0 };
        if step_settled(request, at, floors, &frame, rules) {
            continue;
        }
        if rules.until.is_some_and(|until| Mark { place, skip: at.skip } >= until) {
            return Stop::Reached;
        }
        if let Some(loss) = rules.given_up.loss(place.seq()) {
            let from = Mark { place, skip: at.skip };
            lose_rest(request, loss, from, (payload, samples), rules);
            *at = step;
            continue;
        }
        if request.samples == 0 && *at != request.from {
            // What was stepped over has its verdict now, not when the request that begins here has its own.
            return Stop::Turn;
        }
        if decode_samples(payload, base_time, tools.decoded).is_err()
            || tools.decoded.refs.len() != samples as usize
        {
            let from = Mark { place, skip: at.skip };
            lose_rest(request, Loss::Unreadable, from, (payload, samples), rules);
            *at = step;
            continue;
        }
        if !add_frame(request, at, place, feed, tools, rules) {
            return Stop::Full;
        }
        *at = step;
    }
    Stop::Turn
}

/// Where a frame is, and whose.
struct Frame {
    place: Place,
    next: Place,
    samples: u32,
    lane: usize,
}

/// Steps over what is another connection's, or settled already. False if there is something left of the frame.
fn step_settled(
    request: &mut Request,
    at: &mut Mark,
    floors: &Floors,
    frame: &Frame,
    rules: &Rules<'_>,
) -> bool {
    let &Frame { place, next, samples, lane } = frame;
    let step = Mark { place: next, skip: 0 };
    let dealt = floors.dealt[lane];
    if !rules.served.has(lane) || place < dealt.place {
        *at = step;
        return true;
    }
    if place == dealt.place {
        at.skip = at.skip.max(dealt.skip);
    }
    let mark = Mark { place, skip: at.skip };
    if let Some(done) = rules.course.resumed(mark, samples) {
        request.resumed += u64::from(done.saturating_sub(at.skip));
        *at = if done < samples { Mark { skip: done, ..mark } } else { step };
        return true;
    }
    let resumed = floors.resumed[lane];
    if place < resumed.place {
        request.resumed += u64::from(samples.saturating_sub(at.skip));
        *at = step;
        return true;
    }
    if place == resumed.place && at.skip < resumed.skip.min(samples) {
        request.resumed += u64::from(resumed.skip.min(samples) - at.skip);
        at.skip = resumed.skip.min(samples);
    }
    false
}

/// Samples of a frame from `from` on will not be sent, but for those that have their verdict.
fn lose_rest(
    request: &mut Request,
    loss: Loss,
    from: Mark,
    (payload, samples): (&[u8], u32),
    rules: &Rules<'_>,
) {
    let histograms = is_histograms(payload);
    if rules.plan.send_exemplars {
        request.lost_exemplars.add(loss, exemplars_in(payload, from.skip) as u64);
    }
    let rest = Mark { skip: samples, ..from };
    let settled = rules.spared.iter().filter(|spared| (from..rest).contains(&spared.mark));
    let settled = settled.map(|spared| step_over(request, spared, histograms, 0)).count() as u32;
    request.lose_frame(loss, payload, samples.saturating_sub(from.skip) - settled);
}

/// A sample that was tried alone and has its verdict.
fn step_over(request: &mut Request, spared: &Spared, histogram: bool, exemplars: u64) {
    match spared.taken {
        true => request.spared += 1,
        false => request.lose(Loss::Rejected, histogram, exemplars),
    }
}

/// Samples with an older timestamp are not sent.
pub(super) fn oldest_sent(plan: &EndpointPlan, now: Timestamp) -> i64 {
    match plan.sample_age_limit.as_millis() as i64 {
        0 => i64::MIN,
        limit => now.0 - limit,
    }
}

/// Adds the decoded frame from `at.skip` on. False if not all of it fitted; then `at` says how far it came.
fn add_frame(
    request: &mut Request,
    at: &mut Mark,
    place: Place,
    feed: &Feed,
    tools: &mut Tools<'_>,
    rules: &Rules<'_>,
) -> bool {
    let oldest = oldest_sent(rules.plan, rules.now);
    let searched = rules.until.is_some() || !rules.spared.is_empty();
    let message = request.body.message();
    // Nearly every frame: floats for a message of 1.0.
    let plain = message == RemoteMessage::V1 && tools.decoded.is_plain();
    let exemplars = rules.plan.send_exemplars && tools.decoded.has_exemplars();
    let mut next = at.skip as usize;
    while next < tools.decoded.refs.len() {
        if plain && !searched {
            let added = add_run(request, next, oldest, feed, tools, rules);
            if added > 0 {
                next += added;
                continue;
            }
        }
        let index = next;
        next += 1;
        let time = tools.decoded.times[index];
        let histogram = if plain { None } else { tools.decoded.histogram(index) };
        let is_histogram = histogram.is_some();
        let own = if exemplars { tools.decoded.exemplars(index).count() as u64 } else { 0 };
        if searched {
            let mark = Mark { place, skip: index as u32 };
            if rules.until.is_some_and(|until| mark >= until) {
                at.skip = index as u32;
                return false;
            }
            if let Some(spared) = rules.spared.iter().find(|spared| spared.mark == mark) {
                step_over(request, spared, is_histogram, own);
                continue;
            }
        }
        if request.samples >= rules.samples_max {
            at.skip = index as u32;
            return false;
        }
        let unsendable = match time < oldest {
            true => Some(Loss::TooOld),
            false => histogram.and_then(|packed| unsendable(packed, rules.plan, message)),
        };
        if let Some(loss) = unsendable {
            request.lose(loss, is_histogram, own);
            continue;
        }
        let added = match plain {
            true => add_sample(request, index, feed, tools, rules),
            false => add_other(request, index, feed, tools, rules),
        };
        match added {
            Ok(true) => {}
            Ok(false) => {
                at.skip = index as u32;
                return false;
            }
            Err(loss) => {
                request.lose(loss, is_histogram, own);
                continue;
            }
        }
        request.exemplars += own;
        request.samples += 1;
        request.histograms += u64::from(is_histogram);
        request.newest = request.newest.max(Timestamp(time));
        request.oldest = request.oldest.min(Timestamp(time));
    }
    true
}

/// Adds the next few floats of a frame to a message of 1.0, if all of them have stencils and fit. Gives how many. All
/// stencils are looked at before the first is used: what is not in the processor's caches is fetched side by side.
#[inline]
fn add_run(
    request: &mut Request,
    from: usize,
    oldest: i64,
    feed: &Feed,
    tools: &mut Tools<'_>,
    rules: &Rules<'_>,
) -> usize {
    let Tools { filter, stencils, decoded } = tools;
    let to = decoded.refs.len().min(from + RUN);
    let (refs, times) = (&decoded.refs[from..to], &decoded.times[from..to]);
    let Some(run) = stencils.look_at(refs, times) else { return 0 };
    let body = &request.body;
    let fits = body.raw_len + run.bytes <= rules.bytes_max
        && stencils.block_len(body, run.bytes) <= rules.block_max
        && request.samples + refs.len() as u64 <= rules.samples_max;
    if !fits || run.oldest < oldest {
        return 0;
    }
    let mut lost = 0;
    for (index, series) in (from..to).zip(refs) {
        let (value, time) = (decoded.values[index], decoded.times[index]);
        let mut append = |series, out: &mut Vec<u8>| {
            let labels = labels(series, feed, filter, rules);
            labels.map(|labels| out.extend_from_slice(labels)).is_ok()
        };
        let put = stencils.put(&mut request.body, *series, value, time, &mut append);
        lost += u64::from(!put);
    }
    request.lost.add(Loss::Unreadable, lost);
    request.samples += refs.len() as u64 - lost;
    request.newest = request.newest.max(Timestamp(run.newest));
    request.oldest = request.oldest.min(Timestamp(run.oldest));
    to - from
}

/// Adds what is not a float for a message of 1.0. Results as those of [`add_sample`].
#[inline(never)]
fn add_other(
    request: &mut Request,
    index: usize,
    feed: &Feed,
    tools: &mut Tools<'_>,
    rules: &Rules<'_>,
) -> Result<bool, Loss> {
    let Tools { filter, stencils, decoded } = tools;
    let (series, time) = (decoded.refs[index], decoded.times[index]);
    let histogram = decoded.histogram(index);
    let exemplars = || decoded.exemplars(index).filter(|_| rules.plan.send_exemplars);
    let labels = match (histogram, request.body.message()) {
        (None, RemoteMessage::V1) if exemplars().next().is_none() => {
            return add_sample(request, index, feed, tools, rules);
        }
        _ => labels(series, feed, filter, rules)?,
    };
    let body = &mut request.body;
    let bytes_max = if request.samples == 0 { usize::MAX } else { rules.bytes_max };
    if body.message() == RemoteMessage::V2 {
        let content = match histogram {
            Some(packed) => Content::Histogram(packed),
            None => Content::Float(decoded.values[index]),
        };
        let metadata = MetadataRefs::default();
        let start = decoded.start(index);
        let entry = Entry { content, time, start, exemplars: &[], metadata };
        let about = (feed.descriptions.of(series), || feed.description(series));
        return Ok(body.put_second(labels, entry, about, exemplars(), bytes_max));
    }
    let fields = first_exemplars(exemplars());
    let len = match histogram {
        Some(packed) => histogram_len(labels.len(), packed.len(), time),
        None => sample_len(labels.len(), time),
    };
    let more = len + fields.len();
    let fits =
        body.raw_len() + more <= bytes_max && stencils.block_len(body, more) <= rules.block_max;
    if request.samples > 0 && !fits {
        return Ok(false);
    }
    stencils.put_entry(body, |out| match histogram {
        Some(packed) => put_histogram(out, labels, packed, time, &fields),
        None => {
            remote_v1::put_sample_with(out, labels, decoded.values[index], time, &fields);
        }
    });
    Ok(true)
}

/// Exemplars as fields of an entry of 1.0.
fn first_exemplars<'a>(exemplars: impl Iterator<Item = Exemplar<'a>>) -> Vec<u8> {
    let mut fields = Vec::new();
    for Exemplar { labels, value, time } in exemplars {
        remote_v1::put_exemplar(&mut fields, labels, value, time);
    }
    fields
}

/// Adds one decoded float to a message of 1.0. False if it does not fit any more; an error if it cannot be sent.
#[inline]
fn add_sample(
    request: &mut Request,
    index: usize,
    feed: &Feed,
    tools: &mut Tools<'_>,
    rules: &Rules<'_>,
) -> Result<bool, Loss> {
    let Tools { filter, stencils, decoded } = tools;
    let (series, time) = (decoded.refs[index], decoded.times[index]);
    let body = &mut request.body;
    // A series with a stencil has labels and passes the filter.
    let more = match stencils.entry_len(series, time) {
        Some(len) => len,
        None => sample_len(labels(series, feed, filter, rules)?.len(), time),
    };
    let fits =
        body.raw_len + more <= rules.bytes_max && stencils.block_len(body, more) <= rules.block_max;
    if request.samples > 0 && !fits {
        return Ok(false);
    }
    let mut append = |series, out: &mut Vec<u8>| {
        let labels = labels(series, feed, filter, rules);
        labels.map(|labels| out.extend_from_slice(labels)).is_ok()
    };
    let put = stencils.put(body, series, decoded.values[index], time, &mut append);
    if put { Ok(true) } else { Err(Loss::Unreadable) }
}

/// The labels that the series is sent under, or why it is not.
fn labels<'a>(
    series: SeriesRef,
    feed: &'a Feed,
    filter: &'a mut Filter,
    rules: &'a Rules<'_>,
) -> Result<&'a [u8], Loss> {
    let stored = feed.labels(series).ok_or(Loss::Unreadable)?;
    let labels = filter.labels(series, stored, rules.external, &rules.plan.relabel);
    labels.ok_or(Loss::Filtered)
}

/// Samples whose stencils are looked at together.
const RUN: usize = 16;

const _: () = assert!(limits::LABELS_BYTES * 4 < limits::REQUEST_BYTES);
