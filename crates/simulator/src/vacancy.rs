//! Nobody holds an address: for how long that may be (L2 of reference/ha.md section 3.5).
//!
//! While a Mainstay node is fit (it runs, nothing befalls it, and the network carries everything) it takes over
//!
//! - within the longest master-down interval on the LAN after the holder fell away without a word,
//! - within its skew time after the holder resigned,
//! - within 10 ms after that, if the two are alone and told each other so by heartbeat;
//!
//! and 50 ms more in which it takes the addresses. What befalls *other* nodes is no excuse: a freeze, a pause, a crash, a
//! reboot, a shutdown, a script that fails. What begins or ends starts the time anew, and nothing is asked for while and
//! shortly after something keeps adverts or orders from having their effect.

use std::time::Duration;

use mainstay_core::router::State;
use mainstay_core::router::plan::Version;

use crate::daemon::name;
use crate::fault::{Fault, NodeId, Timed};
use crate::hearsay::SILENCE;
use crate::moment::Moment;
use crate::scenario::Kind;
use crate::world::World;

/// The time in which a new master takes its addresses.
const TAKING: Duration = Duration::from_millis(50);
/// How long the only possible successor waits after a resignation, at most.
const HAND_OVER: Duration = Duration::from_millis(10);
/// A frame overtakes another one that left so little before it.
const OVERTAKING: Duration = Duration::from_millis(1);
/// Rounding of timers, and what a take-over waits for that is no timer: a tick of its loop, the gates of a lease.
const ROUNDING: Duration = Duration::from_millis(50);

/// What is known of vacancies.
#[derive(Debug)]
pub struct Vacancies {
    /// When something last began or ended to befall a node.
    edge: Moment,
    /// Until when something keeps adverts or orders from having their effect.
    upset_until: Moment,
    /// What befalls each node now.
    ailments: Vec<u8>,
    /// Who resigned last as master of each router, and when.
    resigned: Vec<Option<(NodeId, Moment)>>,
    /// When an advert of each router last left.
    advertised: Vec<Moment>,
    /// The longest time for which nobody held an address that somebody had held.
    pub longest: Duration,
}

impl Vacancies {
    /// Nothing has happened on a LAN of so many nodes with so many routers.
    #[must_use]
    pub fn new(nodes: usize, routers: usize) -> Self {
        Self {
            edge: Moment(0),
            upset_until: Moment(0),
            ailments: vec![0; nodes],
            resigned: vec![None; routers],
            advertised: vec![Moment(0); routers],
            longest: Duration::ZERO,
        }
    }

    /// A fault begins.
    pub fn fault_begins(&mut self, now: Moment, timed: &Timed, longest_interval: Duration) {
        self.edge = now;
        match fallen(&timed.fault) {
            Some(node) => self.ailments[node] = self.ailments[node].saturating_add(1),
            None => {
                let until = now + timed.lasts + aftermath(&timed.fault, longest_interval);
                self.upset_until = self.upset_until.max(until);
            }
        }
    }

    /// A fault ends.
    pub fn fault_ends(&mut self, now: Moment, timed: &Timed) {
        self.edge = now;
        if let Some(node) = fallen(&timed.fault) {
            self.ailments[node] = self.ailments[node].saturating_sub(1);
        }
    }

    /// A node takes part anew.
    pub const fn node_comes(&mut self, now: Moment) {
        self.edge = now;
    }

    /// An advert left. If it resigns and follows another one so closely that they may overtake each other, the last that
    /// is heard may say that there is a master.
    pub fn advert_left(&mut self, now: Moment, node: NodeId, router: usize, priority: u8) {
        let Some(resigned) = self.resigned.get_mut(router) else { return };
        let last = &mut self.advertised[router];
        if priority > 0 {
            *last = now;
            // An owner may give up and start anew at once.
            *resigned = resigned.filter(|(of, _)| *of != node);
        } else if now.since(*last) > OVERTAKING {
            *resigned = Some((node, now));
        } else {
            *resigned = None;
        }
    }
}

