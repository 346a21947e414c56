//! Which runtime the cores will use: decided and said once, before the first core starts.

use std::io;

use crate::io::system;

/// What `--runtime` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RuntimeChoice {
    Auto,
    Uring,
    Epoll,
}

/// What the cores run on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Runtime {
    Uring,
    Epoll,
}

impl Runtime {
    /// As flags, logs and metric labels write it.
    pub fn name(self) -> &'static str {
        match self {
            Runtime::Uring => "uring",
            Runtime::Epoll => "epoll",
        }
    }
}

/// What `auto` takes where both are possible. Measured with 50 kB pages over keep-alive connections, starts on 10 ms
/// slots, client and server on one CPU each: 68-102 µs against 117-163 a scrape at 200 scrapes a second, 27-30 against
/// 38-50 at 2,000. `auto` may change sides when io_uring is within 10 %.
pub const AUTO_PREFERS: Runtime = Runtime::Epoll;

/// Why, for the log and the tuning guide.
pub const AUTO_REASON: &str = "epoll costs less CPU per scrape than io_uring in the paced scrape benchmark; \
                               --runtime=uring takes io_uring";

/// The least memlock limit that the uring runtime accepts, whatever the kernel needs.
const MEMLOCK_LEAST: u64 = 512 << 10;
/// What the rings of one core lock, rounded up.
const MEMLOCK_CORE: u64 = 256 << 10;

/// Decides, and raises the soft limits on locked memory and open files to the hard ones. With `Auto`, io_uring being
/// denied is one warning line that says the remedy; with `Uring` it is fatal with the same text.
// spec: runtime R9
pub fn preflight(choice: RuntimeChoice, cores: usize) -> Result<(Runtime, Option<String>), String> {
    system::ignore_sigpipe();
    system::raise_limit(system::Resource::Files);
    if choice == RuntimeChoice::Epoll {
        return Ok((Runtime::Epoll, None));
    }
    let memlock = system::raise_limit(system::Resource::Memlock);
    let obstacle = match system::probe_io_uring() {
        Err(error) => Some(denied(&error, io_uring_disabled().as_deref())),
        Ok(()) => short_of_memlock(memlock, cores, system::is_root()),
    };
    decide(choice, obstacle)
}

fn decide(
    choice: RuntimeChoice,
    obstacle: Option<Obstacle>,
) -> Result<(Runtime, Option<String>), String> {
    match (choice, obstacle) {
        (RuntimeChoice::Epoll, _) => Ok((Runtime::Epoll, None)),
        (RuntimeChoice::Uring, None) => Ok((Runtime::Uring, None)),
        (RuntimeChoice::Auto, None) => Ok((AUTO_PREFERS, None)),
        (RuntimeChoice::Auto, Some(Obstacle { reason, remedy })) => {
            let line = format!(
                "io_uring is not available ({reason}); using the epoll runtime. Nothing else changes. \
                 To enable it {remedy}, or silence this with --runtime=epoll."
            );
            Ok((Runtime::Epoll, Some(line)))
        }
        (RuntimeChoice::Uring, Some(Obstacle { reason, remedy })) => Err(format!(
            "io_uring is not available ({reason}) and --runtime=uring asks for it. \
             To enable it {remedy}, or use --runtime=epoll."
        )),
    }
}

/// Why io_uring cannot be had, and what would help.
#[derive(Debug, PartialEq, Eq)]
struct Obstacle {
    reason: String,
    remedy: String,
}

fn io_uring_disabled() -> Option<String> {
    let text = std::fs::read_to_string("/proc/sys/kernel/io_uring_disabled").ok()?;
    Some(text.trim().to_owned())
}

/// `sysctl` is the value of kernel.io_uring_disabled, where the kernel has it.
fn denied(error: &io::Error, sysctl: Option<&str>) -> Obstacle {
    let (reason, remedy) = match (error.raw_os_error(), sysctl) {
        (Some(libc::ENOSYS), _) => (
            "the kernel has no io_uring, or a sandbox hides it".to_owned(),
            "run on Linux 5.8 or later outside the sandbox",
        ),
        (Some(libc::EPERM), Some(value @ ("1" | "2"))) => (
            format!("sysctl kernel.io_uring_disabled={value}"),
            "set kernel.io_uring_disabled to 0",
        ),
        (Some(libc::EPERM | libc::EACCES), _) => (
            "io_uring_setup denied, usually the container's seccomp profile".to_owned(),
            "allow io_uring_setup, io_uring_enter and io_uring_register",
        ),
        (Some(libc::ENOMEM), _) => (
            "io_uring_setup: out of locked memory".to_owned(),
            "raise the memlock limit (ulimit -l, LimitMEMLOCK=)",
        ),
        _ => (format!("io_uring_setup: {error}"), "see io_uring_setup(2)"),
    };
    Obstacle { reason, remedy: remedy.to_owned() }
}

fn short_of_memlock(memlock: u64, cores: usize, root: bool) -> Option<Obstacle> {
    let rings = if root { 0 } else { MEMLOCK_CORE.saturating_mul(cores as u64) };
    let need = rings.max(MEMLOCK_LEAST);
    (memlock < need).then(|| Obstacle {
        reason: format!(
            "the memlock limit is {} KiB, {cores} cores need {} KiB",
            memlock >> 10,
            need >> 10
        ),
        remedy: "raise the hard limit (ulimit -l, LimitMEMLOCK=, ulimits: memlock)".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn denied_io_uring_is_a_warning_for_auto_and_fatal_for_uring() {
        let cases = [
            (libc::ENOSYS, None, "the kernel has no io_uring", "5.8"),
            (libc::EPERM, Some("2"), "kernel.io_uring_disabled=2", "to 0"),
            (libc::EPERM, Some("0"), "seccomp", "allow io_uring_setup"),
            (libc::EPERM, None, "seccomp", "allow io_uring_setup"),
            (libc::ENOMEM, None, "locked memory", "memlock"),
        ];
        for (errno, sysctl, reason, remedy) in cases {
            let obstacle = || Some(denied(&io::Error::from_raw_os_error(errno), sysctl));
            let (runtime, line) = decide(RuntimeChoice::Auto, obstacle()).expect("never fatal");
            assert_eq!(runtime, Runtime::Epoll);
            let fatal = decide(RuntimeChoice::Uring, obstacle()).expect_err("fatal");
            for text in [&line.expect("a warning"), &fatal] {
                assert!(text.contains(reason) && text.contains(remedy), "{text}");
                assert!(!text.contains('\n') && text.contains("--runtime=epoll"), "{text}");
            }
        }
    }

    #[test]
    fn what_is_there_is_taken_without_a_word() {
        assert_eq!(decide(RuntimeChoice::Auto, None), Ok((AUTO_PREFERS, None)));
        assert_eq!(decide(RuntimeChoice::Uring, None), Ok((Runtime::Uring, None)));
        assert_eq!(preflight(RuntimeChoice::Epoll, 1), Ok((Runtime::Epoll, None)));
    }

    #[test]
    fn memlock_must_hold_the_rings_of_all_cores() {
        for (kib, cores, root, enough) in [
            (512, 1, false, true),
            (511, 1, false, false),
            (8192, 32, false, true),
            (8192, 33, false, false),
            (512, 64, true, true),
            (64, 1, true, false),
        ] {
            assert_eq!(short_of_memlock(kib << 10, cores, root).is_none(), enough, "{kib} {cores}");
        }
    }
}
