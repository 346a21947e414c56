//! User and password.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// The value of `Authorization`. A user with a colon cannot be told from its password by the other side, as
/// everywhere.
// spec: RFC 7617 §2
pub fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
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
}
