//! Throws bytes at `checks/http.rs`.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../checks/http.rs"]
mod check;

fuzz_target!(|bytes: &[u8]| check::check(bytes));
