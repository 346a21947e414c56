//! YAML as written: a tree of scalars, sequences and mappings, each with its line.
//!
//! Scalars stay text; what they mean depends on the field. Keys are unique. Aliases are copied in place and `<<`
//! merged, within a bound on the size of the whole.

use std::collections::BTreeMap;

use saphyr_parser::{Event, Parser, ScalarStyle, Span, StrInput};

use crate::config::error::ConfigError;

/// Nodes after aliases are copied in; a configuration of ten thousand jobs has fewer.
const NODES: usize = 4 << 20;
const DEPTH: usize = 64;

#[derive(Clone, Debug)]
pub(super) struct Node {
    /// From 1.
    pub(super) line: usize,
    pub(super) value: Value,
    /// This node and all below it.
    size: usize,
}

#[derive(Clone, Debug)]
pub(super) enum Value {
    Scalar {
        text: String,
        /// Not quoted, so it may mean a number, a boolean or nothing.
        plain: bool,
    },
    Sequence(Vec<Node>),
    Mapping(Vec<Entry>),
}

#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) name: String,
    /// Of the key.
    pub(super) line: usize,
    pub(super) node: Node,
}

impl Node {
    pub(super) fn new(line: usize, value: Value) -> Node {
        let below = match &value {
            Value::Scalar { .. } => 0,
            Value::Sequence(items) => items.iter().map(|item| item.size).sum(),
            Value::Mapping(entries) => entries.iter().map(|entry| entry.node.size + 1).sum(),
        };
        Node { line, value, size: below + 1 }
    }

    pub(super) fn is_null(&self) -> bool {
        match &self.value {
            Value::Scalar { text, plain } => {
                *plain && matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL")
            }
            _ => false,
        }
    }

    /// For messages.
    pub(super) fn kind(&self) -> &'static str {
        match &self.value {
            Value::Scalar { .. } => "a scalar",
            Value::Sequence(_) => "a list",
            Value::Mapping(_) => "a mapping",
        }
    }
}

/// Reads one document; `None` if the text holds none.
///
/// # Errors
/// The text is not YAML, a key is no scalar or appears twice, an alias is unknown, or the whole is too large.
pub(super) fn read(text: &str, file: &str) -> Result<Option<Node>, ConfigError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let parser = Parser::new_from_str(text);
    let mut loader = Loader { parser, file, anchors: BTreeMap::new(), nodes: 0, path: Vec::new() };
    let mut document: Option<Node> = None;
    loop {
        let (event, _) = loader.event()?;
        match event {
            Event::StreamEnd => return Ok(document),
            Event::DocumentStart(_) => {
                let (event, span) = loader.event()?;
                let node = loader.node(event, span)?;
                match &document {
                    None => document = Some(node),
                    // A `---` at the end begins nothing.
                    Some(_) if node.is_null() => {}
                    Some(_) => {
                        return Err(loader.error(node.line, "only one YAML document is read"));
                    }
                }
            }
            _ => {}
        }
    }
}

fn line(span: Span) -> usize {
    span.start.line().max(1)
}

struct Loader<'a> {
    parser: Parser<'a, StrInput<'a>>,
    file: &'a str,
    anchors: BTreeMap<usize, Node>,
    nodes: usize,
    /// Of the node being read.
    path: Vec<String>,
}

impl<'a> Loader<'a> {
    fn error(&self, line: usize, message: &str) -> ConfigError {
        let field = self.path.concat();
        let field = field.strip_prefix('.').unwrap_or(&field);
        ConfigError {
            file: self.file.to_owned(),
            line,
            field: if field.is_empty() { "document".to_owned() } else { field.to_owned() },
            message: message.to_owned(),
        }
    }

    fn event(&mut self) -> Result<(Event<'a>, Span), ConfigError> {
        match self.parser.next_event() {
            Some(Ok(event)) => Ok(event),
            Some(Err(error)) => {
                let message = format!("not YAML: {}", error.info());
                Err(self.error(error.marker().line().max(1), &message))
            }
            None => Ok((Event::StreamEnd, Span::default())),
        }
    }

