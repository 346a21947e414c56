//! Where the real peers are.

use std::env;
use std::path::{Path, PathBuf};

/// The program of a package. Panics when it is not there: a test that skips says nothing.
fn peer(package: &str, program: &str) -> PathBuf {
    let folder = env::var_os("CORELANE_PEERS")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join(".peers"), PathBuf::from);
    let path = folder.join(package).join("usr/bin").join(program);
    assert!(path.exists(), "{} is missing: run scripts/peers once", path.display());
    path
}

pub fn node_exporter() -> PathBuf {
    peer("prometheus-node-exporter", "prometheus-node-exporter")
}

pub fn prometheus() -> PathBuf {
    peer("prometheus", "prometheus")
}

pub fn victoria_metrics() -> PathBuf {
    peer("victoria-metrics", "victoria-metrics")
}

pub fn vmauth() -> PathBuf {
    peer("victoria-metrics", "vmauth")
}

pub fn vmagent() -> PathBuf {
    peer("victoria-metrics", "vmagent")
}
