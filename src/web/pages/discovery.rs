//! What discovery found, what became of it, and a debugger that shows each rule's work.

use std::collections::BTreeSet;

use crate::model::{Labels, LabelsBuilder};
use crate::relabel::{Rule, apply};
use crate::web::Snapshot;
use crate::web::pages::format::{ago, count};
use crate::web::pages::html::{Html, escape_query};
use crate::web::pages::route::Wish;
use crate::web::pages::targets::{Pager, pools, search, select, words};
use crate::web::server::Settings;

pub(super) fn write(html: &mut Html, settings: &Settings, snapshot: &Snapshot, wish: &Wish) {
    html.title("Service discovery");
    let chosen = |job: &str| wish.pool.is_empty() || wish.pool == job;
    html.raw("<form class=\"filter\" method=\"get\" role=\"search\" action=\"");
    html.text(&settings.route_prefix).raw("/service-discovery\">");
    search(html, &wish.q, "Filter: any label, before or after relabeling");
    pools(html, snapshot, &wish.pool);
    let states = [("", "Active and dropped"), ("active", "Active"), ("dropped", "Dropped")];
    select(html, "state", "What became of it", &wish.state, states.into_iter());
    html.raw("<button class=\"main\">Show</button> <a class=\"button\" href=\"");
    html.text(&settings.route_prefix).raw("/service-discovery/steps?pool=");
    html.text(escape_query(&wish.pool)).raw("\">Step debugger</a></form>\n");
    write_pools(html, settings, snapshot, wish);
    let words = words(&wish.q);
    let mut rows: Vec<(&str, &Labels, Option<&Labels>)> = Vec::new();
    for pool in snapshot.pools.iter().filter(|pool| chosen(&pool.job)) {
        if wish.state != "dropped" {
            rows.extend(pool.targets.iter().map(|known| {
                (pool.job.as_str(), &known.target.discovered, Some(&known.target.labels))
            }));
        }
        if wish.state != "active" {
            rows.extend(pool.dropped.iter().map(|labels| (pool.job.as_str(), labels, None)));
        }
    }
    rows.retain(|(job, discovered, labels)| holds(&words, job, discovered, *labels));
    let pager = Pager::new(rows.len(), wish.page);
    let address = format!(
        "{}/service-discovery?q={}&pool={}&state={}",
        settings.route_prefix,
        escape_query(&wish.q),
        escape_query(&wish.pool),
        escape_query(&wish.state)
    );
    pager.write(html, &address, "discovered targets");
    html.table(&["Job", "Discovered labels", "Target labels"]);
    for (job, discovered, labels) in &rows[pager.from..pager.to] {
        html.raw("<tr><td>").text(job).raw("<br><a class=\"small\" href=\"");
        html.text(&settings.route_prefix).raw("/service-discovery/steps?pool=");
        html.text(escape_query(job)).raw("&amp;labels=").text(escape_query(&lines(discovered)));
        html.raw("\">steps</a></td><td>").labels(discovered).raw("</td><td>");
        match labels {
            Some(labels) => html.labels(labels),
            None => html.pill("warn", "dropped by relabeling"),
        };
        html.raw("</td></tr>\n");
    }
    html.end_table();
    pager.write(html, &address, "discovered targets");
}

fn holds(words: &[String], job: &str, discovered: &Labels, labels: Option<&Labels>) -> bool {
    if words.is_empty() {
        return true;
    }
    let mut text = job.to_owned();
    for (name, value) in discovered.iter().chain(labels.into_iter().flat_map(Labels::iter)) {
        text.extend([" ", name, "=", value]);
    }
    let text = text.to_lowercase();
    words.iter().all(|word| text.contains(word.as_str()))
}

/// Jobs with their numbers: those asked for, the largest first.
fn write_pools(html: &mut Html, settings: &Settings, snapshot: &Snapshot, wish: &Wish) {
    const SHOWN: usize = 20;
    let discovery = &snapshot.process.discovery;
    let mut pools: Vec<_> = snapshot.pools.iter().collect();
    pools.retain(|pool| wish.pool.is_empty() || pool.job == wish.pool);
    pools.sort_by_key(|pool| core::cmp::Reverse(pool.targets.len()));
    html.table(&["Job", "#Active", "#Dropped", "#Refreshes that failed", "Last change"]);
    for pool in pools.iter().take(SHOWN) {
        let failures = discovery.refresh_failures.iter().filter(|(_, job, _)| *job == pool.job);
        let failures: u64 = failures.map(|(_, _, failures)| failures).sum();
        let changed = discovery.last_updates.iter().find(|(job, _)| *job == pool.job);
        html.raw("<tr><td data-l=\"Job\"><a href=\"").text(&settings.route_prefix);
        html.raw("/service-discovery?pool=").text(escape_query(&pool.job)).raw("\">");
        html.text(&pool.job).raw("</a></td>").number("Active", count(pool.targets.len() as u64));
        html.number("Dropped", count(pool.dropped_count))
            .number("Refreshes that failed", count(failures));
        let at = changed.map(|(_, at)| *at).unwrap_or_default();
        html.cell("Last change", ago(at, snapshot.process.now)).raw("</tr>\n");
    }
    html.end_table();
    if pools.len() > SHOWN {
        html.raw("<p class=\"note\">The ").text(SHOWN).raw(" largest of ");
        html.text(count(pools.len() as u64)).raw(" jobs.</p>");
    }
}

