//! Any text as a configuration and as a discovery file: no panic, and what is accepted prints and reads again.

#![no_main]

use std::path::Path;

use corelane::config::{build_targets, parse, parse_file_sd};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = core::str::from_utf8(bytes) else {
        return;
    };
    for name in ["f.yml", "f.json"] {
        if let Err(error) = parse_file_sd(text, Path::new(name)) {
            assert!(error.line > 0 && !error.field.is_empty());
        }
    }
    match parse(text, Path::new("f.yml"), &|_| None) {
        Err(error) => assert!(error.line > 0 && !error.field.is_empty()),
        Ok((config, _)) => {
            for job in &config.scrape_configs {
                build_targets(job, &job.static_configs);
            }
            let printed = config.to_yaml();
            // YAML takes no longer key than this on one line.
            if text.len() < 1000 {
                assert!(
                    parse(&printed, Path::new("f.yml"), &|_| None).is_ok(),
                    "{printed}"
                );
            }
        }
    }
});
