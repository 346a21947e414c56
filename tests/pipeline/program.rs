//! A program that a test has started: killed when dropped, its output kept in a file.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;

use crate::wait;

#[derive(Debug)]
pub struct Program {
    child: Child,
    log: PathBuf,
}

impl Program {
    /// Starts `command`; what it prints is appended to `log`.
    pub fn start(command: &mut Command, log: &Path) -> Program {
        let file = File::options().create(true).append(true).open(log);
        let file = file.expect("the log can be written");
        let copy = file.try_clone().expect("a file can be shared");
        let child = command.stdin(Stdio::null()).stdout(copy).stderr(file).spawn();
        let child = child.unwrap_or_else(|error| panic!("{command:?} does not start: {error}"));
        Program { child, log: log.to_owned() }
    }

    /// Sends a signal by name, such as `TERM`.
    pub fn signal(&self, name: &str) {
        let kill = format!("kill -{name} {}", self.child.id());
        let status = Command::new("sh").arg("-c").arg(kill).status();
        assert!(status.is_ok_and(|status| status.success()), "no signal could be sent");
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        self.child.kill().expect("a child can be killed");
        self.child.wait().expect("a child can be waited for");
    }

    /// Waits for its end.
    pub fn wait(&mut self) -> ExitStatus {
        wait::until("the program ends", || self.ended())
    }

    /// Its status when it has ended.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("a child can be asked")
    }

    /// What it has printed.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()).into_owned()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
        if thread::panicking() {
            let log = self.log();
            let lines: Vec<&str> = log.lines().collect();
            let tail = &lines[lines.len().saturating_sub(15)..];
            eprintln!("end of {}:\n{}", self.log.display(), tail.join("\n"));
        }
    }
}
