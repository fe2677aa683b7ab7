//! `virtual_routes`.

use mainstay_core::address::{Encapsulation, Family, Route, RouteInsertion, RouteMetric};

use super::*;

fn line(line: &str) -> Lowered {
    instance(&format!("virtual_routes {{\n{line}\n}}"))
}

#[track_caller]
fn route(text: &str) -> Route {
    let lowered = line(text).clean();
    let [route] = lowered.instance().routes.as_slice() else { panic!("not one route") };
    Route::clone(route)
}

#[test]
fn a_route_has_iproute2s_defaults_and_keepaliveds_protocol() {
    let route = route("10.1.0.0/16 via 10.0.0.254 dev eth0");
    assert_eq!((route.family, route.kind, route.table, route.protocol), (Family::V4, 1, 254, 18));
    assert_eq!(route.destination.to_string(), "10.1.0.0/16");
    assert_eq!((route.scope, route.metric, route.tos), (None, 0, 0));
    assert_eq!(route.insertion, RouteInsertion::Prepend);
    let [hop] = route.hops.as_slice() else { panic!("not one hop") };
    assert_eq!(hop.gateway, Some("10.0.0.254".parse().expect("an address")));
    assert_eq!((hop.link.as_deref(), hop.weight, hop.onlink), (Some("eth0"), 1, false));
    assert!(route.tracked);
}

#[test]
fn words_may_stand_in_any_order() {
    assert_eq!(route("src 10.0.0.1 to 10.1.0.0/16 dev eth0"), route("10.1.0.0/16 dev eth0 src 10.0.0.1"));
}

#[test]
fn every_option_of_a_route_reaches_the_plan() {
    let route = route(
        "blackhole 10.1.0.0/16 dev eth0 table 100 scope link tos 0x10 protocol static metric 50 mtu lock 1400 \
         advmss 1300 rtt 100ms rto_min 2s quickack 1 features ecn congctl lock cubic realms 1/2 \
         ttl-propagate enabled append no_track",
    );
    assert_eq!((route.kind, route.table, route.scope, route.tos), (6, 100, Some(253), 16));
    assert_eq!((route.protocol, route.metric, route.realms), (4, 50, Some(0x0001_0002)));
    let metric = |number, value, locked| RouteMetric { number, value, locked };
    let wanted = [
        metric(2, 1400, true),
        metric(8, 1300, false),
        metric(4, 800, false),
        metric(13, 2000, false),
        metric(15, 1, false),
        metric(12, 1, false),
    ];
    assert_eq!(route.metrics, wanted);
    assert_eq!(route.congestion_control, Some(("cubic".into(), true)));
    assert_eq!((route.ttl_propagate, route.insertion), (Some(true), RouteInsertion::Append));
    assert!(!route.tracked);
}

#[test]
fn the_default_route_has_the_family_of_its_gateway() {
    let four = route("default via 10.0.0.254 dev eth0");
    assert_eq!((four.family, four.destination.to_string().as_str()), (Family::V4, "0.0.0.0/0"));
    let six = route("default via fe80::1 dev eth0");
    assert_eq!((six.family, six.destination.to_string().as_str()), (Family::V6, "::/0"));
    assert_eq!(route("inet6 default dev eth0").family, Family::V6);
}

#[test]
fn a_route_may_have_several_hops() {
    let route = route(
        "10.1.0.0/16 no_track nexthop via 10.0.0.1 dev eth0 weight 2 nexthop via 10.0.0.2 dev eth1 onlink",
    );
    let hops: Vec<_> = route.hops.iter().map(|hop| (hop.link.as_deref(), hop.weight, hop.onlink)).collect();
    assert_eq!(hops, [(Some("eth0"), 2, false), (Some("eth1"), 1, true)]);
}

#[test]
fn old_words_are_understood_with_a_complaint() {
    let lowered = line("10.1.0.0/16 gw 10.0.0.1 dev eth0 or 10.0.0.2").says(["old-spelling", "old-spelling"]);
    assert_eq!(lowered.instance().routes[0].hops.len(), 2);
}

#[test]
fn ipv6_routes_expire_and_are_preferred() {
    let route = route("2001:db8::/32 dev eth0 expires 100 pref high");
    assert_eq!((route.expires_s, route.preference), (Some(100), Some(1)));
    line("10.1.0.0/16 dev eth0 pref high").says(["ipv6-only"]);
}

#[test]
fn tunnels_of_a_route() {
    let of = |text: &str| route(text).hops[0].encapsulation.clone();
    assert_eq!(of("10.1.0.0/16 dev eth0 encap mpls 100/200"), Some(Encapsulation::Mpls(vec![100, 200])));
    assert_eq!(of("10.1.0.0/16 dev eth0 encap ila 1:2:3:4"), Some(Encapsulation::Ila(0x0001_0002_0003_0004)));
    let ip = Encapsulation::Ip {
        family: Family::V4,
        id: Some(5),
        destination: Some("10.9.9.9".parse().expect("an address")),
        source: None,
        tos: None,
        ttl: Some(64),
        flags: None,
    };
    assert_eq!(of("10.1.0.0/16 dev eth0 encap ip id 5 dst 10.9.9.9 ttl 64"), Some(ip));
}

#[test]
fn a_route_without_an_interface_is_not_tracked() {
    let lowered = line("10.1.0.0/16 via 10.0.0.254").clean();
    assert!(!lowered.instance().routes[0].tracked);
    assert_eq!(lowered.only("route-not-tracked").severity, Severity::Note);
}

#[test]
fn a_tracked_route_has_keepaliveds_protocol() {
    let lowered = line("10.1.0.0/16 dev eth0 protocol static").says(["route-protocol"]);
    assert_eq!(lowered.instance().routes[0].protocol, 18);
}

#[test]
fn a_mistake_takes_the_route_out_and_not_the_instance() {
    for (text, code) in [
        ("dev eth0", "route-without-destination"),
        ("10.1.0.0/16 dev eth9", "unknown-interface"),
        ("10.1.0.0/16 dev eth0 table nosuch", "bad-value"),
        ("10.1.0.0/16 dev eth0 metric abc", "bad-value"),
        ("10.1.0.0/16 dev eth0 src fe80::1", "mixed-families"),
        ("10.1.0.0/16 via 10.0.0.500", "bad-address"),
        ("10.1.0.0/16 dev eth0 nonsense", "unknown-option"),
        ("10.1.0.0/16 dev eth0 mtu lock", "missing-parameter"),
    ] {
        let lowered = line(text).says([code]);
        assert!(lowered.instance().routes.is_empty(), "{text}");
    }
}
