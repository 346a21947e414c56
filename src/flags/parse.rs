//! From the command line to checked, typed values.

use core::time::Duration;
use std::ffi::OsString;
use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command};

use Kind::{Choice, Count, List, Ratio, Size, Switch, Text, Time};

use crate::base::{limits, parse_duration};
use crate::flags::table::{FEATURES, documentation};
use crate::flags::{Effect, FLAGS, FlagSpec, Kind};
use crate::mail::Level;
use crate::telemetry::{LogFormat, build};

/// Why the program ends instead of starting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exit {
    pub code: u8,
    pub stdout: String,
    pub stderr: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Runtime {
    Auto,
    Epoll,
    Uring,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WalBackend {
    Auto,
    Mmap,
    Pwrite,
}

/// What becomes of samples for which there is no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WalFull {
    ShedOldest,
    RefuseNew,
}

/// Which part of all targets is ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cluster {
    /// 1 or more.
    pub members: u32,
    /// Below `members`.
    pub member: u32,
    /// Members that scrape one target: 1 to `members`.
    pub replication: u32,
}

/// When the log is synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WalSync {
    /// After each commit; what is committed during a sync waits for the next.
    Always,
    Every(Duration),
    Never,
}

/// What was asked for, checked and typed.
#[derive(Clone, Debug)]
pub struct Flags {
    pub config_file: PathBuf,
    /// How often to look for a changed configuration; `None`: only when told.
    pub auto_reload: Option<Duration>,
    pub listen_addresses: Vec<String>,
    pub read_timeout: Duration,
    pub connections_max: usize,
    /// As written; may be empty.
    pub external_url: String,
    /// As written; empty: the path of the external URL.
    pub route_prefix: String,
    pub enable_lifecycle: bool,
    /// Names of the messages that may be pushed; `None`: nothing may.
    pub remote_write_receiver: Option<Vec<String>>,
    pub otlp_receiver: bool,
    pub web_config_file: Option<PathBuf>,
    pub user_assets: Option<PathBuf>,
    pub page_title: String,
    pub cors_origin: String,
    /// Known names given to `--enable-feature`.
    pub features: Vec<String>,
    pub log_level: Level,
    pub log_format: LogFormat,
    pub storage_path: PathBuf,
    pub segment_bytes: usize,
    /// Bytes of disk that the logs of all shards may take together; 0: automatic.
    pub storage_bytes_max: u64,
    pub no_lockfile: bool,
    /// 0: automatic.
    pub cores: usize,
    pub cluster: Cluster,
    pub runtime: Runtime,
    pub pin: bool,
    /// Age at which samples that are not delivered are given up; `None`: never.
    pub retention_max: Option<Duration>,
    pub wal_full: WalFull,
    pub wal_sync: WalSync,
    pub wal_backend: WalBackend,
    pub removed_endpoint_grace: Duration,
    /// A new target does not wait for its phase.
    pub scrape_at_once: bool,
    /// To be logged once the logger exists: message and the name it is about.
    pub warnings: Vec<(&'static str, String)>,
    values: Vec<(String, String)>,
}

impl Flags {
    /// Every flag of the table with its value as text, in the table's order (spec: HTTP-25).
    pub fn all(&self) -> Vec<(String, String)> {
        self.values.clone()
    }

