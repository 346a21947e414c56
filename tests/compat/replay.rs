//! What the fuzzers are given to begin with goes through the same functions here: pages of both kinds, whole, cut short and
//! with single bytes changed, and answers of strange servers with gzip bodies.

use std::fs;
use std::path::Path;

#[path = "../../fuzz/checks/exposition.rs"]
mod exposition;
#[path = "../../fuzz/checks/http.rs"]
mod http;
#[path = "../../fuzz/checks/protobuf.rs"]
mod protobuf;

/// Pages longer than that are read whole, and not in variants.
const SMALL: usize = 8 << 10;

fn replay(folder: &str, least: usize, fits: impl Fn(&str) -> bool, check: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut read = 0;
    for entry in fs::read_dir(&folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().expect("a file").to_string_lossy().into_owned();
        if !fits(&name) {
            continue;
        }
        let bytes = fs::read(&path).expect("a file");
        read += 1;
        check(&bytes);
        if bytes.len() > SMALL {
            continue;
        }
        // Places spread over the file, each with another change.
        for step in 0..16 {
            let at = bytes.len() * step / 16;
            check(&bytes[..at]);
            let mut changed = bytes.clone();
            if let Some(byte) = changed.get_mut(at) {
                *byte ^= 1 << (step % 8);
                check(&changed);
            }
        }
    }
    assert!(read >= least, "{read} files in {}", folder.display());
}

const PAGES: &str = "tests/compat/corpus/exposition";

#[test]
fn pages_of_lines_go_through_the_fuzzer_s_check() {
    let page = |name: &str| name.ends_with(".prom.txt") || name.ends_with(".om.txt");
    replay(PAGES, 100, page, exposition::check);
}

#[test]
fn pages_of_messages_go_through_the_fuzzer_s_check() {
    replay(PAGES, 3, |name| name.ends_with(".pb"), protobuf::check);
}

#[test]
fn answers_and_gzip_bodies_go_through_the_fuzzer_s_check() {
    replay("fuzz/corpus/http", 25, |_| true, http::check);
}
