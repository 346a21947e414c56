//! Replacement templates: `$1`, `${1}`, `$name`, `${name}`, `$$`.

/// A template, split into its parts once. Equal templates expand equally.
// spec: R1; Go's regexp.Expand
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Template {
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Group(usize),
    Named(String),
}

/// What the groups of a match hold; a group that took no part reads as `""`.
pub(super) trait Groups {
    fn numbered(&self, group: usize) -> &str;
    fn named(&self, name: &str) -> &str;
}

impl Template {
    pub(super) fn new(source: &str) -> Template {
        let mut parts = Vec::new();
        let mut text = String::new();
        let mut rest = source;
        while let Some(at) = rest.find('$') {
            text.push_str(&rest[..at]);
            rest = &rest[at + 1..];
            if let Some(after) = rest.strip_prefix('$') {
                text.push('$');
                rest = after;
                continue;
            }
            // A `$` that begins no reference stands for itself.
            let Some((name, after)) = reference(rest) else {
                text.push('$');
                continue;
            };
            rest = after;
            if !text.is_empty() {
                parts.push(Part::Text(core::mem::take(&mut text)));
            }
            parts.push(match group_number(name) {
                Some(number) => Part::Group(number),
                None => Part::Named(name.to_owned()),
            });
        }
        text.push_str(rest);
        if !text.is_empty() {
            parts.push(Part::Text(text));
        }
        Template { parts }
    }

    /// The text, if the template refers to no group.
    pub(super) fn constant(&self) -> Option<&str> {
        match self.parts.as_slice() {
            [] => Some(""),
            [Part::Text(text)] => Some(text),
            _ => None,
        }
    }

    pub(super) fn expand(&self, groups: &impl Groups, out: &mut String) {
        for part in &self.parts {
            out.push_str(match part {
                Part::Text(text) => text,
                Part::Group(group) => groups.numbered(*group),
                Part::Named(name) => groups.named(name),
            });
        }
    }
}

/// The name after a `$` and what follows the reference; `None` if it is none.
fn reference(rest: &str) -> Option<(&str, &str)> {
    let (rest, braced) = match rest.strip_prefix('{') {
        Some(inner) => (inner, true),
        None => (rest, false),
    };
    let end = rest.find(|c: char| !(c == '_' || c.is_alphanumeric())).unwrap_or(rest.len());
    let (name, after) = rest.split_at(end);
    if name.is_empty() {
        return None;
    }
    if braced { Some((name, after.strip_prefix('}')?)) } else { Some((name, after)) }
}

/// Digits without a leading zero; anything else is a name.
fn group_number(name: &str) -> Option<usize> {
    let digits = name.bytes().all(|byte| byte.is_ascii_digit());
    if !digits || name.len() > 8 || (name.len() > 1 && name.starts_with('0')) {
        return None;
    }
    name.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed;

    impl Groups for Fixed {
        fn numbered(&self, group: usize) -> &str {
            ["whole", "one", "two"].get(group).copied().unwrap_or("")
        }

        fn named(&self, name: &str) -> &str {
            if name == "zone" { "eu" } else { "" }
        }
    }

    #[test]
    fn templates_expand_as_go_expands_them() {
        for (template, wanted) in [
            ("", ""),
            ("plain", "plain"),
            ("$1", "one"),
            ("${1}", "one"),
            ("$1-$2", "one-two"),
            ("$1x", ""),
            ("${1}x", "onex"),
            ("$0", "whole"),
            ("$9", ""),
            ("$zone!", "eu!"),
            ("${zone}1", "eu1"),
            ("$unknown.", "."),
            ("$$1", "$1"),
            ("$$$1", "$one"),
            ("a$", "a$"),
            ("$-", "$-"),
            ("${", "${"),
            ("${}", "${}"),
            ("${a", "${a"),
            ("${1-2}", "${1-2}"),
            ("$01", ""),
            ("$1é", ""),
            ("é$1", "éone"),
        ] {
            let mut out = String::new();
            Template::new(template).expand(&Fixed, &mut out);
            assert_eq!(out, wanted, "{template}");
        }
    }
}
