//! The VIP lease as the router sees it: whether it counts, and what becomes of a master whose lease is over.
//!
//! The kernel closes the gate of a master whose last advert is too old (see [`crate::lease`]). A master that comes back
//! after that, however it was held up, has been replaced for all it knows: it is a backup before anything
//! else, and judges what is waiting for it as one. [`Router::step`] sees to that in one place, for every input.

use core::net::IpAddr;

use super::action::Actions;
use super::peers::{self, Told};
use super::reason::{Cause, Reason, State};
use super::report::LeaseState;
use super::{Router, gates};
use crate::time::{Duration, Instant};

/// How long a router that preempts a living master waits between its first advert and taking the addresses.
///
/// The other one hears the advert, yields and closes its gate: a wake-up of its loop (which naps for a millisecond when
/// busy) and one short system call, two milliseconds on a slow machine. Five times that, during which nobody answers,
/// costs a client less than two that answer.
const PREEMPTION_PAUSE: Duration = Duration::from_millis(10);

/// Never more than this part of an advert interval: at 10 ms peers wait 30 ms, and all is to be done by then.
const PART_OF_INTERVAL: u32 = 4;

impl Router {
    /// Every master whose lease is over gives up. Called before any fact is judged.
    pub(super) fn expire_leases(&mut self, now: Instant, actions: &mut Actions) {
        while let Some(id) = self.lease_ends.take_due(now) {
            if self.lease_end(id).is_some_and(|end| end <= now) {
                let counted_from = self.instances[id].lease_counts_from().unwrap_or(now);
                self.instances[id].counters.leases_expired += 1;
                let cause = Cause::LeaseExpired { age: now.saturating_since(counted_from) };
                self.enter(now, id, State::Backup, cause, actions);
            }
            self.hint(id);
        }
    }

    /// How long an advert of this instance keeps its gate open, if its lease counts.
    pub(super) fn lease_in_force(&self, id: usize) -> Option<Duration> {
        match self.lease_state(id) {
            LeaseState::Armed => self.instances[id].plan.lease.map(|lease| lease.length),
            LeaseState::Off | LeaseState::NoPeer => None,
        }
    }

    pub(super) fn lease_state(&self, id: usize) -> LeaseState {
        let instance = &self.instances[id];
        match instance.plan.lease {
            Some(_) if self.gates.are_refused() => LeaseState::Off,
            Some(lease) if lease.only_if_peer_seen && !instance.peers.any_living() => LeaseState::NoPeer,
            Some(_) => LeaseState::Armed,
            None => LeaseState::Off,
        }
    }

    /// When this master has to have given up, unless another advert leaves before.
    pub(super) fn lease_end(&self, id: usize) -> Option<Instant> {
        self.instances[id].lease_end(self.lease_in_force(id)?)
    }

    /// How long this router holds back after having preempted a living master. Nobody is to let go after silence, and
    /// one that resigned has let go.
    pub(super) fn preemption_pause(&self, id: usize, cause: &Cause) -> Option<Duration> {
        let plan = &self.instances[id].plan;
        // An owner that starts does not ask whether there is a master.
        let preempts = matches!(cause, Cause::Preempted { .. } | Cause::Owner);
        let counts = self.lease_state(id) != LeaseState::Off;
        (preempts && counts).then(|| PREEMPTION_PAUSE.min(plan.advert_interval / PART_OF_INTERVAL))
    }

    /// Whether this router would preempt a living master while its kernel may still have an address that it, or a member
    /// of its group, gave up before: its first advert opens the gate, and two would answer. It happens where a router is
    /// starved or the kernel's lock is held: the order to remove the address waits in the effects lane. After silence
    /// nobody else answers, and what is still there is welcome.
    pub(super) fn must_let_go_first(&self, id: usize, cause: &Cause) -> bool {
        let is_behind =
            |member: &usize| self.preemption_pause(*member, cause).is_some() && self.is_letting_go(*member);
        is_behind(&id) || self.others(id).iter().any(is_behind)
    }

    fn is_letting_go(&self, id: usize) -> bool {
        let plan = &self.instances[id].plan;
        let mut addresses = plan.addresses.iter().chain(&plan.excluded_addresses);
        addresses.any(|own| self.holdings.is_leaving(own.address))
    }

    /// An order to remove an address was carried out: whoever waited for that is asked again.
    pub(super) fn address_released(&mut self, address: IpAddr) {
        self.holdings.released(address);
        for id in 0..self.instances.len() {
            let waits = self.instances[id].lets_go_first();
            if waits
                && !self.is_letting_go(id)
                && !self.others(id).into_iter().any(|id| self.is_letting_go(id))
            {
                self.instances[id].has_let_go();
                self.hint(id);
            }
        }
    }

    /// An advert of another router was accepted: it is alive, or leaves. A lease may count from now on, or no more.
    pub(super) fn peer_heard(
        &mut self,
        now: Instant,
        id: usize,
        source: IpAddr,
        priority: u8,
        actions: &mut Actions,
    ) {
        let before = self.lease_state(id);
        self.instances[id].peers.heard(now, source, priority);
        self.peers_changed(now, id, before, source, actions);
    }

    /// A heartbeat told of another router: the same. False if what it says is old.
    pub(super) fn peer_told(
        &mut self,
        now: Instant,
        id: usize,
        (source, path): (IpAddr, u8),
        told: Told,
        actions: &mut Actions,
    ) -> bool {
        let before = self.lease_state(id);
        let is_news = self.instances[id].peers.told(source, path, told);
        self.peers_changed(now, id, before, source, actions);
        is_news
    }

    /// Routers whose heartbeats have ended are gone. There may be a thousand instances: all of them are looked at only when
    /// there can be such a router. Whoever speaks after this look is silent later than whoever speaks now.
    pub(super) fn forget_silent_peers(&mut self, now: Instant, actions: &mut Actions) {
        if now < self.no_silence_before {
            let speaks = |peers: &peers::Peers| peers.silent_at().is_none_or(|at| now < at);
            debug_assert!(self.instances.iter().all(|instance| speaks(&instance.peers)));
            return;
        }
        let mut next = now + peers::REMEMBERED;
        for id in 0..self.instances.len() {
            let before = self.lease_state(id);
            if let Some(last) = self.instances[id].peers.take_silent(now) {
                self.peers_changed(now, id, before, last, actions);
            }
            next = self.instances[id].peers.silent_at().map_or(next, |at| next.min(at));
        }
        self.no_silence_before = next;
    }

    fn peers_changed(
        &mut self,
        now: Instant,
        id: usize,
        before: LeaseState,
        peer: IpAddr,
        actions: &mut Actions,
    ) {
        let after = self.lease_state(id);
        if before == after {
            return;
        }
        let reason = match after {
            LeaseState::Armed => Reason::LeaseArmed { peer },
            LeaseState::NoPeer | LeaseState::Off => Reason::LeaseWithoutPeer,
        };
        let subject = self.subject(id);
        self.tell(now, subject, reason, actions);
        self.gates.look_at(now + gates::GATHERING);
        self.hint(id);
    }
}
