//! What makes many series: metrics, labels, targets.

use crate::web::pages::format::count;
use crate::web::pages::html::{Html, escape_query};
use crate::web::server::Settings;
use crate::web::targets::states;
use crate::web::{Cardinality, Snapshot};

const TOP: usize = 25;

pub(super) fn write(
    html: &mut Html,
    settings: &Settings,
    snapshot: &Snapshot,
    found: Option<&Result<Cardinality, String>>,
) {
    html.title("Cardinality");
    html.raw("<p class=\"note\">Metrics and labels are counted in the dictionaries on disk, beside the cores and at most ");
    html.raw("once a minute. Series of targets are those of their last scrape.</p>");
    match found {
        Some(Ok(found)) => write_found(html, found),
        Some(Err(why)) => drop(html.raw("<div class=\"panel pad error\">").text(why).raw("</div>")),
        None => {}
    }
    write_targets(html, settings, snapshot);
}

fn write_found(html: &mut Html, found: &Cardinality) {
    html.raw("<div class=\"cards\">").card("", count(found.series), "series with a definition");
    html.card("", count(found.metric_names), "metric names");
    html.card("", count(found.label_names), "label names")
        .raw("</div>\n<div class=\"grid\"><section>");
    html.heading("Metrics with the most series").table(&["Metric", "#Series", "#Share"]);
    let share = |part: u64| format!("{:.1} %", part as f64 * 100.0 / found.series.max(1) as f64);
    for (name, series) in found.metrics.iter().take(TOP) {
        html.raw("<tr>").raw("<td class=\"mono w\">").text(name).raw("</td>");
        html.number("Series", count(*series)).number("Share", share(*series)).raw("</tr>\n");
    }
    html.end_table().raw("</section><section>");
    html.heading("Labels with the most values").table(&["Label", "#Values", "#Series"]);
    for label in found.labels.iter().take(TOP) {
        html.raw("<tr><td class=\"mono w\">").text(&label.name).raw("</td>");
        let more = if label.capped { "≥ " } else { "" };
        html.number("Values", format!("{more}{}", count(label.values)));
        html.number("Series", count(label.series)).raw("</tr>\n");
    }
    html.end_table().raw("</section></div>");
}

fn write_targets(html: &mut Html, settings: &Settings, snapshot: &Snapshot) {
    let states = states(snapshot);
    let mut rows = Vec::new();
    for pool in &snapshot.pools {
        rows.extend(pool.targets.iter().filter_map(|known| {
            let state = states.get(&(pool.job.as_str(), known.identity))?;
            Some((state.series, state.samples, &pool.job, &known.target))
        }));
    }
    rows.sort_by_key(|(series, samples, ..)| core::cmp::Reverse((*series, *samples)));
    html.heading("Targets with the most series").table(&[
        "Target",
        "Job",
        "#Series",
        "#Samples a scrape",
    ]);
    for (series, samples, job, target) in rows.iter().take(TOP) {
        html.raw("<tr><td class=\"mono w\">")
            .text(target.url())
            .raw("</td><td data-l=\"Job\"><a href=\"");
        html.text(&settings.route_prefix).raw("/targets?sort=series&amp;pool=");
        html.text(escape_query(job)).raw("\">").text(job).raw("</a></td>");
        html.number("Series", count(*series)).number("Samples", count(*samples)).raw("</tr>\n");
    }
    html.end_table();
}
