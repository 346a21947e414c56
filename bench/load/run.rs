//! One agent under one scenario: exporters and sink on one CPU, the agent alone on another.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process;
use std::thread;
use std::time::{Duration, Instant};

use crate::agent::{Agent, Config, Running};
use crate::exporters::{self, Exporters, Load, Served};
use crate::fault::{Fault, Kind};
use crate::ledger::{Books, Ledger};
use crate::report::{Finding, Tick};
use crate::scenario::Scenario;
use crate::sink::{self, Sink};
use crate::system;

const FIRST_SAMPLE_S_MAX: u64 = 120;
/// An agent that delivers nothing for so long after the load has stopped will not.
const IDLE_S_MAX: u64 = 20;
const DRAIN_S_MAX: u64 = 300;
/// Of the requests to a further endpoint, one in so many.
const LOOK_RARELY: u64 = 64;
/// Into the window.
const OUTAGE_FROM_S: f64 = 10.0;

type Outcome<T> = Result<T, Box<dyn Error>>;

/// Runs and reports. Files go below `dir`, which is emptied first.
pub fn run(scenario: &Scenario, agent: &Agent, dir: &Path, faults: &[Fault]) -> Outcome<Finding> {
    let (_, cpus, _) = system::machine();
    let away: Vec<usize> = match agent.cores {
        cores if cores < cpus => (1..=cores).collect(),
        _ => (0..cpus).collect(),
    };
    system::pin(&[0])?;
    system::raise_files();
    drop(fs::remove_dir_all(dir));
    fs::create_dir_all(dir)?;
    eprintln!("{} · {}", agent.kind.name(), scenario.describe());
    let exporters = exporters::start(&Load {
        targets: scenario.targets,
        series: scenario.series,
        churn_per_serving: scenario.churn_per_serving(),
        width: scenario.label_bytes,
        gzip: scenario.gzip,
        port: 0,
    })?;
    let ledger = |look_every| Ledger::new(scenario.interval_ms as i64, look_every);
    let faults: Vec<Fault> = faults.iter().copied().chain(scenario.way()).collect();
    let sink = sink::start(0, ledger(scenario.look_every), faults)?;
    // All endpoints get the same: one is looked at closely.
    let others = (1..scenario.endpoints)
        .map(|_| sink::start(0, ledger(LOOK_RARELY), scenario.way().into_iter().collect()));
    let others = others.collect::<Result<Vec<_>, _>>()?;
    let config = Config {
        scenario,
        exporters_port: exporters.port,
        sinks: [sink.port].into_iter().chain(others.iter().map(|sink| sink.port)).collect(),
    };
    let running = agent.start(dir, &config, &away, &[0])?;
    let mut rig = Rig { scenario, exporters, sink, running };
    let first_sample_s = if scenario.targets > 0 { rig.first_sample()? } else { 0.0 };
    eprintln!("  first sample after {first_sample_s:.2} s");
    rig.wait("warm-up", Duration::from_secs(scenario.warmup_s))?;
    let window = rig.window()?;
    let (served_at_end, books_at_end) = match scenario {
        // Whether all of it can be sent is not the question.
        Scenario { ramp: true, .. } | Scenario { targets: 0, .. } => (window.served, window.books),
        _ => rig.drain()?,
    };
    let log_bytes_per_sample = rig.log_bytes_per_sample();
    let stop_s = rig.running.stop()?.as_secs_f64();
    let ends = Ends { first_sample_s, log_bytes_per_sample, stop_s, served_at_end, books_at_end };
    Ok(finding(scenario, agent, window, ends))
}

/// What was found outside the window.
struct Ends {
    first_sample_s: f64,
    log_bytes_per_sample: Option<f64>,
    stop_s: f64,
    served_at_end: Served,
    books_at_end: Books,
}

