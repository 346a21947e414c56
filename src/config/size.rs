//! Sizes in bytes: every unit is a power of 1024.

const UNITS: [char; 6] = ['K', 'M', 'G', 'T', 'P', 'E'];

/// Numbers with units, added up (`1MiB512KiB`, `1.5GB`), or a plain `0`.
// spec: CFG-4
pub(super) fn parse_size(text: &str) -> Option<u64> {
    if text == "0" {
        return Some(0);
    }
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    if rest.is_empty() {
        return None;
    }
    let mut total = 0u64;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !(c.is_ascii_digit() || c == '.'))?;
        let (number, after) = rest.split_at(end);
        let end = after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len());
        let (unit, after) = after.split_at(end);
        let bytes = unit_bytes(unit)?;
        let part = match number.parse::<u64>() {
            Ok(whole) => whole.checked_mul(bytes)?,
            Err(_) => {
                let part = number.parse::<f64>().ok()? * bytes as f64;
                (part < i64::MAX as f64).then_some(part as u64)?
            }
        };
        total = total.checked_add(part)?;
        rest = after;
    }
    (total <= i64::MAX as u64).then_some(total)
}

fn unit_bytes(unit: &str) -> Option<u64> {
    let prefix = unit.strip_suffix('B')?;
    let prefix = prefix.strip_suffix('i').filter(|p| !p.is_empty()).unwrap_or(prefix);
    if prefix.is_empty() {
        return Some(1);
    }
    let prefix = if prefix == "k" { "K" } else { prefix };
    let at = UNITS.iter().position(|unit| prefix.len() == 1 && prefix.starts_with(*unit))?;
    Some(1 << (10 * (at + 1)))
}

/// What [`parse_size`] reads back: `1MiB512KiB`.
pub(super) fn format_size(bytes: u64) -> String {
    let mut text = String::new();
    let mut rest = bytes;
    for (at, unit) in UNITS.iter().enumerate().rev() {
        let size = 1u64 << (10 * (at + 1));
        if rest >= size {
            text.push_str(&format!("{}{unit}iB", rest / size));
            rest %= size;
        }
    }
    if rest > 0 || bytes == 0 {
        text.push_str(&format!("{rest}B"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_read_and_print_as_prometheus_does() {
        for (text, bytes, printed) in [
            ("0", 0, "0B"),
            ("100B", 100, "100B"),
            ("1KB", 1024, "1KiB"),
            ("1kB", 1024, "1KiB"),
            ("1536KiB", 1_572_864, "1MiB512KiB"),
            ("1.5MB", 1_572_864, "1MiB512KiB"),
            ("10GB", 10 << 30, "10GiB"),
            ("7EB", 7 << 60, "7EiB"),
        ] {
            assert_eq!(parse_size(text), Some(bytes), "{text}");
            assert_eq!(format_size(bytes), printed);
            assert_eq!(parse_size(printed), Some(bytes));
        }
        for text in ["", "1", "MB", "-1MB", "1XB", "1iB", "9EB", "1 MB", "1MBx", "1.2.3MB", "."] {
            assert_eq!(parse_size(text), None, "{text}");
        }
    }
}
