//! `corelane check config`: field by field what becomes of a file.

use core::fmt::Write as _;
use std::path::Path;

use crate::config::{Fate, survey};
use crate::tools::run::Said;

/// `all`: also what is obeyed as it is.
pub(super) fn check(text: &str, file: &Path, all: bool) -> Result<Said, String> {
    let found =
        survey(text, file, &|name| std::env::var(name).ok()).map_err(|error| error.to_string())?;
    let mut said = Said { text: String::new(), found: false };
    let mut counts = [0u64; 4];
    for one in found {
        let (kind, word, why) = match &one.fate {
            Fate::Obeyed => (0, "obeyed", ""),
            Fate::Translated(how) => (1, "translated", *how),
            Fate::NoEffect(why) => (2, "no effect", *why),
            Fate::Refused(why) => (3, "REFUSED", why.as_str()),
        };
        counts[kind] += 1;
        said.found |= kind == 3;
        if all || kind > 0 {
            let place = format!("{}:{}", file.display(), one.line);
            let colon = if why.is_empty() { "" } else { ": " };
            let _ = writeln!(said.text, "{place}: {word}: {}{colon}{why}", one.field);
        }
    }
    let [obeyed, translated, idle, refused] = counts;
    let _ = writeln!(
        said.text,
        "{}: {obeyed} obeyed, {translated} translated, {idle} without effect, {refused} refused",
        file.display()
    );
    Ok(said)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_judged_as_a_whole() {
        let text = "global: {evaluation_interval: 1m}\nscrape_configs: [{job_name: a, x: 1}]\n";
        let said = check(text, Path::new("p.yml"), false).expect("YAML");
        assert!(said.found);
        let wanted = "p.yml:1: no effect: global.evaluation_interval: an agent has no use for it\n\
                      p.yml:2: REFUSED: scrape_configs[0].x: unknown field\n\
                      p.yml: 1 obeyed, 0 translated, 1 without effect, 1 refused\n";
        assert_eq!(said.text, wanted);
        let all = check("global: {scrape_interval: 5s}", Path::new("p.yml"), true).expect("YAML");
        assert!(!all.found && all.text.starts_with("p.yml:1: obeyed: global.scrape_interval\n"));
    }
}
