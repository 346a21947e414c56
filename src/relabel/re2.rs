//! From RE2 as Go writes it to the syntax of the `regex` crate.
//!
//! The two dialects look alike and differ in what they mean: `\d`, `\w`, `\s` and `\b` are ASCII in Go; `[a&&b]`,
//! `[[a]]`, `\<` and `(?x)` mean something only to the crate; `\Q…\E`, `{` as itself and `\_` only to Go. So every
//! construct is read by Go's grammar and written out in the crate's, and what Go refuses is refused.

use core::fmt;

/// Why a pattern is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PatternError {
    what: &'static str,
    part: String,
}

impl PatternError {
    pub(super) fn new(what: &'static str, part: &str) -> PatternError {
        PatternError { what, part: part.to_owned() }
    }
}

impl fmt::Display for PatternError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error parsing regexp: {}: `{}`", self.what, self.part)
    }
}

/// A pattern in the crate's syntax (bytes flavour, Unicode on), and what was learnt on the way.
pub(super) struct Translated {
    pub(super) pattern: String,
    /// Names of groups. The pattern itself has numbered groups only: Go allows names that the crate does not.
    pub(super) names: Vec<(String, usize)>,
    /// The alternatives, if the pattern is nothing but text and `|`.
    pub(super) literals: Option<Vec<String>>,
}

const REPEAT_MAX: u32 = 1000;
const POSIX: [&str; 14] = [
    "alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct",
    "space", "upper", "word", "xdigit",
];
/// General categories, short and long; every other name is a script. Letter case does not matter.
const CATEGORIES: &str = " any c cc cf co l lc ll lm lo lt lu m mc me mn n nd nl no \
                          p pc pd pe pf pi po ps s sc sk sm so z zl zp zs \
                          other control format private_use \
                          letter cased_letter lowercase_letter uppercase_letter titlecase_letter \
                          modifier_letter other_letter \
                          mark nonspacing_mark spacing_mark enclosing_mark \
                          number decimal_number letter_number other_number \
                          punctuation connector_punctuation dash_punctuation open_punctuation \
                          close_punctuation initial_punctuation final_punctuation \
                          other_punctuation \
                          symbol math_symbol currency_symbol modifier_symbol other_symbol \
                          separator space_separator line_separator paragraph_separator ";

pub(super) fn translate(source: &str) -> Result<Translated, PatternError> {
    let mut reader = Reader {
        rest: source,
        out: String::new(),
        names: Vec::new(),
        groups: 0,
        depth: 0,
        last: Last::Nothing,
        literals: Some(vec![String::new()]),
    };
    while let Some(c) = reader.next() {
        reader.item(c, source)?;
    }
    if reader.depth > 0 {
        return Err(PatternError::new("missing closing )", source));
    }
    Ok(Translated { pattern: reader.out, names: reader.names, literals: reader.literals })
}

/// What a repetition operator would apply to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Last {
    Nothing,
    Atom,
    Repeat,
}

