//! Masterships in their order (S4 of reference/ha.md section 3.5).
//!
//! VRRP has no epochs on the wire; what there is: masterships that begin and end, lives of a process, and the turns of its
//! heartbeats. Of a mastership that is over nothing is said any more: no advert leaves, and no announcement once the
//! orders given before it ended are done. Lives and turns only grow.

use std::net::IpAddr;
use std::time::Duration;

use mainstay_core::router::{Action, Advert, State};

use crate::daemon::name;
use crate::fault::NodeId;
use crate::hearsay::read_turn;
use crate::moment::Moment;
use crate::scenario::Kind;
use crate::world::World;

/// Orders that were given before a mastership ended are done by then, a burst of announcements for each address.
const RELEASE: Duration = Duration::from_millis(50);

/// The last heartbeat of each node.
#[derive(Debug, Clone, Copy, Default)]
pub struct LastWord {
    at: Moment,
    life: u64,
    turn: u64,
}

impl World {
    /// No advert of a mastership that is over.
    pub(crate) fn check_epoch(&mut self, id: NodeId, router: usize, advert: &Advert) {
        if advert.payload.get(2) == Some(&0) || self.judge.pace.is_trying(id, router) {
            return;
        }
        let Some(over) = self.mastership_over(id, router) else { return };
        // Of one turn of a late loop everything leaves late.
        if over > RELEASE + self.nodes[id].loop_delay && self.judge.all_is_on_time(self.now) {
            let what = format!(
                "{} advertises as master of router {}, which it is not for {over:?}",
                name(id),
                router + 1
            );
            self.judge.violate(self.now, "S4", what);
        }
    }

    /// No announcement of a mastership that is over.
    pub(crate) fn check_announcement(&mut self, id: NodeId, address: IpAddr) {
        let of_router = |router: &usize| {
            (0..=self.scenario.addresses)
                .any(|number| self.scenario.virtual_address(*router, number) == address)
        };
        let Some(router) = (0..self.scenario.routers).find(of_router) else { return };
        let Some(over) = self.mastership_over(id, router) else { return };
        // The order to give the address up still waits behind it: a node that froze twice may not have come that far. (TODO-correctness: such an
        // announcement is out of date when it leaves; an order to announce has no moment after which it is void.)
        let releases = |order: &Action| matches!(order, Action::RemoveAddress(old) if old.address == address);
        let given_before = self.nodes[id].effects.iter().any(releases);
        if over > RELEASE && !given_before && !self.judge.kernels_are_slow(self.now) {
            let what = format!("{} announces {address}, whose master it is not for {over:?}", name(id));
            self.judge.violate(self.now, "S4", what);
        }
    }

    /// For how long a router of a Mainstay node that takes part is no master any more.
    fn mastership_over(&self, id: NodeId, router: usize) -> Option<Duration> {
        let node = &self.nodes[id];
        if node.kind != Kind::Mainstay || !matches!(self.states_of(id).get(router), Some((State::Backup, _)))
        {
            return None;
        }
        let since = self.judge.pace.backup_since(id, router)?;
        Some(node.clock.read(self.now).saturating_since(since))
    }

    /// Lives and turns of a node grow; heartbeats of one turn are of one moment.
    pub(crate) fn check_turn(&mut self, id: NodeId, heartbeat: &[u8]) {
        let Some((life, turn)) = read_turn(heartbeat) else {
            return self.judge.violate(self.now, "S4", format!("{} says what is no heartbeat", name(id)));
        };
        let at = self.now;
        let last = std::mem::replace(&mut self.last_words[id], LastWord { at, life, turn });
        let same = (life, turn) == (last.life, last.turn) && at == last.at;
        if (life, turn) <= (last.life, last.turn) && !same {
            let what = format!("{} says turn {turn} of life {life:x} after {last:?}", name(id));
            self.judge.violate(self.now, "S4", what);
        }
    }
}
