//! Words of `global_defs` for parts of Mainstay that come later: IPVS, firewall, statistics in SNMP, D-Bus.

use super::Lowering;
use super::values::{integer, required};
use crate::tree::Statement;

/// Words that are understood, and belong to parts of Mainstay that come later; the value is checked where it is simple.
pub(crate) fn word(lowering: &mut Lowering<'_>, statement: &Statement) {
    let keyword = statement.keyword();
    let report = &mut lowering.report;
    let range = match keyword {
        "min_auto_priority_delay" => Some(1..=10_000_000),
        "nftables_priority" | "nftables_ipvs_priority" => Some(i64::from(i32::MIN)..=i64::from(i32::MAX)),
        "nftables_ipvs_start_fwmark" | "random_seed" => Some(0..=i64::from(u32::MAX)),
        "vrrp_netlink_cmd_rcv_bufs"
        | "vrrp_netlink_monitor_rcv_bufs"
        | "process_monitor_rcv_bufs"
        | "lvs_netlink_cmd_rcv_bufs"
        | "lvs_netlink_monitor_rcv_bufs" => Some(0..=i64::from(u32::MAX)),
        _ => None,
    };
    if let Some(range) = range
        && let Some(word) = required(report, statement, "a number")
    {
        integer(report, word, range);
    }
    if let Some(instead) = instead(keyword) {
        lowering
            .report
            .note("not-in-this-version", statement.span(), format!("not in this version: `{keyword}`"))
            .because(instead);
    }
}

/// What happens instead of the words of parts that come later.
fn instead(keyword: &str) -> Option<&'static str> {
    Some(match keyword {
        "nftables_ipvs" | "nftables_ipvs_priority" | "nftables_ipvs_start_fwmark" => {
            "each address of a virtual_server_group is a service of its own"
        }
        "vrrp_iptables" | "vrrp_ipsets" | "nftables" | "nftables_priority" | "nftables_ifindex"
        | "nftables_counters" => "rules for no_accept are in nftables of Mainstay's own",
        "disable_local_igmp" => "reports of groups leave as the kernel sends them",
        "enable_snmp_checker" => "virtual servers are not told by SNMP",
        "snmp_vs_stats_update_interval" | "snmp_rs_stats_update_interval" => {
            "counters of connections are not told by SNMP"
        }
        "enable_dbus" | "dbus_service_name" | "dbus_no_interface_name" => "there is no D-Bus service",
        _ => return None,
    })
}