    pub fn feature(&self, name: &str) -> bool {
        self.features.iter().any(|given| given == name)
    }
}

/// Reads the command line; the first item is the program's name. `Err` also for `--help` and `--version`, with
/// code 0; 1: unknown flag, bad value or unsupported flag; 3: a flag of server mode.
pub fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Flags, Exit> {
    let matches = command().try_get_matches_from(args).map_err(|error| match error.kind() {
        ErrorKind::DisplayHelp => {
            Exit { code: 0, stdout: error.render().to_string(), stderr: String::new() }
        }
        _ => wrong(&one_line(&error.render().to_string())),
    })?;
    if matches.get_flag("version") {
        return Err(Exit { code: 0, stdout: build::version_text(), stderr: String::new() });
    }
    let given = Given { matches };
    refuse(&given)?;
    if given.switch("write-documentation") {
        return Err(Exit { code: 0, stdout: documentation(), stderr: String::new() });
    }
    let flags = typed(&given)?;
    check_idle(&given)?;
    Ok(flags)
}

pub(super) fn command() -> Command {
    let version = Arg::new("version")
        .long("version")
        .help("Show the version and end.")
        .action(ArgAction::SetTrue);
    let mut command = Command::new("corelane")
        .about("A lossless metrics forwarder that reads prometheus.yml")
        .after_help(
            "`corelane wal --help`: commands for the data directory of a stopped agent.\n\
             `corelane check --help`, `corelane relabel --help`: what is wrong with a file or a page, what rules do.\n\
             `corelane completions SHELL`, `corelane man`: for shells and man.",
        )
        .disable_version_flag(true)
        .arg(version);
    for spec in FLAGS {
        let hidden = matches!(spec.effect, Effect::ServerOnly);
        let arg = Arg::new(spec.name).long(spec.name).help(spec.help).hide(hidden);
        if let Switch = spec.kind {
            let no = format!("no-{}", spec.name);
            let arg = arg.action(ArgAction::SetTrue).conflicts_with(no.clone());
            let negated = Arg::new(no.clone()).long(no).hide(true).action(ArgAction::SetTrue);
            command = command.arg(arg).arg(negated);
            continue;
        }
        let action = if let List = spec.kind { ArgAction::Append } else { ArgAction::Set };
        command = command.arg(arg.action(action).value_name(placeholder(spec.kind)));
    }
    command
}

fn placeholder(kind: Kind) -> &'static str {
    match kind {
        Choice(_) => "NAME",
        Count => "N",
        Time => "DURATION",
        List => "TEXT",
        Ratio => "RATIO",
        Size => "SIZE",
        Switch | Text => "TEXT",
    }
}

/// The command line, read by the table: defaults come from it alone.
struct Given {
    matches: ArgMatches,
}

impl Given {
    fn has(&self, name: &str) -> bool {
        self.matches.value_source(name) == Some(ValueSource::CommandLine)
    }

    fn default(name: &str) -> &'static str {
        FLAGS.iter().find(|spec| spec.name == name).map_or("", |spec| spec.default)
    }

    fn switch(&self, name: &str) -> bool {
        if self.matches.get_flag(name) {
            return true;
        }
        !self.matches.get_flag(&format!("no-{name}")) && Given::default(name) == "true"
    }

    fn text(&self, name: &str) -> String {
        match self.matches.get_one::<String>(name) {
            Some(value) => value.clone(),
            None => Given::default(name).to_owned(),
        }
    }

    /// `None`: nothing is written there.
    fn path(&self, name: &str) -> Option<PathBuf> {
        Some(self.text(name)).filter(|path| !path.is_empty()).map(PathBuf::from)
    }

    fn list(&self, name: &str) -> Vec<String> {
        match self.matches.get_many::<String>(name) {
            Some(values) => values.cloned().collect(),
            None => Given::default(name)
                .split(',')
                .filter(|value| !value.is_empty())
                .map(str::to_owned)
                .collect(),
        }
    }

    fn time(&self, name: &str) -> Result<Duration, Exit> {
        let text = self.text(name);
        parse_duration(&text).map_err(|error| bad(name, &text, &error.to_string()))
    }

    fn count(&self, name: &str) -> Result<usize, Exit> {
        let text = self.text(name);
        text.parse().map_err(|_| bad(name, &text, "not a whole number"))
    }

    fn size(&self, name: &str) -> Result<u64, Exit> {
        let text = self.text(name);
        parse_size(&text).ok_or_else(|| bad(name, &text, "not a size such as 512MB or 8GiB"))
    }

    /// Index of the value among `names`.
    fn choice(&self, name: &str, names: &[&str]) -> Result<usize, Exit> {
        let text = self.text(name);
        names
            .iter()
            .position(|known| *known == text)
            .ok_or_else(|| bad(name, &text, &format!("must be one of {}", names.join(", "))))
    }

    fn shown(&self, spec: &FlagSpec) -> String {
        match spec.kind {
            Switch => self.switch(spec.name).to_string(),
            List => self.list(spec.name).join(","),
            _ => self.text(spec.name),
        }
    }
}

/// What is said over several paragraphs, without the usage.
fn one_line(text: &str) -> String {
    let text = text.strip_prefix("error: ").unwrap_or(text);
    let lines = text.lines().map(|line| line.trim().trim_end_matches('.'));
    let said: Vec<&str> =
        lines.filter(|line| !line.is_empty() && !line.starts_with("Usage:")).collect();
    said.join("; ")
}

