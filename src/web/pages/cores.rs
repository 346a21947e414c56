//! Cores and what each keeps in its log.

use crate::base::Timestamp;
use crate::mail::{LogMeters, Report};
use crate::model::Refusal;
use crate::web::Snapshot;
use crate::web::pages::format::{ago, bytes, count, duration, shortage};
use crate::web::pages::html::Html;

pub(super) fn write(html: &mut Html, snapshot: &Snapshot) {
    let process = &snapshot.process;
    html.title("Cores and log");
    let disk: u64 = snapshot.reports.iter().map(|report| report.log.disk_bytes).sum();
    html.raw("<div class=\"cards\">");
    html.card("", process.cores, &format!("cores, on {}", process.runtime));
    html.card("", bytes(disk), "on disk");
    html.card("", bytes(process.disk_budget_bytes), "allowed in all");
    html.card("", duration(process.recovery), "to read the log at the start");
    html.raw("</div>\n");
    if process.disk_budget_bytes > 0 {
        html.raw("<div class=\"panel pad\"><span class=\"soft small\">Disk budget used</span>");
        html.meter(disk as f64 / process.disk_budget_bytes as f64).raw("</div>");
    }
    write_cores(html, snapshot);
    write_logs(html, snapshot);
    write_cursors(html, snapshot);
    write_refusals(html, snapshot);
}

fn write_cores(html: &mut Html, snapshot: &Snapshot) {
    html.heading("Cores");
    html.table(&[
        "Core",
        "#Targets",
        "#Series",
        "#Scrapes",
        "#Failed",
        "#Skipped",
        "#Pages waiting",
        "#Lines found in the cache",
        "#Looked away",
    ]);
    for report in &snapshot.reports {
        let scrape = &report.scrape;
        let stall = snapshot.process.stalls.iter().find(|(shard, _)| *shard == report.shard);
        let lines = scrape.cache_hits + scrape.cache_moves + scrape.cache_misses;
        let hits = match lines {
            0 => "–".to_owned(),
            _ => format!("{:.2} %", scrape.cache_hits as f64 * 100.0 / lines as f64),
        };
        html.raw("<tr>").cell("Core", report.shard).number("Targets", count(scrape.targets));
        html.number("Series", count(report.log.series)).number("Scrapes", count(scrape.scrapes));
        html.number("Failed", count(scrape.scrapes_failed));
        html.number("Skipped", count(scrape.scrapes_skipped));
        html.number("Pages waiting", count(scrape.pages_waiting)).number("Cache", hits);
        let stall = stall.map_or("–".to_owned(), |(_, stall)| duration(*stall));
        html.number("Looked away", stall).raw("</tr>\n");
    }
    html.end_table();
}

fn write_logs(html: &mut Html, snapshot: &Snapshot) {
    html.heading("Log");
    html.table(&[
        "Core",
        "#Segments",
        "#Newest",
        "Oldest sample",
        "#On disk",
        "#Dictionary",
        "#Samples",
        "#Bytes a sample",
        "State",
    ]);
    for report in &snapshot.reports {
        let log = &report.log;
        html.raw("<tr>").cell("Core", report.shard).number("Segments", count(log.segments));
        html.number("Newest", log.segment_current);
        html.cell("Oldest sample", ago(oldest(log), snapshot.process.now));
        html.number("On disk", bytes(log.disk_bytes))
            .number("Dictionary", bytes(log.dictionary_bytes));
        html.number("Samples", count(log.appended));
        let each = match log.appended {
            0 => "–".to_owned(),
            samples => format!("{:.2}", log.appended_bytes as f64 / samples as f64),
        };
        html.number("Bytes a sample", each).raw("<td>");
        write_state(html, log);
        html.raw("</td></tr>\n");
    }
    html.end_table();
}

/// Time of the oldest segment held; zero without any.
fn oldest(log: &LogMeters) -> Timestamp {
    log.held.iter().map(|held| held.base_time).filter(|at| at.0 > 0).min().unwrap_or_default()
}

fn write_state(html: &mut Html, log: &LogMeters) {
    let mut well = true;
    if let Some(why) = log.degraded {
        html.pill("down", format!("{} in memory only: {}", bytes(log.memory_bytes), shortage(why)));
        well = false;
    }
    if log.full {
        html.pill("down", "no room");
        well = false;
    }
    for (figure, words) in [
        (log.damage, "damaged places"),
        (log.sync_failures, "failed syncs"),
        (log.write_failures, "failed writes"),
    ] {
        if figure > 0 {
            html.pill("warn", format!("{} {words}", count(figure)));
            well = false;
        }
    }
    if well {
        html.pill("up", "well");
    }
}

fn write_cursors(html: &mut Html, snapshot: &Snapshot) {
    let any = |report: &Report| !report.endpoints.is_empty();
    if !snapshot.reports.iter().any(any) {
        return;
    }
    html.heading("Cursors");
    html.table(&[
        "Core",
        "Endpoint",
        "#Needs from segment",
        "#Segments behind",
        "#Log still needed",
        "#Samples waiting",
    ]);
    for report in &snapshot.reports {
        for meters in &report.endpoints {
            let lag = report.log.segment_current.saturating_sub(meters.cursor_segment);
            html.raw("<tr>").cell("Core", report.shard).cell("Endpoint", &meters.name);
            html.number("Needs from segment", meters.cursor_segment)
                .number("Segments behind", count(lag));
            html.number("Log still needed", bytes(meters.backlog_bytes));
            html.number("Samples waiting", count(meters.pending)).raw("</tr>\n");
        }
    }
    html.end_table();
}

fn write_refusals(html: &mut Html, snapshot: &Snapshot) {
    html.heading("Samples that did not enter the log");
    let by_reason: Vec<(&str, u64)> = Refusal::ALL
        .iter()
        .map(|refusal| {
            let each = snapshot.reports.iter().map(|report| report.scrape.refused.get(*refusal));
            (refusal.name(), each.sum())
        })
        .filter(|(_, samples)| *samples > 0)
        .collect();
    if by_reason.is_empty() {
        html.raw(
            "<div class=\"panel pad\">None: every sample that was offered is in the log.</div>",
        );
        return;
    }
    html.table(&["Reason", "#Samples"]);
    for (reason, samples) in by_reason {
        html.raw("<tr>").cell("Reason", reason).number("Samples", count(samples)).raw("</tr>\n");
    }
    html.end_table();
}
