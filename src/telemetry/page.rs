//! The text form of a page: families one after another, each with its help and type before its first sample.

use core::fmt::Write as _;

use crate::base::Histogram;
use crate::telemetry::Metric;

/// A page under construction.
#[derive(Debug, Default)]
pub(super) struct Page {
    pub(super) text: String,
}

pub(super) type Label<'a> = (&'a str, &'a str);

/// Takes the samples of one family. Each must have labels of its own.
pub(super) struct Family<'p> {
    page: &'p mut Page,
    metric: &'p Metric,
    begun: bool,
}

impl Page {
    /// Once per metric. Nothing is written before the first sample.
    pub(super) fn family<'p>(&'p mut self, metric: &'p Metric) -> Family<'p> {
        Family { page: self, metric, begun: false }
    }
}

impl Family<'_> {
    pub(super) fn count(&mut self, labels: &[Label<'_>], value: u64) {
        self.write("", labels, None, &value.to_string());
    }

    pub(super) fn gauge(&mut self, labels: &[Label<'_>], value: f64) {
        self.write("", labels, None, &float(value));
    }

    /// `quantiles`: `(quantile, value)`.
    pub(super) fn summary(
        &mut self,
        labels: &[Label<'_>],
        quantiles: &[(f64, f64)],
        sum: f64,
        count: u64,
    ) {
        for &(quantile, value) in quantiles {
            self.write("", labels, Some(("quantile", &float(quantile))), &float(value));
        }
        self.write("_sum", labels, None, &float(sum));
        self.write("_count", labels, None, &count.to_string());
    }

    /// Bounds are every power of two microseconds from 64 µs to 67 s.
    pub(super) fn histogram(&mut self, labels: &[Label<'_>], histogram: &Histogram) {
        let mut below = 0;
        for (index, count) in histogram.buckets.iter().enumerate() {
            below += count;
            if index.is_multiple_of(2) && (12..=52).contains(&index) {
                let bound = float(Histogram::bound_us(index) / 1e6);
                self.write("_bucket", labels, Some(("le", &bound)), &below.to_string());
            }
        }
        self.write("_bucket", labels, Some(("le", "+Inf")), &histogram.count.to_string());
        self.write("_sum", labels, None, &float(histogram.sum_ns as f64 / 1e9));
        self.write("_count", labels, None, &histogram.count.to_string());
    }

    fn write(&mut self, suffix: &str, labels: &[Label<'_>], extra: Option<Label<'_>>, value: &str) {
        let text = &mut self.page.text;
        let Metric { name, kind, help } = self.metric;
        if !self.begun {
            self.begun = true;
            let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {}", kind.name());
        }
        text.push_str(name);
        text.push_str(suffix);
        for (at, (label, value)) in labels.iter().copied().chain(extra).enumerate() {
            text.push(if at == 0 { '{' } else { ',' });
            text.push_str(label);
            text.push_str("=\"");
            for c in value.chars() {
                match c {
                    '\\' => text.push_str("\\\\"),
                    '"' => text.push_str("\\\""),
                    '\n' => text.push_str("\\n"),
                    c => text.push(c),
                }
            }
            text.push('"');
        }
        if !labels.is_empty() || extra.is_some() {
            text.push('}');
        }
        let _ = writeln!(text, " {value}");
    }
}

fn float(value: f64) -> String {
    if value.is_infinite() {
        return if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    value.to_string()
}
