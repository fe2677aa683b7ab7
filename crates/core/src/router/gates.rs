//! The gates the kernel is asked for: derived from plans, links and peers, and told anew whenever they differ.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::IpAddr;

use super::action::{Action, Actions, Subject};
use super::plan::Destination;
use super::reason::{Reason, State};
use super::report::{LeaseState, Resume};
use super::{Phase, Router};
use crate::lease::{Gate, GateId, GateLink, Guard};
use crate::time::{Duration, Instant};
use crate::vrrp::Instance;

/// Peers that become known within so long change the gates together: with a thousand instances, a thousand do so at once.
pub(super) const GATHERING: Duration = Duration::from_millis(10);

/// How long after a refusal the gates are tried again.
const RETRY: Duration = Duration::from_secs(60);

/// What was asked of the kernel.
#[derive(Debug, Clone, Default)]
pub(super) struct Gates {
    /// The number of each instance's gate, whether it has one or not.
    ids: Vec<GateId>,
    /// The gates last asked for; `None` before the first time and when they were refused.
    asked: Option<Arc<[Gate]>>,
    /// Something they depend on has changed.
    stale: bool,
    /// When to look at them anyway.
    look_at: Option<Instant>,
    /// The kernel would not make them.
    refused: bool,
    /// A gate was closed that may have to be opened again: they are asked for whether they differ or not.
    anew: bool,
    /// That was told.
    told: bool,
    refusals: u64,
}

impl Gates {
    /// Links, addresses or the plan have changed.
    pub(super) const fn touch(&mut self) {
        self.stale = true;
    }

    /// Something has changed for which this moment is soon enough.
    pub(super) fn look_at(&mut self, at: Instant) {
        self.look_at = Some(self.look_at.map_or(at, |known| known.min(at)));
    }

    /// Whether the kernel would not make them.
    pub(super) const fn are_refused(&self) -> bool {
        self.refused
    }

    /// How often the kernel would not make them.
    pub(super) const fn refusals(&self) -> u64 {
        self.refusals
    }

    /// When they are to be looked at.
    pub(super) const fn deadline(&self) -> Option<Instant> {
        self.look_at
    }

    /// Gives every instance the number of its gate.
    pub(super) fn number(&mut self, instances: &[Instance]) {
        let mut taken = BTreeSet::new();
        self.ids = instances.iter().map(|instance| free_id(&instance.plan.name, &mut taken)).collect();
        self.stale = true;
    }

    /// The gate of this instance, if the kernel was asked for one that adverts open and close; until when it was asked to
    /// be open from the beginning.
    fn of(&self, instance: usize) -> Option<(GateId, Option<Instant>)> {
        let id = *self.ids.get(instance)?;
        let asked = self.asked.as_deref()?;
        let place = asked.binary_search_by_key(&id, |gate| gate.id).ok()?;
        match asked[place].guard {
            Guard::Lease { until } => Some((id, until)),
            Guard::Open => None,
        }
    }
}

impl Router {
    /// Asks for the gates that are wanted if they are others than before. `begin` is where the orders of this step begin:
    /// a new gate stands before anything is answered for behind it, and one that goes stays until its addresses
    /// are gone.
    pub(super) fn settle_gates(&mut self, now: Instant, begin: usize, actions: &mut Actions) {
        let due = self.gates.look_at.is_some_and(|at| at <= now);
        // Before the kernel is listed nothing is known to be gone: what a predecessor left stands.
        let is_blind = matches!(self.phase, Phase::New | Phase::Leaving);
        if is_blind || !(self.gates.stale || due) {
            return;
        }
        if due {
            self.gates.look_at = None;
        }
        self.gates.stale = false;
        // Whether they can be made shows when it is tried.
        let was_refused = core::mem::take(&mut self.gates.refused);
        let wanted = if self.phase == Phase::Finished { Vec::new() } else { self.wanted_gates() };
        let before = self.gates.asked.as_deref();
        let anew = core::mem::take(&mut self.gates.anew);
        if !anew && before.is_some_and(|before| are_same(before, &wanted)) {
            self.gates.refused = was_refused;
            return;
        }
        let keeps = |gate: &Gate| wanted.binary_search_by_key(&gate.id, |wanted| wanted.id).is_ok();
        let none_goes = self.phase != Phase::Finished && before.is_none_or(|before| before.iter().all(keeps));
        let place = match actions.last() {
            _ if none_goes && !anew => begin,
            Some(Action::Finished) => actions.len() - 1,
            Some(_) | None => actions.len(),
        };
        let wanted: Arc<[Gate]> = wanted.into();
        self.gates.asked = Some(Arc::clone(&wanted));
        actions.insert(place, Action::SetGates(wanted));
        if was_refused {
            self.hint_all();
        }
    }