fn finding(scenario: &Scenario, agent: &Agent, window: Window, ends: Ends) -> Finding {
    let (cpu_model, _, kernel) = system::machine();
    let (first, last) = (&window.ticks[0], &window.ticks[window.ticks.len() - 1]);
    let samples = window.books.window.distinct.max(1) as f64;
    let cpu_ns = (last.cpu_ns - first.cpu_ns) as f64;
    let seconds = last.second - first.second;
    let percent = |ns: f64| ns / (seconds * 1e9) * 100.0;
    let due = scenario.pages_due(Duration::from_secs_f64(seconds));
    let other_ns = window.machine_ns as f64 - cpu_ns - window.harness_ns as f64;
    Finding {
        scenario: scenario.clone(),
        agent: agent.kind.name().to_owned(),
        version: agent.version(),
        flags: agent.flags.clone(),
        cpu_model,
        kernel,
        window_s: seconds,
        first_sample_s: ends.first_sample_s,
        samples_per_s: samples / seconds,
        cpu_us_per_sample: cpu_ns / samples / 1000.0,
        cpu_percent: percent(cpu_ns),
        cores: agent.cores,
        memory: last.memory,
        rss_peak: window.ticks.iter().map(|tick| tick.memory.rss).max().unwrap_or(0),
        rss_bytes_per_series: last.memory.rss as f64 / window.books.series.max(1) as f64,
        wire_bytes_per_sample: window.books.window.wire_bytes as f64 / samples,
        disk_bytes_per_sample: last.disk_bytes.saturating_sub(first.disk_bytes) as f64 / samples,
        written_bytes_per_sample: window.written_bytes as f64 / samples,
        log_bytes_per_sample: ends.log_bytes_per_sample,
        switches_per_s: window.switches as f64 / seconds,
        missed_percent: (100.0 * (1.0 - window.pages as f64 / due.max(1.0))).max(0.0),
        lost: match scenario.look_every {
            1 => ends.served_at_end.samples as i64 - ends.books_at_end.total.distinct as i64,
            _ => 0,
        },
        harness_cpu_percent: percent(window.harness_ns as f64),
        other_cpu_percent: percent(other_ns.max(0.0)),
        resumed_s: window.resumed_s,
        caught_up_s: window.caught_up_s,
        stop_s: ends.stop_s,
        served: window.served,
        books: window.books,
        served_at_end: ends.served_at_end,
        books_at_end: ends.books_at_end,
        ticks: window.ticks,
    }
}

/// A directory for the files of a run.
pub fn scratch_dir() -> PathBuf {
    std::env::temp_dir().join(format!("corelane-load-{}", process::id()))
}

struct Rig<'a> {
    scenario: &'a Scenario,
    exporters: Exporters,
    sink: Sink<Books>,
    running: Running,
}

struct Window {
    ticks: Vec<Tick>,
    served: Served,
    books: Books,
    /// Pages served in the window.
    pages: u64,
    harness_ns: u64,
    machine_ns: u64,
    written_bytes: u64,
    switches: u64,
    resumed_s: Option<f64>,
    caught_up_s: Option<f64>,
}

