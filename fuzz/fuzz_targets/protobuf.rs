//! Throws bytes at `checks/protobuf.rs`.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../checks/protobuf.rs"]
mod check;

fuzz_target!(|bytes: &[u8]| check::check(bytes));
