//! Native histograms: counts of observations in buckets whose bounds the schema gives, or in custom ones.

use core::fmt;

/// Bucket bounds are written out instead of given by a power of two.
pub const CUSTOM_BUCKETS: i32 = -53;
/// Schemas that the storage of Prometheus knows, lowest and highest resolution.
pub const SCHEMA_MIN: i32 = -4;
pub const SCHEMA_MAX: i32 = 8;
/// Schemas with exponential buckets, among them those that are set aside for later.
const RESERVED: core::ops::RangeInclusive<i32> = -9..=52;

/// A run of `length` buckets; the first is `offset` after the last one of the run before, or has that index itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    pub offset: i32,
    pub length: u32,
}

/// Populated buckets to one side of zero: the spans name as many as there are counts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Side<C> {
    pub spans: Vec<Span>,
    /// Observations of each bucket alone.
    pub counts: Vec<C>,
}

/// The counts, all of them integers or all of them floats.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Counts<C> {
    pub count: C,
    pub zero: C,
    pub positive: Side<C>,
    pub negative: Side<C>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Observations {
    /// None above `i64::MAX`.
    Whole(Counts<u64>),
    Float(Counts<f64>),
}

/// One native histogram without name and time.
#[derive(Clone, Debug, PartialEq)]
pub struct NativeHistogram {
    pub schema: i32,
    pub sum: f64,
    pub zero_threshold: f64,
    /// It may go down without having been reset.
    pub gauge: bool,
    pub observations: Observations,
    /// Upper bounds of custom buckets, without the last, infinite one.
    pub custom: Vec<f64>,
}

/// Why a histogram is none.
#[derive(Clone, Debug, PartialEq)]
pub enum HistogramError {
    /// More buckets than the limit, and the resolution cannot be reduced any more.
    BucketLimit,
    /// Observations in buckets, and the count.
    CountMismatch(u64, u64),
    CountNotCumulative(f64, f64),
    CountOfOther(f64, f64),
    Custom(&'static str),
    NaNBound,
    NegativeCount,
    Schema(i32),
    SpanOffset(i32),
    SpanMismatch(u64, usize),
}

impl fmt::Display for HistogramError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HistogramError::BucketLimit => f.write_str("histogram bucket limit exceeded"),
            HistogramError::CountMismatch(buckets, count) => {
                write!(f, "{buckets} observations found in buckets, but the Count field is {count}")
            }
            HistogramError::CountNotCumulative(count, before) => {
                write!(f, "count is not cumulative: {count} < {before}")
            }
            HistogramError::CountOfOther(count, last) => {
                write!(f, "count mismatch: count={count} != le=+Inf count={last}")
            }
            HistogramError::Custom(what) => write!(f, "custom buckets: {what}"),
            HistogramError::NaNBound => f.write_str("bucket boundary is NaN"),
            HistogramError::NegativeCount => {
                f.write_str("histogram has a bucket whose observation count is negative")
            }
            HistogramError::Schema(schema) => write!(
                f,
                "histogram has an invalid schema, which must be between {SCHEMA_MIN} and \
                 {SCHEMA_MAX} for exponential buckets, or {CUSTOM_BUCKETS} for custom buckets, \
                 got schema {schema}"
            ),
            HistogramError::SpanOffset(offset) => {
                write!(f, "histogram has a span whose offset is negative: {offset}")
            }
            HistogramError::SpanMismatch(wanted, have) => {
                write!(f, "spans require {wanted} buckets, have {have}")
            }
        }
    }
}

impl std::error::Error for HistogramError {}

/// What the two kinds of count have in common.
pub trait Count: Copy + Default + PartialEq {
    fn plus(self, other: Self) -> Self;
}

impl Count for u64 {
    fn plus(self, other: u64) -> u64 {
        self.saturating_add(other)
    }
}

impl Count for f64 {
    fn plus(self, other: f64) -> f64 {
        self + other
    }
}

impl<C: Count> Side<C> {
    /// Spans and counts as they come: checked, and then without empty buckets, but for gaps of up to `gap` of them.
    fn rebuild(&mut self, gap: i64) -> Result<(), HistogramError> {
        let named: u64 = self.spans.iter().map(|span| u64::from(span.length)).sum();
        if named != self.counts.len() as u64 {
            return Err(HistogramError::SpanMismatch(named, self.counts.len()));
        }
        let placed = self.placed()?;
        self.fill(placed.into_iter(), gap)
    }

