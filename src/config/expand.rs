//! `$NAME` and `${NAME}` in values of external labels.

/// Replaces variables by what `env` says of them, `$$` by `$`. Names that have no value, or an empty one, are put in
/// `missing`.
// spec: CFG-8; Go's os.Expand
pub(super) fn expand(
    text: &str,
    env: &dyn Fn(&str) -> Option<String>,
    missing: &mut Vec<String>,
) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let (name, after) = name(rest);
        if name == "$" {
            out.push('$');
        } else if !name.is_empty() {
            match env(name).filter(|value| !value.is_empty()) {
                Some(value) => out.push_str(&value),
                None => missing.push(name.to_owned()),
            }
        } else if after.len() == rest.len() {
            // No name at all: the `$` stands for itself. An empty or unclosed brace vanishes instead.
            out.push('$');
        }
        rest = after;
    }
    out.push_str(rest);
    out
}

/// The name after a `$`, and what follows the reference.
fn name(rest: &str) -> (&str, &str) {
    if let Some(inner) = rest.strip_prefix('{') {
        return inner.split_once('}').unwrap_or(("", inner));
    }
    if rest.starts_with(|c: char| c.is_ascii_digit() || "*#$@!?-".contains(c)) {
        return rest.split_at(1);
    }
    let end = rest.find(|c: char| !(c == '_' || c.is_ascii_alphanumeric()));
    rest.split_at(end.unwrap_or(rest.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_expand_as_the_shell_writes_them() {
        let env = |name: &str| match name {
            "FOO" => Some("foo".to_owned()),
            "EMPTY" => Some(String::new()),
            _ => None,
        };
        for (text, wanted, unknown) in [
            ("${FOO}x$$y${UNDEF}", "foox$y", &["UNDEF"][..]),
            ("$FOO-$FOOD", "foo-", &["FOOD"]),
            ("a$", "a$", &[]),
            ("$.x", "$.x", &[]),
            ("${}x", "x", &[]),
            ("${FOO", "FOO", &[]),
            ("$1x", "x", &["1"]),
            ("${EMPTY}", "", &["EMPTY"]),
            ("é$FOOé", "éfooé", &[]),
            ("$é", "$é", &[]),
        ] {
            let mut missing = Vec::new();
            assert_eq!(expand(text, &env, &mut missing), wanted, "{text}");
            assert_eq!(missing, unknown, "{text}");
        }
    }
}
