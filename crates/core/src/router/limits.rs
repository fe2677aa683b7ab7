//! How often something that a stranger can cause is told: at most once a minute for one (instance, source, reason).

use alloc::vec::Vec;
use core::net::IpAddr;

use super::agenda::{Agenda, Dated};
use crate::bfd::BfdRejection;
use crate::heartbeat::HeartbeatRejection;
use crate::time::{Duration, Instant};
use crate::vrrp::packet::Rejection;

/// Time between two tellings of the same.
const QUIET: Duration = Duration::from_secs(60);

/// How many sources are told apart; the packets of further ones are counted together.
const MOST_KEYS: usize = 64;

/// What may be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Noise {
    /// A packet was rejected.
    Rejected(Rejection),
    /// A heartbeat was not believed.
    Heartbeat(HeartbeatRejection),
    /// A BFD control packet was discarded.
    ControlPacket(BfdRejection),
    /// A master of lower priority was heard.
    LowerPriority,
    /// The kernel would not send an advert.
    SendRefused,
    /// Our own loop was late.
    Late,
    /// Something of ours was removed and put back.
    Restored,
}

/// Whom and what it is about. `instance` is `None` for packets that belong to none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// Index of the instance.
    pub instance: Option<usize>,
    /// IP source; `None` counts all sources together.
    pub source: Option<IpAddr>,
    /// What.
    pub noise: Noise,
}

/// The memory of what was told when.
#[derive(Debug, Clone, Default)]
pub struct Limits {
    told: Agenda<Key, Told>,
}

#[derive(Debug, Clone)]
struct Told {
    quiet_until: Instant,
    suppressed: u64,
}

impl Dated for Told {
    fn due(&self) -> Instant {
        self.quiet_until
    }
}

impl Limits {
    /// Counts one; returns how many to tell of now (this one and those kept quiet before), or `None` to keep quiet.
    pub fn admit(&mut self, now: Instant, mut key: Key) -> Option<(Key, u64)> {
        if !self.told.contains_key(&key) && self.told.len() >= MOST_KEYS {
            key.source = None;
        }
        self.told.change(|all| {
            let told = all.entry(key).or_insert(Told { quiet_until: now, suppressed: 0 });
            told.suppressed += 1;
            if now < told.quiet_until {
                return None;
            }
            told.quiet_until = now + QUIET;
            Some((key, core::mem::take(&mut told.suppressed)))
        })
    }

    /// When something kept quiet is to be told.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.told.next()
    }

    /// Takes what was kept quiet and is due, with its count; forgets sources that went silent.
    pub fn take_due(&mut self, now: Instant) -> Vec<(Key, u64)> {
        let mut due = Vec::new();
        if !self.told.is_due(now) {
            return due;
        }
        self.told.change(|all| {
            all.retain(|key, told| {
                if now < told.quiet_until {
                    return true;
                }
                if told.suppressed == 0 {
                    return false;
                }
                due.push((*key, core::mem::take(&mut told.suppressed)));
                told.quiet_until = now + QUIET;
                true
            });
        });
        due
    }

    /// Forgets everything about instances: their indices change with a reload.
    pub fn clear(&mut self) {
        self.told = Agenda::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(last: u8) -> Key {
        let source = Some(IpAddr::from([10, 0, 0, last]));
        Key { instance: Some(0), source, noise: Noise::Rejected(Rejection::Checksum) }
    }

    #[test]
    fn a_flood_is_told_once_a_minute_with_its_count() {
        let mut limits = Limits::default();
        let mut told = Vec::new();
        for packet in 0..90_000_u64 {
            let now = Instant::ZERO + Duration::from_millis(packet * 2);
            told.extend(limits.admit(now, key(1)).map(|(_, count)| count));
        }
        assert_eq!(told, [1, 30_000, 30_000]);
        let later = Instant::ZERO + Duration::from_secs(181);
        assert_eq!(limits.take_due(later), [(key(1), 29_999)]);
        assert_eq!(limits.take_due(later + QUIET), []);
        assert_eq!(limits.deadline(), None, "a source that went silent is forgotten");
    }

    #[test]
    fn a_flood_from_random_sources_does_not_grow_without_bound() {
        let mut limits = Limits::default();
        for source in 0..100_000_u32 {
            let source = Some(IpAddr::from(source.to_be_bytes()));
            let _ = limits.admit(Instant::ZERO, Key { source, ..key(1) });
        }
        assert!(limits.told.len() <= MOST_KEYS + 1);
    }
}
