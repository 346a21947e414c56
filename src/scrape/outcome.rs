//! How a scrape ends: commit or rollback, markers, report series; and how a target does.

use core::time::Duration;

use crate::base::{Instant, Timestamp, limits};
use crate::mail::{Failure, Job, ScrapeMeters};
use crate::model::{Refusal, stale_marker};
use crate::scrape::farewell::Farewell;
use crate::scrape::page::{Page, PageError};
use crate::scrape::report::{NAMES, USUAL};
use crate::scrape::target::{Phase, Scrape, Shared};

impl Scrape {
    /// Commits the page or rolls it back; markers and report series either way.
    // spec: SCR-60, SCR-62, SCR-63
    pub(super) fn finish(
        &mut self,
        outcome: Result<(), PageError>,
        job: &Job,
        shared: &mut Shared<'_>,
    ) {
        let now = shared.now;
        self.page(shared);
        let Some(mut page) = self.page.take() else {
            return;
        };
        shared.meters.scraped += page.scraped;
        shared.appender.refuse_all(&page.refused);
        shared.appender.exemplars.add(&page.exemplars);
        shared.meters.body_bytes += page.body_bytes;
        shared.meters.cache_hits += page.pass.hits;
        shared.meters.cache_moves += page.pass.moves;
        shared.meters.cache_misses += page.pass.misses;
        shared.meters.generated += page.zeros.len() as u64;
        let counts = self.judge(&mut page, &outcome, job, shared);
        for &series in shared.vanished.iter() {
            page.batch.push(series, stale_marker());
        }
        let duration = now.instant.since(self.started);
        let up = outcome.is_ok();
        self.add_report(&mut page, counts, outcome.as_ref().err(), duration, job, shared);
        // A refusal for want of disk is counted by the appender.
        if !page.zeros.is_empty() {
            let _ = shared.appender.commit(shared.feed, &mut page.zeros, now);
        }
        let _ = shared.appender.commit(shared.feed, &mut page.batch, now);
        self.state.job.clone_from(&job.name);
        self.state.up = Some(up);
        self.state.error = outcome.err().map_or(String::new(), |error| error.to_string());
        if !up && job.tells_failures {
            shared.failures.push(Failure {
                job: job.name.clone(),
                url: self.target.url(),
                time: now.timestamp,
                error: self.state.error.clone(),
            });
        }
        self.state.last_scrape = self.timestamp;
        self.state.duration = duration;
        self.state.samples = page.scraped;
        self.state.series = self.cache.len() as u64;
        give_back(page, shared);
        self.phase = Phase::Idle;
        if !(up && self.keep_alive) || self.redirects > 0 {
            self.hang_up(shared);
        }
        self.hold(false, shared);
        self.keep_alive = false;
        self.request = Vec::new();
        self.sent = 0;
    }

    /// What the end of the scrape means for the live series: `shared.vanished` are those that get a marker. Gives the
    /// counts to report: samples, those left after relabeling, new series.
    // spec: SCR-62, SCR-63, SCR-64
    fn judge(
        &mut self,
        page: &mut Page,
        outcome: &Result<(), PageError>,
        job: &Job,
        shared: &mut Shared<'_>,
    ) -> [u64; 3] {
        let mut pass = core::mem::take(&mut page.pass);
        let added = self.cache.brought(&mut pass);
        let mut counts = [page.scraped, page.kept, added];
        shared.vanished.clear();
        match outcome {
            // An empty page says nothing about texts.
            Ok(()) if page.body_bytes == 0 => self.cache.fail(shared.vanished),
            Ok(()) => {
                self.cache.accept(pass, &page.missed, shared.vanished);
                if job.is_capped() {
                    self.caps.accept(self.cache.texts_series(), shared.quota);
                }
                self.renews = self.said.changes(page.family.hash());
                if core::mem::take(&mut self.relearn) || self.renews {
                    self.cache.forget_texts();
                }
            }
            Err(error) => {
                count_failure(error, shared.meters);
                shared.appender.rollback(&mut page.batch);
                shared.appender.rollback(&mut page.zeros);
                self.caps.reject(shared.quota);
                if matches!(error, PageError::BodyLimit | PageError::Fetch(_)) {
                    counts = [0; 3];
                    self.cache.fail(shared.vanished);
                } else {
                    let flushed = self.cache.reject(pass, &page.missed, shared.vanished);
                    shared.meters.cache_flushes += u64::from(flushed);
                }
            }
        }
        counts
    }

