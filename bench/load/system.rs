//! What the kernel knows: clocks, pinning, and what a process has used.
#![expect(unsafe_code, reason = "affinity, process clocks and signals have no safe interface")]

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::mem;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;

/// Microseconds since the epoch.
pub fn unix_us() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros() as u64)
}

/// Pins the calling thread, and every thread and process it starts from now on, to these CPUs; not if there are none.
pub fn pin(cpus: &[usize]) -> io::Result<()> {
    if cpus.is_empty() {
        return Ok(());
    }
    // SAFETY: an all-zero cpu_set_t is the empty set.
    let mut set: libc::cpu_set_t = unsafe { mem::zeroed() };
    for cpu in cpus {
        // SAFETY: CPU_SET checks the bound of the set it is given.
        unsafe { libc::CPU_SET(*cpu, &mut set) };
    }
    // SAFETY: the set lives through the call and its size is given.
    let code = unsafe { libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &set) };
    if code == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Nanoseconds of CPU that all threads of a process have used, those that ended included.
pub fn cpu_ns(pid: u32) -> io::Result<u64> {
    let mut clock = 0;
    // SAFETY: `clock` is written by the call and lives through it.
    let code = unsafe { libc::clock_getcpuclockid(pid as libc::pid_t, &mut clock) };
    if code != 0 {
        return Err(io::Error::from_raw_os_error(code));
    }
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is written by the call and lives through it.
    if unsafe { libc::clock_gettime(clock, &mut time) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64)
}

/// Asks a process to end.
pub fn terminate(pid: u32) {
    signal(pid, libc::SIGTERM);
}

/// Asks a process to read its configuration again.
pub fn hang_up(pid: u32) {
    signal(pid, libc::SIGHUP);
}

/// Stops a process in the middle of whatever it does, until [`go_on`].
pub fn halt(pid: u32) {
    signal(pid, libc::SIGSTOP);
}

/// Lets it go on.
pub fn go_on(pid: u32) {
    signal(pid, libc::SIGCONT);
}

fn signal(pid: u32, number: libc::c_int) {
    // SAFETY: the call takes two numbers and touches no memory.
    unsafe { libc::kill(pid as libc::pid_t, number) };
}

/// The peer of a socket sees a reset, not an end, once it is closed.
pub fn reset_when_closed(socket: &impl AsRawFd) {
    let linger = libc::linger { l_onoff: 1, l_linger: 0 };
    // SAFETY: the option is read by the call, which gets its size; the descriptor is open while it is borrowed.
    unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_LINGER,
            (&raw const linger).cast(),
            size_of::<libc::linger>() as libc::socklen_t,
        );
    }
}

/// Raises the limit of open files to what is allowed.
pub fn raise_files() {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` lives through both calls, which read and write only it.
    unsafe {
        if libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) == 0 {
            limit.rlim_cur = limit.rlim_max;
            libc::setrlimit(libc::RLIMIT_NOFILE, &limit);
        }
    }
}

/// Resident memory of a process, in bytes.
#[derive(Debug, Default, Clone, Copy, Serialize)]
pub struct Memory {
    pub rss: u64,
    pub anon: u64,
    pub file: u64,
    pub shared: u64,
}

/// What a process holds now.
pub fn memory(pid: u32) -> Memory {
    let fields = fields(&format!("/proc/{pid}/status"));
    let bytes = |name: &str| fields.get(name).map_or(0, |kib| kib * 1024);
    Memory {
        rss: bytes("VmRSS"),
        anon: bytes("RssAnon"),
        file: bytes("RssFile"),
        shared: bytes("RssShmem"),
    }
}

/// Bytes a process has caused to be written to disk.
pub fn written_bytes(pid: u32) -> u64 {
    fields(&format!("/proc/{pid}/io")).get("write_bytes").copied().unwrap_or(0)
}

/// Context switches of a process so far, all threads.
pub fn switches(pid: u32) -> u64 {
    let Ok(tasks) = fs::read_dir(format!("/proc/{pid}/task")) else {
        return 0;
    };
    tasks
        .flatten()
        .map(|task| {
            let fields = fields(&task.path().join("status").to_string_lossy());
            let count = |name: &str| fields.get(name).copied().unwrap_or(0);
            count("voluntary_ctxt_switches") + count("nonvoluntary_ctxt_switches")
        })
        .sum()
}

/// Nanoseconds of CPU that the whole machine has used.
pub fn machine_cpu_ns() -> u64 {
    let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
    let ticks: Vec<u64> =
        stat.lines().next().unwrap_or("").split_whitespace().flat_map(str::parse).collect();
    // user nice system idle iowait irq softirq steal
    let busy = ticks.iter().take(8).sum::<u64>() - ticks.iter().skip(3).take(2).sum::<u64>();
    busy * 10_000_000
}

/// Bytes of the files below a directory, as allocated on disk.
pub fn disk_bytes(dir: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt as _;

    let Ok(entries) = fs::read_dir(dir) else {
        return 0;
    };
    entries
        .flatten()
        .map(|entry| match entry.metadata() {
            Ok(meta) if meta.is_dir() => disk_bytes(&entry.path()),
            Ok(meta) => meta.blocks() * 512,
            Err(_) => 0,
        })
        .sum()
}

/// CPU model, number of CPUs, kernel.
pub fn machine() -> (String, usize, String) {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let models: Vec<&str> = info
        .lines()
        .filter(|line| line.starts_with("model name"))
        .filter_map(|line| line.split_once(": ").map(|pair| pair.1))
        .collect();
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let model = models.first().copied().unwrap_or("unknown CPU").to_owned();
    (model, models.len().max(1), kernel.trim().to_owned())
}

/// Today, as year-month-day.
pub fn today() -> String {
    // Days to civil date, counted in years that begin in March.
    let days = (unix_us() / 86_400_000_000) as i64 + 719_468;
    let era_day = days.rem_euclid(146_097);
    let year_of_era = (era_day - era_day / 1460 + era_day / 36_524 - era_day / 146_096) / 365;
    let year_day = era_day - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * year_day + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + days.div_euclid(146_097) * 400 + i64::from(month <= 2);
    format!("{year}-{month:02}-{:02}", year_day - (153 * shifted + 2) / 5 + 1)
}

fn fields(path: &str) -> BTreeMap<String, u64> {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines()
        .filter_map(|line| line.split_once(':'))
        .filter_map(|(name, rest)| {
            let number = rest.split_whitespace().next()?.parse().ok()?;
            Some((name.to_owned(), number))
        })
        .collect()
}
