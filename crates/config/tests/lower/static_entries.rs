//! `static_ipaddress`, `static_routes`, `static_rules`, `track_group`.

use super::*;

#[test]
fn a_static_address_goes_on_the_default_interface() {
    let lowered = lower("static_ipaddress {\n10.0.0.1/24\n}\n").clean();
    assert_eq!(lowered.model.router.static_addresses[0].link, "eth0");
    let lowered =
        lower("global_defs {\ndefault_interface eth1\n}\nstatic_ipaddress {\n10.0.0.1/24\n}\n").clean();
    assert_eq!(lowered.model.router.static_addresses[0].link, "eth1");
}

#[test]
fn without_a_default_interface_a_static_address_must_name_one() {
    let lowered =
        lower_on(&World::new(), "static_ipaddress {\n10.0.0.1/24\n}\n").says(["address-without-interface"]);
    assert!(lowered.model.router.static_addresses.is_empty());
}

#[test]
fn a_static_ipv6_address_may_be_a_source() {
    let lowered = lower("static_ipaddress {\nfe80::1 dev eth0\n}\n").clean();
    assert_eq!(lowered.model.router.static_addresses[0].preferred_lifetime_s, None);
}

#[test]
fn static_routes_and_rules() {
    let lowered = lower(
        "static_routes {\n10.1.0.0/16 dev eth0\n}\nstatic_rules {\nfrom 10.1.0.0/16 table 5 priority 1\n}\n",
    )
    .clean();
    assert_eq!((lowered.model.router.static_routes.len(), lowered.model.router.static_rules.len()), (1, 1));
}

#[test]
fn losing_a_static_entry_may_be_the_fault_of_a_group() {
    let text = "track_group T {\ngroup {\nV\n}\n}\nstatic_ipaddress {\n10.0.0.9 dev eth0 track_group T\n}\n"
        .to_owned()
        + &simple("V", 51);
    let lowered = lower(&text).clean();
    assert_eq!(lowered.model.router.static_addresses[0].track_group.as_deref(), Some("T"));
    assert_eq!(lowered.model.router.track_groups[0].members, ["V"]);
}

#[test]
fn a_track_group_that_is_not_there_is_nobodys_fault() {
    let lowered =
        lower("static_routes {\n10.1.0.0/16 dev eth0 track_group T\n}\n").says(["unknown-track-group"]);
    assert_eq!(lowered.model.router.static_routes[0].track_group, None);
}

#[test]
fn a_track_group_forgets_members_that_are_not_there() {
    let lowered = lower("track_group T {\ngroup {\nnobody\n}\n}\n").says(["unknown-member"]);
    assert!(lowered.model.router.track_groups[0].members.is_empty());
}
