//! The table in memory judges as the kernel does: the same orders, drawn at random, get the same answers.

use mainstay_core::address::Family;
use mainstay_core::ipvs::{
    Destination, DestinationKey, Forwarding, Protocol, Service, ServiceKey, SyncDaemon, SyncRole, Timeouts,
    Tunnel, TunnelChecksum, TunnelKind,
};
use mainstay_system::ipvs::codec::Order;
use mainstay_system::ipvs::{Balancer, Kernel, Memory};

use super::words::{mark, of_protocol, persistent, service, tcp, udp};
use crate::stage::{in_new_namespace, run};

/// Orders in one run. Few keys, so that they meet.
const ORDERS: u32 = 1_500;

/// A small generator (splitmix64): the run is the same every time.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % end as u64).expect("below an usize")
    }

    fn of<T: Clone>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())].clone()
    }

    fn service(&mut self) -> Service {
        let key = self.key();
        // The kernel starts a program to load what it has not, so that is asked for only now and then.
        let missing = self.below(100) == 0;
        let scheduler =
            if missing { "nosuch" } else { self.of(&["rr", "wlc", "sh", "mh", "longer_than_fifteen"]) };
        let mut drawn = service(key, scheduler);
        drawn.flags.first = self.below(2) == 0;
        drawn.one_packet = self.below(4) == 0;
        if self.below(2) == 0 {
            let mask = match key.family() {
                Family::V4 => self.of(&["255.255.255.255", "255.0.0.0", "0.0.0.0", "0.255.0.1"]),
                Family::V6 => self.of(&["128", "64", "1", "0", "129"]),
            };
            let engine = if missing { Some("nosuch") } else { self.of(&[None, None, Some("sip")]) };
            drawn = persistent(drawn, self.of(&[1, 360]), mask, engine);
        }
        drawn
    }

    fn key(&mut self) -> ServiceKey {
        self.of(&[
            tcp("10.0.0.1:80"),
            udp("10.0.0.1:80"),
            tcp("10.0.0.1:0"),
            of_protocol(Protocol::Sctp, "[fd00::1]:80"),
            mark(Family::V4, 1),
            mark(Family::V6, 1),
        ])
    }

    fn destination_key(&mut self) -> DestinationKey {
        let address = self.of(&[
            "10.0.0.2",
            "10.0.0.3",
            "127.0.0.1",
            "0.0.0.0",
            "224.0.0.1",
            "255.255.255.255",
            "fd00::2",
            "::1",
            "::",
            "ff02::1",
            "240.0.0.1",
        ]);
        DestinationKey { address: address.parse().expect("an address"), port: self.of(&[80, 0]) }
    }

    fn destination(&mut self) -> Destination {
        let checksum = self.of(&[TunnelChecksum::None, TunnelChecksum::Full, TunnelChecksum::Remote]);
        let kinds =
            [TunnelKind::Ipip, TunnelKind::Gre, TunnelKind::Gue { port: 6080 }, TunnelKind::Gue { port: 0 }];
        let tunnel = Forwarding::Tunnel(Tunnel { kind: self.of(&kinds), checksum });
        Destination {
            key: self.destination_key(),
            forwarding: self.of(&[Forwarding::Masquerade, Forwarding::DirectRoute, tunnel, tunnel]),
            weight: self.of(&[0, 1, i32::MAX as u32, i32::MAX as u32 + 1]),
            upper_threshold: self.of(&[0, 0, 10, i32::MAX as u32, u32::MAX]),
            lower_threshold: self.of(&[0, 0, 0, 10, 11]),
        }
    }

    fn daemon(&mut self) -> SyncDaemon {
        SyncDaemon {
            role: self.role(),
            interface: "sync".into(),
            id: 1,
            max_length: Some(1400),
            port: Some(8848),
            ttl: Some(1),
            group: Some("224.0.0.81".parse().expect("a group")),
        }
    }

    fn role(&mut self) -> SyncRole {
        self.of(&[SyncRole::Master, SyncRole::Backup])
    }
}

#[test]
fn the_table_in_memory_answers_as_the_kernel_does() {
    in_new_namespace(|| {
        run("ip link add sync type dummy");
        run("ip link set sync up");
        run("ip address add 10.0.0.9/24 dev sync");
        run("ip -6 address add fd00::9/64 dev sync nodad");
        let mut kernel = Kernel::open().expect("ip_vs");
        let mut memory = Memory::new();
        let mut random = Random(1);
        let mut refused = 0;
        for number in 0..ORDERS {
            let (key, whole, to, to_key) =
                (random.key(), random.service(), random.destination(), random.destination_key());
            let (daemon, role) = (random.daemon(), random.role());
            let timeouts =
                Timeouts { tcp_s: random.of(&[0, 5, u32::MAX]), tcp_fin_s: random.of(&[0, 7]), udp_s: 0 };
            let order = match random.below(100) {
                0 => Order::Flush,
                1..=2 => Order::StartDaemon(&daemon),
                3..=6 => Order::StopDaemon(role),
                7..=8 => Order::SetTimeouts(&timeouts),
                9 => Order::Zero(Some(&key)),
                10 => Order::Zero(None),
                11..=24 => Order::AddService(&whole),
                25..=34 => Order::EditService(&whole),
                35..=37 => Order::DeleteService(&key),
                38..=69 => Order::AddDestination(&key, &to),
                70..=89 => Order::EditDestination(&key, &to),
                _ => Order::DeleteDestination(&key, &to_key),
            };
            let mut said = kernel.perform(&[order]).expect("answers");
            // A daemon that was stopped before it ever ran: it is stopped.
            if let (Order::StopDaemon(_), [libc::EINTR]) = (order, said.as_slice()) {
                said = vec![0];
            }
            assert_eq!(memory.perform(&[order]).expect("answers"), said, "order {number}: {order:?}");
            refused += u32::from(said != [0]);
            if number % 100 == 99 {
                let listing = kernel.list().expect("a list");
                assert_eq!(listing.unreadable, 0);
                assert_eq!(memory.list().expect("a list").table(), listing.table(), "after order {number}");
                assert_eq!(memory.timeouts().expect("told"), kernel.timeouts().expect("told"));
                assert_eq!(memory.daemons().expect("a list"), kernel.daemons().expect("a list"));
            }
        }
        println!("{ORDERS} orders, {refused} of them refused");
        assert!(refused > ORDERS / 5 && refused < ORDERS * 9 / 10, "{refused} were refused");
        for role in [SyncRole::Master, SyncRole::Backup] {
            kernel.stop_daemon(role).expect("stops");
        }
    });
}
