//! Claims: the filter instruction by instruction, the parsers byte by byte, and the sockets against a real kernel.

use std::time::{Duration, Instant};

use super::*;
use crate::announce::{Announcement, Announcer, Question};
use crate::lab;

/// Runs a filter program as the kernel would, for the instructions we use.
fn run(program: &[sock_filter], packet: &[u8]) -> bool {
    let (mut accumulator, mut at) = (0u32, 0usize);
    loop {
        let instruction = program[at];
        at += 1;
        let load = |length: usize| {
            let bytes = packet.get(instruction.k as usize..)?.get(..length)?;
            Some(bytes.iter().fold(0, |number, byte| number << 8 | u32::from(*byte)))
        };
        let loaded = match instruction.code {
            code if code == load_word(0).code => Some(4),
            code if code == load_half(0).code => Some(2),
            code if code == load_byte(0).code => Some(1),
            _ => None,
        };
        if let Some(length) = loaded {
            let Some(number) = load(length) else { return false };
            accumulator = number;
            continue;
        }
        let yes = match instruction.code {
            code if code == jump_if_at_least(0, 0, 0).code => accumulator >= instruction.k,
            code if code == jump_if_more(0, 0, 0).code => accumulator > instruction.k,
            code if code == jump_if_equal(0, 0, 0).code => accumulator == instruction.k,
            code if code == jump(0).code => {
                at += instruction.k as usize;
                continue;
            }
            code => {
                assert_eq!(code, give(0).code);
                return instruction.k != 0;
            }
        };
        at += usize::from(if yes { instruction.jt } else { instruction.jf });
    }
}

fn arp(sender: u32) -> Vec<u8> {
    let mut packet = vec![0, 1, 0x08, 0, 6, 4, 0, 2, 2, 0, 0, 0, 0, 9];
    packet.extend(sender.to_be_bytes());
    packet.extend([0; 10]);
    packet
}

fn advertisement(target: Ipv6Addr) -> Vec<u8> {
    let mut message = vec![136, 0, 0, 0, 0x20, 0, 0, 0];
    message.extend(target.octets());
    message.extend([2, 1, 2, 0, 0, 0, 0, 9]);
    message
}

#[test]
fn the_filter_accepts_exactly_the_addresses_it_was_given() {
    let base = 0x0a00_0000;
    let sets: [Vec<u32>; 6] = [
        vec![],
        vec![base],
        vec![u32::MAX, 0],
        (base..base + 300).collect(),
        (base..base + 1000).step_by(2).collect(),
        (base..base + 100).filter(|number| number % 7 < 3).collect(),
    ];
    for wanted in sets {
        let addresses: Vec<IpAddr> = wanted.iter().map(|bits| Ipv4Addr::from_bits(*bits).into()).collect();
        let program = program(Family::V4, &addresses);
        assert!(program.len() < 4096, "the kernel's limit");
        for sender in (base - 3..base + 1010).chain([0, u32::MAX, u32::MAX - 1]) {
            assert_eq!(run(&program, &arp(sender)), wanted.contains(&sender), "{sender:#x}");
        }
    }
}

#[test]
fn too_many_addresses_for_a_filter_let_every_claim_through_and_nothing_else() {
    let scattered: Vec<IpAddr> =
        (0..2000u32).map(|n| Ipv4Addr::from_bits(0x0a00_0000 + 3 * n).into()).collect();
    let program = program(Family::V4, &scattered);
    assert!(run(&program, &arp(1)));
    let mut other = arp(1);
    other[3] = 6;
    assert!(!run(&program, &other), "ARP for another protocol");
}

#[test]
fn the_ipv6_filter_looks_at_advertisements_and_their_target() {
    let watched: Ipv6Addr = "2001:db8::9".parse().expect("an address");
    let program = program(Family::V6, &[watched.into(), Ipv4Addr::new(0, 0, 0, 7).into()]);
    assert!(run(&program, &advertisement(watched)));
    assert!(!run(&program, &advertisement("2001:db8::7".parse().expect("an address"))));
    let mut solicitation = advertisement(watched);
    solicitation[0] = 135;
    assert!(!run(&program, &solicitation));
    assert!(!run(&program, &advertisement(watched)[..20]), "cut off");
}

#[test]
fn a_claim_is_read_from_its_bytes_and_a_damaged_one_is_none() {
    let (address, mac) = (IpAddr::from([10, 0, 0, 9]), [2, 0, 0, 0, 0, 9]);
    assert_eq!(arp_sender(&arp(0x0a00_0009)), Some((address, mac)));
    let target: Ipv6Addr = "fe80::9".parse().expect("an address");
    assert_eq!(advertised_target(&advertisement(target)), Some((target.into(), mac)));
    for cut in 0..advertisement(target).len() {
        assert_eq!(advertised_target(&advertisement(target)[..cut]), None, "{cut} bytes");
    }
    for cut in 0..18 {
        assert_eq!(arp_sender(&arp(1)[..cut]), None, "{cut} bytes");
    }
    let mut endless = advertisement(target);
    endless[24] = 1;
    endless[25] = 0;
    assert_eq!(advertised_target(&endless), None, "an option of no length");
    let mut second = advertisement(target);
    second.splice(24..24, [14, 1, 0, 0, 0, 0, 0, 0]);
    assert_eq!(advertised_target(&second), Some((target.into(), mac)), "behind another option");
}