/// The node that falls away by a fault, if that is all it does.
const fn fallen(fault: &Fault) -> Option<NodeId> {
    match fault {
        Fault::Freeze(node)
        | Fault::Pause(node, _)
        | Fault::Crash(node, _)
        | Fault::Reboot(node)
        | Fault::Shutdown(node)
        | Fault::Carrier(node)
        | Fault::OwnAddress(node)
        | Fault::Script(node) => Some(*node),
        Fault::SlowLoop(..)
        | Fault::SlowKernel(..)
        | Fault::ClockRate(..)
        | Fault::Deaf(..)
        | Fault::CutOff(_)
        | Fault::MulticastDeaf(..)
        | Fault::AdvertDeaf(..)
        | Fault::SecondDeaf(..)
        | Fault::SecondCutOff(_)
        | Fault::SecondLoss(_)
        | Fault::Loss(_)
        | Fault::Duplication(_)
        | Fault::Delay(_)
        | Fault::Damage(_)
        | Fault::Removal(_)
        | Fault::Refusal(_)
        | Fault::SendRefusal(_)
        | Fault::GateRefusal(_)
        | Fault::LostEvents(_)
        | Fault::Reload(..) => None,
    }
}

/// How long a fault that upsets more than one node has consequences after its end.
fn aftermath(fault: &Fault, longest_interval: Duration) -> Duration {
    let heard_again = longest_interval * 2 + Duration::from_secs(1);
    match fault {
        // What the kernel refused is tried again after 30 s, 60 s, ...; gates after 60 s.
        Fault::Refusal(_) => Duration::from_secs(260),
        Fault::GateRefusal(_) => Duration::from_secs(62),
        Fault::SlowKernel(_, by) => heard_again + *by * 40,
        Fault::SlowLoop(_, by) | Fault::Delay(by) => heard_again + *by * 2,
        _ => heard_again,
    }
}

impl World {
    /// Looks at the addresses nobody holds.
    pub(crate) fn check_vacancies(&mut self) {
        // Foreign nodes without groups elect each router on its own, against a group.
        let foreign = self.scenario.nodes.iter().any(|node| node.kind != Kind::Mainstay);
        let weather = self.scenario.weather;
        let always_poor = weather.loss > 0 || weather.damage > 0;
        if always_poor || (self.scenario.grouped && foreign) {
            return;
        }
        for (router, since) in self.judge.vacant_since() {
            let begin = since.max(self.vacancies.edge).max(self.vacancies.upset_until);
            let Some(vacant) = (self.now > begin).then(|| self.now.since(begin)) else { continue };
            self.vacancies.longest = self.vacancies.longest.max(vacant);
            let fit = (0..self.nodes.len()).filter(|node| self.is_fit(*node));
            let Some((most, node)) =
                fit.map(|node| (self.takes_over_within(node, router, since), node)).min()
            else {
                continue;
            };
            if vacant > most {
                let what = format!(
                    "nobody is master of router {} for {vacant:?}, and {} should be within {most:?}",
                    router + 1,
                    name(node)
                );
                return self.judge.violate(self.now, "L2", what);
            }
        }
    }

    fn is_fit(&self, id: NodeId) -> bool {
        let node = &self.nodes[id];
        node.kind == Kind::Mainstay && node.runs() && node.listens && self.vacancies.ailments[id] == 0
    }

    /// How long after the holder is gone this node takes over at the latest.
    fn takes_over_within(&self, id: NodeId, router: usize, since: Moment) -> Duration {
        let longest = self.scenario.longest_interval();
        let second = Duration::from_secs(1);
        let of = if self.scenario.version == Version::V2 { second } else { longest };
        let skew = match self.states_of(id).get(router) {
            Some((State::Backup, priority)) => of * (256 - u32::from(*priority)) / 256,
            _ => of.max(second),
        };
        let silence = longest * 3 + of.max(second) + TAKING + ROUNDING;
        // The holder may be gone a moment before or after its advert has left.
        let resigned = self.vacancies.resigned[router].filter(|(resigned, at)| {
            let apart = if *at < since { since.since(*at) } else { at.since(since) };
            *resigned != id && apart < Duration::from_millis(20) && *at >= self.vacancies.edge
        });
        let Some((resigned, at)) = resigned else { return silence };
        let told = self.hearsay.told(id, resigned, router);
        let resigned_at = self.nodes[id].clock.read(at);
        let alone = self.nodes.len() == 2
            && told.is_some_and(|told| {
                // Its last word comes with its resignation.
                let heard = if told.at < resigned_at { Some(told.at) } else { told.before };
                heard.is_some_and(|heard| resigned_at < heard + SILENCE - TAKING)
            });
        TAKING + if alone { HAND_OVER } else { skew + ROUNDING }
    }
}