struct Reader<'a> {
    rest: &'a str,
    out: String,
    names: Vec<(String, usize)>,
    groups: usize,
    depth: usize,
    last: Last,
    literals: Option<Vec<String>>,
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Option<char> {
        let c = self.rest.chars().next()?;
        self.rest = &self.rest[c.len_utf8()..];
        Some(c)
    }

    fn eat(&mut self, prefix: &str) -> bool {
        match self.rest.strip_prefix(prefix) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    /// From `before` to here.
    fn read_since(&self, before: &'a str) -> &'a str {
        &before[..before.len() - self.rest.len()]
    }

    fn item(&mut self, c: char, source: &'a str) -> Result<(), PatternError> {
        match c {
            '(' => return self.open(),
            ')' => {
                if self.depth == 0 {
                    return Err(PatternError::new("unexpected )", source));
                }
                self.depth -= 1;
                self.raw(")");
            }
            '|' => {
                self.out.push('|');
                self.last = Last::Nothing;
                if self.depth == 0
                    && let Some(all) = &mut self.literals
                {
                    all.push(String::new());
                }
            }
            '*' => return self.repeat("*"),
            '+' => return self.repeat("+"),
            '?' => return self.repeat("?"),
            '{' => return self.counted(),
            '.' => self.raw("."),
            '^' => self.raw("^"),
            '$' => self.raw("$"),
            '[' => return self.class(),
            '\\' => return self.escaped(),
            c => self.literal(c),
        }
        Ok(())
    }

    /// Something that is more than its own text.
    fn raw(&mut self, text: &str) {
        self.out.push_str(text);
        self.last = Last::Atom;
        self.literals = None;
    }

    fn literal(&mut self, c: char) {
        push_char(&mut self.out, c);
        self.last = Last::Atom;
        if let Some(text) = self.literals.as_mut().and_then(|all| all.last_mut()) {
            text.push(c);
        }
    }

    /// After `(`.
    fn open(&mut self) -> Result<(), PatternError> {
        self.literals = None;
        let before = self.rest;
        if self.eat("?P<") || self.eat("?<") {
            let wrong = || PatternError::new("invalid named capture", before);
            let end = self.rest.find('>').ok_or_else(wrong)?;
            let name = &self.rest[..end];
            self.rest = &self.rest[end + 1..];
            let word = |c: char| c == '_' || c.is_ascii_alphanumeric();
            if name.is_empty() || !name.chars().all(word) {
                return Err(wrong());
            }
            if self.names.iter().any(|(known, _)| known == name) {
                return Err(PatternError::new("duplicate capture group name", name));
            }
            self.names.push((name.to_owned(), self.groups + 1));
        } else if self.eat("?") {
            return self.flags(before);
        }
        self.groups += 1;
        self.push_group("(");
        Ok(())
    }

    fn push_group(&mut self, text: &str) {
        self.out.push_str(text);
        self.depth += 1;
        self.last = Last::Nothing;
    }

    /// After `(?`: `i`, `m`, `s`, `U`, a `-` before those to switch off, then `)` or `:`.
    fn flags(&mut self, before: &'a str) -> Result<(), PatternError> {
        let (mut on, mut off, mut minus) = (String::new(), String::new(), false);
        loop {
            match self.next() {
                Some(c @ ('i' | 'm' | 's' | 'U')) => {
                    let (this, other) =
                        if minus { (&mut off, &mut on) } else { (&mut on, &mut off) };
                    other.retain(|flag| flag != c);
                    if !this.contains(c) {
                        this.push(c);
                    }
                }
                Some('-') if !minus => minus = true,
                Some(end @ (')' | ':')) if !minus || !off.is_empty() => {
                    if minus {
                        on.push('-');
                    }
                    if end == ':' {
                        self.push_group(&format!("(?{on}{off}:"));
                    } else if !on.is_empty() {
                        self.out.push_str(&format!("(?{on}{off})"));
                        self.last = Last::Nothing;
                    }
                    return Ok(());
                }
                _ => {
                    let part = format!("({}", self.read_since(before));
                    return Err(PatternError::new("invalid or unsupported Perl syntax", &part));
                }
            }
        }
    }

    /// An operator, with the `?` that makes it lazy.
    fn repeat(&mut self, operator: &str) -> Result<(), PatternError> {
        let what = match self.last {
            Last::Nothing => "missing argument to repetition operator",
            Last::Repeat => "invalid nested repetition operator",
            Last::Atom => {
                let lazy = if self.eat("?") { "?" } else { "" };
                self.raw(operator);
                self.out.push_str(lazy);
                self.last = Last::Repeat;
                return Ok(());
            }
        };
        Err(PatternError::new(what, operator))
    }

    /// After `{`: a count, or a brace that stands for itself.
    fn counted(&mut self) -> Result<(), PatternError> {
        let count = |text: &str| -> Option<u32> {
            let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            let padded = text.len() > 1 && text.starts_with('0');
            (digits && !padded).then(|| text.parse().unwrap_or(u32::MAX))
        };
        let inside = self.rest.split_once('}').and_then(|(inside, after)| {
            let (low, high) = match inside.split_once(',') {
                None => (count(inside)?, count(inside)?),
                Some((low, "")) => (count(low)?, count(low)?),
                Some((low, high)) => (count(low)?, count(high)?),
            };
            Some((inside, after, low, high))
        });
        let Some((inside, after, low, high)) = inside else {
            self.literal('{');
            return Ok(());
        };
        let operator = format!("{{{inside}}}");
        if low > high || high > REPEAT_MAX {
            return Err(PatternError::new("invalid repeat count", &operator));
        }
        self.rest = after;
        self.repeat(&operator)
    }

    /// After `\`, outside of a class.
    fn escaped(&mut self) -> Result<(), PatternError> {
        let before = self.rest;
        match self.next() {
            None => {
                return Err(PatternError::new("trailing backslash at end of expression", ""));
            }
            Some('A') => self.raw(r"\A"),
            Some('z') => self.raw(r"\z"),
            Some('b') => self.raw(r"(?-u:\b)"),
            Some('B') => self.raw(r"(?-u:\B)"),
            Some('Q') => {
                let (text, after) = self.rest.split_once(r"\E").unwrap_or((self.rest, ""));
                self.rest = after;
                text.chars().for_each(|c| self.literal(c));
            }
            Some(c) => {
                if let Some((negated, set)) = perl_class(c) {
                    self.raw(&format!("[{}{set}]", if negated { "^" } else { "" }));
                } else if matches!(c, 'p' | 'P') {
                    let class = self.unicode_class(c, before)?;
                    self.raw(&class);
                } else {
                    self.rest = before;
                    let c = self.escaped_char()?;
                    self.literal(c);
                }
            }
        }
        Ok(())
    }

    /// After `\p` or `\P`.
    fn unicode_class(&mut self, letter: char, before: &'a str) -> Result<String, PatternError> {
        let wrong = |part: &str| PatternError::new("invalid character class range", part);
        let name = if self.eat("{") {
            let (name, after) = self.rest.split_once('}').ok_or_else(|| wrong(before))?;
            self.rest = after;
            name
        } else {
            let start = self.rest;
            self.next();
            self.read_since(start)
        };
        let (name, inverted) = match name.strip_prefix('^') {
            Some(name) => (name, true),
            None => (name, false),
        };
        let p = if (letter == 'P') != inverted { 'P' } else { 'p' };
        let word = name.chars().all(|c| c == '_' || c.is_ascii_alphabetic());
        if name.is_empty() || !word {
            return Err(wrong(self.read_since(before)));
        }
        let category = CATEGORIES.contains(&format!(" {} ", name.to_ascii_lowercase()));
        Ok(format!("\\{p}{{{}={name}}}", if category { "gc" } else { "sc" }))
    }

    /// After `\`: one character, inside or outside of a class.
    fn escaped_char(&mut self) -> Result<char, PatternError> {
        let before = self.rest;
        let found = match self.next() {
            None => {
                return Err(PatternError::new("trailing backslash at end of expression", ""));
            }
            // `\1` would be a back-reference; with a second octal digit it is a character.
            Some(c @ '1'..='7') if !self.rest.starts_with(|c| matches!(c, '0'..='7')) => {
                return Err(PatternError::new("invalid escape sequence", &format!("\\{c}")));
            }
            Some(c @ '0'..='7') => {
                let mut code = u32::from(c) - u32::from('0');
                for _ in 0..2 {
                    let Some(digit) = self.rest.chars().next().and_then(|c| c.to_digit(8)) else {
                        break;
                    };
                    self.next();
                    code = code * 8 + digit;
                }
                char::from_u32(code)
            }
            Some('x') => {
                let digits = if self.eat("{") {
                    let (digits, after) = self.rest.split_once('}').unwrap_or(("", self.rest));
                    self.rest = after;
                    digits
                } else {
                    let digits = self.rest.get(..2).unwrap_or("");
                    self.rest = &self.rest[digits.len()..];
                    digits
                };
                let hex = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_hexdigit());
                if hex {
                    u32::from_str_radix(digits, 16).ok().and_then(char::from_u32)
                } else {
                    None
                }
            }
            Some('a') => Some('\x07'),
            Some('f') => Some('\x0c'),
            Some('n') => Some('\n'),
            Some('r') => Some('\r'),
            Some('t') => Some('\t'),
            Some('v') => Some('\x0b'),
            Some(c) => (c.is_ascii() && !c.is_ascii_alphanumeric()).then_some(c),
        };
        found.ok_or_else(|| {
            PatternError::new("invalid escape sequence", &format!("\\{}", self.read_since(before)))
        })
    }

    /// After `[`.
    fn class(&mut self) -> Result<(), PatternError> {
        let before = self.rest;
        let mut class = String::from("[");
        if self.eat("^") {
            class.push('^');
        }
        let mut first = true;
        loop {
            if self.rest.is_empty() {
                return Err(PatternError::new("missing closing ]", &format!("[{before}")));
            }
            if !first && self.eat("]") {
                break;
            }
            first = false;
            if !self.class_set(&mut class)? {
                self.class_range(&mut class)?;
            }
        }
        class.push(']');
        self.raw(&class);
        Ok(())
    }

    /// `[:alpha:]`, `\d`, `\pL` inside a class; false if something else is next.
    fn class_set(&mut self, class: &mut String) -> Result<bool, PatternError> {
        let before = self.rest;
        if let Some((inside, after)) = before.strip_prefix("[:").and_then(|t| t.split_once(":]")) {
            if !POSIX.contains(&inside.strip_prefix('^').unwrap_or(inside)) {
                let part = format!("[:{inside}:]");
                return Err(PatternError::new("invalid character class range", &part));
            }
            class.push_str(&format!("[:{inside}:]"));
            self.rest = after;
            return Ok(true);
        }
        let mut chars = before.chars();
        if chars.next() == Some('\\')
            && let Some(c) = chars.next()
        {
            if let Some((negated, set)) = perl_class(c) {
                self.rest = chars.as_str();
                class.push_str(&if negated { format!("[^{set}]") } else { set.to_owned() });
                return Ok(true);
            }
            if matches!(c, 'p' | 'P') {
                self.rest = chars.as_str();
                class.push_str(&self.unicode_class(c, before)?);
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// A character or a range of them.
    fn class_range(&mut self, class: &mut String) -> Result<(), PatternError> {
        let before = self.rest;
        let low = self.class_char(before)?;
        push_char(class, low);
        if self.rest.starts_with('-') && !self.rest.starts_with("-]") && self.rest.len() > 1 {
            self.next();
            let high = self.class_char(before)?;
            if high < low {
                let part = self.read_since(before);
                return Err(PatternError::new("invalid character class range", part));
            }
            class.push('-');
            push_char(class, high);
        }
        Ok(())
    }

    fn class_char(&mut self, before: &'a str) -> Result<char, PatternError> {
        match self.next() {
            None => Err(PatternError::new("missing closing ]", before)),
            Some('\\') => self.escaped_char(),
            Some(c) => Ok(c),
        }
    }
}

/// Whether negated, and the ASCII set.
fn perl_class(letter: char) -> Option<(bool, &'static str)> {
    Some(match letter {
        'd' => (false, "0-9"),
        'D' => (true, "0-9"),
        's' => (false, r"\t\n\f\r\x20"),
        'S' => (true, r"\t\n\f\r\x20"),
        'w' => (false, "0-9A-Za-z_"),
        'W' => (true, "0-9A-Za-z_"),
        _ => return None,
    })
}

/// The character and nothing but it, inside or outside of a class.
fn push_char(out: &mut String, c: char) {
    if c.is_ascii() && !c.is_ascii_alphanumeric() {
        out.push_str(&format!("\\x{:02x}", u32::from(c)));
    } else {
        out.push(c);
    }
}
