//! A small filesystem of its own, and somebody who fills it. Only root may mount one.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// How the small filesystem is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Tmpfs,
    /// In a file, mounted over a loop device.
    Ext4,
}

const MEGABYTES: u64 = 160;
const FILLER: &str = "filler";

/// A mounted filesystem; unmounted when dropped.
#[derive(Debug)]
pub struct Small {
    at: PathBuf,
}

impl Small {
    /// Mounts one at `at`, with its image beside it where it has one. The error says what is missing.
    pub fn mount(kind: Kind, at: &Path) -> Result<Small, String> {
        fs::create_dir_all(at).map_err(|error| error.to_string())?;
        let place = at.display().to_string();
        match kind {
            Kind::Tmpfs => {
                let size = format!("size={MEGABYTES}m");
                run("mount", &["-t", "tmpfs", "-o", &size, "tmpfs", &place])?;
            }
            Kind::Ext4 => {
                let image = format!("{place}.img");
                let file = File::create(&image).map_err(|error| error.to_string())?;
                file.set_len(MEGABYTES << 20).map_err(|error| error.to_string())?;
                // No blocks kept back for root, or the disk would not be full for it.
                run("mkfs.ext4", &["-q", "-m", "0", &image])?;
                run("mount", &["-o", "loop", &image, &place])?;
            }
        }
        Ok(Small { at: at.to_owned() })
    }

    /// Takes all space that is left.
    pub fn fill(&self) {
        let file = File::options().create(true).append(true).open(self.at.join(FILLER));
        let Ok(mut file) = file else { return };
        for size in [1 << 20, 1 << 16, 1 << 12, 1] {
            let block = vec![0x55; size];
            while file.write_all(&block).is_ok() {}
        }
    }

    /// Gives it back.
    pub fn empty(&self) {
        drop(fs::remove_file(self.at.join(FILLER)));
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        if let Err(error) = run("umount", &[&self.at.display().to_string()]) {
            eprintln!("{error}");
        }
    }
}

fn run(program: &str, args: &[&str]) -> Result<(), String> {
    let output = Command::new(program).args(args).output();
    let output = output.map_err(|error| format!("{program}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{program}: {}", String::from_utf8_lossy(&output.stderr).trim()))
}
