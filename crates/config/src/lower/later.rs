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
        "smtp_alert_checker" | "rs_init_notifies" | "no_checker_emails" | "checker_log_all_failures" => {
            switch(report, statement);
        }
        "lvs_sync_daemon" => lvs_sync_daemon(lowering, statement),
        "lvs_timeouts" => lvs_timeouts(lowering, statement),
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
        "lvs_timeouts"
        | "lvs_flush"
        | "lvs_flush_on_stop"
        | "lvs_flush_onstop"
        | "lvs_sync_daemon"
        | "checker_log_all_failures"
        | "rs_init_notifies"
        | "nftables_ipvs"
        | "nftables_ipvs_priority"
        | "nftables_ipvs_start_fwmark" => "virtual servers are not served",
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

fn lvs_sync_daemon(lowering: &mut Lowering<'_>, statement: &Statement) {
    complained(lowering, statement, "an interface");
    let mut words = statement.arguments().iter().skip(1);
    while let Some(word) = words.next() {
        let range = match word.text.as_str() {
            "id" => 0..=255,
            "maxlen" => 1..=65507,
            "port" => 1..=65535,
            "ttl" => 1..=255,
            _ => continue,
        };
        if let Some(value) = words.next() {
            integer(&mut lowering.report, value, range);
        }
    }
}

fn lvs_timeouts(lowering: &mut Lowering<'_>, statement: &Statement) {
    if statement.arguments().len() < 2 {
        complained(
            lowering,
            &Statement { words: statement.words[..1].to_vec(), ..statement.clone() },
            "a timeout",
        );
        return;
    }
    let mut words = statement.arguments().iter();
    while let Some(word) = words.next() {
        match (word.text.as_str(), words.as_slice().first()) {
            ("tcp" | "tcpfin" | "udp", Some(value)) => {
                words.next();
                integer(&mut lowering.report, value, 0..=2_678_400);
            }
            _ => {
                lowering
                    .report
                    .complain(
                        "unknown-option",
                        word.span,
                        format!("`{word}` is not an option of lvs_timeouts"),
                    )
                    .because("expected tcp, tcpfin or udp with seconds");
            }
        }
    }
}
