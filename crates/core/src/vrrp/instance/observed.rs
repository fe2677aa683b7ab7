//! What metrics want to know of the adverts of others. It decides nothing.

use core::net::IpAddr;

use super::Instance;
use crate::histogram::Histogram;
use crate::router::reason::State;
use crate::time::{Duration, Instant};

/// What was observed since the process began.
#[derive(Debug, Clone, Default)]
pub struct Observed {
    /// Time between two adverts of the same master, while we were its backup.
    gaps: Histogram,
    /// The last of them.
    last: Option<(IpAddr, Instant)>,
    /// How long we were master and heard another master.
    contested: Duration,
    /// When we last heard it.
    rival: Option<Instant>,
}

impl Observed {
    /// Time between two adverts of the same master.
    #[must_use]
    pub const fn gaps(&self) -> &Histogram {
        &self.gaps
    }

    /// How long we were master and heard another master.
    #[must_use]
    pub const fn contested(&self) -> Duration {
        self.contested
    }
}

impl Instance {
    /// An advert was accepted. Two of them make a gap if one master sent both and we were backup all the time: a stay in
    /// another state is no silence of the master's.
    pub fn observe_advert(&mut self, now: Instant, source: IpAddr, priority: u8) {
        let before = self.observed.last.take();
        if self.state() != State::Backup || priority == 0 {
            return;
        }
        if let Some((of, at)) = before
            && of == source
            && at >= self.since
        {
            self.observed.gaps.count(now.saturating_since(at));
        }
        self.observed.last = Some((source, now));
    }

    /// As master we heard another master, and stay. The time since we last heard one counts, if it was in this mastership
    /// and no longer ago than a master may be silent: so one advert that was on its way counts nothing.
    pub fn observe_rival(&mut self, now: Instant, interval: Duration) {
        let silence = self.plan.advert_interval.max(interval) * 3;
        let before = self.observed.rival.replace(now).filter(|at| *at >= self.since);
        let gap = before.map_or(Duration::ZERO, |at| now.saturating_since(at));
        if gap <= silence {
            self.observed.contested = self.observed.contested.saturating_add(gap);
        }
    }
}
