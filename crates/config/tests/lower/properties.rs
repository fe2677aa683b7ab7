//! Whatever is written, lowering comes to an end without a panic, and the plan keeps its promises.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

/// Words of the language and values good and bad, to be strung together at random.
const WORDS: [&str; 84] = [
    "global_defs",
    "vrrp_instance",
    "vrrp_sync_group",
    "vrrp_script",
    "track_file",
    "vrrp_track_process",
    "static_ipaddress",
    "static_routes",
    "static_rules",
    "track_group",
    "garp_group",
    "interface_up_down_delays",
    "virtual_server",
    "real_server",
    "group",
    "interface",
    "interfaces",
    "virtual_router_id",
    "priority",
    "state",
    "advert_int",
    "virtual_ipaddress",
    "virtual_routes",
    "virtual_rules",
    "unicast_peer",
    "unicast_src_ip",
    "mcast_src_ip",
    "authentication",
    "auth_type",
    "auth_pass",
    "auth_hmac",
    "key",
    "track_interface",
    "track_script",
    "track_process",
    "notify_master",
    "notify_fifo",
    "script",
    "user",
    "weight",
    "interval",
    "strict_mode",
    "nopreempt",
    "preempt_delay",
    "version",
    "file",
    "process",
    "quorum_max",
    "umask",
    "lvs_timeouts",
    "lvs_sync_daemon",
    "vrrp_rx_bufs_policy",
    "vrrp_cpu_affinity",
    "dev",
    "via",
    "table",
    "from",
    "to",
    "nexthop",
    "encap",
    "mpls",
    "mtu",
    "lock",
    "brd",
    "+",
    "label",
    "peer",
    "eth0",
    "eth1",
    "lo",
    "eth9",
    "A",
    "B",
    "10.0.0.1/24",
    "10.0.0.1",
    "fe80::1/64",
    "10.0.0.0/33",
    "0",
    "1",
    "255",
    "-1",
    "0.005",
    "99999999999999999999",
    "\"two words\"",
];

fn line() -> impl Strategy<Value = String> {
    let words = prop::collection::vec(prop::sample::select(WORDS.as_slice()), 1..5);
    (words, 0..4_u8).prop_map(|(words, end)| {
        let brace = match end {
            0 => " {",
            1 => "\n}",
            _ => "",
        };
        format!("{}{brace}\n", words.join(" "))
    })
}

/// Lines that are mostly sound, so that the rules between them are reached.
fn sound() -> impl Strategy<Value = String> {
    let name = prop::sample::select(["A", "B", "C"].as_slice());
    let lines = prop::collection::vec(line(), 0..6);
    (name, 0..4_u8, lines).prop_map(|(name, vrid, lines)| {
        let vrid = if vrid == 0 { String::new() } else { format!("virtual_router_id {vrid}\n") };
        let address = "virtual_ipaddress {\n10.0.0.1\n}\n";
        format!("vrrp_instance {name} {{\ninterface eth0\n{vrid}{address}{}}}\n", lines.concat())
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn the_plan_keeps_its_promises(
        before in prop::collection::vec(line(), 0..8),
        instances in prop::collection::vec(sound(), 0..4),
        after in prop::collection::vec(line(), 0..8),
    ) {
        let text = before.concat() + &instances.concat() + &after.concat();
        let router = lower(&text).model.router;
        let names: BTreeSet<_> = router.instances.iter().map(|instance| instance.name.as_str()).collect();
        prop_assert_eq!(names.len(), router.instances.len());
        for instance in &router.instances {
            prop_assert!(instance.addresses.iter().all(|address| !address.link.is_empty()));
            prop_assert!(instance.addresses.len() <= 255);
            prop_assert!((1..=100).contains(&instance.down_timer_adverts));
            prop_assert!(!instance.advert_interval.is_zero());
        }
        let mut members: Vec<_> = router.sync_groups.iter().flat_map(|group| &group.members).collect();
        prop_assert!(members.iter().all(|member| names.contains(member.as_str())));
        members.sort();
        let all = members.len();
        members.dedup();
        prop_assert_eq!(members.len(), all);
    }
}
