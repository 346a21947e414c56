//! Targets: how the last scrape went. And the paging that other lists share.

use core::cmp::Reverse;
use core::time::Duration;
use std::collections::HashMap;

use crate::base::{Timestamp, format_duration};
use crate::mail::TargetState;
use crate::web::pages::format::{ago, count, duration};
use crate::web::pages::html::{Html, escape_query};
use crate::web::pages::route::Wish;
use crate::web::server::Settings;
use crate::web::targets::{health, states};
use crate::web::{KnownTarget, Snapshot};

/// Rows of a page.
pub(super) const ROWS: usize = 100;
/// Pools listed by name; more are chosen by filtering.
const POOLS: usize = 500;

#[derive(Clone, Copy)]
struct Row<'a> {
    job: &'a str,
    known: &'a KnownTarget,
    state: Option<&'a TargetState>,
}

pub(super) fn write(html: &mut Html, settings: &Settings, snapshot: &Snapshot, wish: &Wish) {
    let states = states(snapshot);
    let words = words(&wish.q);
    let mut counts = [0u64; 3];
    let mut rows = Vec::new();
    for pool in snapshot.pools.iter().filter(|pool| wish.pool.is_empty() || pool.job == wish.pool) {
        for known in pool.targets.iter() {
            let state = states.get(&(pool.job.as_str(), known.identity)).copied();
            let row = Row { job: &pool.job, known, state };
            if !row.holds(&words) {
                continue;
            }
            let health = health(state);
            counts[["up", "down", "unknown"]
                .iter()
                .position(|known| *known == health)
                .unwrap_or(2)] += 1;
            if wish.state.is_empty() || wish.state == health {
                rows.push(row);
            }
        }
    }
    sort(&mut rows, &wish.sort);
    html.title("Targets");
    filter(html, settings, snapshot, wish, counts);
    let shown = Pager::new(rows.len(), wish.page);
    shown.write(html, &address(settings, wish), "targets");
    if rows.is_empty() {
        html.raw("<div class=\"panel pad\">").text(nothing(snapshot)).raw("</div>");
        return;
    }
    html.table(&[
        "Target",
        "State",
        "Labels",
        "Last scrape",
        "#Took",
        "#Samples",
        "#Series",
        "Last error",
    ]);
    for row in &rows[shown.from..shown.to] {
        row.write(html, settings, snapshot.process.now);
    }
    html.end_table();
    shown.write(html, &address(settings, wish), "targets");
}

fn nothing(snapshot: &Snapshot) -> &'static str {
    if snapshot.pools.iter().all(|pool| pool.targets.is_empty()) {
        "There are no targets. The page on discovery says what was found and what relabeling dropped."
    } else {
        "No target fits the filter."
    }
}

pub(super) fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_lowercase).collect()
}

impl Row<'_> {
    fn holds(&self, words: &[String]) -> bool {
        if words.is_empty() {
            return true;
        }
        let error = self.state.map_or("", |state| state.error.as_str());
        let mut text = format!("{} {} {error}", self.job, self.known.target.url());
        for (name, value) in self.known.target.labels.iter() {
            text.extend([" ", name, "=", value]);
        }
        let text = text.to_lowercase();
        words.iter().all(|word| text.contains(word.as_str()))
    }

    fn write(&self, html: &mut Html, settings: &Settings, now: Timestamp) {
        let url = self.known.target.url();
        let health = health(self.state);
        let scraped = self.state.filter(|state| state.last_scrape.0 > 0);
        html.raw("<tr><td class=\"w\"><a class=\"mono\" rel=\"noreferrer\" href=\"");
        html.text(settings.external.globalize(&url, settings.port)).raw("\">").text(&url);
        html.raw("</a><div class=\"soft small\">").text(self.job).raw(" · every ");
        html.text(format_duration(self.known.target.interval))
            .raw("</div></td><td>")
            .pill(health, health);
        html.raw("</td><td>").labels(&self.known.target.labels).raw("</td>");
        let figure = |of: fn(&TargetState) -> String| scraped.map(of).unwrap_or_default();
        let at = scraped.map(|state| state.last_scrape).unwrap_or_default();
        html.cell("Last scrape", ago(at, now));
        html.number("Took", figure(|state| duration(state.duration)));
        html.number("Samples", figure(|state| count(state.samples)));
        html.number("Series", figure(|state| count(state.series)));
        html.raw("<td class=\"error w\">").text(self.state.map_or("", |state| &state.error));
        html.raw("</td></tr>\n");
    }
}

