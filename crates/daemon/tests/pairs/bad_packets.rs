//! Packets nobody should send, at 2 and 500 a second of each kind: they change nothing but a counter.
//!
//! Every kind has a virtual router of its own, so that all are tried at once and none hides behind another. keepalived
//! (2.2.7 and 2.4.3) loses its master to most of them: a rejected packet postpones its next advert.

use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use mainstay::lab::{AddressWatch, Injector, LAN, Lab, capture, seconds};

use crate::scene::{Kind, LIMIT, program};

/// Where the packets come from.
const ATTACKER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 66);
const GROUP: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 18);

/// What is wrong with a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wrong {
    Checksum,
    Ttl,
    CountLies,
    NoAddress,
    TrailingBytes,
    Truncated,
    OldVersion,
    UnknownType,
    IntervalZero,
    RandomBytes,
    UnknownVrid,
    LowPriority,
    LowPriorityOtherInterval,
    Password,
}

const KINDS: [Wrong; 14] = [
    Wrong::Checksum,
    Wrong::Ttl,
    Wrong::CountLies,
    Wrong::NoAddress,
    Wrong::TrailingBytes,
    Wrong::Truncated,
    Wrong::OldVersion,
    Wrong::UnknownType,
    Wrong::IntervalZero,
    Wrong::RandomBytes,
    Wrong::UnknownVrid,
    Wrong::LowPriority,
    Wrong::LowPriorityOtherInterval,
    Wrong::Password,
];

/// The virtual router that this kind is meant for.
fn vrid(number: usize) -> u8 {
    u8::try_from(number + 1).expect("14 kinds have small numbers")
}

fn address(number: usize) -> Ipv4Addr {
    Ipv4Addr::new(10, 0, 1, vrid(number))
}

/// One instance for every kind.
fn config(priority: u8) -> String {
    let mut text = "global_defs {\n    vrrp_version 3\n}\n".to_owned();
    for (number, kind) in KINDS.iter().enumerate() {
        let (vrid, address) = (vrid(number), address(number));
        let speech = if *kind == Wrong::Password {
            "version 2\n    advert_int 1\n    authentication {\n        auth_type PASS\n        auth_pass right\n    }"
        } else {
            "advert_int 0.1"
        };
        text += &format!(
            "vrrp_instance {kind:?} {{
    state BACKUP
    interface eth0
    virtual_router_id {vrid}
    priority {priority}
    {speech}
    virtual_ipaddress {{
        {address}/32
    }}
}}
"
        );
    }
    text
}

/// The ones' complement sum of RFC 1071 over 16-bit words, written here a second time so that it can disagree.
fn checksum(parts: &[&[u8]]) -> u16 {
    let mut sum: u32 = 0;
    for part in parts {
        for word in part.chunks(2) {
            sum += u32::from(word[0]) * 256 + u32::from(word.get(1).copied().unwrap_or(0));
        }
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).expect("folded to 16 bits")
}

/// A v3 advert with a right checksum (RFC 5798 form) whatever else is wrong with it.
fn v3(
    kind_and_version: u8,
    vrid: u8,
    priority: u8,
    count: u8,
    interval_cs: u16,
    addresses: &[u8],
) -> Vec<u8> {
    let mut packet = vec![kind_and_version, vrid, priority, count];
    packet.extend(interval_cs.to_be_bytes());
    packet.extend([0, 0]);
    packet.extend(addresses);
    let length = u8::try_from(packet.len()).expect("short packets");
    let sum = checksum(&[&ATTACKER.octets(), &GROUP.octets(), &[0, 112, 0, length], &packet]);
    packet[6..8].copy_from_slice(&sum.to_be_bytes());
    packet
}

/// A v2 advert with a right checksum.
fn v2(vrid: u8, priority: u8, auth_type: u8, address: Ipv4Addr, password: &[u8; 8]) -> Vec<u8> {
    let mut packet = vec![0x21, vrid, priority, 1, auth_type, 1, 0, 0];
    packet.extend(address.octets());
    packet.extend(password);
    let sum = checksum(&[&packet]);
    packet[6..8].copy_from_slice(&sum.to_be_bytes());
    packet
}