    /// Buckets that are not empty, with their indexes.
    fn placed(&self) -> Result<Vec<(i64, C)>, HistogramError> {
        let mut placed = Vec::with_capacity(self.counts.len());
        let (mut index, mut counts) = (0i64, self.counts.iter());
        for (number, span) in self.spans.iter().enumerate() {
            if number > 0 && span.offset < 0 {
                return Err(HistogramError::SpanOffset(span.offset));
            }
            index = index.saturating_add(i64::from(span.offset));
            for count in counts.by_ref().take(span.length as usize) {
                if *count != C::default() {
                    placed.push((index, *count));
                }
                index = index.saturating_add(1);
            }
        }
        Ok(placed)
    }

    /// `placed` is in order of indexes.
    fn fill(
        &mut self,
        placed: impl Iterator<Item = (i64, C)>,
        gap: i64,
    ) -> Result<(), HistogramError> {
        self.spans.clear();
        self.counts.clear();
        let mut next = 0i64;
        for (index, count) in placed {
            let between = index - next;
            match self.spans.last_mut() {
                Some(span) if between <= gap => {
                    span.length += between as u32 + 1;
                    let filled = self.counts.len() + between as usize;
                    self.counts.resize(filled, C::default());
                }
                _ => {
                    let offset = i32::try_from(between)
                        .map_err(|_| HistogramError::Custom("a bucket is out of range"))?;
                    self.spans.push(Span { offset, length: 1 });
                }
            }
            self.counts.push(count);
            next = index + 1;
        }
        Ok(())
    }

    /// Merges each 2^`steps` buckets into one.
    fn reduce(&mut self, steps: u32) -> Result<(), HistogramError> {
        let mut merged: Vec<(i64, C)> = Vec::new();
        for (index, count) in self.placed()? {
            let target = ((index - 1) >> steps.min(62)) + 1;
            match merged.last_mut() {
                Some((last, sum)) if *last == target => *sum = sum.plus(count),
                _ => merged.push((target, count)),
            }
        }
        self.fill(merged.into_iter(), 0)
    }
}

impl<C: Count> Counts<C> {
    fn buckets(&self) -> usize {
        self.positive.counts.len() + self.negative.counts.len()
    }

    fn sides(&mut self) -> [&mut Side<C>; 2] {
        [&mut self.positive, &mut self.negative]
    }
}

impl NativeHistogram {
    /// One without observations and otherwise like this.
    pub fn zero(&self) -> NativeHistogram {
        let observations = match self.observations {
            Observations::Whole(_) => Observations::Whole(Counts::default()),
            Observations::Float(_) => Observations::Float(Counts::default()),
        };
        NativeHistogram { sum: 0.0, observations, custom: self.custom.clone(), ..*self }
    }

    /// Takes out empty buckets; fails where spans and counts do not belong together.
    pub fn compact(&mut self) -> Result<(), HistogramError> {
        self.each_side(|side| side.rebuild(0), |side| side.rebuild(0))
    }

    fn each_side(
        &mut self,
        mut whole: impl FnMut(&mut Side<u64>) -> Result<(), HistogramError>,
        mut float: impl FnMut(&mut Side<f64>) -> Result<(), HistogramError>,
    ) -> Result<(), HistogramError> {
        match &mut self.observations {
            Observations::Whole(counts) => counts.sides().into_iter().try_for_each(&mut whole),
            Observations::Float(counts) => counts.sides().into_iter().try_for_each(&mut float),
        }
    }

    /// Buckets held, the zero bucket not counted.
    pub fn buckets(&self) -> usize {
        match &self.observations {
            Observations::Whole(counts) => counts.buckets(),
            Observations::Float(counts) => counts.buckets(),
        }
    }

    pub fn is_custom(&self) -> bool {
        self.schema == CUSTOM_BUCKETS
    }

    /// True if [`NativeHistogram::limit`] would change or refuse it.
    pub fn exceeds(&self, schema_max: i32, buckets_max: u64) -> bool {
        (RESERVED.contains(&self.schema) && self.schema > schema_max)
            || (buckets_max > 0 && self.buckets() as u64 > buckets_max)
    }

