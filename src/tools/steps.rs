//! `corelane relabel test`: what each rule makes of labels.

use core::fmt::Write as _;
use std::path::Path;

use crate::config::parse;
use crate::model::{Labels, LabelsBuilder};
use crate::relabel::apply;
use crate::tools::run::Said;

/// `job`: a job's name, or of a `remote_write` entry; `metric`: the rules for samples and not those for targets.
pub(super) fn steps(
    text: &str,
    file: &Path,
    job: &str,
    metric: bool,
    labels: &[(String, String)],
) -> Result<Said, String> {
    let (config, _) =
        parse(text, file, &|name| std::env::var(name).ok()).map_err(|error| error.to_string())?;
    let scrape = config.scrape_configs.iter().find(|scrape| scrape.job_name == job);
    let remote = config.remote_write.iter().find(|remote| remote.name == job);
    let rules = match (scrape, remote) {
        (Some(scrape), _) if metric => &scrape.metric_relabel_configs,
        (Some(scrape), _) => &scrape.relabel_configs,
        (None, Some(remote)) => &remote.write_relabel_configs,
        (None, None) => return Err(format!("{}: no job or endpoint {job:?}", file.display())),
    };
    let given: Labels = labels.iter().map(|(name, value)| (name, value)).collect();
    let mut builder = LabelsBuilder::new(&given);
    let mut said = Said { text: format!("given    {}\n", shown(&given)), found: false };
    let mut before = given;
    for (index, rule) in rules.iter().enumerate() {
        let kept = apply(core::slice::from_ref(rule), &mut builder);
        let after = builder.labels();
        let name = rule.source().action.name();
        let outcome = match (kept, after == before) {
            (false, _) => "dropped".to_owned(),
            (true, true) => "no change".to_owned(),
            (true, false) => shown(&after),
        };
        let _ = writeln!(said.text, "{:<8} {name}: {outcome}", index + 1);
        if !kept {
            said.found = true;
            return Ok(said);
        }
        before = after;
    }
    let _ = writeln!(said.text, "result   {}", shown(&before));
    Ok(said)
}

fn shown(labels: &Labels) -> String {
    let pairs: Vec<String> =
        labels.iter().map(|(name, value)| format!("{name}={value:?}")).collect();
    format!("{{{}}}", pairs.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_walked_until_one_drops() {
        let text = "scrape_configs: [{job_name: a, relabel_configs: [{source_labels: [x], target_label: y},
            {regex: z, action: labeldrop}, {source_labels: [y], regex: '2', action: drop}]}]";
        let walk = |x: &str| {
            let labels = [("x".to_owned(), x.to_owned())];
            steps(text, Path::new("p.yml"), "a", false, &labels).expect("good")
        };
        let kept = walk("1");
        assert!(!kept.found, "{}", kept.text);
        let wanted = "given    {x=\"1\"}\n1        replace: {x=\"1\", y=\"1\"}\n\
                      2        labeldrop: no change\n3        drop: no change\n\
                      result   {x=\"1\", y=\"1\"}\n";
        assert_eq!(kept.text, wanted);
        let dropped = walk("2");
        assert!(dropped.found && dropped.text.ends_with("3        drop: dropped\n"));
        assert!(steps(text, Path::new("p.yml"), "b", false, &[]).is_err());
    }
}
