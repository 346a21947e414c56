//! Directories as an agent leaves them: whole, damaged in every way, and sent elsewhere.

mod damage;
mod export;
mod fixture;
mod shown;
