//! Lines of `virtual_ipaddress`, `virtual_ipaddress_excluded` and `static_ipaddress`: what `ip address add` takes.

use std::net::{IpAddr, Ipv4Addr};

use mainstay_core::address::{AddressFlags, Family, InterfaceAddress, Prefix};

use super::names::Table;
use super::values::{address, bad_address, number, prefix};
use super::{Lowering, static_entries};
use crate::tree::{Statement, Word};

/// Longest label: `IFNAMSIZ` without its terminator.
const LONGEST_LABEL: usize = 15;

/// Where an address line stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// In an instance.
    Virtual,
    /// In `static_ipaddress`.
    Static,
}

/// Lowers one line. An interface that is not named is left empty for the caller to fill in.
pub(crate) fn lower(lowering: &mut Lowering<'_>, line: &Statement, place: Place) -> Option<InterfaceAddress> {
    let Prefix { address, length } = prefix(&mut lowering.report, &line.words[0])?;
    let family = Family::of(address);
    let mut result = InterfaceAddress {
        address,
        prefix_length: length,
        link: String::new(),
        broadcast: None,
        scope: 0,
        label: None,
        peer: None,
        flags: AddressFlags { nodad: true, ..AddressFlags::default() },
        // keepalived deprecates /128 so that a virtual address is never the source of our own traffic.
        preferred_lifetime_s: (family == Family::V6 && length == 128 && place == Place::Virtual).then_some(0),
        tracked: true,
        track_group: None,
    };
    let mut words = line.arguments().iter();
    while let Some(option) = words.next() {
        let flags = &mut result.flags;
        match option.text.as_str() {
            "home" => flags.home = true,
            "-nodad" => flags.nodad = false,
            "mngtmpaddr" => flags.manage_temporary = true,
            "noprefixroute" => flags.no_prefix_route = true,
            "autojoin" => flags.auto_join = true,
            "no_track" => result.tracked = false,
            // The link is made by the instance (see `vmac`).
            "use_vmac" if place == Place::Virtual => {}
            "dev" | "brd" | "broadcast" | "scope" | "label" | "peer" | "preferred_lft" => {
                let Some(value) = words.next() else {
                    lowering
                        .report
                        .refuse("missing-value", option.span, format!("`{option}` is missing its value"))
                        .because("the address is left out");
                    return None;
                };
                option_with_value(lowering, &mut result, family, option, value)?;
            }
            "track_group" if place == Place::Static => {
                result.track_group = static_entries::track_group_of(lowering, option, words.next());
            }
            _ => {
                lowering
                    .report
                    .complain(
                        "unknown-option",
                        option.span,
                        format!("`{option}` is not an option of an address"),
                    )
                    .because("it is ignored");
            }
        }
    }
    Some(result)
}

fn option_with_value(
    lowering: &mut Lowering<'_>,
    result: &mut InterfaceAddress,
    family: Family,
    option: &Word,
    value: &Word,
) -> Option<()> {
    let report = &mut lowering.report;
    match option.text.as_str() {
        "dev" => {
            if !lowering.interface_exists(value, "an address", "the address is left out") {
                return None;
            }
            result.link.clone_from(&value.text);
        }
        "brd" | "broadcast" => match broadcast(result, family, &value.text) {
            Ok(broadcast) => result.broadcast = broadcast,
            Err(Broadcast::OptionIgnored(why)) => {
                report.complain("bad-broadcast", value.span, why).because("no broadcast address is set");
            }
            Err(Broadcast::AddressRefused(why)) => {
                report.refuse("bad-broadcast", value.span, why).because("the address is left out");
                return None;
            }
        },
        "scope" if family == Family::V6 => {
            report
                .complain("ipv4-only", value.span, "IPv6 addresses have no scope to set")
                .because("the scope is ignored");
        }
        "scope" => match lowering.names.byte(Table::Scopes, &value.text) {
            Some(scope) => result.scope = scope,
            None => {
                report
                    .complain("bad-scope", value.span, format!("`{value}` is not a scope"))
                    .because("expected global, site, link, host, nowhere or a number; it is ignored");
            }
        },
        "label" if family == Family::V6 => {
            report
                .complain("ipv4-only", value.span, "IPv6 addresses have no label")
                .because("the label is ignored");
        }
        "label" if value.text.len() > LONGEST_LABEL => {
            report
                .refuse("label-too-long", value.span, format!("label `{value}` is too long"))
                .because(format!("the kernel allows {LONGEST_LABEL} characters; the address is left out"));
            return None;
        }
        "label" => result.label = Some(value.text.clone()),
        "peer" => result.peer = peer(lowering, family, value),
        _ => {
            if family == Family::V4 {
                report.note("ipv6-only", option.span, "preferred_lft only matters for IPv6");
            }
            if value.text == "forever" {
                result.preferred_lifetime_s = None;
            } else if let Some(seconds) = number(report, value, 0..=i64::from(u32::MAX)) {
                result.preferred_lifetime_s = Some(seconds);
            }
        }
    }
    Some(())
}

/// What is wrong with a broadcast address.
enum Broadcast {
    OptionIgnored(String),
    AddressRefused(String),
}

/// `brd ADDRESS|+|-`: `+` sets the host bits, `-` clears them.
fn broadcast(result: &InterfaceAddress, family: Family, text: &str) -> Result<Option<Ipv4Addr>, Broadcast> {
    let IpAddr::V4(own) = result.address else {
        debug_assert_eq!(family, Family::V6);
        return Err(Broadcast::AddressRefused("IPv6 has no broadcast".to_owned()));
    };
    let host_bits = u32::MAX.checked_shr(u32::from(result.prefix_length)).unwrap_or(0);
    match text {
        "+" | "-" if result.prefix_length > 30 => {
            Err(Broadcast::OptionIgnored(format!("a /{} has no broadcast address", result.prefix_length)))
        }
        "+" => Ok(Some(Ipv4Addr::from_bits(own.to_bits() | host_bits))),
        "-" => Ok(Some(Ipv4Addr::from_bits(own.to_bits() & !host_bits))),
        _ => text
            .parse()
            .map(Some)
            .map_err(|_| Broadcast::AddressRefused(format!("`{text}` is not an IPv4 broadcast address"))),
    }
}

/// `peer ADDRESS[/LENGTH]`.
fn peer(lowering: &mut Lowering<'_>, family: Family, value: &Word) -> Option<Prefix> {
    let report = &mut lowering.report;
    let host = value.text.split('/').next().unwrap_or_default();
    let Some(address) = address(host) else {
        bad_address(report, value);
        return None;
    };
    if Family::of(address) != family {
        report
            .complain("mixed-families", value.span, format!("peer `{value}` is not an {family} address"))
            .because("it is ignored");
        return None;
    }
    prefix(report, value)
}
