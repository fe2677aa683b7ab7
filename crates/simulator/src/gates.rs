//! The gates of the VIP lease in a modelled kernel: what an nftables set with timeouts does, on the kernel's own clock.
//!
//! Adverts that leave open a gate for the length of the lease, one of priority 0 closes it, and so does time, whether
//! the process runs, stands still or is dead. Time is counted in jiffies, rounded down twice: once when the advert
//! leaves and once in the length, so that a gate closes up to two of them early and never late.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use mainstay_core::lease::{Gate, GateId, Guard};
use mainstay_core::time::Instant;

use crate::kernel::INDEX;

/// A jiffy at `CONFIG_HZ=250`, which distributions use.
const JIFFY: u64 = 4_000_000;

/// All gates of one kernel.
#[derive(Debug, Default)]
pub struct Gates(Vec<(Gate, Door)>);

/// How a gate stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Door {
    /// Open, and time does not close it.
    Open,
    /// An advert opened it until then.
    Until(Jiffies),
    /// It was made open until then, for an advert that had left before. Orders to a slow kernel come late: more adverts may
    /// have left since, which nobody saw.
    Given(Jiffies),
    /// Closed.
    Closed,
}

impl Door {
    fn is_open(self, now: Instant) -> bool {
        match self {
            Self::Open => true,
            Self::Until(until) | Self::Given(until) => until > Jiffies::of(now),
            Self::Closed => false,
        }
    }
}

/// The kernel's time as it counts it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Jiffies(u64);

impl Jiffies {
    const fn of(now: Instant) -> Self {
        Self(now.as_nanos() / JIFFY)
    }

    /// When a timeout that is set at `now` is over.
    const fn after(now: Instant, timeout: Duration) -> Self {
        Self(Self::of(now).0 + timeout.as_nanos() as u64 / JIFFY)
    }

    const fn begins(self) -> Instant {
        Instant::from_nanos(self.0 * JIFFY)
    }
}

impl Gates {
    /// No gate.
    #[must_use]
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Makes the gates what is asked for. A gate that is open stays open as long as it was, a closed one closed, except
    /// that an advert younger than the lease opens it for the rest of that.
    pub fn set(&mut self, now: Instant, wanted: &[Gate]) {
        let before = std::mem::take(&mut self.0);
        let door = |gate: &Gate| {
            let known = before.iter().find(|(known, _)| known.id == gate.id).map(|(_, door)| *door);
            let rest = |until: Instant| until.saturating_since(now);
            let is_open = |until: Jiffies| until > Jiffies::of(now);
            match (gate.guard, known) {
                (Guard::Open, _) => Door::Open,
                (Guard::Lease { .. }, Some(door @ (Door::Until(until) | Door::Given(until))))
                    if is_open(until) =>
                {
                    door
                }
                (Guard::Lease { until: Some(until) }, _) if !rest(until).is_zero() => {
                    Door::Given(Jiffies::after(now, rest(until)))
                }
                (Guard::Lease { .. }, _) => Door::Closed,
            }
        };
        self.0 = wanted.iter().map(|gate| (gate.clone(), door(gate))).collect();
    }

    /// Closes one at once, unless nothing is to close it.
    pub fn close(&mut self, id: GateId) {
        for (gate, door) in &mut self.0 {
            if gate.id == id && gate.guard != Guard::Open {
                *door = Door::Closed;
            }
        }
    }

    /// An advert leaves by the node's link. A gate whose lease does not count takes no notice. Whether any was opened or
    /// closed by it, and not just kept open.
    pub fn advert_leaves(&mut self, now: Instant, destination: IpAddr, vrid: u8, priority: u8) -> bool {
        let mut changed = false;
        for (gate, door) in &mut self.0 {
            let is_of =
                gate.link.index == INDEX && gate.vrid == vrid && gate.destinations.contains(&destination);
            if is_of && gate.guard != Guard::Open {
                let until = Jiffies::after(now, gate.lease);
                let next = if priority == 0 { Door::Closed } else { Door::Until(until) };
                changed |= door.is_open(now) != next.is_open(now);
                *door = next;
            }
        }
        changed
    }

    /// Whether packets for this address pass; nothing stops them where no gate is.
    #[must_use]
    pub fn let_through(&self, now: Instant, address: IpAddr) -> bool {
        self.0.iter().filter(|(gate, _)| stands_before(gate, address)).all(|(_, door)| door.is_open(now))
    }

    /// Whether a gate with a lease that counts stands before this address.
    #[must_use]
    pub fn are_armed(&self, address: IpAddr) -> bool {
        self.0.iter().any(|(gate, _)| stands_before(gate, address) && gate.guard != Guard::Open)
    }

