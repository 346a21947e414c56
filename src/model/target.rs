//! What discovery says, and what is scraped.

use core::time::Duration;

use crate::base::stable_hash;
use crate::model::{Labels, pack};

/// A set of addresses with labels in common, as a discovery mechanism gives it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TargetGroup {
    /// Tells groups of one mechanism apart: an index, a file and an index.
    pub source: String,
    /// One label set per target; each holds at least `__address__`.
    pub targets: Vec<Labels>,
    /// Labels of every target of the group that does not set them itself.
    pub labels: Labels,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Scheme {
    #[default]
    Http,
    Https,
}

/// What becomes of the histograms of a page.
// spec: SCR-74
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HistogramRules {
    /// Native histograms are read where a page has them, else only what is classic of them.
    pub native: bool,
    /// The classic series are kept beside a native histogram, or one that was made of them.
    pub classic: bool,
    /// Classic histograms become native ones with custom buckets.
    pub convert: bool,
}

/// One thing to scrape, after relabeling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Labels given to its samples: no name starts with `__`.
    pub labels: Labels,
    /// Labels before relabeling, for the API.
    pub discovered: Labels,
    pub scheme: Scheme,
    /// As discovered: `host`, `host:port`, `[v6]:port`.
    pub address: String,
    /// Path of a Unix socket that is asked instead; empty: none.
    pub unix_socket: String,
    /// Path and query: begins with `/`.
    pub path: String,
    pub interval: Duration,
    pub timeout: Duration,
    pub histograms: HistogramRules,
}

impl Target {
    /// `http://address/path?query`
    pub fn url(&self) -> String {
        let scheme = match self.scheme {
            Scheme::Http => "http",
            Scheme::Https => "https",
        };
        format!("{scheme}://{}{}", self.address, self.path)
    }

    /// Chooses shard and connection. Made of the labels alone, since they make the identity of the series, and the
    /// same on every run: a series' samples stay in order over restarts.
    pub fn placement_hash(&self) -> u64 {
        let mut packed = Vec::new();
        pack(self.labels.iter(), &mut packed);
        stable_hash(&packed)
    }

    /// Tells targets of one pool apart (labels and URL), and spreads their phases.
    // spec: SCR-1, SCR-22
    pub fn identity_hash(&self) -> u64 {
        let mut bytes = Vec::new();
        pack(self.labels.iter(), &mut bytes);
        bytes.extend_from_slice(self.url().as_bytes());
        bytes.extend_from_slice(self.unix_socket.as_bytes());
        stable_hash(&bytes)
    }
}
