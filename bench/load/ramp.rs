//! A rising load, until the agent does not keep up.

use std::error::Error;

use crate::report::Finding;
use crate::scenario::Scenario;

/// From one step to the next.
const FACTOR: f64 = 1.25;
/// A step that failed is tried so often again: a machine has bad moments.
const AGAIN: usize = 1;
const STEPS_MAX: usize = 24;
const MISSED_PERCENT_MAX: f64 = 1.0;

/// Runs with more and more series; gives the last run that went well.
pub fn climb(
    first: &Scenario,
    run: impl Fn(&Scenario) -> Result<Finding, Box<dyn Error>>,
) -> Result<Finding, Box<dyn Error>> {
    let mut best = None;
    let mut scenario = first.clone();
    for _ in 0..STEPS_MAX {
        let good = (0..=AGAIN).find_map(|_| match run(&scenario) {
            Ok(finding) => {
                let kept_up = keeps_up(&finding);
                eprintln!(
                    "  {} series: {:.0} samples/s, {:.1} % of a CPU, {}",
                    scenario.targets * scenario.series,
                    finding.samples_per_s,
                    finding.cpu_percent,
                    if kept_up { "kept up" } else { "fell behind" },
                );
                kept_up.then_some(finding)
            }
            Err(error) => {
                eprintln!("  {error}");
                None
            }
        });
        match good {
            Some(finding) => best = Some(finding),
            None => break,
        }
        scenario.series = (scenario.series as f64 * FACTOR) as usize;
    }
    best.ok_or_else(|| "the agent does not keep up with the first step".into())
}

/// Nearly every page was asked for in its time, and what was served has arrived, but for what was on its way.
fn keeps_up(finding: &Finding) -> bool {
    let (Some(first), Some(last)) = (finding.ticks.first(), finding.ticks.last()) else {
        return false;
    };
    let served = last.served_samples - first.served_samples;
    let received = last.received_samples - first.received_samples;
    finding.missed_percent < MISSED_PERCENT_MAX && received as f64 > served as f64 * 0.97
}
