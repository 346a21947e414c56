//! The laws, asserted. L1 and L2 at every report, L4 and L5 where a remote stores, L6 where the disk retires; the rest
//! when everything has come to rest.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::time::Duration;

use corelane::base::limits::HEAD_BYTES;
use corelane::mail::Report;
use corelane::model::{Loss, Refusal, is_stale};

use crate::clock::{ms, us};
use crate::exporter::{ENDPOINT_DROPS, value_of};
use crate::net::Peer;
use crate::reference::{Replay, What, groups, identify};
use crate::remote::{Refused, Remote, Resent, Sender};
use crate::swarm::Options;
use crate::world::{Books, World};

/// L1 and L2. `between`: no page is half read, whose samples are not in the books yet, or in one of them only.
/// `was_cut`: power was, and the log may be damaged. `given_up`: the second endpoint was not configured for a while, and
/// what it had not been given then may be gone.
pub fn books_balance(report: &Report, between: bool, was_cut: bool, given_up: bool) {
    let scrape = &report.scrape;
    let offered = scrape.scraped + scrape.generated + report.pushes.received;
    let settled = report.log.appended + scrape.refused.total();
    assert!(
        offered == settled || !between,
        "L1: between pages: {between}: scraped {} + generated {} + received {} = appended {} + refused {:?}",
        scrape.scraped,
        scrape.generated,
        report.pushes.received,
        report.log.appended,
        scrape.refused
    );
    let ledger = &report.log.ledger;
    assert_eq!(
        ledger.offered,
        ledger.appended + ledger.refused.total(),
        "L1 over all lives: {ledger:?}"
    );
    assert!(
        ledger.vanished == 0 || was_cut,
        "L3: {} samples are not in the log any more",
        ledger.vanished
    );
    for e in &report.endpoints {
        let ledger = &e.ledger;
        assert!(
            ledger.missing == 0 || was_cut || (given_up && e.name != "endpoint-0"),
            "L2 over all lives: {}: {ledger:?}, pending {}",
            e.name,
            e.pending
        );
        assert_eq!(
            e.entered,
            e.acknowledged + e.lost.total() + e.resumed + e.pending,
            "L2: {}: entered = acknowledged {} + lost {:?} + resumed {} + pending {}",
            e.name,
            e.acknowledged,
            e.lost,
            e.resumed,
            e.pending
        );
        let excused = was_cut || (given_up && e.name != "endpoint-0");
        assert_eq!(
            if excused { 0 } else { e.lost.get(Loss::Unreadable) },
            0,
            "nothing damages the log, and {} lost some",
            e.name
        );
    }
    assert!(report.log.damage == 0 || was_cut, "nothing damages the log");
}

/// L7.
pub fn outgoing_bounded(len: usize, peer: Peer, remotes: &[Remote]) {
    let most = match peer {
        Peer::Remote(at) => HEAD_BYTES + remotes[at].options.bytes_max * 2 + 4000,
        Peer::Exporter(_) | Peer::Nobody => HEAD_BYTES,
    };
    assert!(len <= most, "L7: {len} bytes wait for {peer:?}");
}

/// L7: a connection to a target, and to an endpoint as many as are configured. Configurations change: four is the most.
pub fn connections_bounded(world: &World, shard: u16) {
    let any_order = |at: usize| world.remotes[at].options.any_order;
    let mut counts: BTreeMap<(bool, usize), usize> = BTreeMap::new();
    for id in world.hosts[shard as usize].conns.values() {
        let key = match world.net.links.get(id).map(|link| link.peer) {
            Some(Peer::Exporter(at)) => (false, at),
            Some(Peer::Remote(at)) => (true, at),
            Some(Peer::Nobody) | None => continue,
        };
        *counts.entry(key).or_default() += 1;
    }
    for ((remote, at), count) in counts {
        // One more sends what is new beside a backlog.
        let most = if remote { 4 + usize::from(any_order(at)) } else { 1 };
        assert!(count <= most, "L7: {count} connections to remote {remote} {at}");
    }
}

/// A disk that is neither slow nor full has room for everything.
pub fn full_for_a_reason(options: &Options, disk_full: u64) {
    let disk = &options.disk;
    let reason = !disk.is_prompt() || disk.full > 0;
    assert!(disk_full == 0 || reason, "{disk_full} samples refused by a disk with room for them");
}

