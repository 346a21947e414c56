//! Who may use whom. The table is the program's plan; each door repeats its own row.

use std::collections::{BTreeMap, BTreeSet};

use crate::source::{Source, is_word};

/// A room and what it may use of the others. Each line may use only what stands above it, so no knot can be tied.
pub const MAY_USE: &[(&str, &[&str])] = &[
    ("base", &[]),
    ("model", &["base"]),
    ("exposition", &["base", "model"]),
    ("relabel", &["base", "model"]),
    ("wire", &["base", "model"]),
    ("http", &["base"]),
    ("tls", &["base"]),
    ("auth", &["base"]),
    ("config", &["base", "model", "relabel"]),
    ("client", &["base", "http", "tls", "auth", "config"]),
    ("mail", &["base", "model", "relabel", "http", "tls", "auth"]),
    ("wal", &["base", "model"]),
    ("series", &["base", "model", "wal"]),
    ("append", &["base", "model", "wal", "series"]),
    (
        "scrape",
        &["base", "model", "exposition", "relabel", "http", "mail", "wal", "series", "append"],
    ),
    ("receive", &["base", "model", "wire", "http", "mail", "wal", "series", "append"]),
    ("send", &["base", "model", "relabel", "wire", "http", "auth", "mail", "wal", "series"]),
    ("shard", &["base", "model", "mail", "wal", "series", "append", "scrape", "receive", "send"]),
    ("io", &["base", "tls"]),
    ("disk", &["base", "model", "wal"]),
    ("driver", &["base", "tls", "mail", "wal", "shard", "io", "disk"]),
    ("telemetry", &["base", "model", "mail"]),
    ("discovery", &["base", "model", "client", "config", "mail", "telemetry"]),
    ("web", &["base", "model", "relabel", "tls", "auth", "config", "mail", "receive", "telemetry"]),
    ("flags", &["base", "mail", "telemetry"]),
    ("coordinator", ALL),
    ("tools", &["model", "exposition", "relabel", "config", "flags"]),
    (
        "inspect",
        &[
            "base",
            "model",
            "relabel",
            "wire",
            "http",
            "tls",
            "auth",
            "config",
            "client",
            "mail",
            "wal",
            "send",
            "io",
            "disk",
            "telemetry",
            "flags",
            "coordinator",
        ],
    ),
];

/// What the coordinator's door calls "everything below it".
const ALL: &[&str] = &[
    "base",
    "model",
    "exposition",
    "relabel",
    "wire",
    "http",
    "tls",
    "auth",
    "config",
    "client",
    "mail",
    "wal",
    "series",
    "append",
    "scrape",
    "receive",
    "send",
    "shard",
    "io",
    "disk",
    "driver",
    "telemetry",
    "discovery",
    "web",
    "flags",
];

/// Files of `src` that are no room.
const NO_ROOM: [&str; 2] = ["lib", "main"];

pub fn row(room: &str) -> Option<&'static [&'static str]> {
    let found = MAY_USE.iter().find(|(name, _)| *name == room);
    found.map(|(_, row)| *row)
}

/// Rows that use something that does not stand above them.
pub fn out_of_order(table: &[(&str, &[&str])]) -> Vec<String> {
    let mut findings = Vec::new();
    for (at, (room, row)) in table.iter().enumerate() {
        for used in *row {
            if !table[..at].iter().any(|(above, _)| above == used) {
                findings
                    .push(format!("table: {room} may use {used}, which does not stand above it"));
            }
        }
    }
    findings
}

/// First segments of all paths that begin with `crate::`, each with its place in the code.
pub fn used_rooms(code: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let bytes = code.as_bytes();
    for (at, mark) in code.match_indices("crate::") {
        if at > 0 && (is_word(bytes[at - 1]) || bytes[at - 1] == b'$') {
            continue;
        }
        let from = at + mark.len();
        match bytes.get(from) {
            Some(b'{') => group(code, from + 1, &mut found),
            _ => found.extend(word_at(code, from).map(|word| (from, word))),
        }
    }
    found
}

fn word_at(code: &str, from: usize) -> Option<String> {
    let word = code[from..].bytes().take_while(|&byte| is_word(byte)).count();
    (word > 0).then(|| code[from..from + word].to_owned())
}

/// First segments of the items of a braced import that begins at `from`.
fn group(code: &str, from: usize, found: &mut Vec<(usize, String)>) {
    let (mut depth, mut fresh) = (1, true);
    for (offset, byte) in code.as_bytes()[from..].iter().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' => depth -= 1,
            b',' if depth == 1 => fresh = true,
            _ if fresh && is_word(*byte) => {
                fresh = false;
                let at = from + offset;
                found.extend(word_at(code, at).map(|word| (at, word)));
            }
            _ => {}
        }
        if depth == 0 {
            return;
        }
    }
}

/// What the files use beyond their rooms' rows, tests included.
pub fn forbidden(files: &[Source]) -> Vec<String> {
    let mut findings = Vec::new();
    for file in files {
        let Some(room) = file.room() else { continue };
        if NO_ROOM.contains(&room) {
            continue;
        }
        let Some(row) = row(room) else {
            findings.push(file.finding(0, &format!("room {room} has no row in the table")));
            continue;
        };
        for (at, used) in used_rooms(&file.code) {
            if used != room && !row.contains(&&*used) {
                findings.push(file.finding(at, &format!("{room} may not use {used}")));
            }
        }
    }
    findings
}

