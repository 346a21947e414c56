//! Files of the repository, and their text with comments and literals set apart.

use std::fs;
use std::path::Path;

/// One Rust file.
#[derive(Debug)]
pub struct Source {
    /// From the repository's root, with forward slashes.
    pub path: String,
    pub text: String,
    /// The text with comments and literals blanked, so that lines and columns stay.
    pub code: String,
    /// The text with everything but comments blanked.
    pub comments: String,
    /// Contents of string literals, each with its line.
    pub literals: Vec<(usize, String)>,
}

impl Source {
    pub fn new(path: &str, text: &str) -> Source {
        let mut split = Split::default();
        split.run(text);
        Source {
            path: path.to_owned(),
            text: text.to_owned(),
            code: split.code,
            comments: split.comments,
            literals: split.literals,
        }
    }

    /// The path below `src/`; `None` for files elsewhere.
    pub fn below_src(&self) -> Option<&str> {
        self.path.strip_prefix("src/")
    }

    /// The room that the file stands in: a folder of `src`, or a file there.
    pub fn room(&self) -> Option<&str> {
        let below = self.below_src()?;
        let (first, _) = below.split_once('/').unwrap_or((below.strip_suffix(".rs")?, ""));
        Some(first)
    }

    /// The sign on a room's door.
    pub fn is_door(&self) -> bool {
        self.below_src()
            .is_some_and(|below| below.ends_with("/mod.rs") && below.matches('/').count() == 1)
    }

    /// A finding at byte `at`.
    pub fn finding(&self, at: usize, message: &str) -> String {
        format!("{}:{}: {message}", self.path, line_of(&self.text, at))
    }
}

/// The line that byte `at` is on, from 1.
pub fn line_of(text: &str, at: usize) -> usize {
    let before = &text.as_bytes()[..at.min(text.len())];
    before.iter().filter(|&&byte| byte == b'\n').count() + 1
}

pub fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// Places of `word` where it stands alone.
pub fn words<'a>(text: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    let bytes = text.as_bytes();
    text.match_indices(word).map(|(at, _)| at).filter(move |&at| {
        let before = at.checked_sub(1).map(|before| bytes[before]);
        let after = bytes.get(at + word.len()).copied();
        !before.is_some_and(is_word) && !after.is_some_and(is_word)
    })
}

/// Takes a Rust text apart. Knows just enough of the language: nested comments, raw strings, characters, lifetimes.
#[derive(Default)]
struct Split {
    code: String,
    comments: String,
    literals: Vec<(usize, String)>,
}

impl Split {
    fn run(&mut self, text: &str) {
        let mut rest = text;
        let mut line = 1;
        while let Some(first) = rest.chars().next() {
            let (kind, len) = piece(rest, self.code.chars().next_back());
            let taken = &rest[..len.max(first.len_utf8())];
            match kind {
                Kind::Code => self.put(taken, ""),
                Kind::Comment => self.put("", taken),
                Kind::Literal => {
                    let (_, inside) = taken.split_once('"').unwrap_or_default();
                    let inside = inside.trim_end_matches('#');
                    let inside = inside.strip_suffix('"').unwrap_or(inside);
                    self.literals.push((line, inside.to_owned()));
                    self.blank(taken);
                }
                Kind::Character => self.blank(taken),
            }
            line += taken.matches('\n').count();
            rest = &rest[taken.len()..];
        }
    }

    fn put(&mut self, code: &str, comment: &str) {
        self.code.push_str(code);
        self.comments.push_str(comment);
        push_blank(&mut self.code, comment);
        push_blank(&mut self.comments, code);
    }

    fn blank(&mut self, taken: &str) {
        push_blank(&mut self.code, taken);
        push_blank(&mut self.comments, taken);
    }
}

fn push_blank(out: &mut String, text: &str) {
    out.extend(text.bytes().map(|byte| if byte == b'\n' { '\n' } else { ' ' }));
}

enum Kind {
    Character,
    Code,
    Comment,
    Literal,
}

