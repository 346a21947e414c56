//! Log lines on standard error, in the two forms that Prometheus has (spec: CLI-23, CLI-24).

#![expect(clippy::disallowed_methods, reason = "the control plane stamps its log lines")]

use std::io::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::base::Timestamp;
use crate::mail::Level;
use crate::telemetry::rfc3339;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    Json,
    #[default]
    Logfmt,
}

/// Writes lines of a level and above. A copy is as good as the original: a line goes out in one write.
#[derive(Clone, Copy, Debug)]
pub struct Logger {
    level: Level,
    format: LogFormat,
}

impl Logger {
    pub fn new(level: Level, format: LogFormat) -> Logger {
        Logger { level, format }
    }

    /// `source` names the part of the program that speaks; `fields` follow the message in their order. A line that
    /// cannot be written is lost: there is nowhere to say so.
    pub fn log(&self, level: Level, source: &str, message: &str, fields: &[(&str, String)]) {
        if level < self.level {
            return;
        }
        let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now = Timestamp(elapsed.as_millis().min(i64::MAX as u128) as i64);
        let line = line(self.format, now, level, source, message, fields);
        let _ = std::io::stderr().lock().write_all(line.as_bytes());
    }

    /// A panic ends the process; before, one line says which core it was and where. The supervisor starts us again, and
    /// the log loses nothing.
    pub fn speak_of_panics(&self) {
        let logger = *self;
        std::panic::set_hook(Box::new(move |info| {
            let place = info.location().map_or_else(String::new, ToString::to_string);
            let words = info.payload_as_str().unwrap_or_default().to_owned();
            let thread = std::thread::current().name().unwrap_or("unnamed").to_owned();
            let fields = [("thread", thread), ("at", place), ("err", words)];
            logger.error(
                "panic",
                "This is a bug; the process ends, what is in the log is kept",
                &fields,
            );
        }));
    }

    pub fn debug(&self, source: &str, message: &str, fields: &[(&str, String)]) {
        self.log(Level::Debug, source, message, fields);
    }

    pub fn info(&self, source: &str, message: &str, fields: &[(&str, String)]) {
        self.log(Level::Info, source, message, fields);
    }

    pub fn warn(&self, source: &str, message: &str, fields: &[(&str, String)]) {
        self.log(Level::Warn, source, message, fields);
    }

    pub fn error(&self, source: &str, message: &str, fields: &[(&str, String)]) {
        self.log(Level::Error, source, message, fields);
    }
}

fn line(
    format: LogFormat,
    now: Timestamp,
    level: Level,
    source: &str,
    message: &str,
    fields: &[(&str, String)],
) -> String {
    let level = match level {
        Level::Debug => "DEBUG",
        Level::Info => "INFO",
        Level::Warn => "WARN",
        Level::Error => "ERROR",
    };
    let time = rfc3339(now);
    let fixed = [("time", time.as_str()), ("level", level), ("source", source), ("msg", message)];
    let pairs = fixed.into_iter().chain(fields.iter().map(|(key, value)| (*key, value.as_str())));
    let mut line = String::new();
    for (key, value) in pairs {
        match format {
            LogFormat::Json => {
                line.push(if line.is_empty() { '{' } else { ',' });
                quote(&mut line, key);
                line.push(':');
                quote(&mut line, value);
            }
            LogFormat::Logfmt => {
                if !line.is_empty() {
                    line.push(' ');
                }
                line.push_str(key);
                line.push('=');
                if needs_quotes(value) { quote(&mut line, value) } else { line.push_str(value) }
            }
        }
    }
    if format == LogFormat::Json {
        line.push('}');
    }
    line.push('\n');
    line
}

fn needs_quotes(value: &str) -> bool {
    value.is_empty() || value.chars().any(|c| matches!(c, ' ' | '"' | '=' | '\\') || c.is_control())
}

/// A JSON string, which logfmt readers take too.
fn quote(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_have_the_shape_that_prometheus_gives_them() {
        let fields = [("n", "1".to_owned()), ("err", "a \"b\"\n".to_owned()), ("e", String::new())];
        let now = Timestamp(1_785_585_600_123);
        let of = |format| line(format, now, Level::Warn, "shard", "Disk is full", &fields);
        assert_eq!(
            of(LogFormat::Logfmt),
            "time=2026-08-01T12:00:00.123Z level=WARN source=shard msg=\"Disk is full\" n=1 \
             err=\"a \\\"b\\\"\\n\" e=\"\"\n"
        );
        assert_eq!(
            of(LogFormat::Json),
            "{\"time\":\"2026-08-01T12:00:00.123Z\",\"level\":\"WARN\",\"source\":\"shard\",\
             \"msg\":\"Disk is full\",\"n\":\"1\",\"err\":\"a \\\"b\\\"\\n\",\"e\":\"\"}\n"
        );
    }
}