fn wrong(message: &str) -> Exit {
    let stderr = format!("Error parsing command line arguments: {message}\n");
    Exit { code: 1, stdout: String::new(), stderr }
}

fn bad(name: &str, value: &str, why: &str) -> Exit {
    wrong(&format!("invalid value {value:?} for flag --{name}: {why}"))
}

/// Flags of server mode (code 3).
fn refuse(given: &Given) -> Result<(), Exit> {
    let is_given = |spec: &&FlagSpec| {
        let negated = matches!(spec.kind, Switch) && given.has(&format!("no-{}", spec.name));
        given.has(spec.name) || negated
    };
    let server_only: Vec<String> = FLAGS
        .iter()
        .filter(|spec| matches!(spec.effect, Effect::ServerOnly))
        .filter(is_given)
        .map(|spec| format!("\"--{}\"", spec.name))
        .collect();
    // spec: CLI-50
    if !server_only.is_empty() {
        let names = server_only.join(",");
        let stderr = format!("The following flag(s) can not be used in agent mode: [{names}]\n");
        return Err(Exit { code: 3, stdout: String::new(), stderr });
    }
    Ok(())
}

fn typed(given: &Given) -> Result<Flags, Exit> {
    let (features, warnings) = features(given)?;
    let receiver_messages = messages(given)?;
    let reload = given.switch("config.auto-reload")
        || features.iter().any(|name| name == "auto-reload-config");
    // spec: CLI-4
    let reload_interval = given.time("config.auto-reload-interval")?.max(Duration::from_secs(1));
    let levels = [Level::Debug, Level::Info, Level::Warn, Level::Error];
    let external_url = given.text("web.external-url");
    // spec: CLI-10
    let quoted = |text: &str| text.starts_with(['"', '\'']) || text.ends_with(['"', '\'']);
    if quoted(&external_url) {
        return Err(bad("web.external-url", &external_url, "must not begin or end with quotes"));
    }
    let wal_sync = match given.text("wal.sync").as_str() {
        "never" => WalSync::Never,
        "always" => WalSync::Always,
        _ => match given.time("wal.sync")? {
            Duration::ZERO => WalSync::Always,
            interval => WalSync::Every(interval),
        },
    };
    let retention_max = match given.has("storage.agent.retention.max-time") {
        true => Some(given.time("storage.agent.retention.max-time")?),
        false => None,
    };
    Ok(Flags {
        config_file: given.text("config.file").into(),
        auto_reload: reload.then_some(reload_interval),
        listen_addresses: given.list("web.listen-address"),
        read_timeout: given.time("web.read-timeout")?,
        connections_max: given.count("web.max-connections")?.max(1),
        external_url,
        route_prefix: given.text("web.route-prefix"),
        enable_lifecycle: given.switch("web.enable-lifecycle"),
        remote_write_receiver: given
            .switch("web.enable-remote-write-receiver")
            .then_some(receiver_messages),
        otlp_receiver: given.switch("web.enable-otlp-receiver"),
        web_config_file: given.path("web.config.file"),
        user_assets: given.path("web.user-assets"),
        page_title: given.text("web.page-title"),
        cors_origin: given.text("web.cors.origin"),
        features,
        log_level: levels[given.choice("log.level", &["debug", "info", "warn", "error"])?],
        log_format: [LogFormat::Logfmt, LogFormat::Json]
            [given.choice("log.format", &["logfmt", "json"])?],
        storage_path: given.text("storage.agent.path").into(),
        segment_bytes: segment_bytes(given)?,
        storage_bytes_max: given.size("storage.agent.max-bytes")?,
        no_lockfile: given.switch("storage.agent.no-lockfile"),
        cores: given.count("cores")?,
        cluster: cluster(given)?,
        runtime: [Runtime::Auto, Runtime::Epoll, Runtime::Uring]
            [given.choice("runtime", &["auto", "epoll", "uring"])?],
        pin: given.switch("pin"),
        // Prometheus takes zero for its default.
        retention_max: retention_max.filter(|age| !age.is_zero()),
        wal_full: [WalFull::ShedOldest, WalFull::RefuseNew]
            [given.choice("wal.full", &["shed-oldest", "refuse-new"])?],
        wal_sync,
        removed_endpoint_grace: given.time("wal.removed-endpoint-grace")?,
        scrape_at_once: given.switch("scrape.at-once"),
        wal_backend: [WalBackend::Auto, WalBackend::Mmap, WalBackend::Pwrite]
            [given.choice("wal.backend", &["auto", "mmap", "pwrite"])?],
        warnings,
        values: FLAGS.iter().map(|spec| (spec.name.to_owned(), given.shown(spec))).collect(),
    })
}