/// What `rest` begins with, and its length in bytes.
fn piece(rest: &str, before: Option<char>) -> (Kind, usize) {
    let in_word = before.is_some_and(|c| c.is_ascii() && is_word(c as u8));
    if rest.starts_with("//") {
        return (Kind::Comment, rest.find('\n').unwrap_or(rest.len()));
    }
    if rest.starts_with("/*") {
        return (Kind::Comment, block_comment(rest));
    }
    if !in_word {
        let raw = rest.trim_start_matches('b');
        if let Some(hashes) = raw.strip_prefix('r') {
            let count = hashes.len() - hashes.trim_start_matches('#').len();
            if hashes[count..].starts_with('"') && rest.len() - raw.len() <= 1 {
                let end = format!("\"{}", "#".repeat(count));
                let from = rest.len() - hashes.len() + count + 1;
                let close = rest[from..].find(&end).map_or(rest.len(), |at| from + at + end.len());
                return (Kind::Literal, close);
            }
        }
    }
    let quoted = if in_word { rest } else { rest.strip_prefix('b').unwrap_or(rest) };
    if quoted.starts_with('"') {
        return (Kind::Literal, rest.len() - quoted.len() + quote(quoted, b'"'));
    }
    if let Some(after) = quoted.strip_prefix('\'') {
        let mut chars = after.chars();
        let escaped = after.starts_with('\\');
        if escaped || (chars.next().is_some() && chars.next() == Some('\'')) {
            return (Kind::Character, rest.len() - quoted.len() + quote(quoted, b'\''));
        }
    }
    (Kind::Code, 0)
}

/// Length of what begins and ends with `mark`.
fn quote(text: &str, mark: u8) -> usize {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            _ if byte == mark => return at + 1,
            _ => {}
        }
    }
    text.len()
}

fn block_comment(text: &str) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while at < text.len() {
        if text.as_bytes()[at..].starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if text.as_bytes()[at..].starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    text.len()
}

pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

pub fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// All Rust files below these folders, in order of their paths.
pub fn rust_files(folders: &[&str]) -> Vec<Source> {
    let mut paths = Vec::new();
    for folder in folders {
        walk(folder, &mut paths);
    }
    paths.sort();
    let rust = paths.iter().filter(|path| path.ends_with(".rs"));
    rust.map(|path| Source::new(path, &read(path))).collect()
}

/// Made by tools, or fetched.
const NOT_OURS: [&str; 5] = [".git", ".peers", "data-agent", "target", "fuzz/target"];

/// Paths of all files below `folder` (empty: the repository) that are ours.
pub fn walk(folder: &str, out: &mut Vec<String>) {
    let Ok(entries) = fs::read_dir(root().join(folder)) else {
        return;
    };
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = if folder.is_empty() { name } else { format!("{folder}/{name}") };
        if NOT_OURS.contains(&path.as_str()) {
            continue;
        }
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => walk(&path, out),
            Ok(kind) if kind.is_file() => out.push(path),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_literals_are_set_apart() {
        let text = "let a = \"x // y\"; // z \"q\n/* /* n */ m */ let b = 'c'; f::<'a>(b'\\'', r#\"raw \"w\"#);";
        let source = Source::new("src/a/b.rs", text);
        assert_eq!(source.code.len(), text.len());
        assert_eq!(source.code.matches('\n').count(), 1);
        for gone in ["x", "y", "z", "q", "n */", "'c'", "raw", "w"] {
            assert!(!source.code.contains(gone), "{gone}: {}", source.code);
        }
        for kept in ["let a =", "let b =", "f::<'a>("] {
            assert!(source.code.contains(kept), "{kept}: {}", source.code);
        }
        assert!(source.comments.contains("z \"q") && !source.comments.contains("let"));
        let literals: Vec<_> = source.literals.iter().map(|(line, it)| (*line, &**it)).collect();
        assert_eq!(literals, [(1, "x // y"), (2, "raw \"w")]);
    }

    #[test]
    fn rooms_are_folders_or_files_of_src() {
        for (path, room) in [
            ("src/wal/log.rs", Some("wal")),
            ("src/wal/tests/mod.rs", Some("wal")),
            ("src/mail.rs", Some("mail")),
            ("tests/layout/main.rs", None),
        ] {
            assert_eq!(Source::new(path, "").room(), room);
        }
        assert!(Source::new("src/wal/mod.rs", "").is_door());
        assert!(!Source::new("src/wal/tests/mod.rs", "").is_door());
    }
}
