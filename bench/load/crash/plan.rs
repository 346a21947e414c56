//! What happens to an agent, and when: lives that end, drawn from a seed. The same seed gives every agent the same.

use corelane::base::Random;

use crate::crash::audit::Manner;
use crate::crash::numbers::Shape;
use crate::fault::Kind as Fault;

/// Bits of a configuration: another back-off, fewer targets.
pub const OTHER_BACKOFF: u64 = 1;
pub const FEWER_TARGETS: u64 = 2;
const VARIANTS: u64 = 4;
const CORES_MAX: u64 = 4;
/// Kills of one burst during the start.
const BURST: usize = 3;

/// A kind of trouble.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scenario {
    Kills,
    Starts,
    Outages,
    Strict,
    Moves,
    Full,
    FullKills,
}

impl Scenario {
    pub const ALL: [Scenario; 7] = [
        Scenario::Kills,
        Scenario::Starts,
        Scenario::Outages,
        Scenario::Strict,
        Scenario::Moves,
        Scenario::Full,
        Scenario::FullKills,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Scenario::Kills => "kills",
            Scenario::Starts => "starts",
            Scenario::Outages => "outages",
            Scenario::Strict => "strict",
            Scenario::Moves => "moves",
            Scenario::Full => "full",
            Scenario::FullKills => "full-kills",
        }
    }

    pub fn about(self) -> &'static str {
        match self {
            Scenario::Kills => "kill -9 at any moment, receiver healthy",
            Scenario::Starts => "kill -9 at any moment and in bursts during the start",
            Scenario::Outages => "kill -9 while the receiver fails in every way",
            Scenario::Strict => "the same, and the receiver answers 400 to what is not in order",
            Scenario::Moves => "kill -9, clean stops, reloads, other numbers of cores, outages",
            Scenario::Full => "outages on a full disk, clean stops",
            Scenario::FullKills => "the same, and kill -9 while the disk is full",
        }
    }

    pub fn manner(self) -> Manner {
        if self == Scenario::Strict { Manner::Strict } else { Manner::Lenient }
    }

    /// Whether it runs on a small filesystem.
    pub fn fills_disk(self) -> bool {
        matches!(self, Scenario::Full | Scenario::FullKills)
    }

    /// What is scraped: enough to fill a small disk where it must.
    pub fn shape(self) -> Shape {
        let steady = if self.fills_disk() { 600 } else { 24 };
        Shape { targets: 10, steady, passing: 8, port: 0 }
    }
}

/// What happens during a life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// The receiver is healthy, or fails like this.
    Receiver(Option<Fault>),
    /// The configuration changes to this variant.
    Reload(u64),
    /// Somebody takes all space on the small filesystem.
    Fill,
    /// And gives it back.
    Empty,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    Kill,
    Stop,
}

/// One life of the process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Life {
    pub cores: usize,
    /// The times below count from its first page; else from its start.
    pub from_first_page: bool,
    /// In the order of time, in milliseconds.
    pub events: Vec<(u64, Event)>,
    pub length_ms: u64,
    pub end: End,
    /// Between its end and the next start.
    pub pause_ms: u64,
}

/// How much of it.
#[derive(Debug, Clone, Copy)]
pub struct Measure {
    pub seed: u64,
    pub kills: usize,
    /// Shortest and longest life.
    pub life_ms: (u64, u64),
}

/// The lives of a scenario, up to so many kills.
pub fn lives(scenario: Scenario, measure: &Measure) -> Vec<Life> {
    let mut chance = Random::new(measure.seed ^ (scenario as u64 + 1) << 56);
    let mut lives = Vec::new();
    let mut kills = 0;
    while kills < measure.kills {
        let more = match scenario {
            Scenario::Kills => vec![life(&mut chance, measure)],
            Scenario::Starts => starts(&mut chance, measure),
            Scenario::Outages | Scenario::Strict => vec![stormy(&mut chance, measure)],
            Scenario::Moves => vec![moved(&mut chance, measure)],
            Scenario::Full => vec![full(&mut chance, measure, false)],
            Scenario::FullKills => vec![full(&mut chance, measure, true)],
        };
        // A life that ends by a stop is worth a kill where there are no others.
        let counts = |life: &&Life| life.end == End::Kill || scenario == Scenario::Full;
        kills += more.iter().filter(counts).count();
        lives.extend(more);
    }
    lives
}

fn life(chance: &mut Random, measure: &Measure) -> Life {
    let (shortest, longest) = measure.life_ms;
    Life {
        cores: 1,
        from_first_page: true,
        events: Vec::new(),
        length_ms: shortest + chance.below(longest - shortest + 1),
        end: End::Kill,
        pause_ms: chance.below(100),
    }
}

