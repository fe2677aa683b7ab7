//! Two ends of ours over a path that delays, loses and breaks.

use std::collections::BTreeMap;
use std::time::Duration;

use mainstay_core::address::LinkIndex;
use mainstay_core::bfd::{Input, SessionPlan, Sessions, State};
use mainstay_core::router::Packet;
use mainstay_core::time::Instant;
use proptest::prelude::*;

use crate::world::{End, at, intervals, ms, plan};

/// Two ends, and the packets between them.
struct Pair {
    ends: [End; 2],
    now: Instant,
    delay: Duration,
    /// Which directions carry packets.
    carries: [bool; 2],
    /// Of how many packets one is lost; zero: none.
    loses: u32,
    /// Packets sent by each end.
    count: [u32; 2],
    /// By the moment they land, who sent them, and which of its packets they are.
    flying: BTreeMap<(Instant, usize, u32), [u8; 24]>,
}

impl Pair {
    fn new(seed: u64, plans: [SessionPlan; 2]) -> Self {
        let [mut first, mut second] = plans;
        (first.neighbour, second.neighbour) = (address(1), address(0));
        let ends = [(seed, first), (seed + 1, second)]
            .map(|(seed, plan)| End::with(Sessions::new(Instant::ZERO, seed, vec![plan], [])));
        Self {
            ends,
            now: Instant::ZERO,
            delay: Duration::from_micros(100),
            carries: [true; 2],
            loses: 0,
            count: [0; 2],
            flying: BTreeMap::new(),
        }
    }

    fn until(&mut self, end: Instant) {
        loop {
            self.collect();
            let ticks = self.ends.iter().filter_map(|end| end.sessions.next_deadline()).min();
            let lands = self.flying.first_key_value().map(|((at, ..), _)| *at);
            let Some(next) = ticks.into_iter().chain(lands).min().filter(|next| *next <= end) else { break };
            self.now = self.now.max(next);
            for end in &mut self.ends {
                end.now = self.now;
            }
            // Packets before ticks, as in the daemon.
            while let Some(entry) = self.flying.first_entry().filter(|entry| entry.key().0 <= next) {
                let to = 1 - entry.key().1;
                let payload = entry.remove();
                let (source, destination) = (address(1 - to), address(to));
                let packet = Packet {
                    link: LinkIndex(2),
                    source,
                    destination,
                    ttl: 255,
                    envelope: Default::default(),
                    payload: &payload,
                };
                self.ends[to].step(Input::PacketReceived { packet, multihop: false });
            }
            for end in &mut self.ends {
                end.step(Input::Tick);
            }
        }
        self.now = end;
        for side in &mut self.ends {
            side.now = end;
        }
    }

    fn collect(&mut self) {
        for from in 0..2 {
            for (at, sent) in std::mem::take(&mut self.ends[from].sent) {
                self.count[from] += 1;
                let lost = self.loses > 0 && self.count[from].is_multiple_of(self.loses);
                if self.carries[from] && !lost {
                    self.flying.insert((at + self.delay, from, self.count[from]), sent.payload);
                }
            }
        }
    }

    fn states(&self) -> [State; 2] {
        [self.ends[0].state(), self.ends[1].state()]
    }
}

fn address(end: usize) -> std::net::IpAddr {
    std::net::IpAddr::from([192, 0, 2, 1 + end as u8])
}

#[test]
fn two_ends_come_up_within_a_second_and_agree_on_their_intervals() {
    let mut slow = plan();
    slow.intervals = intervals(50, 20);
    slow.multiplier = 5.try_into().expect("not zero");
    let mut pair = Pair::new(1, [plan(), slow]);
    pair.until(at(1_100));
    assert_eq!(pair.states(), [State::Up; 2]);
    let [first, second] = &pair.ends;
    assert_eq!((first.report().transmit_interval, first.detection_time()), (ms(20), Some(ms(250))));
    assert_eq!((second.report().transmit_interval, second.detection_time()), (ms(50), Some(ms(60))));
}

/// 10 ms x 3: known within 30 ms of the last packet, on both ends, and never up again by itself.
#[test]
fn a_broken_path_is_known_on_both_ends_after_the_detection_time() {
    for seed in 0..200 {
        let mut pair = Pair::new(seed, [plan(), plan()]);
        pair.until(at(3_000 + seed % 10));
        assert_eq!(pair.states(), [State::Up; 2]);
        pair.carries = [false; 2];
        let broken = pair.now;
        pair.until(broken + ms(31));
        assert_eq!(pair.states(), [State::Down; 2], "seed {seed}");
        for end in &pair.ends {
            let (noticed, _) = *end.changes.last().expect("a change");
            let after = noticed.saturating_since(broken);
            assert!((ms(19)..ms(31)).contains(&after), "seed {seed}: {after:?}");
        }
        pair.carries = [true; 2];
        pair.until(pair.now + ms(1_100));
        assert_eq!(pair.states(), [State::Up; 2], "seed {seed}");
    }
}

/// Who hears nothing tells the other end, which hears that much, that the path is down.
#[test]
fn a_path_broken_in_one_direction_is_down_on_both_ends() {
    let mut pair = Pair::new(9, [plan(), plan()]);
    pair.until(at(3_000));
    pair.carries = [true, false];
    pair.until(at(3_035));
    assert_eq!(pair.states(), [State::Down; 2]);
    pair.until(at(20_000));
    assert!(pair.ends.iter().all(|end| end.verdicts() == [true, false]), "it does not flap");
}

#[test]
fn both_ends_may_change_their_intervals_at_the_same_moment() {
    let mut pair = Pair::new(4, [plan(), plan()]);
    pair.until(at(3_000));
    for (end, other) in [(0, 1), (1, 0)] {
        let mut slower = plan();
        slower.neighbour = address(other);
        slower.intervals = intervals(100 + other as u64 * 100, 150);
        pair.ends[end].step(Input::Reloaded(vec![slower]));
    }
    pair.until(at(10_000));
    assert!(pair.ends.iter().all(|end| end.verdicts() == [true]));
    let times = [0, 1].map(|end| pair.ends[end].report().transmit_interval);
    assert_eq!(times, [ms(200), ms(150)]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// A path that loses one packet of `loses` in each direction, and delays the others: a session stays up once it is,
    /// whatever its intervals.
    #[test]
    fn losing_fewer_packets_in_a_row_than_the_multiplier_takes_no_session_down(
        seed in 0u64..1_000_000,
        loses in 3u32..20,
        (tx, rx) in (5u64..200, 5u64..200),
        delay in 0u64..200,
    ) {
        let mut ours = plan();
        ours.intervals = intervals(tx, rx);
        ours.multiplier = 4.try_into().expect("not zero");
        let mut theirs = plan();
        theirs.intervals = intervals(rx, tx);
        theirs.multiplier = 4.try_into().expect("not zero");
        let mut pair = Pair::new(seed, [ours, theirs]);
        pair.loses = loses;
        pair.delay = ms(delay);
        pair.until(at(20_000));
        prop_assert_eq!(pair.states(), [State::Up; 2]);
        let changes = [0, 1].map(|end| pair.ends[end].changes.len());
        pair.until(at(60_000));
        prop_assert_eq!([0, 1].map(|end| pair.ends[end].changes.len()), changes);
    }
}
