//! What Corelane's own books say over all its starts, to be held against what has arrived.

use serde::Serialize;

use crate::agent::Running;

/// In samples, report series and staleness markers included.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Books {
    pub offered: u64,
    pub appended: u64,
    pub refused: u64,
    pub vanished: u64,
    pub entered: u64,
    pub surplus: u64,
    pub acknowledged: u64,
    pub lost: u64,
}

impl Books {
    /// As the agent shows them; nothing when it has none.
    pub fn of(running: &Running) -> Option<Books> {
        let sum = |name: &str| {
            let value = running.metric(&format!("corelane_ledger_{name}_samples_total"));
            value.map(|value| value as u64)
        };
        // Reasons that never came up may have no series.
        let any = |name: &str| sum(name).unwrap_or(0);
        Some(Books {
            offered: sum("offered")?,
            appended: sum("appended")?,
            refused: any("refused"),
            vanished: any("vanished"),
            entered: sum("entered")?,
            surplus: any("surplus"),
            acknowledged: any("acknowledged"),
            lost: any("lost"),
        })
    }

    /// Whether both sums come out even with nothing on its way.
    pub fn even(&self) -> bool {
        self.offered == self.appended + self.refused
            && self.entered + self.surplus == self.acknowledged + self.lost
    }
}
