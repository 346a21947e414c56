//! Values that name their page, target and series, and the labels that belong to them.

use std::fmt::Write as _;
use std::net::SocketAddr;

use crate::exporters;

/// A passing series lives for so many pages, then another takes its place.
const PASSING_PAGES: u64 = 16;
const SERIES_BITS: u32 = 12;
const TARGET_BITS: u32 = 6;
/// With its half, a value has no more than the fifteen digits that every receiver keeps.
const CODE_BITS: u32 = 46;
const CODE_MASK: u64 = (1 << CODE_BITS) - 1;
/// Odd, so multiplying by it is undone by multiplying by its inverse.
const SCATTER: u64 = 0x151f_42d4_c957;

/// Where a sample stood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    pub target: usize,
    /// Of the target, counted from 0.
    pub series: usize,
    /// Counted from 1.
    pub page: u64,
}

impl Mark {
    /// A quarter of the series each are whole numbers, negative ones, halves, and halves whose digits are scattered.
    pub fn value(self) -> f64 {
        let code =
            (self.page << TARGET_BITS | self.target as u64) << SERIES_BITS | self.series as u64;
        match self.series % 4 {
            0 => code as f64,
            1 => -(code as f64),
            2 => code as f64 + 0.5,
            _ => -((code.wrapping_mul(SCATTER) & CODE_MASK) as f64 + 0.5),
        }
    }

    /// The mark that has the value, if one has.
    pub fn of(value: f64) -> Option<Mark> {
        let code = value.abs().trunc();
        if code >= (1u64 << CODE_BITS) as f64 {
            return None;
        }
        let mut code = code as u64;
        if value < 0.0 && value.fract() != 0.0 {
            code = code.wrapping_mul(inverse(SCATTER)) & CODE_MASK;
        }
        let mark = Mark {
            target: (code >> SERIES_BITS) as usize % (1 << TARGET_BITS),
            series: code as usize % (1 << SERIES_BITS),
            page: code >> (SERIES_BITS + TARGET_BITS),
        };
        (mark.value().to_bits() == value.to_bits()).then_some(mark)
    }

    fn epoch(self) -> u64 {
        self.page / PASSING_PAGES
    }
}

/// Newton's iteration doubles the right bits; an odd number is its own inverse in three.
fn inverse(odd: u64) -> u64 {
    let mut inverse = odd;
    for _ in 0..5 {
        inverse = inverse.wrapping_mul(2u64.wrapping_sub(odd.wrapping_mul(inverse)));
    }
    inverse
}

/// What the exporters show.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    pub targets: usize,
    /// Series of a target that are on every page.
    pub steady: usize,
    /// Series of a target that live for a few pages.
    pub passing: usize,
    /// Of all targets.
    pub port: u16,
}

/// What a set of labels is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Identity {
    /// A series of a target, with its epoch when it is a passing one.
    Series { target: usize, series: usize, epoch: Option<u64> },
    /// Of the agent's own making: `up`, `scrape_*`.
    Report,
    /// Shown by nobody.
    Strange,
}

impl Shape {
    /// Series on a page.
    pub fn series(&self) -> usize {
        self.steady + self.passing
    }

    pub fn address(&self, target: usize) -> SocketAddr {
        exporters::address(target, self.port)
    }

    /// The page with a number.
    pub fn page(&self, target: usize, page: u64) -> String {
        let mut text = String::from("# TYPE crash_steady gauge\n");
        for series in 0..self.series() {
            let mark = Mark { target, series, page };
            let value = mark.value();
            let _ = match self.epoch(mark) {
                None => writeln!(text, "crash_steady{{series=\"{series}\"}} {value}"),
                Some(epoch) => {
                    writeln!(text, "crash_passing{{series=\"{series}\",epoch=\"{epoch}\"}} {value}")
                }
            };
        }
        text
    }

    fn epoch(&self, mark: Mark) -> Option<u64> {
        (mark.series >= self.steady).then(|| mark.epoch())
    }

