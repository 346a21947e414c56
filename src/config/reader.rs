//! Typed reading of a mapping: fields are taken one by one, and what is left over is refused.
//!
//! As in Prometheus, a scalar field that is written but empty (null) has the zero value of its type, not its default;
//! an empty list or section is one that is not there.

use core::time::Duration;

use crate::base::parse_duration;
use crate::config::error::ConfigError;
use crate::config::known::{Harmless, Known};
use crate::config::size::parse_size;
use crate::config::yaml::{Entry, Node, Value};

/// A value and where it stands.
#[derive(Clone)]
pub(super) struct Field<'a> {
    pub(super) file: &'a str,
    pub(super) line: usize,
    pub(super) path: String,
    pub(super) node: &'a Node,
}

impl<'a> Field<'a> {
    pub(super) fn error(&self, message: impl Into<String>) -> ConfigError {
        ConfigError {
            file: self.file.to_owned(),
            line: self.line,
            field: if self.path.is_empty() { "document".to_owned() } else { self.path.clone() },
            message: message.into(),
        }
    }

    fn wrong(&self, wanted: &str) -> ConfigError {
        match &self.node.value {
            Value::Scalar { text, .. } => self.error(format!("{text:?} is not {wanted}")),
            _ => self.error(format!("{} is not {wanted}", self.node.kind())),
        }
    }

    /// Any scalar, as written.
    pub(super) fn text(&self) -> Result<String, ConfigError> {
        match &self.node.value {
            _ if self.node.is_null() => Ok(String::new()),
            Value::Scalar { text, .. } => Ok(text.clone()),
            _ => Err(self.wrong("a string")),
        }
    }

    /// A scalar as JSON: plain numbers, `true`, `false` and null as such, all else as a text.
    pub(super) fn json(&self) -> Result<String, ConfigError> {
        let text = self.text()?;
        if self.node.is_null() {
            return Ok("null".to_owned());
        }
        let number = text.starts_with(|c: char| c.is_ascii_digit() || c == '-');
        let bare = matches!(text.as_str(), "true" | "false")
            || (number && whole_number(text.trim_start_matches('-')).is_some());
        if self.plain().is_some() && bare && !text.contains(['_', 'x', 'o', 'b', 'e', '.']) {
            return Ok(text);
        }
        let mut json = String::from("\"");
        for c in text.chars() {
            match c {
                '"' | '\\' => json.extend(['\\', c]),
                c if c.is_control() => json.push_str(&format!("\\u{:04x}", u32::from(c))),
                c => json.push(c),
            }
        }
        json.push('"');
        Ok(json)
    }

    pub(super) fn flag(&self) -> Result<bool, ConfigError> {
        match self.plain() {
            _ if self.node.is_null() => Ok(false),
            Some("true" | "True" | "TRUE" | "yes" | "Yes" | "YES" | "on" | "On" | "ON") => Ok(true),
            Some("y" | "Y") => Ok(true),
            Some("false" | "False" | "FALSE" | "no" | "No" | "NO" | "off" | "Off" | "OFF") => {
                Ok(false)
            }
            Some("n" | "N") => Ok(false),
            _ => Err(self.wrong("true or false")),
        }
    }

    pub(super) fn number(&self) -> Result<u64, ConfigError> {
        if self.node.is_null() {
            return Ok(0);
        }
        self.plain().and_then(whole_number).ok_or_else(|| self.wrong("a whole number, 0 or more"))
    }

    /// Digits with an optional fraction, 0 or more.
    pub(super) fn decimal(&self) -> Result<f64, ConfigError> {
        if self.node.is_null() {
            return Ok(0.0);
        }
        let number = self.plain().and_then(|text| text.parse::<f64>().ok());
        let number = number.filter(|number| number.is_finite() && *number >= 0.0);
        number.ok_or_else(|| self.wrong("a number, 0 or more"))
    }

    pub(super) fn duration(&self) -> Result<Duration, ConfigError> {
        if self.node.is_null() {
            return Ok(Duration::ZERO);
        }
        parse_duration(&self.text()?).map_err(|error| self.error(error.to_string()))
    }

    /// Bytes.
    pub(super) fn size(&self) -> Result<u64, ConfigError> {
        if self.node.is_null() {
            return Ok(0);
        }
        parse_size(&self.text()?).ok_or_else(|| self.wrong("a size such as 10MB or 512KiB"))
    }