fn sort(rows: &mut [Row<'_>], by: &str) {
    let figure = |row: &Row<'_>, of: fn(&TargetState) -> u64| row.state.map_or(0, of);
    match by {
        "took" => rows
            .sort_by_key(|row| Reverse(row.state.map_or(Duration::ZERO, |state| state.duration))),
        "samples" => rows.sort_by_key(|row| Reverse(figure(row, |state| state.samples))),
        "series" => rows.sort_by_key(|row| Reverse(figure(row, |state| state.series))),
        "oldest" => rows.sort_by_key(|row| row.state.map(|state| state.last_scrape)),
        "url" => rows.sort_by_cached_key(|row| row.known.target.url()),
        // Trouble first; otherwise as configured.
        _ => rows.sort_by_key(|row| match health(row.state) {
            "down" => 0,
            "unknown" => 1,
            _ => 2,
        }),
    }
}

fn filter(
    html: &mut Html,
    settings: &Settings,
    snapshot: &Snapshot,
    wish: &Wish,
    counts: [u64; 3],
) {
    html.raw("<form class=\"filter\" method=\"get\" action=\"").text(&settings.route_prefix);
    html.raw("/targets\" role=\"search\">");
    search(html, &wish.q, "Filter: URL, label=value, error");
    pools(html, snapshot, &wish.pool);
    let states = [
        ("", format!("All ({})", count(counts.iter().sum()))),
        ("up", format!("Up ({})", count(counts[0]))),
        ("down", format!("Down ({})", count(counts[1]))),
        ("unknown", format!("Unknown ({})", count(counts[2]))),
    ];
    select(
        html,
        "state",
        "State",
        &wish.state,
        states.iter().map(|(value, name)| (*value, name.as_str())),
    );
    let sorts = [
        ("", "Trouble first"),
        ("took", "Slowest first"),
        ("samples", "Most samples first"),
        ("series", "Most series first"),
        ("oldest", "Longest not scraped first"),
        ("url", "By address"),
    ];
    select(html, "sort", "Order", &wish.sort, sorts.into_iter());
    html.raw("<button class=\"main\">Show</button></form>\n");
}

pub(super) fn search(html: &mut Html, value: &str, hint: &str) {
    html.raw("<input type=\"search\" name=\"q\" value=\"").text(value).raw("\" placeholder=\"");
    html.text(hint).raw("\" aria-label=\"Filter\">");
}

pub(super) fn pools(html: &mut Html, snapshot: &Snapshot, chosen: &str) {
    let names =
        snapshot.pools.iter().take(POOLS).map(|pool| (pool.job.as_str(), pool.job.as_str()));
    select(html, "pool", "Job", chosen, core::iter::once(("", "All jobs")).chain(names));
}

pub(super) fn select<'a>(
    html: &mut Html,
    name: &str,
    label: &str,
    chosen: &str,
    options: impl Iterator<Item = (&'a str, &'a str)>,
) {
    html.raw("<select data-go name=\"").raw(name).raw("\" aria-label=\"").raw(label).raw("\">");
    for (value, text) in options {
        html.raw("<option value=\"").text(value);
        html.raw(if value == chosen { "\" selected>" } else { "\">" }).text(text).raw("</option>");
    }
    html.raw("</select>");
}

fn address(settings: &Settings, wish: &Wish) -> String {
    format!(
        "{}/targets?q={}&pool={}&state={}&sort={}",
        settings.route_prefix,
        escape_query(&wish.q),
        escape_query(&wish.pool),
        escape_query(&wish.state),
        escape_query(&wish.sort)
    )
}

/// Which rows of a list are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pager {
    pub(super) from: usize,
    pub(super) to: usize,
    all: usize,
    page: usize,
    pages: usize,
}

impl Pager {
    /// `page` counts from 1; what is beyond the end is the last one.
    pub(super) fn new(all: usize, page: usize) -> Pager {
        let pages = all.div_ceil(ROWS).max(1);
        let page = page.clamp(1, pages);
        let from = (page - 1) * ROWS;
        Pager { from, to: all.min(from + ROWS), all, page, pages }
    }

    /// `address`: all of the URL but the page.
    pub(super) fn write(&self, html: &mut Html, address: &str, what: &str) {
        let first = if self.all == 0 { 0 } else { self.from + 1 };
        html.raw("<div class=\"pager\"><span>").text(count(first as u64)).raw("–");
        html.text(count(self.to as u64)).raw(" of ").text(count(self.all as u64));
        html.raw(" ").text(what).raw("</span>");
        if self.pages > 1 {
            html.raw("<span>");
            let mut link = |page: usize, rel: &str, text: &str| {
                if (1..=self.pages).contains(&page) && page != self.page {
                    html.raw("<a class=\"button\" rel=\"").raw(rel).raw("\" href=\"").text(address);
                    html.raw("&amp;page=").text(page).raw("\">").raw(text).raw("</a> ");
                }
            };
            link(1, "first", "First");
            link(self.page.wrapping_sub(1), "prev", "Previous");
            link(self.page + 1, "next", "Next");
            link(self.pages, "last", "Last");
            html.raw("</span>");
        }
        html.raw("</div>\n");
    }
}

/// Targets and how many of them are up, by job.
pub(super) fn health_by_job(snapshot: &Snapshot) -> HashMap<&str, (u64, u64)> {
    let mut jobs: HashMap<&str, (u64, u64)> = HashMap::new();
    for meters in snapshot.reports.iter().flat_map(|report| &report.jobs) {
        let (targets, up) = jobs.entry(&meters.job).or_default();
        *targets += meters.targets;
        *up += meters.up;
    }
    jobs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_number_from_outside_is_always_a_page() {
        for (all, page, from, to) in [
            (0, 0, 0, 0),
            (1, usize::MAX, 0, 1),
            (250, 1, 0, 100),
            (250, 3, 200, 250),
            (250, 9, 200, 250),
            (200, 3, 100, 200),
        ] {
            let pager = Pager::new(all, page);
            assert_eq!((pager.from, pager.to), (from, to), "{all} {page}");
        }
    }
}
