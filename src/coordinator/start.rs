//! From flags to running cores, or to one clear line and an exit code.

use core::time::Duration;
use std::fs;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender, bounded, unbounded};
use tokio::sync::watch;

use crate::base::{limits, stable_hash};
use crate::client::{native_roots, read_file};
use crate::config::{Config, ProxyConfig};
use crate::coordinator::adoption::adopters;
use crate::coordinator::assignment::{assignment, set_features};
use crate::coordinator::cores::Core;
use crate::coordinator::credentials::{Credentials, WITHHELD};
use crate::coordinator::load::load_config;
use crate::coordinator::thread::{Coordinator, Parts};
use crate::coordinator::truncation::DiskBudget;
use crate::disk::{
    self, Backend, Budget, Files, Helper, HelperOptions, Store, StoreOptions, SurveyOptions, survey,
};
use crate::driver::{Desk, drive};
use crate::flags::{Flags, Runtime as RuntimeFlag, WalBackend, WalFull, WalSync};
use crate::io::{
    AUTO_REASON, Bell, Clock, Resolver, Runtime, RuntimeChoice, available_cpus, default_cores,
    mailbox, preflight, start_core,
};
use crate::mail::{Notice, Order};
use crate::model::{OtlpRules, RemoteMessage};
use crate::receive::Accepted;
use crate::shard::{FoundLog, Plan, Taken};
use crate::telemetry::Logger;
use crate::web;

const SOURCE: &str = "start";

/// Why the process ends before it has begun, and with which code (spec: CLI §1.2).
#[derive(Debug)]
pub struct Refusal {
    pub code: u8,
    pub message: String,
}

pub fn refuse(code: u8, message: impl ToString) -> Refusal {
    Refusal { code, message: message.to_string() }
}

/// Runs the process from its flags to its end.
pub fn run(flags: Flags) -> ExitCode {
    let logger = Logger::new(flags.log_level, flags.log_format);
    logger.speak_of_panics();
    for (flag, warning) in &flags.warnings {
        logger.warn(SOURCE, warning, &[("flag", (*flag).to_owned())]);
    }
    match start(flags, &logger) {
        Ok(coordinator) => coordinator.run(),
        Err(refusal) => {
            logger.error(SOURCE, &refusal.message, &[]);
            ExitCode::from(refusal.code)
        }
    }
}

fn start(flags: Flags, logger: &Logger) -> Result<Coordinator, Refusal> {
    let clock = Clock::start();
    let version = [("version", env!("CARGO_PKG_VERSION").to_owned())];
    logger.info(SOURCE, "Starting Corelane", &version);
    let config = load_config(&flags.config_file, logger).map_err(|error| refuse(2, error))?;
    let gate = web::Gate::open(flags.web_config_file.as_deref(), *logger)
        .map_err(|error| refuse(1, error))?;
    let listeners = web::bind(&flags.listen_addresses).map_err(|error| refuse(1, error))?;
    let cores = cores(&flags)?;
    let runtime = runtime(&flags, cores, logger)?;
    let system_roots = system_roots(&config);
    let mut credentials = Credentials::new(*logger);
    let mut made = credentials
        .made(|held| assignment(&config, 1, cores, &read_file, &system_roots, held))
        .map_err(|error| refuse(1, error))?;
    set_features(&flags, &mut made.assignment);
    for complaint in made.complaints {
        logger.error(SOURCE, WITHHELD, &[("err", complaint)]);
    }
    let store = open_store(&flags, cores, logger)?;
    let budget = budget(&flags, &store, cores);
    let (notices_in, notices) = bounded(limits::MAIL);
    let build = Build { flags: &flags, logger, clock, runtime, cores, budget, config: &config };
    let shards = build.cores(&store, &notices_in)?;
    let (asks_in, asks) = unbounded();
    let (phase, phases) = watch::channel(web::Phase::Starting);
    let (otlp, rules) = watch::channel(Arc::new(config.otlp.clone()));
    let receivers = receivers(&flags, cores, rules);
    let settings = web_settings(&flags, &listeners, receivers)?;
    let web = web::serve(listeners, settings, gate, asks_in, phases)
        .map_err(|error| refuse(1, format!("cannot start the admin server: {error}")))?;
    let signals = signals().map_err(|error| refuse(1, format!("cannot watch signals: {error}")))?;
    let logger = *logger;
    Coordinator::new(Parts {
        flags,
        logger,
        clock,
        runtime,
        config: Arc::new(config),
        first: made.assignment,
        credentials,
        system_roots,
        store,
        shards,
        budget,
        notices,
        asks,
        phase,
        otlp,
        web,
        signals,
    })
    .map_err(|error| refuse(1, error))
}

