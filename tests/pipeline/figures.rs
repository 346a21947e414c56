//! What the program says of itself at `/metrics`, and the laws that its counts obey.

use crate::agent::Agent;
use crate::wait;
use crate::web;

/// One page.
#[derive(Debug)]
pub struct Figures {
    lines: Vec<(String, f64)>,
}

impl Figures {
    pub fn of(agent: &Agent) -> Figures {
        let answer = web::get(agent.port(), "/metrics").expect("the agent answers");
        let lines = answer.body.lines().filter(|line| !line.starts_with('#'));
        let split = lines.filter_map(|line| line.rsplit_once(' '));
        Figures {
            lines: split
                .filter_map(|(series, value)| Some((series.to_owned(), value.parse().ok()?)))
                .collect(),
        }
    }

    /// The sum over all series of a name that have such a label, written `reason="shed"`, or any with an empty one.
    pub fn sum(&self, name: &str, label: &str) -> u64 {
        let mut found = self
            .lines
            .iter()
            .filter(|(series, _)| {
                let (known, labels) = series.split_once('{').unwrap_or((series, ""));
                known == name && labels.contains(label)
            })
            .peekable();
        assert!(found.peek().is_some(), "no series {name} with {label}");
        found.map(|(_, value)| *value as u64).sum()
    }

    /// The figures once the last target is gone, which its configuration must say, and every endpoint has everything.
    pub fn at_rest(agent: &Agent) -> Figures {
        let figures = wait::until("every sample has its verdict", || {
            let figures = Figures::of(agent);
            let waiting = ["corelane_targets", "corelane_endpoint_samples_pending"];
            waiting.iter().all(|name| figures.sum(name, "") == 0).then_some(figures)
        });
        figures.assert_laws();
        figures.assert_books();
        figures
    }

    /// The books over all starts, once every sample has its verdict.
    fn assert_books(&self) {
        let all = |name: &str| self.sum(&format!("corelane_ledger_{name}_samples_total"), "");
        assert_eq!(all("offered"), all("appended") + all("refused"), "over all starts");
        let settled = all("acknowledged") + all("lost");
        assert_eq!(all("entered") + all("surplus"), settled, "over all starts");
    }

    /// What was offered was appended or refused, what an endpoint was to get has a verdict or waits for one.
    pub fn assert_laws(&self) {
        let all = |name: &str| self.sum(name, "");
        let offered = all("corelane_samples_scraped_total")
            + all("corelane_samples_generated_total")
            + all("corelane_samples_received_total");
        let kept = all("corelane_wal_appended_samples_total");
        let refused = all("corelane_samples_refused_total");
        assert_eq!(offered, kept + refused, "offered = appended + refused");
        let endpoint = |name: &str| all(&format!("corelane_endpoint_samples_{name}"));
        let settled =
            endpoint("acknowledged_total") + endpoint("lost_total") + endpoint("resumed_total");
        assert_eq!(
            endpoint("entered_total"),
            settled + endpoint("pending"),
            "entered = acknowledged + lost + resumed + pending"
        );
    }
}