    /// Reduces the resolution to `schema_max` at most, and further until there are at most `buckets_max` buckets,
    /// 0 being no limit. It must be compact.
    // spec: SCR-54, SCR-55
    pub fn limit(&mut self, schema_max: i32, buckets_max: u64) -> Result<(), HistogramError> {
        if RESERVED.contains(&self.schema) && self.schema > schema_max {
            self.reduce_to(schema_max)?;
        }
        while buckets_max > 0 && self.buckets() as u64 > buckets_max {
            if !(SCHEMA_MIN + 1..=SCHEMA_MAX).contains(&self.schema) {
                return Err(HistogramError::BucketLimit);
            }
            self.reduce_to(self.schema - 1)?;
        }
        Ok(())
    }

    fn reduce_to(&mut self, schema: i32) -> Result<(), HistogramError> {
        let steps = self.schema.abs_diff(schema);
        self.schema = schema;
        self.each_side(|side| side.reduce(steps), |side| side.reduce(steps))
    }

    /// What the storage of Prometheus asks of a histogram that is compact.
    // spec: SCR-40
    pub fn validate(&self) -> Result<(), HistogramError> {
        if self.is_custom() {
            self.validate_custom()?;
        } else if !(SCHEMA_MIN..=SCHEMA_MAX).contains(&self.schema) {
            return Err(HistogramError::Schema(self.schema));
        }
        match &self.observations {
            Observations::Whole(counts) => {
                let buckets = counts.positive.counts.iter().chain(&counts.negative.counts);
                let sum = buckets.fold(counts.zero, |sum, count| sum.plus(*count));
                let fits =
                    if self.sum.is_nan() { sum <= counts.count } else { sum == counts.count };
                if fits { Ok(()) } else { Err(HistogramError::CountMismatch(sum, counts.count)) }
            }
            Observations::Float(counts) => {
                let buckets = counts.positive.counts.iter().chain(&counts.negative.counts);
                let mut all = buckets.chain([&counts.count, &counts.zero]);
                if all.any(|count| *count < 0.0) {
                    return Err(HistogramError::NegativeCount);
                }
                Ok(())
            }
        }
    }

    fn validate_custom(&self) -> Result<(), HistogramError> {
        let ordered = self.custom.windows(2).all(|pair| matches!(pair, [a, b] if a < b));
        if self.custom.iter().any(|bound| bound.is_nan()) || !ordered {
            return Err(HistogramError::Custom("bounds are not in order"));
        }
        if self.custom.last() == Some(&f64::INFINITY) {
            return Err(HistogramError::Custom("last +Inf bound must not be explicitly defined"));
        }
        let (zero, negative, spans) = match &self.observations {
            Observations::Whole(counts) => {
                (counts.zero == 0, &counts.negative.spans, &counts.positive.spans)
            }
            Observations::Float(counts) => {
                (counts.zero == 0.0, &counts.negative.spans, &counts.positive.spans)
            }
        };
        if !zero || self.zero_threshold != 0.0 {
            return Err(HistogramError::Custom("a zero bucket"));
        }
        if !negative.is_empty() {
            return Err(HistogramError::Custom("negative buckets"));
        }
        let width = |span: &Span| i64::from(span.offset) + i64::from(span.length);
        let first_is_negative = spans.first().is_some_and(|span| span.offset < 0);
        if first_is_negative || spans.iter().map(width).sum::<i64>() > self.custom.len() as i64 + 1
        {
            return Err(HistogramError::Custom("fewer bounds than buckets"));
        }
        Ok(())
    }
}

/// The lowest schema whose buckets grow by at least `factor`: the highest one to keep. 0 asks for nothing.
// spec: SCR-55
pub fn schema_of_factor(factor: f64) -> i32 {
    if factor.is_nan() || factor <= 1.0 {
        return SCHEMA_MAX;
    }
    let schema = (-factor.log2().log2()).floor();
    schema.clamp(f64::from(SCHEMA_MIN), f64::from(SCHEMA_MAX)) as i32
}

/// A classic histogram on its way to one with custom buckets. Buffers are reused.
#[derive(Clone, Debug, Default)]
pub struct Classic {
    /// Upper bounds, ascending, and cumulative counts.
    buckets: Vec<(f64, f64)>,
    count: Option<f64>,
    sum: f64,
    /// The first thing that was wrong.
    error: Option<HistogramError>,
}

impl Classic {
    pub fn clear(&mut self) {
        self.buckets.clear();
        self.count = None;
        self.sum = 0.0;
        self.error = None;
    }

