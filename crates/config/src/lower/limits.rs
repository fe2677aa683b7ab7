//! `garp_group`, `interface_up_down_delays` and `linkbeat_interfaces`: what holds for interfaces.

use std::time::Duration;

use mainstay_core::router::plan::{AnnounceLimit, LinkDelay};

use super::Lowering;
use super::values::{LONGEST_TIMER, required, seconds};
use crate::tree::{Statement, Word};

/// Lowers one `garp_group`.
pub(crate) fn garp_group(lowering: &mut Lowering<'_>, block: &Statement) {
    let mut limit =
        AnnounceLimit { interfaces: Vec::new(), garp_interval: Duration::ZERO, na_interval: Duration::ZERO };
    let mut said = false;
    for statement in block.children() {
        match statement.keyword() {
            "garp_interval" | "gna_interval" => {
                said = true;
                let Some(word) = required(&mut lowering.report, statement, "seconds") else { continue };
                let found = seconds(&mut lowering.report, word, Duration::ZERO..=LONGEST_TIMER);
                let Some(interval) = found else { continue };
                if statement.keyword() == "garp_interval" {
                    limit.garp_interval = interval;
                } else {
                    limit.na_interval = interval;
                }
            }
            "interface" => {
                if let Some(word) = required(&mut lowering.report, statement, "an interface") {
                    member(lowering, &mut limit, word);
                }
            }
            "interfaces" => {
                for word in statement.children().iter().flat_map(|line| line.words.iter()) {
                    member(lowering, &mut limit, word);
                }
            }
            _ => {}
        }
    }
    if !said {
        lowering
            .report
            .refuse("garp-group-without-interval", block.span(), "the garp_group sets no interval")
            .because("expected garp_interval or gna_interval; it is left out");
    } else if limit.interfaces.is_empty() {
        lowering
            .report
            .warn("garp-group-without-interface", block.span(), "the garp_group names no interface")
            .because("it limits nothing");
    } else {
        lowering.model.router.announce_limits.push(limit);
    }
}

fn member(lowering: &mut Lowering<'_>, limit: &mut AnnounceLimit, word: &Word) {
    let limits = &lowering.model.router.announce_limits;
    let taken = limits.iter().chain([&*limit]).any(|limit| limit.interfaces.contains(&word.text));
    if taken {
        lowering
            .report
            .complain("interface-in-two-groups", word.span, format!("`{word}` is already in a garp_group"))
            .because("the first group counts");
    } else if lowering.interface_exists(word, "a garp_group", "it is left out") {
        limit.interfaces.push(word.text.clone());
    }
}

/// Lowers `interface_up_down_delays`: `INTERFACE DOWN [UP]`.
///
/// DIFFERS: an omitted UP is DOWN, as keepalived's manual says; its code takes 0.
pub(crate) fn link_delays(lowering: &mut Lowering<'_>, block: &Statement) {
    let range = || Duration::ZERO..=Duration::from_secs(255);
    for line in block.children() {
        let interface = &line.words[0];
        if !lowering.interface_exists(interface, "a delay", "the delay is left out") {
            continue;
        }
        let Some(down) = line.arguments().first() else {
            lowering.report.warn("missing-value", line.span(), "no delay is given").because("it is ignored");
            continue;
        };
        let Some(down) = seconds(&mut lowering.report, down, range()) else { continue };
        let up = match line.arguments().get(1) {
            Some(word) => seconds(&mut lowering.report, word, range()).unwrap_or(down),
            None => down,
        };
        lowering.model.router.link_delays.push(LinkDelay { interface: interface.text.clone(), down, up });
    }
}

/// Checks `linkbeat_interfaces`: link state comes from the kernel's messages, so nothing is polled.
pub(crate) fn linkbeat(lowering: &mut Lowering<'_>, block: &Statement) {
    for line in block.children() {
        lowering.interface_exists(&line.words[0], "linkbeat", "it is left out");
        if let Some(word) = line.arguments().first()
            && !matches!(word.text.as_str(), "MII" | "ETHTOOL" | "IOCTL")
        {
            lowering
                .report
                .complain("unknown-option", word.span, format!("`{word}` is not a way to poll"))
                .because("expected MII, ETHTOOL or IOCTL");
        }
    }
    lowering
        .report
        .note("not-in-this-version", block.span(), "not in this version: polling of link state")
        .because("link state comes from the kernel's messages, which is as fast for every driver of today");
}
