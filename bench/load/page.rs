//! One target's page: rendered once, patched in place before each serving.
//!
//! The series are what a kubelet's cAdvisor shows: per pod 34 counters and gauges and one classic histogram of
//! 16 lines, 50 series in all, written family by family as real exporters do. A line is about 221 bytes with
//! seven to nine labels. About 60 % of the values change from one serving to the next; every value keeps its
//! width, so the length of a page never changes and a serving costs a few digits per moving line.

use std::fmt::Write as _;

/// Series of one pod: `FAMILIES` and the lines of one histogram.
pub const SERIES_PER_POD: usize = 50;
/// One line in this many is a marker, and every page has at least one.
pub const LINES_PER_MARKER: usize = 1000;
/// The label that tells the sink that a series' value is the microsecond of its serving.
pub const MARKER_LABEL: &str = "marker";

const BUCKETS: [&str; 14] = [
    "0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1", "2.5", "5", "10", "30", "60",
    "+Inf",
];
const HISTOGRAM: &str = "apiserver_request_duration_seconds";
const SUFFIX_BYTES: usize = 10;
const MARKER_DIGITS: usize = 16;
const MOVING_PERCENT: u64 = 60;

const TEAMS: [&str; 8] =
    ["payments", "checkout", "inventory", "identity", "shipping", "search", "ledger", "catalog"];

/// (name, is a counter, decimals, additional labels)
const FAMILIES: [(&str, bool, usize, &str); 34] = [
    ("container_cpu_usage_seconds_total", true, 6, "cpu=\"total\","),
    ("container_cpu_user_seconds_total", true, 6, ""),
    ("container_cpu_system_seconds_total", true, 6, ""),
    ("container_cpu_cfs_periods_total", true, 0, ""),
    ("container_cpu_cfs_throttled_periods_total", true, 0, ""),
    ("container_cpu_cfs_throttled_seconds_total", true, 3, ""),
    ("container_cpu_load_average_10s", false, 0, ""),
    ("container_fs_reads_bytes_total", true, 0, "device=\"/dev/vda\","),
    ("container_fs_writes_bytes_total", true, 0, "device=\"/dev/vda\","),
    ("container_fs_reads_total", true, 0, "device=\"/dev/vda\","),
    ("container_fs_writes_total", true, 0, "device=\"/dev/vda\","),
    ("container_fs_usage_bytes", false, 0, "device=\"/dev/vda\","),
    ("container_fs_limit_bytes", false, 0, "device=\"/dev/vda\","),
    ("container_memory_usage_bytes", false, 0, ""),
    ("container_memory_working_set_bytes", false, 0, ""),
    ("container_memory_rss", false, 0, ""),
    ("container_memory_cache", false, 0, ""),
    ("container_memory_swap", false, 0, ""),
    ("container_memory_mapped_file", false, 0, ""),
    ("container_memory_failcnt", true, 0, ""),
    ("container_memory_failures_total", true, 0, "failure_type=\"pgfault\",scope=\"container\","),
    ("container_network_receive_bytes_total", true, 0, "interface=\"eth0\","),
    ("container_network_receive_packets_total", true, 0, "interface=\"eth0\","),
    ("container_network_receive_errors_total", true, 0, "interface=\"eth0\","),
    ("container_network_transmit_bytes_total", true, 0, "interface=\"eth0\","),
    ("container_network_transmit_packets_total", true, 0, "interface=\"eth0\","),
    ("container_network_transmit_errors_total", true, 0, "interface=\"eth0\","),
    ("container_processes", false, 0, ""),
    ("container_threads", false, 0, ""),
    ("container_sockets", false, 0, ""),
    ("container_file_descriptors", false, 0, ""),
    ("container_start_time_seconds", false, 0, ""),
    ("container_last_seen", false, 0, ""),
    ("container_spec_memory_limit_bytes", false, 0, ""),
];

/// A value that changes: where it ends, how many bytes it has, and how it moves.
struct Slot {
    end: u32,
    width: u8,
    counter: bool,
}

/// One pod of a target: what its lines share.
struct Pod {
    labels_head: String,
    labels_tail: String,
}

