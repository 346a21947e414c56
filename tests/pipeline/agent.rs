//! The program under test.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};

use serde_json::Value;

use crate::program::Program;
use crate::scratch::{Scratch, free_port};
use crate::wait;
use crate::web::{self, Answer};

/// Scrape interval of most tests.
pub const INTERVAL: &str = "250ms";

/// A configuration: a job named `test` with static targets, given by their ports, and remote-write endpoints.
pub fn config(ports: &[u16], urls: &[String]) -> String {
    let targets: Vec<String> = ports.iter().map(|port| format!("\"127.0.0.1:{port}\"")).collect();
    let mut yaml = format!(
        "global:\n  scrape_interval: {INTERVAL}\n  scrape_timeout: {INTERVAL}\n\
         scrape_configs:\n  - job_name: test\n    static_configs:\n      - targets: [{}]\n",
        targets.join(", ")
    );
    if !urls.is_empty() {
        yaml.push_str("remote_write:\n");
    }
    for (number, url) in urls.iter().enumerate() {
        yaml.push_str(&format!("  - name: remote-{number}\n    url: {url}\n"));
        // Short, so that a test need not wait long after an outage.
        yaml.push_str("    queue_config:\n      max_backoff: 500ms\n");
    }
    yaml
}

/// A command of the program, without flags.
pub fn command() -> Command {
    Command::new(env!("CARGO_BIN_EXE_corelane"))
}

#[derive(Debug)]
pub struct Agent {
    config: PathBuf,
    data: PathBuf,
    log: PathBuf,
    port: u16,
    flags: Vec<String>,
    variables: Vec<(&'static str, String)>,
    program: Option<Program>,
}

impl Agent {
    /// An agent that is not yet started, with a folder for its data below the test's.
    pub fn new(scratch: &Scratch, config: &str) -> Agent {
        let port = free_port();
        Agent {
            config: scratch.write(&format!("agent-{port}.yml"), config),
            data: scratch.path(&format!("agent-{port}")),
            log: scratch.path(&format!("agent-{port}.log")),
            port,
            flags: Vec::new(),
            variables: Vec::new(),
            program: None,
        }
    }

    /// The flags that the next start gets besides the usual ones.
    pub fn flags(&mut self, flags: &[&str]) {
        self.flags = flags.iter().map(|flag| (*flag).to_owned()).collect();
    }

    /// Variables of the environment that it gets besides the test's own.
    pub fn variables(&mut self, variables: &[(&'static str, String)]) {
        self.variables = variables.to_vec();
    }

    /// Its data is here from the next start on.
    pub fn keep_data_in(&mut self, folder: &Path) {
        self.data = folder.to_owned();
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn config(&self) -> &Path {
        &self.config
    }

    pub fn data(&self) -> &Path {
        &self.data
    }

    /// What it has printed in all its lives.
    pub fn log(&self) -> String {
        self.program.as_ref().map(Program::log).unwrap_or_default()
    }

    /// Starts it and waits until it is ready.
    pub fn start(&mut self) {
        self.launch();
        wait::until("the agent is ready", || {
            let program = self.program.as_mut()?;
            if let Some(status) = program.ended() {
                panic!("the agent ended with {status}:\n{}", program.log());
            }
            web::get(self.port, "/-/ready").filter(|answer| answer.status == 200)
        });
    }

    /// Starts it and waits for nothing.
    pub fn launch(&mut self) {
        assert!(self.program.is_none(), "the agent runs already");
        let mut command = command();
        command
            .arg(format!("--config.file={}", self.config.display()))
            .arg(format!("--storage.agent.path={}", self.data.display()))
            .arg(format!("--web.listen-address=127.0.0.1:{}", self.port))
            .args(&self.flags)
            .envs(self.variables.iter().map(|(name, value)| (name, value)));
        if !self.flags.iter().any(|flag| flag == "--no-web.enable-lifecycle") {
            command.arg("--web.enable-lifecycle");
        }
        // The whole suite on one runtime, whatever a machine would choose.
        if let Ok(runtime) = std::env::var("CORELANE_RUNTIME")
            && !self.flags.iter().any(|flag| flag.starts_with("--runtime"))
        {
            command.arg(format!("--runtime={runtime}"));
        }
        self.program = Some(Program::start(&mut command, &self.log));
    }

    /// Whether it has ended by itself.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.program.as_mut()?.ended()
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        self.program.take().expect("the agent runs").kill();
    }

    /// SIGTERM, and the status it ends with.
    pub fn stop(&mut self) -> ExitStatus {
        let mut program = self.program.take().expect("the agent runs");
        program.signal("TERM");
        program.wait()
    }

    /// SIGHUP.
    pub fn hang_up(&self) {
        self.program.as_ref().expect("the agent runs").signal("HUP");
    }

    /// Asks for a reload over HTTP.
    pub fn reload(&self) -> Answer {
        web::post(self.port, "/-/reload").expect("the agent answers")
    }

    /// The active target of a port, as the API shows it.
    pub fn target(&self, port: u16) -> Option<Value> {
        let found = web::get_json(self.port, "/api/v1/targets")?;
        let mut targets = found["data"]["activeTargets"].as_array()?.iter();
        let url = format!("//127.0.0.1:{port}/");
        targets
            .find(|target| target["scrapeUrl"].as_str().is_some_and(|found| found.contains(&url)))
            .cloned()
    }

    /// Waits until the target of a port has failed, and gives the error shown.
    pub fn failure(&self, port: u16) -> String {
        wait::until("a failed scrape is shown", || {
            let target = self.target(port)?;
            let error = target["lastError"].as_str()?.to_owned();
            (target["health"] == "down" && !error.is_empty()).then_some(error)
        })
    }
}
