//! Our own words about heartbeats.

use std::net::IpAddr;

use mainstay_core::router::plan::{HeartbeatPlan, PathDestination, PathPlan};

use super::*;

fn heartbeats(global: &str, lines: &str) -> Lowered {
    let text = named_instance("V", 51, &format!("virtual_ipaddress {{\n10.0.0.1/24\n}}\n{lines}"));
    lower(&format!("global_defs {{\n{global}\n}}\n{text}"))
}

fn plan(lowered: &Lowered) -> &HeartbeatPlan {
    &lowered.model.router.heartbeats
}

fn groups() -> PathDestination {
    PathDestination::Groups {
        v4: "224.0.0.18".parse().expect("a group"),
        v6: "ff02::12".parse().expect("a group"),
    }
}

#[test]
fn peers_are_told_of_us_unless_the_node_says_off() {
    let lowered = heartbeats("", "").clean();
    let expected = HeartbeatPlan { peer_view: true, port: 10112, key: vec![], paths: vec![] };
    assert_eq!(*plan(&lowered), expected);
    assert!(!plan(&heartbeats("@mainstay peer_view off", "").clean()).peer_view);
    assert!(plan(&heartbeats("peer_view", "").clean()).peer_view);
    assert!(!plan(&lower("global_defs {\n}\n").clean()).peer_view, "nobody to speak of");
}

#[test]
fn a_path_is_for_all_instances_or_for_one() {
    let lowered = heartbeats(
        "@mainstay heartbeat_path dev eth1",
        "@mainstay heartbeat_path dev eth1 peer 198.51.100.9",
    );
    let peer: IpAddr = "198.51.100.9".parse().expect("an address");
    let expected = [
        PathPlan { link: "eth1".into(), destination: groups(), instance: None },
        PathPlan {
            link: "eth1".into(),
            destination: PathDestination::Peer(peer),
            instance: Some("V".into()),
        },
    ];
    assert_eq!(plan(&lowered.clean()).paths, expected);
}

#[test]
fn the_little_words_of_a_path_may_be_left_out() {
    let short = heartbeats("heartbeat_path eth1 198.51.100.9", "");
    let long = heartbeats("heartbeat_path dev eth1 peer 198.51.100.9", "");
    assert_eq!(plan(&short.clean()), plan(&long.clean()));
}

#[test]
fn a_path_over_a_link_that_may_come_later_is_kept() {
    let lowered = heartbeats("heartbeat_path dev eth7", "").says(["unknown-path"]);
    assert_eq!(plan(&lowered).paths.len(), 1);
}

#[test]
fn a_path_that_cannot_be_read_is_left_out() {
    for (line, code) in [
        ("heartbeat_path dev", "missing-interface"),
        ("heartbeat_path dev eth1 peer nobody", "bad-address"),
        ("heartbeat_path dev eth1 peer 224.0.0.18", "bad-address"),
    ] {
        let lowered = heartbeats(line, "");
        assert!(lowered.codes().contains(&code), "{line}: {:?}", lowered.diagnostics);
        assert_eq!(plan(&lowered).paths, []);
    }
    let twice = heartbeats("heartbeat_path dev eth1\nheartbeat_path eth1", "").says(["duplicate-path"]);
    assert_eq!(plan(&twice).paths.len(), 1);
}

#[test]
fn a_path_to_a_peer_without_a_key_is_noted() {
    let path = "heartbeat_path dev eth1 peer 198.51.100.9";
    assert_eq!(heartbeats(path, "").clean().only("no-heartbeat-key").severity, Severity::Note);
    let with_key = heartbeats(&format!("{path}\nheartbeat_key \"between the two of us\""), "").clean();
    assert!(with_key.diagnostics.iter().all(|diagnostic| diagnostic.code != "no-heartbeat-key"));
    assert_eq!(plan(&with_key).key, b"between the two of us");
}

#[test]
fn a_short_key_is_warned_of_and_no_key_is_shown() {
    let lowered = heartbeats("heartbeat_key secret", "").says(["short-key"]);
    assert_eq!(plan(&lowered).key, b"secret");
    assert!(!format!("{:?}", plan(&lowered)).contains("115, 101"), "its bytes are not printed");
}

#[test]
fn the_port_is_a_port() {
    assert_eq!(plan(&heartbeats("heartbeat_port 4242", "").clean()).port, 4242);
    let lowered = heartbeats("heartbeat_port 70000", "");
    assert!(lowered.codes().contains(&"number-out-of-range"));
    assert_eq!(plan(&lowered).port, 10112);
}

#[test]
fn the_groups_of_a_path_are_those_of_the_adverts() {
    let lowered = heartbeats("vrrp_mcast_group4 224.0.0.99\nheartbeat_path dev eth1", "").clean();
    let PathDestination::Groups { v4, .. } = plan(&lowered).paths[0].destination else { panic!("a group") };
    assert_eq!(v4.to_string(), "224.0.0.99");
}