/// A member is a number, or a name that ends in one, as the pods of a StatefulSet have it.
fn cluster(given: &Given) -> Result<Cluster, Exit> {
    let number = |name: &str| {
        let count = given.count(name)?;
        let count = u32::try_from(count).ok().filter(|count| *count > 0);
        count.ok_or_else(|| bad(name, &given.text(name), "must be 1 or more"))
    };
    let (members, replication) = (number("cluster.members")?, number("cluster.replication")?);
    let text = given.text("cluster.member");
    let start = text.trim_end_matches(|c: char| c.is_ascii_digit()).len();
    let named = start == 0 || text[..start].ends_with('-');
    let member = text[start..].parse::<u32>().ok().filter(|_| named);
    let why = "must be a number, or a name that ends in one such as corelane-3";
    let member = member.ok_or_else(|| bad("cluster.member", &text, why))?;
    if member >= members {
        let why = format!("members are counted from 0, and --cluster.members={members}");
        return Err(bad("cluster.member", &text, &why));
    }
    if replication > members {
        let why = "must not be more than --cluster.members";
        return Err(bad("cluster.replication", &replication.to_string(), why));
    }
    Ok(Cluster { members, member, replication })
}

const SEGMENT_BYTES_MAX: u64 = 256 << 20;

fn segment_bytes(given: &Given) -> Result<usize, Exit> {
    let name = "storage.agent.wal-segment-size";
    let bytes = given.size(name)?;
    if !(limits::SEGMENT_BYTES_MIN as u64..=SEGMENT_BYTES_MAX).contains(&bytes) {
        return Err(bad(name, &given.text(name), "must be between 256KiB and 256MiB"));
    }
    Ok(bytes as usize)
}

