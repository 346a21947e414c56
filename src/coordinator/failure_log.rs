//! `scrape_failure_log_file`: a line of JSON for each failed scrape of the jobs that ask for it.

use std::collections::HashMap;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::mail::Failure;
use crate::telemetry::rfc3339;

/// Files that are written to, opened when first needed.
// spec: SCR-77
#[derive(Debug, Default)]
pub struct FailureLog {
    files: HashMap<PathBuf, Option<File>>,
}

impl FailureLog {
    /// After a reload every file is opened anew, so that one that was moved away is made again.
    pub fn reopen(&mut self) {
        self.files.clear();
    }

    /// Appends a line. An error is given once per file and reload; what cannot be written then is not.
    pub fn write(&mut self, path: &Path, failure: &Failure) -> Option<String> {
        let mut trouble = None;
        let file = self.files.entry(path.to_owned()).or_insert_with(|| {
            let opened = File::options().create(true).append(true).open(path);
            opened.map_err(|error| trouble = Some(error.to_string())).ok()
        });
        let line = json!({
            "time": rfc3339(failure.time),
            "level": "ERROR",
            "msg": failure.error,
            "job_name": failure.job,
            "target": failure.url,
        });
        if let Some(open) = file
            && let Err(error) = open.write_all(format!("{line}\n").as_bytes())
        {
            trouble = Some(error.to_string());
            *file = None;
        }
        trouble.map(|error| format!("{}: {error}", path.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Timestamp;

    #[test]
    fn each_failure_is_a_line_of_json_and_a_moved_file_is_made_again() {
        let dir = std::env::temp_dir().join(format!("corelane-failures-{}", std::process::id()));
        std::fs::create_dir_all(&dir).expect("made");
        let path = dir.join("failures.json");
        let failure = Failure {
            job: "j".to_owned(),
            url: "http://a/metrics".to_owned(),
            time: Timestamp(1_700_000_000_123),
            error: "server returned HTTP status 500 \"oh\"".to_owned(),
        };
        let mut log = FailureLog::default();
        assert_eq!((log.write(&path, &failure), log.write(&path, &failure)), (None, None));
        let lines = std::fs::read_to_string(&path).expect("written");
        let read: Vec<serde_json::Value> =
            lines.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        assert_eq!(read.len(), 2);
        assert_eq!(read[0]["msg"], failure.error);
        assert_eq!((&read[0]["job_name"], &read[0]["target"]), (&json!("j"), &json!(failure.url)));
        std::fs::remove_file(&path).expect("removed");
        log.reopen();
        assert_eq!(log.write(&path, &failure), None);
        assert!(path.exists());
        let nowhere = dir.join("no/such/dir");
        assert!(log.write(&nowhere, &failure).is_some());
        assert_eq!(log.write(&nowhere, &failure), None);
        std::fs::remove_dir_all(&dir).expect("removed");
    }
}