    // spec: SCR-60
    fn add_report(
        &mut self,
        page: &mut Page,
        [scraped, kept, added]: [u64; 3],
        error: Option<&PageError>,
        duration: Duration,
        job: &Job,
        shared: &mut Shared<'_>,
    ) {
        let wanted = if job.extra_report { NAMES.len() } else { USUAL };
        let (target, lane) = (&self.target.labels, self.lane);
        let dropped = self.report.make(wanted, target, shared.feed, lane, shared.now.timestamp);
        shared.meters.generated += (shared.vanished.len() + dropped.len() + wanted) as u64;
        for series in dropped {
            page.batch.push(series, stale_marker());
        }
        let refs = self.report.get();
        if refs.len() < wanted {
            return shared.appender.refuse(Refusal::DiskFull, wanted as u64);
        }
        let up = error.is_none();
        let body = match error {
            Some(PageError::BodyLimit) => -1.0,
            Some(PageError::Fetch(_)) => 0.0,
            _ => page.body_bytes as f64,
        };
        let values = [
            if up { 1.0 } else { 0.0 },
            duration.as_secs_f64(),
            scraped as f64,
            kept as f64,
            added as f64,
            self.target.timeout.as_secs_f64(),
            job.sample_limit as f64,
            body,
        ];
        for (&series, value) in refs.iter().zip(values) {
            page.batch.push(series, value);
        }
    }

    /// The target is gone: the connection is closed, a running scrape forgotten. Gives the series that end, and when
    /// their markers are due.
    // spec: SCR-65
    pub fn end(&mut self, shared: &mut Shared<'_>) -> (Instant, Farewell) {
        self.hang_up(shared);
        if let Some(mut page) = self.page.take() {
            shared.meters.scraped += page.scraped;
            shared.appender.refuse_all(&page.refused);
            shared.appender.exemplars.add(&page.exemplars);
            shared.meters.generated += page.zeros.len() as u64;
            shared.appender.rollback(&mut page.batch);
            shared.appender.rollback(&mut page.zeros);
            give_back(page, shared);
        }
        self.caps.release(shared.quota);
        let mut series = Vec::new();
        self.cache.fail(&mut series);
        series.append(&mut self.revived);
        if self.state.up.is_some() {
            series.extend(self.report.get());
        }
        let late = self.target.interval + self.target.interval / 10;
        let time = self.ideal.max(Timestamp(self.timestamp.0 + 1));
        (self.next_tick + late, Farewell { lane: self.lane, time, series })
    }
}

/// Keeps the page's buffers for another scrape, unless they have grown out of all proportion.
fn give_back(page: Box<Page>, shared: &mut Shared<'_>) {
    if page.kept_bytes() <= limits::PAGE_KEPT_BYTES {
        shared.pages.push(page);
    }
}

fn count_failure(error: &PageError, meters: &mut ScrapeMeters) {
    meters.scrapes_failed += 1;
    match error {
        PageError::BodyLimit => meters.exceeded_body_size_limit += 1,
        PageError::BucketLimit => meters.exceeded_bucket_limit += 1,
        PageError::SampleLimit => meters.exceeded_sample_limit += 1,
        PageError::LabelLimit(_) => meters.exceeded_label_limits += 1,
        PageError::Fetch(_) | PageError::Text(_) => {}
    }
}
