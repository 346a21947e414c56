//! Protobuf pages, for the tests of the exposition formats.

use std::collections::BTreeSet;

use corelane::exposition::{Families, Format, ParseError, Parser};

use crate::exposition::{Page, read_series};

/// Reads a protobuf page that comes in parts of so many bytes.
pub fn read_families(body: &[u8], part: usize) -> Result<Page, String> {
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
                for number in 0..families.metric(metric).map_err(text)? {
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

#[test]
fn a_page_reads_the_same_however_it_is_cut() {
    let body = include_bytes!("corpus/exposition/golang-client-utf8.pb");
    let whole = format!("{:?}", read_families(body, body.len()).expect("a good page"));
    for part in [1, 7, 100] {
        let got = read_families(body, part).expect("a good page");
        assert!(format!("{got:?}") == whole, "parts of {part}");
    }
}

#[test]
fn a_page_that_ends_within_a_family_is_refused() {
    let body = include_bytes!("corpus/exposition/golang-client-utf8.pb");
    let ends = (1..body.len()).step_by(97);
    let refused = ends.clone().filter(|&end| read_families(&body[..end], 4096).is_err()).count();
    // Every 290 bytes or so one lies between two families.
    assert!(refused > ends.len() * 9 / 10, "{refused} of {}", ends.len());
}

#[test]
fn no_cut_or_changed_page_makes_it_panic() {
    let body = include_bytes!("corpus/exposition/golang-client-utf8.pb");
    for end in (0..body.len()).step_by(97) {
        let _ = read_families(&body[..end], 4096);
    }
    for place in (0..body.len()).step_by(13) {
        for change in [0x01, 0x80, 0xff] {
            let mut changed = body.to_vec();
            changed[place] ^= change;
            let _ = read_families(&changed, 4096);
        }
    }
}