    pub fn count(&mut self, count: f64) {
        if count < 0.0 {
            self.error.get_or_insert(HistogramError::NegativeCount);
        }
        self.count = Some(count);
    }

    pub fn sum(&mut self, sum: f64) {
        self.sum = sum;
    }

    /// A bound that is there already is left as it is.
    pub fn bucket(&mut self, bound: f64, count: f64) {
        if bound.is_nan() {
            self.error.get_or_insert(HistogramError::NaNBound);
            return;
        }
        if count < 0.0 {
            self.error.get_or_insert(HistogramError::NegativeCount);
            return;
        }
        let at = self.buckets.partition_point(|(known, _)| *known < bound);
        let next = self.buckets.get(at);
        if next.is_some_and(|(known, _)| *known == bound) {
            return;
        }
        let before = at.checked_sub(1).and_then(|before| self.buckets.get(before));
        let wrong = match (before, next) {
            (Some(&(_, before)), _) if count < before => Some((count, before)),
            (_, Some(&(_, after))) if count > after => Some((after, count)),
            _ => None,
        };
        if let Some((count, before)) = wrong {
            self.error.get_or_insert(HistogramError::CountNotCumulative(count, before));
            return;
        }
        self.buckets.insert(at, (bound, count));
    }

    /// Whole counts give a histogram of integers.
    pub fn convert(&mut self) -> Result<NativeHistogram, HistogramError> {
        if let Some(error) = self.error.take() {
            return Err(error);
        }
        let count = self.count.unwrap_or(self.buckets.last().map_or(0.0, |(_, count)| *count));
        if self.buckets.last().is_none_or(|(bound, _)| *bound != f64::INFINITY) {
            self.buckets.push((f64::INFINITY, count));
        }
        let last = self.buckets.last().map_or(0.0, |(_, count)| *count);
        if last != count {
            return Err(HistogramError::CountOfOther(count, last));
        }
        let bounds = self.buckets.iter().map(|(bound, _)| *bound);
        let custom = bounds.take(self.buckets.len().saturating_sub(1)).collect();
        let whole = self.buckets.iter().all(|(_, count)| is_whole(*count));
        let spans = vec![Span { offset: 0, length: self.buckets.len() as u32 }];
        let observations = if whole {
            let cumulative = self.buckets.iter().map(|(_, count)| *count as u64);
            let mut positive = Side { spans, counts: alone(cumulative, u64::wrapping_sub) };
            positive.rebuild(2)?;
            Observations::Whole(Counts { count: count as u64, positive, ..Counts::default() })
        } else {
            let cumulative = self.buckets.iter().map(|(_, count)| *count);
            let mut positive =
                Side { spans, counts: alone(cumulative, |count, before| count - before) };
            positive.rebuild(0)?;
            Observations::Float(Counts { count, positive, ..Counts::default() })
        };
        let schema = CUSTOM_BUCKETS;
        Ok(NativeHistogram {
            schema,
            sum: self.sum,
            zero_threshold: 0.0,
            gauge: false,
            observations,
            custom,
        })
    }
}

/// Counts of each bucket alone.
fn alone<C: Count>(cumulative: impl Iterator<Item = C>, less: impl Fn(C, C) -> C) -> Vec<C> {
    let mut before = C::default();
    let own = |count| less(count, core::mem::replace(&mut before, count));
    cumulative.map(own).collect()
}

