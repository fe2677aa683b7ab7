//! Lines of `virtual_rules` and `static_rules`: what `ip rule add` takes.

use std::ops::RangeInclusive;
use std::str::FromStr;

use mainstay_core::address::{Family, Prefix, Rule, RuleAction};

use super::names::Table;
use super::routes::{KEEPALIVED, expected, named, plain};
use super::values::{any_base, following, prefix};
use super::{Lowering, static_entries};
use crate::tree::{Statement, Word};

/// The preference keepalived gives to rules without one; each next one is lower by one.
const FIRST_AUTOMATIC_PREFERENCE: u32 = 16384;

/// A rule under construction.
struct Draft {
    rule: Rule,
    family: Option<Family>,
    action: Option<RuleAction>,
}

/// Lowers one line; `None` after a mistake, as in keepalived.
pub(crate) fn lower(lowering: &mut Lowering<'_>, line: &Statement, is_static: bool) -> Option<Rule> {
    let mut draft = Draft {
        rule: Rule {
            family: Family::V4,
            from: None,
            to: None,
            not: false,
            tos: 0,
            fwmark: None,
            input_link: None,
            output_link: None,
            preference: None,
            action: RuleAction::Nop,
            realms: None,
            suppress_prefix_length: None,
            suppress_link_group: None,
            tunnel_id: None,
            uid_range: None,
            ip_protocol: None,
            source_ports: None,
            destination_ports: None,
            protocol: KEEPALIVED,
            tracked: true,
            track_group: None,
        },
        family: None,
        action: None,
    };
    let mut words = line.words.iter();
    while let Some(word) = words.next() {
        option(lowering, &mut draft, word, &mut words, is_static)?;
    }
    finish(lowering, line, draft)
}

fn finish(lowering: &mut Lowering<'_>, line: &Statement, draft: Draft) -> Option<Rule> {
    let Draft { mut rule, family, action } = draft;
    rule.family = family.unwrap_or(Family::V4);
    let Some(action) = action else {
        lowering
            .report
            .refuse("rule-without-action", line.span(), "the rule has no action")
            .because("expected table, goto, nop, l3mdev, blackhole, unreachable or prohibit; it is left out");
        return None;
    };
    rule.action = action;
    if let (RuleAction::Goto(target), Some(preference)) = (action, rule.preference)
        && preference >= target
    {
        lowering
            .report
            .refuse("goto-backwards", line.span(), format!("goto {target} does not lead forward"))
            .because(format!("the rule itself has preference {preference}; it is left out"));
        return None;
    }
    if rule.preference.is_none() {
        let preference = FIRST_AUTOMATIC_PREFERENCE - lowering.defaults.automatic_preferences;
        lowering.defaults.automatic_preferences += 1;
        lowering
            .report
            .complain("rule-without-preference", line.span(), "the rule has no preference")
            .because(format!("{preference} is used; say `preference NUMBER`"));
        rule.preference = Some(preference);
    }
    if rule.tracked && rule.protocol != KEEPALIVED {
        lowering
            .report
            .complain("rule-protocol", line.span(), "a tracked rule must have protocol keepalived")
            .because("protocol keepalived is used; say no_track to have another");
        rule.protocol = KEEPALIVED;
    }
    Some(rule)
}

