//! What of all logs may go, and what must: acknowledged segments, and the disk budget.

use crate::base::Timestamp;
use crate::mail::{HeldSegment, LogMeters, Order};

/// Bytes that logs may take together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DiskBudget {
    pub bytes: u64,
    pub segment_bytes: u64,
    /// The filesystem is never taken below this.
    pub free_bytes_min: u64,
    /// When it is spent, nothing is given up, and nothing new taken in.
    pub refuses: bool,
}

impl DiskBudget {
    /// Held back so that every shard can prepare a spare of either kind.
    fn reserve(&self, shards: u64) -> u64 {
        2 * shards * self.segment_bytes
    }
}

/// Orders for each shard: segments that every endpoint has acknowledged are retired; if the rest is over budget, the
/// oldest segments of all are given up, whosever they are, until it is not.
pub fn decide(logs: &[(u16, &LogMeters)], budget: DiskBudget) -> Vec<(u16, Order)> {
    let mut orders = Vec::new();
    let mut unacknowledged: Vec<(u16, HeldSegment)> = Vec::new();
    let mut bytes: u64 = logs.iter().map(|(_, log)| log.disk_bytes).sum();
    for &(shard, log) in logs {
        for &(number, needed) in &log.needed {
            let held = log.held.iter().filter(|segment| segment.log == number && !segment.head);
            let (old, kept): (Vec<&HeldSegment>, Vec<&HeldSegment>) =
                held.partition(|segment| segment.seq < needed);
            if !old.is_empty() {
                bytes -= old.iter().map(|segment| segment.bytes).sum::<u64>().min(bytes);
                orders.push((shard, Order::Truncate { log: number, below: needed }));
            }
            unacknowledged.extend(kept.into_iter().map(|segment| (shard, *segment)));
        }
    }
    unacknowledged.sort_by_key(|(_, segment)| (segment.base_time, segment.seq));
    let allowed = budget.bytes.saturating_sub(budget.reserve(logs.len() as u64));
    for (shard, segment) in unacknowledged {
        if bytes <= allowed || budget.refuses {
            break;
        }
        if segment.bytes == 0 {
            // In memory: that is no room on the disk.
            continue;
        }
        bytes -= segment.bytes.min(bytes);
        orders.push((shard, Order::Shed { log: segment.log, below: segment.seq + 1 }));
    }
    orders
}

/// Orders to give up what is older than `oldest` and not delivered: segments after which others were begun before that.
pub fn expire(logs: &[(u16, &LogMeters)], oldest: Timestamp) -> Vec<(u16, Order)> {
    let mut orders = Vec::new();
    for &(shard, log) in logs {
        for &(number, needed) in &log.needed {
            let held = log.held.iter().filter(|segment| segment.log == number);
            // Everything in the segments before it was written before it was begun.
            let begun = held.filter(|segment| segment.base_time <= oldest && segment.seq > needed);
            if let Some(below) = begun.map(|segment| segment.seq).max() {
                orders.push((shard, Order::Expire { log: number, below }));
            }
        }
    }
    orders
}

/// What each shard may use: all that the others do not.
pub fn shares(logs: &[(u16, &LogMeters)], budget: DiskBudget) -> Vec<(u16, u64)> {
    let used: u64 = logs.iter().map(|(_, log)| log.disk_bytes).sum();
    let others = logs.len() as u64 - 1;
    let share = |log: &LogMeters| {
        let theirs = used - log.disk_bytes + others * budget.segment_bytes;
        // Adopted segments are not the helper's to count.
        let adopted =
            log.held.iter().filter(|held| held.log > 0).map(|held| held.bytes).sum::<u64>();
        budget.bytes.saturating_sub(theirs + adopted)
    };
    logs.iter().map(|(shard, log)| (*shard, share(log))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(held: &[(u32, i64, bool)], needed: u32) -> LogMeters {
        LogMeters {
            disk_bytes: held.len() as u64 * 10,
            held: held
                .iter()
                .map(|&(seq, time, head)| HeldSegment {
                    log: 0,
                    seq,
                    bytes: 10,
                    base_time: Timestamp(time),
                    head,
                })
                .collect(),
            needed: vec![(0, needed)],
            ..LogMeters::default()
        }
    }

    fn budget(bytes: u64) -> DiskBudget {
        DiskBudget { bytes, segment_bytes: 10, ..DiskBudget::default() }
    }

    #[test]
    fn what_is_acknowledged_goes_and_nothing_else_while_there_is_room() {
        let one = log(&[(1, 5, false), (2, 6, false), (3, 7, true)], 2);
        let orders = decide(&[(0, &one)], budget(1000));
        assert!(matches!(orders[..], [(0, Order::Truncate { log: 0, below: 2 })]), "{orders:?}");
    }

    #[test]
    fn over_budget_the_oldest_segments_of_all_shards_are_given_up_but_no_head() {
        let one = log(&[(1, 5, false), (2, 9, false), (3, 10, true)], 1);
        let two = log(&[(7, 6, false), (8, 11, true)], 7);
        // Five segments of 10; 40 are held back for spares.
        let orders = decide(&[(0, &one), (1, &two)], budget(70));
        let shed: Vec<_> = orders
            .iter()
            .map(|(shard, order)| match order {
                Order::Shed { log: 0, below } => (*shard, *below),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(shed, [(0, 2), (1, 8)]);
        let all = decide(&[(0, &one), (1, &two)], budget(0));
        assert_eq!(all.len(), 3, "heads stay: {all:?}");
    }

    #[test]
    fn what_is_too_old_as_a_whole_expires_and_nothing_that_may_be_younger() {
        let one = log(&[(1, 5, false), (2, 6, false), (3, 8, false), (4, 9, true)], 1);
        let below = |oldest| match expire(&[(0, &one)], Timestamp(oldest))[..] {
            [] => 0,
            [(0, Order::Expire { log: 0, below })] => below,
            ref other => panic!("{other:?}"),
        };
        assert_eq!([4, 5, 6, 7, 8, 9].map(below), [0, 0, 2, 2, 3, 4]);
        let settled = log(&[(1, 5, false), (2, 6, true)], 2);
        assert!(expire(&[(0, &settled)], Timestamp(100)).is_empty());
    }

    #[test]
    fn where_nothing_is_given_up_a_spent_budget_only_retires_what_is_acknowledged() {
        let one = log(&[(1, 5, false), (2, 6, false), (3, 7, true)], 2);
        let refuses = DiskBudget { refuses: true, ..budget(0) };
        let orders = decide(&[(0, &one)], refuses);
        assert!(matches!(orders[..], [(0, Order::Truncate { log: 0, below: 2 })]), "{orders:?}");
    }

    #[test]
    fn a_busy_shard_may_use_what_an_idle_one_does_not() {
        let one = log(&[(1, 5, true)], 1);
        let two = log(&[(7, 6, false), (8, 11, true)], 7);
        let budget = budget(100);
        assert_eq!(shares(&[(0, &one), (1, &two)], budget), [(0, 70), (1, 80)]);
    }
}
