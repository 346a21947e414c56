//! Remote-write 1.0, and what of 2.0 is sent here, read a second time, by hand and to the letter, so that the program's own declaration of the messages
//! is not its own judge. Panics at whatever a sender should not write.

/// One sample of a request; `series` is a number of the remote's.
#[derive(Clone, Copy, Debug)]
pub struct Given {
    pub series: usize,
    pub value: f64,
    pub timestamp: i64,
}

/// One series of a request, its labels as they are written.
#[derive(Debug)]
pub struct WireSeries<'a> {
    pub labels: &'a [u8],
    pub samples: Samples<'a>,
}

/// (value, timestamp) of a series, in the order written.
#[derive(Debug)]
pub struct Samples<'a>(&'a [u8]);

enum Field<'a> {
    Bytes(&'a [u8]),
    Fixed(u64),
    Varint(u64),
}

pub fn write_request(mut bytes: &[u8]) -> impl Iterator<Item = WireSeries<'_>> {
    std::iter::from_fn(move || {
        let (number, field) = take(&mut bytes)?;
        let Field::Bytes(series) = field else { panic!("a series is a message") };
        assert_eq!(number, 1, "field of a WriteRequest");
        let mut rest = series;
        let mut samples_at = series.len();
        while let Some((number, _)) = take_at(&mut rest, series.len(), &mut samples_at) {
            assert!(number == 1 || number == 2, "field {number} of a TimeSeries");
        }
        let (labels, samples) = series.split_at(samples_at);
        assert!(!labels.is_empty(), "a series without labels");
        assert!(!samples.is_empty(), "a series without samples");
        Some(WireSeries { labels, samples: Samples(samples) })
    })
}

/// The entries of a message of 2.0: labels as 1.0 writes them, value, timestamp.
pub fn second_request(mut bytes: &[u8]) -> Vec<(Vec<u8>, f64, i64)> {
    let (mut symbols, mut entries): (Vec<&[u8]>, Vec<&[u8]>) = (Vec::new(), Vec::new());
    while let Some((number, field)) = take(&mut bytes) {
        let Field::Bytes(field) = field else { panic!("field {number} of a Request") };
        match number {
            4 => symbols.push(field),
            5 => entries.push(field),
            number => panic!("field {number} of a Request"),
        }
    }
    assert!(entries.is_empty() || symbols.first().is_some_and(|first| first.is_empty()));
    let distinct: std::collections::BTreeSet<_> = symbols.iter().collect();
    assert_eq!(distinct.len(), symbols.len(), "a symbol twice");
    entries.into_iter().map(|entry| second_entry(entry, &symbols)).collect()
}

fn second_entry(mut entry: &[u8], symbols: &[&[u8]]) -> (Vec<u8>, f64, i64) {
    let (mut labels, mut given) = (Vec::new(), None);
    while let Some((number, field)) = take(&mut entry) {
        match (number, field) {
            (1, Field::Bytes(mut refs)) => {
                while !refs.is_empty() {
                    let [name, value] = [(); 2].map(|()| symbols[varint(&mut refs) as usize]);
                    corelane::model::pack_label(&mut labels, name, value);
                }
            }
            (2, Field::Bytes(sample)) => {
                let again = given.replace(one_sample(sample));
                assert!(again.is_none(), "one sample an entry");
            }
            // What is said of the family.
            (5, Field::Bytes(_)) => {}
            (number, _) => panic!("field {number} of a TimeSeries"),
        }
    }
    let (value, timestamp) = given.expect("an entry has a sample");
    (labels, value, timestamp)
}

/// As [`take`], and notes where the samples begin: no label may follow.
fn take_at<'a>(
    rest: &mut &'a [u8],
    len: usize,
    samples_at: &mut usize,
) -> Option<(u64, Field<'a>)> {
    let at = len - rest.len();
    let found = take(rest)?;
    if found.0 == 2 {
        *samples_at = at.min(*samples_at);
    } else {
        assert_eq!(*samples_at, len, "a label after a sample");
    }
    Some(found)
}

impl Iterator for Samples<'_> {
    type Item = (f64, i64);

    fn next(&mut self) -> Option<(f64, i64)> {
        let (_, field) = take(&mut self.0)?;
        let Field::Bytes(sample) = field else { panic!("a sample is a message") };
        Some(one_sample(sample))
    }
}

fn one_sample(mut sample: &[u8]) -> (f64, i64) {
    let (mut value, mut timestamp) = (0.0, 0);
    while let Some(field) = take(&mut sample) {
        match field {
            (1, Field::Fixed(bits)) => value = f64::from_bits(bits),
            (2, Field::Varint(ms)) => timestamp = ms as i64,
            (number, _) => panic!("field {number} of a Sample"),
        }
    }
    (value, timestamp)
}

/// Names and values.
pub fn labels(mut written: &[u8]) -> Vec<(String, String)> {
    let mut labels = Vec::new();
    while let Some((_, Field::Bytes(mut label))) = take(&mut written) {
        let mut pair = [String::new(), String::new()];
        while let Some((number, field)) = take(&mut label) {
            let Field::Bytes(text) = field else { panic!("field {number} of a Label") };
            let text = std::str::from_utf8(text).expect("labels are UTF-8");
            pair[number as usize - 1] = text.to_owned();
        }
        let [name, value] = pair;
        labels.push((name, value));
    }
    labels
}

fn take<'a>(bytes: &mut &'a [u8]) -> Option<(u64, Field<'a>)> {
    if bytes.is_empty() {
        return None;
    }
    let key = varint(bytes);
    let field = match key & 7 {
        0 => Field::Varint(varint(bytes)),
        1 => {
            let (fixed, rest) = bytes.split_first_chunk::<8>().expect("eight bytes");
            *bytes = rest;
            Field::Fixed(u64::from_le_bytes(*fixed))
        }
        2 => {
            let len = varint(bytes) as usize;
            let (field, rest) = bytes.split_at_checked(len).expect("a field ends in its message");
            *bytes = rest;
            Field::Bytes(field)
        }
        kind => panic!("wire type {kind}"),
    };
    Some((key >> 3, field))
}

fn varint(bytes: &mut &[u8]) -> u64 {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first().expect("a varint ends");
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return value;
        }
    }
    panic!("a varint of more than ten bytes")
}
