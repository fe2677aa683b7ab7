//! Sender and receivers against each other over a veth between two namespaces.

use std::collections::BTreeSet;
use std::sync::Arc;

use mainstay_core::address::LinkIndex;
use mainstay_core::router::action::{Carries, Listen, Socket as Wanted};

use super::*;
use crate::lab;
use crate::vrrp::{Inbox, ReceiveSocket, Vrids};

const GROUP4: &str = "224.0.0.18";
const GROUP6: &str = "ff02::12";

/// What one packet looked like on arrival: link, source, destination, TTL, payload.
type Seen = (LinkIndex, IpAddr, IpAddr, u8, Vec<u8>);

/// Two ends of a veth in two namespaces: `far` opens a receiver in one, then `near` runs in the other.
fn across(
    wanted: impl FnOnce() -> Vec<(Wanted, Option<Vrids>)> + Send,
    near: impl FnOnce(&mut Sender, LinkIndex) + Send,
) -> Vec<Seen> {
    let mut seen = Vec::new();
    lab::in_new_namespace(|| {
        let here = std::process::id();
        let thread = nix::unistd::gettid();
        std::thread::scope(|scope| {
            let (opened, is_open) = std::sync::mpsc::channel();
            let (sent, is_sent) = std::sync::mpsc::channel::<()>();
            let receiver = scope.spawn(move || {
                crate::namespace::enter_new_network().expect("root");
                lab::ip(&format!(
                    "link add v1 type veth peer name v0 netns /proc/{here}/task/{thread}/ns/net"
                ));
                lab::ip("link set v1 up");
                lab::ip("address add 192.0.2.2/24 dev v1");
                lab::ip("address add fe80::2/64 dev v1 nodad");
                lab::ip("address add 2001:db8::2/64 dev v1 nodad");
                let sockets: Vec<_> = wanted()
                    .into_iter()
                    .map(|(wanted, vrids)| {
                        ReceiveSocket::open(wanted, 1 << 20, vrids.as_ref()).expect("opens")
                    })
                    .collect();
                opened.send(()).expect("heard");
                is_sent.recv().expect("told");
                let (mut inbox, mut seen) = (Inbox::default(), Vec::new());
                for socket in &sockets {
                    loop {
                        let before = seen.len();
                        seen.extend(inbox.receive(socket).expect("receives").map(|packet| {
                            (
                                packet.link,
                                packet.source,
                                packet.destination,
                                packet.ttl,
                                packet.payload.to_vec(),
                            )
                        }));
                        if seen.len() == before {
                            break;
                        }
                    }
                }
                seen
            });
            is_open.recv().expect("told");
            lab::ip("link set v0 up");
            lab::ip("address add 192.0.2.1/24 dev v0");
            lab::ip("address add fe80::1/64 dev v0 nodad");
            lab::ip("address add 2001:db8::1/64 dev v0 nodad");
            near(&mut Sender::default(), lab::index("v0"));
            std::thread::sleep(std::time::Duration::from_millis(100));
            sent.send(()).expect("heard");
            seen = receiver.join().expect("no panic");
        });
    });
    seen
}

fn advert(link: Option<LinkIndex>, source: &str, destination: &str, payload: &[u8]) -> Advert {
    Advert {
        instance: Arc::from("VI_1"),
        link,
        source: lab::address(source),
        destination: lab::address(destination),
        ttl: Some(255),
        envelope: Envelope::Bare,
        payload: Arc::from(payload),
        not_after: None,
    }
}

fn send(sender: &mut Sender, adverts: &[Advert]) {
    sender.send(adverts, |advert, errno| panic!("{advert:?}: errno {errno}"));
}

fn group(address: &str) -> (Wanted, Option<Vrids>) {
    (
        Wanted {
            link: Some(lab::index("v1")),
            listen: Listen::Group(lab::address(address)),
            carries: Carries::Adverts,
        },
        None,
    )
}

fn unicast(link: bool, address: &str) -> (Wanted, Option<Vrids>) {
    let link = link.then(|| lab::index("v1"));
    (Wanted { link, listen: Listen::Address(lab::address(address)), carries: Carries::Adverts }, None)
}

#[test]
fn three_hundred_multicast_adverts_arrive_with_source_and_ttl() {
    let seen = across(
        || vec![group(GROUP4), group(GROUP6)],
        |sender, link| {
            let adverts: Vec<_> = (0..300u16)
                .flat_map(|number| {
                    let payload = [&[0x31, 51][..], &number.to_be_bytes()].concat();
                    [
                        advert(Some(link), "192.0.2.1", GROUP4, &payload),
                        advert(Some(link), "fe80::1", GROUP6, &payload),
                    ]
                })
                .collect();
            send(sender, &adverts);
        },
    );
    let numbers = |source: &str, destination: &str| -> Vec<u16> {
        seen.iter()
            .filter(|(_, from, to, ttl, _)| {
                *from == lab::address(source) && *to == lab::address(destination) && *ttl == 255
            })
            .map(|(_, _, _, _, payload)| u16::from_be_bytes([payload[2], payload[3]]))
            .collect()
    };
    let all: Vec<u16> = (0..300).collect();
    assert_eq!(numbers("192.0.2.1", GROUP4), all);
    assert_eq!(numbers("fe80::1", GROUP6), all);
}

