//! File patterns: a star stands for any characters of the last path element (spec: SD-11).

use std::io;
use std::path::{Path, PathBuf};

/// The directory that a pattern looks into.
pub(super) fn directory(pattern: &Path) -> &Path {
    match pattern.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Files that a pattern names, in no order. A pattern without a star names its file whether it exists or not.
///
/// # Errors
/// The directory exists and cannot be listed.
pub fn expand(pattern: &Path) -> io::Result<Vec<PathBuf>> {
    let Some(name) = pattern.file_name().and_then(|name| name.to_str()) else {
        return Ok(Vec::new());
    };
    if !name.contains(['*', '?']) {
        return Ok(vec![pattern.to_owned()]);
    }
    let entries = match std::fs::read_dir(directory(pattern)) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut found = Vec::new();
    for entry in entries {
        let file = entry?.file_name();
        if file.to_str().is_some_and(|file| matches(name.as_bytes(), file.as_bytes())) {
            // As the pattern writes its directory, so that the file's label does.
            found.push(pattern.with_file_name(file));
        }
    }
    Ok(found)
}

/// `*`: any bytes, `?`: one byte. Goes back to the last star only, so a hostile name cannot make it slow.
fn matches(pattern: &[u8], name: &[u8]) -> bool {
    let (mut p, mut n) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(&byte) if byte == b'?' || byte == name[n] => {
                p += 1;
                n += 1;
            }
            _ => match star {
                Some((at, taken)) => {
                    star = Some((at, taken + 1));
                    (p, n) = (at + 1, taken + 1);
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|&byte| byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stand_for_any_characters() {
        for (pattern, name, fits) in [
            ("*.json", "a.json", true),
            ("*.json", ".json", true),
            ("*.json", "a.json~", false),
            ("a*b*.yml", "axxbyy.yml", true),
            ("a*b*.yml", "axx.yml", false),
            ("?.yml", "x.yml", true),
            ("?.yml", ".yml", false),
            ("a.yml", "a.yml", true),
            ("*", "", true),
        ] {
            assert_eq!(matches(pattern.as_bytes(), name.as_bytes()), fits, "{pattern} {name}");
        }
    }

    #[test]
    fn a_pattern_without_a_directory_looks_here() {
        assert_eq!(directory(Path::new("a.json")), Path::new("."));
        assert_eq!(directory(Path::new("/x/a.json")), Path::new("/x"));
        assert_eq!(expand(Path::new("/nowhere/*.json")).expect("no error"), Vec::<PathBuf>::new());
    }
}
