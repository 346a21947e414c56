//! The status page: plain HTML, no script.

use core::fmt::Write as _;

use crate::model::Labels;
use crate::telemetry::{build, rfc3339};
use crate::web::server::Settings;
use crate::web::{Snapshot, targets};

const STYLE: &str = "body{font:14px sans-serif;margin:2em}table{border-collapse:collapse}\
    td,th{border:1px solid #ccc;padding:2px 8px;text-align:left}.down{color:#b00}";

const LINKS: &[&str] = &[
    "/metrics",
    "/api/v1/targets",
    "/api/v1/scrape_pools",
    "/api/v1/status/config",
    "/api/v1/status/flags",
    "/api/v1/status/runtimeinfo",
    "/api/v1/status/buildinfo",
    "/-/healthy",
    "/-/ready",
];

pub(super) fn html(settings: &Settings, snapshot: &Snapshot) -> String {
    let mut out =
        String::from("<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>");
    escape(&mut out, &settings.page_title);
    let _ = write!(out, "</title><style>{STYLE}</style></head><body><h1>");
    escape(&mut out, &settings.page_title);
    let process = &snapshot.process;
    let _ = write!(
        out,
        "</h1>\n<p>corelane {}, started {}, {} cores on ",
        build::VERSION,
        rfc3339(process.started),
        process.cores
    );
    escape(&mut out, &process.runtime);
    out.push_str("</p>\n<p>");
    for link in LINKS {
        let _ = write!(out, "<a href=\"");
        escape(&mut out, &settings.route_prefix);
        let _ = write!(out, "{link}\">{link}</a> ");
    }
    out.push_str("</p>\n");
    write_endpoints(&mut out, snapshot);
    write_targets(&mut out, snapshot);
    out.push_str("</body></html>\n");
    out
}

fn write_endpoints(out: &mut String, snapshot: &Snapshot) {
    let columns = [
        "Endpoint",
        "URL",
        "Shard",
        "Acknowledged",
        "Lost",
        "Pending",
        "Backlog bytes",
        "Held",
        "Last error",
    ];
    head(out, "Endpoints", &columns);
    for report in &snapshot.reports {
        for meters in &report.endpoints {
            row(
                out,
                &[
                    &meters.name,
                    &meters.url,
                    &report.shard.to_string(),
                    &meters.acknowledged.to_string(),
                    &meters.lost.total().to_string(),
                    &meters.pending.to_string(),
                    &meters.backlog_bytes.to_string(),
                    if meters.held { "yes" } else { "no" },
                    &meters.last_error,
                ],
            );
        }
    }
    out.push_str("</table>\n");
}

fn write_targets(out: &mut String, snapshot: &Snapshot) {
    let states = targets::states(snapshot);
    head(out, "Targets", &["Job", "URL", "Labels", "Health", "Last scrape", "Samples", "Error"]);
    for known in &snapshot.targets {
        let state = states.get(&(known.job.as_str(), known.identity)).copied();
        let scraped = state.filter(|state| state.last_scrape.0 > 0);
        row(
            out,
            &[
                &known.job,
                &known.target.url(),
                &labels(&known.target.labels),
                targets::health(state),
                &scraped.map(|state| rfc3339(state.last_scrape)).unwrap_or_default(),
                &state.map_or(0, |state| state.samples).to_string(),
                state.map_or("", |state| &state.error),
            ],
        );
    }
    out.push_str("</table>\n");
}

fn labels(labels: &Labels) -> String {
    let pairs: Vec<String> =
        labels.iter().map(|(name, value)| format!("{name}={value:?}")).collect();
    pairs.join(", ")
}

fn head(out: &mut String, title: &str, columns: &[&str]) {
    let _ = write!(out, "<h2>{title}</h2>\n<table><tr>");
    for column in columns {
        let _ = write!(out, "<th>{column}</th>");
    }
    out.push_str("</tr>\n");
}

fn row(out: &mut String, cells: &[&str]) {
    out.push_str("<tr>");
    for cell in cells {
        out.push_str(if *cell == "down" { "<td class=\"down\">" } else { "<td>" });
        escape(out, cell);
        out.push_str("</td>");
    }
    out.push_str("</tr>\n");
}

fn escape(out: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c => out.push(c),
        }
    }
}