/// The page of one target.
pub struct Page {
    bytes: Vec<u8>,
    body_at: usize,
    samples: usize,
    moving: Vec<Slot>,
    markers: Vec<u32>,
    /// Ends of the pod name in every line, grouped by pod; empty unless the page churns.
    names: Vec<Vec<u32>>,
    width: usize,
    churn_per_serving: f64,
    churn_due: f64,
    churn_next: usize,
    random: u64,
}

impl Page {
    /// The page of target number `target` with `samples` lines. `churn_per_serving` is the share (0 to 1) of
    /// the pods that are replaced by new ones at each serving.
    pub fn new(target: usize, samples: usize, churn_per_serving: f64) -> Page {
        Page::wide(target, samples, churn_per_serving, 0)
    }

    /// As [`Page::new`], with one more label of so many bytes on every line; none for 0.
    pub fn wide(target: usize, samples: usize, churn_per_serving: f64, width: usize) -> Page {
        let mut page = Page {
            width,
            bytes: Vec::new(),
            body_at: 0,
            samples,
            moving: Vec::with_capacity(samples * 2 / 3),
            markers: Vec::new(),
            names: Vec::new(),
            churn_per_serving,
            churn_due: 0.0,
            churn_next: 0,
            random: (target as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15),
        };
        let body = page.render(target);
        page.bytes = head(body.len(), "").into_bytes();
        page.body_at = page.bytes.len();
        page.bytes.extend_from_slice(body.as_bytes());
        page
    }

    /// Samples on the page.
    pub fn samples(&self) -> usize {
        self.samples
    }

    /// The whole answer, head and body, as it stands after the last [`Page::turn`].
    pub fn answer(&self) -> &[u8] {
        &self.bytes
    }

    /// The body alone.
    pub fn body(&self) -> &[u8] {
        &self.bytes[self.body_at..]
    }

    /// Moves the values on and stamps the markers with `now_us`, microseconds since the epoch.
    pub fn turn(&mut self, now_us: u64) {
        let body = &mut self.bytes[self.body_at..];
        for slot in &self.moving {
            self.random = next_random(self.random);
            let end = slot.end as usize;
            let digits = &mut body[end - slot.width as usize..end];
            if slot.counter {
                add_decimal(digits, 1 + (self.random >> 40) as u32 % 97);
            } else {
                scatter(digits, self.random >> 32);
            }
        }
        let mut stamp = [b'0'; MARKER_DIGITS];
        write_number(&mut stamp, now_us);
        for end in &self.markers {
            let end = *end as usize;
            body[end - MARKER_DIGITS..end].copy_from_slice(&stamp);
        }
        self.replace_pods();
    }

    fn replace_pods(&mut self) {
        self.churn_due += self.churn_per_serving * self.names.len() as f64;
        while self.churn_due >= 1.0 && !self.names.is_empty() {
            self.churn_due -= 1.0;
            self.random = next_random(self.random);
            let suffix = suffix(self.random);
            let pod = self.churn_next % self.names.len();
            self.churn_next += 1;
            for end in &self.names[pod] {
                let end = self.body_at + *end as usize;
                self.bytes[end - SUFFIX_BYTES..end].copy_from_slice(suffix.as_bytes());
            }
        }
    }

    fn render(&mut self, target: usize) -> String {
        let pods = self.samples.div_ceil(SERIES_PER_POD);
        let pods: Vec<Pod> = (0..pods).map(|pod| self.pod(target, pod)).collect();
        if self.churn_per_serving > 0.0 {
            self.names = pods.iter().map(|_| Vec::with_capacity(SERIES_PER_POD)).collect();
        }
        let mut out = String::with_capacity(self.samples * 224);
        let mut line = 0;
        for (name, counter, decimals, labels) in FAMILIES {
            let kind = if counter { "counter" } else { "gauge" };
            let _ =
                write!(out, "# HELP {name} What cAdvisor says of {name}.\n# TYPE {name} {kind}\n");
            for (index, pod) in pods.iter().enumerate() {
                if line == self.samples {
                    return out;
                }
                self.line(&mut out, &mut line, (index, pod), (name, labels), (counter, decimals));
            }
        }
        let _ = write!(out, "# HELP {HISTOGRAM} Latency.\n# TYPE {HISTOGRAM} histogram\n");
        for (index, pod) in pods.iter().enumerate() {
            for bucket in 0..BUCKETS.len() + 2 {
                if line == self.samples {
                    return out;
                }
                let (suffix, labels, decimals) = match BUCKETS.get(bucket) {
                    Some(le) => ("bucket", format!("le=\"{le}\","), 0),
                    None if bucket == BUCKETS.len() => ("sum", String::new(), 6),
                    None => ("count", String::new(), 0),
                };
                let name = format!("{HISTOGRAM}_{suffix}");
                self.line(&mut out, &mut line, (index, pod), (&name, &labels), (true, decimals));
            }
        }
        out
    }

