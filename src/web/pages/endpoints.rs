//! Endpoints: how far behind, how fast, and in the receiver's own words why not.

use core::time::Duration;
use std::collections::BTreeMap;

use crate::base::{Histogram, Timestamp};
use crate::mail::EndpointMeters;
use crate::model::{Loss, Losses};
use crate::web::Snapshot;
use crate::web::pages::format::{bytes, count, duration, rate, since};
use crate::web::pages::html::Html;
use crate::web::past::{EndpointPace, Past};

/// One endpoint over all shards.
pub(super) struct Whole<'a> {
    pub(super) name: &'a str,
    url: &'a str,
    acknowledged: u64,
    pub(super) pending: u64,
    pub(super) backlog_bytes: u64,
    lost: Losses,
    requests: u64,
    failed: u64,
    retried: u64,
    busy: u64,
    connections: u64,
    pub(super) oldest: Option<Timestamp>,
    pub(super) held: bool,
    pub(super) error: &'a str,
    took: Histogram,
    delivery: Histogram,
}

pub(super) fn wholes(snapshot: &Snapshot) -> Vec<Whole<'_>> {
    let mut found: BTreeMap<&str, Whole<'_>> = BTreeMap::new();
    for meters in snapshot.reports.iter().flat_map(|report| &report.endpoints) {
        let whole = found.entry(&meters.name).or_insert_with(|| Whole::new(meters));
        whole.acknowledged += meters.acknowledged;
        whole.pending += meters.pending;
        whole.backlog_bytes += meters.backlog_bytes;
        whole.lost.add_all(&meters.lost);
        whole.requests += meters.requests;
        whole.failed += meters.requests_failed;
        whole.retried += meters.retried;
        whole.busy += meters.connections_busy;
        whole.connections += meters.connections;
        whole.held |= meters.held;
        if meters.oldest_pending.0 > 0 {
            let oldest = whole.oldest.unwrap_or(meters.oldest_pending);
            whole.oldest = Some(oldest.min(meters.oldest_pending));
        }
        if whole.error.is_empty() {
            whole.error = &meters.last_error;
        }
        whole.took.merge(&meters.request_duration);
        whole.delivery.merge(&meters.commit_to_ack);
    }
    found.into_values().collect()
}

