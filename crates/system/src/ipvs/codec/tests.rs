//! Bytes beside what they mean, and everything that can be written read again.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use mainstay_core::address::Family;
use mainstay_core::ipvs::{
    Destination, DestinationKey, Forwarding, Granularity, Persistence, Protocol, Scheduler, SchedulerFlags,
    Service, ServiceKey, SyncDaemon, SyncRole, Timeouts, Tunnel, TunnelChecksum, TunnelKind,
};
use proptest::prelude::*;

use super::*;
use crate::ipvs::{Info, ListedDestination, ListedService};

/// Any number the kernel may have given the family.
const NUMBER: u16 = 0x22;

fn order_bytes(order: Order<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    order.append(&mut bytes, NUMBER, 5);
    bytes
}

fn question_bytes(question: Question<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    question.append(&mut bytes, NUMBER, 5);
    bytes
}

/// What the kernel would understand, were it to say it back.
fn said_back(bytes: &[u8]) -> Vec<Answer> {
    answers(bytes, NUMBER).map(|(_, answer)| answer).collect()
}

/// Bytes as hexadecimal digits, a group an attribute.
fn bytes(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    let byte =
        |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).expect("ASCII"), 16).expect("digits");
    digits.chunks(2).map(byte).collect()
}

fn web() -> ServiceKey {
    ServiceKey::Address { protocol: Protocol::Tcp, address: IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)), port: 80 }
}

// The tables below are of a little-endian machine.
#[cfg(target_endian = "little")]
#[test]
fn a_service_is_written_like_this() {
    let service = Service {
        persistence: Some(Persistence {
            timeout_s: 300,
            granularity: Granularity::Netmask(Ipv4Addr::new(255, 255, 0, 0)),
            engine: Some("sip".into()),
        }),
        one_packet: true,
        flags: SchedulerFlags { first: true, second: false, third: true },
        ..Service::new(web(), Scheduler::SourceHash)
    };
    let expected = bytes(
        "70000000 2200 0500 05000000 00000000  01 01 0000
         5c00 0180
           0600 0100 0200 0000
           0600 0200 0600 0000
           1400 0300 0a000001 000000000000000000000000
           0600 0400 0050 0000
           0700 0600 736800 00
           0c00 0700 2d000000 ffffffff
           0800 0800 2c010000
           0800 0900 ffff0000
           0800 0b00 73697000",
    );
    assert_eq!(order_bytes(Order::AddService(&service)), expected);
}

#[cfg(target_endian = "little")]
#[test]
fn a_mark_of_ipv6_is_written_like_this() {
    let service = Service {
        persistence: Some(Persistence { timeout_s: 60, granularity: Granularity::Prefix(64), engine: None }),
        ..Service::new(ServiceKey::Mark { family: Family::V6, mark: 7 }, Scheduler::RoundRobin)
    };
    let expected = bytes(
        "4c000000 2200 0500 05000000 00000000  02 01 0000
         3800 0180
           0600 0100 0a00 0000
           0800 0500 07000000
           0700 0600 727200 00
           0c00 0700 01000000 ffffffff
           0800 0800 3c000000
           0800 0900 40000000",
    );
    assert_eq!(order_bytes(Order::EditService(&service)), expected);
}

#[cfg(target_endian = "little")]
#[test]
fn a_destination_behind_a_tunnel_is_written_like_this() {
    let destination = Destination {
        key: DestinationKey { address: IpAddr::V6(Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 9)), port: 8080 },
        forwarding: Forwarding::Tunnel(Tunnel {
            kind: TunnelKind::Gue { port: 6080 },
            checksum: TunnelChecksum::Remote,
        }),
        weight: 3,
        upper_threshold: 100,
        lower_threshold: 50,
    };
    let expected = bytes(
        "a4000000 2200 0500 05000000 00000000  05 01 0000
         3000 0180
           0600 0100 0200 0000
           0600 0200 0600 0000
           1400 0300 0a000001 000000000000000000000000
           0600 0400 0050 0000
         6000 0280
           0600 0b00 0a00 0000
           1400 0100 fd000000 00000000 00000000 00000009
           0600 0200 1f90 0000
           0800 0300 02000000
           0800 0400 03000000
           0800 0500 64000000
           0800 0600 32000000
           0500 0d00 01 000000
           0600 0e00 17c0 0000
           0600 0f00 0200 0000",
    );
    assert_eq!(order_bytes(Order::AddDestination(&web(), &destination)), expected);
}