#[test]
fn unicast_adverts_arrive_with_their_own_ttl_and_link() {
    let seen = across(
        || vec![unicast(true, "192.0.2.2"), unicast(false, "2001:db8::2")],
        |sender, link| {
            let with_ttl = |ttl, advert: Advert| Advert { ttl, ..advert };
            send(
                sender,
                &[
                    with_ttl(Some(7), advert(Some(link), "192.0.2.1", "192.0.2.2", b"\x311 four")),
                    with_ttl(None, advert(None, "192.0.2.1", "192.0.2.2", b"\x311 routed")),
                    with_ttl(Some(9), advert(Some(link), "2001:db8::1", "2001:db8::2", b"\x311 six")),
                    with_ttl(None, advert(None, "2001:db8::1", "2001:db8::2", b"\x311 default")),
                ],
            );
        },
    );
    let link = seen.first().expect("something arrived").0;
    let expected = |source: &str, destination: &str, ttl, payload: &[u8]| {
        (link, lab::address(source), lab::address(destination), ttl, payload.to_vec())
    };
    assert_eq!(
        seen,
        [
            expected("192.0.2.1", "192.0.2.2", 7, b"\x311 four"),
            expected("192.0.2.1", "192.0.2.2", 255, b"\x311 routed"),
            expected("2001:db8::1", "2001:db8::2", 9, b"\x311 six"),
            expected("2001:db8::1", "2001:db8::2", 64, b"\x311 default"),
        ]
    );
}

#[test]
fn a_source_that_is_not_ours_is_sent_all_the_same() {
    let seen = across(
        || vec![group(GROUP4), group(GROUP6)],
        |sender, link| {
            send(
                sender,
                &[
                    advert(Some(link), "192.0.2.77", GROUP4, b"\x311"),
                    advert(Some(link), "fe80::77", GROUP6, b"\x311"),
                ],
            );
        },
    );
    let sources: BTreeSet<_> = seen.iter().map(|seen| seen.1).collect();
    assert_eq!(sources, BTreeSet::from(["192.0.2.77", "fe80::77"].map(lab::address)));
}

#[test]
fn the_filter_lets_only_its_ids_through() {
    let seen = across(
        || {
            let only = |vrids: &[u8]| Some(vrids.iter().copied().collect());
            vec![(group(GROUP4).0, only(&[51, 52])), (group(GROUP6).0, only(&[7]))]
        },
        |sender, link| {
            let adverts: Vec<_> = (0..=255)
                .flat_map(|vrid| {
                    [
                        advert(Some(link), "192.0.2.1", GROUP4, &[0x31, vrid, 100]),
                        advert(Some(link), "fe80::1", GROUP6, &[0x31, vrid, 100]),
                    ]
                })
                .collect();
            send(sender, &adverts);
        },
    );
    let heard: Vec<_> = seen.iter().map(|seen| seen.4[1]).collect();
    assert_eq!(heard, [51, 52, 7]);
}

#[test]
fn our_own_adverts_are_not_heard_by_ourselves() {
    lab::in_new_namespace(|| {
        lab::link("x0");
        lab::ip("link set x0 up");
        lab::ip("address add 192.0.2.1/24 dev x0");
        let link = lab::index("x0");
        let wanted = Wanted {
            link: Some(link),
            listen: Listen::Group(lab::address(GROUP4)),
            carries: Carries::Adverts,
        };
        let socket = ReceiveSocket::open(wanted, 1 << 20, None).expect("opens");
        assert!(socket.buffer().expect("says") >= 1 << 20);
        send(&mut Sender::default(), &[advert(Some(link), "192.0.2.1", GROUP4, b"\x311")]);
        assert_eq!(Inbox::default().receive(&socket).expect("receives").count(), 0);
    });
}

#[test]
fn a_link_that_is_down_refuses_its_own_adverts_only() {
    lab::in_new_namespace(|| {
        for (link, address) in [("x0", "192.0.2.1/24"), ("x1", "198.51.100.1/24")] {
            lab::link(link);
            lab::ip(&format!("address add {address} dev {link}"));
        }
        lab::ip("link set x1 up");
        let (down, up) = (lab::index("x0"), lab::index("x1"));
        let adverts: Vec<_> = (0..200)
            .map(|number| {
                if number % 2 == 0 {
                    advert(Some(down), "192.0.2.1", GROUP4, b"\x311")
                } else {
                    advert(Some(up), "198.51.100.1", GROUP4, b"\x311")
                }
            })
            .collect();
        let mut refused = Vec::new();
        Sender::default().send(&adverts, |advert, errno| refused.push((advert.link, errno)));
        assert_eq!(refused, vec![(Some(down), libc::ENETUNREACH); 100]);
        let shown = lab::ip_shows("-s -o link show x1");
        // Behind TX: bytes and packets; the kernel may have had a word to say as well.
        let sent = shown
            .rsplit("TX:")
            .next()
            .and_then(|counts| counts.split_whitespace().filter_map(|word| word.parse::<u32>().ok()).nth(1));
        assert!(sent.is_some_and(|packets| packets >= 100), "{shown}");
    });
}
