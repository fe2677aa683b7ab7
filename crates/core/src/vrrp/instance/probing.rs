//! Asking the link before and after taking over: who else answers for our addresses?
//!
//! `probe_before_take`: a master that froze sends no adverts, but its kernel still answers for the addresses. So before
//! a backup takes over from silence it asks for them as a host asks for an address it is about to use (RFC 5227
//! section 2.1.1, RFC 4862 section 5.4), only faster. If somebody answers it waits one advert interval and asks again,
//! three times at most: in the end there has to be a master.
//!
//! `claim_watch`: a master hears others claim its addresses, tells of it and defends them (RFC 5227 section 2.4 c).

use alloc::vec::Vec;
use core::net::IpAddr;

use super::backup::MasterEnd;
use super::{Instance, Machine, Stage, Wish};
use crate::router::alarm::{Alarm, Mac};
use crate::time::{Duration, Instant};

/// Questions in one round (`PROBE_NUM` of RFC 5227).
const QUESTIONS: u8 = 3;

/// Longest time between two questions, and after the last.
const LONGEST_GAP: Duration = Duration::from_millis(10);

/// Shortest. A round of less than three of these asks less often.
const SHORTEST_GAP: Duration = Duration::from_millis(1);

/// Rounds that may be answered before we take the addresses all the same.
const ROUNDS: u8 = 3;

/// `DEFEND_INTERVAL` of RFC 5227.
const DEFEND_INTERVAL: Duration = Duration::from_secs(10);

/// Least time after another master's advert in which its claims are the contest's and nobody's fault.
const SHORTEST_CONTEST: Duration = Duration::from_secs(1);

/// A backup whose timer has fired and that asks who else has its addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Probing {
    /// Rounds that somebody answered.
    answered: u8,
    step: Step,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// Questions are being asked.
    Asking { left: u8, next: Instant },
    /// Somebody answered: waiting for it to speak, or to be gone.
    Holding { until: Instant },
}

/// What a deadline of a probing backup brings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    /// It is not due.
    Early,
    /// Ask.
    Ask,
    /// Take the addresses.
    Take,
}

/// How many questions a round has and how far apart they are: its whole length is at most a tenth of the advert
/// interval.
const fn pattern(interval: Duration) -> (u8, Duration) {
    let most = Duration::from_nanos((interval.as_nanos() / 10) as u64);
    let mut questions = QUESTIONS;
    while questions > 1 && most.as_nanos() < SHORTEST_GAP.as_nanos() * questions as u128 {
        questions -= 1;
    }
    let share = Duration::from_nanos((most.as_nanos() / questions as u128) as u64);
    (questions, if share.as_nanos() < LONGEST_GAP.as_nanos() { share } else { LONGEST_GAP })
}

impl Probing {
    /// The first question is asked now.
    pub(super) fn begin(now: Instant, interval: Duration) -> Self {
        Self { answered: 0, step: Step::asking(now, interval) }
    }

    pub(super) const fn deadline(&self) -> Instant {
        match self.step {
            Step::Asking { next, .. } => next,
            Step::Holding { until } => until,
        }
    }

    pub(super) fn go_on(&mut self, now: Instant, interval: Duration) -> Progress {
        if now < self.deadline() {
            return Progress::Early;
        }
        match self.step {
            Step::Asking { left: 0, .. } => Progress::Take,
            Step::Asking { left, .. } => {
                self.step = Step::Asking { left: left - 1, next: now + pattern(interval).1 };
                Progress::Ask
            }
            Step::Holding { .. } if self.answered >= ROUNDS => Progress::Take,
            Step::Holding { .. } => {
                self.step = Step::asking(now, interval);
                Progress::Ask
            }
        }
    }

    /// Somebody answered.
    fn answered(&mut self, now: Instant, interval: Duration) {
        if let Step::Asking { .. } = self.step {
            self.answered += 1;
            self.step = Step::Holding { until: now + interval };
        }
    }
}

impl Step {
    fn asking(now: Instant, interval: Duration) -> Self {
        let (questions, gap) = pattern(interval);
        Self::Asking { left: questions - 1, next: now + gap }
    }
}

impl Instance {
    /// Whether it asks before it takes over because of this. A master that resigned, or that is preempted, has the
    /// addresses and is about to give them up: its answer would say nothing.
    pub(super) fn asks_before(&self, ending: MasterEnd) -> bool {
        self.plan.probe_before_take
            && match ending {
                MasterEnd::Silence => !self.starts_as_master(),
                MasterEnd::Resigned(_) | MasterEnd::Preemption { .. } => false,
            }
    }

    /// Somebody else has one of our addresses, while we are backup: of interest only if we have asked.
    pub(super) fn claim_as_backup(
        &mut self,
        now: Instant,
        address: IpAddr,
        mac: Mac,
        wishes: &mut Vec<Wish>,
    ) {
        let interval = self.plan.advert_interval;
        if let Machine::Backup { stage: Stage::Probing(probing), .. } = &mut self.machine {
            probing.answered(now, interval);
            wishes.push(Wish::Alarm(Alarm::AddressClaimed { address, mac }));
        }
    }

    /// Somebody else claims one of our addresses while we are master.
    pub(super) fn claim_as_master(
        &mut self,
        now: Instant,
        address: IpAddr,
        mac: Mac,
        wishes: &mut Vec<Wish>,
    ) {
        let contest = self.master_down_interval().max(SHORTEST_CONTEST);
        let contested = self.last_heard.is_some_and(|heard| now.saturating_since(heard.at) < contest);
        if !self.plan.claim_watch || contested || self.is_virtual_mac(mac) {
            return;
        }
        let Machine::Master(master) = &mut self.machine else { return };
        wishes.push(Wish::Alarm(Alarm::AddressConflict { address, mac }));
        let defended = master.defended.get(&address).copied();
        if defended.is_none_or(|last| now.saturating_since(last) >= DEFEND_INTERVAL) {
            let _ = master.defended.insert(address, now);
            wishes.push(Wish::Defend(address));
        }
    }

    /// The hardware address that every master of this virtual router id may use (RFC 9568 section 7.3).
    const fn is_virtual_mac(&self, mac: Mac) -> bool {
        let vrid = self.plan.vrid.get();
        matches!(mac.0, [0x00, 0x00, 0x5e, 0x00, 0x01 | 0x02, last] if last == vrid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_takes_a_tenth_of_the_advert_interval_at_most() {
        let ms = Duration::from_millis;
        for (interval, questions, gap) in [
            (ms(1000), 3, ms(10)),
            (ms(5000), 3, ms(10)),
            (ms(150), 3, ms(5)),
            (ms(30), 3, ms(1)),
            (ms(20), 2, ms(1)),
            (ms(10), 1, ms(1)),
        ] {
            assert_eq!(pattern(interval), (questions, gap), "{interval:?}");
        }
        for interval in (10..=40_950).step_by(10) {
            let (questions, gap) = pattern(ms(interval));
            assert!(gap * u32::from(questions) <= ms(interval) / 10, "{interval} ms");
            assert!(gap >= SHORTEST_GAP, "{interval} ms");
        }
    }
}
