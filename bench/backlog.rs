//! Adds a backlog to the data directory of a stopped agent: `backlog DIR MEGABYTES`. Frames of 5,000 random doubles,
//! as a target with that many series would have left them, in the log of shard 0. For measuring how long a start
//! takes beside a backlog of a given size; see `scripts/startup`.
#![expect(clippy::disallowed_methods, reason = "a program on the outside of the cores")]

use std::error::Error;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use corelane::base::{Random, Timestamp};
use corelane::disk::{Backend, Store, StoreOptions, SurveyOptions, survey};
use corelane::model::{Labels, SeriesRef, pack};
use corelane::wal::{Dictionary, DictionaryEntry, Log, Region, Samples, SegmentKind};

const SERIES: u32 = 5_000;
const SEGMENT_BYTES: usize = 16 << 20;

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<()> {
    let args: Vec<String> = std::env::args().collect();
    let [_, dir, megabytes] = &args[..] else {
        return Err("usage: backlog DIR MEGABYTES".into());
    };
    let bytes = megabytes.parse::<u64>()? << 20;
    let store = Store::open(Path::new(dir), StoreOptions { cores: 1, lock: true })?;
    let mut files = Files { dir: store.shard_dir(0)?, next: 20_000 };
    let options = SurveyOptions {
        store: store.id(),
        backend: Backend::Mmap,
        segment_bytes: SEGMENT_BYTES,
        adopted: false,
    };
    let found = survey(&files.dir, &options)?;
    let identity = store.identity(0);
    let mut refs = 0;
    let mut dictionary =
        Dictionary::open(identity, SEGMENT_BYTES, found.dictionary, 1, &mut |entry| {
            if let DictionaryEntry::Define { series, .. } = entry {
                refs = refs.max(series.0 + 1);
            }
            None
        });
    let mut log =
        Log::open(identity, SEGMENT_BYTES, found.samples, found.cursor_max, 1, &mut |_, _| {});
    let start = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis() as i64 - 3_600_000;
    let series: Vec<SeriesRef> = (refs..refs + SERIES).map(SeriesRef).collect();
    for one in &series {
        if dictionary.wants_spare() {
            let (slot, region) = files.spare(SegmentKind::Dictionary)?;
            dictionary.give_spare(slot, region);
        }
        dictionary.define(*one, 0, &labels(one.0), Timestamp(start)).map_err(|_| "no room")?;
    }
    let mut random = Random::new(7);
    let mut samples = 0u64;
    for scrape in 0.. {
        if log.wants_spare() {
            let (slot, region) = files.spare(SegmentKind::Samples)?;
            log.give_spare(slot, region);
        }
        let values: Vec<f64> =
            series.iter().map(|_| f64::from_bits(random.next_u64() >> 2)).collect();
        let time = Timestamp(start + scrape);
        let frame = Samples { lane: 7, time, refs: &series, values: &values, times: &[] };
        log.append(&frame, time).map_err(|_| "no room")?;
        samples += values.len() as u64;
        if log.counters().bytes >= bytes {
            break;
        }
    }
    store.close()?;
    println!("{samples} samples, {} bytes", log.counters().bytes);
    Ok(())
}

fn labels(number: u32) -> Vec<u8> {
    let labels = Labels::from_iter([
        ("__name__", "backlog_metric_with_a_usual_name".to_owned()),
        ("instance", "10.0.0.1:9100".to_owned()),
        ("job", "backlog".to_owned()),
        ("number", number.to_string()),
        ("pod", format!("gateway-7d9f8b6c5d-{number:05}")),
    ]);
    let mut packed = Vec::new();
    pack(labels.iter(), &mut packed);
    packed
}

/// Makes segment files, every byte written.
struct Files {
    dir: PathBuf,
    next: u16,
}

impl Files {
    fn spare(&mut self, kind: SegmentKind) -> Outcome<(u16, Region)> {
        let slot = self.next;
        self.next += 1;
        let extension = match kind {
            SegmentKind::Samples => "seg",
            SegmentKind::Dictionary => "def",
        };
        let path = self.dir.join(format!("{slot:05}.{extension}"));
        let mut file = File::options().read(true).write(true).create_new(true).open(path)?;
        let zeros = vec![0; 1 << 20];
        for _ in 0..SEGMENT_BYTES / zeros.len() {
            file.write_all(&zeros)?;
        }
        Ok((slot, Region::mapped(&file, SEGMENT_BYTES)?))
    }
}
