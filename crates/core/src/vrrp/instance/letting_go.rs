//! Preempting only when nothing of an earlier mastership is left. No RFC has this: it is for a router with a VIP lease.
//!
//! A router that gave up has ordered its addresses to be removed. Where it is starved, or somebody holds the kernel's lock,
//! that can take longer than a master-down interval; its gate is closed meanwhile. The first advert of a new mastership
//! would open the gate while the master it preempts still answers. So it waits until the kernel is done. The other one
//! serves as long as that takes. If it falls silent, nobody is preempted and nothing is waited for.

use super::{Instance, Machine, Stage};
use crate::time::Instant;

impl Instance {
    /// Begins to wait; false if there is no master that would be preempted.
    pub fn let_go_first(&mut self, now: Instant) -> bool {
        let heard = self.last_heard.map_or(now, |heard| heard.at);
        let until = heard + self.master_down_interval();
        if now < until {
            self.set_stage(Stage::LettingGo { until });
        }
        now < until
    }

    /// Whether it waits.
    #[must_use]
    pub const fn lets_go_first(&self) -> bool {
        matches!(&self.machine, Machine::Backup { stage: Stage::LettingGo { .. }, .. })
    }

    /// The kernel is done: the timer that has fired counts again.
    pub const fn has_let_go(&mut self) {
        self.set_stage(Stage::Timer);
    }
}
