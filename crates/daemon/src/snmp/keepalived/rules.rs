//! Virtual and static rules.

use mainstay_agentx::{Table, Value};
use mainstay_core::address::{Prefix, Rule, RuleAction};

use super::entry;
use crate::snmp::columns;
use crate::snmp::snapshot::Snapshot;

/// Column 33, who installed it, is one that keepalived leaves out.
const RULE: [u32; 37] = columns(2);

struct Row<'a> {
    rule: &'a Rule,
    is_set: bool,
}

/// Table 8.
pub fn table(snapshot: &Snapshot) -> Table<'_> {
    let statics = (1..).zip(&snapshot.model.router.static_rules);
    let statics = statics.map(|(number, rule)| (vec![0, number], Row { rule, is_set: true }));
    let virtuals = snapshot.instances().flat_map(|instance| {
        let (index, is_set) = (instance.index, instance.holds());
        (1..).zip(&instance.plan.rules).map(move |(number, rule)| (vec![index, number], Row { rule, is_set }))
    });
    Table::new(&entry(8), &RULE, statics.chain(virtuals), cell)
}

fn cell(row: &Row<'_>, column: u32) -> Option<Value> {
    let rule = row.rule;
    // Columns of the time when a rule had one address only.
    let only = rule.to.or(rule.from);
    let table = match rule.action {
        RuleAction::Table(table) => Some(table),
        RuleAction::L3mdev
        | RuleAction::Goto(_)
        | RuleAction::Nop
        | RuleAction::Blackhole
        | RuleAction::Unreachable
        | RuleAction::Prohibit => None,
    };
    Some(match column {
        2 => Value::text(match (rule.from, rule.to) {
            (Some(_), Some(_)) => "both",
            (Some(_), None) => "from",
            (None, Some(_)) => "to",
            (None, None) => "",
        }),
        3..=5 => prefix(only?, column - 3)?,
        6 | 24 => Value::gauge(table?),
        7 => Value::truth(row.is_set),
        8 => Value::truth(rule.not),
        9..=11 => prefix(rule.to?, column - 9)?,
        12..=14 => prefix(rule.from?, column - 12)?,
        15 => Value::gauge(rule.tos),
        16 => Value::gauge(rule.fwmark?.0),
        17 => Value::gauge(rule.fwmark?.1),
        18 => Value::gauge(rule.realms.map(|realms| realms & 0xffff).filter(|realm| *realm != 0)?),
        19 => Value::gauge(rule.realms.map(|realms| realms >> 16).filter(|realm| *realm != 0)?),
        20 => Value::text(rule.input_link.as_deref()?),
        21 => Value::text(rule.output_link.as_deref()?),
        22 => match rule.action {
            RuleAction::Goto(preference) => Value::gauge(preference),
            _ => return None,
        },
        // table(1), goto(2), nop(3), blackhole(6), unreachable(7), prohibit(8).
        23 => Value::Integer(match rule.action {
            RuleAction::Table(_) | RuleAction::L3mdev => 1,
            RuleAction::Goto(_) => 2,
            RuleAction::Nop => 3,
            RuleAction::Blackhole => 6,
            RuleAction::Unreachable => 7,
            RuleAction::Prohibit => 8,
        }),
        25 => Value::gauge(rule.preference?),
        26 => Value::gauge(rule.suppress_prefix_length?),
        27 => Value::text(&rule.suppress_link_group?.to_string()),
        28 => Value::gauge(rule.tunnel_id? >> 32),
        29 => Value::gauge(rule.tunnel_id? & 0xffff_ffff),
        30 => Value::gauge(rule.uid_range?.0),
        31 => Value::gauge(rule.uid_range?.1),
        32 if rule.action == RuleAction::L3mdev => Value::truth(true),
        34 => Value::gauge(rule.ip_protocol?),
        35 => Value::gauge(rule.source_ports?.0),
        36 => Value::gauge(rule.source_ports?.1),
        37 => Value::gauge(rule.destination_ports?.0),
        38 => Value::gauge(rule.destination_ports?.1),
        _ => return None,
    })
}

/// Type, address or length.
fn prefix(prefix: Prefix, part: u32) -> Option<Value> {
    Some(match part {
        0 => Value::inet_type(prefix.address),
        1 => Value::inet(prefix.address),
        2 => Value::gauge(prefix.length),
        _ => return None,
    })
}
