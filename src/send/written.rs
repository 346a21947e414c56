//! What an answer to a message of 2.0 says of it: how much was written, or that the endpoint does not know the message.

use crate::http::Head;
use crate::model::{Loss, RemoteMessage};
use crate::send::lane::{Lane, Trial};
use crate::send::shared::Shared;
use crate::wire::headers::{EXEMPLARS_WRITTEN, HISTOGRAMS_WRITTEN, SAMPLES_WRITTEN};

/// Counts of an answer. They say what was written; which of what was sent that is, nobody says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Written {
    pub(super) samples: u64,
    pub(super) histograms: u64,
    pub(super) exemplars: u64,
}

impl Written {
    /// `None` if there is not one of the headers.
    // spec: remote-write 2.0, response headers: one that is missing beside others means 0
    pub(super) fn of(head: &Head) -> Option<Written> {
        let [samples, histograms, exemplars] =
            [SAMPLES_WRITTEN, HISTOGRAMS_WRITTEN, EXEMPLARS_WRITTEN].map(|name| head.header(name));
        let there = samples.or(histograms).or(exemplars).is_some();
        let count = |value: Option<&str>| value.and_then(|value| value.trim().parse().ok());
        there.then(|| Written {
            samples: count(samples).unwrap_or(0),
            histograms: count(histograms).unwrap_or(0),
            exemplars: count(exemplars).unwrap_or(0),
        })
    }
}

impl Lane {
    /// True if the answer shows that the endpoint does not speak the message that it was sent: it says so, or it takes
    /// it in without a word of how much. The latter is what a receiver of 1.0 does that finds nothing it knows in it.
    // spec: remote-write 2.0: without any of the headers a 2xx is as a 415; a 415 may be followed by another message
    pub(super) fn misunderstood(&self, status: u16, written: Option<Written>) -> bool {
        let silent = (200..300).contains(&status) && written.is_none() && self.request.samples > 0;
        self.request.body.message() == RemoteMessage::V2 && (status == 415 || silent)
    }

    /// The same samples again as a message of 1.0, and all that follow.
    pub(super) fn fall_back(&mut self, status: u16, shared: &mut Shared<'_>) {
        shared.meters.requests_failed += 1;
        // Perhaps it was written without a word.
        self.uncertain |= status != 415;
        *shared.fallen_back = true;
        let words = format!(
            "it answered HTTP status {status} to a message of remote write 2.0 as one that does not know it; \
             1.0 is sent from now on"
        );
        self.say(words, shared);
        self.rebuild();
    }

    /// The answer is final and says that not all was written: what is missing is given up. False if the counts say
    /// nothing that matters here.
    // spec: remote-write 2.0, partial write: a 4xx with counts must not be retried; RW-35
    pub(super) fn partly(
        &mut self,
        status: u16,
        written: Option<Written>,
        shared: &mut Shared<'_>,
    ) -> bool {
        let second = self.request.body.message() == RemoteMessage::V2;
        let Some(written) = written.filter(|_| second && self.trial == Trial::Piece) else {
            return false;
        };
        let floats = self.request.samples - self.request.histograms;
        let histograms = written.histograms.min(self.request.histograms);
        let taken = written.samples.min(floats) + histograms;
        if taken == 0 || taken == self.request.samples {
            return false;
        }
        let rejected = self.request.samples - taken;
        let lost_histograms = self.request.histograms - histograms;
        *shared.acquainted = true;
        shared.meters.acknowledged += taken;
        shared.totals[self.request.feed].acked += taken;
        self.lose(Loss::Rejected, rejected, shared);
        shared.meters.histograms.lost.add(Loss::Rejected, lost_histograms);
        self.unwritten_exemplars(Some(written), shared);
        shared.letters.leave_out(rejected);
        shared.meters.requests_failed += 1;
        let words = format!(
            "{} (HTTP status {status}); {rejected} samples were not written",
            self.refusal.1
        );
        self.say(words.trim_start().to_owned(), shared);
        self.note_sent(shared);
        if let Some(isolation) = &mut self.isolation {
            isolation.disturbed();
        }
        self.next(shared);
        true
    }

    /// Exemplars that a final answer does not count are lost.
    // spec: RW-35
    pub(super) fn unwritten_exemplars(&self, written: Option<Written>, shared: &mut Shared<'_>) {
        if let Some(written) = written.filter(|_| self.request.body.message() == RemoteMessage::V2)
        {
            let lost = self.request.exemplars.saturating_sub(written.exemplars);
            shared.meters.exemplars.lost.add(Loss::Rejected, lost);
        }
    }

    /// A 2xx that says that nothing was written of something.
    pub(super) fn nothing_written(&self, written: Option<Written>) -> bool {
        let second = self.request.body.message() == RemoteMessage::V2;
        let none = written.is_some_and(|written| written.samples == 0 && written.histograms == 0);
        second && none && self.request.samples > 0
    }
}
