//! `lvs_method`, `lvs_sched`, `protocol` and the like.

use std::net::Ipv4Addr;

use mainstay_core::address::Family;
use mainstay_core::ipvs::{Forwarding, Granularity, Protocol, Scheduler, Tunnel, TunnelChecksum, TunnelKind};

use super::super::Lowering;
use super::super::values::{following, integer};
use crate::suggest;
use crate::tree::{Statement, Word};

/// Schedulers, for a suggestion.
const SCHEDULERS: [&str; 14] =
    ["rr", "wrr", "lc", "wlc", "lblc", "sh", "mh", "dh", "fo", "ovf", "lblcr", "sed", "nq", "twos"];

/// `NAT|DR|TUN [type ipip|gue port N|gre] [nocsum|csum|remcsum]`.
pub(super) fn method(lowering: &mut Lowering<'_>, statement: &Statement) -> Option<Forwarding> {
    let mut words = statement.arguments().iter();
    let first = words.next()?;
    let found = match first.text.as_str() {
        "NAT" => Forwarding::Masquerade,
        "DR" => Forwarding::DirectRoute,
        "TUN" => Forwarding::Tunnel(tunnel(lowering, &mut words)),
        other => {
            let said = lowering
                .report
                .complain("unknown-method", first.span, format!("`{first}` is not a forwarding method"))
                .because("expected NAT, DR or TUN, in capitals; the line is ignored");
            if let Some(near) = ["NAT", "DR", "TUN"].into_iter().find(|name| name.eq_ignore_ascii_case(other))
            {
                said.suggest(near);
            }
            return None;
        }
    };
    if let Some(rest) = words.next() {
        unknown_option(lowering, rest);
    }
    Some(found)
}

fn tunnel(lowering: &mut Lowering<'_>, words: &mut std::slice::Iter<'_, Word>) -> Tunnel {
    let mut tunnel = Tunnel::default();
    let mut gue_port = None;
    let mut gue = None;
    while let Some(word) = words.next() {
        match word.text.as_str() {
            "type" => {
                let Some(value) = following(&mut lowering.report, word, words, "ipip, gue or gre") else {
                    break;
                };
                match value.text.as_str() {
                    "ipip" => tunnel.kind = TunnelKind::Ipip,
                    "gre" => tunnel.kind = TunnelKind::Gre,
                    "gue" => gue = Some(value),
                    _ => unknown_option(lowering, value),
                }
            }
            "port" => {
                let Some(value) = following(&mut lowering.report, word, words, "a number") else { break };
                gue_port = integer(&mut lowering.report, value, 1..=65_535)
                    .and_then(|port| u16::try_from(port).ok());
            }
            "nocsum" => tunnel.checksum = TunnelChecksum::None,
            "csum" => tunnel.checksum = TunnelChecksum::Full,
            "remcsum" => tunnel.checksum = TunnelChecksum::Remote,
            _ => unknown_option(lowering, word),
        }
    }
    match (gue, gue_port) {
        (Some(_), Some(port)) => tunnel.kind = TunnelKind::Gue { port },
        (Some(word), None) => {
            lowering
                .report
                .complain("gue-without-port", word.span, "a GUE tunnel needs a port")
                .because("say `type gue port N`; IP in IP is used");
        }
        (None, _) => {}
    }
    tunnel
}

fn unknown_option(lowering: &mut Lowering<'_>, word: &Word) {
    lowering
        .report
        .complain("unknown-option", word.span, format!("`{word}` is not an option of a forwarding method"))
        .because("expected type ipip|gue|gre, port N, nocsum, csum or remcsum after TUN; it is ignored");
}

/// `lvs_sched`.
pub(super) fn scheduler(lowering: &mut Lowering<'_>, statement: &Statement) -> Option<Scheduler> {
    let word = statement.arguments().first()?;
    let found = word.text.parse().ok();
    if found.is_none() {
        let said = lowering
            .report
            .complain("unknown-scheduler", word.span, format!("`{word}` is not a scheduler"))
            .because(format!("expected one of {}; the line is ignored", SCHEDULERS.join(", ")));
        if let Some(near) = suggest::nearest(&word.text, SCHEDULERS) {
            said.suggest(near);
        }
    }
    found
}

/// `protocol`.
pub(super) fn protocol(lowering: &mut Lowering<'_>, statement: &Statement) -> Option<Protocol> {
    let word = statement.arguments().first()?;
    match word.text.to_ascii_uppercase().as_str() {
        "TCP" => Some(Protocol::Tcp),
        "UDP" => Some(Protocol::Udp),
        "SCTP" => Some(Protocol::Sctp),
        _ => {
            lowering
                .report
                .complain("unknown-protocol", word.span, format!("`{word}` is not a protocol"))
                .because("expected TCP, UDP or SCTP; the line is ignored");
            None
        }
    }
}

/// `persistence_granularity`: a netmask or, for IPv6, a prefix length.
pub(super) fn granularity(
    lowering: &mut Lowering<'_>,
    statement: &Statement,
    family: Family,
) -> Option<Granularity> {
    let word = statement.arguments().first()?;
    let found = match family {
        Family::V4 => word.text.parse::<Ipv4Addr>().ok().map(Granularity::Netmask),
        Family::V6 => {
            let length = word.text.parse::<u8>().ok().filter(|length| (1..=128).contains(length));
            length.map(Granularity::Prefix)
        }
    };
    if found.is_none() {
        lowering
            .report
            .complain("bad-granularity", word.span, format!("`{word}` is no {family} granularity"))
            .because(match family {
                Family::V4 => "expected a netmask, as in 255.255.255.0; the line is ignored",
                Family::V6 => "expected a prefix length from 1 to 128; the line is ignored",
            });
    }
    found
}