    /// Since when a gate before this address is closed because its last advert is too old.
    #[must_use]
    pub fn lapsed_since(&self, now: Instant, address: IpAddr) -> Option<Instant> {
        let before = self.0.iter().filter(|(gate, _)| stands_before(gate, address));
        let lapsed = before.filter_map(|(_, door)| match door {
            Door::Until(until) if *until <= Jiffies::of(now) => Some(until.begins()),
            Door::Until(_) | Door::Given(_) | Door::Open | Door::Closed => None,
        });
        lapsed.min()
    }

    /// When the next gate closes, if nothing is sent before.
    #[must_use]
    pub fn next_to_close(&self, now: Instant) -> Option<Instant> {
        let until = self.0.iter().filter_map(|(_, door)| match door {
            Door::Until(until) | Door::Given(until) if *until > Jiffies::of(now) => Some(until.begins()),
            Door::Until(_) | Door::Given(_) | Door::Open | Door::Closed => None,
        });
        until.min()
    }

    /// Those of these addresses whose gates are open; `None` if there is no gate.
    #[must_use]
    pub fn open_addresses(&self, now: Instant) -> Option<BTreeSet<IpAddr>> {
        let behind = self.0.iter().flat_map(|(gate, _)| &gate.addresses).map(|(_, address)| *address);
        (!self.0.is_empty()).then(|| behind.filter(|address| self.let_through(now, *address)).collect())
    }

    /// Whether there is any.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A reboot: there is none.
    pub fn clear(&mut self) {
        self.0.clear();
    }
}

fn stands_before(gate: &Gate, address: IpAddr) -> bool {
    gate.addresses.iter().any(|(_, behind)| *behind == address)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use mainstay_core::address::Family;
    use mainstay_core::lease::GateLink;

    use super::*;

    const VIP: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 100, 1));
    const GROUP: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(224, 0, 0, 18));

    fn gate(guard: Guard) -> Gate {
        let link = GateLink { index: INDEX, name: "eth0".into() };
        Gate {
            id: GateId(7),
            instance: Arc::from("R1"),
            link: link.clone(),
            family: Family::V4,
            vrid: 10,
            in_ah: false,
            destinations: vec![GROUP],
            addresses: vec![(link, VIP)],
            lease: Duration::from_millis(2500),
            guard,
        }
    }

    fn at(milliseconds: u64) -> Instant {
        Instant::from_nanos(milliseconds * 1_000_000)
    }

    fn with(guard: Guard) -> Gates {
        let mut gates = Gates::default();
        gates.set(at(1000), &[gate(guard)]);
        gates
    }

    #[test]
    fn an_advert_opens_a_gate_for_the_lease_and_priority_0_closes_it() {
        let mut gates = with(Guard::Lease { until: None });
        assert!(!gates.let_through(at(1000), VIP));
        assert!(gates.advert_leaves(at(1003), GROUP, 10, 100), "it opens");
        assert!(gates.let_through(at(3499), VIP));
        assert!(!gates.let_through(at(3503), VIP), "never late");
        assert_eq!(gates.next_to_close(at(1003)), Some(at(3500)), "up to two jiffies early");
        assert!(!gates.advert_leaves(at(3200), GROUP, 10, 100), "it was open");
        assert!(gates.advert_leaves(at(3400), GROUP, 10, 0), "it closes");
        assert!(!gates.let_through(at(3400), VIP));
    }

    #[test]
    fn adverts_of_another_router_or_to_another_place_open_nothing() {
        let mut gates = with(Guard::Lease { until: None });
        assert!(!gates.advert_leaves(at(1000), GROUP, 11, 100));
        assert!(!gates.advert_leaves(at(1000), VIP, 10, 100));
        assert!(!gates.let_through(at(1000), VIP));
    }

    #[test]
    fn an_open_gate_stays_open_until_its_lease_counts() {
        let mut gates = with(Guard::Open);
        assert!(!gates.advert_leaves(at(1000), GROUP, 10, 0));
        assert!(gates.let_through(at(900_000), VIP) && !gates.are_armed(VIP));
        gates.set(at(900_000), &[gate(Guard::Lease { until: Some(at(901_500)) })]);
        assert!(gates.let_through(at(901_000), VIP) && gates.are_armed(VIP));
        assert!(!gates.let_through(at(901_500), VIP));
        gates.set(at(902_000), &[gate(Guard::Open)]);
        gates.close(GateId(7));
        assert!(!gates.advert_leaves(at(902_000), GROUP, 10, 100));
        assert!(gates.let_through(at(902_000), VIP), "no advert would open it again");
    }

    #[test]
    fn a_gate_that_is_set_again_stays_open_as_long_as_it_was() {
        let mut gates = with(Guard::Lease { until: Some(at(3500)) });
        gates.set(at(3000), &[gate(Guard::Lease { until: None })]);
        assert!(gates.let_through(at(3499), VIP) && !gates.let_through(at(3500), VIP));
        gates.set(at(4000), &[]);
        assert!(gates.let_through(at(4000), VIP), "no gate, nothing in the way");
    }
}