pub fn count_losses(report: &Report, books: &mut Books) {
    for e in &report.endpoints {
        *books.shed.entry(e.name.clone()).or_default() += e.lost.get(Loss::Shed);
        *books.presumed.entry(e.name.clone()).or_default() += e.lost.get(Loss::Presumed);
    }
}

/// Everything is delivered: is it everything, and nothing else?
pub fn at_rest(world: &mut World) {
    let mut appended = world.books.appended;
    let mut books = Books::default();
    let reports = world.reports();
    for report in &reports {
        appended += report.log.appended;
        world.books.disk_full += report.scrape.refused.get(Refusal::DiskFull);
        count_losses(report, &mut books);
        for e in &report.endpoints {
            assert!(
                e.ledger.vanished == 0
                    || world.disk.was_cut
                    || (world.remotes.iter().any(|remote| remote.changed)
                        && e.name != "endpoint-0"),
                "L2 over all lives: {} has settled {} samples more than it was given: {:?}",
                e.name,
                e.ledger.vanished,
                e.ledger
            );
        }
        log_is_at_its_floor(world, report);
    }
    accounts_agree(world, &reports);
    full_for_a_reason(&world.options, world.books.disk_full);
    let in_files = world.hosts.iter().all(|host| !host.shard.is_in_memory());
    assert!(in_files, "the disk is well again, and the log still in memory");
    for (name, shed) in books.shed {
        *world.books.shed.entry(name).or_default() += shed;
    }
    for (name, presumed) in books.presumed {
        *world.books.presumed.entry(name).or_default() += presumed;
    }
    let sheds = world.books.shed.values().any(|&shed| shed > 0);
    let first = &world.remotes[0];
    // Endpoint 0 filters nothing and is there from the start.
    let missing = refused_only(first).len() as u64;
    // What is shed may be read, shed and counted again by the next life, if no cursor said so in time.
    let shed = world.books.shed["endpoint-0"];
    // It may not have been tried at all.
    let presumed = world.books.presumed["endpoint-0"];
    // What was refused in company may have been shed before it was tried alone.
    let least = first.stored_samples + if shed > 0 { 0 } else { missing };
    let most = first.stored_samples + missing + shed + presumed;
    // A wall clock that was set back gives the same timestamp twice, and the remote keeps one of the two samples.
    // What was appended since the last sync may be gone with the power.
    let gaps = world.options.jumps_back() || world.disk.was_cut;
    let most = if gaps { appended } else { most };
    assert!(
        least <= appended + world.books.doubt && appended <= most,
        "L3: delivered {} + refused {missing} + shed {shed} = appended {appended} over {} lives",
        first.stored_samples,
        world.life
    );
    for remote in &world.remotes {
        let name = format!("endpoint-{}", remote.index);
        let shed = world.books.shed.get(&name).is_some_and(|&shed| shed > 0);
        // What an endpoint that is taken out was still trying is given up.
        if !shed && !remote.changed {
            losses_are_just(world, remote);
        }
        resends_are_just(world, remote);
        values_are_true(world, remote);
    }
    if let [first, second] = &world.remotes[..]
        && !sheds
        && !second.changed
        && !world.disk.was_cut
    {
        endpoints_agree(world, first, second);
    }
    // A shard gives up by itself what memory has no room for while the disk takes nothing.
    let in_memory = world.options.disk.full > 0 || world.options.power_cuts;
    if missing == 0 && !(sheds && in_memory) && !world.options.jumps_back() {
        certain_pages_arrived(world);
    }
    let whole = missing == 0 && world.books.disk_full == 0 && !sheds && !world.disk.was_cut;
    if whole && !world.options.jumps_back() {
        scrapes_are_whole(world);
    }
}

/// L2 over all lives and shards: what was appended has entered the first endpoint's books, each sample once, whoever had
/// its log since.
fn accounts_agree(world: &World, reports: &[Report]) {
    if world.disk.was_cut {
        return;
    }
    let appended: u64 = reports.iter().map(|report| report.log.ledger.appended).sum();
    let first = reports.iter().flat_map(|report| &report.endpoints);
    let first = first.filter(|e| e.name == "endpoint-0");
    let entered: u64 = first.map(|e| e.ledger.entered).sum();
    assert_eq!(entered, appended, "L2 over all lives and shards: entered and appended");
}

