//! Packets over the loopback of a namespace, as the sockets of a session send and hear them.

use std::net::UdpSocket;
use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use mainstay_core::bfd::{Listen, MULTIHOP_PORT, SINGLE_HOP_PORT};

use super::*;
use crate::bfd::ReceiveSocket;
use crate::lab;
use crate::vrrp::Inbox;

fn transmission(session: u32, destination: &str) -> Transmission {
    Transmission {
        session: SessionId(NonZeroU32::new(session).expect("not zero")),
        source: None,
        source_port: 50_000,
        destination: lab::address(destination),
        port: SINGLE_HOP_PORT,
        ttl: 255,
        payload: [0x20; 24],
    }
}

/// A namespace with two addresses of each family.
fn in_loopback(test: impl FnOnce() + Send) {
    lab::in_new_namespace(|| {
        lab::ip("link set lo up");
        lab::ip("address add 192.0.2.1/32 dev lo");
        lab::ip("address add 2001:db8::1/128 dev lo");
        test();
    });
}

fn listen(address: &str, multihop: bool) -> ReceiveSocket {
    ReceiveSocket::open(Listen { address: lab::address(address), multihop }).expect("a free port")
}

/// Source, destination and TTL of the one packet that arrives.
fn arrives(receiver: &ReceiveSocket) -> (String, String, u8) {
    let (mut inbox, limit) = (Inbox::default(), Instant::now() + Duration::from_secs(10));
    loop {
        if let Some(packet) = receiver.receive(&mut inbox).expect("receives").next() {
            assert_eq!(packet.payload, [0x20; 24]);
            return (packet.source.to_string(), packet.destination.to_string(), packet.ttl);
        }
        assert!(Instant::now() < limit, "nothing arrived");
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn a_packet_arrives_with_its_ends_and_its_ttl() {
    in_loopback(|| {
        let mut senders = Senders::default();
        for (any, destination) in [("0.0.0.0", "127.0.0.1"), ("::", "::1")] {
            let receiver = listen(any, false);
            let mut sent = transmission(7, destination);
            sent.session.0 = NonZeroU32::new(destination.len() as u32).expect("not zero");
            assert_eq!(senders.send(&sent), Ok(()));
            assert_eq!(arrives(&receiver), (destination.into(), destination.into(), 255));
            sent.ttl = 9;
            assert_eq!(senders.send(&sent), Ok(()), "the hop limit may change");
            assert_eq!(arrives(&receiver).2, 9);
        }
    });
}

#[test]
fn a_session_sends_from_its_own_address_and_port() {
    in_loopback(|| {
        let peer = UdpSocket::bind(("127.0.0.1", MULTIHOP_PORT)).expect("a free port");
        peer.set_read_timeout(Some(Duration::from_secs(10))).expect("a timeout");
        let mut sent = transmission(7, "127.0.0.1");
        (sent.source, sent.port) = (Some(lab::address("192.0.2.1")), MULTIHOP_PORT);
        let mut senders = Senders::default();
        for port in [50_000, 50_000, 60_000] {
            sent.source_port = port;
            assert_eq!(senders.send(&sent), Ok(()));
            let (_, source) = peer.recv_from(&mut [0; 64]).expect("a packet");
            assert_eq!(source, SocketAddr::new(lab::address("192.0.2.1"), port));
        }
    });
}

#[test]
fn a_port_of_somebody_else_and_an_address_that_is_not_here_are_told_apart() {
    in_loopback(|| {
        let _somebody = UdpSocket::bind("0.0.0.0:50000").expect("a free port");
        let mut senders = Senders::default();
        let mut sent = transmission(7, "127.0.0.1");
        assert_eq!(senders.send(&sent), Err(Unsent::PortTaken));
        (sent.source, sent.source_port) = (Some(lab::address("198.51.100.7")), 50_001);
        assert_eq!(senders.send(&sent), Err(Unsent::Refused(libc::EADDRNOTAVAIL)));
        lab::ip("address add 198.51.100.7/32 dev lo");
        assert_eq!(senders.send(&sent), Ok(()));
        senders.retain(|_| false);
        let mut other = transmission(8, "127.0.0.1");
        other.source_port = 50_001;
        assert_eq!(senders.send(&other), Ok(()), "the port is free again");
    });
}

#[test]
fn who_listens_on_one_address_leaves_the_others_to_others() {
    in_loopback(|| {
        let (ours, theirs) = (listen("192.0.2.1", false), listen("127.0.0.1", false));
        let not_here_yet = listen("198.51.100.7", false);
        let taken = ReceiveSocket::open(ours.listen()).expect_err("one listens already");
        assert_eq!(taken.errno(), libc::EADDRINUSE);
        let mut senders = Senders::default();
        assert_eq!(senders.send(&transmission(7, "192.0.2.1")), Ok(()));
        assert_eq!(arrives(&ours).1, "192.0.2.1");
        let mut inbox = Inbox::default();
        for other in [&theirs, &not_here_yet] {
            assert_eq!(other.receive(&mut inbox).expect("receives").count(), 0);
        }
    });
}
