//! Who is master: what one accepted advert means to a backup and to a master (RFC 9568 sections 6.4.2 and 6.4.3).

use core::net::IpAddr;

use crate::router::peers::Hears;
use crate::router::plan::Preempt;
use crate::time::{Duration, Instant};

/// An advert that passed every check, or what a heartbeat said that an advert would say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heard {
    /// Its IP source.
    pub source: IpAddr,
    /// Its priority; 0 says that the master gives up.
    pub priority: u8,
    /// The interval it announces.
    pub interval: Duration,
    /// What its sender says about hearing us.
    pub hears: Hears,
    /// With priority 0: how long to wait instead of the skew time, because nobody but us can follow.
    pub hand_over: Option<Duration>,
}

/// What an advert means to a backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ToBackup {
    /// The master gives up: wait only the skew time.
    MasterResigned,
    /// A master to wait for: the master-down timer starts again.
    Accepted,
    /// A master of lower priority that does not hear us: it would not yield to us, so we wait as for a higher one.
    Deaf,
    /// A master of lower priority, tolerated until `preempt_delay` is over: the timer starts again.
    Tolerated,
    /// A master of lower priority: the timer runs on, and we take over when it fires.
    Ignored,
}

/// What an advert means to a backup of this effective priority.
///
/// `preempt_at` is when a running `preempt_delay` ends, if one runs; `unheard_since` is when we gave up because we were
/// not heard, if that is why we are backup.
#[must_use]
pub fn judge_as_backup(
    now: Instant,
    heard: &Heard,
    priority: u8,
    preempt: Preempt,
    preempt_at: Option<Instant>,
    unheard_since: Option<Instant>,
) -> ToBackup {
    if heard.priority == 0 {
        return ToBackup::MasterResigned;
    }
    if heard.priority >= priority {
        return ToBackup::Accepted;
    }
    if heard.hears.is_deaf_to_us(now, unheard_since) {
        return ToBackup::Deaf;
    }
    match preempt {
        // RFC 9568 section 6.1: the owner of the addresses always preempts.
        Preempt::Never if priority < 255 => ToBackup::Accepted,
        Preempt::Never => ToBackup::Ignored,
        Preempt::After(Duration::ZERO) => ToBackup::Ignored,
        Preempt::After(_) => match preempt_at {
            Some(end) if now >= end => ToBackup::Ignored,
            Some(_) | None => ToBackup::Tolerated,
        },
    }
}

/// What an advert means to a master.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ToMaster {
    /// Another master gives up: tell everybody that we are here.
    OtherResigned,
    /// It has a higher priority: yield.
    HigherPriority,
    /// It has our priority and a higher address: yield.
    HigherAddress,
    /// It has a lower priority, or ours and a lower address: it is to yield.
    Lower,
}

