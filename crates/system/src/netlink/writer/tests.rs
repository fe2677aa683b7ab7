//! Against the kernel itself: what is written is what `ip` then shows.

use super::*;
use crate::lab;
use mainstay_core::address::{
    AddressFlags, Encapsulation, Family, NextHop, Prefix, RouteInsertion, RouteMetric, RuleAction,
};

fn prefix(text: &str) -> Prefix {
    let (address, length) = text.split_once('/').expect("address/length");
    Prefix { address: lab::address(address), length: length.parse().expect("a length") }
}

fn address(text: &str) -> InterfaceAddress {
    let Prefix { address, length } = prefix(text);
    InterfaceAddress {
        address,
        prefix_length: length,
        link: "x0".to_owned(),
        broadcast: None,
        scope: 0,
        label: None,
        peer: None,
        flags: AddressFlags { nodad: true, ..AddressFlags::default() },
        preferred_lifetime_s: None,
        tracked: true,
        track_group: None,
    }
}

fn route(text: &str) -> Route {
    let destination = prefix(text);
    Route {
        family: Family::of(destination.address),
        kind: 1,
        destination,
        preferred_source: None,
        hops: Vec::new(),
        table: 254,
        scope: None,
        tos: 0,
        protocol: 18,
        metric: 0,
        metrics: Vec::new(),
        congestion_control: None,
        realms: None,
        expires_s: None,
        preference: None,
        ttl_propagate: None,
        new_destination: None,
        insertion: RouteInsertion::Prepend,
        tracked: true,
        track_group: None,
    }
}

fn rule(family: Family, action: RuleAction) -> Rule {
    Rule {
        family,
        from: None,
        to: None,
        not: false,
        tos: 0,
        fwmark: None,
        input_link: None,
        output_link: None,
        preference: Some(100),
        action,
        realms: None,
        suppress_prefix_length: None,
        suppress_link_group: None,
        tunnel_id: None,
        uid_range: None,
        ip_protocol: None,
        source_ports: None,
        destination_ports: None,
        protocol: 18,
        tracked: true,
        track_group: None,
    }
}

fn hop(gateway: &str) -> NextHop {
    NextHop { gateway: Some(lab::address(gateway)), weight: 1, ..NextHop::default() }
}

fn on_link(link: &str) -> NextHop {
    NextHop { link: Some(link.to_owned()), weight: 1, ..NextHop::default() }
}

/// In a namespace where `x0` is up with 192.0.2.1/24 and 2001:db8::1/64.
fn with_link(test: impl FnOnce(&mut Writer) + Send) {
    lab::in_new_namespace(|| {
        lab::ip("link set lo up");
        lab::link("x0");
        lab::ip("link set x0 up");
        lab::ip("address add 192.0.2.1/24 dev x0");
        lab::ip("address add 2001:db8::1/64 dev x0 nodad");
        test(&mut Writer::open().expect("opens"));
    });
}

fn make(writer: &mut Writer, changes: &[Change]) {
    assert_eq!(writer.apply(changes).expect("answers"), [], "{changes:?}");
}

