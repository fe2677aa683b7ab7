//! Hearing of every change to links, addresses, routes and rules.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use mainstay_core::router::Input;
use netlink_sys::Socket;
use nix::errno::Errno;

use super::decode::{self, Message};
use super::socket::{self, DATAGRAM};
use crate::bpf::{self, give, jump_if_equal, load_byte, load_half};
use crate::error::{Error, Result};

/// Bytes of events that may wait while the loop is busy: several thousand.
const RECEIVE_BUFFER: usize = 4 << 20;

/// Datagrams read in one call of [`Monitor::read`], so that a storm of events cannot hold up adverts.
const AT_ONCE: usize = 256;

/// A non-blocking socket that hears of changes.
pub struct Monitor {
    socket: Socket,
    buffer: Box<[u8]>,
}

/// How a reading ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// Everything that was waiting has been read.
    Everything,
    /// There may be more: read again soon.
    More,
    /// The kernel dropped events: list the tables again. There may be more.
    Lost,
}

impl Monitor {
    /// Listens from now on. Of routes only the deletion of those installed by one of `route_protocols` is heard (all
    /// others are filtered in the kernel), so that a full routing table in motion costs nothing.
    ///
    /// # Errors
    /// When the kernel gives no socket.
    pub fn open(route_protocols: &[u8]) -> Result<Self> {
        let mut monitor =
            Self { socket: socket::open_route(RECEIVE_BUFFER)?, buffer: vec![0; DATAGRAM].into() };
        // The filter comes first: without it, a machine with a large table may lose events at once.
        monitor.follow_routes_of(route_protocols)?;
        monitor.join().map_err(Error::of("listen for changes of", "links, addresses and routes"))?;
        Ok(monitor)
    }

    fn join(&mut self) -> io::Result<()> {
        for group in [
            libc::RTNLGRP_LINK,
            libc::RTNLGRP_IPV4_IFADDR,
            libc::RTNLGRP_IPV6_IFADDR,
            libc::RTNLGRP_IPV4_ROUTE,
            libc::RTNLGRP_IPV6_ROUTE,
            libc::RTNLGRP_IPV4_RULE,
            libc::RTNLGRP_IPV6_RULE,
        ] {
            self.socket.add_membership(group)?;
        }
        self.socket.set_non_blocking(true)
    }

    /// Changes the set of routing protocols whose routes are followed.
    ///
    /// # Errors
    /// When the kernel does not take the filter.
    pub fn follow_routes_of(&mut self, protocols: &[u8]) -> Result<()> {
        bpf::attach(&socket::borrow(&self.socket), &filter(protocols))
            .map_err(Error::of("filter the changes of", "routes"))
    }

    /// Appends what has happened, in order, without waiting.
    ///
    /// # Errors
    /// When the socket is broken.
    pub fn read(&mut self, inputs: &mut Vec<Input<'static>>) -> Result<Heard> {
        for _ in 0..AT_ONCE {
            let length = match self.socket.recv(&mut &mut self.buffer[..], libc::MSG_TRUNC) {
                Ok(length) => length,
                Err(error) => match Errno::from_raw(error.raw_os_error().unwrap_or(0)) {
                    Errno::EAGAIN => return Ok(Heard::Everything),
                    Errno::EINTR => continue,
                    Errno::ENOBUFS => return Ok(Heard::Lost),
                    _ => return Err(Error::of("hear changes of", "links, addresses and routes")(error)),
                },
            };
            let Some(datagram) = self.buffer.get(..length) else { return Ok(Heard::Lost) };
            inputs.extend(decode::messages(datagram).filter_map(input));
        }
        Ok(Heard::More)
    }
}

impl AsFd for Monitor {
    fn as_fd(&self) -> BorrowedFd<'_> {
        socket::borrow(&self.socket)
    }
}

fn input(message: Message) -> Option<Input<'static>> {
    match message {
        Message::Link(link) => Some(Input::LinkChanged(link)),
        Message::LinkGone(link) => Some(Input::LinkRemoved(link)),
        Message::Address(link, address) => Some(Input::AddressAdded(link, address)),
        Message::AddressGone(link, address) => Some(Input::AddressRemoved(link, address)),
        Message::RouteGone(key) => Some(Input::RouteRemoved(key)),
        Message::RuleGone { preference, table } => Some(Input::RuleRemoved { preference, table }),
        Message::Answer { .. } | Message::Done { .. } | Message::Interrupted => None,
    }
}

