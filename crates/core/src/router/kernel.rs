//! What is known of the kernel: links and the addresses on them.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::IpAddr;

use super::input::Link;
use super::plan::LinkDelay;
use crate::address::{Family, LinkIndex};
use crate::time::Instant;

/// Links by index, with what is believed of them.
#[derive(Debug, Clone, Default)]
pub struct Kernel {
    links: BTreeMap<LinkIndex, KnownLink>,
    names: BTreeMap<String, LinkIndex>,
    /// When changes of links that have to last are to be believed; mostly there are none.
    changes: BTreeMap<LinkIndex, Instant>,
    delays: Vec<LinkDelay>,
}

/// One link.
#[derive(Debug, Clone)]
pub struct KnownLink {
    /// As the kernel last described it.
    pub link: Link,
    /// Whether it counts as up; follows the kernel after `interface_up_down_delays`.
    pub believed_up: bool,
    /// Addresses in the order the kernel told them.
    addresses: Vec<IpAddr>,
}

impl Kernel {
    /// Takes the debounce times of a plan.
    pub fn set_delays(&mut self, delays: Vec<LinkDelay>) {
        self.delays = delays;
    }

    /// Forgets everything and takes a complete listing. Links known before keep their debounce.
    pub fn list(&mut self, now: Instant, links: Vec<Link>, addresses: Vec<(LinkIndex, IpAddr)>) {
        let before = core::mem::take(&mut self.links);
        self.names.clear();
        for link in links {
            if let Some(known) = before.get(&link.index) {
                let kept = KnownLink {
                    link: known.link.clone(),
                    believed_up: known.believed_up,
                    addresses: Vec::new(),
                };
                let _ = self.names.insert(kept.link.name.clone(), link.index);
                let _ = self.links.insert(link.index, kept);
            }
            let _ = self.change_link(now, link);
        }
        let links = &self.links;
        self.changes.retain(|index, _| links.contains_key(index));
        for (index, address) in addresses {
            self.add_address(index, address);
        }
    }

    /// Takes in a description of a link; true if its belief, name or hardware address changed at once.
    pub fn change_link(&mut self, now: Instant, link: Link) -> bool {
        let up = link.up && link.running;
        let delay = self.delays.iter().find(|delay| delay.interface == link.name);
        let wait = delay.map(|delay| if up { delay.up } else { delay.down }).filter(|wait| !wait.is_zero());
        let name = link.name.clone();
        let index = link.index;
        let Some(known) = self.links.get_mut(&index) else {
            let _ = self.names.insert(name, index);
            let known = KnownLink { link, believed_up: up, addresses: Vec::new() };
            let _ = self.links.insert(index, known);
            return true;
        };
        let renamed = known.link.name != name;
        if renamed {
            if self.names.get(&known.link.name) == Some(&index) {
                let _ = self.names.remove(&known.link.name);
            }
            let _ = self.names.insert(name, index);
        }
        let other_mac = known.link.mac != link.mac;
        known.link = link;
        if known.believed_up == up {
            let _ = self.changes.remove(&index);
            return renamed || other_mac;
        }
        if let Some(wait) = wait {
            let _ = self.changes.entry(index).or_insert(now + wait);
            return renamed || other_mac;
        }
        known.believed_up = up;
        let _ = self.changes.remove(&index);
        true
    }

    /// A link is gone; its name if it was known.
    pub fn remove_link(&mut self, index: LinkIndex) -> Option<String> {
        let known = self.links.remove(&index)?;
        let _ = self.changes.remove(&index);
        if self.names.get(&known.link.name) == Some(&index) {
            let _ = self.names.remove(&known.link.name);
        }
        Some(known.link.name)
    }

    /// An address appeared; true if it was not known.
    pub fn add_address(&mut self, index: LinkIndex, address: IpAddr) -> bool {
        let Some(known) = self.links.get_mut(&index) else { return false };
        if known.addresses.contains(&address) {
            return false;
        }
        known.addresses.push(address);
        true
    }

    /// An address is gone; true if it was known.
    pub fn remove_address(&mut self, index: LinkIndex, address: IpAddr) -> bool {
        let Some(known) = self.links.get_mut(&index) else { return false };
        let before = known.addresses.len();
        known.addresses.retain(|known| *known != address);
        known.addresses.len() != before
    }

    /// When a link change that lasts is to be believed.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.changes.values().min().copied()
    }

    /// Believes the changes that have lasted; the links concerned.
    pub fn take_due(&mut self, now: Instant) -> Vec<LinkIndex> {
        let mut changed = Vec::new();
        self.changes.retain(|index, at| {
            let is_due = *at <= now;
            if is_due {
                changed.push(*index);
            }
            !is_due
        });
        for index in &changed {
            if let Some(known) = self.links.get_mut(index) {
                known.believed_up = known.link.up && known.link.running;
            }
        }
        changed
    }

    /// A link by name.
    #[must_use]
    pub fn by_name(&self, name: &str) -> Option<&KnownLink> {
        self.names.get(name).and_then(|index| self.links.get(index))
    }

    /// A link by index.
    #[must_use]
    pub fn by_index(&self, index: LinkIndex) -> Option<&KnownLink> {
        self.links.get(&index)
    }

    /// Whether a link of this name exists and counts as up.
    #[must_use]
    pub fn is_up(&self, name: &str) -> bool {
        self.by_name(name).is_some_and(|known| known.believed_up)
    }

    /// Whether any link has this hardware address.
    #[must_use]
    pub fn has_mac(&self, mac: [u8; 6]) -> bool {
        self.links.values().any(|known| known.link.mac == Some(mac))
    }

    /// Whether any link has this address.
    #[must_use]
    pub fn has_anywhere(&self, address: IpAddr) -> bool {
        self.links.values().any(|known| known.addresses.contains(&address))
    }
}

impl KnownLink {
    /// Whether it has this address.
    #[must_use]
    pub fn has(&self, address: IpAddr) -> bool {
        self.addresses.contains(&address)
    }

    /// The address adverts come from: the first of the family (for IPv6 the first link-local one) that is no virtual
    /// address.
    pub fn primary(&self, family: Family, is_virtual: impl Fn(IpAddr) -> bool) -> Option<IpAddr> {
        self.addresses.iter().copied().find(|address| {
            let suits = match (family, address) {
                (Family::V4, IpAddr::V4(_)) => true,
                (Family::V6, IpAddr::V6(address)) => address.is_unicast_link_local(),
                (Family::V4, IpAddr::V6(_)) | (Family::V6, IpAddr::V4(_)) => false,
            };
            suits && !is_virtual(*address)
        })
    }
}
