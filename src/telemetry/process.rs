//! What is known above the shards: the coordinator's state and the operating system's figures.

use core::time::Duration;
use std::fs;

use crate::base::Timestamp;

/// State of the process at one moment, as the coordinator knows it.
#[derive(Clone, Debug, Default)]
pub struct ProcessState {
    pub now: Timestamp,
    pub started: Timestamp,
    pub ready: bool,
    pub reload: ReloadState,
    /// `epoll` or `uring`.
    pub runtime: String,
    pub cores: u64,
    /// Time from an order to its answer, by shard: how long the core looked away.
    pub stalls: Vec<(u16, Duration)>,
    pub discovery: DiscoveryState,
    /// One for each scrape configuration in force.
    pub pools: Vec<PoolState>,
    /// Time from start until every log was read.
    pub recovery: Duration,
    /// False when the last run did not end well, `None` when nothing can be said.
    pub clean_start: Option<bool>,
    /// Bytes of disk that all logs may take together; 0: unknown.
    pub disk_budget_bytes: u64,
    pub credentials: CredentialState,
    /// Filled in when a page is made; see [`Usage::read`].
    pub usage: Usage,
    /// Requests answered by the admin server: path, status, number.
    pub http_requests: Vec<(String, u16, u64)>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReloadState {
    pub successful: bool,
    /// Zero before the first success.
    pub last_success: Timestamp,
}

/// Tokens and temporary keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CredentialState {
    /// Sources in force, and those of which there is no credential that is good.
    pub sources: u64,
    pub missing: u64,
    /// Times that a source gave none, counted at every attempt.
    pub failures: u64,
}

/// One job's pool, counted where groups become targets.
#[derive(Clone, Debug, Default)]
pub struct PoolState {
    pub job: String,
    /// 0: no limit.
    pub target_limit: u64,
    /// Times that groups were turned into targets, the time that took, and targets that could not be built.
    pub syncs: u64,
    pub sync_time: Duration,
    pub sync_failures: u64,
    /// Times that more targets than the limit were found.
    pub target_limit_exceeded: u64,
}

/// State of target discovery.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DiscoveryState {
    /// Targets now known, by job.
    pub targets: Vec<(String, u64)>,
    /// When a job's groups last changed, by job.
    pub last_updates: Vec<(String, Timestamp)>,
    /// Refreshes that left something unread, by mechanism and job.
    pub refresh_failures: Vec<(&'static str, String, u64)>,
    /// Failures of providers that ask over the network, by mechanism.
    pub failures: Vec<(&'static str, u64)>,
    /// Updates sent.
    pub updates: u64,
    /// Files that could not be read or parsed, counted at every attempt.
    pub file_read_errors: u64,
    pub file_watch_errors: u64,
    /// Modification time of each file last read well.
    pub file_times: Vec<(String, Timestamp)>,
}

/// Figures of `/proc/self`, which cost a few system calls to read.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Usage {
    pub cpu_seconds: f64,
    pub resident_bytes: u64,
    pub virtual_bytes: u64,
    pub open_fds: u64,
    pub fds_max: u64,
    pub threads: u64,
}

/// Ticks of `/proc/self/stat` in one second: fixed in what Linux shows to programs.
const TICKS: f64 = 100.0;

impl Usage {
    /// What cannot be read is zero.
    pub fn read() -> Usage {
        let text =
            |name: &str| fs::read_to_string(format!("/proc/self/{name}")).unwrap_or_default();
        let mut usage = Usage::parse(&text("stat"), &text("status"), &text("limits"));
        // The directory handle that counts them is one of them.
        let fds = fs::read_dir("/proc/self/fd").map_or(0, Iterator::count) as u64;
        usage.open_fds = fds.saturating_sub(1);
        usage
    }

    fn parse(stat: &str, status: &str, limits: &str) -> Usage {
        // Fields are counted from behind the name, which may hold spaces and parentheses.
        let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
        let field = |at: usize| -> u64 {
            after_name.split_whitespace().nth(at).and_then(|text| text.parse().ok()).unwrap_or(0)
        };
        let resident_kb = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
        let fds_max = limits
            .lines()
            .find_map(|line| line.strip_prefix("Max open files"))
            .and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
        Usage {
            cpu_seconds: (field(11) + field(12)) as f64 / TICKS,
            resident_bytes: resident_kb.unwrap_or(0).saturating_mul(1024),
            virtual_bytes: field(20),
            open_fds: 0,
            fds_max: fds_max.unwrap_or(0),
            threads: field(17),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_found_behind_any_process_name() {
        let stat = "7 (a) b) S 1 7 7 0 -1 4194560 1 0 0 0 150 50 0 0 20 0 9 0 100 12345678 42 1844";
        let status = "Name:\tx\nVmPeak:\t 9 kB\nVmRSS:\t     2048 kB\n";
        let limits =
            "Limit  Soft\nMax open files            1024                 4096       files\n";
        let wanted = Usage {
            cpu_seconds: 2.0,
            resident_bytes: 2 << 20,
            virtual_bytes: 12_345_678,
            open_fds: 0,
            fds_max: 1024,
            threads: 9,
        };
        assert_eq!(Usage::parse(stat, status, limits), wanted);
        assert_eq!(Usage::parse("", "", ""), Usage::default());
        assert!(Usage::read().resident_bytes > 0);
    }
}
