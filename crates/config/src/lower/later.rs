//! Words of `global_defs` for parts of Mainstay that come later: mail, IPVS, firewall, SNMP, D-Bus, dumps.

use super::Lowering;
use super::global::complained;
use super::values::{integer, required, switch};
use crate::tree::Statement;

/// Words that are understood, and belong to parts of Mainstay that come later; the value is checked where it is simple.
pub(crate) fn word(lowering: &mut Lowering<'_>, statement: &Statement) {
    let keyword = statement.keyword();
    let report = &mut lowering.report;
    let range = match keyword {
        "smtp_connect_timeout" => Some(0..=4294),
        "min_auto_priority_delay" => Some(1..=10_000_000),
        "nftables_priority" | "nftables_ipvs_priority" => Some(i64::from(i32::MIN)..=i64::from(i32::MAX)),
        "nftables_ipvs_start_fwmark" | "random_seed" => Some(0..=i64::from(u32::MAX)),
        "json_version" => Some(1..=2),
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
        let value = integer(report, word, range);
        if keyword == "smtp_connect_timeout" && value == Some(0) {
            report
                .complain("must-be-positive", word.span, "`smtp_connect_timeout` must be more than 0")
                .because("1 second is used");
        }
    }
    match keyword {
        "smtp_server" => {
            required(report, statement, "a host name or an address");
            if let Some(port) = statement.arguments().get(1) {
                integer(report, port, 1..=65535);
            }
        }
        "notification_email" if statement.children().is_empty() => {
            report.complain("empty-block", statement.span(), "`notification_email` names nobody");
        }
        "notification_email_from" | "snmp_socket" => {
            complained(lowering, statement, "its value");
        }
        "smtp_alert_checker" | "no_checker_emails" => {
            switch(report, statement);
        }
        _ => {}
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
        "notification_email"
        | "notification_email_from"
        | "smtp_server"
        | "smtp_helo_name"
        | "smtp_connect_timeout"
        | "smtp_alert_checker"
        | "no_email_faults"
        | "no_checker_emails" => "no mail is sent",
        "nftables_ipvs" | "nftables_ipvs_priority" | "nftables_ipvs_start_fwmark" => {
            "each address of a virtual_server_group is a service of its own"
        }
        "vrrp_iptables" | "vrrp_ipsets" | "nftables" | "nftables_priority" | "nftables_ifindex"
        | "nftables_counters" => "no firewall rules are made",
        "vmac_prefix" | "vmac_addr_prefix" | "disable_local_igmp" => "no virtual MAC addresses are used",
        "snmp_socket"
        | "enable_traps"
        | "enable_snmp_vrrp"
        | "enable_snmp_keepalived"
        | "enable_snmp_rfc"
        | "enable_snmp_rfcv2"
        | "enable_snmp_rfcv3"
        | "enable_snmp_checker"
        | "snmp_vs_stats_update_interval"
        | "snmp_rs_stats_update_interval" => "there is no SNMP agent",
        "enable_dbus" | "dbus_service_name" | "dbus_no_interface_name" => "there is no D-Bus service",
        "reload_time_file" | "reload_repeat" | "reload_file" => "a reload comes with SIGHUP only",
        "state_dump_file" | "stats_dump_file" | "json_dump_file" | "json_version" | "data_use_instance" => {
            "SIGUSR1 and SIGUSR2 write keepalived.data and keepalived.stats to $TMPDIR or /tmp"
        }
        "fifo_write_vrrp_states_on_reload" => "only changes are written",
        _ => return None,
    })
}
