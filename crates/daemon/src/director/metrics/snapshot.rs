//! Everything a page of metrics is written from.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use mainstay_core::director;
use mainstay_core::router::report::InstanceReport;
use mainstay_core::time::Instant;
use mainstay_system::clock;
use mainstay_system::ipvs::Listing;

use crate::measures::{Identity, Measures};

/// Plain values of all three processes and the kernel, from about one moment.
#[derive(Debug)]
pub struct Snapshot {
    /// When, on the clock all three processes share.
    pub now: Instant,
    /// The same moment since 1970.
    pub wall: Duration,
    /// Virtual servers.
    pub director: director::Report,
    /// What the supervisor and the router said; `None` if they did not in time.
    pub measures: Option<Measures>,
    /// The kernel's table with its counters, if there is one.
    pub table: Option<Listing>,
}

impl Snapshot {
    /// What was told just now.
    pub fn new(director: director::Report, measures: Option<Measures>, table: Option<Listing>) -> Self {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { now: clock::now(), wall, director, measures, table }
    }

    /// Instances with what the configuration says of each.
    pub fn instances(&self) -> impl Iterator<Item = (&InstanceReport, &Identity)> {
        self.measures.iter().flat_map(|measures| {
            measures.router.iter().flat_map(|report| report.instances.iter().zip(&measures.identities))
        })
    }

    /// A moment since 1970, in seconds.
    pub fn unix(&self, at: Instant) -> f64 {
        self.wall.saturating_sub(self.now.saturating_since(at)).as_secs_f64()
    }
}