impl<'a> Whole<'a> {
    fn new(meters: &'a EndpointMeters) -> Whole<'a> {
        Whole {
            name: &meters.name,
            url: &meters.url,
            acknowledged: 0,
            pending: 0,
            backlog_bytes: 0,
            lost: Losses::default(),
            requests: 0,
            failed: 0,
            retried: 0,
            busy: 0,
            connections: 0,
            oldest: None,
            held: false,
            error: "",
            took: Histogram::default(),
            delivery: Histogram::default(),
        }
    }

    /// Age of the oldest sample that has no verdict.
    pub(super) fn behind(&self, now: Timestamp) -> Duration {
        self.oldest.map_or(Duration::ZERO, |oldest| since(oldest, now))
    }

    /// Class and words for its state.
    pub(super) fn state(&self, now: Timestamp) -> (&'static str, &'static str) {
        match self.behind(now).as_secs() {
            _ if self.held => ("down", "held: it refuses us"),
            0..30 => ("up", "up to date"),
            30..300 => ("warn", "behind"),
            _ => ("down", "far behind"),
        }
    }
}

pub(super) fn write(html: &mut Html, snapshot: &Snapshot, past: &Past) {
    html.title("Endpoints");
    let wholes = wholes(snapshot);
    if wholes.is_empty() {
        html.raw(
            "<div class=\"panel pad\">No <code>remote_write</code> endpoint is configured.</div>",
        );
        return;
    }
    for whole in &wholes {
        write_one(html, snapshot, whole, past.pace(whole.name));
    }
    html.raw("<p class=\"note\">Rates are those of the last minute. What waits is in the log; it is sent in order, and ");
    html.raw("an endpoint that stands still costs disk and nothing else.</p>");
    write_removed(html, snapshot);
}

fn write_one(html: &mut Html, snapshot: &Snapshot, whole: &Whole<'_>, pace: Option<EndpointPace>) {
    let now = snapshot.process.now;
    html.raw("<section><h2>").text(whole.name).raw(" ");
    let (class, words) = whole.state(now);
    html.pill(class, words).raw("</h2>\n<p class=\"note mono\">").text(whole.url).raw("</p>");
    html.raw("<div class=\"cards\">");
    let behind = whole.behind(now);
    let class = if behind.as_secs() >= 30 { "warn" } else { "" };
    html.card(class, duration(behind), "age of the oldest sample waiting");
    html.card("", count(whole.pending), "samples waiting");
    html.card("", bytes(whole.backlog_bytes), "of log still needed");
    html.card("", eta(whole, pace), "until it has caught up");
    let figure = |of: fn(&EndpointPace) -> String| pace.as_ref().map_or("–".to_owned(), of);
    html.card("", figure(|pace| rate(pace.acknowledged)), "samples acknowledged");
    html.card("", figure(|pace| format!("{}/s", bytes(pace.bytes as u64))), "compressed");
    let lost = failures(&whole.lost);
    html.card(if lost > 0 { "bad" } else { "" }, count(lost), "samples lost");
    html.card("", format!("{} of {}", whole.busy, whole.connections), "connections busy");
    html.raw("</div>\n");
    if !whole.error.is_empty() {
        html.raw("<div class=\"panel pad\"><span class=\"soft small\">Last error, as the other side put it</span>");
        html.raw("<div class=\"error mono\">").text(whole.error).raw("</div></div>");
    }
    html.raw("<div class=\"panel pad\"><dl class=\"facts\">");
    fact(html, "Acknowledged", &count(whole.acknowledged));
    let requests = format!("{}, {} failed", count(whole.requests), count(whole.failed));
    fact(html, "Requests", &requests);
    fact(html, "Samples sent again", &count(whole.retried));
    fact(html, "Request to answer", &spread(&whole.took));
    fact(html, "Commit to acknowledgement", &spread(&whole.delivery));
    for loss in Loss::ALL {
        let samples = whole.lost.get(loss);
        if samples > 0 {
            fact(html, &format!("Not delivered: {}", loss.name()), &count(samples));
        }
    }
    html.raw("</dl></div></section>\n");
}

/// Left out by configuration is not lost.
pub(super) fn failures(lost: &Losses) -> u64 {
    let all = [Loss::Rejected, Loss::Shed, Loss::Expired, Loss::Unreadable];
    all.iter().map(|loss| lost.get(*loss)).sum()
}

fn eta(whole: &Whole<'_>, pace: Option<EndpointPace>) -> String {
    let Some(pace) = pace else {
        return "–".to_owned();
    };
    let gain = pace.acknowledged - pace.entered;
    // What is on its way anyway is no backlog.
    if whole.pending as f64 <= pace.entered * 5.0 {
        return "now".to_owned();
    }
    if gain <= 0.0 {
        return "growing".to_owned();
    }
    duration(Duration::from_secs_f64((whole.pending as f64 / gain).min(1e9)))
}

/// Median and the slowest in a hundred.
fn spread(histogram: &Histogram) -> String {
    let Some((median, slow)) = bound(histogram, 0.5).zip(bound(histogram, 0.99)) else {
        return "–".to_owned();
    };
    format!("half within {median}, 99 in 100 within {slow}")
}

fn bound(histogram: &Histogram, share: f64) -> Option<String> {
    let rank = share * histogram.count as f64;
    let mut below = 0;
    let found = histogram.buckets.iter().position(|count| {
        below += count;
        below as f64 >= rank && below > 0
    })?;
    Some(duration(Duration::from_secs_f64(Histogram::bound_us(found) / 1e6)))
}

pub(super) fn fact(html: &mut Html, name: &str, value: &str) {
    html.raw("<dt>").text(name).raw("</dt><dd>").text(value).raw("</dd>");
}

fn write_removed(html: &mut Html, snapshot: &Snapshot) {
    let removed: Vec<_> = snapshot.reports.iter().flat_map(|report| &report.removed).collect();
    if removed.is_empty() {
        return;
    }
    html.heading("No longer configured");
    html.table(&["Endpoint", "#Samples kept", "#Given up"]);
    for meters in removed {
        html.raw("<tr>").cell("Endpoint", &meters.name);
        html.number("Samples kept", count(meters.pending))
            .number("Given up", count(meters.given_up));
        html.raw("</tr>");
    }
    html.end_table();
}
