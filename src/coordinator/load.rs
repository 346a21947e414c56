//! The configuration file and those that it names.

use std::fs;
use std::path::{Path, PathBuf};

use crate::config::{self, Config};
use crate::discovery::files_named;
use crate::telemetry::Logger;

const SOURCE: &str = "config";

/// Reads and checks the files. Warnings are said only when they can be used.
pub fn load_config(path: &Path, logger: &Logger) -> Result<Config, String> {
    let wrong =
        |error: String| format!("Error loading config (--config.file={}): {error}", path.display());
    let text = fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let (mut config, mut warnings) =
        config::parse(&text, &absolute, &|name| std::env::var(name).ok())
            .map_err(|error| wrong(error.to_string()))?;
    for file in included(&config) {
        let text = fs::read_to_string(&file)
            .map_err(|error| wrong(format!("{}: {error}", file.display())))?;
        let more = config::include(&mut config, &text, &file);
        warnings.extend(more.map_err(|error| wrong(error.to_string()))?);
    }
    for warning in warnings {
        logger.warn(SOURCE, &warning.to_string(), &[]);
    }
    Ok(config)
}

/// The files that the configuration names and that are there, each once, in the order of the patterns.
// spec: CFG §2.4
fn included(config: &Config) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = Vec::new();
    for pattern in &config.scrape_config_files {
        // A directory that cannot be listed names nothing, as in Prometheus.
        let mut found = files_named(pattern).unwrap_or_default();
        found.sort();
        found.retain(|file| file.exists() && !files.contains(file));
        files.append(&mut found);
    }
    files
}

/// What the files say now, for finding out whether they changed; `None` for one that cannot be read.
pub fn contents(path: &Path, config: &Config) -> Vec<(PathBuf, Option<Vec<u8>>)> {
    let files = core::iter::once(path.to_owned()).chain(included(config));
    files.map(|file| (file.clone(), fs::read(file).ok())).collect()
}
