//! `virtual_server_group`: addresses, ranges and marks that are one virtual server.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use mainstay_core::address::Family;
use mainstay_core::ipvs::{Protocol, ServiceKey};

use super::super::values::{address, any_base, integer};
use super::super::{Lowering, only_name};
use crate::tree::{Statement, Word};

/// The most addresses one range may stand for: each is a service of its own.
const LONGEST_RANGE: u128 = 65_536;

/// One member of a group, its range expanded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Member {
    /// Address and port.
    Address(IpAddr, u16),
    /// Firewall mark; the family may be left to the virtual server.
    Mark(u32, Option<Family>),
}

impl Member {
    /// The service it is in a virtual server.
    pub(super) const fn service(self, protocol: Protocol, family: Family) -> ServiceKey {
        match self {
            Self::Address(address, port) => ServiceKey::Address { protocol, address, port },
            Self::Mark(mark, Some(family)) => ServiceKey::Mark { family, mark },
            Self::Mark(mark, None) => ServiceKey::Mark { family, mark },
        }
    }
}

/// Lowers one group.
pub(super) fn lower(lowering: &mut Lowering<'_>, block: &Statement) {
    let Some(name) = only_name(lowering, block) else { return };
    let mut members = Vec::new();
    for line in block.children() {
        line_members(lowering, line, &mut members);
    }
    if members.is_empty() {
        lowering
            .report
            .refuse("empty-group", block.span(), format!("virtual_server_group `{name}` has no entries"))
            .because("it is left out");
        return;
    }
    if lowering.servers.groups.contains_key(&name) {
        lowering
            .report
            .warn(
                "duplicate-definition",
                block.span(),
                format!("virtual_server_group `{name}` is defined twice"),
            )
            .because("the first one counts");
        return;
    }
    lowering.servers.groups.insert(name, members);
}

/// One line: `fwmark N [inet|inet6]`, or an address or range with a port.
fn line_members(lowering: &mut Lowering<'_>, line: &Statement, members: &mut Vec<Member>) {
    let first = &line.words[0];
    if first.text == "fwmark" {
        let Some(word) = line.arguments().first() else {
            lowering
                .report
                .complain("missing-value", first.span, "`fwmark` is missing its number")
                .because("the line is ignored");
            return;
        };
        let Some(mark) = mark(lowering, word) else { return };
        let family = line.arguments().get(1).and_then(|word| family(lowering, word));
        members.push(Member::Mark(mark, family));
        return;
    }
    let port = match line.arguments().first() {
        Some(word) => match integer(&mut lowering.report, word, 0..=65_535) {
            Some(port) => u16::try_from(port).unwrap_or(0),
            None => return,
        },
        None => 0,
    };
    match range(&first.text) {
        Ok((from, to)) => members.extend(expand(from, to).map(|address| Member::Address(address, port))),
        Err(why) => {
            lowering
                .report
                .complain("bad-group-entry", first.span, format!("`{first}` is no entry of a group: {why}"))
                .because(
                    "expected 192.0.2.1, 192.0.2.1-9, 192.0.2.1-192.0.2.9 or 192.0.2.0/29, then a port; it is \
                     left out",
                );
        }
    }
}

/// A firewall mark of at least 1.
pub(super) fn mark(lowering: &mut Lowering<'_>, word: &Word) -> Option<u32> {
    let found = any_base(&word.text).and_then(|mark| u32::try_from(mark).ok()).filter(|mark| *mark > 0);
    if found.is_none() {
        lowering
            .report
            .complain("bad-mark", word.span, format!("`{word}` is not a firewall mark"))
            .because("expected a number from 1 to 4294967295; it is left out");
    }
    found
}

/// `inet` or `inet6`.
pub(super) fn family(lowering: &mut Lowering<'_>, word: &Word) -> Option<Family> {
    match word.text.as_str() {
        "inet" => Some(Family::V4),
        "inet6" => Some(Family::V6),
        _ => {
            lowering
                .report
                .complain("unknown-family", word.span, format!("`{word}` is not an address family"))
                .because("expected inet or inet6");
            None
        }
    }
}

/// First and last address of an entry.
fn range(text: &str) -> Result<(IpAddr, IpAddr), &'static str> {
    if let Some((network, length)) = text.split_once('/') {
        let network = address(network).ok_or("there is no address before the `/`")?;
        let length: u8 = length.parse().map_err(|_| "the prefix length is no number")?;
        return prefix(network, length);
    }
    let Some((first, last)) = text.split_once('-') else {
        let address = address(text).ok_or("it is not an IP address")?;
        return Ok((address, address));
    };
    let first = address(first).ok_or("there is no address before the `-`")?;
    let last = last_of(first, last).ok_or("what follows the `-` is no end of the range")?;
    if Family::of(first) != Family::of(last) || last < first {
        return Err("the range ends before it begins");
    }
    if distance(first, last) >= LONGEST_RANGE {
        return Err("the range is too long");
    }
    Ok((first, last))
}

/// The end of a range: a whole address, or its last part (decimal for IPv4, hexadecimal for IPv6).
fn last_of(first: IpAddr, text: &str) -> Option<IpAddr> {
    if let Some(whole) = address(text) {
        return Some(whole);
    }
    match first {
        IpAddr::V4(first) => {
            let [a, b, c, _] = first.octets();
            Some(IpAddr::V4(Ipv4Addr::new(a, b, c, text.parse().ok()?)))
        }
        IpAddr::V6(first) => {
            let mut segments = first.segments();
            segments[7] = u16::from_str_radix(text, 16).ok()?;
            Some(IpAddr::V6(Ipv6Addr::from(segments)))
        }
    }
}

fn prefix(network: IpAddr, length: u8) -> Result<(IpAddr, IpAddr), &'static str> {
    let bits = Family::of(network).bits();
    if length > bits {
        return Err("the prefix is too long");
    }
    let host_bits = u32::from(bits - length);
    if host_bits > LONGEST_RANGE.ilog2() {
        return Err("the range is too long");
    }
    let hosts = (1_u128 << host_bits) - 1;
    let first = number(network) & !hosts;
    Ok((address_of(network, first), address_of(network, first | hosts)))
}

fn distance(first: IpAddr, last: IpAddr) -> u128 {
    number(last) - number(first)
}

fn expand(first: IpAddr, last: IpAddr) -> impl Iterator<Item = IpAddr> {
    (number(first)..=number(last)).map(move |number| address_of(first, number))
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(address.to_bits()),
        IpAddr::V6(address) => address.to_bits(),
    }
}

/// The address of a number, of the family of another one.
fn address_of(like: IpAddr, number: u128) -> IpAddr {
    match like {
        // A range of IPv4 addresses has no number above 32 bits.
        IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::from_bits(number as u32)),
        IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::from_bits(number)),
    }
}
