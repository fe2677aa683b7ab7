//! What a closed gate holds back, and what it lets through.

use super::*;

#[test]
fn a_closed_gate_answers_for_nothing_but_the_hosts_own_addresses() {
    with_neighbour(|neighbour| {
        let _gates = standing(&[gate(NEVER)]);
        for address in [VIP4, VIP6] {
            assert!(!neighbour.is_answered_by(address), "{address}");
        }
        for address in [OWN4, OWN6] {
            assert!(neighbour.is_answered_by(address), "{address}");
        }
    });
}

#[test]
fn a_closed_gate_takes_in_no_packet_from_who_knows_the_way() {
    with_neighbour(|neighbour| {
        for address in [VIP4, VIP6] {
            assert!(neighbour.reaches(address, "x0"), "without a gate: {address}");
        }
        let _gates = standing(&[gate(NEVER)]);
        for address in [VIP4, VIP6] {
            assert!(!neighbour.reaches(address, "x0"), "{address}");
        }
        assert!(neighbour.reaches(OWN4, "x0"));
    });
}

#[test]
fn a_closed_gate_does_not_say_that_the_address_is_here() {
    with_neighbour(|neighbour| {
        let announcer = crate::announce::Announcer::open().expect("opens");
        let announce = || {
            let announcements = [VIP4, VIP6].map(|address| crate::announce::Announcement {
                link: lab::index("x0"),
                mac: [2, 0, 0, 0, 0, 9],
                address: lab::address(address),
                router: false,
            });
            announcer.send(&announcements, |refused, error| {
                // What the kernel tells a sender whose frame was dropped where frames leave.
                assert!(error.raw_os_error() == Some(libc::ENOBUFS), "{refused:?}: {error}");
            });
        };
        let known = || neighbour.within(|| lab::ip_shows("neighbour show dev y0"));
        for address in [VIP4, VIP6] {
            neighbour.within(|| {
                lab::ip(&format!("neighbour add {address} lladdr 02:00:00:00:00:99 nud stale dev y0"));
            });
        }
        // Linux ignores another change within `locktime` (a second) of the last.
        sleep_ms(1100);
        let mut gates = standing(&[gate(NEVER)]);
        announce();
        sleep_ms(50);
        assert_eq!(known().matches("02:00:00:00:00:99").count(), 2, "{}", known());
        gates.become_these(&[gate(Guard::Open)], clock::now()).expect("opened");
        announce();
        sleep_ms(50);
        assert_eq!(known().matches("02:00:00:00:00:09").count(), 2, "{}", known());
    });
}

#[test]
fn a_node_that_has_not_the_address_hears_who_has_it_now() {
    with_neighbour(|neighbour| {
        lab::ip(&format!("address del {VIP4}/24 dev x0"));
        lab::ip(&format!("neighbour add {VIP4} lladdr 02:00:00:00:00:99 nud stale dev x0"));
        let _gates = standing(&[gate(NEVER)]);
        sleep_ms(1100);
        neighbour.within(|| {
            let announcement = crate::announce::Announcement {
                link: lab::index("y0"),
                mac: [2, 0, 0, 0, 0, 9],
                address: lab::address(VIP4),
                router: false,
            };
            let announcer = crate::announce::Announcer::open().expect("opens");
            announcer.send(&[announcement], |refused, error| panic!("{refused:?}: {error}"));
        });
        sleep_ms(50);
        let shown = lab::ip_shows("neighbour show dev x0");
        assert!(shown.contains("02:00:00:00:00:09"), "{shown}");
    });
}

#[test]
fn a_real_server_with_the_address_on_lo_takes_packets_in_behind_a_closed_gate() {
    // The backup of a pair of directors that is a real server as well (direct routing): the master sends it packets
    // to the virtual address.
    with_neighbour(|neighbour| {
        lab::ip("link set lo up");
        // As every such real server is set up: it does not speak of the address where it is not.
        for (word, value) in [("arp_ignore", "1"), ("arp_announce", "2")] {
            let path = format!("/proc/sys/net/ipv4/conf/all/{word}");
            std::fs::write(path, value).expect("root");
        }
        for (address, length) in [(VIP4, 32), (VIP6, 128)] {
            lab::ip(&format!("address del {address}/{} dev x0", if length == 32 { 24 } else { 64 }));
            lab::ip(&format!("address add {address}/{length} dev lo"));
        }
        let _gates = standing(&[gate(NEVER)]);
        for address in [VIP4, VIP6] {
            assert!(neighbour.reaches(address, "x0"), "{address}");
            assert!(!neighbour.is_answered_by(address), "it must not say that it has it: {address}");
        }
    });
}

/// Whether a link of this kind could be made on `x0` and on the neighbour's `y0`.
fn upper_links(neighbour: &Neighbour, kind: &str) -> bool {
    let make = |lower: &str, upper: &str| {
        let words = format!("link add link {lower} name {upper} type {kind}");
        let made = Command::new("ip").args(words.split(' ')).stderr(Stdio::null()).status();
        made.expect("iproute2 is installed").success()
    };
    let made = make("x0", "ux") && neighbour.within(|| make("y0", "uy"));
    if made {
        lab::ip("link set ux up");
        lab::ip("address add 203.0.113.1/24 dev ux");
        lab::ip("address add 203.0.113.9/24 dev ux");
        neighbour.within(|| {
            lab::ip("link set uy up");
            lab::ip("address add 203.0.113.2/24 dev uy");
        });
    }
    made
}

#[test]
fn a_gate_stands_on_a_macvlan_or_a_vlan_as_on_a_card() {
    for kind in ["macvlan mode private", "vlan id 7"] {
        with_neighbour(|neighbour| {
            if !upper_links(neighbour, kind) {
                assert!(kind.starts_with("vlan"), "this kernel has no {kind}");
                println!("this kernel has no VLANs; the other kind was tried");
                return;
            }
            let addresses = vec![(on("ux"), lab::address("203.0.113.9"))];
            let lease = Duration::from_secs(60);
            let _gates = standing(&[Gate { link: on("ux"), addresses, lease, ..gate(NEVER) }]);
            assert!(!neighbour.is_answered_by("203.0.113.9"), "{kind}");
            assert!(neighbour.is_answered_by("203.0.113.1"), "{kind}");
            let advert = advert("203.0.113.1", "224.0.0.18", 51, 100, lab::index("ux"));
            Sender::default().send(&[advert], |_, errno| panic!("refused: {errno}"));
            assert!(neighbour.is_answered_by("203.0.113.9"), "{kind}");
        });
    }
}
