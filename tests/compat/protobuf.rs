//! Protobuf pages, for the tests of the exposition formats.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use corelane::exposition::{Families, Format, ParseError, Parser};
use corelane::model::{
    Counts, HistogramRules, NativeHistogram, Observations, Side, pack_histogram,
};

use crate::exposition::{Page, read_series};

const NATIVE: HistogramRules = HistogramRules { native: true, classic: true, convert: false };

/// Reads a protobuf page that comes in parts of so many bytes.
pub fn read_families(body: &[u8], part: usize, rules: HistogramRules) -> Result<Page, String> {
    let (mut page, mut families) = (Page::default(), Families::default());
    families.reset();
    let parser = Parser::new(Format::Protobuf);
    let mut rest = Vec::new();
    let text = |error: ParseError| error.to_string();
    for part in body.chunks(part) {
        rest.extend_from_slice(part);
        let mut used = 0;
        while let Some(piece) = families.piece(&rest[used..]).map_err(text)? {
            if let Some(metric) = piece.metric() {
                for number in 0..families.metric(metric, rules).map_err(text)? {
                    let series = families.sample(number).expect("within the metric");
                    read_series(&parser, &series, &mut page).map_err(text)?;
                }
            }
            families.pass(&piece);
            used += piece.used;
        }
        rest.drain(..used);
    }
    families.finish(&rest).map_err(text)?;
    Ok(page)
}

/// Takes the classic series of native histograms out of `samples`, and gives the number of the latter. Prometheus 3.5,
/// which made the expected files, shows neither where native ones are not wanted; 3.14 shows the classic ones.
// spec: SCR-74
pub fn without_native(
    samples: &mut Vec<(String, f64, Option<i64>)>,
    native: &str,
) -> Result<u64, String> {
    let series = native.lines().filter_map(|line| Some(line.split_once(" histogram {")?.0));
    let split = |series: &str| match series.split_once('{') {
        Some((name, labels)) => (name.to_owned(), format!("{{{labels}")),
        None => (series.to_owned(), String::new()),
    };
    let (mut names, mut count) = (BTreeSet::new(), 0);
    for series in series {
        let (name, labels) = split(series);
        for wanted in [format!("{name}_count{labels}"), format!("{name}_sum{labels}")] {
            if !samples.iter().any(|(got, _, _)| *got == wanted) {
                return Err(format!("{wanted} is missing"));
            }
        }
        names.extend(["count", "sum", "bucket"].map(|suffix| format!("{name}_{suffix}")));
        count += 1;
    }
    samples.retain(|(series, _, _)| !names.contains(&split(series).0));
    Ok(count)
}

/// With native histograms wanted: the same series as Prometheus, and the histograms bucket for bucket.
pub fn check_native(page: Page, expected: &str) -> Result<(), String> {
    let mut wanted: BTreeMap<&str, &str> =
        expected.lines().filter_map(|line| line.split_once(" histogram ")).collect();
    let mut floats: BTreeSet<&str> = expected
        .lines()
        .filter(|line| !line.contains(" histogram {"))
        .filter_map(|line| Some(line.rsplit_once(' ')?.0))
        .collect();
    for (series, histogram) in &page.histograms {
        let wanted = wanted.remove(series.as_str()).ok_or(format!("{series} is not wanted"))?;
        let wanted: Value = serde_json::from_str(wanted).map_err(|error| error.to_string())?;
        histogram.validate().map_err(|error| format!("{series}: {error}"))?;
        let got = Shown::of(histogram);
        let number = |value: &Value| value.as_str().and_then(|text| text.parse().ok());
        let buckets = wanted["buckets"].as_array().map_or(&[][..], Vec::as_slice);
        let buckets: Option<Vec<[f64; 3]>> = buckets
            .iter()
            .map(|bucket| Some([number(&bucket[1])?, number(&bucket[2])?, number(&bucket[3])?]))
            .collect();
        let wanted = Shown {
            count: number(&wanted["count"]).unwrap_or(f64::NAN),
            sum: number(&wanted["sum"]).unwrap_or(f64::NAN),
            buckets: buckets.ok_or(format!("{series}: buckets that are no numbers"))?,
        };
        if !got.is_like(&wanted) {
            return Err(format!("{series} is {got:?}, wanted {wanted:?}"));
        }
    }
    if let Some((series, _)) = wanted.first_key_value() {
        return Err(format!("{series} is missing"));
    }
    for (series, _, _) in &page.samples {
        floats.remove(series.as_str());
    }
    match floats.first() {
        Some(series) => Err(format!("{series} is missing with native histograms wanted")),
        None => Ok(()),
    }
}