fn option(
    lowering: &mut Lowering<'_>,
    draft: &mut Draft,
    word: &Word,
    words: &mut std::slice::Iter<'_, Word>,
    is_static: bool,
) -> Option<()> {
    let rule = &mut draft.rule;
    match word.text.as_str() {
        "inet" => draft.family = Some(Family::V4),
        "inet6" => draft.family = Some(Family::V6),
        "from" => draft.rule.from = selector(lowering, draft, word, words)?,
        "to" => draft.rule.to = selector(lowering, draft, word, words)?,
        "not" => rule.not = true,
        "tos" | "dsfield" => {
            rule.tos = u8::try_from(named(lowering, Table::ServiceTypes, word, words)?).ok()?;
        }
        "fwmark" => {
            let value = following(&mut lowering.report, word, words, "a mark")?;
            rule.fwmark = Some(expected(lowering, mark(&value.text), value, "MARK or MARK/MASK")?);
        }
        "iif" | "dev" => rule.input_link = Some(link(lowering, word, words)?),
        "oif" => rule.output_link = Some(link(lowering, word, words)?),
        "preference" | "priority" | "order" => rule.preference = Some(plain(lowering, word, words)?),
        "table" | "lookup" => {
            let table = named(lowering, Table::Tables, word, words)?;
            let table = expected(lowering, (table != 0).then_some(table), word, "a table other than 0")?;
            action(lowering, draft, word, RuleAction::Table(table))?;
        }
        "l3mdev" => action(lowering, draft, word, RuleAction::L3mdev)?,
        "goto" => {
            let target = plain(lowering, word, words)?;
            action(lowering, draft, word, RuleAction::Goto(target))?;
        }
        "nop" => action(lowering, draft, word, RuleAction::Nop)?,
        "type" => {
            let value = following(&mut lowering.report, word, words, "a type")?;
            match typed(&value.text) {
                Some(Some(found)) => action(lowering, draft, value, found)?,
                Some(None) => {}
                None => expected(lowering, None, value, "unicast, blackhole, unreachable or prohibit")?,
            }
        }
        "realms" => {
            let value = following(&mut lowering.report, word, words, "realms")?;
            let realms = lowering.names.realms(&value.text);
            draft.rule.realms = Some(expected(lowering, realms, value, "[FROM/]TO")?);
        }
        "suppress_prefixlength" | "sup_pl" => {
            rule.suppress_prefix_length = Some(plain(lowering, word, words)?);
        }
        "suppress_ifgroup" | "sup_group" => {
            rule.suppress_link_group = Some(named(lowering, Table::LinkGroups, word, words)?);
        }
        "tunnel-id" => {
            let value = following(&mut lowering.report, word, words, "a number")?;
            rule.tunnel_id = Some(expected(lowering, any_base(&value.text), value, "a number of 64 bits")?);
        }
        "uidrange" => {
            let value = following(&mut lowering.report, word, words, "FIRST-LAST")?;
            rule.uid_range = Some(expected(lowering, range(&value.text, false), value, "FIRST-LAST")?);
        }
        "ipproto" | "ip_proto" => {
            let value = following(&mut lowering.report, word, words, "a protocol")?;
            rule.ip_protocol =
                Some(expected(lowering, transport(&value.text), value, "a protocol name or number")?);
        }
        "sport" => rule.source_ports = Some(ports(lowering, word, words)?),
        "dport" => rule.destination_ports = Some(ports(lowering, word, words)?),
        "protocol" => {
            rule.protocol = u8::try_from(named(lowering, Table::Protocols, word, words)?).ok()?;
        }
        "no_track" => rule.tracked = false,
        "track_group" if is_static => {
            draft.rule.track_group = static_entries::track_group_of(lowering, word, words.next());
        }
        text => match typed(text) {
            Some(Some(found)) => action(lowering, draft, word, found)?,
            Some(None) => {}
            None => {
                lowering
                    .report
                    .refuse("unknown-option", word.span, format!("`{word}` is not an option of a rule"))
                    .because("the rule is left out");
                return None;
            }
        },
    }
    Some(())
}

/// The actions that are type words; `unicast` is none.
fn typed(text: &str) -> Option<Option<RuleAction>> {
    Some(match text {
        "unicast" => None,
        "blackhole" => Some(RuleAction::Blackhole),
        "unreachable" => Some(RuleAction::Unreachable),
        "prohibit" => Some(RuleAction::Prohibit),
        _ => return None,
    })
}