    fn line(
        &mut self,
        out: &mut String,
        line: &mut usize,
        (index, pod): (usize, &Pod),
        (name, labels): (&str, &str),
        (counter, decimals): (bool, usize),
    ) {
        let last_of_small = self.samples < LINES_PER_MARKER && *line == self.samples - 1;
        let marker = *line % LINES_PER_MARKER == LINES_PER_MARKER - 1 || last_of_small;
        *line += 1;
        let _ = write!(out, "{name}{{{labels}{}", pod.labels_head);
        if marker {
            let _ = write!(out, "{MARKER_LABEL}=\"1\",");
        }
        let _ = write!(out, "{}", pod.labels_tail);
        if let Some(names) = self.names.get_mut(index) {
            names.push(out.len() as u32);
        }
        out.push_str("\"} ");
        if marker {
            out.push_str("0000000000000000");
            self.markers.push(out.len() as u32);
        } else {
            self.value(out, counter, decimals);
        }
        out.push('\n');
    }

    fn value(&mut self, out: &mut String, counter: bool, decimals: usize) {
        self.random = next_random(self.random);
        let chance = (self.random >> 20) % 100;
        if chance >= MOVING_PERCENT + 20 {
            out.push('0');
            return;
        }
        let start = out.len();
        let size = 10u64.pow(4 + (self.random >> 50) as u32 % 5);
        let _ = write!(out, "{}", size + (self.random >> 8) % (4 * size));
        if decimals > 0 {
            let fraction = (self.random >> 16) % 10u64.pow(decimals as u32 - 1);
            let _ = write!(out, ".{fraction:0width$}1", width = decimals - 1);
        }
        if chance < MOVING_PERCENT {
            let width = (out.len() - start) as u8;
            self.moving.push(Slot { end: out.len() as u32, width, counter });
        }
    }

    fn pod(&mut self, target: usize, pod: usize) -> Pod {
        self.random = next_random(self.random);
        let random = self.random;
        let team = TEAMS[random as usize % TEAMS.len()];
        let service = TEAMS[(random >> 8) as usize % TEAMS.len()];
        let uid = (random >> 16) & 0xffff_ffff;
        let width = self.width.saturating_sub("padding=\"\",".len());
        let padding = match width {
            0 => String::new(),
            width => format!("padding=\"{:0width$x}\",", random & 0xffff),
        };
        Pod {
            labels_head: format!(
                "container=\"{service}\",id=\"/kubepods/pod{uid:08x}-{pod:04}\",\
                 image=\"registry.example.com/{team}/{service}:v1.{}\",",
                random % 90 + 10,
            ),
            labels_tail: format!(
                "namespace=\"{team}-prod\",node=\"node-{target:05}\",{padding}pod=\"{service}-{}",
                suffix(next_random(random ^ pod as u64)),
            ),
        }
    }
}

/// The head of an answer with a body of `length` bytes; `extra` is further header lines.
pub fn head(length: usize, extra: &str) -> String {
    format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n\
         {extra}Content-Length: {length}\r\n\r\n"
    )
}

fn suffix(random: u64) -> String {
    format!("{:010x}", random & 0xff_ffff_ffff)
}