type Features = (Vec<String>, Vec<(&'static str, String)>);

/// Known names, and warnings about the others.
// spec: CLI-22; an unknown name never stops the start
fn features(given: &Given) -> Result<Features, Exit> {
    let (mut known, mut warnings) = (Vec::new(), Vec::new());
    for list in given.list("enable-feature") {
        for name in list.split(',').map(str::trim).filter(|name| !name.is_empty()) {
            match FEATURES.iter().find(|(feature, _)| *feature == name) {
                None => {
                    warnings.push(("Unknown option for --enable-feature", name.to_owned()));
                    continue;
                }
                Some((_, true)) => {
                    warnings.push(("Feature has no effect here", name.to_owned()));
                }
                Some(_) => {}
            }
            known.push(name.to_owned());
        }
    }
    let has = |wanted: &str| known.iter().any(|name| name == wanted);
    if has("otlp-deltatocumulative") && has("otlp-native-delta-ingestion") {
        return Err(wrong(
            "cannot enable otlp-deltatocumulative and otlp-native-delta-ingestion together",
        ));
    }
    Ok((known, warnings))
}

/// A bad value of a flag without effect is still an error, as with Prometheus.
fn check_idle(given: &Given) -> Result<(), Exit> {
    for spec in FLAGS {
        if !matches!(spec.effect, Effect::NoEffect(_)) {
            continue;
        }
        match spec.kind {
            Choice(names) => given.choice(spec.name, names).map(drop)?,
            Count => given.count(spec.name).map(drop)?,
            Time => given.time(spec.name).map(drop)?,
            Size => given.size(spec.name).map(drop)?,
            Ratio => ratio(given, spec.name)?,
            List | Switch | Text => {}
        }
    }
    // spec: CLI-40
    let batch = "storage.agent.checkpoint-batch-size";
    match given.count(batch)? {
        0 => Err(bad(batch, "0", "must be greater than 0")),
        _ => Ok(()),
    }
}

// spec: CLI-26
fn ratio(given: &Given, name: &str) -> Result<(), Exit> {
    let text = given.text(name);
    match text.parse::<f64>() {
        Ok(ratio) if ratio > 0.0 && ratio <= 1.0 => Ok(()),
        _ => Err(bad(name, &text, "must be greater than 0 and not more than 1")),
    }
}

// spec: CLI-16
fn messages(given: &Given) -> Result<Vec<String>, Exit> {
    let name = "web.remote-write-receiver.accepted-protobuf-messages";
    let names = ["prometheus.WriteRequest", "io.prometheus.write.v2.Request"];
    let messages = given.list(name);
    for (at, message) in messages.iter().enumerate() {
        if !names.contains(&message.as_str()) {
            return Err(bad(name, message, &format!("must be one of {}", names.join(", "))));
        }
        if messages[..at].contains(message) {
            return Err(bad(name, message, "given twice"));
        }
    }
    Ok(messages)
}

/// Bytes: a whole number with a unit, all powers of 1024 (`1KB` = `1KiB` = 1024), or a plain `0`.
// spec: CFG-4
fn parse_size(text: &str) -> Option<u64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits)?;
    let number: u64 = number.parse().ok()?;
    let power = match unit {
        "" if number == 0 => 0,
        "B" => 0,
        "KB" | "KiB" => 1,
        "MB" | "MiB" => 2,
        "GB" | "GiB" => 3,
        "TB" | "TiB" => 4,
        "PB" | "PiB" => 5,
        "EB" | "EiB" => 6,
        _ => return None,
    };
    number.checked_mul(1 << (10 * power))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(args: &[&str]) -> Result<Flags, Exit> {
        parse(["corelane"].iter().chain(args).map(OsString::from))
    }

    fn exit(args: &[&str]) -> Exit {
        parsed(args).expect_err("ends")
    }

    #[test]
    fn defaults_are_those_of_the_table() {
        let flags = parsed(&[]).expect("parses");
        assert_eq!(flags.config_file, PathBuf::from("prometheus.yml"));
        assert_eq!(flags.listen_addresses, ["0.0.0.0:9090"]);
        assert_eq!(flags.storage_path, PathBuf::from("data-agent/"));
        assert_eq!(flags.segment_bytes, limits::SEGMENT_BYTES_DEFAULT);
        assert_eq!(flags.read_timeout, Duration::from_secs(300));
        assert_eq!(flags.wal_sync, WalSync::Every(Duration::from_secs(1)));
        assert_eq!((flags.retention_max, flags.wal_full), (None, WalFull::ShedOldest));
        assert_eq!(flags.auto_reload, None);
        assert_eq!((flags.cores, flags.pin, flags.runtime), (0, true, Runtime::Auto));
        assert!(!flags.enable_lifecycle && flags.warnings.is_empty());
        for ((name, value), spec) in flags.all().iter().zip(FLAGS) {
            assert_eq!((name.as_str(), value.as_str()), (spec.name, spec.default));
        }
    }

    #[test]
    fn every_agent_flag_of_prometheus_parses() {
        let flags = parsed(&[
            "--agent",
            "--config.file=/etc/p.yml",
            "--config.auto-reload",
            "--config.auto-reload-interval",
            "100ms",
            "--web.listen-address=:1",
            "--web.listen-address=:2",
            "--web.enable-lifecycle",
            "--no-web.enable-admin-api",
            "--web.max-connections=7",
            "--auto-gomemlimit.ratio=1",
            "--no-auto-gomaxprocs",
            "--storage.agent.wal-segment-size=128MiB",
            "--storage.agent.retention.max-time=1d",
            "--no-storage.agent.wal-compression",
            "--no-scrape.adjust-timestamps",
            "--enable-feature=a,promql-per-step-stats",
            "--enable-feature=st-synthesis",
            "--log.level=warn",
            "--log.format=json",
            "--wal.sync=never",
            "--wal.backend=pwrite",
            "--runtime=epoll",
            "--no-pin",
            "--cores=3",
            "--storage.agent.max-bytes=8GiB",
        ])
        .expect("parses");
        assert_eq!(flags.auto_reload, Some(Duration::from_secs(1)));
        assert_eq!(flags.listen_addresses, [":1", ":2"]);
        assert_eq!(flags.segment_bytes, 128 << 20);
        assert_eq!(flags.storage_bytes_max, 8 << 30);
        assert_eq!((flags.cores, flags.pin, flags.runtime), (3, false, Runtime::Epoll));
        assert_eq!((flags.wal_sync, flags.wal_backend), (WalSync::Never, WalBackend::Pwrite));
        assert_eq!(flags.retention_max, Some(Duration::from_secs(24 * 3600)));
        assert_eq!((flags.log_level, flags.log_format), (Level::Warn, LogFormat::Json));
        assert!(flags.feature("st-synthesis") && !flags.feature("a"));
        let warned: Vec<&str> = flags.warnings.iter().map(|(_, name)| name.as_str()).collect();
        assert_eq!(warned, ["a", "st-synthesis"]);
        let all = flags.all();
        let value = |name: &str| all.iter().find(|(key, _)| key == name).map(|(_, v)| v.as_str());
        assert_eq!(value("web.listen-address"), Some(":1,:2"));
        assert_eq!(value("auto-gomaxprocs"), Some("false"));
        assert_eq!(value("storage.tsdb.path"), Some("data/"));
    }

    #[test]
    fn server_flags_end_with_code_three_and_their_names() {
        let exit = exit(&["--query.timeout=1m", "--storage.tsdb.path=/x"]);
        assert_eq!(exit.code, 3);
        assert_eq!(
            exit.stderr,
            "The following flag(s) can not be used in agent mode: \
             [\"--storage.tsdb.path\",\"--query.timeout\"]\n"
        );
    }

    #[test]
    fn wrong_command_lines_end_with_code_one_and_say_what_is_wrong() {
        for (args, said) in [
            (&["--nonsense"][..], "--nonsense"),
            (&["stray"], "stray"),
            (&["--agent=true"], "--agent"),
            (&["--agent", "--no-agent"], "--agent"),
            (&["--log.level=loud"], "must be one of debug, info, warn, error"),
            (&["--web.read-timeout=5"], "not a valid duration"),
            (&["--cores=-1"], "not a whole number"),
            (&["--auto-gomemlimit.ratio=0"], "not more than 1"),
            (&["--storage.agent.checkpoint-batch-size=0"], "greater than 0"),
            (&["--storage.agent.wal-segment-size=1GB"], "between 256KiB and 256MiB"),
            (&["--storage.agent.max-bytes=8"], "not a size"),
            (&["--web.external-url=\"http://x\""], "quotes"),
            (&["--config.file=a", "--config.file=b"], "--config.file"),
            (
                &["--enable-feature=otlp-deltatocumulative,otlp-native-delta-ingestion"],
                "cannot enable",
            ),
        ] {
            let exit = exit(args);
            assert_eq!(exit.code, 1, "{args:?}");
            assert!(exit.stderr.contains(said), "{args:?}: {}", exit.stderr);
        }
    }

    #[test]
    fn help_version_and_documentation_end_well() {
        assert!(exit(&["--version"]).stdout.starts_with("corelane, version "));
        assert!(exit(&["-h"]).stdout.contains("--storage.agent.path"));
        assert!(exit(&["--write-documentation"]).stdout.contains("| `--wal.sync` |"));
        for args in [["--version"], ["--help"], ["--write-documentation"]] {
            assert_eq!(exit(&args).code, 0);
        }
    }

    #[test]
    fn sizes_are_powers_of_1024() {
        for (text, bytes) in [
            ("0", Some(0)),
            ("512B", Some(512)),
            ("1KB", Some(1024)),
            ("256KiB", Some(256 << 10)),
            ("8GiB", Some(8 << 30)),
            ("17EB", None),
            ("1", None),
            ("GB", None),
            ("1.5GB", None),
            ("-1GB", None),
        ] {
            assert_eq!(parse_size(text), bytes, "{text}");
        }
    }

    #[test]
    fn a_member_is_known_by_its_number_or_its_name() {
        let of = |args: &[&str]| parsed(args).map(|flags| flags.cluster);
        let cluster = |members, member, replication| Cluster { members, member, replication };
        assert_eq!(of(&[]), Ok(cluster(1, 0, 1)));
        let named =
            ["--cluster.members=4", "--cluster.member=corelane-x2-3", "--cluster.replication=2"];
        assert_eq!(of(&named), Ok(cluster(4, 3, 2)));
        for wrong in [
            &["--cluster.members=0"][..],
            &["--cluster.member=1"],
            &["--cluster.members=3", "--cluster.member=host3"],
            &["--cluster.members=3", "--cluster.member=a-"],
            &["--cluster.members=2", "--cluster.replication=3"],
        ] {
            assert_eq!(exit(wrong).code, 1, "{wrong:?}");
        }
    }
}
