//! User and password.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// The value of `Authorization`. A user with a colon cannot be told from its password by the other side, as
/// everywhere.
// spec: RFC 7617 §2
pub fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}

/// User and password of such a value; `None`: it is none.
pub fn parse_basic(value: &str) -> Option<(String, String)> {
    let (scheme, encoded) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let text = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (user, password) = text.split_once(':')?;
    Some((user.to_owned(), password.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_the_rfc_hold() {
        assert_eq!(basic("Aladdin", "open sesame"), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
        assert_eq!(basic("test", "123£"), "Basic dGVzdDoxMjPCow==");
        assert_eq!(basic("", ""), "Basic Og==");
    }

    #[test]
    fn what_was_written_is_read() {
        for (user, password) in [("a", "b:c"), ("", ""), ("ü", "£")] {
            let read = parse_basic(&basic(user, password));
            assert_eq!(read, Some((user.to_owned(), password.to_owned())));
        }
        for wrong in ["", "Basic", "Basic !", "Basic YQ==", "Bearer Og==", "Basic /w=="] {
            assert_eq!(parse_basic(wrong), None, "{wrong}");
        }
    }
}
