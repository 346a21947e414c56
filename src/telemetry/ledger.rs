//! The books over all starts: laws L1 and L2 as they stand since the data directory was made.

use std::collections::BTreeMap;

use crate::mail::{EndpointLedger, LogLedger, Report};
use crate::model::{Loss, Refusal};
use crate::telemetry::catalog::*;
use crate::telemetry::page::Page;

/// Added up over shards: a shard's books pass to another when the number of cores changes.
pub(super) fn write(page: &mut Page, reports: &[Report]) {
    let mut log = LogLedger::default();
    let mut endpoints: BTreeMap<&str, EndpointLedger> = BTreeMap::new();
    for report in reports {
        log.add(&report.log.ledger);
        for meters in &report.endpoints {
            endpoints.entry(&meters.name).or_default().add(&meters.ledger);
        }
    }
    page.family(&LEDGER_OFFERED).count(&[], log.offered);
    page.family(&LEDGER_APPENDED).count(&[], log.appended);
    page.family(&LEDGER_VANISHED).count(&[], log.vanished);
    let mut family = page.family(&LEDGER_REFUSED);
    for reason in Refusal::ALL {
        family.count(&[("reason", reason.name())], log.refused.get(reason));
    }
    let mut family = page.family(&LEDGER_ENTERED);
    for (name, ledger) in &endpoints {
        family.count(&[("remote_name", name)], ledger.entered);
    }
    let mut family = page.family(&LEDGER_ACKNOWLEDGED);
    for (name, ledger) in &endpoints {
        family.count(&[("remote_name", name)], ledger.acknowledged);
    }
    let mut family = page.family(&LEDGER_SURPLUS);
    for (name, ledger) in &endpoints {
        family.count(&[("remote_name", name)], ledger.vanished);
    }
    let mut family = page.family(&LEDGER_LOST);
    for (name, ledger) in &endpoints {
        for reason in Loss::ALL {
            let labels = [("reason", reason.name()), ("remote_name", name)];
            family.count(&labels, ledger.lost.get(reason));
        }
        family.count(&[("reason", "missing"), ("remote_name", name)], ledger.missing);
    }
}
