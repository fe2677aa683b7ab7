//! Which orders may share a system call.
//!
//! A thousand instances that become master together order: address, announcement, notification, address,
//! announcement, notification, ... Done one by one that is a thousand round trips to the kernel. A [`Segment`] holds a
//! run of orders of which all changes to the kernel are made first, then all announcements, then all tellings. That
//! keeps what the protocol asks for each instance (addresses, routes, rules, announcement, notification), because a
//! removal behind an announcement or a telling starts a new segment: nothing is taken away before it was
//! announced, and nobody is told of a later state before an earlier one.

use std::net::IpAddr;
use std::sync::Arc;

use mainstay_core::address::{LinkIndex, NoAccept};
use mainstay_core::lease::{Gate, GateId};
use mainstay_core::link::{FoundSetting, VirtualLink};
use mainstay_core::router::{Action, Event, Notification};
use mainstay_system::netlink::Change;

/// Orders that are performed together.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Segment {
    /// Links that are made or removed, in order, before anything else: all the rest may be about them.
    pub links: Vec<LinkOrder>,
    /// Gates, in order, before addresses: an address is taken away behind a closed gate.
    pub gates: Vec<GateOrder>,
    /// Changes to the kernel, in order.
    pub changes: Vec<Change>,
    /// Links to be given `promote_secondaries`, before anything else: it must be on before an address goes.
    pub promotions: Vec<String>,
    /// Announcements, in order: link, hardware address, address.
    pub announcements: Vec<(LinkIndex, [u8; 6], IpAddr)>,
    /// What is told when all that is done, in order.
    pub tellings: Vec<Telling>,
}

/// What is to become of the gates of the VIP lease.
#[derive(Debug, PartialEq, Eq)]
pub enum GateOrder {
    /// These, and no others.
    Become(Arc<[Gate]>),
    /// One is closed.
    Close(GateId),
}

/// What is to become of a link for virtual addresses.
#[derive(Debug, PartialEq, Eq)]
pub enum LinkOrder {
    /// It is made.
    Make(Arc<VirtualLink>),
    /// It is removed.
    Remove(Arc<VirtualLink>),
    /// Settings get back the values they had.
    Restore(Arc<[FoundSetting]>),
    /// These addresses take no packets, whatever link they are on.
    NoAccept(Arc<[NoAccept]>),
}

/// Something to be told.
#[derive(Debug, PartialEq, Eq)]
pub enum Telling {
    Notify(Notification),
    Tell(Event),
}

/// Orders that are performed together at most, so that the first of many does not wait for the last.
const LENGTH: usize = 1024;

/// Splits orders into segments. Orders that are the loop's own business are not given to this function; should one be,
/// it is left out.
pub fn segments(orders: impl IntoIterator<Item = Action>) -> Vec<Segment> {
    let mut segments = vec![Segment::default()];
    let mut length = 0;
    for order in orders {
        let order = match Order::from(order) {
            Some(order) => order,
            None => continue,
        };
        let full = length == LENGTH;
        if let Some(current) = segments.last()
            && (full || order.must_wait_for(current))
        {
            segments.push(Segment::default());
            length = 0;
        }
        if let Some(current) = segments.last_mut() {
            current.push(order);
            length += 1;
        }
    }
    segments
}

enum Order {
    Link(LinkOrder),
    Gate(GateOrder),
    Change(Change),
    Promote(String),
    Announce(LinkIndex, [u8; 6], IpAddr),
    Say(Telling),
}

impl Order {
    fn from(action: Action) -> Option<Self> {
        Some(match action {
            Action::AddAddress(address) => Self::Change(Change::AddAddress(address)),
            Action::RemoveAddress(address) => Self::Change(Change::RemoveAddress(address)),
            Action::AddRoute(route) => Self::Change(Change::AddRoute(route)),
            Action::RemoveRoute(route) => Self::Change(Change::RemoveRoute(route)),
            Action::AddRule(rule) => Self::Change(Change::AddRule(rule)),
            Action::RemoveRule(rule) => Self::Change(Change::RemoveRule(rule)),
            Action::Announce { link, mac, address } => Self::Announce(link, mac, address),
            Action::PromoteSecondaries(link) => Self::Promote(link),
            Action::MakeLink(link) => Self::Link(LinkOrder::Make(link)),
            Action::RemoveLink(link) => Self::Link(LinkOrder::Remove(link)),
            Action::SetNoAccept(addresses) => Self::Link(LinkOrder::NoAccept(addresses)),
            Action::RestoreSettings(found) => Self::Link(LinkOrder::Restore(found)),
            Action::SetGates(gates) => Self::Gate(GateOrder::Become(gates)),
            Action::CloseGate(gate) => Self::Gate(GateOrder::Close(gate)),
            Action::Notify(notification) => Self::Say(Telling::Notify(notification)),
            Action::Tell(event) => Self::Say(Telling::Tell(event)),
            Action::SendAdvert(_)
            | Action::SendHeartbeat(_)
            | Action::ProbeAddress { .. }
            | Action::RunScript(_)
            | Action::SocketsChanged
            | Action::Finished => return None,
        })
    }

    fn must_wait_for(&self, segment: &Segment) -> bool {
        match self {
            Self::Change(change) => {
                change.is_removal() && !(segment.announcements.is_empty() && segment.tellings.is_empty())
            }
            Self::Link(_) => !segment.is_empty_but_for_links(),
            // Changes ordered before it must not see it.
            Self::Promote(_) => !segment.changes.is_empty(),
            // The first order of a kind of its own, so that nothing is answered for behind a gate that should be closed.
            Self::Gate(_) => !segment.is_empty_but_for_gates(),
            Self::Announce(..) | Self::Say(_) => false,
        }
    }
}

