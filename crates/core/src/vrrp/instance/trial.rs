//! Taking over only if an advert leaves. No RFC has this: it is for a router with a VIP lease that counts.
//!
//! A kernel may refuse to send for long (a firewall, a full queue). Then no gate opens, so a router that took over would
//! hold nothing, announce addresses it does not answer for, and give up when its lease is over; and all of that again
//! whenever its master-down timer fires. So whoever learned that its adverts are refused stays a backup, and sends one as
//! a trial when its time has come. It takes over if that one leaves, and asks again after an interval if not.
//!
//! The kernel says only what it refuses, and says that at once: what is not refused for a moment has left.

use alloc::vec::Vec;

use super::{Instance, Machine, Stage};
use crate::router::action::Advert;
use crate::time::{Duration, Instant};
use crate::vrrp::election::Heard;

/// How long a trial waits for a refusal: more than one wake-up of a busy loop.
const LONGEST_WAIT: Duration = Duration::from_millis(10);

/// It never waits for more than this part of an advert interval.
const PART_OF_INTERVAL: u32 = 4;

/// A backup that finds out whether its adverts leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trial {
    /// So many adverts (one a destination) were sent and not refused; what is not refused until then has left.
    Sent { left: usize, until: Instant },
    /// All were refused; the next trial is due then.
    Refused { again: Instant },
}

impl Trial {
    pub(super) const fn deadline(&self) -> Instant {
        match self {
            Self::Sent { until, .. } => *until,
            Self::Refused { again } => *again,
        }
    }
}

impl Instance {
    /// Whether the kernel refused its last adverts, as far as it is known to have sent none since.
    #[must_use]
    pub const fn is_muted(&self) -> bool {
        self.muted
    }

    /// Whether it is finding out if its adverts leave.
    #[must_use]
    pub const fn is_on_trial(&self) -> bool {
        matches!(&self.machine, Machine::Backup { stage: Stage::Trial(_), .. })
    }

    /// The adverts of a trial, which begins now. Without an address there are none, and nothing to find out.
    pub fn begin_trial(&mut self, now: Instant) -> Vec<Advert> {
        self.write(self.priority());
        let adverts: Vec<Advert> = self.written(now, None).collect();
        let until = now + LONGEST_WAIT.min(self.plan.advert_interval / PART_OF_INTERVAL);
        self.set_stage(Stage::Trial(Trial::Sent { left: adverts.len(), until }));
        adverts
    }

    /// Whether this is another one of our priority that yields to us. What a trial sends says what a master says, so an
    /// answer to it is judged as a master judges (RFC 9568 section 6.4.3): two backups whose trials cross would
    /// otherwise both wait for the other.
    pub(super) fn outranks_on_trial(&self, heard: &Heard) -> bool {
        let Machine::Backup { stage: Stage::Trial(Trial::Sent { .. }), .. } = &self.machine else {
            return false;
        };
        heard.priority == self.priority() && self.source.is_some_and(|own| heard.source < own)
    }

    /// The kernel refused one advert of a backup: of a trial, or what it sent before that was broken off or it became
    /// backup. True if none of the adverts of a trial is left.
    pub(super) fn trial_refused(&mut self, now: Instant) -> bool {
        let again = now + self.plan.advert_interval;
        let Machine::Backup { stage, .. } = &mut self.machine else { return false };
        let Stage::Trial(trial) = stage else {
            self.muted = true;
            return false;
        };
        if let Trial::Sent { left, .. } = trial {
            *left = left.saturating_sub(1);
            if *left == 0 {
                *trial = Trial::Refused { again };
                return true;
            }
        }
        false
    }
}
