//! Who is master: what one accepted advert means to a backup and to a master (RFC 9568 sections 6.4.2 and 6.4.3).

use core::net::IpAddr;

use crate::router::plan::Preempt;
use crate::time::{Duration, Instant};

/// An advert that passed every check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heard {
    /// Its IP source.
    pub source: IpAddr,
    /// Its priority; 0 says that the master gives up.
    pub priority: u8,
    /// The interval it announces.
    pub interval: Duration,
}

/// What an advert means to a backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ToBackup {
    /// The master gives up: wait only the skew time.
    MasterResigned,
    /// A master to wait for: the master-down timer starts again.
    Accepted,
    /// A master of lower priority, tolerated until `preempt_delay` is over: the timer starts again.
    Tolerated,
    /// A master of lower priority: the timer runs on, and we take over when it fires.
    Ignored,
}

/// What an advert means to a backup of this effective priority.
///
/// `preempt_at` is when a running `preempt_delay` ends, if one runs.
#[must_use]
pub fn judge_as_backup(
    now: Instant,
    heard: &Heard,
    priority: u8,
    preempt: Preempt,
    preempt_at: Option<Instant>,
) -> ToBackup {
    if heard.priority == 0 {
        return ToBackup::MasterResigned;
    }
    if heard.priority >= priority {
        return ToBackup::Accepted;
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
        Heard { source: source.parse().expect("an address"), priority, interval: Duration::from_secs(1) }
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
        assert_eq!(judge_as_backup(now, &heard(100, "10.0.0.1"), 100, at_once, None), ToBackup::Accepted);
        assert_eq!(judge_as_backup(now, &heard(200, "10.0.0.1"), 100, at_once, None), ToBackup::Accepted);
        assert_eq!(judge_as_backup(now, &heard(99, "10.0.0.1"), 100, at_once, None), ToBackup::Ignored);
        assert_eq!(
            judge_as_backup(now, &heard(99, "10.0.0.1"), 100, Preempt::Never, None),
            ToBackup::Accepted
        );
        assert_eq!(
            judge_as_backup(now, &heard(0, "10.0.0.1"), 100, Preempt::Never, None),
            ToBackup::MasterResigned
        );
    }

    #[test]
    fn nopreempt_does_not_stop_an_owner() {
        assert_eq!(
            judge_as_backup(Instant::ZERO, &heard(99, "10.0.0.1"), 255, Preempt::Never, None),
            ToBackup::Ignored
        );
    }

    #[test]
    fn a_lower_master_is_tolerated_until_the_preempt_delay_ends() {
        let delay = Preempt::After(Duration::from_secs(10));
        let end = Instant::ZERO + Duration::from_secs(10);
        let early = Instant::ZERO + Duration::from_secs(9);
        let lower = heard(50, "10.0.0.1");
        assert_eq!(judge_as_backup(Instant::ZERO, &lower, 100, delay, None), ToBackup::Tolerated);
        assert_eq!(judge_as_backup(early, &lower, 100, delay, Some(end)), ToBackup::Tolerated);
        assert_eq!(judge_as_backup(end, &lower, 100, delay, Some(end)), ToBackup::Ignored);
    }
}
