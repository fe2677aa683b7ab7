//! `virtual_rules`.

use mainstay_core::address::{Family, Rule, RuleAction};

use super::*;

fn line(line: &str) -> Lowered {
    instance(&format!("virtual_rules {{\n{line}\n}}"))
}

#[track_caller]
fn rule(text: &str) -> Rule {
    let lowered = line(text).clean();
    let [rule] = lowered.instance().rules.as_slice() else { panic!("not one rule") };
    Rule::clone(rule)
}

#[test]
fn a_rule_selects_by_source() {
    let rule = rule("from 10.1.0.0/16 table 5 priority 100");
    assert_eq!((rule.family, rule.action, rule.preference), (Family::V4, RuleAction::Table(5), Some(100)));
    assert_eq!(rule.from.map(|prefix| prefix.to_string()).as_deref(), Some("10.1.0.0/16"));
    assert_eq!((rule.to, rule.protocol, rule.tracked), (None, 18, true));
}

#[test]
fn every_option_of_a_rule_reaches_the_plan() {
    let rule = rule(
        "not from 10.1.0.0/16 to 10.2.0.0/16 tos 0x10 fwmark 5/0xff iif eth0 oif eth1 realms 1/2 \
         suppress_prefixlength 0 suppress_ifgroup 1 tunnel-id 7 uidrange 0-100 ipproto tcp sport 5 dport 10-20 \
         protocol 4 no_track lookup main preference 100",
    );
    assert!(rule.not && !rule.tracked);
    assert_eq!((rule.tos, rule.fwmark, rule.realms), (16, Some((5, 255)), Some(0x0001_0002)));
    assert_eq!((rule.input_link.as_deref(), rule.output_link.as_deref()), (Some("eth0"), Some("eth1")));
    assert_eq!((rule.suppress_prefix_length, rule.suppress_link_group), (Some(0), Some(1)));
    assert_eq!((rule.tunnel_id, rule.uid_range, rule.ip_protocol), (Some(7), Some((0, 100)), Some(6)));
    assert_eq!((rule.source_ports, rule.destination_ports), (Some((5, 5)), Some((10, 20))));
    assert_eq!((rule.protocol, rule.action), (4, RuleAction::Table(254)));
}

#[test]
fn actions_of_a_rule() {
    for (text, action) in [
        ("l3mdev", RuleAction::L3mdev),
        ("goto 200", RuleAction::Goto(200)),
        ("nop", RuleAction::Nop),
        ("blackhole", RuleAction::Blackhole),
        ("unreachable", RuleAction::Unreachable),
        ("type prohibit", RuleAction::Prohibit),
    ] {
        assert_eq!(rule(&format!("from 10.1.0.0/16 {text} priority 100")).action, action);
    }
}

#[test]
fn a_rule_without_a_preference_gets_one_with_a_complaint() {
    let lowered = line("from 10.1.0.0/16 table 5\nfrom 10.2.0.0/16 table 5");
    let preferences: Vec<_> = lowered.instance().rules.iter().map(|rule| rule.preference).collect();
    assert_eq!(preferences, [Some(16384), Some(16383)]);
    assert_eq!(lowered.codes(), ["rule-without-preference"; 2]);
}

#[test]
fn a_tracked_rule_has_keepaliveds_protocol() {
    let lowered = line("from 10.1.0.0/16 table 5 priority 1 protocol 4").says(["rule-protocol"]);
    assert_eq!(lowered.instance().rules[0].protocol, 18);
}

#[test]
fn a_mistake_takes_the_rule_out_and_not_the_instance() {
    for (text, code) in [
        ("from 10.1.0.0/16 priority 1", "rule-without-action"),
        ("from 10.1.0.0/16 goto 5 priority 10", "goto-backwards"),
        ("from 10.1.0.0/16 table 5 table 6 priority 1", "second-action"),
        ("from 10.1.0.0/16 to fe80::1 table 5 priority 1", "mixed-families"),
        ("from x table 5 priority 1", "bad-address"),
        ("fwmark x table 5 priority 1", "bad-value"),
        ("iif eth9 table 5 priority 1", "unknown-interface"),
        ("from 10.1.0.0/16 table 0 priority 1", "bad-value"),
        ("from 10.1.0.0/16 nonsense table 5 priority 1", "unknown-option"),
    ] {
        let lowered = line(text).says([code]);
        assert!(lowered.instance().rules.is_empty(), "{text}");
    }
}