    /// The kernel would not make the gates: VRRP goes on without them, and they are tried again after a while.
    pub(super) fn gates_refused(&mut self, now: Instant, errno: i32, actions: &mut Actions) {
        self.gates.refusals += 1;
        self.gates.refused = true;
        self.gates.asked = None;
        self.gates.look_at(now + RETRY);
        if !core::mem::replace(&mut self.gates.told, true) {
            self.tell(now, Subject::Node, Reason::LeaseRefused { errno }, actions);
        }
    }

    /// Closes the gate of an instance that is no longer master and has not said so by priority 0. A gate that nothing
    /// closes stays open: no advert would open it again.
    pub(super) fn close_gate(&self, id: usize, actions: &mut Actions) {
        actions.extend(self.gates.of(id).map(|(gate, _)| Action::CloseGate(gate)));
    }

    /// Gates were asked for in the moment between an advert and its refusal: what was opened on its account is closed, and
    /// opened for as long as the advert before it counts.
    pub(super) fn close_what_opened_in_vain(&mut self, now: Instant, id: usize, actions: &mut Actions) {
        let Some((gate, Some(until))) = self.gates.of(id) else { return };
        if self.lease_end(id).is_none_or(|end| end < until) && until > now {
            actions.push(Action::CloseGate(gate));
            self.gates.anew = true;
            self.gates.stale = true;
        }
    }

    /// A master whose gate had closed before its process died (it was frozen, and then killed) may have been replaced:
    /// its successor begins as a backup.
    pub(super) fn give_up_lost_leases(&mut self, left: &mut Resume, open: &BTreeSet<IpAddr>) {
        let shared = self.shared_addresses();
        let mut lost = BTreeSet::new();
        for one in left.instances.iter().filter(|one| one.state == State::Master) {
            let Some(id) = self.instances.iter().position(|known| known.plan.name == one.name) else {
                continue;
            };
            self.instances[id].peers = one.peers.clone();
            let is_closed = self.gate(id, &shared).is_some_and(|gate| {
                matches!(gate.guard, Guard::Lease { .. })
                    && !gate.addresses.iter().any(|(_, address)| open.contains(address))
            });
            if is_closed {
                // A sync group moves together, here as everywhere.
                lost.extend(self.others(id).into_iter().chain([id]));
            }
        }
        for id in lost {
            let name = &self.instances[id].plan.name;
            let masters = left.instances.iter_mut().filter(|one| one.state == State::Master);
            masters.filter(|one| one.name == *name).for_each(|one| one.state = State::Backup);
        }
    }

    fn wanted_gates(&self) -> Vec<Gate> {
        let shared = self.shared_addresses();
        let mut gates: Vec<Gate> =
            (0..self.instances.len()).filter_map(|id| self.gate(id, &shared)).collect();
        gates.sort_by_key(|gate| gate.id);
        gates
    }

