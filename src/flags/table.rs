//! The table of flags, and of feature names.

use core::fmt::Write as _;

use Kind::{Choice, Count, List, Ratio, Size, Switch, Text, Time};

/// One row of the table. `name` has no leading dashes.
#[derive(Clone, Copy, Debug)]
pub struct FlagSpec {
    pub name: &'static str,
    pub kind: Kind,
    /// As `/api/v1/status/flags` shows it when the flag is not given; may be empty.
    pub default: &'static str,
    pub help: &'static str,
    pub effect: Effect,
}

/// What a flag's value looks like.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    Choice(&'static [&'static str]),
    Count,
    /// May be given several times; commas separate values too where Prometheus splits them.
    List,
    Ratio,
    Size,
    /// `--name` or `--no-name`.
    Switch,
    Text,
    /// A Prometheus duration.
    Time,
}

/// What giving the flag does.
#[derive(Clone, Copy, Debug)]
pub enum Effect {
    /// Accepted, nothing to act on; why.
    NoEffect(&'static str),
    /// Refused in agent mode, as Prometheus does (CLI-50).
    ServerOnly,
    Works,
}

const fn works(
    name: &'static str,
    kind: Kind,
    default: &'static str,
    help: &'static str,
) -> FlagSpec {
    FlagSpec { name, kind, default, help, effect: Effect::Works }
}

const fn idle(
    name: &'static str,
    kind: Kind,
    default: &'static str,
    reason: &'static str,
) -> FlagSpec {
    FlagSpec {
        name,
        kind,
        default,
        help: "Accepted for compatibility.",
        effect: Effect::NoEffect(reason),
    }
}

const fn server(name: &'static str, kind: Kind, default: &'static str) -> FlagSpec {
    FlagSpec {
        name,
        kind,
        default,
        help: "Server mode of Prometheus only.",
        effect: Effect::ServerOnly,
    }
}

const NO_GO: &str = "there is no Go runtime here; cores come from --cores";
const NO_UI: &str = "the pages are our own, without templates";
const NO_QUERY: &str = "there is nothing to query or to administer in agent mode";
const NO_TRUNCATION: &str =
    "the log is freed as endpoints acknowledge, within --storage.agent.max-bytes";
const NO_MINIMUM: &str =
    "what every endpoint has is freed at once, and nothing is freed before it has";
const NO_CHECKPOINT: &str = "there are no checkpoints: labels are kept in a dictionary";

/// The table. Grouped as Prometheus groups them; ours stand at the end.
#[rustfmt::skip]
pub const FLAGS: &[FlagSpec] = &[
    idle("agent", Switch, "true", "agent mode is the only mode"),
    works("config.file", Text, "prometheus.yml", "Configuration file."),
    works("config.auto-reload", Switch, "false", "Reload when the configuration file changes."),
    works("config.auto-reload-interval", Time, "30s", "How often to look for a change; 1s or more."),
    works("web.listen-address", List, "0.0.0.0:9090", "Address of the admin server. Repeatable."),
    works("web.config.file", Text, "", "TLS, passwords and headers of the admin server."),
    works("web.read-timeout", Time, "5m", "Longest wait for a request, and for the next one."),
    works("web.max-connections", Count, "512", "Connections at once over all listeners."),
    idle("web.max-notifications-subscribers", Count, "16", NO_UI),
    works("web.external-url", Text, "", "URL under which others reach this process."),
    works("web.route-prefix", Text, "", "Prefix of all paths; default: path of the external URL."),
    works("web.user-assets", Text, "", "Directory whose files are served below /user/."),
    works("web.enable-lifecycle", Switch, "false", "Allow reload and quit by HTTP request."),
    idle("web.enable-admin-api", Switch, "false", NO_QUERY),
    works("web.enable-remote-write-receiver", Switch, "false", "Take remote write at /api/v1/write."),
    works("web.remote-write-receiver.accepted-protobuf-messages", List, "prometheus.WriteRequest,io.prometheus.write.v2.Request", "Messages that are taken there. Repeatable."),
    works("web.enable-otlp-receiver", Switch, "false", "Take metrics of OpenTelemetry at /api/v1/otlp/v1/metrics."),
    idle("web.console.templates", Text, "consoles", NO_UI),
    idle("web.console.libraries", Text, "console_libraries", NO_UI),
    works("web.page-title", Text, "Corelane", "Title of the pages."),
    works("web.cors.origin", Text, ".*", "Anchored pattern of origins that may read the API."),
    idle("storage.remote.flush-deadline", Time, "1m", "a stop waits a second at most, and the rest is in the log"),
    works("enable-feature", List, "", "Comma-separated feature names. Repeatable."),
    works("log.level", Choice(&["debug", "info", "warn", "error"]), "info", "Lowest level logged."),
    works("log.format", Choice(&["logfmt", "json"]), "logfmt", "Form of log lines."),
    idle("auto-gomaxprocs", Switch, "true", NO_GO),
    idle("auto-gomemlimit", Switch, "true", NO_GO),
    idle("auto-gomemlimit.ratio", Ratio, "0.9", NO_GO),
    idle("auto-gomemlimit.refresh-interval", Time, "0s", NO_GO),
    idle("scrape.adjust-timestamps", Switch, "true", "timestamps within 2 ms of the interval's grid are put on it"),
    idle("scrape.timestamp-tolerance", Time, "2ms", "timestamps within 2 ms of the interval's grid are put on it"),
    idle("scrape.discovery-reload-interval", Time, "5s", "changes of targets are applied at once"),
    works("storage.agent.path", Text, "data-agent/", "Directory of the log."),
    works("storage.agent.wal-segment-size", Size, "32MiB", "Segment size: 256KiB to 256MiB."),
    idle("storage.agent.wal-compression", Switch, "true", "values are always packed"),
    idle("storage.agent.wal-compression-type", Choice(&["snappy", "zstd"]), "snappy", "values are always packed"),
    idle("storage.agent.wal-truncate-frequency", Time, "2h", NO_TRUNCATION),
    idle("storage.agent.retention.min-time", Time, "5m", NO_MINIMUM),
    works("storage.agent.retention.max-time", Time, "", "Give up samples that are older and not delivered; not given: no age limit."),
    works("storage.agent.no-lockfile", Switch, "false", "Do not lock the log directory."),
    idle("storage.agent.checkpoint-from-in-memory-series", Switch, "false", NO_CHECKPOINT),
    idle("storage.agent.checkpoint-batch-size", Count, "1000", NO_CHECKPOINT),
    works("write-documentation", Switch, "false", "Print the flags as Markdown and end."),
    server("storage.tsdb.path", Text, "data/"),
    server("storage.tsdb.min-block-duration", Time, "2h"),
    server("storage.tsdb.max-block-duration", Time, ""),
    server("storage.tsdb.max-block-chunk-segment-size", Size, "0B"),
    server("storage.tsdb.wal-segment-size", Size, "0B"),
    server("storage.tsdb.retention.time", Time, ""),
    server("storage.tsdb.retention.size", Size, "0B"),
    server("storage.tsdb.retention.percentage", Text, "0"),
    server("storage.tsdb.no-lockfile", Switch, "false"),
    server("storage.tsdb.allow-overlapping-compaction", Switch, "true"),
    server("storage.tsdb.wal-compression", Switch, "true"),
    server("storage.tsdb.wal-compression-type", Choice(&["snappy", "zstd"]), "snappy"),
    server("storage.tsdb.head-chunks-write-queue-size", Count, "0"),
    server("storage.tsdb.samples-per-chunk", Count, "120"),
    server("storage.tsdb.delayed-compaction.max-percent", Count, "10"),
    server("storage.tsdb.delay-compact-file.path", Text, ""),
    server("storage.tsdb.block-reload-interval", Time, "1m"),
    server("storage.remote.read-sample-limit", Text, "5e7"),
    server("storage.remote.read-concurrent-limit", Count, "10"),
    server("storage.remote.read-max-bytes-in-frame", Count, "1048576"),
    server("rules.alert.for-outage-tolerance", Time, "1h"),
    server("rules.alert.for-grace-period", Time, "10m"),
    server("rules.alert.resend-delay", Time, "1m"),
    server("rules.max-concurrent-evals", Count, "4"),
    server("alertmanager.notification-queue-capacity", Count, "10000"),
    server("alertmanager.notification-batch-size", Count, "256"),
    server("alertmanager.drain-notification-queue-on-shutdown", Switch, "true"),
    server("query.lookback-delta", Time, "5m"),
    server("query.timeout", Time, "2m"),
    server("query.max-concurrency", Count, "20"),
    server("query.max-samples", Count, "50000000"),
    server("web.search.max-limit", Count, "10000"),
    works("cores", Count, "0", "Cores to run on; 0: the affinity mask within the CPU quota."),
    works("cluster.members", Count, "1", "Agents that share the targets of this configuration."),
    works("cluster.member", Text, "0", "Which of them this is, from 0; a name that ends in its number will do."),
    works("cluster.replication", Count, "1", "How many of them scrape each target."),
    works("scrape.at-once", Switch, "false", "Scrape a new target at once, and from then on when its phase comes."),
    works("runtime", Choice(&["auto", "uring", "epoll"]), "auto", "What waits for the network."),
    works("pin", Switch, "true", "Bind each core's thread to its CPU."),
    works("storage.agent.max-bytes", Size, "0", "Disk that the log may take, such as 8GiB; 0: automatic. Beyond it the oldest samples go."),
    works("wal.full", Choice(&["shed-oldest", "refuse-new"]), "shed-oldest", "Without room: give up the oldest samples, or scrape no more."),
    works("wal.sync", Text, "1s", "Time between syncs of the log; 0 or always: after each commit; or never."),
    works("wal.removed-endpoint-grace", Time, "10m", "How long what an endpoint has not acknowledged is kept after it left the configuration."),
    works("wal.backend", Choice(&["auto", "mmap", "pwrite"]), "auto", "How the log is written."),
];

/// Feature names that Prometheus knows (CLI section 1.3). Those with `true` would change what an agent sends, and
/// do nothing here, which is worth a warning.
pub(super) const FEATURES: &[(&str, bool)] = &[
    ("auto-reload-config", false),
    ("concurrent-rule-eval", false),
    ("created-timestamp-zero-ingestion", false),
    ("delayed-compaction", false),
    ("exemplar-storage", false),
    ("extra-scrape-metrics", false),
    ("fast-startup", false),
    ("memory-snapshot-on-shutdown", false),
    ("metadata-wal-records", false),
    ("native-histograms", false),
    ("old-ui", false),
    ("ooo-native-histograms", false),
    ("otlp-deltatocumulative", true),
    ("otlp-native-delta-ingestion", true),
    ("promql-at-modifier", false),
    ("promql-binop-fill-modifiers", false),
    ("promql-delayed-name-removal", false),
    ("promql-duration-expr", false),
    ("promql-experimental-functions", false),
    ("promql-extended-range-selectors", false),
    ("promql-negative-offset", false),
    ("promql-per-step-stats", false),
    ("search-api", false),
    ("st-storage", false),
    ("st-synthesis", true),
    ("type-and-unit-labels", false),
    ("use-uncached-io", false),
];

/// The table as Markdown.
pub(super) fn documentation() -> String {
    let mut text = String::from("| Flag | Description | Default |\n| --- | --- | --- |\n");
    for spec in FLAGS {
        let note = match spec.effect {
            Effect::NoEffect(reason) => format!(" Here: {reason}."),
            Effect::ServerOnly => continue,
            Effect::Works => String::new(),
        };
        let default = match spec.default {
            "" => String::new(),
            default => format!("`{default}`"),
        };
        let _ = writeln!(text, "| `--{}` | {}{note} | {default} |", spec.name, spec.help);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_every_flag_is_explained() {
        for (at, spec) in FLAGS.iter().enumerate() {
            assert!(FLAGS[..at].iter().all(|other| other.name != spec.name), "{}", spec.name);
            assert!(spec.help.ends_with('.'), "{}", spec.name);
        }
        assert!(documentation().contains("| `--wal.sync` |"));
    }
}
