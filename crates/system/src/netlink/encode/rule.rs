//! `RTM_NEWRULE` and `RTM_DELRULE`.

use mainstay_core::address::{Family, Prefix, Rule, RuleAction as Asked};
use netlink_packet_core::DefaultNla;
use netlink_packet_route::AddressFamily;
use netlink_packet_route::rule::{
    RuleAction, RuleAttribute, RuleFlags, RuleMessage, RulePortRange, RuleUidRange,
};

use super::small_table;

/// The message that adds or removes a rule.
pub fn rule(rule: &Rule) -> RuleMessage {
    let mut message = RuleMessage::default();
    let (action, table, goto) = match rule.action {
        Asked::Table(table) => (RuleAction::ToTable, table, None),
        Asked::L3mdev => (RuleAction::ToTable, 0, None),
        Asked::Goto(preference) => (RuleAction::Goto, 0, Some(preference)),
        Asked::Nop => (RuleAction::Nop, 0, None),
        Asked::Blackhole => (RuleAction::Blackhole, 0, None),
        Asked::Unreachable => (RuleAction::Unreachable, 0, None),
        Asked::Prohibit => (RuleAction::Prohibit, 0, None),
    };
    // "all" is a selector that is not there.
    let selects = |prefix: &Option<Prefix>| prefix.filter(|prefix| prefix.length > 0);
    let (from, to) = (selects(&rule.from), selects(&rule.to));
    let header = &mut message.header;
    header.family = match rule.family {
        Family::V4 => AddressFamily::Inet,
        Family::V6 => AddressFamily::Inet6,
    };
    header.src_len = from.map_or(0, |prefix| prefix.length);
    header.dst_len = to.map_or(0, |prefix| prefix.length);
    header.tos = rule.tos;
    header.table = small_table(table);
    header.action = action;
    if rule.not {
        header.flags |= RuleFlags::Invert;
    }

    let attributes = &mut message.attributes;
    attributes.extend(from.map(|prefix| RuleAttribute::Source(prefix.address)));
    attributes.extend(to.map(|prefix| RuleAttribute::Destination(prefix.address)));
    attributes.extend(rule.preference.map(RuleAttribute::Priority));
    attributes.extend((table != 0).then_some(RuleAttribute::Table(table)));
    attributes.extend(goto.map(RuleAttribute::Goto));
    attributes.extend((rule.action == Asked::L3mdev).then_some(RuleAttribute::L3MDev(true)));
    if let Some((mark, mask)) = rule.fwmark {
        attributes.extend([RuleAttribute::FwMark(mark), RuleAttribute::FwMask(mask)]);
    }
    attributes.extend(rule.input_link.clone().map(RuleAttribute::Iifname));
    attributes.extend(rule.output_link.clone().map(RuleAttribute::Oifname));
    attributes.extend(rule.realms.map(|realms| raw(FRA_FLOW, &realms.to_ne_bytes())));
    attributes.extend(rule.suppress_prefix_length.map(RuleAttribute::SuppressPrefixLen));
    attributes.extend(rule.suppress_link_group.map(RuleAttribute::SuppressIfGroup));
    attributes.extend(rule.tunnel_id.map(RuleAttribute::TunId));
    attributes
        .extend(rule.uid_range.map(|(start, end)| RuleAttribute::UidRange(RuleUidRange { start, end })));
    attributes.extend(rule.ip_protocol.map(|protocol| RuleAttribute::IpProtocol(protocol.into())));
    let ports = |(start, end)| RulePortRange { start, end };
    attributes.extend(rule.source_ports.map(|range| RuleAttribute::SourcePortRange(ports(range))));
    attributes.extend(rule.destination_ports.map(|range| RuleAttribute::DestinationPortRange(ports(range))));
    attributes.push(RuleAttribute::Protocol(rule.protocol.into()));
    message
}

/// `linux/fib_rules.h`.
const FRA_FLOW: u16 = 11;

fn raw(kind: u16, value: &[u8]) -> RuleAttribute {
    RuleAttribute::Other(DefaultNla::new(kind, value.to_vec()))
}