    /// What the labels belong to; they are sorted by name.
    pub fn identify(&self, labels: &[(String, String)]) -> Identity {
        let get = |name: &str| {
            labels.iter().find(|label| label.0 == name).map_or("", |label| label.1.as_str())
        };
        let name = get("__name__");
        if name == "up" || name.starts_with("scrape_") {
            return Identity::Report;
        }
        let target = get("instance").parse::<SocketAddr>().ok().and_then(exporters::target);
        let (Some(target), Ok(series)) = (target, get("series").parse::<usize>()) else {
            return Identity::Strange;
        };
        let epoch = get("epoch").parse::<u64>().ok();
        let mut wanted = vec![("__name__", "crash_steady")];
        if epoch.is_some() {
            wanted = vec![("__name__", "crash_passing"), ("epoch", get("epoch"))];
        }
        let (instance, number) = (self.address(target).to_string(), series.to_string());
        wanted.extend([("instance", instance.as_str()), ("job", "crash"), ("series", &number)]);
        let same = labels.iter().map(|label| (label.0.as_str(), label.1.as_str())).eq(wanted);
        let known = target < self.targets
            && series < self.series()
            && epoch.is_some() == (series >= self.steady);
        if same && known { Identity::Series { target, series, epoch } } else { Identity::Strange }
    }

    /// Whether a sample stood where its value says: what its labels are, and the mark of its value.
    pub fn fits(&self, identity: Identity, mark: Mark) -> bool {
        let stood =
            Identity::Series { target: mark.target, series: mark.series, epoch: self.epoch(mark) };
        identity == stood
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: Shape = Shape { targets: 4, steady: 6, passing: 4, port: 80 };

    fn labels(text: &str) -> Vec<(String, String)> {
        let pairs = text.split(',').filter_map(|pair| pair.split_once('='));
        pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    #[test]
    fn a_value_names_its_mark_and_other_values_name_none() {
        for page in [1, 2, 1000, 1 << 27] {
            for (target, series) in [(0, 0), (1, 1), (63, 2), (7, 3), (5, 4095), (63, 4094)] {
                let mark = Mark { target, series, page };
                assert_eq!(Mark::of(mark.value()), Some(mark), "{mark:?}");
                let text = mark.value().to_string();
                assert_eq!(text.parse::<f64>().map(Mark::of), Ok(Some(mark)), "{text}");
                // A sign or a half makes another value of it.
                assert_ne!(Mark::of(-mark.value()), Some(mark));
                assert_ne!(Mark::of(mark.value() + 0.5), Some(mark));
            }
        }
        for value in [0.25, f64::NAN, f64::INFINITY, 1e300, -0.5] {
            assert_eq!(Mark::of(value), None, "{value}");
        }
    }

    #[test]
    fn labels_fit_only_where_they_belong() {
        let steady = SHAPE
            .identify(&labels("__name__=crash_steady,instance=127.1.0.2:80,job=crash,series=3"));
        assert_eq!(steady, Identity::Series { target: 1, series: 3, epoch: None });
        assert!(SHAPE.fits(steady, Mark { target: 1, series: 3, page: 9 }));
        assert!(!SHAPE.fits(steady, Mark { target: 1, series: 2, page: 9 }));
        assert!(!SHAPE.fits(steady, Mark { target: 2, series: 3, page: 9 }));
        let passing = SHAPE.identify(&labels(
            "__name__=crash_passing,epoch=2,instance=127.1.0.1:80,job=crash,series=7",
        ));
        assert!(SHAPE.fits(passing, Mark { target: 0, series: 7, page: 2 * PASSING_PAGES }));
        assert!(!SHAPE.fits(passing, Mark { target: 0, series: 7, page: 3 * PASSING_PAGES }));
        let up = labels("__name__=up,instance=127.1.0.1:80,job=crash");
        assert_eq!(SHAPE.identify(&up), Identity::Report);
        for strange in [
            "__name__=crash_steady,instance=127.1.0.2:80,job=crash",
            "__name__=crash_steady,extra=1,instance=127.1.0.2:80,job=crash,series=3",
            "__name__=crash_steady,instance=127.1.0.9:80,job=crash,series=3",
            "__name__=crash_steady,instance=127.1.0.2:80,job=crash,series=7",
            "__name__=crash_passing,instance=127.1.0.2:80,job=crash,series=7",
        ] {
            assert_eq!(SHAPE.identify(&labels(strange)), Identity::Strange, "{strange}");
        }
    }
}
