//! A log, a dictionary and a table without a shard around them.

use corelane::base::Timestamp;
use corelane::exposition::{Entry, Format, Parser};
use corelane::model::{LabelsBuilder, SeriesRef, pack};
use corelane::series::{Descriptions, Feed, Table};
use corelane::wal::{Dictionary, Identity, Log, Region, Seq};

use crate::harness::Page;

const SEGMENT_BYTES: usize = 16 << 20;

/// An empty feed with room.
pub fn feed() -> Feed {
    let identity = Identity { store: [7; 16], shard: 0, start: 1, epoch: 0 };
    let mut feed = Feed {
        log: Log::open(identity, SEGMENT_BYTES, Vec::new(), Seq(0), 1, &mut |_, _| {}),
        dictionary: Dictionary::open(identity, SEGMENT_BYTES, Vec::new(), 2, &mut |_| None),
        table: Table::new(3),
        descriptions: Descriptions::default(),
    };
    feed.dictionary.give_spare(0, Region::heap(SEGMENT_BYTES));
    refill(&mut feed);
    feed
}

/// Gives the log a spare if it wants one: the memory of what it no longer needs, as a disk helper recycles files.
pub fn refill(feed: &mut Feed) {
    if feed.log.wants_spare() {
        let below = feed.log.end().seq();
        let old = feed.log.retire(below).pop().and_then(|old| old.region);
        let region = old.unwrap_or_else(|| Region::heap(SEGMENT_BYTES));
        feed.log.give_spare(0, region);
    }
}

/// Refs of a page's series.
pub fn intern(feed: &mut Feed, page: &Page) -> Vec<SeriesRef> {
    let mut refs = Vec::new();
    for packed in series_texts(page).iter().map(|text| packed(text)) {
        let (series, _) = feed
            .table
            .intern(&mut feed.dictionary, &packed, 0, 0, Seq(1), Timestamp(0))
            .expect("the dictionary has room");
        refs.push(series);
    }
    refs
}

/// The texts before the values.
pub fn series_texts(page: &Page) -> Vec<Vec<u8>> {
    let mut texts = Vec::new();
    each_series(page, |text, _| texts.push(text.to_vec()));
    texts
}

pub fn values(page: &Page) -> Vec<f64> {
    let mut values = Vec::new();
    each_series(page, |_, value| values.push(value));
    values
}

fn packed(text: &[u8]) -> Vec<u8> {
    let (mut labels, mut packed) = (LabelsBuilder::default(), Vec::new());
    Parser::new(Format::Text).labels(text, &mut labels).expect("a good series");
    labels.set("instance", "node-00000:9100");
    labels.set("job", "kubelet");
    pack(labels.iter(), &mut packed);
    packed
}

fn each_series(page: &Page, mut visit: impl FnMut(&[u8], f64)) {
    let mut parser = Parser::new(Format::Text);
    for line in page.body().split(|byte| *byte == b'\n') {
        if let Ok(Entry::Series(series)) = parser.line(line) {
            visit(series.text, series.value);
        }
    }
}