impl Rig<'_> {
    fn served(&self) -> Outcome<Served> {
        let served = self.exporters.asker.ask(exporters::Question::Served);
        served.ok_or_else(|| "the exporters are gone".into())
    }

    fn books(&self) -> Outcome<Books> {
        self.sink.asker.ask(sink::Question::Books).ok_or_else(|| "the sink is gone".into())
    }

    fn first_sample(&mut self) -> Outcome<f64> {
        loop {
            let waited = self.running.started.elapsed();
            if self.books()?.total.distinct > 0 {
                return Ok(waited.as_secs_f64());
            }
            self.running.check()?;
            if waited > Duration::from_secs(FIRST_SAMPLE_S_MAX) {
                let log = self.running.log_end();
                return Err(format!("no sample within {FIRST_SAMPLE_S_MAX} s:\n{log}").into());
            }
            thread::sleep(Duration::from_millis(5));
        }
    }

    fn wait(&mut self, what: &str, time: Duration) -> Outcome<()> {
        let started = Instant::now();
        let mut told = 0;
        while started.elapsed() < time {
            thread::sleep(Duration::from_millis(100).min(time.saturating_sub(started.elapsed())));
            self.running.check()?;
            let second = started.elapsed().as_secs();
            if second >= told + 10 {
                told = second;
                eprintln!("  {what} {second} s of {} s", time.as_secs());
            }
        }
        Ok(())
    }

    fn tick(&self, started: Instant, served: &Served, books: &Books) -> Outcome<Tick> {
        let pid = self.running.pid();
        Ok(Tick {
            second: started.elapsed().as_secs_f64(),
            cpu_ns: system::cpu_ns(pid)?,
            memory: system::memory(pid),
            disk_bytes: system::disk_bytes(&self.running.data),
            served_samples: served.samples,
            received_samples: books.total.distinct,
        })
    }

    fn window(&mut self) -> Outcome<Window> {
        let pid = self.running.pid();
        let outage_s = self.scenario.outage_s as f64;
        let restored_s = OUTAGE_FROM_S + outage_s;
        if outage_s > 0.0 {
            let fault = Fault { kind: Kind::Refuse, from_s: OUTAGE_FROM_S, to_s: restored_s };
            let faults = [fault].into_iter().chain(self.scenario.way()).collect();
            self.sink.asker.tell(sink::Question::Faults(faults));
        }
        self.sink.asker.tell(sink::Question::Reset);
        let started = Instant::now();
        let before = (system::written_bytes(pid), system::switches(pid));
        let (harness_ns, machine_ns) = (system::cpu_ns(process::id())?, system::machine_cpu_ns());
        let first = self.served()?;
        let mut ticks = vec![self.tick(started, &first, &self.books()?)?];
        let (mut resumed_s, mut caught_up_s, mut told) = (None, None, 0);
        let mut requests_in_outage = 0;
        loop {
            let outage = outage_s > 0.0 && caught_up_s.is_none();
            thread::sleep(Duration::from_millis(if outage { 50 } else { 1000 }));
            self.running.check()?;
            let (served, books) = (self.served()?, self.books()?);
            let second = started.elapsed().as_secs_f64();
            if outage && second < restored_s {
                requests_in_outage = books.total.requests;
            } else if outage {
                let after = second - restored_s;
                if books.total.requests > requests_in_outage {
                    resumed_s = resumed_s.or(Some(after));
                }
                // What is on its way at any time is not a backlog: a page of each target at most.
                let level = served.samples - books.total.distinct.min(served.samples);
                if resumed_s.is_some() && level < self.scenario.series as u64 * 2 {
                    caught_up_s = Some(after);
                }
            }
            if second - ticks[ticks.len() - 1].second < 0.9 {
                continue;
            }
            ticks.push(self.tick(started, &served, &books)?);
            if second as u64 >= told + 10 {
                told = second as u64;
                let got = books.window.distinct as f64 / second;
                eprintln!("  window {told} s of {} s: {got:.0} samples/s", self.scenario.window_s);
            }
            if second + 0.1 >= self.scenario.window_s as f64 {
                return Ok(Window {
                    ticks,
                    served,
                    books,
                    pages: served.pages - first.pages,
                    harness_ns: system::cpu_ns(process::id())? - harness_ns,
                    machine_ns: system::machine_cpu_ns() - machine_ns,
                    written_bytes: system::written_bytes(pid) - before.0,
                    switches: system::switches(pid).saturating_sub(before.1),
                    resumed_s,
                    caught_up_s,
                });
            }
        }
    }

    /// Stops the load and waits until all of it has arrived, or nothing more does.
    fn drain(&mut self) -> Outcome<(Served, Books)> {
        self.exporters.asker.tell(exporters::Question::Stop);
        let started = Instant::now();
        let mut moved = (Instant::now(), 0);
        loop {
            let (served, books) = (self.served()?, self.books()?);
            if books.total.distinct != moved.1 {
                moved = (Instant::now(), books.total.distinct);
            }
            let idle = moved.0.elapsed() > Duration::from_secs(IDLE_S_MAX);
            let level = books.total.distinct >= served.samples
                && started.elapsed() > Duration::from_millis(self.scenario.interval_ms.min(2000));
            if level || idle || started.elapsed() > Duration::from_secs(DRAIN_S_MAX) {
                return Ok((served, books));
            }
            self.running.check()?;
            thread::sleep(Duration::from_millis(100));
        }
    }

    fn log_bytes_per_sample(&self) -> Option<f64> {
        let bytes = self.running.metric("corelane_wal_appended_bytes_total")?;
        let samples = self.running.metric("corelane_wal_appended_samples_total")?;
        Some(bytes / samples.max(1.0))
    }
}