/// Waits for a claim, or for nothing.
fn heard(socket: &ClaimSocket, patience: Duration) -> Vec<Claim> {
    let (mut inbox, until) = (Inbox::default(), Instant::now() + patience);
    loop {
        let claims: Vec<Claim> = inbox.claims(socket).expect("receives").collect();
        if !claims.is_empty() || Instant::now() > until {
            return claims;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// `v0` with `02:..:01` and `v1` with `02:..:02`, on one wire.
fn wire() -> [LinkIndex; 2] {
    lab::ip("link add v0 address 02:00:00:00:00:01 type veth peer name v1 address 02:00:00:00:00:02");
    let links = ["v0", "v1"].map(|link| {
        let sysctl = |name: &str, value: &str| {
            std::fs::write(format!("/proc/sys/net/ipv6/conf/{link}/{name}"), value).expect("written");
        };
        sysctl("accept_dad", "0");
        lab::ip(&format!("link set {link} up"));
        lab::index(link)
    });
    // The kernel drops what is sent before it has noticed the carrier.
    let until = Instant::now() + Duration::from_secs(5);
    while ["v0", "v1"].iter().any(|link| !lab::ip_shows(&format!("link show {link}")).contains("state UP")) {
        assert!(Instant::now() < until, "no carrier");
        std::thread::sleep(Duration::from_millis(5));
    }
    links
}

#[test]
fn a_holder_s_kernel_answers_the_question_of_who_has_an_address() {
    lab::in_new_namespace(|| {
        let [asking, _] = wire();
        lab::ip("address add 192.0.2.9/24 dev v1");
        lab::ip("address add 2001:db8::9/64 dev v1 nodad");
        let announcer = Announcer::open().expect("opens");
        for text in ["192.0.2.9", "2001:db8::9"] {
            let address = lab::address(text);
            let socket = ClaimSocket::open(asking, Family::of(address), &[address]).expect("opens");
            announcer
                .ask(&[Question { link: asking, mac: [2, 0, 0, 0, 0, 1], address }], |question, error| {
                    panic!("{question:?}: {error}")
                });
            let claim = Claim { link: asking, address, mac: [2, 0, 0, 0, 0, 2] };
            assert_eq!(heard(&socket, Duration::from_secs(5)), [claim]);
        }
        // Nobody took our question for a claim.
        assert!(!lab::ip_shows("neighbour show dev v1").contains("192.0.2.9"));
    });
}

#[test]
fn nobody_answers_for_an_address_that_nobody_has() {
    lab::in_new_namespace(|| {
        let [asking, _] = wire();
        lab::ip("address add 192.0.2.8/24 dev v1");
        let address = lab::address("192.0.2.9");
        let socket = ClaimSocket::open(asking, Family::V4, &[address]).expect("opens");
        let question = Question { link: asking, mac: [2, 0, 0, 0, 0, 1], address };
        Announcer::open().expect("opens").ask(&[question], |question, error| panic!("{question:?}: {error}"));
        assert_eq!(heard(&socket, Duration::from_millis(200)), []);
    });
}

#[test]
fn an_announcement_is_a_claim_and_the_filter_follows_the_addresses() {
    lab::in_new_namespace(|| {
        let [hearing, announcing] = wire();
        let announcer = Announcer::open().expect("opens");
        for (text, other) in [("192.0.2.9", "192.0.2.7"), ("2001:db8::9", "2001:db8::7")] {
            let (address, other) = (lab::address(text), lab::address(other));
            let announce =
                |address| Announcement { link: announcing, mac: [2, 0, 0, 0, 0, 2], address, router: false };
            let socket = ClaimSocket::open(hearing, Family::of(address), &[address]).expect("opens");
            let both = [announce(other), announce(address)];
            announcer.send(&both, |announcement, error| panic!("{announcement:?}: {error}"));
            let claim = Claim { link: hearing, address, mac: [2, 0, 0, 0, 0, 2] };
            assert_eq!(heard(&socket, Duration::from_secs(5)), [claim]);
            socket.filter(&[other]).expect("filters");
            announcer.send(&both, |announcement, error| panic!("{announcement:?}: {error}"));
            assert_eq!(heard(&socket, Duration::from_secs(5)), [Claim { address: other, ..claim }]);
        }
    });
}

#[test]
fn a_thousand_addresses_are_watched_with_one_socket() {
    lab::in_new_namespace(|| {
        let [hearing, announcing] = wire();
        let addresses: Vec<IpAddr> =
            (0..1000u32).map(|n| Ipv4Addr::from_bits(0x0a00_0000 + 2 * n).into()).collect();
        let socket = ClaimSocket::open(hearing, Family::V4, &addresses).expect("opens");
        let announcement = Announcement {
            link: announcing,
            mac: [2, 0, 0, 0, 0, 2],
            address: addresses[777],
            router: false,
        };
        Announcer::open().expect("opens").send(&[announcement], |_, error| panic!("{error}"));
        assert_eq!(heard(&socket, Duration::from_secs(5)).len(), 1);
    });
}

#[test]
fn a_link_that_is_gone_cannot_be_listened_to() {
    lab::in_new_namespace(|| {
        // (A raw IPv6 socket may be bound to a link that is not there, and hears nothing.)
        let error = ClaimSocket::open(LinkIndex(99), Family::V4, &[]).expect_err("refused");
        assert_eq!(error.errno(), libc::ENODEV, "{error}");
    });
}
