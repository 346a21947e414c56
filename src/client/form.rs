//! Pairs as forms carry them.

/// `a=b&c=d`, percent-encoded, a blank as `+`.
// spec: WHATWG URL, application/x-www-form-urlencoded
pub fn form(pairs: &[(&str, &str)]) -> String {
    let encoded = pairs.iter().map(|(name, value)| format!("{}={}", escape(name), escape(value)));
    encoded.collect::<Vec<String>>().join("&")
}

/// One name or value of a form.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                out.push(char::from(byte));
            }
            b' ' => out.push('+'),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_a_meaning_in_a_form_is_encoded() {
        let pairs = [("a b", "c&d=e"), ("ü", "https://x/"), ("~-_.", "")];
        assert_eq!(form(&pairs), "a+b=c%26d%3De&%C3%BC=https%3A%2F%2Fx%2F&~-_.=");
    }
}