    pub(super) fn items(&self) -> Result<Vec<Field<'a>>, ConfigError> {
        match &self.node.value {
            _ if self.node.is_null() => Ok(Vec::new()),
            Value::Sequence(items) => Ok(items
                .iter()
                .enumerate()
                .map(|(index, node)| Field {
                    file: self.file,
                    line: node.line,
                    path: format!("{}[{index}]", self.path),
                    node,
                })
                .collect()),
            _ => Err(self.wrong("a list")),
        }
    }

    pub(super) fn texts(&self) -> Result<Vec<String>, ConfigError> {
        self.items()?.iter().map(Field::text).collect()
    }

    /// A mapping whose names are data; in order.
    pub(super) fn pairs(&self) -> Result<Vec<(&'a str, Field<'a>)>, ConfigError> {
        match &self.node.value {
            _ if self.node.is_null() => Ok(Vec::new()),
            Value::Mapping(entries) => {
                Ok(entries.iter().map(|entry| (entry.name.as_str(), self.below(entry))).collect())
            }
            _ => Err(self.wrong("a mapping")),
        }
    }

    /// A mapping of known fields; null is an empty one.
    pub(super) fn section(&self) -> Result<Section<'a>, ConfigError> {
        let fields = self.pairs()?.into_iter().map(|(name, field)| Some((name, field))).collect();
        Ok(Section { place: self.clone(), fields })
    }

    fn below(&self, entry: &'a Entry) -> Field<'a> {
        let dot = if self.path.is_empty() { "" } else { "." };
        Field {
            file: self.file,
            line: entry.line,
            path: format!("{}{dot}{}", self.path, entry.name),
            node: &entry.node,
        }
    }

    fn plain(&self) -> Option<&'a str> {
        match &self.node.value {
            Value::Scalar { text, plain: true } => Some(text),
            _ => None,
        }
    }

    fn is_harmless(&self, harmless: Harmless) -> bool {
        let empty = match &self.node.value {
            Value::Scalar { .. } => self.node.is_null(),
            Value::Sequence(items) => items.is_empty(),
            Value::Mapping(entries) => entries.is_empty(),
        };
        empty
            || match harmless {
                Harmless::Empty => false,
                Harmless::Flag => self.flag().is_ok(),
            }
    }
}

/// `1000`, `1_000`, `0x10`, `0o7`, `07`, `0b1`, `1e3`.
fn whole_number(text: &str) -> Option<u64> {
    let text = text.replace('_', "");
    let text = text.strip_prefix('+').unwrap_or(&text);
    for (prefix, radix) in [("0x", 16), ("0o", 8), ("0b", 2)] {
        if let Some(digits) = text.strip_prefix(prefix) {
            return u64::from_str_radix(digits, radix).ok();
        }
    }
    if text.len() > 1
        && text.starts_with('0')
        && let Ok(octal) = u64::from_str_radix(text, 8)
    {
        return Some(octal);
    }
    if let Ok(number) = text.parse() {
        return Some(number);
    }
    let begins = text.starts_with(|c: char| c.is_ascii_digit() || c == '.');
    let number: f64 = text.parse().ok().filter(|_| begins)?;
    // 2^53: beyond it not every whole number has a float.
    (number.fract() == 0.0 && number <= 9_007_199_254_740_992.0).then_some(number as u64)
}

/// A mapping with known fields, of which the taken ones are gone.
pub(super) struct Section<'a> {
    pub(super) place: Field<'a>,
    fields: Vec<Option<(&'a str, Field<'a>)>>,
}

impl<'a> Section<'a> {
    pub(super) fn take(&mut self, name: &str) -> Option<Field<'a>> {
        let found = |slot: &&mut Option<(&str, Field<'_>)>| {
            slot.as_ref().is_some_and(|(known, _)| *known == name)
        };
        self.fields.iter_mut().find(found)?.take().map(|(_, field)| field)
    }

    /// The field if it is written, and not null.
    pub(super) fn take_written(&mut self, name: &str) -> Option<Field<'a>> {
        self.take(name).filter(|field| !field.node.is_null())
    }

    pub(super) fn text(&mut self, name: &str, default: &str) -> Result<String, ConfigError> {
        self.take(name).map_or_else(|| Ok(default.to_owned()), |field| field.text())
    }

    pub(super) fn flag(&mut self, name: &str, default: bool) -> Result<bool, ConfigError> {
        self.take(name).map_or(Ok(default), |field| field.flag())
    }

    pub(super) fn number(&mut self, name: &str, default: u64) -> Result<u64, ConfigError> {
        self.take(name).map_or(Ok(default), |field| field.number())
    }

    pub(super) fn decimal(&mut self, name: &str, default: f64) -> Result<f64, ConfigError> {
        self.take(name).map_or(Ok(default), |field| field.decimal())
    }

    pub(super) fn size(&mut self, name: &str, default: u64) -> Result<u64, ConfigError> {
        self.take(name).map_or(Ok(default), |field| field.size())
    }

    pub(super) fn duration(
        &mut self,
        name: &str,
        default: Duration,
    ) -> Result<Duration, ConfigError> {
        self.take(name).map_or(Ok(default), |field| field.duration())
    }

    pub(super) fn items(&mut self, name: &str) -> Result<Vec<Field<'a>>, ConfigError> {
        self.take(name).map_or_else(|| Ok(Vec::new()), |field| field.items())
    }

    pub(super) fn texts(&mut self, name: &str) -> Result<Vec<String>, ConfigError> {
        self.take(name).map_or_else(|| Ok(Vec::new()), |field| field.texts())
    }

    pub(super) fn section(&mut self, name: &str) -> Result<Option<Section<'a>>, ConfigError> {
        self.take_written(name).map(|field| field.section()).transpose()
    }

    /// An error about a field that may have been taken, or about the section if it is not written.
    pub(super) fn error_at(&self, field: Option<&Field<'_>>, message: &str) -> ConfigError {
        field.map_or_else(|| self.place.error(message), |field| field.error(message))
    }

    /// Refuses what was not taken. `known`: what Prometheus knows and is not obeyed here, with the values that ask
    /// for nothing.
    pub(super) fn finish(self, known: &[&[Known]]) -> Result<(), ConfigError> {
        for (name, field) in self.fields.into_iter().flatten() {
            let table = known.iter().copied().flatten();
            match table.into_iter().find(|(known, _)| *known == name) {
                None => return Err(field.error("unknown field")),
                Some((_, harmless)) if field.is_harmless(*harmless) => {}
                Some(_) => return Err(field.error("not supported yet")),
            }
        }
        Ok(())
    }
}
