//! The first page: is everything well, and if not, where to look.

use crate::web::Snapshot;
use crate::web::pages::endpoints::wholes;
use crate::web::pages::format::{ago, bytes, count, duration, rate, shortage};
use crate::web::pages::html::{Html, escape_query};
use crate::web::pages::targets::health_by_job;
use crate::web::past::Past;
use crate::web::server::Settings;

/// Jobs shown: the worst.
const JOBS: usize = 12;

pub(super) fn write(html: &mut Html, settings: &Settings, snapshot: &Snapshot, past: &Past) {
    html.title("Overview");
    let process = &snapshot.process;
    let jobs = health_by_job(snapshot);
    let (targets, up) = jobs.values().fold((0, 0), |sum, job| (sum.0 + job.0, sum.1 + job.1));
    let logs = || snapshot.reports.iter().map(|report| &report.log);
    let disk: u64 = logs().map(|log| log.disk_bytes).sum();
    let wholes = wholes(snapshot);
    html.raw("<div class=\"cards\">");
    html.card("", count(targets), "targets");
    let down = targets - up.min(targets);
    html.card(if down > 0 { "bad" } else { "" }, count(down), "of them not up");
    html.card("", count(logs().map(|log| log.series).sum()), "series in memory");
    let scraped = past.scraped().map_or("–".to_owned(), rate);
    html.card("", scraped, "samples scraped");
    let behind = wholes.iter().map(|whole| whole.behind(process.now)).max().unwrap_or_default();
    let class = if behind.as_secs() >= 30 { "warn" } else { "" };
    html.card(class, duration(behind), "behind, at the slowest endpoint");
    let budget = process.disk_budget_bytes;
    let class = if budget > 0 && disk as f64 > 0.9 * budget as f64 { "bad" } else { "" };
    html.card(class, bytes(disk), &format!("of log, of {} allowed", bytes(budget)));
    html.raw("</div>\n");
    troubles(html, snapshot);
    html.raw("<div class=\"grid\"><section>").heading("Endpoints");
    if wholes.is_empty() {
        html.raw("<div class=\"panel pad\">None is configured.</div>");
    } else {
        html.table(&["Endpoint", "State", "#Behind", "#Waiting"]);
        for whole in &wholes {
            html.raw("<tr><td class=\"w\"><a href=\"").text(&settings.route_prefix);
            html.raw("/endpoints\">").text(whole.name).raw("</a>");
            if !whole.error.is_empty() {
                html.raw("<div class=\"error small\">").text(whole.error).raw("</div>");
            }
            let (class, words) = whole.state(process.now);
            html.raw("</td><td>").pill(class, words).raw("</td>");
            html.number("Behind", duration(whole.behind(process.now)));
            html.number("Waiting", count(whole.pending)).raw("</tr>\n");
        }
        html.end_table();
    }
    html.raw("</section><section>").heading("Jobs");
    write_jobs(html, settings, snapshot);
    html.raw("</section></div>");
}

fn write_jobs(html: &mut Html, settings: &Settings, snapshot: &Snapshot) {
    let health = health_by_job(snapshot);
    let mut rows: Vec<(&str, u64, u64)> = snapshot
        .pools
        .iter()
        .map(|pool| {
            let targets = pool.targets.len() as u64;
            let up = health.get(pool.job.as_str()).map_or(0, |(_, up)| *up);
            (pool.job.as_str(), targets, targets - up.min(targets))
        })
        .collect();
    rows.sort_by_key(|(_, targets, down)| core::cmp::Reverse((*down, *targets)));
    if rows.is_empty() {
        html.raw("<div class=\"panel pad\">None is configured.</div>");
        return;
    }
    html.table(&["Job", "#Targets", "#Not up", "Up"]);
    for (job, targets, down) in rows.iter().take(JOBS) {
        html.raw("<tr><td class=\"w\"><a href=\"")
            .text(&settings.route_prefix)
            .raw("/targets?pool=");
        html.text(escape_query(job)).raw("\">").text(job).raw("</a></td>");
        html.number("Targets", count(*targets))
            .number("Not up", count(*down))
            .raw("<td data-l=\"Up\">");
        match targets {
            0 => html.pill("", "no targets"),
            _ if *down == 0 => html.pill("up", "all up"),
            _ => html.pill("down", format!("{} %", (targets - down) * 100 / targets)),
        };
        html.raw("</td></tr>\n");
    }
    html.end_table();
    if rows.len() > JOBS {
        html.raw("<p class=\"note\"><a href=\"").text(&settings.route_prefix);
        html.raw("/service-discovery\">All ").text(count(rows.len() as u64)).raw(" jobs</a></p>");
    }
}

/// What somebody should do something about.
fn troubles(html: &mut Html, snapshot: &Snapshot) {
    let process = &snapshot.process;
    let mut said = Vec::new();
    if !process.reload.successful {
        said.push(format!(
            "The configuration on disk cannot be used; the one loaded {} stays in force.",
            ago(process.reload.last_success, process.now)
        ));
    }
    for report in &snapshot.reports {
        let (shard, log) = (report.shard, &report.log);
        if let Some(why) = log.degraded {
            let held = bytes(log.memory_bytes);
            let why = shortage(why);
            said.push(format!("Core {shard} keeps {held} of log in memory only: {why}."));
        }
        if log.full {
            said.push(format!("Core {shard} has no room in its log."));
        }
        if log.damage > 0 {
            said.push(format!(
                "Core {shard} stepped over {} damaged places in its log.",
                log.damage
            ));
        }
    }
    for (shard, stall) in process.stalls.iter().filter(|(_, stall)| stall.as_millis() > 500) {
        said.push(format!("Core {shard} looked away for {}.", duration(*stall)));
    }
    if said.is_empty() {
        return;
    }
    html.raw("<div class=\"panel pad\" role=\"status\">");
    for text in said {
        html.raw("<div>").pill("warn", "look").raw(" ").text(text).raw("</div>");
    }
    html.raw("</div>");
}
