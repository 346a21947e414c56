//! Anchored patterns, with short ways for the usual ones.

use regex::bytes::{Captures, Regex, RegexBuilder};

use crate::relabel::re2::{Translated, translate};
use crate::relabel::template::Groups;

pub use crate::relabel::re2::PatternError;

/// Room for a compiled pattern. RE2's own bound is of this order.
const COMPILED_BYTES: usize = 32 << 20;

/// `^(?s:…)$`. Works on bytes of valid UTF-8; every match begins and ends between characters.
#[derive(Clone)]
pub(super) struct Pattern {
    kind: Kind,
    names: Vec<(String, usize)>,
}

#[derive(Clone)]
enum Kind {
    /// `.*` (false) or `(.*)` (true).
    Any(bool),
    /// Texts, sorted.
    Literals(Vec<String>),
    Regex(Regex),
}

impl Pattern {
    pub(super) fn new(source: &str) -> Result<Pattern, PatternError> {
        if matches!(source, ".*" | "(.*)") {
            return Ok(Pattern { kind: Kind::Any(source == "(.*)"), names: Vec::new() });
        }
        let Translated { pattern, names, literals } = translate(source)?;
        if let Some(mut literals) = literals {
            literals.sort_unstable();
            return Ok(Pattern { kind: Kind::Literals(literals), names });
        }
        let regex = RegexBuilder::new(&format!("^(?s:{pattern})$"))
            .size_limit(COMPILED_BYTES)
            .build()
            .map_err(|error| match error {
                regex::Error::CompiledTooBig(_) => {
                    PatternError::new("expression too large", source)
                }
                _ => PatternError::new("invalid or unsupported syntax", source),
            })?;
        Ok(Pattern { kind: Kind::Regex(regex), names })
    }

    pub(super) fn is_match(&self, text: &str) -> bool {
        match &self.kind {
            Kind::Any(_) => true,
            Kind::Literals(all) => all.binary_search_by(|one| one.as_str().cmp(text)).is_ok(),
            Kind::Regex(regex) => regex.is_match(text.as_bytes()),
        }
    }

    pub(super) fn find<'a>(&'a self, text: &'a str) -> Option<Found<'a>> {
        let captures = match &self.kind {
            Kind::Regex(regex) => Some(regex.captures(text.as_bytes())?),
            _ if self.is_match(text) => None,
            _ => return None,
        };
        let first = if let Kind::Any(true) = self.kind { text } else { "" };
        Some(Found { text, first, captures, names: &self.names })
    }
}

/// A match: of the whole text, since patterns are anchored.
pub(super) struct Found<'a> {
    text: &'a str,
    /// Group 1 where there are no captures.
    first: &'a str,
    captures: Option<Captures<'a>>,
    names: &'a [(String, usize)],
}

