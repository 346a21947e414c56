//! A token, or whatever else a scheme carries.

/// The value of `Authorization`: `kind` (empty means `Bearer`) and the credentials, without the blanks and the line
/// end that files of secrets tend to have.
// spec: RFC 6750 §2.1
pub fn bearer(kind: &str, credentials: &str) -> String {
    let kind = kind.trim();
    format!("{} {}", if kind.is_empty() { "Bearer" } else { kind }, credentials.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blanks_around_a_secret_are_no_part_of_it() {
        assert_eq!(bearer("", " abc\n"), "Bearer abc");
        assert_eq!(bearer("Token", "abc"), "Token abc");
    }
}