/// What an advert means to a master of this effective priority and address.
#[must_use]
pub fn judge_as_master(heard: &Heard, priority: u8, own: IpAddr) -> ToMaster {
    if heard.priority == 0 {
        ToMaster::OtherResigned
    } else if heard.priority > priority {
        ToMaster::HigherPriority
    } else if heard.priority == priority && heard.source > own {
        ToMaster::HigherAddress
    } else {
        ToMaster::Lower
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(priority: u8, source: &str) -> Heard {
        Heard {
            source: source.parse().expect("an address"),
            priority,
            interval: Duration::from_secs(1),
            hears: Hears::Unknown,
            hand_over: None,
        }
    }

    #[test]
    fn addresses_compare_unsigned_in_network_order() {
        for (own, other, expected) in [
            ("10.0.0.9", "10.0.0.10", ToMaster::HigherAddress),
            ("10.0.0.10", "10.0.0.9", ToMaster::Lower),
            ("127.0.0.1", "128.0.0.1", ToMaster::HigherAddress),
            ("200.0.0.1", "100.0.0.1", ToMaster::Lower),
            ("10.0.1.1", "10.1.0.1", ToMaster::HigherAddress),
            ("fe80::1", "fe80::2", ToMaster::HigherAddress),
            ("fe80::ff", "fe80::1:0", ToMaster::HigherAddress),
        ] {
            let own = own.parse().expect("an address");
            assert_eq!(judge_as_master(&heard(100, other), 100, own), expected, "{own} hears {other}");
        }
    }

    #[test]
    fn a_master_yields_to_a_higher_priority_whatever_the_address() {
        let own = "10.0.0.200".parse().expect("an address");
        assert_eq!(judge_as_master(&heard(101, "10.0.0.1"), 100, own), ToMaster::HigherPriority);
        assert_eq!(judge_as_master(&heard(99, "10.0.0.250"), 100, own), ToMaster::Lower);
        assert_eq!(judge_as_master(&heard(0, "10.0.0.250"), 100, own), ToMaster::OtherResigned);
    }

    #[test]
    fn a_backup_waits_for_equal_and_higher_priorities_only() {
        let now = Instant::ZERO;
        let at_once = Preempt::After(Duration::ZERO);
        assert_eq!(
            judge_as_backup(now, &heard(100, "10.0.0.1"), 100, at_once, None, None),
            ToBackup::Accepted
        );
        assert_eq!(
            judge_as_backup(now, &heard(200, "10.0.0.1"), 100, at_once, None, None),
            ToBackup::Accepted
        );
        assert_eq!(judge_as_backup(now, &heard(99, "10.0.0.1"), 100, at_once, None, None), ToBackup::Ignored);
        assert_eq!(
            judge_as_backup(now, &heard(99, "10.0.0.1"), 100, Preempt::Never, None, None),
            ToBackup::Accepted
        );
        assert_eq!(
            judge_as_backup(now, &heard(0, "10.0.0.1"), 100, Preempt::Never, None, None),
            ToBackup::MasterResigned
        );
    }

    #[test]
    fn a_backup_does_not_preempt_a_master_that_says_it_cannot_hear() {
        let at_once = Preempt::After(Duration::ZERO);
        let at = |seconds| Instant::ZERO + Duration::from_secs(seconds);
        let says = |us| Heard { hears: Hears::Told { at: at(10), us }, ..heard(50, "10.0.0.1") };
        let verdict = |now, us| judge_as_backup(at(now), &says(us), 100, at_once, None, None);
        let after_yielding = |us| judge_as_backup(at(10), &says(us), 100, at_once, None, Some(at(9)));
        assert_eq!(verdict(10, None), ToBackup::Deaf);
        assert_eq!(verdict(10, Some(at(6))), ToBackup::Deaf, "it has not heard us for four seconds");
        assert_eq!(verdict(10, Some(at(9))), ToBackup::Ignored, "it hears us, and will yield");
        assert_eq!(verdict(14, None), ToBackup::Ignored, "old news");
        assert_eq!(after_yielding(Some(at(8))), ToBackup::Deaf, "it has not heard us since we gave up");
        assert_eq!(after_yielding(Some(at(9))), ToBackup::Ignored);
        assert_eq!(judge_as_backup(at(10), &says(None), 255, Preempt::Never, None, None), ToBackup::Deaf);
    }

    #[test]
    fn nopreempt_does_not_stop_an_owner() {
        assert_eq!(
            judge_as_backup(Instant::ZERO, &heard(99, "10.0.0.1"), 255, Preempt::Never, None, None),
            ToBackup::Ignored
        );
    }

    #[test]
    fn a_lower_master_is_tolerated_until_the_preempt_delay_ends() {
        let delay = Preempt::After(Duration::from_secs(10));
        let end = Instant::ZERO + Duration::from_secs(10);
        let early = Instant::ZERO + Duration::from_secs(9);
        let lower = heard(50, "10.0.0.1");
        assert_eq!(judge_as_backup(Instant::ZERO, &lower, 100, delay, None, None), ToBackup::Tolerated);
        assert_eq!(judge_as_backup(early, &lower, 100, delay, Some(end), None), ToBackup::Tolerated);
        assert_eq!(judge_as_backup(end, &lower, 100, delay, Some(end), None), ToBackup::Ignored);
    }
}