impl Groups for Found<'_> {
    fn numbered(&self, group: usize) -> &str {
        match (&self.captures, group) {
            (Some(captures), _) => {
                let range = captures.get(group).map(|found| found.range());
                range.and_then(|range| self.text.get(range)).unwrap_or("")
            }
            (None, 0) => self.text,
            (None, 1) => self.first,
            (None, _) => "",
        }
    }

    fn named(&self, name: &str) -> &str {
        let found = self.names.iter().find(|(known, _)| known == name);
        found.map_or("", |(_, group)| self.numbered(*group))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_what_re2_matches() {
        for (pattern, yes, no) in [
            ("", &[""][..], &["a"][..]),
            ("(.*)", &["", "a\nb"], &[]),
            ("foo|bar", &["foo", "bar"], &["foobar", "fo", ""]),
            ("foo|", &["foo", ""], &["f"]),
            ("a.c", &["abc", "a\nc", "aéc"], &["ac", "xabc", "abcx"]),
            ("(?-s)a.c", &["abc"], &["a\nc"]),
            ("(?i)FOO", &["foo", "Foo"], &["fo"]),
            ("(?i:a)b", &["Ab"], &["AB"]),
            ("(?)a", &["a"], &["b"]),
            ("(?is-i)a", &["a"], &["A"]),
            (r"\d+", &["12"], &["٣"]),
            (r"\w", &["a", "_"], &["é", "-"]),
            (r"[^\w]", &["é", "-"], &["a"]),
            (r"\s", &[" ", "\t"], &["\u{b}", "\u{a0}"]),
            (r"[\d\-x]", &["1", "-", "x"], &["y"]),
            (r"[\D]", &["a"], &["1"]),
            ("[a&&b]", &["a", "&", "b"], &["c"]),
            ("[+--b]", &["+", ",", "-", "b"], &["a"]),
            ("[[a]", &["[", "a"], &["b"]),
            ("[]a]", &["]", "a"], &["b"]),
            ("[^]a]", &["b", "\n"], &["]", "a"]),
            ("[a-]", &["a", "-"], &["b"]),
            ("[[:alpha:]_]+", &["ab_"], &["1", "é"]),
            ("[[:^digit:]]", &["a"], &["1"]),
            (r"\Qa.b\E+", &["a.b", "a.bb"], &["axb"]),
            (r"\<\_\-\/\.", &["<_-/."], &[]),
            (r"\x41\x{e9}\101\n", &["AéA\n"], &[]),
            ("a{2}", &["aa"], &["a{2}"]),
            ("a{,2}", &["a{,2}"], &["aa"]),
            ("{a}", &["{a}"], &["a"]),
            ("a{2,}?", &["aa", "aaa"], &["a"]),
            (r"\bfoo\b", &["foo"], &["fo"]),
            (r"f\Boo", &["foo"], &[]),
            (r"\pL\p{Greek}\P{Lu}\p{^Lu}", &["aαbb"], &["aabb", "aαBb"]),
            (r"\p{Any}\p{letter}", &["éé"], &["", "1"]),
            (r"\p{greek}", &["α"], &["a"]),
            ("(?P<1>a)|b", &["a", "b"], &["c"]),
            ("(?<x>a)(?:b)?", &["a", "ab"], &["b"]),
            ("^a$|^b$", &["a", "b"], &["ab"]),
            ("(foo)?.*", &["foo", "x"], &[]),
            ("^*a", &["a"], &[]),
        ] {
            let compiled = Pattern::new(pattern).map_err(|e| e.to_string()).expect(pattern);
            for text in yes {
                assert!(compiled.is_match(text), "{pattern} on {text:?}");
                assert!(compiled.find(text).is_some(), "{pattern} on {text:?}");
            }
            for text in no {
                assert!(!compiled.is_match(text), "{pattern} on {text:?}");
                assert!(compiled.find(text).is_none(), "{pattern} on {text:?}");
            }
        }
    }

    #[test]
    fn what_re2_refuses_is_refused() {
        for pattern in [
            "(",
            ")",
            "a)(b",
            "[a",
            "[b-a]",
            "[a--b]",
            "*",
            "a**",
            "a+*",
            "a{2}{3}",
            "a|*",
            "(*a)",
            "a{1001}",
            "a{2,1}",
            r"\",
            r"\1",
            r"\8",
            r"\Z",
            r"\C",
            r"\u0041",
            r"\é",
            r"\x{110000}",
            r"\xg",
            r"\p{Nope}",
            r"\p{Alphabetic}",
            r"\p",
            "(?x)a",
            "(?u)a",
            "(?-)a",
            "(?i",
            "(?P<a>b)(?P<a>c)",
            "(?P<>a)",
            "(?P<a b>c)",
            "(?=a)",
            "(?!a)",
            "(?<=a)b",
            "(?P=a)",
            "[[:nope:]]",
            r"[\q]",
            "(?#x)",
        ] {
            assert!(Pattern::new(pattern).is_err(), "{pattern}");
        }
        let error = Pattern::new("(?=a)").err().map(|error| error.to_string());
        let wanted = "error parsing regexp: invalid or unsupported Perl syntax: `(?=`";
        assert_eq!(error.as_deref(), Some(wanted));
    }
}
