//! Telling a link which hardware address an IP address has now: gratuitous ARP and unsolicited neighbour advertisements.

mod frame;

use std::io;
use std::net::IpAddr;
use std::os::fd::AsFd;

use mainstay_core::address::LinkIndex;
use socket2::{Domain, Socket, Type};

use crate::error::{Error, Result};
use crate::mmsg::{self, Outgoing};
use crate::wire::SocketName;

pub use frame::{Frame, arp_probe, gratuitous_arp, neighbour_advertisement, neighbour_probe};

/// One announcement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Announcement {
    /// Link to send it on.
    pub link: LinkIndex,
    /// Its hardware address.
    pub mac: [u8; 6],
    /// The address announced.
    pub address: IpAddr,
    /// Whether the link forwards IPv6 packets, which its neighbours are told.
    pub router: bool,
}

/// A question who has an address, which claims nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Question {
    /// Link to ask on.
    pub link: LinkIndex,
    /// Its hardware address.
    pub mac: [u8; 6],
    /// The address asked for.
    pub address: IpAddr,
}

/// Sends announcements, and questions.
#[derive(Debug)]
pub struct Announcer(Socket);

impl Announcer {
    /// A packet socket that never receives anything.
    ///
    /// # Errors
    /// When the process may not (it needs `CAP_NET_RAW`).
    pub fn open() -> Result<Self> {
        // Protocol 0: no packet is given to it.
        Socket::new(Domain::PACKET, Type::RAW, None)
            .map(Self)
            .map_err(Error::of("open a packet socket for", "announcements"))
    }

    /// Sends everything, in order. What the kernel does not take is told to `refused`; the rest leaves all the same.
    pub fn send(&self, announcements: &[Announcement], mut refused: impl FnMut(&Announcement, io::Error)) {
        let frames: Vec<(SocketName, Frame)> = announcements
            .iter()
            .map(|&Announcement { link, mac, address, router }| {
                let frame = match address {
                    IpAddr::V4(address) => gratuitous_arp(mac, address),
                    IpAddr::V6(address) => neighbour_advertisement(mac, address, router),
                };
                addressed(link, frame)
            })
            .collect();
        self.send_frames(&frames, |place, errno| refused(&announcements[place], errno));
    }

    /// Asks everything, in order. Whoever has an address answers, if its kernel lives: see
    /// [`claims`](crate::claims). What the kernel does not take is told to `refused`.
    pub fn ask(&self, questions: &[Question], mut refused: impl FnMut(&Question, io::Error)) {
        let frames: Vec<(SocketName, Frame)> = questions
            .iter()
            .map(|&Question { link, mac, address }| {
                let frame = match address {
                    IpAddr::V4(address) => arp_probe(mac, address),
                    IpAddr::V6(address) => neighbour_probe(mac, address),
                };
                addressed(link, frame)
            })
            .collect();
        self.send_frames(&frames, |place, errno| refused(&questions[place], errno));
    }

    fn send_frames(&self, frames: &[(SocketName, Frame)], mut refused: impl FnMut(usize, io::Error)) {
        let messages: Vec<_> = frames
            .iter()
            .map(|(name, frame)| Outgoing {
                name: name.as_bytes(),
                parts: [frame.as_bytes(), &[]],
                control: &[],
            })
            .collect();
        mmsg::send(self.0.as_fd(), 0, &messages, |place, errno| {
            refused(place, io::Error::from_raw_os_error(errno));
        });
    }
}

fn addressed(link: LinkIndex, frame: Frame) -> (SocketName, Frame) {
    (SocketName::link(link.0, frame.ether_type(), frame.destination()), frame)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab;
    use std::net::Ipv4Addr;

    #[test]
    fn neighbours_learn_the_address_from_its_announcement() {
        lab::in_new_namespace(|| {
            lab::ip("link add v0 address 02:00:00:00:00:01 type veth peer name v1");
            for link in ["v0", "v1"] {
                lab::ip(&format!("link set {link} up"));
            }
            lab::ip("address add 192.0.2.2/24 dev v1");
            lab::ip("neighbour add 192.0.2.9 lladdr 02:00:00:00:00:99 nud stale dev v1");
            lab::ip("neighbour add 2001:db8::9 lladdr 02:00:00:00:00:99 nud stale dev v1");
            let announce = |address: &str| Announcement {
                link: lab::index("v0"),
                mac: [2, 0, 0, 0, 0, 1],
                address: lab::address(address),
                router: true,
            };
            let announcer = Announcer::open().expect("opens");
            // Linux ignores another change within `locktime` (a second) of the last.
            std::thread::sleep(std::time::Duration::from_millis(1100));
            announcer.send(&[announce("192.0.2.9"), announce("2001:db8::9")], |refused, error| {
                panic!("{refused:?}: {error}")
            });
            std::thread::sleep(std::time::Duration::from_millis(100));
            let shown = lab::ip_shows("neighbour show dev v1");
            for address in ["192.0.2.9", "2001:db8::9"] {
                let known = shown.lines().find(|line| line.starts_with(address)).unwrap_or_default();
                assert!(known.contains("02:00:00:00:00:01"), "{address} in {shown}");
            }
            assert!(shown.contains("router"), "{shown}");
        });
    }

    #[test]
    fn an_announcement_on_a_link_that_is_gone_is_refused_alone() {
        lab::in_new_namespace(|| {
            lab::link("x0");
            lab::ip("link set x0 up");
            let on = |link| Announcement {
                link,
                mac: [2, 0, 0, 0, 0, 1],
                address: Ipv4Addr::new(192, 0, 2, 9).into(),
                router: false,
            };
            let mut refused = Vec::new();
            let all = [on(LinkIndex(99)), on(lab::index("x0")), on(LinkIndex(98))];
            Announcer::open().expect("opens").send(&all, |announcement, error| {
                refused.push((announcement.link.0, error.raw_os_error()));
            });
            assert_eq!(refused, [(99, Some(libc::ENXIO)), (98, Some(libc::ENXIO))]);
        });
    }
}