/// Decided and said once, before the first core starts.
fn runtime(flags: &Flags, cores: u16, logger: &Logger) -> Result<Runtime, Refusal> {
    let (runtime, warning) = preflight(runtime_choice(flags.runtime), usize::from(cores))
        .map_err(|error| refuse(1, error))?;
    let mut fields = vec![("runtime", runtime.name().to_owned()), ("cores", cores.to_string())];
    match warning {
        Some(warning) => logger.warn(SOURCE, &warning, &[]),
        None if flags.runtime == RuntimeFlag::Auto => {
            fields.push(("reason", AUTO_REASON.to_owned()))
        }
        None => {}
    }
    logger.info(SOURCE, "Cores chosen", &fields);
    Ok(runtime)
}

fn open_store(flags: &Flags, cores: u16, logger: &Logger) -> Result<Store, Refusal> {
    let options = StoreOptions { cores, lock: !flags.no_lockfile };
    let store = Store::open(&flags.storage_path, options).map_err(|error| refuse(1, error))?;
    if !store.was_clean() {
        let text = "The last run did not stop cleanly; every committed sample is in the log";
        logger.warn(SOURCE, text, &[]);
    }
    Ok(store)
}

/// DER certificates of the system, read only when something speaks TLS without a CA of its own.
pub fn system_roots(config: &Config) -> Vec<Vec<u8>> {
    use crate::model::Scheme;
    let scrapes = config.scrape_configs.iter();
    let proxied = |proxy: &ProxyConfig| !proxy.url.is_empty() || proxy.from_environment;
    let wanted = scrapes.clone().any(|job| proxied(&job.http.proxy))
        || config.remote_write.iter().any(|remote| proxied(&remote.http.proxy))
        || scrapes.clone().any(|job| job.scheme == Scheme::Https && job.http.tls.ca.is_none())
        || scrapes.clone().any(|job| !job.relabel_configs.is_empty() && job.http.tls.ca.is_none())
        || config
            .remote_write
            .iter()
            .any(|remote| remote.url.starts_with("https") && remote.http.tls.ca.is_none());
    if !wanted {
        return Vec::new();
    }
    native_roots()
}

fn runtime_choice(flag: RuntimeFlag) -> RuntimeChoice {
    match flag {
        RuntimeFlag::Auto => RuntimeChoice::Auto,
        RuntimeFlag::Epoll => RuntimeChoice::Epoll,
        RuntimeFlag::Uring => RuntimeChoice::Uring,
    }
}

fn cores(flags: &Flags) -> Result<u16, Refusal> {
    let available = available_cpus().len();
    let wanted = if flags.cores == 0 { default_cores() } else { flags.cores };
    if flags.pin && wanted > available {
        return Err(refuse(
            1,
            format!(
                "--cores={wanted}, but the CPUs this process may run on are {available}: lower --cores, widen its CPU \
                 set, or add --no-pin"
            ),
        ));
    }
    u16::try_from(wanted).map_err(|_| refuse(1, format!("--cores={wanted} is more than 65535")))
}

/// The flag, or a fifth of the filesystem up to 8 GiB. Segments are small enough that a shard has several.
fn budget(flags: &Flags, store: &Store, cores: u16) -> DiskBudget {
    let filesystem = disk::filesystem_bytes(store.path()).unwrap_or(u64::MAX);
    let bytes = match flags.storage_bytes_max {
        0 => (filesystem / 5).min(8 << 30),
        bytes => bytes,
    };
    let share = bytes / (8 * u64::from(cores));
    let page = limits::PAGE_BYTES as u64;
    let most = flags.segment_bytes as u64;
    let segment =
        share.clamp(limits::SEGMENT_BYTES_MIN as u64, most.max(limits::SEGMENT_BYTES_MIN as u64));
    let refuses = flags.wal_full == WalFull::RefuseNew;
    let free_bytes_min = FREE_BYTES_MIN.min(filesystem / 20);
    DiskBudget { bytes, segment_bytes: segment / page * page, free_bytes_min, refuses }
}