/// L6. One that is gone and may come back holds what it has not had.
fn log_is_at_its_floor(world: &World, report: &Report) {
    let held = report.removed.iter().any(|removed| removed.pending > 0);
    assert!(
        report.log.segments <= 2 || world.options.segment_bytes == 0 || held,
        "L6: the log shrinks to its floor, and shard {} holds {}",
        report.shard,
        report.log.segments
    );
}

/// Samples that were refused and not taken by another request.
fn refused_only(remote: &Remote) -> Vec<(usize, i64, Refused)> {
    let absent = |series: usize, timestamp: i64| {
        let samples = &remote.series[series].samples;
        samples.binary_search_by_key(&timestamp, |sample| sample.timestamp).is_err()
    };
    let refused = remote.refused.iter();
    let refused = refused.map(|(&(series, timestamp), &how)| (series, timestamp, how));
    refused.filter(|&(series, timestamp, _)| absent(series, timestamp)).collect()
}

/// What is given up by one who has been acknowledged before was tried alone and refused, or is counted as presumed to
/// be; unless power was before it could be tried.
fn losses_are_just(world: &World, remote: &Remote) {
    let taken = |timestamp| world.taken.iter().any(|times| times.contains(&timestamp));
    let unjust = refused_only(remote)
        .into_iter()
        .filter(|&(_, timestamp, how)| how.knew && !how.alone && !taken(timestamp));
    let unjust: Vec<_> = unjust.collect();
    let presumed = world.books.presumed[&format!("endpoint-{}", remote.index)];
    assert!(
        unjust.len() as u64 <= presumed,
        "lost in bad company: {} samples, {presumed} presumed to be refused: {:?} at {}",
        unjust.len(),
        remote.series[unjust[0].0].labels,
        unjust[0].1
    );
}

/// L5: what had been acknowledged is sent again only if the cursor that says so had not been stored and was not old yet,
/// or if it was tried alone.
fn resends_are_just(world: &World, remote: &Remote) {
    if world.options.reload_every.is_some() || world.disk.was_cut {
        return;
    }
    let mut parts: BTreeMap<Sender, BTreeSet<(usize, i64)>> = BTreeMap::new();
    let file = remote.cursor_file();
    for &Resent { owner, acknowledged, series, timestamp } in &remote.resent {
        let stores = world.cursor_stores.iter().filter(|((life, shard, _, found), _)| {
            (*life, *shard) == (owner.life, owner.shard) && *found == file
        });
        let Some(least) = stores.map(|(_, made)| *made).min() else {
            continue;
        };
        // Unless the disk is in trouble, what a cursor does not say is not older than it may be.
        let well = !world.cursors_failed.contains(&(owner.life, owner.shard));
        let old = cursor_age(world)
            .filter(|_| well)
            .is_some_and(|age| acknowledged + age < world.deaths[owner.life as usize]);
        if acknowledged < least || old {
            let (target, _) = identify(&remote.series[series], &world.exporters, &world.options);
            parts.entry(owner).or_default().insert((target, timestamp));
        }
    }
    for (owner, scrapes) in parts {
        // What is tried alone, ahead of the cursor, to find the end of what is refused.
        let tried = if remote.options.in_order || remote.options.poison { 16 } else { 0 };
        assert!(
            scrapes.len() <= remote.options.connections_max * tried,
            "L5: {owner:?} had stored, or should have, that {scrapes:?} were acknowledged by remote {}",
            remote.index
        );
    }
}

/// How old a stored cursor may be: what there is between two stores, and the way to the disk behind some other requests.
/// `None` where that may take any time.
fn cursor_age(world: &World) -> Option<Duration> {
    let options = &world.options;
    let (disk, turn) = (&options.disk, us(options.turn_delay_us));
    let prompt = disk.late == 0 && disk.cursor_error == 0 && options.stall == 0;
    prompt.then(|| ms(50 + 5) + 4 * turn + 30 * us(disk.delay_us))
}