fn action(lowering: &mut Lowering<'_>, draft: &mut Draft, word: &Word, found: RuleAction) -> Option<()> {
    if draft.action.is_some() {
        lowering
            .report
            .refuse("second-action", word.span, "a rule has one action only")
            .because("table, goto, nop, l3mdev, blackhole, unreachable and prohibit exclude each other; the rule is left out");
        return None;
    }
    draft.action = Some(found);
    Some(())
}

/// `from` and `to`: `None` inside is everything.
fn selector(
    lowering: &mut Lowering<'_>,
    draft: &mut Draft,
    word: &Word,
    words: &mut std::slice::Iter<'_, Word>,
) -> Option<Option<Prefix>> {
    let value = following(&mut lowering.report, word, words, "a prefix")?;
    if matches!(value.text.as_str(), "all" | "any" | "default") {
        return Some(None);
    }
    let found = prefix(&mut lowering.report, value)?;
    let family = Family::of(found.address);
    if draft.family.is_some_and(|other| other != family) {
        lowering
            .report
            .refuse("mixed-families", value.span, "the rule mixes IPv4 and IPv6")
            .because("the rule is left out");
        return None;
    }
    draft.family = Some(family);
    Some(Some(found))
}

fn link(lowering: &mut Lowering<'_>, word: &Word, words: &mut std::slice::Iter<'_, Word>) -> Option<String> {
    let value = following(&mut lowering.report, word, words, "an interface")?;
    lowering.interface_exists(value, "a rule", "the rule is left out").then(|| value.text.clone())
}

fn mark(text: &str) -> Option<(u32, u32)> {
    let (mark, mask) = text.split_once('/').map_or((text, None), |(mark, mask)| (mark, Some(mask)));
    let mark = u32::try_from(any_base(mark)?).ok()?;
    let mask = match mask {
        Some(mask) => u32::try_from(any_base(mask)?).ok()?,
        None => u32::MAX,
    };
    Some((mark, mask))
}

fn ports(
    lowering: &mut Lowering<'_>,
    word: &Word,
    words: &mut std::slice::Iter<'_, Word>,
) -> Option<(u16, u16)> {
    let value = following(&mut lowering.report, word, words, "a port or FIRST-LAST")?;
    // DIFFERS: keepalived 2.2.7 refuses a single port, against its manual.
    expected(lowering, range(&value.text, true), value, "a port or FIRST-LAST")
}

/// `A-B`, or `A` alone if that is allowed.
fn range<T: FromStr + PartialOrd + Copy>(text: &str, one: bool) -> Option<(T, T)> {
    let (first, last) = match text.split_once('-') {
        Some((first, last)) => (first.parse().ok()?, last.parse().ok()?),
        None if one => {
            let only = text.parse().ok()?;
            (only, only)
        }
        None => return None,
    };
    RangeInclusive::new(first, last).contains(&first).then_some((first, last))
}

/// Protocols that rules are written for; others by number.
fn transport(text: &str) -> Option<u8> {
    Some(match text {
        "icmp" => 1,
        "igmp" => 2,
        "tcp" => 6,
        "udp" => 17,
        "dccp" => 33,
        "gre" => 47,
        "esp" => 50,
        "ah" => 51,
        "ipv6-icmp" | "icmpv6" => 58,
        "ospf" => 89,
        "vrrp" => 112,
        "sctp" => 132,
        "udplite" => 136,
        _ => return text.parse().ok(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_without_a_mask_is_compared_whole() {
        assert_eq!(mark("5"), Some((5, u32::MAX)));
        assert_eq!(mark("0x10/0xff"), Some((16, 255)));
        assert_eq!(mark("x"), None);
    }

    #[test]
    fn a_range_does_not_run_backwards() {
        assert_eq!(range::<u16>("10-20", true), Some((10, 20)));
        assert_eq!(range::<u16>("10", true), Some((10, 10)));
        assert_eq!(range::<u16>("20-10", true), None);
        assert_eq!(range::<u32>("10", false), None);
    }
}