fn next_random(state: u64) -> u64 {
    let mut next = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    next = (next ^ (next >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    next = (next ^ (next >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    next ^ (next >> 31)
}

/// Adds to a decimal number in place, keeping its width; a number that would grow starts over.
fn add_decimal(digits: &mut [u8], delta: u32) {
    let mut rest = delta;
    for digit in digits.iter_mut().rev() {
        if rest == 0 {
            return;
        }
        if *digit == b'.' {
            continue;
        }
        let sum = u32::from(*digit - b'0') + rest % 10;
        rest = rest / 10 + sum / 10;
        *digit = b'0' + (sum % 10) as u8;
    }
    if rest > 0 {
        digits[0] = b'1';
    }
}

/// Replaces up to three last digits by chance.
fn scatter(digits: &mut [u8], random: u64) {
    let mut rest = random;
    let keep = digits.len().saturating_sub(3).max(1);
    for digit in &mut digits[keep..] {
        if *digit != b'.' {
            *digit = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
    }
}

fn write_number(digits: &mut [u8], number: u64) {
    let mut rest = number;
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn lines(page: &Page) -> Vec<String> {
        let text = String::from_utf8(page.body().to_vec()).unwrap();
        text.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect()
    }

    #[test]
    fn a_page_has_as_many_distinct_series_as_asked() {
        for samples in [1, 49, 50, 51, 1000, 5000] {
            let lines = lines(&Page::new(3, samples, 0.0));
            let series: HashSet<&str> =
                lines.iter().filter_map(|line| line.rsplit_once(' ')).map(|line| line.0).collect();
            assert_eq!((lines.len(), series.len()), (samples, samples));
        }
    }

    #[test]
    fn lines_are_as_long_as_real_ones() {
        let page = Page::new(0, 5000, 0.0);
        let mean = page.body().len() / 5000;
        assert!((216..=226).contains(&mean), "{mean} bytes a line");
        let labels = lines(&page)[0].matches("=\"").count();
        assert!((7..=9).contains(&labels), "{labels} labels");
    }

    #[test]
    fn a_turn_changes_about_sixty_percent_of_the_values_and_no_length() {
        let mut page = Page::new(1, 5000, 0.0);
        page.turn(1_700_000_000_000_000);
        let before = lines(&page);
        page.turn(1_700_000_000_000_001);
        let after = lines(&page);
        let changed = before.iter().zip(&after).filter(|(old, new)| old != new).count();
        assert!((2800..=3200).contains(&changed), "{changed} of 5000");
        assert!(before.iter().zip(&after).all(|(old, new)| old.len() == new.len()));
        let values = after.iter().filter_map(|line| line.rsplit_once(' '));
        assert!(
            values.clone().count() == 5000 && values.clone().all(|v| v.1.parse::<f64>().is_ok())
        );
    }

    #[test]
    fn markers_carry_the_microsecond_of_serving() {
        for (samples, markers) in [(50, 1), (1000, 1), (5000, 5)] {
            let mut page = Page::new(7, samples, 0.0);
            page.turn(1_700_000_000_123_456);
            let lines = lines(&page);
            let marked: Vec<&String> =
                lines.iter().filter(|line| line.contains("marker=\"1\"")).collect();
            assert_eq!(marked.len(), markers);
            assert!(marked.iter().all(|line| line.ends_with(" 1700000000123456")));
        }
    }

    #[test]
    fn churn_replaces_whole_pods() {
        let mut page = Page::new(0, 1000, 0.05);
        let before: HashSet<String> = series_of(&page);
        page.turn(1);
        assert_eq!(series_of(&page).difference(&before).count(), SERIES_PER_POD);
    }

    fn series_of(page: &Page) -> HashSet<String> {
        lines(page).iter().filter_map(|l| l.rsplit_once(' ')).map(|l| l.0.to_owned()).collect()
    }

    #[test]
    fn decimals_are_added_in_place() {
        for (text, delta, sum) in
            [("1999", 1, "2000"), ("10.95", 7, "11.02"), ("99", 5, "14"), ("100", 97, "197")]
        {
            let mut digits = text.as_bytes().to_vec();
            add_decimal(&mut digits, delta);
            assert_eq!(String::from_utf8(digits).unwrap(), sum);
        }
    }
}