/// Attempts, a millisecond apart, to hand an answer to a core whose box is full.
const ANSWER_TRIES: u32 = 10_000;
/// Where every commit is synced: how often cursors are, that go with no commit.
const SYNC_IDLE: Duration = Duration::from_secs(1);
/// Never take the filesystem below this, or a twentieth of a small one.
const FREE_BYTES_MIN: u64 = 64 << 20;

fn web_settings(
    flags: &Flags,
    listeners: &[std::net::TcpListener],
    receivers: web::Receivers,
) -> Result<web::Settings, Refusal> {
    let port = listeners.first().and_then(|listener| listener.local_addr().ok());
    let port = port.map_or(9090, |address| address.port());
    let external = web::ExternalUrl::new(&flags.external_url, &web::hostname(), port)
        .map_err(|error| refuse(1, error))?;
    Ok(web::Settings {
        lifecycle: flags.enable_lifecycle,
        read_timeout: flags.read_timeout,
        connections_max: flags.connections_max,
        route_prefix: web::route_prefix(&flags.route_prefix, &external),
        external,
        origins: web::Origins::new(&flags.cors_origin).map_err(|error| refuse(1, error))?,
        port,
        page_title: flags.page_title.clone(),
        user_assets: flags.user_assets.clone(),
        flags: flags.all(),
        receivers,
    })
}

fn receivers(flags: &Flags, shards: u16, rules: watch::Receiver<Arc<OtlpRules>>) -> web::Receivers {
    let takes = |messages: &Vec<String>, message: RemoteMessage| {
        messages.iter().any(|name| name == message.name())
    };
    let remote_write = flags.remote_write_receiver.as_ref().map(|messages| Accepted {
        v1: takes(messages, RemoteMessage::V1),
        v2: takes(messages, RemoteMessage::V2),
    });
    let otlp = flags.otlp_receiver.then_some(rules);
    web::Receivers { remote_write, otlp, shards, seed: draw() }
}

/// What the system asks of us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    Reload,
    Stop,
}

fn signals() -> std::io::Result<Receiver<Signal>> {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
    let mut signals = signal_hook::iterator::Signals::new([SIGHUP, SIGINT, SIGTERM])?;
    let (sender, receiver) = bounded(16);
    std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
        for signal in signals.forever() {
            let signal = if signal == SIGHUP { Signal::Reload } else { Signal::Stop };
            if sender.send(signal).is_err() {
                return;
            }
        }
    })?;
    Ok(receiver)
}

/// What every shard is built from.
struct Build<'a> {
    flags: &'a Flags,
    logger: &'a Logger,
    clock: Clock,
    runtime: Runtime,
    cores: u16,
    budget: DiskBudget,
    config: &'a Config,
}