#[cfg(target_endian = "little")]
#[test]
fn the_rest_is_written_like_this() {
    let to = DestinationKey { address: IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2)), port: 0 };
    let daemon = SyncDaemon {
        role: SyncRole::Backup,
        interface: "eth0".into(),
        id: 9,
        max_length: Some(1400),
        port: Some(9000),
        ttl: Some(3),
        group: Some(IpAddr::V4(Ipv4Addr::new(224, 0, 0, 99))),
    };
    let daemon6 = SyncDaemon {
        role: SyncRole::Master,
        max_length: None,
        port: None,
        ttl: None,
        group: Some("ff02::99".parse().expect("a group")),
        ..daemon.clone()
    };
    let key = "3000 0180
           0600 0100 0200 0000
           0600 0200 0600 0000
           1400 0300 0a000001 000000000000000000000000
           0600 0400 0050 0000";
    for (order, expected) in [
        (Order::DeleteService(&web()), format!("44000000 2200 0500 05000000 00000000  03 01 0000 {key}")),
        (
            Order::DeleteDestination(&web(), &to),
            format!(
                "6c000000 2200 0500 05000000 00000000  07 01 0000 {key}
                 2800 0280
                   0600 0b00 0200 0000
                   1400 0100 0a000002 000000000000000000000000
                   0600 0200 0000 0000"
            ),
        ),
        (
            Order::SetTimeouts(&Timeouts { tcp_s: 900, tcp_fin_s: 0, udp_s: 1 }),
            "2c000000 2200 0500 05000000 00000000  0c 01 0000
             0800 0400 84030000  0800 0500 00000000  0800 0600 01000000"
                .into(),
        ),
        (
            Order::StartDaemon(&daemon),
            "54000000 2200 0500 05000000 00000000  09 01 0000
             4000 0380
               0800 0100 02000000
               0900 0200 6574683000 000000
               0800 0300 09000000
               0600 0400 7805 0000
               0800 0500 e0000063
               0600 0700 2823 0000
               0500 0800 03 000000"
                .into(),
        ),
        (
            Order::StartDaemon(&daemon6),
            "48000000 2200 0500 05000000 00000000  09 01 0000
             3400 0380
               0800 0100 01000000
               0900 0200 6574683000 000000
               0800 0300 09000000
               1400 0600 ff020000 00000000 00000000 00000099"
                .into(),
        ),
        (
            Order::StopDaemon(SyncRole::Master),
            "20000000 2200 0500 05000000 00000000  0a 01 0000  0c00 0380 0800 0100 01000000".into(),
        ),
        (Order::Zero(Some(&web())), format!("44000000 2200 0500 05000000 00000000  10 01 0000 {key}")),
        (Order::Zero(None), "14000000 2200 0500 05000000 00000000  10 01 0000".into()),
        (Order::Flush, "14000000 2200 0500 05000000 00000000  11 01 0000".into()),
    ] {
        assert_eq!(order_bytes(order), bytes(&expected), "{order:?}");
    }
    for (question, expected) in [
        (
            Question::Family,
            "20000000 1000 0500 05000000 00000000  03 01 0000  0900 0200 4950565300 000000".to_owned(),
        ),
        (Question::Info, "14000000 2200 0500 05000000 00000000  0f 01 0000".into()),
        (Question::Timeouts, "14000000 2200 0500 05000000 00000000  0d 01 0000".into()),
        (Question::Daemons, "14000000 2200 0103 05000000 00000000  0b 01 0000".into()),
        (Question::Services, "14000000 2200 0103 05000000 00000000  04 01 0000".into()),
        (Question::Destinations(&web()), format!("44000000 2200 0103 05000000 00000000  08 01 0000 {key}")),
    ] {
        assert_eq!(question_bytes(question), bytes(&expected), "{question:?}");
    }
}