/// The row that a door's "May use:" line gives; `None` if there is none. Remarks in brackets are left out.
pub fn door_row(comments: &str) -> Option<BTreeSet<String>> {
    let text: Vec<&str> = comments
        .lines()
        .filter_map(|line| line.trim_start().strip_prefix("//!"))
        .map(str::trim)
        .collect();
    let text = text.join(" ");
    let (_, list) = text.split_once("May use:")?;
    let mut plain = String::new();
    let mut depth = 0;
    for c in list.chars() {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            '.' if depth == 0 => break,
            _ if depth == 0 => plain.push(c),
            _ => {}
        }
    }
    let names: BTreeSet<String> = plain.split(',').map(|name| name.trim().to_owned()).collect();
    if names.contains("everything below it") {
        return Some(ALL.iter().map(|&name| name.to_owned()).collect());
    }
    Some(names.into_iter().filter(|name| name != "nothing").collect())
}

/// Doors that say something else than the table, rooms without a sign, rows without a room.
pub fn doors_and_table(files: &[Source]) -> Vec<String> {
    let mut findings = Vec::new();
    let mut signs: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for file in files {
        let single = file.below_src().is_some_and(|below| !below.contains('/'));
        let Some(room) = file.room().filter(|room| !NO_ROOM.contains(room)) else {
            continue;
        };
        if !file.is_door() && !single {
            continue;
        }
        let Some(sign) = door_row(&file.comments) else {
            findings.push(file.finding(0, "the door has no line \"May use:\""));
            continue;
        };
        let wanted: BTreeSet<String> =
            row(room).unwrap_or_default().iter().map(|&name| name.to_owned()).collect();
        if sign != wanted {
            let at = file.comments.find("May use:").unwrap_or(0);
            let message = format!("the door says {sign:?}, the table {wanted:?}");
            findings.push(file.finding(at, &message));
        }
        signs.insert(room, sign);
    }
    for (room, _) in MAY_USE {
        if !signs.contains_key(room) {
            findings.push(format!("table: room {room} has no door in src"));
        }
    }
    findings
}

/// Rows that allow what no file of the room uses any more. The ground is free to all, and the coordinator may use
/// everything.
pub fn stale(files: &[Source]) -> Vec<String> {
    let mut findings = Vec::new();
    for (room, row) in MAY_USE {
        if *row == ALL {
            continue;
        }
        let used: BTreeSet<String> = files
            .iter()
            .filter(|file| file.room() == Some(room))
            .flat_map(|file| used_rooms(&file.code))
            .map(|(_, used)| used)
            .collect();
        for name in *row {
            if *name != "base" && !used.contains(*name) {
                findings.push(format!("table: {room} does not use {name}"));
            }
        }
    }
    findings
}

/// Rooms in the order of `lib.rs` that differ from those of the table.
pub fn floor_plan(lib: &Source) -> Vec<String> {
    let mut findings = Vec::new();
    let lines = lib.code.lines();
    let named: BTreeSet<&str> =
        lines.filter_map(|line| line.trim().strip_prefix("pub mod ")?.strip_suffix(';')).collect();
    let rooms: BTreeSet<&str> = MAY_USE.iter().map(|(room, _)| *room).collect();
    for room in named.symmetric_difference(&rooms) {
        findings.push(format!("{}: {room} is not both here and in the table", lib.path));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_room_that_reaches_up_is_found_with_its_line() {
        let bad = Source::new(
            "src/wal/log.rs",
            "use crate::base::Timestamp;\nuse crate::{\n    model::{self, Label},\n    web,\n};\n",
        );
        assert_eq!(forbidden(&[bad]), ["src/wal/log.rs:4: wal may not use web"]);
        let bad = Source::new(
            "src/http/url.rs",
            "fn f() {}\n#[cfg(test)] mod t { use crate::wal::Log; }",
        );
        assert_eq!(forbidden(&[bad]), ["src/http/url.rs:2: http may not use wal"]);
        let strange = Source::new("src/utils/mod.rs", "");
        assert_eq!(forbidden(&[strange]).len(), 1);
    }

    #[test]
    fn words_in_comments_and_texts_are_no_use() {
        let text =
            "//! [`crate::web`]\n// crate::web\nconst A: &str = \"crate::web\"; use pubcrate::web;";
        assert_eq!(forbidden(&[Source::new("src/wal/log.rs", text)]), [""; 0]);
    }

    #[test]
    fn a_knot_is_found() {
        let knot: &[(&str, &[&str])] = &[("a", &["b"]), ("b", &["a"])];
        assert_eq!(out_of_order(knot).len(), 1);
        assert_eq!(out_of_order(&[("a", &["a"])]).len(), 1);
    }

    #[test]
    fn doors_are_read_and_compared() {
        let sign =
            "//! A.\n//!\n//! May use: base, mail, wal (disk\n//! mail only), tls. Unsafe: none.\n";
        let row = door_row(sign).expect("there");
        assert_eq!(row.into_iter().collect::<Vec<_>>(), ["base", "mail", "tls", "wal"]);
        assert_eq!(door_row("//! May use: nothing.\n"), Some(BTreeSet::new()));
        assert_eq!(door_row("//! A room.\n"), None);
        let bad = Source::new("src/model/mod.rs", "//! May use: base, web.\n");
        let findings = doors_and_table(&[bad]);
        assert!(findings[0].starts_with("src/model/mod.rs:1: the door says"), "{findings:?}");
    }
}