/// The line `ip COMMAND` shows with `word` in it, in single blanks.
fn line(command: &str, word: &str) -> String {
    let shown = lab::ip_shows(command);
    let line = shown.lines().find(|line| line.contains(word)).unwrap_or_else(|| panic!("{word} in {shown}"));
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn an_address_has_everything_it_was_given() {
    with_link(|writer| {
        let full = InterfaceAddress {
            broadcast: Some("203.0.113.255".parse().expect("an address")),
            scope: 253,
            label: Some("x0:vip".to_owned()),
            flags: AddressFlags { no_prefix_route: true, ..AddressFlags::default() },
            ..address("203.0.113.9/24")
        };
        make(writer, &[Change::AddAddress(Arc::new(full))]);
        let shown = line("address show dev x0", "203.0.113.9");
        assert!(shown.starts_with("inet 203.0.113.9/24 brd 203.0.113.255 scope link"), "{shown}");
        assert!(shown.contains("noprefixroute") && shown.contains("x0:vip"), "{shown}");
    });
}

#[test]
fn a_peer_address_is_added_and_removed() {
    with_link(|writer| {
        let peer =
            Arc::new(InterfaceAddress { peer: Some(prefix("198.51.100.2/32")), ..address("192.0.2.9/24") });
        make(writer, &[Change::AddAddress(peer.clone())]);
        assert!(
            line("address show dev x0", "192.0.2.9")
                .starts_with("inet 192.0.2.9 peer 198.51.100.2/32 scope global")
        );
        make(writer, &[Change::RemoveAddress(peer)]);
        assert!(!lab::ip_shows("address show dev x0").contains("192.0.2.9"));
    });
}

#[test]
fn an_ipv6_address_is_usable_at_once_and_deprecated_for_ever() {
    with_link(|writer| {
        let virtual_address =
            InterfaceAddress { preferred_lifetime_s: Some(0), ..address("2001:db8::9/128") };
        make(writer, &[Change::AddAddress(Arc::new(virtual_address))]);
        let shown = lab::ip_shows("address show dev x0 to 2001:db8::9");
        assert!(
            shown.contains("nodad") && shown.contains("deprecated") && !shown.contains("tentative"),
            "{shown}"
        );
        assert!(shown.contains("valid_lft forever preferred_lft 0sec"), "{shown}");
    });
}

#[test]
fn what_is_there_is_adopted_and_what_is_gone_is_no_error() {
    with_link(|writer| {
        let (v4, v6) = (Arc::new(address("192.0.2.9/32")), Arc::new(address("2001:db8::9/128")));
        let way = Arc::new(Route { hops: vec![hop("192.0.2.2")], ..route("198.51.100.0/24") });
        let lookup = Arc::new(rule(Family::V4, RuleAction::Table(99)));
        let elsewhere = Arc::new(InterfaceAddress { link: "gone0".to_owned(), ..address("192.0.2.10/32") });
        for _ in 0..2 {
            make(
                writer,
                &[
                    Change::AddAddress(v4.clone()),
                    Change::AddAddress(v6.clone()),
                    Change::AddRoute(way.clone()),
                    Change::AddRule(lookup.clone()),
                ],
            );
        }
        for _ in 0..2 {
            make(
                writer,
                &[
                    Change::RemoveRule(lookup.clone()),
                    Change::RemoveRoute(way.clone()),
                    Change::RemoveAddress(v6.clone()),
                    Change::RemoveAddress(v4.clone()),
                    Change::RemoveAddress(elsewhere.clone()),
                ],
            );
        }
        let refusals = writer.apply(&[Change::AddAddress(elsewhere)]).expect("answers");
        assert_eq!(refusals, [Refusal { place: 0, errno: libc::ENODEV }]);
    });
}

#[test]
fn a_refusal_is_told_by_its_place_and_the_rest_is_done() {
    with_link(|writer| {
        let unreachable = Arc::new(Route { hops: vec![hop("203.0.113.1")], ..route("198.51.100.0/24") });
        let mut changes: Vec<_> = (1..=254)
            .flat_map(|low| {
                [
                    Change::AddAddress(Arc::new(address(&format!("10.0.0.{low}/32")))),
                    Change::AddAddress(Arc::new(address(&format!("10.0.1.{low}/32")))),
                ]
            })
            .collect();
        changes[17] = Change::AddRoute(unreachable.clone());
        changes[300] = Change::AddRoute(unreachable);
        let refusals = writer.apply(&changes).expect("answers");
        let expected = [17, 300].map(|place| Refusal { place, errno: libc::ENETUNREACH });
        assert_eq!(refusals, expected);
        assert_eq!(lab::ip_shows("-4 -o address show dev x0").lines().count(), 1 + 506);
    });
}

#[test]
fn a_route_has_everything_it_was_given() {
    with_link(|writer| {
        let full = Route {
            preferred_source: Some(lab::address("192.0.2.1")),
            hops: vec![NextHop { link: Some("x0".to_owned()), onlink: true, ..hop("203.0.113.1") }],
            table: 1000,
            tos: 0x10,
            metric: 7,
            metrics: vec![
                RouteMetric { number: 2, value: 1400, locked: true },
                RouteMetric { number: 8, value: 1300, locked: false },
            ],
            congestion_control: Some(("reno".to_owned(), false)),
            realms: Some(3 << 16 | 4),
            ..route("198.51.100.0/24")
        };
        let full = Arc::new(full);
        make(writer, &[Change::AddRoute(full.clone())]);
        let shown = line("-d route show table 1000", "198.51.100.0");
        for part in [
            "unicast 198.51.100.0/24 tos lowdelay",
            "via 203.0.113.1 dev x0",
            "proto keepalived",
            "src 192.0.2.1",
            "metric 7",
            "realm 3/4",
            "mtu lock 1400",
            "advmss 1300",
            "congctl reno",
            "onlink",
        ] {
            let shown = shown.replace("tos 0x10", "tos lowdelay").replace("realms", "realm");
            assert!(shown.contains(part), "{part} in {shown}");
        }
        make(writer, &[Change::RemoveRoute(full)]);
        assert_eq!(lab::ip_shows("route show table 1000"), "");
    });
}

#[test]
fn several_hops_keep_their_weights() {
    with_link(|writer| {
        let way = Route {
            hops: vec![NextHop { weight: 3, ..hop("192.0.2.2") }, hop("192.0.2.3")],
            ..route("0.0.0.0/0")
        };
        make(writer, &[Change::AddRoute(Arc::new(way))]);
        let shown = lab::ip_shows("route show default");
        assert!(shown.contains("nexthop via 192.0.2.2 dev x0 weight 3"), "{shown}");
        assert!(shown.contains("nexthop via 192.0.2.3 dev x0 weight 1"), "{shown}");
    });
}

#[test]
fn ipv6_routes_have_preference_expiry_and_type() {
    with_link(|writer| {
        let way = Route {
            hops: vec![hop("2001:db8::2")],
            preference: Some(1),
            expires_s: Some(600),
            ..route("2001:db8:1::/48")
        };
        let hole = Route { kind: 6, ..route("2001:db8:2::/48") };
        make(writer, &[Change::AddRoute(Arc::new(way)), Change::AddRoute(Arc::new(hole))]);
        let shown = line("-6 route show", "2001:db8:1::/48");
        assert!(shown.contains("via 2001:db8::2 dev x0") && shown.contains("pref high"), "{shown}");
        assert!(shown.contains("expires"), "{shown}");
        assert!(line("-6 route show", "2001:db8:2::/48").starts_with("blackhole"));
    });
}

#[test]
fn an_ipv4_route_may_go_through_an_ipv6_gateway() {
    with_link(|writer| {
        let way = Route {
            hops: vec![NextHop { link: Some("x0".to_owned()), ..hop("2001:db8::2") }],
            ..route("198.51.100.0/24")
        };
        make(writer, &[Change::AddRoute(Arc::new(way))]);
        assert!(line("route show", "198.51.100.0").contains("via inet6 2001:db8::2 dev x0"));
    });
}

#[test]
fn scopes_follow_iproute2_when_nobody_gave_one() {
    with_link(|writer| {
        let direct = Route { hops: vec![on_link("x0")], ..route("198.51.100.0/24") };
        let local = Route { hops: vec![on_link("lo")], kind: 2, table: 255, ..route("198.51.101.1/32") };
        let both = [Arc::new(direct), Arc::new(local)];
        make(writer, &both.clone().map(Change::AddRoute));
        assert!(line("-d route show", "198.51.100.0").contains("scope link"));
        assert!(line("-d route show table local", "198.51.101.1").contains("scope host"));
        make(writer, &both.map(Change::RemoveRoute));
        assert!(!lab::ip_shows("route show table all").contains("198.51."));
    });
}

#[test]
fn insertion_decides_between_routes_to_the_same_destination() {
    with_link(|writer| {
        let to = |gateway: &str, insertion| {
            Change::AddRoute(Arc::new(Route {
                hops: vec![hop(gateway)],
                insertion,
                ..route("198.51.100.0/24")
            }))
        };
        make(writer, &[to("192.0.2.2", RouteInsertion::Prepend), to("192.0.2.3", RouteInsertion::Prepend)]);
        make(writer, &[to("192.0.2.4", RouteInsertion::Append), to("192.0.2.5", RouteInsertion::Add)]);
        let shown = lab::ip_shows("route show 198.51.100.0/24");
        let gateways: Vec<_> = shown.lines().filter_map(|line| line.split(' ').nth(2)).collect();
        assert_eq!(gateways, ["192.0.2.3", "192.0.2.2", "192.0.2.4"]);
    });
}

#[test]
fn tunnels_of_a_route_are_taken_or_refused_never_dropped() {
    with_link(|writer| {
        let through = |encapsulation: Encapsulation, destination: &str| {
            let hop = NextHop { encapsulation: Some(encapsulation), ..on_link("x0") };
            Change::AddRoute(Arc::new(Route { hops: vec![hop], ..route(destination) }))
        };
        let tunnel = |family, destination: &str| Encapsulation::Ip {
            family,
            id: Some(77),
            destination: Some(lab::address(destination)),
            source: None,
            tos: None,
            ttl: Some(9),
            flags: None,
        };
        let changes = [
            through(tunnel(Family::V4, "203.0.113.1"), "198.51.100.0/24"),
            through(tunnel(Family::V6, "2001:db8::5"), "198.51.101.0/24"),
            through(tunnel(Family::V4, "2001:db8::5"), "198.51.102.0/24"),
            through(Encapsulation::Mpls(vec![100, 200]), "198.51.103.0/24"),
            through(Encapsulation::Mpls(vec![1 << 20]), "198.51.104.0/24"),
            through(Encapsulation::Ila(5), "2001:db8:7::/64"),
        ];
        let refusals = writer.apply(&changes).expect("answers");
        let refused: Vec<_> = refusals.iter().map(|refusal| refusal.place).collect();
        let shown = lab::ip_shows("route show") + &lab::ip_shows("-6 route show");
        // MPLS and ILA need kernel modules that a machine may lack: then they must be refused.
        for (place, destination, part) in [
            (0, "198.51.100.0/24", "encap ip id 77"),
            (1, "198.51.101.0/24", "encap ip6 id 77"),
            (3, "198.51.103.0/24", "encap mpls 100/200"),
            (5, "2001:db8:7::/64", "encap ila"),
        ] {
            let there = shown.lines().any(|line| line.starts_with(destination) && line.contains(part));
            assert_ne!(there, refused.contains(&place), "{destination}: {refusals:?}\n{shown}");
        }
        assert!(!refused.contains(&0) && !refused.contains(&1), "{refusals:?}");
        for place in [2, 4] {
            assert!(refusals.contains(&Refusal { place, errno: libc::EINVAL }), "{refusals:?}");
        }
    });
}

#[test]
fn a_new_destination_is_refused_because_the_kernel_would_ignore_it() {
    with_link(|writer| {
        let way = Route { new_destination: Some(lab::address("192.0.2.7")), ..route("198.51.100.0/24") };
        let refusals = writer.apply(&[Change::AddRoute(Arc::new(way))]).expect("answers");
        assert_eq!(refusals, [Refusal { place: 0, errno: libc::EOPNOTSUPP }]);
    });
}

#[test]
fn a_rule_has_everything_it_was_given() {
    with_link(|writer| {
        let full = Rule {
            from: Some(prefix("192.0.2.0/24")),
            to: Some(prefix("198.51.100.0/24")),
            not: true,
            tos: 0x10,
            fwmark: Some((0x10, 0xff)),
            input_link: Some("x0".to_owned()),
            output_link: Some("lo".to_owned()),
            preference: Some(4321),
            realms: Some(7),
            suppress_prefix_length: Some(16),
            suppress_link_group: Some(5),
            tunnel_id: Some(99),
            uid_range: Some((1000, 2000)),
            ip_protocol: Some(6),
            source_ports: Some((1024, 2048)),
            destination_ports: Some((80, 80)),
            ..rule(Family::V4, RuleAction::Table(1000))
        };
        let full = Arc::new(full);
        make(writer, &[Change::AddRule(full.clone())]);
        let shown = line("-N -d rule show", "4321:");
        for part in [
            "not from 192.0.2.0/24 to 198.51.100.0/24",
            "tos 0x10",
            "fwmark 0x10/0xff",
            "iif x0",
            "oif lo",
            "uidrange 1000-2000",
            "ipproto",
            "sport 1024-2048",
            "dport 80",
            "tun_id 99",
            "lookup 1000",
            "suppress_prefixlength 16",
            "suppress_ifgroup 5",
            "realms 7",
            "proto 18",
        ] {
            assert!(shown.contains(part), "{part} in {shown}");
        }
        make(writer, &[Change::RemoveRule(full)]);
        assert!(!lab::ip_shows("rule show").contains("4321:"));
    });
}

#[test]
fn every_action_of_a_rule_reaches_the_kernel() {
    with_link(|writer| {
        for (action, part) in [
            (RuleAction::Table(254), "lookup main"),
            (RuleAction::L3mdev, "lookup [l3mdev-table]"),
            (RuleAction::Goto(32766), "goto 32766"),
            (RuleAction::Nop, "nop"),
            (RuleAction::Blackhole, "blackhole"),
            (RuleAction::Unreachable, "unreachable"),
            (RuleAction::Prohibit, "prohibit"),
        ] {
            for family in [Family::V4, Family::V6] {
                let rule = Arc::new(rule(family, action));
                make(writer, &[Change::AddRule(rule.clone())]);
                let command = if family == Family::V4 { "-4 rule show" } else { "-6 rule show" };
                let shown = line(command, "100:");
                assert!(shown.contains(part), "{part} in {shown}");
                make(writer, &[Change::RemoveRule(rule)]);
            }
        }
    });
}
