//! The whole file.

use std::path::{Path, PathBuf};

use crate::config::error::{ConfigError, Warning};
use crate::config::global::read_global;
use crate::config::known;
use crate::config::otlp::read_otlp;
use crate::config::reader::{Field, Section};
use crate::config::remote::read_remote_writes;
use crate::config::scrape::read_scrapes;
use crate::config::types::Config;
use crate::config::yaml::{self, Node, Value};

/// What reading needs besides the text, and what it has to say besides the result.
pub(super) struct Context<'a> {
    /// Relative paths begin here.
    directory: &'a Path,
    pub(super) env: &'a dyn Fn(&str) -> Option<String>,
    pub(super) warnings: Vec<Warning>,
}

impl<'a> Context<'a> {
    pub(super) fn new(directory: &'a Path, env: &'a dyn Fn(&str) -> Option<String>) -> Context<'a> {
        Context { directory, env, warnings: Vec::new() }
    }

    // spec: CFG-5
    pub(super) fn resolve(&self, path: &str) -> PathBuf {
        self.directory.join(path)
    }

    /// The path in a field of this name, if there is one.
    pub(super) fn path(
        &self,
        section: &mut Section<'_>,
        name: &str,
    ) -> Result<Option<PathBuf>, ConfigError> {
        let text = section.text(name, "")?;
        Ok((!text.is_empty()).then(|| self.resolve(&text)))
    }

    pub(super) fn warn(&mut self, field: &Field<'_>, message: String) {
        self.warnings.push(Warning {
            file: field.file.to_owned(),
            line: field.line,
            field: field.path.clone(),
            message,
        });
    }
}

/// Reads a configuration. `path` names the file in messages, and relative paths in it begin in its directory; `env`
/// answers for variables in external labels. Nothing is opened.
///
/// # Errors
/// The first thing that is wrong, unknown or not supported, with its place.
pub fn parse(
    text: &str,
    path: &Path,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<(Config, Vec<Warning>), ConfigError> {
    let node = yaml::read(text, &path.display().to_string())?.unwrap_or_else(Node::null);
    parse_node(&node, path, env)
}

pub(super) fn parse_node(
    node: &Node,
    path: &Path,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<(Config, Vec<Warning>), ConfigError> {
    let file = path.display().to_string();
    let directory = path.parent().unwrap_or(Path::new(""));
    let mut context = Context::new(directory, env);
    let root = Field { file: &file, line: node.line, path: String::new(), node };
    let mut top = root.section()?;
    let global = read_global(top.take("global").as_ref(), &mut context)?;
    read_runtime(top.section("runtime")?)?;
    let out_of_order_time_window = read_storage(top.section("storage")?)?;
    refuse_server_only(&mut top)?;
    let otlp = read_otlp(top.section("otlp")?)?;
    let scrape_config_files = read_patterns(&top.items("scrape_config_files")?, &context)?;
    let scrape_configs = read_scrapes(&top.items("scrape_configs")?, &global, &[], &mut context)?;
    let names = global.names.validation;
    let remote_write = read_remote_writes(&top.items("remote_write")?, names, &mut context)?;
    top.finish(&[known::TOP])?;
    let config = Config {
        otlp,
        global,
        scrape_config_files,
        scrape_configs,
        remote_write,
        out_of_order_time_window,
    };
    Ok((config, context.warnings))
}

/// Adds the jobs of a file that the configuration's `scrape_config_files` name. Relative paths in it begin in its own
/// directory.
///
/// # Errors
/// As of [`parse`]; then nothing is added.
// spec: CFG §2.4
pub fn include(config: &mut Config, text: &str, path: &Path) -> Result<Vec<Warning>, ConfigError> {
    let file = path.display().to_string();
    let directory = path.parent().unwrap_or(Path::new(""));
    let mut context = Context { directory, env: &|_| None, warnings: Vec::new() };
    let node = yaml::read(text, &file)?.unwrap_or_else(Node::null);
    let root = Field { file: &file, line: node.line, path: String::new(), node: &node };
    let mut top = root.section()?;
    let items = top.items("scrape_configs")?;
    let mut jobs = read_scrapes(&items, &config.global, &config.scrape_configs, &mut context)?;
    top.finish(&[])?;
    jobs.iter_mut().for_each(|job| job.included = true);
    config.scrape_configs.append(&mut jobs);
    Ok(context.warnings)
}

/// One star at most, in the last element.
// spec: CFG §2.4
fn read_patterns(items: &[Field<'_>], context: &Context<'_>) -> Result<Vec<PathBuf>, ConfigError> {
    let read = |item: &Field<'_>| {
        let text = item.text()?;
        match text.split_once('*') {
            Some((_, after)) if after.contains(['*', '/']) => {
                Err(item.error(format!("invalid scrape config file path {text:?}")))
            }
            _ => Ok(context.resolve(&text)),
        }
    };
    items.iter().map(read).collect()
}

// spec: CFG §2.2
fn read_runtime(section: Option<Section<'_>>) -> Result<(), ConfigError> {
    let Some(mut section) = section else {
        return Ok(());
    };
    if let Some(field) = section.take_written("gogc")
        // A negative number switches collection off.
        && field.text()?.parse::<i64>().is_err()
    {
        return Err(field.error("not a whole number"));
    }
    section.finish(&[])
}

/// Checked in full; all but the out-of-order window has no effect in an agent.
// spec: CFG §2.2, DB-20
fn read_storage(section: Option<Section<'_>>) -> Result<core::time::Duration, ConfigError> {
    let mut window = core::time::Duration::ZERO;
    let Some(mut section) = section else {
        return Ok(window);
    };
    if let Some(mut tsdb) = section.section("tsdb")? {
        window = tsdb.duration("out_of_order_time_window", window)?;
        if let Some(mut retention) = tsdb.section("retention")? {
            retention.duration("time", window)?;
            retention.size("size", 0)?;
            retention.text("percentage", "")?;
            retention.finish(&[])?;
        }
        tsdb.text("stale_series_compaction_threshold", "")?;
        tsdb.take("chunk_encoding");
        tsdb.finish(&[])?;
    }
    if let Some(mut exemplars) = section.section("exemplars")? {
        exemplars.number("max_exemplars", 0)?;
        exemplars.finish(&[])?;
    }
    section.finish(&[])?;
    Ok(window)
}

/// Sections of a server pass only if they ask for nothing.
// spec: CFG-3
fn refuse_server_only(top: &mut Section<'_>) -> Result<(), ConfigError> {
    if let Some(field) = top.take_written("alerting") {
        let mut alerting = field.section()?;
        let mut held = 0;
        for name in ["alertmanagers", "alert_relabel_configs"] {
            held += alerting.items(name)?.len();
        }
        if held > 0 {
            return Err(field.error("field alerting is not allowed in agent mode"));
        }
        alerting.finish(&[])?;
    }
    for name in ["rule_files", "remote_read"] {
        if let Some(field) = top.take_written(name)
            && !field.items()?.is_empty()
        {
            return Err(field.error(format!("field {name} is not allowed in agent mode")));
        }
    }
    Ok(())
}

impl Node {
    fn null() -> Node {
        Node::new(1, Value::Scalar { text: String::new(), plain: true })
    }
}