/// An ordinary life, then a burst of kills before or about the first page.
fn starts(chance: &mut Random, measure: &Measure) -> Vec<Life> {
    let mut lives = vec![life(chance, measure)];
    for _ in 0..BURST {
        let length_ms = chance.below(300);
        lives.push(Life { from_first_page: false, length_ms, ..life(chance, measure) });
    }
    lives
}

/// The receiver changes up to twice; an outage may last over the ends of several lives.
fn stormy(chance: &mut Random, measure: &Measure) -> Life {
    let mut life = life(chance, measure);
    for _ in 0..chance.below(3) {
        let fault = if chance.chance(1, 2) { None } else { Some(fault(chance)) };
        life.events.push((chance.below(life.length_ms), Event::Receiver(fault)));
    }
    life.events.sort_by_key(|event| event.0);
    life
}

fn fault(chance: &mut Random) -> Fault {
    const FAULTS: [Fault; 8] = [
        Fault::Refuse,
        Fault::Hang,
        Fault::Reset,
        Fault::LostAck,
        Fault::Status(500),
        Fault::Busy(503),
        Fault::Busy(429),
        Fault::Delay(300),
    ];
    FAULTS[chance.below(FAULTS.len() as u64) as usize]
}

fn moved(chance: &mut Random, measure: &Measure) -> Life {
    let mut life = stormy(chance, measure);
    life.cores = 1 + chance.below(CORES_MAX) as usize;
    for _ in 0..chance.below(3) {
        let variant = chance.below(VARIANTS);
        life.events.push((chance.below(life.length_ms), Event::Reload(variant)));
    }
    life.events.sort_by_key(|event| event.0);
    life.end = if chance.chance(1, 2) { End::Kill } else { End::Stop };
    life
}

/// The receiver goes away and the disk fills up. Both are back before the end, or the end comes between.
fn full(chance: &mut Random, measure: &Measure, killed: bool) -> Life {
    let (outage_ms, full_ms) = (1000 + chance.below(2000), 2000 + chance.below(2000));
    let (back_ms, empty_ms) = (full_ms + 4000, full_ms + 4000 + chance.below(4000));
    let mut events = vec![
        (outage_ms, Event::Receiver(Some(Fault::Refuse))),
        (full_ms, Event::Fill),
        (back_ms, Event::Receiver(None)),
        (empty_ms, Event::Empty),
    ];
    events.sort_by_key(|event| event.0);
    let mut length_ms = empty_ms + 3000;
    if killed && chance.chance(2, 3) {
        length_ms = full_ms + chance.below(empty_ms - full_ms);
        events.retain(|event| event.0 < length_ms);
    }
    let end = if killed { End::Kill } else { End::Stop };
    Life { length_ms, events, end, ..life(chance, measure) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEASURE: Measure = Measure { seed: 7, kills: 40, life_ms: (100, 1500) };

    #[test]
    fn a_seed_gives_one_plan_and_another_seed_another() {
        for scenario in Scenario::ALL {
            let plan = lives(scenario, &MEASURE);
            assert_eq!(plan, lives(scenario, &MEASURE), "{}", scenario.name());
            let other = lives(scenario, &Measure { seed: 8, ..MEASURE });
            assert_ne!(plan, other, "{}", scenario.name());
        }
    }

    #[test]
    fn plans_have_the_kills_asked_for_and_their_events_in_order_before_the_end() {
        for scenario in Scenario::ALL {
            let plan = lives(scenario, &MEASURE);
            let kills = plan.iter().filter(|life| life.end == End::Kill).count();
            let stops = plan.len() - kills;
            match scenario {
                Scenario::Full => assert_eq!((kills, stops), (0, 40)),
                Scenario::Moves => assert!(kills == 40 && stops > 10),
                _ => assert!((40..40 + BURST).contains(&kills) && stops == 0),
            }
            for life in &plan {
                assert!(life.events.is_sorted_by_key(|event| event.0), "{life:?}");
                assert!(life.events.iter().all(|event| event.0 <= life.length_ms), "{life:?}");
            }
        }
    }

    #[test]
    fn every_fault_and_every_reload_comes_up() {
        let many = Measure { kills: 300, ..MEASURE };
        let lives = lives(Scenario::Moves, &many);
        let mut kinds = Vec::new();
        for (_, event) in lives.into_iter().flat_map(|life| life.events) {
            if !kinds.contains(&event) {
                kinds.push(event);
            }
        }
        // Eight faults, health, four variants.
        assert_eq!(kinds.len(), 13, "{kinds:?}");
    }
}
