//! Real senders of remote write: a Prometheus in agent mode, and vmagent. Both scrape and push what they have.

use std::process::Command;

use crate::agent::INTERVAL;
use crate::peers;
use crate::program::Program;
use crate::scratch::{Scratch, free_port};
use crate::wait;
use crate::web;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Sends 1.0.
    Prometheus,
    /// Sends 2.0.
    PrometheusSecond,
    VmAgent,
}

#[derive(Debug)]
pub struct Sender {
    port: u16,
    program: Option<Program>,
}

impl Sender {
    /// One that is up, scrapes these ports and pushes to this address.
    pub fn start(scratch: &Scratch, kind: Kind, ports: &[u16], url: &str) -> Sender {
        let port = free_port();
        let targets: Vec<String> = ports.iter().map(|port| format!("'127.0.0.1:{port}'")).collect();
        let mut config = format!(
            "global: {{scrape_interval: {INTERVAL}, scrape_timeout: {INTERVAL}}}\n\
             scrape_configs: [{{job_name: test, static_configs: [{{targets: [{}]}}]}}]\n",
            targets.join(", ")
        );
        let mut message = "prometheus.WriteRequest";
        if kind == Kind::PrometheusSecond {
            message = "io.prometheus.write.v2.Request";
        }
        if kind != Kind::VmAgent {
            config.push_str(&format!(
                "remote_write: [{{url: '{url}', protobuf_message: {message}, send_exemplars: true, \
                 queue_config: {{batch_send_deadline: 100ms, max_backoff: 200ms}}}}]\n"
            ));
        }
        let config = scratch.write(&format!("sender-{port}.yml"), &config);
        let data = scratch.path(&format!("sender-{port}"));
        let mut command = match kind {
            Kind::Prometheus | Kind::PrometheusSecond => {
                let mut command = Command::new(peers::prometheus());
                command
                    .arg("--agent")
                    .arg(format!("--config.file={}", config.display()))
                    .arg(format!("--storage.agent.path={}", data.display()))
                    .arg(format!("--web.listen-address=127.0.0.1:{port}"));
                command
            }
            Kind::VmAgent => {
                let mut command = Command::new(peers::vmagent());
                command
                    .arg(format!("-promscrape.config={}", config.display()))
                    .arg(format!("-remoteWrite.url={url}"))
                    .arg(format!("-remoteWrite.tmpDataPath={}", data.display()))
                    .arg("-remoteWrite.queues=1")
                    .arg("-remoteWrite.flushInterval=100ms")
                    .arg("-remoteWrite.retryMinInterval=100ms")
                    .arg("-remoteWrite.retryMaxTime=200ms")
                    .arg(format!("-httpListenAddr=127.0.0.1:{port}"));
                command
            }
        };
        let program = Program::start(&mut command, &scratch.path(&format!("sender-{port}.log")));
        let path = if kind == Kind::VmAgent { "/health" } else { "/-/ready" };
        wait::until("the sender is ready", || {
            web::get(port, path).filter(|answer| answer.status == 200)
        });
        Sender { port, program: Some(program) }
    }

    /// Figures of its own.
    pub fn metrics(&self) -> String {
        web::get(self.port, "/metrics").map(|answer| answer.body).unwrap_or_default()
    }

    /// What it has printed.
    pub fn log(&self) -> String {
        self.program.as_ref().map(Program::log).unwrap_or_default()
    }
}