/// Every sample says on which page it was, or is a marker or about a scrape.
fn values_are_true(world: &World, remote: &Remote) {
    let sheds = world.books.shed.values().any(|&shed| shed > 0);
    let whole =
        times_only_grow(world) && remote.refused.is_empty() && !sheds && !world.disk.was_cut;
    // A series that was only on pages that failed may end without ever having had a value (SCR-64).
    let whole = whole && !remote.changed && world.options.exporter.malformed == 0;
    // A marker that was only in memory is delivered and then forgotten by a death.
    let whole = whole && world.options.disk.full == 0;
    for stored in &remote.series {
        let (at, what) = identify(stored, &world.exporters, &world.options);
        let What::Key(key) = what else { continue };
        let pages = world.exporters[at].pages.len();
        let known: HashSet<u64> = (0..=pages).map(|page| value_of(key, page).to_bits()).collect();
        let mut stale = true;
        for sample in &stored.samples {
            if is_stale(sample.value) {
                let twice = stale && whole;
                assert!(
                    !twice,
                    "C2: a marker without a value before it: {:?} at {}",
                    stored.labels, sample.timestamp
                );
                stale = true;
                continue;
            }
            stale = false;
            let known = known.contains(&sample.value.to_bits());
            assert!(known, "{:?} never had the value {}", stored.labels, sample.value);
        }
    }
}

/// No sample was refused for its time or for want of room.
fn times_only_grow(world: &World) -> bool {
    world.books.disk_full == 0 && !world.options.jumps_back()
}

/// The second endpoint has what the first has, but for what it filters and what either refused for good.
fn endpoints_agree(world: &World, first: &Remote, second: &Remote) {
    // Where clocks are set back, a receiver that wants them in order refuses all of some scrapes, and what stands between
    // refused samples of one is given up untried.
    if [first, second].iter().any(|remote| remote.options.in_order && !remote.timely) {
        return;
    }
    let all = |remote: &Remote| -> BTreeSet<(usize, What, i64)> {
        let mut all = BTreeSet::new();
        for stored in &remote.series {
            let (at, what) = identify(stored, &world.exporters, &world.options);
            all.extend(stored.samples.iter().map(|sample| (at, what, sample.timestamp)));
        }
        let refused = refused_only(remote).into_iter();
        all.extend(refused.map(|(series, timestamp, _)| {
            let (at, what) = identify(&remote.series[series], &world.exporters, &world.options);
            (at, what, timestamp)
        }));
        all
    };
    let filters = |what: What| {
        second.options.filter
            && matches!(what, What::Key(key) if key > 0 && key % 10 == ENDPOINT_DROPS[0])
    };
    let (mut wanted, found) = (all(first), all(second));
    wanted.retain(|&(_, what, _)| !filters(what));
    let lacks: Vec<_> = wanted.difference(&found).take(10).collect();
    assert!(lacks.is_empty(), "L3: endpoint 1 lacks {lacks:?} of {} samples", wanted.len());
    let more: Vec<_> = found.difference(&wanted).take(10).collect();
    assert!(more.is_empty(), "endpoint 1 has {more:?}, which endpoint 0 has not");
}

/// L3: what a shard had read in time is at the first endpoint, whatever happened to the shard since.
fn certain_pages_arrived(world: &World) {
    let first = &world.remotes[0];
    let mut arrived: Vec<BTreeSet<usize>> = vec![BTreeSet::new(); world.exporters.len()];
    for stored in &first.series {
        if let (at, What::Key(0)) = identify(stored, &world.exporters, &world.options) {
            let numbers = stored.samples.iter().filter(|sample| !is_stale(sample.value));
            arrived[at].extend(numbers.map(|sample| sample.value as usize));
        }
    }
    for (at, (exporter, arrived)) in world.exporters.iter().zip(arrived).enumerate() {
        for (number, page) in exporter.pages.iter().enumerate() {
            assert!(
                !page.certain
                    || page.series.is_empty()
                    || arrived.contains(&number)
                    || world.shed_below.get(&page.place.0).is_some_and(|&seq| page.place.1 < seq),
                "L3: page {number} of target {at} was read whole in life {} and never arrived",
                page.life
            );
        }
    }
}

/// L8, C3, C4, scrape by scrape.
fn scrapes_are_whole(world: &World) {
    let groups = groups(&world.remotes[0], &world.exporters, &world.options);
    for (at, (exporter, groups)) in world.exporters.iter().zip(groups).enumerate() {
        let mut replay = Replay::new(at, exporter, &world.options, &world.ends);
        for (timestamp, group) in &groups {
            replay.step(*timestamp, group);
        }
    }
}
