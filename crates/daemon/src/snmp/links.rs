//! Numbers, hardware addresses and addresses of the machine's links: what a manager knows a link by.

use std::collections::BTreeMap;
use std::net::IpAddr;

use mainstay_core::address::Family;
use nix::ifaddrs::getifaddrs;

/// The links of the machine, by name.
#[derive(Debug, Clone, Default)]
pub struct Links(BTreeMap<String, Link>);

/// One link.
#[derive(Debug, Clone, Default)]
struct Link {
    index: u32,
    hardware: Vec<u8>,
    addresses: Vec<IpAddr>,
}

impl Links {
    /// As they are now; none if the kernel does not say.
    #[must_use]
    pub fn read() -> Self {
        let mut links = BTreeMap::<String, Link>::new();
        for found in getifaddrs().into_iter().flatten() {
            let link = links.entry(found.interface_name).or_default();
            let Some(address) = found.address else { continue };
            if let Some(hardware) = address.as_link_addr() {
                link.index = u32::try_from(hardware.ifindex()).unwrap_or_default();
                link.hardware = hardware.addr().map(|bytes| bytes.to_vec()).unwrap_or_default();
            } else if let Some(address) = address.as_sockaddr_in() {
                link.addresses.push(address.ip().into());
            } else if let Some(address) = address.as_sockaddr_in6() {
                link.addresses.push(address.ip().into());
            }
        }
        Self(links)
    }

    /// The kernel's number of a link; `None` if it is not there.
    #[must_use]
    pub fn index(&self, name: &str) -> Option<u32> {
        self.0.get(name).map(|link| link.index).filter(|index| *index != 0)
    }

    /// Its hardware address, six bytes as a rule.
    #[must_use]
    pub fn hardware(&self, name: &str) -> Option<&[u8]> {
        self.0.get(name).map(|link| link.hardware.as_slice()).filter(|bytes| !bytes.is_empty())
    }

    /// The address adverts of a family come from when nothing else is said: the first one, or the link-local one. One of
    /// the exceptions only if there is no other: an owner's virtual address is its own.
    #[must_use]
    pub fn source(&self, name: &str, family: Family, except: impl Fn(IpAddr) -> bool) -> Option<IpAddr> {
        let addresses = &self.0.get(name)?.addresses;
        let suits = |address: &IpAddr| match address {
            IpAddr::V4(_) => family == Family::V4,
            IpAddr::V6(address) => family == Family::V6 && address.is_unicast_link_local(),
        };
        let mut suitable = addresses.iter().copied().filter(suits);
        let other = suitable.clone().find(|address| !except(*address));
        other.or_else(|| suitable.next())
    }

    #[cfg(test)]
    pub fn of_test(name: &str, index: u32, hardware: [u8; 6], address: IpAddr) -> Self {
        let link = Link { index, hardware: hardware.to_vec(), addresses: vec![address] };
        Self([(name.to_owned(), link)].into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loopback_link_has_a_number_and_no_other_has_its_name() {
        let links = Links::read();
        assert_eq!(links.index("lo"), Some(1));
        assert_eq!(links.index("no-such-link"), None);
    }
}
