//! Settings of the kernel that go with a virtual MAC address.
//!
//! By default Linux answers ARP for any address it has on any link it is asked on. With the same network on two links
//! that would be an answer with the wrong MAC address. So each link answers for its own addresses only (`arp_ignore`,
//! `arp_filter`), and takes packets that the routing table would rather see on the other one (`rp_filter`,
//! `accept_local`).

use mainstay_core::address::Family;
use mainstay_core::link::{FoundSetting, Setting, VirtualLink};

use super::Made;
use crate::error::Error;
use crate::sysctl;

/// Of a macvlan for IPv4.
const OWN: [(&str, i32); 4] =
    [("arp_ignore", 1), ("accept_local", 1), ("rp_filter", 0), ("promote_secondaries", 1)];

/// Of a macvlan for IPv6.
///
/// DIFFERS: keepalived 2.2.7 leaves it, and such a link then answers ARP for all addresses of the machine with its own MAC
/// address. Later versions do this too.
const OWN_OF_IPV6: [(&str, i32); 1] = [("arp_ignore", 1)];

/// Of the parent of a macvlan for IPv4.
///
/// DIFFERS: keepalived leaves `arp_announce`. When the kernel then looks for a neighbour by the parent, it asks in the name
/// of the virtual address and with the parent's MAC address, and that neighbour believes it: its packets go to
/// the wrong MAC address until the next gratuitous ARP, also after the next failover. With 2 it asks in its own name.
const OF_PARENT: [(Setting, i32); 3] =
    [(Setting::ArpIgnore, 1), (Setting::ArpFilter, 1), (Setting::ArpAnnounce, 2)];

/// `IN6_ADDR_GEN_MODE_NONE`: no link-local address comes by itself.
const NO_ADDRESS: i32 = 1;

/// Sets everything. What cannot be set is complained of.
pub fn apply(link: &VirtualLink, made: &mut Made) {
    // Without IPv6 in the kernel there is nothing to be quiet about.
    if sysctl::read(Family::V6, &link.name, "disable_ipv6").is_ok() {
        note(made, sysctl::write(Family::V6, &link.name, "addr_gen_mode", NO_ADDRESS));
        note(made, sysctl::write(Family::V6, &link.name, "disable_ipv6", i32::from(!link.ipv6)));
    }
    match link.family {
        Family::V4 => {
            spread_reverse_path_filter(&link.name, made);
            set(&link.name, &OWN, made);
            for (setting, value) in OF_PARENT {
                change(&link.parent, setting, value, made);
            }
        }
        Family::V6 => set(&link.name, &OWN_OF_IPV6, made),
    }
}

/// Gives settings back their values.
pub fn restore(found: &[FoundSetting]) -> Vec<Error> {
    let gone = |error: &Error| error.errno() == libc::ENOENT;
    found
        .iter()
        .filter_map(|one| sysctl::write(Family::V4, &one.link, one.setting.word(), one.value).err())
        .filter(|error| !gone(error))
        .collect()
}

fn set(link: &str, settings: &[(&str, i32)], made: &mut Made) {
    for (setting, value) in settings {
        note(made, sysctl::write(Family::V4, link, setting, *value));
    }
}

fn note(made: &mut Made, result: crate::Result<()>) {
    made.complaints.extend(result.err());
}

/// Changes a setting of a link that is not ours, and remembers what it was.
fn change(link: &str, setting: Setting, value: i32, made: &mut Made) {
    let before = match sysctl::read(Family::V4, link, setting.word()) {
        Ok(before) if before == value => return,
        Ok(before) => before,
        Err(error) => return made.complaints.push(error),
    };
    match sysctl::write(Family::V4, link, setting.word(), value) {
        Ok(()) => made.found.push(FoundSetting { link: link.to_owned(), setting, value: before }),
        Err(error) => made.complaints.push(error),
    }
}

/// The kernel takes the greater of a link's value and that of `all`, so a filter for all would be one for our link.
/// The others get what was in force for them as their own.
fn spread_reverse_path_filter(own: &str, made: &mut Made) {
    const ALL: &str = "all";
    let setting = Setting::RpFilter;
    let for_all = match sysctl::read(Family::V4, ALL, setting.word()) {
        Ok(0) => return,
        Ok(value) => value,
        Err(error) => return made.complaints.push(error),
    };
    let links = match sysctl::links_and_default() {
        Ok(links) => links,
        Err(error) => return made.complaints.push(error),
    };
    // Nothing comes from elsewhere by the loopback.
    for link in links.iter().filter(|link| *link != own && *link != "lo") {
        // A link may go away while we look at it.
        if sysctl::read(Family::V4, link, setting.word()).is_ok_and(|value| value < for_all) {
            change(link, setting, for_all, made);
        }
    }
    change(ALL, setting, 0, made);
}