#[cfg(target_endian = "little")]
#[test]
fn verdicts_ends_numbers_and_counters_are_read() {
    for (text, expected) in [
        (
            "24000000 0200 0000 05000000 00000000 00000000 14000000 2200 0500 05000000 00000000",
            Answer::Verdict(0),
        ),
        (
            "24000000 0200 0000 05000000 00000000 efffffff 14000000 2200 0500 05000000 00000000",
            Answer::Verdict(17),
        ),
        // A number that has no opposite.
        ("14000000 0200 0000 05000000 00000000 00000080", Answer::Verdict(i32::MAX)),
        ("14000000 0300 0200 05000000 00000000 00000000", Answer::End(0)),
        ("14000000 0300 0200 05000000 00000000 fdffffff", Answer::End(3)),
        ("1c000000 1000 0000 05000000 00000000 01 02 0000 0600 0100 2200 0000", Answer::Family(0x22)),
        (
            "24000000 2200 0000 05000000 00000000 0e 01 0000 0800 0100 01020100 0800 0200 00100000",
            Answer::Info(Info { version: [1, 2, 1], connection_table_size: 4096 }),
        ),
        ("14000000 2200 0000 05000000 00000000 63 01 0000", Answer::Unreadable),
    ] {
        let read: Vec<_> = answers(&bytes(text), NUMBER).collect();
        assert_eq!(read, [(5, expected)], "{text}");
    }
    assert_eq!(said_back(&bytes("14000000 9900 0000 05000000 00000000 01 01 0000")), [], "another family's");
}

#[cfg(target_endian = "little")]
#[test]
fn counters_of_64_bits_are_preferred_to_those_of_32() {
    let key = "0600 0b00 0200 0000  1400 0100 0a000002 000000000000000000000000  0600 0200 0050 0000
               0800 0300 03000000  0800 0700 07000000  0800 0800 08000000  0800 0900 09000000";
    let old = "1800 0a80  0800 0100 05000000  0c00 0400 ffffffffffffffff";
    let new = "3400 0c80  0c00 0100 0500000001000000  0c00 0300 0600000000000000  0c00 0600 0700000000000000
                          0c00 0a00 0800000000000000";
    let read = |statistics: &str| {
        let nest = bytes(&format!("{key} {statistics}"));
        let length = u32::try_from(16 + 4 + 4 + nest.len()).expect("short");
        let mut message = length.to_ne_bytes().to_vec();
        message.extend(bytes("2200 0200 05000000 00000000  05 01 0000"));
        message.extend(u16::try_from(4 + nest.len()).expect("short").to_ne_bytes());
        message.extend(bytes("0280"));
        message.extend(nest);
        let [Answer::Destination(listed)] = &said_back(&message)[..] else { panic!("a destination") };
        *listed
    };
    let listed = read(old);
    assert_eq!((listed.statistics.totals.connections, listed.statistics.totals.bytes_in), (5, u64::MAX));
    assert_eq!(
        (listed.connections.active, listed.connections.inactive, listed.connections.persistent),
        (7, 8, 9)
    );
    assert_eq!(listed.destination.forwarding, Forwarding::DirectRoute);
    for both in [format!("{old} {new}"), format!("{new} {old}")] {
        let listed = read(&both);
        assert_eq!(listed.statistics.totals.connections, 0x1_0000_0005);
        assert_eq!(listed.statistics.totals.packets_out, 6);
        assert_eq!((listed.statistics.rates.connections, listed.statistics.rates.bytes_out), (7, 8));
    }
}

fn listed(service: Service) -> Answer {
    Answer::Service(ListedService { service, statistics: Default::default(), destinations: Vec::new() })
}

fn listed_destination(destination: Destination) -> Answer {
    Answer::Destination(ListedDestination {
        destination,
        connections: Default::default(),
        statistics: Default::default(),
    })
}

fn keys() -> impl Strategy<Value = ServiceKey> {
    let protocols = prop_oneof![Just(Protocol::Tcp), Just(Protocol::Udp), Just(Protocol::Sctp)];
    prop_oneof![
        (protocols, any::<IpAddr>(), any::<u16>())
            .prop_map(|(protocol, address, port)| ServiceKey::Address { protocol, address, port }),
        (prop_oneof![Just(Family::V4), Just(Family::V6)], any::<u32>())
            .prop_map(|(family, mark)| ServiceKey::Mark { family, mark }),
    ]
}

