//! A node's kernel, as far as it matters: its link (and perhaps a second one), its addresses, and what it tells its listeners.

use std::collections::BTreeSet;
use std::net::IpAddr;

use mainstay_core::address::LinkIndex;
use mainstay_core::router::{Link, RouterPlan};

use crate::frame::Mac;
use crate::gates::Gates;

/// The name of the link of the adverts.
pub const LINK: &str = "eth0";
/// Its index.
pub const INDEX: LinkIndex = LinkIndex(2);
/// The second link, for heartbeats only.
pub const SECOND_LINK: &str = "eth1";
/// Its index.
pub const SECOND_INDEX: LinkIndex = LinkIndex(3);

/// A modelled kernel.
#[derive(Debug)]
pub struct Kernel {
    /// Hardware address of the link.
    pub mac: Mac,
    /// Addresses on the link; the first of the list is the node's own.
    addresses: Vec<IpAddr>,
    /// Its address on the second link, if it has one.
    pub second: Option<IpAddr>,
    /// Sorted. A few: to look through them costs less than to search.
    virtual_addresses: Vec<IpAddr>,
    /// What it refused to add and nobody has added or removed since.
    refused: BTreeSet<IpAddr>,
    /// The VIP lease.
    pub gates: Gates,
    /// Whether it refuses to make gates.
    pub refuses_gates: bool,
    /// Whether the link has a carrier.
    pub carrier: bool,
    /// Whether it refuses to add addresses.
    pub refuses: bool,
    /// Whether its events get lost on the way to the daemon (`ENOBUFS`), and whether some did.
    pub loses_events: bool,
    /// Whether it refuses to send (`ENOBUFS`).
    pub refuses_to_send: bool,
}

impl Kernel {
    /// A kernel with these addresses of its own.
    #[must_use]
    pub const fn new(mac: Mac, addresses: Vec<IpAddr>) -> Self {
        Self {
            mac,
            addresses,
            second: None,
            virtual_addresses: Vec::new(),
            refused: BTreeSet::new(),
            gates: Gates::new(),
            refuses_gates: false,
            carrier: true,
            refuses: false,
            loses_events: false,
            refuses_to_send: false,
        }
    }

    /// Adds a virtual address; false if it was there, `Err` with an errno if refused.
    ///
    /// # Errors
    /// `EPERM` while the kernel refuses.
    pub fn add(&mut self, address: IpAddr) -> Result<bool, i32> {
        if self.refuses {
            self.refused.insert(address);
            return Err(1);
        }
        self.refused.remove(&address);
        let place = self.virtual_addresses.binary_search(&address);
        if let Err(place) = place {
            self.virtual_addresses.insert(place, address);
        }
        Ok(place.is_err())
    }

    /// Whether it refused to add this address, and that is how things stand.
    #[must_use]
    pub fn has_refused(&self, address: IpAddr) -> bool {
        self.refused.contains(&address)
    }

    /// Removes a virtual address; false if it was not there.
    pub fn remove(&mut self, address: IpAddr) -> bool {
        self.refused.remove(&address);
        let place = self.virtual_addresses.iter().position(|known| *known == address);
        place.map(|place| self.virtual_addresses.remove(place)).is_some()
    }

    /// Takes away the node's own addresses; they come back with [`Kernel::regain`].
    pub fn lose_own(&mut self) -> Vec<IpAddr> {
        std::mem::take(&mut self.addresses)
    }

    /// Own addresses are back.
    pub fn regain(&mut self, addresses: Vec<IpAddr>) {
        self.addresses = addresses;
    }

    /// Whether it has this address, own or virtual.
    #[must_use]
    pub fn has(&self, address: IpAddr) -> bool {
        self.virtual_addresses.contains(&address) || self.addresses.contains(&address)
    }

    /// Somebody tidied up: virtual addresses that this plan does not have are gone.
    pub fn keep_only(&mut self, plan: &RouterPlan) {
        let planned = |address: &IpAddr| {
            plan.instances.iter().any(|instance| instance.addresses.iter().any(|own| own.address == *address))
        };
        self.virtual_addresses.retain(planned);
    }

    /// A reboot: virtual addresses are gone.
    pub fn reboot(&mut self) {
        self.virtual_addresses.clear();
        self.gates.clear();
    }

    /// The virtual addresses it has.
    pub fn virtual_addresses(&self) -> impl ExactSizeIterator<Item = IpAddr> + '_ {
        self.virtual_addresses.iter().copied()
    }

    /// Its link as netlink would tell it.
    #[must_use]
    pub fn link(&self) -> Link {
        Link {
            index: INDEX,
            name: LINK.into(),
            up: true,
            running: self.carrier,
            no_arp: false,
            mac: Some(self.mac),
            mtu: 1500,
            parent: None,
        }
    }

    /// A listing of everything.
    #[must_use]
    pub fn listing(&self) -> (Vec<Link>, Vec<(LinkIndex, IpAddr)>) {
        let all = self.addresses.iter().copied().chain(self.virtual_addresses());
        let mut links = vec![self.link()];
        let mut addresses: Vec<_> = all.map(|address| (INDEX, address)).collect();
        if let Some(address) = self.second {
            let mac = self.mac.map(|byte| byte ^ 0x10);
            links.push(Link {
                index: SECOND_INDEX,
                name: SECOND_LINK.into(),
                running: true,
                mac: Some(mac),
                ..self.link()
            });
            addresses.push((SECOND_INDEX, address));
        }
        (links, addresses)
    }
}
