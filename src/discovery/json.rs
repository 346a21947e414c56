//! Reading of answers whose shape is somebody else's: what is missing is empty.

use serde_json::Value;

static NOTHING: Value = Value::Null;

/// `null` where there is no such field.
pub(super) fn field<'a>(value: &'a Value, name: &str) -> &'a Value {
    value.get(name).unwrap_or(&NOTHING)
}

/// By names separated by dots, which may not be parts of names.
pub(super) fn at<'a>(value: &'a Value, path: &str) -> &'a Value {
    path.split('.').fold(value, field)
}

pub(super) fn text<'a>(value: &'a Value, path: &str) -> &'a str {
    at(value, path).as_str().unwrap_or_default()
}

/// 0 where there is none.
pub(super) fn number(value: &Value, path: &str) -> u64 {
    at(value, path).as_u64().unwrap_or(0)
}

pub(super) fn items<'a>(value: &'a Value, path: &str) -> &'a [Value] {
    at(value, path).as_array().map(Vec::as_slice).unwrap_or_default()
}

/// What a label name may not hold becomes an underscore.
pub(super) fn label_name(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '_' }).collect()
}
