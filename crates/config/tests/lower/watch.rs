//! Our own words about peers that speak differently and about others who claim an address.

use mainstay_core::router::plan::MismatchPolicy::{Hold, Take};

use super::*;

fn with_global(global: &str, lines: &str) -> Lowered {
    lower(&format!(
        "global_defs {{\n{global}\n}}\n{}",
        named_instance("V", 51, &format!("virtual_ipaddress {{\n10.0.0.1/24\n}}\n{lines}"))
    ))
}

#[test]
fn mismatch_policy_is_take_unless_the_instance_or_the_node_says_hold() {
    assert_eq!(instance("").clean().instance().mismatch_policy, Take);
    assert_eq!(instance("@mainstay mismatch_policy hold").clean().instance().mismatch_policy, Hold);
    assert_eq!(with_global("@mainstay mismatch_policy hold", "").clean().instance().mismatch_policy, Hold);
    let back = with_global("mismatch_policy hold", "mismatch_policy take").clean();
    assert_eq!(back.instance().mismatch_policy, Take);
}

#[test]
fn another_mismatch_policy_is_said_and_changes_nothing() {
    let lowered = instance("mismatch_policy ignore").says(["unknown-policy"]);
    assert_eq!(lowered.instance().mismatch_policy, Take);
}

#[test]
fn strict_mode_does_not_hold() {
    let lowered = instance("strict_mode\nmismatch_policy hold");
    assert!(lowered.codes().contains(&"strict-reset"));
    assert_eq!(lowered.instance().mismatch_policy, Take);
    let inherited = with_global("mismatch_policy hold", "strict_mode");
    assert!(!inherited.codes().contains(&"strict-reset"));
    assert_eq!(inherited.instance().mismatch_policy, Take);
}

#[test]
fn claims_are_watched_and_nobody_is_asked_unless_said_otherwise() {
    let both = |lowered: &Lowered| (lowered.instance().claim_watch, lowered.instance().probe_before_take);
    assert_eq!(both(&instance("").clean()), (true, false));
    let other = instance("@mainstay claim_watch off\n@mainstay probe_before_take").clean();
    assert_eq!(both(&other), (false, true));
    let node = with_global("claim_watch off\nprobe_before_take on", "claim_watch on").clean();
    assert_eq!(both(&node), (true, true));
}
