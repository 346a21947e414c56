//! Which names of metrics and labels are good, and what a target is asked to do with others.

/// Which names are accepted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Validation {
    /// Any that are not empty.
    #[default]
    Utf8,
    /// Letters, digits and underscores, not beginning with a digit; in names of metrics colons too.
    Legacy,
}

impl Validation {
    /// As the configuration writes it.
    pub fn name(self) -> &'static str {
        match self {
            Validation::Utf8 => "utf8",
            Validation::Legacy => "legacy",
        }
    }

    pub fn from_name(name: &str) -> Option<Validation> {
        [Validation::Utf8, Validation::Legacy].into_iter().find(|known| known.name() == name)
    }

    pub fn is_metric_name(self, name: &str) -> bool {
        match self {
            Validation::Utf8 => !name.is_empty(),
            Validation::Legacy => is_legacy(name, |byte| byte == b'_' || byte == b':'),
        }
    }

    pub fn is_label_name(self, name: &str) -> bool {
        match self {
            Validation::Utf8 => !name.is_empty(),
            Validation::Legacy => is_legacy(name, |byte| byte == b'_'),
        }
    }
}

fn is_legacy(name: &str, sign: impl Fn(u8) -> bool) -> bool {
    let good = |byte: u8| byte.is_ascii_alphanumeric() || sign(byte);
    !name.is_empty() && !name.starts_with(|c: char| c.is_ascii_digit()) && name.bytes().all(good)
}

/// What a target is asked to make of names that are not of the old kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Escaping {
    #[default]
    AllowUtf8,
    Underscores,
    Dots,
    Values,
}

impl Escaping {
    pub const ALL: [Escaping; 4] =
        [Escaping::AllowUtf8, Escaping::Underscores, Escaping::Dots, Escaping::Values];

    /// As the configuration and the `Accept` header write it.
    pub fn name(self) -> &'static str {
        match self {
            Escaping::AllowUtf8 => "allow-utf-8",
            Escaping::Underscores => "underscores",
            Escaping::Dots => "dots",
            Escaping::Values => "values",
        }
    }

    pub fn from_name(name: &str) -> Option<Escaping> {
        Escaping::ALL.into_iter().find(|known| known.name() == name)
    }

    /// Where nothing else is written.
    pub fn of(validation: Validation) -> Escaping {
        match validation {
            Validation::Utf8 => Escaping::AllowUtf8,
            Validation::Legacy => Escaping::Underscores,
        }
    }
}

/// Both for one job.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NameRules {
    pub validation: Validation,
    pub escaping: Escaping,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn legacy_names_are_words_and_others_are_anything() {
        for (name, metric, label) in [
            ("a_b:1", true, false),
            ("_a1", true, true),
            (":a", true, false),
            ("1a", false, false),
            ("a.b", false, false),
            ("é", false, false),
            ("", false, false),
        ] {
            assert_eq!(Validation::Legacy.is_metric_name(name), metric, "{name}");
            assert_eq!(Validation::Legacy.is_label_name(name), label, "{name}");
            assert_eq!(Validation::Utf8.is_label_name(name), !name.is_empty(), "{name}");
        }
    }
}
