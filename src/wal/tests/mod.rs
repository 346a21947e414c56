//! The log and the dictionary against a disk made of byte vectors.

mod anchors;
mod dictionary;
mod faults;
mod fixture;
mod log;
mod memory;
