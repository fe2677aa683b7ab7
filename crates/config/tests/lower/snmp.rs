//! What is told by SNMP.

use mainstay_config::model::Snmp;

use super::*;

fn snmp(lines: &str) -> Snmp {
    lower(&format!("global_defs {{\n{lines}\n}}\n")).clean().model.snmp
}

#[test]
fn snmp_is_told_what_was_switched_on() {
    let sets = |lines: &str| {
        let snmp = snmp(lines);
        (snmp.vrrp, snmp.rfc2787, snmp.rfc6527)
    };
    assert_eq!(sets(""), (false, false, false));
    assert_eq!(sets("enable_snmp_vrrp"), (true, false, false));
    assert_eq!(sets("enable_snmp_rfc"), (false, true, true));
    assert_eq!(sets("enable_snmp_rfcv2"), (false, true, false));
    assert_eq!(sets("enable_snmp_rfcv3"), (false, false, true));
    assert!(!snmp("").is_wanted() && snmp("enable_snmp_rfcv3").is_wanted());
    assert!(!snmp("enable_snmp_vrrp").traps && snmp("enable_traps").traps);
    assert_eq!(snmp("snmp_socket unix:/run/agentx").socket.as_deref(), Some("unix:/run/agentx"));
    let old = lower("global_defs {\nenable_snmp_keepalived\n}\n");
    assert!(old.model.snmp.vrrp, "the word of old times");
}

#[test]
fn what_is_tracked_is_told_in_the_order_of_the_file() {
    let lowered = lower(
        "vrrp_script z {\nscript \"/bin/true\"\nweight 5\n}\nvrrp_track_file f {\nfile /tmp/x\nweight -2 reverse\n}\n\
         vrrp_script a {\nscript \"/bin/true\"\n}\n",
    );
    let found: Vec<_> = lowered
        .model
        .snmp
        .trackables
        .iter()
        .map(|one| (one.name.as_str(), one.weight, one.reverse))
        .collect();
    assert_eq!(found, [("script z", 5, false), ("file f", -2, true), ("script a", 0, false)]);
}
