//! `strict_mode`.

use std::time::Duration;

use mainstay_core::router::plan::{Authentication, Preempt, Version};

use super::*;

fn strict(lines: &str) -> Lowered {
    instance(&format!("strict_mode\n{lines}"))
}

#[test]
fn strict_mode_changes_what_the_rfc_does_not_have() {
    let lowered = strict("").clean();
    let plan = lowered.instance();
    assert!(
        plan.strict && !plan.accept && plan.lower_priority_no_advert && !plan.higher_priority_send_advert
    );
    assert_eq!((plan.announce.lower_priority_repeat, plan.down_timer_adverts), (0, 3));
}

#[test]
fn strict_mode_sets_back_what_was_said_otherwise() {
    let lowered = strict(
        "preempt_delay 5\ndown_timer_adverts 4\nlower_prio_no_advert off\nhigher_prio_send_advert\n\
         garp_lower_prio_repeat 3",
    );
    assert_eq!(lowered.codes().iter().filter(|code| **code == "strict-reset").count(), 5);
    let plan = lowered.instance();
    assert_eq!((plan.preempt, plan.down_timer_adverts), (Preempt::After(Duration::ZERO), 3));
    assert!(plan.lower_priority_no_advert && !plan.higher_priority_send_advert);
}

#[test]
fn only_an_owner_is_master_at_start() {
    assert!(strict("state MASTER\npriority 100").codes().contains(&"strict-state"));
    assert!(strict("state BACKUP\npriority 255").codes().contains(&"strict-state"));
    strict("state MASTER\npriority 255").clean();
}

#[test]
fn version_2_has_no_accept_mode_and_version_3_has() {
    let lowered = strict("accept");
    assert_eq!(lowered.codes(), ["strict-reset"]);
    assert!(!lowered.instance().accept);
    assert!(strict("version 3\naccept").clean().instance().accept);
}

#[test]
fn there_is_no_authentication() {
    let lowered = strict("authentication {\nauth_type PASS\nauth_pass 1\n}").says(["auth-not-supported"]);
    assert_eq!(lowered.instance().authentication, Authentication::None);
}

#[test]
fn unicast_is_refused_where_multicast_works() {
    let lowered = strict("unicast_peer {\n10.0.0.9\n}").says(["strict-unicast"]);
    assert!(lowered.model.router.instances.is_empty());
}

#[test]
fn ipv6_is_version_3_and_begins_with_a_link_local_address() {
    let lowered = bare_instance("strict_mode\nversion 2\nvirtual_ipaddress {\nfd00::1\n}");
    assert_eq!(lowered.codes(), ["version-2-with-ipv6", "strict-link-local"]);
    assert_eq!(lowered.instance().version, Version::V3);
}

#[test]
fn an_address_is_needed() {
    assert!(bare_instance("strict_mode").codes().contains(&"no-address"));
}

#[test]
fn the_node_may_be_strict_and_an_instance_not() {
    let text = "global_defs {\nvrrp_strict\n}\n".to_owned() + &simple("V", 51);
    assert!(lower(&text).instance().strict);
    let text = text.replace("virtual_router_id", "strict_mode off\nvirtual_router_id");
    assert!(!lower(&text).clean().instance().strict);
}