    fn gate(&self, id: usize, shared: &BTreeSet<IpAddr>) -> Option<Gate> {
        let instance = &self.instances[id];
        let plan = &instance.plan;
        let lease = plan.lease?;
        let link = self.gate_link(plan.interface.as_deref()?)?;
        let addresses: Vec<(GateLink, IpAddr)> = plan
            .addresses
            .iter()
            .chain(&plan.excluded_addresses)
            .filter_map(|address| Some((self.gate_link(&address.link)?, address.address)))
            .filter(|(_, address)| !shared.contains(address))
            .collect();
        if addresses.is_empty() {
            return None;
        }
        let guard = match self.lease_state(id) {
            LeaseState::Armed => Guard::Lease { until: instance.gate_open_until(lease.length) },
            LeaseState::NoPeer | LeaseState::Off => Guard::Open,
        };
        Some(Gate {
            id: self.gates.ids[id],
            instance: Arc::clone(&instance.name),
            link,
            family: plan.family,
            vrid: plan.vrid.get(),
            in_ah: instance.password().is_some(),
            destinations: match &plan.destination {
                Destination::Multicast(group) => Vec::from([*group]),
                Destination::Unicast { peers, .. } => peers.iter().map(|peer| peer.address).collect(),
            },
            addresses,
            lease: lease.length,
            guard,
        })
    }

    /// A link a gate can stand on: one that exists, and does not lead to ourselves.
    fn gate_link(&self, name: &str) -> Option<GateLink> {
        let known = self.kernel.by_name(name)?;
        let is_loopback = known.link.no_arp && known.link.mac == Some([0; 6]);
        (!is_loopback).then(|| GateLink { index: known.link.index, name: String::from(name) })
    }

    /// Addresses that more than one instance has (on whatever links: the kernel keeps one list of open addresses), or that
    /// are there as long as the daemon runs: the gate of one would shut out the other.
    fn shared_addresses(&self) -> BTreeSet<IpAddr> {
        let mut users: BTreeMap<IpAddr, u32> = BTreeMap::new();
        let of_plans = self.instances.iter().flat_map(|instance| {
            instance.plan.addresses.iter().chain(&instance.plan.excluded_addresses).map(|own| (own, 1))
        });
        let of_node = self.static_entries.addresses.iter().map(|own| (own, 2));
        for (address, count) in of_plans.chain(of_node) {
            *users.entry(address.address).or_default() += count;
        }
        users.into_iter().filter(|(_, count)| *count > 1).map(|(address, _)| address).collect()
    }
}

/// Whether they ask the same of the kernel. When a lease was last renewed is no part of it: adverts see to that.
fn are_same(before: &[Gate], wanted: &[Gate]) -> bool {
    let kind = |guard| match guard {
        Guard::Open => Guard::Open,
        Guard::Lease { .. } => Guard::Lease { until: None },
    };
    before.len() == wanted.len()
        && before.iter().zip(wanted).all(|(one, other)| {
            kind(one.guard) == kind(other.guard)
                && Gate { guard: Guard::Open, ..one.clone() } == Gate { guard: Guard::Open, ..other.clone() }
        })
}

/// FNV-1a (32 bits) of the name, or the next number that is free.
fn free_id(name: &str, taken: &mut BTreeSet<GateId>) -> GateId {
    let step = |hash: u32, byte: u8| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
    let mut id = name.bytes().fold(0x811c_9dc5, step);
    while !taken.insert(GateId(id)) {
        id = id.wrapping_add(1);
    }
    GateId(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_a_gate_is_the_hash_of_its_name() {
        // Reference values of FNV-1a, 32 bits (draft-eastlake-fnv).
        let mut taken = BTreeSet::new();
        assert_eq!(free_id("a", &mut taken), GateId(0xe40c_292c));
        assert_eq!(free_id("foobar", &mut taken), GateId(0xbf9c_f968));
    }

    #[test]
    fn equal_hashes_get_numbers_of_their_own() {
        let mut taken = BTreeSet::new();
        let first = free_id("VI_1", &mut taken);
        assert_eq!(free_id("VI_1", &mut taken), GateId(first.0.wrapping_add(1)));
    }
}