impl Segment {
    fn is_empty_but_for_links(&self) -> bool {
        self.gates.is_empty() && self.is_empty_but_for_gates()
    }

    fn is_empty_but_for_gates(&self) -> bool {
        self.promotions.is_empty()
            && self.changes.is_empty()
            && self.announcements.is_empty()
            && self.tellings.is_empty()
    }

    fn push(&mut self, order: Order) {
        match order {
            Order::Link(link) => self.links.push(link),
            Order::Gate(gate) => self.gates.push(gate),
            Order::Change(change) => self.changes.push(change),
            Order::Promote(link) => self.promotions.push(link),
            Order::Announce(link, mac, address) => self.announcements.push((link, mac, address)),
            Order::Say(telling) => self.tellings.push(telling),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mainstay_core::address::{AddressFlags, Family, InterfaceAddress};
    use mainstay_core::link::{OwnAddress, VirtualKind};
    use mainstay_core::router::{NotifyObject, NotifyState};

    fn address(number: u8) -> Arc<InterfaceAddress> {
        Arc::new(InterfaceAddress {
            address: IpAddr::from([192, 0, 2, number]),
            prefix_length: 32,
            link: "eth0".to_owned(),
            broadcast: None,
            scope: 0,
            label: None,
            peer: None,
            flags: AddressFlags::default(),
            preferred_lifetime_s: None,
            tracked: true,
            track_group: None,
        })
    }

    fn announce(number: u8) -> Action {
        Action::Announce { link: LinkIndex(2), mac: [2; 6], address: IpAddr::from([192, 0, 2, number]) }
    }

    fn notify(state: NotifyState) -> Action {
        Action::Notify(Notification {
            object: NotifyObject::Instance("VI_1".to_owned()),
            state,
            priority: 100,
        })
    }

    #[test]
    fn a_thousand_new_masters_share_their_system_calls() {
        let orders = (0..200).flat_map(|number| {
            [Action::AddAddress(address(number)), announce(number), notify(NotifyState::Master)]
        });
        let segments = segments(orders);
        assert_eq!(segments.len(), 1);
        assert_eq!(segments[0].changes.len(), 200);
        assert_eq!(segments[0].announcements.len(), 200);
        assert_eq!(segments[0].tellings.len(), 200);
    }

    #[test]
    fn nothing_is_taken_away_before_it_was_announced() {
        let segments = segments([
            Action::AddAddress(address(1)),
            announce(1),
            Action::RemoveAddress(address(1)),
            notify(NotifyState::Backup),
        ]);
        assert_eq!(segments.len(), 2);
        assert_eq!(segments[0].changes, [Change::AddAddress(address(1))]);
        assert_eq!(segments[0].announcements.len(), 1);
        assert_eq!(segments[1].changes, [Change::RemoveAddress(address(1))]);
        assert_eq!(segments[1].tellings.len(), 1);
    }

    #[test]
    fn removals_without_anything_between_stay_together() {
        let orders = (0..100).map(|number| Action::RemoveAddress(address(number)));
        let segments = segments(orders.chain([notify(NotifyState::Stop)]));
        assert_eq!(segments.len(), 1);
        assert_eq!(segments[0].changes.len(), 100);
    }

    #[test]
    fn changes_keep_their_order_whatever_stands_between() {
        let segments = segments([
            Action::RemoveAddress(address(1)),
            announce(2),
            Action::AddAddress(address(1)),
            Action::RemoveAddress(address(3)),
        ]);
        let changes: Vec<_> = segments.into_iter().flat_map(|segment| segment.changes).collect();
        let expected = [
            Change::RemoveAddress(address(1)),
            Change::AddAddress(address(1)),
            Change::RemoveAddress(address(3)),
        ];
        assert_eq!(changes, expected);
    }

    #[test]
    fn promotion_comes_between_the_changes_it_was_ordered_between() {
        let segments = segments([
            Action::AddAddress(address(1)),
            Action::PromoteSecondaries("eth0".to_owned()),
            Action::RemoveAddress(address(1)),
        ]);
        assert_eq!(segments.len(), 2);
        assert_eq!(segments[1].promotions, ["eth0"]);
        assert_eq!(segments[1].changes.len(), 1);
    }

    #[test]
    fn a_link_is_made_before_what_goes_on_it_and_removed_after_what_came_off() {
        let link = Arc::new(VirtualLink {
            name: "vrrp.51".to_owned(),
            parent: "eth0".to_owned(),
            kind: VirtualKind::Macvlan { mac: [0, 0, 0x5e, 0, 1, 51] },
            group: None,
            family: Family::V4,
            ipv6: false,
            own: OwnAddress::None,
        });
        let segments = segments([
            Action::MakeLink(Arc::clone(&link)),
            Action::AddAddress(address(1)),
            Action::RemoveAddress(address(1)),
            Action::RemoveLink(Arc::clone(&link)),
            Action::RestoreSettings(Arc::from([])),
        ]);
        assert_eq!(segments.len(), 2);
        assert_eq!(segments[0].links, [LinkOrder::Make(Arc::clone(&link))]);
        assert_eq!(segments[0].changes.len(), 2);
        assert_eq!(segments[1].links, [LinkOrder::Remove(link), LinkOrder::Restore(Arc::from([]))]);
    }

    #[test]
    fn the_first_of_very_many_does_not_wait_for_the_last() {
        let orders = (0..3000).map(|_| announce(1));
        let lengths: Vec<_> = segments(orders).iter().map(|segment| segment.announcements.len()).collect();
        assert_eq!(lengths, [1024, 1024, 952]);
    }
}