    fn node(&mut self, event: Event<'a>, span: Span) -> Result<Node, ConfigError> {
        let at = line(span);
        let (anchor, node) = match event {
            Event::Alias(anchor) => match self.anchors.get(&anchor) {
                Some(node) => (0, node.clone()),
                None => return Err(self.error(at, "an alias inside of what it stands for")),
            },
            Event::Scalar(text, style, anchor, tag) => {
                let string = tag.is_some_and(|tag| tag.suffix == "str");
                let plain = style == ScalarStyle::Plain && !string;
                (anchor, Node::new(at, Value::Scalar { text: text.into_owned(), plain }))
            }
            Event::SequenceStart(anchor, _) => (anchor, self.sequence(at)?),
            Event::MappingStart(anchor, _) => (anchor, self.mapping(at)?),
            _ => return Err(self.error(at, "not YAML: a value is missing")),
        };
        self.nodes = self.nodes.saturating_add(node.size);
        // Each level counts what is below it again, so depth is in the bound too.
        if self.nodes > NODES {
            return Err(self.error(at, "too large"));
        }
        if anchor > 0 {
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }

    fn enter(&mut self, at: usize, step: String) -> Result<(), ConfigError> {
        if self.path.len() >= DEPTH {
            return Err(self.error(at, "nested too deeply"));
        }
        self.path.push(step);
        Ok(())
    }

    fn sequence(&mut self, at: usize) -> Result<Node, ConfigError> {
        let mut items = Vec::new();
        loop {
            let (event, span) = self.event()?;
            if event == Event::SequenceEnd {
                return Ok(Node::new(at, Value::Sequence(items)));
            }
            self.enter(line(span), format!("[{}]", items.len()))?;
            items.push(self.node(event, span)?);
            self.path.pop();
        }
    }

    fn mapping(&mut self, at: usize) -> Result<Node, ConfigError> {
        let mut entries: Vec<Entry> = Vec::new();
        let mut names: BTreeMap<String, usize> = BTreeMap::new();
        let mut merged = Vec::new();
        loop {
            let (event, span) = self.event()?;
            if event == Event::MappingEnd {
                break;
            }
            let key_line = line(span);
            let key = self.node(event, span)?;
            let Value::Scalar { text: name, plain } = key.value else {
                return Err(self.error(key_line, "a key must be a scalar"));
            };
            self.enter(key_line, format!(".{name}"))?;
            let (event, span) = self.event()?;
            let node = self.node(event, span)?;
            if plain && name == "<<" {
                merged.push((key_line, node));
            } else {
                if let Some(first) = names.insert(name.clone(), key_line) {
                    let message = format!("already set in line {first}");
                    return Err(self.error(key_line, &message));
                }
                entries.push(Entry { name, line: key_line, node });
            }
            self.path.pop();
        }
        for (key_line, node) in merged {
            self.merge(&mut entries, node, key_line)?;
        }
        Ok(Node::new(at, Value::Mapping(entries)))
    }

    /// Adds what is not yet there.
    fn merge(&self, into: &mut Vec<Entry>, node: Node, at: usize) -> Result<(), ConfigError> {
        match node.value {
            Value::Mapping(entries) => {
                for entry in entries {
                    if !into.iter().any(|known| known.name == entry.name) {
                        into.push(entry);
                    }
                }
                Ok(())
            }
            Value::Sequence(items)
                if items.iter().all(|item| matches!(item.value, Value::Mapping(_))) =>
            {
                items.into_iter().try_for_each(|item| self.merge(into, item, at))
            }
            _ => Err(self.error(at, "`<<` takes a mapping or a list of mappings")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(text: &str) -> String {
        read(text, "f.yml").map(drop).expect_err(text).to_string()
    }

    #[test]
    fn keys_are_unique_and_places_are_told() {
        assert_eq!(refusal("a:\n- b: 1\n  b: 2\n"), "f.yml:3: a[0].b: already set in line 2");
        assert_eq!(
            refusal("a: 1\n---\nb: 2\n"),
            "f.yml:3: document: only one YAML document is read"
        );
        assert!(refusal("a: [1\nb: }").starts_with("f.yml:2: a: not YAML: "));
        assert!(refusal("? [a]\n: b\n").contains("a key must be a scalar"));
        assert!(refusal("a: &x [*x]\n").contains("alias inside"));
        assert!(refusal("a: *nope\n").contains("unknown anchor"));
        assert!(refusal(&"[".repeat(100)).contains("nested too deeply"));
    }

    #[test]
    fn aliases_and_merges_are_copied_in_within_bounds() {
        let text = "base: &b {x: 1, y: 2}\nall: {<<: *b, y: 3}\n";
        let node = read(text, "f").expect("valid").expect("a document");
        let text = format!("{node:?}");
        assert_eq!(text.matches("name: \"x\"").count(), 2, "{text}");
        assert_eq!(text.matches("name: \"y\"").count(), 2, "{text}");
        let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
        for level in 1..12 {
            let inner = format!("*a{}, ", level - 1).repeat(10);
            bomb.push_str(&format!("a{level}: &a{level} [{inner}]\n"));
        }
        assert!(refusal(&bomb).contains("too large"));
    }

    #[test]
    fn json_is_yaml() {
        let text = "[\n\t{\"a\": [\"b\\/c\", \"\\u00e9\"],\t\"d\":{}}\n]";
        let node = read(text, "f").expect("valid").expect("a document");
        let text = format!("{node:?}");
        assert!(text.contains("b/c") && text.contains('é'), "{text}");
    }

    #[test]
    fn nothing_written_is_no_document() {
        for text in ["", "\n", "# comment\n"] {
            assert!(read(text, "f").expect("valid").is_none_or(|node| node.is_null()), "{text:?}");
        }
    }
}
