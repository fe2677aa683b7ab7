//! Announcements on their way out: kept apart by `vrrp_garp_interval`, `vrrp_gna_interval` and `garp_group`.
//!
//! Without an interval an announcement leaves at once; with one it waits in the queue of its link, or of the set of
//! links it shares a limit with.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::string::String;
use alloc::vec::Vec;
use core::net::IpAddr;

use super::plan::RouterPlan;
use crate::address::{Family, LinkIndex};
use crate::time::{Duration, Instant};

/// One frame to be sent while its instance is master.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Announcement {
    /// Index of the instance.
    pub instance: usize,
    /// Link to send it on.
    pub link: LinkIndex,
    /// Address announced.
    pub address: IpAddr,
}

/// The queues.
#[derive(Debug, Clone, Default)]
pub struct Announcer {
    /// Limits that are shared or apply to one named link.
    named: Vec<(Vec<String>, Duration, Duration)>,
    /// Limits of every other link.
    every: (Duration, Duration),
    lanes: BTreeMap<(Lane, Family), Queue>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Lane {
    Named(usize),
    Link(LinkIndex),
}

#[derive(Debug, Clone, Default)]
struct Queue {
    interval: Duration,
    next: Instant,
    waiting: VecDeque<Announcement>,
}

impl Announcer {
    /// Takes the limits of a plan; what waits goes on waiting.
    pub fn replan(&mut self, plan: &RouterPlan) {
        self.named = plan
            .announce_limits
            .iter()
            .map(|limit| (limit.interfaces.clone(), limit.garp_interval, limit.na_interval))
            .collect();
        self.every = (plan.settings.garp_interval, plan.settings.na_interval);
    }

    /// Whether this announcement may leave now; if not it waits here. `link_name` is the name of its link.
    pub fn admit(&mut self, now: Instant, link_name: &str, announcement: Announcement) -> bool {
        let named = self.named.iter().position(|(links, ..)| links.iter().any(|name| name == link_name));
        let (lane, intervals) = match named {
            Some(index) => (Lane::Named(index), (self.named[index].1, self.named[index].2)),
            None => (Lane::Link(announcement.link), self.every),
        };
        let family = Family::of(announcement.address);
        let interval = match family {
            Family::V4 => intervals.0,
            Family::V6 => intervals.1,
        };
        if interval.is_zero() {
            return true;
        }
        let queue = self.lanes.entry((lane, family)).or_default();
        queue.interval = interval;
        if queue.waiting.is_empty() && queue.next <= now {
            queue.next = now + interval;
            return true;
        }
        queue.waiting.push_back(announcement);
        false
    }

    /// When a waiting announcement may leave.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.lanes.values().filter(|queue| !queue.waiting.is_empty()).map(|queue| queue.next).min()
    }

    /// Takes the announcements that may leave now; one a queue, because each keeps its distance.
    pub fn take_due(&mut self, now: Instant) -> Vec<Announcement> {
        let mut due = Vec::new();
        for queue in self.lanes.values_mut() {
            if queue.next <= now
                && let Some(announcement) = queue.waiting.pop_front()
            {
                queue.next = now + queue.interval;
                due.push(announcement);
            }
        }
        due
    }

    /// Drops what waits for this instance: it is no master any more, or announces anew.
    pub fn forget(&mut self, instance: usize) {
        for queue in self.lanes.values_mut() {
            queue.waiting.retain(|announcement| announcement.instance != instance);
        }
    }

    /// Drops everything that waits: instances get new indices with a reload.
    pub fn clear(&mut self) {
        self.lanes.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::router::plan::{AnnounceLimit, Settings};

    fn announcement(last: u8, link: u32) -> Announcement {
        Announcement { instance: 0, link: LinkIndex(link), address: IpAddr::from([192, 0, 2, last]) }
    }

    fn at(milliseconds: u64) -> Instant {
        Instant::ZERO + Duration::from_millis(milliseconds)
    }

    #[test]
    fn without_an_interval_everything_leaves_at_once() {
        let mut announcer = Announcer::default();
        assert!((0..100).all(|last| announcer.admit(at(0), "eth0", announcement(last, 2))));
        assert_eq!(announcer.deadline(), None);
    }

    #[test]
    fn an_interval_keeps_announcements_of_one_link_apart_and_in_order() {
        let mut announcer = Announcer::default();
        let settings = Settings { garp_interval: Duration::from_millis(10), ..Settings::default() };
        announcer.replan(&RouterPlan { settings, ..RouterPlan::default() });
        assert!(announcer.admit(at(0), "eth0", announcement(1, 2)));
        assert!(!announcer.admit(at(0), "eth0", announcement(2, 2)));
        assert!(!announcer.admit(at(0), "eth0", announcement(3, 2)));
        assert!(announcer.admit(at(0), "eth1", announcement(4, 3)), "another link has its own queue");
        assert_eq!(announcer.deadline(), Some(at(10)));
        assert_eq!(announcer.take_due(at(10)), [announcement(2, 2)]);
        assert_eq!(announcer.take_due(at(15)), []);
        assert_eq!(announcer.take_due(at(20)), [announcement(3, 2)]);
    }

    #[test]
    fn neighbour_advertisements_have_an_interval_of_their_own() {
        let mut announcer = Announcer::default();
        let settings = Settings { na_interval: Duration::from_millis(10), ..Settings::default() };
        announcer.replan(&RouterPlan { settings, ..RouterPlan::default() });
        let advertisement = |last: u16| Announcement {
            address: [0xfe80, 0, 0, 0, 0, 0, 0, last].into(),
            ..announcement(1, 2)
        };
        assert!(announcer.admit(at(0), "eth0", advertisement(1)));
        assert!(!announcer.admit(at(0), "eth0", advertisement(2)));
        assert!((0..100).all(|last| announcer.admit(at(0), "eth0", announcement(last, 2))), "ARP has none");
        assert_eq!(announcer.take_due(at(10)), [advertisement(2)]);
    }

    #[test]
    fn a_garp_group_shares_one_interval_among_its_links() {
        let mut announcer = Announcer::default();
        let limit = AnnounceLimit {
            interfaces: alloc::vec!["eth0".into(), "eth1".into()],
            garp_interval: Duration::from_millis(10),
            na_interval: Duration::ZERO,
        };
        announcer.replan(&RouterPlan { announce_limits: alloc::vec![limit], ..RouterPlan::default() });
        assert!(announcer.admit(at(0), "eth0", announcement(1, 2)));
        assert!(!announcer.admit(at(0), "eth1", announcement(2, 3)));
        announcer.forget(0);
        assert_eq!(announcer.deadline(), None);
    }
}