/// A classic BPF program over one netlink message: lets everything pass except new routes, and deleted routes of
/// protocols nobody follows. Loads are big-endian, netlink is in host order: the constants are turned around.
fn filter(protocols: &[u8]) -> Vec<libc::sock_filter> {
    const MESSAGE_TYPE: u32 = 4;
    const ROUTE_PROTOCOL: u32 = 16 + 5;
    const PASS: libc::sock_filter = give(u32::MAX);
    const DROP: libc::sock_filter = give(0);

    let host = |kind: u16| u32::from(kind.to_be());
    let mut program = vec![
        load_half(MESSAGE_TYPE),
        jump_if_equal(host(libc::RTM_NEWROUTE), 0, 1),
        DROP,
        jump_if_equal(host(libc::RTM_DELROUTE), 1, 0),
        PASS,
        load_byte(ROUTE_PROTOCOL),
    ];
    for protocol in protocols {
        program.extend([jump_if_equal(u32::from(*protocol), 0, 1), PASS]);
    }
    program.push(DROP);
    program
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab;
    use mainstay_core::address::{LinkIndex, Prefix, RouteKey};

    fn heard(monitor: &mut Monitor) -> Vec<Input<'static>> {
        let mut inputs = Vec::new();
        assert_eq!(monitor.read(&mut inputs).expect("reads"), Heard::Everything);
        inputs
    }

    #[test]
    fn links_and_addresses_are_heard_coming_and_going() {
        lab::in_new_namespace(|| {
            lab::link("x0");
            let mut monitor = Monitor::open(&[]).expect("opens");
            assert_eq!(heard(&mut monitor), [], "what was there before is not told");
            lab::ip("address add 192.0.2.1/24 dev x0");
            let link = lab::index("x0");
            assert_eq!(heard(&mut monitor), [Input::AddressAdded(link, lab::address("192.0.2.1"))]);
            lab::ip("link set x0 up");
            let up = heard(&mut monitor);
            assert!(
                up.iter()
                    .any(|input| matches!(input, Input::LinkChanged(link) if link.up && link.name == "x0")),
                "{up:?}"
            );
            lab::ip("address del 192.0.2.1/24 dev x0");
            assert!(heard(&mut monitor).contains(&Input::AddressRemoved(link, lab::address("192.0.2.1"))));
            lab::ip("link del x0");
            assert!(heard(&mut monitor).contains(&Input::LinkRemoved(link)));
        });
    }

    #[test]
    fn a_link_taken_into_a_bridge_and_out_of_it_is_never_gone() {
        lab::in_new_namespace(|| {
            lab::link("x0");
            lab::ip("link add br0 type bridge");
            let mut monitor = Monitor::open(&[]).expect("opens");
            lab::ip("link set x0 master br0");
            lab::ip("link set x0 nomaster");
            let inputs = heard(&mut monitor);
            assert!(!inputs.is_empty());
            assert!(!inputs.iter().any(|input| matches!(input, Input::LinkRemoved(_))), "{inputs:?}");
        });
    }

    #[test]
    fn only_routes_of_followed_protocols_are_heard_and_only_their_deletion() {
        lab::in_new_namespace(|| {
            lab::ip("link set lo up");
            let mut monitor = Monitor::open(&[18]).expect("opens");
            for protocol in ["18", "static", "bgp"] {
                lab::ip(&format!("route add 198.51.100.0/24 dev lo table 99 metric 5 proto {protocol}"));
                lab::ip("route del 198.51.100.0/24 table 99");
            }
            let key = RouteKey {
                destination: Prefix { address: lab::address("198.51.100.0"), length: 24 },
                table: 99,
                metric: 5,
                tos: 0,
                kind: 1,
            };
            assert_eq!(heard(&mut monitor), [Input::RouteRemoved(key)]);
            monitor.follow_routes_of(&[]).expect("takes another filter");
            lab::ip("route add 198.51.100.0/24 dev lo proto 18");
            lab::ip("route del 198.51.100.0/24");
            assert_eq!(heard(&mut monitor), []);
        });
    }

    #[test]
    fn a_deleted_rule_is_heard_with_preference_and_table() {
        lab::in_new_namespace(|| {
            let mut monitor = Monitor::open(&[]).expect("opens");
            lab::ip("rule add from 192.0.2.0/24 table 1000 pref 77");
            lab::ip("rule del pref 77");
            lab::ip("-6 rule add from 2001:db8::/64 table 99 pref 78");
            lab::ip("-6 rule del pref 78");
            assert_eq!(
                heard(&mut monitor),
                [
                    Input::RuleRemoved { preference: 77, table: 1000 },
                    Input::RuleRemoved { preference: 78, table: 99 }
                ]
            );
        });
    }

    #[test]
    fn an_overflow_is_told_and_listening_goes_on() {
        lab::in_new_namespace(|| {
            lab::link("x0");
            let mut monitor = Monitor::open(&[]).expect("opens");
            socket2::SockRef::from(&monitor).set_recv_buffer_size(1).expect("shrinks");
            for number in 1..30 {
                lab::ip(&format!("address add 192.0.2.{number}/32 dev x0"));
            }
            let mut inputs = Vec::new();
            let mut lost = 0;
            while lost < 10 && monitor.read(&mut inputs).expect("reads") != Heard::Everything {
                lost += 1;
            }
            assert!((1..10).contains(&lost), "told {lost} times");
            assert!(inputs.len() < 29);
            inputs.clear();
            lab::ip("address del 192.0.2.1/32 dev x0");
            assert_eq!(
                heard(&mut monitor),
                [Input::AddressRemoved(LinkIndex(lab::index("x0").0), lab::address("192.0.2.1"))]
            );
        });
    }
}