impl Build<'_> {
    fn cores(&self, store: &Store, notices: &Sender<Notice>) -> Result<Vec<Core>, Refusal> {
        let found = store.shards().map_err(|error| refuse(1, error))?;
        let adopted = adopters(&found, self.cores);
        let resolver = Resolver::new();
        let cpus = available_cpus();
        let mut cores = Vec::new();
        let shards = (0..self.cores)
            .map(|shard| self.shard(store, shard, &adopted[usize::from(shard)]))
            .collect::<Result<Vec<_>, _>>()?;
        let logs = shards.iter().flat_map(|(plan, _)| &plan.logs);
        let taken: Vec<Taken> = logs.flat_map(FoundLog::taken).collect();
        for (shard, (plan, helper)) in (0..self.cores).zip(shards) {
            let cpu = self.flags.pin.then(|| cpus.get(usize::from(shard)).copied()).flatten();
            let plan = Plan { taken: taken.clone(), ..plan };
            cores.push(self.core(plan, helper, cpu, &resolver, notices.clone())?);
        }
        Ok(cores)
    }

    /// Surveys the shard's own directory and those it adopts.
    fn shard(
        &self,
        store: &Store,
        shard: u16,
        adopted: &[u16],
    ) -> Result<(Plan, HelperOptions), Refusal> {
        let mut dirs = Vec::new();
        let mut logs = Vec::new();
        let mut files = Files::default();
        for (index, number) in core::iter::once(&shard).chain(adopted).enumerate() {
            let dir = store.shard_dir(*number).map_err(|error| refuse(1, error))?;
            let options = SurveyOptions {
                store: store.id(),
                backend: self.backend(&dir),
                segment_bytes: self.budget.segment_bytes as usize,
                adopted: index > 0,
            };
            let surveyed = survey(&dir, &options).map_err(|error| refuse(1, error))?;
            for damage in &surveyed.damage {
                let fields = [("dir", dir.display().to_string()), ("damage", damage.clone())];
                self.logger.warn(SOURCE, "Damage found in the log", &fields);
            }
            if index == 0 {
                files = surveyed.files;
            }
            logs.push(FoundLog {
                samples: surveyed.samples,
                dictionary: surveyed.dictionary,
                cursors: surveyed.cursors,
                ledger: surveyed.ledger,
                highest_seq: surveyed.cursor_max,
            });
            dirs.push(dir);
        }
        let backend = self.backend(&dirs[0]);
        let share = self.budget.bytes / u64::from(self.cores);
        let helper = HelperOptions {
            name: format!("disk-{shard}"),
            backend,
            segment_bytes: self.budget.segment_bytes as usize,
            sync_interval: match self.flags.wal_sync {
                WalSync::Always => Some(SYNC_IDLE),
                WalSync::Every(interval) => Some(interval),
                WalSync::Never => None,
            },
            budget: Budget { bytes_max: share, free_bytes_min: self.budget.free_bytes_min },
            files,
            dirs,
        };
        let seed = seed(store, shard);
        let plan = Plan {
            shard,
            identity: store.identity(shard),
            segment_bytes: self.budget.segment_bytes as usize,
            seed,
            phase_seed: phase_seed(self.config),
            removed_grace: self.flags.removed_endpoint_grace,
            sheds: !self.budget.refuses,
            syncs_each: self.flags.wal_sync == WalSync::Always,
            logs,
            taken: Vec::new(),
        };
        Ok((plan, helper))
    }

    fn backend(&self, dir: &Path) -> Backend {
        let wanted = match self.flags.wal_backend {
            WalBackend::Auto => Backend::Auto,
            WalBackend::Mmap => Backend::Mmap,
            WalBackend::Pwrite => Backend::Pwrite,
        };
        wanted.resolve(dir)
    }

    fn core(
        &self,
        plan: Plan,
        helper: HelperOptions,
        cpu: Option<usize>,
        resolver: &Resolver,
        notices: Sender<Notice>,
    ) -> Result<Core, Refusal> {
        let shard = plan.shard;
        let bell = Bell::new();
        let (order_sender, orders) = mailbox::<Order>(limits::MAIL, &bell);
        let (answer_sender, answers) = mailbox(limits::MAIL, &bell);
        let helper = Helper::spawn(helper, move |answer| {
            let mut answer = answer;
            // The box holds more than a shard asks for; it is full only while the core is held up, or gone.
            for _ in 0..ANSWER_TRIES {
                match answer_sender.try_send(answer) {
                    Ok(()) => return,
                    Err(back) => answer = back,
                }
                std::thread::park_timeout(Duration::from_millis(1));
            }
        });
        let helper =
            helper.map_err(|error| refuse(1, format!("cannot start a disk thread: {error}")))?;
        let desk = Desk { orders, answers, notices, helper };
        let name = format!("shard-{shard}");
        let thread =
            start_core(self.runtime, &name, cpu, self.clock, resolver, &bell, move |net| {
                drive(plan, desk, net)
            });
        let thread =
            thread.map_err(|error| refuse(1, format!("cannot start core {shard}: {error}")))?;
        Ok(Core::new(shard, order_sender, thread))
    }
}

/// Secret to this process.
fn seed(store: &Store, shard: u16) -> u64 {
    let mut seed = draw();
    if seed == 0 {
        // Still different for every start and shard.
        seed = stable_hash(&store.id())
            ^ u64::from(store.start()) << 16
            ^ u64::from(std::process::id());
    }
    seed ^ u64::from(shard).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// True randomness; 0 if there is none.
fn draw() -> u64 {
    let mut bytes = [0; 8];
    let drawn = fs::File::open("/dev/urandom")
        .and_then(|mut file| std::io::Read::read_exact(&mut file, &mut bytes));
    if drawn.is_ok() { u64::from_le_bytes(bytes) } else { 0 }
}

/// The same on every run of this host with these external labels; another on a replica (SCR-1).
fn phase_seed(config: &Config) -> u64 {
    let mut text = web::hostname();
    for (name, value) in config.global.external_labels.iter() {
        text.push_str(&format!("\0{name}\0{value}"));
    }
    stable_hash(text.as_bytes())
}
