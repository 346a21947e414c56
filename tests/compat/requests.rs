//! What is sent of a page, read by a decoder that is not ours: the same bytes as an ordinary encoder writes.

use std::collections::HashMap;

use corelane::model::SeriesRef;
use corelane::send::{Body, Stencils};
use corelane::wire::remote_v1::put_sample;

/// Packed labels, value and time of each sample of a page. It is sent several times, whole and in parts.
pub fn check_requests(samples: &[(&[u8], f64, Option<i64>)]) -> Result<(), String> {
    let mut refs: HashMap<&[u8], u32> = HashMap::new();
    let numbered = samples.iter().map(|(labels, value, time)| {
        let next = refs.len() as u32;
        (*refs.entry(labels).or_insert(next), *labels, *value, *time)
    });
    let samples: Vec<(u32, &[u8], f64, Option<i64>)> = numbered.collect();
    let labels: HashMap<u32, &[u8]> =
        refs.iter().map(|(labels, series)| (*series, *labels)).collect();
    let mut stencils = Stencils::default();
    for scrape in 0..4 {
        let part = if scrape == 2 { 7 } else { samples.len().max(1) };
        for samples in samples.chunks(part) {
            let (mut body, mut raw, mut out) = (Body::default(), Vec::new(), Vec::new());
            stencils.open(&body);
            for (number, (series, packed, value, time)) in samples.iter().enumerate() {
                if scrape == 3 && number % 5 == 0 {
                    continue;
                }
                let time = time.unwrap_or(1_790_000_000_000 + 10_000 * scrape);
                put_sample(&mut raw, packed, *value, time);
                stencils.put(&mut body, SeriesRef(*series), *value, time, &mut |series, out| {
                    let known = labels.get(&series.0);
                    known.map(|labels| out.extend_from_slice(labels)).is_some()
                });
            }
            stencils.close(&mut body);
            body.write_to(&mut out);
            let decoded = snap::raw::Decoder::new().decompress_vec(&out);
            if decoded.map_err(|error| error.to_string())? != raw {
                return Err(format!("scrape {scrape} is sent as another message"));
            }
        }
    }
    Ok(())
}
