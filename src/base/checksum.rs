//! CRC32C (Castagnoli), hardware where the CPU has it.

/// CRC32C of `bytes`, continuing from `seed`: a salt goes in as the seed, so that bytes written under another
/// salt never verify.
pub fn crc32c(seed: u32, bytes: &[u8]) -> u32 {
    ::crc32c::crc32c_append(seed, bytes)
}