/// One packet of a kind. High priorities where acceptance would be a takeover.
fn packet(kind: Wrong, number: usize, random: &mut u64) -> Vec<u8> {
    let (vrid, address) = (vrid(number), address(number));
    let good = |priority, interval| v3(0x31, vrid, priority, 1, interval, &address.octets());
    match kind {
        Wrong::Checksum => {
            let mut packet = good(254, 10);
            packet[6] ^= 0x55;
            packet
        }
        Wrong::Ttl => good(254, 10),
        Wrong::CountLies => v3(0x31, vrid, 254, 3, 10, &address.octets()),
        Wrong::NoAddress => v3(0x31, vrid, 254, 0, 10, &[]),
        Wrong::TrailingBytes => v3(0x31, vrid, 254, 1, 10, &[&address.octets()[..], &[0; 8]].concat()),
        Wrong::Truncated => good(254, 10)[..7].to_vec(),
        Wrong::OldVersion => v2(vrid, 254, 0, address, &[0; 8]),
        Wrong::UnknownType => v3(0x32, vrid, 254, 1, 10, &address.octets()),
        Wrong::IntervalZero => good(254, 0),
        Wrong::RandomBytes => {
            let mut bytes: Vec<u8> = (0..20)
                .map(|_| {
                    *random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    random.to_be_bytes()[0]
                })
                .collect();
            bytes[1] = vrid;
            bytes
        }
        Wrong::UnknownVrid => v3(0x31, 200, 254, 1, 10, &address.octets()),
        Wrong::LowPriority => good(50, 10),
        Wrong::LowPriorityOtherInterval => good(50, 300),
        Wrong::Password => v2(vrid, 254, 1, address, b"wrong\0\0\0"),
    }
}

/// Sends `rate` packets a second of every kind, evenly, for `period`.
fn attack(injector: &Injector, rate: u32, period: Duration) -> Result<()> {
    let mut random = 42;
    let start = Instant::now();
    let mut sent = 0;
    while start.elapsed() < period {
        let due = (start.elapsed().as_secs_f64() * f64::from(rate)) as u32 + 1;
        while sent < due {
            for (number, kind) in KINDS.iter().enumerate() {
                injector.ttl(if *kind == Wrong::Ttl { 64 } else { 255 })?;
                injector.send(&packet(*kind, number, &mut random))?;
            }
            sent += 1;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    ensure!(
        f64::from(sent) > 0.9 * period.as_secs_f64() * f64::from(rate),
        "only {sent} of each kind were sent"
    );
    Ok(())
}

/// Plays it for one rate, between two Mainstays.
fn bad_packets_change_nothing(rate: u32, period: Duration) -> Result<()> {
    let lab = Lab::new("attack")?;
    lab.print_logs_at_end();
    let a = lab.node("a", &["10.0.0.1/24"])?;
    let b = lab.node("b", &["10.0.0.2/24"])?;
    let attacker = lab.node("attacker", &[&format!("{ATTACKER}/24")])?;
    let injector = attacker.injector(IpAddr::V4(GROUP))?;
    let capture = lab.capture(LAN)?;
    let first = a.start(&program(Kind::Mainstay), &config(150))?;
    let all = |node: &mainstay::lab::Node| {
        let present = node.addresses();
        (0..KINDS.len()).all(|number| present.contains(&address(number).to_string()))
    };
    lab.wait_until("a holds every address", LIMIT, || all(&a))?;
    let second = b.start(&program(Kind::Mainstay), &config(100))?;
    lab.wait_until("b is backup of all", LIMIT, || second.logged("Entering BACKUP STATE") == KINDS.len())?;
    std::thread::sleep(seconds(1.5));

    let watches: Vec<AddressWatch> = vec![a.watch_addresses()?, b.watch_addresses()?];
    let before = [first.log(), second.log()].map(|log| log.lines().count());
    attack(&injector, rate, period)?;
    std::thread::sleep(seconds(0.5));

    let moves: Vec<_> = watches.iter().flat_map(AddressWatch::changes).collect();
    ensure!(moves.is_empty(), "addresses moved: {moves:?}");
    for (log, before) in [first.log(), second.log()].iter().zip(before) {
        let new: Vec<_> = log.lines().skip(before).collect();
        ensure!(!new.iter().any(|line| line.contains("Entering")), "states changed: {new:#?}");
        // One line for a (source, reason) of an instance, plus one for a count; not one for a packet.
        ensure!(new.len() <= 3 * KINDS.len(), "{} lines were logged: {new:#?}", new.len());
    }
    let packets = capture.finish()?;
    capture::assert_clean(&packets, &["10.0.0.1".parse()?])
}

#[test]
fn two_bad_packets_a_second_change_nothing() -> Result<()> {
    // Longer than the master-down interval of the slowest instance, 3.6 s.
    bad_packets_change_nothing(2, seconds(4.5))
}

#[test]
fn five_hundred_bad_packets_a_second_change_nothing() -> Result<()> {
    bad_packets_change_nothing(500, seconds(4.0))
}
