//! What a family says of itself.

use crate::base::{Reader, put_uvarint};

/// Type of a metric family, both exposition formats taken together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum MetricType {
    Counter,
    Gauge,
    Histogram,
    GaugeHistogram,
    Summary,
    Info,
    StateSet,
    #[default]
    Unknown,
}

impl MetricType {
    const BY_CODE: [MetricType; 8] = [
        MetricType::Unknown,
        MetricType::Counter,
        MetricType::Gauge,
        MetricType::Histogram,
        MetricType::GaugeHistogram,
        MetricType::Summary,
        MetricType::Info,
        MetricType::StateSet,
    ];

    /// Its number in both messages of remote write, and in the log.
    pub fn code(self) -> u8 {
        let found = MetricType::BY_CODE.iter().position(|known| *known == self);
        found.map_or(0, |code| code as u8)
    }

    pub fn from_code(code: u8) -> MetricType {
        MetricType::BY_CODE.get(usize::from(code)).copied().unwrap_or_default()
    }

    /// The name as OpenMetrics writes it.
    pub fn name(self) -> &'static str {
        match self {
            MetricType::Counter => "counter",
            MetricType::Gauge => "gauge",
            MetricType::Histogram => "histogram",
            MetricType::GaugeHistogram => "gaugehistogram",
            MetricType::Summary => "summary",
            MetricType::Info => "info",
            MetricType::StateSet => "stateset",
            MetricType::Unknown => "unknown",
        }
    }
}

/// What is known of a family.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Description<'a> {
    /// As the page writes it.
    pub name: &'a str,
    pub metric_type: MetricType,
    pub unit: &'a str,
    pub help: &'a str,
}

impl<'a> Description<'a> {
    /// Appends it in the log's form.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.push(self.metric_type.code());
        for text in [self.name, self.unit] {
            put_uvarint(out, text.len() as u64);
            out.extend_from_slice(text.as_bytes());
        }
        out.extend_from_slice(self.help.as_bytes());
    }

    pub fn decode(bytes: &'a [u8]) -> Option<Description<'a>> {
        let mut reader = Reader::new(bytes);
        let metric_type = MetricType::from_code(reader.u8()?);
        let mut text = || {
            let len = usize::try_from(reader.uvarint()?).ok()?;
            core::str::from_utf8(reader.bytes(len)?).ok()
        };
        let (name, unit) = (text()?, text()?);
        let help = core::str::from_utf8(reader.rest()).ok()?;
        Some(Description { name, metric_type, unit, help })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_reads_back_and_no_bytes_panic() {
        for code in 0..8 {
            let metric_type = MetricType::from_code(code);
            assert_eq!(metric_type.code(), code);
            let it =
                Description { name: "a_total", metric_type, unit: "s", help: "Two\nlines, é." };
            let mut bytes = Vec::new();
            it.encode(&mut bytes);
            assert_eq!(Description::decode(&bytes), Some(it));
            for len in 0..bytes.len() {
                let _ = Description::decode(&bytes[..len]);
            }
        }
        assert_eq!(Description::decode(&[1, 200]), None);
        assert_eq!(Description::decode(&[1, 1, 0xff, 0]), None);
    }
}
