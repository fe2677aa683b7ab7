//! Peers, sources and groups.

use mainstay_core::router::plan::{Destination, UnicastPeer};

use super::*;

fn peers(lowered: &Lowered) -> &[UnicastPeer] {
    match &lowered.instance().destination {
        Destination::Unicast { peers, .. } => peers,
        Destination::Multicast(group) => panic!("multicast to {group}"),
    }
}

fn is_multicast(lowered: &Lowered, group: &str) -> bool {
    lowered.instance().destination == Destination::Multicast(group.parse().expect("a group"))
}

#[test]
fn adverts_go_to_the_peers() {
    let lowered = instance("unicast_src_ip 10.0.0.8\nunicast_ttl 5\nunicast_peer {\n10.0.0.9\n}").clean();
    let peer = UnicastPeer { address: "10.0.0.9".parse().expect("an address"), ttl_range: None };
    let wanted = Destination::Unicast { peers: vec![peer], check_source: false, ttl: Some(5) };
    assert_eq!(lowered.instance().destination, wanted);
    assert_eq!(lowered.instance().source, Some("10.0.0.8".parse().expect("an address")));
}

#[test]
fn a_range_of_ttls_makes_the_sender_matter() {
    let lowered = instance("unicast_peer {\n10.0.0.9 min_ttl 250\n}").clean();
    assert_eq!(peers(&lowered)[0].ttl_range, Some((250, 255)));
    assert!(matches!(lowered.instance().destination, Destination::Unicast { check_source: true, .. }));
}

#[test]
fn an_empty_range_of_ttls_is_complained_about() {
    instance("unicast_peer {\n10.0.0.9 min_ttl 5 max_ttl 3\n}").says(["empty-range"]);
}

#[test]
fn a_node_is_no_peer_of_itself() {
    // DIFFERS: keepalived sends to itself.
    let lowered = instance("unicast_src_ip 10.0.0.8\nunicast_peer {\n10.0.0.8\n10.0.0.9\n}").clean();
    assert_eq!(peers(&lowered).len(), 1);
    assert_eq!(lowered.only("own-address-as-peer").severity, Severity::Note);
}

#[test]
fn bad_peers_are_left_out() {
    let lowered = instance("unicast_peer {\n10.0.0.9\n10.0.0.9\nfe80::1\nnode2\n}").says([
        "duplicate-peer",
        "mixed-families",
        "bad-address",
    ]);
    assert_eq!(peers(&lowered).len(), 1);
}

#[test]
fn one_peer_stands_on_a_line() {
    let lowered = instance("unicast_peer {\n10.0.0.9 10.0.0.10\n}").says(["unknown-option"]);
    assert_eq!(peers(&lowered).len(), 1);
}

#[test]
fn a_unicast_word_without_peers_is_multicast() {
    for word in ["unicast_src_ip 10.0.0.8", "unicast_peer {\n}", "check_unicast_src"] {
        let lowered = instance(word).says(["unicast-without-peers"]);
        assert!(is_multicast(&lowered, "224.0.0.18"), "{word}");
    }
}

#[test]
fn without_peers_an_instance_may_ask_to_be_left_out() {
    let lowered = instance("unicast_fault_no_peer\nunicast_peer {\n}").says(["unicast-without-peers"]);
    assert!(lowered.model.router.instances.is_empty());
}

#[test]
fn only_unicast_with_a_source_needs_no_interface() {
    let text = "vrrp_instance V {\nvirtual_router_id 51\nSOURCE\nunicast_peer {\n10.0.0.9\n}\n\
                virtual_ipaddress {\n10.0.0.1 dev eth0\n}\n}\n";
    let lowered = lower(&text.replace("SOURCE", "unicast_src_ip 10.0.0.8")).clean();
    assert_eq!(lowered.instance().interface, None);
    lower(&text.replace("SOURCE", "")).says(["missing-interface"]);
}

#[test]
fn one_vrid_may_have_disjoint_peers() {
    let of = |name, peer| {
        named_instance(name, 1, &format!("unicast_peer {{\n{peer}\n}}\nvirtual_ipaddress {{\n10.0.1.1\n}}"))
    };
    assert_eq!(lower(&(of("A", "10.0.0.9") + &of("B", "10.0.0.10"))).clean().model.router.instances.len(), 2);
    lower(&(of("A", "10.0.0.9") + &of("B", "10.0.0.9"))).says(["duplicate-vrid"]);
}

#[test]
fn groups_of_the_node_and_of_the_instance() {
    let text = "global_defs {\nvrrp_mcast_group4 224.0.0.100\n}\n".to_owned() + &simple("V", 51);
    assert!(is_multicast(&lower(&text).clean(), "224.0.0.100"));
    assert!(is_multicast(&instance("mcast_dst_ip 224.0.0.101").clean(), "224.0.0.101"));
}

#[test]
fn a_group_that_is_none_leaves_the_default() {
    assert!(is_multicast(&instance("mcast_dst_ip 10.0.0.5").says(["not-multicast"]), "224.0.0.18"));
    assert!(is_multicast(&instance("mcast_dst_ip ff02::1").says(["mixed-families"]), "224.0.0.18"));
    lower("global_defs {\nvrrp_mcast_group6 fe80::1\n}\n").says(["not-multicast"]);
    instance("mcast_dst_ip 224.0.0.9\nunicast_peer {\n10.0.0.9\n}").says(["group-with-unicast"]);
}

#[test]
fn a_source_of_the_other_family_is_not_used() {
    assert_eq!(instance("mcast_src_ip fe80::1").says(["mixed-families"]).instance().source, None);
    assert_eq!(instance("mcast_src_ip 1.2.3").says(["bad-address"]).instance().source, None);
}
