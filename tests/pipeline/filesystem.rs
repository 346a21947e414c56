//! A small filesystem of its own under an agent's data: it can be filled, freed and broken. Needs root.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::scratch::Scratch;

/// Unmounted when dropped.
#[derive(Debug)]
pub struct Filesystem {
    path: PathBuf,
}

impl Filesystem {
    /// In memory, of so many megabytes. `None`, and the reason printed, where that may not be done.
    pub fn tmpfs(scratch: &Scratch, megabytes: u64) -> Option<Filesystem> {
        let size = format!("size={megabytes}m");
        Filesystem::mount(scratch, &["-t", "tmpfs", "-o", &size, "tmpfs"])
    }

    /// As [`Filesystem::tmpfs`], ext4 in a file.
    pub fn ext4(scratch: &Scratch, megabytes: u64) -> Option<Filesystem> {
        let image = scratch.path("image");
        let file = File::create(&image).expect("an image");
        file.set_len(megabytes << 20).expect("an image");
        let image = image.to_str().expect("a path in letters");
        if !ran("mkfs.ext4", &["-q", "-m", "0", "-F", image]) {
            println!("skipped: there is no mkfs.ext4");
            return None;
        }
        Filesystem::mount(scratch, &["-o", "loop,errors=remount-ro", image])
    }

    fn mount(scratch: &Scratch, what: &[&str]) -> Option<Filesystem> {
        let path = scratch.path("mounted");
        fs::create_dir_all(&path).expect("a folder to mount at");
        if !ran("mount", &[what, &[path.to_str().expect("a path in letters")]].concat()) {
            println!("skipped: mounting a filesystem needs root");
            return None;
        }
        Some(Filesystem { path })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    fn filler(&self) -> PathBuf {
        self.path.join("filler")
    }

    /// Takes all the room that is left.
    pub fn fill(&self) {
        let mut file = File::create(self.filler()).expect("a file");
        for bytes in [1 << 20, 4096] {
            let some = vec![1; bytes];
            while file.write_all(&some).is_ok() {}
        }
        drop(file.sync_data());
    }

    pub fn free(&self) {
        fs::remove_file(self.filler()).expect("removing what fills it");
    }

    /// The kernel finds an error in it, and makes it read-only. False where it cannot be told to.
    pub fn break_it(&self) -> bool {
        let found = Command::new("findmnt").args(["-no", "SOURCE"]).arg(&self.path).output();
        let device = found.map(|found| String::from_utf8_lossy(&found.stdout).trim().to_owned());
        let Some(name) = device.ok().and_then(|d| Some(d.rsplit_once('/')?.1.to_owned())) else {
            return false;
        };
        fs::write(format!("/sys/fs/ext4/{name}/trigger_fs_error"), "1").is_ok()
    }
}

fn ran(program: &str, arguments: &[&str]) -> bool {
    Command::new(program).args(arguments).output().is_ok_and(|done| done.status.success())
}

impl Drop for Filesystem {
    fn drop(&mut self) {
        ran("umount", &["-l", self.path.to_str().expect("a path in letters")]);
    }
}
