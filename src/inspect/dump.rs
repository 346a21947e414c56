//! `dump`: samples as text, one on a line.

use core::fmt::Write as _;
use std::io::Write;

use crate::disk::StoppedStore;
use crate::flags::Dump;
use crate::inspect::error::InspectError;
use crate::inspect::reader::{Met, ShardReader, shards};
use crate::inspect::verify::shown;
use crate::model::{HistogramSummary, NAN, PackedLabels, is_stale};
use crate::wal::{Place, Seq};

/// What a dump came by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dumped {
    pub samples: u64,
    /// Samples that cannot be read, or have no labels.
    pub lost: u64,
}

/// Writes samples to `out` and what is lost to `notes`.
pub fn dump(
    asked: &Dump,
    out: &mut dyn Write,
    notes: &mut dyn Write,
) -> Result<Dumped, InspectError> {
    let store = StoppedStore::open(&asked.dir)?;
    let from = asked.from.map_or(Place::ZERO, |(seq, offset)| Place::new(Seq(seq), offset));
    let mut dumped = Dumped::default();
    let limit = asked.limit.unwrap_or(u64::MAX);
    let mut line = String::new();
    for (number, dir) in shards(&store, asked.shard)? {
        let mut shard = ShardReader::open(&store, &dir)?;
        let mut at = from;
        while let Some(met) = shard.next(&store, at)? {
            let (place, next) = match met {
                Met::Frame { place, next } => (place, next),
                Met::Lost { place, next, lost } => {
                    dumped.lost += lost;
                    let at_place = shown(place);
                    writeln!(notes, "shard {number}: {lost} samples at {at_place} cannot be read")?;
                    at = next;
                    continue;
                }
            };
            let frame = &shard.decoded;
            let samples = frame.refs.iter().zip(&frame.times);
            for (index, (series, time)) in samples.enumerate() {
                if dumped.samples == limit {
                    let at_place = shown(place);
                    writeln!(
                        notes,
                        "shard {number}: go on with --shard {number} --from {at_place}"
                    )?;
                    return Ok(dumped);
                }
                let Some(labels) = shard.labels(*series) else {
                    dumped.lost += 1;
                    let at_place = shown(place);
                    writeln!(
                        notes,
                        "shard {number}: a sample at {at_place} is of series {}, which has no definition",
                        series.0
                    )?;
                    continue;
                };
                line.clear();
                let value = match frame.histogram(index) {
                    Some(packed) => histogram(packed),
                    None => decimal(frame.values[index]),
                };
                match asked.json {
                    true => json(&mut line, number, place, labels, &value, *time),
                    false => text(&mut line, labels, &value, *time),
                }
                out.write_all(line.as_bytes())?;
                dumped.samples += 1;
            }
            at = next;
        }
    }
    Ok(dumped)
}

/// `name{label="value"} value milliseconds`.
fn text(line: &mut String, labels: &[u8], value: &str, time: i64) {
    let labels = PackedLabels(labels);
    line.push_str(labels.get("__name__"));
    let mut rest = labels.iter().filter(|(name, _)| *name != "__name__").peekable();
    if rest.peek().is_some() {
        line.push('{');
        for (index, (name, value)) in rest.enumerate() {
            line.push_str(if index == 0 { "" } else { "," });
            line.push_str(name);
            line.push_str("=\"");
            for c in value.chars() {
                match c {
                    '\\' => line.push_str("\\\\"),
                    '"' => line.push_str("\\\""),
                    '\n' => line.push_str("\\n"),
                    c => line.push(c),
                }
            }
            line.push('"');
        }
        line.push('}');
    }
    // Writing to a string cannot fail.
    writeln!(line, " {value} {time}").unwrap_or_default();
}

fn json(line: &mut String, shard: u16, place: Place, labels: &[u8], value: &str, time: i64) {
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    let labels: Vec<String> = PackedLabels(labels)
        .iter()
        .map(|(name, value)| format!("{}:{}", quoted(name), quoted(value)))
        .collect();
    writeln!(
        line,
        "{{\"shard\":{shard},\"place\":\"{}\",\"labels\":{{{}}},\"value\":\"{value}\",\"timestamp\":{time}}}",
        shown(place),
        labels.join(",")
    )
    .unwrap_or_default();
}

/// Of a native histogram only what it says first, without its buckets.
fn histogram(packed: &[u8]) -> String {
    let HistogramSummary { count, sum, schema } = HistogramSummary::of(packed);
    format!("histogram(count={},sum={},schema={schema})", decimal(count), decimal(sum))
}

/// Reads back as the same bits: the shortest decimal, and for other NaNs than the ordinary one their bits.
fn decimal(value: f64) -> String {
    match value {
        _ if is_stale(value) => "StaleNaN".to_owned(),
        _ if value.to_bits() == NAN.to_bits() => "NaN".to_owned(),
        _ if value.is_nan() => format!("NaN:{:016x}", value.to_bits()),
        f64::INFINITY => "+Inf".to_owned(),
        f64::NEG_INFINITY => "-Inf".to_owned(),
        _ => {
            let text = format!("{value:?}");
            text.strip_suffix(".0").unwrap_or(&text).to_owned()
        }
    }
}