/// What the query API shows of a histogram: lower bound, upper bound and count of each bucket that is not empty.
#[derive(Debug)]
struct Shown {
    count: f64,
    sum: f64,
    buckets: Vec<[f64; 3]>,
}

impl Shown {
    fn of(histogram: &NativeHistogram) -> Shown {
        let base = 2f64.powf(2f64.powi(-histogram.schema));
        let threshold = histogram.zero_threshold;
        let (count, zero, positive, negative) = match &histogram.observations {
            Observations::Whole(counts) => {
                let Counts { count, zero, positive, negative } = counts;
                let double = |count: &u64| *count as f64;
                (double(count), double(zero), placed(positive, double), placed(negative, double))
            }
            Observations::Float(counts) => {
                let Counts { count, zero, positive, negative } = counts;
                let double = |count: &f64| *count;
                (*count, *zero, placed(positive, double), placed(negative, double))
            }
        };
        let bound = |index: i32| base.powi(index);
        let mut buckets: Vec<[f64; 3]> = negative
            .iter()
            .rev()
            .map(|(index, count)| [-bound(*index), -bound(index - 1), *count])
            .collect();
        if zero > 0.0 {
            buckets.push([-threshold, threshold, zero]);
        }
        buckets.extend(
            positive.iter().map(|(index, count)| [bound(index - 1), bound(*index), *count]),
        );
        Shown { count, sum: histogram.sum, buckets }
    }

    /// Bounds are computed in another way here.
    fn is_like(&self, other: &Shown) -> bool {
        let near = |a: f64, b: f64| a == b || (a - b).abs() <= b.abs() * 1e-9;
        let pairs = self.buckets.iter().zip(&other.buckets);
        (self.count, self.sum) == (other.count, other.sum)
            && self.buckets.len() == other.buckets.len()
            && pairs.clone().all(|(a, b)| near(a[0], b[0]) && near(a[1], b[1]) && a[2] == b[2])
    }
}

/// Indexes and counts.
fn placed<C>(side: &Side<C>, double: impl Fn(&C) -> f64) -> Vec<(i32, f64)> {
    let (mut index, mut counts) = (0, side.counts.iter());
    let mut placed = Vec::new();
    for span in &side.spans {
        index += span.offset;
        for count in counts.by_ref().take(span.length as usize) {
            placed.push((index, double(count)));
            index += 1;
        }
    }
    placed
}

#[test]
fn a_page_reads_the_same_however_it_is_cut() {
    let body = include_bytes!("corpus/exposition/golang-client-utf8.pb");
    let whole = format!("{:?}", read_families(body, body.len(), NATIVE).expect("a good page"));
    for part in [1, 7, 100] {
        let got = read_families(body, part, NATIVE).expect("a good page");
        assert!(format!("{got:?}") == whole, "parts of {part}");
    }
}

#[test]
fn a_page_that_ends_within_a_family_is_refused() {
    let body = include_bytes!("corpus/exposition/golang-client-utf8.pb");
    let ends = (1..body.len()).step_by(97);
    let refused =
        ends.clone().filter(|&end| read_families(&body[..end], 4096, NATIVE).is_err()).count();
    // Every 290 bytes or so one lies between two families.
    assert!(refused > ends.len() * 9 / 10, "{refused} of {}", ends.len());
}

#[test]
fn no_cut_or_changed_page_makes_it_panic() {
    let body = include_bytes!("corpus/exposition/golang-client-utf8.pb");
    for end in (0..body.len()).step_by(97) {
        let _ = read_families(&body[..end], 4096, NATIVE);
    }
    let rules = [
        NATIVE,
        HistogramRules { convert: true, ..HistogramRules::default() },
        HistogramRules { convert: true, ..NATIVE },
    ];
    for (number, place) in (0..body.len()).step_by(13).enumerate() {
        for change in [0x01, 0x80, 0xff] {
            let mut changed = body.to_vec();
            changed[place] ^= change;
            let Ok(page) = read_families(&changed, 4096, rules[number % rules.len()]) else {
                continue;
            };
            for (_, mut histogram) in page.histograms {
                let limited = histogram.limit(2, 10);
                assert!(limited.is_err() || histogram.buckets() <= 10);
                let _ = histogram.validate();
                pack_histogram(&histogram, &mut Vec::new());
            }
        }
    }
}
