//! What is wrong with bytes that should be ours.

use core::fmt;

/// Why a page, a record or a payload cannot be used. Damage is counted and stepped over, never
/// guessed at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Damage {
    /// The page was never written, or was freed for another use: not an error of a spare.
    Blank,
    /// The checksum does not hold.
    Checksum,
    /// The first eight bytes are something else's.
    Magic,
    /// Fields contradict each other or their limits; names the field.
    Malformed(&'static str),
    /// Fewer bytes than the fields announce.
    Short,
    /// Written by a release whose format this one does not know.
    Version(u16),
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Damage::Blank => write!(f, "nothing was ever written here"),
            Damage::Checksum => write!(f, "the checksum does not match the bytes"),
            Damage::Magic => write!(f, "the first eight bytes are not those of this format"),
            Damage::Malformed(what) => write!(f, "the field `{what}` cannot be right"),
            Damage::Short => write!(f, "the bytes end too early"),
            Damage::Version(found) => {
                write!(f, "format version {found} is not known to this release")
            }
        }
    }
}

impl core::error::Error for Damage {}
