//! Page bytes to entries, and series texts to labels. Time is per line, of protobuf pages per sample.

mod harness;

use corelane::base::stable_hash;
use corelane::exposition::{Entry, Families, Format, Parser};
use corelane::model::{HistogramRules, LabelsBuilder};

use crate::harness::{Bench, Done, Page};

const TEXT: [&[u8]; 4] = [
    include_bytes!("../tests/compat/corpus/exposition/fastapi.prom.txt"),
    include_bytes!("../tests/compat/corpus/exposition/perl-client.prom.txt"),
    include_bytes!("../tests/compat/corpus/exposition/python-client-utf8.prom.txt"),
    include_bytes!("../tests/compat/corpus/exposition/rust-prometheus.prom.txt"),
];
const OPENMETRICS: [&[u8]; 3] = [
    include_bytes!("../tests/compat/corpus/exposition/caddy.om.txt"),
    include_bytes!("../tests/compat/corpus/exposition/nodejs-promclient.om.txt"),
    include_bytes!("../tests/compat/corpus/exposition/python-client-utf8.om.txt"),
];

const PROTOBUF: [&[u8]; 3] = [
    include_bytes!("../tests/compat/corpus/exposition/blackbox-probe.pb"),
    include_bytes!("../tests/compat/corpus/exposition/golang-client-utf8.pb"),
    include_bytes!("../tests/compat/corpus/exposition/rust-prometheus.pb"),
];

fn main() {
    let bench = Bench::new("parse");
    let mut page = Page::new(0, bench.size(100, 5000), 0.0);
    page.turn(1);
    let wide = [page.body()];
    for (name, format, pages) in [
        ("wide", Format::Text, &wide[..]),
        ("text", Format::Text, &TEXT),
        ("openmetrics", Format::OpenMetrics, &OPENMETRICS),
    ] {
        let times = if name == "wide" { 1 } else { bench.size(1, 20) };
        bench.case(name, || (0..times).fold(Done::default(), |done, _| lines(done, format, pages)));
        bench.case(&format!("{name}-labels"), || {
            (0..times).fold(Done::default(), |done, _| labels(done, format, pages))
        });
    }
    for (name, native) in [("protobuf", false), ("protobuf-native", true)] {
        let rules = HistogramRules { native, ..HistogramRules::default() };
        let times = bench.size(1, 20);
        bench.case(name, || (0..times).fold(Done::default(), |done, _| samples(done, rules)));
    }
}

/// What every metric of every scrape goes through, as far as the hash of each sample's text. The count is of samples.
fn samples(mut done: Done, rules: HistogramRules) -> Done {
    let mut families = Families::default();
    for page in PROTOBUF {
        families.reset();
        let mut rest = page;
        while let Some(piece) = families.piece(rest).expect("a good page") {
            let samples = piece.metric().map_or(Ok(0), |metric| families.metric(metric, rules));
            for number in 0..samples.expect("a good metric") {
                let series = families.sample(number).expect("within the metric");
                done.count += 1;
                done.hash = done.hash.rotate_left(5) ^ stable_hash(series.text);
            }
            families.pass(&piece);
            rest = &rest[piece.used..];
        }
        done.bytes += page.len() as u64;
    }
    done
}

/// What every line of every scrape goes through.
fn lines(mut done: Done, format: Format, pages: &[&[u8]]) -> Done {
    for page in pages {
        let mut parser = Parser::new(format);
        each_line(page, |line| {
            done.count += 1;
            if let Entry::Series(series) = parser.line(line).expect("a good page") {
                let found = series.value.to_bits() ^ series.text.len() as u64;
                done.hash = done.hash.rotate_left(5) ^ found;
            }
        });
        done.bytes += page.len() as u64;
    }
    done
}

/// What lines that are new go through.
fn labels(mut done: Done, format: Format, pages: &[&[u8]]) -> Done {
    let mut out = LabelsBuilder::default();
    for page in pages {
        let mut parser = Parser::new(format);
        each_line(page, |line| {
            done.count += 1;
            if let Entry::Series(series) = parser.line(line).expect("a good page") {
                parser.labels(series.text, &mut out).expect("a good series");
                let last = out.iter().last().map_or("", |(_, value)| value);
                let found = stable_hash(last.as_bytes()) ^ out.len() as u64;
                done.hash = done.hash.rotate_left(5) ^ found;
            }
        });
        done.bytes += page.len() as u64;
    }
    done
}

fn each_line<'a>(page: &'a [u8], mut visit: impl FnMut(&'a [u8])) {
    let mut from = 0;
    for end in memchr::memchr_iter(b'\n', page) {
        visit(&page[from..end]);
        from = end + 1;
    }
}