/// One label a line.
fn lines(labels: &Labels) -> String {
    let lines: Vec<String> = labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
    lines.join("\n")
}

/// Lines that are no label are passed over.
fn parse_lines(text: &str) -> Labels {
    let lines = text.lines().filter_map(|line| {
        let (name, value) = line.trim_end_matches('\r').split_once('=')?;
        let quoted = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
        Some((name.trim(), quoted.unwrap_or(value))).filter(|(name, _)| !name.is_empty())
    });
    lines.collect()
}

pub(super) fn write_steps(html: &mut Html, settings: &Settings, snapshot: &Snapshot, wish: &Wish) {
    html.title("Relabeling, step by step");
    let jobs = &snapshot.config.scrape_configs;
    let job = jobs.iter().find(|job| job.job_name == wish.pool).or(jobs.first());
    html.raw("<form method=\"get\" action=\"").text(&settings.route_prefix);
    html.raw("/service-discovery/steps\"><div class=\"filter\">");
    let chosen = job.map_or("", |job| job.job_name.as_str());
    let names = jobs.iter().map(|job| (job.job_name.as_str(), job.job_name.as_str()));
    html.raw("<p class=\"note\">Labels to begin with, one <code>name=value</code> a line.</p>");
    html.raw("<textarea name=\"labels\" aria-label=\"Labels, one name=value a line\" spellcheck=\"false\">");
    html.raw("\n").text(&wish.labels).raw("</textarea><p>");
    select(html, "pool", "Job", chosen, names);
    html.raw(" ");
    let rules = [("", "relabel_configs"), ("metric", "metric_relabel_configs")];
    select(html, "rules", "Rules", &wish.rules, rules.into_iter());
    html.raw(" <button class=\"main\">Show the steps</button></p></div></form>\n");
    let Some(job) = job else {
        html.raw("<p class=\"note\">There is no job.</p>");
        return;
    };
    let rules =
        if wish.rules == "metric" { &job.metric_relabel_configs } else { &job.relabel_configs };
    if rules.is_empty() {
        html.raw("<div class=\"panel pad\">This job has no such rules: the labels stay as they are.</div>");
        return;
    }
    walk(html, rules, &parse_lines(&wish.labels));
}

fn walk(html: &mut Html, rules: &[Rule], given: &Labels) {
    let mut labels = LabelsBuilder::new(given);
    let mut before = given.clone();
    for (index, rule) in rules.iter().enumerate() {
        let kept = apply(core::slice::from_ref(rule), &mut labels);
        let after = labels.labels();
        let class = match (kept, before == after) {
            (false, _) => "dropped",
            (true, false) => "changed",
            (true, true) => "",
        };
        html.raw("<section class=\"step ").raw(class).raw("\"><h3>").text(index + 1).raw(". ");
        html.text(rule.source().action.name()).raw(" ");
        match class {
            "dropped" => html.pill("down", "dropped here"),
            "changed" => html.pill("up", "changed"),
            _ => html.pill("", "no change"),
        };
        html.raw("</h3><p class=\"mono soft\">").text(summary(rule)).raw("</p>");
        difference(html, &before, &after);
        html.raw("</section>\n");
        if !kept {
            html.raw("<p class=\"note\">Nothing comes after a drop.</p>");
            return;
        }
        before = after;
    }
    html.heading("Result");
    before = {
        let mut visible = LabelsBuilder::new(&before);
        visible.retain(|name, _| !name.starts_with("__") || name == "__name__");
        visible.labels()
    };
    html.raw("<div class=\"panel pad\">").labels(&before).raw("</div>");
    html.raw("<p class=\"note\">Labels that begin with two underscores are not kept.</p>");
}

/// The rule in one line, without what is as usual.
fn summary(rule: &Rule) -> String {
    let source = rule.source();
    let mut parts = Vec::new();
    if !source.source_labels.is_empty() {
        parts.push(format!("source_labels: [{}]", source.source_labels.join(", ")));
    }
    if source.separator != ";" {
        parts.push(format!("separator: {:?}", source.separator));
    }
    if source.regex != "(.*)" {
        parts.push(format!("regex: {}", source.regex));
    }
    if source.modulus > 0 {
        parts.push(format!("modulus: {}", source.modulus));
    }
    if !source.target_label.is_empty() {
        parts.push(format!("target_label: {}", source.target_label));
    }
    if source.replacement != "$1" {
        parts.push(format!("replacement: {:?}", source.replacement));
    }
    parts.join("  ·  ")
}

fn difference(html: &mut Html, before: &Labels, after: &Labels) {
    let names: BTreeSet<&str> = before.iter().chain(after.iter()).map(|(name, _)| name).collect();
    html.raw("<div class=\"labels\">");
    for name in names {
        match (before.get(name), after.get(name)) {
            (old, new) if old == new => html.label("", name, new),
            ("", new) => html.label("add", name, new),
            (old, "") => html.label("gone", name, old),
            (old, new) => html.label("gone", name, old).label("new", name, new),
        };
    }
    html.raw("</div>");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_read_as_they_are_shown() {
        let labels: Labels = [("__address__", "a:1"), ("x", "b=c \"d\"")].into_iter().collect();
        assert_eq!(parse_lines(&lines(&labels)), labels);
        let typed = parse_lines("a=b\r\n c = \"d\" \nnothing\n=x\n");
        let wanted: Labels = [("a", "b"), ("c", " \"d\" ")].into_iter().collect();
        assert_eq!(typed, wanted);
    }
}