prop_compose! {
    fn services()(
        key in keys(),
        scheduler in "[a-z]{1,15}",
        bits in any::<[bool; 4]>(),
        timeout_s in any::<u32>(),
        mask in any::<u32>(),
        length in 1..=128_u8,
        engine in proptest::option::of("[a-z]{1,15}"),
        persistent in any::<bool>(),
    ) -> Service {
        let granularity = match key.family() {
            Family::V4 => Granularity::Netmask(Ipv4Addr::from(mask)),
            Family::V6 => Granularity::Prefix(length),
        };
        let engine = engine.as_deref().map(Into::into);
        Service {
            key,
            scheduler: Scheduler::named(&scheduler),
            flags: SchedulerFlags { first: bits[0], second: bits[1], third: bits[2] },
            one_packet: bits[3],
            persistence: persistent.then_some(Persistence { timeout_s, granularity, engine }),
        }
    }
}

fn forwardings() -> impl Strategy<Value = Forwarding> {
    let kinds = prop_oneof![
        Just(TunnelKind::Ipip),
        Just(TunnelKind::Gre),
        any::<u16>().prop_map(|port| TunnelKind::Gue { port })
    ];
    let checksums =
        prop_oneof![Just(TunnelChecksum::None), Just(TunnelChecksum::Full), Just(TunnelChecksum::Remote)];
    prop_oneof![
        Just(Forwarding::Masquerade),
        Just(Forwarding::DirectRoute),
        prop_oneof![Just(1), 4..=7_u8].prop_map(Forwarding::Other),
        (kinds, checksums).prop_map(|(kind, checksum)| Forwarding::Tunnel(Tunnel { kind, checksum })),
    ]
}

prop_compose! {
    fn destinations()(
        address in any::<IpAddr>(),
        port in any::<u16>(),
        forwarding in forwardings(),
        weight in any::<u32>(),
        upper_threshold in any::<u32>(),
        lower_threshold in any::<u32>(),
    ) -> Destination {
        let key = DestinationKey { address, port };
        Destination { key, forwarding, weight, upper_threshold, lower_threshold }
    }
}

prop_compose! {
    fn daemons()(
        is_master in any::<bool>(),
        interface in "[a-z0-9.-]{1,15}",
        id in any::<u8>(),
        max_length in proptest::option::of(1..=u16::MAX),
        port in proptest::option::of(1..=u16::MAX),
        ttl in proptest::option::of(1..=u8::MAX),
        group in proptest::option::of(any::<IpAddr>()),
    ) -> SyncDaemon {
        let role = if is_master { SyncRole::Master } else { SyncRole::Backup };
        SyncDaemon { role, interface, id, max_length, port, ttl, group }
    }
}

proptest! {
    #[test]
    fn what_is_written_can_be_read_again(
        service in services(),
        destination in destinations(),
        daemon in daemons(),
        timeouts in any::<(u32, u32, u32)>(),
    ) {
        let (tcp_s, tcp_fin_s, udp_s) = timeouts;
        let timeouts = Timeouts { tcp_s, tcp_fin_s, udp_s };
        let mut batch = Vec::new();
        for (sequence, order) in (1..).zip([
            Order::AddService(&service),
            Order::AddDestination(&service.key, &destination),
            Order::StartDaemon(&daemon),
            Order::SetTimeouts(&timeouts),
        ]) {
            order.append(&mut batch, NUMBER, sequence);
        }
        let read: Vec<_> = answers(&batch, NUMBER).collect();
        let expected = [
            (1, listed(service)),
            (2, listed_destination(destination)),
            (3, Answer::Daemon(daemon)),
            (4, Answer::Timeouts(timeouts)),
        ];
        prop_assert_eq!(read, expected);
    }

    #[test]
    fn a_cut_or_changed_message_is_read_without_panic(
        service in services(),
        destination in destinations(),
        cut in any::<prop::sample::Index>(),
        changed in any::<prop::sample::Index>(),
        to in any::<u8>(),
    ) {
        let mut batch = order_bytes(Order::AddDestination(&service.key, &destination));
        Order::EditService(&service).append(&mut batch, NUMBER, 6);
        let place = changed.index(batch.len());
        batch[place] = to;
        // As many answers as there are messages, at most.
        prop_assert!(answers(&batch, NUMBER).count() <= batch.len() / 16);
        prop_assert!(answers(&batch[..cut.index(batch.len())], NUMBER).count() <= 2);
    }

    #[test]
    fn any_bytes_are_read_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(answers(&bytes, NUMBER).count() <= bytes.len() / 16);
    }
}