fn is_whole(count: f64) -> bool {
    count.abs() < 9.0e18 && count == count.trunc()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spans(pairs: &[(i32, u32)]) -> Vec<Span> {
        pairs.iter().map(|&(offset, length)| Span { offset, length }).collect()
    }

    fn whole(schema: i32, pairs: &[(i32, u32)], counts: &[u64]) -> NativeHistogram {
        let positive = Side { spans: spans(pairs), counts: counts.to_vec() };
        NativeHistogram {
            schema,
            sum: 1.0,
            zero_threshold: 0.001,
            gauge: false,
            observations: Observations::Whole(Counts {
                count: counts.iter().sum(),
                positive,
                ..Counts::default()
            }),
            custom: Vec::new(),
        }
    }

    fn parts(histogram: &NativeHistogram) -> (i32, Vec<(i32, u32)>, Vec<u64>) {
        let Observations::Whole(counts) = &histogram.observations else { panic!("integers") };
        let spans = counts.positive.spans.iter().map(|span| (span.offset, span.length));
        (histogram.schema, spans.collect(), counts.positive.counts.clone())
    }

    #[test]
    fn compact_ones_have_no_empty_buckets_and_no_needless_spans() {
        for (before, counts, after, kept) in [
            (&[(0, 0)][..], &[][..], &[][..], &[][..]),
            (&[(-2, 2), (0, 1)], &[1, 2, 3], &[(-2, 3)], &[1, 2, 3]),
            (&[(-2, 3), (1, 2)], &[0, 5, 0, 7, 0], &[(-1, 1), (2, 1)], &[5, 7]),
            (&[(5, 4)], &[0, 0, 0, 0], &[], &[]),
            (&[(1, 1), (3, 0), (1, 1)], &[1, 2], &[(1, 1), (4, 1)], &[1, 2]),
        ] {
            let mut histogram = whole(0, before, counts);
            histogram.compact().expect("spans and counts agree");
            assert_eq!(parts(&histogram), (0, after.to_vec(), kept.to_vec()), "{before:?}");
        }
        let mut wrong = whole(0, &[(0, 3)], &[1, 2]);
        assert_eq!(wrong.compact(), Err(HistogramError::SpanMismatch(3, 2)));
        let mut wrong = whole(0, &[(0, 1), (-1, 1)], &[1, 2]);
        assert_eq!(wrong.compact(), Err(HistogramError::SpanOffset(-1)));
        let mut far = whole(0, &[(i32::MAX, 1), (i32::MAX, 1)], &[1, 2]);
        assert_eq!(far.compact(), Ok(()));
    }

    #[test]
    fn half_the_resolution_puts_each_two_buckets_into_one() {
        // Upper bounds at schema n+1 with indexes 1 and 2 lie in bucket 1 of schema n.
        let mut histogram = whole(3, &[(-3, 4), (2, 3)], &[1, 2, 3, 4, 5, 6, 7]);
        histogram.limit(2, 0).expect("an exponential one");
        // Indexes -3 -2 -1 0 3 4 5 become -1 -1 0 0 2 2 3.
        assert_eq!(parts(&histogram), (2, vec![(-1, 2), (1, 2)], vec![3, 7, 11, 7]));
        let mut histogram = whole(3, &[(-3, 4), (2, 3)], &[1, 2, 3, 4, 5, 6, 7]);
        histogram.limit(8, 3).expect("it fits at schema 1");
        assert_eq!(parts(&histogram), (1, vec![(0, 3)], vec![10, 11, 7]));
        // Whatever it is, at the lowest schema it cannot go further.
        let mut histogram = whole(-4, &[(-3, 4)], &[1, 2, 3, 4]);
        assert_eq!(histogram.limit(8, 3), Err(HistogramError::BucketLimit));
        let mut custom = whole(CUSTOM_BUCKETS, &[(0, 4)], &[1, 2, 3, 4]);
        assert_eq!(custom.limit(8, 3), Err(HistogramError::BucketLimit));
        assert_eq!(custom.limit(-4, 4), Ok(()), "no resolution to reduce");
        let mut fine = whole(40, &[(-3, 4)], &[1, 2, 3, 4]);
        assert!(fine.exceeds(4, 0) && !fine.exceeds(40, 4));
        fine.limit(4, 0).expect("reserved schemas are reduced too");
        assert_eq!(parts(&fine), (4, vec![(0, 1)], vec![10]));
    }

    #[test]
    fn what_contradicts_itself_is_not_valid() {
        let good = whole(0, &[(0, 2)], &[1, 2]);
        assert_eq!(good.validate(), Ok(()));
        let mut more = good.clone();
        let Observations::Whole(counts) = &mut more.observations else { panic!("integers") };
        counts.count = 4;
        assert_eq!(more.validate(), Err(HistogramError::CountMismatch(3, 4)));
        more.sum = f64::NAN;
        assert_eq!(more.validate(), Ok(()), "observations of NaN are in no bucket");
        for schema in [-5, 9, 52, -54] {
            let wrong = whole(schema, &[(0, 2)], &[1, 2]);
            assert_eq!(wrong.validate(), Err(HistogramError::Schema(schema)));
        }
        let float = |count, zero| {
            let counts = Counts { count, zero, ..Counts::default() };
            NativeHistogram { observations: Observations::Float(counts), ..good.clone() }
        };
        assert_eq!(float(7.0, 1.0).validate(), Ok(()), "floats need not add up");
        assert_eq!(float(-1.0, 0.0).validate(), Err(HistogramError::NegativeCount));
        assert_eq!(float(1.0, -0.5).validate(), Err(HistogramError::NegativeCount));
        let custom = |bounds: &[f64], zero_threshold| NativeHistogram {
            custom: bounds.to_vec(),
            zero_threshold,
            ..whole(CUSTOM_BUCKETS, &[(0, 2)], &[1, 2])
        };
        assert_eq!(custom(&[1.0], 0.0).validate(), Ok(()));
        for wrong in [
            custom(&[], 0.0),
            custom(&[1.0], 0.1),
            custom(&[2.0, 1.0], 0.0),
            custom(&[1.0, f64::NAN], 0.0),
            custom(&[1.0, f64::INFINITY], 0.0),
        ] {
            assert!(matches!(wrong.validate(), Err(HistogramError::Custom(_))), "{wrong:?}");
        }
    }

    #[test]
    fn a_factor_asks_for_a_schema() {
        for (factor, schema) in [
            (0.0, 8),
            (1.0, 8),
            (1.002, 8),
            (1.1, 2),
            (1.1892, 2),
            (1.19, 1),
            (2.0, 0),
            (4.0, -1),
            (65_536.0, -4),
            (1e300, -4),
            (f64::NAN, 8),
        ] {
            assert_eq!(schema_of_factor(factor), schema, "{factor}");
        }
    }

    fn converted(count: f64, buckets: &[(f64, f64)]) -> Result<NativeHistogram, HistogramError> {
        let mut classic = Classic::default();
        classic.count(count);
        classic.sum(5.5);
        for (bound, count) in buckets {
            classic.bucket(*bound, *count);
        }
        classic.convert()
    }

    #[test]
    fn classic_ones_become_custom_buckets() {
        let inf = f64::INFINITY;
        let got = converted(9.0, &[(1.0, 2.0), (2.0, 2.0), (5.0, 6.0), (inf, 9.0)]).expect("good");
        assert_eq!(
            (got.schema, got.sum, &got.custom[..]),
            (CUSTOM_BUCKETS, 5.5, &[1.0, 2.0, 5.0][..])
        );
        assert_eq!(parts(&got).1, [(0, 4)]);
        assert_eq!(parts(&got).2, [2, 0, 4, 3], "one empty bucket is not worth a span");
        assert_eq!(got.validate(), Ok(()));
        let same = converted(9.0, &[(5.0, 6.0), (2.0, 2.0), (1.0, 2.0), (1.0, 7.0)]).expect("good");
        assert_eq!(same, got, "in any order, without the last bucket, with one there twice");
        let bounds = [1.0, 2.0, 3.0, 4.0, 5.0];
        let wide: Vec<(f64, f64)> =
            bounds.iter().map(|bound| (*bound, if *bound < 5.0 { 1.0 } else { 2.0 })).collect();
        let got = converted(2.0, &wide).expect("good");
        assert_eq!((parts(&got).1, parts(&got).2), (vec![(0, 1), (3, 1)], vec![1, 1]));
        let got = converted(1.5, &[(1.0, 0.5)]).expect("good");
        let Observations::Float(counts) = &got.observations else { panic!("floats") };
        assert_eq!((counts.count, &counts.positive.counts[..]), (1.5, &[0.5, 1.0][..]));
        assert_eq!(got.validate(), Ok(()));
        let none = converted(0.0, &[]).expect("good");
        assert_eq!((none.buckets(), none.validate()), (0, Ok(())));
    }

    #[test]
    fn classic_ones_that_contradict_themselves_are_refused() {
        let inf = f64::INFINITY;
        for (count, buckets) in [
            (3.0, &[(1.0, 2.0), (inf, 4.0)][..]),
            (3.0, &[(1.0, 4.0), (2.0, 3.0)]),
            (3.0, &[(2.0, 1.0), (1.0, 2.0)]),
            (3.0, &[(f64::NAN, 1.0)]),
            (3.0, &[(1.0, -1.0)]),
            (-1.0, &[]),
            (f64::NAN, &[(1.0, 1.0)]),
        ] {
            assert!(converted(count, buckets).is_err(), "{count} {buckets:?}");
        }
        let mut classic = Classic::default();
        classic.bucket(f64::NAN, 1.0);
        classic.clear();
        classic.bucket(1.0, 2.0);
        assert!(classic.convert().is_ok(), "without a count the last bucket's stands");
    }
}
